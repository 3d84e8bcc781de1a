"""Files that appear under their names only when they are whole: two runs may write the tables and figures of one folder at once."""

import os
from contextlib import contextmanager
from uuid import uuid4


@contextmanager
def whole(path):
    """A path beside `path` to write to. What is there at the end of the block becomes `path`; after an error nothing is left of it."""
    temporary = path.with_name(f"{path.name}.{uuid4().hex[:8]}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path, text):
    """Write UTF-8 text."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
