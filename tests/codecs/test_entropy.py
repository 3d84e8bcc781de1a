"""The entropy stage: against a reference in plain Python byte for byte, optimal lengths against brute force, hostile bytes."""

import heapq
import tracemalloc
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradwire import CorruptMessage
from gradwire._ext import huffman
from gradwire.codecs import entropy

ALPHABETS = [1, 2, 3, 17, 256, 257, 1000, 1024, 1025, 5000, 65536]
SIZES = [0, 1, 2, 3, 7, 8, 9, 100, 255, 300, 1023, 1024, 1025, 1026, 1027, 1100, 16383, 16384, 20_003]


def draw(rng, alphabet, n, p):
    """n codes below `alphabet`, geometric: the smaller p, the flatter."""
    return np.minimum(rng.geometric(p, n) - 1, alphabet - 1).astype(np.uint16)


def lengths_of(counts, limit):
    out = np.empty(len(counts), np.uint8)
    huffman.lengths(np.asarray(counts, np.uint64), limit, out)
    return out


def as_bits(number, width):
    return [number >> i & 1 for i in range(width)]


def as_bytes(bits):
    return np.packbits(np.array(bits, np.uint8), bitorder="little").tobytes()


def canonical(lengths):
    """symbol → the bits of its code, the most significant first."""
    code, before, words = 0, 0, {}
    for length, symbol in sorted((length, s) for s, length in enumerate(lengths) if length):
        code <<= length - before
        words[symbol] = as_bits(code, length)[::-1]
        code, before = code + 1, length
    return words


def packed_lengths(lengths):
    halves, at = [], 0
    while at < len(lengths):
        before, run = lengths[at - 1] if at else 0, 0
        while at + run < len(lengths) and run < 259 and lengths[at + run] == before:
            run += 1
        halves += [15, (run - 4) % 16, (run - 4) // 16] if run >= 4 else [lengths[at]]
        at += max(1, run if run >= 4 else 1)
    halves += [0] * (len(halves) % 2)
    return bytes(low | high << 4 for low, high in zip(halves[::2], halves[1::2]))


def reference(codes, alphabet):
    """The format of huffman.h, one symbol at a time."""
    n, width = len(codes), max(1, (alphabet - 1).bit_length())
    if n == 0:
        return b""
    shift = max(0, width - 10)
    symbols = [int(code) >> shift for code in codes]
    counts = np.bincount(symbols, minlength=max(2, ((alphabet - 1) >> shift) + 1))
    lengths = lengths_of(counts, 11 if alphabet <= 256 else 12).tolist()
    words = canonical(lengths)
    q = n // 4
    parts = [symbols] if n < 1024 else [symbols[:q], symbols[q : 2 * q], symbols[2 * q : 3 * q], symbols[3 * q :]]
    streams = [[bit for symbol in part for bit in words[symbol]] for part in parts]
    coded = b"".join(as_bytes(stream) for stream in streams)
    if n >= 1024:
        sizes = b"".join(((len(stream) + 7) // 8).to_bytes(4, "little") for stream in streams[:3])
        coded = sizes + coded.ljust(sum(map(len, streams)) // 8 + 4, b"\0")
    low = as_bytes([bit for code in codes for bit in as_bits(int(code), shift)])
    coded = b"\1" + packed_lengths(lengths) + coded + low
    stored = b"\0" + as_bytes([bit for code in codes for bit in as_bits(int(code), width)])
    return min(stored, coded, key=len)


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_equals_the_reference_and_comes_back(alphabet, simd_level):
    rng = np.random.default_rng(alphabet)
    for n in SIZES:
        for p in (0.02, 0.3, 0.9):
            codes = draw(rng, alphabet, n, p)
            payload = entropy.encode(codes, alphabet)
            if n <= 1100 or p == 0.3:
                assert payload.tobytes() == reference(codes, alphabet)
            assert (
                entropy.nbytes(np.bincount(codes, minlength=alphabet))
                == len(payload)
                <= 1 + -(-n * max(1, (alphabet - 1).bit_length()) // 8)
            )
            decoded = entropy.decode(bytes(payload), n, alphabet)
            assert decoded.dtype == np.uint16 and np.array_equal(decoded, codes)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_equals_the_reference_on_any_codes(data):
    alphabet = data.draw(st.one_of(st.integers(1, 40), st.sampled_from(ALPHABETS)))
    codes = np.array(data.draw(st.lists(st.integers(0, alphabet - 1), max_size=200)), np.uint16)
    payload = entropy.encode(codes, alphabet)
    assert payload.tobytes() == reference(codes, alphabet)
    assert np.array_equal(entropy.decode(payload, len(codes), alphabet), codes)


def test_streams_of_very_different_density(simd_level):
    """The quarters of a message take 1 bit to 11 bits a code."""
    rng = np.random.default_rng(0)
    quarter = 30_000
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]):
        kinds = [np.zeros(quarter), rng.integers(0, 3, quarter), rng.integers(0, 64, quarter), rng.integers(0, 256, quarter)]
        codes = np.concatenate([kinds[k] for k in order]).astype(np.uint16)
        assert np.array_equal(entropy.decode(entropy.encode(codes, 256), len(codes), 256), codes)


@cache
def complete_codes(symbols, limit):
    """All ascending lengths of complete prefix codes."""

    def extend(chosen, left, least):
        if len(chosen) == symbols:
            return [tuple(chosen)] if left == 0 else []
        return [
            code
            for length in range(least, limit + 1)
            if (share := Fraction(1, 2**length)) <= left
            for code in extend([*chosen, length], left - share, length)
        ]

    return extend([], Fraction(1), 1)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=8), st.integers(3, 6))
def test_lengths_are_optimal(counts, limit):
    lengths = lengths_of(counts, limit)
    assert sum(Fraction(1, 2 ** int(length)) for length in lengths) == 1 and lengths.max() <= limit
    heavy_first = sorted(counts, reverse=True)
    best = min(sum(c * length for c, length in zip(heavy_first, code)) for code in complete_codes(len(counts), limit))
    assert int(np.dot(counts, lengths)) == best


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.integers(2, 1024))
def test_long_alphabets_are_optimal_where_the_limit_does_not_bind(seed, m):
    counts = np.random.default_rng(seed).integers(900, 1100, m)
    heap = counts.tolist()
    heapq.heapify(heap)
    total = 0
    while len(heap) > 1:
        pair = heapq.heappop(heap) + heapq.heappop(heap)
        total += pair
        heapq.heappush(heap, pair)
    assert int(counts @ lengths_of(counts, 12)) == total


