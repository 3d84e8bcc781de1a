"""The figure of recorded gradients: how their values are spread, layer by layer, and what exponents they have. And the numbers as CSV.

<results>/figures/<experiment>-gradients.png and .pdf, <results>/tables/<experiment>-gradients.csv, of one run of those that were recorded:
the first uncompressed one. Values are shown over the root mean square of their layer, so that layers can be compared with each other and
with a normal distribution (SketchML, Figure 4, for one gradient); exponents as Natural Compression has them (Figure 21), ⌊log₂ |x|⌋.
"""

import csv
import io
import textwrap

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ..blocks import Block, merged
from ..errors import DataError
from ..gradients import load_blocks, load_gradients
from . import describe, style

_BINS = np.linspace(-8, 8, 161)
"""Edges of the histogram of values over their root mean square; what lies outside counts in the outermost bins."""
_SUBNORMAL = -127
"""The exponent that stands for all values below the smallest normal float32."""


def recorded(results, rows):
    """(run, path) of the gradients to show, None if there are none."""
    ordered = sorted(rows, key=lambda row: describe.kind(row) != "uncompressed")
    runs = [run for row in ordered for run in row.group.runs]
    found = ((run, results / "gradients" / run.experiment / f"{run.run_id}.hdf5") for run in runs)
    return next(((run, path) for run, path in found if path.exists()), None)


def measure(path):
    """[{layer, epoch, parameters, zeros, rms, exponents: {exponent: count}, values: int (bins,)}] of every layer and recorded epoch."""
    gradients = load_gradients(path)
    dim = gradients[0].gradient.dim
    layers = merged(load_blocks(path) or (Block("", 0, (dim,)),), "layer")
    found = []
    for epoch in sorted({item.epoch for item in gradients}):
        of_epoch = [item.gradient for item in gradients if item.epoch == epoch]
        for layer in layers:
            values = np.concatenate([_within(gradient, layer) for gradient in of_epoch])
            found.append(_counted(layer, epoch, values, layer.size * len(of_epoch)))
    return found


def _within(gradient, layer):
    """The nonzero values of a layer."""
    if gradient.is_dense:
        values = gradient.values[layer.start : layer.stop]
    else:
        values = gradient.values[slice(*np.searchsorted(gradient.keys, (layer.start, layer.stop)))]
    return values[values != 0].astype(np.float64)


def _counted(layer, epoch, values, size):
    rms = float(np.sqrt(np.mean(np.square(values)))) if len(values) else 0.0
    exponents = np.maximum(np.frexp(values)[1] - 1, _SUBNORMAL)
    names, counts = np.unique(exponents, return_counts=True)
    spread = np.histogram(np.clip(values / rms, _BINS[0], _BINS[-1]), _BINS)[0] if rms else np.zeros(len(_BINS) - 1, int)
    return {
        "layer": layer.name, "epoch": epoch, "parameters": layer.size, "zeros": 1 - len(values) / size, "rms": rms,
        "exponents": dict(zip(names.tolist(), counts.tolist())), "values": spread,
    }  # fmt: skip


def as_csv(found):
    """One line for each layer, epoch and exponent, or bin of values."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("layer", "epoch", "parameters", "zeros", "rms", "histogram", "from", "to", "count"))
    for each in found:
        who = [each["layer"], each["epoch"], each["parameters"], f"{each['zeros']:.9g}", f"{each['rms']:.9g}"]
        for exponent, count in each["exponents"].items():
            writer.writerow([*who, "exponent", exponent, exponent, count])
        for low, high, count in zip(_BINS, _BINS[1:], each["values"].tolist()):
            if count:
                writer.writerow([*who, "value over rms", f"{low:.9g}", f"{high:.9g}", count])
    return out.getvalue()


def draw(run, found):
    """matplotlib Figure of three panels: values, and exponents in the first and in the last recorded epoch."""
    if not any(each["values"].any() for each in found):
        raise DataError(f"{run.run_id}: expected recorded gradients with a value, all are zero")
    epochs = sorted({each["epoch"] for each in found})
    layers = list(dict.fromkeys(each["layer"] for each in found))
    colors = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, len(layers)))
    shown = [e for each in found for e in each["exponents"]]
    span = min(shown), max(shown)
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **style.RC, "backend": "agg"}):
        figure = Figure(figsize=(10, max(3.6, 1.8 + 0.2 * len(layers))), dpi=160, layout="constrained")
        values, first, last = figure.subplots(1, 3, width_ratios=(1.1, 1, 1))
        of_last = [each for each in found if each["epoch"] == epochs[-1]]
        _values(values, of_last, colors)
        _exponents(first, [each for each in found if each["epoch"] == epochs[0]], span)
        image = _exponents(last, of_last, span)
        last.tick_params(axis="y", labelleft=False)
        first.set_title(f"Exponents, epoch {epochs[0] + 1}")
        last.set_title(f"Exponents, epoch {epochs[-1] + 1}")
        values.set_title(f"Values, epoch {epochs[-1] + 1}")
        figure.colorbar(image, ax=last, label="share of the layer's nonzero values")
        config = run.config
        model, data = (config.get(section, {}).get("name", "?") for section in ("model", "data"))
        about = (
            f"{run.run_id}: {model} on {data}, {run.ranks_text} ranks. Fresh gradients, before error feedback and codec; zeros left out. "
            "Values: over the root mean square of their layer, dark the first layer, light the last, dashed a normal distribution; "
            f"beyond ±{_BINS[-1]:g} they count in the outermost bins. Exponents: ⌊log₂ |x|⌋."
        )
        figure.supxlabel("\n".join(textwrap.wrap(about, 165)), fontsize=7.5, x=0.008, ha="left", color="#444444")
    return figure


def _values(axes, found, colors):
    centres, width = (_BINS[1:] + _BINS[:-1]) / 2, _BINS[1] - _BINS[0]
    for each, color in zip(found, colors):
        total = each["values"].sum()
        if total:
            axes.plot(centres, np.where(each["values"], each["values"], np.nan) / (total * width), color=color, linewidth=0.9)
    axes.plot(centres, np.exp(-(centres**2) / 2) / np.sqrt(2 * np.pi), color="#000000", linestyle="--", linewidth=1.0)
    axes.set(yscale="log", ylim=(1e-6, None), xlabel="value / rms of its layer", ylabel="density")


def _exponents(axes, found, span):
    low, high = span
    shares = np.zeros((len(found), high - low + 1))
    for line, each in zip(shares, found):
        for exponent, count in each["exponents"].items():
            line[exponent - low] = count
    totals = shares.sum(axis=1, keepdims=True)
    shares = np.divide(shares, totals, out=shares, where=totals > 0)
    shares[shares == 0] = np.nan
    image = axes.imshow(shares, aspect="auto", cmap="viridis", extent=(low - 0.5, high + 0.5, len(found) - 0.5, -0.5), vmin=0)
    axes.set_yticks(range(len(found)), [each["layer"] or "all" for each in found], fontsize=7)
    axes.grid(visible=False)
    axes.set_xlabel("exponent")
    return image
