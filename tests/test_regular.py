"""Pipes, devices, folders and links where files are expected: refused at once, naming the file, and nothing else is touched."""

import json
import os
import signal
from pathlib import Path

import pytest

import gradwire as gw
from gradwire import arrayfile, cli, npy, recorder, regular
from gradwire.data import cache, svmlight
from gradwire.gradients import load_gradients


@pytest.fixture(autouse=True)
def soon():
    """Who opens a pipe without a writer waits for ever: here the test fails."""
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("waits"))
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(folder, name):
    os.mkfifo(folder / name)
    return folder / name


def run_file(folder):
    path = folder / "run.h5"
    recorder.write_arrays(path, "gradwire-run", 1, {}, {})
    return path


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
@pytest.mark.parametrize(
    ("read", "name"),
    [
        (gw.load_run, "run.h5"),
        (arrayfile.read, "at-1-0.shared.ckpt"),
        (npy.mapped, "train_labels.npy"),
        (npy.members, "mine.npz"),
        (load_gradients, "mine.npz"),
        (load_gradients, "run.hdf5"),
        (svmlight.identify, "rows.svm"),
    ],
)
def test_what_is_no_regular_file_is_not_opened(read, name, kind, tmp_path):
    path = tmp_path / name
    {"pipe": os.mkfifo, "device": lambda path: path.symlink_to("/dev/zero"), "folder": Path.mkdir}[kind](path)
    with pytest.raises((gw.DataError, OSError), match="Is a directory" if kind == "folder" else "not a regular file"):
        read(path)


def test_a_pipe_as_a_journal_is_not_opened(tmp_path):
    path = run_file(tmp_path)
    pipe(tmp_path, "run.h5.journal")
    with pytest.raises(gw.DataError, match=r"run\.h5\.journal: not a whole array file: not a regular file"):
        gw.load_run(path)


def test_links_to_files_are_read(tmp_path):
    (tmp_path / "link.h5").symlink_to(run_file(tmp_path))
    assert recorder.read_arrays(tmp_path / "link.h5", "gradwire-run", 1)[1] == {}


def test_a_lock_that_is_a_link_leaves_what_it_points_to(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("text")
    (tmp_path / "run.lock").symlink_to(precious)
    with pytest.raises(OSError, match="expected a lock file, got a link") as raised, recorder.claim(tmp_path / "run.h5", "missing"):
        pass
    assert raised.value.filename == str(tmp_path / "run.lock") and not recorder.is_claimed(tmp_path / "run.h5")
    (tmp_path / "set-1.lock").symlink_to(precious)
    with pytest.raises(gw.DataError, match=r"set-1.lock: expected a lock file, got a link"), cache.claim(None, tmp_path / "set-1"):
        pass
    assert precious.read_text() == "text"


def test_a_lock_that_is_a_pipe_locks(tmp_path):
    pipe(tmp_path, "run.lock")
    assert not recorder.is_claimed(tmp_path / "run.h5")
    with recorder.claim(tmp_path / "run.h5", "missing"):
        assert recorder.is_claimed(tmp_path / "run.h5")


def test_a_lock_file_keeps_what_it_holds(tmp_path):
    (tmp_path / "lock").write_text("text")
    with regular.lock_file(tmp_path / "lock") as lock:
        assert str(lock.name) == str(tmp_path / "lock")
    assert (tmp_path / "lock").read_text() == "text"


def test_a_description_without_end_is_damage(tmp_path):
    (tmp_path / "meta.json").write_text("[" * 100_000)
    with pytest.raises(gw.DataError, match="damaged cache: .*meta.json: cannot be read"):
        cache.read_meta(tmp_path)


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"kind": "run"},
        {"kind": "run", "output": 3},
        {"kind": "run", "output": "x", "runs": [1]},
        {"kind": "run", "output": "x", "runs": [{}]},
        {"kind": "sweep", "output": "x", "runs": [{"results": "x", "run_id": "y", "epochs": 1, "task": []}]},
        {"kind": "run", "output": "x", "runs": [{"results": "x", "run_id": "\x1b[31m", "epochs": 1, "task": None}]},
    ],
)
def test_a_line_of_the_jobs_that_was_not_written_here_is_passed_over(entry, tmp_path, capsys):
    folder = tmp_path / "slurm" / "trial"
    folder.mkdir(parents=True)
    (folder / "jobs.jsonl").write_text(json.dumps({"job": "1", "runs": []} | entry) + "\n" + "[" * 100_000 + "\n")
    assert cli.main(["status", "--results", str(tmp_path)]) == 0
    assert capsys.readouterr() == ("trial\n", "")


def test_status_of_what_is_no_run(tmp_path, capsys):
    folder = tmp_path / "runs" / "trial"
    folder.mkdir(parents=True)
    pipe(folder, "a.h5")
    (folder / "b.h5").mkdir()
    columns = {name: [1.0] for name in ("ranks", "finished_at_s", "test_loss", "epoch_time_s")}
    made_up(folder / "c.h5", "run = 3", columns)
    assert cli.main(["status", "--results", str(tmp_path)]) == 0
    lines = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()[2:]]
    assert [line[:2] for line in lines] == [[name, "damaged"] for name in "abc"]
    assert all(str(folder / f"{line[0]}.h5") in line[2] for line in lines)


def made_up(path, config, columns):
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs.update(schema="gradwire-run", schema_version=1, config=config, spec="none", experiment="trial", run_id="c")
        file.attrs.update(finished=False, dim=1, ranks=1)
        file.create_group("environment")
        for name, values in columns.items():
            file.create_dataset(f"epochs/{name}", data=values).attrs["units"] = "1"
