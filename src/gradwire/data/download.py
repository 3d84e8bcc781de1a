"""Large files over https, resumed where they stopped and checked. Nothing is unpacked here; see unpack.py.

A file is downloaded as NAME.part and gets its name when it is complete and its checksum, where one is known, is right. NAME.part.tag
keeps the server's validator (ETag or Last-Modified), without which a part is not continued: the file may be another one by then.
"""

import hashlib
import http.client
import logging
import shutil
import urllib.error
import urllib.request
from contextlib import closing

from .. import regular
from ..errors import DataError
from . import cache

_log = logging.getLogger(__name__)
_BLOCK = 1 << 20
_TIMEOUT_S = 60
_UNKNOWN = -1


def fetch(url, path, checksum=None, schemes=("https",)):
    """Download `url` to `path`, unless it is there; return path. checksum: "md5:…" or "sha256:…", as hexdigest, or None.

    DataError in one line if it cannot be had, was cut, or is another file. schemes: for tests with a server of their own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with regular.lock_file(path.with_name(f"{path.name}.lock")) as lock:
        cache.wait_for(lock)
        if path.exists():
            _check(path, checksum, f"{path}: ")
        else:
            _download(url, path, checksum, schemes)
    return path


def _download(url, path, checksum, schemes):
    part = path.with_name(f"{path.name}.part")
    opener = urllib.request.build_opener(_Redirects(schemes))
    _allow(url, schemes)
    while not _attempt(opener, url, part):
        pass  # the connection ended early, but it brought something
    try:
        _check(part, checksum, f"{url}: ")
    except DataError:
        _discard(part)
        raise
    _tag(part).unlink(missing_ok=True)
    part.replace(path)


def _check(path, checksum, where):
    algorithm, _, expected = (checksum or "").partition(":")
    if checksum is not None and (found := digest(path, algorithm)) != expected:
        raise DataError(f"{where}expected {algorithm} {expected}, got {found}: it is another file, or damaged")


def digest(path, algorithm):
    """The hexdigest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _attempt(opener, url, part):
    """Go on with `part`; True when it is complete, False if the connection ended after it had brought something."""
    have = part.stat().st_size if part.exists() and _tag(part).exists() else 0
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "gradwire", "Accept-Encoding": "identity"})
        if have:
            request.add_header("Range", f"bytes={have}-")
            request.add_header("If-Range", _tag(part).read_text())
        with closing(opener.open(request, timeout=_TIMEOUT_S)) as response:
            return _receive(response, url, part, have)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and have:  # there is nothing behind what we have: begin anew, unless that is all
                if error.headers.get("Content-Range", "").endswith(f"/{have}"):
                    return True
                _discard(part)
                return False
            raise DataError(f"cannot download {url}: the server answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or str(error)
        if _tag(part).exists() and part.exists() and part.stat().st_size > have:
            return False
        raise DataError(
            f"cannot download {url} ({reason or type(error).__name__}): this data set needs internet, or a prepared cache folder copied "
            f"from a machine that has it (GRADWIRE_CACHE), or the file itself as {part.with_suffix('')}"
        ) from error


def _receive(response, url, part, have):
    """Write the response behind the `have` bytes that are there, or in their place if the server sends the whole file."""
    start, total = 0, response.headers.get("Content-Length", "")
    if response.status == 206:
        sent = response.headers.get("Content-Range", "")
        start, total = have, sent.rpartition("/")[2]
        if not sent.startswith(f"bytes {have}-"):
            raise DataError(f"{url}: asked the server for the file from byte {have} on, and it sent {sent!r}")
    total = int(total) if total.isdigit() else _UNKNOWN
    tag, modified = response.headers.get("ETag"), response.headers.get("Last-Modified")
    validator = tag if tag and not tag.startswith("W/") else modified
    if validator:
        _tag(part).write_text(validator)
    else:
        _tag(part).unlink(missing_ok=True)
    free = shutil.disk_usage(part.parent).free
    if total - start > free:
        raise DataError(f"{url} needs {total - start:,} more bytes in {part.parent}, where {free:,} are free")
    size = f" of {total / 1e6:,.0f} MB" if total >= 0 else ""
    _log.info("downloading %s%s%s", url, size, f", from byte {start:,} on" if start else "")
    with open(part, "ab" if start else "wb") as file:
        while block := response.read(_BLOCK):
            file.write(block)
        received = file.tell()
    if total >= 0 and received < total:
        raise ConnectionError(f"the connection ended after {received:,} of {total:,} bytes")
    return True


def _tag(part):
    return part.with_name(f"{part.name}.tag")


def _discard(part):
    part.unlink(missing_ok=True)
    _tag(part).unlink(missing_ok=True)


def _allow(url, schemes):
    if url.partition(":")[0].lower() not in schemes:
        raise DataError(f"expected an address that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}, got {url}")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows the server to another address only by the same rule."""

    def __init__(self, schemes):
        self.schemes = schemes

    def redirect_request(self, request, file, code, message, headers, address):
        _allow(address, self.schemes)
        return super().redirect_request(request, file, code, message, headers, address)


__all__ = ["digest", "fetch"]
