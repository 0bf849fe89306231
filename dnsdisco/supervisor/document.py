"""The parameters of a child, as a file without a name: no reader waits for a writer, and no other program can open it."""

from __future__ import annotations

import os
import tempfile


def document(octets: bytes) -> int:
    """A descriptor from which *octets* can be read to the end. The caller closes it; a child inherits it where that is asked for."""
    fd = os.memfd_create("dnsdisco-parameters") if hasattr(os, "memfd_create") else _nameless_file()
    with os.fdopen(fd, "wb", closefd=False) as file:
        file.write(octets)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _nameless_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
