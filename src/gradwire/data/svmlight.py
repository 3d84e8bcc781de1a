"""Reading svmlight / libsvm text in byte ranges and blocks, and saying exactly what is wrong with it.

The compiled parser (cython_ext/libsvm.h has the grammar) sees blocks of whole lines, so memory does not grow with the file.
Compressed files are not read, and neither n_features nor zero_based is ever inferred.
"""

from pathlib import Path

import numpy as np

from .. import regular
from .._ext import libsvm as _libsvm
from ..errors import DataError
from .base import CSR

_BLOCK = 1 << 20
_LONGEST_LINE = 1 << 28
_NEWLINE = ord("\n")
_PACKED = {b"BZh": "bunzip2", b"\x1f\x8b": "gunzip", b"\xfd7zXZ": "unxz", b"PK\x03\x04": "unzip", b"\x28\xb5\x2f\xfd": "unzstd"}


def parse_range(path, start, stop, n_features, zero_based):
    """CSR of the lines of `path` that begin in bytes start … stop-1; labels as they are in the file.

    Ranges that cover the file give every row once, in order. DataError names file, line, what was expected and what came.
    """
    size = identify(Path(path))["bytes"]
    if not 0 <= start <= stop <= size:
        raise DataError(f"{path}: expected a byte range inside 0 … {size}, got {start} … {stop}")
    blocks = []
    for _, rows, _ in parse_blocks(path, start, stop, n_features, zero_based, size):
        values = None if rows.values is None else rows.values.copy()
        blocks.append((np.diff(rows.indptr), rows.indices.copy(), values, rows.labels.copy()))
    if not blocks:
        return CSR(np.zeros(1, np.int64), np.empty(0, np.uint32), None, np.empty(0, np.float32), n_features)
    lengths, indices, values, labels = zip(*blocks)
    indptr = np.concatenate([np.zeros(1, np.int64), *lengths])
    np.cumsum(indptr, out=indptr)
    if all(v is None for v in values):
        values = None
    else:
        values = np.concatenate([np.ones(len(i), np.float32) if v is None else v for i, v in zip(indices, values)])
    return CSR(indptr, np.concatenate(indices), values, np.concatenate(labels), n_features)


def parse_blocks(path, start, stop, n_features, zero_based, size):
    """Yields (offset, CSR, line_at) for block after block of the lines that begin in bytes start … stop-1 of a file of `size` bytes.

    line_at: int64 (n_rows,), where each row's line begins, counted from `offset`. The arrays hold until the next block is asked
    for: they are the parser's own. Memory is bounded by the block or the longest line.
    """
    parser = _libsvm.Parser(n_features, zero_based)
    for at, text, end, is_cut in _blocks(path, start, stop, size):
        error, error_at, error_key, labels, line_at, indptr, indices, values = parser.parse(text, end)
        if error != _libsvm.OK:
            raise _explain(path, at, text[:end], (error, error_at, error_key), n_features, zero_based, is_cut)
        yield at, CSR(indptr, indices, values, labels, n_features), line_at


def _blocks(path, start, stop, size):
    """Yields (at, buffer, end, is_cut): buffer[:end] holds whole lines from byte `at` on; is_cut: the last one had no line end."""
    buffer, filled = bytearray(_BLOCK), 0
    with open(path, "rb", buffering=0) as file:
        at = _first_line(file, start, stop)
        file.seek(at)
        while at < stop:
            got = file.readinto(memoryview(buffer)[filled : -_libsvm.PAD])
            filled += got
            is_cut = got == 0 and filled > 0 and buffer[filled - 1] != _NEWLINE
            if got == 0:
                if at + filled < size:
                    raise DataError(f"{path}: expected {size} bytes, as when the work was shared out, got {at + filled}: the file was cut")
                buffer[filled] = _NEWLINE
                filled += is_cut
            end = buffer.rfind(b"\n", 0, filled) + 1
            if end >= stop - at:  # the last line that begins before stop ends at the first line end from stop - 1 on
                end = buffer.find(b"\n", stop - 1 - at, filled) + 1
            if end:
                yield at, buffer, end, is_cut and end == filled
                buffer[: filled - end] = buffer[end:filled]
                filled -= end
                at += end
            elif filled == len(buffer) - _libsvm.PAD:
                if len(buffer) >= _LONGEST_LINE:
                    raise DataError(f"{path}, line {line_number(path, at)}: expected lines below {_LONGEST_LINE} bytes, got a longer one")
                buffer.extend(bytes(len(buffer)))


def _first_line(file, start, stop):
    """Offset of the first line that begins at byte `start` or later; at least `stop` if none begins before it."""
    if start == 0:
        return 0
    at = file.seek(start - 1)
    while at < stop and (block := file.read(_BLOCK)):
        found = block.find(b"\n")
        if found >= 0:
            return at + found + 1
        at += len(block)
    return stop


def _explain(path, at, text, found, n_features, zero_based, is_cut):
    """DataError for what the parser found in `text`, which stands at byte `at` of the file."""
    error, error_at, error_key = found
    line_end = text.find(b"\n", error_at)
    rest = bytes(text[error_at : min(line_end, error_at + 200)])
    token = repr((rest.split() or [b""])[0][:40])[1:]
    low = 0 if zero_based else 1
    expected = {
        _libsvm.LABEL: f"expected a number as the label, got {token}",
        _libsvm.PAIR: f"expected index:value, got {token}",
        _libsvm.VALUE: f"expected a number after the colon, got {token}",
        _libsvm.INFINITE: f"expected a finite 32-bit number, got {token}",
        _libsvm.RANGE: f"expected an index in {low} … {n_features - 1 + low} (n_features = {n_features}, "
        f"zero_based = {str(zero_based).lower()}), got {token}",
        _libsvm.TWICE: f"expected each index once in a line, got {error_key + low} twice",
    }[error]
    hint = "; the last line of the file has no end: is the file cut off?" if is_cut and line_end == len(text) - 1 else ""
    return DataError(f"{path}, line {line_number(path, at + error_at)}: {expected}{hint}")


def line_number(path, offset):
    """1-based number of the line that holds byte `offset`."""
    number = 1
    with open(path, "rb", buffering=0) as file:
        while offset > 0 and (block := file.read(min(_BLOCK, offset))):
            number += block.count(b"\n")
            offset -= len(block)
    return number


def identify(path):
    """{"path", "bytes", "mtime_ns"}; DataError for a file that cannot be read, is empty, or is packed."""
    try:
        regular.check(path)
        stat = path.stat()
        with open(path, "rb") as file:
            head = file.read(6)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    if not head:
        raise DataError(f"{path}: expected lines of svmlight text, got an empty file")
    for magic, tool in _PACKED.items():
        if head.startswith(magic):
            raise DataError(f"{path}: expected svmlight text, got a compressed file; unpack it with {tool}")
    return {"path": str(path), "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


__all__ = ["identify", "line_number", "parse_blocks", "parse_range"]
