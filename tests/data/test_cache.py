"""Loading, damage, killed and concurrent preparations, and what is stored."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass

import numpy as np
import pytest

import gradwire.data as data
from gradwire.data import CSR, cache
from gradwire.data.assembly import Assembly, hash_split, share
from gradwire.data.base import Dataset, alone
from gradwire.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Small(Dataset):
    """300 rows; a row's number decides everything. `spoil` is put in place of one array's last element."""

    name = "small"
    summary = "for tests"
    paper = ""

    layout: str = "source"
    seed: int = 0
    ones: bool = False
    spoil: tuple = ()
    fail: str = ""

    def prepare(self, folder, rank=0, size=1, barrier=alone):
        assembly = Assembly(folder, rank, barrier, layout=self.layout, seed=self.seed)
        assembly.produce(lambda part: self.fill(part, *share(300, rank, size)))
        assembly.finish(task="classification", source="made up", checksum="none", answer=42)

    def fill(self, part, start, stop):
        if self.fail and start == 0:
            raise OSError(self.fail)
        for first in range(start, stop, 32):
            part.add(self.rows(first, min(first + 32, stop)), hash_split(np.arange(first, min(first + 32, stop)), 0.25, self.seed))

    def rows(self, first, last):
        numbers = np.arange(first, last)
        lengths = numbers % 5
        keys = [np.sort((n * 7 + np.arange(n % 5) * 3) % 40) for n in numbers]
        indices = np.concatenate([np.empty(0), *keys]).astype(np.uint32)
        values = None if self.ones or first < 64 else (indices % 7 + 1).astype(np.float32)
        arrays = {"indices": indices, "values": values, "labels": np.where(numbers % 3 == 0, 1, -1).astype(np.float32)}
        if self.spoil and last == 300:
            arrays[self.spoil[0]][-1] = self.spoil[1]
        return CSR(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), **arrays, n_features=40)


def rows_of(csr):
    values = np.ones(len(csr.indices), np.float32) if csr.values is None else csr.values
    return [
        (label, dict(zip(csr.indices[a:b].tolist(), values[a:b].tolist())))
        for label, a, b in zip(csr.labels.tolist(), csr.indptr, csr.indptr[1:])
    ]


def expected(dataset):
    is_test = hash_split(np.arange(300), 0.25, dataset.seed)
    rows = [row for first in range(0, 300, 32) for row in rows_of(dataset.rows(first, min(first + 32, 300)))]
    return [row for row, held in zip(rows, is_test) if not held], [row for row, held in zip(rows, is_test) if held]


def test_everything_that_was_added_comes_back(tmp_path):
    dataset = Small()
    prepared = data.load(dataset, tmp_path)
    train, test = expected(dataset)
    assert rows_of(prepared.train) == train
    assert rows_of(prepared.test) == test
    assert (prepared.n_features, prepared.task, prepared.meta["answer"], prepared.meta["layout"]) == (40, "classification", 42, "source")
    assert not prepared.train.indices.flags.writeable
    assert sorted(os.listdir(cache.folder(dataset, tmp_path))) == sorted([*prepared.meta["files"], "meta.json"])


@pytest.mark.parametrize("ones", [False, True])
@pytest.mark.parametrize("size", [1, 3])
def test_frequency_layout_numbers_ids_by_their_count_in_training(tmp_path, load_together, ones, size):
    source = data.load(Small(ones=ones), tmp_path)
    counts = np.bincount(source.train.indices, minlength=40)
    table = np.empty(40, int)
    table[sorted(range(40), key=lambda i: (-counts[i], i))] = np.arange(40)
    prepared = load_together(Small(ones=ones, layout="frequency"), size)[0]
    for ours, theirs in ((prepared.train, source.train), (prepared.test, source.test)):
        assert rows_of(ours) == [
            (label, {int(table[i]): v for i, v in sorted(row.items(), key=lambda p: table[p[0]])}) for label, row in rows_of(theirs)
        ]
    assert (np.diff(np.bincount(prepared.train.indices, minlength=40)) <= 0).all()


def test_hashed_layout_is_a_renaming_of_the_ids_that_the_seed_picks(tmp_path):
    source = data.load(Small(), tmp_path)
    first, second = (data.load(Small(layout="hashed", seed=seed), tmp_path) for seed in (0, 1))
    for (label, row), (other, renamed) in zip(rows_of(source.train), rows_of(first.train)):
        assert label == other
        assert sorted(row.values()) == sorted(renamed.values())
        assert len(row) == len(renamed)
    counts = [np.sort(np.bincount(split.indices, minlength=40)).tolist() for split in (source.train, first.train)]
    assert counts[0] == counts[1]
    assert not np.array_equal(first.train.indices, second.train.indices)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (("labels", np.nan), "expected finite labels, got nan"),
        (("values", np.inf), "expected finite values, got inf"),
        (("indices", 40), "expected strictly increasing keys below 40, got another row"),
        (("indices", 0), "expected strictly increasing keys below 40, got another row"),
    ],
)
@pytest.mark.parametrize("size", [1, 2])
def test_bad_rows_never_reach_the_cache(tmp_path, load_together, spoil, message, size):
    for result in load_together(Small(spoil=spoil), size):
        assert isinstance(result, DataError)
        assert message in str(result)
    assert not data.is_prepared(Small(spoil=spoil), tmp_path / "cache")


def test_an_os_error_of_one_rank_reaches_all_as_data_error(load_together):
    results = load_together(Small(fail="No space left on device"), 3)
    assert [(type(result), str(result)) for result in results] == [(DataError, "No space left on device")] * 3


def test_prepared_once_and_options_have_their_own_folders(tmp_path, monkeypatch):
    data.load(Small(), tmp_path)
    monkeypatch.setattr(Small, "prepare", lambda *_: pytest.fail("prepared twice"))
    data.load(Small(), tmp_path)
    assert cache.folder(Small(), tmp_path) != cache.folder(Small(seed=1), tmp_path)
    monkeypatch.setattr(Small, "revision", 2)
    assert not data.is_prepared(Small(), tmp_path)


def test_describe_and_remove(tmp_path):
    with pytest.raises(DataError, match=r"small is not prepared in .*; run `gradwire data prepare small`"):
        data.describe(Small(), tmp_path)
    prepared = data.load(Small(), tmp_path)
    about = data.describe(Small(), tmp_path)
    nnz = prepared.train.nnz + prepared.test.nnz
    assert about["train_rows"] + about["test_rows"] == 300
    assert (about["nnz"], about["nnz_per_row"], about["features"], about["source"]) == (nnz, nnz / 300, 40, "made up")
    assert about["positive_share"] == pytest.approx(100 / 300)
    counts = np.bincount(np.concatenate([prepared.train.indices, prepared.test.indices]))
    assert about["active_features"] == (counts > 0).sum() > (counts == 1).sum()
    assert about["once_share"] == (counts == 1).sum() / (counts > 0).sum()
    assert about["bytes"] == sum(path.stat().st_size for path in cache.folder(Small(), tmp_path).glob("*.npy"))
    assert about["gap_bits"] == pytest.approx(np.log2(np.diff(np.unique(prepared.train.indices).astype(int))).mean())
    data.remove(Small(), tmp_path)
    data.remove(Small(), tmp_path)
    assert not data.is_prepared(Small(), tmp_path)


@pytest.mark.parametrize("name", ["train_indptr.npy", "train_indices.npy", "test_values.npy", "test_labels.npy"])
@pytest.mark.parametrize("damage", ["cut", "remove", "header"])
def test_damage_is_found_and_named(tmp_path, name, damage):
    data.load(Small(), tmp_path)
    path = cache.folder(Small(), tmp_path) / name
    if damage == "cut":
        os.truncate(path, path.stat().st_size - 1)
    elif damage == "remove":
        path.unlink()
    else:
        path.write_bytes(b"\0" * path.stat().st_size)
    with pytest.raises(DataError, match=rf"damaged cache: .*{name}: .*remove the folder .* to have it prepared again"):
        data.load(Small(), tmp_path)
    data.remove(Small(), tmp_path)
    assert data.load(Small(), tmp_path).train.n_rows > 0


@pytest.mark.parametrize("change", [{"format": 0}, {"task": "guess"}, {"files": []}, {"n_features": "40"}, {"n_features": None}])
def test_damaged_meta_is_found(tmp_path, change):
    data.load(Small(), tmp_path)
    path = cache.folder(Small(), tmp_path) / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=r"damaged cache: .*meta\.json"):
        data.load(Small(), tmp_path)
    path.write_text("{")
    with pytest.raises(DataError, match=r"meta\.json: cannot be read"):
        data.load(Small(), tmp_path)


def test_arrays_that_do_not_fit_together_are_found(tmp_path):
    data.load(Small(), tmp_path)
    folder = cache.folder(Small(), tmp_path)
    indptr = np.load(folder / "train_indptr.npy")
    for broken, message in ((indptr * 2, "expected offsets in 0"), (indptr // 2, "expected offsets from 0 to")):
        np.save(folder / "train_indptr.npy", broken)
        with pytest.raises(DataError, match=message):
            data.load(Small(), tmp_path)


KILLED = """
import os, signal, sys
from gradwire.data import cache, load
from gradwire.data.synthetic import SyntheticKDD12
cache.commit = lambda path: os.kill(os.getpid(), signal.SIGKILL)
load(SyntheticKDD12(rows=1000, n_features=10_000), sys.argv[1])
"""


def test_a_killed_preparation_is_not_taken_for_a_finished_one(tmp_path):
    from gradwire.data.synthetic import SyntheticKDD12

    dataset = SyntheticKDD12(rows=1000, n_features=10_000)
    assert subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False).returncode == -signal.SIGKILL
    left = cache.partial(cache.folder(dataset, tmp_path))
    assert (left / "meta.json").exists()
    assert not data.is_prepared(dataset, tmp_path)
    assert data.load(dataset, tmp_path).n_features == 10_000
    assert not left.exists()


def test_two_jobs_prepare_once(tmp_path, monkeypatch):
    calls, real = [], Small.prepare
    monkeypatch.setattr(Small, "prepare", lambda self, *args: (calls.append(1), real(self, *args)))
    results = []
    threads = [threading.Thread(target=lambda: results.append(data.load(Small(), tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert len(calls) == 1


def test_a_file_system_without_locks_is_good_enough(tmp_path, monkeypatch, caplog):
    def unsupported(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(cache.fcntl, "flock", unsupported)
    assert data.load(Small(), tmp_path).train.n_rows > 0
    assert "cannot lock" in caplog.text


def test_a_rank_that_sees_another_folder_says_so(tmp_path):
    with pytest.raises(DataError, match=r"rank 1 cannot see .*set GRADWIRE_CACHE to a folder that all hosts share"):
        data.load(Small(), tmp_path, rank=1, size=2)


def test_a_cache_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write to the cache folder .*set GRADWIRE_CACHE"):
        data.load(Small(), tmp_path / "file")


def test_root_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADWIRE_CACHE", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    monkeypatch.setenv("HOME", str(tmp_path / "c"))
    assert cache.root() == tmp_path / "a"
    assert cache.root(tmp_path) == tmp_path
    monkeypatch.delenv("GRADWIRE_CACHE")
    assert cache.root() == tmp_path / "b" / "gradwire"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.root() == tmp_path / "c" / ".cache" / "gradwire"


def test_shares_cover_everything_once():
    for total in (0, 1, 10, 11):
        for size in (1, 2, 3, 7):
            shares = [share(total, rank, size) for rank in range(size)]
            assert [n for a, b in shares for n in range(a, b)] == list(range(total))
            assert max(b - a for a, b in shares) - min(b - a for a, b in shares) <= 1


def test_hash_split_is_fair_and_seeded():
    n = 100_000
    masks = [hash_split(np.arange(n), fraction, seed) for fraction, seed in ((0.25, 0), (0.25, 1), (0.6, 0))]
    for mask, fraction in zip(masks, (0.25, 0.25, 0.6)):
        assert abs(mask.mean() - fraction) < 4 * (fraction * (1 - fraction) / n) ** 0.5
    assert abs((masks[0] & masks[1]).mean() - 0.0625) < 4 * (0.0625 / n) ** 0.5
    assert (masks[2] | ~masks[0]).all()
