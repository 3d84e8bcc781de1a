"""rice: the format and the choice of parameters against brute force, sizes against entropies, runs, far keys, hostile bytes."""

from functools import cache
from math import lgamma, log

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradwire
from gradwire.codecs.keys.rice import Rice

TOP = 1 << 32
SPECS = ["rice", "rice(block=32)", "rice(block=64)", "rice(block=128)"]
RUN, EXCEPTIONS, FAR = 32, 64, 40
LEVELS = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


def best(gaps):
    """(bits, parameter byte) of the cheapest way to code a block, from the definition: every k, with and without exceptions, and runs."""
    n, options = len(gaps), []
    for k in range(32):
        quotients = gaps >> k
        options.append((n * (k + 1) + int(quotients.sum()), 0, k, k))
        if (quotients > FAR).any():
            bits = n * (k + 1) + 8 + int(np.minimum(quotients, FAR).sum())
            options.append((bits, 1, -k, EXCEPTIONS | k))
    far = np.count_nonzero(gaps)
    options.append((8 * (far > 0) + FAR * far, 2, 0, RUN | (EXCEPTIONS if far else 0)))
    bits, _, _, parameter = min(options)
    return bits, parameter


def pack(numbers, width):
    """The low `width` bits of each, from the low bit of byte 0 upwards."""
    return np.packbits(np.asarray(numbers, np.int64)[:, None] >> np.arange(width) & 1, bitorder="little").tobytes()


def unary(quotients):
    bits = np.zeros(int(np.sum(quotients)) + len(quotients), np.uint8)
    bits[np.cumsum(np.asarray(quotients, np.int64) + 1) - 1] = 1
    return np.packbits(bits, bitorder="little").tobytes()


def reference(keys, block):
    """The format of rice.h in NumPy."""
    gaps = np.diff(keys.astype(np.int64), prepend=-1) - 1
    parameters, counts, exceptions, low, quotients = b"", b"", b"", b"", [np.empty(0, np.int64)]
    for at in range(0, len(gaps), block):
        part = gaps[at : at + block]
        _, parameter = best(part)
        parameters += bytes([parameter])
        k = 0 if parameter & RUN else parameter % RUN
        q = part >> k
        if parameter & EXCEPTIONS:
            far = np.flatnonzero(q > (0 if parameter & RUN else FAR))
            counts += bytes([len(far) - 1])
            exceptions += b"".join(bytes([i]) + int(q[i]).to_bytes(4, "little") for i in far)
            q[far] = 0
        if not parameter & RUN:
            low += pack(part, k)
            quotients.append(q)
    return parameters + counts + exceptions + low + unary(np.concatenate(quotients))


@pytest.mark.parametrize("spec", SPECS)
@given(data=st.data())
@settings(**LEVELS, max_examples=40)
def test_equals_the_reference_and_roundtrips(spec, key_sets, simd_level, data):
    keys, dim = data.draw(key_sets)
    coder = gradwire.keys(spec)
    payload = bytes(coder.encode(keys, dim))
    assert payload == reference(keys, coder.block)
    assert coder.estimate(keys, dim) == len(payload)
    np.testing.assert_array_equal(coder.decode(payload, len(keys), dim), keys)


@cache
def drawn(kind, n):
    """(keys, payload of the reference): gaps of every width, geometric ones, geometric ones with far ones among them, or few runs."""
    rng = np.random.default_rng(n)
    width = {"narrow": n % 9, "wide": n % 27, "far": 3, "runs": 0}[kind]
    gaps = rng.geometric(0.7 / (1 << width), n)
    if kind in ("far", "runs"):
        gaps = np.where(rng.random(n) < 0.02, rng.integers(1, 1 << 20, n), gaps if kind == "far" else 1)
    keys = (np.cumsum(gaps) - 1) % TOP
    keys = np.unique(keys).astype(np.uint32)
    return keys, reference(keys, 256)


@pytest.mark.parametrize("kind", ["narrow", "wide", "far", "runs"])
def test_every_length(kind, simd_level):
    for n in [*range(1, 300), 511, 512, 513, 5000]:
        keys, expected = drawn(kind, n)
        payload = bytes(Rice().encode(keys, TOP))
        assert payload == expected, n
        np.testing.assert_array_equal(Rice().decode(payload, len(keys), TOP), keys)


