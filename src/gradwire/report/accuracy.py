"""What accuracy is left at how many bytes: for models whose aim is a metric, accuracy or bits per byte, and not the loss alone.

All rows of a problem, the same model, data and run on as many ranks, are compared with its best uncompressed row, whatever carries their
messages: what a codec sends decides by which collective it can go. A point is 0.01 of the metric. The target is TOLERANCE points worse
than where the uncompressed row ends; steps and time to it are of the medians over the repeats, linear between the epochs' ends. What theory
says is about the loss in training, which is less noisy too: so steps are counted to a loss as well, the one that the uncompressed row has
after three quarters of its epochs.
"""

import json
import math
from dataclasses import dataclass

import numpy as np

from . import describe, tuning
from .layout import MISSING, Block, byte_unit, decimals_for, fixed, significant
from .load import column
from .measures import cumulative_time_s, first, repeats, rising

AIMS = ("accuracy", "bits_per_byte")
TOLERANCE = 0.5
"""Points that a row may be worse than the uncompressed one."""


@dataclass(frozen=True)
class Accuracy:
    """Of one row. median, low, high: the metric at the end. points: better (+) or worse (-) than uncompressed. diverged: repeats that did.
    steps, time_s: until the target, NaN if never. slowdown: steps over the uncompressed row's, to the target and to the training loss.
    theory: its least and largest, NaN without.
    """

    median: float
    low: float
    high: float
    points: float
    diverged: int
    steps: float
    time_s: float
    slowdown: float
    loss_slowdown: float
    theory: tuple

    @property
    def is_within(self):
        return self.points >= -TOLERANCE - 1e-9


NOTHING = Accuracy(np.nan, np.nan, np.nan, np.nan, 0, np.nan, np.nan, np.nan, np.nan, (np.nan, np.nan))


def problems(rows):
    """[[rows of one model, data, run and number of ranks]] of those whose aim is a metric, in order of appearance."""
    found = {}
    for row in rows:
        if describe.metric_of(row.group.runs[0]) in AIMS:
            settings = {name: value for name, value in row.group.settings.items() if name.startswith(("data.", "model.", "run."))}
            settings.pop("run.local_steps", None)
            settings |= {name: row.group.settings[name] for name in ("ranks", "network")}
            found.setdefault(json.dumps(settings, sort_keys=True, default=str), []).append(row)
    return list(found.values())


def compared(rows):
    """The problems that have an uncompressed row and another."""
    return [problem for problem in problems(rows) if len(problem) > 1 and _baseline(problem)]


