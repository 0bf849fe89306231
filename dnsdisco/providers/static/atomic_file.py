"""A file is changed by one writer at a time, and replaced whole: a reader sees the old or the new content, never a part.

Writers (threads and processes) take turns by a lock on the folder, which leaves no lock file behind; where the file system
cannot lock a folder (NFS), a hidden file beside it is locked instead. The lock is advisory: an editor does not ask for it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK_WAIT_S = 30.0  # a write takes some 10 ms, and ten times that on a machine with no time: hundreds of writers, or one that hangs
_RETRY_S = 0.005


class Busy(OSError):
    """Another writer held the lock for as long as we waited."""


@contextmanager
def exclusive(path: str | Path, wait_s: float = LOCK_WAIT_S) -> Iterator[Path]:
    """Yields the real path of the file, symbolic links followed, with no other writer at it. Raises Busy, or OSError."""
    real = Path(os.path.realpath(path))
    descriptor = _lock(real, time.monotonic() + wait_s)
    try:
        yield real
    finally:
        # Closing it would give the lock back only once a process that was forked meanwhile has closed its copy, too.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def replace(path: Path, octets: bytes) -> None:
    """Put *octets* in place of what is at *path* (no symbolic link); mode and owner stay. On disk when it returns. Raises OSError.

    A file that we may not write is refused, although the folder would let us replace it; so is one that only root could give back
    to its owner.
    """
    old = path.stat() if path.exists() else None
    if old is not None and not os.access(path, os.W_OK):
        raise PermissionError(f"{path} is read-only")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666 if old is None else 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if old is not None:
                _take_over(descriptor, old, path)
            file.write(octets)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    with suppress(OSError):  # the new content is in place; only whether a power cut leaves it there is not sure
        _sync(path.parent)


def _lock(real: Path, deadline: float) -> int:
    descriptor = os.open(real.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    is_folder = True
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise Busy(f"another program has held the lock on {real.parent} all the time") from None
            time.sleep(_RETRY_S)
        except OSError:
            os.close(descriptor)
            if not is_folder:
                raise
            descriptor = os.open(real.with_name(f".{real.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            is_folder = False
        else:
            return descriptor


def _take_over(descriptor: int, old: os.stat_result, path: Path) -> None:
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.fchown(descriptor, old.st_uid, old.st_gid)
        except PermissionError:
            raise PermissionError(f"{path} belongs to user {old.st_uid}, group {old.st_gid}, and could not be given back") from None
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
