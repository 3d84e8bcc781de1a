"""A real Slurm on this machine for the tests of this folder: munged, slurmctld and two slurmd, in a temporary folder, stopped at the end.

No system file is touched: keys, sockets, ports, state and logs are its own, so it runs beside a Slurm that the machine may have. Both "nodes",
n0 and n1, are this machine. Skipped, with the reason, where the daemons are missing or the user is not root: slurmd starts ranks as their users.
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NODES = ("n0", "n1")
CONF = """\
ClusterName=gradwire
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
FirstJobId={first_job}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,max_rpc_cnt=0
KillWait=5
MinJobAge=3600
MessageTimeout=30
NodeName=n0 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4 RealMemory=8000
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4 RealMemory=8000
PartitionName=debug Nodes=n0,n1 Default=YES MaxTime=60 State=UP
"""


class Slurm:
    """The running cluster: its folder, and what a user of it types."""

    def __init__(self, folder):
        self.folder, self.daemons = folder, []
        self.environ = {
            name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_", "PMI", "COVERAGE_PROCESS"))
        }
        self.environ |= {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        self.environ |= {"VENV": sys.prefix}

    def start(self):
        for name in ("state", "log", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir()
        # MPICH names its shared memory by job and step, and ranks that were killed leave theirs: numbers must not come again.
        values = {
            "host": socket.gethostname().partition(".")[0],
            "ports": _free_ports(3),
            "first_job": random.SystemRandom().randint(10**3, 10**7),
        }
        (self.folder / "slurm.conf").write_text(CONF.format(folder=self.folder, **values))
        (self.folder / "munge.key").write_bytes(os.urandom(1024))
        (self.folder / "munge.key").chmod(0o600)
        files = {
            "key-file": "munge.key",
            "socket": "munge.socket",
            "pid-file": "munged.pid",
            "log-file": "log/munged.log",
            "seed-file": "munge.seed",
        }
        self._daemon("munged", "munged", "--foreground", "--force", *(f"--{name}={self.folder / file}" for name, file in files.items()))
        self._wait(lambda: (self.folder / "munge.socket").exists(), "munged")
        self._daemon("slurmctld", "slurmctld", "-D")
        for node in NODES:
            self._daemon(f"slurmd-{node}", "slurmd", "-D", "-N", node)
        self._wait(lambda: self.call("sinfo", "-h", "-o", "%T %D", check=False).split() == ["idle", "2"], "the nodes")

    def stop(self):
        """End all jobs, then the daemons, then whatever of theirs is still there."""
        with contextlib.suppress(subprocess.SubprocessError):
            self.call("scancel", "--user=root", check=False)
            self._until(lambda: not self.call("squeue", "-h", check=False).strip(), 20)
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in self.daemons:
            try:
                daemon.wait(15)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        left = self.processes()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return left

    def processes(self):
        """Ids of processes, other than the daemons, that belong to this Slurm: its configuration is in their environment."""
        mark, found = f"SLURM_CONF={self.folder / 'slurm.conf'}".encode(), []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0") and int(entry.name) != os.getpid():
                    found.append(int(entry.name))
        return sorted(set(found) - {daemon.pid for daemon in self.daemons})

    def call(self, *command, check=True, cwd=None, **environ):
        """Standard output of a command; what went wrong is in the exception's text."""
        done = subprocess.run(command, env=self.environ | environ, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def sbatch(self, *words, cwd, **environ):
        """Submit; returns the job's id."""
        return self.call("sbatch", "--parsable", *words, cwd=cwd, **environ).strip().partition(";")[0]

    def job(self, job):
        """What `scontrol show job` says, a dict for each task of an array."""
        lines = self.call("scontrol", "show", "job", "-o", str(job)).splitlines()
        return [dict(word.split("=", 1) for word in line.split(" ") if "=" in word) for line in lines if line]

    def states(self, job):
        return [task["JobState"] for task in self.job(job)]

    def ended(self, job, seconds=90):
        """Wait until every task of the job has ended; returns their states."""
        over = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}
        self._until(lambda: set(self.states(job)) <= over, seconds, lambda: self.logs(job))
        return self.states(job)

    def running(self, job, seconds=30):
        self._until(lambda: "RUNNING" in self.states(job), seconds, lambda: self.logs(job))

    def until(self, condition, seconds=60):
        self._until(condition, seconds)

    def logs(self, job):
        """States and outputs of a job, for a failing test."""
        text = [f"{task['JobId']}: {task['JobState']} {task.get('Reason')} {task.get('ExitCode')}" for task in self.job(job)]
        files = {task.get("StdOut", "").replace("%A", str(job)).replace("%a", task.get("ArrayTaskId", "")) for task in self.job(job)}
        return "\n".join(text + [f"{file}:\n{Path(file).read_text()}" for file in sorted(files) if file and Path(file).is_file()])

    def _daemon(self, name, *command):
        environ = self.environ | {"PATH": f"{self.environ['PATH']}:/usr/sbin:/sbin"}
        with open(self.folder / "log" / f"{name}.out", "wb") as log:
            started = subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.daemons.append(started)

    def _wait(self, condition, what):
        self._until(
            condition,
            30,
            lambda: f"{what} did not come up\n" + "\n".join(file.read_text()[-2000:] for file in self.folder.glob("log/*.out")),
        )

    @staticmethod
    def _until(condition, seconds, explain=lambda: ""):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s\n{explain()}")
            time.sleep(0.1)


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def missing():
    """Why there can be no Slurm here, None if there can."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    absent = [name for name in ("munged", "slurmctld", "slurmd", "sbatch", "srun") if not shutil.which(name, path=path)]
    if absent:
        return f"no {', '.join(absent)}: apt-get install slurm-wlm munge, or make slurm-test as root"
    return None if os.geteuid() == 0 else "a Slurm of one's own needs root"


@pytest.fixture(scope="session")
def slurm():
    reason = missing()
    if reason:
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="gradwire-slurm-"))
    folder.chmod(0o755)
    cluster = Slurm(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        left = cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
    assert not left, f"processes outlived their jobs: {left}"


EXPERIMENT = """\
[data]
name = "libsvm"
train = "{rows}"
test = "{test_rows}"
n_features = 500
zero_based = true
[optimizer]
lr = 0.05
[run]
epochs = 3
batch_size = 40
[sweep]
codec.uplink = ["none", "natural", "topk(ratio=0.1)+natural"]
"""


@pytest.fixture(scope="session")
def prepared(slurm):
    """A small experiment's text, its data prepared in a cache that the cluster's jobs use."""
    files = {"rows": slurm.folder / "train.svm", "test_rows": slurm.folder / "test.svm"}
    for path, numbers in zip(files.values(), (range(600), range(600, 800))):
        lines = (f"{i % 2} " + " ".join(f"{(7 * i + 37 * j) % 100 + 100 * j}:1" for j in range(5)) for i in numbers)
        path.write_text("\n".join(lines) + "\n")
    slurm.environ["GRADWIRE_CACHE"] = str(slurm.folder / "cache")
    experiment = slurm.folder / "trial.toml"
    experiment.write_text(EXPERIMENT.format(**files))
    return experiment


@pytest.fixture
def checkout(slurm, prepared, tmp_path):
    """A folder like the top of a checkout: slurm/ and an experiment trial in experiments/."""
    shutil.copytree(ROOT / "slurm", tmp_path / "slurm")
    (tmp_path / "experiments").mkdir()
    shutil.copy(prepared, tmp_path / "experiments" / "trial.toml")
    return tmp_path


@pytest.fixture(scope="session")
def workstation(slurm, prepared, tmp_path_factory):
    """workstation(ranks, *options) → results folder of `mpiexec -n ranks gradwire run trial.toml options`, without Slurm; each is run once."""
    done = {}

    def run(ranks, *options):
        if (ranks, options) not in done:
            folder = done[ranks, options] = tmp_path_factory.mktemp("workstation")
            slurm.call(
                "mpiexec",
                "-n",
                str(ranks),
                "gradwire",
                "run",
                str(prepared),
                "--results",
                str(folder),
                *options,
                *(() if options else ("--only=0-2",)),
            )  # draws nothing
        return done[ranks, options]

    return run
