"""The shaped lab: real MPI over TCP between hosts that are network namespaces of this machine, a token bucket on every link.

    Lab.of(hosts=4, rate="1gbit").run([sys.executable, "-m", "gradwire", "run", "quickstart"])

A lab is one tree of processes in namespaces of its own (network, mounts, processes; and users, where it is not started by root).
None of them has a name outside, so labs cannot collide, and the kernel removes all of it with its first process, lab_hosts.py,
which ends when this process ends, however that happens. Before the command starts, the links are measured (lab_check.py).

It shapes bandwidth, and latency where the kernel has netem. It does not model switches, loss or congestion elsewhere, and the hosts
share this machine's cores: what ranks compute is as slow as they are crowded. MPICH only.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

from ..environment import find_mpiexec
from ..errors import ConfigError, GradwireError
from . import lab_needs
from .units import duration_s, rate_bps, rate_text

MIN_BPS, MAX_BPS = 1e6, 100e9
MAX_HOSTS = 250  # their addresses are one /24


@dataclass(frozen=True)
class Lab:
    """`hosts` hosts behind one switch. rates: bits per second of each host's link, up and down alike; ppn: ranks per host.

    latency_s: added one way between any two hosts; 0 needs no netem. ConfigError if a field is out of its range.
    """

    hosts: int
    rates: tuple[float, ...]
    ppn: int = 1
    latency_s: float = 0.0

    def __post_init__(self):
        if not 2 <= self.hosts <= MAX_HOSTS:
            raise ConfigError(f"lab: expected 2 to {MAX_HOSTS} hosts, got {self.hosts}")
        if len(self.rates) != self.hosts:
            raise ConfigError(f"lab: expected one rate, or one for each of {self.hosts} hosts, got {len(self.rates)}")
        if self.ppn < 1:
            raise ConfigError(f"lab: expected at least 1 rank per host, got {self.ppn}")
        for rate in self.rates:
            if not MIN_BPS <= rate <= MAX_BPS:
                raise ConfigError(f"lab: expected rates from {rate_text(MIN_BPS)} to {rate_text(MAX_BPS)}, got {rate:g} bit/s")
        if not 0 <= self.latency_s <= 1:
            raise ConfigError(f"lab: expected a latency from 0 to 1 s, got {self.latency_s} s")

    @classmethod
    def of(cls, hosts, rate, ppn=1, latency="0ms"):
        """Lab of texts as on the command line: rate "1gbit", or "1gbit,100mbit,…" with one for each host; latency "1ms"."""
        rates = tuple(rate_bps(text) for text in rate.split(","))
        return cls(hosts, rates * hosts if len(rates) == 1 else rates, ppn, duration_s(latency))

    @property
    def ranks(self):
        return self.hosts * self.ppn

    @property
    def name(self):
        """Such as "4x1-1gbit" or "2x2-1gbit-100mbit-1ms": hosts × ranks per host, rates, latency."""
        rates = self.rates if len(set(self.rates)) > 1 else self.rates[:1]
        latency = [f"{self.latency_s * 1e3:g}ms"] if self.latency_s else []
        return "-".join([f"{self.hosts}x{self.ppn}", *map(rate_text, rates), *latency])

    def check(self):
        """ConfigError that names what this machine lacks for a lab, and how to get it. Starts nothing that stays."""
        lab_needs.check(find_mpiexec())

    def run(self, argv, environ=None, say=lambda line: None):
        """Run `mpiexec -n ranks argv…` across the hosts; returns its exit status.

        environ: of the command, default this process's; it is completed by GRADWIRE_NETWORK, GRADWIRE_LINK_RATE_BPS (of the slowest
        link) and GRADWIRE_LAB (JSON: the lab and what was measured of its links). say: gets the lines that tell of the measuring.
        ConfigError if the machine lacks something, GradwireError if the links are not what they should be.
        """
        mpiexec = find_mpiexec()
        unshare = lab_needs.check(mpiexec)
        environ = dict(os.environ if environ is None else environ)
        environ["PATH"] = lab_needs.search_path(environ)
        order = {"lab": self.described(), "argv": list(argv), "mpiexec": mpiexec}
        reports, theirs = os.pipe()
        child = subprocess.Popen(
            [*unshare, sys.executable, "-m", "gradwire.network.lab_hosts", str(theirs)],
            stdin=subprocess.PIPE,
            pass_fds=[theirs],
            env=environ,
            text=True,
            start_new_session=True,  # Ctrl-C reaches this process alone, which then ends the others
        )
        os.close(theirs)
        try:
            with open(reports) as lines:
                # Standard input stays open: its end is how the hosts hear that this process is gone.
                child.stdin.write(json.dumps(order) + "\n")
                child.stdin.flush()
                failure = _listen(lines, say)
            code = child.wait()
        finally:
            child.stdin.close()
            child.wait()
        if failure:
            raise failure
        return code

    def network(self):
        """What environment.network() says inside the lab, but for what is measured."""
        return {"network": "shaped", "link_rate_bps": min(self.rates), "lab": json.dumps(self.described())}

    def described(self):
        """What GRADWIRE_LAB says of the lab itself: a dict that JSON can hold."""
        return {"hosts": self.hosts, "ppn": self.ppn, "rates_bps": list(self.rates), "latency_s": self.latency_s}


def _listen(lines, say):
    """Pass on what lab_hosts reports until it ends; returns the error that it ended with, or None."""
    for line in lines:
        report = json.loads(line)
        if "error" in report:
            return (ConfigError if report["usage"] else GradwireError)(report["error"])
        say(report["say"])
    return None
