"""Runs of an experiment, read from results/runs/<experiment>/*.h5 and grouped into rows.

Runs that differ only in their seed or repeat are repeats of one row. Rows of the same codec are told apart by the settings in
which they differ. A file can be unreadable for the moment in which a run appends to it, so reading is tried again.
Files are opened by gradwire.recorder alone; what the numbers mean is in measures.py.
"""

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import spec as specs
from ..errors import ConfigError, DataError, unknown
from ..recorder import load_run

_NOT_A_SETTING = ("sweep", "run.seed", "run.repeats", "run.repeat", "run.ranks")  # the last: the run file has it apart
_LABELLED_ALREADY = ("codec.uplink", "codec.error_feedback")


@dataclass(frozen=True)
class Group:
    """One row: repeats of one configuration. `finished` is False when no repeat is; then all of them are unfinished. spec: as `named`.
    tuned: settings that were chosen for this row alone (tuning.py), so that they neither name it nor keep it from being compared.
    """

    label: str
    spec: str
    finished: bool
    runs: tuple
    tuned: tuple = ()

    @property
    def diverged(self):
        """How many of the repeats have diverged."""
        return sum(bool(run.diverged) for run in self.runs)

    @property
    def settings(self):
        """ "section.key" → value, of all that makes it a row of its own."""
        return _settings(self.runs[0])

    @property
    def parts(self):
        """Names in the specification without their arguments, "topk(ratio=0.01)+natural" → ("topk", "natural")."""
        return tuple(name for name, _ in specs.split(self.spec))

    @property
    def family(self):
        """What it shares with the rows that it is compared with: all settings but those of the codec and of local steps. A collective that
        sends no codec's messages is compared like a codec of the collective that it stands beside."""
        settings = {key: value for key, value in self.settings.items() if not key.startswith("codec.") and key not in self.tuned}
        settings.pop("run.local_steps", None)
        collective = _collective(self.runs[0])
        if collective and collective.in_place_of:
            settings = {key: value for key, value in settings.items() if not key.startswith("collective.")}
            settings["collective.name"] = collective.in_place_of
        return json.dumps(settings, sort_keys=True, default=str)


@dataclass(frozen=True)
class Collection:
    """The rows of one experiment, baselines first, and what a reader must be told about files that are not in them."""

    experiment: str
    groups: tuple
    notes: tuple


def experiment_names(results):
    """Names of the experiments that have run files under `results`, sorted."""
    return sorted({path.parent.name for path in Path(results).glob("runs/*/*.h5")})


def collect(results, experiment, paths=None):
    """Collection of `paths`, or of all runs of `experiment`. ConfigError without any file, DataError if none can be used."""
    if paths is None:
        paths = sorted((Path(results) / "runs" / experiment).glob("*.h5"))
    if not paths:
        raise ConfigError(f"no runs under {Path(results) / 'runs'}: {unknown('experiment', experiment, experiment_names(results))}")
    runs, notes = [], []
    for path in paths:
        try:
            run = read(path)
        except DataError as error:
            notes.append(f"Left out: {error}.")
            continue
        if n_epochs(run):
            runs.append(run)
        else:
            notes.append(f"Left out: {run.run_id} has no finished epoch yet.")
    if not runs:
        raise DataError(f"experiment {experiment!r} has no run with a finished epoch. {' '.join(notes)}")
    notes += [f"{run.run_id}: trained by {run.ranks_text} ranks." for run in runs if run.is_mixed]
    notes += [f"Unfinished: {run.run_id} after {n_epochs(run)} epochs." for run in runs if not run.finished]
    groups = _grouped(runs)
    return Collection(experiment, groups, (*notes, *filter(None, map(_divergence, groups))))


def _divergence(group):
    """A sentence about the repeats that diverged, None without any."""
    if not group.diverged:
        return None
    first = min((run for run in group.runs if run.diverged), key=n_epochs)
    return f"{group.label}: {group.diverged} of {len(group.runs)} diverged, {first.run_id} in epoch {n_epochs(first)}: {first.diverged}."


def read(path, attempts=5, pause_s=0.2):
    """Run of one file. DataError if it is not a run file, or cannot be read `attempts` times in a row."""
    problem = None
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause_s)
        try:
            return load_run(path)
        except DataError:  # not there, or not a run file: that will not change
            raise
        except (OSError, KeyError, RuntimeError, ValueError) as error:  # what h5py raises for a file in the middle of a change
            problem = error
    raise DataError(f"{path}: cannot be read: {problem}") from problem


