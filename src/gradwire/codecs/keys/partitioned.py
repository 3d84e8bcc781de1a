"""partitioned: gaps cut into partitions of one bit width each, where the cut costs the fewest bits.

VSEncoding (Silvestri and Venturini, CIKM 2010), proposed for gradients in C. Huang's reading report on FastSGD. The optimum is exact, in
O(nnz · widths): the recurrence, how it is solved and the format stand in cython_ext/partitioned.h. Gaps after the first are coded
minus 1, so a run of consecutive keys has width 0 and costs only its descriptors: 11 bits for 64 keys by default.

It has no code per gap: one wide gap widens its whole partition or makes two more of them.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..._ext import partitioned as _partitioned
from ...errors import ConfigError, CorruptMessage
from ...gradient import checked_keys
from ..base import KeyCoder
from . import check_decoded, check_room, no_keys, whole_bytes
from .bitflag import choose_widths
from .gaps import UNLIMITED, GapStatistics

_HEADER = 4
_TABLE = 5
_MAX_LENGTH_BITS, _MAX_WIDTH_BITS = 8, 5
_ALL_WIDTHS = tuple(b for b in range(_partitioned.WIDTHS) if b != 31)


@dataclass(frozen=True)
class Partitioned(KeyCoder):
    """Payload: 4 bytes of header, a descriptor per partition, the gaps in as many bits as their partition's descriptor says.

    length_bits: l = 0 … 8; partitions hold at most 2^l gaps. width_bits: f = 1 … 5, how many bits name a partition's width. With f = 5
    every width but 31 (it counts as 32); with fewer the header holds 2^f widths, chosen in two steps: the exact plan with all widths,
    then the 2^f of them that cost least if its partitions stay as they are (a dynamic programme over their widths, weighted by their
    lengths). The cut is optimal for the widths chosen. A decoder allocates at most 4 · 2^l bytes of keys per l + f bits of payload.
    """

    length_bits: int = 6
    width_bits: int = 5

    name = "partitioned"
    summary = "gaps in partitions of one bit width each, cut at minimum cost (VSEncoding)"
    paper = "Silvestri and Venturini, CIKM 2010, doi 10.1145/1871437.1871592"
    sample_margin = 1.03

    def __post_init__(self):
        for name, least, most in (("length_bits", 0, _MAX_LENGTH_BITS), ("width_bits", 1, _MAX_WIDTH_BITS)):
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise ConfigError(f"expected {name} {least} … {most}, got {value!r}")

    def encode(self, keys, dim):
        keys = checked_keys(keys, dim)
        if not len(keys):
            return np.empty(0, np.uint8)
        each, counts = _partitioned.widths(keys)
        chosen, bits, best = self._plan(each, counts)
        plan = _partitioned.trace(each, _rounded(chosen), self.length_bits, self.width_bits, best)
        header = np.frombuffer(self._header(len(plan), chosen), np.uint8)
        out = np.empty(len(header) + whole_bytes(bits) + _partitioned.SLACK, np.uint8)
        out[: len(header)] = header
        used = _partitioned.pack(keys, plan, self.length_bits, self.width_bits, _fields(chosen), out[len(header) :])
        return out[: len(header) + used]

    def decode(self, payload, nnz, dim):
        payload = np.frombuffer(payload, np.uint8)
        if not nnz:
            return no_keys("partitioned", payload)
        size = _HEADER + (_TABLE if self._has_table else 0)
        parts = int.from_bytes(payload[:_HEADER].tobytes(), "little") + 1
        check_room("partitioned", len(payload), size + whole_bytes(parts * (self.length_bits + self.width_bits)), nnz, dim)
        if not parts <= nnz <= parts << self.length_bits:
            raise CorruptMessage(f"partitioned: expected {nnz} keys in partitions of 1 … {1 << self.length_bits}, got {parts} partitions")
        width = self._widths_of_fields(int.from_bytes(payload[_HEADER:size].tobytes(), "little"))
        keys = np.empty(nnz, np.uint32)
        error = _partitioned.unpack(payload[size:], parts, dim, self.length_bits, self.width_bits, width, keys)
        check_decoded("partitioned", error, len(payload), nnz, dim)
        return keys

    def estimate(self, keys, dim):
        return self.estimate_below(GapStatistics(keys, dim), UNLIMITED) if len(keys) else 0

    def estimate_below(self, statistics, limit):
        """No plan costs less than every gap in its own width and as few descriptors as there can be: often that is enough."""
        counts = statistics.width_counts
        bits = int(counts @ np.arange(len(counts))) + -(-len(statistics.keys) // (1 << self.length_bits)) * (
            self.length_bits + self.width_bits
        )
        if whole_bytes(bits) >= limit:
            return whole_bytes(bits)
        chosen, bits, _ = self._plan(statistics.widths, counts)
        return len(self._header(1, chosen)) + whole_bytes(bits)

    @property
    def _has_table(self):
        return self.width_bits < _MAX_WIDTH_BITS

    def _plan(self, each, counts):
        """(usable widths, bits of the optimum, array for trace), exact."""
        chosen = _ALL_WIDTHS
        if self._has_table:
            _, best = _partitioned.plan(each, counts, _rounded(chosen), self.length_bits, _MAX_WIDTH_BITS)
            plan = _partitioned.trace(each, _rounded(chosen), self.length_bits, _MAX_WIDTH_BITS, best)
            weights = np.bincount(plan >> 8, (plan & 255) + 1.0, _partitioned.WIDTHS).astype(np.int64)
            chosen = choose_widths(weights, self.width_bits, "optimal").widths
        return chosen, *_partitioned.plan(each, counts, _rounded(chosen), self.length_bits, self.width_bits)

    def _header(self, parts, chosen):
        table = sum(1 << b for b in chosen).to_bytes(_TABLE, "little") if self._has_table else b""
        return (parts - 1).to_bytes(_HEADER, "little") + table

    def _widths_of_fields(self, table):
        """uint8 (2^f,): the width that each field names, 255 where it names none."""
        if not self._has_table:
            return np.array([*range(31), 32], np.uint8)
        if table >> _partitioned.WIDTHS or not 1 <= table.bit_count() <= 1 << self.width_bits:
            raise CorruptMessage(f"partitioned: expected 1 … {1 << self.width_bits} widths up to 32 bits, got {table:#x}")
        width = np.full(1 << self.width_bits, 255, np.uint8)
        width[: table.bit_count()] = [b for b in range(_partitioned.WIDTHS) if table >> b & 1]
        return width


@lru_cache
def _rounded(chosen):
    """uint8 (33,): the smallest chosen width that holds b bits; 0 for b above all of them, which do not occur."""
    return np.array([min((c for c in chosen if c >= b), default=0) for b in range(_partitioned.WIDTHS)], np.uint8)


@lru_cache
def _fields(chosen):
    """uint8 (33,): the field of each chosen width."""
    fields = np.zeros(_partitioned.WIDTHS, np.uint8)
    fields[list(chosen)] = np.arange(len(chosen))
    return fields