def measured(problem):
    """[Accuracy] of the rows of a problem that has an uncompressed one."""
    base = _baseline(problem)
    target = tuning.goodness(base) - TOLERANCE / 100
    losses = _median(base, _train_loss)
    goals = target, float(losses[(3 * len(losses) + 3) // 4 - 1])
    return [_accuracy(row, base, *goals) for row in problem]


def theory(run):
    """(least, largest) factor of the steps that unbiased codecs need, of Algorithm 1 of Natural Compression with P workers: from
    (ω_M + 1)(1 + ω_W / P), where gradients have no noise, to (ω_M + 1)(ω_W + 1), where noise is all. NaN where it says nothing."""
    up, down = run.omegas
    if run.config.get("codec", {}).get("error_feedback") or run.config.get("run", {}).get("local_steps", 1) > 1:
        up = np.nan
    return (down + 1) * (1 + up / run.ranks), (down + 1) * (up + 1)


def blocks(rows):
    """A Block for each problem."""
    return [_block(problem) for problem in compared(rows)]


def notes(rows):
    """How to read the blocks; nothing where there are none."""
    found = compared(rows)
    lost = [problem for problem in problems(rows) if not _baseline(problem) and any(map(_is_uncompressed, problem))]
    flags = [f"FLAG: {describe.problem(problem)}: the uncompressed row diverged, so nothing can be compared with it." for problem in lost]
    if not found:
        return flags
    bases = ", ".join(dict.fromkeys(describe.label(_baseline(problem)) for problem in found))
    lines = [
        f"{describe.metric(rows).capitalize()}: at the end, median over the repeats and their range; points: 0.01 of it, + is better than "
        f"the uncompressed row ({bases}), ✓ within {TOLERANCE:g} points. Bytes: of a step, mean over ranks and the epochs after warm-up.",
        f"To the target: {TOLERANCE:g} points worse than where the uncompressed row ends; in × its steps, and training time, with warm-up.",
        "To the loss: × the steps in which the uncompressed row comes to the training loss that it has after three quarters of its epochs.",
    ]
    if any(np.isfinite(each.theory[1]) for problem in found for each in measured(problem)):
        lines.append(
            "Theory: × steps that the claimed ω allow for at most (Natural Compression, Algorithm 1), from gradients without noise, "
            "(ω_M + 1)(1 + ω_W / P), to nothing but noise, (ω_M + 1)(ω_W + 1); for unbiased codecs without error feedback."
        )
    return [*lines, *flags]


def columns(rows):
    """[{name: number}]: every row's numbers for the CSV."""
    found = {id(row): each for problem in compared(rows) for row, each in zip(problem, measured(problem))}
    return [_numbers(found.get(id(row), NOTHING)) for row in rows]


def _numbers(each):
    found = {"metric_points_vs_uncompressed": each.points, "steps_to_target_metric": each.steps, "time_to_target_metric_s": each.time_s}
    found |= {"steps_to_metric_vs_uncompressed": each.slowdown, "steps_to_train_loss_vs_uncompressed": each.loss_slowdown}
    found |= {"steps_theory_least": each.theory[0], "steps_theory_most": each.theory[1]}
    return found


def _baseline(problem):
    """The uncompressed row that ends best and exchanges every step, None without one."""
    found = filter(_is_uncompressed, problem)
    return max((row for row in found if math.isfinite(tuning.goodness(row))), key=tuning.goodness, default=None)


def _is_uncompressed(row):
    return describe.kind(row) == "uncompressed" and row.group.settings.get("run.local_steps", 1) == 1


def _accuracy(row, base, target, loss):
    end, steps = row.measures["test_metric"], _until(row, _steps, target)
    slowdowns = steps / _until(base, _steps, target), _steps_to_loss(row, loss) / _steps_to_loss(base, loss)
    points = 100 * (tuning.goodness(row) - tuning.goodness(base))
    time_s = _until(row, cumulative_time_s, target)
    return Accuracy(end.median, end.low, end.high, points, row.group.diverged, steps, time_s, *slowdowns, theory(row.group.runs[0]))


def _steps(run):
    """float (epochs,): steps at the end of each epoch."""
    return np.cumsum(column(run, "steps").max(axis=1))


def _median(row, of):
    """float (epochs,): median over the repeats; `of` as `repeats` wants it."""
    return np.median(repeats(row, of), axis=0)


def _train_loss(run):
    return column(run, "train_loss")


def _until(row, progress, goal):
    """How far `progress` is when the median metric, turned as `goodness` is, first reaches the goal."""
    sign = -1 if rising(row.group.runs[0]) else 1
    return first(_median(row, progress), _median(row, lambda run: sign * column(run, "test_metric")), -goal)


def _steps_to_loss(row, goal):
    return first(_median(row, _steps), _median(row, _train_loss), goal)


def _block(problem):
    found = measured(problem)
    metric = describe.metric(problem)
    sizes = [(row["uplink_step_bytes"], row["downlink_step_bytes"]) for row in problem]
    unit, size = byte_unit(float(np.nanmedian([up for up, _ in sizes])))
    tuned = any(row.group.tuned for row in problem)
    decimals = decimals_for(max((each.time_s for each in found if each.time_s == each.time_s), default=0.0))
    titles = ("codec", *(("learning\nrate",) if tuned else ()), metric, "(min–max)", "points", "within", f"up\n{unit}", f"down\n{unit}")
    titles += ("vs dense\nfp32", "to the target\n× steps", "to the target\ns", "to the loss\n× steps", "theory\n× steps")
    lines = []
    for name, row, each, (up, down) in zip(describe.labels(problem), problem, found, sizes):
        rate = (tuning.in_words(tuning.rate_of(row)),) if tuned else ()
        ratio = row["ratio_to_dense_fp32"]
        cells = [*_ending(each, len(row.group.runs)), "✓" if each.is_within else ""]
        cells += [significant(up / size), significant(down / size), f"{significant(ratio)}×" if ratio == ratio else MISSING]
        cells += ["never", "never"] if np.isnan(each.steps) else [f"{each.slowdown:.2f}", fixed(each.time_s, decimals)]
        cells.append("never" if np.isnan(each.loss_slowdown) else f"{each.loss_slowdown:.2f}")
        low, high = each.theory
        cells.append(MISSING if np.isnan(high) else f"{significant(low)}–{significant(high)}")
        lines.append((name, *rate, *cells))
    return Block(f"Accuracy for bytes: {describe.problem(problem)}", titles, tuple(lines))


def _ending(each, n):
    """(metric, range, points) as text; in the range's place how many repeats diverged."""
    failed = f"{each.diverged} of {n} diverged" if each.diverged else ""
    if not np.isfinite(each.median):
        return MISSING, failed, MISSING
    span = f"({each.low:.4f}–{each.high:.4f})" if n > 1 else MISSING
    return f"{each.median:.4f}", failed or span, f"{each.points:+.2f}"
