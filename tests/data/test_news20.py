"""news20, from small tables of our own and, where it can be had, the real package."""

import numpy as np
import pytest

import gradwire.data as data
from gradwire._ext import text as kernel
from gradwire.data import news20, pypi
from gradwire.data.news20 import News20, read_table
from gradwire.errors import ConfigError, DataError

HEADER = b"Category\tText\nd\tstring\nclass\t\n"
TRAIN = [
    (b"comp.graphics", b"to be or not to be"),
    (b"rec.autos", b"a car"),
    (b"misc.forsale", b"a car"),
    (b"talk.politics.misc", b"x"),
] * 10
TEST = [(b"sci.space", b"to the moon"), (b"soc.religion.christian", b"")]


def table(rows):
    return HEADER + b"".join(category + b"\t" + text + b"\n" for category, text in rows)


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.setattr(pypi, "read", lambda requirement, files, archive: dict(zip(files, (table(TRAIN), table(TEST)))))


def test_a_table_is_read():
    labels, texts = read_table(table(TRAIN[:4] + TEST))
    assert labels.dtype == np.float32
    assert labels.tolist() == [1, -1, 1, -1, 1, -1]
    assert texts == [text for _, text in TRAIN[:4] + TEST]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n", r"expected a table of Category and Text, got b'a,b'"),
        (HEADER + b"sci.med\ttext\nonly one cell\n", "expected category, tab, text, got 1 cells in row 2"),
        (HEADER + b"a\tb\tc\n", "got 3 cells in row 1"),
    ],
)
def test_another_table_is_refused(content, message):
    with pytest.raises(DataError, match=message):
        read_table(content)


@pytest.mark.parametrize("layout", ["frequency", "hashed"])
@pytest.mark.parametrize("size", [1, 2])
def test_rows_have_unit_length_and_all_grams(tables, load_together, layout, size):
    prepared = load_together(News20(layout=layout, bits=16), size)[-1]
    assert (prepared.train.n_rows, prepared.test.n_rows, prepared.n_features) == (40, 2, 1 << 16)
    assert prepared.meta["layout"] == layout
    lengths = np.diff(prepared.train.indptr)
    # "to be or not to be": 4 words, 4 pairs ("to be" twice), 4 triples; "a car": 2 and 1; "x": 1
    assert sorted(zip(prepared.train.labels.tolist(), lengths.tolist())) == sorted([(1, 12), (-1, 3), (1, 3), (-1, 1)] * 10)
    squares = np.add.reduceat(np.asarray(prepared.train.values, np.float64) ** 2, prepared.train.indptr[:-1])
    assert squares == pytest.approx(1)
    assert sorted(np.diff(prepared.test.indptr)) == [0, 6]  # an empty text is an empty row


def test_rows_are_shuffled_by_the_seed(tables, tmp_path):
    labels = [data.load(News20(seed=seed), tmp_path).train.labels.tolist() for seed in (0, 1)]
    assert labels[0] != labels[1]
    assert [1, -1, 1, -1] * 10 not in labels


def test_longest_counts_words(tables, tmp_path):
    for longest, expected in ((1, 4), (2, 8), (3, 12), (8, 18)):
        prepared = data.load(News20(longest=longest), tmp_path)
        assert np.diff(prepared.train.indptr).max() == expected
    _, indices = kernel.words(b"x", np.array([0]), np.array([1]), 1, 22)
    assert News20().bits == 22
    assert indices[0] < 1 << 22


@pytest.mark.parametrize("change", [{"longest": 0}, {"longest": 9}, {"bits": 7}, {"bits": 33}, {"layout": "source"}, {"seed": -1}])
def test_bad_options_are_refused(change):
    with pytest.raises(ConfigError):
        News20(**change)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    try:
        return data.load(News20(), folder), data.describe(News20(), folder)
    except DataError as error:
        if "could not download" in str(error):
            pytest.skip(str(error))
        raise


@pytest.mark.network
def test_the_real_texts_have_the_documented_numbers(real):
    prepared, about = real
    assert (about["train_rows"], about["test_rows"]) == (11_293, 7_528)
    assert about["active_features"] == 2_547_150
    assert about["nnz_per_row"] == pytest.approx(625.03, abs=0.01)
    assert about["positive_share"] == pytest.approx(0.5205, abs=0.0001)
    assert news20.REQUIREMENT in about["source"]
    parts = np.array_split(np.asarray(prepared.train.labels) > 0, 8)
    assert all(abs(part.mean() - 0.52) < 5 * (0.25 / len(part)) ** 0.5 for part in parts)


@pytest.mark.network
def test_a_logistic_regression_learns_from_it(real):
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import SGDClassifier
    from sklearn.metrics import roc_auc_score

    prepared, _ = real
    train, test = (
        csr_matrix((s.values, np.asarray(s.indices, np.int32), s.indptr), (s.n_rows, s.n_features)) for s in (prepared.train, prepared.test)
    )
    model = SGDClassifier(loss="log_loss", alpha=1e-6, max_iter=20, tol=None, random_state=0).fit(train, prepared.train.labels)
    assert roc_auc_score(prepared.test.labels, model.decision_function(test)) > 0.983
