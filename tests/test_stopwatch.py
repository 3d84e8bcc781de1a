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
