"""The figure of an experiment: test loss against time, test loss against bytes, and bytes per epoch. PNG and PDF.

Where the aim is a metric (accuracy.py), it stands in the loss's place, and all rows of a problem in one line of panels.

Curves begin at the end of the first epoch, the warm-up included. With repeats, the curve is the median and faint lines are the
repeats. matplotlib is used through its objects, without pyplot's global state. Equal runs give equal files, byte for byte.
"""

import re
import textwrap
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from . import accuracy, describe, style, tuning
from .layout import byte_unit, significant
from .load import column, curves
from .measures import cumulative_bytes, cumulative_time_s, rising
from .whole import whole

_METADATA = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Producer": None, "Creator": None}}


def draw(collection, rows):
    """matplotlib Figure of three panels for these rows, those that were chosen if the rates were; for each family (models, data, ranks …)
    three of its own."""
    rows = tuning.shown(rows, tuning.choose(rows))
    families = _families(rows)
    named = [describe.labels(family.rows) for family in families]
    looks = style.looks(dict.fromkeys(name for names in named for name in names))
    heights = [max(4.0, 1.9 + 0.26 * len(family.rows)) for family in families]
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
    """Rows that share a line of panels, the column that its curves show, and what the rows share."""

    rows: list
    quantity: str
    title: str


def _families(rows):
    aimed = accuracy.problems(rows)
    there = {id(row) for problem in aimed for row in problem}
    found = [_Family(problem, "test_metric", describe.problem(problem)) for problem in aimed]
    others = describe.families([row for row in rows if id(row) not in there])
    return found + [_Family(family, "test_loss", describe.title(family)) for family in others]


def _panels(family, names, looks, against_time, against_bytes, per_epoch):
    """Loss or metric against time and against bytes; bytes per epoch."""
    rows, quantity = family.rows, family.quantity
    what = "loss" if quantity == "test_loss" else describe.metric(rows)
    _curves(against_time, rows, names, looks, quantity, cumulative_time_s)
    against_time.set(title=f"{what.capitalize()} against time", xlabel="training time, s", ylabel=f"test {what}")
    _curves(against_bytes, rows, names, looks, quantity, cumulative_bytes)
    _bytes_axis(against_bytes, log=any(row["uplink_bytes"] > 0 for row in rows))
    against_bytes.set(title=f"{what.capitalize()} against bytes", xlabel="up and down, per rank")
    against_bytes.sharey(against_time)
    _bars(per_epoch, rows, names, looks)
    per_epoch.set(title="Bytes per epoch", xlabel="per rank")


def caption(collection, rows):
    """What the figure shows, in units, with n, ranks and network, wrapped to the figure's width."""
    about = "Time: slowest rank, evaluation excluded. Bytes: buffers given to MPI, mean over ranks."
    lines = [describe.headline(collection, rows) + ".", about, *describe.flags(rows), *collection.notes]
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


def _curves(axes, rows, names, looks, quantity, progress):
    """The column `quantity` of every row against `progress` (run → float (epochs,))."""
    for name, row in zip(names, rows):
        runs = row.group.runs
        x, y = curves(runs, progress), curves(runs, lambda run: column(run, quantity))
        y = np.where(np.isnan(y), -np.inf if quantity == "test_metric" and rising(runs[0]) else np.inf, y)  # of a run that diverged
        look = looks[name]
        if len(runs) > 1:
            axes.plot(x.T, y.T, color=look.color, linewidth=0.5, alpha=0.4)
        axes.plot(np.median(x, axis=0), np.median(y, axis=0), color=look.color, marker=look.marker, linestyle=look.line, label=name)
    finite = np.concatenate([line.get_ydata() for line in axes.lines])
    finite = finite[np.isfinite(finite)]
    if len(finite) and finite.min() > 0 and finite.max() > 3 * np.median(finite):
        axes.set_yscale("log")


def _bars(axes, rows, names, looks):
    """Two bars for each row, up (full colour) and down (pale), with their sizes; a log axis when they span a factor over 20."""
    colors = [looks[name].color for name in names]
    every = []
    for way, offset, alpha in (("up", -0.2, 1.0), ("down", 0.2, 0.45)):
        sizes = [row[f"{way}link_bytes"] for row in rows]
        bars = axes.barh(np.arange(len(rows)) + offset, sizes, height=0.38, color=colors, alpha=alpha)
        axes.bar_label(bars, [f"{_bytes(size)} {way}" for size in sizes], padding=2, fontsize=6.5)
        every += [size for size in sizes if size > 0]
    axes.set_yticks(np.arange(len(rows)), [_wrapped(name) for name in names], fontsize=8)
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
