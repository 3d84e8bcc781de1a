"""A lab's links: token buckets, latency, and the ip and tc commands that make them; what the kernel may lack for it.

tbf's bucket holds one packet and a slack (`Bucket`). netem, which would serialise packets as a wire does, is not in every kernel; it
only adds latency here.
"""

import subprocess
from dataclasses import dataclass

from ..errors import ConfigError

QUEUE_S, QUEUE_BYTES = 0.05, 1 << 18  # what a link holds before it drops: so long, and at least so much

NEEDED = {
    "sysfs": "this container does not let the lab mount /sys: run it as root, or outside the container",
    "bridge": "the kernel has no bridges (CONFIG_BRIDGE); as root: modprobe bridge",
    "veth": "the kernel has no veth pairs (CONFIG_VETH); as root: modprobe veth",
    "tbf": "the kernel has no token bucket (CONFIG_NET_SCH_TBF); as root: modprobe sch_tbf",
    "netem": "the kernel has no netem (CONFIG_NET_SCH_NETEM), which --latency needs; as root: modprobe sch_netem, or do without --latency",
}
"""Kind of device or queue → what to do when it cannot be made."""


@dataclass(frozen=True)
class Bucket:
    """Token buckets of a lab, by times, so that they fit every rate. frame_s: of the largest packet on the link, within what MTUs there
    are; few large packets need few timers. slack_s: for how long a bucket saves tokens beyond one packet; a timer that is later than
    that loses bandwidth, and a deep bucket lets the start of a message through unshaped.
    """

    frame_s: float
    slack_s: float

    def mtu(self, rate):
        """Bytes: from Ethernet's to that of jumbo frames."""
        return max(1500, min(9000, round(rate * self.frame_s / 8)))

    def burst(self, rate):
        """Bytes: one Ethernet frame and the slack."""
        return self.mtu(rate) + 14 + round(rate * self.slack_s / 8)


BUCKETS = (Bucket(12e-6, 12e-6), Bucket(32e-6, 30e-6), Bucket(48e-6, 40e-6), Bucket(72e-6, 60e-6))
"""From the most faithful to the most tolerant of late timers: the first with which the links carry their rates is taken."""


def shape(device, host, rate, burst, latency_s):
    """tbf on a device, below a netem that delays what it gets if there is a latency."""
    limit = max(QUEUE_BYTES, int(rate * QUEUE_S / 8))
    above = ("root", "handle", "2:")
    if latency_s:
        packets = 1000 + int(rate * latency_s / 8 / 64)
        delay = f"{latency_s * 1e6:.0f}us"
        _qdisc(host, device, "root", "handle", "1:", kind="netem", options=("delay", delay, "limit", packets))
        above = ("parent", "1:1", "handle", "2:")
    _qdisc(host, device, *above, kind="tbf", options=("rate", f"{rate:.0f}bit", "burst", burst, "limit", limit))


def _qdisc(host, device, *place, kind, options):
    do("tc", "qdisc", "replace", "dev", device, *place, kind, *options, kind=kind, host=host)


def do(*command, kind=None, host=None):
    """Run ip or tc, inside a host's network if one is given; ConfigError with what `kind` needs if it fails."""
    words = [*(["nsenter", f"--net={host}/ns/net"] if host else []), *map(str, command)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        needed = f": {NEEDED[kind]}" if kind else ""
        raise ConfigError(f"lab: {' '.join(map(str, command))}: {done.stderr.strip() or done.returncode}{needed}")
