"""The lab from outside: names and ranges, and labs that run where this machine has namespaces, ip and tc."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gradwire import ConfigError, GradwireError
from gradwire.network import lab as lab_module
from gradwire.network.lab import Lab
from gradwire.network.units import rate_bps, rate_text

TOKEN = "GRADWIRE_TEST_TOKEN"
# Each rank writes its own file: lines of several ranks on one standard output may run into each other.
SHOW = """
import json, os, pathlib, sys
mine = {name: value for name, value in os.environ.items() if name.startswith("GRADWIRE_")}
pathlib.Path(sys.argv[1], os.environ["PMI_RANK"]).write_text(json.dumps(mine))
"""


@pytest.fixture(scope="session")
def can_run():
    """Skips where there can be no lab."""
    try:
        Lab.of(2, "10mbit").check()
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.fixture
def token():
    """A word in the environment of all that a test's lab starts. At the end of the test none of it may be left."""
    word = str(uuid.uuid4())
    yield word
    assert vanished(word)


def processes(word):
    """Process ids that have the word in their environment, this process aside."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{TOKEN}={word}".encode() in (folder / "environ").read_bytes() and int(folder.name) != os.getpid():
                found.add(int(folder.name))
        except OSError:
            continue  # ended in between, or another user's
    return found


def vanished(word, limit_s=10):
    """Whether nothing with the word in its environment is left, at once or soon."""
    until = time.monotonic() + limit_s
    while processes(word) and time.monotonic() < until:
        time.sleep(0.05)
    return not processes(word)


def run(lab, word, *argv, **environ):
    """(exit status, lines of standard output of the ranks, lines said) of a command in a lab, in a process of its own."""
    code = "import sys; from gradwire.network.lab import Lab; l = Lab.of(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4])\n"
    code += "sys.exit(l.run(sys.argv[5:], say=lambda line: sys.stderr.write(line + '\\n')))"
    command = [sys.executable, "-c", code, *map(str, lab), *argv]
    done = subprocess.run(command, env=os.environ | {TOKEN: word} | environ, capture_output=True, text=True, timeout=200, check=False)
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


@pytest.mark.parametrize(
    ("text", "bps", "name"),
    [
        ("1gbit", 1e9, "1gbit"),
        ("100Mbit", 1e8, "100mbit"),
        ("2.5gbit/s", 2.5e9, "2.5gbit"),
        ("1000mbit", 1e9, "1gbit"),
    ],
)
def test_rates(text, bps, name):
    assert (rate_bps(text), rate_text(bps)) == (bps, name)
    assert rate_bps(rate_text(bps)) == bps


@pytest.mark.parametrize("text", ["", "fast", "1", "-1gbit", "1500kbps", "1gbit,", "nan mbit"])
def test_rates_that_are_none(text):
    with pytest.raises(ConfigError, match="expected a rate such as 100mbit or 1gbit"):
        Lab.of(2, text)


def test_latencies():
    assert [Lab.of(2, "1gbit", latency=text).latency_s for text in ("1ms", "250us", "0.01s", "0ms")] == [1e-3, 250e-6, 0.01, 0]
    with pytest.raises(ConfigError, match="expected a time such as 50us or 5ms, got '1'"):
        Lab.of(2, "1gbit", latency="1")


def test_one_rate_is_for_all_hosts():
    assert Lab.of(3, "100mbit") == Lab(3, (1e8, 1e8, 1e8))
    assert Lab.of(2, "1gbit,100mbit", ppn=2).rates == (1e9, 1e8)
    assert Lab.of(2, "1gbit,100mbit", ppn=2).ranks == 4


def test_names_tell_labs_apart():
    labs = [Lab.of(4, "1gbit"), Lab.of(4, "1gbit", ppn=2), Lab.of(2, "1gbit,100mbit"), Lab.of(2, "2.5gbit", latency="1ms")]
    assert [lab.name for lab in labs] == ["4x1-1gbit", "4x2-1gbit", "2x1-1gbit-100mbit", "2x1-2.5gbit-1ms"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((1, "1gbit"), "expected 2 to 250 hosts, got 1"),
        ((251, "1gbit"), "expected 2 to 250 hosts, got 251"),
        ((4, "1gbit,2gbit"), "expected one rate, or one for each of 4 hosts, got 2"),
        ((2, "1gbit", 0), "expected at least 1 rank per host, got 0"),
        ((2, "999kbit"), r"expected rates from 1mbit to 100gbit, got 999000 bit/s"),
        ((2, "101gbit"), r"expected rates from 1mbit to 100gbit"),
        ((2, "1gbit", 1, "2s"), r"expected a latency from 0 to 1 s, got 2"),
    ],
)
def test_labs_that_cannot_be(fields, message):
    with pytest.raises(ConfigError, match=message):
        Lab.of(*fields)


def test_reports_become_lines_and_errors():
    said = []
    reports = [{"say": "one"}, {"say": "two"}]
    assert lab_module._listen(map(json.dumps, reports), said.append) is None and said == ["one", "two"]
    for usage, kind in ((True, ConfigError), (False, GradwireError)):
        error = lab_module._listen([json.dumps({"error": "why", "usage": usage})], said.append)
        assert type(error) is kind and str(error) == "why"


def shown(folder):
    """{rank: its GRADWIRE_ environment} of what SHOW wrote."""
    return {path.name: json.loads(path.read_text()) for path in folder.iterdir()}


def test_ranks_know_their_network(can_run, token, tmp_path):
    code, _, said = run((2, "20mbit,10mbit", 2, "0ms"), token, sys.executable, "-c", SHOW, str(tmp_path))
    ranks = shown(tmp_path)
    assert code == 0 and sorted(ranks) == ["0", "1", "2", "3"]
    environ = ranks["3"]
    assert (environ["GRADWIRE_NETWORK"], float(environ["GRADWIRE_LINK_RATE_BPS"])) == ("shaped", 1e7)
    recorded = json.loads(environ["GRADWIRE_LAB"])
    assert (recorded["hosts"], recorded["ppn"], recorded["rates_bps"], recorded["latency_s"]) == (2, 2, [2e7, 1e7], 0)
    (pair,) = recorded["measured"]
    assert 0.84e7 < pair["small_bps"] <= 1e7 and 0.84e7 < pair["large_bps"] <= 1e7
    assert said == [line for line in said if "host 0 to host 1, 10 Mbit/s: 40 KB after a pause at" in line] and len(said) == 1


def test_the_hosts_are_alone_with_their_link(can_run, token):
    """A host has its own end of one link and the loopback; nothing of this machine's network."""
    before = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout
    code, out, _ = run((2, "20mbit", 1, "0ms"), token, "sh", "-c", "echo $(ls /sys/class/net) $(ip -brief -4 address show dev eth0)")
    assert code == 0
    assert sorted(line.split()[0:2] + line.split()[-1:] for line in out) == [["eth0", "lo", f"10.77.0.{n}/24"] for n in (1, 2)]
    assert subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout == before


