"""Array files: a dict of arrays and numbers as one file that is whole or refused. What checkpoints are made of.

Little-endian; every array starts at a multiple of 64 bytes, what lies between is zeros:

    0   8  magic "GRDWARR" and a line end
    8   4  version (1)
    12  4  length of the header, at most 2²⁰
    16  8  length of the file
    24  8  xxh3-64 of all other bytes
    32     the header, JSON: {"arrays": [{"name", "dtype", "shape", "offset", "length"}, …], "values": {name: int, float, bool or str}}
    …      the arrays, in the header's order, C-contiguous

A file appears under its name only when it is on the disk, and a failed write leaves what stood there before. Nothing in a file is
executed or unpickled, and nothing is allocated that the file's own size does not cover. Compression and mapping into memory are not here.
"""

import errno
import glob
import json
import math
import os
import secrets
import struct
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import xxhash

from . import regular
from .errors import DataError

VERSION = 1
DTYPES = ("<f4", "<f8", "<f2", "<i8", "<i4", "<i2", "|i1", "<u8", "<u4", "<u2", "|u1", "|b1")
_MAGIC = b"GRDWARR\n"
_PREFIX = struct.Struct("<8sIIQQ")
_CHECKSUM_AT = 24
_MOST_HEADER = 1 << 20
_ALIGN = 64
_BLOCK = 1 << 22


def write(path, arrays):
    """Make `arrays` (name → array, int, float, bool or str) the file `path`, durably; NumPy scalars become arrays of shape ().

    Contiguous little-endian arrays are not copied. DataError for what such a file cannot hold, OSError where the disk refuses.
    """
    path = Path(path)
    entries, blobs, values = [], [], {}
    for name, value in arrays.items():
        if type(value) in (int, float, bool, str):
            values[name] = value
        else:
            blobs.append(_plain(name, value))
            entries.append({"name": name, "dtype": blobs[-1].dtype.str, "shape": list(blobs[-1].shape)})
    prefix = _prefix(path, entries, blobs, values)
    temporary = aside(path)
    try:
        with named(path), open(temporary, "xb", buffering=0) as file:
            _write_all(file, prefix, blobs)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def read(path):
    """What `write` was given. DataError names the file and what is wrong with it; a file that was not written by `write` is refused."""
    try:
        regular.check(path)
        with open(path, "rb", buffering=0) as file:
            return _read(file, os.fstat(file.fileno()).st_size)
    except (OSError, _DamageError) as error:
        raise DataError(f"{path}: not a whole array file: {getattr(error, 'strerror', None) or error}") from error


def aside(path):
    """A name beside `path`, of this process alone, for what is to become `path`."""
    return path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")


def clean(path):
    """Remove what crashed processes have left of their work on `path`, which nobody else may be writing now."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        left.unlink(missing_ok=True)


@contextmanager
def named(path):
    """Errors of system calls on a descriptor do not say which file it was: here it is `path`."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def sync_folder(folder):
    """Make the names in `folder` durable. Some file systems cannot; they do without."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


class _DamageError(Exception):
    """What is wrong with the bytes."""


def _aligned(n):
    return -(-n // _ALIGN) * _ALIGN


def _plain(name, value):
    array = np.asarray(value)
    array = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
    if array.dtype.str not in DTYPES:
        raise DataError(f"{name!r}: expected numbers of a dtype among {', '.join(DTYPES)}, or int, float, bool or str, got {array.dtype}")
    return array


def _prefix(path, entries, blobs, values):
    """The bytes before the first array, with a checksum of 0. Offsets lengthen the header and it moves them, until they agree."""
    start = 0
    while True:
        offset = start
        for entry, blob in zip(entries, blobs):
            entry |= {"offset": offset, "length": blob.nbytes}
            offset = _aligned(offset + blob.nbytes)
        end = entries[-1]["offset"] + entries[-1]["length"] if entries else start
        header = json.dumps({"arrays": entries, "values": values}).encode()
        if len(header) > _MOST_HEADER:
            raise DataError(f"{path}: expected names and values of at most {_MOST_HEADER} bytes, got {len(header)}")
        if start >= _PREFIX.size + len(header):
            return (_PREFIX.pack(_MAGIC, VERSION, len(header), end, 0) + header).ljust(start, b"\0")
        start = _aligned(_PREFIX.size + len(header))


def _write_all(file, prefix, blobs):
    digest = xxhash.xxh3_64(prefix[:_CHECKSUM_AT])
    digest.update(prefix[_CHECKSUM_AT + 8 :])
    _put(file, memoryview(prefix))
    for blob in blobs:
        _put(file, bytes(_aligned(file.tell()) - file.tell()), digest)
        _put(file, memoryview(blob.reshape(-1).view(np.uint8)), digest)
    os.pwrite(file.fileno(), digest.digest()[::-1], _CHECKSUM_AT)


def _put(file, view, digest=None):
    """Write all of `view`, in blocks that are still in the processor's cache when the checksum reads them."""
    view, start = memoryview(view), 0
    while start < len(view):
        block = view[start : start + _BLOCK]
        if digest is not None:
            digest.update(block)
        done = 0
        while done < len(block):
            done += file.write(block[done:])
        start += len(block)


