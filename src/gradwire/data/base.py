"""CSR, Prepared and Dataset: what a data set is before, while and after it is prepared. No MPI here: ranks meet at `barrier`.

The splits of a data set are two CSRs, or two Tables (table.py) if its task is one of TABLE_TASKS.
"""

from dataclasses import asdict, dataclass, field
from typing import ClassVar

import numpy as np

from ..configured import Configured
from ..errors import ConfigError, DataError, unknown
from .guard import Guard
from .table import Table

TABLE_TASKS = ("images", "text")
TASKS = ("classification", "regression", *TABLE_TASKS)
LAYOUTS = ("frequency", "hashed", "source")
"""How feature ids are numbered: by descending frequency in the training rows (ties by source id), by a seeded permutation, or as
the source has them. It decides how far apart the keys of a gradient lie, so every data set that offers it says which was used."""
HASHED_LAYOUTS = ("frequency", "hashed")
"""Those of features that are hashed to begin with: their source has no numbers."""


def alone():
    """The barrier of a single rank."""


@dataclass(frozen=True, eq=False, slots=True)
class CSR:
    """Rows of a sparse matrix and their labels; the arrays may be read-only memory maps.

    indptr: int64 (n_rows + 1,), non-decreasing. indices: uint32 (nnz,), strictly increasing in each row, below n_features.
    values: float32 (nnz,), or None when all are 1. labels: float32 (n_rows,), −1 or +1 for classification.

    Row r is indices[indptr[r]:indptr[r + 1]]. In a slice made by `rows` indptr need not start at 0, and indices and values are
    those of the whole matrix. Shapes and dtypes are checked here (DataError), contents when a data set is prepared.
    """

    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray | None
    labels: np.ndarray
    n_features: int

    def __post_init__(self):
        for name, dtype in (("indptr", np.int64), ("indices", np.uint32), ("values", np.float32), ("labels", np.float32)):
            array = getattr(self, name)
            if array is None and name == "values":
                continue
            if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != 1:
                what = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
                raise DataError(f"expected {name} as a flat {np.dtype(dtype)} array, got {what}")
        if len(self.indptr) != len(self.labels) + 1:
            raise DataError(f"expected {len(self.labels) + 1} row offsets for {len(self.labels)} labels, got {len(self.indptr)}")
        if self.values is not None and len(self.values) != len(self.indices):
            raise DataError(f"expected {len(self.indices)} values, one for each index, got {len(self.values)}")
        if not 0 <= self.indptr[0] <= self.indptr[-1] <= len(self.indices):
            raise DataError(f"expected offsets in 0 … {len(self.indices)}, got {self.indptr[0]} … {self.indptr[-1]}")

    @property
    def n_rows(self):
        return len(self.labels)

    @property
    def nnz(self):
        """Stored entries of these rows."""
        return int(self.indptr[-1] - self.indptr[0])

    def rows(self, start, stop):
        """Rows start … stop-1 without copying anything. DataError if there are no such rows."""
        if not 0 <= start <= stop <= self.n_rows:
            raise DataError(f"expected 0 ≤ start ≤ stop ≤ {self.n_rows}, got rows({start}, {stop})")
        return CSR(self.indptr[start : stop + 1], self.indices, self.values, self.labels[start:stop], self.n_features)


@dataclass(frozen=True, eq=False, slots=True)
class Prepared:
    """A data set ready for training. task: one of TASKS. meta: what meta.json of the cache says.

    n_features: ids of a CSR, bytes of an image, or 256, the values of a byte of text.
    guard: the files behind the arrays; None if there are none.
    """

    train: CSR | Table
    test: CSR | Table
    n_features: int
    task: str
    meta: dict = field(default_factory=dict)
    guard: Guard | None = None


class Dataset(Configured):
    """Base of all data sets. A subclass is a frozen dataclass whose fields are the options of [data] in an experiment.

    paper is the source of the data. A change of what `prepare` makes is a new `revision`, so that an old cache is not used for it.
    """

    revision: ClassVar[int] = 1

    @property
    def task(self):
        """One of TASKS."""
        return "classification"

    def identity(self):
        """Everything the contents depend on, as JSON types; it names the cache folder. By default all options."""
        return asdict(self)

    def is_stale(self, meta):
        """Whether the source has changed since a cache with this meta.json was made."""
        return False

    def prepare(self, folder, rank=0, size=1, barrier=alone):
        """Write the arrays and meta.json into `folder`, which exists; see assembly.Assembly. Every rank calls this and takes the
        same path through `barrier`. DataError, the same on all ranks, if the source is not what it must be."""
        raise NotImplementedError


def check_choice(name, value, known):
    """ConfigError unless `value` is one of `known`."""
    if value not in known:
        raise ConfigError(unknown(name, value, known))


def check_fraction(name, value):
    """ConfigError unless 0 < value < 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ConfigError(f"expected 0 < {name} < 1, got {value!r}")


def check_integer(name, value, least, most):
    """ConfigError unless `value` is an integer in least … most."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigError(f"expected {name} as an integer in {least} … {most}, got {value!r}")
