"""What ranks compare before they begin; on real ranks it is in tests/faults/test_alike.py."""

from argparse import Namespace

import pytest

from gradwire import IncompatibleError, alike, config, spec

OPTIONS = Namespace(results="results", resume=False, record_gradients=False, record_steps=None)


class World:
    """allgather gives what the ranks would send, in the order of the calls."""

    def __init__(self, *calls):
        self.calls = list(calls)

    def allgather(self, mine):
        return self.calls.pop(0)


def runs(*overrides):
    return config.load("quickstart", ["run.repeats=1", *overrides]).runs()


def problem(*sides, options=(OPTIONS, OPTIONS)):
    facts = [alike._facts(side, of) for side, of in zip(sides, options)]
    return alike.problem(World(facts, [alike._settings(side) for side in sides]), sides[0], options[0])


def test_equal_ranks():
    assert problem(runs(), runs()) is None


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model.l2=0.5"], "model.l2 is 1e-06 on rank 0, 0.5 on rank 1"),
        (["run.local_steps=2"], "run.local_steps is none on rank 0, 2 on rank 1"),
        (["sweep.codec.uplink=['none', 'fp16']"], "number of runs is 8 on rank 0, 2 on rank 1; codec.uplink is none, fp16, bf16, "),
    ],
)
def test_different_runs(overrides, said):
    found = problem(runs(), runs(*overrides))
    assert isinstance(found, IncompatibleError)
    assert str(found).startswith(f"expected the same on all ranks: {said}")


def test_the_order_of_runs_counts():
    found = problem(runs("sweep.codec.uplink=['none', 'fp16']"), runs("sweep.codec.uplink=['fp16', 'none']"))
    assert "codec.uplink is none, fp16 on rank 0, fp16, none on rank 1" in str(found)
    sides = [runs(f"sweep.codec.uplink={first}", f"sweep.run.seed={second}") for first, second in ((["none", "fp16"], [1, 2]),) * 2]
    sides[1] = [sides[1][i] for i in (0, 3, 1, 2)]
    assert "the order of the runs is quickstart/none-" in str(problem(*sides))


def test_different_options():
    other = Namespace(**(vars(OPTIONS) | {"results": "there"}))
    assert str(problem(runs(), runs(), options=(OPTIONS, other))).endswith(": --results is results on rank 0, there on rank 1")


def test_differences():
    everyone = [{"numpy": "2.4"}, {"numpy": "1.26", "plug-in x": "1"}, {"numpy": "2.4"}, {"numpy": "2.4"}]
    assert alike.differences(everyone) == {
        "numpy": "2.4 on ranks 0,2-3, 1.26 on rank 1",
        "plug-in x": "none on ranks 0,2-3, 1 on rank 1",
    }
    assert alike.differences([{"a": "b" * 100}, {"a": "c"}])["a"] == "b" * 59 + "… on rank 0, c on rank 1"


def test_plug_ins_are_compared(toys):
    assert spec.plugin_versions() == {"gradwire-toys": "1.0", "gradwire-toy-parts": "1.0"}
    assert alike._facts([], OPTIONS)["plug-in gradwire-toys"] == "1.0"
