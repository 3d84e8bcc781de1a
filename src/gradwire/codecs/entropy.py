"""The entropy stage: codes of a small alphabet as canonical, length-limited Huffman codes, or stored where that is no longer.

Huffman, Proc. IRE 1952; lengths by package-merge (Larmore and Hirschberg, JACM 1990). SKCompress (Jiang et al., VLDB Journal 2020)
Huffman-codes its cells; any value coder whose codes are uint16 may do the same with `encode` and `decode`. One table serves a whole
payload, so codes whose distribution changes along the message are coded as their mixture; nothing is modelled between neighbours.

The payload stands in cython_ext/huffman.h. Alphabets above 1,024 are cut: the upper 10 bits of a code are Huffman-coded, the lower ones
travel as they are. A code takes at least one bit, also where all are equal, so a payload of N bytes never decodes to more than 8N codes.
"""

import numpy as np

from .._ext import bitpack as _bitpack
from .._ext import huffman as _huffman
from ..errors import CorruptMessage

STORED, HUFFMAN = 0, 1
_TOP = 10
"""Bits of the largest symbol."""


def encode(codes, alphabet):
    """uint8: `codes` (uint16, (n,), each below alphabet ≤ 65536), at most 1 + ⌈n · width / 8⌉ bytes, nothing for n = 0.

    ValueError if a code is not below `alphabet`.
    """
    codes = np.ascontiguousarray(codes, np.uint16)
    width, shift, _ = _split(alphabet)
    counts = _count(codes, alphabet)
    if not len(codes):
        return np.empty(0, np.uint8)
    size, lengths, table = _plan(counts.sum(axis=0, dtype=np.uint64), len(codes), alphabet)
    payload = np.empty(size, np.uint8)
    if table is None:
        payload[0] = STORED
        _bitpack.pack(codes, width, payload[1:])
        return payload
    at, low = 1 + len(table), size - _low_nbytes(len(codes), shift)
    payload[0], payload[1:at] = HUFFMAN, table
    _huffman.encode(codes, shift, lengths, counts @ lengths.astype(np.int64), payload[at:low])
    if shift:
        _bitpack.pack(codes & np.uint16((1 << shift) - 1), shift, payload[low:])
    return payload


def decode(payload, n, alphabet):
    """uint16 (n,), each below `alphabet`: what `encode` was given. CorruptMessage for any other payload.

    Nothing is allocated unless n ≤ 8 · len(payload).
    """
    payload = np.frombuffer(payload, np.uint8)
    width, shift, symbols = _split(alphabet)
    if n > 8 * len(payload) or (n == 0 and len(payload)):
        raise CorruptMessage(f"entropy stage: expected {n} codes, got {len(payload)} bytes")
    if n == 0:
        return np.empty(0, np.uint16)
    if payload[0] == STORED:
        codes = _stored(payload[1:], n, width)
    elif payload[0] == HUFFMAN:
        codes = _symbols(payload[1:], n, shift, symbols)
    else:
        raise CorruptMessage(f"entropy stage: expected mode {STORED} (stored) or {HUFFMAN} (Huffman), got {payload[0]}")
    if codes.max() >= alphabet:
        raise CorruptMessage(f"entropy stage: expected codes below {alphabet}, got {codes.max()}")
    return codes


def nbytes(counts):
    """len(encode(codes, len(counts))) of codes of which counts[c] are c, without encoding."""
    counts = np.asarray(counts, np.uint64)
    _, shift, symbols = _split(len(counts))
    n = int(counts.sum())
    if not n:
        return 0
    folded = np.zeros(symbols << shift, np.uint64)
    folded[: len(counts)] = counts
    return _plan(folded.reshape(symbols, 1 << shift).sum(axis=1, dtype=np.uint64), n, len(counts))[0]


def _count(codes, alphabet):
    """uint32 (streams, symbols): how often each symbol occurs in each stream. ValueError for a code beyond the alphabet."""
    _, shift, symbols = _split(alphabet)
    counts = np.empty((_huffman.STREAMS, _huffman.SYMBOLS), np.uint32)
    if not _huffman.count(codes, alphabet, shift, counts):
        raise ValueError(f"expected codes below {alphabet}, got {codes.max()}")
    return counts[:, :symbols]


def _split(alphabet):
    """(bits of a code, bits of it that are not Huffman-coded, number of symbols above these, at least 2)"""
    if not 1 <= alphabet <= 1 << 16:
        raise ValueError(f"expected an alphabet of 1 to 65536 codes, got {alphabet}")
    width = max(1, (alphabet - 1).bit_length())
    shift = max(0, width - _TOP)
    return width, shift, max(2, ((alphabet - 1) >> shift) + 1)


def _plan(counts, n, alphabet):
    """(size of the payload, lengths, packed lengths); (size, None, None) where stored codes take no more."""
    width, shift, symbols = _split(alphabet)
    lengths, table = np.empty(symbols, np.uint8), np.empty((symbols + 1) // 2, np.uint8)
    _huffman.lengths(counts, _huffman.LIMIT - (alphabet <= 256), lengths)
    table = table[: _huffman.pack(lengths, table)]
    coded = len(table) + _huffman.nbytes(n, int(counts @ lengths.astype(np.uint64))) + _low_nbytes(n, shift)
    stored = _bitpack.packed_nbytes(n, width)
    return (1 + coded, lengths, table) if coded < stored else (1 + stored, None, None)


def _low_nbytes(n, shift):
    return _bitpack.packed_nbytes(n, shift) if shift else 0


def _stored(packed, n, width):
    if len(packed) != _bitpack.packed_nbytes(n, width):
        raise CorruptMessage(f"entropy stage: expected {n} stored codes of {width} bits, got {len(packed)} bytes")
    if n * width % 8 and packed[-1] >> n * width % 8:
        raise CorruptMessage("entropy stage: expected unused bits to be 0")
    codes = np.empty(n, np.uint16)
    _bitpack.unpack(packed, n, width, codes)
    return codes


def _symbols(coded, n, shift, symbols):
    """The codes of a Huffman payload behind its first byte."""
    lengths = np.empty(symbols, np.uint8)
    at, low = _huffman.unpack(coded, lengths), len(coded) - _low_nbytes(n, shift)
    if at < 0:
        raise CorruptMessage("entropy stage: expected the code lengths of a complete prefix code")
    if n > 8 * (low - at):
        raise CorruptMessage(f"entropy stage: expected {n} codes, got {max(low - at, 0)} bytes of them")
    codes = np.empty(n, np.uint16)
    if not _huffman.decode(coded[at:low], lengths, codes):
        raise CorruptMessage(f"entropy stage: expected the streams of {n} codes in {low - at} bytes, got others")
    if shift:
        rest = _stored(coded[low:], n, shift)
        codes <<= shift
        codes |= rest
    return codes
