"""deflate: the stream is zlib's, repetitions shrink, decompression is bounded, hostile bytes."""

import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire
from gradwire.codecs.keys.deflate import Deflate
from gradwire.codecs.keys.gaps import gaps_of


def raw(data, level=6):
    stream = zlib.compressobj(level, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush()


def reference(keys, level):
    gaps = np.diff(keys.astype(np.int64), prepend=-1) - 1
    planes = max(1, -(-int(gaps.max()).bit_length() // 8))
    body = b"".join((gaps >> 8 * p & 255).astype(np.uint8).tobytes() for p in range(planes))
    return bytes([planes]) + raw(body, level)


@pytest.mark.parametrize("level", [1, 6, 9])
@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_equals_the_reference_and_roundtrips(level, key_sets, data):
    keys, dim = data.draw(key_sets)
    coder = Deflate(level)
    payload = bytes(coder.encode(keys, dim))
    assert payload == (reference(keys, level) if len(keys) else b"")
    assert coder.estimate(keys, dim) == len(payload)
    np.testing.assert_array_equal(coder.decode(payload, len(keys), dim), keys)


@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_gaps(key_sets, data):
    keys, _ = data.draw(key_sets)
    np.testing.assert_array_equal(np.cumsum(gaps_of(keys) + 1.0) - 1, keys)


def test_repetitions_shrink():
    keys = np.cumsum(np.tile([3, 1, 40, 7, 300], 4000)).astype(np.uint32)
    assert 8 * len(Deflate().encode(keys, 1 << 32)) < 0.2 * len(keys)


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_hostile_bytes(key_sets, attack, data):
    attack(Deflate(), *data.draw(key_sets), seed=data.draw(st.integers(0, 1000)))


def test_a_bomb_is_not_inflated():
    """A stream of a hundred megabytes of zeros that claims to hold a thousand keys."""
    bomb = b"\1" + raw(bytes(100_000_000))
    tracemalloc.start()
    with pytest.raises(gradwire.CorruptMessage, match="nothing after it"):
        Deflate().decode(bomb, 1000, 1 << 32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize(
    ("payload", "nnz", "match"),
    [
        (b"", 1, "0 planes in 0 bytes"),
        (b"\0" + raw(b"\5"), 1, "got 0 planes"),
        (b"\5" + raw(bytes(5)), 1, "got 5 planes"),
        (b"\1" + raw(b"\5"), 1 << 31, "got 1 planes"),
        (b"\1" + raw(b"\5"), 101, "101 keys below 100"),
        (b"\1" + raw(b"\5"), 0, "no bytes"),
        (b"\1" + raw(b"\5\5"), 1, "nothing after it"),
        (b"\1" + raw(b"\5"), 2, "stream of 2 bytes"),
        (b"\1" + raw(b"\5") + b"\0", 1, "nothing after it"),
        (b"\1" + raw(b"\5")[:-1], 1, "nothing after it"),
        (b"\1\xff\xff\xff", 1, "raw deflate stream"),
        (b"\1" + raw(b"\5\x5e"), 2, "strictly increasing keys below 100, got 100"),
    ],
)
def test_says_what_is_wrong(payload, nnz, match):
    with pytest.raises(gradwire.CorruptMessage, match=match):
        Deflate().decode(payload, nnz, 100)


@pytest.mark.parametrize("level", [0, 10, "6", True])
def test_refuses_bad_configurations(level):
    with pytest.raises(gradwire.ConfigError, match="level"):
        Deflate(level)
