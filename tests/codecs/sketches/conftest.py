"""Streams that are hard for quantile sketches, and how far a sketch's answers are from the truth."""

import numpy as np
import pytest


def make_streams(n, seed=0):
    rng = np.random.default_rng(seed)
    i = np.arange(n)
    streams = {
        "random": rng.normal(size=n),
        "sorted": i,
        "reversed": i[::-1],
        "constant": np.full(n, -2.5),
        "heavy tail": np.exp(rng.normal(-9, 2.5, n)) * rng.choice([-1, 1], n),
        "zigzag outwards": np.where(i % 2, i, -i),
        "zigzag inwards": np.where(i % 2, n - i, i - n),
        "organ pipe": np.abs(i - n // 2),
        "few values": rng.integers(0, 7, n),
        "mostly zero": rng.normal(size=n) * (rng.random(n) < 0.1),
        "blocks of new minima": -(i // 1000) * 1000 + i % 1000,
        "subnormal": rng.integers(-1000, 1000, n) * 1.401298464324817e-45,
    }
    return {name: values.astype(np.float32) for name, values in streams.items()}


def rank_errors(sketch, items, fractions):
    """|rank(x) − true| at the items' own quantiles x, as fractions of all."""
    items = np.sort(items)
    asked = items[np.minimum((fractions * len(items)).astype(int), len(items) - 1)]
    return np.abs(sketch.rank(asked) - np.searchsorted(items, asked, side="right") / len(items))


def quantile_errors(sketch, items, fractions):
    """Distance from the wanted rank, the least r with r / n ≥ f or r ≥ f n as rounded, to the ranks that the answer has, over n.

    Only a histogram's answer may be none of the items; its rank is then that of the item before it.
    """
    items = np.sort(items)
    answers = sketch.quantiles(fractions)
    ranks = np.arange(1, len(items) + 1)
    wanted = 1 + np.minimum(np.searchsorted(ranks / len(items), fractions), np.searchsorted(ranks, fractions * len(items)))
    low, high = np.searchsorted(items, answers, side="left") + 1, np.searchsorted(items, answers, side="right")
    assert sketch.name == "histogram" or (high >= low).all(), "an answer is not one of the items"
    low = np.minimum(low, high)
    return np.maximum(np.maximum(low - wanted, wanted - high), 0) / len(items)


@pytest.fixture
def streams():
    return make_streams


@pytest.fixture
def errors():
    """errors(sketch, items) → the largest of both kinds of errors over 201 fractions."""

    fractions = np.linspace(0, 1, 201)

    def largest(sketch, items):
        return max(rank_errors(sketch, items, fractions).max(), quantile_errors(sketch, items, fractions).max())

    return largest


@pytest.fixture
def signed_rank_errors():
    """(sketch, items, fractions) → rank(x) − true at the items' quantiles, for statistics."""

    def signed(rank, items, fractions):
        items = np.sort(items)
        asked = items[(fractions * len(items)).astype(int)]
        return np.array([rank(x) for x in asked.tolist()]) - np.searchsorted(items, asked, side="right") / len(items)

    return signed
