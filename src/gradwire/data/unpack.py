"""The text in a packed file or in one member of an archive. What an archive calls its members never decides where anything is written."""

import bz2
import gzip
import io
import lzma
import shutil
import tarfile
import zipfile
import zlib
from contextlib import contextmanager

from ..errors import DataError

_BLOCK = 1 << 20
_GZIP = b"\x1f\x8b"
_PACKED = {b"BZh": bz2.open, b"\xfd7zXZ": lzma.open, _GZIP: gzip.open}


def unpack(path, target, member=None):
    """Write the text of a bz2, xz, gz, zip, tar (packed or not) or plain file to `target`, a path of the caller's choice.

    member: the name of the file in a zip or tar, and nothing else of it is written, wherever its name points to. DataError if it is
    not there, or the archive is damaged.
    """
    try:
        with _opened(path, member) as source, open(target, "wb") as out:
            shutil.copyfileobj(source, out, _BLOCK)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, RuntimeError) as error:
        hint = "" if getattr(error, "errno", None) else "; remove it to have it downloaded again"  # errno: no room, no permission
        raise DataError(f"cannot unpack {path}: {error or type(error).__name__}{hint}") from error


def gunzipped(content, most):
    """`content` (bytes), unpacked if gzip has packed it. DataError if it is damaged, or of more than `most` bytes."""
    try:
        if content.startswith(_GZIP):
            with gzip.open(io.BytesIO(content)) as file:
                content = file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot be unpacked: {error}") from error
    if len(content) > most:
        raise DataError(f"expected at most {most} bytes, got more")
    return content


@contextmanager
def _opened(path, member):
    if member is None:
        with open(path, "rb") as file:
            head = file.read(6)
        opened = next((opener for magic, opener in _PACKED.items() if head.startswith(magic)), open)
        with opened(path, "rb") as source:
            yield source
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if member not in archive.namelist():
                raise DataError(f"expected {member} in {path}, found {', '.join(archive.namelist()[:5]) or 'nothing'}")
            with archive.open(member) as source:
                yield source
    else:
        with tarfile.open(path, "r|*") as archive:
            found = next((one for one in archive if one.isfile() and one.name == member), None)
            if found is None:
                raise DataError(f"expected {member} in {path}, found no such file")
            yield archive.extractfile(found)


__all__ = ["gunzipped", "unpack"]
