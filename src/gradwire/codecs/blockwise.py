"""Blockwise: a codec around another, which codes each block of a gradient apart: a neural network's layers or tensors (blocks.py).

A scale, a norm, bucket values or a sparsifier's share are then a block's own. Neighbouring blocks below a size travel uncompressed as one
item, if asked. All items are one message, whose sections are the items' sections one behind the other; `tables` begins with a directory.

    tables = directory, zeros up to a multiple of 8, the items' tables
    directory = for each item: flags, [nnz], [length of keys], [length of tables], [length of values]; varints, 7 bits a byte, low first
    flags: bit 0 dense (nnz is the item's dim and left out), bits 1 to 3: it has keys, tables, values (the others' lengths are left out)

Every item's section begins at a multiple of 8 bytes of its section. It is not a codec that a specification string can name: its blocks are
a model's.
"""

from functools import cached_property
from itertools import pairwise

import numpy as np
import xxhash

from .. import spec
from ..errors import CorruptMessage, IncompatibleError
from ..gradient import cut, joined
from ..message import Message
from .base import Codec, Reduction

_SECTIONS = ("keys", "tables", "values")
_DENSE = 1
MAX_ITEM = 1 << 28
"""Parameters of an item: its sections' lengths stay far below what a varint of five bytes can say."""


def blockwise(codec, blocks, uncompressed_below=0):
    """The codec that codes each of `blocks` apart with `codec`, those of fewer parameters than `uncompressed_below` not at all.

    blocks: Blocks from 0 to the gradient's dim without gaps. `codec` itself where that changes nothing: its values are converted one by
    one. IncompatibleError for one whose encodings are to be added as a whole.
    """
    if codec.reduction is Reduction.SUM:
        if codec.shares_keys or codec.summable.shares_peak:
            raise IncompatibleError(
                f'{codec.spec}: expected a codec that can code blocks apart for a granularity other than "flat", got one whose '
                "encodings are added as a whole"
            )
        return codec
    return Blockwise(codec, blocks, uncompressed_below)


