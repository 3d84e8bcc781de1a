"""Words beside the numbers: units, n, ranks, cores, network and baselines, and a flag where a baseline is missing.

Tables and figures take their text from here, so that both say the same.
"""

import math

from .. import spec as specs
from ..errors import ConfigError
from . import load
from .load import column

_UNCOMPRESSED = {"none", "adam-sparse", "nonzero", "raw", "fp32"}
_SIXTEEN_BIT = {"fp16", "bf16"}


def label(row):
    """The row's name; runs that are unfinished or diverged are marked."""
    return _marked(row.group.label, row)


def labels(family):
    """Names of rows that are shown by themselves: without what they all share."""
    return [_marked(name, row) for name, row in zip(unmarked(family), family)]


def unmarked(family):
    """`labels` that do not say of a row whether it is finished."""
    return load.labels([row.group.runs[0] for row in family], {name for row in family for name in row.group.tuned})


def families(rows):
    """[[rows that differ in their codec or in local steps alone]], in order of appearance."""
    found = {}
    for row in rows:
        found.setdefault(row.group.family, []).append(row)
    return list(found.values())


def title(family):
    """What the rows of a family share: "logistic on flights, gather_bcast, 4 ranks, measured on local"."""
    run = family[0].group.runs[0]
    model, data, collective = (run.config.get(section, {}).get("name", "?") for section in ("model", "data", "collective"))
    return f"{model} on {data}, {collective}, {run.ranks_text} rank{'s' * (run.ranks_text != '1')}, {network(run)}"


def problem(rows):
    """What rows share that differ in how they exchange: "mlp on fashion-mnist, 2 ranks, measured on local"."""
    run = rows[0].group.runs[0]
    model, data = (run.config.get(section, {}).get("name", "?") for section in ("model", "data"))
    return f"{model} on {data}, {run.ranks_text} rank{'s' * (run.ranks_text != '1')}, {_each(rows, network)}"


def _marked(name, row):
    failed, n = row.group.diverged, len(row.group.runs)
    ended = f" (diverged{f' in {failed} of {n}' * (failed < n)})" if failed else ""
    return name + ended + ("" if row.group.finished else " (unfinished)")


def headline(collection, rows):
    """One line: what was run, on what, how often."""
    sections = ("model", "data", "optimizer", "collective")
    model, data, *others = [_each(rows, lambda run, of=section: run.config.get(of, {}).get("name") or "?") for section in sections]
    return f"{collection.experiment}: {', '.join([f'{model} on {data}', *others])}; {machine(rows)}; {counts(rows)}"


def machine(rows):
    """ "4 ranks on 2 cores, measured on local"; a list where rows differ."""
    ranks = _each(rows, lambda run: run.ranks_text)
    cores = _each(rows, lambda run: run.environment.get("cores", "unknown"))
    return f"{ranks} rank{'' if ranks == '1' else 's'} on {cores} core{'' if cores == '1' else 's'}, {_each(rows, network)}"


def network(run):
    """How the network came to be: measured on a named one, or shaped to a rate."""
    name = run.environment.get("network", "unknown")
    rate = run.environment.get("link_rate_bps", math.nan)
    if name == "shaped":
        return f"shaped to {rate / 1e6:,.0f} Mbit/s"
    return f"measured on {name}"


def counts(rows):
    """ "5 epochs (1 warm-up), 1 run per row"."""
    epochs = _each_row(rows, lambda row: row.epochs)
    warm = _each(rows, _warm_epochs)
    repeats = _each_row(rows, lambda row: len(row.group.runs))
    return f"{epochs} epoch{'' if epochs == '1' else 's'} ({warm} warm-up), {repeats} run{'' if repeats == '1' else 's'} per row"


def shares_cores(rows):
    """True if some host had more ranks than cores."""
    hosts = [run.environment for row in rows for run in row.group.runs]
    return any(host.get("ranks_per_host", 0) > host.get("cores", math.inf) for host in hosts)


def metric(rows):
    """Name of the test metric: the model's; "metric" where rows differ, or where the model is a plug-in that is not installed."""
    found = {_in_words(metric_of(row.group.runs[0])) for row in rows}
    return found.pop() if len(found) == 1 else "metric"


def metric_of(run):
    """The test metric of the run's model, one of models.metrics.METRICS; None of a plug-in that is not installed."""
    try:
        return specs.lookup("models", run.config.get("model", {}).get("name")).metric_name
    except (ConfigError, ImportError):
        return None


def _in_words(metric):
    if metric is None:
        return "metric"
    return metric.upper() if metric in ("auc", "rmse") else metric.replace("_", " ")


def notes(collection, rows):
    """Lines under a table: how each number came about, then what is missing."""
    several = any(len(row.group.runs) > 1 for row in rows)
    spread = "median of the runs' medians, and their range" if several else "median over epochs after warm-up, and their range"
    lines = [
        f"Times: wall clock, slowest rank of each epoch, {spread}. Each phase is the maximum over ranks, so phases can exceed the epoch.",
        "Bytes: buffers given to MPI, mean over ranks; rest = tables and header.",
        "bits/key: of the keys sent. bound: log₂ C(dim, n) / n for the n keys of a message, anywhere below dim.",
        "Ratios: uplink, against dense fp32 (4 bytes × dim) and sparse fp32 (8 bytes × nnz of what is exchanged, fresh; of hierarchical "
        "the entries of the leaders' messages); > 1 is smaller.",
    ]
    if any(row.epochs == _warm_epochs(row.group.runs[0]) for row in rows):
        lines.append("Where every epoch is a warm-up epoch, the numbers are theirs.")
    if shares_cores(rows):
        lines.append("Ranks share cores: wall time holds time spent waiting for a core. CPU time: all phases, busiest rank.")
    if any(row.feedback for row in rows):
        lines.append("+EF: with error feedback on the uplink.")
    return [*lines, *flags(rows), *collection.notes]


def baseline(parts):
    """ "uncompressed" or "16-bit" for the names of a specification's parts that make such a baseline, else ""."""
    names = set(parts)
    if names <= _UNCOMPRESSED:
        return "uncompressed"
    return "16-bit" if names & _SIXTEEN_BIT and names <= _UNCOMPRESSED | _SIXTEEN_BIT else ""


def kind(row):
    """`baseline` of a row's messages, those that come back included."""
    downlink = row.group.settings.get("codec.downlink", "same")
    back = () if downlink == "same" else (name for name, _ in specs.split(downlink))
    return baseline((*row.group.parts, *back))


def flags(rows):
    """A line for each baseline that a fair table has and this one has not."""
    return missing_baselines(map(kind, rows))


def missing_baselines(kinds):
    """The flags for rows of these kinds, as `baseline` names them."""
    there = set(kinds)
    expected = {"uncompressed": "an uncompressed row (none, adam-sparse)", "16-bit": "a 16-bit row (fp16, bf16)"}
    return [
        f"FLAG: expected {what}, there is none: nothing here can be called faster or smaller."
        for kind, what in expected.items()
        if kind not in there
    ]


def _warm_epochs(run):
    return int(column(run, "warmup").astype(bool).sum())


def _each(rows, of):
    """The distinct values over all runs, in order of appearance, as text."""
    return ", ".join(dict.fromkeys(str(of(run)) for row in rows for run in row.group.runs))


def _each_row(rows, of):
    return ", ".join(dict.fromkeys(str(of(row)) for row in rows))
