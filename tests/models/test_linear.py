"""Linear regression: gradient descent reaches the least-squares solution."""

import numpy as np
import pytest

from gradwire import one


def test_gradient_vanishes_at_the_least_squares_solution(csr):
    data = csr.random(120, 15, 15, seed=7, regression=True)
    solution, *_ = np.linalg.lstsq(csr.dense(data), data.labels.astype(np.float64), rcond=None)
    gradient, _ = one("models", "linear").gradient(solution.astype(np.float32), data, np.arange(120))
    assert np.abs(gradient.values).max() < 1e-6


def test_gradient_descent_reaches_it(csr):
    data = csr.random(120, 15, 15, seed=7, regression=True)
    x, y = csr.dense(data), data.labels.astype(np.float64)
    solution, *_ = np.linalg.lstsq(x, y, rcond=None)
    model, params = one("models", "linear"), np.zeros(15, np.float32)
    for _ in range(500):
        gradient, _ = model.gradient(params, data, np.arange(120))
        params[gradient.keys] -= 0.3 * gradient.values
    np.testing.assert_allclose(params, solution, rtol=1e-3, atol=1e-4)
    loss_sum, scores = model.evaluate(params, data, 0, 120)
    assert loss_sum == pytest.approx(np.square(y - x @ solution).sum(), rel=1e-5)
    assert model.metric(scores, data.labels) == pytest.approx(np.sqrt(loss_sum / 120), rel=1e-6)


def test_it_takes_two_classes_as_numbers():
    linear = one("models", "linear")
    assert linear.takes("classification") and linear.takes("regression")
