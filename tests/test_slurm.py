"""Slurm without a Slurm: the scripts' text, quoting, PMI, the site's TOML, and submit and status with stand-ins for Slurm's commands."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from gradwire import cli, config, environment
from gradwire.commands.status import FOLLOW_S
from gradwire.errors import ConfigError
from gradwire.recorder import PER_EPOCH, PER_RANK, Recorder, run_path
from gradwire.slurm import pmi, queue, script, site

ROOT = Path(__file__).resolve().parent.parent
NASTY = ["two words", "it's", '"$(touch x)"', "`touch x`", "$HOME", "a;touch x", "x\ttab", "#no comment", "-n", "*", "\\", "é%j"]
LIST = {
    "22.05": "MPI plugin types are...\n\tpmix\n\tnone\n\tcray_shasta\n\tpmi2\nspecific pmix plugin versions available: pmix_v4",
    "old": "srun: MPI types are...\nsrun: none\nsrun: openmpi\nsrun: pmi2\n",
    "bare": "MPI plugin types are...\n\tnone\n",
}
TRIAL = """
[data]
name = "synthetic-kdd10"
[run]
epochs = 4
batch_size = 10
repeats = 2
[sweep]
codec.uplink = ["none", "natural"]
"""


# Scripts


@pytest.mark.parametrize("kind", script.KINDS)
def test_the_files_to_copy_are_what_is_generated_by_default(kind):
    path = ROOT / "slurm" / f"{kind}.sbatch"
    text = script.text(script.Job(kind))
    if os.environ.get("GRADWIRE_WRITE_GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize("kind", script.KINDS)
def test_scripts_are_bash_that_sbatch_understands(kind):
    """sbatch stops reading at the first command; each directive is one --name or --name=value."""
    text = script.text(script.Job(kind))
    lines = text.splitlines()
    first_command = next(i for i, line in enumerate(lines) if line and not line.startswith("#"))
    directives = [i for i, line in enumerate(lines) if line.startswith("#SBATCH")]
    assert lines[0] == "#!/bin/bash" and max(directives) < first_command
    assert all(re.fullmatch(r"#SBATCH --[\w-]+(=\S+)?", lines[i]) for i in directives)
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    assert not re.search(r"@\w+@", text) and max(map(len, lines)) <= 180


def options(text):
    return dict(re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", text, re.MULTILINE))


def test_every_script_with_ranks_is_requeued_and_warned():
    for kind in ("run", "sweep", "scaling"):
        asked = options(script.text(script.Job(kind)))
        assert (asked["open-mode"], asked["signal"], asked["requeue"]) == ("append", "USR1@120", "")
        assert (asked["nodes"], asked["ntasks-per-node"], asked["cpus-per-task"]) == ("2", "2", "1")
    assert "requeue" not in options(script.text(script.Job("figures")))
    assert options(script.text(script.Job("sweep")))["array"] == "0-23%4"
    assert len(config.load(ROOT / "experiments" / "quickstart.toml").configs) == 24


def test_a_site_fills_the_marked_places():
    there = site.Site(partition="batch", account="me", qos="low", exclusive=True, sbatch=("--constraint=ib", "--mail-type=END", "--contiguous"),
                      modules=("python/3.11", "a b"), setup=("export A=$(date)",), scratch="$TMPDIR/x", cache="~/c", venv="${WORK}/v", mem_per_cpu="")  # fmt: skip
    text = script.text(script.Job("run", words=("a.toml",), mpi="pmix"), there)
    asked = options(text)
    assert (asked["partition"], asked["account"], asked["qos"], asked["constraint"]) == ("batch", "me", "low", "ib")
    assert "exclusive" in asked and "contiguous" in asked and "mem-per-cpu" not in asked
    assert "module load python/3.11 'a b'\nexport A=$(date)\nsource \"${WORK}\"/v/bin/activate\n" in text
    assert 'GRADWIRE_SCRATCH="$TMPDIR"/x\n' in text and 'export GRADWIRE_CACHE="$HOME"/c\n' in text
    assert "\nsrun --mpi=pmix --kill-on-bad-exit=1 gradwire run" in text
    mpiexec = script.text(script.Job("scaling", words=("a.toml",), venv=""), site.Site(launcher="mpiexec"))
    assert '\n    mpiexec -n "$ranks" gradwire run' in mpiexec and "activate" not in mpiexec


@pytest.fixture
def started(tmp_path):
    """started(text, *arguments, **environment) → what a script's srun and scontrol were given, and its exit status."""
    (tmp_path / "bin").mkdir()
    for name in ("srun", "scontrol", "mpiexec", "gradwire"):
        program = tmp_path / "bin" / name
        program.write_text(
            '#!/bin/sh\n{ echo "== ${0##*/} $OMP_NUM_THREADS"; for word; do printf "%s\\n" "$word"; done; } >>"$LOG"\nexit ${STATUS:-0}\n'
        )
        program.chmod(0o755)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").write_text("")

    def run(text, *arguments, **environ):
        (tmp_path / "log").unlink(missing_ok=True)
        environ = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "LOG": str(tmp_path / "log"), "SLURM_SUBMIT_DIR": str(tmp_path), **environ}
        done = subprocess.run(
            ["bash", "-s", *arguments], input=text, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        calls = (tmp_path / "log").read_text().split("== ")[1:]
        return [call.splitlines() for call in calls], done.returncode

    return run


def test_run_starts_the_quickstart_or_what_it_is_given(started):
    text = script.text(script.Job("run"))
    ((name, *words),), status = started(text)
    assert (name, words, status) == ("srun 1", ["--mpi=pmi2", "--kill-on-bad-exit=1", "gradwire", "run", "experiments/quickstart.toml"], 0)
    ((_, *words),), _ = started(text, "mine.toml", *NASTY, MPI_TYPE="pmix")
    assert words == ["--mpi=pmix", "--kill-on-bad-exit=1", "gradwire", "run", "mine.toml", *NASTY]


def test_status_75_requeues_and_the_restarted_job_resumes(started):
    for kind, job in (("run", "7"), ("sweep", "6_3"), ("scaling", "7")):
        text = script.text(script.Job(kind))
        environ = {"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "6", "SLURM_ARRAY_TASK_ID": "3", "SLURM_NTASKS_PER_NODE": "2"}
        calls, status = started(text, STATUS="75", **environ)
        assert calls[-1] == ["scontrol 1", "requeue", job] and [call[0] for call in calls] == ["srun 1", "scontrol 1"], kind
        assert "--resume" not in calls[0]
        calls, status = started(text, STATUS="3", SLURM_RESTART_COUNT="1", **environ)
        assert status == 3 and "--resume" in calls[0] and not any(call[0] == "scontrol 1" for call in calls)


def test_quoted_words_arrive_and_nothing_of_them_is_executed(started, tmp_path):
    job = script.Job("run", words=("a.toml", *NASTY, "two\nlines"), name="$(touch x)'\"", output="$(touch x) 'o'", cache="$(touch x)'")
    text = script.text(job, site.Site(scratch="$(touch x)`touch y`'\"/$NODE;touch z", modules=()))
    calls, _ = started(text, NODE="n 0", SLURM_NNODES="2", SLURM_JOB_ID="1")
    given = [*NASTY, "two", "lines"]
    assert calls[0][1:] == ["--mpi=none", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "gradwire", "stage",
                            "$(touch x)`touch y`'\"/n 0;touch z/gradwire-1", "a.toml", *given]  # fmt: skip
    assert calls[1][3:] == ["gradwire", "run", "a.toml", *given]
    assert calls[2][5:7] == ["rm", "-rf"]
    assert not {"x", "y", "z"} & set(os.listdir(tmp_path))


def test_a_directive_is_one_line():
    with pytest.raises(ConfigError, match="--job-name: expected text of one line"):
        script.text(script.Job("run", name="a\n#SBATCH --wrap=x"))


# The site


def test_site_toml_shows_every_key_with_its_default():
    text = (ROOT / "slurm" / "site.toml").read_text()
    assert site.read(ROOT / "slurm" / "site.toml") == site.Site()
    shown = tomllib.loads(re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE))
    assert list(shown) and set(shown) == set(site.Site.model_fields)
    defaults = site.Site().model_dump(mode="json") | {"max_jobs": 4}  # the one that has no default to show
    assert shown == defaults


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('partitoin = "a"', "unknown key 'partitoin' (did you mean 'partition'?)"),
        ("nodes = 0", "nodes: expected an integer ≥ 1, got 0"),
        ('launcher = "ssh"', 'launcher: expected "srun" or "mpiexec", got \'ssh\''),
        ('time = "soon"', "time: expected a time limit such as"),
        ('partition = "a b"', "partition: expected a name without spaces"),
        ('scratch = "a\\nb"', "scratch: expected text of one line"),
        ('sbatch = ["-N 3"]', "sbatch: expected options such as --constraint=ib, got '-N 3'"),
        ('mpi = "$(x)"', "mpi: expected"),
        ("nodes = ", "not valid TOML"),
    ],
)
def test_a_wrong_site_file_is_named_with_what_is_wrong(text, message, tmp_path):
    path = tmp_path / "site.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        site.read(path)
    assert str(path) in str(error.value) and message in str(error.value)


