"""Text that the command line prints: aligned tables, the list of plug-ins, the contents of a run file, what a check found."""

import numpy as np

from . import spec
from .stopwatch import PHASES

KINDS = ("codecs", "keys", "values", "sparsifiers", "sketches", "collectives", "datasets", "models", "optimizers")

CHECKED = ("codecs", "keys", "values", "sparsifiers", "sketches")


def aligned(header, rows):
    """A table as text: columns two blanks apart, numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells)]
    right = [bool(rows) and all(isinstance(row[i], int | float | np.number) for row in rows) for i in range(len(header))]
    lines = [
        "  ".join(cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in zip(line, widths, right))
        for line in (header, *cells)
    ]
    return "\n".join(line.rstrip() for line in lines)


def plugins(kinds=KINDS):
    """What is registered, plug-ins included: name, one line and paper of each, or why it cannot be imported."""
    blocks = [
        f"{kind}\n{_indented(aligned(('name', 'summary', 'paper'), [_entry(kind, name) for name in spec.names(kind)]))}" for kind in kinds
    ]
    return "\n\n".join(blocks)


def _entry(kind, name):
    try:
        cls = spec.lookup(kind, name)
    except Exception as error:  # a plug-in's module may fail in any way
        return name, f"cannot be imported: {type(error).__name__}: {error}", ""
    return name, *_about(cls)


def _about(cls):
    """(summary, paper); a plug-in without a summary is known by the first line of its docstring."""
    summary = getattr(cls, "summary", None) or (cls.__doc__ or "").strip().partition("\n")[0]
    missing = getattr(cls, "missing", None)  # what an optional package would bring
    return summary + (f"; needs {missing()}" if missing and missing() else ""), getattr(cls, "paper", "")


def run_text(run):
    """A recorder.Run: its state, configuration, environment and one line per epoch."""
    state = "finished" if run.finished else "unfinished"
    ranks = f"{run.ranks_text} rank{'s' * (run.ranks_text != '1')}"
    head = f"{run.run_id} of experiment {run.experiment}: {run.spec}, {ranks}, dim {run.dim}, {state}"
    blocks = [head, f"config\n{_indented(run.config_text.strip())}", f"environment\n{_indented(_pairs(run.environment))}", _epochs(run)]
    if run.final_params_sha256:
        blocks.append(f"final_params_sha256  {run.final_params_sha256}")
    return "\n\n".join(blocks)


def dataset_text(name, dataset, options, facts):
    """What a data set is, its options, and `facts`, a dict, or None if it is not prepared."""
    about = dict(zip(("summary", "paper"), _about(type(dataset)))) | {f"option {key}": value for key, value in options.items()}
    return _pairs({"name": name} | about | (facts or {"prepared": f"no; `gradwire data prepare {name}` does it"}))


def _epochs(run):
    columns = run.epochs
    shown = [("epoch_time_s", np.max), *((f"{phase}_wall_s", np.mean) for phase in PHASES)]
    shown += [("uplink_bytes", np.sum), ("downlink_bytes", np.sum), ("nnz", np.sum), ("vnmse", np.nanmean)]
    names = [name for name, _ in shown] + ["train_loss", "test_loss", "test_metric"]
    rows = [
        [epoch, *(over(columns[name][epoch]) for name, over in shown), *(columns[name][epoch] for name in names[len(shown) :])]
        for epoch in range(len(columns["train_loss"]))
    ]
    note = "epochs (time of the slowest rank; phases and vNMSE: mean over ranks; bytes and nnz: sum over ranks)"
    return f"{note}\n{_indented(aligned(['epoch', *names], rows))}"


def _pairs(table):
    """One line for each entry; of a longer text, such as MPI's description of itself, the first one."""
    width = max(map(len, table))
    first_lines = {key: _cell(value).partition("\n")[0] for key, value in table.items()}
    return "\n".join(f"{key.ljust(width)}  {value}".rstrip() for key, value in first_lines.items())


def _cell(value):
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    return str(value)


def _indented(text):
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())


def checked(text, kind=None):
    """(title, part, or the error of making it) of everything that `gradwire check` runs; text None: all that is registered.

    ConfigError if `text` names nothing of these kinds.
    """
    kinds = (kind,) if kind else CHECKED
    if text is None:
        for each in kinds:
            for name in spec.names(each):
                yield f"{each}: {name}", _made(each, name, Exception)
        return
    parts = spec.split(text)
    found = [each for each in kinds if len(parts) == 1 and parts[0][0] in spec.names(each)]
    for each in found or [kind or "codecs"]:  # else a composition, or an error that names what is known
        yield f"{each}: {text}", _made(each, text, ImportError)


def _made(kind, text, caught):
    """The part, or why a plug-in's module cannot bring it."""
    try:
        return spec.codec(text) if kind == "codecs" else spec.one(kind, text)
    except caught as error:
        return error


def check_lines(part):
    """(line, whether it tells of a failure) for each check of the conformance suite, as it is run."""
    from . import testing

    if isinstance(part, Exception):
        yield f"  FAIL  cannot be made: {type(part).__name__}: {part}", True
        return
    for check, verdict, what in testing.results(part):
        name = check.__name__.partition("_")[2].replace("_", " ")
        rule = check.__doc__.strip().partition("\n")[0]
        because = f": {what}" if what else ""
        yield f"  {verdict}  {name}{because}" + (f"\n        the rule: {rule}" if verdict == "FAIL" else ""), verdict == "FAIL"
