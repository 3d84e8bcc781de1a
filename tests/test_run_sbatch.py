"""slurm/run.sbatch: what it asks Slurm for, and what it starts, with a stand-in for srun."""

import re
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "slurm" / "run.sbatch"
OPTIONS = dict(re.findall(r"^#SBATCH --([\w-]+)=(\S+)$", SCRIPT.read_text(), re.MULTILINE))


def test_every_directive_is_read_by_sbatch():
    """sbatch stops reading at the first command; each directive is one --name=value."""
    lines = SCRIPT.read_text().splitlines()
    first_command = next(i for i, line in enumerate(lines) if line and not line.startswith("#"))
    directives = [i for i, line in enumerate(lines) if line.startswith("#SBATCH")]
    assert lines[0] == "#!/bin/bash"
    assert len(directives) == len(OPTIONS)
    assert max(directives) < first_command


def test_what_is_asked_for():
    assert (OPTIONS["nodes"], OPTIONS["ntasks-per-node"], OPTIONS["cpus-per-task"]) == ("2", "2", "1")
    assert re.fullmatch(r"\d\d:\d\d:\d\d", OPTIONS["time"])
    assert re.fullmatch(r"\d+[MG]", OPTIONS["mem-per-cpu"])
    assert OPTIONS["output"] == "%x-%j.out"


@pytest.fixture
def submit(tmp_path):
    """submit(*arguments, **environment) → what srun was given: its arguments and OMP_NUM_THREADS."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "srun").write_text('#!/bin/sh\necho "threads $OMP_NUM_THREADS in $PWD"\nfor word; do echo "$word"; done\n')
    (tmp_path / "bin" / "srun").chmod(0o755)
    for venv in (".venv", "other"):
        (tmp_path / venv / "bin").mkdir(parents=True)
        (tmp_path / venv / "bin" / "activate").write_text(f"echo {venv}\n")

    def run(*arguments, **environment):
        environment = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "SLURM_SUBMIT_DIR": str(tmp_path), **environment}
        return subprocess.run(["bash", SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=True).stdout.splitlines()

    run.folder = tmp_path
    return run


def test_it_starts_the_quickstart_through_pmi2_with_one_thread(submit):
    expected = [".venv", f"threads 1 in {submit.folder}", "--mpi=pmi2", "gradwire", "run", "experiments/quickstart.toml"]
    assert submit() == expected


def test_arguments_and_environment_replace_the_defaults(submit):
    words = submit("mine.toml", "--set", "run.epochs=3", VENV="other", MPI_TYPE="pmix")
    assert words[0] == "other"
    assert words[2:] == ["--mpi=pmix", "gradwire", "run", "mine.toml", "--set", "run.epochs=3"]


def test_without_the_virtual_environment_nothing_is_started(submit):
    with pytest.raises(subprocess.CalledProcessError) as stopped:
        submit(VENV="missing")
    assert "srun" not in stopped.value.stdout
    assert "missing/bin/activate" in stopped.value.stderr
