import numpy as np
import pytest

from gradwire.data import CSR, Dataset
from gradwire.data.flights import Flights
from gradwire.errors import ConfigError, DataError


def csr(**changes):
    parts = {
        "indptr": np.array([0, 2, 2, 5], np.int64),
        "indices": np.array([1, 3, 0, 2, 4], np.uint32),
        "values": np.arange(5, dtype=np.float32),
        "labels": np.array([1, -1, 1], np.float32),
        "n_features": 5,
    }
    return CSR(**(parts | changes))


def test_rows_is_a_view_whose_offsets_need_not_start_at_zero():
    whole = csr()
    part = whole.rows(1, 3)
    assert (whole.n_rows, whole.nnz, part.n_rows, part.nnz) == (3, 5, 2, 3)
    assert part.indptr.tolist() == [2, 2, 5]
    assert part.indices[part.indptr[1] : part.indptr[2]].tolist() == [0, 2, 4]
    for name in ("indptr", "indices", "values", "labels"):
        assert np.shares_memory(getattr(part, name), getattr(whole, name))
    assert part.rows(2, 2).nnz == 0
    assert csr(values=None).rows(0, 1).values is None


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (2, 1), (0, 4)])
def test_rows_outside_are_refused(start, stop):
    with pytest.raises(DataError, match="0 ≤ start ≤ stop ≤ 3"):
        csr().rows(start, stop)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"indptr": np.zeros(4, np.int32)}, "indptr as a flat int64 array, got int32"),
        ({"indices": [1, 2]}, "indices as a flat uint32 array, got list"),
        ({"labels": np.zeros((3, 1), np.float32)}, "labels as a flat float32"),
        ({"labels": np.zeros(2, np.float32)}, "expected 3 row offsets"),
        ({"values": np.zeros(4, np.float32)}, "expected 5 values"),
        ({"indptr": np.array([0, 2, 2, 6], np.int64)}, "offsets in 0 … 5"),
        ({"indptr": np.array([-1, 2, 2, 5], np.int64)}, "offsets in 0 … 5"),
    ],
)
def test_wrong_arrays_are_refused(changes, message):
    with pytest.raises(DataError, match=message):
        csr(**changes)


def test_dataset_is_configured():
    assert Flights().spec == "flights"
    assert str(Flights(layout="hashed", seed=3)) == "flights(layout=hashed, seed=3)"
    with pytest.raises(NotImplementedError):
        Dataset().prepare(".")


@pytest.mark.parametrize(
    "options",
    [
        {"layout": "sorted"},
        {"target": "early"},
        {"test_fraction": 0},
        {"test_fraction": True},
        {"test_fraction": 1.0},
        {"seed": -1},
        {"seed": 1.5},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(ConfigError):
        Flights(**options)
