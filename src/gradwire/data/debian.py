"""Files of a Debian package, as a source of data: read where the package is installed, else from the .deb that apt fetches.

Nothing is installed, and nothing of the archive is written anywhere: only the named files are read out of it. Whether they are the
ones that are expected, the caller finds out by their checksums.
"""

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

from ..errors import DataError
from . import apt


def read(package, names):
    """{name: bytes} of the files of these names in `package`, whatever their folder. DataError, with the reason, if they cannot be had."""
    found = _installed(package, names)
    if found is None:
        with tempfile.TemporaryDirectory() as folder:
            found = _packed(apt.fetch_package(Path(folder), package), names)
    return found


def _installed(package, names):
    """The files of the installed package; None if it is not, or not whole."""
    try:
        listed = subprocess.run(["dpkg-query", "--listfiles", package], capture_output=True, text=True, check=True).stdout
        paths = {path.name: path for path in map(Path, listed.splitlines())}
        return {name: paths[name].read_bytes() for name in names}
    except (OSError, subprocess.CalledProcessError, KeyError):
        return None


def _packed(path, names):
    """The files in a .deb, read as dpkg-deb unpacks its tar archive."""
    found = {}
    try:
        done = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], capture_output=True, check=False)
        if done.returncode:
            raise DataError(f"cannot read {path.name}: {done.stderr.decode(errors='replace').strip()}")
        with tarfile.open(fileobj=io.BytesIO(done.stdout), mode="r:") as archive:
            for member in archive:
                name = Path(member.name).name
                if member.isfile() and name in names:
                    found[name] = archive.extractfile(member).read()
    except (OSError, tarfile.TarError) as error:
        raise DataError(f"cannot read {path.name}: {error}") from error
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(f"expected {', '.join(missing)} in {path.name}, found no such file")
    return found


__all__ = ["read"]
