"""libsvm: any svmlight / libsvm text file (Chang and Lin, LIBSVM, 2011). KDD10, KDD12, criteo and many more come as such files.

Each rank parses its own byte range, see svmlight.py. What depends on all the data is decided once, over all of it: n_features and
zero_based are given, never inferred; the label convention is agreed between ranks. Rows keep the order of the file.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import xxhash

from ..errors import ConfigError, DataError
from ..gradient import MAX_DIM
from .assembly import Assembly, hash_split, share
from .base import LAYOUTS, TASKS, Dataset, alone, check_choice, check_fraction, check_integer
from .svmlight import identify, line_number, parse_blocks, parse_range

_BLOCK = 1 << 20
CONVENTIONS = {"01": (0.0, 1.0), "pm1": (-1.0, 1.0), "12": (1.0, 2.0)}
"""Name → (negative, positive) label. "auto" takes the one that fits all labels of all files."""


@dataclass(frozen=True, kw_only=True)
class LibSVM(Dataset):
    """train, test: paths; without test, test_fraction of the rows (0.25) is held out, chosen by a seeded hash of the line's byte
    offset. n_features: number of features; zero_based: whether indices start at 0. labels: "auto", "01", "pm1" or "12" for
    classification; a regression's labels are taken as they are. seed: of the split and of the layout "hashed".
    """

    name = "libsvm"
    summary = "any svmlight / libsvm text file, parsed in parallel"
    paper = "Chang and Lin, LIBSVM: a library for support vector machines, ACM TIST 2011"

    train: str
    n_features: int
    zero_based: bool
    test: str | None = None
    test_fraction: float | None = None
    labels: str = "auto"
    task: str = "classification"
    layout: str = "source"
    seed: int = 0

    def __post_init__(self):
        check_integer("n_features", self.n_features, 1, MAX_DIM)
        if not isinstance(self.zero_based, bool):
            raise ConfigError(f"expected zero_based as true or false, got {self.zero_based!r}")
        for name in ("train", "test"):
            path = getattr(self, name)
            if not (isinstance(path, str | os.PathLike) and str(path)) and not (name == "test" and path is None):
                raise ConfigError(f"expected {name} as the path of a file, got {path!r}")
        if self.test_fraction is not None:
            check_fraction("test_fraction", self.test_fraction)
            if self.test is not None:
                raise ConfigError("expected test or test_fraction, got both")
        check_choice("labels", self.labels, ("auto", *CONVENTIONS))
        check_choice("task", self.task, TASKS)
        check_choice("layout", self.layout, LAYOUTS)
        check_integer("seed", self.seed, 0, 2**63 - 1)
        if self.task == "regression" and self.labels != "auto":
            raise ConfigError(f"labels = {self.labels!r} is a convention for classification; leave it out for regression")

    @property
    def paths(self):
        """The files, train first, as absolute paths."""
        return [Path(path).expanduser().absolute() for path in (self.train, self.test) if path is not None]

    def identity(self):
        names = dict(zip(("train", "test"), map(str, self.paths)))
        fraction = None if self.test is not None else self.test_fraction or 0.25
        return asdict(self) | names | {"test_fraction": fraction}

    def is_stale(self, meta):
        return any(Path(old["path"]).is_file() and identify(Path(old["path"])) != old for old in meta["sources"])

    def prepare(self, folder, rank=0, size=1, barrier=alone):
        self.assemble(Assembly(folder, rank, barrier, layout=self.layout, seed=self.seed), rank, size)

    def assemble(self, assembly, rank, size, **about):
        """Parse the files into an Assembly, all ranks together. about: what meta.json says of the source instead of their paths."""
        plan = assembly.parts / "plan"
        assembly.stage(lambda: plan.write_text(json.dumps([identify(path) for path in self.paths])) if rank == 0 else None)
        sources = json.loads(plan.read_text())
        works = [lambda part, i=i: self._parse(part, i, sources[i], *share(sources[i]["bytes"], rank, size)) for i in range(len(sources))]
        assembly.produce(*works)
        # rank 0 alone joins the parts, so only it needs to know
        convention, checksum = assembly.stage(lambda: (self._convention(assembly), _checksum(self.paths)) if rank == 0 else (None, None))
        about = {"source": ", ".join(source["path"] for source in sources), "checksum": checksum, "sources": sources} | about
        relabel = None if convention is None else lambda labels: np.where(labels == CONVENTIONS[convention][1], 1, -1)
        assembly.finish(task=self.task, relabel=relabel, labels=convention, **about)

    def _parse(self, part, number, source, start, stop):
        """Add the lines that begin in [start, stop) of one file; note where its first three different labels stand."""
        fraction = self.identity()["test_fraction"]
        firsts = part.info.setdefault("labels", [])
        known = []
        for offset, rows, line_at in parse_blocks(source["path"], start, stop, self.n_features, self.zero_based, source["bytes"]):
            if self.task == "classification" and len(known) < 3:
                new = [(int(first), float(label)) for label, first in zip(*np.unique(rows.labels, return_index=True)) if label not in known]
                for first, label in sorted(new):
                    known.append(label)
                    firsts.append((number, offset + int(line_at[first]), label))
            is_test = np.full(rows.n_rows, number == 1) if fraction is None else hash_split(offset + line_at, fraction, self.seed)
            part.add(rows, is_test)

    def _convention(self, assembly):
        """The name of the convention that all labels follow; None for regression."""
        if self.task == "regression":
            return None
        fitting = [self.labels] if self.labels != "auto" else list(CONVENTIONS)
        seen = set()
        for number, offset, label in sorted(tuple(first) for info in assembly.infos() for first in info["labels"]):
            seen.add(label)
            before, fitting = fitting, [name for name in fitting if seen <= set(CONVENTIONS[name])]
            if not fitting:
                expected = " or ".join(f'{low:g} and {high:g} ("{name}")' for name, (low, high) in CONVENTIONS.items() if name in before)
                path = self.paths[number]
                raise DataError(f"{path}, line {line_number(path, offset)}: expected labels {expected}, got {label:g}")
        if len(fitting) > 1 and seen == {1.0}:
            raise DataError(f'{self.train}: all labels are 1, so labels = "auto" cannot tell; expected one of {", ".join(CONVENTIONS)}')
        return fitting[0]


def _checksum(paths):
    digests = []
    for path in paths:
        digest = xxhash.xxh3_128()
        with open(path, "rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        digests.append(digest.hexdigest())
    return "xxh3-128:" + "+".join(digests)


__all__ = ["CONVENTIONS", "LibSVM", "parse_range"]
