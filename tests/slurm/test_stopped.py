"""Status 75 on a real Slurm, with a stand-in for gradwire: what is signalled stops, goes back to the queue by itself, and resumes."""

import sys

import pytest

from gradwire.slurm import script
from gradwire.slurm.site import Site

STAND_IN = """#!{python}
import os, signal, sys, time
stopped = []
signal.signal(signal.SIGUSR1, lambda *_: stopped.append(1))
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


@pytest.mark.parametrize("launcher", ["srun", "mpiexec"])
@pytest.mark.parametrize("nodes", [1, 2])
def test_a_signalled_job_is_requeued_and_resumes(slurm, stand_in, tmp_path, launcher, nodes):
    job = script.Job("run", words=("trial",))
    (tmp_path / "job.sbatch").write_text(script.text(job, Site(launcher=launcher, nodes=nodes, ranks_per_node=1)))
    number = slurm.sbatch("job.sbatch", cwd=tmp_path, **stand_in)
    slurm.until(lambda: noted(tmp_path) == [f"begun {nodes}"])
    slurm.call("scancel", "--signal=USR1", number)
    assert slurm.ended(number) == ["COMPLETED"], slurm.logs(number)
    assert noted(tmp_path) == [f"begun {nodes}", f"resumed {nodes}"] and slurm.job(number)[0]["Restarts"] == "1"


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
