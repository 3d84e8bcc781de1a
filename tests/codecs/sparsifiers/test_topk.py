"""topk: equal to a stable sort by magnitude, ties by lowest key, no zeros; k from the exact ratio of the fresh entries."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradwire
from gradwire import Gradient, Step
from gradwire.codecs.sparsifiers.topk import TopK


def random32(seed, i):
    """gw_random32 of random.h."""
    x = (i * 0x9E3779B1 + seed) & 0xFFFFFFFF
    x = (x ^ x >> 16) * 0x21F0AAAD & 0xFFFFFFFF
    x ^= seed >> 32
    x = (x ^ x >> 15) * 0x735A2D97 & 0xFFFFFFFF
    return x ^ x >> 15


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
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equals_a_stable_sort(gradients, simd_level, data, k):
    check(data.draw(gradients), k)


def test_every_length_and_every_k(simd_level):
    """All tails of all register widths, with ties across them."""
    rng = np.random.default_rng(4)
    for n in (*range(1, 70), 127, 128, 129, 300):
        values = rng.choice(np.array([0, 1, -1, 2, -3, 5], np.float32), n)
        keys = np.sort(rng.choice(3 * n, n, replace=False)).astype(np.uint32)
        for k in {1, 2, n // 3 + 1, n - 1, n} - {0}:
            check(Gradient(values, n), k)
            check(Gradient(values, 3 * n, keys), k)


@pytest.mark.parametrize("k", [1, 100, 2_000, 10_000, 250_000])
@pytest.mark.parametrize("law", ["heavy", "equal", "close", "few", "mostly zero", "tiny"])
def test_large(law, k, simd_level):
    """Few kept and many kept; all magnitudes equal; all in one bin of the histogram; ties at and around the threshold; subnormals."""
    rng = np.random.default_rng(k)
    n = 200_003
    values = {
        "heavy": np.exp(rng.normal(-9, 2.5, n)) * rng.choice([-1, 1], n),
        "equal": rng.choice([-2.5, 2.5], n),
        "close": 1 + rng.integers(0, 5000, n) * 2.0**-23,
        "few": rng.choice([-4, -2, -1, 1, 2, 3], n, p=[0.001, 0.009, 0.49, 0.4, 0.08, 0.02]),
        "mostly zero": np.where(rng.random(n) < 0.999, -0.0, rng.normal(size=n)),
        "tiny": rng.integers(-2000, 2000, n) * 2.0**-149,
    }[law].astype(np.float32)
    check(Gradient(values, n), k)
    check(Gradient(values, 2 * n, np.sort(rng.choice(2 * n, n, replace=False)).astype(np.uint32)), k)


def sampled_positions(n, sample=4096):
    """Where the kernel looks in `n` values before it selects."""
    i = np.arange(sample)
    word = np.array([random32(0, j) for j in range(sample)], np.uint64)
    return i * (n // sample) + i * (n % sample) // sample + (word * np.uint64(n // sample) >> np.uint64(32)).astype(int)


@pytest.mark.parametrize("k", [1, 70, 3000, 40_000])
@pytest.mark.parametrize("lie", ["large", "small", "zero", "tie", "tie below", "rising"])
def test_a_sample_that_misleads(lie, k, simd_level):
    """What the sample shows is not what there is; the result is the same all the same."""
    n = 50_021
    values = np.random.default_rng(k).normal(size=n).astype(np.float32)
    at = sampled_positions(n)
    assert len(np.unique(at)) == 4096 and at.max() < n
    if lie == "rising":
        values = np.linspace(-1, 3, n).astype(np.float32)
    elif lie == "tie below":
        values[:] = np.float32(0.5)
        values[at] = np.where(np.arange(4096) % 3, np.float32(0.5), np.float32(-9.0))
    else:
        values[at] = {"large": values[at] * 100, "small": values[at] / 1000, "zero": values[at] * 0, "tie": np.sign(values[at])}[lie]
    check(Gradient(values, n), k)
    check(Gradient(values, 2 * n, np.arange(0, 2 * n, 2)), k)


def test_a_nan_is_only_another_magnitude(simd_level):
    """A sparsifier alone does not look for NaN: nothing breaks, and encode refuses it before."""
    for n in (5, 20_000):
        values = np.full(n, np.float32(np.nan))
        values.view(np.uint32)[::2] = 0xFFFFFFFF
        for k in (1, n // 2, n):
            assert TopK(k=k).sparsify(Gradient(values, n), Step()).nnz == k


@given(st.integers(1, 10**6), st.integers(0, 10**7))
def test_ratio_counts_exactly(millionths, fresh):
    """⌈ratio · fresh_nnz⌉ of the decimal number, not of its nearest double."""
    k = TopK(ratio=millionths / 10**6).amount(fresh)
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
        ({"k": 0}, "k in 1"),
        ({"k": 2.0}, "k in 1"),
        ({"k": True}, "k in 1"),
        ({"ratio": 0.5, "k": 3}, "got both"),
    ],
)
def test_refuses_bad_configurations(arguments, match):
    with pytest.raises(gradwire.ConfigError, match=match):
        TopK(**arguments)


def test_claims():
    coder = gradwire.sparsifier("topk(ratio=0.25)")
    assert gradwire.sparsifier(coder.spec) == coder and not coder.unbiased and coder.omega(10) is None
