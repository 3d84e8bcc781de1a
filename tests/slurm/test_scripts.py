"""Every file under slurm/, as a user submits it, on a real Slurm with two nodes."""


def test_run(slurm, checkout):
    job = slurm.sbatch("slurm/run.sbatch", "experiments/trial.toml", cwd=checkout)
    assert slurm.ended(job) == ["COMPLETED"], slurm.logs(job)
    print(slurm.logs(job))
