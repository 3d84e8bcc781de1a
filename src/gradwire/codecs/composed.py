"""Composed: sparsifier + key coder + value coder as one codec. Preset: a named codec that is such a composition.

Sections of a message: `keys` (absent for a dense gradient), `tables` and `values` (the value coder's payload, split).
A sparsifier whose coordinates are shared sends a value for each of them and no keys, unless the value coder drops or groups pairs.
With a grouped value coder the keys of each group are coded apart (grouped.py).
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import xxhash

from .._ext import sparse as _sparse
from ..errors import CorruptMessage, IncompatibleError
from ..gradient import Gradient
from ..message import Message
from .base import Codec, KeyCoder, Reduction, Sparsifier, ValueCoder
from .grouped import decode_keys, encode_keys


@dataclass(frozen=True)
class Composed(Codec):
    """sparsifier (None: keep what comes), keys, values. A dense gradient without sparsifier travels without keys."""

    sparsifier: Sparsifier | None
    keys: KeyCoder
    values: ValueCoder
    preset: str | None = field(default=None, compare=False)
    """Specification of the preset that this composition spells out."""

    summary = "sparsifier + keys + values"
    paper = ""

    @property
    def spec(self):
        return self.preset or self._parts_spec

    @property
    def _parts_spec(self):
        return "+".join(part.spec for part in (self.sparsifier, self.keys, self.values) if part is not None)

    @cached_property
    def spec_hash(self):
        """Of the parts, so a preset and the same composition read each other's messages."""
        return xxhash.xxh3_64_intdigest(self._parts_spec.encode())

    @property
    def unbiased(self):
        return self.values.unbiased and (self.sparsifier is None or self.sparsifier.unbiased)

    @property
    def needs_feedback(self):
        return self.values.needs_feedback

    @property
    def shares_keys(self):
        return self.sparsifier is not None and self.sparsifier.shared and not (self.values.filters or self.values.grouped)

    @property
    def reduction(self):
        return Reduction.SUM if self.shares_keys and self.values.sum_dtype is not None else Reduction.MERGE

    @property
    def summable(self):
        return self.values if self.reduction is Reduction.SUM else None

    def shared_keys(self, dim, step):
        return self.sparsifier.shared_keys(dim, step) if self.shares_keys else None

    def omega(self, dim):
        outer = self.values.omega(dim)
        inner = 0.0 if self.sparsifier is None else self.sparsifier.omega(dim)
        return None if outer is None or inner is None else inner * outer + inner + outer

    def count_overflow(self, gradient):
        return self.values.count_overflow(gradient.values)

    def encode(self, gradient, step):
        gradient.check_finite(step.rank)
        if self.shares_keys:
            values = self.sparsifier.shared_values(gradient, step)
            return self._pack(gradient, len(values), self._encode_values(values, None, step))
        kept = self.sparsify(gradient, step)
        if self.values.filters:
            kept = kept.to_sparse()
            mask = np.ascontiguousarray(self.values.select(kept.values, step)).view(np.uint8)
            if not mask.all():
                keys, values = _sparse.compress(mask, kept.keys, kept.values)
                kept = Gradient.trusted(values, kept.dim, keys)
        if self.values.grouped and kept.keys is not None:
            sections = self._encode_grouped(kept, step)
        else:
            sections = self._encode_values(kept.values, kept.keys, step)
            if kept.keys is not None:
                sections["keys"] = self.keys.encode(kept.keys, kept.dim)
        return self._pack(kept, kept.nnz, sections, kept.is_dense)

    def sparsify(self, gradient, step):
        return gradient if self.sparsifier is None else self.sparsifier.sparsify(gradient, step)

    @cached_property
    def unsparsified(self):
        return self if self.sparsifier is None else Composed(None, self.keys, self.values)

    def peak(self, gradient, step):
        values = self.sparsifier.shared_values(gradient, step) if self.shares_keys else gradient.values
        return float(np.abs(values).max(initial=0))

    def with_peak(self, peak, size):
        return replace(self, values=self.values.with_peak(peak, size))

    def _encode_values(self, values, keys, step):
        payload = self.values.encode(values, keys, step)
        at = self.values.tables_nbytes(payload, len(values))
        return {"values": payload[at:]} | ({"tables": payload[:at]} if at else {})

    def _pack(self, gradient, nnz, sections, is_dense=False):
        return Message.pack(dim=gradient.dim, nnz=nnz, spec_hash=self.spec_hash, sections=sections, is_dense=is_dense)

    def decode(self, message, step):
        self.check_message(message)
        nnz, payload = message.nnz, message.joined("tables", "values")
        tables, expected = len(payload) - len(message.section("values")), self.values.tables_nbytes(payload, nnz)
        if tables != expected:
            raise CorruptMessage(f"expected tables of {expected} bytes, got {tables}")
        if self.shares_keys:
            return self._decode_shared(message, payload, step)
        if message.is_dense:
            if self.sparsifier is not None or self.values.filters:
                raise CorruptMessage(f"expected a sparse message of {self.spec}, got a dense one")
            return Gradient.trusted(self.values.decode(payload, None, step, nnz), message.dim)
        if self.values.grouped:
            return self._decode_grouped(message, payload, step)
        keys = self.keys.decode(message.section("keys"), nnz, message.dim)
        return Gradient.trusted(self.values.decode(payload, keys, step), message.dim, keys)

    def _decode_shared(self, message, payload, step):
        try:
            expected = self.sparsifier.shared_nnz(message.dim)
        except IncompatibleError as error:
            raise CorruptMessage(f"impossible dim {message.dim}: {error}") from error
        if message.is_dense or message.has("keys") or message.nnz != expected:
            raise CorruptMessage(f"expected {expected} values at shared coordinates and no keys, got {message}")
        values = self.values.decode(payload, None, step, expected)
        return Gradient.trusted(values, message.dim, self.shared_keys(message.dim, step)).without_zeros()

    def _encode_grouped(self, kept, step):
        found = self.values.encode_grouped(kept.values, kept.keys, step)
        at = self.values.tables_nbytes(found.payload, kept.nnz)
        keys = encode_keys(self.keys, found.keys, found.sizes, kept.dim)
        return {"keys": keys, "tables": found.payload[:at], "values": found.payload[at:]}

    def _decode_grouped(self, message, payload, step):
        keys, sizes = decode_keys(self.keys, message.section("keys"), message.nnz, message.dim, self.values.max_groups)
        values = self.values.decode_grouped(payload, keys, sizes, step)
        merged = _sparse.merge(keys, values, sizes)
        if merged is None:
            raise CorruptMessage("a key stands in two groups")
        return Gradient.trusted(merged[1], message.dim, merged[0])


