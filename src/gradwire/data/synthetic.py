"""synthetic-kdd10, synthetic-kdd12: data with the dimensions of the SketchML paper's public data sets, without downloading them.

Every row draws one id from each of its fields, by a Zipf–Mandelbrot law p(r) ∝ (r + shift)^-exponent over the field's real
cardinality. Labels come from a planted linear model through a logistic, so a logistic regression can learn something but not
everything. A row is a function of (options, row number) alone, made in shards of 65,536 rows, so any number of ranks makes the
same data. All values are 1.

Real: dimensions, cardinalities, entries per row, positive share, and the ids that occur once in KDD10. Our choice: exponents,
shifts, the planted model, that fields are independent, and that kddb's rows have no values (LIBSVM's are scaled to unit length).
"""

from dataclasses import asdict, dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from .._ext import rows as _rows
from ..gradient import MAX_DIM
from ..step import Step
from .assembly import Assembly, hash_split, share
from .base import CSR, LAYOUTS, Dataset, alone, check_choice, check_fraction, check_integer

SHARD_ROWS = 1 << 16
_FEW = 16


class Field(NamedTuple):
    """cardinality: number of ids. present: share of the rows that have an entry of this field."""

    name: str
    cardinality: int
    exponent: float
    shift: float
    present: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Synthetic(Dataset):
    """rows: of both splits together. n_features: None for the real dimension; else the large fields are scaled so that all sum to
    it, with the same entries per row. seed: of everything."""

    fields: ClassVar[tuple[Field, ...]]
    dim: ClassVar[int]
    positive_share: ClassVar[float]
    unique_features: ClassVar[int] = 0
    unique_per_row: ClassVar[float] = 0.0
    """Ids that occur once, and how many of them a row has on average; they have the highest source ids."""

    rows: int = 1_000_000
    n_features: int | None = None
    layout: str = "frequency"
    test_fraction: float = 0.25
    seed: int = 0

    def __post_init__(self):
        check_integer("rows", self.rows, 2, MAX_DIM)
        if self.n_features is not None:
            check_integer("n_features", self.n_features, 10_000, MAX_DIM)
        check_choice("layout", self.layout, LAYOUTS)
        check_fraction("test_fraction", self.test_fraction)
        check_integer("seed", self.seed, 0, 2**63 - 1)

    def identity(self):
        return asdict(self) | {"n_features": self.n_features or self.dim}

    def prepare(self, folder, rank=0, size=1, barrier=alone):
        shards = -(-self.rows // SHARD_ROWS)
        assembly = Assembly(folder, rank, barrier, layout=self.layout, seed=self.seed)
        assembly.produce(lambda part: self._fill(part, *share(shards, rank, size)))
        assembly.finish(task=self.task, source=f"generated: {self.spec}", checksum=f"revision {self.revision}")

    def _fill(self, part, first, last):
        generator = Generator(self)
        for start in range(first * SHARD_ROWS, min(last * SHARD_ROWS, self.rows), SHARD_ROWS):
            numbers = np.arange(start, min(start + SHARD_ROWS, self.rows), dtype=np.int64)
            part.add(generator.rows(numbers), hash_split(numbers, self.test_fraction, self.seed))


class Generator:
    """Rows of a Synthetic by their numbers."""

    def __init__(self, dataset):
        self.dataset = dataset
        self.fields, self.unique = scaled(dataset)
        self.starts = np.cumsum([0] + [field.cardinality for field in self.fields])
        self.n_features = int(self.starts[-1]) + self.unique
        self.inverses = [_inverse(field) for field in self.fields]
        self.intercept = 0.0
        self.intercept = self._calibrate()

    def rows(self, numbers):
        """CSR of the rows with these numbers, int64 (n,)."""
        ids, present, score = self._draw(numbers)
        chance = 1 / (1 + np.exp(-(score + self.intercept)))
        labels = np.where(self._uniform("label", numbers) < chance, 1, -1).astype(np.float32)
        indptr = np.zeros(len(numbers) + 1, np.int64)
        np.cumsum(present.sum(axis=1), out=indptr[1:])
        return CSR(indptr, ids[present].astype(np.uint32), None, labels, self.n_features)

    def _draw(self, numbers):
        """(ids int64 (n, fields), present bool (n, fields), score float64 (n,)); ids increase along a row."""
        columns, presents, score = [], [], np.zeros(len(numbers))
        for field, start, (shares, edges) in zip(self.fields, self.starts, self.inverses):
            place = np.interp(self._uniform(f"field.{field.name}", numbers), shares, edges)
            popularity = np.minimum(place.astype(np.int64), field.cardinality - 1)
            present = np.ones(len(numbers), bool)
            if field.present < 1:
                present = self._uniform(f"present.{field.name}", numbers) < field.present
            score += present * self._weights(start, popularity)
            columns.append(start + popularity)
            presents.append(present)
        for ids in self._unique_ids(numbers):
            columns.append(ids)
            presents.append(ids >= 0)
        return np.stack(columns, axis=1), np.stack(presents, axis=1), score

    def _unique_ids(self, numbers):
        """Columns of ids that no other row has, until their block is used up and starts again; -1 where a row has no more."""
        rate = self.dataset.unique_per_row
        first, last = np.floor(numbers * rate).astype(np.int64), np.floor((numbers + 1) * rate).astype(np.int64)
        columns = [np.where(first + i < last, (first + i) % self.unique, -1) for i in range(int(np.ceil(rate)))]
        columns = np.sort(np.stack(columns, axis=1), axis=1).T if columns else []
        return [np.where(ids >= 0, ids + self.starts[-1], -1) for ids in columns]

    def _weights(self, start, popularity):
        """The planted weight of each id: uniform noise of variance 1, damped for rare ids, scaled to a useful score."""
        noise = _rows.random32(self._stream("weights"), start + popularity) * (2 * 3**0.5 / 2.0**32) - 3**0.5
        return noise * (2.5 / len(self.fields) ** 0.5) / np.sqrt(np.sqrt(1 + popularity / 100))

    def _calibrate(self):
        """The intercept at which the expected positive share of the first shard is the real one, by bisection."""
        _, _, score = self._draw(np.arange(SHARD_ROWS, dtype=np.int64))
        low, high = -50.0, 50.0
        for _ in range(60):
            middle = (low + high) / 2
            too_many = (1 / (1 + np.exp(-(score + middle)))).mean() > self.dataset.positive_share
            low, high = (low, middle) if too_many else (middle, high)
        return low

    def _stream(self, name):
        return Step(seed=self.dataset.seed).shared(f"data.{self.dataset.name}.{name}")

    def _uniform(self, name, numbers):
        """float64 in [0, 1), one for each row number."""
        return _rows.random32(self._stream(name), numbers) / 2.0**32


def scaled(dataset):
    """(fields, unique features) whose numbers sum to the data set's n_features; small fields keep their cardinality."""
    n_features = dataset.n_features or dataset.dim
    if n_features == dataset.dim:
        return dataset.fields, dataset.unique_features
    kept = sum(field.cardinality for field in dataset.fields if field.cardinality <= _FEW)
    factor = (n_features - kept) / (dataset.dim - kept)
    sizes = [f.cardinality if f.cardinality <= _FEW else max(_FEW, int(f.cardinality * factor)) for f in dataset.fields]
    unique = int(dataset.unique_features * factor)
    sizes[np.argmax(sizes)] += n_features - unique - sum(sizes)
    return tuple(field._replace(cardinality=size) for field, size in zip(dataset.fields, sizes)), unique


def _inverse(field):
    """(shares, edges): the inverse of the field's distribution function at knots, for numpy.interp.

    The first 256 ranks have knots of their own; then knots grow by 1% and ids between two are equally likely, which changes no
    probability by more than exponent · 1%.
    """
    n = field.cardinality
    edges = np.unique(np.minimum(np.concatenate([np.arange(257), np.ceil(256 * 1.01 ** np.arange(1, 2000))]), n))
    x = edges + 0.5 + field.shift
    mass = np.log(x) if field.exponent == 1 else (1 - x ** (1 - field.exponent)) / (field.exponent - 1)
    shares = (mass - mass[0]) / (mass[-1] - mass[0])
    return shares, edges


@dataclass(frozen=True, kw_only=True)
class SyntheticKDD12(Synthetic):
    """KDD Cup 2012 track 2 (click-through): 11 one-hot fields. The cardinalities are those of the public training file; with
    position and depth read as one field of six pairs they sum to the 54,686,452 features of LIBSVM's kdd12."""

    name = "synthetic-kdd12"
    summary = "like KDD12: 54,686,452 features, 11 one-hot fields, 4.4% positive"
    paper = "KDD Cup 2012 track 2 (real dimensions); SketchML, SIGMOD 2018, uses the original"

    dim = 54_686_452
    positive_share = 0.044
    fields = (
        Field("position and depth", 6, 0.5, 0.0),
        Field("gender", 3, 0.5, 0.0),
        Field("age", 7, 0.5, 1.0),
        Field("advertiser", 14_847, 1.1, 5.0),
        Field("display url", 26_273, 1.1, 5.0),
        Field("ad", 641_707, 1.0, 10.0),
        Field("keyword", 1_188_089, 1.05, 5.0),
        Field("description", 2_934_101, 1.0, 20.0),
        Field("title", 3_735_796, 1.0, 20.0),
        Field("user", 22_023_547, 0.7, 10.0),
        Field("query", 24_122_076, 0.8, 20.0),
    )


def _kdd10_fields():
    """31 fields of 8,369,227 ids: 20 that every row has and 11 (the knowledge components of a step) that 75.3% of the rows have."""
    small = (2, 3, 5, 10, 20, 40, 80, 160, 320, 640, 1_200, 2_500, 5_000)
    large = (20_000, 100_000, 1_000_000, 1_500_000, 1_900_000, 1_900_000)
    optional = [Field(f"component {i}", 2_000, 1.1, 5.0, 0.753) for i in range(11)]
    large += (8_369_227 - sum(small) - sum(large) - sum(field.cardinality for field in optional),)
    always = [Field(f"field {i}", size, 1.05, 5.0) for i, size in enumerate(small)]
    return (*always, *optional, *(Field(f"field {i}", size, 0.5, 20.0) for i, size in enumerate(large, len(small))))


@dataclass(frozen=True, kw_only=True)
class SyntheticKDD10(Synthetic):
    """KDD Cup 2010, bridge to algebra (LIBSVM's kddb): 29.4 entries per row, of which 1.117 on average occur in no other row: 72% of
    the features occur once in its 19,264,097 rows (here: expected 72.2%, and 74.7% of those that a million rows show)."""

    name = "synthetic-kdd10"
    summary = "like KDD10 (kddb): 29,890,095 features, 29.4 entries per row, 86% positive, 72% of features occur once"
    paper = "KDD Cup 2010 (real dimensions); SketchML, SIGMOD 2018, uses the original"

    dim = 29_890_095
    positive_share = 0.86
    unique_features = 21_520_868
    unique_per_row = 21_520_868 / 19_264_097
    fields = _kdd10_fields()


__all__ = ["SHARD_ROWS", "Field", "Generator", "Synthetic", "SyntheticKDD10", "SyntheticKDD12", "scaled"]
