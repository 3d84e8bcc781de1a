"""Shared fixtures, and the `ranks` marker: the test body runs under mpiexec, once for each number of ranks.

    @pytest.mark.ranks(1, 2, 4)
    def test_something(comm): …

Outside mpiexec the marked test starts `mpiexec -n P python -m pytest <this test>` and passes if every rank does; inside it runs
as it stands, with `comm` the world communicator. An exception on one rank aborts all of them. Each launch has a time limit.

The fixture `simd_level` runs a test at each SIMD level that the machine has.
"""

import os
import shutil
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from gradwire._ext import simd

INSIDE = "GRADWIRE_TEST_RANKS"
TIME_LIMIT_S = 240


def pytest_generate_tests(metafunc):
    marker = metafunc.definition.get_closest_marker("ranks")
    if marker:
        inside = os.environ.get(INSIDE)
        metafunc.fixturenames.append("ranks")
        metafunc.parametrize("ranks", [int(inside)] if inside else marker.args)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not pyfuncitem.get_closest_marker("ranks"):
        return None
    if os.environ.get(INSIDE):
        return _run_inside(pyfuncitem)
    launcher = find_mpiexec()
    if launcher is None:
        pytest.skip("no mpiexec beside this Python or on PATH: pip install mpich")
    ranks = pyfuncitem.callspec.params["ranks"]
    command = [launcher, "-n", str(ranks), sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-p", "no:pytest_cov"]
    done = subprocess.run(
        [*command, "--rootdir", str(pyfuncitem.config.rootpath), pyfuncitem.nodeid],
        cwd=pyfuncitem.config.rootpath,
        env=os.environ | mpi_environment() | {INSIDE: str(ranks)},
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{ranks} ranks, exit status {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-4000:]}", pytrace=False)
    return True


def _run_inside(pyfuncitem):
    """The body on this rank. A failure must end the other ranks, which may be waiting in a collective call."""
    from mpi4py import MPI

    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    try:
        pyfuncitem.obj(**arguments)
    except BaseException:
        sys.__stderr__.write(f"rank {MPI.COMM_WORLD.rank} of {MPI.COMM_WORLD.size}:\n{traceback.format_exc()}")
        sys.__stderr__.flush()
        MPI.COMM_WORLD.Abort(1)
    return True


def find_mpiexec():
    """mpiexec beside this Python (the pip-installed one), else on PATH, else None."""
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec")


def mpi_environment():
    """Settings that let Open MPI start as root and with more ranks than cores; MPICH needs none."""
    return {
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture
def mpi_environ():
    return mpi_environment()


@pytest.fixture
def comm():
    from mpi4py import MPI

    return MPI.COMM_WORLD


@pytest.fixture
def shared_path(comm, tmp_path_factory):
    """A fresh folder that all ranks see."""
    path = comm.bcast(str(tmp_path_factory.mktemp("ranks")) if comm.rank == 0 else None)
    return Path(path)


@pytest.fixture
def toys(monkeypatch):
    """The plug-ins of tests/plugins, found through their entry points; returns that folder."""
    from gradwire import spec

    def forget():
        spec._plugins.cache_clear()
        spec.lookup.cache_clear()

    folder = Path(__file__).parent / "plugins"
    monkeypatch.syspath_prepend(str(folder))
    forget()
    yield folder
    monkeypatch.undo()
    forget()


@pytest.fixture(params=simd.levels())
def simd_level(request):
    """The test runs at each SIMD level of this machine."""
    before = simd.use(request.param)
    yield request.param
    simd.use(before)
