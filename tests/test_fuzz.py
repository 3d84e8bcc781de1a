"""The fuzzing driver: a short run of it over every family, and that it finds, counts and repeats what must not happen."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

import gradwire as gw

HERE = Path(__file__).parent


def fuzz(*arguments, plugins=False):
    environ = os.environ | ({"PYTHONPATH": str(HERE / "plugins")} if plugins else {})
    environ.pop("COVERAGE_PROCESS_CONFIG", None)  # a child that crashes would leave half a coverage file
    done = subprocess.run(
        [sys.executable, str(HERE / "fuzz.py"), *arguments], env=environ, capture_output=True, text=True, timeout=300, check=False
    )
    assert not done.stderr or done.returncode, done.stderr
    return done.returncode, done.stdout


def table(out):
    """{family: (inputs, accepted, refused, other)}"""
    lines = [line.split() for line in out.splitlines()]
    return {words[0]: tuple(map(int, words[1:5])) for words in lines if len(words) == 6 and words[1].isdigit()}


def test_every_family():
    code, out = fuzz("-n", "600", "--seed", "7")
    counts = table(out)
    assert code == 0, out
    assert counts.keys() == {"keys", "values", "codecs", "sparsified", "sketches", "libsvm", "spec", "checkpoint", "npz", "cache"}
    for inputs, accepted, refused, other in counts.values():
        assert (inputs, other) == (600, 0) and accepted + refused == 600 and accepted > 10 and refused > 100


@pytest.mark.parametrize(
    ("family", "spec", "says"),
    [
        ("values", "careless", "careless, input"),
        ("keys", "bad(how=crash)", "ended with -6"),
        ("keys", "bad(how=hog)", "bytes allocated for"),
    ],
)
def test_faults_are_found_counted_and_repeated(family, spec, says):
    code, out = fuzz("-n", "3" if "crash" in spec else "60", "--family", family, "--spec", spec, plugins=True)
    assert code == 1 and says in out
    inputs, accepted, refused, other = table(out)[family]
    assert inputs == accepted + refused + other and other > 0
    number = next(line for line in out.splitlines() if "input " in line).partition("input ")[2].partition(":")[0]
    code, again = fuzz("--family", family, "--spec", spec, "--only", number, plugins=True)
    assert code != 0 and f"input {number} of seed 0" in again


def test_an_input_that_does_not_come_back():
    limits = ("--time-limit", "0.5", "--patience", "8")
    code, out = fuzz("-n", "1", "--family", "keys", "--spec", "bad(how=hang)", *limits, plugins=True)
    assert code == 1 and "input 0: did not come back\n    again: python tests/fuzz.py --family keys --seed 0 --only 0" in out
    assert table(out)["keys"] == (1, 0, 0, 1)


def test_a_run_is_a_function_of_its_seed():
    runs = [table(fuzz("-n", "300", "--family", "keys", "--seed", seed)[1])["keys"][:4] for seed in ("1", "1", "2")]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_usage():
    assert fuzz("--only", "3")[0] == 2
    assert fuzz("--spec", "raw")[0] == 2


def test_a_resealed_message_is_read_to_its_end(monkeypatch):
    """Damage is not stopped at the checksum: what the header says is what the message says."""
    monkeypatch.syspath_prepend(str(HERE))
    import fuzz_families

    message = bytearray(bytes(gw.codec("raw+fp32").encode(gw.Gradient([1.0, 2.0], 9, [3, 4]), gw.Step())))
    message[8] = 7
    with pytest.raises(gw.CorruptMessage, match="checksum"):
        gw.Message.from_bytes(bytes(message))
    assert gw.Message.from_bytes(fuzz_families.resealed(bytes(message))).dim == 7
    changed = {fuzz_families.mutate(random.Random(i), b"0123456789" * 9, b"abcdefghij" * 5) for i in range(200)}
    assert len(changed) > 190