def _read(file, size):
    prefix = file.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size:
        raise _DamageError(f"expected at least {_PREFIX.size} bytes, got {len(prefix)}")
    magic, version, header_size, claimed, checksum = _PREFIX.unpack(prefix)
    if magic != _MAGIC:
        raise _DamageError(f"expected the magic {_MAGIC!r}, got {magic!r}")
    if version != VERSION:
        raise _DamageError(f"expected format version {VERSION}, got {version}")
    if claimed != size:
        raise _DamageError(f"expected {claimed} bytes, got {size}")
    if header_size > min(_MOST_HEADER, size - _PREFIX.size):
        raise _DamageError(f"expected a header of at most {min(_MOST_HEADER, size - _PREFIX.size)} bytes, got one of {header_size}")
    header = file.read(header_size)
    digest = xxhash.xxh3_64(prefix[:_CHECKSUM_AT])
    digest.update(header)
    entries, values = _parse(header)
    at = _PREFIX.size + len(header)
    _check_entries(entries, values, at, size)
    found = {}
    for entry in entries:
        _skip(file, entry["offset"] - at, digest)
        found[entry["name"]] = _read_array(file, entry, digest)
        at = entry["offset"] + entry["length"]
    _skip(file, size - at, digest)
    if digest.intdigest() != checksum:
        raise _DamageError("the checksum does not match the bytes")
    for name, array in found.items():
        if array.dtype == bool and (array.view(np.uint8) > 1).any():
            raise _DamageError(f"array {name!r}: expected bytes 0 and 1 as truth values")
    return found | values


def _parse(header):
    """(entries, values) of the header, all names and types checked."""
    try:
        parsed = json.loads(header, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise _DamageError(f"the header cannot be read: {error}") from error
    if not isinstance(parsed, dict) or parsed.keys() != {"arrays", "values"}:
        raise _DamageError("expected a header of arrays and values")
    entries, values = parsed["arrays"], parsed["values"]
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        raise _DamageError("expected arrays described by name, dtype, shape, offset and length")
    if not isinstance(values, dict) or not all(type(value) in (int, float, bool, str) for value in values.values()):
        raise _DamageError("expected values that are numbers, truth values or text")
    return entries, values


def _distinct(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _is_entry(entry):
    return (
        isinstance(entry, dict)
        and entry.keys() == {"name", "dtype", "shape", "offset", "length"}
        and isinstance(entry["name"], str)
        and entry["dtype"] in DTYPES
        and isinstance(entry["shape"], list)
        and len(entry["shape"]) <= 32
        and all(type(n) is int and n >= 0 for n in [*entry["shape"], entry["offset"], entry["length"]])
    )


def _check_entries(entries, values, at, size):
    """The arrays must lie behind each other, fill the file exactly, and have names of their own."""
    names = [entry["name"] for entry in entries]
    if len({*names, *values}) < len(names) + len(values):
        raise _DamageError("a name is there twice")
    for entry in entries:
        length = math.prod(entry["shape"]) * np.dtype(entry["dtype"]).itemsize
        if (entry["offset"], entry["length"]) != (_aligned(at), length) or entry["offset"] + length > size:
            raise _DamageError(
                f"array {entry['name']!r}: expected {length} bytes at {_aligned(at)} of {size}, got {entry['length']} at {entry['offset']}"
            )
        at = entry["offset"] + length
    end = at if entries else _aligned(at)
    if end != size:
        raise _DamageError(f"expected the arrays to end at byte {size}, got {end}")


def _skip(file, count, digest):
    gap = file.read(count)
    if gap != bytes(count):
        raise _DamageError("expected zeros between the arrays")
    digest.update(gap)


def _read_array(file, entry, digest):
    try:
        array = np.empty(entry["shape"], entry["dtype"])
    except (ValueError, OverflowError, MemoryError) as error:  # an empty array of impossible dimensions; a file larger than the memory
        raise _DamageError(f"array {entry['name']!r}: {error}") from error
    view, start = memoryview(array.reshape(-1).view(np.uint8)), 0
    while start < len(view):
        got = file.readinto(view[start : start + _BLOCK])
        if not got:
            raise _DamageError(f"array {entry['name']!r}: expected {len(view)} bytes, got {start}")
        digest.update(view[start : start + got])
        start += got
    return array
