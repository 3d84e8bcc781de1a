"""AUC equals scikit-learn's and the definition by counting pairs; RMSE equals NumPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score

from gradwire import one
from gradwire.models.metrics import auc, rmse


@given(
    st.integers(2, 60).flatmap(
        lambda n: st.tuples(
            arrays(np.float32, n, elements=st.sampled_from([-1.5, 0.0, 0.25, 2.0, 1e30]) | st.floats(-10, 10, width=32)),
            arrays(np.float32, n, elements=st.sampled_from([-1.0, 1.0])),
        )
    )
)
def test_auc_counts_pairs_with_ties_as_one_half(case):
    scores, labels = case
    above, below = scores[labels > 0], scores[labels < 0]
    if not len(above) or not len(below):
        assert np.isnan(auc(scores, labels))
        return
    pairs = np.sign(above[:, None].astype(np.float64) - below[None, :])
    assert auc(scores, labels) == pytest.approx(float(((pairs + 1) / 2).mean()), abs=1e-12)
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_auc_of_a_large_sample_equals_scikit_learn():
    rng = np.random.default_rng(0)
    labels = rng.choice([-1.0, 1.0], 50_000).astype(np.float32)
    scores = np.round(rng.normal(size=50_000) + 0.4 * labels, 2).astype(np.float32)
    assert one("models", "logistic").metric(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_auc_of_perfect_reversed_constant_infinite_and_nan_scores():
    labels = np.array([-1, -1, 1, 1], np.float32)
    assert auc([1, 2, 3, 4], labels) == 1 and auc([4, 3, 2, 1], labels) == 0 and auc([7, 7, 7, 7], labels) == 0.5
    assert auc([-np.inf, 0, np.inf, np.inf], labels) == 1
    assert np.isnan(auc([0, 1, 2, np.nan], labels)) and np.isnan(auc([np.nan, 1, 2, 3], labels))


def test_rmse():
    scores, labels = np.array([1, 2, 3], np.float32), np.array([1, 4, 3], np.float32)
    assert one("models", "linear").metric(scores, labels) == pytest.approx(np.sqrt(4 / 3))
    assert rmse([np.float32(3e38)], [np.float32(-3e38)]) == pytest.approx(6e38, rel=1e-6)
    assert np.isnan(rmse([], []))
