"""terngrad: the special case of dithering, five values in a byte, clipping, unbiased, hostile bytes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire._ext import dithering as dithering_kernel
from gradwire._ext import trits
from gradwire.errors import ConfigError, CorruptMessage, DataError

STEP = gw.Step(7, 11, 2)
SPECS = ["terngrad", "terngrad(group_size=33)", "terngrad(clip=2.5)", "terngrad(clip=0.5, group_size=100)"]


def packed(codes):
    """trits.h, byte by byte."""
    out = []
    for first in range(0, len(codes), 320):
        block = [int(code) for code in codes[first : first + 320]]
        m = -(-len(block) // 5)
        block += [0] * (5 * m - len(block))
        out += [sum(3**k * block[j + k * m] for k in range(5)) for j in range(m)]
    return bytes(out)


def payload_of(values, coder, reference):
    norms = reference.norms(values, coder.group_size, math.inf)
    if coder.clip:
        for g, x in enumerate(reference.grouped(values, coder.group_size)[0]):
            x = x.astype(np.float64)
            mean = reference.lane_sum(x) / len(x)
            limit = np.float32(min(coder.clip * np.sqrt(reference.lane_sum((x - mean) ** 2) / len(x)), norms[g]))
            norms[g] = limit if limit > 0 else norms[g]
    t = reference.relative(values, norms, coder.group_size, 1)
    floor = np.floor(t)
    word = (reference.random32(STEP.private("terngrad"), len(values)) >> 1).astype(np.float32)
    level = floor.astype(int) + ((t - floor) * np.float32(2.0**31) > word)
    return norms.tobytes() + bytes(-norms.nbytes % 8) + packed(2 * level - ((level > 0) & np.signbit(values)))


def roundtrip(coder, values, step=STEP):
    return coder.decode(coder.encode(values, None, step), None, step, len(values))


@pytest.mark.parametrize("spec", SPECS)
def test_equals_the_reference(spec, inputs, reference, simd_level):
    coder = gw.values(spec)
    for values in inputs:
        payload = coder.encode(values, None, STEP).tobytes()
        assert payload == payload_of(values, coder, reference)
        back = coder.decode(payload, None, STEP, len(values))
        norms = np.frombuffer(payload, np.float32, -(-len(values) // (coder.group_size or max(1, len(values)))))
        assert np.all(np.isin(np.abs(back), [0, *norms])) and np.all(back * values.astype(np.float64) >= 0)


def test_trits_of_every_length(simd_level):
    rng = np.random.default_rng(0)
    for n in [*range(700), 5000]:
        codes = rng.integers(0, 3, n).astype(np.uint8)
        out, back = np.empty(trits.nbytes(n), np.uint8), np.empty(n, np.uint8)
        trits.pack(codes, out)
        assert out.tobytes() == packed(codes)
        assert trits.unpack(out, back) and np.array_equal(back, codes)
    assert not trits.unpack(np.full(64, 243, np.uint8), np.empty(320, np.uint8))


def test_the_same_as_dithering_with_one_level(monkeypatch):
    """Equal values where the random numbers are; 1.6 bits instead of 2."""
    monkeypatch.setattr(gw.Step, "private", lambda self, stream="": 99)
    values = np.random.default_rng(1).normal(size=3200).astype(np.float32)
    tern, dithering = gw.values("terngrad(group_size=100)"), gw.values("dithering(levels=1, p=inf, group_size=100)")
    assert np.array_equal(roundtrip(tern, values), roundtrip(dithering, values))
    assert len(tern.encode(values, None, STEP)) == 4 * 32 + 640 and len(dithering.encode(values, None, STEP)) == 4 * 32 + 800
    assert tern.omega(10**6) == dithering.omega(10**6) == 4.5


def test_unbiased_without_clipping_only():
    values = np.random.default_rng(5).standard_t(2, size=300).astype(np.float32)
    mean = {
        spec: np.mean([roundtrip(gw.values(spec), values, gw.Step(i)).astype(float) for i in range(4000)], axis=0) for spec in SPECS[::2]
    }
    top = np.abs(values).max()
    share = np.abs(values) / top
    assert np.all(np.abs(mean["terngrad"] - values) <= 5 * top * np.sqrt(share * (1 - share) / 4000) + 1e-6)
    limit = 2.5 * values.std()
    assert limit < top
    clipped = np.clip(values, -limit, limit)
    share = np.abs(clipped) / limit
    assert np.all(np.abs(mean["terngrad(clip=2.5)"] - clipped) <= 5 * limit * np.sqrt(share * (1 - share) / 4000) + 1e-5)
    assert [gw.values(spec).unbiased for spec in SPECS] == [True, True, False, False]
    assert [gw.values(spec).omega(25) for spec in SPECS] == [2, 2, None, None]


def test_clipping_lowers_the_error_on_heavy_tails():
    values = np.random.default_rng(6).standard_t(2, size=10_000).astype(np.float32)
    error = {spec: np.sum((roundtrip(gw.values(spec), values) - values.astype(float)) ** 2) for spec in SPECS[::2]}
    assert error["terngrad(clip=2.5)"] < 0.5 * error["terngrad"]


def test_equal_values_are_not_clipped_to_nothing():
    values = np.full(50, 0.3, np.float32)
    assert np.array_equal(roundtrip(gw.values("terngrad(clip=2.5)"), values), values)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("spec", SPECS)
def test_refuses_what_is_not_finite(spec, bad):
    values = np.ones(50, np.float32)
    values[13] = bad
    with pytest.raises(DataError, match="at position 13"):
        gw.values(spec).encode(values, None, STEP)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(SPECS), st.binary(max_size=90), st.integers(0, 330))
def test_any_bytes_give_finite_values_or_an_error(spec, data, nnz):
    try:
        values = gw.values(spec).decode(data, None, STEP, nnz)
    except CorruptMessage:
        return
    assert values.shape == (nnz,) and np.all(np.isfinite(values))


@pytest.mark.parametrize(
    ("payload", "nnz", "match"),
    [
        (bytes(8), 1, "expected 9 bytes, got 8"),
        (bytes(8), 1 << 32, "expected 858993468 bytes"),
        (bytes(8) + b"\xf3", 1, "bytes up to 242"),
        (b"\0\0\x80\xff" + bytes(5), 1, "finite norms"),
    ],
)
def test_says_what_is_wrong(payload, nnz, match):
    with pytest.raises(CorruptMessage, match=match):
        gw.values("terngrad").decode(payload, None, STEP, nnz)


@pytest.mark.parametrize("arguments", ["clip=-1", "clip=inf", "clip=true", "clip=two", "group_size=-1"])
def test_refuses_other_fields(arguments):
    with pytest.raises(ConfigError, match=f"expected {arguments.split('=')[0]}"):
        gw.values(f"terngrad({arguments})")


def test_the_kernels_refuse_wrong_buffers():
    for call in (
        lambda: trits.pack(np.zeros(6, np.uint8), np.empty(1, np.uint8)),
        lambda: trits.unpack(np.zeros(3, np.uint8), np.empty(6, np.uint8)),
        lambda: dithering_kernel.spreads(np.zeros(6, np.float32), 5, np.empty(1)),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()


def test_spreads_refuse_what_is_not_finite():
    assert not dithering_kernel.spreads(np.array([1, np.inf], np.float32), 2, np.empty(1))


def test_the_preset_is_this_composition():
    codec = gw.codec("terngrad(clip=2.5, group_size=64, keys=raw)")
    assert codec.composed == gw.codec("raw+terngrad(clip=2.5, group_size=64)") and not codec.unbiased
    assert gw.codec("terngrad").unbiased and gw.codec("terngrad").omega(9) == 1