def test_a_limit_that_binds():
    fibonacci = [1, 1]
    while len(fibonacci) < 30:
        fibonacci.append(sum(fibonacci[-2:]))
    lengths = lengths_of(fibonacci, 12)
    assert lengths.max() == 12 and np.sum(0.5**lengths) == 1
    assert np.all(np.diff(lengths.astype(int)) <= 0)
    codes = np.repeat(np.arange(22), fibonacci[:22]).astype(np.uint16)
    assert np.array_equal(entropy.decode(entropy.encode(codes, 22), len(codes), 22), codes)


def test_close_to_the_entropy():
    rng = np.random.default_rng(4)
    for p in (0.05, 0.2):
        codes = draw(rng, 256, 200_000, p)
        share = np.bincount(codes) / len(codes)
        bound = -(share[share > 0] * np.log2(share[share > 0])).sum() / 8 * len(codes)
        assert bound <= len(entropy.encode(codes, 256)) <= 1.02 * bound


def test_uniform_codes_are_stored():
    codes = np.arange(256, dtype=np.uint16).repeat(10)
    payload = entropy.encode(codes, 256)
    assert payload[0] == 0 and len(payload) == 1 + len(codes)


def test_equal_codes_take_a_bit_each():
    assert len(entropy.encode(np.full(80_000, 200, np.uint16), 256)) < 10_000 + 40


def test_sizes_from_a_histogram_at_scale():
    """A size for more codes than could be encoded here."""
    assert entropy.nbytes([2**32, 2**31, 0]) == 1 + 2 + 12 + (2**32 + 2**31) // 8 + 4
    assert entropy.nbytes([0, 0]) == 0


@pytest.mark.parametrize("call", [entropy.encode, lambda codes, alphabet: entropy.decode(b"", 0, alphabet)])
@pytest.mark.parametrize("alphabet", [0, -1, 65537])
def test_refuses_other_alphabets(call, alphabet):
    with pytest.raises(ValueError, match="alphabet of 1 to 65536"):
        call(np.zeros(0, np.uint16), alphabet)


@pytest.mark.parametrize(("alphabet", "at"), [(1, 0), (255, 5), (3000, 1999)])
def test_refuses_codes_beyond_the_alphabet(alphabet, at, simd_level):
    codes = np.zeros(2000, np.uint16)
    codes[at] = alphabet
    with pytest.raises(ValueError, match=f"codes below {alphabet}, got {alphabet}"):
        entropy.encode(codes, alphabet)


def attempt(payload, n, alphabet):
    """Valid codes or None; memory in proportion to the payload."""
    tracemalloc.start()
    try:
        codes = entropy.decode(payload, n, alphabet)
    except CorruptMessage:
        return None
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= 40 * len(payload) + 20_000
    assert codes.shape == (n,) and codes.dtype == np.uint16 and (n == 0 or codes.max() < alphabet)
    return codes


