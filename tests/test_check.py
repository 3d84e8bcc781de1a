"""`gradwire check`, and that the conformance suite finds what it is there to find: each rule has a part that breaks it alone."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import gradwire as gw
from gradwire import cli, testing
from gradwire._ext import simd
from gradwire.codecs.keys.raw import Raw
from gradwire.codecs.sketches.exact import Exact
from gradwire.codecs.sketches.kll import KLL
from gradwire.codecs.sparsifiers.randomk import RandomK
from gradwire.codecs.values.natural import NaturalValues


def check(capsys, *arguments):
    code = cli.main(["check", *arguments])
    return code, *capsys.readouterr()


def test_a_name_of_two_kinds_is_both(capsys):
    code, out, _ = check(capsys, "natural")
    assert code == 0 and out.endswith("\n2 of 2 conform\n")
    assert [line for line in out.splitlines() if line and line[0] != " "][:2] == ["codecs: natural", "values: natural"]
    assert out.count("  pass  ") == len(testing.CHECKS[gw.Codec]) + len(testing.CHECKS[gw.ValueCoder])


def test_one_kind_of_them(capsys):
    code, out, _ = check(capsys, "fp16", "--kind", "values")
    assert code == 0 and out.startswith("values: fp16\n  pass  round trip\n") and "codecs" not in out


def test_a_composition_and_a_sketch(capsys):
    assert check(capsys, "topk(k=5)+raw+fp16")[:2] == (0, check(capsys, "topk(k=5)+raw+fp16", "--kind", "codecs")[1])
    assert "sketches: exact" in check(capsys, "exact")[1]


def test_plugins_of_another_distribution(toys, capsys):
    assert check(capsys, "toy", "--kind", "keys")[0] == 0
    code, out, _ = check(capsys, "careless")
    assert code == 1 and out.endswith("\n0 of 1 conform\n")
    assert "  pass  round trip\n" in out
    assert (
        "  FAIL  survive damage: gaussian, damaged, 0 bytes: ValueError: could not broadcast" in out
        and "(gradwire_toy_parts.py, line " in out
    )
    assert "  FAIL  keep their claims: gaussian: the mean is off by " in out
    assert "        the rule: Any payload decodes to finite values, or CorruptMessage" in out
    code, out, _ = check(capsys, "other")
    assert code == 1 and "fresh_nnz 2 became 1" in out and "keeps its claims: gaussian: the mean is off" in out


def test_a_plugin_that_cannot_be_imported(toys, capsys):
    code, out, _ = check(capsys, "missing")
    assert code == 1 and "  FAIL  cannot be made: ModuleNotFoundError: No module named 'gradwire_toy_parts_that_is_not_there'" in out


def test_all_of_a_kind(toys, capsys, monkeypatch):
    monkeypatch.setattr(testing, "CHECKS", {kind: checks[:1] for kind, checks in testing.CHECKS.items()})
    code, out, _ = check(capsys, "--all")
    titles = [line for line in out.splitlines() if ": " in line and line[0] != " "]
    kinds = ("codecs", "keys", "values", "sparsifiers", "sketches")
    assert titles == [f"{kind}: {name}" for kind in kinds for name in gw.names(kind)]
    assert code == 1 and out.endswith(f"\n{len(titles) - 2} of {len(titles)} conform\n")  # missing, and other's fresh_nnz
    code, out, _ = check(capsys, "--all", "--kind", "sketches")
    assert code == 0 and out.count("  pass  ") == len(gw.names("sketches"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "a specification or --all"),
        (["natural", "--all"], "and not both"),
        (["natrual"], "did you mean 'natural'"),
        (["natural", "--kind", "keys"], "unknown keys 'natural'"),
        (["topk(ratio=3)"], "expected 0 < ratio ≤ 1"),
        (["natural(bits=3)"], "expected bits=9 or bits=8"),
        (["topk+exact"], "unknown"),
    ],
)
def test_what_cannot_be_checked(capsys, arguments, says):
    code, out, err = check(capsys, *arguments)
    assert code == 2 and says in err and "pass" not in out


def test_the_command_in_a_process_of_its_own():
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parent / "plugins")}
    done = subprocess.run(
        [sys.executable, "-m", "gradwire", "check", "careless"], env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1 and "FAIL" in done.stdout and not done.stderr


class Hog(Raw):
    """Allocates what nnz says before it looks at the payload."""

    def decode(self, payload, nnz, dim):
        np.empty(nnz, np.uint32)
        return super().decode(payload, nnz, dim)


class LevelKeys(Raw):
    def encode(self, keys, dim):
        return bytes(super().encode(keys, dim)) + simd.level().encode()

    def decode(self, payload, nnz, dim):
        return super().decode(bytes(payload)[: 4 * nnz], nnz, dim)

    def estimate(self, keys, dim):
        return 4 * len(keys) + len(simd.level())


class Aligned(Raw):
    def decode(self, payload, nnz, dim):
        if np.frombuffer(payload, np.uint8).ctypes.data % 4:
            raise ValueError("not aligned")
        return super().decode(payload, nnz, dim)


class HogValues(NaturalValues):
    def decode(self, payload, keys, step, nnz=None):
        np.empty(nnz or 0, np.uint8)
        return super().decode(payload, keys, step, nnz)


class Tighter(NaturalValues):
    def omega(self, dim):
        return 0.05


class Downwards(NaturalValues):
    @property
    def unbiased(self):
        return True

    def omega(self, dim):
        return None


class Writes(NaturalValues):
    def encode(self, values, keys, step):
        values[:1] = 0
        return super().encode(values, keys, step)


class Restless(NaturalValues):
    calls = 0

    def encode(self, values, keys, step):
        Restless.calls += 1
        return super().encode(values, keys, gw.Step(Restless.calls, step.seed, step.rank))


class Unscaled(RandomK):
    def _factor(self, entries, q):
        return 1.0


class OfTheRank(RandomK):
    def shared_keys(self, dim, step):
        return super().shared_keys(dim, gw.Step(step.index, step.seed + step.rank, 0))


@dataclass(frozen=True)
class OfTheLevel(gw.Sparsifier):
    name = "level"

    def sparsify(self, gradient, step):
        return gradient.without_zeros() if simd.level() == "scalar" else gw.Gradient([], gradient.dim, [], fresh_nnz=gradient.fresh_nnz)


class Greedy(Exact):
    def merge(self, other):
        super().merge(other)
        other.update([0.0])
        return self


class Lenient(Exact):
    def merge(self, other):
        return super().merge(other) if isinstance(other, Exact) else self


class Exaggerates(KLL):
    rank_error = 1e-6


@pytest.mark.parametrize(
    ("part", "broken", "says"),
    [
        (Hog(), {"keys_survive_damage"}, "nnz forged to"),
        (LevelKeys(), {"keys_levels_agree"}, "the levels scalar"),
        (Aligned(), {"keys_round_trip"}, "not aligned"),
        (HogValues(), {"values_survive_damage"}, "bytes were allocated"),
        (Tighter(), {"values_keep_their_claims"}, "claims omega 0.05, measured 0.0"),
        (Downwards(rounding="nearest"), {"values_keep_their_claims"}, "the mean is off by"),
        (Writes(), {"values_round_trip", "values_levels_agree", "values_survive_damage", "values_keep_their_claims"}, "read-only"),
        (Restless(), {"values_levels_agree"}, "the same done twice"),
        (Unscaled(ratio=0.5), {"sparsifier_keeps_its_claims"}, "the mean is off by"),
        (OfTheRank(k=20, shared=True), {"sparsifier_shares_keys"}, "another rank has other keys"),
        (OfTheLevel(), {"sparsifier_levels_agree"}, "the levels scalar"),
        (Greedy(), {"sketch_merges", "sketch_answers"}, "merge changed the other sketch"),
        (Lenient(), {"sketch_merges"}, "expected IncompatibleError"),
        (Exaggerates(k=64), {"sketch_answers", "sketch_merges"}, "of rank"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, set | str) else "",
)
def test_each_rule_finds_what_breaks_it(part, broken, says):
    found = testing.failures(part)
    assert found.keys() <= broken and says in str(found), found


def test_a_codec_that_believes_its_header():
    class Believes(gw.Composed):
        def decode(self, message, step):
            np.empty(message.nnz, np.float32)
            return super().decode(message, step)

    found = testing.failures(Believes(None, gw.keys("raw"), gw.values("fp32")))
    assert {"codec_bounds_its_memory"} <= found.keys() <= {"codec_bounds_its_memory", "codec_spec_round_trip"}


def test_a_codec_that_refuses_everything():
    class Refuses(gw.Composed):
        def encode(self, gradient, step):
            raise gw.IncompatibleError("not today")

    assert "every gradient is refused" in str(testing.failures(Refuses(None, gw.keys("raw"), gw.values("fp32"))))
