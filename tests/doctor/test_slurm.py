"""PMI of srun against what a library needs, and tasks of a job against ranks."""

import pytest

from gradwire.doctor import slurm
from gradwire.slurm import pmi

LISTS = {
    "23": ("MPI plugin types are...\n\tnone\n\tpmi2\n\tcray_shasta\n\tpmix\nspecific pmix plugin versions available: pmix_v4\n", ("none", "pmi2", "cray_shasta", "pmix", "pmix_v4")),
    "20": ("srun: MPI types are...\nsrun: none\nsrun: pmi2\n", ("none", "pmi2")),
    "inline": ("srun: MPI types are none, pmi2, pmix_v3.\n", ("none", "pmi2", "pmix_v3")),
}  # fmt: skip
MPICH, OPEN_MPI = "MPICH Version: 5.0.2", "Open MPI v5.0.11"


@pytest.mark.parametrize(("said", "types"), LISTS.values(), ids=LISTS)
def test_lists_of_several_versions(said, types):
    assert pmi.listed(said) == types


def test_no_slurm(one, program):
    assert one(slurm.check(MPICH, {})).status == "ok"


def test_srun_without_a_cluster(one, program):
    program("srun", "srun: fatal: Could not establish a configuration source", code=1)
    found = one(slurm.check(MPICH, {}))
    assert found.status == "warning" and found.found.endswith("Could not establish a configuration source")


@pytest.mark.parametrize(
    ("says", "library", "environ", "status", "words"),
    [
        ("23", MPICH, {}, "ok", "`srun --mpi=pmi2 gradwire run …`"),
        ("23", OPEN_MPI, {}, "ok", "`srun --mpi=pmix gradwire run …`"),
        ("inline", OPEN_MPI, {}, "ok", "`srun --mpi=pmix_v3 gradwire run …`"),
        ("20", OPEN_MPI, {}, "problem", "srun knows none, pmi2; Open MPI needs pmix"),
        ("23", MPICH, {"SLURM_MPI_TYPE": "none"}, "warning", "SLURM_MPI_TYPE is none"),
        ("23", MPICH, {"SLURM_MPI_TYPE": "pmi2"}, "ok", "pmi2"),
        ("23", None, {}, "ok", "srun knows none, pmi2, cray_shasta, pmix"),
    ],
)
def test_pmi(one, program, says, library, environ, status, words):
    program("srun", LISTS[says][0])
    found = one(slurm.check(library, environ))
    assert found.status == status and words in found.found


@pytest.mark.parametrize(("tasks", "status"), [("4", "ok"), ("8", "warning")])
def test_tasks(one, tasks, status):
    found = one(slurm.check_tasks(4, {"SLURM_JOB_ID": "17", "SLURM_NTASKS": tasks, "SLURM_JOB_NODELIST": "n[0-1]"}))
    assert (found.status, found.found) == (status, f"job 17 on n[0-1]: {tasks} tasks, 4 ranks here")
    assert list(slurm.check_tasks(4, {})) == []


def test_the_tasks_of_mpiexec_are_its_own():
    """Inside a job mpiexec has srun start one process a node, and the ranks from those."""
    environ = {"SLURM_JOB_ID": "17", "SLURM_NTASKS": "2", "SLURM_STEP_NUM_NODES": "2"}
    assert [found.status for found in slurm.check_tasks(8, environ)] == ["ok"]
    assert [found.status for found in slurm.check_tasks(8, environ | {"SLURM_NTASKS": "4"})] == ["warning"]
