"""bitflag: gaps in one of 2^f bit widths, named by f flag bits: FastSGD's adaptive fine-grained delta encoding.

Yang, Chen, Zeng, Gao 2021 (arXiv 2112.04291): gaps per bit instead of per byte, with a length flag that adapts. The paper leaves the
widths open; here they are the multiples of w = ⌈B/2^f⌉ up to B, the width of the largest gap, or the 2^f widths that cost least.
Gaps after the first are coded minus 1. A key costs at least 1 bit: one width for all (f = 0) is at least 1, and only chosen widths
(`widths="optimal"`) can be 0. One set of widths serves the whole message, so it does not follow gaps that change along the keys. The
format, one for both kinds of widths, stands in cython_ext/bitflag.h.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..._ext import bitflag as _bitflag
from ...errors import ConfigError, CorruptMessage
from ..base import KeyCoder
from . import check_decoded, check_room, no_keys, plain_keys, refuse, whole_bytes

_KINDS = ("multiples", "optimal")


class Widths(NamedTuple):
    """flag_bits: f. widths: at most 2^f bit widths, ascending. bits: what flags and payload cost with them in all."""

    flag_bits: int
    widths: tuple[int, ...]
    bits: int


def choose_widths(counts, flag_bits="auto", widths="multiples"):
    """The Widths of the fewest bits for numbers of which counts[b] are b bits wide (0 is 0 bits wide), b up to 32.

    flag_bits: 0 … 5, or "auto" for the best of these (the smallest at a tie). widths: "multiples" or "optimal".

    >>> choose_widths([1, 1, 2, 4, 8, 16, 32, 64, 128], flag_bits=2)  # the numbers 0 … 255, once each
    Widths(flag_bits=2, widths=(2, 4, 6, 8), bits=2392)
    """
    counts = np.asarray(counts, np.int64)
    if counts.ndim != 1 or len(counts) > _bitflag.WIDTHS or (counts < 0).any():
        raise ConfigError(f"expected counts of at most {_bitflag.WIDTHS} widths, none negative, got {counts.tolist()}")
    counts = np.concatenate([counts, np.zeros(_bitflag.WIDTHS - len(counts), np.int64)])
    bits, f, chosen = _choose(counts, flag_bits, widths)
    return Widths(f, tuple(b for b in range(_bitflag.WIDTHS) if chosen >> b & 1), bits)


def _choose(counts, flag_bits, widths):
    first, last = (0, _bitflag.MAX_FLAG_BITS) if flag_bits == "auto" else (flag_bits, flag_bits)
    return _bitflag.choose(counts, widths == "optimal", first, last)


@dataclass(frozen=True)
class BitFlag(KeyCoder):
    """Payload: 5 bytes that hold f and the widths, the flags of all gaps, the gaps in as many bits as the flags say.

    flag_bits: f = 0 … 5, or "auto": the best for each message, found from the histogram of its gaps' widths.
    widths: "multiples" (FastSGD) or "optimal" (the 2^f cheapest, never worse).
    """

    flag_bits: int | str = "auto"
    widths: str = "multiples"

    name = "bitflag"
    summary = "gaps in one of 2^f bit widths with f-bit flags (adaptive fine-grained delta encoding)"
    paper = "FastSGD, Yang et al. 2021, arXiv 2112.04291"

    def __post_init__(self):
        if self.flag_bits != "auto" and (type(self.flag_bits) is not int or not 0 <= self.flag_bits <= _bitflag.MAX_FLAG_BITS):
            raise ConfigError(f"expected flag_bits auto or 0 … {_bitflag.MAX_FLAG_BITS}, got {self.flag_bits!r}")
        if self.widths not in _KINDS:
            raise ConfigError(f"expected widths {' or '.join(_KINDS)}, got {self.widths!r}")

    def encode(self, keys, dim):
        keys = plain_keys(keys, dim)
        if not len(keys):
            return np.empty(0, np.uint8)
        size, f, widths = self._plan(keys, dim)
        out = np.empty(size + _bitflag.SLACK, np.uint8)
        return out[: _bitflag.encode(keys, f, widths, out)]

    def decode(self, payload, nnz, dim):
        payload = np.frombuffer(payload, np.uint8)
        if not nnz:
            return no_keys("bitflag", payload)
        header, streams = int.from_bytes(payload[: _bitflag.HEADER].tobytes(), "little"), payload[_bitflag.HEADER :]
        f, widths = header >> _bitflag.WIDTHS, header & ((1 << _bitflag.WIDTHS) - 1)
        if f > _bitflag.MAX_FLAG_BITS or not 1 <= widths.bit_count() <= 1 << f or (f == 0 and widths == 1):
            raise CorruptMessage(f"bitflag: expected flags of 0 … 5 bits and as many widths as they can name, got {f} and {widths:#x}")
        smallest = (widths & -widths).bit_length() - 1
        check_room("bitflag", len(streams), whole_bytes(nnz * f) + whole_bytes(nnz * smallest), nnz, dim)
        keys = np.empty(nnz, np.uint32)
        check_decoded("bitflag", _bitflag.decode(streams, dim, f, widths, keys), len(payload), nnz, dim)
        return keys

    def estimate(self, keys, dim):
        keys = plain_keys(keys, dim)
        return self._plan(keys, dim)[0] if len(keys) else 0

    def estimate_below(self, statistics, limit):
        return self._planned(statistics.width_counts, len(statistics.keys))[0]

    def _plan(self, keys, dim):
        """(size in bytes of the payload, f, set of widths), exact."""
        counts = np.empty(_bitflag.WIDTHS, np.int64)
        if not _bitflag.histogram(keys, dim, counts):
            refuse(keys, dim)
        return self._planned(counts, len(keys))

    def _planned(self, counts, nnz):
        bits, f, widths = _choose(counts, self.flag_bits, self.widths)
        flags = nnz * f
        return _bitflag.HEADER + whole_bytes(flags) + whole_bytes(bits - flags), f, widths
