"""Elias gamma codes: the kernel against plain Python, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradwire._ext import elias_gamma


def test_equals_the_reference(reference, simd_level):
    rng = np.random.default_rng(3)
    for n in [*range(70), 128, 191, 300, 2000]:
        for most in (1, 3, 300, 65535):
            codes = rng.integers(0, most, n).astype(np.uint16)
            expected = reference.gamma(codes)
            out = np.empty(len(expected) + elias_gamma.SLACK, np.uint8)
            assert elias_gamma.nbytes(codes) == elias_gamma.encode(codes, out) == len(expected)
            assert out[: len(expected)].tobytes() == expected
            back = np.empty(n, np.uint16)
            assert elias_gamma.decode(np.frombuffer(expected, np.uint8), back) == (codes.max() if n else -1)
            assert np.array_equal(back, codes)


@pytest.mark.parametrize(
    "payload",
    [
        b"",  # nothing
        b"\0\0\0",  # no ones at all
        b"\1\0",  # 1 code of 0 in 1 byte, and a byte too many
        b"\2",  # code 1 or 2, and no byte for its low bit
        b"\3",  # an unused bit of the unary stream
        b"\2\2",  # an unused bit of the rest
        b"\0\0\1\0\0",  # a number of 17 bits
    ],
)
def test_refuses(payload, simd_level):
    assert elias_gamma.decode(np.frombuffer(payload, np.uint8), np.empty(1, np.uint16)) is None


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=60), st.integers(0, 200))
def test_any_bytes_are_refused_or_are_the_codes_they_decode_to(payload, n):
    """One payload for each list of codes."""
    codes = np.zeros(n, np.uint16)
    largest = elias_gamma.decode(np.frombuffer(payload, np.uint8), codes)
    if largest is not None:
        out = np.empty(len(payload) + elias_gamma.SLACK, np.uint8)
        assert out[: elias_gamma.encode(codes, out)].tobytes() == payload


def test_refuses_short_buffers():
    with pytest.raises(ValueError, match="room for 13 bytes"):
        elias_gamma.encode(np.ones(9, np.uint16), np.empty(12, np.uint8))
