"""Tables and figures of experiments, made from run files and nothing else.

Writes <results>/tables/<experiment>.md and .csv, and <results>/figures/<experiment>.png and .pdf; where gradients were recorded,
<experiment>-gradients beside both.
"""

import shlex
from pathlib import Path

from ..errors import ConfigError
from . import figure, histograms, table
from .load import collect, experiment_names
from .measures import measure
from .whole import write_text


def summarise(results, experiment, run_paths):
    """Write table and figure of these runs; returns the table for the terminal, ending with the names of the files written.

    ConfigError if run_paths is empty, DataError if no run has a finished epoch.
    """
    collection, rows = _read(results, experiment, run_paths)
    written = [*_write_tables(results, collection, rows), *_write_figures(results, collection, rows)]
    return "\n".join([table.text(collection, rows), "", *(f"wrote {path}" for path in written)])


def some(results, experiment, run_paths):
    """The table of these runs for the terminal; writes nothing: the experiment's other runs may still be on their way."""
    collection, rows = _read(results, experiment, run_paths)
    draw = f"gradwire tables {shlex.quote(experiment)} --results {shlex.quote(str(results))}"
    return f"{table.text(collection, rows)}\n\nThese are some of the runs; `{draw}`, and figures, draw all."


def tables(results, experiments=()):
    """Write the tables of these experiments, of all that have runs when none is named; returns the paths."""
    return [path for name in _named(results, experiments) for path in _write_tables(results, *_read(results, name))]


def figures(results, experiments=()):
    """Write the figures of these experiments, of all that have runs when none is named; returns the paths."""
    return [path for name in _named(results, experiments) for path in _write_figures(results, *_read(results, name))]


def _named(results, experiments):
    chosen = experiments or experiment_names(results)
    if not chosen:
        raise ConfigError(f"expected runs under {Path(results) / 'runs'}, there are none; make some with `gradwire run EXPERIMENT.toml`")
    return chosen


def _read(results, experiment, paths=None):
    collection = collect(results, experiment, paths)
    return collection, [measure(group) for group in collection.groups]


def _write_tables(results, collection, rows):
    stem = _stem(results, "tables", collection)
    contents = {"md": table.markdown(collection, rows), "csv": table.as_csv(rows)}
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in contents]
    for path, content in zip(paths, contents.values()):
        write_text(path, content)
    return paths


def _write_figures(results, collection, rows):
    paths = figure.save(figure.draw(collection, rows), _stem(results, "figures", collection))
    return paths + _write_gradients(results, collection, rows)


def _write_gradients(results, collection, rows):
    """Figure and numbers of recorded gradients, where there are any."""
    if not (found := histograms.recorded(Path(results), rows)):
        return []
    run, path = found
    numbers = histograms.measure(path)
    figures, tables = (_stem(results, folder, collection) for folder in ("figures", "tables"))
    paths = figure.save(histograms.draw(run, numbers), figures.with_name(f"{figures.name}-gradients"))
    write_text(tables.with_name(f"{tables.name}-gradients.csv"), histograms.as_csv(numbers))
    return [*paths, tables.with_name(f"{tables.name}-gradients.csv")]


def _stem(results, folder, collection):
    path = Path(results) / folder / collection.experiment
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


__all__ = ["figures", "some", "summarise", "tables"]
