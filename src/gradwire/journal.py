"""Journal: a file is changed all at once or not at all, whatever ends the process in the middle.

    with journal.change(path) as draft, h5py.File(draft, "r+") as file: …        the change, made when the block ends
    with journal.create(path) as draft, h5py.File(draft, "w") as file: …         a new file, there when the block ends

A library writes to a Draft, which looks like a file. What lies behind the old end of the file goes there at once, where nobody looks yet;
pages that are written over are kept in memory. At the end room is reserved for them, they are stored beside the file as
<name>.journal, an array file (arrayfile.py) that is whole or not there, and only then go into the file. The journal is removed after that.
A change that was cut off before its journal was complete has changed nothing; one cut off later is completed by the next `change`,
and readers see it as completed by `view`. A full disk is met before the first old byte is touched.

This is write-ahead logging with redo (Mohan et al., ARIES, ACM TODS 1992) of one transaction. It does not keep two writers apart.
"""

import errno
import os
import signal
import threading
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np

from . import arrayfile
from .errors import DataError

PAGE = 4096
_DISTURBING = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM}


class Draft:
    """A file of bytes that can be read and written at any place, as h5py asks for it: the file, with pages of its own over it.

    No method fails because of the disk: inside a library's call that would leave its state undone. The first error is kept in `error`,
    and what is written later is dropped.
    """

    def __init__(self, path, file, pages=(), size=None):
        self.path, self.file = path, file
        self.old_size = os.fstat(file.fileno()).st_size
        self.size = self.old_size if size is None else size
        self.pages, self.before = dict(pages), {}
        self.error = None
        self._covered = -(-self.old_size // PAGE) * PAGE  # what pages hold; behind it is written at once
        self._at = 0

    def __repr__(self):
        return str(self.path)

    def seek(self, offset, whence=os.SEEK_SET):
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        return self._at

    def tell(self):
        return self._at

    def truncate(self, size=None):
        self.size = self._at if size is None else size
        return self.size

    def flush(self):
        """Nothing: the end of the change decides."""

    def read(self, size=-1):
        found = bytearray(max(0, self.size - self._at) if size < 0 else size)
        return bytes(found[: self.readinto(found)])

    def readinto(self, buffer):
        view = memoryview(buffer).cast("B")
        view = view[: max(0, min(len(view), self.size - self._at))]
        got = self._safely(os.preadv, [view], self._at) if view else 0
        view[got:] = bytes(len(view) - got)
        for number, start, stop in self._spans(self._at, self._at + len(view)):
            if number in self.pages:
                view[number * PAGE + start - self._at : number * PAGE + stop - self._at] = self.pages[number][start:stop]
        self._at += len(view)
        return len(view)

    def write(self, data):
        view = memoryview(data).cast("B")
        inside = min(len(view), max(0, self._covered - self._at))
        for number, start, stop in self._spans(self._at, self._at + inside):
            offset = number * PAGE + start - self._at
            self._page(number)[start:stop] = view[offset : offset + stop - start]
        self._safely(_put, view[inside:], self._at + inside)
        self._at += len(view)
        self.size = max(self.size, self._at)
        return len(view)

    def _page(self, number):
        if number not in self.pages:
            self.before[number] = (self._safely(os.pread, PAGE, number * PAGE) or b"").ljust(PAGE, b"\0")
            self.pages[number] = bytearray(self.before[number])
        return self.pages[number]

    def _safely(self, call, what, offset):
        """call(descriptor, what, offset), 0 once there is an error."""
        if self.error is None:
            try:
                return call(self.file.fileno(), what, offset)
            except OSError as error:
                self.error = error
        return 0

    @staticmethod
    def _spans(start, stop):
        """(page, first, last) of the bytes start … stop − 1."""
        while start < stop:
            number, first = divmod(start, PAGE)
            last = min(PAGE, first + stop - start)
            yield number, first, last
            start += last - first

    def changed(self):
        """The pages that are no longer what they were, in the order in which they must go into the file.

        The first one says how long the file is and what is behind the others; an index is written from its end to its beginning.
        """
        numbers = [number for number, page in self.pages.items() if page != self.before[number] and number * PAGE < self.size]
        return sorted(numbers, key=lambda number: (number > 0, -number))


@contextmanager
def create(path):
    """A Draft of a new file, which appears as `path`, durably, when the block ends; if it fails there is what was there before."""
    path = Path(path)
    temporary = arrayfile.aside(path)
    with _undisturbed():
        try:
            with open(temporary, "x+b", buffering=0) as file:
                draft = Draft(path, file)
                with _honest(draft):
                    yield draft
                os.ftruncate(file.fileno(), draft.size)
                os.fsync(file.fileno())
            of(path).unlink(missing_ok=True)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        arrayfile.sync_folder(path.parent)


@contextmanager
def change(path):
    """A Draft of the file `path`; all that was written to it is in the file, durably, when the block ends; nothing of it if that fails."""
    path = Path(path)
    with _undisturbed(), open(path, "r+b", buffering=0) as file:
        _complete(path, file)
        draft = Draft(path, file)
        try:
            with _honest(draft):
                yield draft
            with arrayfile.named(path):
                stored = _prepare(draft)
            arrayfile.write(of(path), stored)
        except BaseException:
            of(path).unlink(missing_ok=True)
            os.ftruncate(file.fileno(), draft.old_size)
            raise
        with arrayfile.named(path):
            _apply(file.fileno(), stored)
        of(path).unlink()


def view(path):
    """What to open for reading: the path, or a Draft of it with a change that was cut off, or is under way, as completed."""
    path = Path(path)
    try:
        stored = _stored(path)
    except FileNotFoundError:
        return path
    file = open(path, "rb", buffering=0)  # noqa: SIM115 it lives as long as the Draft
    pages = zip(stored["numbers"].tolist(), (page.tobytes() for page in stored["pages"]))
    return Draft(path, file, pages, int(stored["size"]))


def stamp(path):
    """Changes whenever the file or its journal does."""
    return tuple((found.st_mtime_ns, found.st_size) if (found := _stat(each)) else None for each in (Path(path), of(path)))


def of(path):
    """Where the journal of the file `path` lies while there is one."""
    return path.with_name(f"{path.name}.journal")


def _stat(path):
    try:
        return path.stat()
    except FileNotFoundError:
        return None


@contextmanager
def _undisturbed():
    """Signals that Python turns into exceptions wait: inside a callback from a library there is nobody to catch them.

    Blocked here, a signal goes to any other thread that is there (the watchdog's, a library's), and Python has this one handle it all
    the same: so it is noted, and raised again afterwards.
    """
    noted, handlers = [], {}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _DISTURBING)
    try:
        if threading.current_thread() is threading.main_thread():
            caught = [number for number in _DISTURBING if callable(signal.getsignal(number))]
            handlers = {number: signal.signal(number, lambda number, frame: noted.append(number)) for number in caught}
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number in dict.fromkeys(noted):
            signal.raise_signal(number)


