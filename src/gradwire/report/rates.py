"""The rate–distortion figure of `gradwire bench codecs`: bits per nonzero against vNMSE, one panel per input.

The Pareto front is what no other codec here beats in both. Vertical lines are what keys cost if every key is sent: with all key
sets of that size alike, log₂ C(dim, nnz) / nnz bits (dotted), and with the model that drew synthetic keys (dash-dotted). The dashed
curve is the smaller of the two plus Shannon's lower bound for values that are independent draws.
"""

import textwrap

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from . import style
from .codecs import pareto

_FAMILIES = {
    "adam-sparse": "#000000",
    "fp32": "#000000",
    "none": "#000000",
    "fp16": "#6e6e6e",
    "bf16": "#a6a6a6",
    "zipml": "#E69F00",
    "uniform": "#E69F00",
    "logquant": "#D55E00",
    "fastsgd": "#D55E00",
    "quantile": "#56B4E9",
    "minmax": "#0072B2",
    "sketchml": "#0072B2",
    "skcompress": "#0072B2",
    "natural": "#009E73",
    "dithering": "#CC79A7",
    "qsgd": "#CC79A7",
    "terngrad": "#8C564B",
    "onebit": "#B3A100",
    "sign": "#5E3C99",
}
LOSSLESS = 1e-12
"""Where the axis puts a codec without any error."""
WIDEST = 100
"""Bits per nonzero beyond which a codec, a dense one on sparse input, is only named."""


def draw(attributes, rows):
    """matplotlib Figure with a panel for each input of the codecs, None if no codec was measured that takes at most WIDEST bits."""
    rows = [row for row in rows if row["kind"] == "codecs" and row["vnmse"] == row["vnmse"]]
    inputs = list(dict.fromkeys(row["input"] for row in rows if row["bits"] <= WIDEST))
    if not inputs:
        return None
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **style.RC, "backend": "agg"}):
        columns = min(2, len(inputs))
        lines = -(-len(inputs) // columns)
        figure = Figure(figsize=(8.6 * columns, 6.6 * lines + 0.4), dpi=130, layout="constrained")
        panels = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes, given in zip(panels, inputs):
            _panel(axes, given, sorted((row for row in rows if row["input"] == given), key=lambda row: row["bits"]))
        for axes in panels[len(inputs) :]:
            axes.remove()
        figure.supxlabel(_caption(attributes, columns), fontsize=7.5, x=0.008, ha="left", color="#444444")
    return figure


def _panel(axes, given, rows):
    shown = [row for row in rows if row["bits"] <= WIDEST]
    points = [(row["bits"], max(row["vnmse"], LOSSLESS)) for row in shown]
    front = pareto(points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    axes.set(xscale="log", yscale="log", xlabel="bits per nonzero, whole messages", ylabel="vNMSE", title=_title(given, rows[0]))
    axes.set(xlim=(min(x for x, _ in points) / 1.5, max(x for x, _ in points) * 1.6), ylim=(low / 5, high * 5))
    axes.step(*zip(*(points[i] for i in front)), where="post", color="#444444", linewidth=1, zorder=1)
    _bounds(axes, shown[0], low)
    for i, (row, point) in enumerate(zip(shown, points)):
        axes.plot(
            *point, **_look(row["spec"], row["kept"]), markersize=7 if i in front else 4.5, alpha=1 if i in front else 0.6, linestyle="none"
        )
    _number(axes, points)
    names = [f"{i + 1}  {row['spec']}" for i, row in enumerate(shown)]
    names += [f"    {row['spec']}: {row['bits']:,.0f} bits, not shown" for row in rows if row["bits"] > WIDEST]
    for i, name in enumerate(names):
        weight = "bold" if i in front else "normal"
        axes.annotate(
            name, (1, 1), xytext=(6, -10.2 * i), xycoords="axes fraction", textcoords="offset points", fontsize=7, weight=weight, va="top"
        )  # fmt: skip
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    if low == LOSSLESS:
        powers = range(-10, int(np.log10(high)) + 2, 2)
        axes.set_yticks([LOSSLESS, *(10.0**e for e in powers)], ["no error", *(f"$10^{{{e}}}$" for e in powers)])


def _title(given, row):
    return f"{given}: {row['nnz']:,.0f} entries of dim {row['dim']:,.0f}"


def _number(axes, points):
    """Numbers of the points, each at the free place nearest to its point."""
    taken = axes.transData.transform(points).tolist()
    for i, at in enumerate(taken[: len(points)]):
        offsets = [
            (r * x, r * y) for r in (9, 14, 20, 27) for x, y in ((1, 0), (0.8, 0.7), (-0.8, 0.7), (0.8, -0.7), (-0.8, -0.7), (-1, 0))
        ]
        scale = axes.figure.dpi / 72
        room = [min(np.hypot((at[0] + x * scale - a) / 1.4, at[1] + y * scale - b) for a, b in taken) for x, y in offsets]
        x, y = offsets[next((j for j, free in enumerate(room) if free > 7 * scale), int(np.argmax(room)))]
        taken.append((at[0] + x * scale, at[1] + y * scale))
        axes.annotate(str(i + 1), points[i], xytext=(x, y), textcoords="offset points", fontsize=6.5, ha="center", va="center")


def _bounds(axes, row, low):
    """The keys' bounds and the curve of keys and values."""
    keys = 0.0
    for name, line, label in (("bound_bits", ":", "keys: log₂C/nnz"), ("model_entropy_bits", "-.", "keys: model entropy")):
        if row[name] == row[name]:
            keys = min(keys or row[name], row[name])
            axes.axvline(row[name], color="#888888", linestyle=line, linewidth=1)
            axes.annotate(label, (row[name], low / 4), rotation=90, fontsize=6.5, color="#666666", ha="right", va="bottom")
    if row["shannon_bits"] == row["shannon_bits"]:
        vnmse = np.geomspace(max(low, 1e-10), 1, 200)
        rates = np.maximum(row["shannon_bits"] - 0.5 * np.log2(vnmse), 0)
        axes.plot(rates + keys, vnmse, color="#888888", linestyle="--", linewidth=1)


def _look(spec, kept):
    """Colour by the value coder; a triangle if not all entries are sent, upwards for the largest ones, downwards for random ones."""
    parts = [part.partition("(")[0] for part in spec.split("+")]
    family = next((name for name in _FAMILIES if parts[-1].startswith(name)), None)
    drops = "v" if parts[0] == "randomk" else "^"
    return {"color": _FAMILIES.get(family, "#56B4E9"), "marker": drops if kept < 0.9995 else "o"}


def _caption(attributes, columns):
    about = (
        "Line and bold: Pareto front of what was measured. Dotted: log₂ C(dim, nnz) / nnz, the keys' cost if all key sets were alike; "
        "codes that follow the keys go below. Dash-dotted: the entropy of the model that drew the keys. Dashed: the smaller plus Shannon's "
        "bound for independent values. Triangles: not all entries are sent. Colours: value coders. "
        f"{attributes['cpu']}, {attributes['started_at'][:10]}."
    )
    return "\n".join(textwrap.wrap(about, 125 * columns))
