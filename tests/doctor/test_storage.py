"""Folders that are full, in the way, slow, without locks; and that nothing is left in them."""

import errno
import fcntl
import os
import shutil
import subprocess
import types
from pathlib import Path

import pytest

from gradwire import DataError
from gradwire.doctor import storage

HERE = "choose another"


def findings(folder, what="results"):
    return {found.check: found for found in storage.check(what, folder, HERE)}


def left(folder):
    return [str(path) for path in folder.rglob("*")]


def test_a_good_folder(tmp_path):
    found = findings(tmp_path)
    assert set(found) == {"results disk", "results files", "HDF5"}
    assert {each.status for each in found.values() if each.check != "results disk"} == {"ok"}
    assert found["results disk"].found.startswith(f"{tmp_path}: ") and "GB free, writes" in found["results disk"].found
    assert set(findings(tmp_path, "cache")) == {"cache disk", "cache files"}
    assert left(tmp_path) == []


def test_a_folder_that_is_not_made_yet(tmp_path):
    assert "(to be made)" in findings(tmp_path / "a" / "b")["results disk"].found
    assert left(tmp_path) == []


@pytest.mark.parametrize("way", ["file", "file/results", "link"])
def test_something_in_the_way(tmp_path, way):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    found = findings(tmp_path / way)
    assert list(found) == ["results disk"]
    assert found["results disk"].status == "problem" and found["results disk"].found.endswith("is not a folder")


def test_a_folder_that_may_not_be_written(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(storage.tempfile, "mkdtemp", refuse)
    found = findings(tmp_path)["results disk"]
    assert found.status == "problem" and "Permission denied" in found.found and HERE in found.advice


@pytest.mark.skipif(not Path("/dev/full").exists() or os.geteuid() != 0, reason="mounting takes root")
def test_a_full_file_system(tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", full], check=False, capture_output=True).returncode:
        pytest.skip("this container may not mount")
    try:
        found = findings(full)
        assert found["results disk"].status == "problem" and "No space left on device" in found["results disk"].found
        assert left(full) == []
    finally:
        subprocess.run(["umount", full], check=True)


@pytest.mark.parametrize(
    ("free", "kind", "speed", "sync_s", "what", "status", "advice"),
    [
        (10 << 30, "ext4", 1e9, 0.001, "results", "ok", ""),
        (10 << 20, "ext4", 1e9, 0.001, "results", "problem", "make room"),
        (100 << 20, "ext4", 1e9, 0.001, "results", "warning", "make room"),
        (10 << 30, "ext4", 1e6, 0.001, "results", "warning", "slow"),
        (10 << 30, "nfs4", 1e9, 0.2, "cache", "warning", "slow"),
        (10 << 30, "tmpfs", 1e9, 0.001, "results", "warning", "a restart empties"),
        (10 << 30, "overlay", 1e9, 0.001, "results", "warning", "goes with the container"),
        (10 << 30, "tmpfs", 1e9, 0.001, "cache", "ok", ""),
    ],
)
def test_disks(tmp_path, monkeypatch, free, kind, speed, sync_s, what, status, advice):
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda _: types.SimpleNamespace(free=free))
    monkeypatch.setattr(storage, "file_system", lambda _: kind)
    monkeypatch.setattr(storage, "_speed", lambda _: speed)
    monkeypatch.setattr(storage, "_sync_s", lambda _: sync_s)
    found = findings(tmp_path, what)[f"{what} disk"]
    assert found.status == status and advice in found.advice and kind in found.found


def test_kinds_of_file_systems(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/vda / ext4 rw 0 0\nserver:/x /home nfs4 rw 0 0\nnone /home/a\\040b tmpfs rw 0 0\n")
    kinds = [storage.file_system(path, mounts) for path in ("/opt", "/home", "/homework", "/home/a b/c", "/home/a")]
    assert kinds == ["ext4", "nfs4", "ext4", "tmpfs", "nfs4"]
    assert storage.file_system("/", tmp_path / "none") == "unknown"


@pytest.mark.parametrize(("number", "words"), [(errno.ENOLCK, "files cannot be locked"), (None, "a lock does not keep a second one out")])
def test_file_systems_without_locks(tmp_path, monkeypatch, number, words):
    def flock(*_):
        if number:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    found = findings(tmp_path)["results files"]
    assert found.status == "warning" and words in found.found and "twice at once" in found.advice


def test_a_rename_that_copies(tmp_path, monkeypatch):
    monkeypatch.setattr(storage.os, "replace", shutil.copyfile)
    found = findings(tmp_path, "cache")["cache files"]
    assert found.status == "problem" and "does not replace it as a whole" in found.found


def test_writes_that_end_early(tmp_path, monkeypatch):
    monkeypatch.setattr(storage.os, "urandom", lambda n: memoryview(bytes(n)))

    class Short:
        """A file that takes half of what it gets."""

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def write(self, block):
            return len(block) // 2

    monkeypatch.setattr(storage, "open", lambda *_, **__: Short(), raising=False)
    with pytest.raises(OSError, match="No space left"):
        storage._speed(tmp_path)


@pytest.mark.parametrize("error", [DataError("read [] instead"), OSError("Unable to create file"), RuntimeError("file write failed")])
def test_hdf5_that_fails(tmp_path, monkeypatch, error):
    def refuse(_):
        raise error

    monkeypatch.setattr(storage.recorder, "try_folder", refuse)
    found = findings(tmp_path)["HDF5"]
    assert found.status == "problem" and str(error) in found.found


def test_hdf5_that_is_slow(tmp_path, monkeypatch):
    monkeypatch.setattr(storage.recorder, "try_folder", lambda _: ("3.16", "2.0", 0.25))
    found = findings(tmp_path)["HDF5"]
    assert found.status == "warning" and "an append took 250.0 ms" in found.found
