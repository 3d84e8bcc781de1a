"""Message: one encoded gradient, exactly the bytes that travel.

Little-endian; every section starts at a multiple of 8 bytes and is padded with zeros:

    0   4  magic "GRDW"
    4   2  version (1)
    6   1  number of sections
    7   1  flags: bit 0 = dense gradient (no keys)
    8   8  dim, 1 … 2³²
    16  8  nnz ≤ dim; equal to dim when dense
    24  8  hash of the codec's specification, a preset's spelt out as the composition that it is
    32  8  xxh3-64 of all other bytes, header and padding included
    40  8 per section: byte length << 8 | id (0 keys, 1 tables, 2 values), ids increasing
    …      the sections

`tables` is side information whose size does not grow with nnz (bucket values, scales). What is inside a section is the
coder's business (codecs/FORMAT.md); `from_bytes` proves that the bytes arrived whole, a coder still treats its payload as hostile.
"""

import struct

import numpy as np
import xxhash

from .errors import CorruptMessage
from .gradient import MAX_DIM

SECTIONS = ("keys", "tables", "values")
VERSION = 1
_MAGIC = b"GRDW"
_HEADER = struct.Struct("<4sHBBQQQQ")
_CHECKSUM_AT = 32


def _padded(nbytes):
    return (nbytes + 7) & ~7


def as_bytes(buffer):
    """Any bytes-like object as a flat, 8-byte aligned uint8 array; copied only when it is not aligned."""
    array = np.frombuffer(buffer, np.uint8)
    return array if array.ctypes.data % 8 == 0 else array.copy()


