"""golomb: the format against NumPy, the divisor against brute force, its guarantees, hostile bytes."""

from math import lgamma, log

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradwire
from gradwire._ext import golomb
from gradwire.codecs.keys.golomb import Golomb

TOP = 1 << 32
LEVELS = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


def gaps_of(keys):
    return np.diff(keys.astype(np.int64), prepend=-1) - 1


def cost(gaps, m):
    """Bits of the Golomb code with each divisor m, from its definition: g // m in unary, g % m in truncated binary."""
    m = np.asarray(m, np.int64)[..., None]
    w = np.floor(np.log2(m)).astype(np.int64)
    return (gaps // m + w + 1 + (gaps % m >= (2 << w) - m)).sum(axis=-1)


def pack(numbers, width):
    return np.packbits(np.asarray(numbers, np.int64)[:, None] >> np.arange(width) & 1, bitorder="little").tobytes()


def reference(keys, m):
    """The format of golomb.h in NumPy."""
    if not len(keys):
        return b""
    gaps, w = gaps_of(keys), m.bit_length() - 1
    c = (2 << w) - m
    r, q = gaps % m, gaps // m
    big = r >= c
    high = np.zeros(int(q.sum()) + len(q), np.uint8)
    high[np.cumsum(q + 1) - 1] = 1
    head = m.to_bytes(4, "little") + int(big.sum()).to_bytes(4, "little")
    return head + pack(np.where(big, (r + c) >> 1, r), w) + pack((r + c)[big], 1) + np.packbits(high, bitorder="little").tobytes()


@given(data=st.data())
@settings(**LEVELS)
def test_equals_the_reference_and_roundtrips(key_sets, simd_level, data):
    keys, dim = data.draw(key_sets)
    coder = Golomb()
    payload = bytes(coder.encode(keys, dim))
    assert payload == reference(keys, golomb.Plan(keys).divisor if len(keys) else 1)
    assert coder.estimate(keys, dim) == len(payload)
    np.testing.assert_array_equal(coder.decode(payload, len(keys), dim), keys)


@pytest.mark.parametrize("mean", [1.0, 1.3, 3, 11, 50, 300, 5000, 10**6])
def test_every_length(mean, simd_level):
    """Geometric gaps; those of the last 100 lengths with one very far key."""
    for n in [*range(1, 300), 511, 512, 513, 3000]:
        gaps = np.random.default_rng(n).geometric(1 / mean, n)
        gaps[n // 2] += 10**8 * (n % 300 > 200)
        keys = np.cumsum(gaps) - 1
        keys = keys[keys < TOP].astype(np.uint32)
        keys.flags.writeable = False
        payload = bytes(Golomb().encode(keys, TOP))
        assert payload == reference(keys, golomb.Plan(keys).divisor), n
        np.testing.assert_array_equal(Golomb().decode(payload, len(keys), TOP), keys)


@given(st.integers(0, 1 << 32), st.integers(1, 60), st.integers(0, 12), st.integers(0, 12))
@settings(deadline=None, max_examples=150)
def test_the_divisor_is_the_optimum(seed, n, near, far):
    """Mean gap below 767 and no gap beyond the histogram: brute force over every divisor finds none better."""
    rng = np.random.default_rng(seed)
    gaps = np.where(rng.random(n) < rng.random(), rng.integers(0, 1 << near, n), rng.integers(0, 1 << far, n))
    keys = (np.cumsum(gaps + 1) - 1).astype(np.uint32)
    if gaps.mean() + 1 <= 768:
        assert cost(gaps, golomb.Plan(keys).divisor) == cost(gaps, range(1, 4200)).min()


@given(st.integers(0, 1 << 32), st.integers(1, 300), st.integers(10, 24), st.floats(0.5, 4))
@settings(deadline=None, max_examples=60)
def test_the_divisor_is_near_the_optimum(seed, n, width, spread):
    """Wide gaps, heavy tails: within 1% of the best of 2,000 divisors over eight doublings around the mean."""
    gaps = np.random.default_rng(seed).lognormal(log(2) * width, spread, n).astype(np.int64)
    gaps = gaps[np.cumsum(gaps + 1) <= TOP]
    if len(gaps):
        keys = (np.cumsum(gaps + 1) - 1).astype(np.uint32)
        every = np.unique(np.geomspace(max(1, gaps.mean() / 64), 4 * gaps.mean() + 2, 2000).astype(np.int64).clip(max=(1 << 31) - 1))
        assert cost(gaps, golomb.Plan(keys).divisor) <= 1.01 * cost(gaps, every).min() + 1


def test_uniform_keys_near_the_bound():
    """1e6 of 5.4e7 keys, all sets alike: gaps are geometric, for which Golomb's code is optimal: within 0.5% of log₂ C(dim, d)."""
    dim = 54_000_000
    drawn = np.sort(np.random.default_rng(0).integers(0, dim, 1_010_000))
    keys = drawn[np.diff(drawn, prepend=-1) > 0].astype(np.uint32)
    d = len(keys)
    bits = (lgamma(dim + 1) - lgamma(d + 1) - lgamma(dim - d + 1)) / log(2)
    assert 8 * Golomb().estimate(keys, dim) <= 1.005 * bits


@given(data=st.data())
@settings(deadline=None)
def test_keeps_the_bound_of_elias_fano(key_sets, data):
    """At most 2 + ⌈log₂(dim/nnz)⌉ bits a key and 1% for the search among far gaps; the header, three streams that end with a whole byte."""
    keys, dim = data.draw(key_sets)
    if len(keys):
        bits = len(keys) * (2 + (-(-dim // len(keys)) - 1).bit_length())
        assert 8 * Golomb().estimate(keys, dim) <= 1.01 * bits + 64 + 21


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_hostile_bytes(key_sets, attack, data):
    attack(Golomb(), *data.draw(key_sets), seed=data.draw(st.integers(0, 1000)))


@given(data=st.data())
@settings(deadline=None, max_examples=100)
def test_levels_accept_the_same_bytes(key_sets, levels_accept_the_same, data):
    levels_accept_the_same(Golomb(), *data.draw(key_sets), data)


def head(m, extra):
    return m.to_bytes(4, "little") + extra.to_bytes(4, "little")


@pytest.mark.parametrize(
    ("payload", "nnz", "match"),
    [
        (head(1, 0) + b"\x01\x00", 1, "another number of bytes"),
        (head(1, 0) + b"\x00\x00", 1, "another number of bytes"),
        (head(1, 0) + b"\x03", 1, "another number of bytes"),
        (head(256, 0) + b"\x01", 1, "another number of bytes"),
        (head(3, 0) + b"\x01\x01", 1, "another number of bytes"),
        (head(3, 1) + b"\x00\x01\x01", 1, "another number of bytes"),
        (head(128, 0) + b"\x85\x01", 1, "unused bits"),
        (head(3, 1) + b"\x01\x02\x01", 1, "unused bits"),
        (head(0, 0) + b"\x01", 1, "stands for nothing"),
        (head(1 << 31, 0) + b"\x01" * 9, 1, "stands for nothing"),
        (head(3, 2) + b"\x01\x01\x01", 1, "stands for nothing"),
        (head(128, 0) + b"\x64\x01", 1, "too large"),
        (head((1 << 31) - 1, 0) + bytes(4) + b"\x08", 1, "too large"),
        (head(1, 0), 1, "at least 9 bytes"),
        (head(1, 0), 0, "no bytes"),
        (bytes(200), 101, "at most 100 keys"),
    ],
)
def test_says_what_is_wrong(payload, nnz, match):
    with pytest.raises(gradwire.CorruptMessage, match=match):
        Golomb().decode(payload, nnz, 100)


def test_spec_roundtrips():
    assert gradwire.keys(Golomb().spec) == Golomb()
