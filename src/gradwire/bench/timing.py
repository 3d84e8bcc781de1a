"""The clock of the micro-benchmarks: contenders take turns, inputs rotate, and a memcpy of the same input runs beside them.

A speed is a sample per call; medians come with a nonparametric 95% interval. The first call for each input is not timed.
"""

import math
import time

import numpy as np


def measure(calls, copies, repeats, limit_s=2.0):
    """name → seconds of each call. calls: name → (number of the copy → anything). At least 5 rounds, at most `repeats`, and no
    new one after limit_s seconds."""
    for i in range(copies):
        for call in calls.values():
            call(i)
    seconds = {name: [] for name in calls}
    began = time.perf_counter()
    for i in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call(i % copies)
            seconds[name].append(time.perf_counter() - start)
        if i >= 4 and time.perf_counter() - began > limit_s:
            break
    return seconds


def median_interval(samples):
    """(median, low, high): order statistics that hold the median with ≥ 95% confidence; all samples' range below 6 samples."""
    ordered = sorted(samples)
    n, k, tail = len(ordered), 0, 0.5 ** len(ordered)
    while tail <= 0.025 and k < n // 2:  # tail = P(at most k of n samples lie below the median)
        k += 1
        tail += math.comb(n, k) * 0.5**n
    k = max(k - 1, 0)
    return float(np.median(ordered)), float(ordered[k]), float(ordered[n - 1 - k])


def memcpy(arrays):
    """Number of the copy → a copy of that array into memory that was written before."""
    into = np.zeros(max(len(array) for array in arrays), arrays[0].dtype)
    return lambda i: np.copyto(into[: len(arrays[i])], arrays[i])


def speeds(seconds, elements, name):
    """Columns of one direction: M elements/s (median, low, high) and the ratio to memcpy's, round by round."""
    copies = len(elements)
    rates = [elements[i % copies] / s / 1e6 for i, s in enumerate(seconds[name])]
    ratio = [c / s for c, s in zip(seconds["memcpy"], seconds[name])]
    median, low, high = median_interval(rates)
    return {
        f"{name}_m_per_s": median,
        f"{name}_m_per_s_low": low,
        f"{name}_m_per_s_high": high,
        f"{name}_per_memcpy": median_interval(ratio)[0],
    }
