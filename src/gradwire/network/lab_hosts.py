"""The inside of a lab: the first process of its namespaces. Makes the hosts, checks their links, runs the command under mpiexec.

lab.py starts it as `unshare … python -m gradwire.network.lab_hosts FD` with one line of JSON on standard input, which then stays
open for as long as lab.py's process lives. At its end this process ends too, and as it is the first of its process namespace,
the kernel ends all others in it and then removes networks, mounts and links. What it has to say goes to FD as lines of JSON.
Each host is a process that sleeps in a network and a mount namespace of its own, the latter for a /sys that shows the host's devices.
"""

import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from ..errors import ConfigError, GradwireError
from .lab_check import Measured, judge
from .lab_links import BUCKETS, NEEDED, do, shape

BRIDGE = "br0"
SUBNET = "10.77.0"  # seen by nobody else: the lab's network has no way out
ENTER = Path(__file__).with_name("lab_enter.sh")
HOST = "mount -t sysfs none /sys && ip link set lo up && read process rest </proc/self/stat && echo $process && exec sleep infinity"
UCX = {"UCX_TLS": "tcp,self", "UCX_NET_DEVICES": "eth0"}
OFI = {"FI_PROVIDER": "tcp", "FI_TCP_IFACE": "eth0"}


def main(report):
    """Run what standard input says; returns the exit status of the command."""
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        hosts = Hosts(order["mpiexec"], **order["lab"])
        measured, bucket, rejected = hosts.checked(lambda line: _tell(report, say=line))
        return hosts.run(order["argv"], hosts.ppn, hosts.environ(measured, bucket, rejected)).returncode % 256
    except (GradwireError, OSError) as error:
        _tell(report, error=str(error), usage=isinstance(error, ConfigError))
        return 1


class Hosts:
    """Hosts, links and a switch; the fields are those of lab.Lab."""

    def __init__(self, mpiexec, hosts, ppn, rates_bps, latency_s):
        self.mpiexec, self.ppn, self.rates, self.latency_s = mpiexec, ppn, rates_bps, latency_s
        do("ip", "link", "set", "lo", "up")
        do("ip", "link", "add", BRIDGE, "type", "bridge", kind="bridge")
        do("ip", "address", "add", f"{SUBNET}.254/24", "dev", BRIDGE)
        do("ip", "link", "set", BRIDGE, "up")
        self.processes = [self._host(number) for number in range(hosts)]

    def _host(self, number):
        """Make a host and plug it into the switch; returns the /proc folder of the process that holds it."""
        child = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", HOST], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        process = child.stdout.readline().strip()
        if not process:
            raise ConfigError(f"lab: {NEEDED['sysfs']}")
        folder = f"/proc/{process}"
        peer = ("type", "veth", "peer", "name", "eth0", "netns", f"{folder}/ns/net")
        do("ip", "link", "add", f"to{number}", *peer, kind="veth")
        do("ip", "link", "set", f"to{number}", "master", BRIDGE, "up")
        do("ip", "address", "add", f"{SUBNET}.{number + 1}/24", "dev", "eth0", host=folder)
        do("ip", "link", "set", "eth0", "up", host=folder)
        return folder

    def shape(self, bucket):
        """Put token buckets of this kind on both ends of every link, and the latency on its upper one."""
        for number, (folder, rate) in enumerate(zip(self.processes, self.rates)):
            for device, host in ((f"to{number}", None), ("eth0", folder)):
                do("ip", "link", "set", device, "mtu", bucket.mtu(rate), host=host)
                shape(device, host, rate, bucket.burst(rate), self.latency_s if host else 0)

    def checked(self, say):
        """([Measured], the Bucket, findings against those before it): the first kind with which all links carry what they should."""
        verdicts = []
        for bucket in BUCKETS:
            self.shape(bucket)
            measured = self._measure()
            verdict, finding = judge(measured, self.rates, self.latency_s)
            if verdict == "ok":
                for one in measured:
                    say(one.text(self.rates))
                return measured, bucket, [finding for _, finding in verdicts]
            verdicts.append((verdict, finding))
        raise GradwireError(f"lab: {_advice(verdicts)}")

    def _measure(self):
        """[Measured], from one rank on each host; GradwireError if these cannot talk."""
        words = [sys.executable, "-m", "mpi4py", "-m", "gradwire.network.lab_check", json.dumps(self.rates)]
        limit_s = 60 + 20 * len(self.processes)
        try:
            done = self.run(words, 1, stdout=subprocess.PIPE, timeout=limit_s)
            failure = f"mpiexec ended with status {done.returncode}" if done.returncode else None
        except subprocess.TimeoutExpired:
            failure = f"they have not answered for {limit_s} s"
        if failure:
            raise GradwireError(f"lab: the ranks cannot talk over the hosts' links: {failure}. {_settings()}")
        return [Measured(**one) for one in json.loads(done.stdout.splitlines()[-1])]

    def run(self, argv, ppn, environ=None, **options):
        """The CompletedProcess of mpiexec with `ppn` ranks of argv on each host."""
        names = {f"h{number}": folder for number, folder in enumerate(self.processes)}
        environ = UCX | OFI | (environ or dict(os.environ)) | {f"GRADWIRE_LAB_HOST_{name}": folder for name, folder in names.items()}
        command = [self.mpiexec, "-iface", BRIDGE, "-launcher", "ssh", "-launcher-exec", str(ENTER), "-hosts", ",".join(names)]
        command += ["-ppn", str(ppn), "-n", str(ppn * len(names)), *argv]
        return subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, text=True, check=False, **options)

    def environ(self, measured, bucket, rejected):
        """The environment of the command: what environment.py records with a run."""
        lab = {"hosts": len(self.processes), "ppn": self.ppn, "rates_bps": self.rates, "latency_s": self.latency_s}
        lab |= {"bucket": asdict(bucket), "rejected": rejected, "measured": [one.described() for one in measured]}
        shaped = {"GRADWIRE_NETWORK": "shaped", "GRADWIRE_LINK_RATE_BPS": str(min(self.rates)), "GRADWIRE_LAB": json.dumps(lab)}
        return dict(os.environ) | shaped


def _advice(verdicts):
    """What to do, from the (verdict, finding) of each kind of bucket."""
    if verdicts[0][0] == "above":
        return f"{verdicts[0][1]}: the ranks did not use the shaped link. {_settings()}"
    finding = next(finding for verdict, finding in reversed(verdicts) if verdict == "below")
    return f"{finding}: this machine cannot carry that rate now. Choose a lower --rate, or wait until its cores are less busy"


def _settings():
    """What keeps MPI on the links, as it is here."""
    found = ", ".join(f"{name}={os.environ.get(name, value)}" for name, value in (UCX | OFI).items())
    return f"Look at what keeps MPI on the links: {found}, and at MPI's own MPIR_CVAR_…; the lab chooses those that you do not set"


def _tell(report, **message):
    report.write(json.dumps(message) + "\n")
    report.flush()


def _end_with_parent():
    """Wait until lab.py's process has ended, then end. Nothing needs to be tidied: the kernel does it."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    with open(int(sys.argv[1]), "w") as report:
        status = main(report)
    sys.exit(status)
