import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradwire as gw
from gradwire._ext import sparse


def test_sparse_gradient_keeps_float32_values_and_uint32_keys():
    g = gw.Gradient(np.array([1, 2], np.float32), 10, np.array([3, 9]))
    assert (g.nnz, g.dim, g.is_dense, g.keys.dtype, g.values.dtype) == (2, 10, False, np.uint32, np.float32)
    assert g.to_dense().tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 2]
    assert "nnz=2" in repr(g)


def test_dense_gradient_has_one_value_per_coordinate():
    g = gw.Gradient([0.0, 2.0, -0.0], 3)
    assert g.is_dense
    assert g.to_dense() is g.values
    assert g.to_sparse().keys.tolist() == [1]
    assert g.to_sparse().to_sparse().fresh_nnz == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (dict(values=[1.0], dim=0), "1 ≤ dim"),
        (dict(values=[1.0], dim=2**32 + 1), "1 ≤ dim"),
        (dict(values=[1.0], dim=2.0), "integer dim"),
        (dict(values=[1.0], dim=2), "expected|one value for each of its 2"),
        (dict(values=[1.0], dim=9, keys=[1, 2]), "one value for each key: 2"),
        (dict(values=np.ones(2), dim=2), "float32 values, got float64"),
        (dict(values=np.ones((2, 1), np.float32), dim=2), "shape"),
        (dict(values=[1.0], dim=2, keys=np.ones((1, 1), int)), "shape"),
        (dict(values=[1.0], dim=2, keys=[0.5]), "integer keys"),
        (dict(values=[1.0], dim=2, keys=[-1]), "keys in 0 … 1"),
        (dict(values=[1.0], dim=2, keys=[2]), "keys in 0 … 1"),
        (dict(values=[1.0, 2.0], dim=9, keys=np.array([5, 5], np.uint32)), "strictly increasing .* got key 5 after 5 at position 1"),
        (dict(values=[1.0], dim=9, keys=np.array([9], np.uint32)), "below dim 9, got key 9 at position 0"),
    ],
)
def test_bad_gradients_are_refused_with_what_came(arguments, says):
    with pytest.raises(gw.DataError, match=says):
        gw.Gradient(**arguments)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nonfinite_values_name_key_and_rank(bad):
    g = gw.Gradient(np.array([1, bad], np.float32), 10, [3, 9])
    with pytest.raises(gw.DataError, match="key 9 on rank 2"):
        g.check_finite(2)


pairs = st.dictionaries(st.integers(0, 60), st.floats(-4, 4, width=32), max_size=40)


def arrays(mapping):
    keys = np.array(sorted(mapping), np.uint32)
    return keys, np.array([mapping[key] for key in keys.tolist()], np.float32)


@given(pairs, pairs)
def test_sum_of_sparse_vectors_is_the_dense_sum(a, b):
    keys, values = sparse.add(*arrays(a), *arrays(b))
    assert keys.tolist() == sorted(a.keys() | b.keys())
    for key, value in zip(keys.tolist(), values):
        assert value == (np.float32(a[key]) + np.float32(b[key]) if key in a and key in b else np.float32(a.get(key, b.get(key))))


@given(st.lists(st.tuples(st.integers(0, 5000), st.floats(-4, 4, width=32)), max_size=80))
def test_sort_reduce_sums_equal_keys_in_input_order(pairs):
    keys = np.array([key for key, _ in pairs], np.uint32)
    values = np.array([value for _, value in pairs], np.float32)
    found_keys, found = sparse.sort_reduce(keys.copy(), values.copy(), 5001)
    assert found_keys.tolist() == np.unique(keys).tolist()
    for key, value in zip(found_keys.tolist(), found):
        expected = np.float32(0)
        for i, one in enumerate(values[keys == key]):
            expected = one if i == 0 else expected + one
        assert value == expected


@given(pairs)
def test_selection_kernels_match_numpy(mapping):
    keys, values = arrays(mapping)
    dense = np.zeros(61, np.float32)
    sparse.scatter(dense, keys, values)
    expected = np.zeros(61, np.float32)
    expected[keys] = values
    assert np.array_equal(dense, expected)
    assert np.array_equal(sparse.gather(dense, keys), values)
    sparse.scatter_add(dense, keys, values, 2.0)
    expected[keys] += np.float32(2) * values
    assert np.array_equal(dense, expected)
    found_keys, found = sparse.nonzero(dense)
    assert found_keys.tolist() == np.flatnonzero(dense).tolist()
    assert np.array_equal(found, dense[np.flatnonzero(dense)])
    mask = (values > 0).astype(np.uint8)
    found_keys, found = sparse.compress(mask, keys, values)
    assert np.array_equal(found_keys, keys[mask == 1])
    assert np.array_equal(found, values[mask == 1])
    other = np.ones(61, np.float32)
    sparse.axpy(other, dense, -0.5)
    assert np.array_equal(other, np.ones(61, np.float32) + np.float32(-0.5) * dense)


def test_selection_and_checks_at_every_length(simd_level):
    rng = np.random.default_rng(0)
    for n in [*range(70), 257, 1000]:
        keys = np.sort(rng.permutation(4 * n + 5)[:n]).astype(np.uint32)
        for share in (0.0, 0.3, 1.0):
            kept = rng.random(n) < share
            values = np.where(kept, rng.normal(size=n), rng.choice([0.0, -0.0], n)).astype(np.float32)
            found = sparse.compress(kept.astype(np.uint8) * 3, keys, values)
            assert np.array_equal(found[0], keys[kept]) and np.array_equal(found[1], values[kept])
            found = sparse.nonzero(values)
            assert np.array_equal(found[0], np.flatnonzero(kept)) and np.array_equal(found[1], values[kept])
            found = sparse.drop_zeros(keys, values)
            assert (found is None) == kept.all()
            assert found is None or (np.array_equal(found[0], keys[kept]) and np.array_equal(found[1], values[kept]))
            out = np.linspace(-1, 1, n).astype(np.float32)
            expected = out + np.float32(0.3) * values
            sparse.axpy(out, values, 0.3)
            assert np.array_equal(out, expected)
        assert sparse.first_unsorted(keys, 4 * n + 5) == -1
        assert sparse.first_nonfinite(values) == -1
        for at in range(0, n, 1 + n // 9):
            wrong = keys.copy()
            wrong[at] = 2**32 - 1
            assert sparse.first_unsorted(wrong, 4 * n + 5) == at
            if at:
                wrong[at] = keys[at - 1]
                assert sparse.first_unsorted(wrong, 4 * n + 5) == at
            for bad in (np.nan, np.inf, -np.inf):
                broken = values.copy()
                broken[at] = bad
                assert sparse.first_nonfinite(broken) == at
                assert np.isin(at, sparse.nonzero(broken)[0])


def test_checks_on_empty_arrays():
    empty = np.empty(0, np.uint32)
    assert sparse.first_unsorted(empty, 1) == -1
    assert sparse.first_nonfinite(np.empty(0, np.float32)) == -1
    assert [len(part) for part in sparse.sort_reduce(empty.copy(), np.empty(0, np.float32), 7)] == [0, 0]
