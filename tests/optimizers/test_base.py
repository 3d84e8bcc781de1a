"""What all optimizers share: rates, state, laziness, sparse = dense on the same coordinates, refusals."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradwire import ConfigError, Gradient, IncompatibleError, names, one
from gradwire.optimizers.base import Optimizer

ALL = ["sgd", "momentum", "adam", "adam(form=sketchml)", "adagrad"]


@pytest.mark.parametrize("spec", ALL)
def test_untouched_coordinates_do_not_change(spec):
    optimizer = one("optimizers", spec)
    params = np.random.default_rng(0).normal(size=50).astype(np.float32)
    before, state = params.copy(), optimizer.init(50)
    for step in range(3):
        keys = np.array([3, 10 + step, 49])
        optimizer.update(params, state, Gradient(np.ones(3, np.float32), 50, keys), 0.1)
    touched = np.isin(np.arange(50), [3, 10, 11, 12, 49])
    np.testing.assert_array_equal(params[~touched], before[~touched])
    assert (params[touched] < before[touched]).all()
    for name in optimizer.arrays:
        assert not state[name][~touched].any() and state[name][touched].all()


@given(spec=st.sampled_from(ALL), seed=st.integers(0, 1000), dim=st.integers(1, 70))
def test_a_sparse_gradient_of_all_coordinates_equals_the_dense_one(spec, seed, dim):
    optimizer, rng = one("optimizers", spec), np.random.default_rng(seed)
    start = rng.normal(size=dim).astype(np.float32)
    results = []
    for keys in (None, np.arange(dim)):
        rng = np.random.default_rng(seed)
        params, state = start.copy(), optimizer.init(dim)
        for _ in range(5):
            optimizer.update(params, state, Gradient(rng.normal(size=dim).astype(np.float32), dim, keys), 0.05)
        results.append((params, state))
    (dense, dense_state), (sparse, sparse_state) = results
    assert dense.tobytes() == sparse.tobytes()
    for name in optimizer.arrays:
        assert dense_state[name].tobytes() == sparse_state[name].tobytes()


@pytest.mark.parametrize("spec", ALL)
def test_state_goes_through_a_checkpoint(spec):
    optimizer, rng = one("optimizers", spec), np.random.default_rng(1)
    gradients = [Gradient(rng.normal(size=20).astype(np.float32), 20) for _ in range(6)]
    straight, state = np.zeros(20, np.float32), optimizer.init(20)
    for gradient in gradients:
        optimizer.update(straight, state, gradient, 0.1)
    resumed, state = np.zeros(20, np.float32), optimizer.init(20)
    for i, gradient in enumerate(gradients):
        if i == 3:
            state = copy.deepcopy(state)
        optimizer.update(resumed, state, gradient, 0.1)
    assert resumed.tobytes() == straight.tobytes()


@pytest.mark.parametrize("spec", ALL)
def test_empty_gradients_change_nothing_but_the_step(spec):
    optimizer, params = one("optimizers", spec), np.ones(4, np.float32)
    state = optimizer.init(4)
    optimizer.update(params, state, Gradient(np.empty(0, np.float32), 4, []), 0.1)
    assert state["step"] == 1 and (params == 1).all() and isinstance(state["step"], int)


@pytest.mark.parametrize("spec", ALL)
def test_a_convex_bowl_is_descended(spec):
    optimizer = one("optimizers", spec)
    params, state = np.full(8, 3, np.float32), optimizer.init(8)
    for _ in range(3000):
        optimizer.update(params, state, Gradient(params * np.arange(1, 9, dtype=np.float32), 8), optimizer.lr_at(0))
    assert np.abs(params).max() < 0.05


def test_learning_rates():
    assert one("optimizers", "sgd(lr=0.5)").lr_at(100) == 0.5
    decayed = one("optimizers", "sgd(lr=0.1, lr_decay=0.9)")
    assert [decayed.lr_at(e) for e in range(3)] == pytest.approx([0.1, 0.09, 0.081])
    listed = one("optimizers", "sgd").__class__(lr=[0.3, 0.2, 0.1])
    assert [listed.lr_at(e) for e in range(5)] == [0.3, 0.2, 0.1, 0.1, 0.1]
    assert hash(listed) == hash(one("optimizers", "sgd").__class__(lr=(0.3, 0.2, 0.1)))


def test_rates_warm_up():
    warm = one("optimizers", "sgd(lr=0.8, warmup_epochs=3)")
    assert [warm.lr_at(e) for e in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8])
    decayed = one("optimizers", "adam(lr=0.8, lr_decay=0.5, warmup_epochs=1)")
    assert [decayed.lr_at(e) for e in range(3)] == pytest.approx([0.4, 0.4, 0.2])
    listed = one("optimizers", 'momentum(lr="1.0,0.5", warmup_epochs=2)')
    assert [listed.lr_at(e) for e in range(4)] == pytest.approx([1 / 3, 1 / 3, 0.5, 0.5])
    assert one("optimizers", warm.spec) == warm


@pytest.mark.parametrize("warmup_epochs", [-1, 1.5, True, None, "2"])
def test_a_bad_warm_up_is_refused(warmup_epochs):
    with pytest.raises(ConfigError, match="warmup_epochs as an integer ≥ 0"):
        one("optimizers", "sgd").__class__(warmup_epochs=warmup_epochs)


@pytest.mark.parametrize("lr", [0.25, 1, [0.5], [0.1, 0.05, 1e-5], (1, 2)])
@pytest.mark.parametrize("name", ["sgd", "momentum", "adam", "adagrad"])
def test_specification_round_trips(name, lr):
    optimizer = one("optimizers", name).__class__(lr=lr)
    assert one("optimizers", optimizer.spec) == optimizer
    assert optimizer.lr_at(0) == (lr[0] if isinstance(lr, list | tuple) else lr)


def test_every_optimizer_is_described():
    assert names("optimizers")[:4] == ["sgd", "momentum", "adam", "adagrad"]
    for name in names("optimizers")[:4]:
        optimizer = one("optimizers", name)
        assert optimizer.spec == name and optimizer.summary and optimizer.paper


@pytest.mark.parametrize("lr", [0, -0.1, float("nan"), float("inf"), True, None, [], [0.1, 0], "fast", "", ["0.1"]])
def test_a_bad_rate_is_refused(lr):
    with pytest.raises(ConfigError, match=r"rate|lr finite"):
        one("optimizers", "sgd").__class__(lr=lr)


@pytest.mark.parametrize("lr_decay", [0, -1, 1.5, float("nan"), "slow", True])
def test_a_bad_decay_is_refused(lr_decay):
    with pytest.raises(ConfigError, match=r"expected lr_decay in \(0, 1\]"):
        one("optimizers", "sgd").__class__(lr_decay=lr_decay)


def test_a_list_of_rates_does_not_decay():
    with pytest.raises(ConfigError, match="either a list of rates or lr_decay"):
        one("optimizers", "sgd").__class__(lr=[0.1, 0.05], lr_decay=0.9)


def test_wrong_lengths_are_refused_before_anything_changes():
    optimizer = one("optimizers", "adam")
    params, state, gradient = np.ones(5, np.float32), optimizer.init(5), Gradient(np.ones(6, np.float32), 6)
    with pytest.raises(IncompatibleError, match="expected params of the gradient's dimension 6, got 5"):
        optimizer.update(params, state, gradient, 0.1)
    with pytest.raises(IncompatibleError, match="expected m of the gradient's dimension 6, got 5"):
        optimizer.update(np.ones(6, np.float32), state, gradient, 0.1)
    assert state["step"] == 0 and (params == 1).all()


def test_the_contract_alone_updates_nothing():
    with pytest.raises(NotImplementedError):
        Optimizer().update(np.ones(1, np.float32), {"step": 0}, Gradient(np.ones(1, np.float32), 1), 0.1)
