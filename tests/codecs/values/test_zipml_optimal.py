"""zipml_optimal: the levels against all subsets and against the quadratic dynamic programme, the codes against NumPy, the roundings' claims."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire._ext import bitpack, simd
from gradwire._ext import optimal as kernel
from gradwire.codecs.values.zipml_optimal import optimal_levels
from gradwire.errors import ConfigError, CorruptMessage, DataError

STEP = gw.Step(7, 11, 2)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
LARGEST = np.finfo(np.float32).max


def random32(seed, n):
    """gw_random32(seed, i) for i below n."""
    x = np.arange(n, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(seed & 0xFFFFFFFF)
    x ^= x >> 16
    x *= np.uint32(0x21F0AAAD)
    x ^= np.uint32(seed >> 32)
    x ^= x >> 15
    x *= np.uint32(0x735A2D97)
    return x ^ x >> 15


def reference_codes(values, levels, coder, step):
    """The last level that is not above, or the one after it."""
    distinct, x = np.unique(levels).astype(np.float64), values.astype(np.float64)
    code = np.searchsorted(distinct, x, side="right") - 1
    low, high = distinct[code], distinct[np.minimum(code + 1, len(distinct) - 1)]
    if coder.rounding == "nearest":
        return code + (high - x < x - low)
    u = ((random32(step.private("zipml_optimal"), len(x)) >> 1) + 0.5) / 2**31
    return code + (u * (high - low) < x - low)


def reference(values, coder, step):
    levels = optimal_levels(values, coder.bits)
    planes = (reference_codes(values, levels, coder, step)[:, None] >> np.arange(coder.bits)) & 1
    return levels.tobytes() + np.packbits(planes.astype(np.uint8).ravel(), bitorder="little").tobytes()


def variance(levels, values):
    """Σ (b − x)(x − a) over the neighbouring levels a ≤ x ≤ b."""
    levels, x = np.unique(levels).astype(np.float64), values.astype(np.float64)
    at = np.searchsorted(levels, x, side="right")
    return ((levels[np.minimum(at, len(levels) - 1)] - x) * (x - levels[at - 1])).sum()


def best_of_all(values, count):
    """The least variance over every choice of levels among the values, the ends included."""
    points = np.unique(values)
    inner = min(count - 2, max(len(points) - 2, 0))
    return min(variance([points[0], *chosen, points[-1]], values) for chosen in itertools.combinations(points[1:-1], inner))


def best_of_programme(values, count):
    """The same by the dynamic programme of the paper: O(count · n²)."""
    x = np.sort(values.astype(np.float64))
    x -= np.median(x)
    n, s, q = (np.concatenate([[0], np.cumsum(term)]) for term in (np.ones_like(x), x, x * x))
    i, j = np.meshgrid(np.arange(len(x)), np.arange(len(x)), indexing="ij")
    cost = (x[i] + x[j]) * (s[j] - s[i]) - x[i] * x[j] * (n[j] - n[i]) - (q[j] - q[i])
    cost[i > j] = np.inf
    best = cost[0]
    for _ in range(count - 2):
        best = (best[:, None] + cost).min(axis=0)
    return best[-1]


def roundtrip(coder, values, step=STEP):
    return coder.decode(coder.encode(values, None, step), None, step, len(values))


def heavy(n, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.choice([-1, 1], n) * rng.lognormal(-9, 2.5, n)).astype(np.float32)


NUMBERS = st.one_of(
    st.lists(st.integers(-9, 9), min_size=1, max_size=11),
    st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=11),
    st.lists(st.sampled_from([1e-30, 3e-20, 1e-3, 1.0, 5.0, 1e10, 1e30, -1e-3, -7.0, -1e20]), min_size=1, max_size=11),
)


@settings(deadline=None, max_examples=150)
@given(NUMBERS, st.sampled_from([0, 100, 1e6]), st.integers(1, 3))
def test_levels_are_the_best_of_all(numbers, offset, bits):
    values = (np.array(numbers) + offset).astype(np.float32)
    levels = optimal_levels(values, bits)
    assert np.isin(levels, values).all() and np.all(np.diff(levels) >= 0)
    assert levels[0] == values.min() and levels[-1] == values.max()
    least = best_of_all(values, 1 << bits)
    assert variance(levels, values) <= least * (1 + 1e-6) + 1e-11 * np.square(values.astype(np.float64) - np.median(values)).sum()


@pytest.mark.parametrize("bits", [1, 2, 4, 6])
@pytest.mark.parametrize("name", ["normal", "heavy", "few", "equal steps", "clusters"])
def test_levels_equal_the_quadratic_programme(name, bits):
    """Up to 1024 values nothing is approximate, ties (equal steps) included."""
    rng = np.random.default_rng(4)
    values = {
        "normal": rng.standard_normal(400),
        "heavy": heavy(400),
        "few": rng.integers(0, 40, 400),
        "equal steps": np.arange(400),
        "clusters": np.concatenate([rng.normal(c, 1e-3, 80) for c in (-1, 0, 0.5, 3, 3.1)]),
    }[name].astype(np.float32)
    assert variance(optimal_levels(values, bits), values) == pytest.approx(best_of_programme(values, 1 << bits), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("bits", [1, 3, 5])
@pytest.mark.parametrize("name", ["normal", "heavy", "uniform", "narrow", "zeros"])
def test_levels_of_many_values_are_near_the_best(name, bits):
    """The histogram and its candidates lose at most 1%."""
    rng = np.random.default_rng(4)
    values = {
        "normal": rng.standard_normal(1100),
        "heavy": heavy(1100),
        "uniform": rng.uniform(-1, 3, 1100),
        "narrow": rng.uniform(1, 1.001, 1100),
        "zeros": np.where(rng.uniform(size=1100) < 0.7, 0, rng.standard_normal(1100)),
    }[name].astype(np.float32)
    levels = optimal_levels(values, bits)
    assert np.isin(levels, values).all() and levels[0] == values.min() and levels[-1] == values.max()
    assert variance(levels, values) <= 1.01 * best_of_programme(values, 1 << bits)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_far_better_than_equal_steps_on_a_heavy_tail(bits):
    values = heavy(200_000)
    equal = np.linspace(values.min(), values.max(), 1 << bits).astype(np.float32)
    assert variance(optimal_levels(values, bits), values) < 0.1 * variance(equal, values)
    flat = np.random.default_rng(1).uniform(1, 2, 200_000).astype(np.float32)
    assert variance(optimal_levels(flat, bits), flat) < 1.02 * variance(np.linspace(flat.min(), flat.max(), 1 << bits), flat)


def test_histogram_counts_every_value(simd_level):
    """Each bin's point is one of its values, the ends are the ends, and the points increase."""
    for values in (heavy(3000), np.full(2000, 7, np.float32), np.linspace(1, 1.0001, 2000).astype(np.float32)):
        points, counts, scratch = np.empty(kernel.BINS, np.float32), *np.empty((2, kernel.BINS), np.uint32)
        for n in (1, 511, 513, len(values)):
            x = values[:n]
            found = kernel.histogram(x, x.min(), x.max(), points, counts, scratch)
            assert counts[:found].sum() == n and np.all(counts[:found] > 0) and np.all(np.diff(points[:found]) > 0)
            assert np.isin(points[:found], x).all() and points[0] == x.min() and points[found - 1] == x.max()
            peak = np.abs(x).max()
            inside = np.searchsorted(points[:found], x) - 1
            near = np.minimum(np.abs(x - points[np.maximum(inside, 0)]), np.abs(x - points[np.minimum(inside + 1, found - 1)]))
            assert np.all(near <= 1e-2 * np.abs(x) + peak * 2.0**-22)


