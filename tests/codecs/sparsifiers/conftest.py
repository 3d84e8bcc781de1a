"""Gradients to draw from: dense and sparse, with ties, zeros of both signs, subnormals and huge values."""

import numpy as np
import pytest
from hypothesis import strategies as st

from gradwire import Gradient

TINY = np.float32(1e-45)
ODD = np.array([0.0, -0.0, TINY, -TINY, 1.0, -1.0, np.nextafter(np.float32(1), np.float32(2)), 3.4e38, -3.4e38, 1e-38], np.float32)


def _gradient(seed, n, few, sparse):
    rng = np.random.default_rng(seed)
    values = rng.choice(ODD, n) if few else (rng.normal(size=n) * np.exp(rng.normal(size=n) * 8)).astype(np.float32)
    if not sparse:
        return Gradient(values if n else np.zeros(1, np.float32), max(n, 1))
    keys = np.sort(rng.choice(3 * n + 1, n, replace=False)).astype(np.uint32)
    return Gradient(values, 3 * n + 1, keys)


@pytest.fixture(scope="session")
def gradients():
    """Strategy of Gradient."""
    return st.builds(_gradient, st.integers(0, 1 << 32), st.integers(0, 400), st.booleans(), st.booleans())