@pytest.mark.parametrize(("alphabet", "n"), [(2, 40), (5, 700), (256, 300), (256, 1500), (3000, 1200), (17, 17_000)])
def test_damage(alphabet, n, simd_level):
    rng = np.random.default_rng(n)
    good = entropy.encode(draw(rng, alphabet, n, 0.2), alphabet).tobytes()
    lengths = range(len(good)) if len(good) < 2000 else rng.integers(0, len(good), 300).tolist()
    for length in lengths:
        assert attempt(good[:length], n, alphabet) is None
    assert attempt(good + b"\0", n, alphabet) is None
    for other in (n - 1, n + 1):  # legal where the unused bits of the last byte are themselves a code
        attempt(good, other, alphabet)
    for other in (0, 1, 2 * n + 9, 8 * len(good) + 1, 2**32):
        assert attempt(good, other, alphabet) is None
    for _ in range(400):
        damaged = bytearray(good)
        for at in rng.integers(0, len(good), int(rng.integers(1, 4))):
            damaged[at] ^= 1 << int(rng.integers(8))
        attempt(bytes(damaged), n, alphabet)
    for _ in range(200):
        attempt(good[:1] + rng.bytes(int(rng.integers(0, 80))), int(rng.integers(0, 90)), alphabet)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=60), st.integers(0, 300), st.sampled_from(ALPHABETS))
def test_any_bytes(payload, n, alphabet):
    attempt(payload, n, alphabet)


def huffman_payload(halves, streams):
    halves = halves + [0] * (len(halves) % 2)
    return b"\1" + bytes(low | high << 4 for low, high in zip(halves[::2], halves[1::2])) + streams


@pytest.mark.parametrize(
    ("payload", "n", "match"),
    [
        (b"\2\0", 1, "expected mode 0 .stored. or 1 .Huffman., got 2"),
        (b"\0\0", 0, "expected 0 codes, got 2 bytes"),
        (b"\0", 9, "expected 9 codes, got 1 bytes"),
        (b"\0\0\0", 3, "3 stored codes of 2 bits"),
        (b"\0\x40", 3, "unused bits"),
        (b"\0\x30", 3, "codes below 3, got 3"),
        (huffman_payload([1, 2, 3], b"\0"), 3, "complete prefix code"),
        (huffman_payload([1, 1, 1], b"\0"), 3, "complete prefix code"),
        (huffman_payload([1, 13, 2], b"\0"), 3, "complete prefix code"),
        (huffman_payload([15, 0, 0], b"\0"), 3, "complete prefix code"),
        (huffman_payload([1, 2, 2, 1], b"\0"), 3, "complete prefix code"),
        (b"\1\x21", 3, "complete prefix code"),
        (b"\1\x21\2", 3, "expected 3 codes, got 0 bytes of them"),
        (huffman_payload([1, 2, 2], b"\0\0"), 3, "streams of 3 codes in 2 bytes"),
        (huffman_payload([1, 2, 2], b"\x08"), 3, "streams of 3 codes in 1 bytes"),
        (huffman_payload([1, 2, 2], bytes(300)), 1024, "streams of 1024 codes in 300 bytes"),
        (huffman_payload([1, 2, 2], b"\xff" * 300), 1024, "streams of 1024 codes in 300 bytes"),
        (huffman_payload([1, 2, 2], bytes([32, 0, 0, 0] * 3) + bytes(132)), 1024, None),
        (huffman_payload([1, 2, 2], bytes([32, 0, 0, 0] * 3) + bytes(131) + b"\1"), 1024, "streams of 1024 codes in 144 bytes"),
        (huffman_payload([1, 2, 2], bytes([33, 0, 0, 0] * 3) + bytes(132)), 1024, "streams of 1024 codes in 144 bytes"),
    ],
)
def test_says_what_is_wrong(payload, n, match, simd_level):
    if match is None:
        assert not entropy.decode(payload, n, 3).any()
        return
    with pytest.raises(CorruptMessage, match=match):
        entropy.decode(payload, n, 3)


def test_the_kernels_refuse_wrong_buffers():
    codes, lengths, bits = np.zeros(10, np.uint16), np.array([1, 1], np.uint8), np.array([10, 0, 0, 0])
    for call in (
        lambda: huffman.encode(codes, 0, lengths, bits, np.empty(3, np.uint8)),
        lambda: huffman.encode(codes, 0, lengths, bits[:3], np.empty(2, np.uint8)),
        lambda: huffman.decode(np.zeros(2, np.uint8), lengths[:1], codes),
        lambda: huffman.count(codes, 4000, 0, np.empty((4, 1024), np.uint32)),
        lambda: huffman.count(codes, 4, 0, np.empty((4, 1000), np.uint32)),
        lambda: huffman.lengths(np.zeros(4, np.uint64), 12, np.empty(4, np.uint8)),
        lambda: huffman.lengths(np.ones(5, np.uint64), 2, np.empty(5, np.uint8)),
        lambda: huffman.lengths(np.ones(5, np.uint64), 13, np.empty(5, np.uint8)),
        lambda: huffman.pack(np.ones(5, np.uint8), np.empty(2, np.uint8)),
        lambda: huffman.unpack(np.zeros(5, np.uint8), np.empty(0, np.uint8)),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()
