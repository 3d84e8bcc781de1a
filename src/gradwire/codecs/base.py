"""What a codec, a key coder, a value coder, a sparsifier and a sketch must offer. A plug-in subclasses one of these.

A codec or a part is a frozen dataclass: its fields are its configuration. `name` is how specification strings call it,
`summary` its one line and `paper` its source in `gradwire list`. None keeps state: what an encoding needs comes as arguments,
what varies comes from Step.

Payloads are bytes-like (here uint8 arrays). A decoder treats them as hostile: whatever they hold, it returns a result or
raises CorruptMessage, and it allocates nothing before the payload's length has been compared with nnz.
"""

import enum
from functools import cached_property
from typing import ClassVar

import numpy as np
import xxhash

from .._ext import sparse as _sparse
from ..configured import Configured
from ..errors import CorruptMessage


class Reduction(enum.Enum):
    """What may happen to encoded gradients on their way.

    SUM: encodings of dense gradients add so MPI itself may reduce them (of sparse ones too, if shares_keys). MERGE: they may be decoded,
    added and encoded again at a hop. GATHER: every receiver needs every original message.
    """

    SUM = "sum"
    MERGE = "merge"
    GATHER = "gather"


class Codec(Configured):
    """Gradient → Message → Gradient.

    unbiased: E[decode(encode(g))] = g over the codec's own randomness. reduction: see Reduction.
    """

    unbiased: ClassVar[bool] = False
    needs_feedback: ClassVar[bool] = False
    """True for a codec that is meant for error feedback only: a run without it says so."""
    reduction: ClassVar[Reduction] = Reduction.MERGE
    whole: ClassVar[bool] = False
    """True for a codec of whole gradients alone: a collective cannot cut them into parts."""

    def encode(self, gradient, step):
        """Message of `gradient`. DataError if a value is NaN or infinite."""
        raise NotImplementedError

    def decode(self, message, step):
        """Gradient of `message`; `step` is the sender's. CorruptMessage if it is not one of this codec."""
        raise NotImplementedError

    def check_gradient(self, gradient):
        """Raise IncompatibleError if encode would, for its dim and density; without a look at its values."""

    def sparsify(self, gradient, step):
        """What encode does first, if a collective encodes a gradient in parts: the entries that are to be sent."""
        return gradient

    @property
    def unsparsified(self):
        """The codec of such parts: this one without what `sparsify` does."""
        return self

    def decode_add(self, message, out, scale, step):
        """out[keys] += scale · values, out float32 (dim,)."""
        gradient = self.decode(message, step)
        if len(out) != gradient.dim:
            raise CorruptMessage(f"expected a message of dim {len(out)}, got {gradient.dim}")
        if gradient.is_dense:
            _sparse.axpy(out, gradient.values, scale)
        else:
            _sparse.scatter_add(out, gradient.keys, gradient.values, scale)

    def omega(self, dim):
        """ω of the class B(ω) that the unbiased codec claims, None where there is no claim."""
        return None

    @property
    def summable(self):
        """For reduction SUM: the value coder whose payloads of dense gradients add (see ValueCoder.sum_dtype). Else None."""
        return None

    @property
    def shares_keys(self):
        """Whether all ranks send values at the same coordinates, shared_keys, and no keys; then encodings of sparse gradients add too."""
        return False

    def shared_keys(self, dim, step):
        """If shares_keys: the keys of the values in a message of this step, uint32, strictly increasing; step.rank does not matter."""
        return None

    def peak(self, gradient, step):
        """Largest magnitude of what encode hands to its value coder."""
        return float(np.abs(gradient.values).max(initial=0))

    def with_peak(self, peak, size):
        """If summable.shares_peak: this codec with the value coder's `with_peak`."""
        return self

    def count_overflow(self, gradient):
        """How many values of `gradient` are beyond the format's range, so that encode clamps them."""
        return 0

    def key_sets(self, message):
        """[(dim, nnz)] of each set of keys that the message of this codec holds: nnz keys anywhere below dim."""
        return [(message.dim, message.nnz)]

    def check_message(self, message):
        """Raise CorruptMessage if the message was encoded by another codec."""
        if message.spec_hash != self.spec_hash:
            raise CorruptMessage(f"expected a message of {self.spec}, got one whose specification hash is {message.spec_hash:#018x}")

    @cached_property
    def spec_hash(self):
        """xxh3-64 of the specification string."""
        return xxhash.xxh3_64_intdigest(self.spec.encode())


class KeyCoder(Configured):
    """Strictly increasing uint32 keys below dim ↔ bytes, without loss."""

    sample_margin: ClassVar[float | None] = None
    """Set by coders whose estimates are slow: `adaptive` asks for one only if, on a sample of the keys, the coder needs at most this
    many times the bytes of the best so far. None: it always asks."""

    def encode(self, keys, dim):
        """Payload of `keys` (uint32, (nnz,))."""
        raise NotImplementedError

    def decode(self, payload, nnz, dim):
        """uint32 (nnz,), strictly increasing and below dim, or CorruptMessage."""
        raise NotImplementedError

    def estimate(self, keys, dim):
        """Size in bytes of encode(keys, dim), or a close estimate of it, found without encoding; `adaptive` compares these."""
        return len(self.encode(keys, dim))

    def estimate_below(self, statistics, limit):
        """The same, or any number that is not below limit if it is sure that the size is not either.

        statistics: a keys.gaps.GapStatistics, with keys (nnz ≥ 1) and dim, whose figures `adaptive`'s candidates share. To override
        this is optional: it saves time.
        """
        return self.estimate(statistics.keys, statistics.dim)


