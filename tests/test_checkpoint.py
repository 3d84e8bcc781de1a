from types import SimpleNamespace

import numpy as np
import pytest

import gradwire as gw
from gradwire.checkpoint import Checkpoint, Place

CONFIG = SimpleNamespace(experiment="trial", run_id="natural-0-r0")


def feedback(value):
    kept = gw.ErrorFeedback(6)
    kept.update(gw.Gradient([value], 6, [2]), gw.Gradient([], 6, []))
    return kept


def save(tmp_path, place, ranks=2, private=True):
    epochs = place[0]
    shared = {
        "params": np.arange(6, dtype=np.float32) + epochs,
        "optimizer/m": np.full(6, epochs, np.float32),
        "optimizer/step": 10 * epochs,
    }
    for rank in reversed(range(ranks)):
        own = feedback(rank + 1.0).state() if private else {}
        Checkpoint(tmp_path, CONFIG, rank, ranks).save(place, shared, own, lambda: None)
    Checkpoint(tmp_path, CONFIG, 0, ranks).prune(place)


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "checkpoints" / "trial" / "natural-0-r0").iterdir())


def test_what_was_saved_comes_back(tmp_path):
    save(tmp_path, (4, 0))
    checkpoint = Checkpoint(tmp_path, CONFIG, 1, 2)
    assert checkpoint.latest(True, rows=4) == Place(4, 0, 2)
    shared, private, others = checkpoint.load(Place(4, 0, 2))
    assert shared["params"].tolist() == [4, 5, 6, 7, 8, 9] and others == []
    assert shared["optimizer/m"].tolist() == [4] * 6 and shared["optimizer/step"] == 40
    kept = gw.ErrorFeedback(6)
    kept.restore(private)
    assert kept.residual[2] == 2.0


def test_ranks_without_anything_of_their_own_write_no_files(tmp_path):
    save(tmp_path, (4, 0), private=False)
    assert names(tmp_path) == ["at-4-0.shared.ckpt"]
    checkpoint = Checkpoint(tmp_path, CONFIG, 1, 2)
    assert checkpoint.latest(True, rows=5) is None and checkpoint.latest(False, rows=5) == Place(4, 0, None)
    shared, private, others = checkpoint.load(Place(4, 0, None))
    assert set(shared) == {"params", "optimizer/m", "optimizer/step"} and not private and not others


def test_older_places_are_removed_and_incomplete_ones_do_not_count(tmp_path):
    save(tmp_path, (0, 7))
    save(tmp_path, (1, 0))
    assert names(tmp_path) == ["at-1-0.rank-0-of-2.ckpt", "at-1-0.rank-1-of-2.ckpt", "at-1-0.shared.ckpt"]
    assert not list(tmp_path.rglob("*.h5"))
    (tmp_path / "checkpoints" / "trial" / "natural-0-r0" / "at-1-0.rank-0-of-2.ckpt").unlink()
    assert Checkpoint(tmp_path, CONFIG, 0, 2).latest(True, rows=2) is None
    assert Checkpoint(tmp_path, CONFIG, 0, 2).latest(False, rows=1) == Place(1, 0, None)
    assert Checkpoint(tmp_path, CONFIG, 0, 2).latest(False, rows=0) is None, "after an epoch that the run file does not have"
    assert Checkpoint(tmp_path, CONFIG, 0, 3).latest(True, rows=2) is None


def test_the_last_end_of_an_epoch_stays_for_other_numbers_of_ranks(tmp_path):
    save(tmp_path, (1, 0))
    save(tmp_path, (1, 30))
    save(tmp_path, (1, 60))
    assert {name.partition(".")[0] for name in names(tmp_path)} == {"at-1-0", "at-1-60"}
    assert Checkpoint(tmp_path, CONFIG, 0, 2).latest(True, rows=1) == Place(1, 60, 2)
    for private in (True, False):
        assert Checkpoint(tmp_path, CONFIG, 0, 3).latest(private, rows=1) == Place(1, 0, 2)
    _, private, others = Checkpoint(tmp_path, CONFIG, 2, 3).load(Place(1, 0, 2))
    assert not private and [other["values"].tolist() for other in others] == [[1.0], [2.0]]
    save(tmp_path, (1, 0), ranks=3)
    assert names(tmp_path) == [*(f"at-1-0.rank-{rank}-of-3.ckpt" for rank in range(3)), "at-1-0.shared.ckpt"], "two of a place"


def test_a_place_has_files_of_one_number_of_ranks_also_when_its_save_is_cut_off(tmp_path):
    save(tmp_path, (1, 0), ranks=4)
    save(tmp_path, (1, 30), ranks=4)
    own = feedback(9.0).state()
    Checkpoint(tmp_path, CONFIG, 0, 2).save((1, 30), {"params": np.zeros(6, np.float32)}, own, lambda: None)  # rank 1 never gets there
    assert Checkpoint(tmp_path, CONFIG, 0, 4).latest(True, rows=1) == Place(1, 0, 4), "parameters of 2 ranks, residuals of 4"
    Checkpoint(tmp_path, CONFIG, 0, 2).save((2, 0), {"params": np.zeros(6, np.float32)}, own, lambda: None)
    Checkpoint(tmp_path, CONFIG, 1, 2).save((2, 0), {}, own, lambda: None)
    assert Checkpoint(tmp_path, CONFIG, 0, 4).latest(True, rows=2) == Place(2, 0, 2)


def test_damage_is_refused(tmp_path):
    save(tmp_path, (1, 0), ranks=1)
    path = tmp_path / "checkpoints" / "trial" / "natural-0-r0" / "at-1-0.shared.ckpt"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(gw.DataError, match="not a whole array file"):
        Checkpoint(tmp_path, CONFIG, 0, 1).load(Place(1, 0, 1))


def test_what_was_kept_before_stays_until_the_new_place_counts(tmp_path):
    save(tmp_path, (1, 0), ranks=1)
    Checkpoint(tmp_path, CONFIG, 0, 1).save((2, 0), {"params": np.zeros(6, np.float32)}, feedback(1.0).state(), lambda: None)
    checkpoint = Checkpoint(tmp_path, CONFIG, 0, 1)
    assert checkpoint.latest(True, rows=1) == Place(1, 0, 1) and checkpoint.latest(True, rows=2) == Place(2, 0, 1)
    checkpoint.prune((2, 0))
    assert checkpoint.latest(True, rows=1) is None


def test_what_crashed_processes_left_is_removed_by_the_next_save(tmp_path):
    save(tmp_path, (0, 5))
    folder = tmp_path / "checkpoints" / "trial" / "natural-0-r0"
    (folder / "at-1-0.shared.ckpt.77-0badf00d.part").write_bytes(b"half")
    assert Checkpoint(tmp_path, CONFIG, 0, 2).latest(True, rows=2) == Place(0, 5, 2)
    save(tmp_path, (0, 6))
    assert {name.partition(".")[0] for name in names(tmp_path)} == {"at-0-6"}, "also before the first end of an epoch"
    save(tmp_path, (1, 0))
    assert names(tmp_path) == ["at-1-0.rank-0-of-2.ckpt", "at-1-0.rank-1-of-2.ckpt", "at-1-0.shared.ckpt"]
