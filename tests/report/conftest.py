"""Made-up runs with the columns that the recorder writes, and numbers whose summary can be worked out by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradwire.recorder import Run

PHASES = {"compute": 0.30, "encode": 0.05, "comm": 0.20, "decode": 0.10, "update": 0.15, "other": 0.01}
HOST = {"network": "local", "cores": 2, "ranks_per_host": 4, "link_rate_bps": float("nan")}
STEPS, NNZ, DIM = 30, 5_000, 234_796


def _columns(epochs, ranks, key_bytes, value_bytes, dense, vnmse, seed):
    rng = np.random.default_rng(seed)
    column = {}
    for phase, seconds in PHASES.items():
        wall = seconds * (1 + 0.1 * rng.random((epochs, ranks)))
        column |= {f"{phase}_wall_s": wall, f"{phase}_cpu_s": 0.5 * wall}
    column["epoch_time_s"] = sum(column[f"{phase}_wall_s"] for phase in PHASES)
    column["epoch_time_s"][:1] *= 3
    column["comm_wait_s"] = 0.4 * column["comm_wall_s"]
    nnz = np.full((epochs, ranks), STEPS * NNZ, np.int64)
    sections = {"header": nnz * 0 + 56 * STEPS, "keys": (nnz * key_bytes).astype(int), "tables": nnz * 0 + 64 * STEPS}
    sections["values"] = (nnz * value_bytes).astype(int) if not dense else nnz * 0 + 4 * DIM * STEPS
    for way, factor in (("uplink", 1), ("downlink", 2)):
        split = {name: (size * factor).astype(np.uint64) for name, size in sections.items()}
        column |= {f"{way}_{name}_bytes": size for name, size in split.items()} | {f"{way}_bytes": sum(split.values())}
    column |= {"sent_bytes": column["uplink_bytes"], "received_bytes": column["downlink_bytes"], "control_bytes": nnz * 0 + 8}
    column |= {
        "nnz": nnz,
        "message_nnz": nnz,
        "steps": nnz * 0 + STEPS,
        "vnmse": np.full((epochs, ranks), vnmse) / (1 + np.arange(epochs))[:, None],
    }
    column |= {"dense_baseline_bytes": nnz * 0 + 4 * DIM * STEPS, "sparse_baseline_bytes": 8 * nnz, "entropy_bound_bytes": 0.7 * nnz}
    loss = 0.43 + 0.1 * np.exp(-np.arange(1, epochs + 1.0)) * (1 + vnmse) + 0.002 * rng.random()
    column |= {"train_loss": loss - 0.01, "test_loss": loss, "test_metric": 0.80 - 0.1 * (loss - 0.43)}
    return column | {"warmup": np.arange(epochs) == 0, "ranks": np.full(epochs, ranks)}


@pytest.fixture
def make_run():
    """make_run(spec, epochs=5, ranks=4, seed=0, config={…}, **fields of Run) → Run."""

    def make(spec="none", epochs=5, ranks=4, seed=0, config=None, key_bytes=4.0, value_bytes=4.0, vnmse=0.0, **fields):
        base = {"data": {"name": "flights"}, "model": {"name": "logistic"}, "optimizer": {"name": "adam", "lr": 0.01}}
        base |= {"collective": {"name": "gather_bcast"}, "codec": {"uplink": spec}, "run": {"epochs": epochs, "seed": seed, "repeats": 1}}
        for section, table in (config or {}).items():
            base[section] = base.get(section, {}) | table
        dense = spec == "none"
        columns = _columns(epochs, ranks, 0.0 if dense else key_bytes, value_bytes, dense, vnmse, seed)
        run_id = f"{spec}-0123abcd-r{seed}"
        run = Run(
            path=Path(f"{run_id}.h5"), config=base, config_text="", spec=spec, experiment="quickstart", run_id=run_id, finished=True,
            environment=HOST, epochs=columns, units={}, dim=DIM, ranks=ranks, final_params_sha256=None,
        )  # fmt: skip
        return replace(run, **fields)

    return make


@pytest.fixture
def eight(make_run):
    """The eight codecs of the quickstart, one run each."""
    sizes = {
        "none": (4, 4, 0), "fp16": (4, 2, 1e-7), "bf16": (4, 2, 3e-6), "adam-sparse": (4, 4, 0), "zipml": (4, 2, 2e-5),
        "fastsgd": (0.9, 1, 2e-3), "sketchml": (1.6, 0.4, 0.3), "natural": (1.0, 1.125, 0.06),
    }  # fmt: skip
    return [make_run(spec, key_bytes=k, value_bytes=v, vnmse=e, seed=i) for i, (spec, (k, v, e)) in enumerate(sizes.items())]


@pytest.fixture
def stored(monkeypatch):
    """stored(runs, results): make load_run find these runs in files of these names; returns their paths."""

    def store(runs, results):
        paths = {Path(results) / "runs" / run.experiment / run.path.name: run for run in runs}
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        monkeypatch.setattr("gradwire.report.load.load_run", lambda path: replace(paths[Path(path)], path=Path(path)))
        return list(paths)

    return store
