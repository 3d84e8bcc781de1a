"""nonzero: drops ±0 and nothing else."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradwire


@given(data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_keeps_all_that_is_not_zero(gradients, simd_level, data):
    gradient = data.draw(gradients)
    kept = gradwire.sparsifier("nonzero").sparsify(gradient, gradwire.Step())
    assert (kept.values != 0).all() and kept.fresh_nnz == gradient.fresh_nnz
    np.testing.assert_array_equal(kept.to_dense(), gradient.to_dense())
    gradwire.Gradient(kept.values, kept.dim, kept.keys)  # its checks pass


def test_loses_nothing():
    assert gradwire.sparsifier("nonzero").unbiased and gradwire.sparsifier("nonzero").omega(10) == 0