@pytest.mark.parametrize("width", range(32))
def test_every_parameter(width, simd_level):
    """Gaps of one width in a few keys at the upper end, where sums no longer fit 32 bits; and read-only inputs."""
    rng = np.random.default_rng(width)
    gaps = rng.integers(1 << width >> 1, (1 << width) + 1, min(700, (TOP >> width) // 2))
    keys = (TOP - 1 - np.cumsum(gaps + 1)[::-1]).astype(np.uint32) if len(gaps) else np.array([TOP - 1], np.uint32)
    keys.flags.writeable = False
    payload = bytes(Rice().encode(keys, TOP))
    assert payload == reference(keys, 256)
    np.testing.assert_array_equal(Rice().decode(payload, len(keys), TOP), keys)


@given(st.integers(0, 1 << 32), st.integers(1, 32), st.integers(0, 30), st.integers(0, 30))
@settings(**LEVELS, max_examples=60)
def test_a_block_costs_the_optimum(seed, n, near, far):
    """All mixtures of near and far gaps: the size is what brute force says, to the byte."""
    rng = np.random.default_rng(seed)
    gaps = np.where(rng.random(n) < rng.random(), rng.integers(0, 1 << near, n), rng.integers(0, 1 << far, n))
    gaps = gaps[np.cumsum(gaps + 1) <= TOP]
    keys = (np.cumsum(gaps + 1) - 1).astype(np.uint32)
    if len(keys):
        bits, parameter = best(gaps)
        low = 0 if parameter & RUN else parameter % RUN * len(keys)
        assert len(Rice(32).encode(keys, TOP)) == 1 + (low + 7) // 8 + (bits - low + 7) // 8


def uniform_bits(dim, d):
    """log₂ C(dim, d) / d: bits per key of any d of dim keys."""
    return (lgamma(dim + 1) - lgamma(d + 1) - lgamma(dim - d + 1)) / log(2) / d


def test_uniform_keys_near_the_bound():
    """1e6 of 5.4e7 keys, all sets alike: at most 1.025 × log₂ C(dim, d) / d."""
    dim = 54_000_000
    drawn = np.sort(np.random.default_rng(0).integers(0, dim, 1_010_000))
    keys = drawn[np.diff(drawn, prepend=-1) > 0].astype(np.uint32)
    assert 8 * Rice().estimate(keys, dim) / len(keys) <= 1.025 * uniform_bits(dim, len(keys))


CHUNK = 1 << 16


def inclusion(i, c, s, shift):
    """Probability that key i is among the keys of a batch: 1 − exp(−c·(i+shift)^−s), Zipf–Mandelbrot popularity, many draws."""
    return -np.expm1(-c * (i + shift) ** -s)


def popularity_ordered(dim, c, s, shift, seed):
    """Independent inclusion of each key with its probability. Chunks of rare keys: thinned from the chunk's largest probability."""
    rng, found = np.random.default_rng(seed), []
    for first in range(0, dim, CHUNK):
        size = min(CHUNK, dim - first)
        largest = inclusion(float(first), c, s, shift)
        i = np.arange(first, first + size)
        if largest < 0.05:
            i = np.sort(first + rng.choice(size, rng.binomial(size, largest), replace=False))
        else:
            largest = 1.0
        found.append(i[rng.random(len(i)) * largest < inclusion(i.astype(float), c, s, shift)])
    return np.concatenate(found).astype(np.uint32)


def model_entropy(dim, c, s, shift):
    """(Σ π, Σ h₂(π)) over all keys, h₂ the binary entropy in bits; beyond the first 65,536 by the middle of each 64 keys."""
    i = np.concatenate([np.arange(CHUNK, dtype=float), np.arange(CHUNK, dim, 64) + 31.5])
    weight = np.where(i < CHUNK, 1, 64)
    p = inclusion(i, c, s, shift)
    q = 1 - p[p < 1]
    h = np.zeros_like(p)
    h[p < 1] = -p[p < 1] * np.log2(p[p < 1]) - q * np.log2(q)
    return float((weight * p).sum()), float((weight * h).sum())


@pytest.mark.parametrize(("s", "c"), [(1.0, 160_127), (1.05, 338_850), (1.1, 714_553)])
def test_popular_keys_near_the_entropy_of_the_model(s, c):
    """About 1e6 of 5.4e7 keys in the order of their popularity: at most 1.05 × Σ h₂(π) / d. c is chosen so that Σ π = 1e6."""
    dim = 54_000_000
    expected, entropy = model_entropy(dim, c, s, 1)
    keys = popularity_ordered(dim, c, s, 1, seed=3)
    assert abs(len(keys) - expected) < 5 * expected**0.5
    assert 8 * Rice().estimate(keys, dim) <= 1.05 * entropy


def test_runs_cost_a_byte_a_block():
    """A dense run far below 0.1 bits per key; rows of 64 keys, such as an embedding's, below 1 bit."""
    run = np.arange(1 << 20, dtype=np.uint32)
    assert len(Rice().encode(run, 1 << 20)) == 4096
    np.testing.assert_array_equal(Rice().decode(bytes([RUN]) * 4096, 1 << 20, 1 << 20), run)
    rows = np.sort(np.random.default_rng(0).choice(1 << 20, 2000, replace=False)).astype(np.uint32)
    keys = (64 * rows[:, None] + np.arange(64, dtype=np.uint32)).ravel()
    assert 8 * len(Rice().encode(keys, 1 << 26)) < 0.8 * len(keys)


def test_a_far_key_costs_a_few_bytes():
    near = np.arange(0, 4000, 4, dtype=np.uint32)
    with_far = np.concatenate([near, np.array([TOP - 1], np.uint32)])
    assert len(Rice().encode(with_far, TOP)) <= len(Rice().encode(near, TOP)) + 8


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_never_much_more_than_raw(key_sets, data):
    keys, dim = data.draw(key_sets)
    assert 8 * Rice().estimate(keys, dim) <= 33 * len(keys) + 8 * (len(keys) // 256 + 3)


@pytest.mark.parametrize("spec", SPECS)
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_hostile_bytes(spec, key_sets, attack, data):
    attack(gradwire.keys(spec), *data.draw(key_sets), seed=data.draw(st.integers(0, 1000)))


@given(data=st.data())
@settings(deadline=None, max_examples=100)
def test_levels_accept_the_same_bytes(key_sets, levels_accept_the_same, data):
    """Damaged payloads too: equal keys at every level, or refused at every level."""
    levels_accept_the_same(Rice(), *data.draw(key_sets), data)


FAR_ENTRY = b"\x00\x63\x00\x00\x00"


@pytest.mark.parametrize(
    ("payload", "nnz", "match"),
    [
        (b"\x00\x01\x01", 1, "another number of bytes"),
        (b"\x20\x00", 1, "another number of bytes"),
        (b"\x00\x00", 1, "another number of bytes"),
        (b"\x01\x01", 1, "another number of bytes"),
        (b"\x60", 1, "another number of bytes"),
        (b"\x60\x00\x00", 1, "another number of bytes"),
        (b"\x00\x03", 1, "another number of bytes"),
        (b"\x01\x03\x01", 1, "unused bits"),
        (b"\x21\x00", 1, "stands for nothing"),
        (b"\x80\x01", 1, "stands for nothing"),
        (b"\x60\x00\x01\x00\x00\x00\x00", 1, "stands for nothing"),
        (b"\x60\x01" + 2 * FAR_ENTRY, 2, "stands for nothing"),
        (b"\x60\x00\x00\x64\x00\x00\x00", 1, "too large"),
        (b"\x60\x00" + FAR_ENTRY, 2, "too large"),
        (b"\x5f\x00" + FAR_ENTRY + bytes(4) + b"\x01", 1, "too large"),
        (b"\x07\x64\x01", 1, "too large"),
        (b"\x20", 101, "at most 100 keys"),
        (b"", 1, "at least 1 bytes"),
        (b"\x20", 0, "no bytes"),
    ],
)
def test_says_what_is_wrong(payload, nnz, match):
    with pytest.raises(gradwire.CorruptMessage, match=match):
        Rice().decode(payload, nnz, 100)


def test_a_far_gap_may_be_any(simd_level):
    """What the encoder would not write but the format allows: an exception that adds to a quotient."""
    payload = b"\x43\x00\x00\x02\x00\x00\x00\x05\x02"
    assert Rice().decode(payload, 1, 100).tolist() == [(2 + 1) * 8 + 5]


@pytest.mark.parametrize("block", [0, 16, 100, 512, True, 64.0, "64"])
def test_refuses_bad_configurations(block):
    with pytest.raises(gradwire.ConfigError, match="expected block 32, 64, 128 or 256"):
        Rice(block)


def test_spec_roundtrips():
    assert gradwire.keys(Rice(64).spec) == Rice(64)
