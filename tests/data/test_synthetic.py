"""Dimensions, shares and laws of the synthetic data; rows are a function of their number."""

import dataclasses

import numpy as np
import pytest

import gradwire.data as data
from gradwire.data.synthetic import SHARD_ROWS, Field, Generator, SyntheticKDD10, SyntheticKDD12, _inverse, scaled
from gradwire.data.synthetic_ctr import SyntheticCTR
from gradwire.errors import ConfigError

ALL = pytest.mark.parametrize("cls", [SyntheticKDD10, SyntheticKDD12, SyntheticCTR])


@ALL
def test_cardinalities_sum_to_the_real_dimension(cls):
    assert cls.dim == {"synthetic-kdd10": 29_890_095, "synthetic-kdd12": 54_686_452, "synthetic-ctr": 58_000_000}[cls.name]
    assert sum(field.cardinality for field in cls.fields) + cls.unique_features == cls.dim
    per_row = sum(field.present for field in cls.fields) + cls.unique_per_row
    assert per_row == pytest.approx({"synthetic-kdd10": 29.4, "synthetic-kdd12": 11, "synthetic-ctr": 100}[cls.name], abs=0.001)


@ALL
def test_one_shard_has_the_real_shares(cls):
    generator = Generator(cls())
    rows = generator.rows(np.arange(SHARD_ROWS, 2 * SHARD_ROWS))
    share = cls.positive_share
    assert rows.n_features == generator.n_features == cls.dim
    assert abs((rows.labels > 0).mean() - share) < 5 * (share * (1 - share) / SHARD_ROWS) ** 0.5
    assert rows.nnz / rows.n_rows == pytest.approx(sum(f.present for f in cls.fields) + cls.unique_per_row, abs=0.02)
    assert rows.values is None


def test_kdd10_ids_of_their_own():
    generator = Generator(SyntheticKDD10())
    rows = generator.rows(np.arange(50_000))
    own = rows.indices[rows.indices >= generator.starts[-1]]
    assert len(np.unique(own)) == len(own)
    assert len(own) / rows.n_rows == pytest.approx(1.117, abs=0.001)
    assert own.max() < SyntheticKDD10.dim


def test_kdd10_features_that_occur_once_as_in_the_real_file():
    """Expected numbers over all 19,264,097 rows, ids of a field being drawn independently."""
    occurring = once = SyntheticKDD10.unique_features
    for field in SyntheticKDD10.fields:
        shares, edges = _inverse(field)
        ids = np.diff(edges)
        draws = 19_264_097 * field.present * np.diff(shares) / ids
        occurring += (ids * -np.expm1(-draws)).sum()
        once += (ids * draws * np.exp(-draws)).sum()
    assert once / occurring == pytest.approx(0.72, abs=0.01)
    assert occurring == pytest.approx(SyntheticKDD10.dim, rel=0.01)


@pytest.mark.parametrize("field", [Field("a", 3, 0.5, 0.0), Field("b", 5000, 1.0, 5.0), Field("c", 2_000_000, 0.8, 20.0)])
def test_inverse_follows_zipf_mandelbrot(field):
    """Each id's probability is within 2% of the exact law at large ranks, and the midpoint rule's error at the first."""
    shares, edges = _inverse(field)
    assert (edges[0], edges[-1], shares[0], shares[-1]) == (0, field.cardinality, 0, 1)
    exact = np.arange(1, field.cardinality + 1) + field.shift
    exact = exact**-field.exponent / (exact**-field.exponent).sum()
    ours = np.diff(np.interp(np.arange(field.cardinality + 1), edges, shares))
    assert np.abs(ours / exact - 1).max() < 0.03


@ALL
def test_rows_depend_on_their_number_alone(cls):
    generator = Generator(cls(n_features=50_000))
    whole, part = generator.rows(np.arange(0, 300)), generator.rows(np.arange(100, 200))
    view = whole.rows(100, 200)
    assert np.array_equal(part.labels, view.labels)
    assert np.array_equal(part.indptr, view.indptr - view.indptr[0])
    assert np.array_equal(part.indices, view.indices[view.indptr[0] : view.indptr[-1]])
    other = Generator(cls(n_features=50_000, seed=1)).rows(np.arange(0, 300))
    assert not np.array_equal(other.indices[:300], whole.indices[:300])


@ALL
def test_the_cache_is_the_same_for_any_number_of_ranks(cls, load_together, tmp_path, monkeypatch):
    monkeypatch.setattr("gradwire.data.synthetic.SHARD_ROWS", 128)
    dataset = cls(rows=1000, n_features=20_000)
    contents = []
    for size in (1, 2, 3):
        prepared = load_together(dataset, size, f"cache{size}")[-1]
        contents.append({path.name: path.read_bytes() for path in data.cache.folder(dataset, tmp_path / f"cache{size}").iterdir()})
    assert contents[0] == contents[1] == contents[2]
    assert prepared.train.n_rows + prepared.test.n_rows == 1000
    assert prepared.n_features == 20_000


@ALL
@pytest.mark.parametrize("n_features", [10_000, 500_000, 100_000_000])
def test_a_smaller_or_larger_dimension_keeps_the_entries_per_row(cls, n_features):
    dataset = cls(n_features=n_features)
    fields, unique = scaled(dataset)
    assert sum(field.cardinality for field in fields) + unique == n_features
    assert min(field.cardinality for field in fields) >= 2
    rows = Generator(dataset).rows(np.arange(2000))
    assert rows.n_features == n_features
    assert rows.indices.max() < n_features
    assert rows.nnz == Generator(cls()).rows(np.arange(2000)).nnz


def test_the_planted_model_can_be_learned(tmp_path):
    """A logistic regression on the ids seen often enough beats the constant guess, as AUC and as log-loss."""
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import SGDClassifier
    from sklearn.metrics import log_loss, roc_auc_score

    prepared = data.load(SyntheticKDD12(rows=60_000, n_features=20_000, layout="source"), tmp_path)
    train, test = (
        csr_matrix((np.ones(s.nnz, np.float32), np.asarray(s.indices, np.int32), s.indptr), (s.n_rows, s.n_features))
        for s in (prepared.train, prepared.test)
    )
    model = SGDClassifier(loss="log_loss", alpha=1e-4, random_state=0).fit(train, prepared.train.labels)
    guess = model.predict_proba(test)[:, 1]
    assert roc_auc_score(prepared.test.labels, guess) > 0.7
    assert log_loss(prepared.test.labels, guess) < log_loss(prepared.test.labels, np.full(len(guess), 0.044)) - 0.01


@ALL
def test_identity_names_the_dimension(cls, tmp_path):
    assert data.cache.folder(cls(), tmp_path) == data.cache.folder(cls(n_features=cls.dim), tmp_path)
    assert data.cache.folder(cls(), tmp_path) != data.cache.folder(cls(n_features=20_000), tmp_path)


@pytest.mark.parametrize(
    "change",
    [{"rows": 1}, {"rows": 2.0}, {"n_features": 9_999}, {"n_features": 2**33}, {"layout": "x"}, {"test_fraction": 0}, {"seed": "a"}],
)
def test_bad_options_are_refused(change):
    with pytest.raises(ConfigError):
        dataclasses.replace(SyntheticKDD12(), **change)
