"""Pairs in groups: value coders that divide the pairs into groups, and the keys of such groups, coded group by group.

SketchML (Jiang et al., SIGMOD 2018, section 3.3) codes the keys of each group apart, which tells the receiver every pair's group.
The groups' keys come back sorted, and the pairs of all groups are merged in the order of their keys (cython_ext/sparse_merge.h).

Section `keys` of a message:

    0   4  number of groups, the last of which has keys; 0 for no keys
    4   4  0
    8  8g  for each group: number of keys (u32), length of its payload in bytes (u32)
    …      the payloads of the key coder, each padded with zeros to a multiple of 8
"""

from typing import ClassVar, NamedTuple

import numpy as np

from .._ext import bitpack as _bitpack
from .._ext import sparse as _sparse
from ..errors import CorruptMessage
from .base import ValueCoder


class Grouped(NamedTuple):
    """Pairs that a coder has divided, and its payload.

    keys: uint32 (nnz,), those of group 0 in order, then those of group 1, …. sizes: int64 (groups,), how many of each.
    """

    keys: np.ndarray
    sizes: np.ndarray
    payload: np.ndarray


class GroupedValueCoder(ValueCoder):
    """A value coder that splits the pairs into groups and lets a composition code the keys group by group.

    A subclass implements encode_grouped, decode_grouped, tables_nbytes and max_groups. Alone, `encode` puts the group number of each
    value, in ⌈log₂ max_groups⌉ bits (bitpack.h), between the tables and the rest of the payload; a dense gradient's keys are positions.
    """

    grouped: ClassVar[bool] = True

    def encode_grouped(self, values, keys, step):
        """Grouped of float32 values (nnz,) and their sorted uint32 keys (nnz,)."""
        raise NotImplementedError

    def decode_grouped(self, payload, keys, sizes, step):
        """float32 (nnz,) for `keys`, uint32 (nnz,), and `sizes`, int64, as in Grouped; sizes sum to nnz. Or CorruptMessage."""
        raise NotImplementedError

    @property
    def max_groups(self):
        """Upper bound of the number of groups, at most 255."""
        raise NotImplementedError

    @property
    def _group_bits(self):
        return max(1, (self.max_groups - 1).bit_length())

    def encode(self, values, keys, step):
        keys = np.arange(len(values), dtype=np.uint32) if keys is None else keys
        found = self.encode_grouped(values, keys, step)
        numbers = np.repeat(np.arange(len(found.sizes), dtype=np.uint32), found.sizes)
        _, numbers = _sparse.merge(found.keys, numbers, found.sizes)
        at = self.tables_nbytes(found.payload, len(values))
        packed = np.empty(_bitpack.packed_nbytes(len(values), self._group_bits), np.uint8)
        _bitpack.pack(numbers.astype(np.uint16), self._group_bits, packed)
        return np.concatenate([found.payload[:at], packed, found.payload[at:]])

    def decode(self, payload, keys, step, nnz=None):
        nnz = len(keys) if keys is not None else nnz
        payload = np.frombuffer(payload, np.uint8)
        at = self.tables_nbytes(payload, nnz)
        stop = at + _bitpack.packed_nbytes(nnz, self._group_bits)
        if len(payload) < stop:
            raise CorruptMessage(f"{self.name} values: expected at least {stop} bytes, got {len(payload)}")
        keys = np.arange(nnz, dtype=np.uint32) if keys is None else keys
        numbers = np.empty(nnz, np.uint16)
        _bitpack.unpack(payload[at:stop], nnz, self._group_bits, numbers)
        if nnz and numbers.max() >= self.max_groups:
            raise CorruptMessage(f"{self.name} values: expected group numbers below {self.max_groups}, got {numbers.max()}")
        places = np.arange(self.max_groups, dtype=np.uint32) << 16
        grouped, _, sizes = _sparse.split(keys, numbers, places, self.max_groups)
        values = self.decode_grouped(np.concatenate([payload[:at], payload[stop:]]), grouped, sizes, step)
        return _sparse.merge(grouped, values, sizes)[1]


def encode_keys(coder, keys, sizes, dim):
    """uint8: the section `keys`."""
    stops = np.cumsum(sizes).tolist()
    count = len(stops) - stops.count(stops[-1]) + 1 if len(keys) else 0
    coded = [np.frombuffer(coder.encode(part, dim), np.uint8) for part in np.split(keys, stops[: count - 1])[:count]]
    lengths = [len(part) for part in coded]
    starts = np.cumsum([8 + 8 * count] + [length + 7 & ~7 for length in lengths]).tolist()
    section = np.zeros(starts[-1], np.uint8)
    directory = section[: starts[0]].view("<u4")
    directory[0], directory[2::2], directory[3::2] = count, sizes[:count], lengths
    for start, part in zip(starts, coded):
        section[start : start + len(part)] = part
    return section


def decode_keys(coder, section, nnz, dim, max_groups):
    """(keys, sizes) as in Grouped, every group strictly increasing and below dim, or CorruptMessage."""
    head = section[: len(section) // 8 * 8].view("<u4")
    count = int(head[0]) if len(head) else 0
    if len(head) < 2 + 2 * count or count > max_groups or head[1]:
        raise CorruptMessage(f"expected a directory of at most {max_groups} key groups, got {count}")
    sizes, lengths = (head[2 + i : 2 + 2 * count : 2].astype(np.int64) for i in (0, 1))
    if int(sizes.sum()) != nnz or (count and not sizes[-1]):
        raise CorruptMessage(f"expected key groups of {nnz} keys, got {sizes.tolist()}")
    at, groups = 8 + 8 * count, [np.empty(0, np.uint32)]
    for size, length in zip(sizes.tolist(), lengths.tolist()):
        stop = at + length
        if length > len(section) - at or section[stop : stop + -length % 8].any():
            raise CorruptMessage(f"expected {length} bytes of a key group and zeros behind it, got {len(section) - at}")
        groups.append(coder.decode(section[at:stop], size, dim))
        at = stop + -length % 8
    if at != len(section):
        raise CorruptMessage(f"expected {at} bytes of key groups, got {len(section)}")
    return np.concatenate(groups), sizes
