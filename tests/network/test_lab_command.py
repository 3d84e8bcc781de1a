"""`gradwire lab`: what it refuses, where results go, and the command that it starts. The labs themselves are stand-ins."""

import json
import sys
from types import SimpleNamespace

import pytest

from gradwire import ConfigError, cli
from gradwire.commands import lab
from gradwire.network.lab import Lab

TOY = """
[data]
name = "synthetic-kdd12"
rows = 100
[run]
epochs = 1
[sweep]
codec.uplink = ["none", "fastsgd"]
"""


@pytest.fixture
def labs(tmp_path, monkeypatch):
    """Labs that start nothing: (name, argv) of each run in labs.started; labs.codes are their exit statuses."""
    for name in ("PMI_RANK", "PMI_SIZE", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.toml").write_text(TOY)
    stand_in = SimpleNamespace(started=[], prepared=[], codes=[])

    def run(lab, argv, environ=None, say=None):
        say("measured")
        stand_in.started.append((lab.name, argv))
        return stand_in.codes.pop(0) if stand_in.codes else 0

    monkeypatch.setattr(Lab, "run", run)
    monkeypatch.setattr(Lab, "check", lambda lab: None)
    monkeypatch.setattr(lab, "prepare_data", stand_in.prepared.append)
    return stand_in


def test_every_option_of_run_reaches_the_ranks(labs, capsys):
    options = ["--set", "run.seed=3", "--set", "model.l2=0.5", "--codec", "topk(ratio=0.1)+natural", "--results", "there", "--resume"]
    options += ["--record-gradients", "--record-steps", "2", "--watchdog", "0", "--ranks", "4"]
    assert cli.main(["lab", "toy.toml", "--hosts", "2", "--rate", "1gbit,100mbit", "--ppn", "2", *options]) == 0
    ((name, argv),) = labs.started
    assert name == "2x2-1gbit-100mbit" and argv[:4] == [sys.executable, "-m", "gradwire", "run"]
    given, started = (vars(cli._parser().parse_args(words)) for words in (["run", "toy.toml", *options], argv[3:]))
    assert {k: v for k, v in started.items() if k != "run_options"} == {k: v for k, v in given.items() if k != "run_options"}
    assert len(labs.prepared) == 1 and capsys.readouterr().err == "measured\n"


def test_each_lab_has_its_results(labs):
    assert cli.main(["lab", "toy.toml", "--hosts", "4", "--rate", "1gbit"]) == 0
    assert cli.main(["lab", "toy.toml", "--hosts", "2", "--rate", "1gbit", "--rate", "100mbit", "--results", "there"]) == 0
    folders = [next(word for word in argv if word.startswith("--results=")) for _, argv in labs.started]
    assert folders == ["--results=results/lab/4x1-1gbit", "--results=there/2x1-1gbit", "--results=there/2x1-100mbit"]


def test_a_sweep_ends_with_the_first_failure(labs):
    labs.codes = [0, 3]
    assert cli.main(["lab", "toy.toml", "--hosts", "2", "--rate", "1mbit", "--rate", "2mbit", "--rate", "3mbit"]) == 3
    assert [name for name, _ in labs.started] == ["2x1-1mbit", "2x1-2mbit"]


def test_dry_run_starts_nothing(labs, capsys):
    assert cli.main(["lab", "toy.toml", "--hosts", "3", "--rate", "1gbit", "--dry-run"]) == 0
    assert "legal on 3" in capsys.readouterr().out and not labs.started and not labs.prepared


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hosts", "1", "--rate", "1gbit"], "expected 2 to 250 hosts, got 1"),
        (["--hosts", "2", "--rate", "fast"], "expected a rate such as 100mbit or 1gbit"),
        (["--hosts", "2", "--rate", "1gbit", "--ranks", "4"], "--ranks: expected 2"),
        (["--hosts", "2", "--rate", "1gbit", "--codec", "nothing"], "unknown codec or part 'nothing'"),
        (["--hosts", "2", "--rate", "1gbit", "--record-steps", "4"], "--record-gradients"),
        (["--hosts", "2"], "--rate"),
    ],
)
def test_refusals(labs, capsys, options, message):
    assert cli.main(["lab", "toy.toml", *options]) == 2
    assert message in capsys.readouterr().err and not labs.started


def test_not_under_mpiexec(labs, capsys, monkeypatch):
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("PMI_SIZE", "2")
    assert cli.main(["lab", "toy.toml", "--hosts", "2", "--rate", "1gbit"]) == 2
    assert "lab starts its own ranks: start it without mpiexec" in capsys.readouterr().err


def test_what_the_machine_lacks_is_a_usage_error(labs, capsys, monkeypatch):
    def check(lab):
        raise ConfigError("lab: there is no tc here")

    monkeypatch.setattr(Lab, "check", check)
    assert cli.main(["lab", "toy.toml", "--hosts", "2", "--rate", "1gbit"]) == 2
    assert capsys.readouterr().err == "gradwire: lab: there is no tc here\n" and not labs.prepared


@pytest.mark.parametrize(
    ("environment", "same"),
    [
        ({"network": "local", "link_rate_bps": float("nan"), "lab": ""}, False),
        ({"network": "shaped", "link_rate_bps": 1e9, "lab": json.dumps(Lab.of(2, "1gbit").described() | {"measured": []})}, True),
        ({"network": "shaped", "link_rate_bps": 1e9, "lab": json.dumps(Lab.of(2, "1gbit,2gbit").described())}, False),
        ({"network": "local", "link_rate_bps": float("nan")}, False),  # of a version without labs
    ],
)
def test_runs_of_another_network_are_not_taken_for_these(labs, capsys, monkeypatch, environment, same):
    from gradwire import recorder

    monkeypatch.setattr(recorder, "run_state", lambda path: "finished")
    monkeypatch.setattr(recorder, "load_run", lambda path: SimpleNamespace(environment=environment))
    assert cli.main(["lab", "toy.toml", "--hosts", "2", "--rate", "1gbit"]) == (0 if same else 2)
    assert ("expected a run on the network shaped at 1gbit (lab 2x1-1gbit), got one on " in capsys.readouterr().err) == (not same)
    assert len(labs.started) == same
