"""topk: equal to a stable sort by magnitude, ties by lowest key, no zeros; k from the exact ratio of the fresh entries."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire
from gradwire import Gradient, Step
from gradwire.codecs.sparsifiers.topk import TopK


def reference(gradient, k):
    """(keys, values) of the first k by falling |v|, then rising key; zeros dropped; in key order."""
    keys = np.arange(gradient.dim, dtype=np.uint32) if gradient.keys is None else gradient.keys
    chosen = np.sort(np.argsort(-np.abs(gradient.values), kind="stable")[:k])
    chosen = chosen[gradient.values[chosen] != 0]
    return keys[chosen], gradient.values[chosen]


def check(gradient, k):
    kept = TopK(k=k).sparsify(gradient, Step())
    keys, values = reference(gradient, k)
    np.testing.assert_array_equal(kept.keys, keys)
    assert kept.values.tobytes() == values.tobytes()
    assert (kept.keys.dtype, kept.values.dtype) == (np.uint32, np.float32)
    assert (kept.dim, kept.fresh_nnz) == (gradient.dim, gradient.fresh_nnz)


@given(data=st.data(), k=st.integers(1, 420))
@settings(deadline=None, max_examples=300)
def test_equals_a_stable_sort(gradients, data, k):
    check(data.draw(gradients), k)


@pytest.mark.parametrize("k", [1, 100, 2_000, 10_000, 250_000])
@pytest.mark.parametrize("law", ["heavy", "equal", "close"])
def test_large(law, k):
    """Both ways of collecting (few kept, many kept); all magnitudes equal; all in one bin of the first histogram."""
    rng = np.random.default_rng(k)
    n = 200_003
    values = {
        "heavy": np.exp(rng.normal(-9, 2.5, n)) * rng.choice([-1, 1], n),
        "equal": rng.choice([-2.5, 2.5], n),
        "close": 1 + rng.integers(0, 5000, n) * 2.0**-23,
    }[law].astype(np.float32)
    check(Gradient(values, n), k)
    check(Gradient(values, 2 * n, np.sort(rng.choice(2 * n, n, replace=False)).astype(np.uint32)), k)


@given(st.integers(1, 10**6), st.integers(0, 10**7))
def test_ratio_counts_exactly(millionths, fresh):
    """⌈ratio · fresh_nnz⌉ of the decimal number, not of its nearest double."""
    k = TopK(ratio=millionths / 10**6)._k(fresh)
    assert k == max(1, math.ceil(Fraction(millionths, 10**6) * fresh))


def test_ratio_counts_against_the_fresh_gradient():
    """A residual adds entries, but not to k."""
    values = np.arange(1, 1001, dtype=np.float32)
    gradient = Gradient(values, 1000, np.arange(1000), fresh_nnz=100)
    assert TopK(ratio=0.07).sparsify(gradient, Step()).nnz == 7
    assert TopK(ratio=0.001).sparsify(gradient, Step()).nnz == 1
    assert TopK(ratio=1).sparsify(Gradient(values, 1000), Step()).nnz == 1000
    assert gradwire.sparsifier("topk").sparsify(Gradient(values, 1000), Step()).nnz == 10


def test_empty_and_zero():
    for spec in ("topk", "topk(k=3)"):
        empty = gradwire.sparsifier(spec).sparsify(Gradient([], 10, []), Step())
        assert empty.nnz == 0 and empty.keys.dtype == np.uint32
        assert gradwire.sparsifier(spec).sparsify(Gradient(np.zeros(10, np.float32), 10), Step()).nnz == 0


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"ratio": 0}, "0 < ratio"),
        ({"ratio": 1.5}, "0 < ratio"),
        ({"ratio": float("nan")}, "0 < ratio"),
        ({"ratio": None}, "0 < ratio"),
        ({"ratio": True}, "0 < ratio"),
        ({"k": 0}, "k ≥ 1"),
        ({"k": 2.0}, "k ≥ 1"),
        ({"k": True}, "k ≥ 1"),
        ({"ratio": 0.5, "k": 3}, "got both"),
    ],
)
def test_refuses_bad_configurations(arguments, match):
    with pytest.raises(gradwire.ConfigError, match=match):
        TopK(**arguments)


def test_claims():
    coder = gradwire.sparsifier("topk(ratio=0.25)")
    assert gradwire.sparsifier(coder.spec) == coder and not coder.unbiased and coder.omega(10) is None
