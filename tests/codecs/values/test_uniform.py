"""uniform: the kernel against NumPy byte for byte, and its claims: half a level, exact ends, unbiased, ω."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire._ext import bitpack
from gradwire._ext import uniform as kernel
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


def reference_codes(values, coder, step):
    """31 bits of position, of which 31 − bits are a fraction; half of one or odd noise below one; the upper bits of the sum."""
    x, fraction = values.astype(np.float64), 31 - coder.bits
    low, high = x.min() + 0.0, x.max() + 0.0
    position = (x - low) * (coder.levels * 2.0**fraction / (high - low)) if high > low else np.zeros(len(x))
    noise = random32(step.private("uniform"), len(x)) >> (coder.bits + 1) | 1
    return (position.astype(np.int64) + (noise if coder.rounding == "stochastic" else 1 << (fraction - 1)) >> fraction).astype(np.uint16)


def reference(values, coder, step):
    """The payload, one NumPy line for each step of the definition."""
    if not len(values):
        return bytes(8)
    planes = (reference_codes(values, coder, step)[:, None] >> np.arange(coder.bits)) & 1
    ends = np.array([values.min(), values.max()], "<f4") + np.float32(0)
    return ends.tobytes() + np.packbits(planes.astype(np.uint8).ravel(), bitorder="little").tobytes()


def reference_values(codes, low, high, levels):
    c = codes.astype(np.float64)
    return (((levels - c) * np.float64(low) + c * np.float64(high)) * (1.0 / levels)).astype(np.float32)


def roundtrip(coder, values, step=STEP):
    return coder.decode(coder.encode(values, None, step), None, step, len(values))


@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
@pytest.mark.parametrize("bits", range(1, 17))
def test_equals_the_reference(bits, rounding, simd_level):
    coder, rng = gw.values(f"uniform(bits={bits}, rounding={rounding})"), np.random.default_rng(bits)
    for n in [*range(20), *range(20, 300, 7), 64, 128, 1023, 1024, 1025, 3000]:
        values = (rng.standard_normal(n) * 10.0 ** rng.integers(-30, 30)).astype(np.float32)
        payload = coder.encode(values, None, STEP)
        assert payload.tobytes() == reference(values, coder, STEP)
        back = coder.decode(payload, None, STEP, n)
        if n:
            expected = reference_values(reference_codes(values, coder, STEP), values.min(), values.max(), coder.levels)
            np.testing.assert_array_equal(back.view(np.uint32), expected.view(np.uint32))


@settings(deadline=None, max_examples=150)
@given(st.lists(FINITE, max_size=40), st.integers(1, 16), st.sampled_from(["stochastic", "nearest"]), st.integers(0, 2**40))
def test_any_list(numbers, bits, rounding, seed):
    coder, step = gw.values(f"uniform(bits={bits}, rounding={rounding})"), gw.Step(1, seed, 0)
    values = np.array(numbers, np.float32)
    assert coder.encode(values, None, step).tobytes() == reference(values, coder, step)
    back = roundtrip(coder, values, step)
    if not numbers:
        return
    low, high = float(values.min()), float(values.max())
    assert np.all((back >= low) & (back <= high))
    np.testing.assert_array_equal(back[(values == low) | (values == high)], values[(values == low) | (values == high)])
    reach = (high - low) / coder.levels * (0.5 if rounding == "nearest" else 1)
    assert np.all(np.abs(back.astype(np.float64) - values) <= reach * (1 + 1e-9) + np.abs(values).max() * 2.0**-24 + 2.0**-150)


@pytest.mark.parametrize(
    "values",
    [[LARGEST, -LARGEST, 0], [LARGEST, 1e-45], [-LARGEST, 1e-45, 1], [0, 1e-45], [1e-45, 3e-45, -1e-45], [5, 5, 5], [-0.0, 0.0], [-7]],
)
@pytest.mark.parametrize("spec", ["uniform", "uniform(bits=16, rounding=nearest)", "uniform(bits=3)"])
def test_ends_are_exact_at_every_scale(values, spec):
    values = np.array(values, np.float32)
    back = roundtrip(gw.values(spec), values)
    ends = (values == values.min()) | (values == values.max())
    np.testing.assert_array_equal(back[ends], values[ends])
    assert np.all(np.isfinite(back))


@pytest.mark.parametrize("bits", [8, 16])
def test_decoded_levels_increase(bits, simd_level):
    levels = (1 << bits) - 1
    codes = np.arange(levels + 1, dtype="<u1" if bits == 8 else "<u2").view(np.uint8)
    for low, high in [(-1.5, 2.25), (-LARGEST, LARGEST), (-3e-44, 2e-44), (1, np.nextafter(np.float32(1), np.float32(2)))]:
        out = np.empty(levels + 1, np.float32)
        kernel.decode(codes, low, high, bits, out)
        assert out[0] == np.float32(low) and out[-1] == np.float32(high) and np.all(np.diff(out) >= 0)


def test_nearest_is_monotone():
    values = np.sort(np.random.default_rng(2).standard_normal(5000).astype(np.float32))
    assert np.all(np.diff(roundtrip(gw.values("uniform(bits=5, rounding=nearest)"), values)) >= 0)


@pytest.mark.parametrize("bits", [1, 4, 8, 16])
@pytest.mark.parametrize("share", [0.02, 0.37, 0.5, 0.93])
def test_unbiased_between_levels(bits, share):
    """The mean of n draws at a share of the way between two levels is within 4.5 standard deviations, gap · √(p(1−p)/n)."""
    n, low, high = 300_000, -1.0, 3.0
    coder = gw.values(f"uniform(bits={bits})")
    gap = (high - low) / coder.levels
    value = np.float32(low + gap * (coder.levels // 3 + share))
    p = (float(value) - low) / gap % 1
    draws = roundtrip(coder, np.concatenate([np.full(n, value), [low, high]]).astype(np.float32))[:n].astype(np.float64)
    assert abs(draws.mean() - value) <= 4.5 * gap * np.sqrt(p * (1 - p) / n) + 1e-7


@pytest.mark.parametrize("bits", [1, 2, 8])
def test_omega_holds(bits):
    """E‖C(x)−x‖² ≤ ω‖x‖²; the worst case is near: two ends of equal size and the rest in the middle of the two middle levels."""
    coder, rng, steps = gw.values(f"uniform(bits={bits})"), np.random.default_rng(bits), 300
    worst = np.concatenate([[1, -1], np.zeros(30)])
    for x in (worst, rng.standard_normal(32), rng.lognormal(0, 3, 32)):
        x = x.astype(np.float32)
        norm = np.sum(x.astype(np.float64) ** 2)
        errors = [np.sum((roundtrip(coder, x, gw.Step(i)).astype(np.float64) - x) ** 2) / norm for i in range(steps)]
        assert np.mean(errors) <= coder.omega(32) * 1.001
        if x[0] == 1 and not x[2:].any():
            assert np.mean(errors) == pytest.approx(coder.omega(30), rel=1e-6)


def test_golden_bytes():
    values = np.array([-1, 3, 0, 0.51, 2.999], np.float32)
    golden = {
        "uniform": "00ff4060ff",
        "uniform(rounding=nearest)": "00ff4060ff",
        "uniform(bits=16, rounding=nearest)": "0000ffff0040a360efff",
        "uniform(bits=3, rounding=nearest)": "b876",
        "uniform(bits=1)": "12",
    }
    for spec, codes in golden.items():
        assert gw.values(spec).encode(values, None, gw.Step()).tobytes().hex() == "000080bf00004040" + codes


def test_equal_steps_equal_bytes_and_ranks_differ():
    x = np.random.default_rng(5).standard_normal(500).astype(np.float32)
    one, again, other = (gw.values("uniform").encode(x, None, gw.Step(1, 2, rank)).tobytes() for rank in (0, 0, 1))
    assert one == again != other


def test_sizes_and_claims():
    coder = gw.values("uniform")
    assert coder.unbiased and coder.omega(100) == 100 / (2 * 255**2) and coder.tables_nbytes(b"", 5) == 8 and coder.spec == "uniform"
    nearest = gw.values("uniform(bits=16, rounding=nearest)")
    assert not nearest.unbiased and nearest.omega(100) is None and nearest.spec == "uniform(bits=16, rounding=nearest)"
    for bits in range(1, 17):
        assert len(gw.values(f"uniform(bits={bits})").encode(np.ones(13, np.float32), None, STEP)) == 8 + -(-13 * bits // 8)


@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 5, 99])
def test_refuses_what_is_not_finite(bad, at):
    values = np.ones(100, np.float32)
    values[at] = bad
    with pytest.raises(DataError, match=f"at position {at}"):
        gw.values("uniform").encode(values, None, STEP)


@pytest.mark.parametrize(("low", "high"), [(1, 0), (np.nan, 1), (0, np.inf), (-np.inf, 0), (0, np.nan)])
def test_refuses_an_impossible_range(low, high):
    payload = np.array([low, high], "<f4").tobytes() + bytes(4)
    with pytest.raises(CorruptMessage, match="finite min ≤ max"):
        gw.values("uniform").decode(payload, None, STEP, 4)


@settings(deadline=None)
@given(st.integers(1, 16), st.binary(max_size=80), st.integers(0, 80))
def test_any_bytes_give_finite_values_or_an_error(bits, data, nnz):
    try:
        values = gw.values(f"uniform(bits={bits})").decode(data, None, STEP, nnz)
    except CorruptMessage:
        return
    assert values.shape == (nnz,) and np.all(np.isfinite(values))


@pytest.mark.parametrize("bits", [3, 8, 16])
def test_refuses_another_length_before_it_allocates(bits):
    coder = gw.values(f"uniform(bits={bits})")
    with pytest.raises(CorruptMessage, match=r"expected .* bytes, got 3"):
        coder.decode(bytes(3), np.arange(3, dtype=np.uint32), STEP)
    with pytest.raises(CorruptMessage, match=f"expected {8 + bits * 2**29} bytes, got 20"):
        coder.decode(bytes(20), None, STEP, 1 << 32)


@pytest.mark.parametrize(
    "spec",
    ["uniform(bits=0)", "uniform(bits=17)", "uniform(bits=8.0)", "uniform(bits=true)", "uniform(rounding=up)", "uniform(coding=elias)"],
)
def test_refuses_other_fields(spec):
    with pytest.raises(ConfigError, match=r"expected (bits|rounding|coding)"):
        gw.values(spec)


@pytest.mark.parametrize("bits", [1, 5, 8, 11, 16])
def test_wide_codes_are_the_packed_ones(bits, simd_level):
    values = np.random.default_rng(bits).standard_normal(1100).astype(np.float32)
    for n in (1, 63, 64, 65, 1100):
        low, high = float(values[:n].min()), float(values[:n].max())
        wide, packed = np.zeros(2 * n + 8, np.uint8), np.zeros(bitpack.packed_nbytes(n, bits) + 8, np.uint8)
        kernel.encode(values[:n], low, high, bits, 5, True, wide[: 2 * n], wide=True)
        kernel.encode(values[:n], low, high, bits, 5, True, packed[:-8])
        codes, one, other = np.empty(n, np.uint16), np.empty(n, np.float32), np.empty(n, np.float32)
        bitpack.unpack(packed, n, bits, codes)
        np.testing.assert_array_equal(wide[: 2 * n].view(np.uint16), codes)
        kernel.decode(wide[: 2 * n], low, high, bits, one, wide=True)
        kernel.decode(packed[:-8], low, high, bits, other)
        np.testing.assert_array_equal(one, other)
        assert not wide[2 * n :].any() and not packed[-8:].any()


def test_kernel_refuses_buffers_that_do_not_fit():
    values = np.ones(4, np.float32)
    with pytest.raises(ValueError, match="expected 4 bytes of codes, got 5"):
        kernel.encode(values, 1, 1, 8, 0, False, np.empty(5, np.uint8))
    with pytest.raises(ValueError, match="expected 8 bytes of codes, got 4"):
        kernel.encode(values, 1, 1, 8, 0, False, np.empty(4, np.uint8), wide=True)
    with pytest.raises(ValueError, match="1 to 16 bits"):
        kernel.decode(np.empty(8, np.uint8), 1, 1, 17, values)


@pytest.mark.parametrize("fields", ["bits=1", "bits=5", "bits=8", "bits=16", "bits=8, rounding=nearest"])
def test_huffman_codes_decode_to_the_same_values(fields, simd_level):
    plain, coder = gw.values(f"uniform({fields})"), gw.values(f"uniform({fields}, coding=huffman)")
    values = np.concatenate([np.random.default_rng(3).standard_normal(1200).astype(np.float32), [50]]).astype(np.float32)
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
        values = gw.values("uniform(bits=3, coding=huffman)").decode(bytes.fromhex("0000000000004040") + data, None, STEP, nnz)
    except CorruptMessage:
        return
    assert values.shape == (nnz,) and np.all(np.isfinite(values))


def test_huffman_payload_too_short_for_its_tables():
    with pytest.raises(CorruptMessage, match="at least 8 bytes, got 7"):
        gw.values("uniform(coding=huffman)").decode(bytes(7), None, STEP, 1 << 32)
    with pytest.raises(CorruptMessage, match="expected 4294967296 codes"):
        gw.values("uniform(coding=huffman)").decode(bytes(20), None, STEP, 1 << 32)
