"""rle: the bytes are Elias delta codes of the run lengths, long runs cost next to nothing but their expansion is bounded, hostile bytes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire
from gradwire._ext import rle as _rle
from gradwire.codecs.keys.gaps import GapStatistics, delta_bits
from gradwire.codecs.keys.rle import RunLength

TOP = 1 << 32


def delta(x):
    """The Elias delta code of x, as bits in stream order."""
    width = x.bit_length()
    length = width.bit_length()
    low = [width >> i & 1 for i in range(length - 1)] + [x >> i & 1 for i in range(width - 1)]
    return [0] * (length - 1) + [1] + low


def run_list(keys):
    """(zeros before it, length) of each run."""
    runs, end = [], 0
    for _, group in itertools.groupby(enumerate(keys.tolist()), lambda pair: pair[1] - pair[0]):
        group = [key for _, key in group]
        runs.append((group[0] - end, len(group)))
        end = group[-1] + 1
    return runs


def reference(keys):
    bits = []
    for i, (zeros, ones) in enumerate(run_list(keys)):
        bits += delta(zeros + (i == 0))
        while ones > 65535:
            bits += delta(65536)
            ones -= 65535
        bits += delta(ones)
    return np.packbits(np.array(bits, np.uint8), bitorder="little").tobytes()


def test_delta_codes_have_their_published_lengths():
    assert [len(delta(x)) for x in (1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 1 << 32)] == [1, 4, 4, 5, 5, 8, 8, 9, 9, 10, 10, 11, 43]
    assert all(delta_bits(b) == len(delta(1 << b - 1)) for b in range(1, 34))


@given(data=st.data())
@settings(deadline=None)
def test_equals_the_reference_and_roundtrips(key_sets, data):
    keys, dim = data.draw(key_sets)
    payload = bytes(RunLength().encode(keys, dim))
    assert payload == reference(keys)
    assert RunLength().estimate(keys, dim) == len(payload)
    np.testing.assert_array_equal(RunLength().decode(payload, len(keys), dim), keys)


lengths = st.one_of(st.integers(1, 40), st.integers(1, 5000), st.sampled_from([65534, 65535, 65536, 131070, 131071]))


@given(st.lists(st.tuples(st.integers(1, 1 << 20), lengths), min_size=1, max_size=4), st.booleans())
@settings(deadline=None, max_examples=60)
def test_runs_of_every_length(runs, at_zero):
    starts = np.cumsum([0 if at_zero else runs[0][0]] + [length + gap for (_, length), (gap, _) in itertools.pairwise(runs)])
    keys = np.concatenate([np.arange(start, start + length) for start, (_, length) in zip(starts, runs)]).astype(np.uint32)
    payload = bytes(RunLength().encode(keys, TOP))
    assert payload == reference(keys)
    np.testing.assert_array_equal(RunLength().decode(payload, len(keys), TOP), keys)


def test_a_run_costs_next_to_nothing_and_expands_within_a_bound():
    keys = np.arange(1 << 20, dtype=np.uint32)
    payload = bytes(RunLength().encode(keys, TOP))
    assert len(payload) <= 1 + 17 * 25 // 8
    assert len(keys) <= 65535 * (8 * len(payload) / 25 + 1)
    for nnz in (1 << 30, TOP):
        with pytest.raises(gradwire.CorruptMessage, match="at least"):
            RunLength().decode(payload, nnz, TOP)


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_estimate_below_stops_only_above_the_limit(key_sets, data):
    keys, dim = data.draw(key_sets)
    if len(keys):
        size, limit = len(RunLength().encode(keys, dim)), data.draw(st.integers(0, 3000))
        statistics = GapStatistics(keys, dim)
        assert statistics.runs == len(run_list(keys))
        assert statistics.run_zero_bits == sum(len(delta(zeros + (i == 0))) for i, (zeros, _) in enumerate(run_list(keys)))
        found = RunLength().estimate_below(statistics, limit)
        assert found == size or limit <= found <= size
        assert _rle.bits(keys, 0) == 0


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_hostile_bytes(key_sets, attack, data):
    attack(RunLength(), *data.draw(key_sets), seed=data.draw(st.integers(0, 1000)))


def stream(*numbers):
    return np.packbits(np.array([bit for x in numbers for bit in delta(x)], np.uint8), bitorder="little").tobytes()


@pytest.mark.parametrize(
    ("payload", "nnz", "match"),
    [
        (stream(6), 1, "another number of bytes"),
        (stream(6, 1) + b"\0", 1, "another number of bytes"),
        (stream(6, 2), 1, "another number of bytes"),
        (stream(6, 2), 3, "another number of bytes"),
        (stream(1, 65536), 65535, "another number of bytes"),
        (b"\0" * 8, 1, "another number of bytes"),
        (stream(6, 1)[:-1] + bytes([stream(6, 1)[-1] | 0x80]), 1, "unused bits"),
        (stream(1, 65537), 70_000, "stands for nothing"),
        (stream(200_001, 1), 1, "too large"),
        (stream(1, 1, 199_999, 1), 2, "too large"),
        (b"", 1, "at least 1 bytes"),
        (b"\0", 0, "no bytes"),
        (stream(1, 1), 200_001, "at most 200000 keys"),
    ],
)
def test_says_what_is_wrong(payload, nnz, match):
    with pytest.raises(gradwire.CorruptMessage, match=match):
        RunLength().decode(payload, nnz, 200_000)
