"""Bounds against values worked out another way."""

import math

import numpy as np
import pytest

from gradwire import bounds


@pytest.mark.parametrize(("n", "k"), [(1, 0), (1, 1), (10, 3), (52, 5), (1000, 500)])
def test_log2_binomial(n, k):
    assert math.isclose(bounds.log2_binomial(n, k), math.log2(math.comb(n, k)), abs_tol=1e-9)


def test_entropies():
    assert bounds.entropy(np.array([])) == 0
    assert bounds.entropy(np.array([7, 7, 7])) == 0
    assert math.isclose(bounds.entropy(np.arange(256)), 8)
    assert bounds.gap_entropy(np.arange(1000, dtype=np.uint32)) == 0
    assert math.isclose(bounds.gap_entropy(np.array([0, 2, 3, 5], np.uint32)), 1)


def test_shannon_bits_of_a_gaussian_is_0_and_of_uniform_the_textbook_value():
    """R(D) = ½ log₂(σ² / D) for a Gaussian; a uniform density lies ½ log₂(2πe / 12) below it."""
    rng = np.random.default_rng(0)
    assert abs(bounds.shannon_bits(rng.normal(size=100_000))) < 0.02
    assert abs(bounds.shannon_bits(rng.uniform(-3, 3, 100_000)) + 0.5 * math.log2(2 * math.pi * math.e / 12)) < 0.02


def test_values_that_repeat_have_no_density():
    assert math.isnan(bounds.shannon_bits(np.ones(100)))
    assert math.isnan(bounds.shannon_bits(np.arange(3)))
