"""randomk: the subset against a Python reference, every subset equally likely, E[decode] = gradient and ω = dim/q − 1."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire import Gradient, Step
from gradwire._ext import randomk as kernel
from gradwire.codecs.sparsifiers.randomk import RandomK


def random32(seed, i):
    """gw_random32 of random.h."""
    x = (i * 0x9E3779B1 + (seed & 0xFFFFFFFF)) & 0xFFFFFFFF
    x = (x ^ x >> 16) * 0x21F0AAAD & 0xFFFFFFFF
    x ^= seed >> 32
    x = (x ^ x >> 15) * 0x735A2D97 & 0xFFFFFFFF
    return x ^ x >> 15


def reference(dim, q, seed):
    """The first q distinct numbers of the stream, or the complement of the first dim − q."""
    wanted, found, i = min(q, dim - q), set(), 0
    while len(found) < wanted:
        product = random32(seed, i) * dim
        if product % 2**32 >= 2**32 % dim:
            found.add(product >> 32)
        i += 1
    return sorted(found if q <= dim - q else set(range(dim)) - found)


def gradients(seed=0, dim=64, nnz=40):
    rng = np.random.default_rng(seed)
    keys = np.sort(rng.choice(dim, nnz, replace=False))
    return [Gradient(rng.normal(size=dim).astype(np.float32), dim), Gradient(rng.normal(size=nnz).astype(np.float32), dim, keys)]


@given(st.integers(1, 2**32), st.integers(0, 300), st.integers(0, 2**64 - 1))
@settings(deadline=None, max_examples=200)
def test_the_subset_is_the_definition(dim, q, seed):
    q = min(q, dim)
    assert kernel.subset(dim, q, seed).tolist() == reference(dim, q, seed)


@pytest.mark.parametrize("dim", [1, 2, 3, 7, 100, 700])
def test_every_size(dim):
    for q in range(dim + 1):
        assert kernel.subset(dim, q, 99).tolist() == reference(dim, q, 99)


@pytest.mark.parametrize(("dim", "q"), [(2**32, 70_000), (3 * 2**30, 50_000), (100_000, 49_000), (100_000, 60_000), (2**32 - 1, 1)])
def test_large_subsets(dim, q):
    keys = kernel.subset(dim, q, 7)
    assert len(keys) == q and (np.diff(keys.astype(np.int64)) > 0).all() and keys[-1] < dim
    if q > 10_000:
        assert abs(keys.mean() / dim - 0.5) < 6 / np.sqrt(12 * q)


def test_the_kernel_refuses_what_is_no_subset():
    for dim, q in ((5, 6), (5, -1)):
        with pytest.raises(ValueError, match="0 ≤ q ≤ dim"):
            kernel.subset(dim, q, 0)


@pytest.mark.parametrize(("dim", "q"), [(6, 2), (6, 3), (6, 4), (5, 1)])
def test_every_subset_is_equally_likely(dim, q):
    """χ² over all C(dim, q) subsets, seeds as Step makes them; the bound is the mean plus six standard deviations."""
    draws = 20_000
    counts = dict.fromkeys(combinations(range(dim), q), 0)
    for index in range(draws):
        counts[tuple(kernel.subset(dim, q, Step(index, 3).private("randomk")).tolist())] += 1
    expected, free = draws / len(counts), len(counts) - 1
    assert sum((n - expected) ** 2 / expected for n in counts.values()) < free + 6 * np.sqrt(2 * free)


def measured(sparsifier, gradient, draws=4000):
    """(mean of the results, E|C(x)|² / |x|²)"""
    results = np.array([sparsifier.sparsify(gradient, Step(i, 5, 1)).to_dense() for i in range(draws)], np.float64)
    return results.mean(axis=0), np.square(results).sum(axis=1).mean() / np.square(gradient.to_dense(), dtype=np.float64).sum()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("which", [0, 1], ids=["dense", "sparse"])
def test_unbiased_with_the_omega_of_the_paper(which, shared):
    gradient = gradients()[which]
    sparsifier = RandomK(k=10, shared=shared)
    entries = gradient.dim if shared else gradient.nnz
    mean, second = measured(sparsifier, gradient)
    x = gradient.to_dense()
    assert (np.abs(mean - x) <= 5 * np.abs(x) * np.sqrt((entries / 10 - 1) / 4000) + 1e-6).all()
    assert second == pytest.approx(entries / 10, rel=0.1)
    assert sparsifier.omega(gradient.dim) == gradient.dim / 10 - 1 >= entries / 10 - 1


@pytest.mark.parametrize("shared", ["true", "false"])
def test_natural_of_randomk(shared):
    """Second moment of C_nat∘S^q: at most 9·dim / 8q."""
    gradient = gradients()[0]
    codec = gw.codec(f"randomk(k=16, shared={shared})+natural")
    assert codec.unbiased and codec.omega(64) == pytest.approx(9 * 64 / (8 * 16) - 1)
    draws = [codec.decode(codec.encode(gradient, Step(i)), Step(i)).to_dense() for i in range(3000)]
    norm = np.square(gradient.values, dtype=np.float64).sum()
    assert np.square(np.array(draws, np.float64)).sum(axis=1).mean() / norm <= 1.05 * 9 * 64 / (8 * 16)
    assert np.allclose(np.mean(draws, axis=0), gradient.values, atol=5 * np.sqrt(3.5 / 3000) * np.abs(gradient.values).max())


def test_private_coordinates_of_a_sparse_gradient_are_among_its_entries():
    gradient = gradients()[1]
    kept = RandomK(ratio=0.25).sparsify(gradient, Step())
    at = np.searchsorted(gradient.keys, kept.keys)
    assert kept.nnz == 10 and np.array_equal(gradient.keys[at], kept.keys)
    assert np.array_equal(kept.values, gradient.values[at] * np.float32(4))
    residual_added = Gradient(gradient.values, 64, gradient.keys, fresh_nnz=20)
    assert RandomK(ratio=0.25).sparsify(residual_added, Step()).nnz == 5
    assert RandomK(k=1000).sparsify(gradient, Step()).to_dense().tobytes() == gradient.to_dense().tobytes()


def test_shared_coordinates_are_those_of_the_step():
    sparsifier = RandomK(ratio=0.25, shared=True)
    keys = sparsifier.shared_keys(64, Step(4, 2, 0))
    assert np.array_equal(keys, sparsifier.shared_keys(64, Step(4, 2, 3))) and len(keys) == sparsifier.shared_nnz(64) == 16
    assert not np.array_equal(keys, sparsifier.shared_keys(64, Step(5, 2, 0)))
    for gradient in gradients():
        kept, values = sparsifier.sparsify(gradient, Step(4, 2, 1)), sparsifier.shared_values(gradient, Step(4, 2, 1))
        assert np.array_equal(values, gradient.to_dense()[keys] * np.float32(4))
        assert np.array_equal(kept.keys, keys[values != 0]) and np.array_equal(kept.values, values[values != 0])


def test_ranks_draw_apart():
    keys = {RandomK(k=8).sparsify(gradients()[0], Step(1, 1, rank)).keys.tobytes() for rank in range(4)}
    assert len(keys) == 4


def test_zeros_are_not_sent():
    assert RandomK(k=30).sparsify(Gradient(np.zeros(40, np.float32), 40), Step()).nnz == 0
    assert RandomK(k=30, shared=True).sparsify(Gradient([], 40, []), Step()).nnz == 0
    assert RandomK().sparsify(Gradient([], 40, []), Step()).nnz == 0


def test_huge_dim_costs_only_what_is_kept():
    kept = RandomK(k=5, shared=True).sparsify(Gradient([1.0], 2**32, [9]), Step())
    assert kept.nnz <= 5
    message = gw.codec("randomk(k=5, shared=true)+fp32").encode(Gradient([1.0], 2**32, [9]), Step())
    assert message.nbytes == 48 + 24


def test_too_many_shared_coordinates_are_refused():
    with pytest.raises(gw.IncompatibleError, match="use k="):
        gw.sparsifier("randomk(ratio=0.5, shared=true)").sparsify(Gradient([1.0], 2**32, [9]), Step())


def test_unscaled_and_overflowing():
    gradient = gradients()[0]
    kept = RandomK(k=5, scale="none").sparsify(gradient, Step())
    assert np.array_equal(kept.values, gradient.values[kept.keys])
    largest = np.full(64, np.finfo(np.float32).max)
    assert (RandomK(k=5).sparsify(Gradient(largest, 64), Step()).values == np.finfo(np.float32).max).all()
    assert (RandomK(k=5).sparsify(Gradient(-largest, 64), Step()).values == -np.finfo(np.float32).max).all()


def test_a_shared_message_has_no_keys():
    codec = gw.codec("randomk(ratio=0.25, shared=true)+fp32")
    assert codec.reduction is gw.Reduction.SUM and codec.summable == gw.values("fp32") and gw.codec(codec.spec) == codec
    for gradient in gradients():
        message = codec.encode(gradient, Step(1))
        assert set(message.sections) == {"values"} and message.nnz == 16 and len(message.section("values")) == 64
        decoded = codec.decode(message, Step(1))
        assert decoded.to_dense().tobytes() == RandomK(ratio=0.25, shared=True).sparsify(gradient, Step(1)).to_dense().tobytes()


@pytest.mark.parametrize("values", ["natural", "uniform", "quantile"])
def test_values_that_do_not_add_need_no_keys_either(values):
    codec = gw.codec(f"randomk(ratio=0.25, shared=true)+{values}")
    message = codec.encode(gradients()[0], Step(1))
    assert codec.reduction is gw.Reduction.MERGE and codec.summable is None and not message.has("keys")
    assert set(codec.decode(message, Step(1)).keys) <= set(codec.shared_keys(64, Step(1)))


@pytest.mark.parametrize("values", ["logquant", "minmax"])
def test_values_that_drop_or_group_pairs_get_keys(values):
    codec = gw.codec(f"randomk(ratio=0.25, shared=true)+{values}")
    message = codec.encode(gradients()[0], Step(1))
    assert not codec.shares_keys and codec.reduction is gw.Reduction.MERGE and message.has("keys")


def test_forged_shared_messages():
    codec = gw.codec("randomk(ratio=0.25, shared=true)+fp32")
    message = codec.encode(gradients()[0], Step())
    for dim, nnz, more in ((64, 15, {}), (68, 16, {}), (2**32, 2**30, {}), (64, 16, {"keys": b"12345678"})):
        forged = gw.Message.pack(dim=dim, nnz=nnz, spec_hash=message.spec_hash, sections=message.sections | more)
        with pytest.raises(gw.CorruptMessage):
            codec.decode(forged, Step())


@pytest.mark.parametrize(
    ("arguments", "match"),
    [({"shared": 1}, "shared=true"), ({"scale": "dim"}, "unbiased, none"), ({"ratio": 2}, "0 < ratio"), ({"k": 0}, "k in 1")],
)
def test_refuses_bad_configurations(arguments, match):
    with pytest.raises(gw.ConfigError, match=match):
        RandomK(**arguments)


def test_claims():
    assert gw.sparsifier("randomk(ratio=0.1)").omega(100) == pytest.approx(9)
    assert gw.sparsifier("randomk(ratio=0.1)").omega(4) == 3
    assert gw.sparsifier("randomk(ratio=0.1, shared=true)").omega(95) == 8.5
    assert gw.sparsifier("randomk(k=500)").omega(100) == 0
    biased = gw.sparsifier("randomk(k=5, scale=none)")
    assert not biased.unbiased and biased.omega(100) is None and gw.sparsifier(biased.spec) == biased
