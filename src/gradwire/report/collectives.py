"""The table and the figure of `gradwire bench collectives`, made from its HDF5 file and nothing else.

<results>/bench/collectives-<time>.hdf5      a row per collective, size, method and launch
<results>/tables/collectives.md and .csv     of the newest file
<results>/figures/collectives.png and .pdf   time against size, a panel per collective
"""

import math
import textwrap
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ..recorder import read_rows
from . import style
from .figure import save
from .layout import MISSING, Block, as_csv, as_markdown, as_text, significant
from .whole import write_text

SCHEMA, SCHEMA_VERSION = "gradwire-bench-collectives", 1
COLUMNS = {
    "collective": ("text", "specification of the collective"),
    "method": ("text", "gradwire, mpi or osu"),
    "launch": ("1", "number of the launch"),
    "ranks": ("1", "ranks"),
    "nbytes": ("B", "values of each rank's message"),
    "result_nbytes": ("B", "S: what the algorithm bandwidth counts"),
    "calls": ("1", "timed calls"),
    "median_s": ("s", "median over calls of the slowest rank's time"),
    "low_s": ("s", "lower end of the median's 95% interval"),
    "high_s": ("s", "upper end of the median's 95% interval"),
    "p5_s": ("s", "5th percentile of the slowest rank's times"),
    "p95_s": ("s", "95th percentile"),
    "p99_s": ("s", "99th percentile"),
    "mean_s": ("s", "mean over calls and ranks"),
    "algbw_bytes_per_s": ("B/s", "S / median"),
    "busbw_bytes_per_s": ("B/s", "algbw times nccl-tests' factor; NaN where it has none"),
}
AGREE = 0.1
"""Two methods agree if their means differ by no more than this share."""
_TITLES = (
    "bytes", "gradwire\nµs", "(95%)", "MPI\nµs", "(95%)", "gradwire\n/ MPI", "MPI mean\nµs", "OSU mean\nµs",
    "MPI algbw\nGB/s", "busbw\nGB/s",
)  # fmt: skip


def load(path):
    """(attributes, rows) of a file of `gradwire bench collectives`; rows are dicts of COLUMNS."""
    return read_rows(path, SCHEMA, SCHEMA_VERSION)


def summarise(path, results):
    """Write tables and figures of the file; returns the table for the terminal, ending with the names of the files written."""
    attributes, rows = load(path)
    stem = Path(results) / "tables" / "collectives"
    stem.parent.mkdir(parents=True, exist_ok=True)
    written = [stem.with_suffix(".md"), stem.with_suffix(".csv")]
    blocks = list(_blocks(rows))
    listed = "\n".join(f"- {note}" for note in notes(rows))
    write_text(written[0], "\n\n".join(["# collectives", headline(attributes, rows), *map(as_markdown, blocks), listed]) + "\n")
    write_text(written[1], as_csv(COLUMNS, rows))
    stem = Path(results) / "figures" / "collectives"
    stem.parent.mkdir(parents=True, exist_ok=True)
    written += save(draw(attributes, rows), stem)
    said = [f"wrote {each}" for each in (path, *written)]
    return "\n".join(["\n\n".join([headline(attributes, rows), *map(as_text, blocks), "\n".join(notes(rows))]), "", *said])


def headline(attributes, rows):
    launches, ranks = len({row["launch"] for row in rows}), int(rows[0]["ranks"])
    library = " ".join(attributes["mpi_library"].splitlines()[0].split())
    return (
        f"{ranks} ranks on {attributes['cores']} cores, {library}, {attributes['network']}; "
        f"{launches} launch{'es' * (launches > 1)}; {attributes['cpu']}; {attributes['started_at']}"
    )


def notes(rows):
    """How to read the table."""
    lines = [
        "Times: after a barrier, the slowest rank of each call; median over the calls and its 95% interval; over several launches the "
        "median launch, and the range of the launches.",
        "gradwire: transfer of an exchange with the codec none, sizes and headers included. MPI: the calls that it stands for, on "
        "buffers that exist.",
        "Means: over calls and ranks. OSU: the same calls, timed as the OSU micro-benchmarks do.",
        "algbw: result / time; busbw: as nccl-tests defines it, for allreduce and allgather.",
    ]
    off = {key: abs(_gap(rows, *key)) for key in _keys(rows)}
    off = {key: gap for key, gap in off.items() if not math.isnan(gap)}
    if off:
        agree = sum(gap <= AGREE or _overlap(rows, *key) for key, gap in off.items())
        gaps = f"median difference {np.median(list(off.values())):.0%}, largest {max(off.values()):.0%}"
        how = f"within {AGREE:.0%}, or the launches' ranges overlap"
        lines.append(f"MPI mean against OSU mean: {gaps}; {agree} of {len(off)} sizes agree ({how}).")
    if any(row["method"] == "mpi" and row["p95_s"] > 5 * row["median_s"] for row in rows):
        lines.append("Some 95th percentiles are over five times the median: this machine was not quiet, or ranks share cores.")
    return lines