@contextmanager
def _honest(draft):
    """Raise what the draft has kept back, in place of what a library made of it."""
    with arrayfile.named(draft.path):
        try:
            yield
        finally:
            if draft.error is not None:
                raise draft.error


def _prepare(draft):
    """The journal's arrays; there is room in the file for all of them, and what lies behind its old end is on the disk."""
    descriptor, numbers = draft.file.fileno(), draft.changed()
    size = max(draft.size, draft.old_size)
    for start, stop in [(draft.old_size, size), *((a * PAGE, min(b * PAGE, size)) for a, b in _runs(sorted(numbers)))]:
        _reserve(descriptor, start, stop - start)
    os.ftruncate(descriptor, size)
    os.fsync(descriptor)
    pages = np.frombuffer(b"".join(draft.pages[number] for number in numbers), np.uint8).reshape(-1, PAGE)
    return {"numbers": np.array(numbers, np.int64), "pages": pages, "size": draft.size, "old_size": draft.old_size}


def _reserve(descriptor, offset, length):
    """Have the disk's blocks for these bytes, new ones and holes, where the file system can."""
    if length:
        try:
            os.posix_fallocate(descriptor, offset, length)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise


def _runs(numbers):
    """(start, stop) of consecutive numbers."""
    edges = [0, *(i for i, (a, b) in enumerate(pairwise(numbers), 1) if b != a + 1), len(numbers)]
    return [(numbers[a], numbers[b - 1] + 1) for a, b in pairwise(edges) if b > a]


def _apply(descriptor, stored):
    """Bring the pages into the file. Doing it twice, or after it was done in part, is the same as once."""
    for number, page in zip(stored["numbers"].tolist(), stored["pages"]):
        _put(descriptor, memoryview(page)[: stored["size"] - number * PAGE], number * PAGE)
    os.ftruncate(descriptor, stored["size"])
    os.fsync(descriptor)


def _complete(path, file):
    """Finish the change that a process was killed in, if there is one."""
    try:
        stored = _stored(path)
    except FileNotFoundError:
        return
    _apply(file.fileno(), stored)
    of(path).unlink()


def _stored(path):
    """The journal's arrays. FileNotFoundError if there is none, DataError for one that is not of this file."""
    os.stat(of(path))
    try:
        stored = arrayfile.read(of(path))
    except DataError as error:
        if isinstance(error.__cause__, FileNotFoundError):  # its writer has finished meanwhile
            raise error.__cause__ from None
        raise
    kinds = {name: (value.dtype.str, value.ndim) if isinstance(value, np.ndarray) else type(value) for name, value in stored.items()}
    if kinds != {"numbers": ("<i8", 1), "pages": ("|u1", 2), "size": int, "old_size": int}:
        raise DataError(f"{of(path)}: expected the journal of a change, got {', '.join(sorted(stored))}")
    numbers, size, found = stored["numbers"], stored["size"], path.stat().st_size
    fits = stored["pages"].shape == (len(numbers), PAGE) and ((numbers >= 0) & (numbers * PAGE < size)).all() and 0 <= size <= 2**62
    if not fits or found not in (size, stored["old_size"]) or found < size:
        raise DataError(f"{of(path)}: not a journal of {path} as it is; if that was put there by hand, remove the journal")
    return stored


def _put(descriptor, view, offset):
    while view:
        done = os.pwrite(descriptor, view, offset)
        view, offset = view[done:], offset + done
