"""Files that somebody else may have put there: a pipe waits for its writer, a device has no end, and what is written through a link
goes elsewhere. None of them is opened. Links to files that are read are followed: folders of data are often linked."""

import errno
import os
import stat


def check(path):
    """OSError unless `path` is a file of bytes, or a link to one."""
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def lock_file(path, create=True):
    """The lock file `path`, open; made if need be, what it holds stays. OSError for a link; without `create`, for one that is missing."""
    wanted = os.O_RDWR | os.O_CREAT if create else os.O_RDONLY
    try:
        return open(path, "rb", buffering=0, opener=lambda name, _: os.open(name, wanted | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666))
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "expected a lock file, got a link", str(path)) from error
        raise
