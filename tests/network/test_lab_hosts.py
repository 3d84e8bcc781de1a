"""Inside a lab, without one: buckets by hand, the commands for a link, the choice of a bucket, the launcher script, the advice."""

import json
import os
import subprocess
from types import SimpleNamespace

import pytest

from gradwire import ConfigError, GradwireError
from gradwire.network import lab_hosts
from gradwire.network.lab_hosts import ENTER, Hosts
from gradwire.network.lab_links import BUCKETS, Bucket, shape

GOOD = {"sender": 0, "receiver": 1, "latency_s": 20e-6, "small_s": 340e-6, "large_s": 33e-3, "large_nbytes": 4_000_000}
SLOW = GOOD | {"large_s": 60e-3}
FAST = GOOD | {"small_s": 10e-6}


@pytest.fixture
def commands(monkeypatch):
    """Commands that lab_hosts would have run, as strings; they succeed unless one of `commands.broken` is in them."""
    done = SimpleNamespace(all=[], broken=())

    def run(words, **options):
        line = " ".join(words)
        done.all.append(line)
        failed = any(word in line for word in done.broken)
        return SimpleNamespace(returncode=int(failed), stderr="Error: Specified qdisc kind is unknown.\n" if failed else "")

    monkeypatch.setattr(lab_hosts.subprocess, "run", run)
    return done


@pytest.fixture
def hosts(monkeypatch):
    """Hosts with two 1 Gbit/s links whose check gives what is in `hosts.results`, one entry for each bucket."""
    made = object.__new__(Hosts)
    made.mpiexec, made.ppn, made.rates, made.latency_s, made.processes = "mpiexec", 1, [1e9, 1e9], 0, ["/proc/7", "/proc/8"]
    made.results, made.shaped = [], []
    monkeypatch.setattr(made, "shape", made.shaped.append)
    monkeypatch.setattr(
        made, "run", lambda *_, **__: SimpleNamespace(returncode=0, stdout="noise\n" + json.dumps([made.results.pop(0)]) + "\n")
    )
    return made


@pytest.mark.parametrize(
    ("bucket", "rate", "mtu", "burst"),
    [
        (Bucket(12e-6, 12e-6), 1e9, 1500, 1514 + 1500),
        (Bucket(32e-6, 30e-6), 1e9, 4000, 4014 + 3750),
        (Bucket(32e-6, 30e-6), 1e8, 1500, 1514 + 375),
        (Bucket(72e-6, 60e-6), 1e10, 9000, 9014 + 75_000),
    ],
)
def test_a_bucket_holds_a_frame_and_its_slack(bucket, rate, mtu, burst):
    assert (bucket.mtu(rate), bucket.burst(rate)) == (mtu, burst)


@pytest.mark.parametrize("rate", [1e6, 1e8, 1e9, 1e10])
def test_buckets_get_deeper(rate):
    bursts = [bucket.burst(rate) for bucket in BUCKETS]
    assert bursts == sorted(set(bursts))


def test_both_ends_of_a_link_are_shaped(commands):
    made = object.__new__(Hosts)
    made.rates, made.latency_s, made.processes = [1e8], 0, ["/proc/7"]
    made.shape(Bucket(12e-6, 100e-6))
    queue = "tbf rate 100000000bit burst 2764 limit 625000"
    assert commands.all == [
        "ip link set to0 mtu 1500",
        f"tc qdisc replace dev to0 root handle 2: {queue}",
        "nsenter --net=/proc/7/ns/net ip link set eth0 mtu 1500",
        f"nsenter --net=/proc/7/ns/net tc qdisc replace dev eth0 root handle 2: {queue}",
    ]


def test_latency_is_added_once_on_the_way_up(commands):
    made = object.__new__(Hosts)
    made.rates, made.latency_s, made.processes = [1e9], 2e-3, ["/proc/7"]
    made.shape(BUCKETS[0])
    delays = [line for line in commands.all if "netem" in line]
    assert delays == ["nsenter --net=/proc/7/ns/net tc qdisc replace dev eth0 root handle 1: netem delay 2000us limit 4906"]
    assert commands.all[-1].startswith("nsenter --net=/proc/7/ns/net tc qdisc replace dev eth0 parent 1:1 handle 2: tbf rate 1000000000bit")


@pytest.mark.parametrize(("kind", "advice"), [("tbf", "modprobe sch_tbf"), ("netem", "do without --latency")])
def test_what_the_kernel_lacks_is_named(commands, kind, advice):
    commands.broken = (kind,)
    with pytest.raises(ConfigError, match=f"Specified qdisc kind is unknown.: the kernel has no .*{advice}"):
        shape("eth0", None, 1e9, 3000, 1e-3)


def test_the_first_bucket_that_does_is_taken(hosts):
    hosts.results = [SLOW, FAST, GOOD]
    said = []
    measured, bucket, rejected = hosts.checked(said.append)
    assert bucket == BUCKETS[2] and hosts.shaped == list(BUCKETS[:3])
    assert [one.large_s for one in measured] == [33e-3] and len(said) == 1
    recorded = json.loads(hosts.environ(measured, bucket, rejected)["GRADWIRE_LAB"])
    assert [finding.partition(" from")[0] for finding in recorded["rejected"]] == [
        "messages of 4,000,000 bytes",
        "messages of 40,000 bytes",
    ]
    assert recorded["bucket"] == {"frame_s": 48e-6, "slack_s": 40e-6}
    assert recorded["measured"][0]["large_bps"] == pytest.approx(4e6 * 8 / 33e-3)


def test_links_that_are_too_fast_with_the_smallest_bucket_were_not_used(hosts):
    hosts.results = [FAST] * len(BUCKETS)
    with pytest.raises(
        GradwireError, match=r"at 3.2e\+04 Mbit/s, the link has 1000: the ranks did not use the shaped link. Look at .*UCX_TLS="
    ):
        hosts.checked(print)


def test_links_that_are_too_slow_mean_a_busy_machine(hosts):
    hosts.results = [SLOW, SLOW, SLOW, FAST]
    with pytest.raises(
        GradwireError, match=r"4,000,000 bytes from host 0 to host 1 went at 533.3 Mbit/s, .*this machine cannot carry that rate"
    ):
        hosts.checked(print)


def test_ranks_that_cannot_talk(hosts, monkeypatch):
    monkeypatch.setattr(hosts, "run", lambda *_, **__: SimpleNamespace(returncode=255, stdout=""))
    with pytest.raises(GradwireError, match="cannot talk over the hosts' links: mpiexec ended with status 255. Look at .*UCX_TLS="):
        hosts.checked(print)

    def hang(*_, timeout, **__):
        raise subprocess.TimeoutExpired("mpiexec", timeout)

    monkeypatch.setattr(hosts, "run", hang)
    with pytest.raises(GradwireError, match="cannot talk over the hosts' links: they have not answered for 100 s"):
        hosts.checked(print)


def test_the_launcher_enters_the_host_that_it_is_given(tmp_path):
    stub = tmp_path / "nsenter"
    stub.write_text('#!/bin/sh\necho "$1 $2"\nshift 3\nexec "$@"\n')
    stub.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "GRADWIRE_LAB_HOST_h1": "/proc/42"}
    words = [ENTER, "-x", "h1", "printf", "'%s|'", '"two words"', "three"]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "--net=/proc/42/ns/net --mount=/proc/42/ns/mnt\ntwo words|three|"
    done = subprocess.run([ENTER, "h2", "true"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no host h2" in done.stderr
