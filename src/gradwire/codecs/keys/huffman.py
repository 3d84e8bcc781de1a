"""huffman: Huffman codes of the gaps' bit widths; the bits below the leading ones as they are.

Huffman, Proc. IRE 1952; one of the lossless baselines that SketchML names (Jiang et al., SIGMOD 2018). The code is one table for the whole
message, so it loses where gaps change along the keys, as they do when ids are ordered by popularity. Gaps after the first are coded
minus 1. A key takes at least 1 bit.

Payload, empty for no keys, else: the byte length of the entropy stage's payload (5 bytes, little-endian), that payload, which holds the
widths 0 … 32 (gradwire.codecs.entropy), then the bits below the leading ones (cython_ext/huffman_keys.h).
"""

from dataclasses import dataclass

import numpy as np

from ..._ext import huffman_keys as _kernel
from ...errors import CorruptMessage
from ...gradient import checked_keys
from .. import entropy as _entropy
from ..base import KeyCoder
from . import check_decoded, check_room, no_keys
from .gaps import UNLIMITED, GapStatistics

_HEADER = 5


@dataclass(frozen=True)
class Huffman(KeyCoder):
    """Global Huffman code of gap widths 0 … 32, the other bits raw. A baseline."""

    name = "huffman"
    summary = "Huffman codes of the gaps' bit widths, the lower bits raw"
    paper = "Huffman 1952; as a baseline in SketchML, Jiang et al., SIGMOD 2018"

    def encode(self, keys, dim):
        keys = checked_keys(keys, dim)
        if not len(keys):
            return np.empty(0, np.uint8)
        widths = np.empty(len(keys), np.uint16)
        bits = _kernel.widths(keys, widths)
        coded = _entropy.encode(widths, _kernel.WIDTHS)
        at, rest = _HEADER + len(coded), (bits + 7) // 8
        payload = np.empty(at + rest + _kernel.SLACK, np.uint8)
        payload[:_HEADER] = np.frombuffer(len(coded).to_bytes(_HEADER, "little"), np.uint8)
        payload[_HEADER:at] = coded
        _kernel.pack(keys, bits, payload[at:])
        return payload[: at + rest]

    def decode(self, payload, nnz, dim):
        payload = np.frombuffer(payload, np.uint8)
        if not nnz:
            return no_keys("huffman", payload)
        size = int.from_bytes(payload[:_HEADER].tobytes(), "little")
        coded, rest = payload[_HEADER:][:size], payload[_HEADER:][size:]
        if len(coded) != size:
            raise CorruptMessage(f"huffman: expected {size} bytes of widths, got {len(coded)}")
        check_room("huffman", len(coded), (nnz + 7) // 8, nnz, dim)
        widths, keys = _entropy.decode(coded, nnz, _kernel.WIDTHS), np.empty(nnz, np.uint32)
        check_decoded("huffman", _kernel.unpack(widths, rest, dim, keys), len(payload), nnz, dim)
        return keys

    def estimate(self, keys, dim):
        return self.estimate_below(GapStatistics(keys, dim), UNLIMITED) if len(keys) else 0

    def estimate_below(self, statistics, limit):
        counts = statistics.width_counts
        rests = int(counts[1:] @ np.arange(_kernel.WIDTHS - 1))
        return _HEADER + _entropy.nbytes(counts) + (rests + 7) // 8
