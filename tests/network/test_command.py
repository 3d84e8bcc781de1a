"""`gradwire advise` on the command line: what it prints and writes, and which options go together."""

import pytest

from gradwire.cli import main

SIZES = {"natural": 24_000, "bf16": 76_000, "adam-sparse": 101_000}


@pytest.fixture
def runs(make_run):
    """runs(**options) → a run of each codec; natural takes more time to encode."""

    def made(**options):
        return [
            make_run(spec, nbytes=size, growth=0.7, work={"encode": 2e-3 if spec == "natural" else 1e-4}, **options)
            for spec, size in SIZES.items()
        ]

    return made


def test_runs_give_a_table_a_sentence_and_files(runs, stored, tmp_path, capsys):
    paths = [str(path) for path in stored(runs())]
    assert main(["advise", *paths, "--ranks", "8", "--rate", "1gbit", "--latency", "20us", "--results", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "Predicted for 8 ranks, gather_bcast, 1 Gbit/s, 20 µs a message." in said
    assert "At 1 Gbit/s take natural" in said
    assert (tmp_path / "figures" / "advise-truth.pdf").exists()


def test_a_described_job_needs_no_runs(tmp_path, capsys):
    asked = ["--dim", "100000", "--nnz", "1000", "--compute", "1ms", "--codec", "bf16", "--codec", "adam-sparse", "--ranks", "2"]
    assert main(["advise", *asked, "--rate", "1mbit", "--results", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "described job: dim 100,000, 1,000 nonzeros, compute 1 ms a step. Predicted for 2 ranks, gather_bcast, 1 Mbit/s" in said
    assert "At 1 Mbit/s take bf16" in said
    assert (tmp_path / "tables" / "advise.csv").exists()


def test_predictions_are_held_against_measured_runs(runs, stored, tmp_path, capsys):
    paths = [str(path) for path in stored([*runs(), *runs(rate_bps=1e9)])]
    assert main(["advise", *paths[:3], "--against", *paths[3:], "--results", str(tmp_path)]) == 0
    assert "Median error 0.0%, largest 0.0%, 3 runs that were not fitted." in capsys.readouterr().out


def test_break_evens_are_held_against_measured_ones(runs, stored, tmp_path, capsys):
    paths = [str(path) for path in stored([run for rate in (1e8, 1e9, 1e10) for run in runs(rate_bps=rate)])]
    assert main(["advise", *paths[3:6], "--against", *paths[:3], *paths[6:], "--results", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "Break-even bandwidths" in said and "Median error of the break-evens 0.0%" in said


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ([], "expected RUN.h5 files, or --dim and --nnz"),
        (["--dim", "1000"], "expected RUN.h5 files, or --dim and --nnz of a described job, and not both"),
        (["a.h5", "--dim", "1000", "--nnz", "10"], "and not both"),
        (["a.h5", "--codec", "bf16"], "--codec has no use beside RUN.h5"),
        (["a.h5", "--compute", "5ms"], "--compute has no use beside RUN.h5"),
        (["a.h5", "--against", "b.h5", "--rate", "1gbit"], "--rate has no use beside --against"),
        (["a.h5", "--rate", "fast"], "expected a rate such as 100mbit or 1gbit, got 'fast'"),
        (["--dim", "1000", "--nnz", "10", "--latency", "1"], "expected a time such as 50us or 5ms, got '1'"),
    ],
)
def test_what_goes_together_is_said(asked, problem, capsys):
    assert main(["advise", *asked]) == 2
    assert problem in capsys.readouterr().err


def test_a_file_that_is_no_run_is_named(tmp_path, capsys):
    (tmp_path / "a.h5").write_text("no")
    assert main(["advise", str(tmp_path / "a.h5"), "--results", str(tmp_path)]) == 1
    assert "a.h5" in capsys.readouterr().err
