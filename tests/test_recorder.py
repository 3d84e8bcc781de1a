import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

import gradwire as gw
from gradwire import recorder

CONFIG = SimpleNamespace(experiment="trial", run_id="natural-00000000-r0", uplink="natural", toml=lambda: '[codec]\nuplink = "natural"\n')


def row(epoch, ranks=3):
    columns = {name: np.arange(ranks) + epoch for name in recorder.PER_RANK}
    return columns | {name: float(epoch) for name in recorder.PER_EPOCH if name != "finished_at_s"} | {"ranks": ranks}


@pytest.fixture
def path(tmp_path):
    path = recorder.run_path(tmp_path, CONFIG)
    recorder.Recorder(path).create(CONFIG, {"cores": 2, "git_commit": "abc"}, dim=77, ranks=3)
    return path


def test_a_run_is_one_file_that_grows_by_epochs(path):
    assert str(path).endswith("runs/trial/natural-00000000-r0.h5")
    assert recorder.run_state(path) == "unfinished"
    assert gw.load_run(path).epochs["test_loss"].shape == (0,)
    for epoch in range(3):
        recorder.Recorder(path).append(epoch, row(epoch))
    recorder.Recorder(path).finish("f00d")
    run = gw.load_run(path)
    assert recorder.run_state(path) == "finished"
    assert (run.finished, run.dim, run.ranks, run.final_params_sha256, run.spec) == (True, 77, 3, "f00d", "natural")
    assert run.config == {"codec": {"uplink": "natural"}}
    assert run.environment == {"cores": 2, "git_commit": "abc"}
    assert run.epochs["uplink_bytes"].tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert run.epochs["uplink_bytes"].dtype == np.int64
    assert run.epochs["test_loss"].tolist() == [0, 1, 2]
    assert run.units["epoch_time_s"] == "s"


def test_a_resumed_epoch_overwrites_its_row_and_keeps_the_others(path):
    for epoch in (0, 1, 2, 1):
        recorder.Recorder(path).append(epoch, row(epoch + 10 * (epoch == 1)))
    assert gw.load_run(path).epochs["test_loss"].tolist() == [0, 11, 2]


def test_another_number_of_ranks_may_go_on(path):
    for epoch, ranks in enumerate((3, 3, 2, 4)):
        recorder.Recorder(path).append(epoch, row(epoch, ranks))
    run = gw.load_run(path)
    assert run.epochs["ranks"].tolist() == [3, 3, 2, 4] and run.ranks == 3
    assert run.epochs["uplink_bytes"].tolist() == [[0, 1, 2, 0], [1, 2, 3, 0], [2, 3, 0, 0], [3, 4, 5, 6]]
    nan = np.nan
    expected = [[0, 1, 2, nan], [1, 2, 3, nan], [2, 3, nan, nan], [3, 4, 5, 6]]
    assert np.array_equal(run.epochs["vnmse"], expected, equal_nan=True), "who was not there has no error, not one of 0"
    assert run.is_mixed and run.ranks_text == "3, then 2, then 4"
    recorder.Recorder(path).append(3, row(3, 2))  # repeated by fewer
    run = gw.load_run(path)
    assert run.epochs["uplink_bytes"][3].tolist() == [3, 4, 0, 0] and run.ranks_text == "3, then 2"


def test_claimed_runs_are_known(path):
    assert not recorder.is_claimed(path)
    with recorder.claim(path, "unfinished"):
        assert recorder.is_claimed(path)
    assert not recorder.is_claimed(path)


def test_epochs_are_not_skipped(path):
    with pytest.raises(gw.DataError, match="expected epoch 0 or an earlier one next, got 2"):
        recorder.Recorder(path).append(2, row(2))


