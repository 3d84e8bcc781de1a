"""The bit packer against a plain NumPy one, byte for byte."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradwire._ext import bitpack, simd


def reference_pack(codes, bits):
    """Code i in bits [i·bits, (i+1)·bits), least significant bit first."""
    planes = (codes[:, None].astype(np.uint32) >> np.arange(bits)) & 1
    return np.packbits(planes.astype(np.uint8).ravel(), bitorder="little")


def packed(codes, bits):
    out = np.full(bitpack.packed_nbytes(len(codes), bits) + 8, 0xAB, np.uint8)
    nbytes = bitpack.pack(codes, bits, out)
    assert np.all(out[nbytes:] == 0xAB), "wrote past its own bytes"
    return out[:nbytes]


@pytest.mark.parametrize("bits", range(1, 17))
def test_equals_the_reference_at_every_length(bits, simd_level):
    rng = np.random.default_rng(bits)
    for n in [*range(140), 257, 1001]:
        codes = rng.integers(0, 1 << bits, n).astype(np.uint16)
        payload = packed(codes, bits)
        assert len(payload) == -(-n * bits // 8)
        np.testing.assert_array_equal(payload, reference_pack(codes, bits))
        back = np.full(n + 1, 0xABCD, np.uint16)
        bitpack.unpack(payload, n, bits, back)
        np.testing.assert_array_equal(back[:n], codes)
        assert back[n] == 0xABCD


@pytest.mark.parametrize("level", simd.levels())
@settings(deadline=None)
@given(st.integers(1, 16), st.binary(max_size=300))
def test_any_bytes_unpack_to_codes_that_pack_to_them(level, bits, data):
    n = len(data) * 8 // bits
    payload = np.frombuffer(data, np.uint8)
    codes = np.empty(n, np.uint16)
    before = simd.use(level)
    try:
        bitpack.unpack(payload, n, bits, codes)
        again, whole = packed(codes, bits), n * bits // 8
    finally:
        simd.use(before)
    assert np.all(codes < 1 << bits)
    np.testing.assert_array_equal(again[:whole], payload[:whole])


def test_unaligned_and_read_only_payloads():
    codes = np.arange(100, dtype=np.uint16)
    payload = np.concatenate([np.zeros(1, np.uint8), packed(codes, 7)])[1:]
    payload.flags.writeable = False
    back = np.empty(100, np.uint16)
    bitpack.unpack(payload, 100, 7, back)
    np.testing.assert_array_equal(back, codes)


def test_golden_bytes():
    assert packed(np.array([1, 2, 3, 4, 5], np.uint16), 3).tobytes() == bytes([0b11_010_001, 0b0_101_100_0])


@pytest.mark.parametrize("bits", [0, 17, -1])
def test_refuses_other_widths(bits):
    codes, payload = np.zeros(4, np.uint16), np.zeros(64, np.uint8)
    with pytest.raises(ValueError, match="1 to 16 bits"):
        bitpack.pack(codes, bits, payload)
    with pytest.raises(ValueError, match="1 to 16 bits"):
        bitpack.unpack(payload, 4, bits, codes)


def test_refuses_buffers_that_are_too_small():
    codes = np.zeros(9, np.uint16)
    with pytest.raises(ValueError, match="room for 6 bytes"):
        bitpack.pack(codes, 5, np.empty(5, np.uint8))
    with pytest.raises(ValueError, match="expected 6 bytes"):
        bitpack.unpack(np.empty(5, np.uint8), 9, 5, codes)
    with pytest.raises(ValueError, match="room for 9 codes"):
        bitpack.unpack(np.empty(6, np.uint8), 9, 5, codes[:8])
    with pytest.raises(ValueError, match="n ≥ 0"):
        bitpack.unpack(np.empty(6, np.uint8), -1, 5, codes)
