"""What a row of the summary says about its runs: one number for each measure and run, then median and range over the repeats.

Times: maximum over ranks in each epoch, median over the epochs after warm-up. A phase's maximum may come from another rank than
the epoch's, so phases need not sum to the epoch. Bytes: mean over ranks and the epochs after warm-up, exactly as recorded.
Ratios divide sums of bytes, uplink only. A test loss that is no number counts as inf, and of a run that diverged the metric as the worst
there is: it is not left out.
Nothing here is estimated from a formula.

hierarchical sends one message per node. Its ratios are against the same messages uncompressed: ranks that send none have no baseline,
and a pair of 8 bytes counts for each entry of a message, because what the nodes' means held before the codec left entries out is not
recorded. So a sparsifier earns nothing there, and dense messages have no sparse baseline.
"""

from dataclasses import dataclass

import numpy as np

from ..models.metrics import RISING
from .describe import metric_of
from .load import column, curves, has_feedback, n_epochs

PHASES = ("compute", "encode", "comm", "decode", "update", "other")
SECTIONS = ("keys", "values", "tables", "header")

_TIMES = ("epoch_time_s", *(f"{phase}_{clock}_s" for clock in ("wall", "cpu") for phase in PHASES), "comm_wait_s")
_DIRECTIONS = ("uplink", "downlink")
_BYTES = (*(f"{way}_bytes" for way in _DIRECTIONS), *(f"{way}_{section}_bytes" for way in _DIRECTIONS for section in SECTIONS))
_BASELINES = ("dense_baseline_bytes", "sparse_baseline_bytes", "entropy_bound_bytes")
_COUNTS = ("nnz", "message_nnz")


@dataclass(frozen=True)
class Spread:
    """Median and range of n numbers; all NaN when there is no number."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, numbers):
        numbers = np.asarray(numbers, float)
        numbers = numbers[~np.isnan(numbers)]
        if not len(numbers):
            return cls(np.nan, np.nan, np.nan, 0)
        return cls(float(np.median(numbers)), float(numbers.min()), float(numbers.max()), len(numbers))


@dataclass(frozen=True)
class Row:
    """A group and its measures: name → Spread over the repeats (epoch_time_s of a single run: over its epochs)."""

    group: object
    measures: dict

    def __getitem__(self, name):
        return self.measures[name].median

    @property
    def feedback(self):
        return has_feedback(self.group.runs[0])

    @property
    def epochs(self):
        return n_epochs(self.group.runs[0])


def measure(group):
    """Row of a group."""
    runs = [_of_run(run) for run in group.runs]
    measures = {name: Spread.of([run[name] for run in runs]) for name in runs[0]}
    if len(runs) == 1:
        run = group.runs[0]
        measures["epoch_time_s"] = Spread.of(_slowest_rank(run, "epoch_time_s")[steady(run)])
    return Row(group, measures)


def steady(run):
    """bool (epochs,): the epochs after warm-up; all of them when there is none after it. The one in which a run diverged was cut short
    and is in neither, unless there is no other."""
    after, whole = ~column(run, "warmup").astype(bool), np.ones(n_epochs(run), bool)
    if run.diverged and len(whole) > 1:
        whole[-1] = False
    return after & whole if (after & whole).any() else whole


def cumulative_time_s(run):
    """float (epochs,): training time at the end of each epoch, slowest rank, warm-up included, evaluation not."""
    return np.cumsum(_slowest_rank(run, "epoch_time_s"))


def cumulative_bytes(run):
    """float (epochs,): bytes up and down at the end of each epoch, mean over ranks."""
    return np.cumsum((column(run, "uplink_bytes") + column(run, "downlink_bytes")).sum(axis=1) / column(run, "ranks"))


def repeats(row, of):
    """float (repeats, epochs): `of` (run → float (epochs,), better the smaller it is) of every repeat; inf where there is no number."""
    found = curves(row.group.runs, of)
    return np.where(np.isnan(found), np.inf, found)


def first(progress, numbers, goal):
    """How far `progress`, float (epochs,), is when numbers (epochs,) first fall to the goal, on straight lines between the epochs' ends;
    NaN if never."""
    below = np.flatnonzero(numbers <= goal)
    if not len(below):
        return np.nan
    at = below[0]
    if at == 0 or not np.isfinite(numbers[at - 1]):  # no straight line comes from there
        return float(progress[at])
    share = (numbers[at - 1] - goal) / (numbers[at - 1] - numbers[at])
    return float(progress[at - 1] + share * (progress[at] - progress[at - 1]))


def _slowest_rank(run, name):
    return column(run, name).max(axis=1)


def _of_run(run):
    chosen = steady(run)
    numbers = {name: np.median(_slowest_rank(run, name)[chosen]) for name in _TIMES}
    cpu = sum(column(run, f"{phase}_cpu_s") for phase in PHASES)
    numbers["cpu_s"] = np.median(cpu.max(axis=1)[chosen])
    total = {name: column(run, name)[chosen].sum(dtype=float) for name in (*_BYTES, *_BASELINES, *_COUNTS)}
    cells = int(column(run, "ranks")[chosen].sum())
    numbers |= {name: total[name] / cells for name in _BYTES}
    steps = column(run, "steps")[chosen].sum(dtype=float)
    numbers |= {f"{way}_step_bytes": _ratio(total[f"{way}_bytes"], steps) for way in _DIRECTIONS}
    dense, sparse = _baselines(run, chosen, total)
    numbers["ratio_to_dense_fp32"] = _ratio(dense, total["uplink_bytes"])
    numbers["ratio_to_sparse_fp32"] = _ratio(sparse, total["uplink_bytes"])
    keyed = np.nan if run.config.get("codec", {}).get("uncompressed_below") else total["message_nnz"]  # how many have keys is not recorded
    numbers["bits_per_key"] = _ratio(8 * total["uplink_keys_bytes"] or np.nan, keyed)
    numbers["bound_bits_per_key"] = _ratio(8 * total["entropy_bound_bytes"] or np.nan, keyed)
    vnmse = [_mean(of_epoch[~np.isnan(of_epoch)]) for of_epoch in column(run, "vnmse")]  # NaN on ranks that encode nothing
    numbers |= {"vnmse_first": vnmse[0], "vnmse_last": vnmse[-1]}
    loss, metric = (float(column(run, name)[-1]) for name in ("test_loss", "test_metric"))
    if run.diverged or (np.isnan(metric) and np.isnan(loss)):
        metric = -np.inf if rising(run) else np.inf
    return numbers | {"test_loss": np.inf if np.isnan(loss) else loss, "test_metric": metric}


def rising(run):
    """Whether the run's test metric is better the larger it is; one that is not known is taken for an error."""
    return metric_of(run) in RISING


def _baselines(run, chosen, total):
    """(dense, sparse) bytes of the uplink uncompressed, summed over ranks and the chosen epochs."""
    sends = column(run, "uplink_bytes")[chosen].any(axis=0)
    if sends.all() or not sends.any():
        return total["dense_baseline_bytes"], total["sparse_baseline_bytes"]
    dense = column(run, "dense_baseline_bytes")[chosen][:, sends].sum(dtype=float)
    return dense, 8 * total["message_nnz"] if total["uplink_keys_bytes"] else np.nan


def _mean(numbers):
    return float(numbers.mean()) if len(numbers) else np.nan


def _ratio(above, below):
    return above / below if below > 0 else np.nan
