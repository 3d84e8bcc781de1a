"""Files of Debian packages: of an installed one, and of a .deb that dpkg-deb made or damaged."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from gradwire.data import apt, debian
from gradwire.errors import DataError

CONTROL = "Package: made-up\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\nDescription: made up\n"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """programs(name=script, …): these are all that there is on PATH."""

    def programs(**scripts):
        folder = tmp_path / "bin"
        folder.mkdir()
        for name, script in scripts.items():
            (folder / name.replace("_", "-")).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name.replace("_", "-")).chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    return programs


@pytest.fixture
def deb(tmp_path, monkeypatch):
    """A package of two files, as what apt fetches."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("no dpkg-deb here")
    root = tmp_path / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text(CONTROL)
    files = root / "usr" / "share" / "made-up"
    files.mkdir(parents=True)
    (files / "a.gz").write_bytes(b"first")
    (files / "b.gz").write_bytes(b"second")
    path = tmp_path / "made-up_1_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", root, path], check=True, capture_output=True)
    monkeypatch.setattr(apt, "fetch_package", lambda folder, package: path)
    return path


def test_files_of_a_package_that_is_fetched(deb):
    assert debian.read("made-up", ["a.gz", "b.gz"]) == {"a.gz": b"first", "b.gz": b"second"}
    assert debian.read("made-up", ["b.gz"]) == {"b.gz": b"second"}
    with pytest.raises(DataError, match="expected c.gz in made-up_1_all.deb, found no such file"):
        debian.read("made-up", ["a.gz", "c.gz"])


def test_a_damaged_package_is_refused(deb):
    whole = deb.read_bytes()
    for damaged in (b"", b"junk", whole[: len(whole) // 2]):
        deb.write_bytes(damaged)
        with pytest.raises(DataError, match="cannot read made-up_1_all.deb: "):
            debian.read("made-up", ["a.gz"])


def archive_of(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content, link in members:
            info = tarfile.TarInfo(name)
            info.size = 0 if link else len(content)
            if link:
                info.type, info.linkname = tarfile.SYMTYPE, link
            archive.addfile(info, None if link else io.BytesIO(content))
    return buffer.getvalue()


def test_names_that_point_elsewhere_write_nothing(tmp_path, programs, monkeypatch):
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    members = [("../../evil", b"x", ""), (str(tmp_path / "evil"), b"x", ""), ("./usr/a.gz", b"", str(secret)), ("../a.gz", b"first", "")]
    (tmp_path / "archive.tar").write_bytes(archive_of(members))
    programs(dpkg_deb=f"while IFS= read -r line; do :; done; exec /bin/cat {tmp_path / 'archive.tar'}")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(apt, "fetch_package", lambda folder, package: tmp_path / "x.deb")
    assert debian.read("made-up", ["a.gz"]) == {"a.gz": b"first"}  # the file; not what the link points to
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_no_archive_is_refused(tmp_path, programs, monkeypatch):
    programs(dpkg_deb="echo no tar archive at all")
    monkeypatch.setattr(apt, "fetch_package", lambda folder, package: tmp_path / "x.deb")
    with pytest.raises(DataError, match="cannot read x.deb: "):
        debian.read("made-up", ["a.gz"])


def test_an_installed_package_is_read_where_it_is(tmp_path, programs, monkeypatch):
    (tmp_path / "a.gz").write_bytes(b"installed")
    programs(dpkg_query=f'[ "$*" = "--listfiles made-up" ] && echo /. && echo {tmp_path / "a.gz"}')
    monkeypatch.setattr(apt, "fetch_package", lambda *_: pytest.fail("fetched"))
    assert debian.read("made-up", ["a.gz"]) == {"a.gz": b"installed"}


@pytest.mark.parametrize("script", ["exit 1", "echo /nowhere/a.gz", "echo /usr/share/other.gz", None])
def test_an_installation_that_is_not_whole_is_not_used(programs, monkeypatch, script):
    programs(**({"dpkg_query": script} if script else {}))

    def fetch(folder, package):
        assert Path(folder).is_dir()
        raise DataError(f"fetched {package}")

    monkeypatch.setattr(apt, "fetch_package", fetch)
    with pytest.raises(DataError, match="fetched made-up"):
        debian.read("made-up", ["a.gz"])


def test_without_dpkg_deb_the_error_names_it(tmp_path, programs, monkeypatch):
    programs()
    monkeypatch.setattr(apt, "fetch_package", lambda folder, package: tmp_path / "x.deb")
    with pytest.raises(DataError, match="cannot read x.deb: .*dpkg-deb"):
        debian.read("made-up", ["a.gz"])
