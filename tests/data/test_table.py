"""Rows of bytes: taken, checked, cached, damaged and described."""

import json
import os
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradwire.data as data
from gradwire.data import Table, cache, tables
from gradwire.data.base import Dataset, alone
from gradwire.errors import DataError
from gradwire.listing import dataset_text


def table(**changes):
    parts = {"inputs": np.arange(12, dtype=np.uint8), "labels": np.array([1, 0, 2], np.uint8), "width": 4, "overlap": 0}
    return Table(**(parts | changes))


def test_images_are_rows_and_a_copy():
    images = table()
    assert images.n_rows == 3
    taken = images.take(np.array([2, 0, 2]))
    assert taken.dtype == np.uint8
    assert taken.tolist() == [[8, 9, 10, 11], [0, 1, 2, 3], [8, 9, 10, 11]]
    taken[:] = 7
    assert images.inputs.tolist() == list(range(12))


def test_a_row_of_text_ends_with_the_first_byte_of_the_next():
    text = Table(np.frombuffer(b"to be or not", np.uint8), None, 3, 1)
    assert text.n_rows == 3  # 4 rows of 3 would need a 13th byte
    assert [bytes(row) for row in text.take(np.arange(3))] == [b"to b", b"be o", b"or n"]


@given(st.integers(0, 60), st.integers(1, 9), st.integers(0, 12), st.booleans(), st.data())
def test_take_is_what_its_docstring_says(length, width, overlap, steps, draw):
    flat = np.arange(length, dtype=np.uint8)
    spread = np.zeros((length, 3), np.uint8)
    spread[:, 1] = flat
    text = Table(spread[:, 1] if steps else flat, None, width, overlap)
    expected = []
    while len(expected) * width + width + overlap <= length:
        expected.append(list(range(len(expected) * width, len(expected) * width + width + overlap)))
    assert text.n_rows == len(expected)
    rows = draw.draw(st.lists(st.integers(0, len(expected) - 1), max_size=8) if expected else st.just([]))
    taken = text.take(np.array(rows, np.int64))
    assert taken.shape == (len(rows), width + overlap)
    assert taken.tolist() == [expected[row] for row in rows]
    wrong = draw.draw(st.sampled_from([-1, len(expected), -len(expected) - 1, 2**40]))
    with pytest.raises(DataError, match=rf"expected rows in 0 … {len(expected) - 1}, got {wrong}"):
        text.take(np.array([*rows, wrong], np.int64))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": np.zeros(12)}, "expected inputs as a flat uint8 array, got float64"),
        ({"inputs": None}, "expected inputs as a flat uint8 array, got NoneType"),
        ({"labels": np.zeros((3, 1), np.uint8)}, r"expected labels as a flat uint8 array, got uint8 \(3, 1\)"),
        ({"labels": np.zeros(3, np.int64)}, "expected labels as a flat uint8"),
        ({"labels": np.zeros(4, np.uint8)}, "expected 4 rows of 4 and 0 bytes after them, one row for each label, got 12 bytes"),
        ({"overlap": 1}, "expected 3 rows of 4 and 1 bytes after them"),
        ({"width": 0}, "expected width as an integer ≥ 1, got 0"),
        ({"width": 4.0}, "expected width as an integer ≥ 1, got 4.0"),
        ({"overlap": -1}, "expected overlap as an integer ≥ 0, got -1"),
    ],
)
def test_wrong_arrays_are_refused(changes, message):
    with pytest.raises(DataError, match=message):
        table(**changes)


@pytest.mark.parametrize(
    ("changes", "classes", "message"),
    [
        ({}, 2, r"expected labels in 0 … 1, got 2"),
        ({}, None, "expected labels and their number of classes, or neither, got one of them"),
        ({"labels": None}, 3, "expected labels and their number of classes, or neither, got one of them"),
        ({}, "3", "expected a number of classes, got '3'"),
        ({}, 0, "expected a number of classes, got 0"),
    ],
)
def test_labels_are_classes(changes, classes, message):
    table().check_classes(3)
    table(labels=None).check_classes(None)
    with pytest.raises(DataError, match=message):
        table(**changes).check_classes(classes)


@dataclass(frozen=True, kw_only=True)
class Tiny(Dataset):
    """Six images of three classes, or 50 bytes of text. `fail`: what goes wrong."""

    name = "tiny"
    summary = "for tests"
    paper = ""

    text: bool = False
    fail: str = ""

    @property
    def task(self):
        return "text" if self.text else "images"

    def prepare(self, folder, rank=0, size=1, barrier=alone):
        def make():
            assert rank == 0
            if self.fail == "disk":
                raise OSError("No space left on device")
            flat = np.arange(50, dtype=np.uint8)
            if self.text:
                return Table(flat[:31], None, 5, 1), Table(flat[31:], None, 5, 1)
            labels = np.array([0, 1, 2, 0, 0, 9 if self.fail == "class" else 1], np.uint8)
            rows = 0 if self.fail == "empty" else 2
            return Table(flat[:24], labels[:4], 6), Table(flat[24 : 24 + 6 * rows], labels[4 : 4 + rows], 6)

        tables.prepare(folder, rank, barrier, make, source="made up", checksum="none", classes=None if self.text else 3, answer=42)