class Blockwise(Codec):
    """See `blockwise`. codec: of the blocks that are compressed."""

    reduction = Reduction.GATHER
    whole = True

    def __init__(self, codec, blocks, uncompressed_below=0):
        self.codec = codec
        self._plain = spec.codec("raw+fp32")
        edges, small = [0], []
        for block in blocks:
            if block.start != edges[-1] or not 0 < block.size <= MAX_ITEM:
                raise IncompatibleError(f"expected blocks of 1 … {MAX_ITEM} parameters without gaps, got {block} after {edges[-1]}")
            is_small = block.size < uncompressed_below
            if is_small and small and small[-1]:
                edges.pop()
                small.pop()
            edges.append(block.stop)
            small.append(is_small)
        self._edges = tuple(edges)
        self._codecs = tuple(self._plain if plain else codec for plain in small)

    @property
    def dim(self):
        return self._edges[-1]

    @property
    def spec(self):
        """For people: it does not name the blocks."""
        return f"{self.codec.spec} in blocks"

    @cached_property
    def spec_hash(self):
        digest = xxhash.xxh3_64(np.array(self._edges, "<u8"))
        for codec in self._codecs:
            digest.update(codec.spec_hash.to_bytes(8, "little"))
        return digest.intdigest()

    @property
    def unbiased(self):
        return self.codec.unbiased

    @property
    def needs_feedback(self):
        return self.codec.needs_feedback

    def omega(self, dim):
        """The largest of the blocks': each block's error is at most ω times its own square norm."""
        found = [codec.omega(last - first) for codec, (first, last) in zip(self._codecs, pairwise(self._edges))]
        return None if None in found else max(found)

    def check_gradient(self, gradient):
        if gradient.dim != self.dim:
            raise IncompatibleError(f"expected a gradient of dim {self.dim}, the blocks', got {gradient.dim}")
        self.codec.check_gradient(gradient)

    def count_overflow(self, gradient):
        return sum(codec.count_overflow(part) for codec, (part, _) in zip(self._codecs, cut(gradient, self._edges)))

    def key_sets(self, message):
        return [(item.dim, item.nnz) for _, item, _ in self._items(message)]

    def encode(self, gradient, step):
        self.check_gradient(gradient)
        gradient.check_finite(step.rank)
        items = [
            codec.encode(part, step.part(number)) for number, (codec, (part, _)) in enumerate(zip(self._codecs, cut(gradient, self._edges)))
        ]
        sections = {name: _stacked([item.section(name) for item in items if item.has(name)]) for name in _SECTIONS}
        sections["tables"] = np.concatenate([_padded(_directory(items)), sections["tables"]])
        present = {name: section for name, section in sections.items() if name == "tables" or any(item.has(name) for item in items)}
        nnz, is_dense = sum(item.nnz for item in items), all(item.is_dense for item in items)
        return Message.pack(dim=self.dim, nnz=nnz, spec_hash=self.spec_hash, sections=present, is_dense=is_dense)

    def decode(self, message, step):
        self.check_message(message)
        if message.dim != self.dim:
            raise CorruptMessage(f"expected a message of dim {self.dim}, got {message.dim}")
        items = enumerate(self._items(message))
        return joined([(codec.decode(item, step.part(number)), first) for number, (codec, item, first) in items], self.dim)

    def _items(self, message):
        """[(codec, Message, first key)] of the directory. CorruptMessage unless they fill every section exactly."""
        read = _Varints(message.section("tables"))
        heads = [self._head(read, last - first) for first, last in pairwise(self._edges)]
        at = {name: message.span(name)[0] for name in _SECTIONS if message.has(name)}
        at["tables"] += read.padded_end()
        items = []
        for codec, (first, last), (nnz, is_dense, lengths) in zip(self._codecs, pairwise(self._edges), heads):
            spans = {}
            for name, length in lengths.items():
                if name not in at or length > message.span(name)[1] - at[name]:
                    raise CorruptMessage(f"expected {length} bytes of {name} of the block at {first}, got fewer")
                spans[name] = at[name], at[name] + length
                at[name] += length + -length % 8
            inner = Message.inside(message, dim=last - first, nnz=nnz, spec_hash=codec.spec_hash, is_dense=is_dense, spans=spans)
            items.append((codec, inner, first))
        for name, end in at.items():
            if end != message.span(name)[1]:
                raise CorruptMessage(f"expected {name} of the blocks to end at byte {end}, got {message.span(name)[1]}")
        if sum(nnz for nnz, _, _ in heads) != message.nnz:
            raise CorruptMessage(f"expected blocks of {message.nnz} entries in all, got {[nnz for nnz, _, _ in heads]}")
        return items

    @staticmethod
    def _head(read, dim):
        """(nnz, is_dense, {section: length}) of the next item."""
        flags = read.next()
        is_dense = bool(flags & _DENSE)
        nnz = dim if is_dense else read.next()
        lengths = {name: read.next() for bit, name in enumerate(_SECTIONS, 1) if flags >> bit & 1}
        if flags >> 1 + len(_SECTIONS) or nnz > dim or (is_dense and "keys" in lengths):
            raise CorruptMessage(f"impossible block: flags {flags:#x}, {nnz} entries of {dim}")
        return nnz, is_dense, lengths


def _directory(items):
    found = bytearray()
    for item in items:
        flags = item.is_dense * _DENSE | sum(item.has(name) << bit for bit, name in enumerate(_SECTIONS, 1))
        lengths = [len(item.section(name)) for name in _SECTIONS if item.has(name)]
        for number in [flags, *([] if item.is_dense else [item.nnz]), *lengths]:
            while number > 0x7F:
                found.append(number & 0x7F | 0x80)
                number >>= 7
            found.append(number)
    return np.frombuffer(bytes(found), np.uint8)


class _Varints:
    """Numbers of at most 35 bits, read from the front of a section."""

    def __init__(self, section):
        self._bytes, self._at = section, 0

    def next(self):
        number = shift = 0
        while shift < 35 and self._at < len(self._bytes):
            byte = int(self._bytes[self._at])
            self._at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                if not byte and shift > 7:
                    break  # a shorter one says the same
                return number
        raise CorruptMessage(f"expected a number at byte {self._at} of the blocks' directory")

    def padded_end(self):
        end = self._at + -self._at % 8
        if end > len(self._bytes) or self._bytes[self._at : end].any():
            raise CorruptMessage(f"expected zeros behind the blocks' directory up to byte {end}")
        return end


def _padded(section):
    return np.concatenate([section, np.zeros(-len(section) % 8, np.uint8)])


def _stacked(sections):
    return np.concatenate([np.empty(0, np.uint8), *map(_padded, sections)])


__all__ = ["Blockwise", "blockwise"]
