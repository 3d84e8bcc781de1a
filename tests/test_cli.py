"""The command line: what each command prints, its exit status, and how errors end under mpiexec.

Training, data and reports are stand-ins (tests/fakes), plug-ins those of tests/plugins, run files real ones.
"""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest

from gradwire import DataError, cli, config, environment, launch
from gradwire.commands.planning import plan_of
from gradwire.listing import KINDS
from gradwire.network.lab import Lab
from gradwire.recorder import run_path, run_state

HERE = Path(__file__).parent
TOY = """
[data]
name = "toy"
source = "nowhere"
[model]
name = "toy"
[optimizer]
name = "toy"
[run]
epochs = 2
batch_size = 10
[sweep]
codec.uplink = ["none", "adam-sparse"]
"""


@pytest.fixture
def here(toys, tmp_path, monkeypatch):
    """A current folder with experiments/toys.toml; no launcher around."""
    for name in ("PMI_RANK", "PMI_SIZE", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID", "SLURM_NTASKS", "GRADWIRE_LAUNCHED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "toys.toml").write_text(TOY)
    return tmp_path


@pytest.fixture
def stack(here, monkeypatch):
    """The stand-ins, in this process; returns the one for gradwire.data."""
    import gradwire

    specification = importlib.util.spec_from_file_location("fake_stack", HERE / "fakes" / "fake_stack.py")
    fake_stack = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(fake_stack)
    for name, module in fake_stack.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setattr(gradwire, name.rpartition(".")[2], module, raising=False)
    monkeypatch.delenv("FAKE_TRAIN", raising=False)
    return sys.modules["gradwire.data"]


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def gradwire(*arguments, ranks=None, **environ):
    """The command in processes of its own, with the stand-ins."""
    command = [sys.executable, "-m", "gradwire", *arguments]
    if ranks:
        command = [launch.find_mpiexec() or pytest.skip("no mpiexec"), "-n", str(ranks), *command]
    paths = [str(HERE / "fakes"), str(HERE / "plugins"), os.environ.get("PYTHONPATH", "")]
    openmpi = {
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    }
    environ = os.environ | openmpi | {"PYTHONPATH": os.pathsep.join(paths)} | environ
    environ.pop("COVERAGE_PROCESS_CONFIG", None)  # an aborted rank would leave half a coverage file
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process):
    """(exit status, standard output, standard error), within seconds."""
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, out, err


# run


def test_run_trains_records_and_reports(stack, here, capsys):
    assert cli.main(["run", "toys"]) == 0
    out, err = capsys.readouterr()
    assert out == "table of toys: 2 runs\n"
    assert [line.partition("  ")[0][:10] for line in err.splitlines()] == ["[1/2] none", "[1/2] none", "[2/2] adam", "[2/2] adam"]
    runs = config.load("toys", ranks=1).runs()
    assert files(here / "results") == sorted(f"runs/toys/{run.run_id}.h5" for run in runs)
    assert len(stack.loads) == 1  # one data set, prepared once before the runs


def test_finished_runs_are_skipped_with_a_word(stack, here, capsys):
    cli.main(["run", "toys", "--codec", "none"])
    capsys.readouterr()
    assert cli.main(["run", "toys"]) == 0
    out, err = capsys.readouterr()
    assert "none-" in err.splitlines()[0] and "skipped, finished already in results/runs/toys/none-" in err.splitlines()[0]
    assert err.splitlines()[1].startswith("[1/1] adam-sparse-")
    assert out == "table of toys: 2 runs\n"


def test_what_a_kill_right_after_the_end_of_a_run_has_left_goes_when_the_run_is_skipped(stack, here):
    cli.main(["run", "toys", "--codec", "none"])
    (run,) = config.load("toys", codec="none", ranks=1).runs()
    left = here / "results/checkpoints/toys" / run.run_id / "at-2-0.shared.ckpt"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"checkpoint")
    assert cli.main(["run", "toys", "--codec", "none"]) == 0
    assert not left.parent.exists()


def test_unfinished_runs_need_resume(stack, here, capsys, monkeypatch):
    monkeypatch.setenv("FAKE_TRAIN", "unfinished")
    cli.main(["run", "toys", "--codec", "none"])
    monkeypatch.delenv("FAKE_TRAIN")
    capsys.readouterr()
    (path,) = (here / "results/runs/toys").iterdir()
    assert cli.main(["run", "toys"]) == 2
    err = capsys.readouterr().err
    assert err == f"gradwire: {path.relative_to(here)}: unfinished; add --resume to go on, or delete it to begin again\n"
    assert files(here / "results") == [str(path.relative_to(here / "results"))]
    assert cli.main(["run", "toys", "--resume"]) == 0
    assert run_state(path) == "finished"


