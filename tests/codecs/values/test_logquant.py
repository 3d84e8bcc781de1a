"""logquant: the tables against exact fractions, the kernel against a search in them, and what each rounding promises."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire._ext import bitpack
from gradwire._ext import logquant as kernel
from gradwire.codecs.composed import Composed
from gradwire.codecs.values.logquant import ROUNDINGS, powers, tables
from gradwire.errors import ConfigError, CorruptMessage, DataError

STEP = gw.Step(7, 11, 2)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
LARGEST = np.finfo(np.float32).max
BASES = [2**0.25, 2**0.125, 2.0, 2**0.5, 1.1, 1.5, 16.0, 1 + 1e-8]


def random32(seed, n):
    """gw_random32(seed, i) for i below n."""
    x = np.arange(n, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(seed & 0xFFFFFFFF)
    x ^= x >> 16
    x *= np.uint32(0x21F0AAAD)
    x ^= np.uint32(seed >> 32)
    x ^= x >> 15
    x *= np.uint32(0x735A2D97)
    return x ^ x >> 15


def scale_of(values, coder):
    return float(np.abs(values).max(initial=0)) if coder.scale == "max" else 1.0


def reference_codes(values, coder, step):
    """How many of the first τ − 1 bounds are above |v|; then a step up at random."""
    levels, bounds = tables(coder.base, coder.tau, coder.rounding, scale_of(values, coder))
    codes = np.searchsorted(-bounds[:-1], -np.abs(values), side="left")
    if coder.rounding == "stochastic":
        level, above = (levels.astype(np.float64)[np.maximum(at, 0)] for at in (codes, codes - 1))
        u = ((random32(step.private("logquant"), len(values)) >> 1) + 0.5) / 2**31
        codes = codes - (u * (above - level) < np.minimum(np.abs(values), np.float32(scale_of(values, coder))) - level)
    return codes


def reference(values, coder, step):
    """The payload, one NumPy line for each step of the definition."""
    wire = reference_codes(values, coder, step) | np.signbit(values).astype(np.int64) << coder.bits - 1
    planes = (wire[:, None] >> np.arange(coder.bits)) & 1
    head = np.array([scale_of(values, coder), 0], "<f4").tobytes() if coder.scale == "max" else b""
    return head + np.packbits(planes.astype(np.uint8).ravel(), bitorder="little").tobytes()


def sample(n, seed=0, spread=4.0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(n) * np.exp(spread * rng.standard_normal(n))).astype(np.float32)


def roundtrip(coder, values, step=STEP):
    return coder.decode(coder.encode(values, None, step), None, step, len(values))


@pytest.mark.parametrize("base", [2**0.25, 2.0, 1.1, 16.0, 2.0**64])
def test_powers_are_the_nearest_float64(base):
    """p ≈ base^(−i/2) means p² · base^i ≈ 1; half a unit of p is at most 2⁻⁵³ of it, so its square is off by 2⁻⁵² at most."""
    for i, p in enumerate(powers(base, 20)):
        if p > 0:
            assert abs(Fraction(p) ** 2 * Fraction(base) ** i - 1) <= Fraction(1.0001) / 2**52
    np.testing.assert_array_equal(powers(2.0, 64)[::2], 2.0 ** -np.arange(65))


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("scale", [1.0, float(np.float32(0.3)), float(LARGEST), 2.0**-126, float(np.float32(3e-43)), 2.0**-149])
def test_tables(base, scale):
    tau, inf = 100, np.float32(np.inf)
    for rounding in ROUNDINGS:
        levels, bounds = tables(base, tau, rounding, scale)
        assert levels.dtype == bounds.dtype == np.float32 and len(levels) == len(bounds) == tau
        assert levels[0] == scale and np.all(np.diff(levels) <= 0) and np.all(np.diff(bounds) <= 0)
        assert 0 < bounds[-1] <= bounds[0] <= scale
        if rounding == "down":
            np.testing.assert_array_equal(bounds, np.maximum(levels, np.float32(2.0**-149)))
        if rounding == "up":
            following = tables(base, tau + 1, rounding, scale)[0][1:]
            assert np.all((np.nextafter(bounds, -inf) == following) | ((bounds == scale) & (following == scale)))
        if rounding == "nearest":
            exact = scale * powers(base, tau)[1::2]
            assert np.all((bounds >= exact) | (bounds == scale))
            assert np.all((np.nextafter(bounds, -inf) < exact) | (bounds == np.float32(2.0**-149)))


@pytest.mark.parametrize("scale", ["max", "none"])
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("tau", [2, 3, 5, 64, 100, 128, 256])
def test_equals_the_reference(tau, rounding, scale, simd_level):
    for base in BASES:
        coder = gw.values(f"logquant(tau={tau}, base={base!r}, rounding={rounding}, scale={scale})")
        for n in (0, 1, 65, 600):
            values = sample(n, n)
            payload = coder.encode(values, None, STEP)
            assert payload.tobytes() == reference(values, coder, STEP)
            levels, _ = tables(coder.base, tau, rounding, scale_of(values, coder))
            expected = np.copysign(levels[reference_codes(values, coder, STEP)], values)
            np.testing.assert_array_equal(coder.decode(payload, None, STEP, n).view(np.uint32), expected.view(np.uint32))


@settings(deadline=None, max_examples=150)
@given(
    st.lists(FINITE, max_size=70),
    st.sampled_from(ROUNDINGS),
    st.sampled_from([2, 7, 100, 128, 1024]),
    st.sampled_from(BASES),
    st.sampled_from(["max", "none"]),
)
def test_any_list(numbers, rounding, tau, base, scale):
    coder = gw.values(f"logquant(tau={tau}, base={base!r}, rounding={rounding}, scale={scale})")
    values = np.array(numbers, np.float32)
    assert coder.encode(values, None, STEP).tobytes() == reference(values, coder, STEP)
    back, keep = roundtrip(coder, values), coder.select(values, STEP)
    assert np.all(np.isfinite(back))
    np.testing.assert_array_equal(np.signbit(back), np.signbit(values))
    assert not keep[values == 0].any()
    inside = keep & (np.abs(values) <= 1) if scale == "none" else keep
    if rounding == "down":
        assert np.all(np.abs(back)[keep] <= np.abs(values)[keep])
    if rounding == "up":
        assert np.all(np.abs(back)[inside] >= np.abs(values)[inside])
    if scale == "max" and keep.any():
        largest = np.abs(values) == np.abs(values).max()
        assert keep[largest].all()
        np.testing.assert_array_equal(back[largest], values[largest])
        kept = values[keep]
        np.testing.assert_array_equal(roundtrip(coder, kept)[np.abs(kept) == np.abs(kept).max()], values[largest])


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_every_length(rounding, simd_level):
    """Blocks, vectors and tails; nothing is written beyond the values."""
    coder, values = gw.values(f"logquant(rounding={rounding})"), sample(1600)
    table = np.random.default_rng(1).standard_normal(256).astype(np.float32)
    table[128:] = -table[:128]
    for n in [*range(150), 511, 512, 513, 1023, 1025, 1600]:
        payload = coder.encode(values[:n], None, STEP)
        assert payload.tobytes() == reference(values[:n], coder, STEP)
        out = np.full(n + 1, 7, np.float32)
        largest = kernel.decode(payload[8:], table, out[:n])
        assert largest == (payload[8:] & 127).max(initial=0) and out[n] == 7
        np.testing.assert_array_equal(out[:n], table[payload[8:]])


@pytest.mark.parametrize(
    ("method", "tau", "base", "scale"),
    [
        *(("octave", tau, base, scale) for tau in (5, 128) for base in (2**0.25, 2**0.5) for scale in (1.0, 0.7, 3e38, 1e4)),
        *(("octave", tau, base, 3e38) for tau in (2, 3, 128) for base in (2.0, 2**0.25) if tau != 3 or base == 2),
        *(("cells", tau, base, scale) for tau in (40, 100, 300) for base in (1.2, 1.1, 2**0.125) for scale in (1.0, 0.7, 3e38)),
        *(("halving", 128, base, scale) for base, scale in [(2**0.25, 1e-38), (1.2, 0.0), (1 + 1e-8, 1.0), (16.0, 1.0)]),
        ("cells", 20, 16.0, 1e20),
        ("halving", 32768, 1.001, 1.0),
    ],
)
def test_three_ways_to_one_code(method, tau, base, scale, simd_level):
    """Each way is taken where logquant.h says so, and finds the number of bounds above every magnitude, beyond the range too."""
    values = np.concatenate(
        [np.clip(sample(500), -1, 1) * np.float32(scale), sample(500, 1, 15.0), [0, -0.0, scale, -scale, 1e-45, LARGEST]]
    )
    values = np.where(np.abs(values) > scale, np.copysign(np.float32(scale), values), values).astype(np.float32)
    for rounding in ("nearest", "down", "up"):
        levels, bounds = tables(float(base), tau, rounding, np.float32(scale))
        near = [np.nextafter(bounds, np.float32(to))[:1000] for to in (0, 1e38)] + [bounds[:1000]]
        v = np.concatenate([values, *(x[x <= np.float32(scale)] for x in near)])
        expected = np.searchsorted(-bounds[: tau - 1], -np.abs(v), side="left")
        wide, cells = np.empty(2 * len(v), np.uint8), np.empty(kernel.MAX_CELLS, np.uint32)
        found = kernel.encode(v, levels, bounds.base.copy(), tau, rounding, scale, 0, cells, wide, wide=True)
        wire = wide.view(np.uint16)
        bits = (tau - 1).bit_length()
        np.testing.assert_array_equal(wire & ((1 << bits) - 1), expected)
        np.testing.assert_array_equal(wire >> bits, np.signbit(v))
        assert found == method


@pytest.mark.parametrize("tau", [2, 32, 100, 128, 300, 20000])
def test_wide_words_are_the_packed_ones(tau, simd_level):
    levels, bounds = tables(1.01, tau, "stochastic", 1.0)
    bits, cells = 1 + (tau - 1).bit_length(), np.empty(kernel.MAX_CELLS, np.uint32)
    table = np.random.default_rng(1).standard_normal(1 << bits).astype(np.float32)
    table[1 << bits - 1 :] = -table[: 1 << bits - 1]
    for n in (1, 64, 511, 1100):
        wide, packed = np.zeros(2 * n + 8, np.uint8), np.zeros(bitpack.packed_nbytes(n, bits) + 8, np.uint8)
        words, one, other = np.empty(n, np.uint16), np.empty(n, np.float32), np.empty(n, np.float32)
        for out, is_wide in [(wide, True), (packed, False)]:
            kernel.encode(sample(n), levels, bounds.base.copy(), tau, "stochastic", 1.0, 9, cells, out[:-8], wide=is_wide)
        bitpack.unpack(packed, n, bits, words)
        np.testing.assert_array_equal(wide[:-8].view(np.uint16), words)
        assert kernel.decode(wide[:-8], table, one, wide=True) == kernel.decode(packed[:-8], table, other) == (words & tau_mask(tau)).max()
        np.testing.assert_array_equal(one, table[words])
        np.testing.assert_array_equal(other, one)
        assert not wide[-8:].any() and not packed[-8:].any()


def tau_mask(tau):
    return (1 << (tau - 1).bit_length()) - 1


def test_every_value_near_every_bound(simd_level):
    """The float32 just below each bound, the bound itself and the one above."""
    for base in (2**0.25, 1.1, 16.0):
        for rounding in ("nearest", "down", "up"):
            coder = gw.values(f"logquant(base={base!r}, rounding={rounding}, scale=none)")
            _, bounds = tables(coder.base, 128, rounding, 1.0)
            around = np.concatenate([np.nextafter(bounds, np.float32(0)), bounds, np.nextafter(bounds, np.float32(2))])
            codes = np.asarray(coder.encode(around, None, STEP))
            np.testing.assert_array_equal(codes[:128], np.minimum(np.searchsorted(-bounds, -bounds, side="right"), 127))
            np.testing.assert_array_equal(codes[128:256], np.searchsorted(-bounds[:-1], -bounds, side="left"))
            assert codes.tobytes() == reference(around, coder, STEP)


@pytest.mark.parametrize("base", [2**0.25, 1.1, 2.0])
def test_nearest_is_within_half_a_step(base):
    coder, values = gw.values(f"logquant(base={base!r})"), sample(20_000)
    keep = coder.select(values, STEP)
    ratio = roundtrip(coder, values)[keep].astype(np.float64) / values[keep]
    assert ratio.max() <= base**0.5 * (1 + 1e-6) and ratio.min() >= base**-0.5 * (1 - 1e-6)
    assert ratio.max() > base**0.49 and ratio.min() < base**-0.49


@pytest.mark.parametrize(("rounding", "reach"), [("nearest", 31.5), ("down", 31), ("stochastic", 31), ("up", 32)])
def test_select_drops_what_has_no_code(rounding, reach):
    """e > τ − 1 with τ = 32: |v| < 2^−(τ−½), 2^−(τ−1), or ≤ 2^−τ."""
    coder = gw.values(f"logquant(tau=32, base=2, rounding={rounding})")
    limit = np.float32(2.0**-reach)
    below, above = np.nextafter(limit, np.float32(0)), np.nextafter(limit, np.float32(1))
    values = np.array([1, -above, below, -below, 0, -0.0, 1e-45], np.float32)
    np.testing.assert_array_equal(coder.select(values, STEP), [True, True, False, False, False, False, False])
    np.testing.assert_array_equal(np.abs(roundtrip(coder, values))[2:], np.full(5, 2.0**-31))
    assert coder.select(np.array([1, limit], np.float32), STEP)[1] == (rounding in ("down", "stochastic"))


@pytest.mark.parametrize("base", [2**0.25, 1.3])
@pytest.mark.parametrize("value", [0.9, 0.123, 3e-4])
def test_stochastic_is_unbiased_inside_the_range(base, value):
    """The mean of n draws is within 4.5 standard deviations, gap · √(p(1−p)/n), of a value between two levels."""
    n, coder = 300_000, gw.values(f"logquant(base={base!r}, rounding=stochastic)")
    value = np.float32(-value)
    levels = tables(coder.base, 128, "stochastic", 1.0)[0].astype(np.float64)
    high, low = levels[levels >= -value].min(), levels[levels <= -value].max()
    p = (-float(value) - low) / (high - low)
    draws = roundtrip(coder, np.concatenate([np.full(n, value), [1]]).astype(np.float32))[:n].astype(np.float64)
    assert set(np.unique(-draws)) == {high, low}
    assert abs(draws.mean() - value) <= 4.5 * (high - low) * np.sqrt(p * (1 - p) / n)


def test_stochastic_leaves_the_levels_alone():
    levels, _ = tables(2**0.25, 128, "stochastic", 1.0)
    np.testing.assert_array_equal(roundtrip(gw.values("logquant(rounding=stochastic)"), levels), levels)


@pytest.mark.parametrize("rounding", ["nearest", "down", "up"])
def test_monotone(rounding):
    assert np.all(np.diff(roundtrip(gw.values(f"logquant(rounding={rounding})"), np.sort(sample(5000)))) >= 0)


@pytest.mark.parametrize("values", [[LARGEST, -LARGEST, 1], [1e-45, -1e-45, 3e-45], [0, -0.0], [7, 7, 7], [-3e-39], [2.0**-126, 1e-40]])
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_special_values(values, rounding):
    coder, values = gw.values(f"logquant(rounding={rounding})"), np.array(values, np.float32)
    back = roundtrip(coder, values)
    largest = np.abs(values) == np.abs(values).max()
    np.testing.assert_array_equal(back[largest].view(np.uint32), values[largest].view(np.uint32))
    assert coder.select(values, STEP)[largest].all() == values.any()


def test_a_composition_drops_pairs_and_keeps_the_scale_in_its_tables():
    values = np.array([0, 1e-20, -4, 1, 0, 3e-9], np.float32)
    codec = Composed(None, gw.keys("raw"), gw.values("logquant(tau=64, base=2)"))
    for gradient in (gw.Gradient(values, 6), gw.Gradient(values, 100, np.arange(10, 16))):
        message = codec.encode(gradient, STEP)
        assert bytes(message.sections["tables"]) == np.array([4, 0], "<f4").tobytes()
        back = codec.decode(gw.Message.from_bytes(bytes(message)), STEP)
        first = 0 if gradient.is_dense else 10
        np.testing.assert_array_equal(back.keys, np.array([2, 3, 5]) + first)
        np.testing.assert_array_equal(back.values, np.array([-4, 1, 2.0**-28], np.float32))


def test_without_a_scale_larger_magnitudes_become_one():
    coder = gw.values("logquant(scale=none)")
    values = np.array([1e30, -2, 1, 0.5, -0.25], np.float32)
    np.testing.assert_array_equal(roundtrip(coder, values), [1, -1, 1, 0.5, -0.25])
    assert len(coder.encode(values, None, STEP)) == 5 and coder.tables_nbytes(b"", 5) == 0


def test_golden_bytes():
    values = np.array([-2, 1, 0.5, -0.3, 1e-9, 0], np.float32)
    step = gw.Step()
    assert gw.values("logquant").encode(values, None, step).tobytes().hex() == "00000040" + "00000000" + "8004088b7c7f"
    assert gw.values("logquant(scale=none, base=2, tau=5)").encode(values, None, step).tobytes().hex() == "08a144"
    between = np.array([1, *[0.55] * 8], np.float32)
    stochastic = gw.values("logquant(rounding=stochastic)").encode(between, None, step)
    assert stochastic.tobytes().hex() == "0000803f" + "00000000" + "000303030403030303"


def test_sizes_and_claims():
    """⌈1 + log₂ τ⌉ bits for each value, 8 bytes of tables; the filter makes every rounding biased."""
    for tau, bits in [(2, 2), (3, 3), (32, 6), (33, 7), (64, 7), (65, 8), (128, 8), (129, 9), (256, 9), (32768, 16)]:
        coder = gw.values(f"logquant(tau={tau})")
        assert coder.bits == bits and len(coder.encode(np.ones(13, np.float32), None, STEP)) == 8 + -(-13 * bits // 8)
    coder = gw.values("logquant(rounding=stochastic)")
    assert coder.filters and not coder.unbiased and coder.omega(9) is None and coder.tables_nbytes(b"", 9) == 8


def test_specification_keeps_the_base_exactly():
    for base in (1.1, 2**0.125, 1 + 2**-52, 2.0**64):
        coder = gw.values(f"logquant(base={base!r})")
        assert coder.base == base and gw.values(coder.spec) == coder
    assert gw.values("logquant(base=2)").spec == gw.values("logquant(base=2.0)").spec == "logquant(base=2.0)"
    assert gw.values(f"logquant(base={2**0.25!r})").spec == "logquant"


@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("scale", ["max", "none"])
def test_refuses_what_is_not_finite(bad, scale):
    coder, values = gw.values(f"logquant(scale={scale})"), np.ones(100, np.float32)
    values[77] = bad
    with pytest.raises(DataError, match="at position 77"):
        coder.encode(values, None, STEP)
    with pytest.raises(DataError, match="at position 77"):
        coder.select(values, STEP)


@pytest.mark.parametrize("scale", [np.nan, np.inf, -1.0, -0.0])
def test_refuses_an_impossible_scale(scale):
    with pytest.raises(CorruptMessage, match="finite scale"):
        gw.values("logquant").decode(np.array([scale, 0], "<f4").tobytes() + bytes(3), None, STEP, 3)
    with pytest.raises(CorruptMessage, match="four zero bytes"):
        gw.values("logquant").decode(np.array([1, 1e-45], "<f4").tobytes() + bytes(3), None, STEP, 3)


@pytest.mark.parametrize("tau", [3, 100, 20000])
def test_refuses_codes_beyond_tau(tau):
    coder = gw.values(f"logquant(tau={tau}, scale=none)")
    wider = gw.values(f"logquant(tau={1 << coder.bits - 1}, scale=none, base=1.0001)")
    payload = wider.encode(np.array([1, 0, -1], np.float32), None, STEP)
    with pytest.raises(CorruptMessage, match=f"codes below {tau}"):
        coder.decode(payload, None, STEP, 3)


@settings(deadline=None)
@given(st.sampled_from([2, 3, 100, 128, 1000]), st.sampled_from(["max", "none"]), st.binary(max_size=60), st.integers(0, 60))
def test_any_bytes_give_finite_values_or_an_error(tau, scale, data, nnz):
    try:
        values = gw.values(f"logquant(tau={tau}, scale={scale})").decode(data, None, STEP, nnz)
    except CorruptMessage:
        return
    assert values.shape == (nnz,) and np.all(np.isfinite(values))


def test_refuses_another_length_before_it_allocates():
    coder = gw.values("logquant")
    with pytest.raises(CorruptMessage, match="expected 11 bytes, got 3"):
        coder.decode(bytes(3), np.arange(3, dtype=np.uint32), STEP)
    with pytest.raises(CorruptMessage, match="expected 4294967304 bytes"):
        coder.decode(bytes(20), None, STEP, 1 << 32)


@pytest.mark.parametrize(
    "argument",
    [
        *("tau=1", "tau=32769", "tau=128.0", "tau=true", "rounding=even", "scale=l2", "coding=elias"),
        *("base=1", "base=0.5", "base=nan", "base=inf", "base=true", "base=1e20", "base=word"),
    ],
)
def test_refuses_other_fields(argument):
    with pytest.raises(ConfigError, match=f"expected {argument.partition('=')[0]}"):
        gw.values(f"logquant({argument})")


def test_kernel_refuses_tables_and_buffers_that_do_not_fit():
    values, out, cells = np.ones(4, np.float32), np.empty(4, np.uint8), np.empty(kernel.MAX_CELLS, np.uint32)
    levels, bounds = np.ones(128, np.float32), np.ones(128, np.float32)
    with pytest.raises(ValueError, match="full tables"):
        kernel.encode(values, levels, bounds[1:], 128, "down", 1.0, 0, cells, out)
    with pytest.raises(ValueError, match="full tables"):
        kernel.encode(values, levels[1:], bounds, 128, "down", 1.0, 0, cells, out)
    with pytest.raises(ValueError, match="full tables"):
        kernel.encode(values, levels, bounds, 128, "down", 1.0, 0, cells[1:], out)
    with pytest.raises(ValueError, match="expected 4 bytes of codes, got 3"):
        kernel.encode(values, levels, bounds, 128, "down", 1.0, 0, cells, out[:3])
    with pytest.raises(ValueError, match="power of two"):
        kernel.decode(out, np.zeros(255, np.float32), values)
    with pytest.raises(ValueError, match="expected 2 bytes of codes, got 4"):
        kernel.decode(out, np.zeros(8, np.float32), values)
    with pytest.raises(ValueError, match="257 powers"):
        kernel.tables(np.ones(256), 128, "down", 1.0, levels, bounds)


@pytest.mark.parametrize("fields", ["tau=2", "tau=100", "tau=128", "tau=300, scale=none", "tau=32, rounding=stochastic"])
def test_huffman_codes_decode_to_the_same_values(fields, simd_level):
    plain, coder = gw.values(f"logquant({fields})"), gw.values(f"logquant({fields}, coding=huffman)")
    values = sample(1200, spread=0.3)
    for n in (0, 1, 9, len(values)):
        payload, fixed = coder.encode(values[:n], None, STEP), plain.encode(values[:n], None, STEP)
        np.testing.assert_array_equal(coder.decode(payload, None, STEP, n), plain.decode(fixed, None, STEP, n))
        at = coder.tables_nbytes(payload, n)
        assert payload[:at].tobytes() == fixed[:at].tobytes() and len(payload) <= len(fixed) + 1
    if plain.bits in (8, 16):
        assert len(payload) < len(fixed)


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_huffman_payload_gives_finite_values_or_an_error(data, nnz):
    try:
        values = gw.values("logquant(tau=100, coding=huffman)").decode(bytes.fromhex("0000803f00000000") + data, None, STEP, nnz)
    except CorruptMessage:
        return
    assert values.shape == (nnz,) and np.all(np.isfinite(values))


def test_huffman_payload_too_short_for_its_tables():
    with pytest.raises(CorruptMessage, match="at least 8 bytes, got 7"):
        gw.values("logquant(coding=huffman)").decode(bytes(7), None, STEP, 1 << 32)
    with pytest.raises(CorruptMessage, match="expected 4294967296 codes"):
        gw.values("logquant(coding=huffman)").decode(bytes(20), None, STEP, 1 << 32)


@pytest.mark.parametrize(
    ("tau", "ratios"), [(32, (5.33, 10.67, 21.33)), (64, (4.57, 9.14, 18.29)), (128, (4, 8, 16)), (256, (3.56, 7.11, 14.22))]
)
def test_compression_ratios_of_the_reading_report(tau, ratios):
    """Table I: 32-, 64- and 128-bit values over ⌈1 + log₂ τ⌉ bits, here over the bytes that 7,200 values really take."""
    coder = gw.values(f"logquant(tau={tau})")
    values = np.ones(7200, np.float32)
    payload = coder.encode(values, None, gw.Step())
    bits = 8 * (len(payload) - coder.tables_nbytes(payload, 7200)) / 7200
    assert bits == np.ceil(1 + np.log2(tau))
    assert [round(raw / bits, 2) for raw in (32, 64, 128)] == [pytest.approx(ratio, abs=0.001) for ratio in ratios]
