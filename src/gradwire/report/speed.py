"""How much faster: each codec against the baselines that ran under the same settings, per epoch and to the same loss.

The baselines of a family, rows that differ in their codec or in local steps alone, are its fastest uncompressed row, its fastest
16-bit row and ZipML. A speed-up is the baseline's time over the row's, so above 1 is faster. The target loss is the best test loss of
all uncompressed rows, so that local steps, whose epochs are fast, do not set an easier one; a row has reached it when it is within
TOLERANCE, between two epochs by linear interpolation, and the baseline is the uncompressed row that reached it first. What papers
published stands in columns of its own (published.py).
"""

from dataclasses import dataclass, field

import numpy as np

from . import describe, published
from .layout import MISSING, Block, decimals_for, fixed, significant
from .load import column, curves
from .measures import cumulative_time_s, first, repeats

TOLERANCE = 0.001
"""A test loss that is worse than the target by no more than this share has reached it."""


@dataclass(frozen=True)
class Speed:
    """Of one row. epoch: {baseline: speed-up of an epoch}. target_s: seconds to the target loss, NaN if never. target: speed-up to it
    over the first uncompressed row. excess: how far the row's best loss is above the target, as a share; NaN if it had none.
    published: {baseline: ratio}.
    """

    epoch: dict
    target_s: float
    target: float
    excess: float
    published: dict = field(default_factory=dict)


def families(rows):
    """The families of rows that have an uncompressed row and another."""
    return [family for family in describe.families(rows) if len(family) > 1 and _baseline(family, "uncompressed")]


def speeds(family):
    """[Speed] of the rows of a family."""
    plain, sixteen = (_baseline(family, kind) for kind in ("uncompressed", "16-bit"))
    zipml = next((row for row in family if row.group.spec.partition("(")[0] == "zipml"), None)
    uncompressed = [row for row in family if describe.kind(row) == "uncompressed"]
    goal = float(np.nanmin([*map(_best, uncompressed), np.inf]))
    goal = goal if np.isfinite(goal) else np.nan
    reached = min((seconds for row in uncompressed if not np.isnan(seconds := _reached_s(row, goal))), default=np.nan)
    return [_speed(row, {"uncompressed": plain, "16-bit": sixteen, "zipml": zipml}, goal, reached) for row in family]


def blocks(rows):
    """A Block for each family."""
    return [_block(family) for family in families(rows)]


def notes(rows):
    """How to read the blocks; nothing where there are none."""
    found = families(rows)
    if not found:
        return []
    bases = [_baseline(family, kind) for family in found for kind in ("uncompressed", "16-bit")]
    names = ", ".join(dict.fromkeys(row.group.spec for row in bases if row is not None))
    lines = [
        "Speed-ups: the baseline's time over the row's, > 1 is faster; baselines: the fastest uncompressed and the fastest 16-bit row "
        f"({names}).",
        "To the loss: training time, warm-up included, until the test loss is within "
        f"{TOLERANCE:.1%} of the best of all uncompressed rows, linear between epochs; its speed-up is over the uncompressed row that "
        "was there first; where it never was, how far the row's best is above it.",
    ]
    if any(speed.published for family in found for speed in speeds(family)):
        lines.append(f"Published: {published.SOURCE}. Not measured here.")
    return lines


def columns(rows):
    """[{name: number}]: every row's numbers for the CSV."""
    found = {id(row): speed for family in families(rows) for row, speed in zip(family, speeds(family))}
    return [_numbers(found.get(id(row), Speed({}, np.nan, np.nan, np.nan))) for row in rows]


def _numbers(speed):
    named = {f"speedup_epoch_vs_{name.replace('-', '_')}": speed.epoch.get(name, np.nan) for name in ("uncompressed", "16-bit", "zipml")}
    named |= {"time_to_target_loss_s": speed.target_s, "speedup_to_target_loss": speed.target, "target_loss_excess": speed.excess}
    return named | {f"published_vs_{name.replace('-', '_')}": speed.published.get(name, np.nan) for name in ("adam-sparse", "zipml")}


def _baseline(family, kind):
    """The fastest row of a kind, None without one."""
    found = [row for row in family if describe.kind(row) == kind and not row.group.diverged]
    return min(found, key=lambda row: row["epoch_time_s"], default=None)


def _speed(row, baselines, goal, reached):
    epoch = {name: base["epoch_time_s"] / row["epoch_time_s"] for name, base in baselines.items() if base is not None}
    config, seconds = row.group.runs[0].config, _reached_s(row, goal)
    names = [config.get(section, {}).get("name") for section in ("data", "model")]
    found = published.speedups(*names, row.group.spec.partition("(")[0])
    best = _best(row)
    excess = best / goal - 1 if goal > 0 else np.nan
    return Speed(epoch, seconds, reached / seconds if seconds else np.nan, excess, found)


def _best(row):
    """The smallest of the losses that are numbers, NaN if none is."""
    losses = _losses(row)
    return float(np.min(losses[np.isfinite(losses)])) if np.isfinite(losses).any() else np.nan


def _losses(row):
    """float (epochs,): median over the repeats of the test loss; one that is no number is worse than all that are."""
    return np.median(repeats(row, lambda run: column(run, "test_loss")), axis=0)


def _reached_s(row, goal):
    """Training time until the test loss is near the goal, both medians over the repeats, NaN if it never is."""
    return first(np.median(curves(row.group.runs, cumulative_time_s), axis=0), _losses(row), goal + TOLERANCE * abs(goal))


def _block(family):
    found = speeds(family)
    largest = max(row["epoch_time_s"] for row in family)
    decimals = decimals_for(largest)
    bases = [name for name in ("uncompressed", "16-bit", "zipml") if any(name in speed.epoch for speed in found)]
    heads = {"uncompressed": "vs un-\ncompressed", "16-bit": "vs\n16-bit", "zipml": "vs\nzipml"}
    papers = [name for name in ("adam-sparse", "zipml") if any(name in speed.published for speed in found)]
    titles = ("codec", "epoch\ns", *(heads[name] for name in bases), *(f"published\nvs {name.split('-')[0]}" for name in papers))
    titles += ("to the loss\ns", "speed-up\nto the loss")
    lines = []
    for name, row, speed in zip(describe.labels(family), family, found):
        cells = [fixed(row["epoch_time_s"], decimals), *(_times(speed.epoch.get(base, np.nan)) for base in bases)]
        cells += [_times(speed.published.get(base, np.nan)) for base in papers]
        never = "never" if np.isnan(speed.excess) else f"never, {speed.excess:+.2%}"
        cells += [never, MISSING] if np.isnan(speed.target_s) else [fixed(speed.target_s, decimals), _times(speed.target)]
        lines.append((name, *cells))
    return Block(f"Speed: {describe.title(family)}", titles, tuple(lines))


def _times(number):
    return MISSING if number != number else f"{significant(number)}×"
