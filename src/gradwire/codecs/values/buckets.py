"""Quantile buckets: how `quantile` and `minmax` cut values into at most q buckets that do not span zero.

Jiang et al.: SketchML, SIGMOD 2018, section 3.2. Splits come from a quantile sketch, zero is always one, duplicates and splits
that separate nothing are removed. Bucket i holds splits[i−1] ≤ v < splits[i].

Exact zeros (a composition usually drops them first) do not enter the sketch. Beside positive values they get a bucket of their
own, [0, least positive float), so that they stay zero; only q = 2, with no bucket to spare, puts them with the positive values.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from ..._ext import quantile as _quantile
from ...errors import ConfigError, CorruptMessage, unknown
from ...spec import build, lookup, one, split
from .payload import refuse_nonfinite

MAX_BUCKETS = 1 << 16
CENTERS = ("midpoint", "mean")
SIGNS = ("joint", "split")
CODINGS = ("fixed", "huffman")
_ABOVE_ZERO = np.nextafter(np.float32(0), np.float32(1))


class Cut(NamedTuple):
    """Where values are cut. splits: float32, strictly increasing. low, high: the least and the greatest value.
    negative: how many buckets lie below zero."""

    splits: np.ndarray
    low: float
    high: float
    negative: int

    @property
    def count(self):
        return len(self.splits) + 1


def check_options(options):
    """ConfigError for bad fields of a coder with buckets, center, signs, sketch, exact_tail and coding."""
    if not isinstance(options.buckets, int) or not 2 <= options.buckets <= MAX_BUCKETS:
        raise ConfigError(f"expected buckets in 2 … {MAX_BUCKETS}, got {options.buckets!r}")
    if options.center not in CENTERS:
        raise ConfigError(unknown("center", options.center, CENTERS))
    if options.signs not in SIGNS:
        raise ConfigError(unknown("signs", options.signs, SIGNS))
    if not isinstance(options.exact_tail, int | float) or not 0 <= options.exact_tail <= 0.5:
        raise ConfigError(f"expected exact_tail in 0 … 0.5, got {options.exact_tail!r}")
    if options.coding not in CODINGS:
        raise ConfigError(unknown("coding", options.coding, CODINGS))
    one("sketches", options.sketch)


def cut(values, options, seed, buckets, groups=None):
    """Cut of float32 values (nnz ≥ 1) into at most `buckets` buckets. DataError if one is not finite.

    groups: when given, each sign's share of the buckets fits whole groups of ⌈buckets / groups⌉, so that `groups` groups are enough
    although none spans zero.
    """
    found = _quantile.survey(values)
    if found is None:
        refuse_nonfinite("quantile", values)
    low, high, below, zeros = found
    splits = _splits(values, options, seed, buckets, groups, below, zeros)
    splits = splits[(splits > low) & (splits <= high)]
    negative = len(splits) + 1 if high < 0 else int(np.searchsorted(splits, 0, side="right"))
    return Cut(splits, low, high, negative)


def centers(found, center, values, codes):
    """float32 (found.count,): the midpoints of the buckets' edges, or the means of the values that `codes` puts into them.

    values and codes are not looked at for midpoints. A value whose code is found.count is in no bucket. A bucket without members
    has its midpoint.
    """
    edges = np.concatenate([[found.low], found.splits, [found.high]]).astype(np.float64)
    middles = (edges[:-1] + edges[1:]) / 2
    if center == "mean":
        sums, counts = (of_codes[:-1] for of_codes in _quantile.sums(values, codes, found.count + 1))
        middles = np.where(counts > 0, sums / np.maximum(counts, 1), middles)
    return middles.astype(np.float32)


def tail(values, share, name):
    """(bound, the values whose magnitude is at most that): the others, at most share · nnz and of the largest magnitude, stay exact.

    DataError, if share is not 0, for a value that is not finite.
    """
    exact = int(share * len(values))
    if exact == 0:
        return np.inf, values
    if _quantile.survey(values) is None:
        refuse_nonfinite(name, values)
    bound = _quantile.largest_magnitude(values, exact)
    return bound, _quantile.within(values, bound)


def _splits(values, options, seed, buckets, groups, below, zeros):
    """float32, strictly increasing; some may lie outside the values. below, zeros: how many values are below zero, and zero."""
    above = len(values) - below - zeros
    at_zero = 0 < below < len(values)
    own_zero = zeros > 0 and above > 0 and buckets >= 2 + at_zero
    between = [np.float32(0)] * at_zero + [_ABOVE_ZERO] * own_zero
    values = _quantile.nonzeros(values) if zeros else values
    if options.signs == "joint" and groups is None:
        pieces = [_quantiles(options, seed, values, _even(buckets - len(between)))]
    else:
        zero_bucket = int(own_zero or (zeros > 0 and above == 0))
        shares = _shares(buckets, below, above, zero_bucket, groups)
        pieces = _signed_quantiles(options, seed, values, below / max(below + above, 1), shares)
    return np.unique(np.concatenate([*pieces, between]).astype(np.float32))


def _signed_quantiles(options, seed, values, proportion, shares):
    """Interior quantiles that cut the negative and the positive values into `shares` buckets, from one sketch or from two.

    values: none is zero. proportion: how many of them are negative.
    """
    if options.signs == "split":
        sides = _quantile.negatives(values), _quantile.positives(values)
        pair = [_quantiles(options, seed, side, _even(share)) for side, share in zip(sides, shares)]
    else:
        fractions = proportion * _even(shares[0]), proportion + (1 - proportion) * _even(shares[1])
        pair = np.split(_quantiles(options, seed, values, np.concatenate(fractions)), [len(fractions[0])])
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
    name, arguments, seeded = _sketch(options.sketch)
    return build("sketches", name, {"seed": seed} | arguments if seeded else arguments).update(values).quantiles(fractions)


@cache
def _sketch(spec):
    """(name, arguments, whether it takes a seed) of a sketch's specification."""
    name, arguments = split(spec)[0]
    return name, arguments, "seed" in lookup("sketches", name).arguments


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