def test_where_a_site_file_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert site.find(environ=environ) is None
    for path in (Path("config/gradwire/site.toml"), Path("slurm/site.toml"), Path("mine.toml")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("nodes = 3")
        found = site.find(environ=environ | ({"GRADWIRE_SITE": str(path)} if path.name == "mine.toml" else {}))
        assert found.resolve() == path.resolve()
    Path("slurm/site.toml").write_text("# nothing said\n")
    assert site.find(environ=environ).name == "site.toml" and site.find(environ=environ).parent.name == "gradwire"
    assert site.find("slurm/site.toml", {"GRADWIRE_SITE": "mine.toml"}) == Path("slurm/site.toml")
    for asked in ({"path": "none.toml"}, {"environ": {"GRADWIRE_SITE": "none.toml"}}):
        with pytest.raises(ConfigError, match=r"expected a TOML file, there is no none\.toml"):
            site.find(**asked)


# PMI


@pytest.mark.parametrize(
    ("library", "offered", "mpi"),
    [
        ("MPICH", "22.05", "pmi2"),
        ("Intel MPI", "22.05", "pmi2"),
        ("Cray MPICH", "22.05", "cray_shasta"),
        ("Cray MPICH", "old", "pmi2"),
        ("Open MPI", "22.05", "pmix"),
        ("Open MPI", "old", None),
        ("MPICH", "bare", None),
        ("MPICH", None, "pmi2"),
        (None, "22.05", None),
    ],
)
def test_the_mpi_of_srun_is_one_that_the_library_speaks_and_srun_has(library, offered, mpi):
    assert pmi.fitting(library, offered and pmi.listed(LIST[offered])) == mpi


def test_what_srun_lists(cluster, monkeypatch):
    assert pmi.available() == pmi.listed(LIST["22.05"])
    (cluster / "mpi").unlink()
    assert pmi.available() is None  # srun fails
    monkeypatch.setenv("PATH", "/nowhere")
    assert pmi.available() is None
    assert pmi.listed(LIST["22.05"]) == ("pmix", "none", "cray_shasta", "pmi2", "pmix_v4")
    assert pmi.listed(LIST["old"]) == ("none", "openmpi", "pmi2")


def test_libraries_are_known_by_what_they_say():
    said = [
        "MPICH Version: 5.0",
        "Open MPI v5.0.8, package",
        "Intel(R) MPI Library 2021.9",
        "MVAPICH2 Version: 2.3",
        "CRAY MPICH version 8.1",
        "LAM",
    ]
    assert [pmi.named(text) for text in said] == ["MPICH", "Open MPI", "Intel MPI", "MVAPICH", "Cray MPICH", None]


def test_the_library_of_this_python_and_of_others(tmp_path):
    assert pmi.library() in ("MPICH", "Open MPI")
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho 'Open MPI v4.1'\n")
    other.chmod(0o755)
    assert pmi.library(str(other)) == "Open MPI" and pmi.library(str(tmp_path / "none")) is None
    other.chmod(0o644)
    assert pmi.library(str(other)) is None


# submit and status, with stand-ins


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A folder with an experiment, and stand-ins for sbatch, squeue, sacct, srun and scontrol; answers are files in it."""
    for name in [name for name in os.environ if name.startswith(("SLURM_", "PMI_", "OMPI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("GRADWIRE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "bin").mkdir()
    programs = {
        "sbatch": 'test ! -f no || { echo "sbatch: error: invalid partition" >&2; exit 1; }; printf "%s\\n" "$*" >>calls; echo $((100 + $(wc -l <calls)));',
        "squeue": "cat squeue 2>/dev/null; exit 0",
        "sacct": "cat sacct 2>/dev/null",
        "srun": "cat mpi >&2",
        "scontrol": "echo 'ClusterName             = big'",
    }
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "mpi").write_text(LIST["22.05"])
    (tmp_path / "trial.toml").write_text(TRIAL)
    monkeypatch.setattr("gradwire.commands.submit.prepare_data", lambda runs: (tmp_path / "prepared").touch())
    monkeypatch.setattr(pmi, "library", lambda python=None: "MPICH")
    return tmp_path


def run(capsys, *arguments):
    """(exit status, standard output, standard error)"""
    code = cli.main(list(arguments))
    return (code, *capsys.readouterr())


def runs(ranks=4):
    return config.load("trial.toml", ranks=ranks).runs()


def record(run, rows, results="results", network="big"):
    path = run_path(results, run)
    recorder = Recorder(path)
    recorder.create(run, {"network": network, "link_rate_bps": float("nan"), "lab": ""}, 100, 4)
    for epoch in range(rows):
        row = dict.fromkeys(PER_EPOCH, 0.5) | {name: [2.0] * 4 for name in PER_RANK}
        recorder.append(epoch, row | {"test_loss": 0.25})
    if rows == run.epochs:
        recorder.finish("00ff")
    return path


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_submit_writes_submits_and_notes(cluster, capsys):
    code, out, err = run(capsys, "submit", "trial.toml", "--time=1:00:00", "--nodes=3", "--set", "run.seed=5")
    assert (code, err) == (0, "") and (cluster / "prepared").exists()
    assert "submitted job 101: 4 runs (results/slurm/trial/run.sbatch)" in out and "gradwire status trial --follow" in out
    assert (cluster / "calls").read_text() == "--parsable results/slurm/trial/run.sbatch\n"
    text = (cluster / "results/slurm/trial/run.sbatch").read_text()
    asked = options(text)
    assert (asked["nodes"], asked["time"], asked["job-name"], asked["output"]) == (
        "3",
        "1:00:00",
        "trial",
        "results/slurm/trial/run-%j.out",
    )
    assert "\nset -- trial.toml --set=run.seed=5 --results=results\n" in text and "srun --mpi=pmi2" in text
    (entry,) = queue.kept("results", "trial")
    assert [one["run_id"] for one in entry["runs"]] == [one.run_id for one in config.load("trial.toml", ["run.seed=5"], ranks=6).runs()]


def test_a_sweep_is_an_array_of_what_is_not_finished_and_a_job_that_draws(cluster, capsys):
    record(runs()[1], 4)
    code, _, _ = run(capsys, "submit", "trial.toml", "--sweep", "--max-jobs=2")
    assert code == 0
    assert (cluster / "calls").read_text().splitlines() == [
        "--parsable results/slurm/trial/sweep.sbatch",
        "--parsable --dependency=afterany:101 results/slurm/trial/figures.sbatch",
    ]
    assert options((cluster / "results/slurm/trial/sweep.sbatch").read_text())["array"] == "0,2-3%2"
    assert "\nset -- trial --results=results\n" in (cluster / "results/slurm/trial/figures.sbatch").read_text()
    array, figures = queue.kept("results", "trial")
    assert [one["task"] for one in array["runs"]] == [0, 2, 3] and figures["runs"] == []


def test_scaling_needs_the_data_and_says_what_a_step_takes(cluster, capsys, monkeypatch):
    from gradwire import data

    code, _, err = run(capsys, "submit", "trial.toml", "--scaling=1,2,4", "--dry-run")
    assert code == 2 and "`gradwire data prepare synthetic-kdd10 --set=" in err and "` first" in err
    prepare = shlex.split(err.partition("`")[2].partition("`")[0])
    assert run(capsys, *prepare[1:2], "info", *prepare[3:])[0] == 0  # the options are understood
    monkeypatch.setattr(data, "is_prepared", lambda dataset: True)
    monkeypatch.setattr(data, "load", lambda dataset: type("P", (), {"train": type("T", (), {"n_rows": 1000})}))
    code, _, _ = run(capsys, "submit", "trial.toml", "--scaling=1,2,4", "--codec=natural")
    assert code == 0
    text = (cluster / "results/slurm/trial/scaling.sbatch").read_text()
    assert "numbers='1 2 4'\nresults=results/scaling\nstrong=run.batch_ratio=0.02\nweak=run.batch_size=10\n" in text
    assert options(text)["nodes"] == "4" and "--results" not in re.search("^set -- .*$", text, re.MULTILINE)[0]
    (entry,) = queue.kept("results", "trial")
    assert len(entry["runs"]) == 2 * 3 * 2 and len({one["run_id"] for one in entry["runs"]}) == 12
    assert {one["results"] for one in entry["runs"]} == {"results/scaling/strong", "results/scaling/weak"}


def test_a_dry_run_touches_nothing_and_needs_no_slurm(cluster, capsys, monkeypatch):
    before = files(cluster)
    code, out, _ = run(capsys, "submit", "trial.toml", "--sweep", "--dry-run")
    assert code == 0 and files(cluster) == before
    assert "==> results/slurm/trial/sweep.sbatch <==" in out and "$ sbatch --parsable --dependency=afterany:JOBID" in out
    monkeypatch.setenv("PATH", "/nowhere")
    assert run(capsys, "submit", "trial.toml", "--sweep", "--dry-run")[:2] == (0, out)
    code, _, err = run(capsys, "submit", "trial.toml")
    assert code == 2 and "no sbatch on PATH" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set=collective.name=allreduce"], "allreduce"),
        (["--max-jobs=2"], "--max-jobs limits the jobs of --sweep"),
        (["--scaling=1,2", "--nodes=2"], "--scaling says on how many nodes"),
        (["--ranks=3"], "--ranks: expected 4"),
        (["--time=soon"], "time: expected a time limit"),
        (["--site=none.toml"], "there is no none.toml"),
        (["--set=run.epoch=3"], "did you mean 'run.epochs'"),
        (["--only=9"], "--only: expected runs from 0 to 3"),
    ],
)
def test_nothing_is_submitted_that_is_not_legal(cluster, capsys, arguments, message):
    code, _, err = run(capsys, "submit", "trial.toml", *arguments)
    assert code == 2 and message in err and not (cluster / "calls").exists() and not (cluster / "prepared").exists()
    if arguments[0].startswith("--set=collective"):
        assert run(capsys, "submit", "trial.toml", *arguments, "--dry-run")[0] == 2


@pytest.mark.parametrize("numbers", ["2,1", "0", "a"])
def test_numbers_of_nodes_increase(cluster, capsys, numbers):
    assert run(capsys, "submit", "trial.toml", f"--scaling={numbers}")[0] == 2


def test_unfinished_runs_and_those_of_another_network_are_refused_as_by_run(cluster, capsys):
    path = record(runs()[0], 2)
    code, _, err = run(capsys, "submit", "trial.toml")
    assert code == 2 and f"{path}: unfinished; add --resume" in err
    assert run(capsys, "submit", "trial.toml", "--resume")[0] == 0
    assert " --resume" in (cluster / "results/slurm/trial/run.sbatch").read_text()
    record(runs()[0], 4, network="local")
    code, _, err = run(capsys, "submit", "trial.toml")
    assert code == 2 and "expected a run on the network big, got one on local" in err


def test_what_sbatch_says_is_passed_on(cluster, capsys):
    (cluster / "no").touch()
    code, _, err = run(capsys, "submit", "trial.toml")
    assert code == 2 and "sbatch refused results/slurm/trial/run.sbatch: sbatch: error: invalid partition" in err
    assert queue.kept("results", "trial") == []


def test_where_srun_cannot_start_the_library_mpiexec_does(cluster, capsys, monkeypatch):
    (cluster / "mpi").write_text(LIST["bare"])
    _, out, err = run(capsys, "submit", "trial.toml", "--dry-run")
    assert 'mpiexec -n "$SLURM_NTASKS" gradwire run' in out and "MPICH needs --mpi=pmi2, and this srun has none: mpiexec starts" in err
    monkeypatch.setattr(pmi, "library", lambda python=None: None)
    code, _, err = run(capsys, "submit", "trial.toml", "--dry-run")
    assert code == 2 and "does not say which MPI library" in err
    (cluster / "site.toml").write_text('mpi = "pmix_v4"\ncache = "$PWD/c"\nvenv = "v"\n')
    _, out, _ = run(capsys, "submit", "trial.toml", "--dry-run", "--site=site.toml")
    assert "srun --mpi=pmix_v4" in out and 'export GRADWIRE_CACHE="$PWD"/c' in out and "source v/bin/activate" in out


def test_status_of_jobs_and_runs(cluster, capsys):
    run(capsys, "submit", "trial.toml", "--sweep")
    done, half, failed, _ = runs()
    record(done, 4)
    record(half, 2)
    Path("results/slurm/trial/sweep-101_2.out").write_text("loading\nmodule: command not found\n\n")
    Path("squeue").write_text(
        "101|0|COMPLETED|n0|None\n101|1|RUNNING|n[0-1]|None\n101|2|FAILED|n0|NonZeroExitCode\n102|N/A|PENDING||Dependency\n"
    )
    code, out, _ = run(capsys, "status", "trial")
    lines = [line.split() for line in out.splitlines()]
    assert code == 0 and lines[0] == ["trial"]
    assert ["101_0", "sweep", "COMPLETED"] in lines and ["101_1", "sweep", "RUNNING", "n[0-1]"] in lines
    assert ["101_2", "sweep", "FAILED", "results/slurm/trial/sweep-101_2.out:", "module:", "command", "not", "found"] in lines
    assert ["101_3", "sweep", "gone", "Slurm", "has", "forgotten", "it"] in lines and ["102", "figures", "PENDING", "Dependency"] in lines
    states = {line[0]: line[1:] for line in lines if line and line[0].endswith(("-r0", "-r1"))}
    assert states[done.run_id][:4] == ["101_0", "finished", "4/4", "0.2500"]
    assert states[half.run_id][:4] == ["101_1", "running", "2/4", "0.2500"] and states[half.run_id][5] == "0:00"
    assert states[failed.run_id] == ["101_2", "new", "0/4"]


def test_older_jobs_are_asked_of_sacct(cluster):
    Path("sacct").write_text("7|COMPLETED\n8_0|CANCELLED by 0\n")
    assert queue.states(["7", "8"]) == {"7": ("COMPLETED", ""), "8_0": ("CANCELLED", "")}


def test_status_without_slurm_is_that_of_run_files(cluster, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    done, cut, live, damaged = runs()
    record(done, 4)
    record(cut, 1)
    record(live, 1).with_suffix(".lock").touch()
    run_path("results", damaged).write_bytes(b"no HDF5")
    code, out, _ = run(capsys, "status")
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert code == 0 and "job" not in lines
    assert lines[done.run_id][:2] == ["finished", "4/4"] and lines[cut.run_id][:2] == ["unfinished", "1/4"]
    assert lines[live.run_id] == ["running", "1/4", "0.2500", "2.00", "0:06"] and lines[damaged.run_id][0] == "damaged"
    old = time.time() - 3600
    os.utime(run_path("results", live), (old, old))
    assert f"{live.run_id}         unfinished" in re.sub(" +", "         ", run(capsys, "status")[1])
    code, _, err = run(capsys, "status", "other")
    assert code == 2 and "no runs or jobs of other under results; there are: trial" in err


def test_follow_says_what_changes_and_ends_with_the_jobs(cluster, capsys, monkeypatch):
    run(capsys, "submit", "trial.toml")
    Path("squeue").write_text("101|N/A|RUNNING|n0|None\n")
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if pauses.count(FOLLOW_S) == 2:
            for one in runs():
                record(one, 4)
            Path("squeue").write_text("101|N/A|COMPLETED|n0|None\n")

    monkeypatch.setattr("gradwire.commands.status.time.sleep", pause)
    code, out, _ = run(capsys, "status", "--follow")
    assert code == 0 and pauses.count(FOLLOW_S) == 2 and out.count("RUNNING") == 1 and out.count("finished") == 4
    Path("squeue").write_text("101|N/A|FAILED|n0|None\n")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    code, out, _ = run(capsys, "status", "--follow")
    assert code == 1 and out.startswith("\033[H\033[2J") and "run-101.out: No such file" in out


def test_a_later_submission_of_the_same_runs_replaces_the_earlier(cluster, capsys):
    for _ in range(2):
        run(capsys, "submit", "trial.toml")
    out = run(capsys, "status")[1]
    assert "101" not in out and out.count("102") == 1 + 4


def test_the_list_of_jobs_survives_a_line_cut_off(cluster):
    folder = queue.folder("results", "trial")
    folder.mkdir(parents=True)
    entry = {"job": "1", "kind": "run", "output": "o-%j_%a_100%%.out", "runs": []}
    queue.keep("results", "trial", entry)
    with open(folder / "jobs.jsonl", "a") as file:
        file.write(json.dumps(entry)[:20])
    queue.keep("results", "trial", entry | {"job": "2"})
    assert [one["job"] for one in queue.kept("results", "trial")] == ["1", "2"]
    assert queue.output_of(entry, 3) == Path("o-1_3_100%.out") and queue.names("results") == ["trial"]


# run --only and stage


def test_only_runs_what_it_says(cluster, capsys):
    code, out, _ = run(capsys, "run", "trial.toml", "--dry-run", "--only", "1,3")
    assert code == 0 and [line.split()[:2] for line in out.splitlines()[1:]] == [[str(i), runs(1)[i].run_id] for i in (1, 3)]
    assert [one.run_id for one in config.load("trial.toml").only((3, 0)).runs()] == [
        config.load("trial.toml").runs()[i].run_id for i in (3, 0)
    ]
    code, _, err = run(capsys, "run", "trial.toml", "--only", "2-4")
    assert code == 2 and "--only: expected runs from 0 to 3, which trial.toml has, got 4" in err
    for wrong in ("", "a", "3-1", "1-", "-1", "0-99999999999", "²"):
        code, _, err = run(capsys, "run", "trial.toml", f"--only={wrong}")
        assert code == 2 and "argument --only: expected numbers" in err


def test_stage_copies_prepared_data_once_and_whole(cluster, capsys):
    Path("rows.svm").write_text("1 0:1\n0 1:1\n1 2:1\n0 3:1\n" * 5)
    Path("trial.toml").write_text(
        '[data]\nname = "libsvm"\ntrain = "rows.svm"\ntest_fraction = 0.5\nn_features = 4\nzero_based = true\n[run]\nepochs = 1\n'
    )
    code, _, err = run(capsys, "stage", "local", "trial.toml")
    assert code == 1 and "libsvm: not prepared in" in err and "`gradwire submit` does it" in err
    from gradwire.commands.planning import prepare_data

    prepare_data(config.load("trial.toml").runs())
    code, out, _ = run(capsys, "stage", "local", "trial.toml", "--dry-run")
    assert code == 0 and out.startswith("would copy ") and not Path("local").exists()
    code, out, _ = run(capsys, "stage", "local", "trial.toml", "--resume", "--codec=natural")
    assert code == 0 and out.startswith("copied libsvm to ")
    copied = {path.relative_to("local") for path in Path("local").rglob("*.npy")}
    assert copied == {path.relative_to("cache") for path in Path("cache").rglob("*.npy")} and len(copied) >= 6
    assert run(capsys, "stage", "local", "trial.toml")[:2] == (0, "")
    Path("full").touch()
    code, _, err = run(capsys, "stage", "full/x", "trial.toml")
    assert code == 1 and "cannot write to the cache folder" in err
    (indices,) = Path("cache").rglob("train_indices.npy")
    indices.unlink()
    indices.symlink_to("nowhere")
    code, _, err = run(capsys, "stage", "other", "trial.toml")
    assert code == 1 and "cannot copy" in err and not [*Path("other").rglob("*.npy")]


def test_the_spans_of_an_array():
    assert environment.spans({0, 2, 3, 4, 9}) == "0,2-4,9"


def test_venv_of_this_python_is_activated(cluster, capsys):
    out = run(capsys, "submit", "trial.toml", "--dry-run")[1]
    assert f"source {sys.prefix}/bin/activate\n" in out
