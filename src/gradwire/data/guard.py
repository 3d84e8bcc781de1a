"""Mapped files that change under a run: found out, or at least said, before the run makes anything of them.

A file that is overwritten or replaced is found at the end of an epoch, by its size, time of change and inode. One that is cut off raises
SIGBUS where it is read, which Python cannot catch: a handler in C says what happened (cython_ext/mapped.h). A change that keeps all three
of a file is not seen.
"""

from .._ext import mapped
from ..errors import DataError

_SPREAD_MS = 10_000
_APART_MS = 500


class Guard:
    """The files that arrays were mapped from, as they are when this is made. arrays: [(path, array)]."""

    def __init__(self, folder, arrays):
        self._folder, self._arrays = folder, arrays
        self._stamps = {path: _stamp(path) for path, _ in arrays}

    def check(self):
        """DataError naming the first file that is not what it was."""
        for path, stamp in self._stamps.items():
            if (found := _stamp(path)) != stamp:
                what = "is no longer there" if found is None else "has changed"
                raise DataError(
                    f"damaged cache: {path} {what} since this run began to read it; remove {self._folder} to have it prepared again"
                )

    def explain(self, rank=0, size=1):
        """From now on a file that is cut off is said by this rank before its process ends: each rank in its turn, as the first ends all."""
        who, again = f"rank {rank}: " if size > 1 else "", f"remove {self._folder} to have it prepared again"
        texts = [
            (array, f"gradwire: {who}damaged cache: {path} was cut off while this run read it; {again}\n".encode())
            for path, array in self._arrays
        ]
        mapped.explain(texts, rank * min(_APART_MS, _SPREAD_MS // size))


def _stamp(path):
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
