from types import SimpleNamespace

import numpy as np
import pytest

import gradwire as gw
from gradwire.checkpoint import Checkpoint

CONFIG = SimpleNamespace(experiment="trial", run_id="natural-0-r0")


def feedback(value):
    kept = gw.ErrorFeedback(6)
    kept.update(gw.Gradient([value], 6, [2]), gw.Gradient([], 6, []))
    return kept


def save(tmp_path, epoch, ranks=2, private=True):
    shared = {"params": np.arange(6, dtype=np.float32) + epoch, "optimizer/m": np.full(6, epoch, np.float32), "optimizer/step": 10 * epoch}
    for rank in reversed(range(ranks)):
        own = feedback(rank + 1.0).state() if private else {}
        Checkpoint(tmp_path, CONFIG, rank, ranks).save(epoch, shared, own, lambda: None)


def test_what_was_saved_comes_back(tmp_path):
    save(tmp_path, 4)
    checkpoint = Checkpoint(tmp_path, CONFIG, 1, 2)
    assert checkpoint.latest(True, rows=5) == 4
    stored = checkpoint.load(4, True)
    assert stored["params"].tolist() == [4, 5, 6, 7, 8, 9]
    assert stored["optimizer/m"].tolist() == [4] * 6 and stored["optimizer/step"] == 40
    kept = gw.ErrorFeedback(6)
    kept.restore(stored)
    assert kept.residual[2] == 2.0


def test_ranks_without_anything_of_their_own_write_no_files(tmp_path):
    save(tmp_path, 4, private=False)
    assert [path.name for path in tmp_path.rglob("*.ckpt")] == ["epoch-4.shared.ckpt"]
    checkpoint = Checkpoint(tmp_path, CONFIG, 1, 2)
    assert checkpoint.latest(True, rows=5) is None and checkpoint.latest(False, rows=5) == 4
    assert set(checkpoint.load(4, False)) == {"params", "optimizer/m", "optimizer/step"}


def test_older_epochs_are_removed_and_incomplete_ones_do_not_count(tmp_path):
    save(tmp_path, 0)
    save(tmp_path, 1)
    folder = tmp_path / "checkpoints" / "trial" / "natural-0-r0"
    assert {path.name.partition(".")[0] for path in folder.iterdir()} == {"epoch-1"}
    assert not list(tmp_path.rglob("*.h5"))
    (folder / "epoch-1.rank-0-of-2.ckpt").unlink()
    assert Checkpoint(tmp_path, CONFIG, 0, 2).latest(True, rows=2) is None
    assert Checkpoint(tmp_path, CONFIG, 0, 2).latest(False, rows=2) == 1
    assert Checkpoint(tmp_path, CONFIG, 0, 2).latest(False, rows=1) is None, "of an epoch that the run file does not have"
    assert Checkpoint(tmp_path, CONFIG, 0, 3).latest(True, rows=2) is None


def test_damage_is_refused(tmp_path):
    save(tmp_path, 0, ranks=1)
    path = tmp_path / "checkpoints" / "trial" / "natural-0-r0" / "epoch-0.shared.ckpt"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(gw.DataError, match="not a whole array file"):
        Checkpoint(tmp_path, CONFIG, 0, 1).load(0, True)


def test_what_crashed_processes_left_is_removed_by_the_next_save(tmp_path):
    save(tmp_path, 0)
    folder = tmp_path / "checkpoints" / "trial" / "natural-0-r0"
    (folder / "epoch-1.shared.ckpt.77-0badf00d.part").write_bytes(b"half")
    assert Checkpoint(tmp_path, CONFIG, 0, 2).latest(True, rows=2) == 0
    save(tmp_path, 1)
    assert {path.name for path in folder.iterdir()} == {"epoch-1.shared.ckpt", "epoch-1.rank-0-of-2.ckpt", "epoch-1.rank-1-of-2.ckpt"}
