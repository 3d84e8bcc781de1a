"""Orthonormal columns that all ranks agree on, whatever they are made of; products; where matrices lie."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire.blocks import Block
from gradwire.collectives.factors import layout, left_factor, orthonormal, product, right_factor

STEP = gw.Step(4, 5)


@given(seed=st.integers(0, 2**32), n=st.integers(1, 60), data=st.data())
@settings(max_examples=60, deadline=None)
def test_columns_are_orthonormal_and_span_those_given(seed, n, data):
    """Also where columns are zeros, equal, nearly equal, huge or tiny."""
    rng, k = np.random.default_rng(seed), data.draw(st.integers(1, n))
    factor = rng.normal(size=(k, n)).astype(np.float32)
    for j in range(k):
        how = data.draw(st.sampled_from(["random", "zeros", "equal", "near", "huge", "tiny"]))
        factor[j] *= {"zeros": 0, "huge": 1e37, "tiny": 1e-42}.get(how, 1)
        if j and how in ("equal", "near"):
            factor[j] = factor[j - 1] * (0.5 if how == "equal" else 1 + 1e-6 * rng.normal(size=n))
    with np.errstate(all="raise", under="ignore"):
        found = orthonormal(factor, STEP, "p").astype(np.float64)
    assert np.allclose(found @ found.T, np.eye(k), atol=3e-7)
    for column in factor.astype(np.float64):
        rest = column - found.T @ (found @ column)
        assert np.linalg.norm(rest) <= 1e-6 * np.linalg.norm(column)


def test_gram_schmidt_by_hand():
    assert orthonormal(np.float32([[3, 4, 0], [3, 4, 5]]), STEP, "").tolist() == np.float32([[0.6, 0.8, 0], [0, 0, 1]]).tolist()


def test_what_stands_in_is_random_and_the_same_on_all_ranks():
    zeros = np.zeros((2, 50), np.float32)
    found = orthonormal(zeros, STEP, "q/0")
    assert np.array_equal(found, orthonormal(zeros, gw.Step(4, 5, rank=3), "q/0"))
    others = [orthonormal(zeros, gw.Step(5, 5), "q/0"), orthonormal(zeros, gw.Step(4, 6), "q/0"), orthonormal(zeros, STEP, "p/0")]
    assert all(abs(found[0] @ other[0]) < 0.6 for other in others)
    many = np.array([orthonormal(zeros[:1], gw.Step(i), "")[0] for i in range(500)])
    assert np.allclose(many.mean(axis=0), 0, atol=5 / np.sqrt(500 * 50)) and np.allclose(np.square(many).mean(axis=0), 1 / 50, atol=0.01)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 1), (3, 5, 4), (2, 700, 300), (2, 3, 100_000)])
def test_products_are_rounded_one_by_one(shape):
    """Equal to a loop of float32 operations: no fused ones, no other order."""
    k, n, m = shape
    rng = np.random.default_rng(1)
    p, q = rng.normal(size=(k, n)).astype(np.float32), rng.normal(size=(k, m)).astype(np.float32)
    out = np.full((n, m), np.nan, np.float32)
    product(p, q, out)
    expected = np.zeros((n, m), np.float32)
    for j in range(k):
        expected = expected + np.outer(p[j], q[j])
    assert np.array_equal(out, expected)


@pytest.mark.parametrize(("k", "n", "m"), [(1, 1, 1), (1, 300, 200), (2, 5, 3), (3, 700, 400), (8, 3, 50_000), (4, 1000, 64)])
def test_factors_are_products_with_the_matrix(k, n, m):
    """Few rows at a time, whatever the shape."""
    rng = np.random.default_rng(2)
    matrix, q, p = (rng.normal(size=shape).astype(np.float32) for shape in ((n, m), (k, m), (k, n)))
    left, right = np.full((k, n), np.nan, np.float32), np.full((k, m), np.nan, np.float32)
    left_factor(matrix, q, left)
    right_factor(matrix, p, right)
    for found, expected in ((left, q.astype(float) @ matrix.T), (right, p.astype(float) @ matrix)):
        assert np.allclose(found, expected, atol=2e-6 * max(n, m))


def test_matrices_and_what_is_between_them():
    blocks = [
        Block("a", 0, (4,)),
        Block("b", 4, ()),
        Block("c", 5, (20, 5, 4)),
        Block("d", 405, (2, 2)),
        Block("e", 409, (0, 9)),
        Block("f", 409, (6,)),
    ]
    found = layout(415, blocks, 2, 2)
    assert [matrix[:] for matrix in found.matrices] == [("c", 5, 400, 20, 20, 2)]
    assert found.plain == ((0, 5), (405, 415)) and found.plain_size == 15
    assert [found.key_of_plain(at) for at in (0, 4, 5, 14)] == [0, 4, 405, 414]
    values, plain = np.arange(415, dtype=np.float32), np.empty(15, np.float32)
    found.take_plain(values, plain)
    assert plain.tolist() == [*range(5), *range(405, 415)]
    back = np.zeros(415, np.float32)
    found.put_plain(back, plain)
    assert np.array_equal(back, np.where((values < 5) | (values >= 405), values, 0))
    assert np.array_equal(found.matrices[0].of(values).ravel(), values[5:405])


@pytest.mark.parametrize(
    ("dim", "shape"), [(1, (1, 1)), (2, (2, 1)), (9, (3, 3)), (10, (4, 3)), (12, (4, 3)), (13, (4, 4)), (230_208, (480, 480))]
)
def test_a_flat_gradient_is_nearly_square(dim, shape):
    (matrix,) = layout(dim, [Block("", 0, (dim,))], 1, 0).matrices
    assert (matrix.rows, matrix.cols) == shape and matrix.size == dim
    values = np.arange(1, dim + 1, dtype=np.float32)
    padded = matrix.of(values).ravel()
    assert np.array_equal(padded[:dim], values) and not padded[dim:].any()
    out = np.zeros(dim, np.float32)
    matrix.put(out, np.ones((1, shape[0]), np.float32), np.full((1, shape[1]), 2, np.float32))
    assert (out == 2).all()


def test_one_matrix_alone_is_no_flat_gradient():
    (matrix,) = layout(600, [Block("w", 0, (6, 100))], 2, 2).matrices
    assert (matrix.rows, matrix.cols) == (6, 100)
    assert layout(600, [Block("a", 0, (300,)), Block("b", 300, (300,))], 2, 2) == (600, (), ((0, 600),))