def test_another_number_of_ranks_is_another_run(stack, here):
    first, second = (config.load("toys", ranks=ranks).runs()[0] for ranks in (1, 2))
    assert first.run_id != second.run_id
    cli.main(["run", "toys", "--codec", "none"])
    for resume in (False, True):
        assert [state for *_, state in plan_of([first, second], "results", resume, False, 2)] == ["finished", "missing"]


@pytest.mark.parametrize("first", ["local", "shaped"])
def test_a_run_of_another_network_is_not_taken_for_one_of_this(stack, here, capsys, monkeypatch, first):
    """One folder, a local run and one in a lab of the same configuration: the second is an error, whichever comes first."""
    lab = Lab.of(2, "100mbit")
    inside = {
        "GRADWIRE_NETWORK": "shaped",
        "GRADWIRE_LINK_RATE_BPS": "1e8",
        "GRADWIRE_LAB": json.dumps(lab.described() | {"measured": [9]}),
    }
    places = {"local": {}, "shaped": inside}
    path = run_path("results", config.load("toys", codec="none", ranks=1).runs()[0])
    for place in (first, first, *(set(places) - {first})):
        for name in inside:
            monkeypatch.delenv(name, raising=False)
        for name, value in places[place].items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        code = cli.main(["run", "toys", "--codec", "none"])
        if place == first:
            assert code == 0
            with h5py.File(path, "r+") as file:  # the stand-in records no network
                file["environment"].attrs.update(environment.network())
    assert code == 2
    shaped = "shaped at 100mbit (lab 2x1-100mbit)"
    expected, got = ("local", shaped) if first == "shaped" else (shaped, "local")
    assert capsys.readouterr().err == (
        f"gradwire: {path}: expected a run on the network {expected}, got one on {got}; choose another --results\n"
    )
    assert cli.main(["run", "toys", "--codec", "none", "--dry-run"]) == 0 and "of another network" in capsys.readouterr().out


def test_results_go_where_they_are_wanted(stack, here):
    assert cli.main(["run", "experiments/toys.toml", "--results", "elsewhere/deep", "--set", "run.epochs=1"]) == 0
    assert len(files(here / "elsewhere/deep/runs/toys")) == 2 and not (here / "results").exists()


def test_results_that_cannot_be_a_folder(stack, here, capsys):
    (here / "taken").touch()
    assert cli.main(["run", "toys", "--results", "taken"]) == 1
    assert "File exists: 'taken'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wanted", "code", "message"),
    [
        ("DataError", 1, "gradwire: as wanted\n"),
        ("IncompatibleError", 2, "gradwire: as wanted\n"),
        ("OSError", 1, "gradwire: as wanted\n"),
        ("MemoryError", 1, "gradwire: out of memory: as wanted\n"),
        ("KeyboardInterrupt", 130, "gradwire: interrupted\n"),
        ("ZeroDivisionError", 1, "gradwire: unexpected error\nTraceback (most recent call last):"),
    ],
)
def test_errors_while_training(stack, capsys, monkeypatch, wanted, code, message):
    monkeypatch.setenv("FAKE_TRAIN", f"{wanted}@all")
    assert cli.main(["run", "toys"]) == code
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere"], "gradwire: no file 'nowhere'; unknown experiment 'nowhere'; known: toys\n"),
        (["run", "toys", "--set", "run.epoch=1"], "unknown key 'run.epoch' (did you mean 'run.epochs'?)"),
        (["run", "toys", "--codec", "nothing"], "codec.uplink: unknown codec or part 'nothing'"),
        (["run", "toys", "--set", "collective.name=allreduce"], "pairs that work: adam-sparse with gather_bcast, adam-sparse with allgather, "),
        (["run", "toys", "--ranks", "0"], "argument --ranks: expected an integer ≥ 1, got '0'"),
        (["run", "toys", "--rank"], "expected one argument"),
        (["run"], "the following arguments are required: EXPERIMENT"),
        ([], "the following arguments are required: COMMAND"),
        (["list", "codec"], "invalid choice: 'codec'"),
        (["data", "info", "tyo"], "data.name: unknown datasets 'tyo' (did you mean 'toy'?)"),
        (["data", "info", "toy"], "data.source: expected a string, got nothing"),
        (["data", "info", "toy", "--set", "sauce=x"], "unknown key 'data.sauce' (did you mean 'data.source'?)"),
    ],
)  # fmt: skip
def test_usage_and_configuration_errors(here, capsys, arguments, message):
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert message in err and out == ""
    assert files(here) == ["experiments/toys.toml"]


