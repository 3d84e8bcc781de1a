"""raw: the bytes are the keys."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire


@given(data=st.data())
@settings(deadline=None)
def test_roundtrip(key_sets, data):
    keys, dim = data.draw(key_sets)
    coder = gradwire.keys("raw")
    payload = bytes(coder.encode(keys, dim))
    assert payload == keys.astype("<u4").tobytes()
    assert coder.estimate(keys, dim) == len(payload) == 4 * len(keys)
    np.testing.assert_array_equal(coder.decode(payload, len(keys), dim), keys)


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_hostile_bytes(key_sets, attack, data):
    attack(gradwire.keys("raw"), *data.draw(key_sets), seed=data.draw(st.integers(0, 1000)))


@pytest.mark.parametrize("keys", [[3, 3], [3, 1], [0, 100], [-1, 5]])
@pytest.mark.parametrize("spec", ["raw", "byteflag", "bitflag", "adaptive"])
def test_refuses_what_are_not_keys(spec, keys):
    with pytest.raises(gradwire.DataError, match="expected"):
        gradwire.keys(spec).encode(np.array(keys), 100)
