import time

import pytest

from gradwire.stopwatch import PHASES, Stopwatch


def test_phases_sum_to_the_step():
    watch = Stopwatch()
    with watch.step():
        with watch("compute"):
            time.sleep(0.01)
        with watch("wait"):
            time.sleep(0.02)
        with watch("transfer"):
            time.sleep(0.005)
        time.sleep(0.003)
    phases = watch.phases()
    assert tuple(phases["wall"]) == PHASES
    for clock in ("wall", "cpu"):
        assert sum(phases[clock].values()) == pytest.approx(getattr(watch, clock)["step"], abs=1e-12)
    wall = phases["wall"]
    assert wall["compute"] >= 0.01 and wall["comm"] >= 0.025 and wall["other"] >= 0.003
    assert wall["encode"] == wall["decode"] == wall["update"] == 0
    assert phases["cpu"]["comm"] < 0.01


def test_reset_forgets():
    watch = Stopwatch()
    with watch.step(), watch("encode"):
        pass
    watch.reset()
    assert set(watch.phases()["wall"].values()) == {0.0}


def test_where_the_rank_is():
    watch = Stopwatch()
    assert (watch.part, watch.at) == (None, None)
    with watch.step(2, 7):
        began = watch.since
        assert (watch.part, watch.at) == ("other", (2, 7))
        with watch("encode"):
            assert watch.part == "encode" and watch.since > began
        assert watch.part == "other" and watch.since > began
    assert (watch.part, watch.at) == (None, (2, 7)) and 0 < watch.longest_s == watch.wall["step"]
    with watch.step(2, 8):
        pass
    assert watch.longest_s >= watch.wall["step"] - watch.longest_s
    watch.note("meeting")
    assert watch.part == "meeting"
    with pytest.raises(ZeroDivisionError), watch.step(2, 9):
        raise ZeroDivisionError
    assert (watch.part, watch.at) == ("other", (2, 9))  # where it was left