def draw(attributes, rows):
    """matplotlib Figure: time against message size, gradwire and MPI, a panel per collective."""
    names = list(dict.fromkeys(row["collective"] for row in rows))
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **style.RC, "backend": "agg"}):
        columns = min(3, len(names))
        figure = Figure(figsize=(4.2 * columns, 3.4 * -(-len(names) // columns)), dpi=130, layout="constrained")
        panels = figure.subplots(-(-len(names) // columns), columns, squeeze=False, sharex=True, sharey=True).ravel()
        for axes, name in zip(panels, names):
            for method, look in (("gradwire", {"color": "#0072B2", "marker": "o"}), ("mpi", {"color": "#D55E00", "marker": "s"})):
                line = [(key[1], *_times(rows, name, key[1], method)) for key in _keys(rows) if key[0] == name]
                line = [point for point in line if not math.isnan(point[1])]
                if line:
                    sizes, median, low, high = np.array(line).T
                    axes.plot(sizes, median * 1e6, markersize=4, linewidth=1.2, label={"mpi": "MPI calls"}.get(method, method), **look)
                    axes.fill_between(sizes, low * 1e6, high * 1e6, color=look["color"], alpha=0.2, linewidth=0)
            axes.set(xscale="log", yscale="log", title=name, xlabel="bytes of a rank's values", ylabel="µs, slowest rank")
            axes.legend(fontsize=7, frameon=False)
        for axes in panels[len(names) :]:
            axes.remove()
        caption = textwrap.fill(headline(attributes, rows), 78 * columns)
        figure.supxlabel(caption, fontsize=6.5, x=0.01, ha="left", color="#444444")
    return figure


def _keys(rows):
    return list(dict.fromkeys((row["collective"], row["nbytes"]) for row in rows))


def _of(rows, name, nbytes, method):
    return [row for row in rows if (row["collective"], row["nbytes"], row["method"]) == (name, nbytes, method)]


def _times(rows, name, nbytes, method):
    """(median, low, high): of the one launch, or the median launch and the launches' range."""
    found = _of(rows, name, nbytes, method)
    if not found:
        return (math.nan,) * 3
    medians = [row["median_s"] for row in found]
    if len(found) == 1:
        return medians[0], found[0]["low_s"], found[0]["high_s"]
    return float(np.median(medians)), min(medians), max(medians)


def _mean(rows, name, nbytes, method):
    found = [row["mean_s"] for row in _of(rows, name, nbytes, method)]
    return float(np.median(found)) if found else math.nan


def _gap(rows, name, nbytes):
    """MPI's mean over OSU's, minus 1."""
    return _mean(rows, name, nbytes, "mpi") / _mean(rows, name, nbytes, "osu") - 1


def _overlap(rows, name, nbytes):
    """Whether the means of MPI's launches and those of OSU's have a common range."""
    spans = [[row["mean_s"] for row in _of(rows, name, nbytes, method)] for method in ("mpi", "osu")]
    return max(map(min, spans)) <= min(map(max, spans))


def _blocks(rows):
    for name in dict.fromkeys(row["collective"] for row in rows):
        body = []
        for _, nbytes in (key for key in _keys(rows) if key[0] == name):
            ours, raw = _times(rows, name, nbytes, "gradwire"), _times(rows, name, nbytes, "mpi")
            widths = [_median(rows, name, nbytes, column) for column in ("algbw_bytes_per_s", "busbw_bytes_per_s")]
            means = [_mean(rows, name, nbytes, method) for method in ("mpi", "osu")]
            times = (_us(ours[0]), _span(ours), _us(raw[0]), _span(raw), significant(ours[0] / raw[0]))
            body.append((f"{nbytes:,.0f}", *times, *map(_us, means), *(significant(width / 1e9) for width in widths)))
        yield Block(name, _TITLES, tuple(body))


def _median(rows, name, nbytes, column):
    found = [row[column] for row in _of(rows, name, nbytes, "mpi")]
    return float(np.median(found)) if found else math.nan


def _us(seconds):
    return significant(seconds * 1e6)


def _span(times):
    return MISSING if math.isnan(times[1]) else f"{_us(times[1])}–{_us(times[2])}"
