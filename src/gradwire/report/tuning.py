"""The learning rate of every codec, chosen from the rates that an experiment sweeps over: the one with the best median metric at the end.

Where codecs are compared, each at several rates, a table of all pairs would compare the rates as much as the codecs. So tables and
figures show each codec at its own best rate, and beside that the whole grid. A repeat that diverged, or ended with no number, counts as
the worst there is.
"""

import json
import math
from dataclasses import dataclass, replace

from . import describe
from .layout import MISSING, Block
from .measures import Row, rising

RATE = "optimizer.lr"


@dataclass(frozen=True)
class Choice:
    """What was chosen for one codec: its row, and {rates: Row} of all that were tried, as `rate_of` has them."""

    row: Row
    tried: dict

    @property
    def rate(self):
        return rate_of(self.row)

    @property
    def at_the_edge(self):
        """Whether a rate beyond the grid might have been better still."""
        ordered = sorted(self.tried)
        return len(self.rate) == 1 and len(ordered) > 1 and self.rate in (ordered[0], ordered[-1])


def choose(rows):
    """[Choice] of rows that differ in more than the rate, and where some were run at several rates; else []."""
    found = {}
    for row in rows:
        others = {name: value for name, value in row.group.settings.items() if name != RATE}
        found.setdefault(json.dumps(others, sort_keys=True, default=str), {})[rate_of(row)] = row
    if len(found) < 2 or all(len(tried) < 2 for tried in found.values()):
        return []
    best = [max(sorted(tried), key=lambda rate, of=tried: goodness(of[rate])) for tried in found.values()]
    chosen = [replace(tried[rate], group=replace(tried[rate].group, tuned=(RATE,))) for rate, tried in zip(best, found.values())]
    named = [replace(row, group=replace(row.group, label=label)) for row, label in zip(chosen, describe.unmarked(chosen))]
    return [Choice(row, tried) for row, tried in zip(named, found.values())]


def shown(rows, choices):
    """The rows that tables and figures show: the chosen ones, all where there was nothing to choose."""
    return [choice.row for choice in choices] or rows


def rate_of(row):
    """The row's learning rates, (0.02,) or one for each epoch; () of an optimizer without any."""
    rate = row.group.settings.get(RATE, ())
    if isinstance(rate, str):  # as in a specification
        rate = map(float, rate.split(","))
    return (rate,) if isinstance(rate, int | float) else tuple(rate)


def in_words(rates):
    """ "0.02"; of one for each epoch "0.1/0.05"."""
    return "/".join(f"{rate:g}" for rate in rates) or MISSING


def goodness(row):
    """The median metric at the end, so turned that more is better; -inf where there is no number."""
    middle = row["test_metric"] * (1 if rising(row.group.runs[0]) else -1)
    return -math.inf if math.isnan(middle) else middle


def blocks(choices):
    """The grid: the metric of every codec at every rate."""
    if not choices:
        return []
    rates = sorted({rate for choice in choices for rate in choice.tried})
    lines = [
        (describe.label(choice.row), *(_cell(choice.tried.get(rate)) + "*" * (rate == choice.rate) for rate in rates)) for choice in choices
    ]
    caption = f"Test {describe.metric([choice.row for choice in choices])} at the end, at each learning rate (* chosen)"
    return [Block(caption, ("codec", *map(in_words, rates)), tuple(lines))]


def _cell(row):
    if row is None:
        return MISSING
    failed, n = row.group.diverged, len(row.group.runs)
    text = f"{row['test_metric']:.4f}" if math.isfinite(row["test_metric"]) else MISSING
    return f"{text} ({failed} of {n} diverged)" if failed else text


def notes(choices):
    """How the rates were chosen, and where the choice may not be the best."""
    if not choices:
        return []
    lines = [
        "Learning rate: each row's own, of the rates of its grid the one with the best median at the end; a repeat that diverged counts as "
        "the worst there is. Chosen by the metric that is shown, for all rows alike.",
    ]
    edge = [f"{describe.label(choice.row)} ({in_words(choice.rate)})" for choice in choices if choice.at_the_edge]
    if edge:
        lines.append(f"Best at the edge of the grid, so a rate beyond it may be better: {', '.join(edge)}.")
    if len({frozenset(choice.tried) for choice in choices}) > 1:
        lines.append("FLAG: expected the same learning rates for every row, there are not: some were tuned more than others.")
    return lines
