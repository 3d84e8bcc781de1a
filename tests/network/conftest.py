"""Runs made from a known truth: work per step, bytes of Heaps' law, and a link that costs exactly what costs.py says."""

from pathlib import Path

import numpy as np
import pytest

from gradwire.network.costs import cost
from gradwire.network.link import Link
from gradwire.recorder import Run

WORK = {"compute": 2e-3, "encode": 0.4e-3, "decode": 0.3e-3, "encode_mean": 0.5e-3, "decode_mean": 0.6e-3, "update": 0.2e-3}
SECTIONS = ("header", "keys", "values", "tables")


@pytest.fixture
def make_run():
    """make_run(spec, collective, ranks, rate_bps, alpha, nbytes, growth, …) → Run whose epochs take what the truth says.

    encode_mean, decode_mean and update are those of one message's entries: the mean has ranks ** growth times as many.
    """

    def make(
        spec="natural", collective="gather_bcast", ranks=4, rate_bps=1e8, alpha=1e-4, nbytes=30_000, growth=0.5, total_steps=240, epochs=3,
        work=None, network="shaped", cores=8, config=None, loss=0.42, cpu_share=1.0, dim=10**6, nnz=1000,
    ):  # fmt: skip
        truth, steps, more = WORK | (work or {}), total_steps // ranks, ranks**growth
        root = (config or {}).get("collective", {}).get("root", 0)
        messages = {"gather_bcast": ranks, "allgather": ranks}.get(collective, 1)
        at_root = np.arange(ranks) == root
        encode, decode = np.full(ranks, truth["encode"]), np.full(ranks, messages * truth["decode"])
        if collective == "gather_bcast":
            encode = encode + at_root * more * truth["encode_mean"]
            decode = decode * at_root + more * truth["decode_mean"]
        if collective == "reduce_scatter":
            encode, decode = encode * (1 + more / ranks), decode * (1 + more)
        work_s = {"compute": truth["compute"], "encode": encode, "decode": decode, "update": more * truth["update"], "other": 1e-5}
        critical = sum(float(np.max(each)) for each in work_s.values())
        down = nbytes * more
        link = Link.of_rate(rate_bps, alpha)
        network_s = cost(collective, ranks, nbytes, down).seconds(link.alpha, link.beta)
        columns = {"epoch_time_s": np.full((epochs, ranks), steps * (critical + network_s))}
        for name, seconds in work_s.items():
            columns[f"{name}_wall_s"] = np.tile(np.broadcast_to(seconds, ranks) * steps, (epochs, 1))
        columns["comm_wall_s"] = columns["epoch_time_s"] - sum(columns[f"{name}_wall_s"] for name in work_s)
        for name in (*work_s, "comm"):
            columns[f"{name}_cpu_s"] = cpu_share * columns[f"{name}_wall_s"]
        columns["comm_wait_s"] = 0.5 * columns["comm_wall_s"]
        columns |= _counts(epochs, ranks, steps, nbytes, down if collective != "allgather" else (ranks - 1) * nbytes, dim, nnz)
        columns |= {name: np.full(epochs, loss) for name in ("train_loss", "test_loss", "test_metric")}
        columns |= {"warmup": np.arange(epochs) == 0, "ranks": np.full(epochs, ranks)}
        columns["epoch_time_s"][0] *= 5  # the warm-up must not count
        base = {"data": {"name": "flights"}, "model": {"name": "logistic"}, "optimizer": {"name": "adam"}, "codec": {"uplink": spec}}
        base |= {"collective": {"name": collective}, "run": {"epochs": epochs, "batch_size": 100, "seed": 0}}
        for section, table in (config or {}).items():
            base[section] = base.get(section, {}) | table
        host = {"network": network, "cores": cores, "ranks_per_host": ranks, "link_rate_bps": rate_bps if network == "shaped" else np.nan}
        run_id = f"{spec}-{collective}-{ranks}-{rate_bps:g}-r0"
        return Run(
            path=Path(f"{run_id}.h5"), config=base, config_text="", spec=spec, experiment="truth", run_id=run_id, finished=True,
            environment=host, epochs=columns, units={}, dim=dim, ranks=ranks, final_params_sha256=None,
        )  # fmt: skip

    return make


def _counts(epochs, ranks, steps, up, down, dim, nnz):
    shape = (epochs, ranks)
    columns = {"steps": np.full(shape, steps), "vnmse": np.full(shape, 0.08)}
    for way, size in (("uplink", up), ("downlink", down)):
        columns[f"{way}_bytes"] = np.full(shape, size * steps)
        columns |= {f"{way}_{section}_bytes": np.full(shape, size * steps / len(SECTIONS)) for section in SECTIONS}
    nnz = np.full(shape, steps * nnz)
    columns |= {"nnz": nnz, "message_nnz": nnz, "entropy_bound_bytes": nnz, "sparse_baseline_bytes": 8 * nnz}
    return columns | {"dense_baseline_bytes": np.full(shape, 4 * dim * steps)}


@pytest.fixture
def stored(monkeypatch, tmp_path):
    """stored(runs) → paths that are read as these runs."""

    def store(runs):
        paths = {tmp_path / run.path.name: run for run in runs}
        monkeypatch.setattr("gradwire.report.load.load_run", lambda path: paths[Path(path)])
        return list(paths)

    return store