class Message:
    """dim, nnz, is_dense, spec_hash, and `sections`: name → bytes. `bytes(m)` is what travels, `m.nbytes` its size."""

    __slots__ = ("_spans", "buffer", "dim", "is_dense", "nnz", "spec_hash")

    @classmethod
    def pack(cls, *, dim, nnz, spec_hash, sections, is_dense=False):
        """A message of these sections (name → bytes-like); a section that is None is left out."""
        present = [(i, np.frombuffer(sections[name], np.uint8)) for i, name in enumerate(SECTIONS) if sections.get(name) is not None]
        start = _HEADER.size + 8 * len(present)
        total = start + sum(_padded(len(payload)) for _, payload in present)
        buffer = np.empty(total, np.uint8)
        _HEADER.pack_into(buffer, 0, _MAGIC, VERSION, len(present), int(is_dense), dim, nnz, spec_hash, 0)
        spans = {}
        for position, (i, payload) in enumerate(present):
            struct.pack_into("<Q", buffer, _HEADER.size + 8 * position, len(payload) << 8 | i)
            stop = start + len(payload)
            buffer[start:stop] = payload
            buffer[stop : start + _padded(len(payload))] = 0
            spans[SECTIONS[i]] = (start, stop)
            start += _padded(len(payload))
        struct.pack_into("<Q", buffer, _CHECKSUM_AT, _checksum(buffer))
        return cls._make(buffer, dim, nnz, spec_hash, bool(is_dense), spans)

    @classmethod
    def from_bytes(cls, data):
        """Read a message without copying it. Raises CorruptMessage for anything that `bytes(message)` did not produce."""
        buffer = as_bytes(data)
        if len(buffer) < _HEADER.size:
            raise CorruptMessage(f"expected at least {_HEADER.size} bytes of header, got {len(buffer)}")
        magic, version, count, flags, dim, nnz, spec_hash, checksum = _HEADER.unpack_from(buffer)
        if magic != _MAGIC:
            raise CorruptMessage(f"expected the magic {_MAGIC!r}, got {magic!r}")
        if version != VERSION:
            raise CorruptMessage(f"expected format version {VERSION}, got {version}")
        spans = _spans(buffer, count)
        if checksum != _checksum(buffer):
            raise CorruptMessage("the checksum does not match the bytes")
        dense = bool(flags & 1)
        if flags > 1 or not 1 <= dim <= MAX_DIM or nnz > dim or (dense and (nnz != dim or "keys" in spans)):
            raise CorruptMessage(f"impossible header: dim {dim}, nnz {nnz}, flags {flags:#x}")
        return cls._make(buffer, dim, nnz, spec_hash, dense, spans)

    @classmethod
    def _make(cls, buffer, dim, nnz, spec_hash, is_dense, spans):
        self = object.__new__(cls)
        self.buffer, self.dim, self.nnz, self.spec_hash, self.is_dense = buffer, dim, nnz, spec_hash, is_dense
        self._spans = spans
        return self

    @classmethod
    def inside(cls, outer, *, dim, nnz, spec_hash, is_dense, spans):
        """A message of its own that lies in another one without a header. spans: name → (start, stop) in outer.buffer, start at a multiple
        of 8. For a codec that codes parts of a gradient apart; such a message does not travel."""
        return cls._make(outer.buffer, dim, nnz, spec_hash, is_dense, spans)

    @property
    def nbytes(self):
        """Size in bytes of everything: header, sections, padding."""
        return len(self.buffer)

    @property
    def sections(self):
        """Name → bytes of each section, without its padding."""
        return {name: self.section(name).tobytes() for name in self._spans}

    def has(self, name):
        """Whether there is a section of this name."""
        return name in self._spans

    def section(self, name):
        """One section as a uint8 view, not copied; CorruptMessage if the message has none of that name."""
        if name not in self._spans:
            raise CorruptMessage(f"expected a section {name!r}, got only {sorted(self._spans)}")
        start, stop = self._spans[name]
        return self.buffer[start:stop]

    def span(self, name):
        """(start, stop) of a section in `buffer`."""
        return self._spans[name]

    def joined(self, first, last):
        """Two sections as one uint8 array, not copied if nothing lies between them; only `last` if the message has no `first`."""
        section = self.section(last)
        if first not in self._spans:
            return section
        (start, stop), (after, end) = self._spans[first], self._spans[last]
        return self.buffer[start:end] if stop == after else np.concatenate([self.buffer[start:stop], section])

    def split_nbytes(self):
        """{"header", "keys", "values", "tables"} → bytes, padding counted with its section; they sum to nbytes."""
        sizes = {name: _padded(stop - start) for name, (start, stop) in self._spans.items()}
        split = {name: sizes.get(name, 0) for name in ("keys", "values", "tables")}
        return {"header": self.nbytes - sum(split.values())} | split

    def __bytes__(self):
        return self.buffer.tobytes()

    def __len__(self):
        return self.nbytes

    def __repr__(self):
        return f"Message(nnz={self.nnz}, dim={self.dim}, nbytes={self.nbytes}, {self.split_nbytes()})"


def _checksum(buffer):
    digest = xxhash.xxh3_64(buffer[:_CHECKSUM_AT])
    digest.update(buffer[_CHECKSUM_AT + 8 :])
    return digest.intdigest()


def _spans(buffer, count):
    """Name → (start, stop), from the table of lengths; the sections must fill the buffer exactly."""
    start = _HEADER.size + 8 * count
    if count > len(SECTIONS) or start > len(buffer):
        raise CorruptMessage(f"expected at most {len(SECTIONS)} sections inside {len(buffer)} bytes, got {count}")
    spans, last = {}, -1
    for entry in struct.unpack_from(f"<{count}Q", buffer, _HEADER.size):
        i, length = entry & 0xFF, entry >> 8
        if not last < i < len(SECTIONS) or length > len(buffer) - start:
            raise CorruptMessage(f"impossible section: id {i}, {length} bytes")
        spans[SECTIONS[i]] = (start, start + length)
        if buffer[start + length : start + _padded(length)].any():
            raise CorruptMessage("expected zeros between the sections")
        start, last = start + _padded(length), i
    if start != len(buffer):
        raise CorruptMessage(f"expected {start} bytes, got {len(buffer)}")
    return spans
