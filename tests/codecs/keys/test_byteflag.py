"""byteflag: the kernels against NumPy, sizes against the paper's, hostile bytes."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradwire
from gradwire.codecs.keys import byteflag
from gradwire.codecs.keys.byteflag import ByteFlag

SPECS = ["byteflag", "byteflag(lengths=124)"]


def reference(keys, lengths):
    """The format of byteflag.h in NumPy."""
    gaps = np.diff(keys, prepend=np.uint32(0)).astype("<u4")
    allowed = np.array([int(c) for c in lengths])
    needed = 1 + (gaps > 0xFF) + (gaps > 0xFFFF) + (gaps > 0xFFFFFF)
    size = allowed[np.searchsorted(allowed, needed)]
    flags = np.packbits((size[:, None] - 1) >> np.arange(2) & 1, bitorder="little")
    return flags.tobytes() + gaps.view(np.uint8).reshape(-1, 4)[np.arange(4) < size[:, None]].tobytes()


def check(coder, keys, dim):
    """The payload is the reference's, as long as `estimate` says, and decodes to the keys."""
    payload = bytes(coder.encode(keys, dim))
    assert payload == reference(keys, coder.lengths)
    assert coder.estimate(keys, dim) == len(payload)
    np.testing.assert_array_equal(coder.decode(payload, len(keys), dim), keys)


@pytest.mark.parametrize("spec", SPECS)
@given(data=st.data())
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equals_the_reference_and_roundtrips(spec, key_sets, simd_level, data):
    check(gradwire.keys(spec), *data.draw(key_sets))


@pytest.mark.parametrize("spec", SPECS)
def test_every_length(spec, ragged_keys, simd_level):
    coder = gradwire.keys(spec)
    for n in range(330):
        check(coder, ragged_keys[:n], 1 << 32)


@pytest.mark.parametrize("spec", SPECS)
def test_a_million_keys(spec, simd_level):
    """More than the kernel counts in one go."""
    keys = np.cumsum(np.random.default_rng(1).geometric(1 / 300, (1 << 20) + 77)).astype(np.uint32)
    check(gradwire.keys(spec), keys, 1 << 32)


def test_refuses_what_are_no_keys(bad_keys, simd_level):
    """The kernel finds that something is wrong, the error is that of every other coder."""
    keys, dim, match = bad_keys
    for what in (ByteFlag().encode, ByteFlag().estimate):
        with pytest.raises(gradwire.DataError, match=match):
            what(keys, dim)


def test_keys_that_change_meanwhile_are_refused(monkeypatch):
    """The kernel saw an unsorted key that is sorted when the error is to be worded."""
    monkeypatch.setattr(byteflag, "_byteflag", SimpleNamespace(measure=lambda *_: -1))
    with pytest.raises(gradwire.DataError, match="stay as they are"):
        ByteFlag().estimate(np.arange(3, dtype=np.uint32), 3)


@pytest.mark.parametrize("spec", SPECS)
@given(data=st.data())
@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_bytes(spec, key_sets, attack, simd_level, data):
    attack(gradwire.keys(spec), *data.draw(key_sets), seed=data.draw(st.integers(0, 1000)))


@pytest.mark.parametrize("spec", SPECS)
def test_all_levels_say_the_same_about_damaged_messages(spec, damaged):
    damaged(gradwire.keys(spec))


def test_400_small_gaps_cost_10_bits_each():
    """The Report's example: gaps of one byte cost 8 bits and a 2-bit flag: 4000 bits for 400 keys."""
    keys = np.cumsum(np.random.default_rng(0).integers(1, 256, 400)).astype(np.uint32)
    assert 8 * len(ByteFlag().encode(keys, 1 << 20)) == 4000


def test_lengths_differ_only_where_three_bytes_would_do():
    keys = np.cumsum([1 << 16, 1 << 24, 1 << 8]).astype(np.uint32)
    assert len(ByteFlag().encode(keys, 1 << 32)) == 1 + 3 + 4 + 2
    assert len(ByteFlag("124").encode(keys, 1 << 32)) == 1 + 4 + 4 + 2


@pytest.mark.parametrize(
    ("payload", "nnz", "lengths", "match"),
    [
        (b"\x01\x05", 1, "1234", "another number of bytes"),
        (b"\x00\x05\x05", 1, "1234", "another number of bytes"),
        (b"\x04\x05", 1, "1234", "unused bits"),
        (b"\x02\x05\x00\x01", 1, "124", "stands for nothing"),
        (b"\x00\x05\x00", 2, "1234", "do not increase"),
        (b"\x00\x00\x00", 2, "1234", "do not increase"),
        (b"\x00\x63\x01", 2, "1234", "too large"),
        (b"\x03\xff\xff\xff\xff", 1, "1234", "too large"),
        (b"\x00", 1, "1234", "at least 2 bytes"),
        (b"\x00", 0, "1234", "no bytes"),
        (bytes(200), 101, "1234", "at most 100 keys"),
    ],
)
def test_says_what_is_wrong(payload, nnz, lengths, match):
    with pytest.raises(gradwire.CorruptMessage, match=match):
        ByteFlag(lengths).decode(payload, nnz, 100)


def test_configuration():
    assert gradwire.keys("byteflag(lengths=124)") == gradwire.keys('byteflag(lengths="124")') == ByteFlag("124")
    assert gradwire.keys(ByteFlag("124").spec) == ByteFlag("124")
    with pytest.raises(gradwire.ConfigError, match="1234 or 124"):
        ByteFlag("12")
