"""elias_fano: the format against NumPy, the choice of the low bits against brute force, the bound, hostile bytes."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradwire
from gradwire.codecs.keys.elias_fano import EliasFano

TOP = 1 << 32
LEVELS = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


def reference(keys):
    """The format of elias_fano.h in NumPy; the number of low bits by trying all."""
    if not len(keys):
        return b""
    keys = keys.astype(np.int64)
    low_bits = min(range(32), key=lambda low: (low * len(keys) + (int(keys[-1]) >> low), low))
    low = np.packbits(keys[:, None] >> np.arange(low_bits) & 1, bitorder="little")
    high = np.zeros((int(keys[-1]) >> low_bits) + len(keys), np.uint8)
    high[(keys >> low_bits) + np.arange(len(keys))] = 1
    return bytes([low_bits]) + low.tobytes() + np.packbits(high, bitorder="little").tobytes()


@given(data=st.data())
@settings(**LEVELS)
def test_equals_the_reference_and_roundtrips(key_sets, simd_level, data):
    keys, dim = data.draw(key_sets)
    coder = EliasFano()
    payload = bytes(coder.encode(keys, dim))
    assert payload == reference(keys)
    assert coder.estimate(keys, dim) == len(payload)
    np.testing.assert_array_equal(coder.decode(payload, len(keys), dim), keys)


@pytest.mark.parametrize("low_bits", [0, 1, 3, 8, 15, 16, 22])
def test_every_length(low_bits, simd_level):
    """Uniform keys, and as many that crowd at one end: more zeros in a row than a block usually holds."""
    for n in [*range(1, 300), 511, 512, 513, 3000]:
        rng = np.random.default_rng(n)
        dim = min(TOP, n * 3 << low_bits >> 1)
        for within in (dim, max(n, dim // 50)):
            keys = np.sort(rng.choice(within, n, replace=False)) if within < 10**6 else np.unique(rng.integers(0, within, n))
            keys[-1] = max(keys[-1], dim - 1)
            keys = keys.astype(np.uint32)
            keys.flags.writeable = False
            payload = bytes(EliasFano().encode(keys, dim))
            assert payload == reference(keys), n
            np.testing.assert_array_equal(EliasFano().decode(payload, len(keys), dim), keys)


def bound(nnz, dim):
    """2 + ⌈log₂(dim/nnz)⌉ bits for each key."""
    return nnz * (2 + max(0, (-(-dim // nnz) - 1).bit_length()))


@given(data=st.data())
@settings(deadline=None)
def test_keeps_the_bound(key_sets, data):
    """Whatever the keys are; a byte for the header, and two streams that end with a whole one."""
    keys, dim = data.draw(key_sets)
    if len(keys):
        assert 8 * EliasFano().estimate(keys, dim) <= bound(len(keys), dim) + 8 + 14


@pytest.mark.parametrize("dim", [1000, 1024, 1025, 54_000_000, TOP])
@pytest.mark.parametrize("nnz", [1, 2, 3, 511, 512, 513, 1000])
def test_the_bound_at_powers_of_two(nnz, dim):
    keys = np.arange(dim - nnz, dim, dtype=np.uint32)
    assert 8 * len(EliasFano().encode(keys, dim)) <= bound(nnz, dim) + 8 + 14


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_hostile_bytes(key_sets, attack, data):
    attack(EliasFano(), *data.draw(key_sets), seed=data.draw(st.integers(0, 1000)))


@given(data=st.data())
@settings(deadline=None, max_examples=100)
def test_levels_accept_the_same_bytes(key_sets, levels_accept_the_same, data):
    levels_accept_the_same(EliasFano(), *data.draw(key_sets), data)


@pytest.mark.parametrize(
    ("payload", "nnz", "match"),
    [
        (b"\x00\x01\x00", 1, "another number of bytes"),
        (b"\x00\x00\x00", 1, "another number of bytes"),
        (b"\x00\x03", 1, "another number of bytes"),
        (b"\x08\x05\x01", 9, "another number of bytes"),
        (b"\x07\x85\x01", 1, "unused bits"),
        (b"\x20\x00\x00\x00\x00\x01", 1, "stands for nothing"),
        (b"\x02\x05\x03", 2, "do not increase"),
        (b"\x02\x06\x03", 2, "do not increase"),
        (b"\x07\x64\x01", 1, "too large"),
        (b"\x1f\x00\x00\x00\x00\x04", 1, "too large"),
        (b"\x00", 1, "at least 2 bytes"),
        (b"\x00", 0, "no bytes"),
        (b"\x00" + bytes(200), 101, "at most 100 keys"),
    ],
)
def test_says_what_is_wrong(payload, nnz, match):
    with pytest.raises(gradwire.CorruptMessage, match=match):
        EliasFano().decode(payload, nnz, 100)


def test_spec_roundtrips():
    assert gradwire.keys(EliasFano().spec) == EliasFano()
