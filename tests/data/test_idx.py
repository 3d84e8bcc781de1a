"""The idx format: what is read, and what is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from gradwire.data import idx
from gradwire.errors import DataError


def test_a_file_written_by_hand():
    array = idx.read(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255]))
    assert array.dtype == np.uint8
    assert array.tolist() == [[1, 2, 3], [4, 5, 255]]


@given(nps.arrays(np.uint8, nps.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)))
def test_what_was_written_is_read(array):
    content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
    assert np.array_equal(idx.read(content), array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an idx file of unsigned bytes, got one that begins with "),
        (b"\0\0\x08", "begins with 000008"),
        (b"\0\0\x08\0", "begins with 00000800"),
        (b"\0\0\x0d\x01" + bytes(8), "begins with 00000d01"),  # of 32-bit floats
        (b"\0\0\x08\x02" + bytes(7), "begins with 00000802"),
        (b"\0\0\x08\x01\0\0\0\x03ab", r"expected 3 bytes for shape \(3,\), got 2"),
        (b"\0\0\x08\x01\0\0\0\x03abcd", r"expected 3 bytes for shape \(3,\), got 4"),
        (b"\0\0\x08\x02" + b"\xff" * 8, r"expected 18446744065119617025 bytes for shape"),
    ],
)
def test_another_file_is_refused(content, message):
    with pytest.raises(DataError, match=message):
        idx.read(content)


@given(st.binary(max_size=40))
def test_any_bytes_are_an_array_or_refused(content):
    for some in (content, b"\0\0\x08" + content):
        try:
            assert idx.read(some).dtype == np.uint8
        except DataError:
            pass