def test_the_exit_status_is_the_commands(can_run, token):
    assert run((2, "20mbit", 1, "0ms"), token, "sh", "-c", "exit 7")[0] == 7


def test_a_link_that_is_not_shaped_is_found_out(can_run, token, tmp_path):
    """A tc that does nothing: the lab must not call this 10 Mbit/s."""
    (tmp_path / "tc").write_text("#!/bin/sh\n")
    (tmp_path / "tc").chmod(0o755)
    code, _, err = run((2, "10mbit", 1, "0ms"), token, "true", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert code == 1 and re.search(
        "GradwireError: lab: messages of .*, the link has 10: the ranks did not use the shaped link. Look at", err[-1]
    )
    assert "UCX_TLS=tcp,self" in err[-1]


def test_latency_needs_netem(can_run, token, tmp_path):
    code, _, err = run((2, "10mbit", 1, "5ms"), token, sys.executable, "-c", SHOW, str(tmp_path))
    if code:
        assert "ConfigError" in err[-1] and "the kernel has no netem (CONFIG_NET_SCH_NETEM), which --latency needs" in err[-1]
    else:
        (pair,) = json.loads(shown(tmp_path)["0"]["GRADWIRE_LAB"])["measured"]
        assert 4.5e-3 < pair["latency_s"] < 10e-3


def test_two_labs_at_once(can_run, token, tmp_path):
    def one(rate):
        (tmp_path / rate).mkdir()
        code, _, err = run((2, rate, 1, "0ms"), token, sys.executable, "-c", SHOW, str(tmp_path / rate))
        assert code == 0, err
        return {float(environ["GRADWIRE_LINK_RATE_BPS"]) for environ in shown(tmp_path / rate).values()}

    with ThreadPoolExecutor() as pool:
        assert list(pool.map(one, ("10mbit", "20mbit"))) == [{1e7}, {2e7}]


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGKILL", "SIGKILL of the first process inside", "SIGKILL of mpiexec"])
def test_nothing_is_left_however_it_ends(can_run, token, tmp_path, how):
    code = "from gradwire.network.lab import Lab; import sys; sys.exit(Lab.of(2, '20mbit').run(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "sh", "-c", f"touch {tmp_path}/$PMI_RANK; exec sleep 1000"]
    process = subprocess.Popen(command, env=os.environ | {TOKEN: token}, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) < 2:
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.05)
        assert len(processes(token)) >= 8  # unshare, the first process, two hosts, mpiexec, two proxies, two ranks
        name, _, whom = how.partition(" of ")
        os.kill(pid_of(whom, token) if whom else process.pid, getattr(signal, name))
        assert process.wait(timeout=20) != 0
        assert vanished(token)
    finally:
        process.kill()


def pid_of(whom, word):
    """The process with this word in its environment whose command line is that of the first process inside, or of mpiexec."""
    part = "gradwire.network.lab_hosts" if "inside" in whom else "/mpiexec"
    lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0") for pid in processes(word)}
    (found,) = [pid for pid, line in lines.items() if (part in line or line[0].endswith(part)) and "unshare" not in line[0]]
    return found
