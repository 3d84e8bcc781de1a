"""Ranks and launchers that are ended from outside: killed, hung up, interrupted."""

import os
import signal

import pytest


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_rank(launch, rank):
    """The launcher sees it and says so; nobody of gradwire is left to speak."""
    outcome = launch(ranks=3, fault=f"compute:8@{rank}=kill").ended()
    outcome.check("", status=9, rows=1)
    assert outcome.out.count("BAD TERMINATION") == 1 and "Killed (signal 9)" in outcome.out


def test_a_rank_that_leaves_without_a_word(launch):
    launch(fault="compute:12@1=exit").ended().check("", status=(3, 3 | 9), rows=1)


@pytest.mark.parametrize("whole", [True, False], ids=["terminal", "launcher"])
def test_a_terminal_that_closes(launch, whole):
    """SIGHUP to the whole session, or to the launcher alone."""
    started = launch(fault="compute:12@1=sleep")
    started.struck("compute-1")
    (os.killpg if whole else os.kill)(started.process.pid, signal.SIGHUP)
    outcome = started.ended()
    outcome.check("", status=-signal.SIGHUP, rows=1)


def test_a_killed_launcher(launch):
    started = launch(fault="compute:12@1=sleep")
    started.struck("compute-1")
    os.kill(started.process.pid, signal.SIGKILL)
    outcome = started.ended()
    outcome.check("", status=-signal.SIGKILL, rows=1)


def test_interrupted(launch):
    started = launch(fault="compute:12@1=sleep")
    started.struck("compute-1")
    os.killpg(started.process.pid, signal.SIGINT)
    started.ended().check("^gradwire: rank [01]: interrupted$", status=130, rows=1)