def test_ranks_start_mpiexec(stack, monkeypatch):
    started = []

    def mpiexec(size, arguments):
        started.append((size, arguments))
        raise KeyboardInterrupt  # the real one never comes back

    monkeypatch.setattr(launch, "mpiexec", mpiexec)
    arguments = ["run", "toys", "--ranks", "3", "--resume"]
    assert cli.main(arguments) == 130
    assert started == [(3, arguments)]


def test_one_rank_needs_no_mpiexec(stack, here):
    assert cli.main(["run", "toys", "--ranks", "1"]) == 0


def test_ranks_under_a_launcher_ask_for_what_is_there(stack, capsys, monkeypatch):
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("PMI_SIZE", "4")
    assert cli.main(["run", "toys", "--ranks", "3"]) == 2
    assert "--ranks: expected 4, the number of ranks of this launch, got 3" in capsys.readouterr().err


def test_a_launcher_that_does_not_match_mpi(stack, here, capsys, monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    assert cli.main(["run", "toys"]) == 2
    assert "started 4 processes but MPI sees 1" in capsys.readouterr().err
    assert files(here) == ["experiments/toys.toml"]


def test_no_mpi_library(stack, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    assert cli.main(["run", "toys"]) == 2
    assert "mpi4py cannot load an MPI library" in capsys.readouterr().err


# run --dry-run


def test_dry_run_tells_and_touches_nothing(stack, here, capsys):
    assert cli.main(["run", "toys", "--dry-run", "--ranks", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["no", "run", "codec", "collective", "state", "legal", "on", "4", "steps"]
    assert lines[1].split()[2:] == ["none", "gather_bcast", "new", "yes", "(data", "not", "prepared)", "×", "2", "epochs"]
    assert files(here) == ["experiments/toys.toml"] and stack.loads == []


def test_dry_run_knows_states_and_steps(stack, here, capsys, monkeypatch):
    cli.main(["run", "toys", "--codec", "none"])
    monkeypatch.setenv("FAKE_TRAIN", "unfinished")
    cli.main(["run", "toys"])
    before = files(here)
    capsys.readouterr()
    assert cli.main(["run", "toys", "--dry-run"]) == 0
    states = [line.split()[4:7] for line in capsys.readouterr().out.splitlines()[1:]]
    assert states == [["finished", "yes", "10"], ["unfinished", "yes", "10"]]
    assert files(here) == before


def test_dry_run_of_an_illegal_pair(stack, capsys):
    assert cli.main(["run", "toys", "--dry-run", "--set", "collective.name=allreduce"]) == 2
    out, err = capsys.readouterr()
    assert [line.split()[5] for line in out.splitlines()[1:]] == ["yes", "no"]
    assert err.startswith("gradwire: adam-sparse-") and "pairs that work" in err


# list, inspect, data, bench, figures, tables


def test_list(here, capsys):
    assert cli.main(["list", "models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "models" and lines[1].split() == ["name", "summary", "paper"]
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines[2:]}
    assert list(rows) == ["logistic", "svm", "linear", "mlp", "cnn", "transformer", "toy", "broken"]
    assert rows["broken"] == "cannot be imported: ModuleNotFoundError: No module named 'gradwire_toys_that_is_not_there'"
    assert rows["toy"].startswith("ToyModel(")  # no summary: the first line of its docstring


def test_list_all(here, capsys):
    assert cli.main(["list"]) == 0
    out = capsys.readouterr().out
    for kind in KINDS:
        assert f"\n{kind}\n" in f"\n{out}"
    assert re.search(r"\n  adam-sparse +uncompressed sparse pairs, 8 bytes each", out)
    assert re.search(r"\n  toy +a data set of nothing +none\n", out)


def test_inspect(stack, here, capsys):
    cli.main(["run", "toys", "--codec", "none"])
    (path,) = (here / "results/runs/toys").iterdir()
    capsys.readouterr()
    assert cli.main(["inspect", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == f"{path.stem} of experiment toys: none, 1 rank, dim 100, finished"
    assert (
        '  source = "nowhere"' in out
        and "  hosts  here\n" in out
        and "  mpi    a library\n" in out
        and "final_params_sha256  0123abcd" in out
    )
    header, first, second = (line.split() for line in out[out.index("  epoch ") :].splitlines()[:3])
    assert dict(zip(header, first))["epoch"] == "0" and dict(zip(header, second))["train_loss"] == "1.5"
    assert dict(zip(header, first))["uplink_bytes"] == "2"


def test_inspect_of_several_files(stack, here, capsys):
    cli.main(["run", "toys"])
    capsys.readouterr()
    assert cli.main(["inspect", *map(str, sorted((here / "results/runs/toys").iterdir()))]) == 0
    out = capsys.readouterr().out
    assert out.count("of experiment toys") == 2 and "\n\nnone-" in out


def test_inspect_of_something_else(here, capsys):
    assert cli.main(["inspect", "experiments/toys.toml"]) == 1
    assert capsys.readouterr().err.startswith("gradwire: experiments/toys.toml: ")


def test_data(stack, capsys):
    arguments = ["toy", "--set", "source=there", "--set", "rows=7"]
    assert cli.main(["data", "info", *arguments]) == 0
    out = capsys.readouterr().out
    assert "a data set of nothing" in out and "option rows" in out and "\nprepared         no; `gradwire data prepare toy` does it" in out
    assert cli.main(["data", "prepare", *arguments]) == 0
    assert cli.main(["data", "info", *arguments]) == 0
    prepared, info = capsys.readouterr().out.split("name", 1)[1].split("\nname", 1)
    assert prepared.strip() == info.strip()
    assert "\ntrain_rows       7" in info and "\nnnz_per_row      3.142" in info
    assert [dataset.source for dataset in stack.loads] == ["there"]


def test_bench_compute(here, capsys, monkeypatch):
    from types import ModuleType

    import gradwire.bench

    compute = ModuleType("gradwire.bench.compute")
    compute.run = lambda: [{"kernel": "gradient", "M nonzeros/s": 61.25}, {"kernel": "parser", "M nonzeros/s": 7.0}]
    monkeypatch.setitem(sys.modules, compute.__name__, compute)
    monkeypatch.setattr(gradwire.bench, "compute", compute, raising=False)
    assert cli.main(["bench", "compute"]) == 0
    assert capsys.readouterr().out.splitlines() == ["kernel    M nonzeros/s", "gradient         61.25", "parser               7"]


@pytest.mark.parametrize("what", ["tables", "figures"])
def test_redraw(stack, capsys, what):
    assert cli.main([what, "experiments/toys.toml", "other", "--results", "there"]) == 0
    assert capsys.readouterr().out == "wrote there/toys\nwrote there/other\n"
    assert cli.main([what]) == 0
    assert capsys.readouterr().out == "wrote results/all\n"


def test_help_and_version(capsys):
    assert cli.main(["--help"]) == 0
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("usage: gradwire")


# Processes: exit statuses, messages once


def test_help_starts_neither_mpi_nor_figures():
    code = "import sys; from gradwire.cli import main; main(['--help']); sys.exit(any(m in sys.modules for m in ('mpi4py', 'h5py', 'matplotlib', 'pydantic')))"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


def test_output_that_nobody_reads(here):
    process = gradwire("list")
    process.stdout.close()
    assert process.wait(30) == 1
    assert process.stderr.read() == ""


@pytest.mark.parametrize(
    "arguments", [["run", "toys", "--set", "run.epochs=0"], ["run", "toys", "--set", "collective.root=9"], ["run", "--frob"]]
)
def test_what_all_ranks_meet_is_told_once(here, arguments):
    code, out, err = ended(gradwire(*arguments, ranks=3))
    assert (code, out) == (2, "")
    assert err.count("gradwire: ") + err.count("gradwire run: ") == 1
    assert "Abort(" not in err


def test_help_is_told_once(here):
    code, out, _ = ended(gradwire("run", "--help", ranks=3))
    assert code == 0 and out.count("usage:") == 1


def test_run_under_mpiexec(here):
    code, out, err = ended(gradwire("run", "toys", "--ranks", "3", ranks=3))
    assert (code, out, len(err.splitlines())) == (0, "table of toys: 2 runs\n", 4)


def test_ranks_start_themselves(here):
    code, out, _ = ended(gradwire("run", "toys", "--ranks", "2"))
    assert (code, out) == (0, "table of toys: 2 runs\n")
    assert ended(gradwire("run", "toys", "--ranks", "2", "--set", "run.seed=1", FAKE_TRAIN="DataError@1"))[0] == 1


def test_agreed_refusals_end_in_good_order(here):
    assert ended(gradwire("run", "toys", ranks=2, FAKE_TRAIN="unfinished"))[0] == 0
    code, _, err = ended(gradwire("run", "toys", ranks=2))
    assert code == 2 and err.count("unfinished; add --resume") == 1 and "Abort(" not in err


@pytest.mark.parametrize(
    ("wanted", "code", "message"),
    [
        ("DataError@2", 1, "gradwire: rank 2: as wanted\n"),
        ("DataError@0", 1, "gradwire: rank 0: as wanted\n"),
        ("IncompatibleError@all", 2, "gradwire: rank 0: as wanted\n"),
        ("ZeroDivisionError@1", 1, "gradwire: rank 1: unexpected error\nTraceback (most recent call last):\n"),
    ],
)
def test_one_failing_rank_ends_all_with_its_message_once(here, wanted, code, message):
    began = time.monotonic()
    found, _, err = ended(gradwire("run", "toys", ranks=3, FAKE_TRAIN=wanted))
    assert found == code
    assert err.count("gradwire: rank") == 1 and message in err
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("ranks", [None, 2])
def test_interrupted(here, ranks):
    from mpi4py import MPI

    process = gradwire("run", "toys", ranks=ranks, FAKE_TRAIN="sleep")
    assert process.stderr.readline() == "training\n"
    process.send_signal(signal.SIGINT)
    code, _, err = ended(process)
    if ranks and "Open MPI" in MPI.Get_library_version():
        assert code == 1  # its mpiexec ends the ranks itself
    else:
        assert code == 130 and "interrupted" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_signal_while_data_are_prepared_or_drawn_is_not_lost(stack, capsys, monkeypatch, number):
    from gradwire import data, report

    def signalled(*_, **__):
        os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(data, "load", signalled)
        assert cli.main(["run", "toys"]) == launch.STOPPED
    assert capsys.readouterr().err.count("; start again with --resume") == 1
    monkeypatch.setattr(report, "summarise", lambda *_: signalled() or "drawn")
    assert cli.main(["run", "toys", "--resume"]) == 0, "all runs are finished: there is nothing to go on with"


def test_the_world_is_checked_before_anything_else(stack, monkeypatch):
    monkeypatch.setattr(launch, "check_world", lambda *_: (_ for _ in ()).throw(DataError("checked")))
    assert cli.main(["run", "toys"]) == 1


def test_recorded_gradients_of_a_run_that_is_finished_without_them_are_refused(stack, capsys):
    assert cli.main(["run", "toys"]) == 0
    assert cli.main(["run", "toys", "--record-gradients"]) == 2
    assert "begun without recorded gradients; choose another --results, or delete it" in capsys.readouterr().err


def test_record_steps_needs_record_gradients(here, capsys):
    assert cli.main(["run", "toys", "--record-steps", "3"]) == 2
    assert "--record-gradients" in capsys.readouterr().err


def test_two_codecs_are_no_sweep(here, capsys):
    assert cli.main(["run", "toys", "--codec", "none", "--codec", "fp16"]) == 2
    assert "--codec: expected one, got none and fp16; a sweep has several: --set 'sweep.codec.uplink=[…]'" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "soon"])
def test_watchdog_takes_seconds(here, capsys, value):
    assert cli.main(["run", "toys", f"--watchdog={value}"]) == 2
    assert f"argument --watchdog: expected seconds ≥ 0, got '{value}'" in capsys.readouterr().err


def test_a_run_that_another_launch_is_writing_is_not_called_unfinished(stack, capsys, monkeypatch):
    from gradwire.recorder import claim

    monkeypatch.setenv("FAKE_TRAIN", "unfinished")
    assert cli.main(["run", "toys", "--codec", "none"]) == 0
    (path,) = Path("results/runs/toys").glob("*.h5")
    capsys.readouterr()
    with claim(path, "unfinished"):
        assert cli.main(["run", "toys", "--codec", "none"]) == 2
    assert capsys.readouterr().err == f"gradwire: {path}: another gradwire is writing this run; wait for it, or choose another --results\n"


def test_a_usage_error_of_one_rank_that_mpi_does_not_know(stack, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gradwire", "run"])
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("PMI_SIZE", "2")
    assert cli.main(["run", "toys", "--frob"]) == 2
    assert capsys.readouterr().err == "gradwire: unrecognized arguments: --frob; `gradwire run --help` lists what there is\n"
