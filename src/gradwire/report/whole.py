"""Files that appear under their names only when they are whole: two runs may write the tables and figures of one folder at once.

What is being written has a name of its own and is locked. So a part that is not locked is what a killed process has left, and the next
one that writes the same file removes it. File systems without locks keep such parts.
"""

import fcntl
import glob
import os
from contextlib import contextmanager, suppress
from uuid import uuid4

from .. import regular


@contextmanager
def whole(path):
    """A path beside `path` to write to. What is there at the end of the block becomes `path`; after an error nothing is left of it."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        _remove_stale(left)
    temporary, held = _part(path)
    with held:
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _part(path):
    """(path, locked file): another name until nobody has taken it for stale between its opening and its lock."""
    while True:
        temporary = path.with_name(f"{path.name}.{uuid4().hex[:8]}.part")
        held = regular.lock_file(temporary)
        with suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_EX)
        if temporary.exists():
            return temporary, held
        held.close()


def _remove_stale(part):
    try:
        with regular.lock_file(part, create=False) as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink(missing_ok=True)
    except OSError:  # locked by its writer, or gone, or there are no locks
        return


def write_text(path, text):
    """Write UTF-8 text."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
