"""What all linear models share: keys, regulariser, slices, refusals, read-only memory maps. NumPy in float64 is the reference."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradwire import ConfigError, DataError, names, one
from gradwire.models.base import MAX_DENSE_DIM, Model

MODELS = ["logistic", "svm", "linear"]
SLOPES = {
    "logistic": lambda s, y: -y / (1 + np.exp(y * s)),
    "svm": lambda s, y: np.where(y * s < 1, -y, 0.0),
    "linear": lambda s, y: 2 * (s - y),
}
LOSSES = {
    "logistic": lambda s, y: np.logaddexp(0, -y * s),
    "svm": lambda s, y: np.maximum(0, 1 - y * s),
    "linear": lambda s, y: (y - s) ** 2,
}


def reference(csr, name, l2, params, data, rows):
    """(keys, float64 values, loss), with the regulariser on the touched keys."""
    x, y = csr.dense(data)[rows], data.labels[rows].astype(np.float64)
    scores = x @ params.astype(np.float64)
    keys = csr.touched(data, rows)
    gradient = (SLOPES[name](scores, y)[:, None] * x).mean(axis=0) + l2 * params.astype(np.float64)
    return keys, gradient[keys], LOSSES[name](scores, y).mean()


@given(
    name=st.sampled_from(MODELS),
    dim=st.sampled_from([1, 2, 31, 2048, 2049, 70_000, 5_000_000]),
    n_rows=st.integers(1, 60),
    max_row=st.sampled_from([0, 1, 5, 40]),
    ones=st.booleans(),
    l2=st.sampled_from([0.0, 0.01, 3.0]),
    seed=st.integers(0, 1000),
)
def test_gradient_equals_numpy(csr, name, dim, n_rows, max_row, ones, l2, seed):
    data = csr.random(n_rows, min(dim, 3000), max_row, ones=ones, seed=seed, regression=name == "linear")
    stretch = dim // data.n_features  # keys over the whole range, so that all digits of the sort are used
    data = replace(data, indices=(data.indices * np.uint32(stretch)).astype(np.uint32), n_features=dim)
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, n_rows, n_rows)  # any order, with repeats
    touched = csr.touched(data, np.arange(n_rows))
    params = np.zeros(dim, np.float32)
    params[touched] = rng.normal(size=len(touched))
    gradient, loss = one("models", name).__class__(l2=l2).gradient(params, data, rows)

    small = replace(data, indices=np.searchsorted(touched, data.indices).astype(np.uint32), n_features=max(len(touched), 1))
    keys, values, expected_loss = reference(csr, name, l2, params[touched] if len(touched) else params[:1], small, rows)
    expected_keys = csr.touched(data, rows)
    assert gradient.keys.dtype == np.uint32 and gradient.values.dtype == np.float32 and gradient.dim == dim
    np.testing.assert_array_equal(gradient.keys, expected_keys)
    np.testing.assert_allclose(gradient.values, values, rtol=2e-6, atol=2e-6)
    assert loss == pytest.approx(expected_loss, rel=1e-5, abs=1e-12)
    assert len(keys) == len(expected_keys)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("l2_mode", ["lazy", "full"])
def test_gradient_is_the_derivative_of_the_objective(csr, name, l2_mode):
    data = csr.random(50, 20, 20, seed=3, regression=name == "linear")
    model = one("models", name).__class__(l2=0.3, l2_mode=l2_mode)
    rng = np.random.default_rng(0)
    params, rows = rng.normal(size=20).astype(np.float32), np.arange(50)
    gradient = model.gradient(params, data, rows)[0].to_dense()

    def objective(p):
        scores = csr.dense(data) @ p
        return LOSSES[name](scores, data.labels.astype(np.float64)).mean() + 0.15 * p @ p

    for key in range(20):
        h = np.zeros(20)
        h[key] = 1e-6
        slope = (objective(params + h) - objective(params - h)) / 2e-6
        assert gradient[key] == pytest.approx(slope, rel=2e-4, abs=2e-5)


@pytest.mark.parametrize("name", MODELS)
def test_losses_of_evaluate_and_gradient_agree_with_numpy(csr, name):
    data = csr.random(300, 500, 30, seed=1, regression=name == "linear")
    model = one("models", name)
    params = np.random.default_rng(1).normal(size=600).astype(np.float32)
    start, stop = 17, 290
    loss_sum, scores = model.evaluate(params, data, start, stop)
    expected = csr.dense(data)[start:stop] @ params[:500].astype(np.float64)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=1e-6)
    assert loss_sum == pytest.approx(LOSSES[name](expected, data.labels[start:stop].astype(np.float64)).sum(), rel=1e-9)
    _, loss = model.gradient(params, data, np.arange(start, stop))
    assert loss * (stop - start) == pytest.approx(loss_sum, rel=1e-12)
    assert model.evaluate(params, data, 5, 5)[0] == 0


@pytest.mark.parametrize("name", MODELS)
def test_equal_inputs_give_equal_bytes_and_sums_run_in_row_order(csr, name):
    data = csr.random(400, 50, 30, seed=5, regression=name == "linear")
    model, params = one("models", name), np.random.default_rng(5).normal(size=50).astype(np.float32)
    rows = np.random.default_rng(6).permutation(400)
    first, again = (model.gradient(params, data, rows) for _ in range(2))
    assert first[0].values.tobytes() == again[0].values.tobytes() and first[1] == again[1]


def test_pairs_are_summed_in_double_so_small_ones_survive(csr):
    # 1 + 2^-30 · 1024 rows: a float32 sum would lose every small term after the first
    data = csr.CSR(np.arange(1026, dtype=np.int64), np.zeros(1025, np.uint32), None, np.zeros(1025, np.float32), 1)
    data.labels[0], data.labels[1:] = -1025 / 2, -1025 / 2 * 2.0**-30
    gradient, _ = one("models", "linear").gradient(np.zeros(1, np.float32), data, np.arange(1025))
    assert gradient.values[0] == np.float32(1 + 2.0**-20)


@pytest.mark.parametrize("name", MODELS)
def test_a_slice_indexes_the_full_arrays_and_may_be_a_read_only_memory_map(csr, name, tmp_path):
    data = csr.random(40, 30, 9, seed=2, regression=name == "linear")
    arrays = {}
    for field in ("indptr", "indices", "values", "labels"):
        np.save(tmp_path / f"{field}.npy", getattr(data, field))
        arrays[field] = np.load(tmp_path / f"{field}.npy", mmap_mode="r")
    part = csr.CSR(arrays["indptr"][10:31], arrays["indices"], arrays["values"], arrays["labels"][10:30], 30)
    model, params = one("models", name), np.random.default_rng(2).normal(size=30).astype(np.float32)
    params.flags.writeable = False
    gradient, loss = model.gradient(params, part, np.arange(20))
    whole, whole_loss = model.gradient(params, data, np.arange(10, 30))
    assert gradient.keys.tobytes() == whole.keys.tobytes() and gradient.values.tobytes() == whole.values.tobytes()
    assert loss == whole_loss
    assert model.evaluate(params, part, 0, 20)[0] == model.evaluate(params, data, 10, 30)[0]


@pytest.mark.parametrize("name", MODELS)
def test_no_rows_and_empty_rows(csr, name):
    data = csr.random(5, 10, 0, seed=0)
    model, params = one("models", name), np.ones(10, np.float32)
    gradient, loss = model.gradient(params, data, np.empty(0, np.int64))
    assert gradient.nnz == 0 and not gradient.is_dense and gradient.dim == 10 and loss == 0
    gradient, loss = model.gradient(params, data, np.arange(5))
    assert gradient.nnz == 0 and loss == pytest.approx(np.log(2) if name == "logistic" else 1)
    nothing = csr.CSR(np.zeros(1, np.int64), np.empty(0, np.uint32), np.empty(0, np.float32), np.empty(0, np.float32), 10)
    assert model.evaluate(params, nothing, 0, 0)[0] == 0
    full, loss = model.__class__(l2=0.5, l2_mode="full").gradient(params, nothing, [])
    assert loss == 0
    np.testing.assert_array_equal(full.values, np.full(10, 0.5, np.float32))


def test_lazy_regulariser_acts_on_touched_keys_and_full_on_all(csr):
    data = csr.random(30, 100, 4, seed=8)
    params = np.random.default_rng(8).normal(size=100).astype(np.float32)
    rows = np.arange(6)
    plain, lazy, full = (one("models", f"logistic{a}").gradient(params, data, rows)[0] for a in ("", "(l2=0.2)", "(l2=0.2, l2_mode=full)"))
    assert full.is_dense and not lazy.is_dense
    keys = csr.touched(data, rows)
    np.testing.assert_array_equal(lazy.keys, keys)
    np.testing.assert_allclose(lazy.values - plain.values, 0.2 * params[keys], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(full.values, plain.to_dense() + np.float32(0.2) * params, rtol=1e-6, atol=1e-7)
    assert one("models", "logistic").sparse_gradients and not one("models", "logistic(l2_mode=full)").sparse_gradients


def test_penalty_is_half_l2_times_the_squared_norm():
    params = np.random.default_rng(0).normal(size=(1 << 20) + 7).astype(np.float32)
    expected = 0.05 * np.square(params.astype(np.float64)).sum()
    assert one("models", "svm(l2=0.1)").penalty(params) == pytest.approx(expected, rel=1e-12)
    assert one("models", "svm").penalty(params) == 0


def test_init_is_zeros():
    params = one("models", "linear").init(12, seed=3)
    assert params.dtype == np.float32 and params.shape == (12,) and not params.any()


@pytest.mark.parametrize("row", [-1, 5, 1 << 40, -(1 << 60)])
def test_a_row_that_does_not_exist_is_refused(csr, row):
    data = csr.random(5, 10, 3, seed=0)
    with pytest.raises(DataError, match=rf"expected a row in 0 … 4, got {row}"):
        one("models", "logistic").gradient(np.zeros(10, np.float32), data, [0, row])


def test_damaged_data_is_refused_before_it_is_used(csr):
    model, params = one("models", "logistic"), np.zeros(10, np.float32)
    good = csr.random(40, 10, 3, seed=0)
    rows = np.arange(40)
    high = replace(good, indices=good.indices.copy())
    high.indices[-1] = 4_000_000_000
    damaged = {
        "expected indices below the dimension 10, got 4000000000": high,
        "expected increasing offsets": replace(good, indptr=good.indptr[::-1].copy()),
        f"expected increasing offsets up to {len(good.indices)}": replace(good, indptr=good.indptr + 1),
        "row 0: expected increasing offsets up to": replace(good, indptr=good.indptr - 1),
        "expected 41 row offsets for 40 labels": replace(good, indptr=good.indptr[:-1]),
        "values, one for each index": replace(good, values=good.values[:-1]),
        "expected data of 1 … 10 features": replace(good, n_features=11),
    }
    for message, data in damaged.items():
        with pytest.raises(DataError, match=message):
            model.gradient(params, data, rows)
        with pytest.raises(DataError, match=message):
            model.evaluate(params, data, 0, 40)
    with pytest.raises(DataError, match="features for 0 parameters"):
        model.gradient(params[:0], good, rows)


@pytest.mark.parametrize("start, stop", [(-1, 3), (3, 2), (0, 6)])
def test_evaluate_refuses_a_range_outside_the_rows(csr, start, stop):
    with pytest.raises(DataError, match="expected 0 ≤ start ≤ stop ≤ 5"):
        one("models", "svm").evaluate(np.zeros(10, np.float32), csr.random(5, 10, 3), start, stop)


def test_a_dense_gradient_of_a_huge_dimension_is_refused(csr):
    with pytest.raises(ConfigError, match='l2_mode "lazy" has no limit'):
        one("models", "logistic(l2_mode=full)").init(MAX_DENSE_DIM + 1, 0)
    assert len(one("models", "logistic").init(MAX_DENSE_DIM + 1, 0)) == MAX_DENSE_DIM + 1


@pytest.mark.parametrize("field", [{"l2": -1}, {"l2": float("nan")}, {"l2": float("inf")}, {"l2": "much"}, {"l2": True}])
def test_a_bad_l2_is_refused(field):
    with pytest.raises(ConfigError, match="expected a finite l2 ≥ 0"):
        one("models", "svm").__class__(**field)


def test_an_unknown_l2_mode_names_the_known():
    with pytest.raises(ConfigError, match=r"unknown l2_mode 'lasy' \(did you mean 'lazy'\?\); known: full, lazy"):
        one("models", "svm(l2_mode=lasy)")


def test_every_model_is_described_and_round_trips_through_its_specification():
    assert names("models")[:3] == MODELS
    for name in MODELS:
        model = one("models", f"{name}(l2=0.5, l2_mode=full)")
        assert one("models", model.spec) == model and str(one("models", name)) == name
        assert model.name == name and model.summary and model.paper
        assert (model.task, model.metric_name) in {("classification", "auc"), ("regression", "rmse")}


def test_the_contract_alone_computes_nothing():
    for call in (lambda m: m.init(1, 0), lambda m: m.gradient(None, None, None), lambda m: m.evaluate(None, None, 0, 0)):
        with pytest.raises(NotImplementedError):
            call(Model())
