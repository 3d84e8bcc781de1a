"""Every file under slurm/, as a user submits it, on a real Slurm with two nodes; and the results, against those of a workstation."""

from pathlib import Path

import numpy as np

import gradwire

NATURAL = ("experiments/trial.toml", "--codec=natural")
EXACT = ("uplink_bytes", "downlink_bytes", "sent_bytes", "received_bytes", "control_bytes", "nnz", "train_loss", "test_loss", "test_metric")


def recorded(results):
    """run_id → Run of all run files of the experiment trial."""
    return {run.run_id: run for run in map(gradwire.load_run, sorted(Path(results).glob("runs/trial/*.h5")))}


def assert_same(results, expected):
    """The same runs, finished, with the same losses, bytes and parameters to the last bit."""
    found, wanted = recorded(results), recorded(expected)
    assert list(found) == list(wanted) and wanted
    for run_id, run in found.items():
        other = wanted[run_id]
        assert run.finished and run.final_params_sha256 == other.final_params_sha256
        for name in EXACT:
            assert np.array_equal(run.epochs[name], other.epochs[name]), (run_id, name)


def test_run_sbatch_on_two_nodes_gives_what_a_workstation_gives(slurm, checkout, workstation):
    job = slurm.sbatch("slurm/run.sbatch", "experiments/trial.toml", cwd=checkout)
    assert slurm.ended(job) == ["COMPLETED"], slurm.logs(job)
    assert_same(checkout / "results", workstation(4))
    environment = next(iter(recorded(checkout / "results").values())).environment
    assert environment["slurm_job_id"] == job and environment["network"] == "gradwire"
    assert slurm.job(job)[0]["NodeList"] == "n[0-1]"
    output = (checkout / f"gradwire-{job}.out").read_text()
    assert "[3/3]" in output and "wrote results/tables/trial.md" in output


def test_options_of_sbatch_and_run_win_over_the_file(slurm, checkout):
    job = slurm.sbatch("--nodes=1", "--ntasks-per-node=3", "slurm/run.sbatch", *NATURAL, "--only=0", cwd=checkout)
    assert slurm.ended(job) == ["COMPLETED"], slurm.logs(job)
    (run,) = recorded(checkout / "results").values()
    assert run.finished and run.ranks == 3 and run.spec == "natural" and slurm.job(job)[0]["NumNodes"] == "1"


def test_sweep_sbatch_then_figures_sbatch(slurm, checkout, workstation):
    """No task draws over another's table; the job that depends on them draws all runs."""
    job = slurm.sbatch("--array=0-2%2", "--ntasks-per-node=1", "slurm/sweep.sbatch", "experiments/trial.toml", cwd=checkout)
    figures = slurm.sbatch("--hold", f"--dependency=afterany:{job}", "slurm/figures.sbatch", "trial", cwd=checkout)
    assert {task["ArrayTaskThrottle"] for task in slurm.job(job) if "ArrayTaskThrottle" in task} == {"2"}
    assert slurm.ended(job) == ["COMPLETED"] * 3, slurm.logs(job)
    assert_same(checkout / "results", workstation(2))
    assert not (checkout / "results" / "tables").exists()
    for task in range(3):
        assert "gradwire tables trial" in (checkout / f"gradwire-{job}_{task}.out").read_text()
    slurm.call("scontrol", "release", figures)
    assert slurm.ended(figures) == ["COMPLETED"], slurm.logs(figures)
    table = (checkout / "results" / "tables" / "trial.md").read_text()
    assert all(f"| {codec} |" in table for codec in ("none", "natural", "topk(ratio=0.1)+adaptive+natural"))
    assert (checkout / "results" / "figures" / "trial.png").stat().st_size > 0


def test_scaling_sbatch(slurm, checkout):
    """Strong: all ranks together take the same share of the rows. Weak: each rank takes as many. The tables compare steps."""
    text = (checkout / "slurm" / "scaling.sbatch").read_text()
    assert "strong=run.batch_ratio=0.01\n" in text and "weak=run.batch_size=1000\n" in text
    edited = text.replace("batch_ratio=0.01", "batch_ratio=0.2").replace("batch_size=1000", "batch_size=30")
    (checkout / "slurm" / "scaling.sbatch").write_text(edited)
    job = slurm.sbatch("slurm/scaling.sbatch", *NATURAL, cwd=checkout, NODES="1 2")
    assert slurm.ended(job) == ["COMPLETED"], slurm.logs(job)
    results = checkout / "results" / "scaling"
    steps = {kind: {run.ranks: int(run.epochs["steps"][0, 0]) for run in recorded(results / kind).values()} for kind in ("strong", "weak")}
    assert steps == {"strong": {2: 5, 4: 5}, "weak": {2: 10, 4: 5}}  # 600 rows for training
    for kind in ("strong", "weak"):
        table = (results / kind / "tables" / "trial.md").read_text()
        lines = table.partition("Time of a step against ranks")[2].splitlines()
        assert "| P = 2 | P = 4 |" in lines[2] and len([line for line in lines[4:6] if line.startswith("| natural")]) == 1
        assert (results / kind / "figures" / "trial.png").is_file()


def test_data_are_staged_on_each_node_and_removed(slurm, checkout, workstation, tmp_path):
    local = tmp_path / "node's disk"
    job = slurm.sbatch("--ntasks-per-node=1", "slurm/run.sbatch", *NATURAL, "--only=0", cwd=checkout, GRADWIRE_SCRATCH=str(local))
    assert slurm.ended(job) == ["COMPLETED"], slurm.logs(job)
    assert_same(checkout / "results", workstation(2, "--codec=natural", "--only=0"))
    assert f"copied libsvm to {local}/gradwire-{job}/" in (checkout / f"gradwire-{job}.out").read_text()
    assert list(local.iterdir()) == []


def test_staged_data_are_removed_after_a_failure(slurm, checkout, workstation, tmp_path):
    workstation(2)  # prepares the data
    local = tmp_path / "local"
    words = ("experiments/trial.toml", "--set", "collective.name=allreduce")  # which takes none of two codecs
    job = slurm.sbatch("slurm/run.sbatch", *words, cwd=checkout, GRADWIRE_SCRATCH=str(local))
    assert slurm.ended(job) == ["FAILED"] and slurm.job(job)[0]["ExitCode"] == "2:0", slurm.logs(job)
    assert list(local.iterdir()) == []
