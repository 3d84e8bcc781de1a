""".npy and .npz files that somebody else may have made: NumPy's formats, without what in them is not a plain array.

https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, versions 1.0 and 2.0. A header is held against the bytes that
are there before anything is allocated. Objects (pickles), structures and text are refused, packed members but for deflated ones too.
"""

import io
import math
import tokenize
import zipfile
import zlib

import numpy as np

from . import regular
from .errors import DataError

_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_NO_HEADER = (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, OverflowError, EOFError, tokenize.TokenError)
"""What NumPy's parser of headers, which reads them as Python literals, raises for made-up ones."""
_MOST_DEFLATED = 1032


def mapped(path):
    """The array of a .npy file, mapped read-only. DataError says what is wrong with it, without its path."""
    try:
        regular.check(path)
        with open(path, "rb") as file:
            shape, dtype, order, offset = _header(file)
            found = file.seek(0, io.SEEK_END) - offset
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})") from error
    _check_size(shape, dtype, found)
    return np.asarray(np.memmap(path, dtype, "r", offset, shape, order))


def members(path):
    """{name: array} of an .npz file. DataError says what is wrong with it, without its path."""
    try:
        regular.check(path)
        with zipfile.ZipFile(path) as archive:
            return {info.filename.removesuffix(".npy"): _member(archive, info) for info in archive.infolist()}
    except zipfile.BadZipFile as error:
        with open(path, "rb") as file:
            single = file.read(6) == np.lib.format.MAGIC_PREFIX
        raise DataError("it holds a single array, as a .npy file does" if single else str(error)) from error
    except (zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise DataError(str(error)) from error


def _member(archive, info):
    if not info.filename.endswith(".npy"):
        raise DataError(f"expected arrays, got {info.filename!r}")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.file_size > _MOST_DEFLATED * (info.compress_size + 1):
        raise DataError(f"{info.filename}: expected a stored or deflated array, got {info.file_size} bytes in {info.compress_size}")
    with archive.open(info) as file:
        shape, dtype, order, offset = _header(file)
        _check_size(shape, dtype, info.file_size - offset)
        return np.frombuffer(file.read(), dtype).reshape(shape, order=order)


def _header(file):
    """(shape, dtype, "C" or "F", where the array begins)"""
    try:
        shape, by_columns, dtype = _READERS[np.lib.format.read_magic(file)](file)
    except KeyError as error:
        raise DataError(f"expected .npy format 1.0 or 2.0, got {error}") from error
    except _NO_HEADER as error:
        raise DataError(f"the header of the array cannot be read: {error}") from error
    if dtype.kind not in "fiub" or not all(type(n) is int and n >= 0 for n in shape):
        raise DataError(f"expected plain numbers, got {dtype} of shape {shape}")
    return shape, dtype, "F" if by_columns else "C", file.tell()


def _check_size(shape, dtype, found):
    expected = math.prod(shape) * dtype.itemsize
    if expected != found:
        raise DataError(f"expected {expected} bytes of {dtype} {shape}, got {found}")
