"""Watch: ends a process that hangs, and says where it stood.

A process of its own waits beside the one that is watched. A thread would not do: mpi4py keeps Python's lock while MPI starts, which
is where ranks hang most; nor would a signal, which is heard only when a call returns.
"""

import json
import os
import select
import shutil
import signal
import time
from dataclasses import astuple

from .finding import Finding, problem

ADVICE = (
    "starting MPI: do launcher and library match, are all ranks alive? between ranks: try fewer, then one host, then "
    "UCX_TLS=tcp,self (MPICH) or OMPI_MCA_btl=tcp,self; else look at what is named"
)


class Watch:
    """Kills this process when `seconds` pass inside its block.

    tell(findings): called before that, in the other process, with those that the last `stage` had and one that says where it stood.
    folder: removed by that process when this one has ended or left the block, however that happened; None for none.
    Enter it before MPI starts: that process is forked.
    """

    def __init__(self, seconds, tell, folder=None):
        self.seconds, self.tell, self.folder = seconds, tell, folder

    def __enter__(self):
        read, self.write = os.pipe()
        self.child = os.fork()
        if self.child == 0:
            os.close(self.write)
            try:
                self._wait(read)
            finally:
                if self.folder:
                    shutil.rmtree(self.folder, ignore_errors=True)
                os._exit(0)
        os.close(read)
        return self

    def __exit__(self, *_):
        os.close(self.write)
        os.waitpid(self.child, 0)

    def stage(self, words, findings=()):
        """What comes next, and what was found until now."""
        line = json.dumps([words, [astuple(finding) for finding in findings]])
        os.write(self.write, line.encode() + b"\n")

    def _wait(self, read):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that is watched, whose end closes the pipe
        until, said = time.monotonic() + self.seconds, b""
        while True:
            ready, _, _ = select.select([read], [], [], max(until - time.monotonic(), 0))
            if not ready:
                break
            more = os.read(read, 1 << 16)
            if not more:
                return
            said = (said + more)[-(1 << 20) :]
        try:
            words, findings = json.loads(said.splitlines()[-1]) if said else ("its beginning", [])
            stood = problem("time limit", f"no answer within {self.seconds:g} s; it stood at: {words}", ADVICE)
            self.tell([*(Finding(*fields) for fields in findings), stood])
        finally:
            os.kill(os.getppid(), signal.SIGKILL)