def test_one_process_at_a_time_writes_a_run(path):
    holder = (
        "import sys; from pathlib import Path; from gradwire.recorder import claim\n"
        "with claim(Path(sys.argv[1]), 'unfinished'): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", holder, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(gw.ConfigError, match="another gradwire is writing this run"), recorder.claim(path, "unfinished"):
            pass
        other.stdin.close()
    with pytest.raises(gw.ConfigError, match="was missing when this began and is unfinished now"), recorder.claim(path, "missing"):
        pass
    with recorder.claim(path, "unfinished"):
        pass
    assert not path.with_suffix(".lock").exists()


def test_a_resumed_run_records_its_environment_too(path):
    halves = [path.with_name(f"{path.name}{tail}") for tail in (".7-0badf00d.part", ".journal.7-0badf00d.part")]
    others = [path.with_name("another-r0.h5.7-0badf00d.part")]
    for half in (*halves, *others):
        half.touch()
    recorder.Recorder(path).resume(4, {"cores": 64})
    assert not any(half.exists() for half in halves) and all(other.exists() for other in others)
    recorder.Recorder(path).resume(5, {"cores": 8})
    with h5py.File(path) as file:
        assert [(entry.attrs["cores"], entry.attrs["epoch"]) for entry in file["environment"].values()] == [(64, 4), (8, 5)]
    assert gw.load_run(path).environment["cores"] == 2


def test_a_file_from_before_the_column_ranks_gets_it(path):
    for epoch in range(3):
        recorder.Recorder(path).append(epoch, row(epoch))
    with h5py.File(path, "r+") as file:
        del file["epochs/ranks"]
    assert gw.load_run(path).ranks_text == "3"
    recorder.Recorder(path).resume(2, {})
    recorder.Recorder(path).append(2, row(2, 4))
    run = gw.load_run(path)
    assert run.epochs["ranks"].tolist() == [3, 3, 4] and run.ranks_text == "3, then 4" and run.units["ranks"] == "1"


def test_rows_that_more_ranks_have_not_repeated_yet_have_no_vnmse_of_them(path):
    for epoch, ranks in ((0, 3), (1, 3), (2, 3), (1, 4)):
        recorder.Recorder(path).append(epoch, row(epoch, ranks))
    nan = np.nan
    assert np.array_equal(gw.load_run(path).epochs["vnmse"], [[0, 1, 2, nan], [1, 2, 3, 4], [2, 3, 4, nan]], equal_nan=True)


def test_every_column_has_units_and_a_description(path):
    with h5py.File(path) as file:
        for column in file["epochs"].values():
            assert column.attrs["units"] and column.attrs["description"]


def test_the_contract_names_these_columns():
    phases = ("compute", "encode", "comm", "decode", "update", "other")
    links = [f"{link}_{part}_bytes" for link in ("uplink", "downlink") for part in ("header", "keys", "values", "tables")]
    assert set(recorder.PER_RANK) >= {
        "epoch_time_s", "comm_wait_s", "uplink_bytes", "downlink_bytes", "sent_bytes", "received_bytes", "control_bytes", "nnz", "vnmse",
        *(f"{phase}_{clock}_s" for phase in phases for clock in ("wall", "cpu")), *links,
    }  # fmt: skip
    assert set(recorder.PER_EPOCH) >= {"train_loss", "test_loss", "test_metric"}


def test_a_writer_killed_between_epochs_leaves_a_readable_file(path):
    script = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[2]); import test_recorder as t; from gradwire.recorder import Recorder\n"
        "for epoch in range(3): Recorder(sys.argv[1]).append(epoch, t.row(epoch))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path), os.path.dirname(__file__)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert gw.load_run(path).epochs["test_loss"].tolist() == [0, 1, 2]
    recorder.Recorder(path).append(3, row(3))
    assert len(gw.load_run(path).epochs["test_loss"]) == 4


def test_reading_while_writing_does_not_break_the_writer(path):
    reader = "import h5py, sys; file = h5py.File(sys.argv[1], 'r', locking=False); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", reader, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as watcher:
        assert watcher.stdout.readline() == b"open\n"
        recorder.Recorder(path).append(0, row(0))
        recorder.Recorder(path).append(1, row(1))
        watcher.stdin.close()
    assert len(gw.load_run(path).epochs["vnmse"]) == 2


