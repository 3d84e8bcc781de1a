"""decoded + residual = gradient + old residual; with momentum, the residual takes the velocity in the gradient's place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire.codecs.feedback import regrouped

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


# Momentum correction


def by_hand(gradients, decode, momentum, masking):
    """(messages, u, v) of the paper's algorithm, dense and in float64; decode(v, i) is what step i sends of v."""
    u, v, sent = np.zeros(DIM), np.zeros(DIM), []
    for i, g in enumerate(gradients):
        u = momentum * u + g.to_dense()
        v = v + u
        sent.append(decode(v, i))
        v = v - sent[-1]
        if masking:
            u = np.where(sent[-1] != 0, 0, u)
    return sent, u, v


@pytest.mark.parametrize("masking", [True, False])
@pytest.mark.parametrize("momentum", [0.5, 0.9])
@pytest.mark.parametrize("dense", [(0,) * 30, (1,) * 30, (0, 1, 0, 0, 1) * 6])
@pytest.mark.parametrize("dense_messages", [False, True])
def test_momentum_correction_is_the_paper_s(masking, momentum, dense, dense_messages):
    rng, feedback = np.random.default_rng(3), gw.ErrorFeedback(DIM, momentum, masking)
    gradients = [draw(rng, is_dense) for is_dense in dense]
    masks = rng.random((30, DIM)) < 0.1  # what is sent does not depend on rounding
    expected, u, v = by_hand(gradients, lambda v, i: np.where(masks[i], v, 0), momentum, masking)
    for i, g in enumerate(gradients):
        sent = feedback.compensate(g)
        assert sent.fresh_nnz == g.nnz
        decoded = gw.Gradient(np.where(masks[i], sent.to_dense(), 0).astype(np.float32), DIM)
        scale = 1e-5 * max(1, np.abs(expected[i]).max())
        assert np.allclose(decoded.to_dense(), expected[i], atol=scale)
        feedback.update(sent, decoded if dense_messages else decoded.to_sparse())
    assert np.allclose(feedback.residual, v, atol=1e-5 * np.abs(v).max())
    assert np.allclose(feedback.velocity, u, atol=1e-5 * np.abs(u).max())
    if masking:
        assert not feedback.velocity[masks[-1]].any()


def test_momentum_by_hand():
    """One key, m = 1/2, gradients 8, 0, 0: u = 8, 4, 2; v = 8, 12, 14; then it is sent, and both are 0."""
    feedback, nothing = gw.ErrorFeedback(5, momentum=0.5), gw.Gradient([], 5, [])
    for g, v, u in ((gw.Gradient([8.0], 5, [3]), 8, 8), (nothing, 12, 4), (nothing, 14, 2)):
        sent = feedback.compensate(g)
        assert (sent.values.tolist(), sent.keys.tolist()) == ([v], [3])
        feedback.update(sent, nothing)
        assert (feedback.residual[3], feedback.velocity[3]) == (v, u)
    sent = feedback.compensate(nothing)
    feedback.update(sent, sent)
    assert not feedback.residual.any() and not feedback.velocity.any()


def test_without_masking_a_codec_that_sends_all_is_momentum():
    feedback, u = gw.ErrorFeedback(DIM, 0.9, masking=False), np.zeros(DIM)
    for i in range(20):
        g = draw(np.random.default_rng(i), False)
        u = 0.9 * u + g.to_dense()
        sent = feedback.compensate(g)
        assert np.allclose(sent.to_dense(), u, rtol=1e-4, atol=1e-6 * np.abs(u).max())
        feedback.update(sent, sent)


def test_what_is_refused_leaves_residual_and_velocity_as_they_were():
    feedback = gw.ErrorFeedback(DIM, 0.9)
    sent = feedback.compensate(draw(np.random.default_rng(1), False))
    feedback.update(sent, gw.Gradient([], DIM, []))
    before = {name: array.copy() for name, array in feedback.state().items()}
    feedback.compensate(gw.Gradient([np.nan], DIM, [7]))  # encode would refuse it, so there is no update
    assert all(np.array_equal(feedback.state()[name], array) for name, array in before.items())
    assert np.isfinite(feedback.compensate(gw.Gradient([], DIM, [])).values).all()