@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
@pytest.mark.parametrize("bits", range(1, 9))
def test_equals_the_reference(bits, rounding, simd_level):
    coder = gw.values(f"zipml_optimal(bits={bits}, rounding={rounding})")
    for n in (1, 2, 7, 9, 100, 511, 513, 1024, 1025, 2500):
        values = heavy(n, n)
        payload = coder.encode(values, None, STEP)
        assert payload.tobytes() == reference(values, coder, STEP)
        levels = payload[: coder.tables_nbytes(payload, n)].view("<f4")
        expected = levels[reference_codes(values, levels, coder, STEP)]
        np.testing.assert_array_equal(coder.decode(payload, None, STEP, n), expected)


@pytest.mark.parametrize("level", simd.levels())
@settings(deadline=None, max_examples=60)
@given(st.lists(FINITE, min_size=1, max_size=60), st.integers(1, 8), st.sampled_from(["stochastic", "nearest"]))
def test_any_list(level, numbers, bits, rounding):
    coder, values = gw.values(f"zipml_optimal(bits={bits}, rounding={rounding})"), np.array(numbers, np.float32)
    before = simd.use(level)
    try:
        assert coder.encode(values, None, STEP).tobytes() == reference(values, coder, STEP)
        back = roundtrip(coder, values)
    finally:
        simd.use(before)
    assert np.isin(back, values).all()
    if len(np.unique(values)) <= 1 << bits:
        np.testing.assert_array_equal(back, values)


