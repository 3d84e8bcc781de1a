"""natural: the kernel against NumPy byte for byte, and the claims of the paper: unbiased, ω = 1/8."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire.codecs.composed import Composed
from gradwire.errors import ConfigError, CorruptMessage, DataError

STEP = gw.Step(7, 11, 2)
SPECS = ["natural", "natural(bits=8)", "natural(rounding=nearest)", "natural(bits=8, rounding=nearest)"]


def random32(seed, n):
    """gw_random32(seed, i) for i below n."""
    x = np.arange(n, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(seed & 0xFFFFFFFF)
    x ^= x >> 16
    x *= np.uint32(0x21F0AAAD)
    x ^= np.uint32(seed >> 32)
    x ^= x >> 15
    x *= np.uint32(0x735A2D97)
    return x ^ x >> 15


def reference(values, coder, step):
    """The payload, one NumPy line for each step of the definition."""
    bits, n = values.view(np.uint32).astype(np.uint64), len(values)
    r = random32(step.private("natural"), n).astype(np.uint64)
    stochastic = coder.rounding == "stochastic"
    magnitude, sign = bits & 0x7FFFFFFF, bits >> 31
    field = (magnitude + (r >> 9 if stochastic else 1 << 22)) >> 23
    if coder.bits == 9:
        return np.concatenate([np.minimum(field, 254).astype(np.uint8), np.packbits(sign.astype(np.uint8), bitorder="little")])
    share = np.floor(np.abs(values).astype(np.float64) * 2.0**141)
    below = np.abs(values) < 2.0**-109
    code = np.where(below, (r if stochastic else 2**31 - 1) < share, np.clip(field.astype(int) - 17, 1, 127))
    return (code | sign.astype(int) << 7).astype(np.uint8)


def zoo():
    """Float32 with every exponent, mantissas at and around the ends and the middle, both signs; subnormals and zeros too."""
    mantissas = np.array([0, 1, 2, 0x3FFFFF, 0x400000, 0x400001, 0x7FFFFE, 0x7FFFFF, 0x123456], np.uint32)
    bits = (np.arange(255, dtype=np.uint32)[:, None] << 23 | mantissas).ravel()
    return np.concatenate([bits, bits | np.uint32(1 << 31)]).view(np.float32)


def roundtrip(coder, values, step=STEP):
    return coder.decode(coder.encode(values, None, step), None, step, len(values))


@pytest.mark.parametrize("spec", SPECS)
def test_equals_the_reference(spec, simd_level):
    coder = gw.values(spec)
    for n in [*range(140), 191, 192, 193, 300, 1000]:
        values = np.resize(np.random.default_rng(n).permutation(zoo()), n)
        assert coder.encode(values, None, STEP).tobytes() == reference(values, coder, STEP).tobytes()
    assert coder.encode(zoo(), None, STEP).tobytes() == reference(zoo(), coder, STEP).tobytes()


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(SPECS), st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=80), st.integers(0, 2**40))
def test_equals_the_reference_on_any_list(spec, numbers, seed):
    coder, values, step = gw.values(spec), np.array(numbers, np.float32), gw.Step(1, seed, 0)
    assert coder.encode(values, None, step).tobytes() == reference(values, coder, step).tobytes()


@pytest.mark.parametrize("spec", SPECS)
def test_results_are_the_two_neighbouring_powers(spec):
    coder = gw.values(spec)
    inside = zoo()
    low, high = (2.0**-126, 2.0**127) if coder.bits == 9 else (2.0**-109, 2.0**17)
    inside = inside[(np.abs(inside) >= low) & (np.abs(inside) <= high)]
    back = roundtrip(coder, inside)
    mantissa, exponent = np.frexp(np.abs(inside).astype(np.float64))
    floor = np.ldexp(1.0, exponent - 1)
    assert np.all((np.abs(back) == floor) | ((np.abs(back) == 2 * floor) & (mantissa > 0.5)))
    np.testing.assert_array_equal(np.signbit(back), np.signbit(inside))


@pytest.mark.parametrize("spec", SPECS)
def test_zeros_and_powers_of_two_are_exact(spec):
    powers = 2.0 ** np.arange(-109, 18)
    values = np.concatenate([powers, -powers, [0.0, -0.0]]).astype(np.float32)
    np.testing.assert_array_equal(roundtrip(gw.values(spec), values).view(np.uint32), values.view(np.uint32))


def test_beyond_the_range():
    largest, tiny = np.finfo(np.float32).max, np.float32(2.0**-149)
    values = np.array([largest, -largest, tiny, -tiny], np.float32)
    np.testing.assert_array_equal(roundtrip(gw.values("natural(rounding=nearest)"), values), [2.0**127, -(2.0**127), 0, 0])
    assert np.all(np.isin(np.abs(roundtrip(gw.values("natural"), values)), [2.0**127, 0, 2.0**-126]))
    np.testing.assert_array_equal(roundtrip(gw.values("natural(bits=8)"), values), [2.0**17, -(2.0**17), 0, 0])
    middle = np.array([2.0**-110, -(2.0**-110), np.nextafter(np.float32(2.0**-110), np.float32(0))], np.float32)
    np.testing.assert_array_equal(roundtrip(gw.values("natural(bits=8, rounding=nearest)"), middle), [2.0**-109, -(2.0**-109), 0])


def test_nearest_is_off_by_a_third_at_most():
    values = np.concatenate([np.random.default_rng(0).lognormal(0, 5, 10_000), [1.5, np.nextafter(np.float32(1.5), np.float32(0))]])
    values = values.astype(np.float32)
    error = np.abs(roundtrip(gw.values("natural(rounding=nearest)"), values) - values) / values
    assert 0.333 < error.max() <= (1 + 1e-6) / 3
    assert roundtrip(gw.values("natural(rounding=nearest)"), np.array([1.5], np.float32)) == 2


@pytest.mark.parametrize("spec", ["natural(rounding=nearest)", "natural(bits=8, rounding=nearest)"])
def test_nearest_is_monotone(spec):
    assert np.all(np.diff(roundtrip(gw.values(spec), np.sort(zoo()))) >= 0)


@pytest.mark.parametrize(
    ("spec", "value", "unit"),
    [("natural", v, 2.0 ** np.floor(np.log2(v))) for v in (1.25, 1.5, 1.999, 3e-20, 1e30)]
    + [("natural", 2.0**-127, 2.0**-126), ("natural", 2.0**-130, 2.0**-126)]
    + [("natural(bits=8)", v, 2.0 ** np.floor(np.log2(v))) for v in (1.3, 1e5, 1e-32)]
    + [("natural(bits=8)", v, 2.0**-109) for v in (1e-33, 2.0**-111, 2.0**-126, 2.0**-130)],
)
def test_unbiased(spec, value, unit):
    """The mean of n draws is within 4.5 standard deviations: with p the chance to go up, unit · √(p(1−p)/n)."""
    n = 400_000
    value = np.float32(-value)
    share = np.abs(np.float64(value)) / unit % 1
    mean = roundtrip(gw.values(spec), np.full(n, value)).astype(np.float64).mean()
    assert abs(mean - value) <= 4.5 * unit * max(np.sqrt(share * (1 - share) / n), 1 / n)


def test_omega_is_an_eighth_and_reached():
    """E‖C(x)−x‖² / ‖x‖² = (t−1)(2−t)/t² for t in [1, 2): 1/8 at 4/3, less elsewhere."""
    coder, n = gw.values("natural"), 400_000
    assert coder.omega(10) == 0.125
    for t, expected in [(4 / 3, 0.125), (1.1, 0.1 * 0.9 / 1.21), (1.9, 0.9 * 0.1 / 3.61)]:
        error = roundtrip(coder, np.full(n, t, np.float32)).astype(np.float64) / np.float32(t) - 1
        assert np.mean(error**2) == pytest.approx(expected, rel=0.01)
    x = np.random.default_rng(3).standard_normal(100_000).astype(np.float32)
    error = np.sum((roundtrip(coder, x).astype(np.float64) - x) ** 2) / np.sum(x.astype(np.float64) ** 2)
    assert 0.05 < error < 0.125


def test_equal_steps_equal_bytes_and_ranks_differ():
    x = np.random.default_rng(5).standard_normal(500).astype(np.float32)
    coder = gw.values("natural")
    one, again, other = (coder.encode(x, None, gw.Step(1, 2, rank)).tobytes() for rank in (0, 0, 1))
    assert one == again != other


@pytest.mark.parametrize("dense", [True, False])
def test_a_composition_of_any_gradient(dense):
    values = np.array([0.5, 0, -4, 0, 2**-100], np.float32)
    codec = Composed(None, gw.keys("raw"), gw.values("natural"))
    gradient = gw.Gradient(values, 5) if dense else gw.Gradient(values, 100, np.arange(5) * 9)
    message = gw.Message.from_bytes(bytes(codec.encode(gradient, STEP)))
    assert set(message.sections) == ({"values"} if dense else {"keys", "values"})
    back = codec.decode(message, STEP)
    np.testing.assert_array_equal(back.values, values)
    assert back.is_dense == dense and codec.unbiased and codec.omega(100) == 0.125


def test_golden_bytes():
    values = np.array([1, -1, 0, -0.0, 1.5, -3e-39, 3e38, 6e-34, 0.1], np.float32)
    assert gw.values("natural").encode(values, None, gw.Step()).tobytes().hex() == "7f7f00008000fe107c2a00"
    assert gw.values("natural(bits=8)").encode(values, None, gw.Step()).tobytes().hex() == "6eee00806f807f016b"


def test_sizes_and_claims():
    assert len(gw.values("natural").encode(np.ones(9, np.float32), None, STEP)) == 9 + 2
    assert len(gw.values("natural(bits=8)").encode(np.ones(9, np.float32), None, STEP)) == 9
    assert [gw.values(spec).unbiased for spec in SPECS] == [True, False, False, False]
    assert [gw.values(spec).omega(4) for spec in SPECS] == [0.125, None, None, None]
    assert [gw.values(spec).spec for spec in SPECS] == SPECS


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_finite(spec, bad):
    for at, n in [(0, 1), (63, 64), (64, 65), (10, 200)]:
        values = np.ones(n, np.float32)
        values[at] = bad
        with pytest.raises(DataError, match=f"at position {at}"):
            gw.values(spec).encode(values, None, STEP)


@pytest.mark.parametrize("at", [0, 63, 64, 99])
def test_refuses_exponent_255(at):
    payload = gw.values("natural").encode(np.ones(100, np.float32), None, STEP)
    payload[at] = 255
    with pytest.raises(CorruptMessage, match="got 255"):
        gw.values("natural").decode(payload, None, STEP, 100)


@settings(deadline=None)
@given(st.sampled_from(SPECS), st.binary(max_size=150), st.integers(0, 150))
def test_any_bytes_give_finite_values_or_an_error(spec, data, nnz):
    try:
        values = gw.values(spec).decode(data, None, STEP, nnz)
    except CorruptMessage:
        return
    assert values.shape == (nnz,) and np.all(np.isfinite(values))


def test_refuses_another_length_before_it_allocates():
    with pytest.raises(CorruptMessage, match="expected 4 bytes, got 3"):
        gw.values("natural").decode(bytes(3), np.arange(3, dtype=np.uint32), STEP)
    with pytest.raises(CorruptMessage, match="expected 4831838208 bytes"):
        gw.values("natural").decode(bytes(3), None, STEP, 1 << 32)


@pytest.mark.parametrize("spec", ["natural(bits=7)", "natural(bits=9.0)", "natural(bits=true)", "natural(rounding=down)"])
def test_refuses_other_fields(spec):
    with pytest.raises(ConfigError, match=r"expected (bits|rounding)"):
        gw.values(spec)