@pytest.mark.parametrize("size", [1, 3])
def test_images_come_back_on_all_ranks(load_together, tmp_path, size):
    prepared = load_together(Tiny(), size)[-1]
    assert (prepared.task, prepared.n_features, prepared.train.n_rows, prepared.test.n_rows) == ("images", 6, 4, 2)
    assert prepared.train.inputs.tolist() == list(range(24))
    assert prepared.test.labels.tolist() == [0, 1]
    assert not prepared.train.inputs.flags.writeable
    assert {name: prepared.meta[name] for name in ("width", "overlap", "classes", "answer")} == {
        "width": 6,
        "overlap": 0,
        "classes": 3,
        "answer": 42,
    }
    assert sorted(os.listdir(cache.folder(Tiny(), tmp_path / "cache"))) == sorted([*prepared.meta["files"], "meta.json"])
    prepared.guard.check()


def test_text_comes_back(tmp_path):
    prepared = data.load(Tiny(text=True), tmp_path)
    assert (prepared.task, prepared.n_features, prepared.train.labels) == ("text", 256, None)
    assert prepared.train.take(np.array([5])).tolist() == [[25, 26, 27, 28, 29, 30]]
    assert (prepared.train.n_rows, prepared.test.n_rows) == (6, 3)
    assert sorted(prepared.meta["files"]) == ["test_inputs.npy", "train_inputs.npy"]


@pytest.mark.parametrize(
    ("fail", "message"),
    [
        ("disk", "No space left on device"),
        ("class", r"expected labels in 0 … 2, got 9"),
        ("empty", "expected rows to train and to test on, got 4 and 0"),
    ],
)
def test_what_goes_wrong_reaches_all_ranks(load_together, tmp_path, fail, message):
    results = load_together(Tiny(fail=fail), 2)
    assert [(type(result), str(result)) for result in results] == [(DataError, message)] * 2
    assert not data.is_prepared(Tiny(fail=fail), tmp_path / "cache")


@pytest.mark.parametrize("name", ["train_inputs.npy", "test_labels.npy"])
@pytest.mark.parametrize("damage", ["cut", "remove", "header"])
def test_damage_is_found_and_named(tmp_path, name, damage):
    data.load(Tiny(), tmp_path)
    path = cache.folder(Tiny(), tmp_path) / name
    if damage == "cut":
        os.truncate(path, path.stat().st_size - 1)
    elif damage == "remove":
        path.unlink()
    else:
        path.write_bytes(b"\0" * path.stat().st_size)
    with pytest.raises(DataError, match=rf"damaged cache: .*{name}: .*remove the folder .* to have it prepared again"):
        data.load(Tiny(), tmp_path)


def test_a_class_that_is_none_is_found(tmp_path):
    data.load(Tiny(), tmp_path)
    np.save(cache.folder(Tiny(), tmp_path) / "train_labels.npy", np.array([0, 1, 3, 0], np.uint8))
    with pytest.raises(DataError, match=r"damaged cache: .*train_.*expected labels in 0 … 2, got 3"):
        data.load(Tiny(), tmp_path)


ODD_IMAGES = [{"width": 5}, {"width": None}, {"overlap": 6}, {"overlap": "1"}, {"classes": 2}, {"classes": None}, {"classes": []}]
ODD_IMAGES += [{"task": "text"}, {"task": "classification"}, {"n_features": 7}, {"files": {}}]
ODD_TEXT = [{"width": 100}, {"width": 2**70}, {"overlap": -1}, {"classes": 2}, {"task": "images"}, {"n_features": 255}]


@pytest.mark.parametrize(("text", "change"), [*((False, change) for change in ODD_IMAGES), *((True, change) for change in ODD_TEXT)])
def test_meta_that_does_not_fit_the_arrays_is_found(tmp_path, text, change):
    data.load(Tiny(text=text), tmp_path)
    path = cache.folder(Tiny(text=text), tmp_path) / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match="damaged cache: "):
        data.load(Tiny(text=text), tmp_path)


def test_describe_images_and_text(tmp_path):
    data.load(Tiny(), tmp_path)
    about = data.describe(Tiny(), tmp_path)
    shown = {name: about[name] for name in ("task", "train_rows", "test_rows", "features", "bytes_per_row", "classes", "source")}
    assert shown == dict(task="images", train_rows=4, test_rows=2, features=6, bytes_per_row=6, classes=3, source="made up")
    assert about["smallest_class_share"] == pytest.approx(1 / 6)  # labels 0 1 2 0 | 0 1
    assert about["largest_class_share"] == pytest.approx(3 / 6)
    assert "positive_share" not in about
    data.load(Tiny(text=True), tmp_path)
    about = data.describe(Tiny(text=True), tmp_path)
    assert (about["bytes_per_row"], about["train_bytes"], about["test_bytes"], about["distinct_bytes"]) == (6, 31, 19, 50)
    assert "classes" not in about
    text = dataset_text("tiny", Tiny(text=True), {"text": True}, about)
    assert "distinct_bytes  50" in text
    assert about["bytes"] == sum(path.stat().st_size for path in cache.folder(Tiny(text=True), tmp_path).glob("*.npy"))
