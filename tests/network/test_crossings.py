"""Crossings worked out by hand: straight lines in the time per byte."""

from dataclasses import replace

import numpy as np
import pytest

from gradwire.network.crossings import Crossing, crossings
from gradwire.network.model import Comparison
from gradwire.report.advise import comparisons


def compared(spec, rate, measured, predicted, ranks=4):
    return Comparison(f"{spec}-r0", spec, "gather_bcast", ranks, rate, "source", measured, predicted)


def line(spec, fixed, per_second, predicted_fixed=None, rates=(1e8, 2e8, 1e9)):
    """Runs whose time is fixed + per_second · 1e8 / rate."""
    predicted_fixed = fixed if predicted_fixed is None else predicted_fixed
    return [compared(spec, rate, *(start + per_second * 1e8 / rate for start in (fixed, predicted_fixed))) for rate in rates]


def test_lines_cross_where_they_are_equal():
    """bf16: 1 + 10 x, natural: 3 + 4 x with x = 100 Mbit/s over the rate: equal at x = 1/3, 300 Mbit/s. Predicted 4 + 4 x: x = 1/2."""
    (found,) = crossings([*line("bf16", 1, 10), *line("natural", 3, 4, 4)])
    assert (found.spec, found.baseline, found.ranks) == ("natural", "bf16", 4)
    assert found.measured_bps == pytest.approx(3e8) and found.predicted_bps == pytest.approx(2e8)
    assert found.error == pytest.approx(-1 / 3)


def test_a_crossing_that_is_not_predicted_is_said():
    (found,) = crossings([*line("bf16", 1, 10), *line("natural", 3, 4, 0)])
    assert found.measured_bps == pytest.approx(3e8) and np.isnan(found.predicted_bps)
    text = comparisons([*line("bf16", 1, 10), *line("natural", 3, 4, 0)], [found])
    assert "300 Mbit/s" in text and "none there" in text


def test_repeats_count_as_their_median():
    runs = [*line("bf16", 1, 10), *line("natural", 3, 4), *line("natural", 3, 4), *line("natural", 90, 4)]
    (found,) = crossings(runs)
    assert found.measured_bps == pytest.approx(3e8)


def test_nothing_crosses_without_a_baseline_another_rate_or_the_same_ranks():
    assert crossings([*line("fastsgd", 1, 10), *line("natural", 3, 4)]) == []
    assert crossings([*line("bf16", 1, 10, rates=(1e9,)), *line("natural", 3, 4)]) == []
    other = [compared("natural", each.rate_bps, each.measured_s, each.predicted_s, ranks=2) for each in line("natural", 3, 4)]
    assert crossings([*line("bf16", 1, 10), *other]) == []
    assert crossings([*line("bf16", 1, 10), *line("natural", 0, 4)]) == []  # faster everywhere


def test_jobs_cross_apart():
    """The same codecs with another model, or with error feedback: neither in one median nor on one line of the table."""
    logistic = [replace(each, job="1", title="logistic on flights") for each in (*line("bf16", 1, 10), *line("natural", 3, 4))]
    svm = [replace(each, job="2", title="svm on flights") for each in (*line("bf16", 1, 10), *line("natural", 2, 4))]
    fed = [replace(each, feedback=True, job="2", title="svm on flights") for each in line("natural", 2.5, 4)]
    found = crossings([*logistic, *svm, *fed])
    assert [each.measured_bps for each in found] == pytest.approx([3e8, 6e8, 4e8])
    assert [each.spec for each in found] == ["natural", "natural", "natural +EF"]
    said = comparisons([*logistic, *svm, *fed], found, ["a note"])
    assert said.count("svm on flights") == 9 + 2 and "natural +EF" in said and "\na note\n" in said


def test_the_table_ends_with_the_median_error():
    found = [Crossing("natural", "bf16", "gather_bcast", 4, 3e8, 3.3e8), Crossing("fastsgd", "bf16", "gather_bcast", 4, 2e8, 1.6e8)]
    text = comparisons(line("bf16", 1, 10), found)
    assert "+10.0%" in text and "-20.0%" in text and "Median error of the break-evens 15.0%" in text


def test_codecs_that_are_even_cross_by_chance():
    assert crossings([*line("bf16", 1, 10), *line("zipml", 1.03, 9.9)]) == []