class ValueCoder(Configured):
    """float32 values ↔ bytes. `keys` are the values' keys, or None for a dense gradient; most coders ignore them."""

    unbiased: ClassVar[bool] = False
    needs_feedback: ClassVar[bool] = False
    """True if it is meant for error feedback only."""
    filters: ClassVar[bool] = False
    """True if `select` may drop values."""
    grouped: ClassVar[bool] = False
    """True for a GroupedValueCoder (grouped.py)."""
    sum_dtype: ClassVar[type | None] = None
    """For codecs whose reduction is SUM: dtype of the words of a payload (behind its tables) that add. MPI adds float32 and integers;
    numpy.uint16 are 16-bit floats, which `allreduce` decodes, adds and encodes."""
    shares_peak: ClassVar[bool] = False
    """True if words only add when all ranks encode `with_peak` of the largest magnitude of all."""

    def encode(self, values, keys, step):
        """Payload of `values` (float32, (nnz,), finite): tables_nbytes of side information, then the codes. Drops nothing."""
        raise NotImplementedError

    def decode(self, payload, keys, step, nnz=None):
        """float32 (nnz,), nnz = len(keys) unless keys is None, or CorruptMessage."""
        raise NotImplementedError

    def select(self, values, step):
        """bool (nnz,): which values a composition keeps before the keys are coded."""
        return np.ones(len(values), bool)

    def tables_nbytes(self, payload, nnz):
        """How many leading bytes of an `encode` payload are side information; a multiple of 8, maybe more than a corrupt payload has."""
        return 0

    def omega(self, dim):
        return None

    def count_overflow(self, values):
        """How many of `values` are beyond the format's range, so that encode clamps them."""
        return 0

    def check_sum(self, size):
        """Raise IncompatibleError if `size` payloads cannot be added."""

    def with_peak(self, peak, size):
        """If shares_peak: this coder, encoding values of at most `peak` in magnitude so that `size` payloads add."""
        return self

    def mean_of_sum(self, total, size):
        """float32: the mean of `size` payloads, from the sum of their words. Here for fp32; infinite where the sum overflowed."""
        return total * np.float32(1.0 / size)


class Sparsifier(Configured):
    """Gradient → sparse Gradient with some of its entries.

    shared: all ranks keep the same coordinates, which the step tells the receiver, so no keys travel. Such a sparsifier implements
    shared_nnz, shared_keys and shared_values too.
    """

    unbiased: ClassVar[bool] = False
    shared: ClassVar[bool] = False

    def sparsify(self, gradient, step):
        """A sparse Gradient with the kept entries, without exact zeros; its fresh_nnz is the input's."""
        raise NotImplementedError

    def shared_nnz(self, dim):
        """How many coordinates of a gradient of `dim` every rank keeps. IncompatibleError if they are too many."""
        raise NotImplementedError

    def shared_keys(self, dim, step):
        """These coordinates in this step, uint32 (shared_nnz(dim),), strictly increasing; step.rank does not matter."""
        raise NotImplementedError

    def shared_values(self, gradient, step):
        """What sparsify gives at shared_keys, float32 (shared_nnz(dim),); 0 where it gives nothing."""
        raise NotImplementedError

    def omega(self, dim):
        return None


class Sketch:
    """A quantile sketch: a mutable summary of a stream of float32 values. `gw.sketch("kll(k=200)")` makes an empty one.

    NaN, ±inf and questions to an empty sketch raise DataError; merging two different kinds or sizes raises IncompatibleError.
    −0 counts as +0. `arguments` names the constructor's arguments; one named `seed` takes 64 bits of randomness.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[str]
    arguments: ClassVar[tuple[str, ...]] = ()

    def update(self, values):
        """Add values (array-like, any shape). Returns self."""
        raise NotImplementedError

    def merge(self, other):
        """Add everything that `other` summarises. Returns self; `other` is unchanged."""
        raise NotImplementedError

    def prune(self):
        """Shrink to the smallest form that keeps the guarantee. Returns self."""
        raise NotImplementedError

    def quantiles(self, fractions):
        """float32, one value for each fraction in [0, 1]: the smallest item whose rank reaches the fraction."""
        raise NotImplementedError

    def rank(self, value):
        """Fraction of the items that are ≤ value; float, or float64 array for an array of values."""
        raise NotImplementedError

    @property
    def rank_error(self):
        """The guarantee: how far the fraction of items ≤ an answer may be from the one asked for."""
        raise NotImplementedError

    @property
    def count(self):
        """Number of items summarised."""
        raise NotImplementedError

    def __len__(self):
        """Number of items stored."""
        raise NotImplementedError

    def __bytes__(self):
        raise NotImplementedError

    @classmethod
    def from_bytes(cls, data):
        """The sketch that bytes(sketch) wrote; CorruptMessage for anything else."""
        raise NotImplementedError
