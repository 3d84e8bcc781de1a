"""Status 75 on a real Slurm, with a stand-in for gradwire: what is signalled stops, goes back to the queue by itself, and resumes."""

import itertools
import sys
import time

import pytest

from gradwire.slurm import script
from gradwire.slurm.site import Site

STAND_IN = """#!{python}
import os, signal, sys, time
stopped = []
for number in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, lambda *_: stopped.append(1))
if "stage" in sys.argv:
    os.makedirs(sys.argv[2], exist_ok=True)
    sys.exit(0)
from mpi4py import MPI
comm = MPI.COMM_WORLD
task = os.environ.get("SLURM_ARRAY_TASK_ID", "0")
def note(text):
    if comm.rank == 0:
        with open(f"noted-{{task}}", "a") as file:
            file.write(f"{{text}} {{comm.size}}\\n")
if "--resume" in sys.argv:
    note("resumed")
    sys.exit(0)
note("begun")
while not comm.allreduce(len(stopped)):
    time.sleep(0.05)
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # srun terminates those that are slower to end than the first
sys.exit(75)
"""


@pytest.fixture
def stand_in(tmp_path):
    """A virtual environment whose gradwire runs until it is signalled, ends with 75, and ends well when it is to resume."""
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    program = tmp_path / "venv" / "bin" / "gradwire"
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o755)
    (tmp_path / "venv" / "bin" / "activate").write_text(f"PATH={program.parent}:$PATH\n")
    return {"VENV": str(tmp_path / "venv")}


def noted(folder, task=0):
    path = folder / f"noted-{task}"
    return path.read_text().splitlines() if path.exists() else []


def test_signalled_jobs_are_requeued_and_resume(slurm, stand_in, tmp_path):
    """With either launcher, on one node and on two, all at the same time."""
    jobs = {}
    for launcher, nodes in itertools.product(("srun", "mpiexec"), (1, 2)):
        folder = tmp_path / f"{launcher}-{nodes}"
        folder.mkdir()
        text = script.text(script.Job("run", words=("trial",)), Site(launcher=launcher, nodes=nodes, ranks_per_node=1))
        (folder / "job.sbatch").write_text(text)
        jobs[folder, nodes] = slurm.sbatch("job.sbatch", cwd=folder, **stand_in)
    for (folder, nodes), job in jobs.items():
        slurm.until(lambda folder=folder, nodes=nodes: noted(folder) == [f"begun {nodes}"])
        slurm.call("scancel", "--signal=USR1", job)
    for (folder, nodes), job in jobs.items():
        assert slurm.ended(job) == ["COMPLETED"], slurm.logs(job)
        assert noted(folder) == [f"begun {nodes}", f"resumed {nodes}"] and slurm.job(job)[0]["Restarts"] == "1", folder.name


def test_of_an_array_only_the_signalled_task_is_requeued(slurm, stand_in, tmp_path):
    """The last task of an array has the array's own number, by which all of its tasks would be meant."""
    (tmp_path / "job.sbatch").write_text(script.text(script.Job("sweep", words=("trial",)), Site(nodes=1, ranks_per_node=1)))
    number = slurm.sbatch("--array=0-1", "job.sbatch", cwd=tmp_path, **stand_in)
    slurm.until(lambda: noted(tmp_path, 0) == noted(tmp_path, 1) == ["begun 1"])
    slurm.call("scancel", "--signal=USR1", f"{number}_1")
    slurm.until(lambda: noted(tmp_path, 1) == ["begun 1", "resumed 1"])
    assert noted(tmp_path, 0) == ["begun 1"]
    slurm.call("scancel", "--signal=USR1", f"{number}_0")
    assert slurm.ended(number) == ["COMPLETED"] * 2, slurm.logs(number)
    assert noted(tmp_path, 0) == ["begun 1", "resumed 1"] == noted(tmp_path, 1)


def test_a_cancelled_job_stays_cancelled_and_leaves_no_data(slurm, stand_in, tmp_path):
    """Its ranks are told to stop too, and end with 75; nobody wants them back."""
    (tmp_path / "job.sbatch").write_text(
        script.text(script.Job("run", words=("trial",)), Site(nodes=2, ranks_per_node=1, scratch=str(tmp_path / "local")))
    )
    number = slurm.sbatch("job.sbatch", cwd=tmp_path, **stand_in)
    slurm.until(lambda: noted(tmp_path) == ["begun 2"])
    assert len(list((tmp_path / "local").iterdir())) == 1
    slurm.call("scancel", number)
    assert slurm.ended(number) == ["CANCELLED"], slurm.logs(number)
    time.sleep(7)  # a requeued job would be there again
    assert slurm.states(number) == ["CANCELLED"] and slurm.job(number)[0]["Restarts"] == "0"
    assert noted(tmp_path) == ["begun 2"] and list((tmp_path / "local").iterdir()) == []
