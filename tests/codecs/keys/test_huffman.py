"""huffman: the format against plain Python, exact estimates, hostile bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire
from gradwire._ext import huffman_keys as kernel
from gradwire.codecs import entropy
from gradwire.codecs.keys.huffman import Huffman


def reference(keys):
    """The payload, one gap at a time."""
    if not len(keys):
        return b""
    gaps = keys.astype(np.int64)
    gaps[1:] = np.diff(gaps) - 1
    widths = [int(gap).bit_length() for gap in gaps]
    rest = [int(gap) >> i & 1 for gap, width in zip(gaps, widths) for i in range(width - 1)]
    coded = entropy.encode(np.array(widths, np.uint16), 33).tobytes()
    return len(coded).to_bytes(5, "little") + coded + np.packbits(np.array(rest, np.uint8), bitorder="little").tobytes()


@given(data=st.data())
@settings(deadline=None, max_examples=120)
def test_equals_the_reference_and_roundtrips(key_sets, data):
    keys, dim = data.draw(key_sets)
    payload = bytes(Huffman().encode(keys, dim))
    assert payload == reference(keys)
    assert Huffman().estimate(keys, dim) == len(payload)
    np.testing.assert_array_equal(Huffman().decode(payload, len(keys), dim), keys)


def test_all_levels_on_all_lengths(simd_level):
    rng = np.random.default_rng(0)
    for n in [*range(70), 127, 128, 300, 1023, 1024, 30_000]:
        for spread in (2, 40, 1 << 17):
            keys = (np.cumsum(rng.integers(1, spread, n)) - 1).astype(np.uint32)
            payload = bytes(Huffman().encode(keys, 1 << 32))
            if n < 2500:
                assert payload == reference(keys)
            np.testing.assert_array_equal(Huffman().decode(payload, n, 1 << 32), keys)


def test_sizes():
    """Geometric gaps within 5% of their entropy; a run takes a bit a key; uniform ids about what Golomb codes would."""
    rng = np.random.default_rng(1)
    keys = np.unique(rng.integers(0, 1 << 24, 200_000)).astype(np.uint32)
    p = len(keys) / (1 << 24)
    bound = (-p * np.log2(p) - (1 - p) * np.log2(1 - p)) / p
    assert bound < 8 * len(Huffman().encode(keys, 1 << 24)) / len(keys) < 1.05 * bound
    assert len(Huffman().encode(np.arange(80_000, dtype=np.uint32), 80_000)) < 10_000 + 60


@given(data=st.data())
@settings(deadline=None, max_examples=20)
def test_hostile_bytes(key_sets, attack, data):
    attack(Huffman(), *data.draw(key_sets), seed=data.draw(st.integers(0, 1000)))


@pytest.mark.parametrize(
    ("payload", "nnz", "match"),
    [
        (b"", 1, "at least 1 bytes"),
        (b"\2\0\0\0\0\0", 1, "expected 2 bytes of widths, got 1"),
        (b"\2\0\0\0\0\0\0", 1 << 32, "at most 100 keys"),
        (b"\2\0\0\0\0\0\0", 30, "at least 4 bytes"),
        (b"\2\0\0\0\0\2\0", 1, "expected mode"),
        (b"\2\0\0\0\0\0\x21", 1, "codes below 33, got 33"),
        (b"\2\0\0\0\0\0\2", 1, "another number of bytes"),
        (b"\2\0\0\0\0\0\2\1\0", 1, "another number of bytes"),
        (b"\2\0\0\0\0\0\2\2", 1, "unused bits"),
        (b"\2\0\0\0\0\0\x07\x24", 1, "too large"),
        (b"\2\0\0\0\0\0\x20\xff\xff\xff\x7f", 1, "too large"),
        (b"\0", 0, "expected no bytes"),
    ],
)
def test_says_what_is_wrong(payload, nnz, match):
    with pytest.raises(gradwire.CorruptMessage, match=match):
        Huffman().decode(payload, nnz, 100)


def test_keys_may_not_wrap_around():
    """Gaps whose sum passes 2³² and comes back below dim."""
    widths = entropy.encode(np.array([32, 32], np.uint16), 33).tobytes()
    payload = len(widths).to_bytes(5, "little") + widths + b"\xff" * 7 + b"\x3f"
    with pytest.raises(gradwire.CorruptMessage, match="too large"):
        Huffman().decode(payload, 2, 1 << 32)


def test_the_kernels_refuse_wrong_buffers():
    keys = np.arange(9, dtype=np.uint32)
    for call in (
        lambda: kernel.widths(keys, np.empty(8, np.uint16)),
        lambda: kernel.pack(keys, 9, np.empty(9, np.uint8)),
        lambda: kernel.unpack(np.zeros(9, np.uint16), np.empty(0, np.uint8), 9, keys[:8]),
    ):
        with pytest.raises(ValueError, match="expected room"):
            call()
