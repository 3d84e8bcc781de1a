"""The figure of an experiment: test loss against time, test loss against bytes, and bytes per epoch. PNG and PDF.

Where the aim is a metric (accuracy.py), it stands in the loss's place, an accuracy as the error that is left, and all rows of a problem
in one line of panels. There, rows that end far above the others leave the axes, and the caption names them.

Curves begin at the end of the first epoch, the warm-up included. With repeats, the curve is the median and faint lines are the
repeats. matplotlib is used through its objects, without pyplot's global state. Equal runs give equal files, byte for byte.
"""

import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from . import accuracy, describe, style, tuning
from .layout import byte_unit, significant
from .load import column, curves
from .measures import cumulative_bytes, cumulative_time_s, repeats, rising
from .whole import whole

_METADATA = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Producer": None, "Creator": None}}


_FAR = 2.0
"""Rows that end this many times as high as the median row leave the axes."""


def _test_loss(run):
    return column(run, "test_loss")


def _test_metric(run):
    return column(run, "test_metric")


def _test_error(run):
    return 100 * (1 - column(run, "test_metric"))


def draw(collection, rows):
    """matplotlib Figure of three panels for these rows, those that were chosen if the rates were; for each family (models, data, ranks …)
    three of its own."""
    rows = tuning.shown(rows, tuning.choose(rows))
    families = _families(rows)
    named = [describe.labels(family.rows) for family in families]
    looks = style.looks(dict.fromkeys(name for names in named for name in names))
    heights = [max(4.0, 1.9 + sum(0.26 + 0.08 * _wrapped(name).count("\n") for name in names)) for names in named]
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **style.RC, "backend": "agg"}):
        figure = Figure(figsize=(10, sum(heights)), dpi=160 if len(families) < 4 else 100, layout="constrained")
        panels = figure.subplots(len(families), 3, squeeze=False, height_ratios=heights)
        for family, names, (against_time, against_bytes, per_epoch) in zip(families, named, panels):
            _panels(family, names, looks, against_time, against_bytes, per_epoch)
            if len(families) > 1:
                against_time.set_title(textwrap.fill(family.title, 42), loc="left", fontsize=8)
        shown = {}
        for handle, name in (pair for axes in panels[:, 0] for pair in zip(*axes.get_legend_handles_labels())):
            shown.setdefault(name, handle)
        figure.legend(shown.values(), shown.keys(), loc="outside upper left", ncols=_columns(shown), columnspacing=1.4, handlelength=2.2)
        figure.supxlabel(caption(collection, rows), fontsize=7.5, x=0.008, ha="left", color="#444444")
    return figure


@dataclass(frozen=True)
class _Family:
    """Rows that share a line of panels, what they share, and what the curves show: run → float (epochs,), better the smaller it is."""

    rows: list
    title: str
    what: str = "loss"
    unit: str = ""
    shown: Callable = _test_loss
    top: float = np.inf
    """Where the axes end at the latest."""

    def beyond(self):
        """(row, where it ends) of the rows that end above the axes."""
        ends = ((row, float(_curve(row, self.shown)[-1])) for row in self.rows)
        return [(row, end) for row, end in ends if end > self.top]


def _families(rows):
    aimed = accuracy.problems(rows)
    there = {id(row) for problem in aimed for row in problem}
    others = describe.families([row for row in rows if id(row) not in there])
    return [*map(_aimed, aimed), *(_Family(family, describe.title(family)) for family in others)]


def _aimed(problem):
    title, rises = describe.problem(problem), rising(problem[0].group.runs[0])
    what, unit, shown = ("error", ", %", _test_error) if rises else (describe.metric(problem), "", _test_metric)
    ends = [float(_curve(row, shown)[-1]) for row in problem]
    return _Family(problem, title, what, unit, shown, _FAR * float(np.median(ends)))


def _curve(row, shown):
    """float (epochs,): the median over the repeats; of one that diverged inf."""
    return np.median(repeats(row, shown), axis=0)


def _panels(family, names, looks, against_time, against_bytes, per_epoch):
    """Loss or metric against time and against bytes; bytes per epoch."""
    rows, what = family.rows, family.what
    _curves(against_time, family, names, looks, cumulative_time_s)
    against_time.set(title=f"{what.capitalize()} against time", xlabel="training time, s", ylabel=f"test {what}{family.unit}")
    _curves(against_bytes, family, names, looks, cumulative_bytes)
    _bytes_axis(against_bytes, log=any(row["uplink_bytes"] > 0 for row in rows))
    against_bytes.set(title=f"{what.capitalize()} against bytes", xlabel="up and down, per rank")
    against_bytes.sharey(against_time)
    _bars(per_epoch, rows, names, looks)
    per_epoch.set(title="Bytes per epoch", xlabel="per rank")


