"""Quantile buckets: how `quantile` and `minmax` cut values into at most q buckets that do not span zero.

Jiang et al.: SketchML, SIGMOD 2018, section 3.2. Splits come from a quantile sketch, zero is always one, duplicates and splits
that separate nothing are removed. Bucket i holds splits[i−1] ≤ v < splits[i].

Exact zeros (a composition usually drops them first) do not enter the sketch. Beside positive values they get a bucket of their
own, [0, least positive float), so that they stay zero; only q = 2, with no bucket to spare, puts them with the positive values.
"""

from typing import NamedTuple

import numpy as np

from ..._ext import quantile as _quantile
from ...errors import ConfigError, CorruptMessage, unknown
from ...spec import build, lookup, one, split
from ..sketches.common import finite

MAX_BUCKETS = 1 << 16
CENTERS = ("midpoint", "mean")
SIGNS = ("joint", "split")
_ABOVE_ZERO = np.nextafter(np.float32(0), np.float32(1))


class Buckets(NamedTuple):
    """codes: uint16 (nnz,), the bucket of each value. centers: float32, the buckets' values. negative: how many lie below zero."""

    codes: np.ndarray
    centers: np.ndarray
    negative: int


def check_options(options):
    """ConfigError for bad fields of a coder with buckets, center, signs and sketch."""
    if not isinstance(options.buckets, int) or not 2 <= options.buckets <= MAX_BUCKETS:
        raise ConfigError(f"expected buckets in 2 … {MAX_BUCKETS}, got {options.buckets!r}")
    if options.center not in CENTERS:
        raise ConfigError(unknown("center", options.center, CENTERS))
    if options.signs not in SIGNS:
        raise ConfigError(unknown("signs", options.signs, SIGNS))
    one("sketches", options.sketch)


def bucketize(values, options, seed, groups=None):
    """Buckets of float32 values (nnz ≥ 1). DataError if one is not finite.

    groups: when given, each sign's share of the buckets fits whole groups of ⌈q / groups⌉ buckets, so that `groups` groups
    are enough although none spans zero.
    """
    values = finite(values)
    splits = _splits(values, options, seed, groups)
    low, high = values.min(), values.max()
    splits = splits[(splits > low) & (splits <= high)]
    codes = np.empty(len(values), np.uint16)
    _quantile.assign(values, splits, codes)
    edges = np.concatenate([[low], splits, [high]]).astype(np.float64)
    centers = (edges[:-1] + edges[1:]) / 2
    if options.center == "mean":
        sums, counts = _quantile.sums(values, codes, len(centers))
        centers = np.where(counts > 0, sums / np.maximum(counts, 1), centers)
    negative = len(centers) if high < 0 else int(np.searchsorted(splits, 0, side="right"))
    return Buckets(codes, centers.astype(np.float32), negative)


def _splits(values, options, seed, groups):
    """float32, strictly increasing; some may lie outside the values."""
    below, above = int(np.count_nonzero(values < 0)), int(np.count_nonzero(values > 0))
    zeros = len(values) - below - above
    at_zero = 0 < below < len(values)
    own_zero = zeros > 0 and above > 0 and options.buckets >= 2 + at_zero
    between = [np.float32(0)] * at_zero + [_ABOVE_ZERO] * own_zero
    if options.signs == "joint" and groups is None:
        nonzero = values[values != 0] if zeros else values
        pieces = [_quantiles(options, seed, nonzero, _even(options.buckets - len(between)))]
    else:
        zero_bucket = int(own_zero or (zeros > 0 and above == 0))
        shares = _shares(options.buckets, below, above, zero_bucket, groups)
        pieces = _signed_quantiles(options, seed, values, below / max(below + above, 1), shares)
    return np.unique(np.concatenate([*pieces, between]).astype(np.float32))


def _signed_quantiles(options, seed, values, proportion, shares):
    """Interior quantiles that cut the negative and the positive values into `shares` buckets, from one sketch or from two.

    proportion: how much of the values that are not zero is negative.
    """
    if options.signs == "split":
        pair = [_quantiles(options, seed, values[side], _even(share)) for side, share in zip((values < 0, values > 0), shares)]
    else:
        fractions = proportion * _even(shares[0]), proportion + (1 - proportion) * _even(shares[1])
        nonzero = values if values.all() else values[values != 0]
        pair = np.split(_quantiles(options, seed, nonzero, np.concatenate(fractions)), [len(fractions[0])])
    # An approximate sketch may put a quantile on the wrong side of zero, where it would be one split too many.
    return [pair[0][pair[0] < 0], pair[1][pair[1] > 0]]


def _shares(buckets, below, above, zero_bucket, groups):
    """(negative, positive): how many buckets either sign gets, in proportion to its values, at least 1 if it has any."""
    free = buckets - zero_bucket
    if not below or not (above or zero_bucket):
        return (free, 0) if below else (0, free)
    proportion = below / (below + above)
    negative = min(max(round(free * proportion), 1), free - 1 if above else free)
    if groups is not None:
        width = -(-buckets // groups)
        negative_groups = min(max(round(groups * proportion), 1), groups - 1)
        most_positive = (groups - negative_groups) * width - zero_bucket
        negative = min(max(negative, free - most_positive), negative_groups * width)
    return negative, free - negative


def _even(parts):
    """The fractions that cut into `parts` equal parts: 1/parts … (parts − 1)/parts."""
    return np.arange(1, parts) / max(parts, 1)


def _quantiles(options, seed, values, fractions):
    """Quantiles of the values by a sketch as `options` says, none if there are no values or no fractions."""
    if len(fractions) == 0 or len(values) == 0:
        return np.empty(0, np.float32)
    name, arguments = split(options.sketch)[0]
    if "seed" in lookup("sketches", name).arguments:
        arguments = {"seed": seed} | arguments
    return build("sketches", name, arguments).update(values).quantiles(fractions)


def read_centers(payload, at, count):
    """float32 (count,) at byte `at` of the payload; CorruptMessage if they are not there or not finite."""
    if len(payload) < at + 4 * count:
        raise CorruptMessage(f"expected {count} bucket values, got {len(payload) - at} bytes")
    centers = payload[at : at + 4 * count].view("<f4").astype(np.float32)
    if not np.isfinite(centers).all():
        raise CorruptMessage("expected finite bucket values")
    return centers


def padded(nbytes):
    """The next multiple of 8."""
    return nbytes + 7 & ~7