class Preset(Codec):
    """A named codec that is a composition: a subclass is a frozen dataclass whose `compose` returns the Composed."""

    def __post_init__(self):
        self.composed  # noqa: B018  bad fields are refused now, not at the first message

    def compose(self):
        """Composed of this preset's parts."""
        raise NotImplementedError

    @cached_property
    def composed(self):
        return self.compose()

    def encode(self, gradient, step):
        return self.composed.encode(gradient, step)

    def sparsify(self, gradient, step):
        return self.composed.sparsify(gradient, step)

    @property
    def unsparsified(self):
        return self.composed.unsparsified

    def peak(self, gradient, step):
        return self.composed.peak(gradient, step)

    def with_peak(self, peak, size):
        twin = replace(self)
        twin.__dict__["composed"] = self.composed.with_peak(peak, size)
        return twin

    def decode(self, message, step):
        return self.composed.decode(message, step)

    def decode_add(self, message, out, scale, step):
        self.composed.decode_add(message, out, scale, step)

    def omega(self, dim):
        return self.composed.omega(dim)

    @property
    def summable(self):
        return self.composed.values if self.reduction is Reduction.SUM else None

    @property
    def shares_keys(self):
        return self.composed.shares_keys

    def shared_keys(self, dim, step):
        return self.composed.shared_keys(dim, step)

    def count_overflow(self, gradient):
        return self.composed.count_overflow(gradient)

    @property
    def unbiased(self):
        return self.composed.unbiased

    @property
    def needs_feedback(self):
        return self.composed.needs_feedback

    @property
    def spec_hash(self):
        return self.composed.spec_hash


__all__ = ["Composed", "Preset", "Reduction"]
