"""The idx format of MNIST: arrays of bytes behind a short header, big-endian (LeCun, Cortes and Burges, MNIST).

    0 0 8 d, 8 for unsigned bytes, d dimensions      d sizes, uint32      the bytes, the last dimension changing fastest

Only unsigned bytes are read: no other file of the kind is in use here.
"""

import math

import numpy as np

from ..errors import DataError


def read(content):
    """uint8 array, a view of the bytes of an idx file. DataError if that is not what they are."""
    ndim = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    start = 4 + 4 * ndim
    if not ndim or len(content) < start:
        raise DataError(f"expected an idx file of unsigned bytes, got one that begins with {content[:4].hex()}")
    shape = tuple(np.frombuffer(content, ">u4", ndim, 4).tolist())
    if len(content) - start != math.prod(shape):
        raise DataError(f"expected {math.prod(shape)} bytes for shape {shape}, got {len(content) - start}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


__all__ = ["read"]