def test_levels_that_share_a_bin(simd_level):
    """Clusters far narrower than a bin still get several levels when there are few values, and codes tell them apart."""
    values = np.concatenate(
        [np.float32(1) + np.arange(9) * np.float32(2**-20), -np.arange(9) * np.float32(2**-21), [2.0**20, 1e-30, 2e-30]]
    )
    values = np.random.default_rng(2).permutation(np.resize(values, 700)).astype(np.float32)
    for rounding in ("stochastic", "nearest"):
        coder = gw.values(f"zipml_optimal(bits=4, rounding={rounding})")
        assert coder.encode(values, None, STEP).tobytes() == reference(values, coder, STEP)


@pytest.mark.parametrize("share", [0.02, 0.37, 0.5, 0.93])
def test_unbiased_between_levels(share):
    """The mean of n draws between levels −1 and 3 is within 4.5 standard deviations, gap · √(p(1−p)/n)."""
    n, gap = 300_000, 4.0
    value = np.float32(-1 + gap * share)
    levels = np.array([-1, 3], np.float32)
    codes, draws = np.empty(-(-n // 8), np.uint8), np.empty(n, np.float32)
    kernel.encode(np.full(n, value), levels, 99, True, codes)
    kernel.decode(codes, levels, draws)
    assert set(np.unique(draws)) == {-1, 3}
    assert abs(draws.astype(np.float64).mean() - value) <= 4.5 * gap * np.sqrt(share * (1 - share) / n)


def test_variance_is_the_one_that_was_minimised():
    values, coder = heavy(2000), gw.values("zipml_optimal(bits=3)")
    expected = variance(optimal_levels(values, 3), values)
    errors = [np.square(roundtrip(coder, values, gw.Step(i)).astype(np.float64) - values).sum() for i in range(200)]
    assert np.mean(errors) == pytest.approx(expected, rel=5 * np.std(errors) / np.mean(errors) / np.sqrt(200))
    nearest = roundtrip(gw.values("zipml_optimal(bits=3, rounding=nearest)"), values)
    assert np.square(nearest.astype(np.float64) - values).sum() <= expected


def test_nearest_is_the_nearest_level_and_monotone():
    values, coder = np.sort(heavy(3000)), gw.values("zipml_optimal(bits=4, rounding=nearest)")
    levels, back = optimal_levels(values, 4).astype(np.float64), roundtrip(coder, values)
    np.testing.assert_array_equal(np.abs(back - values.astype(np.float64)), np.abs(levels[:, None] - values).min(axis=0))
    assert np.all(np.diff(back) >= 0)


@pytest.mark.parametrize(
    "values", [[LARGEST, -LARGEST, 0, 1], [0, -0.0], [5, 5, 5], [1e-45, -1e-45, 3e-45], [-7], [], [LARGEST, LARGEST], [1e-45, LARGEST]]
)
@pytest.mark.parametrize("repeat", [1, 1100])
@pytest.mark.parametrize("bits", [1, 2, 8])
def test_special_values(values, repeat, bits):
    values = np.array(values * repeat, np.float32)
    back = roundtrip(gw.values(f"zipml_optimal(bits={bits})"), values)
    assert np.isin(back, values).all()
    if len(np.unique(values)) <= 1 << bits:  # many values: those far below the largest may have moved to one another
        np.testing.assert_allclose(back, values, rtol=0, atol=np.abs(values).max(initial=0) * 2.0**-23 if repeat > 1 else 0)


@pytest.mark.parametrize("bits", [1, 5, 8])
def test_wide_codes_are_the_packed_ones(bits, simd_level):
    values = heavy(1100)
    levels = optimal_levels(values, bits)
    wide, packed = np.zeros(2208, np.uint8), np.zeros(bitpack.packed_nbytes(1100, bits) + 8, np.uint8)
    kernel.encode(values, levels, 5, True, wide[:-8], wide=True)
    kernel.encode(values, levels, 5, True, packed[:-8])
    codes, one, other = np.empty(1100, np.uint16), np.empty(1100, np.float32), np.empty(1100, np.float32)
    bitpack.unpack(packed, 1100, bits, codes)
    np.testing.assert_array_equal(wide[:-8].view(np.uint16), codes)
    kernel.decode(wide[:-8], levels, one, wide=True)
    kernel.decode(packed[:-8], levels, other)
    np.testing.assert_array_equal(one, other)
    assert not wide[-8:].any() and not packed[-8:].any()


def test_golden_bytes():
    values = np.array([-1, 3, 0, 0.5, 2.75, 0, 0], np.float32)
    encode = gw.values("zipml_optimal(bits=2, rounding=nearest)").encode
    assert encode(values, None, gw.Step()).tobytes().hex() == np.array([-1, 0, 0.5, 3], "<f4").tobytes().hex() + "9c17"


def test_sizes_and_claims():
    coder = gw.values("zipml_optimal")
    assert coder.unbiased and coder.omega(100) is None and coder.tables_nbytes(b"", 5) == 1024 and coder.spec == "zipml_optimal"
    nearest = gw.values("zipml_optimal(bits=3, rounding=nearest)")
    assert not nearest.unbiased and nearest.spec == "zipml_optimal(bits=3, rounding=nearest)"
    for bits in range(1, 9):
        payload = gw.values(f"zipml_optimal(bits={bits})").encode(np.ones(13, np.float32), None, STEP)
        assert len(payload) == (4 << bits) + -(-13 * bits // 8)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_finite(bad):
    values = np.ones(100, np.float32)
    values[77] = bad
    with pytest.raises(DataError, match="at position 77"):
        gw.values("zipml_optimal").encode(values, None, STEP)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_refuses_levels_that_are_not_finite(bad):
    payload = np.array([0, 1, bad, 2], "<f4").tobytes() + bytes(1)
    with pytest.raises(CorruptMessage, match="finite levels"):
        gw.values("zipml_optimal(bits=2)").decode(payload, None, STEP, 3)


@settings(deadline=None)
@given(st.integers(1, 8), st.binary(max_size=80), st.integers(0, 80))
def test_any_bytes_give_finite_values_or_an_error(bits, data, nnz):
    try:
        values = gw.values(f"zipml_optimal(bits={bits})").decode(data, None, STEP, nnz)
    except CorruptMessage:
        return
    assert values.shape == (nnz,) and np.all(np.isfinite(values))


def test_refuses_another_length_before_it_allocates():
    coder = gw.values("zipml_optimal(bits=3)")
    with pytest.raises(CorruptMessage, match="expected 34 bytes, got 3"):
        coder.decode(bytes(3), np.arange(3, dtype=np.uint32), STEP)
    with pytest.raises(CorruptMessage, match=f"expected {32 + 3 * 2**29} bytes, got 20"):
        coder.decode(bytes(20), None, STEP, 1 << 32)


@pytest.mark.parametrize("argument", ["bits=0", "bits=9", "bits=8.0", "bits=true", "rounding=up"])
def test_refuses_other_fields(argument):
    with pytest.raises(ConfigError, match=f"expected {argument.partition('=')[0]}"):
        gw.values(f"zipml_optimal({argument})")


def test_kernel_refuses_buffers_that_do_not_fit():
    values, levels, counts = np.ones(4, np.float32), np.ones(4, np.float32), np.ones(4, np.uint32)
    bins, numbers = np.empty(kernel.BINS, np.float32), np.empty(kernel.BINS, np.uint32)
    scratch = np.empty(kernel.SCRATCH, np.uint8)
    with pytest.raises(ValueError, match="low ≤ high"):
        kernel.histogram(values, 2, 1, bins, numbers, numbers.copy())
    with pytest.raises(ValueError, match="got 0 values"):
        kernel.histogram(values[:0], 0, 0, bins, numbers, numbers.copy())
    with pytest.raises(ValueError, match="as many counts"):
        kernel.levels(values, counts[1:], scratch, levels)
    with pytest.raises(ValueError, match="2 … 256 levels"):
        kernel.levels(values, counts, scratch, np.empty(257, np.float32))
    with pytest.raises(ValueError, match="a power of two, got 3"):
        kernel.encode(values, levels[1:], 0, False, np.empty(1, np.uint8))
    with pytest.raises(ValueError, match="expected 1 bytes of codes, got 2"):
        kernel.decode(np.empty(2, np.uint8), levels, values)
