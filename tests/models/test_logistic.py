"""Logistic regression: no overflow anywhere, closed forms, and convergence."""

import numpy as np
import pytest

from gradwire import one


def single(csr, score, label):
    """(slope, loss) of one row whose score is `score`."""
    data = csr.CSR(np.array([0, 1]), np.zeros(1, np.uint32), None, np.array([label], np.float32), 1)
    gradient, loss = one("models", "logistic").gradient(np.array([score], np.float32), data, [0])
    return float(gradient.values[0]), loss


@pytest.mark.parametrize("score", [0.0, 1.0, -1.0, 20.0, -20.0, 88.0, -88.0, 1e4, -1e4, 3e38, -3e38])
@pytest.mark.parametrize("label", [-1, 1])
def test_loss_and_slope_are_stable_for_every_score(csr, score, label):
    slope, loss = single(csr, score, label)
    margin = np.longdouble(label) * np.longdouble(np.float32(score))
    with np.errstate(over="ignore"):
        expected_slope = float(-label / (1 + np.exp(margin)))
    assert loss == pytest.approx(float(np.logaddexp(np.longdouble(0), -margin)), rel=1e-12, abs=0)
    assert slope == pytest.approx(expected_slope, rel=1e-6, abs=1e-44)


def test_gradient_descent_separates_a_toy_set(csr):
    data = csr.random(200, 40, 12, seed=4)
    truth = np.random.default_rng(4).normal(size=40)
    scores = csr.dense(data) @ truth
    data.labels[:] = np.where(scores > 0, 1, -1)
    model, params = one("models", "logistic"), np.zeros(40, np.float32)
    losses = []
    for _ in range(300):
        gradient, loss = model.gradient(params, data, np.arange(200))
        params[gradient.keys] -= 2 * gradient.values
        losses.append(loss)
    assert losses[0] == pytest.approx(np.log(2)) and losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.2
    nonempty = np.abs(scores) > 0
    loss_sum, learned = model.evaluate(params, data, 0, 200)
    assert model.metric(learned[nonempty], data.labels[nonempty]) > 0.99
    assert loss_sum / 200 < 0.2
