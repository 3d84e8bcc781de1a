"""Local steps: the difference is what they changed, and the parameters are the common ones again."""

import numpy as np
import pytest

import gradwire as gw
from gradwire.local_sgd import LocalSteps

DIM = 50


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("spec", ["sgd", "momentum", "adam", "adagrad"])
def test_the_difference_of_what_was_before_and_after(spec, dense):
    rng, optimizer = np.random.default_rng(1), gw.one("optimizers", spec)
    params = rng.normal(size=DIM).astype(np.float32)
    local, state = LocalSteps(params), optimizer.init(DIM)
    for _ in range(3):  # exchanges
        before = params.copy()
        for _ in range(4):
            keys = None if dense else np.sort(rng.choice(DIM, 6, replace=False)).astype(np.uint32)
            local.keep(keys)
            optimizer.update(params, state, gw.Gradient(rng.normal(size=DIM if dense else 6).astype(np.float32), DIM, keys), 0.1)
        after = params.copy()
        difference = local.difference()
        assert difference.is_dense == dense
        assert np.array_equal(difference.to_dense(), before - after) and difference.to_dense().any()
        assert np.array_equal(params, before)
        local.move(difference)
        assert np.allclose(params, after, atol=1e-6)


def test_only_touched_keys_cost_something():
    """A key that is touched twice has its oldest value; one that came back to it is no entry; zeros of 2³⁰ parameters are not read."""
    params = np.zeros(2**30, np.float32)  # pages that nobody touches are not there
    local = LocalSteps(params)
    for keys, values in (([5, 9], [1.0, 2.0]), ([9, 2**30 - 1], [5.0, 3.0]), ([5], [0.0])):
        keys = np.array(keys, np.uint32)
        local.keep(keys)
        params[keys] = values
    difference = local.difference()
    assert (difference.keys.tolist(), difference.values.tolist()) == ([9, 2**30 - 1], [-5.0, -3.0])
    assert params[[5, 9, 2**30 - 1]].tolist() == [0, 0, 0]


def test_steps_without_an_entry():
    local = LocalSteps(np.ones(4, np.float32))
    local.keep(np.empty(0, np.uint32))
    assert local.difference().nnz == 0


def test_a_dense_step_after_a_sparse_one():
    params = np.zeros(3, np.float32)
    local = LocalSteps(params)
    for keys in (np.array([1], np.uint32), None, np.array([2], np.uint32), None):
        local.keep(keys)
        params[slice(None) if keys is None else keys] += 1
    assert local.difference().to_dense().tolist() == [-2, -3, -3] and not params.any()


def test_moves():
    params = np.zeros(3, np.float32)
    local = LocalSteps(params)
    local.move(gw.Gradient([1.0], 3, [1]))
    local.move(gw.Gradient([1.0, 2.0, 3.0], 3))
    assert params.tolist() == [-1, -3, -3]
