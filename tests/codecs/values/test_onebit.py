"""onebit: the kernel against NumPy byte for byte, the two values are optimal, error feedback makes up for the bias, hostile bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire._ext import signs
from gradwire.errors import ConfigError, CorruptMessage, DataError

STEP = gw.Step()
SPECS = ["onebit", "onebit(group_size=1)", "onebit(group_size=33)", "onebit(group_size=128)"]


def payload_of(values, coder, reference):
    means, negative = [], np.signbit(values)
    for x in reference.grouped(values, coder.group_size)[0]:
        below = np.signbit(x)
        x = x.astype(np.float64)
        above_sum, below_sum = reference.lane_sum(np.maximum(x, 0)), reference.lane_sum(np.maximum(-x, 0))
        means += [above_sum / (~below).sum() if not below.all() else 0, -below_sum / below.sum() if below.any() else 0]
    return (np.array(means, np.float32) + 0.0).tobytes() + np.packbits(negative, bitorder="little").tobytes()


def roundtrip(coder, values):
    return coder.decode(coder.encode(values, None, STEP), None, STEP, len(values))


@pytest.mark.parametrize("spec", SPECS)
def test_equals_the_reference(spec, inputs, reference, simd_level):
    coder = gw.values(spec)
    for values in inputs:
        payload = coder.encode(values, None, STEP).tobytes()
        at = coder.tables_nbytes(payload, len(values))
        means = np.frombuffer(payload[:at], np.float32).reshape(-1, 2) + np.float32(0)
        assert means.tobytes() + payload[at:] == payload_of(values, coder, reference)
        of = reference.grouped(values, coder.group_size)[1]
        expected = np.where(np.signbit(values), means[of, 1], means[of, 0]) if len(values) else values
        assert np.array_equal(coder.decode(payload, None, STEP, len(values)), expected)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=40), st.floats(-50, 50), st.floats(-50, 50))
def test_no_other_two_values_are_better(numbers, above, below):
    values = np.array(numbers, np.float32)
    error = np.sum((roundtrip(gw.values("onebit"), values) - values.astype(float)) ** 2)
    other = np.sum((np.where(np.signbit(values), below, above) - values.astype(float)) ** 2)
    assert error <= other + 1e-5 * np.sum(values.astype(float) ** 2) + 1e-12


def test_two_values_are_exact():
    values = np.where(np.arange(100) % 3, 0.25, -8).astype(np.float32)
    assert np.array_equal(roundtrip(gw.values("onebit"), values), values)


def test_error_feedback_makes_up_for_the_bias():
    """What is sent over many steps approaches what should have been; without feedback it does not."""
    values = (np.random.default_rng(1).normal(size=200) + 0.5).astype(np.float32)
    gradient, codec, feedback = gw.Gradient(values, 200), gw.codec("onebit"), gw.ErrorFeedback(200)
    sent, alone = np.zeros(200), np.zeros(200)
    for step in map(gw.Step, range(300)):
        compensated = feedback.compensate(gradient)
        decoded = codec.decode(codec.encode(compensated, step), step)
        feedback.update(compensated, decoded)
        sent += decoded.values
        alone += codec.decode(codec.encode(gradient, step), step).values
    assert np.sqrt(np.mean((sent / 300 - values) ** 2)) < 0.1 < np.sqrt(np.mean((alone / 300 - values) ** 2))


def test_sizes_and_claims():
    values = np.random.default_rng(1).normal(size=1001).astype(np.float32)
    assert len(gw.values("onebit").encode(values, None, STEP)) == 8 + 126
    assert len(gw.values("onebit(group_size=100)").encode(values, None, STEP)) == 8 * 11 + 126
    assert not gw.values("onebit").unbiased and gw.values("onebit").omega(5) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_finite(bad, simd_level):
    for at, n in [(0, 1), (13, 50), (31, 32), (40, 64)]:
        values = np.ones(n, np.float32)
        values[at] = bad
        with pytest.raises(DataError, match=f"at position {at}"):
            gw.values("onebit(group_size=32)").encode(values, None, STEP)


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
        (b"\0\0\x80\xff" + bytes(5), 1, "finite norms"),
    ],
)
def test_says_what_is_wrong(payload, nnz, match):
    with pytest.raises(CorruptMessage, match=match):
        gw.values("onebit").decode(payload, None, STEP, nnz)


@pytest.mark.parametrize("arguments", ["group_size=-1", "group_size=2.5", "group_size=true"])
def test_refuses_other_fields(arguments):
    with pytest.raises(ConfigError, match="expected group_size"):
        gw.values(f"onebit({arguments})")


def test_the_kernels_refuse_wrong_buffers():
    x, pairs = np.zeros(9, np.float32), np.zeros((1, 2), np.float32)
    for call in (
        lambda: signs.means(x, 8, pairs),
        lambda: signs.scales(x, 9, np.zeros((1, 3), np.float32)),
        lambda: signs.means(x, 0, pairs),
        lambda: signs.pack(x, np.empty(1, np.uint8)),
        lambda: signs.unpack(np.empty(1, np.uint8), 9, pairs, x),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()


def test_the_preset_is_this_composition():
    assert gw.codec("onebit(group_size=64, keys=raw)").composed == gw.codec("raw+onebit(group_size=64)")
