"""The data set: labels, splits and errors, the same on any number of ranks."""

import re
from itertools import pairwise

import numpy as np
import pytest

import gradwire.data as data
from gradwire.data.libsvm import LibSVM, parse_range
from gradwire.errors import ConfigError, DataError


def listed(csr):
    values = np.ones(csr.nnz, np.float32) if csr.values is None else csr.values
    spans = [slice(a, b) for a, b in pairwise(csr.indptr)]
    return [(label, list(zip(csr.indices[s].tolist(), values[s]))) for label, s in zip(csr.labels, spans)]


def write(path, labels, seed=0, ones=False):
    rng = np.random.default_rng(seed)
    with open(path, "w") as file:
        for label in labels:
            keys = np.sort(rng.choice(50, rng.integers(0, 8), replace=False)) + 1
            file.write(f"{label} " + " ".join(f"{key}:{1 if ones else rng.normal():.4g}" for key in keys) + "\n")
    return str(path)


def contents(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


@pytest.mark.parametrize("layout", ["source", "frequency", "hashed"])
@pytest.mark.parametrize("ones", [False, True])
def test_cache_is_the_same_for_any_number_of_ranks(tmp_path, load_together, layout, ones):
    train = write(tmp_path / "train.svm", [1, -1, -1] * 70, ones=ones)
    dataset = LibSVM(train=train, n_features=50, zero_based=False, layout=layout, seed=4)
    caches = []
    for size in (1, 2, 3, 4):
        prepared = load_together(dataset, size, f"cache{size}")[-1]
        caches.append(contents(data.cache.folder(dataset, tmp_path / f"cache{size}")))
    assert all(cache == caches[0] for cache in caches)
    assert (prepared.train.values is None) == ones
    assert ("train_values.npy" in caches[0]) != ones


def test_split_and_labels_are_those_of_the_file(tmp_path):
    path = tmp_path / "data.svm"
    labels = np.random.default_rng(1).integers(0, 2, 2000)
    write(path, labels)
    whole = parse_range(path, 0, path.stat().st_size, 50, False)
    prepared = data.load(LibSVM(train=str(path), n_features=50, zero_based=False), tmp_path)
    train, test = prepared.train, prepared.test
    assert train.n_rows + test.n_rows == 2000
    assert abs(test.n_rows - 500) < 4 * (2000 * 0.25 * 0.75) ** 0.5
    signed = [(2 * label - 1, row) for label, row in listed(whole)]
    held_out, kept = listed(test), listed(train)
    for row in signed:  # both keep the file's order
        (held_out if held_out and held_out[0] == row else kept).remove(row)
    assert not held_out
    assert not kept


@pytest.mark.parametrize(
    ("labels", "pair"), [("01", (0, 1)), ("pm1", (-1, 1)), ("12", (1, 2)), ("auto", (0, 1)), ("auto", (-1, 1)), ("auto", (1, 2))]
)
def test_label_conventions(tmp_path, labels, pair):
    train, test = write(tmp_path / "a.svm", [pair[0], pair[1], pair[1]]), write(tmp_path / "b.svm", [pair[1]])
    prepared = data.load(LibSVM(train=train, test=test, n_features=50, zero_based=False, labels=labels), tmp_path)
    assert prepared.train.labels.tolist() == [-1, 1, 1]
    assert prepared.test.labels.tolist() == [1]
    assert prepared.task == "classification"


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize(
    ("labels", "train", "test", "message"),
    [
        ("auto", [0, 1, 0, 2, 3], [0], r'a\.svm, line 4: expected labels 0 and 1 \("01"\), got 2$'),
        ("auto", [1] * 9 + [-1, 0], [1], r'a\.svm, line 11: expected labels -1 and 1 \("pm1"\), got 0$'),
        ("auto", [0, 1] * 9, [1, 2], r'b\.svm, line 2: expected labels 0 and 1 \("01"\), got 2$'),
        ("auto", [5, 1], [0], r'a\.svm, line 1: expected labels 0 and 1 \("01"\) or -1 and 1 \("pm1"\) or 1 and 2 \("12"\), got 5$'),
        ("pm1", [1, -1, 0], [1], r'a\.svm, line 3: expected labels -1 and 1 \("pm1"\), got 0$'),
        ("auto", [1] * 12, [1], r'all labels are 1, so labels = "auto" cannot tell'),
    ],
)
def test_labels_outside_the_convention_are_refused_on_all_ranks(tmp_path, load_together, size, labels, train, test, message):
    dataset = LibSVM(
        train=write(tmp_path / "a.svm", train), test=write(tmp_path / "b.svm", test), n_features=50, zero_based=False, labels=labels
    )
    results = load_together(dataset, size)
    assert {type(result) for result in results} == {DataError}
    assert len({str(result) for result in results}) == 1
    assert re.search(message, str(results[0]))
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []


def test_the_first_bad_line_is_reported_whatever_the_number_of_ranks(tmp_path, load_together):
    path = tmp_path / "bad.svm"
    write(path, [0, 1] * 50)
    lines = path.read_text().splitlines()
    lines[30], lines[80] = "0 51:1", "0 nonsense"
    path.write_text("\n".join(lines))
    (tmp_path / "worse.svm").write_text("worse\n")
    dataset = LibSVM(train=str(path), test=str(tmp_path / "worse.svm"), n_features=50, zero_based=False)
    for size in (1, 2, 4):
        for result in load_together(dataset, size):
            assert "bad.svm, line 31: expected an index in 1 … 50" in str(result)


def test_regression_keeps_labels(tmp_path):
    train, test = write(tmp_path / "a.svm", [0.5, -3, 7e4, 7]), write(tmp_path / "b.svm", [2.5])
    dataset = LibSVM(train=train, test=test, n_features=50, zero_based=False, task="regression")
    prepared = data.load(dataset, tmp_path)
    assert prepared.task == "regression"
    assert prepared.train.labels.tolist() == [0.5, -3, 7e4, 7]
    assert data.describe(dataset, tmp_path)["positive_share"] is None


def test_an_edited_source_is_prepared_again_and_a_missing_one_is_not_needed(tmp_path):
    path = tmp_path / "data.svm"
    dataset = LibSVM(train=write(path, [0, 1] * 50), n_features=50, zero_based=False)
    assert data.load(dataset, tmp_path).train.n_rows < 100
    assert data.is_prepared(dataset, tmp_path)
    write(path, [0, 1] * 500)
    assert not data.is_prepared(dataset, tmp_path)
    assert data.load(dataset, tmp_path).train.n_rows > 500
    path.unlink()
    assert data.is_prepared(dataset, tmp_path)
    assert data.load(dataset, tmp_path).train.n_rows > 500


def test_files_without_rows_are_refused(tmp_path):
    path = tmp_path / "data.svm"
    path.write_text("# nothing\n\n")
    for options in ({}, {"test": str(path)}):
        with pytest.raises(DataError, match="expected rows to train and to test on, got 0 and 0"):
            data.load(LibSVM(train=str(path), n_features=50, zero_based=False, labels="01", **options), tmp_path)


def test_paths_name_the_cache_folder_and_fractions_do_not_when_unused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"n_features": 5, "zero_based": True}
    here, there = LibSVM(train="a", **options), LibSVM(train=str(tmp_path / "a"), test_fraction=0.25, **options)
    assert data.cache.folder(here, tmp_path) == data.cache.folder(there, tmp_path)
    assert data.cache.folder(LibSVM(train="a", test="b", **options), tmp_path) != data.cache.folder(here, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"n_features": 0},
        {"n_features": 2**32 + 1},
        {"n_features": "5"},
        {"zero_based": 1},
        {"zero_based": None},
        {"train": ""},
        {"train": 5},
        {"test": ""},
        {"test": "b", "test_fraction": 0.5},
        {"test_fraction": 2},
        {"labels": "0,1"},
        {"task": "ranking"},
        {"task": "regression", "labels": "01"},
        {"layout": "random"},
        {"seed": -1},
    ],
)
def test_bad_options_are_refused(change):
    with pytest.raises(ConfigError):
        LibSVM(**({"train": "a", "n_features": 5, "zero_based": True} | change))
