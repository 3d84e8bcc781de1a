"""sampled_topk: all magnitudes from some threshold on, between k/2 and 2k of them, whatever the sample showed."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradwire
from gradwire import Gradient, Step
from gradwire.codecs.sparsifiers.sampled_topk import SampledTopK
from gradwire.codecs.sparsifiers.topk import TopK


def check(gradient, sparsifier, k, step):
    """The guarantee."""
    kept = sparsifier.sparsify(gradient, step)
    whole = gradient.to_sparse()
    at = np.searchsorted(whole.keys, kept.keys)
    assert np.array_equal(whole.keys[at], kept.keys) and whole.values[at].tobytes() == kept.values.tobytes()
    assert (kept.values != 0).all()
    k = min(k, gradient.nnz)
    assert min(-(-k // 2), np.count_nonzero(gradient.values)) <= kept.nnz <= 2 * k
    left_out = np.delete(np.abs(whole.values), at)
    if kept.nnz and len(left_out):
        assert left_out.max() <= np.abs(kept.values).min()
    assert kept.fresh_nnz == gradient.fresh_nnz
    return kept


@given(data=st.data(), k=st.integers(1, 420), index=st.integers(0, 99))
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_guarantee(gradients, simd_level, data, k, index):
    check(data.draw(gradients), SampledTopK(k=k), k, Step(index))


@pytest.mark.parametrize("law", ["heavy", "equal", "spikes", "mostly zero"])
def test_large(law, simd_level):
    rng = np.random.default_rng(1)
    n = 100_003
    values = {
        "heavy": np.exp(rng.normal(-9, 2.5, n)) * rng.choice([-1, 1], n),
        "equal": np.full(n, -2.5),
        "spikes": np.where(rng.random(n) < 0.0005, 100, 1.0),
        "mostly zero": np.where(rng.random(n) < 0.9995, 0, rng.normal(size=n)),
    }[law].astype(np.float32)
    for ratio in (0.0001, 0.01, 0.3, 1.0):
        for gradient in (Gradient(values, n), Gradient(values, 2 * n, np.arange(1, 2 * n, 2))):
            k = TopK(ratio=ratio).amount(n)
            kept = check(gradient, SampledTopK(ratio=ratio, sample=0.02), k, Step(3))
            if law in ("equal", "spikes") and ratio < 0.5:  # the threshold selects all: topk decides
                assert np.array_equal(kept.keys, TopK(ratio=ratio).sparsify(gradient, Step()).keys)


def test_it_hits_k_on_average():
    values = np.random.default_rng(0).normal(size=50_000).astype(np.float32)
    counts = [SampledTopK(ratio=0.02, sample=0.1).sparsify(Gradient(values, 50_000), Step(i)).nnz for i in range(50)]
    assert abs(np.mean(counts) - 1000) < 60 and np.std(counts) > 5


def test_a_sample_of_all_is_the_threshold_of_topk():
    """Every stretch is one entry then, so the estimate is the k-th largest magnitude itself."""
    values = np.random.default_rng(0).normal(size=3000).astype(np.float32)
    whole, exact = (s.sparsify(Gradient(values, 3000), Step()) for s in (SampledTopK(k=77, sample=1), TopK(k=77)))
    assert np.array_equal(whole.keys, exact.keys)


def test_equal_steps_equal_entries_other_ranks_other_samples():
    values = np.random.default_rng(0).normal(size=20_000).astype(np.float32)
    keys = [SampledTopK().sparsify(Gradient(values, 20_000), Step(5, 1, rank)).keys.tobytes() for rank in (0, 0, 1, 2)]
    assert keys[0] == keys[1] and len(set(keys)) > 1


def test_empty_and_zero():
    assert SampledTopK().sparsify(Gradient([], 10, []), Step()).nnz == 0
    assert SampledTopK().sparsify(Gradient(np.zeros(1000, np.float32), 1000), Step()).nnz == 0


@pytest.mark.parametrize(
    ("arguments", "match"), [({"sample": s}, "0 < sample") for s in (0, 1.5, True, "x")] + [({"ratio": 0}, "0 < ratio")]
)
def test_refuses_bad_configurations(arguments, match):
    with pytest.raises(gradwire.ConfigError, match=match):
        SampledTopK(**arguments)


def test_claims():
    sparsifier = gradwire.sparsifier("sampled_topk(ratio=0.1, sample=0.5)")
    assert gradwire.sparsifier(sparsifier.spec) == sparsifier and not sparsifier.unbiased and sparsifier.omega(10) is None
