"""Software, kernels, data and the lab's needs, as they are and broken."""

import importlib
import json
import subprocess
import types

import pytest

from gradwire import ConfigError, data, environment
from gradwire._ext import simd
from gradwire.data import cache
from gradwire.doctor import installation


def test_software(one, monkeypatch):
    assert one(installation.check_software()).status == "ok"
    monkeypatch.setattr(environment, "PACKAGES", ("gradwire", "numpy"))
    found = one(installation.check_software())
    assert found.status == "problem" and "h5py or mpi4py is missing" in found.found


def test_kernels(one, monkeypatch):
    before = simd.use(simd.levels()[-1])
    monkeypatch.setattr(simd, "refused", None)
    try:
        assert one(installation.check_kernels()).status == "ok"
        if len(simd.levels()) > 1:
            simd.use("scalar")
            found = one(installation.check_kernels())
            assert found.status == "warning" and found.found.startswith("run at scalar, this machine has")
    finally:
        simd.use(before)
    monkeypatch.setattr(simd, "refused", "unknown SIMD level 'neon'")
    found = one(installation.check_kernels())
    assert found.status == "problem" and "neon" in found.found


def test_a_kernel_that_does_not_load(one, monkeypatch):
    load = importlib.import_module

    def broken(name):
        if name.endswith(".kll"):
            raise ImportError("undefined symbol: PyX")
        return load(name)

    monkeypatch.setattr(installation.importlib, "import_module", broken)
    found = one(installation.check_kernels())
    assert found.status == "problem" and "do not load: kll: undefined symbol: PyX" in found.found


def make_flights(root, nbytes=8):
    """A folder that looks like the quickstart's data set; nbytes: what meta.json says of its file of 8 bytes."""
    dataset = installation.spec.one("datasets", installation.QUICKSTART)
    folder = cache.folder(dataset, root)
    folder.mkdir(parents=True)
    (folder / "train_indptr.npy").write_bytes(bytes(8))
    meta = {"format": cache.FORMAT, "task": "classification", "n_features": 3, "files": {"train_indptr.npy": nbytes}}
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


def test_no_data(one, tmp_path):
    found = one(installation.check_data(tmp_path / "none"))
    assert found.status == "warning" and "gradwire data prepare flights" in found.advice
    (tmp_path / "other.partial").mkdir()
    assert "nothing" in one(installation.check_data(tmp_path)).found


def test_prepared_data(one, tmp_path, monkeypatch):
    folder = make_flights(tmp_path)
    monkeypatch.setattr(cache, "read", lambda path: types.SimpleNamespace(meta=cache.read_meta(path)))
    monkeypatch.setattr(data, "is_prepared", lambda dataset, root: True)
    found = one(installation.check_data(tmp_path))
    assert found.status == "ok" and f"{folder.name} (0 MB)" in found.found


def test_damaged_data(tmp_path, one):
    folder = make_flights(tmp_path, nbytes=9)
    found = one([each for each in installation.check_data(tmp_path) if each.status == "problem"])
    assert "expected 9 bytes, got 8" in found.found and found.advice.startswith(f"remove the folder {folder}")
    (folder / "meta.json").write_text("{")
    assert "meta.json" in one(installation.check_data(tmp_path)).found


@pytest.mark.parametrize(
    ("missing", "status", "words"),
    [((), "ok", "namespaces, tbf and netem"), (("netem",), "ok", "no --latency"), (("tbf", "netem"), "warning", "no token bucket")],
)
def test_the_lab(one, monkeypatch, missing, status, words):
    def run(command, **_):
        return subprocess.CompletedProcess(command, int(any(kind in command for kind in missing)))

    monkeypatch.setattr(installation.lab_needs, "check", lambda _: ["unshare"])
    monkeypatch.setattr(installation.subprocess, "run", run)
    found = one(installation.check_lab())
    assert found.status == status and words in found.found


def test_no_lab(one, monkeypatch):
    def refuse(_):
        raise ConfigError("lab: there is no tc here")

    monkeypatch.setattr(installation.lab_needs, "check", refuse)
    found = one(installation.check_lab())
    assert (found.status, found.found) == ("warning", "there is no tc here")
