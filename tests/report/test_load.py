"""Which runs are found, how they are grouped and labelled, and what happens to files that cannot be read."""

import pytest

from gradwire.errors import ConfigError, DataError
from gradwire.report import describe, load


def labels(collection):
    return [group.label for group in collection.groups]


def test_baselines_come_first_then_whole_codecs_then_compositions(eight, make_run, stored, tmp_path):
    stored([make_run("topk+bitflag+natural"), *reversed(eight)], tmp_path)
    expected = ["none", "fp16", "bf16", "adam-sparse", "zipml", "fastsgd", "sketchml", "natural", "topk+bitflag+natural"]
    assert labels(load.collect(tmp_path, "quickstart")) == expected


def test_runs_that_differ_in_seed_only_are_repeats(make_run, stored, tmp_path):
    stored([make_run("natural", seed=seed) for seed in range(3)], tmp_path)
    (group,) = load.collect(tmp_path, "quickstart").groups
    assert group.label == "natural"
    assert len(group.runs) == 3


@pytest.mark.parametrize(
    ("section", "values", "expected"),
    [
        ({"collective": "name"}, ["allgather", "gather_bcast"], ["natural, collective=allgather", "natural, collective=gather_bcast"]),
        ({"run": "batch_size"}, [100, 1000], ["natural, batch_size=100", "natural, batch_size=1000"]),
        ({"codec": "error_feedback"}, [False, True], ["natural", "natural +EF"]),
        ({"codec": "error_feedback"}, [{"natural": False}, {"natural": True}], ["natural", "natural +EF"]),
    ],
)
def test_rows_of_one_codec_are_told_apart_by_what_differs(make_run, stored, tmp_path, section, values, expected):
    ((table, key),) = section.items()
    stored([make_run("natural", seed=i, config={table: {key: value}}) for i, value in enumerate(values)], tmp_path)
    assert labels(load.collect(tmp_path, "quickstart")) == expected


def powersgd(**options):
    """What a run file of powersgd says of it."""
    return {"collective": {"name": "powersgd", "columns": 2, "warm_start": True, "min_compression": 2.0} | options}


def test_a_collective_that_sends_no_codec_s_messages_is_called_by_its_own_name(make_run, stored, tmp_path):
    """It is no uncompressed row, and stands beside the rows of allreduce."""
    plain = {"collective": {"name": "allreduce"}}
    stored(
        [
            make_run("none", seed=0, config=plain),
            make_run("bf16", seed=1, config=plain),
            make_run("none", seed=2, config=powersgd() | {"codec": {"error_feedback": True}}, path=tmp_path / "p.h5"),
            make_run("none", seed=3, config=powersgd(columns=4) | {"codec": {"error_feedback": True}}, path=tmp_path / "q.h5"),
            make_run("none", seed=4, config={"collective": {"name": "gone", "x": 1}}, path=tmp_path / "r.h5"),
        ],
        tmp_path,
    )
    groups = {group.label: group for group in load.collect(tmp_path, "quickstart").groups}
    assert set(groups) == {"none, collective=allreduce", "none, collective=gone", "bf16", "powersgd +EF", "powersgd(columns=4) +EF"}
    ours, other = groups["powersgd +EF"], groups["powersgd(columns=4) +EF"]
    assert (ours.spec, ours.parts) == ("powersgd", ("powersgd",)) and describe.baseline(ours.parts) == ""
    assert ours.family == other.family == groups["bf16"].family != groups["none, collective=gone"].family


def test_a_setting_that_varies_between_codecs_only_is_not_in_the_labels(make_run, stored, tmp_path):
    stored([make_run("none", config={"optimizer": {"lr": 0.1}}), make_run("natural", config={"optimizer": {"lr": 0.2}})], tmp_path)
    assert labels(load.collect(tmp_path, "quickstart")) == ["none", "natural"]


def test_ranks_and_network_tell_rows_apart(make_run, stored, tmp_path):
    shaped = {"network": "shaped", "cores": 2, "link_rate_bps": 1e9}
    two = make_run("none", seed=1, ranks=2, config={"run": {"ranks": 2}})
    stored(
        [
            make_run("none", seed=0, config={"run": {"ranks": 4}}),
            two,
            make_run("none", seed=2, environment=shaped, config={"run": {"ranks": 4}}),
        ],
        tmp_path,
    )
    found = labels(load.collect(tmp_path, "quickstart"))
    assert found == ["none, ranks=2, network=local", "none, ranks=4, network=local", "none, ranks=4, network=shaped 1000 Mbit/s"]


