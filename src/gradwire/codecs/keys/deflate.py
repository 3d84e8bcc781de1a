"""deflate: the bytes of the gaps through zlib, the general-purpose compressor that SketchML names as a baseline.

Byte planes: the lowest bytes of all gaps, then the second bytes, …, as many planes as the largest gap needs; gaps after the first are
coded minus 1. It finds repetitions that no other coder sees, at a hundredth of their speed. The bytes depend on the version of zlib (or
of what replaces it); every version decodes them all.
"""

import zlib
from dataclasses import dataclass

import numpy as np

from ...errors import ConfigError, CorruptMessage
from ...gradient import checked_keys
from ..base import KeyCoder
from . import no_keys
from .gaps import gaps_of

_MOST_EXPANDED = 1032
"""Bytes that one byte of deflate stands for, at most (zlib's technical notes)."""


@dataclass(frozen=True)
class Deflate(KeyCoder):
    """Payload: 1 byte, the number of planes (1 … 4), then a raw deflate stream (RFC 1951) of planes · nnz bytes.

    level: 1 (fast) … 9 (small), as zlib counts. A decoder allocates at most 1032 bytes per byte of payload.
    """

    level: int = 6

    name = "deflate"
    summary = "bytes of the gaps through zlib"
    paper = "RFC 1951; SketchML's baseline, Jiang et al., SIGMOD 2018"
    sample_margin = 1.03

    def __post_init__(self):
        if type(self.level) is not int or not 1 <= self.level <= 9:
            raise ConfigError(f"expected level 1 … 9, got {self.level!r}")

    def encode(self, keys, dim):
        keys = checked_keys(keys, dim)
        if not len(keys):
            return np.empty(0, np.uint8)
        gaps = gaps_of(keys)
        planes = max(1, (int(gaps.max()).bit_length() + 7) // 8)
        body = np.ascontiguousarray(gaps.astype("<u4", copy=False).view(np.uint8).reshape(-1, 4)[:, :planes].T)
        stream = zlib.compressobj(self.level, zlib.DEFLATED, -zlib.MAX_WBITS)
        return np.frombuffer(bytes([planes]) + stream.compress(body) + stream.flush(), np.uint8)

    def decode(self, payload, nnz, dim):
        payload = np.frombuffer(payload, np.uint8)
        if not nnz:
            return no_keys("deflate", payload)
        planes = int(payload[0]) if len(payload) else 0
        if not 1 <= planes <= 4 or nnz > dim or planes * nnz > _MOST_EXPANDED * len(payload):
            raise CorruptMessage(f"deflate: expected {nnz} keys below {dim} in 1 … 4 planes, got {planes} planes in {len(payload)} bytes")
        body = _inflate(payload[1:], planes * nnz)
        gaps = np.zeros((nnz, 4), np.uint8)
        gaps[:, :planes] = np.frombuffer(body, np.uint8).reshape(planes, nnz).T
        keys = np.cumsum(gaps.view("<u4").ravel(), dtype=np.uint64) + np.arange(nnz, dtype=np.uint64)
        if keys[-1] >= dim:
            raise CorruptMessage(f"deflate: expected {nnz} strictly increasing keys below {dim}, got {keys[-1]} as the last")
        return keys.astype(np.uint32)


def _inflate(stream, size):
    """Exactly `size` bytes, from exactly this stream."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = inflater.decompress(stream, size)
        if len(body) == size and not inflater.eof:  # the end mark may still stand out
            body += inflater.decompress(inflater.unconsumed_tail, 1)
    except zlib.error as error:
        raise CorruptMessage(f"deflate: expected a raw deflate stream, got {error}") from error
    if len(body) != size or not inflater.eof or inflater.unused_data:
        raise CorruptMessage(f"deflate: expected a stream of {size} bytes and nothing after it, got {len(body)} or more")
    return body
