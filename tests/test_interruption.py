"""A signal to any rank stops all of them after the same step."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from gradwire import interruption
from gradwire.interruption import Interruption


@pytest.mark.ranks(1, 3)
@pytest.mark.parametrize("number", interruption.SIGNALS)
def test_all_ranks_hear_of_a_signal_to_the_last_one(comm, number):
    with Interruption(comm) as listening:
        assert listening.agreed() is None
        if comm.rank == comm.size - 1:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)  # launchers deliver some twice
        comm.Barrier()
        steps = 0
        while (heard := listening.after_step()) is None:
            steps += 1
            time.sleep(0.001 * comm.rank)
        assert heard == number
        assert set(comm.allgather(steps)) == {steps}


@pytest.mark.ranks(2)
def test_they_ask_about_once_in_half_a_second(comm, monkeypatch):
    monkeypatch.setattr(interruption, "EVERY_S", 0.05)
    asked, agreed = [], Interruption.agreed
    monkeypatch.setattr(Interruption, "agreed", lambda self: asked.append(time.perf_counter()) or agreed(self))
    with Interruption(comm) as listening:
        for _ in range(400):
            time.sleep(0.001)
            assert listening.after_step() is None
    assert set(comm.allgather(len(asked))) == {len(asked)}
    assert 8 <= len(asked) <= 40, "400 ms of steps, asked about every 50 ms after doubling up to that"
    assert np.median(np.diff(asked)[6:]) > 0.02


def status_of(body):
    """How a process that runs this ends."""
    return subprocess.run([sys.executable, "-c", body], check=False).returncode


def test_handlers_are_put_back():
    from mpi4py import MPI

    before = [signal.getsignal(number) for number in interruption.SIGNALS]
    with pytest.raises(ZeroDivisionError), Interruption(MPI.COMM_SELF):
        assert [signal.getsignal(number) for number in interruption.SIGNALS] != before
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in interruption.SIGNALS] == before


def test_a_warning_of_who_is_done_ends_nothing():
    """The other ranks wait while rank 0 draws; SIGTERM still ends them."""
    body = (
        "from mpi4py import MPI; import os, signal; from gradwire.interruption import Interruption\n"
        "before = signal.getsignal(signal.SIGTERM)\nwith Interruption(MPI.COMM_SELF):\n    pass\n"
        "assert signal.getsignal(signal.SIGTERM) == before\nos.kill(os.getpid(), signal.SIGUSR1)\n"
    )
    assert status_of(body) == 0


def test_who_has_stopped_is_not_terminated_on_its_way_out():
    """srun sends SIGTERM to the ranks that are slower to end than the first one: their status must stay theirs."""
    body = (
        "from mpi4py import MPI; import os, signal; from gradwire.interruption import Interruption; from gradwire.errors import Stopped\n"
        "import atexit; atexit.register(os.kill, os.getpid(), signal.SIGTERM)\n"
        "try:\n    with Interruption(MPI.COMM_SELF):\n        raise Stopped('as asked')\nexcept Stopped:\n    raise SystemExit(75)\n"
    )
    assert status_of(body) == 75


def test_ctrl_c_still_ends_at_once():
    body = (
        "from mpi4py import MPI; import time; from gradwire.interruption import Interruption\n"
        "with Interruption(MPI.COMM_SELF):\n    print('on', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", body], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout.readline() == "on\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) != 0