@pytest.mark.parametrize(("momentum", "steps"), [(0.5, 30), (0.9, 150)])
def test_velocities_that_float32_cannot_add_are_forgotten(momentum, steps):
    """Pairs of u are those of recent keys, whatever masking says, and v is what it would be with all of them."""
    for masking in (True, False):
        feedback = gw.ErrorFeedback(2**32, momentum, masking)
        u = v = np.float32(0)
        for i in range(2 * steps):
            g = gw.Gradient([1.0], 2**32, [7 if i == 0 else 1000 + i])
            sent = feedback.compensate(g)
            u = np.float32(np.float32(momentum) * u + np.float32(i == 0))
            v = np.float32(v + u)
            assert sent.values[0] == v
            feedback.update(sent, gw.Gradient([], 2**32, []))
            assert len(feedback.state()["velocity_keys"]) <= steps
        assert 7 not in feedback.state()["velocity_keys"] and 7 in feedback.state()["keys"]


def test_a_velocity_goes_on_after_its_residual_cancelled():
    feedback, nothing = gw.ErrorFeedback(5, 0.5), gw.Gradient([], 5, [])
    for value, v, u in ((2.0, 2, 2), (-2.0, 1, -1), (-0.5, 0, -1), (0.0, -0.5, -0.5)):
        sent = feedback.compensate(gw.Gradient([value], 5, [1]))
        feedback.update(sent, nothing)
        assert (feedback.residual[1], feedback.velocity[1]) == (v, u)


def test_momentum_restores():
    for dense in (False, True):
        a, b, rng = gw.ErrorFeedback(DIM, 0.9), gw.ErrorFeedback(DIM, 0.9), np.random.default_rng(2)
        a.update(a.compensate(draw(rng, dense)), gw.Gradient([], DIM, []))
        b.restore(a.state())
        g = draw(rng, dense)
        assert np.array_equal(a.compensate(g).to_dense(), b.compensate(g).to_dense())
        assert np.array_equal(a.velocity, b.velocity) and a.velocity.any()


@pytest.mark.parametrize("momentum", [1, -0.1, float("nan"), True, "0.9", None])
def test_a_bad_momentum_is_refused(momentum):
    with pytest.raises(gw.ConfigError, match=r"expected momentum in \[0, 1\)"):
        gw.ErrorFeedback(9, momentum)


def test_a_bad_masking_is_refused():
    with pytest.raises(gw.ConfigError, match="masking as True or False, got 1"):
        gw.ErrorFeedback(9, 0.9, 1)


# Gradient clipping


@pytest.mark.parametrize("dense", [False, True])
def test_clipping_by_hand(dense):
    """(3, 4) has the norm 5. For 1 rank and clip_norm 2.5 it is halved; 4 ranks may have 5 each; a residual is not clipped again."""
    g = gw.Gradient([0.0, 3.0, 0.0, 4.0], 4) if dense else gw.Gradient([3.0, 4.0], 4, [1, 3])
    feedback = gw.ErrorFeedback(4, clip_norm=2.5)
    sent = feedback.compensate(g)
    assert sent.to_dense().tolist() == [0, 1.5, 0, 2] and sent.fresh_nnz == g.nnz
    assert feedback.compensate(g, ranks=4).to_dense().tolist() == [0, 3, 0, 4]
    assert feedback.compensate(g, ranks=2).to_dense() == pytest.approx(np.array([0, 3, 0, 4]) / np.sqrt(2))
    feedback.update(sent, gw.Gradient([], 4, []))
    assert feedback.compensate(g).to_dense().tolist() == [0, 3, 0, 4]
    assert g.values.tolist()[-1] == 4, "the gradient is not changed in place"


