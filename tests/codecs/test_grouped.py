"""Groups of pairs: splitting and merging against NumPy, the section `keys`, a grouped coder alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire import CorruptMessage
from gradwire._ext import sparse
from gradwire.codecs.grouped import decode_keys, encode_keys


def distinct(n, dim, rng):
    return np.sort(rng.permutation(np.unique(rng.integers(0, dim, n + n // 4 + 20, dtype=np.uint64)))[:n]).astype(np.uint32)


@pytest.mark.parametrize("codes_of", [np.uint8, np.uint16])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("groups", [1, 3, 8, 12, 13, 256])
def test_split_is_a_stable_distribution(groups, wide, codes_of, simd_level):
    rng = np.random.default_rng(groups)
    for n in (0, 1, 17, 63, 64, 65, 128, 200, 5000):
        buckets = 200 if codes_of is np.uint8 else 700
        places = (rng.integers(0, groups, buckets) << 16 | rng.integers(0, 65536 if wide else 256, buckets)).astype(np.uint32)
        places[0] |= 256 if wide else 0
        codes, keys = rng.integers(0, buckets, n).astype(codes_of), distinct(n, 1 << 32, rng)
        if wide and n and codes_of is np.uint8:
            with pytest.raises(ValueError, match="below 256"):
                sparse.split(keys, codes, places, groups)
            continue
        found, indexes, sizes = sparse.split(keys, codes, places, groups)
        group = places[codes] >> 16
        order = np.argsort(group, kind="stable")
        assert np.array_equal(found, keys[order])
        assert np.array_equal(indexes, (places[codes] & 0xFFFF)[order])
        assert indexes.dtype == (np.uint16 if wide and n else np.uint8)
        assert sizes.tolist() == np.bincount(group, minlength=groups).tolist()


def test_split_refuses_what_would_not_fit():
    keys, codes = np.arange(3, dtype=np.uint32), np.zeros(3, np.uint16)
    for places, groups in ((np.array([2 << 16]), 2), (np.array([0]), 257)):
        with pytest.raises(ValueError, match="groups"):
            sparse.split(keys, codes, places.astype(np.uint32), groups)
    with pytest.raises(ValueError, match="3 codes"):
        sparse.split(keys, codes[:2], np.zeros(1, np.uint32), 1)


@pytest.mark.parametrize("runs", [2, 3, 8, 17, 256])
@pytest.mark.parametrize("shares", ["even", "geometric", "one long"])
@pytest.mark.parametrize("n", [2, 9, 300, 3000, 40_000])
def test_merge_sorts_the_pairs(runs, shares, n, simd_level):
    """Windows, pieces and their tails; keys dense and spread, the largest key too."""
    rng = np.random.default_rng(n + runs)
    weights = {"even": np.ones(runs), "geometric": 0.5 ** np.arange(runs), "one long": np.arange(runs) == 1 % runs}[shares] + 1e-4
    group = rng.choice(runs, n, p=weights / weights.sum())
    for dim in (n + n // 8, 1 << 32):
        keys = distinct(n, dim, rng)
        keys[-1] = dim - 1
        keys = np.unique(keys)
        of = group[: len(keys)]
        if runs > 2 and dim > 1 << 20:
            of = np.sort(of)  # runs one after the other
        order, sizes = np.argsort(of, kind="stable"), np.bincount(of, minlength=runs)
        values = rng.normal(size=len(keys)).astype(np.float32)
        found_keys, found = sparse.merge(keys[order], values[order], sizes)
        assert np.array_equal(found_keys, keys)
        assert np.array_equal(found, values)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.integers(0, 200), max_size=60), min_size=1, max_size=6))
def test_merge_finds_equal_keys(runs):
    keys = np.array([key for run in runs for key in sorted(run)], np.uint32)
    sizes, payload = np.array([len(run) for run in runs]), np.arange(len(keys), dtype=np.uint32)
    merged = sparse.merge(keys, payload, sizes)
    assert (merged is None) == (len(np.unique(keys)) < len(keys))
    if merged is not None:
        assert np.array_equal(merged[0], np.sort(keys)) and np.array_equal(keys[merged[1]], merged[0])


def test_merge_finds_equal_keys_in_long_runs(simd_level):
    rng = np.random.default_rng(1)
    for n in (1000, 20_000, 60_000):
        keys = distinct(n, 1 << 24, rng)
        parts = [keys[i::8] for i in range(8)]
        for at in (0, n // 16, len(parts[3]) - 1):
            damaged = [part.copy() for part in parts]
            damaged[3][at] = parts[2][at]
            sizes = np.array([len(part) for part in parts])
            assert sparse.merge(np.concatenate(damaged), np.zeros(n, np.float32), sizes) is None


def test_merge_of_unsorted_runs_stays_inside(simd_level):
    """Only sorted runs have an answer; others must not read or write elsewhere (run under AddressSanitizer)."""
    rng = np.random.default_rng(2)
    for n in (100, 3000, 30_000):
        keys = rng.integers(0, 1 << 32, n, dtype=np.uint64).astype(np.uint32)
        for sizes in (np.array([n // 2, n - n // 2]), np.bincount(rng.integers(0, 9, n), minlength=9)):
            merged = sparse.merge(keys, np.zeros(n, np.float32), sizes)
            assert merged is None or len(merged[0]) == n
            sparse.merge(np.sort(keys)[::-1].copy(), np.zeros(n, np.float32), sizes)


def test_merge_refuses_what_would_not_fit():
    keys = np.arange(4, dtype=np.uint32)
    for payload, sizes in ((np.zeros(3, np.float32), [4]), (np.zeros(4, np.float32), [3]), (np.zeros(4, np.float32), [4] + [0] * 256)):
        with pytest.raises(ValueError, match="expected 4 pairs"):
            sparse.merge(keys, payload, np.array(sizes))


# The section `keys`


@pytest.mark.parametrize("sizes", [[], [0, 0], [5], [0, 5], [2, 3, 0], [1, 0, 4, 0, 0]])
@pytest.mark.parametrize("coder", ["raw", "byteflag", "bitflag"])
def test_section_round_trip(sizes, coder):
    rng, coder, sizes = np.random.default_rng(0), gw.keys(coder), np.array(sizes, np.int64)
    keys = np.concatenate([np.empty(0, np.uint32), *(distinct(size, 1000, rng) for size in sizes.tolist())])
    section = encode_keys(coder, keys, sizes, 1000)
    assert len(section) % 8 == 0
    found, found_sizes = decode_keys(coder, section, len(keys), 1000, 8)
    assert np.array_equal(found, keys)
    assert found_sizes.tolist() == np.trim_zeros(sizes, "b").tolist()


def test_hostile_sections():
    coder, sizes = gw.keys("byteflag"), np.array([3, 2])
    keys = np.array([1, 5, 900, 2, 3], np.uint32)
    good = encode_keys(coder, keys, sizes, 1000)
    assert decode_keys(coder, good, 5, 1000, 2)[0].tolist() == keys.tolist()
    words = good.view("<u4")

    def changed(at, value):
        copy = words.copy()
        copy[at] = value
        return copy.view(np.uint8)

    swapped = words.copy()
    swapped[[2, 4]] = 2, 3

    padded = good.copy()
    padded[-1] = 1
    cases = {
        "directory": [changed(0, 3), changed(0, 2**32 - 1), changed(1, 1), good[:8], good[:4], good[:0]],
        "key groups of 5": [changed(2, 2), changed(4, 2**32 - 1)],
        "bytes of a key group": [changed(3, 2**32 - 1), changed(5, 900), padded],
        "byteflag": [swapped.view(np.uint8)],
        "bytes of key groups": [np.concatenate([good, np.zeros(8, np.uint8)])],
    }
    for match, sections in cases.items():
        for section in sections:
            with pytest.raises(CorruptMessage, match=match):
                decode_keys(coder, section, 5, 1000, 2)
    with pytest.raises(CorruptMessage, match="at most 1 key groups"):
        decode_keys(coder, good, 5, 1000, 1)
    with pytest.raises(CorruptMessage, match="key groups of 3"):  # a last group without keys would be a second way to say the same
        one = encode_keys(coder, keys[:3], sizes[:1], 1000)
        directory = np.array([2, 0, *one[8:16].view("<u4"), 0, 0], "<u4").view(np.uint8)
        decode_keys(coder, np.concatenate([directory, one[16:]]), 3, 1000, 2)
