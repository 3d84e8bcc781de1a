"""debian-contents: which files of a Linux distribution are for software development? Real, sparse, and large.

Every line of Debian's Contents lists (component main, architecture all and the machine's own) is a row: the path of a file and the
package that has it. Features of usr/share/doc/zlib/README.md, all ones, hashed to `bits` bits (cython_ext/text.h):

    directories   usr · share · doc · zlib                          each component but the last, wherever it stands
    prefixes      usr · usr/share · usr/share/doc · usr/share/doc/zlib
    name          README.md
    extension     md                                                (nothing, where there is none: a feature too)

Label +1: the package's section is one of DEVELOPMENT, 32% of the rows. Sections are the maintainers' choice, paths only hint at it:
documentation of a library is of section doc. Where several packages have a file the first counts. The split is by package: with a
random one the test rows' directories would all be known. Rows are shuffled. With Debian 12: 7.3 million rows, 14.45 features each,
4.4 million of them different in 2²⁶, of which 70.5% occur once: kddb's shares, so the stand-in that is real for KDD10 and KDD12.
"""

import gzip
import hashlib
import json
import mmap
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from .._ext import rows as _rows
from .._ext import text as _text
from ..errors import ConfigError, DataError
from ..gradient import MAX_DIM
from ..step import Step
from .apt import fetch_contents
from .assembly import Assembly, hash_split, share
from .base import CSR, HASHED_LAYOUTS, Dataset, alone, check_choice, check_fraction, check_integer

DEVELOPMENT = (
    *(
        "cli-mono",
        "debug",
        "devel",
        "gnu-r",
        "golang",
        "haskell",
        "interpreters",
        "introspection",
        "java",
        "javascript",
        "libdevel",
        "libs",
    ),
    *("lisp", "ocaml", "oldlibs", "perl", "php", "python", "ruby", "rust", "vcs"),
)

_ROWS = 1 << 14
_BLOCK = 1 << 22


@dataclass(frozen=True, kw_only=True)
class DebianContents(Dataset):
    """rows: a random sample of so many lines; None for all. contents: a folder with Contents-*.gz files to be read; None fetches the
    lists of this machine's Debian release with apt. bits: log₂ of the dimension. test_fraction: of the packages, and about that of
    the rows. seed: of the split, the order of rows and the layout "hashed".
    """

    name = "debian-contents"
    summary = "7.3 million file paths, of development packages or not; 4.4 million features in 2^26, 14.45 per row, 70% occur once"
    paper = "Debian's Contents lists, fetched with apt"

    rows: int | None = None
    contents: str | None = None
    bits: int = 26
    layout: str = "frequency"
    test_fraction: float = 0.25
    seed: int = 0

    def __post_init__(self):
        if self.rows is not None:
            check_integer("rows", self.rows, 2, MAX_DIM)
        if self.contents is not None and not (isinstance(self.contents, str) and self.contents):
            raise ConfigError(f"expected contents as the path of a folder, got {self.contents!r}")
        check_integer("bits", self.bits, 8, 32)
        check_choice("layout", self.layout, HASHED_LAYOUTS)
        check_fraction("test_fraction", self.test_fraction)
        check_integer("seed", self.seed, 0, 2**63 - 1)

    def identity(self):
        contents = None if self.contents is None else str(Path(self.contents).expanduser().absolute())
        return asdict(self) | {"contents": contents}

    def prepare(self, folder, rank=0, size=1, barrier=alone):
        assembly = Assembly(folder, rank, barrier, layout=self.layout, seed=self.seed)
        assembly.stage(lambda: self._unpack(assembly.parts) if rank == 0 else None)
        assembly.produce(lambda part: self._fill(part, assembly.parts, rank, size))
        about = json.loads((assembly.parts / "about").read_text())
        assembly.finish(task=self.task, **about)

    def _unpack(self, folder):
        """Write the lists' text to folder/text, and where its lines begin, in the order in which they become rows."""
        if self.contents is None:
            (folder / "apt").mkdir()
            release, paths = fetch_contents(folder / "apt")
            source = f"apt: Contents lists of Debian {release}, main"
        else:
            paths = sorted(Path(self.contents).expanduser().absolute().glob("Contents-*.gz"))
            source = self.contents
            if not paths:
                raise DataError(f"expected files Contents-*.gz in {self.contents}, found none")
        sources = _concatenate(paths, folder / "text")
        starts = _line_starts(folder / "text")
        order = np.argsort(_rows.random32(Step(seed=self.seed).shared("data.order"), np.arange(len(starts) - 1)), kind="stable")
        np.save(folder / "order.npy", order[: self.rows])
        np.save(folder / "starts.npy", starts)
        checksum = "sha256:" + "+".join(one["sha256"] for one in sources)
        (folder / "about").write_text(json.dumps({"source": source, "checksum": checksum, "sources": sources}))

    def _fill(self, part, folder, rank, size):
        order, starts = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("order", "starts"))
        development = np.array([_text.section_hash(name.encode()) for name in DEVELOPMENT], np.uint64)
        first, last = share(len(order), rank, size)
        with open(folder / "text", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            for at in range(first, last, _ROWS):
                lines = np.array(order[at : min(at + _ROWS, last)])
                begin, end = starts[lines], starts[lines + 1]
                indptr, indices, sections, packages, bad = _text.paths(text, begin, end, self.bits)
                if bad >= 0:
                    line = text[begin[bad] : end[bad]][:80]
                    raise DataError(f"expected lines 'path section/package' in the Contents lists, got {line!r} in line {lines[bad] + 1}")
                labels = np.where(np.isin(sections, development), 1, -1).astype(np.float32)
                is_test = hash_split(packages.view(np.int64), self.test_fraction, self.seed)
                part.add(CSR(indptr, indices, None, labels, 1 << self.bits), is_test)


def _concatenate(paths, target):
    """Write the text of gzip files one behind the other; [{"file", "bytes", "sha256"}] of the compressed files."""
    sources = []
    with open(target, "wb") as out:
        for path in map(Path, paths):
            with open(path, "rb") as file:
                sources.append({"file": path.name, "bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()})
            try:
                with gzip.open(path, "rb") as file:
                    while block := file.read(_BLOCK):
                        out.write(block)
            except (OSError, EOFError, zlib.error) as error:
                raise DataError(f"cannot unpack {path.name}: {error}") from error
    return sources


def _line_starts(path):
    """int64 (lines + 1,): where each line begins, and where the last one ends. DataError for a text without whole lines."""
    starts, at = [np.zeros(1, np.int64)], 0
    with open(path, "rb") as file:
        while len(block := np.fromfile(file, np.uint8, _BLOCK)):
            starts.append(np.flatnonzero(block == ord("\n")) + (at + 1))
            at += len(block)
    starts = np.concatenate(starts)
    if len(starts) < 2 or starts[-1] != at:
        raise DataError("expected Contents lists of whole lines, got a text that is empty or has been cut")
    return starts


__all__ = ["DEVELOPMENT", "DebianContents"]
