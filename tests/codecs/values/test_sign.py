"""sign: the kernel against NumPy byte for byte, the scale is optimal, hostile bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire.errors import ConfigError, CorruptMessage, DataError

STEP = gw.Step()
SPECS = ["sign", "sign(group_size=1)", "sign(group_size=33)", "sign(group_size=128)"]


def roundtrip(coder, values):
    return coder.decode(coder.encode(values, None, STEP), None, STEP, len(values))


@pytest.mark.parametrize("spec", SPECS)
def test_equals_the_reference(spec, inputs, reference, simd_level):
    coder = gw.values(spec)
    for values in inputs:
        groups, of = reference.grouped(values, coder.group_size)
        scales = np.array([reference.lane_sum(np.abs(x.astype(np.float64))) / len(x) for x in groups], np.float32)
        payload = coder.encode(values, None, STEP).tobytes()
        assert payload == scales.tobytes() + bytes(-scales.nbytes % 8) + np.packbits(np.signbit(values), bitorder="little").tobytes()
        expected = np.where(np.signbit(values), -scales[of], scales[of])
        assert np.array_equal(coder.decode(payload, None, STEP, len(values)), expected)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=40), st.floats(0, 200))
def test_no_other_scale_is_better(numbers, scale):
    values = np.array(numbers, np.float32)
    error = np.sum((roundtrip(gw.values("sign"), values) - values.astype(float)) ** 2)
    other = np.sum((np.where(np.signbit(values), -scale, scale) - values.astype(float)) ** 2)
    assert error <= other + 1e-5 * np.sum(values.astype(float) ** 2) + 1e-12


def test_the_error_is_one_minus_the_density():
    """‖C(x) − x‖² = (1 − ‖x‖₁² / (d ‖x‖²)) ‖x‖²: Karimireddy et al., Lemma 8."""
    values = np.random.default_rng(1).normal(size=5000).astype(np.float32)
    x = values.astype(float)
    density = np.abs(x).sum() ** 2 / (len(x) * np.sum(x**2))
    assert np.sum((roundtrip(gw.values("sign"), values) - x) ** 2) == pytest.approx((1 - density) * np.sum(x**2), rel=1e-5)


def test_sizes_and_claims():
    values = np.random.default_rng(1).normal(size=1001).astype(np.float32)
    assert len(gw.values("sign").encode(values, None, STEP)) == 8 + 126
    assert len(gw.values("sign(group_size=100)").encode(values, None, STEP)) == 48 + 126
    assert not gw.values("sign").unbiased and gw.values("sign").omega(5) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_finite(bad):
    values = np.ones(50, np.float32)
    values[13] = bad
    with pytest.raises(DataError, match="at position 13"):
        gw.values("sign").encode(values, None, STEP)


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
        (bytes(8), 1 << 32, "expected 536870920 bytes"),
        (b"\0\0\x80\x7f" + bytes(5), 1, "finite norms"),
        (b"\0\0\x80\xbf" + bytes(5), 1, "not negative"),
    ],
)
def test_says_what_is_wrong(payload, nnz, match):
    with pytest.raises(CorruptMessage, match=match):
        gw.values("sign").decode(payload, None, STEP, nnz)


def test_refuses_other_fields():
    with pytest.raises(ConfigError, match="expected group_size"):
        gw.values("sign(group_size=-1)")


def test_the_preset_is_this_composition():
    assert gw.codec("sign(group_size=64, keys=raw)").composed == gw.codec("raw+sign(group_size=64)")
