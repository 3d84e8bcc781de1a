"""Starting the ranks that doctor looks at, with an end to it whatever happens."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import astuple
from pathlib import Path

from .. import launch
from ..environment import find_mpiexec
from ..errors import ConfigError
from . import facts, mpi, ranks
from .finding import PROBLEM, Finding, problem, warning

GRACE_S = 5.0
BLOCKING = ("kernels", "MPI library", "mpiexec", "Open MPI as root")


def limit_s(size):
    """Seconds after which ranks that have not ended hang."""
    return 45.0 + size


def on_ranks(size, results, known):
    """[Finding] of `mpiexec -n size gradwire doctor`. known: findings so far; with some of them starting ranks is no use."""
    if find_mpiexec() is None and shutil.which("srun"):
        alone = warning(
            "ranks", "not started: there is no mpiexec", "`srun --mpi=pmi2 -n 2 gradwire doctor` looks at them (pmix for Open MPI)"
        )
        return [alone, *ranks.check_facts([facts.collect()])]
    blocked = [finding.check for finding in known if finding.status == PROBLEM and finding.check in BLOCKING]
    if blocked:
        return [problem("ranks", f"not started: see {blocked[0]}", "repair that first"), *ranks.check_facts([facts.collect()])]
    with tempfile.TemporaryDirectory(prefix="gradwire-doctor-", ignore_cleanup_errors=True) as folder:
        kept = Path(folder) / "findings.json"
        try:
            command, environ = launch.mpiexec_command(
                size, ["doctor", "--ranks", str(size), "--results", str(results), "--findings", str(kept)]
            )
        except ConfigError as error:
            return [problem("ranks", str(error), mpi.INSTALL), *ranks.check_facts([facts.collect()])]
        code, said = ended(command, environ, Path(folder) / "said", limit_s(size) + GRACE_S)
        if kept.exists():
            return [Finding(*fields) for fields in json.loads(kept.read_text())]
    how = f"gave no answer within {limit_s(size) + GRACE_S:g} s and were ended" if code is None else f"ended with status {code}"
    last = "; ".join(line.strip() for line in said.splitlines()[-6:] if line.strip())
    advice = f"try `{command[0]} -n {size} hostname`; if that works, `{command[0]} -n {size} gradwire doctor` shows all that the ranks say"
    return [problem("ranks", f"{size} ranks {how}; they said: {last or 'nothing'}", advice), *ranks.check_facts([facts.collect()])]


def ended(command, environ, said, timeout_s):
    """(exit status, or None where it took too long and its process group was killed, what it said)."""
    with open(said, "wb") as into:
        child = subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=into, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                _end(child, number)
    return code, said.read_text(errors="replace")


def _end(child, number):
    """What is left of the group gets the signal and a little time. The first lets mpiexec end ranks in groups of their own."""
    try:
        os.killpg(child.pid, number)
        child.wait(GRACE_S)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        pass


def keep(path, findings):
    """Leave them for `on_ranks`, whole or not at all."""
    part = Path(f"{path}.part-{os.getpid()}")
    part.write_text(json.dumps([astuple(finding) for finding in findings]))
    os.replace(part, path)
