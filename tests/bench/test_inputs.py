"""Synthetic inputs: their keys are keys, their models' entropies are those of their models."""

import numpy as np
import pytest

from gradwire import ConfigError, bounds
from gradwire.bench import inputs

DIM = 200_000


@pytest.mark.parametrize("keys", inputs.KEYS)
@pytest.mark.parametrize("nnz", [1, 7, 5000])
def test_copies_are_gradients_of_about_nnz_entries(keys, nnz):
    given = inputs.synthetic(keys, "lognormal", nnz, 3, dim=DIM)
    assert given.name == f"{keys}/lognormal" and len(given.gradients) == 3
    for gradient in given.gradients:
        assert (np.diff(gradient.keys.astype(np.int64)) > 0).all() and abs(gradient.nnz - nnz) <= 6 * nnz**0.5
    if nnz == 5000 and keys != "all":
        assert not np.array_equal(given.gradients[0].keys, given.gradients[1].keys)


@pytest.mark.parametrize(("keys", "fields"), [("zipf", 1), ("field", inputs.FIELDS)])
def test_the_model_is_the_one_of_the_text(keys, fields):
    """Included with 1 - exp(-c / (i + 1)): the sum of the chances is nnz, that of their entropies the model's."""
    nnz, size = 5000, DIM // fields
    chance, entropy = inputs._inclusion(nnz / fields, size)
    i = np.arange(1, size + 1)
    c = -np.log1p(-np.float64(chance[-1])) * size
    assert np.allclose(chance, -np.expm1(-c / i), rtol=1e-4)
    assert np.isclose(chance.sum(dtype=np.float64), nnz / fields, rtol=1e-3)
    p = chance[chance < 1].astype(np.float64)
    assert np.isclose(entropy, -(p * np.log2(p) + (1 - p) * np.log2(1 - p)).sum(), rtol=1e-3)
    given = inputs.synthetic(keys, "gaussian", nnz, 1, dim=DIM)
    assert np.isclose(given.model_entropy, fields * entropy / nnz)


def test_uniform_keys_cost_log2_binomial():
    given = inputs.synthetic("hash", "gaussian", 5000, 1, dim=DIM)
    assert np.isclose(given.model_entropy, bounds.log2_binomial(DIM, 5000) / 5000, rtol=1e-2)


def test_runs_are_runs():
    keys = inputs.synthetic("runs", "gaussian", 50_000, 1, dim=DIM).gradients[0].keys
    starts = np.flatnonzero(np.diff(keys, prepend=keys[0] - 2) != 1)
    assert len(keys) == 50_000 and 10 < len(starts) < 200
    assert inputs.synthetic("runs", "gaussian", 1000, 1, dim=1000).gradients[0].nnz == 1000


def test_values_have_their_moments():
    rng = np.random.default_rng(0)
    logs = np.log(np.abs(inputs.draw_values(rng, "lognormal", 100_000)))
    assert abs(logs.mean() + 9) < 0.05 and abs(logs.std() - 2.5) < 0.05
    normal = inputs.draw_values(rng, "gaussian", 100_000)
    assert abs(normal.mean()) < 0.02 and abs(normal.std() - 1) < 0.02


def test_bounds_stand_beside_an_input():
    given = inputs.synthetic("zipf", "lognormal", 5000, 1, dim=DIM)
    assert given.bounds["gap_entropy_bits"] < given.bounds["bound_bits"]
    assert given.bounds["value_entropy_bits"] > 10
    assert "bound_bits" not in inputs.dense("gaussian", 100, 1).bounds


@pytest.mark.parametrize(
    ("arguments", "what"),
    [(("zipff", "gaussian", 5), "zipf"), (("zipf", "normal", 5), "gaussian"), (("zipf", "gaussian", DIM + 1), "nonzeros")],
)
def test_what_there_is_not_is_refused(arguments, what):
    with pytest.raises(ConfigError, match=what):
        inputs.synthetic(*arguments, 1, dim=DIM)
