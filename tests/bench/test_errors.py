"""Errors of decoded gradients, against the definitions spelled out densely."""

import numpy as np
import pytest

import gradwire as gw
from gradwire.bench.errors import errors


def case(dense, seed=0):
    rng = np.random.default_rng(seed)
    keys = None if dense else np.sort(rng.choice(500, 40, replace=False))
    return gw.Gradient(rng.normal(size=500 if dense else 40).astype(np.float32), 500, keys)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("decoded_dense", [False, True])
def test_measures_are_their_definitions(dense, decoded_dense):
    x = case(dense)
    rng = np.random.default_rng(1)

    def decode(repeat):
        y = x.to_dense() * (rng.random(500) < 0.7) + (0 if dense else 0.1 * (np.arange(500) == 77))
        y = y.astype(np.float32)
        return gw.Gradient(y, 500) if decoded_dense else gw.Gradient(y[y != 0], 500, np.flatnonzero(y))

    found = errors(x, decode, repeats=4)
    rng = np.random.default_rng(1)
    ys = [decode(i).to_dense().astype(np.float64) for i in range(4)]
    full = x.to_dense().astype(np.float64)
    assert np.isclose(found["vnmse"], np.mean([((full - y) ** 2).sum() for y in ys]) / (full**2).sum())
    assert np.isclose(found["cosine"], full @ ys[0] / np.sqrt((full @ full) * (ys[0] @ ys[0])))
    assert found["bias_repeats"] == 4 and np.isclose(found["bias_noise"], np.sqrt(found["vnmse"] / 4))
    here = full != 0
    assert np.isclose(found["max_error"], max(np.abs(full - y)[here].max() for y in ys) / np.abs(full).max())
    assert np.isclose(found["bias"], np.linalg.norm((np.mean(ys, axis=0) - full)[here]) / np.linalg.norm(full))


def test_one_repeat_is_enough_when_nothing_varies():
    x = case(True)
    calls = []
    found = errors(x, lambda repeat: calls.append(repeat) or gw.Gradient(x.values / 2, 500))
    assert calls == [0, 1] and found["bias_repeats"] == 1
    assert np.isclose(found["vnmse"], 0.25) and np.isclose(found["bias"], 0.5) and np.isclose(found["cosine"], 1)


def test_zeros_have_no_relative_error():
    assert errors(gw.Gradient(np.zeros(3, np.float32), 3), lambda repeat: None) == {}