def test_an_unfinished_run_is_left_out_of_a_row_with_finished_ones_and_named(make_run, stored, tmp_path):
    stored([make_run("natural", seed=0), make_run("natural", seed=1, finished=False)], tmp_path)
    collection = load.collect(tmp_path, "quickstart")
    assert [len(group.runs) for group in collection.groups] == [1]
    assert collection.groups[0].finished
    assert collection.notes == ("Unfinished: natural-0123abcd-r1 after 5 epochs.",)


def test_a_row_of_unfinished_runs_only_says_so(make_run, stored, tmp_path):
    stored([make_run("natural", finished=False)], tmp_path)
    assert not load.collect(tmp_path, "quickstart").groups[0].finished


def test_a_run_without_an_epoch_is_left_out_and_named(make_run, stored, tmp_path):
    stored([make_run("none"), make_run("natural", seed=1, epochs=0, finished=False)], tmp_path)
    collection = load.collect(tmp_path, "quickstart")
    assert labels(collection) == ["none"]
    assert collection.notes == ("Left out: natural-0123abcd-r1 has no finished epoch yet.",)


def test_columns_are_cut_to_complete_epochs(make_run):
    run = make_run("none", epochs=5)
    run.epochs["test_loss"] = run.epochs["test_loss"][:4]
    assert load.n_epochs(run) == 4
    assert load.column(run, "nnz").shape == (4, 4)


def test_an_unknown_column_is_named_with_the_known_ones(make_run):
    with pytest.raises(DataError, match=r"unknown column 'nzz' .did you mean 'nnz'.*test_loss"):
        load.column(make_run(), "nzz")


def test_reading_is_tried_again_while_a_run_appends(make_run, monkeypatch):
    errors = [OSError("unable to lock"), KeyError("epochs")]

    def flaky(path):
        if errors:
            raise errors.pop(0)
        return make_run()

    monkeypatch.setattr(load, "load_run", flaky)
    assert load.read("a.h5", pause_s=0).spec == "none"
    assert not errors


def test_a_file_that_stays_unreadable_is_left_out_and_named(make_run, stored, tmp_path, monkeypatch):
    good, bad = stored([make_run("none"), make_run("natural")], tmp_path)
    readable, waited = load.load_run, []

    def load_run(path):
        if path == bad:
            raise OSError("truncated file")
        return readable(path)

    monkeypatch.setattr(load, "load_run", load_run)
    monkeypatch.setattr(load.time, "sleep", waited.append)
    collection = load.collect(tmp_path, "quickstart", [bad, good])
    assert labels(collection) == ["none"]
    assert collection.notes == (f"Left out: {bad}: cannot be read: truncated file.",)
    assert len(waited) == 4
    with pytest.raises(DataError, match=r"no run with a finished epoch.*truncated file"):
        load.collect(tmp_path, "quickstart", [bad])


def test_what_is_not_a_run_file_is_not_waited_for(tmp_path):
    (tmp_path / "text.h5").write_text("not HDF5")
    for name in ("gone.h5", "text.h5"):
        with pytest.raises(DataError, match=name):
            load.read(tmp_path / name, pause_s=1000)


def test_an_experiment_without_runs_names_the_known_ones(make_run, stored, tmp_path):
    stored([make_run("none"), make_run("none", seed=1, experiment="kdd12")], tmp_path)
    assert load.experiment_names(tmp_path) == ["kdd12", "quickstart"]
    with pytest.raises(ConfigError, match=r"unknown experiment 'quickstrat' .did you mean 'quickstart'..; known: kdd12, quickstart"):
        load.collect(tmp_path, "quickstrat")


def test_parts_are_names_without_arguments(make_run, stored, tmp_path):
    stored([make_run("topk(ratio=0.01)+natural")], tmp_path)
    assert load.collect(tmp_path, "quickstart").groups[0].parts == ("topk", "natural")
