"""fp16 against NumPy's own half precision, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire._ext import half as kernel
from gradwire.errors import CorruptMessage, DataError

STEP = gw.Step()
LARGEST = np.float32(65504)


def reference(values):
    """NumPy's conversion (nearest, ties to even), infinities clamped."""
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    return np.where(np.isinf(half), np.copysign(np.float16(65504), half), half).astype("<f2")


def encoded(values):
    return np.asarray(gw.values("fp16").encode(values, None, STEP))


def interesting_bits():
    """Every 9973rd float32, and all bit patterns near the places where the rounding changes its rule."""
    near = [0, 0x33000000, 0x33800000, 0x38000000, 0x38800000, 0x477FE000, 0x477FF000, 0x47800000, 0x7F7FFF00]
    spans = [np.arange(max(0, at - 3000), min(at + 9000, 0x7F800000)) for at in near]
    return np.concatenate([np.arange(0, 0x7F800000, 9973), *spans]).astype(np.uint32)


def interesting():
    values = interesting_bits().view(np.float32)[::37]
    return np.where(np.arange(len(values)) % 2, values, -values)


def test_equals_numpy_everywhere(simd_level):
    for sign in (0, 0x80000000):
        values = (interesting_bits() | np.uint32(sign)).view(np.float32)
        assert encoded(values).tobytes() == reference(values).tobytes()


@settings(deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=40))
def test_equals_numpy_on_any_list(numbers):
    values = np.array(numbers, np.float32)
    assert encoded(values).tobytes() == reference(values).tobytes()


def test_every_finite_code_decodes_as_numpy_says(simd_level):
    codes = np.arange(1 << 16, dtype="<u2")
    codes = codes[codes & 0x7C00 != 0x7C00]
    values = gw.values("fp16").decode(codes.tobytes(), None, STEP, len(codes))
    np.testing.assert_array_equal(values.view(np.uint32), codes.view("<f2").astype(np.float32).view(np.uint32))
    assert encoded(values).tobytes() == codes.tobytes()


def test_relative_error_is_at_most_half_a_unit():
    values = np.random.default_rng(1).standard_normal(10_000).astype(np.float32)
    back = gw.values("fp16").decode(encoded(values), None, STEP, len(values))
    normal = np.abs(values) >= 2.0**-14
    assert np.all(np.abs(back - values)[normal] <= np.abs(values)[normal] * 2.0**-11)


def test_overflow_is_clamped_and_counted(simd_level):
    coder = gw.values("fp16")
    below = np.nextafter(np.float32(65520), np.float32(0))
    values = np.array([65504, below, 65520, -65520, 3e38, -1], np.float32)
    back = coder.decode(coder.encode(values, None, STEP), None, STEP, 6)
    np.testing.assert_array_equal(back, [LARGEST, LARGEST, LARGEST, -LARGEST, LARGEST, -1])
    assert coder.count_overflow(values) == 3


def test_golden_bytes(simd_level):
    values = np.array([1, -2, 0, -0.0, 2**-24, 65520, 1 / 3], np.float32)
    assert encoded(values).tobytes().hex() == "003c00c0000000800100ff7b5535"


def test_claims():
    coder = gw.values("fp16")
    assert not coder.unbiased and coder.omega(5) is None and coder.spec == "fp16"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_finite(bad):
    values = np.array([0, 1e5, bad], np.float32)
    with pytest.raises(DataError, match="at position 2"):
        gw.values("fp16").encode(values, None, STEP)


@pytest.mark.parametrize("code", [0x7C00, 0xFC00, 0x7C01, 0xFFFF])
def test_refuses_codes_that_are_not_finite(code, simd_level):
    for at in (0, 17, 31, 39):
        codes = np.zeros(40, "<u2")
        codes[at] = code
        with pytest.raises(CorruptMessage, match="finite"):
            gw.values("fp16").decode(codes, None, STEP, 40)


def test_refuses_another_length():
    with pytest.raises(CorruptMessage, match="expected 6 bytes, got 5"):
        gw.values("fp16").decode(bytes(5), np.arange(3, dtype=np.uint32), STEP)
    with pytest.raises(CorruptMessage, match="expected 8589934592 bytes"):
        gw.values("fp16").decode(bytes(5), None, STEP, 1 << 32)


def test_no_values_read_only_and_unaligned():
    coder = gw.values("fp16")
    assert len(coder.decode(coder.encode(np.empty(0, np.float32), None, STEP), None, STEP, 0)) == 0
    values = np.arange(9, dtype=np.float32)
    values.flags.writeable = False
    shifted = (b"x" + coder.encode(values, None, STEP).tobytes())[1:]
    np.testing.assert_array_equal(coder.decode(memoryview(b"x" + shifted)[1:], None, STEP, 9), values)


def test_every_length(simd_level):
    """Blocks, vectors and the tail write the same codes; nothing is written beyond them; the kernel counts what it clamps, NaN too."""
    values = np.resize(interesting(), 2100)
    values[[3, 1030, 2090]] = np.nan, -np.inf, np.inf
    codes = reference(np.nan_to_num(values, nan=np.inf))
    for n in [*range(70), 1023, 1024, 1025, 2100]:
        out, back = np.full(2 * n + 8, 0xAB, np.uint8), np.full(n + 1, 7, np.float32)
        clamped = kernel.encode_fp16(values[:n], out[: 2 * n])
        assert clamped == np.count_nonzero(~(np.abs(values[:n]) < gw.values("fp16").overflow))
        assert out[: 2 * n].tobytes() == codes[:n].tobytes() and np.all(out[2 * n :] == 0xAB)
        assert kernel.decode_fp16(out[: 2 * n], back[:n]) and back[n] == 7
        np.testing.assert_array_equal(encoded(back[:n]).view(np.uint8), out[: 2 * n])
