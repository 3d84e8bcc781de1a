"""The figure of `gradwire advise`: step time against bandwidth, a line for each codec, a panel for each job.

Crossings are marked where a codec stops being faster than every uncompressed one (open circle) and than every 16-bit one (filled circle).
"""

import textwrap

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from . import style

KINDS = ("uncompressed", "16-bit")
_RATES = (("Tbit/s", 1e12), ("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3), ("bit/s", 1.0))


def draw(advices):
    """matplotlib Figure: a panel for each job."""
    columns = min(2, len(advices))
    lines = -(-len(advices) // columns)
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **style.RC, "backend": "agg"}):
        figure = Figure(figsize=(8.4 * columns, 4.9 * lines + 0.5), dpi=150, layout="constrained")
        panels = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes, advice in zip(panels, advices):
            _panel(axes, advice)
        for axes in panels[len(advices) :]:
            axes.remove()
        about = (
            "Predicted. Circles: up to here the codec is faster than every 16-bit one (filled), than every uncompressed one (open). "
            "Vertical line: the rate of the table. Bandwidth: the line's, headers included."
        )
        figure.supxlabel("\n".join(textwrap.wrap(about, 125 * columns)), fontsize=7.5, x=0.008, ha="left", color="#444444")
    return figure


def _panel(axes, advice):
    rates = np.geomspace(min(1e7, advice.rate_bps / 10), max(1e11, advice.rate_bps * 10), 300)
    looks = style.looks([option.label for option in advice.options])
    for option in advice.options:
        look = looks[option.label]
        axes.plot(rates, [1e3 * option.step_s(each) for each in rates], color=look.color, linestyle=look.line, label=option.label)
        for kind, filled in zip(KINDS, (False, True)):
            for crossing in advice.beats(option, kind) or ():
                if rates[0] < crossing < rates[-1] and not advice.even(option, kind):
                    face = look.color if filled else "white"
                    axes.plot(crossing, 1e3 * option.step_s(crossing), "o", color=look.color, markerfacecolor=face, zorder=3)
    axes.axvline(advice.rate_bps, color="#888888", linewidth=0.9, linestyle=":")
    axes.set(xscale="log", yscale="log", xlabel="bandwidth of each rank's line", ylabel="step, ms", xlim=(rates[0], rates[-1]))
    axes.set_title("\n".join(textwrap.wrap(f"{advice.title}; {advice.ranks} ranks, {advice.collective}", 80)), fontsize=8.5)
    axes.xaxis.set_major_formatter(lambda each, _: rate(each))
    axes.yaxis.set_major_formatter(lambda each, _: f"{each:g}")
    axes.legend(fontsize=7.5, loc="upper right")


def rate(rate_bps):
    """ "1 Gbit/s", three digits."""
    rounded = float(f"{rate_bps:.3g}")
    unit, size = next((each for each in _RATES if rounded >= each[1]), _RATES[-1])
    return f"{rounded / size:.4g} {unit}"
