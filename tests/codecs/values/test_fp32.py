"""fp32: bits in, the same bits out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import gradwire as gw
from gradwire.errors import CorruptMessage, DataError

STEP = gw.Step(3, 5, 1)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(arrays(np.float32, st.integers(0, 50), elements=FINITE))
def test_every_bit_comes_back(values):
    coder = gw.values("fp32")
    payload = coder.encode(values, None, STEP)
    assert bytes(payload) == values.astype("<f4").tobytes()
    back = coder.decode(bytes(payload), None, STEP, len(values))
    np.testing.assert_array_equal(back.view(np.uint32), values.view(np.uint32))


def test_claims():
    coder = gw.values("fp32")
    assert coder.unbiased and coder.omega(10) == 0.0 and coder.spec == "fp32"
    assert coder.select(np.zeros(3, np.float32), STEP).all() and coder.tables_nbytes(b"", 0) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_finite(bad):
    coder, values = gw.values("fp32"), np.array([1, bad], np.float32)
    with pytest.raises(DataError, match="at position 1"):
        coder.encode(values, None, STEP)
    with pytest.raises(CorruptMessage, match="finite"):
        coder.decode(values.tobytes(), None, STEP, 2)


def test_refuses_another_length():
    coder, keys = gw.values("fp32"), np.arange(3, dtype=np.uint32)
    with pytest.raises(CorruptMessage, match="expected 12 bytes, got 11"):
        coder.decode(bytes(11), keys, STEP)
    with pytest.raises(CorruptMessage, match="expected 17179869184 bytes"):
        coder.decode(bytes(11), None, STEP, 1 << 32)
    with pytest.raises(DataError, match="the keys or nnz"):
        coder.decode(bytes(12), None, STEP)
