"""bitmap: the bytes are numpy.packbits of the mask, costs follow dim and never surprise, hostile bytes."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradwire
from gradwire._ext import bitmap as _bitmap
from gradwire.codecs.keys.bitmap import Bitmap

settings_ = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def reference(keys, dim):
    mask = np.zeros(dim, bool)
    mask[keys] = True
    return np.packbits(mask, bitorder="little").tobytes() if len(keys) else b""


def draw(seed, dim, density, runs):
    """(keys, dim): random keys and some stretches of consecutive ones."""
    rng = np.random.default_rng(seed)
    mask = rng.random(dim) < density
    for start in rng.integers(0, dim, runs):
        mask[start : start + int(rng.integers(1, 300))] = True
    return np.flatnonzero(mask).astype(np.uint32), dim


small = st.builds(draw, st.integers(0, 1 << 32), st.integers(1, 3000), st.sampled_from([0, 0.01, 0.2, 0.9, 1]), st.integers(0, 4))


@given(data=small)
@settings_
def test_equals_the_reference_and_roundtrips(data, simd_level):
    keys, dim = data
    payload = bytes(Bitmap().encode(keys, dim))
    assert payload == reference(keys, dim)
    assert Bitmap().estimate(keys, dim) == len(payload)
    np.testing.assert_array_equal(Bitmap().decode(payload, len(keys), dim), keys)


@pytest.mark.parametrize("dim", [*range(1, 140), 4096, 100_000])
def test_all_keys_and_every_tail(dim, simd_level):
    for keys in (
        np.arange(dim),
        np.arange(dim // 2, dim),
        np.arange(0, dim, 3),
        np.array([0, dim - 1][: min(dim, 2)]),
        np.array([dim - 1]),
    ):
        keys = np.unique(keys).astype(np.uint32)
        payload = bytes(Bitmap().encode(keys, dim))
        assert payload == reference(keys, dim)
        np.testing.assert_array_equal(Bitmap().decode(payload, len(keys), dim), keys)


def test_the_largest_keys():
    """dim 2³², in half a gigabyte of zeros that are never touched."""
    keys = np.array([0, 77, (1 << 31) - 1, 1 << 31, (1 << 32) - 1], np.uint32)
    payload = Bitmap(max_dim=1 << 32).encode(keys, 1 << 32)
    assert len(payload) == 1 << 29
    assert {int(at): int(payload[at]) for at in keys // 8} == {int(k // 8): 1 << int(k % 8) for k in keys}


@given(data=small, seed=st.integers(0, 1000))
@settings(settings_, max_examples=25)
def test_hostile_bytes(data, seed, attack):
    attack(Bitmap(), *data, seed=seed)


def test_absurd_costs_are_refused_or_never_chosen():
    keys = np.array([5, 9], np.uint32)
    with pytest.raises(gradwire.IncompatibleError, match=r"up to 1073741824, got 4294967296.*bitmap\(max_dim=4294967296\)"):
        Bitmap().encode(keys, 1 << 32)
    assert Bitmap().estimate(keys, 1 << 32) > 1 << 40
    assert Bitmap(max_dim=1 << 32).estimate(keys, 1 << 32) == 1 << 29
    assert Bitmap().estimate(keys[:0], 1 << 32) == len(Bitmap().encode(keys[:0], 1 << 32)) == 0


@pytest.mark.parametrize(
    ("payload", "nnz", "match"),
    [
        (bytes(12), 1, "expected 13 bytes"),
        (bytes(14), 1, "expected 13 bytes"),
        (bytes(13), 0, "expected 0 bytes"),
        (bytes(13), 1, "expected 1 set bits, got 0"),
        (b"\3" + bytes(12), 1, "expected 1 set bits, got 2"),
        (bytes(12) + b"\x10", 1, "no bit from 100 on"),
        (bytes(13), 1 << 40, "expected 1099511627776 set bits"),
    ],
)
def test_says_what_is_wrong(payload, nnz, match):
    with pytest.raises(gradwire.CorruptMessage, match=match):
        Bitmap().decode(payload, nnz, 100)


@pytest.mark.parametrize("max_dim", [0, (1 << 32) + 1, 2.0, True])
def test_refuses_bad_configurations(max_dim):
    with pytest.raises(gradwire.ConfigError, match="max_dim"):
        Bitmap(max_dim)


def test_the_kernel_refuses_a_small_buffer():
    with pytest.raises(ValueError, match="multiple of 8 bytes"):
        _bitmap.encode(np.array([64], np.uint32), np.zeros(8, np.uint8))
    with pytest.raises(ValueError, match="multiple of 8 bytes"):
        _bitmap.encode(np.array([3], np.uint32), np.zeros(9, np.uint8))


def test_spec_roundtrips():
    assert gradwire.keys(Bitmap(max_dim=1 << 20).spec) == Bitmap(max_dim=1 << 20)
