"""bf16 against a plain integer reference, bit for bit."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire._ext import half as kernel
from gradwire.errors import CorruptMessage, DataError

STEP = gw.Step()
LARGEST = np.array([0x7F7F0000], np.uint32).view(np.float32)[0]


def reference(values):
    """The nearest multiple of 2^16 of the bits, ties to even, as 16-bit codes; 0x7F80 and above clamped."""
    bits = values.view(np.uint32).astype(np.uint64)
    magnitude, sign = bits & 0x7FFFFFFF, bits >> 16 & 0x8000
    upper, rest = magnitude >> 16, magnitude & 0xFFFF
    upper += (rest > 0x8000) | ((rest == 0x8000) & (upper % 2 == 1))
    return (np.minimum(upper, 0x7F7F) | sign).astype("<u2")


def encoded(values):
    return np.asarray(gw.values("bf16").encode(values, None, STEP))


def interesting():
    values = np.arange(0, 0x7F800000, 999_983, dtype=np.uint32).view(np.float32)
    return np.where(np.arange(len(values)) % 2, values, -values)


def test_equals_the_reference_everywhere(simd_level):
    for sign in (0, 0x80000000):
        bits = np.concatenate([np.arange(0, 0x7F800000, 9973), np.arange(0x7F7F0000, 0x7F800000, 7), np.arange(0, 200_000)])
        values = (bits.astype(np.uint32) | np.uint32(sign)).view(np.float32)
        assert encoded(values).tobytes() == reference(values).tobytes()


@settings(deadline=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False, max_value=2.0**127, min_value=-(2.0**127)))
def test_no_bf16_is_nearer(number):
    value = np.array([number], np.float32)
    code = int(encoded(value).view("<u2")[0])
    errors = []
    for other in (code - 1, code, code + 1):
        if 0 <= other < 1 << 16 and other & 0x7F80 != 0x7F80:
            neighbour = np.array([other << 16], np.uint32).view(np.float32)[0]
            errors.append((abs(Fraction(float(neighbour)) - Fraction(float(value[0]))), other))
    assert min(errors)[0] == next(error for error, other in errors if other == code)


def test_every_finite_code_comes_back(simd_level):
    codes = np.arange(1 << 16, dtype="<u2")
    codes = codes[codes & 0x7F80 != 0x7F80]
    values = gw.values("bf16").decode(codes.tobytes(), None, STEP, len(codes))
    np.testing.assert_array_equal(values.view(np.uint32), codes.astype(np.uint32) << 16)
    assert encoded(values).tobytes() == codes.tobytes()


def test_overflow_is_clamped_and_counted(simd_level):
    coder = gw.values("bf16")
    clamped = np.array([0x7F7F8000, 0xFF7F8000, 0x7F7FFFFF], np.uint32).view(np.float32)
    kept = np.array([0x7F7F7FFF, 0x7F7F0000], np.uint32).view(np.float32)
    values = np.concatenate([clamped, kept])
    back = coder.decode(coder.encode(values, None, STEP), None, STEP, 5)
    np.testing.assert_array_equal(back, [LARGEST, -LARGEST, LARGEST, LARGEST, LARGEST])
    assert coder.count_overflow(values) == 3


def test_golden_bytes(simd_level):
    values = np.array([1, -2, 0, -0.0, 2**-133, 3.4e38, 1 / 3], np.float32)
    assert encoded(values).tobytes().hex() == "803f00c00000008001007f7fab3e"


def test_claims():
    coder = gw.values("bf16")
    assert not coder.unbiased and coder.omega(5) is None and coder.spec == "bf16"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_finite(bad):
    with pytest.raises(DataError, match="at position 2"):
        gw.values("bf16").encode(np.array([0, 3.4e38, bad], np.float32), None, STEP)


@pytest.mark.parametrize("code", [0x7F80, 0xFF80, 0x7F81, 0xFFFF])
def test_refuses_codes_that_are_not_finite(code, simd_level):
    for at in (0, 17, 31, 39):
        codes = np.zeros(40, "<u2")
        codes[at] = code
        with pytest.raises(CorruptMessage, match="finite"):
            gw.values("bf16").decode(codes, None, STEP, 40)


def test_refuses_another_length():
    with pytest.raises(CorruptMessage, match="expected 6 bytes, got 7"):
        gw.values("bf16").decode(bytes(7), np.arange(3, dtype=np.uint32), STEP)
    with pytest.raises(CorruptMessage, match="expected 8589934592 bytes"):
        gw.values("bf16").decode(bytes(5), None, STEP, 1 << 32)


def test_no_values():
    coder = gw.values("bf16")
    assert len(coder.decode(coder.encode(np.empty(0, np.float32), None, STEP), None, STEP, 0)) == 0


def test_every_length(simd_level):
    """Blocks, vectors and the tail write the same codes; nothing is written beyond them; the kernel counts what it clamps, NaN too."""
    values = np.resize(interesting(), 2100)
    values[[3, 1030, 2090]] = np.nan, -np.inf, np.inf
    codes = reference(np.nan_to_num(values, nan=np.inf))
    for n in [*range(70), 1023, 1024, 1025, 2100]:
        out, back = np.full(2 * n + 8, 0xAB, np.uint8), np.full(n + 1, 7, np.float32)
        clamped = kernel.encode_bf16(values[:n], out[: 2 * n])
        assert clamped == np.count_nonzero(~(np.abs(values[:n]) < gw.values("bf16").overflow))
        assert out[: 2 * n].tobytes() == codes[:n].tobytes() and np.all(out[2 * n :] == 0xAB)
        assert kernel.decode_bf16(out[: 2 * n], back[:n]) and back[n] == 7
        np.testing.assert_array_equal(encoded(back[:n]).view(np.uint8), out[: 2 * n])
