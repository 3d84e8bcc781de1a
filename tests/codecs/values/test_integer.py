"""integer: multiples of a common step, unbiased, and sums of P payloads that cannot wrap whatever the values are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire.codecs.values.integer import Integer

STEP = gw.Step(2, 3, 1)


@given(
    values=st.lists(st.floats(-(2.0**127), 2.0**127, width=32), min_size=1, max_size=40),
    size=st.integers(1, 127),
    bits=st.sampled_from((8, 16, 32)),
    rounding=st.sampled_from(("stochastic", "nearest")),
)
@settings(deadline=None, max_examples=300)
def test_sums_cannot_wrap(values, size, bits, rounding):
    """All ranks send the largest that the peak allows, all with one sign: the sum is still an integer of so many bits."""
    values = np.array(values, np.float32)
    peak = float(np.abs(values).max())
    coder = Integer(bits, rounding).with_peak(peak, size)
    codes = coder.encode(values, None, STEP)[8:].view(f"<i{bits // 8}").astype(np.int64)
    assert np.abs(codes).max() * size < 1 << bits - 1


@given(values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=60), bits=st.sampled_from((8, 16, 32)))
@settings(deadline=None, max_examples=200)
def test_no_value_is_off_by_more_than_a_step(values, bits):
    values = np.array(values, np.float32)
    for rounding, most in (("stochastic", 1.0), ("nearest", 0.5)):
        coder = Integer(bits, rounding)
        decoded = coder.decode(coder.encode(values, None, STEP), None, STEP, len(values)).astype(np.float64)
        step = np.abs(values).max(initial=0).astype(np.float64) / ((1 << bits - 1) - 1)
        assert (np.abs(decoded - values) <= most * step * (1 + 1e-6) + np.abs(values) * 2.0**-23 + 2.0**-149).all()


def test_a_sum_of_payloads_is_the_mean_of_what_they_decode_to():
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(5, 1000)).astype(np.float32)
    coder = Integer(16).with_peak(float(np.abs(gradients).max()), 5)
    payloads = [coder.encode(values, None, gw.Step(0, 0, rank)) for rank, values in enumerate(gradients)]
    total = sum(payload[8:].view("<i2") for payload in payloads)
    assert total.dtype == np.int16
    expected = np.mean([coder.decode(payload, None, STEP, 1000).astype(np.float64) for payload in payloads], axis=0)
    assert np.allclose(coder.mean_of_sum(total, 5), expected, atol=1e-6)


def test_the_bytes_are_those_of_the_page():
    payload = Integer(8, "nearest").encode(np.float32([1.0, -0.5, 0.0, 0.25]), None, STEP)
    assert payload.tobytes() == np.float32(1).tobytes() + b"\1\0\0\0" + np.int8([127, -63, 0, 32]).tobytes()


def test_what_is_refused():
    with pytest.raises(gw.ConfigError, match="bits as one of 8, 16, 32, got 9"):
        Integer(9)
    with pytest.raises(gw.ConfigError, match="got 'up'"):
        Integer(8, "up")
    with pytest.raises(gw.IncompatibleError, match="at most 127 ranks for sums of 8 bits that cannot wrap, got 128"):
        Integer(8).check_sum(128)
    coder = Integer(8)
    payload = coder.encode(np.float32([1, 2]), None, STEP)
    for bad, says in (
        (payload[:-1], "expected 10 bytes"),
        (np.concatenate([np.float32([np.inf]).view(np.uint8), payload[4:]]), "a peak ≥ 0"),
        (np.concatenate([payload[:4], np.uint32([0]).view(np.uint8), payload[8:]]), "1 … 127 payloads"),
        (np.concatenate([payload[:4], np.uint32([2]).view(np.uint8), payload[8:]]), "codes in ±63"),
    ):
        with pytest.raises(gw.CorruptMessage, match=says):
            coder.decode(bad, None, STEP, 2)
