"""What codecs are measured on: synthetic keys and values whose entropy is known, and recorded gradients.

Keys, nnz of them below dim, each key i in the set with its own probability π_i, independently of the others:

    zipf    π_i = 1 - exp(-c / (i + 1)): drawn with Zipf's popularities, numbered in popularity order
    hash    π_i = nnz / dim: the same ids permuted
    field   one-hot fields, each with its own range of ids, popular ones first: `zipf` eleven times side by side
    runs    runs of 1 … 2,000 consecutive keys, uniformly long, as far apart as nnz / dim demands (no model)
    all     0 … nnz - 1, every key: no dim to speak of

Values: lognormal, ± exp(N(-9, 2.5²)), the heavy tail of sparse gradients; gaussian, N(0, 1). Of each input there are several
draws (`copies`), which a measurement rotates, so that no branch predictor learns one.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .. import bounds
from ..errors import ConfigError, unknown
from ..gradient import Gradient

DIM = 54_000_000
FIELDS = 11
MEANINGS = {
    "zipf": "ids drawn with Zipf's popularities and numbered by popularity",
    "hash": "the same ids permuted",
    "field": "eleven one-hot fields side by side, each like zipf",
    "runs": "runs of 1 … 2,000 consecutive keys",
    "all": "every key",
    "dense": "values without keys",
    "lognormal": "values ± exp N(−9, 2.5²), the heavy tail of sparse gradients",
    "gaussian": "values N(0, 1)",
}
KEYS = ("zipf", "hash", "field", "runs", "all")
VALUES = ("lognormal", "gaussian")


def meanings(names=None):
    """What the parts of these synthetic inputs' names mean, of all when None; one line."""
    used = MEANINGS if names is None else {part for name in names for part in name.split("/")}
    return "; ".join(f"{part}: {meaning}" for part, meaning in MEANINGS.items() if part in used)


@dataclass(frozen=True)
class Input:
    """name: as in the tables. gradients: the copies. model_entropy: bits per key of the model that drew the keys, NaN where unknown."""

    name: str
    gradients: list = field(repr=False)
    model_entropy: float = float("nan")

    @property
    def nnz(self):
        """Mean number of entries of a copy."""
        return sum(g.nnz for g in self.gradients) / len(self.gradients)

    @cached_property
    def bounds(self):
        """The columns of bits that the first copy's keys and values allow."""
        first = self.gradients[0]
        found = {"value_entropy_bits": bounds.entropy(first.values), "shannon_bits": bounds.shannon_bits(first.values)}
        if first.is_dense or not first.nnz:
            return found
        least = bounds.log2_binomial(first.dim, first.nnz) / first.nnz
        return found | {"bound_bits": least, "gap_entropy_bits": bounds.gap_entropy(first.keys)}


def synthetic(keys, values, nnz, copies, dim=DIM):
    """Input named "keys/values". Needs about 8 · dim bytes for a moment."""
    if not 1 <= nnz <= dim:
        raise ConfigError(f"expected 1 … {dim} nonzeros, got {nnz}")
    rng = np.random.default_rng([KEYS.index(_known("keys", keys, KEYS)), VALUES.index(_known("values", values, VALUES)), nnz])
    draw, entropy, dim = _model(keys, nnz, dim)
    gradients = []
    for _ in range(copies):
        drawn = draw(rng)
        gradients.append(Gradient(draw_values(rng, values, len(drawn)), dim, drawn))
    return Input(f"{keys}/{values}", gradients, entropy)


def dense(values, nnz, copies):
    """Input named "dense/values": dense gradients."""
    rng = np.random.default_rng([9, VALUES.index(_known("values", values, VALUES)), nnz])
    return Input(f"dense/{values}", [Gradient(draw_values(rng, values, nnz), nnz) for _ in range(copies)])


def recorded(path, copies):
    """One Input per epoch of a file of recorded gradients, "recorded/epoch 3"; of an .npz file, "recorded". At most `copies` of each."""
    from ..gradients import load_gradients  # needs h5py, which `--help` does without

    found = {}
    for item in load_gradients(path):
        if item.gradient.nnz:
            found.setdefault("recorded" if item.epoch is None else f"recorded/epoch {item.epoch}", []).append(item.gradient)
    return [Input(name, _spread(gradients, copies)) for name, gradients in found.items()]


def draw_values(rng, name, n):
    """float32 (n,)."""
    if name == "gaussian":
        return rng.standard_normal(n, np.float32)
    magnitude = np.exp(2.5 * rng.standard_normal(n, np.float32) - 9)
    return np.where(rng.random(n, np.float32) < 0.5, -magnitude, magnitude)


def _known(kind, name, known):
    if name not in known:
        raise ConfigError(unknown(kind, name, known))
    return name


def _spread(items, count):
    at = np.linspace(0, len(items) - 1, min(count, len(items)), dtype=int)
    return [items[i] for i in at]


def _model(keys, nnz, dim):
    """(rng → uint32 keys, model entropy in bits per key, dim)."""
    if keys == "all":
        return lambda rng: np.arange(nnz, dtype=np.uint32), 0.0, nnz
    if keys == "runs":
        return lambda rng: _runs(rng, nnz, dim), float("nan"), dim
    if keys == "hash":
        return lambda rng: _bernoulli(rng, np.full(dim, nnz / dim, np.float32)), _entropy(nnz / dim, dim) / nnz, dim
    fields = FIELDS if keys == "field" else 1
    size = dim // fields
    chance, entropy = _inclusion(nnz / fields, size)
    chance = np.tile(chance, fields)
    return lambda rng: _bernoulli(rng, chance), fields * entropy / nnz, fields * size


def _inclusion(nnz, size):
    """(float32 (size,): 1 - exp(-c / (i + 1)), whose sum is nnz; the sum of their binary entropies, bits)."""
    edges = np.unique(np.append(np.arange(min(size, 10**5)), np.geomspace(min(size, 10**5), size, 10**5).astype(np.int64)))
    middle, width = (edges[1:] + edges[:-1] + 1) / 2, np.diff(edges)  # the sum over ranges of i, each by its middle
    low, high = 1e-9, float(size) ** 2
    while high / low > 1 + 1e-9:
        c = (low * high) ** 0.5
        low, high = (c, high) if float(-(np.expm1(-c / middle) * width).sum()) < nnz else (low, c)
    return -np.expm1(-np.float32(low) / np.arange(1, size + 1, dtype=np.float32)), _entropy(-np.expm1(-low / middle), width)


def _entropy(chance, count):
    """Bits of count independent coins of each chance."""
    p = np.clip(chance, 1e-300, 1 - 1e-16)
    return float(-(count * (p * np.log2(p) + (1 - p) * np.log2(1 - p))).sum())


def _bernoulli(rng, chance):
    return np.flatnonzero(rng.random(len(chance), np.float32) < chance).astype(np.uint32)


def _runs(rng, nnz, dim):
    lengths = rng.integers(1, 2001, 2 * nnz // 1000 + 2)
    lengths = lengths[: int(np.searchsorted(np.cumsum(lengths), nnz)) + 1]
    lengths[-1] -= lengths.sum() - nnz
    starts = np.sort(rng.integers(0, dim - nnz + 1, len(lengths)))  # two of one number make one longer run
    return (np.repeat(starts, lengths) + np.arange(nnz)).astype(np.uint32)
