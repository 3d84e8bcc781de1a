"""AdaGrad against the rule in NumPy, and its parameter."""

import numpy as np
import pytest

from gradwire import ConfigError, Gradient, one


def rule(p, s, g, lr, t):
    s["h"] += g * g
    p -= lr * g / (np.sqrt(s["h"]) + 1e-8)


@pytest.mark.parametrize("dense", [False, True])
def test_equals_numpy(run, dense):
    params, expected, _, _ = run(one("optimizers", "adagrad(lr=0.3)"), rule, dense=dense)
    np.testing.assert_allclose(params, expected, rtol=1e-4, atol=1e-5)


def test_a_zero_gradient_of_a_fresh_coordinate_does_not_move_it():
    optimizer, params = one("optimizers", "adagrad"), np.ones(2, np.float32)
    optimizer.update(params, optimizer.init(2), Gradient(np.array([0, 1], np.float32), 2), 0.1)
    assert params[0] == 1 and params[1] == pytest.approx(0.9)


@pytest.mark.parametrize("eps", [0, -1, 1e-50, 1e39, "small"])
def test_a_bad_eps_is_refused(eps):
    with pytest.raises(ConfigError, match="expected eps above 0 and finite in float32"):
        one("optimizers", "adagrad").__class__(eps=eps)
