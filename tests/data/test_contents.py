"""debian-contents: rows, labels, the split by package and the order, from small lists of our own, and the real ones where apt works."""

import gzip
import hashlib

import numpy as np
import pytest

import gradwire.data as data
from gradwire._ext import text as kernel
from gradwire.data import contents
from gradwire.data.contents import DebianContents
from gradwire.errors import ConfigError, DataError

SECTIONS = ["libdevel", "doc", "python", "games", "x11"]
LINES = [
    f"usr/share/{'include' if n % 3 else 'doc'}/package{n % 60}/file{n}.{'h' if n % 2 else 'txt'}   {SECTIONS[n % 5]}/package{n % 60}\n"
    for n in range(900)
]


def write(folder, lines, name="Contents-all.gz"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(gzip.compress("".join(lines).encode()))
    return str(folder)


@pytest.fixture
def lists(tmp_path):
    write(tmp_path / "lists", LINES[:600])
    return write(tmp_path / "lists", LINES[600:], "Contents-amd64.gz")


def rows_of(prepared):
    return [
        (split, float(csr.labels[r]), csr.indices[csr.indptr[r] : csr.indptr[r + 1]].tolist())
        for split, csr in (("train", prepared.train), ("test", prepared.test))
        for r in range(csr.n_rows)
    ]


def expected(dataset):
    """The rows of LINES without their order: label by section, split by package, ids by the kernel, then the seed's permutation."""
    text = "".join(LINES).encode()
    stops = np.cumsum([len(line) for line in LINES])
    indptr, indices, _, packages, _ = kernel.paths(text, stops - [len(line) for line in LINES], stops, dataset.bits)
    is_test = contents.hash_split(packages.view(np.int64), dataset.test_fraction, dataset.seed)
    return [
        (
            "test" if is_test[n] else "train",
            1.0 if SECTIONS[n % 5] in ("libdevel", "python") else -1.0,
            len(indices[indptr[n] : indptr[n + 1]]),
        )
        for n in range(len(LINES))
    ]


@pytest.mark.parametrize("layout", ["frequency", "hashed"])
def test_rows_labels_and_split(lists, tmp_path, layout):
    dataset = DebianContents(contents=lists, layout=layout, bits=20)
    prepared = data.load(dataset, tmp_path)
    ours = [(split, label, len(keys)) for split, label, keys in rows_of(prepared)]
    assert sorted(ours) == sorted(expected(dataset))
    assert prepared.n_features == 1 << 20
    assert prepared.train.values is None
    assert prepared.meta["layout"] == layout
    assert 0.1 < prepared.test.n_rows / 900 < 0.4


def test_no_package_is_on_both_sides(lists, tmp_path):
    """Its prefix usr/share/doc/packageN or …/include/packageN is a feature that only the package has."""
    prepared = data.load(DebianContents(contents=lists, bits=24, layout="hashed"), tmp_path)
    per_row = [set(keys) for _, _, keys in rows_of(prepared)]
    train, test = set().union(*per_row[: prepared.train.n_rows]), set().union(*per_row[prepared.train.n_rows :])
    common = ["usr", "share", "doc", "include"] + ["usr", "usr/share", "usr/share/doc", "usr/share/include"] + ["h", "txt"]
    assert len(train & test) == len(common)  # directories, prefixes, extensions


def test_the_cache_is_the_same_for_any_number_of_ranks(lists, tmp_path, load_together, monkeypatch):
    monkeypatch.setattr(contents, "_ROWS", 64)
    monkeypatch.setattr(contents, "_BLOCK", 100)
    dataset, caches = DebianContents(contents=lists, bits=16), []
    for size in (1, 2, 3):
        prepared = load_together(dataset, size, f"cache{size}")[-1]
        caches.append({one.name: one.read_bytes() for one in data.cache.folder(dataset, tmp_path / f"cache{size}").iterdir()})
    assert caches[0] == caches[1] == caches[2]
    assert prepared.train.n_rows + prepared.test.n_rows == 900


def test_rows_are_a_shuffled_sample(lists, tmp_path):
    whole, part = (data.load(DebianContents(contents=lists, rows=rows, bits=20, layout="hashed"), tmp_path) for rows in (None, 300))
    assert part.train.n_rows + part.test.n_rows == 300
    for ours, all_rows in ((part.train, whole.train), (part.test, whole.test)):  # the first ones of the same order
        assert np.array_equal(ours.indices, all_rows.indices[: ours.nnz])
    assert abs((part.train.labels > 0).mean() - (whole.train.labels > 0).mean()) < 0.1
    other = data.load(DebianContents(contents=lists, seed=1, bits=20, layout="hashed"), tmp_path)
    assert not np.array_equal(other.train.labels[:50], whole.train.labels[:50])


def test_the_sources_are_recorded(lists, tmp_path):
    meta = data.load(DebianContents(contents=lists, bits=16), tmp_path).meta
    files = sorted((tmp_path / "lists").iterdir())
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    assert meta["checksum"] == "sha256:" + "+".join(digests)
    assert meta["sources"] == [{"file": f.name, "bytes": f.stat().st_size, "sha256": d} for f, d in zip(files, digests)]
    assert meta["source"] == lists


def test_without_a_folder_apt_is_asked(tmp_path, monkeypatch):
    def fetched(folder):
        assert folder.is_dir()
        write(folder, LINES)
        return "sid", [str(folder / "Contents-all.gz")]

    monkeypatch.setattr(contents, "fetch_contents", fetched)
    prepared = data.load(DebianContents(bits=16), tmp_path)
    assert prepared.meta["source"] == "apt: Contents lists of Debian sid, main"
    assert prepared.train.n_rows + prepared.test.n_rows == 900


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*LINES[:9], "no package here\n/\n"], r"expected lines 'path section/package' in the Contents lists, got b'/\\n' in line 11"),
        ([*LINES, "cut/off"], "expected Contents lists of whole lines, got a text that is empty or has been cut"),
        ([], "a text that is empty"),
    ],
)
def test_damaged_lists_are_refused(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        data.load(DebianContents(contents=write(tmp_path / "lists", lines)), tmp_path)


def test_missing_and_broken_files_are_named(tmp_path, load_together):
    with pytest.raises(DataError, match=r"expected files Contents-\*\.gz in .*nowhere, found none"):
        data.load(DebianContents(contents=str(tmp_path / "nowhere")), tmp_path)
    folder = write(tmp_path / "lists", LINES)
    packed = (tmp_path / "lists" / "Contents-all.gz").read_bytes()
    for broken in (packed[:-9], b"junk"):
        (tmp_path / "lists" / "Contents-all.gz").write_bytes(broken)
        for result in load_together(DebianContents(contents=folder), 2):
            assert "cannot unpack Contents-all.gz" in str(result)


@pytest.mark.parametrize(
    "change",
    [
        {"rows": 1},
        {"rows": 2.5},
        {"contents": ""},
        {"contents": 5},
        {"bits": 7},
        {"bits": 33},
        {"layout": "source"},
        {"test_fraction": 1},
        {"seed": -1},
    ],
)
def test_bad_options_are_refused(change):
    with pytest.raises(ConfigError):
        DebianContents(**change)


@pytest.mark.network
def test_the_real_lists_have_the_documented_shares(tmp_path):
    """A sample of the rows, where more features occur once; the bounds hold for Debian 11 to 13."""
    dataset = DebianContents(rows=300_000, layout="hashed")
    try:
        data.load(dataset, tmp_path)
    except DataError as error:
        if "apt" in str(error):
            pytest.skip(str(error))
        raise
    about = data.describe(dataset, tmp_path)
    assert about["train_rows"] + about["test_rows"] == 300_000
    assert about["features"] == 1 << 26
    assert about["nnz_per_row"] == pytest.approx(14.45, abs=0.5)
    assert about["once_share"] == pytest.approx(0.74, abs=0.06)
    assert about["positive_share"] == pytest.approx(0.32, abs=0.04)
    assert about["test_rows"] / 300_000 == pytest.approx(0.25, abs=0.05)
