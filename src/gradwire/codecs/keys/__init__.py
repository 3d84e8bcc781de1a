"""Key coders: strictly increasing uint32 keys ↔ bytes, without loss. Here is what those with a compiled decoder share."""

import numpy as np

from ...errors import CorruptMessage, DataError
from ...gradient import checked_keys

# In the order of `enum gw_keys_error` in cython_ext/keys_error.h.
_ERRORS = (
    "",
    "flags that ask for another number of bytes",
    "unused bits that are set",
    "a flag that stands for nothing",
    "keys that do not increase or are too large",
)


def check_decoded(name, error, nbytes, nnz, dim):
    """Raise CorruptMessage if `error`, the return value of a compiled decoder, is not 0."""
    if error:
        raise CorruptMessage(f"{name}: expected {nnz} strictly increasing keys below {dim} in {nbytes} bytes, got {_ERRORS[error]}")


def no_keys(name, payload):
    """uint32 (0,): what a payload of no keys decodes to. CorruptMessage if it has bytes."""
    if len(payload):
        raise CorruptMessage(f"{name}: expected no bytes for no keys, got {len(payload)}")
    return np.empty(0, np.uint32)


def whole_bytes(bits):
    """How many bytes hold so many bits."""
    return (bits + 7) // 8


def check_room(name, nbytes, least, nnz, dim):
    """Raise CorruptMessage, before anything is allocated, if nnz keys need more than nbytes or there are fewer than nnz below dim."""
    if nnz > dim:
        raise CorruptMessage(f"{name}: expected at most {dim} keys below {dim}, got {nnz}")
    if nbytes < least:
        raise CorruptMessage(f"{name}: expected at least {least} bytes for {nnz} keys, got {nbytes}")


def plain_keys(keys, dim):
    """`keys` as a contiguous uint32 array, for a kernel that looks itself at the order of the keys; see `refuse`."""
    if type(keys) is np.ndarray and keys.dtype == np.uint32 and keys.ndim == 1 and keys.flags.c_contiguous:
        return keys
    return checked_keys(keys, dim)


def refuse(keys, dim):
    """Raise the DataError of keys that a kernel has found out of order or not below dim."""
    checked_keys(keys, dim)
    raise DataError("expected keys that stay as they are while they are encoded")
