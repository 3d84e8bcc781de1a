"""Interruption: SIGTERM and SIGUSR1 ask a run to stop where it can go on from (Slurm's warnings before pre-emption and time limit).

Signals reach the ranks at different moments, if all of them; and all must stop after the same step. So between steps the ranks ask
each other, about once a second: an allreduce of 16 bytes, outside the clock of a step. They agree on how many steps a second are.
A repeated signal changes nothing (launchers deliver some twice); SIGINT and SIGKILL end a run at once.
"""

import signal
from time import perf_counter

import numpy as np

from .errors import Stopped

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
EVERY_S = 0.5


class Interruption:
    """`with` it, signals are noted instead of ending the process. comm: an mpi4py communicator."""

    def __init__(self, comm):
        self.comm, self.noted = comm, 0
        self._every = self._left = 1
        self._asked = perf_counter()

    def __enter__(self):
        self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, kind, error, trace):
        """A rank that has stopped ends with its own status, though srun terminates those that are slower to end than the first one.
        And where all is done, a warning that comes while rank 0 still draws is no reason to die."""
        stopped = kind is not None and issubclass(kind, Stopped)
        ignored = SIGNALS if stopped else (signal.SIGUSR1,) if kind is None else ()
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if number in ignored else handler)

    def _note(self, number, frame):
        self.noted = number

    def after_step(self):
        """The signal that some rank has noted, None while there is none or it is not time to ask. A collective call, after equal steps."""
        self._left -= 1
        return None if self._left else self.agreed()

    def agreed(self):
        """The signal that some rank has noted, None if there is none. A collective call."""
        from mpi4py import MPI

        now = perf_counter()
        words = np.array([self.noted, int((now - self._asked) * 1e6)], np.int64)
        self.comm.Allreduce(MPI.IN_PLACE, words, MPI.MAX)
        noted, microseconds = words.tolist()
        paced = self._every * EVERY_S * 1e6 / max(microseconds, 1)
        self._every = self._left = int(min(max(paced, 1), 2 * self._every, 1 << 20))
        self._asked = now
        return signal.Signals(noted) if noted else None
