"""threshold: keeps |v| ≥ t, exactly."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradwire
from gradwire import Gradient, Step
from gradwire.codecs.sparsifiers.threshold import Threshold


@given(data=st.data(), t=st.sampled_from([1e-45, 1e-38, 0.3, 1.0, 1.0000001, 1e9, 3.4e38]))
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equals_its_definition(gradients, simd_level, data, t):
    gradient = data.draw(gradients)
    kept = Threshold(t).sparsify(gradient, Step())
    mask = np.abs(gradient.values) >= np.float32(t)
    keys = np.arange(gradient.dim, dtype=np.uint32) if gradient.keys is None else gradient.keys
    np.testing.assert_array_equal(kept.keys, keys[mask])
    assert kept.values.tobytes() == gradient.values[mask].tobytes()
    assert (kept.dim, kept.fresh_nnz) == (gradient.dim, gradient.fresh_nnz)


def test_more_than_the_kernel_counts_in_one_go(simd_level):
    values = np.random.default_rng(0).normal(size=(1 << 20) + 5).astype(np.float32)
    kept = Threshold(3.0).sparsify(Gradient(values, len(values)), Step())
    np.testing.assert_array_equal(kept.keys, np.flatnonzero(np.abs(values) >= 3))


def test_a_value_equal_to_t_is_kept():
    """0.7 is above its nearest float32: t is rounded before the comparison."""
    assert gradwire.sparsifier("threshold(t=0.7)").sparsify(Gradient([0.7, 0.69, -0.7], 3), Step()).keys.tolist() == [0, 2]


@pytest.mark.parametrize("t", [0, -1.0, 1e-60, 1e60, float("nan"), float("inf"), "1", True, None])
def test_refuses_bad_configurations(t):
    with pytest.raises(gradwire.ConfigError, match="t > 0"):
        Threshold(t)


def test_spec_roundtrips():
    coder = Threshold(1e-05)
    assert gradwire.sparsifier(coder.spec) == coder
