"""Two launches at once: into one folder, into two, of one run and of two."""

NAP = "compute:2@all=nap 3"


def test_one_run_in_one_folder(launch):
    """The second is refused, the first is not disturbed."""
    first = launch(fault=NAP)
    first.struck()
    second = launch().ended()
    assert second.status == 2 and second.elapsed < 30
    said = [line for line in second.err.splitlines() if line.startswith("gradwire:")]
    assert len(said) == 1 and said[0].endswith("another gradwire is writing this run; wait for it, or choose another --results")
    assert not second.launch.alive()
    first.ended().check("", status=0, rows=3)


def test_one_run_in_two_folders(launch, tmp_path):
    both = [launch(results=tmp_path / name) for name in ("a", "b")]
    for each in both:
        each.ended().check("", status=0, rows=3)


def test_two_runs_in_one_folder(launch):
    """Both write the table and the figure of the experiment."""
    both = [launch("--set", f"run.seed={seed}") for seed in (1, 2)]
    for each in both:
        outcome = each.ended()
        assert outcome.status == 0, outcome.err
    results = both[0].results
    assert len(list(results.glob("runs/trial/*.h5"))) == 2
    assert (results / "tables/trial.md").read_text().startswith("# trial") and (results / "tables/trial.csv").read_text().endswith("\n")
    assert (results / "figures/trial.png").read_bytes().endswith(b"IEND\xaeB`\x82")
    assert (results / "figures/trial.pdf").read_bytes().rstrip().endswith(b"%%EOF")
    assert not list(results.rglob("*.part"))
