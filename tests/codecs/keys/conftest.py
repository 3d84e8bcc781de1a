"""What the tests of all key coders share: key sets to draw from, and what a decoder must survive."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import strategies as st

from gradwire import CorruptMessage
from gradwire._ext import simd

TOP = 1 << 32


def _from_gaps(gaps, room):
    """(keys, dim): the running sum of gaps, cut at 2³²; `room` dims above the last key."""
    keys = np.cumsum(np.asarray(gaps, np.uint64) + np.uint64(1)) - np.uint64(1)
    keys = keys[keys < TOP].astype(np.uint32)
    return keys, min(TOP, int(keys[-1]) + 1 + room if len(keys) else 1 + room)


def _random(seed, n, largest_width):
    """Gaps of every width up to largest_width, some of them in runs of consecutive keys."""
    rng = np.random.default_rng(seed)
    gaps = rng.integers(0, 1 << rng.integers(0, largest_width + 1, n))
    gaps[rng.random(n) < rng.random()] = 0
    return _from_gaps(gaps, int(rng.integers(0, 3)))


_SPECIAL = [
    ([], 1),
    ([], TOP),
    ([0], 1),
    ([0], TOP),
    ([TOP - 1], TOP),
    ([0, TOP - 1], TOP),
    ([TOP - 2, TOP - 1], TOP),
    (range(300), 300),
    (range(TOP - 40, TOP), TOP),
    ([0, *range(1 << 31, (1 << 31) + 70)], TOP),
]


@pytest.fixture(scope="session")
def key_sets():
    """Strategy of (keys, dim): empty, one key, all keys, first and last key, runs, gaps of every size up to 2³²."""
    gap = st.one_of(st.just(0), st.integers(0, 300), st.integers(0, TOP - 1))
    return st.one_of(
        st.sampled_from([(np.array(keys, np.uint32), dim) for keys, dim in _SPECIAL]),
        st.builds(_from_gaps, st.lists(gap, max_size=40), st.integers(0, 3)),
        st.builds(_random, st.integers(0, 1 << 32), st.integers(0, 600), st.integers(0, 31)),
    )


@pytest.fixture(scope="session")
def ragged_keys():
    """330 keys below 2³² with gaps of 0 … 27 bits, short and long ones side by side, the widest rare."""
    rng = np.random.default_rng(7)
    widths = rng.choice([0, 1, 2, 3, 5, 8, 9, 13, 16, 17, 20], 330)
    widths[rng.choice(330, 6, replace=False)] = 27
    return _from_gaps(rng.integers(0, 1 << widths), 0)[0]


def _spoiled(n, at, key):
    keys = np.arange(10, 10 + 3 * n, 3, dtype=np.uint32)
    keys[at] = key
    return keys


@pytest.fixture(
    params=[
        (_spoiled(1, 0, 5), 5, "below dim 5, got key 5 at position 0"),
        (_spoiled(2, 1, 10), 100, "got key 10 after 10 at position 1"),
        (_spoiled(40, 0, 14), 1000, "got key 13 after 14 at position 1"),
        (_spoiled(40, 17, 58), 1000, "got key 58 after 58 at position 17"),
        (_spoiled(40, 39, 1000), 1000, "below dim 1000, got key 1000"),
        (_spoiled(9000, 8999, 0), TOP, "got key 0 after 27004 at position 8999"),
        (np.zeros((2, 2), np.uint32), 100, "shape"),
        (np.array([0.5]), 100, "integer keys"),
        (np.array([-1, 2]), 100, "keys in 0 … 99"),
    ],
    ids=lambda case: case[2],
)
def bad_keys(request):
    """(keys, dim, what the error says)"""
    return request.param


@pytest.fixture(scope="session")
def damaged():
    """A function (coder): a message of 3000 keys with one byte changed, somewhere, has the same fate at all SIMD levels."""

    def run(coder):
        rng = np.random.default_rng(3)
        keys = np.cumsum(rng.integers(1, 1 << rng.integers(1, 12, 3000))).astype(np.uint32)
        dim = int(keys[-1]) + 1
        good = bytes(coder.encode(keys, dim))
        places = np.concatenate([np.arange(8), rng.integers(0, len(good), 200), len(good) - 1 - np.arange(8)])
        changes = [(int(place), int(change)) for place, change in zip(places, rng.integers(1, 256, len(places)))]
        fates = _at_all_levels(
            lambda: [_fate(coder, good[:at] + bytes([good[at] ^ change]) + good[at + 1 :], keys, dim) for at, change in changes]
        )
        assert all(fate == fates[0] for fate in fates)
        assert {type(fate) for fate in fates[0]} == {bytes, str}

    return run


@pytest.fixture(scope="session")
def levels_accept_the_same():
    """A function (coder, keys, dim, data): a payload with up to 4 flipped bits gives equal keys at every level, or none at any."""

    def run(coder, keys, dim, data):
        changed = bytearray(coder.encode(keys, dim))
        for bit in data.draw(st.lists(st.integers(0, max(0, 8 * len(changed) - 1)), max_size=4)) if changed else ():
            changed[bit // 8] ^= 1 << bit % 8
        fates = _at_all_levels(lambda: _fate(coder, bytes(changed), keys, dim))
        assert len({fate if isinstance(fate, bytes) else None for fate in fates}) == 1

    return run


def _at_all_levels(decide):
    """What `decide` returns at each SIMD level."""
    before, found = simd.level(), []
    try:
        for level in simd.levels():
            simd.use(level)
            found.append(decide())
    finally:
        simd.use(before)
    return found


def _fate(coder, payload, keys, dim):
    try:
        return coder.decode(payload, len(keys), dim).tobytes()
    except CorruptMessage as error:
        return str(error)


@pytest.fixture(scope="session")
def decode_or_refuse():
    """A function (coder, payload, nnz, dim): valid keys or CorruptMessage, and no more memory than the payload justifies."""

    def attempt(coder, payload, nnz, dim):
        payload = bytes(payload)
        tracemalloc.start()
        try:
            keys = coder.decode(payload, nnz, dim)
        except CorruptMessage:
            return None
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak <= 64 * len(payload) + 50_000
        assert keys.dtype == np.uint32 and len(keys) == nnz
        wide = keys.astype(np.int64)
        assert (np.diff(wide) > 0).all() and (nnz == 0 or wide[-1] < dim)
        return keys

    return attempt


@pytest.fixture(scope="session")
def attack(decode_or_refuse):
    """A function (coder, keys, dim, seed): truncations at every length, extensions, bit flips, random bytes, wrong and absurd nnz."""

    def run(coder, keys, dim, seed):
        good = bytes(coder.encode(keys, dim))
        rng = np.random.default_rng(seed)
        for length in range(len(good)):
            with pytest.raises(CorruptMessage):
                coder.decode(good[:length], len(keys), dim)
        with pytest.raises(CorruptMessage):
            coder.decode(good + b"\0", len(keys), dim)
        for bit in rng.choice(8 * len(good), min(8 * len(good), 200), replace=False) if good else ():
            flipped = bytearray(good)
            flipped[bit // 8] ^= 1 << bit % 8
            decode_or_refuse(coder, flipped, len(keys), dim)
        for _ in range(30):
            decode_or_refuse(coder, rng.bytes(int(rng.integers(0, 80))), int(rng.integers(0, 60)), dim)
            noisy = good[: len(good) // 2] + rng.bytes(len(good) - len(good) // 2)
            decode_or_refuse(coder, noisy, len(keys), dim)
        for nnz in (0, 1, len(keys) - 1, len(keys) + 1, 2 * len(keys) + 7, 1 << 20, TOP - 1, TOP, 1 << 40):
            if nnz >= 0 and nnz != len(keys):
                decode_or_refuse(coder, good, nnz, dim)
                decode_or_refuse(coder, good, nnz, TOP)
        if len(keys):
            assert decode_or_refuse(coder, good, len(keys), int(keys[-1])) is None, "a key that is not below dim"

    return run
