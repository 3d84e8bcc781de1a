"""The checks that value coders share: how many values, how many bytes, all finite."""

import numpy as np

from ..._ext import sparse as _sparse
from ...errors import CorruptMessage, DataError


def flat(values):
    """`values` as the contiguous float32 array that a kernel reads; not copied if it is one."""
    return np.ascontiguousarray(values, np.float32)


def count(keys, nnz):
    """How many values a payload holds: one for each key, or nnz for a dense gradient."""
    if keys is None and nnz is None:
        raise DataError("expected the keys or nnz, the number of values, got neither")
    return nnz if keys is None else len(keys)


def checked(name, payload, nbytes):
    """`payload` as a uint8 array of exactly `nbytes`, else CorruptMessage. Call it before anything is allocated."""
    payload = np.frombuffer(payload, np.uint8)
    if len(payload) != nbytes:
        raise CorruptMessage(f"{name} values: expected {nbytes} bytes, got {len(payload)}")
    return payload


def tabled(name, payload, nbytes):
    """`payload` as a uint8 array with at least the `nbytes` of the tables, else CorruptMessage; for codes whose size is not known."""
    payload = np.frombuffer(payload, np.uint8)
    if len(payload) < nbytes:
        raise CorruptMessage(f"{name} values: expected at least {nbytes} bytes, got {len(payload)}")
    return payload


def refuse_nonfinite(name, values):
    """DataError that names the first NaN or infinity of `values`, if there is one."""
    at = _sparse.first_nonfinite(values)
    if at >= 0:
        raise DataError(f"{name} values: expected finite values, got {values[at]} at position {at}")
