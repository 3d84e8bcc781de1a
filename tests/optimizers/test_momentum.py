"""Heavy ball against the rule in NumPy, its limit, and its parameter."""

import numpy as np
import pytest

from gradwire import ConfigError, Gradient, one


def rule(beta):
    def apply(p, s, g, lr, t):
        s["u"][:] = beta * s["u"] + g
        p -= lr * s["u"]

    return apply


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("dense", [False, True])
def test_equals_numpy(run, dense, beta):
    params, expected, _, _ = run(one("optimizers", f"momentum(lr=0.05, beta={beta})"), rule(beta), dense=dense)
    np.testing.assert_allclose(params, expected, rtol=1e-5, atol=1e-5)


def test_a_constant_gradient_ends_at_ten_times_the_rate():
    optimizer, params = one("optimizers", "momentum(lr=0.01)"), np.zeros(1, np.float32)
    state = optimizer.init(1)
    for _ in range(200):
        before = params[0]
        optimizer.update(params, state, Gradient(np.ones(1, np.float32), 1), 0.01)
    assert before - params[0] == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize("beta", [-0.1, 1, float("nan"), "big"])
def test_a_bad_beta_is_refused(beta):
    with pytest.raises(ConfigError, match=r"expected beta in \[0, 1\)"):
        one("optimizers", "momentum").__class__(beta=beta)
