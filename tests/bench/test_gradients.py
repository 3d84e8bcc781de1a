"""The benchmark's rows and its interval; not its speed."""

import sys

import numpy as np
import pytest

from gradwire.bench import gradients

FIELDS = {"what", "median", "unit", "low", "high", "n", "baseline"}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(gradients, "DIMS", (500, 5000))
    monkeypatch.setattr(gradients, "DIM_ROWS", 300)
    monkeypatch.setattr(gradients, "FLIGHTS_ROWS", 400)


def test_rows():
    rows = gradients.benchmark_gradient(batch=20, repeats=12)
    assert [row["unit"] for row in rows] == ["M nonzeros/s", "M nonzeros/s", "×", "×"]
    for row in rows:
        assert set(row) == FIELDS and row["n"] == 12 and 0 < row["low"] <= row["median"] <= row["high"]
    assert rows[2]["baseline"] == rows[1]["what"] and rows[3]["baseline"] == "dim 5e+02"


def test_given_data_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    data = gradients.one_hot(30, 3, 90)
    throughput, dims = gradients.benchmark_gradient(data, batch=1000, repeats=6)
    assert "dim 90" in throughput["what"] and dims["unit"] == "×"


def test_one_hot_rows_are_sorted_and_stay_in_their_fields():
    data = gradients.one_hot(1000, 4, 402, skew=2)
    keys = data.indices.reshape(1000, 4).astype(int)
    assert (keys // 100 == np.arange(4)).all() and len(data.indptr) == 1001 and data.indptr[-1] == len(data.indices)
    assert (keys[:, 0] < 25).mean() == pytest.approx(0.5, abs=0.06)  # ⌊100·u²⌋ < 25 for u < 1/2


@pytest.mark.parametrize("n, low, high", [(1, 0, 0), (5, 0, 4), (6, 0, 5), (9, 1, 7), (100, 39, 60), (200, 85, 114)])
def test_median_interval_is_the_table_of_order_statistics(n, low, high):
    samples = np.random.default_rng(n).permutation(n).astype(float)
    assert gradients.median_interval(samples) == ((n - 1) / 2, low, high)


def test_median_interval_covers_the_median_95_times_in_100():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        _, low, high = gradients.median_interval(rng.exponential(size=25))
        covered += low <= np.log(2) <= high
    assert covered / 2000 >= 0.94
