"""Fixture `run`: the same gradients through an optimizer and through a plain NumPy rule in float64."""

import numpy as np
import pytest

from gradwire import Gradient


def run_both(optimizer, rule, *, dim=300, steps=25, dense=False, seed=0):
    """(params, expected float64, state, ever-touched mask). rule(p, s, g, lr, t) updates float64 p and the arrays in dict s,
    which hold only the coordinates of one gradient."""
    rng = np.random.default_rng(seed)
    params = rng.normal(size=dim).astype(np.float32)
    expected, exact = params.astype(np.float64), {name: np.zeros(dim) for name in optimizer.arrays}
    state, ever = optimizer.init(dim), np.zeros(dim, bool)
    for t in range(1, steps + 1):
        keys = np.arange(dim) if dense else np.flatnonzero(rng.random(dim) < 0.2)
        values = (rng.normal(size=len(keys)) * 10.0 ** rng.uniform(-4, 1, len(keys))).astype(np.float32)
        optimizer.update(params, state, Gradient(values, dim, None if dense else keys), optimizer.lr_at(t // 10))
        p, s = expected[keys], {name: array[keys] for name, array in exact.items()}
        rule(p, s, values.astype(np.float64), optimizer.lr_at(t // 10), t)
        expected[keys] = p
        for name in exact:
            exact[name][keys] = s[name]
        ever[keys] = True
    for name, array in exact.items():
        np.testing.assert_allclose(state[name], array, rtol=1e-4, atol=1e-6)
    assert state["step"] == steps
    return params, expected, state, ever


@pytest.fixture(scope="session")
def run():
    return run_both
