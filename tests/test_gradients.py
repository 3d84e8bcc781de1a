"""Recorded gradients: what goes into the file comes out, and what is not such a file is refused with a reason."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest

import gradwire as gw
from gradwire.gradients import GradientLog, Recorded, gradients_path, load_gradients
from gradwire.recorder import write_arrays

CONFIG = SimpleNamespace(experiment="trial", run_id="none-1-r0", toml=lambda: 'a = "b"\n')


def sparse(n, seed=0, dim=1000):
    rng = np.random.default_rng(seed)
    return gw.Gradient(rng.normal(size=n).astype(np.float32), dim, np.sort(rng.choice(dim, n, replace=False)))


def same(a, b):
    return a.dim == b.dim and np.array_equal(a.values, b.values) and np.array_equal(a.keys, b.keys)


def test_sparse_gradients_come_back(tmp_path):
    path = gradients_path(tmp_path, CONFIG)
    written = [Recorded(sparse(5 + i, seed=i), i % 2, i // 2, 7 * i) for i in range(5)]
    log = GradientLog(path, CONFIG, 1000)
    log.append(written[:2])
    log.append(written[2:])
    found = load_gradients(path)
    assert [(item.rank, item.epoch, item.step) for item in found] == [(0, 0, 0), (1, 0, 7), (0, 1, 14), (1, 1, 21), (0, 2, 28)]
    assert all(same(a.gradient, b.gradient) for a, b in zip(found, written))
    with h5py.File(path) as file:
        assert file.attrs["run_id"] == CONFIG.run_id and set(file) == {
            "rank", "epoch", "step", "offsets", "keys", "values", "block_names", "block_starts",
        }  # fmt: skip


def test_dense_gradients_come_back_without_keys(tmp_path):
    path = tmp_path / "dense.hdf5"
    log = GradientLog(path, CONFIG, 6)
    log.append([Recorded(gw.Gradient(np.arange(6, dtype=np.float32) + i, 6), i, 0, 0) for i in range(3)])
    found = load_gradients(path)
    assert [item.gradient.values[0] for item in found] == [0, 1, 2] and all(item.gradient.is_dense for item in found)


def test_a_resumed_run_writes_over_what_it_repeats(tmp_path):
    path = tmp_path / "resumed.hdf5"
    first = [Recorded(sparse(5, seed=i), 0, i, 0) for i in range(4)]
    GradientLog(path, CONFIG, 1000).append(first)
    again = [Recorded(sparse(9, seed=10 + i), 0, i, 0) for i in range(2, 4)]
    GradientLog(path, CONFIG, 1000, first=(2, 0)).append(again)
    found = load_gradients(path)
    assert len(found) == 4
    assert all(same(a.gradient, b.gradient) for a, b in zip(found, first[:2] + again))


def test_a_run_stopped_within_an_epoch_keeps_its_gradients(tmp_path):
    path = tmp_path / "stopped.hdf5"
    first = [Recorded(sparse(5, seed=i), 0, 1, step) for i, step in enumerate((0, 4, 8, 12))]
    GradientLog(path, CONFIG, 1000).append(first)
    again = [Recorded(sparse(9, seed=10 + i), 0, 1, step) for i, step in enumerate((8, 12))]
    GradientLog(path, CONFIG, 1000, first=(1, 7)).append(again)
    found = load_gradients(path)
    assert [item.step for item in found] == [0, 4, 8, 12]
    assert all(same(a.gradient, b.gradient) for a, b in zip(found, first[:2] + again))


def test_a_row_that_was_cut_off_is_left_out(tmp_path):
    path = tmp_path / "cut.hdf5"
    GradientLog(path, CONFIG, 1000).append([Recorded(sparse(5, seed=i), 0, i, 0) for i in range(3)])
    with h5py.File(path, "r+") as file:
        file["step"].resize((2,))
    assert [item.epoch for item in load_gradients(path)] == [0, 1]


def test_npz_of_pairs(tmp_path):
    a, b = sparse(4, 1), sparse(6, 2)
    arrays = {"keys": np.concatenate([a.keys, b.keys]), "values": np.concatenate([a.values, b.values]), "dim": 1000}
    np.savez(tmp_path / "two.npz", offsets=[0, 4, 10], **arrays)
    assert [same(x.gradient, y) for x, y in zip(load_gradients(tmp_path / "two.npz"), (a, b))] == [True, True]
    np.savez(tmp_path / "one.npz", keys=a.keys, values=a.values.astype(np.float64), dim=1000)
    (one,) = load_gradients(tmp_path / "one.npz")
    assert same(one.gradient, a) and one.rank is None


def test_npz_of_layers(tmp_path):
    np.savez(tmp_path / "layers.npz", conv=np.ones((3, 4), np.float16), bias=np.zeros(2, np.float32))
    assert [item.gradient.dim for item in load_gradients(tmp_path / "layers.npz")] == [12, 2]


@pytest.mark.parametrize(
    ("arrays", "what"),
    [
        ({"keys": [1], "values": [1.0]}, "expected values and dim beside keys, got keys, values"),
        ({"keys": [2, 1], "values": [1.0, 2.0], "dim": 9}, "increas"),
        ({"keys": [1, 2], "values": [1.0, 2.0], "dim": 9, "offsets": [0, 3]}, "offsets up to that"),
        ({"keys": [1, 2, 3], "values": [1.0, 2.0], "dim": 9}, "as many keys as values"),
        ({"keys": [1, 2], "values": [1.0, 2.0], "dim": [9, 9]}, "one integer as dim"),
        ({"keys": [1, 2], "values": [1.0, 2.0], "dim": 9.5}, "one integer as dim"),
        ({"keys": [1, 2], "values": [1.0, 2.0], "dim": 9, "offsets": [0.5, 2.0]}, "integers as offsets"),
        ({"values": [1.0, 2.0], "dim": 9.0}, "expected keys beside dim"),
        ({"keys": [1, 2], "values": [1.0, 2.0], "dim": 9, "offsets": [0, 3, 2]}, "expected offsets"),
        ({"layer": [1, 2]}, "expected floats in 'layer', got int64"),
        ({"layer": [1.0, np.nan]}, "nan"),
        ({"layer": [1e300]}, "inf"),
        ({"layer": np.zeros(0)}, "expected gradients, found none"),
        ({"layer": np.array([{}], object)}, "not a readable .npz file of plain arrays"),
    ],
)
def test_other_npz_files_are_refused(tmp_path, arrays, what):
    np.savez(tmp_path / "bad.npz", **{name: np.asarray(value) for name, value in arrays.items()})
    with pytest.raises(gw.DataError, match=what):
        load_gradients(tmp_path / "bad.npz")


@pytest.mark.parametrize("name", ["none.npz", "none.hdf5"])
def test_a_missing_file_is_refused(tmp_path, name):
    with pytest.raises(gw.DataError, match="found none"):
        load_gradients(tmp_path / name)


def test_other_hdf5_files_are_refused(tmp_path):
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file.attrs["schema"] = "something"
    with pytest.raises(gw.DataError, match="expected a file of schema 'gradwire-gradients', got schema 'something'"):
        load_gradients(tmp_path / "other.hdf5")
    with h5py.File(tmp_path / "newer.hdf5", "w") as file:
        file.attrs.update(schema="gradwire-gradients", schema_version=99)
    with pytest.raises(gw.DataError, match="newer than this gradwire"):
        load_gradients(tmp_path / "newer.hdf5")


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:60] + bytes([b[60] ^ 1]) + b[61:]])
def test_damaged_npz_files_are_refused(tmp_path, damage):
    np.savez(tmp_path / "whole.npz", layer=np.arange(100.0))
    (tmp_path / "damaged.npz").write_bytes(damage((tmp_path / "whole.npz").read_bytes()))
    with pytest.raises(gw.DataError, match="not a readable .npz file"):
        load_gradients(tmp_path / "damaged.npz")


def test_a_single_array_is_refused(tmp_path):
    np.save(tmp_path / "one.npy", np.ones(3))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(gw.DataError, match="holds a single array"):
        load_gradients(tmp_path / "one.npz")


def test_a_file_that_lacks_something_is_refused(tmp_path):
    path = tmp_path / "made-up.hdf5"
    write_arrays(path, "gradwire-gradients", 1, {"dim": 9}, {"values": np.ones(3)})
    with pytest.raises(gw.DataError, match="got no epoch, is_dense, keys, offsets, rank, step"):
        load_gradients(path)
