"""Ranks that do not start, fail or hang: each is a finding, in time, and nothing is left running."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from gradwire import ConfigError, launch
from gradwire.doctor import launching
from gradwire.doctor.finding import ok, problem


@pytest.fixture
def command(monkeypatch, tmp_path):
    """command(script) makes that the program which should start the ranks; {kept} in it is where findings belong."""

    def make(script):
        def mpiexec_command(size, arguments, environ=os.environ):
            text = script.format(kept=arguments[arguments.index("--findings") + 1], size=size, pids=tmp_path / "pids")
            return [sys.executable, "-c", text], dict(environ)

        monkeypatch.setattr(launch, "mpiexec_command", mpiexec_command)
        monkeypatch.setattr(launching, "find_mpiexec", lambda: "/there/mpiexec")
        monkeypatch.setattr(launching, "GRACE_S", 0.5)

    return make


def alive(pid):
    """Whether it runs; a zombie that nobody has asked for does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_findings_come_from_the_ranks(command):
    command("import json; json.dump([['latency', 'ok', '1 µs', '']], open('{kept}', 'w')); raise SystemExit(3)")
    assert launching.on_ranks(2, "results", []) == [ok("latency", "1 µs")]


def test_ranks_that_fail_are_quoted(command, one):
    command("print('one'); print('prterun: no such thing'); raise SystemExit(9)")
    found = launching.on_ranks(3, "results", [])
    first = one(found, "ranks")
    assert first.status == "problem" and first.found == "3 ranks ended with status 9; they said: one; prterun: no such thing"
    assert "-n 3 hostname" in first.advice
    assert {"pinning", "shared memory", "limits"} <= {each.check for each in found}  # what may be the reason


SLOW = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"])
open("{pids}.part", "w").write(f"{{os.getpid()}} {{child.pid}}")
os.replace("{pids}.part", "{pids}")
time.sleep(600)
"""


def test_ranks_that_hang_are_ended_with_all_that_they_started(command, one, monkeypatch, tmp_path):
    command(SLOW)
    monkeypatch.setattr(launching, "limit_s", lambda size: 3.0)
    began = time.monotonic()
    found = one(launching.on_ranks(2, "results", []), "ranks")
    assert time.monotonic() - began < 20
    assert found.status == "problem" and found.found == "2 ranks gave no answer within 3.5 s and were ended; they said: nothing"
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 5
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, pids))


def test_nothing_is_started_when_that_is_of_no_use(command, one):
    command("raise SystemExit(open('{pids}', 'w').write('started'))")
    found = one(launching.on_ranks(2, "results", [ok("launcher", "none"), problem("mpiexec", "none", "install one")]), "ranks")
    assert found == problem("ranks", "not started: see mpiexec", "repair that first")


def test_a_problem_elsewhere_does_not_keep_ranks_from_starting(command):
    command("open('{kept}', 'w').write('[]')")
    assert launching.on_ranks(2, "results", [problem("results disk", "full", "make room")]) == []


def test_no_mpiexec(monkeypatch, one):
    def refuse(*_):
        raise ConfigError("--ranks: no mpiexec")

    monkeypatch.setattr(launch, "mpiexec_command", refuse)
    found = one(launching.on_ranks(2, "results", []), "ranks")
    assert (found.status, found.found) == ("problem", "--ranks: no mpiexec")


def test_no_mpiexec_but_srun(program, one):
    program("srun")
    found = one(launching.on_ranks(2, "results", []), "ranks")
    assert found.status == "warning" and "srun --mpi=pmi2 -n 2 gradwire doctor" in found.advice


def test_findings_are_kept_whole(tmp_path):
    launching.keep(tmp_path / "kept", [problem("a", "b", "c")])
    assert json.loads((tmp_path / "kept").read_text()) == [["a", "problem", "b", "c"]]
    assert len(list(tmp_path.iterdir())) == 1
