"""Measurements from a file of `gradwire bench collectives`: which rows, and what a fit makes of them."""

import json

import numpy as np
import pytest

from gradwire import DataError
from gradwire.cli import main
from gradwire.network.calls import benchmarked
from gradwire.network.costs import cost
from gradwire.network.lab import Lab
from gradwire.network.link import Link, fit
from gradwire.recorder import write_rows
from gradwire.report.collectives import COLUMNS, SCHEMA, SCHEMA_VERSION

ALPHA, RATE = 3e-4, 1e8
NAMES = {"allreduce": "allreduce_call", "allgather": "allgatherv"}


@pytest.fixture
def bench(tmp_path):
    """bench(**attributes) → path of a file whose MPI calls take what costs.py says of ALPHA and RATE; other rows take a second."""

    def write(collectives=("allreduce", "allgather", "gather_bcast"), ranks=4, **attributes):
        link, rows = Link.of_rate(RATE, ALPHA), []
        for name in collectives:
            for nbytes in (64, 4096, 262_144):
                for method in ("gradwire", "mpi", "osu"):
                    exact = method == "mpi" and name in NAMES
                    seconds = cost(NAMES[name], ranks, nbytes).seconds(link.alpha, link.beta) if exact else 1.0
                    rows.append(
                        dict.fromkeys(COLUMNS, np.nan)
                        | {"collective": name, "method": method, "ranks": ranks, "nbytes": nbytes, "median_s": seconds}
                    )
        path = tmp_path / "bench.hdf5"
        write_rows(path, SCHEMA, SCHEMA_VERSION, {"ranks_per_host": 1, "link_rate_bps": RATE} | attributes, COLUMNS, rows)
        return path

    return write


def test_the_calls_that_have_a_formula_are_taken(bench):
    found = benchmarked(bench())
    assert [(m.collective, m.ranks, m.up, m.rate_bps) for m in found] == [
        (name, 4, nbytes, RATE) for name in ("allreduce_call", "allgatherv") for nbytes in (64, 4096, 262_144)
    ]
    fitted = fit(found)
    assert fitted.link.alpha == pytest.approx(ALPHA, rel=1e-3) and fitted.error < 1e-3


def test_ranks_of_one_host_say_nothing_of_the_network(bench):
    with pytest.raises(DataError, match="one rank on each host, got 4"):
        benchmarked(bench(ranks_per_host=4))
    with pytest.raises(DataError, match="one rank on each host, got 2"):
        benchmarked(bench(ranks_per_host=4, lab=json.dumps(Lab.of(2, "100mbit", ppn=2).described())))
    assert len(benchmarked(bench(ranks_per_host=4, lab=json.dumps(Lab.of(4, "100mbit").described())))) == 6


@pytest.mark.parametrize("options", [{"collectives": ("gather_bcast",)}, {"ranks": 1}])
def test_a_file_without_such_calls_is_an_error(bench, options):
    with pytest.raises(DataError, match="expected MPI's allreduce or allgather between ranks, got none"):
        benchmarked(bench(**options))


def test_advise_fits_them_where_the_runs_alone_say_nothing(bench, make_run, stored, tmp_path, capsys):
    """Two sizes cannot be fitted; with the benchmark's six calls of the same network they can."""
    runs = [make_run(spec, nbytes=size, alpha=ALPHA, rate_bps=RATE) for spec, size in (("natural", 24_000), ("bf16", 76_000))]
    paths, results = [str(path) for path in stored(runs)], ["--results", str(tmp_path)]
    assert main(["advise", *paths, *results]) == 0
    assert "50 µs a message is taken" in capsys.readouterr().out
    assert main(["advise", *paths, "--bench", str(bench()), *results]) == 0
    said = capsys.readouterr().out
    assert "Fitted to the runs and 6 benchmarked calls: 300 ± 0 µs a message, 1.00 times the line's time per byte" in said
    assert main(["advise", *paths, "--bench", str(bench(link_rate_bps=float("nan"))), *results]) == 0
    said = capsys.readouterr().out
    assert "The benchmarked calls were not used" in said and "50 µs a message is taken" in said


def test_predictions_of_other_runs_fit_them_too(bench, make_run, stored, tmp_path, capsys):
    """One run cannot tell latency from bandwidth; with the calls it is predicted exactly at another rate."""
    paths = [str(path) for path in stored([make_run("natural", alpha=ALPHA, rate_bps=rate) for rate in (RATE, 1e9)])]
    assert main(["advise", paths[0], "--against", paths[1], "--bench", str(bench()), "--results", str(tmp_path)]) == 0
    assert "Median error 0.0%" in capsys.readouterr().out


def test_a_described_job_is_not_fitted(bench, capsys):
    assert main(["advise", "--dim", "1000", "--nnz", "10", "--bench", str(bench())]) == 2
    assert "--bench has no use beside --dim" in capsys.readouterr().err
