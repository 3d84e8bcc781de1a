"""decoded + residual = gradient + old residual."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw

SPECS = [
    "topk(ratio=0.1)+natural",
    "fastsgd(tau=16)",
    "sketchml(buckets=16, groups=2)",
    "zipml(bits=8)",
    "fp16",
    "threshold(t=1e-3)",
    "none",
]
DIM = 400


def draw(rng, dense):
    values = (rng.choice([-1, 1], DIM) * rng.lognormal(-4, 2, DIM)).astype(np.float32)
    if dense:
        return gw.Gradient(values, DIM)
    keys = np.sort(rng.choice(DIM, rng.integers(0, 80), replace=False))
    return gw.Gradient(values[keys], DIM, keys)


@pytest.mark.parametrize("spec", SPECS)
@given(seed=st.integers(0, 2**32), dense=st.sampled_from([(0, 0, 0), (1, 1, 1), (0, 1, 0)]))
@settings(max_examples=15, deadline=None)
def test_nothing_is_lost(spec, seed, dense):
    rng, codec, feedback = np.random.default_rng(seed), gw.codec(spec), gw.ErrorFeedback(DIM)
    for i, is_dense in enumerate(dense):
        step, g, old = gw.Step(i, seed), draw(rng, is_dense), feedback.residual.astype(np.float64)
        sent = feedback.compensate(g)
        assert sent.fresh_nnz == g.nnz
        decoded = codec.decode(codec.encode(sent, step), step)
        feedback.update(sent, decoded)
        # Each of the two float32 operations rounds once: half an ulp of its result.
        total = g.to_dense() + old
        bound = 2.0**-23 * (np.abs(total) + np.abs(feedback.residual) + np.abs(decoded.to_dense()))
        assert (np.abs(decoded.to_dense().astype(np.float64) + feedback.residual - total) <= bound).all()


def test_the_residual_of_a_lossless_codec_stays_empty():
    feedback, codec = gw.ErrorFeedback(10), gw.codec("adam-sparse")
    sent = feedback.compensate(gw.Gradient([1.0, 2.0], 10, [1, 5]))
    feedback.update(sent, codec.decode(codec.encode(sent, gw.Step()), gw.Step()))
    assert len(feedback.state()["keys"]) == 0


def test_sparse_residuals_cost_no_memory_of_dim():
    feedback = gw.ErrorFeedback(2**32)
    sent = feedback.compensate(gw.Gradient([1.0, 2.0], 2**32, [1, 2**32 - 1]))
    feedback.update(sent, gw.Gradient([1.0], 2**32, [1]))
    assert feedback.state()["keys"].tolist() == [2**32 - 1]


def test_topk_with_feedback_sends_everything_in_the_end():
    feedback, codec = gw.ErrorFeedback(50), gw.codec("topk(k=5)")
    values = np.arange(1, 51, dtype=np.float32)
    received = np.zeros(50, np.float32)
    for i in range(10):
        g = gw.Gradient(values if i == 0 else np.zeros(50, np.float32), 50)
        sent = feedback.compensate(g)
        decoded = codec.decode(codec.encode(sent, gw.Step(i)), gw.Step(i))
        feedback.update(sent, decoded)
        received += decoded.to_dense()
    assert np.array_equal(received, values)


def test_state_restores():
    a, b = gw.ErrorFeedback(9), gw.ErrorFeedback(9)
    a.update(gw.Gradient([1.0, 2.0], 9, [2, 3]), gw.Gradient([0.5], 9, [2]))
    b.restore(a.state())
    assert np.array_equal(a.residual, b.residual)


def test_another_dim_is_refused():
    with pytest.raises(gw.IncompatibleError, match="dim 9 got a gradient of dim 8"):
        gw.ErrorFeedback(9).compensate(gw.Gradient([1.0], 8, [1]))
    with pytest.raises(gw.IncompatibleError, match="dim 9 got a gradient of dim 2000"):
        gw.ErrorFeedback(9).update(gw.Gradient([1.0], 9, [1]), gw.Gradient([1.0], 2000, [900]))
