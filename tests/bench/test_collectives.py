"""bench collectives: what is timed is what it says, statistics and bandwidths by hand, and the command with its files."""

import csv
import math

import numpy as np
import pytest

from gradwire import cli
from gradwire.bench import collectives
from gradwire.report import collectives as report

ABOUT = {"cores": 2, "mpi_library": "an MPI\nof some kind", "network": "local", "cpu": "a processor", "started_at": "2026-01-01"}


def test_statistics_by_hand():
    samples = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], [0.5, 9.0, 1.0, 1.0, 1.0, 1.0, 1.0]]) * 1e-6
    found = collectives._statistics(samples, collectives.Calls(None, 4000, 1.5))
    assert found["median_s"] == pytest.approx(5e-6)  # of 1 9 3 4 5 6 7
    assert (found["low_s"], found["high_s"]) == pytest.approx((1e-6, 9e-6))
    assert found["mean_s"] == pytest.approx(42.5e-6 / 14)
    assert found["algbw_bytes_per_s"] == pytest.approx(4000 / 5e-6)
    assert found["busbw_bytes_per_s"] == pytest.approx(1.5 * 4000 / 5e-6)


@pytest.mark.ranks(1, 3)
def test_every_collective_is_measured_three_ways(comm):
    rows = collectives.measure(comm, sizes=(64, 3000), calls=12)
    assert {row["collective"] for row in rows} == {"gather_bcast", "allgather", "allreduce", "reduce_scatter", "hierarchical", "switch"}
    methods = {name: {row["method"] for row in rows if row["collective"] == name} for name in ("allgather", "switch")}
    assert methods == {"allgather": {"gradwire", "mpi", "osu"}, "switch": {"gradwire"}}
    for row in rows:
        assert row.keys() == report.COLUMNS.keys() and row["ranks"] == comm.size and 10 <= row["calls"] <= 12
        assert 0 < row["mean_s"] < 1
        if row["method"] != "osu":
            assert 0 < row["low_s"] <= row["median_s"] <= row["high_s"] < 1 and row["p5_s"] <= row["p95_s"] <= row["p99_s"]
    big = {row["collective"]: row for row in rows if row["nbytes"] == 3000 and row["method"] == "mpi"}
    assert big["allgather"]["result_nbytes"] == 3000 * comm.size and big["allreduce"]["result_nbytes"] == 3000
    factor = big["allreduce"]["busbw_bytes_per_s"] / big["allreduce"]["algbw_bytes_per_s"]
    assert factor == pytest.approx(2 * (comm.size - 1) / comm.size)
    assert math.isnan(big["gather_bcast"]["busbw_bytes_per_s"])


@pytest.mark.ranks(3)
def test_clocks_of_one_machine_agree(comm):
    offsets = collectives.clock_offsets(comm)
    assert offsets.shape == (3, 2) and (offsets[0] == 0).all()
    assert (np.abs(offsets[:, 0]) <= offsets[:, 1] + 1e-3).all()


def test_several_launches_become_one_line():
    rows = []
    for launch, median in enumerate((3e-6, 1e-6, 2e-6)):
        for method in ("mpi", "osu"):
            row = dict.fromkeys(report.COLUMNS, math.nan) | {"collective": "allgather", "method": method, "launch": launch, "ranks": 2}
            rows.append(row | {"nbytes": 64, "median_s": median, "low_s": 0.0, "high_s": 1.0, "mean_s": median, "p95_s": median})
    (block,) = report._blocks(rows)
    assert block.rows[0][:5] == ("64", "–", "–", "2.00", "1.00–3.00")
    assert "median difference 0%, largest 0%; 1 of 1 sizes agree" in "\n".join(report.notes(rows))
    for row in rows:
        row["mean_s"] *= {"mpi": 1.0, "osu": 1.4}[row["method"]]  # launches of 3 1 2 against 4.2 1.4 2.8: ranges overlap
    assert "median difference 29%, largest 29%; 1 of 1 sizes agree" in "\n".join(report.notes(rows))
    for row in rows:
        row["mean_s"] *= {"mpi": 1.0, "osu": 4.0}[row["method"]]  # 16.8 5.6 11.2: they do not
    assert "0 of 1 sizes agree" in "\n".join(report.notes(rows))
    assert "3 launches" in report.headline(ABOUT, rows)


def test_the_command_starts_launches_and_writes_files(tmp_path, capfd):
    asked = ["allgather", "--ranks", "2", "--sizes", "64,400", "--calls", "10", "--launches", "2"]
    assert cli.main(["bench", "collectives", *asked, "--results", str(tmp_path)]) == 0
    printed = capfd.readouterr().out
    assert "2 ranks on" in printed and "2 launches" in printed and "OSU mean" in printed
    (path,) = (tmp_path / "bench").glob("collectives-*.hdf5")
    attributes, rows = report.load(path)
    assert "rank 1: " in attributes["clock_offsets"] and len(rows) == 2 * 2 * 3
    with open(tmp_path / "tables" / "collectives.csv") as file:
        assert len(list(csv.DictReader(file))) == len(rows)
    assert (tmp_path / "figures" / "collectives.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--sizes", "6"], "multiples of 4 bytes"), (["--sizes", "8,x"], "an integer ≥ 1"), (["--ranks", "0"], "an integer ≥ 1")],
)
def test_bad_arguments(arguments, says, capsys):
    assert cli.main(["bench", "collectives", *arguments]) == 2
    assert says in capsys.readouterr().err


def test_an_unknown_collective_ends_the_launch(tmp_path, capfd):
    assert cli.main(["bench", "collectives", "allgahter", "--launches", "1", "--results", str(tmp_path)]) == 2
    assert "did you mean 'allgather'" in capfd.readouterr().err


def test_the_caption_of_a_single_panel_stays_on_it():
    about = {
        "cpu": "A processor of 16 cores, whose name is as long as they tend to be",
        "mpi_library": "MPICH Version: 5.0.2",
        "started_at": "2026-11-22T16:26:16Z",
    }
    about |= {"ranks": 2, "cores": 2, "network": "local", "launches": 1, "calls": 20}
    rows = [
        {
            "collective": "allgather",
            "method": method,
            "launch": 0,
            "ranks": 2,
            "nbytes": 1024,
            "median_s": 1e-5,
            "low_s": 1e-5,
            "high_s": 1e-5,
        }
        for method in ("gradwire", "mpi")
    ]
    drawn = report.draw(about, rows)
    drawn.draw_without_rendering()
    caption = drawn._supxlabel.get_window_extent()
    assert caption.x0 >= 0 and caption.x1 <= drawn.bbox.width
