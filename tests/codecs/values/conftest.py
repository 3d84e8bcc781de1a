"""NumPy references of what several value coders share: random numbers, lane sums, norms of groups, packed and gamma-coded numbers."""

from types import SimpleNamespace

import numpy as np
import pytest


def random32(seed, n):
    """gw_random32(seed, i) for i below n."""
    x = np.arange(n, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(seed & 0xFFFFFFFF)
    x ^= x >> 16
    x *= np.uint32(0x21F0AAAD)
    x ^= np.uint32(seed >> 32)
    x ^= x >> 15
    x *= np.uint32(0x735A2D97)
    return x ^ x >> 15


def lane_sum(terms):
    """The sum of lanes.h: float64 terms to 32 lanes, one after the other, then the lanes by halves."""
    rows = np.concatenate([terms, np.zeros(-len(terms) % 32)]).reshape(-1, 32)
    lanes = np.zeros(32)
    for row in rows:
        lanes = lanes + row
    for half in (16, 8, 4, 2, 1):
        lanes = lanes[:half] + lanes[half : 2 * half]
    return lanes[0]


def grouped(values, group_size):
    """The values of each group, and the number of the group of each value."""
    size = group_size or max(1, len(values))
    return [values[i : i + size] for i in range(0, len(values), size)], np.arange(len(values)) // size


def norms(values, group_size, p):
    """float32: the p-norm of each group, at most the largest float."""

    def norm(x):
        if np.isinf(p):
            return np.abs(x).max()
        return lane_sum(np.abs(x)) if p == 1 else np.sqrt(lane_sum(x * x))

    found = [norm(x.astype(np.float64)) for x in grouped(values, group_size)[0]]
    return np.minimum(found, np.finfo(np.float32).max).astype(np.float32)


def relative(values, norms, group_size, top):
    """min(|x| · top / N, top) in float32, as dithering.h computes it."""
    if not len(values):
        return np.empty(0, np.float32)
    one, big = np.float32(1), np.float32(2.0**64)
    lift = np.where(norms < 1 / big, big, np.where(norms < big, one, 1 / big)).astype(np.float32)
    with np.errstate(divide="ignore"):
        factor = np.where(norms > 0, np.float32(top) / (norms * lift), np.float32(0)).astype(np.float32)
    of = grouped(values, group_size)[1]
    return np.minimum(np.abs(values) * lift[of] * factor[of], np.float32(top))


def packed(numbers, bits):
    return np.packbits(np.asarray(numbers, np.uint16)[:, None] >> np.arange(bits) & 1, bitorder="little").tobytes()


def gamma(numbers):
    """The two streams of elias_gamma.h."""
    unary, rest = [], []
    for m in (int(number) + 1 for number in numbers):
        length = m.bit_length() - 1
        unary += [0] * length + [1]
        rest += [m >> i & 1 for i in range(length)]
    return b"".join(np.packbits(np.array(bits, np.uint8), bitorder="little").tobytes() for bits in (unary, rest))


@pytest.fixture(scope="session")
def reference():
    """The functions of this file."""
    functions = (random32, lane_sum, grouped, norms, relative, packed, gamma)
    return SimpleNamespace(**{function.__name__: function for function in functions})


@pytest.fixture(scope="session")
def zoo():
    """Float32 of every exponent, mantissas at the ends, both signs; zeros, subnormals, the largest."""
    mantissas = np.array([0, 1, 0x400000, 0x7FFFFF, 0x123456], np.uint32)
    bits = (np.arange(255, dtype=np.uint32)[:, None] << 23 | mantissas).ravel()
    return np.concatenate([bits, bits | np.uint32(1 << 31)]).view(np.float32)


@pytest.fixture(scope="session")
def inputs(zoo):
    """Arrays of lengths around every block's: Gaussian, heavy-tailed, zeros, subnormals, the largest, all exponents mixed."""
    rng = np.random.default_rng(0)
    largest = np.finfo(np.float32).max
    made = [rng.normal(size=n) for n in [*range(18), 31, 32, 33, 47, 63, 64, 65, 79, 95, 96, 97, 127, 128, 129, 200, 1001]]
    made += [rng.choice([-1, 1], 700) * rng.lognormal(-9, 2.5, 700), np.zeros(100), np.full(77, -0.25)]
    made += [rng.integers(-999, 999, 300) * 2.0**-149, rng.choice([-1, 1], 300) * largest, rng.choice([0, 1e-30, -1e30, largest], 200)]
    return [np.asarray(x, np.float32) for x in made] + [rng.permutation(zoo)]
