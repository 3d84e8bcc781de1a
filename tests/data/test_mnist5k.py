"""Handwritten digits, from tables of our own and, where it can be had, the real package."""

import gzip

import numpy as np
import pytest

import gradwire.data as data
from gradwire.data import mnist5k, pypi
from gradwire.data.mnist5k import MNIST5k, read_table, stratified
from gradwire.errors import ConfigError, DataError

LABELS = np.repeat(np.arange(10), 12)


def table(labels=LABELS):
    """Row i has the pixels i, i + 1, … modulo 256."""
    rows = [",".join(map(str, [*((i + np.arange(784)) % 256), label])) for i, label in enumerate(labels)]
    return gzip.compress(("\n".join(rows) + "\n").encode())


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(pypi, "read", lambda requirement, files, archive: {mnist5k.PACKED: table()})


def first_pixels(split):
    return np.asarray(split.inputs).reshape(-1, 784)[:, 0]


@pytest.mark.parametrize("size", [1, 2])
def test_the_split_is_stratified_shuffled_and_whole(small, load_together, size):
    prepared = load_together(MNIST5k(), size)[-1]
    assert (prepared.task, MNIST5k().task, prepared.n_features, prepared.train.width, prepared.meta["classes"]) == (
        "images",
        "images",
        784,
        784,
        10,
    )
    # of 12 of a class, 12 // 5 = 2 are to test on
    assert np.bincount(prepared.test.labels).tolist() == [2] * 10
    assert np.bincount(prepared.train.labels).tolist() == [10] * 10
    numbers = np.concatenate([first_pixels(prepared.train), first_pixels(prepared.test)])
    assert sorted(numbers.tolist()) == list(range(120))
    assert np.array_equal(LABELS[numbers], np.concatenate([prepared.train.labels, prepared.test.labels]))
    assert np.array_equal(prepared.train.take(np.array([7]))[0], (int(first_pixels(prepared.train)[7]) + np.arange(784)) % 256)
    assert prepared.train.labels.tolist() != sorted(prepared.train.labels.tolist())


def test_the_seed_decides_the_split_and_the_order(small, tmp_path):
    first, again, other = (data.load(MNIST5k(seed=seed), tmp_path / str(i)) for i, seed in enumerate((0, 0, 1)))
    assert np.array_equal(first.train.inputs, again.train.inputs)
    assert set(first_pixels(first.test)) != set(first_pixels(other.test))


def test_stratified_takes_the_first_fifth_of_each_class():
    assert stratified(np.array([3, 1, 3, 3, 1, 3, 3])).tolist() == [True, False, False, False, False, False, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1,2,3\n", "mnist5k: expected rows of 784 pixels and a label, got 3 cells"),
        (b"1,2,3\n4,5\n", "mnist5k: expected rows of 784 pixels and a label: "),
        (b"1,two,3\n", "mnist5k: expected rows of 784 pixels and a label: .*two"),
        (b",".join([b"256"] * 785), "mnist5k: expected rows of 784 pixels and a label: "),
        (gzip.compress(b"1,2")[:-3], "cannot be unpacked"),
    ],
)
def test_another_table_is_refused(content, message):
    with pytest.raises(DataError, match=message):
        read_table(content)


def test_an_eleventh_digit_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(pypi, "read", lambda *_: {mnist5k.PACKED: table(np.repeat(np.arange(11), 10))})
    with pytest.raises(DataError, match="expected labels in 0 … 9, got 10"):
        data.load(MNIST5k(), tmp_path)


@pytest.mark.parametrize("seed", [-1, 1.0, True])
def test_bad_options_are_refused(seed):
    with pytest.raises(ConfigError):
        MNIST5k(seed=seed)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    try:
        return data.load(MNIST5k(), folder), data.describe(MNIST5k(), folder)
    except DataError as error:
        if "could not download" in str(error):
            pytest.skip(str(error))
        raise


@pytest.mark.network
def test_the_real_digits_have_the_documented_numbers_and_can_be_learnt(real):
    from sklearn.neighbors import KNeighborsClassifier

    prepared, about = real
    assert (about["train_rows"], about["test_rows"], about["classes"]) == (4000, 1000, 10)
    assert (np.bincount(prepared.train.labels).tolist(), np.bincount(prepared.test.labels).tolist()) == ([400] * 10, [100] * 10)
    train, test = (split.take(np.arange(split.n_rows)).astype(np.float32) for split in (prepared.train, prepared.test))
    right = KNeighborsClassifier(3).fit(train, prepared.train.labels).predict(test) == prepared.test.labels
    assert 0.92 < right.mean() < 0.97
