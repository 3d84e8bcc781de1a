"""Stand-ins for training, data and report: the command line alone is under test. FAKE_TRAIN says how train ends.

""              it trains                 "unfinished"        it stops before the end
"DataError@1"   rank 1 raises this        "DataError@all"     every rank does        "sleep"    it waits to be interrupted
"""

import builtins
import os
import sys
import time
import types

from gradwire import errors


def train(config, comm, results, *, resume=False, progress, record_gradients=0, watch=None, interruption=None):
    from gradwire.recorder import PER_EPOCH, PER_RANK, Recorder, run_path

    wanted, _, at = os.environ.get("FAKE_TRAIN", "").partition("@")
    if at in ("all", str(comm.rank)):
        raise (getattr(errors, wanted, None) or getattr(builtins, wanted))("as wanted")
    if wanted == "sleep":
        sys.stderr.write("training\n")
        sys.stderr.flush()
        time.sleep(60)
    comm.Barrier()  # the others of a failing rank wait here
    path = run_path(results, config)
    if comm.rank == 0:
        recorder = Recorder(path)
        if not resume:
            recorder.create(config, {"hosts": "here", "mpi": "a library\nof many words"}, 100, comm.size)
        progress.start_run(config, 0, 5)
        for epoch in range(1 if wanted == "unfinished" else config.epochs):
            row = (
                dict.fromkeys(PER_EPOCH, 0.5 + epoch)
                | {"ranks": comm.size}
                | {name: [2.0 + rank for rank in range(comm.size)] for name in PER_RANK}
            )
            recorder.append(epoch, row)
            progress.epoch(epoch, row)
        if wanted != "unfinished":
            recorder.finish("0123abcd")
    return path


class Data:
    """The module gradwire.data; `prepared` holds the data sets that load has seen."""

    def __init__(self):
        self.prepared, self.loads = set(), []

    def load(self, dataset, rank=0, size=1, barrier=None):
        if barrier:
            barrier()
        self.loads.append(dataset)
        self.prepared.add(dataset)
        return types.SimpleNamespace(train=types.SimpleNamespace(n_rows=dataset.rows))

    def is_prepared(self, dataset):
        return dataset in self.prepared

    def describe(self, dataset):
        return {"train_rows": dataset.rows, "nnz_per_row": 3.14159}


def summarise(results, experiment, run_paths):
    return f"table of {experiment}: {len(run_paths)} runs"


def redraw(results, names):
    return [f"{results}/{name}" for name in names or ["all"]]


def modules():
    """name → module, what sys.modules is to hold."""
    data = Data()
    contents = {
        "training": {"train": train},
        "data": {name: getattr(data, name) for name in ("load", "is_prepared", "describe", "prepared", "loads")},
        "report": {"summarise": summarise, "tables": redraw, "figures": redraw},
    }
    made = {f"gradwire.{name}": types.ModuleType(f"gradwire.{name}") for name in contents}
    for name, attributes in contents.items():
        vars(made[f"gradwire.{name}"]).update(attributes)
    return made
