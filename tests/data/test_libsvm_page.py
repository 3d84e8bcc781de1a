"""The named files of the LIBSVM page: what is known of them, and a whole preparation from a server of our own."""

import bz2
import functools
import hashlib
import http.server
import lzma
import threading
from contextlib import contextmanager

import numpy as np
import pytest

import gradwire.data as data
from gradwire import spec
from gradwire.data.base import CSR
from gradwire.data.libsvm_page import KDDB, URL, File, FromPage
from gradwire.errors import ConfigError, DataError

NAMES = ["kdda", "kddb", "kdd12", "criteo", "avazu", "url", "webspam", "news20.binary", "rcv1"]
TRAIN = b"".join(b"%d %d:1 %d:0.5\n" % (i % 2, i % 7 + 1, i % 5 + 9) for i in range(200))
TEST = b"1 1:1\n0 2:1 13:1\n"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def serving(folder):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class Small(FromPage):
    name = "small"
    summary = "for tests"
    paper = "none"
    train, test = File("small.bz2", "sha256:" + hashlib.sha256(bz2.compress(TRAIN)).hexdigest()), File("small.t.xz")
    dim, convention = 13, "01"
    schemes = ("http",)


class Alone(Small):
    name = "alone"
    test = None


@pytest.fixture
def page(tmp_path, monkeypatch):
    folder = tmp_path / "page"
    folder.mkdir()
    (folder / "small.bz2").write_bytes(bz2.compress(TRAIN))
    (folder / "small.t.xz").write_bytes(lzma.compress(TEST))
    with serving(folder) as base:
        monkeypatch.setattr(FromPage, "base", base)
        yield folder


@pytest.mark.parametrize("name", NAMES)
def test_every_named_file_is_registered_with_all_that_is_not_inferred(name):
    cls = spec.lookup("datasets", name)
    dataset = spec.one("datasets", f"{name}(layout=hashed, seed=3)")
    assert dataset == spec.one("datasets", dataset.spec)
    assert cls.name == name
    assert cls.summary and cls.paper.startswith("LIBSVM data page; ")
    assert f"{cls.dim:,} features" in cls.summary
    assert cls.convention in ("01", "pm1")
    assert cls.base.startswith("https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/")
    assert cls.schemes == ("https",)
    files = [cls.train] + ([cls.test] if cls.test else [])
    assert all(file.name.endswith((".bz2", ".xz")) and (".tar." in file.name) == (file.member is not None) for file in files)
    assert dataset.identity()["n_features"] == cls.dim


def test_dimensions_are_those_of_the_papers_data():
    known = {"kdda": 20_216_830, "kdd12": 54_686_452, "webspam": 16_609_143, "url": 3_231_961, "rcv1": 47_236, "news20.binary": 1_355_191}
    assert {name: spec.lookup("datasets", name).dim for name in known} == known
    assert spec.lookup("datasets", "synthetic-kdd12").dim == known["kdd12"]


@pytest.mark.parametrize("size", [1, 3])
def test_files_are_fetched_unpacked_and_parsed(page, tmp_path, load_together, size):
    prepared = load_together(Small(), size)[-1]
    assert isinstance(prepared, data.Prepared), prepared
    assert (prepared.train.n_rows, prepared.test.n_rows, prepared.n_features) == (200, 2, 13)
    assert prepared.train.labels.tolist() == [-1, 1] * 100
    assert prepared.train.indices[:4].tolist() == [0, 8, 1, 9]
    assert prepared.test.labels.tolist() == [1, -1]
    meta = prepared.meta
    assert meta["layout"] == "source"
    digests = [hashlib.sha256((page / name).read_bytes()).hexdigest() for name in ("small.bz2", "small.t.xz")]
    assert meta["checksum"] == "sha256:" + "+".join(digests)
    assert [source["file"] for source in meta["sources"]] == ["small.bz2", "small.t.xz"]
    assert meta["source"] == FromPage.base
    assert {one.name for one in (tmp_path / "cache" / "downloads").iterdir()} >= {"small.bz2", "small.t.xz"}
    assert not list(data.cache.folder(Small(), tmp_path / "cache").glob("**/*.svm"))


def test_another_layout_needs_no_second_download(page, tmp_path):
    data.load(Small(), tmp_path)
    for file in page.iterdir():
        file.unlink()
    hashed = data.load(Small(layout="hashed"), tmp_path)
    assert hashed.train.nnz == 400
    assert data.is_prepared(Small(), tmp_path)


def test_without_a_test_file_a_fraction_is_held_out(page, tmp_path):
    quarter, half = data.load(Alone(), tmp_path), data.load(Alone(test_fraction=0.5), tmp_path)
    assert quarter.train.n_rows + quarter.test.n_rows == 200
    assert 25 < quarter.test.n_rows < 75 < half.test.n_rows < 125
    assert data.cache.folder(Alone(), tmp_path) == data.cache.folder(Alone(test_fraction=0.25), tmp_path)


def test_what_is_wrong_with_a_file_is_said_on_all_ranks(page, tmp_path, load_together):
    (page / "small.bz2").write_bytes(bz2.compress(TRAIN + b"1 1:1\n"))
    results = load_together(Small(), 2)
    assert len({str(result) for result in results}) == 1
    assert "small.bz2: expected sha256 " in str(results[0])
    (page / "small.t.xz").unlink()
    (page / "small.bz2").write_bytes(bz2.compress(TRAIN))
    with pytest.raises(DataError, match=r"small\.t\.xz: the server answered 404"):
        data.load(Small(), tmp_path)


def test_a_surprise_in_the_file_has_a_remedy(page, tmp_path):
    with_one_more = TEST + b"1 14:1\n"
    (page / "small.t.xz").write_bytes(lzma.compress(with_one_more))
    with pytest.raises(DataError, match=r"test\.svm, line 3: expected an index in 1 … 13 .*got '14:1'"):
        data.load(Small(), tmp_path)
    assert data.load(Small(n_features=14), tmp_path).test.n_rows == 3
    with pytest.raises(DataError, match=r'train\.svm, line 1: expected labels -1 and 1 \("pm1"\), got 0'):
        data.load(Small(n_features=14, labels="pm1"), tmp_path)


@pytest.mark.parametrize(
    "options",
    [{"n_features": 0}, {"labels": "auto"}, {"layout": "x"}, {"seed": -1}, {"test_fraction": 0.5}],
)
def test_bad_options_are_refused(options):
    with pytest.raises(ConfigError):
        KDDB(**options)
    with pytest.raises(ConfigError):
        URL(test_fraction=1.5)


@pytest.mark.internet
def test_the_page_itself(tmp_path):
    """The smallest of the files."""
    prepared = data.load(spec.one("datasets", "news20.binary"), tmp_path)
    assert isinstance(prepared.train, CSR)
    assert prepared.train.n_rows + prepared.test.n_rows == 19_996
    assert prepared.n_features == 1_355_191
    assert np.unique(prepared.train.labels).tolist() == [-1, 1]
