"""`gradwire submit` and `gradwire status` on a real Slurm, and jobs that are stopped and go on."""

import importlib.util
import json
from pathlib import Path

import pytest

import gradwire

_specification = importlib.util.spec_from_file_location("slurm_test_scripts", Path(__file__).with_name("test_scripts.py"))
_scripts = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(_scripts)
assert_same, recorded = _scripts.assert_same, _scripts.recorded

MPIEXEC = 'launcher = "mpiexec"\ntime = "00:05:00"\n'
LONG = ("--codec=natural", "--set=codec.error_feedback=true", "--set=run.epochs=120", "--only=0")


def jobs(results):
    return [json.loads(line) for line in (Path(results) / "slurm" / "trial" / "jobs.jsonl").read_text().splitlines()]


def test_mpiexec_inside_a_job_gives_what_a_workstation_gives(slurm, checkout, workstation):
    (checkout / "site.toml").write_text(MPIEXEC)
    said = slurm.call("gradwire", "submit", "trial", "--only=0-2", "--site=site.toml", cwd=checkout)
    (entry,) = jobs(checkout / "results")
    assert f"submitted job {entry['job']}: 3 runs (results/slurm/trial/run.sbatch)" in said
    assert slurm.ended(entry["job"]) == ["COMPLETED"], slurm.logs(entry["job"])
    assert_same(checkout / "results", workstation(4))
    run = next(iter(recorded(checkout / "results").values()))
    assert run.environment["network"] == "gradwire" and slurm.job(entry["job"])[0]["TimeLimit"] == "00:05:00"


def test_a_sweep_from_submit_to_its_table(slurm, checkout, workstation):
    slurm.call("gradwire", "submit", "trial", "--sweep", "--ranks-per-node=1", "--max-jobs=2", "--results=kept here", cwd=checkout)
    said = slurm.call("gradwire", "status", "trial", "--results=kept here", "--follow", cwd=checkout)
    assert_same(checkout / "kept here", workstation(2))
    array, figures = jobs(checkout / "kept here")
    assert slurm.states(array["job"]) == ["COMPLETED"] * 3 and slurm.states(figures["job"]) == ["COMPLETED"]
    assert (checkout / "kept here" / "tables" / "trial.md").is_file()
    assert "COMPLETED" in said and "finished" in said and "3/3" in said
    again = slurm.call("gradwire", "submit", "trial", "--sweep", "--ranks-per-node=1", "--results=kept here", cwd=checkout)
    assert again == "nothing to submit: all runs are finished\n" and len(jobs(checkout / "kept here")) == 2


def test_scaling_from_submit(slurm, checkout):
    slurm.call("gradwire", "submit", "trial", "--scaling=1,2", "--ranks-per-node=1", "--codec=natural", "--only=0", cwd=checkout)
    said = slurm.call("gradwire", "status", "--follow", cwd=checkout)
    results = checkout / "results" / "scaling"
    assert {run.ranks for kind in ("strong", "weak") for run in recorded(results / kind).values()} == {1, 2}
    assert said.count("finished") == 4
    assert "Time of a step against ranks" in (results / "strong" / "tables" / "trial.md").read_text()


def test_what_fails_is_said_with_its_last_words(slurm, checkout):
    (checkout / "site.toml").write_text("setup = [\"echo 'no such module: mpich/9'; exit 3\"]\n")
    slurm.call("gradwire", "submit", "trial", "--site=site.toml", cwd=checkout)
    said = slurm.call("gradwire", "status", "--follow", cwd=checkout, check=False)
    assert "FAILED" in said and "no such module: mpich/9" in said and said.count("new") == 3


def test_quoted_words_arrive_as_they_are(slurm, checkout):
    """Through sbatch's own reading of #SBATCH lines, and bash's of the rest."""
    results = 'o\'dd "$(touch x)" `touch y` %j 100%'
    slurm.call("gradwire", "submit", "trial", "--codec=none", "--only=0", "--nodes=1", f"--results={results}", cwd=checkout)
    (entry,) = jobs(checkout / results)
    assert slurm.ended(entry["job"]) == ["COMPLETED"], slurm.logs(entry["job"])
    assert all(run.finished for run in recorded(checkout / results).values())
    assert (checkout / results / "slurm" / "trial" / f"run-{entry['job']}.out").is_file()
    assert not (checkout / "x").exists() and not (checkout / "y").exists()


def begun(slurm, job, path, rows=5):
    """Wait until the job has recorded so many epochs."""

    def there():
        assert slurm.states(job) != ["FAILED"], slurm.logs(job)
        return path.is_file() and len(gradwire.load_run(path).epochs["test_loss"]) >= rows

    slurm.until(there)


def long_job(slurm, checkout, site=""):
    """(job, path of its run file) of a run that takes some seconds."""
    (checkout / "site.toml").write_text(site)
    slurm.call("gradwire", "submit", "trial", "--ranks-per-node=1", "--site=site.toml", *LONG, cwd=checkout)
    (entry,) = jobs(checkout / "results")
    return entry["job"], checkout / "results" / "runs" / "trial" / f"{entry['runs'][0]['run_id']}.h5"


def test_a_requeued_job_goes_on_and_ends_as_if_it_had_never_stopped(slurm, checkout, workstation):
    job, path = long_job(slurm, checkout)
    begun(slurm, job, path)
    slurm.call("scontrol", "requeue", job)
    assert slurm.ended(job) == ["COMPLETED"], slurm.logs(job)
    assert slurm.job(job)[0]["Restarts"] == "1"
    assert_same(checkout / "results", workstation(2, *LONG))
    resumed = path.with_suffix("").name
    assert (checkout / "results" / "slurm" / "trial" / f"run-{job}.out").read_text().count(f"[1/1] {resumed}  epoch") >= 120


@pytest.mark.parametrize("launcher", ["srun", "mpiexec"])
def test_a_warned_job_goes_on_by_itself(slurm, checkout, workstation, launcher):
    """It keeps a checkpoint in the middle of an epoch, ends with 75, is requeued, and ends as if it had never stopped."""
    job, path = long_job(slurm, checkout, f'launcher = "{launcher}"\n')
    begun(slurm, job, path)
    slurm.call("scancel", "--signal=USR1", job)
    assert slurm.ended(job) == ["COMPLETED"], slurm.logs(job)
    assert slurm.job(job)[0]["Restarts"] == "1", slurm.logs(job)
    assert_same(checkout / "results", workstation(2, *LONG))
