"""The kernels that preparation uses, against plain NumPy."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradwire._ext import rows

MASK = 0xFFFFFFFF


def matrix(lengths, seed, with_values):
    rng = np.random.default_rng(seed)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    indices = rng.integers(0, 1000, indptr[-1]).astype(np.uint32)
    return indptr, indices, rng.normal(size=indptr[-1]).astype(np.float32) if with_values else None


def random32(seed, i):
    """gw_random32 of random.h, in Python integers."""
    x = (i * 0x9E3779B1 + seed) & MASK
    key = ((seed >> 32) + (i >> 32) * 0x85EBCA6B) & MASK
    x ^= x >> 16
    x = (x * 0x21F0AAAD) & MASK ^ key
    x ^= x >> 15
    x = (x * 0x735A2D97) & MASK
    return x ^ x >> 15


lengths_lists = st.lists(st.one_of(st.integers(0, 10), st.integers(60, 70)), max_size=12)


@given(lengths_lists, st.integers(0, 1000), st.booleans())
@settings(deadline=None)
def test_sort_moves_pairs_together(lengths, seed, with_values):
    indptr, indices, values = matrix(lengths, seed, with_values)
    pairs = [sorted(zip(indices[a:b], values[a:b] if with_values else indices[a:b])) for a, b in pairwise(indptr)]
    rows.sort(indptr, indices, values)
    for (a, b), expected in zip(pairwise(indptr), pairs):
        assert sorted(zip(indices[a:b], values[a:b] if with_values else indices[a:b])) == expected
        assert np.array_equal(indices[a:b], np.sort(indices[a:b]))


@given(lengths_lists, st.integers(0, 1000), st.booleans())
@settings(deadline=None)
def test_select_equals_numpy(lengths, seed, with_values):
    indptr, indices, values = matrix(lengths, seed, with_values)
    picked = np.random.default_rng(seed).integers(0, max(len(lengths), 1), 5 if lengths else 0).astype(np.int64)
    out_indptr, out_indices, out_values = rows.select(indptr, indices, values, picked)
    spans = [np.arange(indptr[r], indptr[r + 1]) for r in picked]
    where = np.concatenate([np.empty(0, np.int64), *spans])
    assert np.array_equal(out_indptr, np.cumsum([0] + [len(span) for span in spans]))
    assert np.array_equal(out_indices, indices[where])
    assert out_values is None if values is None else np.array_equal(out_values, values[where])


def test_select_refuses_rows_that_do_not_exist():
    indptr, indices, _ = matrix([2, 3], 0, False)
    for row in (-1, 2):
        with pytest.raises(IndexError, match="rows in 0 … 1"):
            rows.select(indptr, indices, None, np.array([row], np.int64))


@pytest.mark.parametrize(
    ("indptr", "indices", "bad"),
    [
        ([0, 2, 2, 3], [1, 5, 9], -1),
        ([0], [], -1),
        ([0, 2, 3], [5, 1, 2], 0),
        ([0, 1, 3], [5, 3, 3], 1),
        ([0, 1, 2], [3, 10], 1),
        ([0, 3, 2], [1, 2, 3], 1),
        ([0, 1, 4], [1, 2, 3], 1),
        ([-1, 1], [1, 2], 0),
    ],
)
def test_check_finds_the_first_bad_row(indptr, indices, bad):
    assert rows.check(np.array(indptr, np.int64), np.array(indices, np.uint32), 10) == bad


def test_count_counts_repeated_ids_and_saturates():
    counts = np.array([0, 2**32 - 2, 0], np.uint32)
    rows.count(np.array([1, 1, 1, 2], np.uint32), counts)
    assert counts.tolist() == [0, 2**32 - 1, 1]


@pytest.mark.parametrize("n", [1, 2, 3, 1000, 4096, 70_001])
def test_permute_is_a_permutation_that_the_seed_picks(n):
    images = [np.arange(n, dtype=np.uint32) for _ in range(3)]
    for ids, seed in zip(images, (5, 5, 6)):
        rows.permute(ids, n, seed)
        assert np.array_equal(np.sort(ids), np.arange(n))
    assert np.array_equal(images[0], images[1])
    if n >= 1000:
        assert not np.array_equal(images[0], images[2])
        steps = np.abs(np.diff(images[0].astype(np.int64)))
        assert 0.2 < steps.mean() / n < 0.45  # a third for independent uniform neighbours


def test_permute_reaches_the_full_range_of_keys():
    ids = np.arange(2**32 - 1000, 2**32, dtype=np.int64).astype(np.uint32)
    rows.permute(ids, 2**32, 1)
    assert len(np.unique(ids)) == 1000
    assert ids.max() > 2**31


@given(st.integers(0, 2**64 - 1), st.lists(st.integers(0, 2**40), max_size=20))
def test_random32_is_the_stream_of_random_h(seed, counters):
    assert rows.random32(seed, np.array(counters, np.int64)).tolist() == [random32(seed, i) for i in counters]