def n_epochs(run):
    """Epochs for which every column has its row: a reader may come between two of them."""
    return min((len(column) for column in run.epochs.values()), default=0)


def column(run, name):
    """One column, shape (epochs,) or (epochs, ranks), cut to complete epochs. DataError if the run has none of that name."""
    if name not in run.epochs:
        raise DataError(f"{run.path}: {unknown('column', name, run.epochs)}")
    return run.epochs[name][: n_epochs(run)]


def curves(runs, progress):
    """progress(run), float (epochs,), of every repeat as float (repeats, epochs).

    As long as the longest run that is over: one that diverged stays where it was, and its losses are no numbers. Of unfinished runs alone,
    as long as the shortest.
    """
    found = [np.asarray(progress(run), float) for run in runs]
    length = max((len(curve) for run, curve in zip(runs, found) if run.finished), default=min(map(len, found)))
    return np.stack([np.pad(curve, (0, max(0, length - len(curve))), "edge")[:length] for curve in found])


def has_feedback(run):
    """Whether the run's uplink has error feedback: true, false, or a table that names codecs."""
    setting = run.config.get("codec", {}).get("error_feedback", False)
    if isinstance(setting, dict):
        name = specs.split(run.spec)[0][0]
        return bool(setting.get(run.spec, setting.get(name, False)))
    return bool(setting)


def named(run):
    """What a row is called after: the codec's specification, or that of a collective which sends something else."""
    collective = _collective(run)
    return collective.spec if collective and collective.in_place_of else run.spec


def _collective(run):
    """The run's collective; None for a plug-in that is not installed."""
    options = dict(run.config.get("collective", {}))
    try:
        return specs.build("collectives", options.pop("name", "gather_bcast"), options)
    except (ConfigError, ImportError):
        return None


def _grouped(runs):
    rows = {}
    for run in runs:
        rows.setdefault(json.dumps(_settings(run), sort_keys=True, default=str), []).append(run)
    members = [[run for run in row if run.finished] or row for row in rows.values()]
    names = labels([row[0] for row in members])
    groups = [Group(label, named(row[0]), row[0].finished, tuple(row)) for label, row in zip(names, members)]
    return tuple(sorted(groups, key=_order))


def _order(group):
    """Whole codecs in the registry's order, which begins with the baselines; then compositions; then by label."""
    known = specs.names("codecs")
    first = group.parts[0] if len(group.parts) == 1 else ""
    return (known.index(first) if first in known else len(known), group.label)


def _settings(run):
    """Everything that makes two runs different rows: "section.key" → value."""
    flat = {f"{section}.{key}": value for section, table in run.config.items() if isinstance(table, dict) for key, value in table.items()}
    flat |= {key: value for key, value in run.config.items() if not isinstance(value, dict)}
    flat = {key: value for key, value in flat.items() if key not in _NOT_A_SETTING and not key.startswith("sweep.")}
    flat["codec.error_feedback"] = has_feedback(run)
    network, rate = run.environment.get("network", "local"), run.environment.get("link_rate_bps", math.nan)
    return flat | {
        "codec.uplink": run.spec,
        "ranks": run.ranks_text,
        "network": f"{network} {rate / 1e6:g} Mbit/s" if rate > 0 else network,
    }


def labels(runs, without=()):
    """One label for each row: the codec, +EF with error feedback, and the settings that differ between rows of the same codec, but for
    those `without` which the rows are to be named."""
    base = [named(run) + (" +EF" if has_feedback(run) else "") for run in runs]
    settings = [_settings(run) for run in runs]
    found = []
    for name, own in zip(base, settings):
        same = [other for other_name, other in zip(base, settings) if other_name == name]
        varied = [key for key in own if key not in (*_LABELLED_ALREADY, *without) and any(_differ(key, own, other) for other in same)]
        found.append(", ".join([name, *(f"{_short(key)}={own[key]}" for key in varied)]))
    return found


def _differ(key, own, other):
    """Whether a setting tells two rows apart: an option of a collective, model … does so only between rows of the same one."""
    name = f"{key.partition('.')[0]}.name"
    return other.get(key) != own[key] and (key == name or other.get(name) == own.get(name))


def _short(key):
    """ "collective.name" → "collective", "run.batch_size" → "batch_size"."""
    section, _, name = key.rpartition(".")
    return section if name == "name" else name
