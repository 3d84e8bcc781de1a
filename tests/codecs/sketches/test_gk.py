"""gk: rank error at most ε, always; the compiled core equals a list of tuples in plain Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire._ext import gk as _gk


class Reference:
    """Greenwald–Khanna with batches, as gk.h describes it, on lists of [value, g, delta]."""

    def __init__(self, epsilon):
        self.epsilon, self.n, self.tuples, self.buffer = epsilon, 0, [], []

    def update(self, values):
        for value in values.tolist():
            if len(self.buffer) >= max(_gk.BATCH, 2 * len(self.tuples)):
                self.flush()
            self.buffer.append(value)

    def flush(self):
        batch = [[value, 1, 0] for value in sorted(self.buffer)]
        self.buffer = []
        self.join(batch, len(batch))

    def join(self, other, count):
        self.n += count
        merged = sorted(
            [[*t, 0, i] for i, t in enumerate(self.tuples)] + [[*t, 1, i] for i, t in enumerate(other)], key=lambda t: (t[0], t[3], t[4])
        )
        after = [0, 0]  # g + delta - 1 of the next tuple of either list
        for t in reversed(merged):
            own = t[1] + t[2] - 1
            t[2] += after[1 - t[3]]
            after[t[3]] = own
        limit, kept = int(2 * self.epsilon * self.n), []
        for i, (value, g, delta, _, _) in reversed(list(enumerate(merged))):
            if kept and i > 0 and g + kept[-1][1] + kept[-1][2] <= limit:
                kept[-1][1] += g
            else:
                kept.append([value, g, delta])
        self.tuples = kept[::-1]


def assert_same(sketch, reference):
    if reference.buffer:
        reference.flush()
    values, g, delta = sketch._core.state()
    expected = np.array(reference.tuples).T
    assert np.array_equal(values, expected[0].astype(np.float32))
    assert np.array_equal(g, expected[1].astype(np.int64))
    assert np.array_equal(delta, expected[2].astype(np.int64))


@pytest.mark.parametrize("epsilon", [0.1, 0.001, 1e-5])
def test_core_equals_the_reference(epsilon, streams):
    for name in ("random", "few values", "zigzag inwards"):
        items = streams(45_000)[name]
        sketch, reference = gw.sketch(f"gk(epsilon={epsilon})"), Reference(epsilon)
        for part in np.split(items, [3, 20_000]):
            sketch.update(part)
            reference.update(part)
        assert_same(sketch, reference)


def test_merge_equals_the_reference(streams):
    a, b = streams(20_000)["random"], streams(9_000, seed=1)["few values"]
    sketch, other = gw.sketch("gk(epsilon=0.01)").update(a), gw.sketch("gk(epsilon=0.01)").update(b)
    reference, second = Reference(0.01), Reference(0.01)
    reference.update(a), second.update(b)
    reference.flush(), second.flush()
    sketch.merge(other.prune())
    reference.join(second.tuples, second.n)
    assert_same(sketch, reference)


@pytest.mark.parametrize("epsilon", [0.05, 0.01, 0.001])
def test_error_is_at_most_epsilon(epsilon, streams, errors):
    n = 120_000
    for name, items in streams(n).items():
        sketch = gw.sketch(f"gk(epsilon={epsilon})").update(items)
        assert errors(sketch, items) <= epsilon + 1e-12, name
        _, g, delta = sketch._core.state()
        assert (g + delta).max() <= max(1, 2 * epsilon * n), name
        assert len(sketch) <= 6 / epsilon, name  # far below 11/(2ε) log₂(2εn), the paper's


@pytest.mark.parametrize("parts", [2, 7, 64])
def test_merged_error_is_at_most_epsilon(parts, streams, errors):
    """Chains and trees of merges, of parts that share a range and of parts that do not."""
    epsilon = 0.01
    for name, items in streams(40_000).items():
        sketches = [gw.sketch(f"gk(epsilon={epsilon})").update(part).prune() for part in np.array_split(items, parts)]
        chain = gw.sketch(f"gk(epsilon={epsilon})")
        for sketch in sketches:
            chain.merge(sketch)
        assert errors(chain, items) <= epsilon + 1e-12, name
        while len(sketches) > 1:
            sketches = [sketches[i].merge(sketches[i + 1]) if i + 1 < len(sketches) else sketches[i] for i in range(0, len(sketches), 2)]
        assert errors(sketches[0], items) <= epsilon + 1e-12, name


def test_updates_after_merges_bring_the_size_back(streams):
    items = streams(200_000)["random"]
    merged = gw.sketch("gk(epsilon=0.01)")
    for part in np.array_split(items, 100):
        merged.merge(gw.sketch("gk(epsilon=0.01)").update(part).prune())
    large = len(merged)
    for _ in range(4):
        merged.update(items)
    assert len(merged.prune()) <= min(large, 6 / 0.01)


@settings(max_examples=60, deadline=None)
@given(
    batches=st.lists(st.lists(st.integers(-20, 20), min_size=1, max_size=40), min_size=1, max_size=12),
    epsilon=st.sampled_from([0.5, 0.2, 0.07, 0.01]),
    merging=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_error_is_at_most_epsilon_whatever_the_batches(batches, epsilon, merging):
    sketch, items = gw.sketch(f"gk(epsilon={epsilon})"), np.empty(0, np.float32)
    for batch, merge in zip(batches, merging):
        items = np.append(items, np.array(batch, np.float32))
        if merge:
            sketch.merge(gw.sketch(f"gk(epsilon={epsilon})").update(batch).prune())
        else:
            sketch.update(batch).prune()
        sorted_items, asked = np.sort(items), np.arange(-21, 22, dtype=np.float32)
        true = np.searchsorted(sorted_items, asked, side="right")
        assert (np.abs(sketch.rank(asked) * len(items) - true) <= epsilon * len(items) + 1e-9).all()
        wanted = np.arange(1, len(items) + 1)
        answers = sketch.quantiles(wanted / len(items))
        low, high = np.searchsorted(sorted_items, answers, side="left") + 1, np.searchsorted(sorted_items, answers, side="right")
        assert (np.maximum(low - wanted, wanted - high) <= epsilon * len(items) + 1e-9).all()