def test_what_is_clipped_goes_into_the_velocity():
    feedback = gw.ErrorFeedback(5, momentum=0.5, clip_norm=1)
    for g, v, u in ((8.0, 1, 1), (0.25, 1.75, 0.75), (-8.0, 1.125, -0.625)):
        sent = feedback.compensate(gw.Gradient([g], 5, [3]))
        feedback.update(sent, gw.Gradient([], 5, []))
        assert (feedback.residual[3], feedback.velocity[3]) == (v, u)


@given(seed=st.integers(0, 2**32), ranks=st.integers(1, 64), clip=st.floats(1e-6, 1e6), dense=st.booleans())
@settings(max_examples=40, deadline=None)
def test_clipping_keeps_the_direction_and_bounds_the_norm(seed, ranks, clip, dense):
    g = draw(np.random.default_rng(seed), dense)
    sent = gw.ErrorFeedback(DIM, clip_norm=clip).compensate(g, ranks).to_dense().astype(np.float64)
    norm, most = np.linalg.norm(g.to_dense().astype(np.float64)), clip * np.sqrt(ranks)
    assert np.linalg.norm(sent) <= min(norm, most) * (1 + 1e-6)
    assert np.allclose(sent, g.to_dense() * min(1, most / max(norm, 1e-300)), rtol=1e-6, atol=1e-40)


def test_values_that_are_not_finite_are_not_clipped_away():
    for value in (np.nan, np.inf):
        sent = gw.ErrorFeedback(9, clip_norm=1).compensate(gw.Gradient(np.float32([1, value]), 9, [2, 7]))
        with pytest.raises(gw.DataError, match=f"got {value} at key 7"):
            gw.codec("topk").encode(sent, gw.Step())


@pytest.mark.parametrize("clip", [-1, float("nan"), float("inf"), True, "1", None])
def test_a_bad_clip_norm_is_refused(clip):
    with pytest.raises(gw.ConfigError, match="expected clip_norm as a number ≥ 0"):
        gw.ErrorFeedback(9, clip_norm=clip)


@pytest.mark.ranks(1, 4)
def test_a_mean_of_independent_gradients_has_about_the_norm_of_clip_norm(comm):
    """The paper's reason for √P; a rank's own share of the mean, 1/P of its gradient, has norm clip_norm / √P at most."""
    rng, feedback = np.random.default_rng(comm.rank), gw.ErrorFeedback(100_000, clip_norm=3)
    g = gw.Gradient(rng.normal(size=100_000).astype(np.float32), 100_000)
    mean = gw.average(comm, g, "none", "allreduce", feedback=feedback).values
    assert np.linalg.norm(mean) == pytest.approx(3, rel=0.05)
    share = feedback.compensate(g, comm.size).values / comm.size
    assert np.linalg.norm(share) == pytest.approx(3 / np.sqrt(comm.size), rel=1e-5)


@pytest.mark.parametrize(("before", "after"), [(4, 2), (2, 4), (3, 2), (2, 3), (1, 3), (3, 1)])
@pytest.mark.parametrize("dense", [False, True])
def test_another_number_of_ranks_owes_the_same_mean(before, after, dense):
    rng, old = np.random.default_rng(before), [gw.ErrorFeedback(DIM, momentum=0.5, masking=False) for _ in range(before)]
    for feedback in old:
        sent = feedback.compensate(draw(rng, dense))
        feedback.update(sent, gw.Gradient(sent.values[::2], DIM, np.arange(DIM)[::2] if dense else sent.keys[::2]))
    new = [gw.ErrorFeedback(DIM, momentum=0.5, masking=False) for _ in range(after)]
    for rank, feedback in enumerate(new):
        feedback.restore(regrouped([each.state() for each in old], DIM, rank, after))
    for of in ("residual", "velocity"):
        owed, owes = (np.mean([getattr(each, of).astype(np.float64) for each in ranks], axis=0) for ranks in (old, new))
        assert np.abs(owed).max() > 0
        terms = np.mean([np.abs(getattr(each, of)) for each in old], axis=0)
        assert (np.abs(owes - owed) <= 1e-6 * terms).all()
    if before < after:
        assert not new[-1].residual.any(), "a new rank owes nothing"
