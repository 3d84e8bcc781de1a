"""What the sketches share: checks of what comes in, and answers from weighted items."""

import numpy as np

from ..._ext import sparse as _sparse
from ...errors import CorruptMessage, DataError, IncompatibleError

MAX_COUNT = 1 << 48  # far above any stream, far below what could overflow a sum of counts


def finite(values):
    """`values` (array-like, any shape) as flat float32; DataError for NaN and for what is infinite as float32."""
    with np.errstate(over="ignore"):
        flat = np.ascontiguousarray(values, np.float32).reshape(-1)
    at = _sparse.first_nonfinite(flat)
    if at >= 0:
        raise DataError(f"expected finite float32 values, got {flat[at]} at position {at}")
    return flat


def questions(sketch, fractions):
    """`fractions` as float64, any shape; DataError if one is outside [0, 1] or there are no items to ask about."""
    fractions = np.asarray(fractions, np.float64)
    if not ((fractions >= 0) & (fractions <= 1)).all():
        raise DataError(f"expected fractions in [0, 1], got {fractions}")
    refuse_empty(sketch)
    return fractions


def refuse_empty(sketch):
    if sketch.count == 0:
        raise DataError(f"expected a sketch with items, got an empty {sketch!r}")


def refuse_other(sketch, other, *parameters):
    """IncompatibleError unless `other` is of the same class with equal `parameters`."""
    if type(other) is not type(sketch) or any(getattr(other, p) != getattr(sketch, p) for p in parameters):
        agree = " and ".join(("kind", *parameters))
        raise IncompatibleError(f"expected a sketch of the same {agree} as {sketch!r} to merge, got {other!r}")


def corrupt_unless(condition, what):
    if not condition:
        raise CorruptMessage(f"sketch bytes: {what}")


def unpack_header(header, magic, data):
    """The fields of `data`'s header behind its magic, and the bytes behind the header."""
    data = bytes(data)
    corrupt_unless(len(data) >= header.size, f"expected at least {header.size} bytes, got {len(data)}")
    found, *fields = header.unpack_from(data)
    corrupt_unless(found == magic, f"expected the magic {magic!r}, got {found!r}")
    return fields, data[header.size :]


def wanted_ranks(fractions, count):
    """For each fraction the least rank r ≥ 1 with r ≥ fraction · count, int64; rounding of either side never costs a rank."""
    ranks = np.maximum(np.ceil(fractions * count), 1).astype(np.int64)
    return ranks - ((ranks > 1) & ((ranks - 1) / count >= fractions))


def quantiles_of(items, ranks, fractions):
    """The first of the ordered items whose rank (ascending, its weight included) reaches each fraction of the last rank."""
    return items[np.searchsorted(ranks, wanted_ranks(fractions, int(ranks[-1])), side="left")]


def rank_of(items, ranks, values):
    """The share of the last rank that the items ≤ value have."""
    return np.concatenate([[0], ranks])[np.searchsorted(items, values, side="right")] / ranks[-1]


def like(value, answer):
    """A float for a scalar question, else an array of the question's shape."""
    return float(answer.reshape(-1)[0]) if np.ndim(value) == 0 else answer.reshape(np.shape(value))