def test_other_files_are_refused(tmp_path):
    assert recorder.run_state(tmp_path / "none.h5") == "missing"
    with pytest.raises(gw.DataError, match="found none"):
        gw.load_run(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(gw.DataError, match="not a readable HDF5 file"):
        gw.load_run(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w"):
        pass
    with pytest.raises(gw.DataError, match="schema"):
        gw.load_run(tmp_path / "other.h5")


def test_a_newer_schema_is_refused(path):
    with h5py.File(path, "r+") as file:
        file.attrs["schema_version"] = 99
    with pytest.raises(gw.DataError, match="newer"):
        gw.load_run(path)


def test_a_run_that_is_being_written(tmp_path):
    path = tmp_path / "runs" / "x.h5"
    assert not recorder.is_claimed(path)
    with recorder.claim(path, "missing"):
        assert recorder.is_claimed(path)
        with pytest.raises(gw.ConfigError, match="another gradwire is writing this run"), recorder.claim(path, "missing"):
            pass
    assert not recorder.is_claimed(path)


def test_a_lock_that_its_owner_has_just_removed_is_no_right(tmp_path, monkeypatch):
    path = tmp_path / "x.h5"
    monkeypatch.setattr(recorder.fcntl, "flock", lambda *_: path.with_suffix(".lock").unlink())
    with pytest.raises(gw.ConfigError, match="another gradwire has just written this run; start again"), recorder.claim(path, "missing"):
        pass


def test_a_folder_is_tried_and_left_as_it_was(tmp_path, monkeypatch):
    versions = recorder.try_folder(tmp_path)
    assert versions[:2] == (h5py.__version__, h5py.version.hdf5_version) and versions[2] > 0
    with pytest.raises(OSError, match="Not a directory"):
        recorder.try_folder("/dev/null/folder")
    monkeypatch.setattr(recorder, "append_arrays", lambda *_: None)
    with pytest.raises(gw.DataError, match="expected the rows 0 to 3, read"):
        recorder.try_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def damaged(path, change):
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(gw.DataError) as caught:
        gw.load_run(path)
    assert str(caught.value).startswith(f"{path}: not a readable HDF5 file: ")
    return str(caught.value)


def test_columns_lie_in_the_file_itself(path, tmp_path):
    """HDF5 can point to other files, and have them read as if they were columns."""
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(80))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.zeros(10)
    layout = h5py.VirtualLayout((10,), "f8")
    layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "x", (10,))
    outside = {
        "external link": lambda epochs: epochs.__setitem__("nnz", h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")),
        "soft link": lambda epochs: epochs.__setitem__("nnz", h5py.SoftLink("/epochs/rows")),
        "external data": lambda epochs: epochs.create_dataset("nnz", (10,), "f8", external=[(str(secret), 0, 80)]),
        "virtual data": lambda epochs: epochs.create_virtual_dataset("nnz", layout),
        "group": lambda epochs: epochs.create_group("nnz"),
    }
    whole = path.read_bytes()
    for what, make in outside.items():
        path.write_bytes(whole)

        def change(file, make=make):
            del file["epochs/nnz"]
            make(file["epochs"])

        said = damaged(path, change)
        assert "'nnz' is not a column of this file" in said or "'nnz' lies in another file" in said, (what, said)


def test_columns_are_no_larger_than_their_file(path):
    """A chunk that was never written costs nothing in the file: 10¹⁵ rows of them are not made room for."""
    assert "claims (1000000000000000,) entries" in damaged(path, lambda file: file["epochs/test_loss"].resize((10**15,)))


def test_a_packed_copy_is_read(path, tmp_path):
    for epoch in range(200):
        recorder.Recorder(path).append(epoch, row(0))
    with h5py.File(path) as file, h5py.File(tmp_path / "packed.h5", "w") as packed:
        packed.attrs.update(file.attrs)
        packed.create_group("environment")
        for name, column in file["epochs"].items():
            packed.create_dataset(f"epochs/{name}", data=column[()], compression="gzip").attrs.update(column.attrs)
    assert len(gw.load_run(tmp_path / "packed.h5").epochs["nnz"]) == 200


def test_a_change_that_was_cut_off_is_there_for_readers(path, monkeypatch):
    """Killed between the journal and the file: readers see the row, and the next append is the next one."""
    recorder.Recorder(path).append(0, row(0))
    with monkeypatch.context() as patch:
        patch.setattr(recorder.journal, "_apply", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            recorder.Recorder(path).append(1, row(1))
    assert recorder.journal.of(path).exists()
    assert gw.load_run(path).epochs["test_loss"].tolist() == [0, 1] and recorder.run_state(path) == "unfinished"
    recorder.Recorder(path).append(2, row(2))
    assert gw.load_run(path).epochs["test_loss"].tolist() == [0, 1, 2] and not recorder.journal.of(path).exists()


def test_a_file_that_changes_while_it_is_read_is_read_again(path, monkeypatch):
    recorder.Recorder(path).append(0, row(0))
    real, reads = recorder._run, []

    def disturbed(*arguments):
        reads.append(real(*arguments))
        if len(reads) == 1:
            recorder.Recorder(path).append(1, row(1))
        return reads[-1]

    monkeypatch.setattr(recorder, "_run", disturbed)
    assert len(gw.load_run(path).epochs["test_loss"]) == 2 and len(reads) == 2


def test_a_watcher_never_sees_half_a_row(path):
    """Rows are written as fast as can be while they are read: a read is of whole rows, and none fails."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[2]); import test_recorder as t; from gradwire.recorder import Recorder\n"
        "for epoch in range(150): Recorder(sys.argv[1]).append(epoch, t.row(epoch))"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(path), os.path.dirname(__file__)]) as writer:
        reads = 0
        while writer.poll() is None:
            epochs = gw.load_run(path).epochs
            rows = len(epochs["test_loss"])
            assert all(
                column.tolist() == [row(epoch)[name].tolist() for epoch in range(rows)]
                for name, column in epochs.items()
                if column.ndim == 2
            )
            reads += 1
    assert writer.returncode == 0 and reads > 5


def test_appends_that_are_killed_lose_nothing():
    """A short run of tests/kill_appends.py, which says more."""
    here = os.path.dirname(__file__)
    for arguments in (["-n", "25"], ["-n", "15", "--gradients"]):
        done = subprocess.run(
            [sys.executable, f"{here}/kill_appends.py", *arguments], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0 and " 0 losses" in done.stdout, done.stdout + done.stderr