def caption(collection, rows):
    """What the figure shows, in units, with n, ranks and network, wrapped to the figure's width."""
    about = "Time: slowest rank, evaluation excluded. Bytes: buffers given to MPI, mean over ranks."
    beyond = [f"{describe.label(row)} ({significant(end)})" for family in _families(rows) for row, end in family.beyond()]
    above = [f"Above the axes, with where they end: {', '.join(beyond)}."] if beyond else []
    lines = [describe.headline(collection, rows) + ".", about, *above, *describe.flags(rows), *collection.notes]
    return "\n".join(textwrap.wrap(" ".join(lines), 165))


def save(figure, stem):
    """Write stem.png and stem.pdf; returns their paths."""
    paths = []
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **style.RC, "backend": "agg"}):
        for kind, metadata in _METADATA.items():
            paths.append(stem.with_name(f"{stem.name}.{kind}"))
            with whole(paths[-1]) as temporary:
                figure.savefig(temporary, format=kind, metadata=metadata)
    return paths


def _curves(axes, family, names, looks, progress):
    """What the family shows of every row against `progress` (run → float (epochs,))."""
    for name, row in zip(names, family.rows):
        x, y = curves(row.group.runs, progress), repeats(row, family.shown)
        look = looks[name]
        if len(y) > 1:
            axes.plot(x.T, y.T, color=look.color, linewidth=0.5, alpha=0.4)
        axes.plot(np.median(x, axis=0), np.median(y, axis=0), color=look.color, marker=look.marker, linestyle=look.line, label=name)
    finite = np.concatenate([line.get_ydata() for line in axes.lines])
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return
    if finite.min() > 0 and (finite.max() > 3 * np.median(finite) or family.beyond()):
        axes.set_yscale("log")
    if family.beyond():
        axes.set_ylim(0.97 * finite.min(), family.top)
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 7.0)))
        axes.yaxis.set_major_formatter(lambda number, _: f"{number:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())


def _bars(axes, rows, names, looks):
    """Two bars for each row, up (full colour) and down (pale), with their sizes; a log axis when they span a factor over 20."""
    colors = [looks[name].color for name in names]
    every = []
    for way, offset, alpha in (("up", -0.2, 1.0), ("down", 0.2, 0.45)):
        sizes = [row[f"{way}link_bytes"] for row in rows]
        bars = axes.barh(np.arange(len(rows)) + offset, sizes, height=0.38, color=colors, alpha=alpha)
        axes.bar_label(bars, [f"{_bytes(size)} {way}" for size in sizes], padding=2, fontsize=6.5)
        every += [size for size in sizes if size > 0]
    axes.set_yticks(np.arange(len(rows)), [_wrapped(name) for name in names], fontsize=8 if len(rows) < 12 else 6.5, linespacing=0.95)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    low, high = min(every, default=1.0), max(every, default=1.0)
    if high > 20 * low:
        axes.set_xscale("log")
        axes.set_xlim(low / 3, high * (3 * high / low) ** 0.45)
    else:
        axes.set_xlim(0, 1.5 * high)
    _bytes_axis(axes, log=high > 20 * low)


def _bytes_axis(axes, log):
    """Ticks as "10 MB"."""
    if log:
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        powers = np.floor(np.log10(high)) - np.ceil(np.log10(low)) + 1  # of ten, on the axis: one tick alone is no scale
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if powers > 1 else (1.0, 2.0, 5.0), numticks=5))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_formatter(lambda size, _: f"{size / byte_unit(size)[1]:g} {byte_unit(size)[0]}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", labelsize=8)


def _wrapped(label):
    """A label in lines of about 20 characters, broken after the plus between two parts or at a space."""
    lines = [""]
    for piece in re.split(r"(?<=[\w)]\+)|(?<= )", label):
        if lines[-1] and len(lines[-1] + piece) > 20:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.strip() for line in lines)


def _bytes(size):
    """ "1.23 MB"."""
    unit, factor = byte_unit(size)
    return f"{significant(size / factor)} {unit}"


def _columns(names):
    """As many legend columns as fit beside each other."""
    return max(1, min(len(names), 150 // (max(map(len, names)) + 7)))
