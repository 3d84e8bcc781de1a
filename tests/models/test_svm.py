"""Support vector machine: the kink, zero values inside the gradient, and agreement with scikit-learn's optimum."""

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from gradwire import one


@pytest.mark.parametrize("score, slope, loss", [(0.0, -1, 1), (0.5, -1, 0.5), (1.0, 0, 0), (1.5, 0, 0), (-2.0, -1, 3)])
@pytest.mark.parametrize("label", [-1, 1])
def test_slope_and_loss_on_both_sides_of_the_kink(csr, score, slope, loss, label):
    data = csr.CSR(np.array([0, 1]), np.zeros(1, np.uint32), None, np.array([label], np.float32), 1)
    gradient, got = one("models", "svm").gradient(np.array([label * score], np.float32), data, [0])
    assert got == loss and gradient.values[0] == label * slope


def test_a_row_beyond_the_margin_still_touches_its_keys(csr):
    data = csr.CSR(np.array([0, 2]), np.array([1, 3], np.uint32), None, np.ones(1, np.float32), 5)
    gradient, loss = one("models", "svm").gradient(np.full(5, 2, np.float32), data, [0])
    np.testing.assert_array_equal(gradient.keys, [1, 3])
    assert loss == 0 and not gradient.values.any()


def test_subgradient_descent_reaches_the_optimum_of_scikit_learn(csr):
    data = csr.random(150, 12, 12, seed=9)
    x, y, l2 = csr.dense(data), data.labels.astype(np.float64), 0.1
    oracle = LinearSVC(loss="hinge", C=1 / (l2 * 150), fit_intercept=False, max_iter=500_000, tol=1e-8).fit(x, y)
    model, params = one("models", "svm(l2=0.1, l2_mode=full)"), np.zeros(12, np.float32)

    def objective(p):
        return np.maximum(0, 1 - y * (x @ p)).mean() + l2 / 2 * p @ p

    for step in range(1, 4000):
        params -= model.gradient(params, data, np.arange(150))[0].values / np.float32(l2 * step)
    best = objective(oracle.coef_[0])
    assert best <= objective(params.astype(np.float64)) + 1e-6
    assert objective(params.astype(np.float64)) == pytest.approx(best, rel=2e-3)
