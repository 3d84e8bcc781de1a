"""What a lab says when the machine lacks something; programs are stand-ins."""

import os

import pytest

from gradwire import ConfigError
from gradwire.network import lab_needs

DENIED = "echo 'unshare: unshare failed: Operation not permitted' >&2; exit 1"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """programs(name, script): a program of that name, on a PATH of its own."""
    monkeypatch.setattr(lab_needs, "_SYSTEM", ())
    monkeypatch.setenv("PATH", str(tmp_path))

    def write(name, script="exit 0"):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    for name in lab_needs.PROGRAMS:
        write(name)
    write("mpiexec", "echo HYDRA build details:")
    write.folder = tmp_path
    return write


def check(programs):
    return lab_needs.check(str(programs.folder / "mpiexec"))


def test_missing_programs_and_their_packages(programs):
    for name in ("tc", "ip", "nsenter"):
        (programs.folder / name).unlink()
    with pytest.raises(
        ConfigError, match="there is no ip and no tc and no nsenter here; on Debian or Ubuntu: apt-get install iproute2 util-linux"
    ):
        check(programs)


def test_no_mpiexec(programs):
    with pytest.raises(ConfigError, match=r"no mpiexec .*`pip install 'gradwire\[mpich\]'"):
        lab_needs.check(None)


def test_open_mpi_is_refused(programs):
    programs("mpiexec", "echo 'mpiexec (Open MPI) 5.0.8'")
    with pytest.raises(ConfigError, match=r"expected MPICH's mpiexec \(Hydra\), .* is mpiexec \(Open MPI\) 5.0.8: "):
        check(programs)


@pytest.mark.parametrize("user", [0, 1000])
def test_root_needs_no_user_namespace(programs, monkeypatch, user):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert ("--user" in check(programs)) == (user != 0)


def test_root_of_a_container_tries_a_user_namespace(programs, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    programs("unshare", f'[ "$1" = --user ] && exit 0; {DENIED}')
    assert check(programs)[:3] == [str(programs.folder / "unshare"), "--user", "--map-root-user"]


def test_no_namespaces_at_all(programs):
    programs("unshare", DENIED)
    with pytest.raises(
        ConfigError, match="no network namespace can be made here: unshare: unshare failed: Operation not permitted. It takes root"
    ):
        check(programs)


def test_system_folders_are_searched_after_the_users():
    assert lab_needs.search_path({"PATH": "/mine:/bin"}) == "/mine:/bin:/usr/sbin:/sbin:/usr/bin"
