"""The server: whether one runs, what it says of itself, and what was written for it."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from typing import Any

from dnsdisco.doctor import codes
from dnsdisco.doctor.finding import Finding
from dnsdisco.doctor.known import Known
from dnsdisco.model.certificate import validity


def runs(known: Known) -> Iterator[Finding]:
    if known.status is not None:
        if known.status["state"] == "starting":
            yield codes.STARTING.found("the server", "it is not ready yet")
        return
    if known.runs:
        yield codes.NOT_ASKED.found("the control socket", known.silence)
    else:
        listen = ", ".join(f"{host} port {port}" for host, port in known.listen) or "any address of the configuration"
        yield codes.NO_SERVER.found("the server", f"nobody answers for {known.zone} on {listen}, and {known.silence}")


def written(known: Known) -> Iterator[Finding]:
    faults = [problem for problem in known.written() if not problem.is_warning]
    if faults:
        more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        yield codes.WRITTEN.found(faults[0].file or "the environment", f"{faults[0]}{more}")


def workers(known: Known) -> Iterator[Finding]:
    """Behind at two looks: at one, a change may be on its way."""
    if behind := _behind(known.status):
        again = _behind(known.later)
        for number in sorted(behind.keys() & again.keys()):
            yield codes.WORKER.found(f"worker {number}", again[number])


def _behind(status: Any) -> dict[int, str]:
    if not status or status["state"] == "starting":
        return {}
    serial = max((zone["serial"] for zone in status["zones"]), default=0)
    found = {}
    for worker in status["workers"]:
        if worker["state"] != "up":
            found[worker["number"]] = f"it is {worker['state']}"
        elif worker["serial"] != serial:
            found[worker["number"]] = f"it answers from serial {worker['serial']}, and the catalog is at {serial}"
    return found


def addresses(known: Known) -> Iterator[Finding]:
    for problem in (known.status or {}).get("problems", ()):
        if problem["code"] == "address":
            yield codes.ADDRESS.found(problem["subject"], problem["text"])


def files(known: Known) -> Iterator[Finding]:
    """The state folder and the certificate: what they are now, not when the server started."""
    folder = known.settings.get("state_dir")
    if folder and not _can_be_written(known, folder):
        yield codes.STATE_FOLDER.found(folder, "it cannot be written", folder=folder)
    path = (known.settings.get("tls") or {}).get("certificate")
    if not path:
        return
    try:
        valid = validity(known.machine.text(path) or "")
        valid.check(time.time())
    except ValueError as error:
        yield codes.CERTIFICATE.found(path, str(error))
    else:
        if warning := valid.warning(time.time()):
            yield codes.CERTIFICATE_ENDS.found(path, warning)


def _can_be_written(known: Known, folder: str) -> bool:
    """By the user that the server runs as, or would. True where that cannot be seen."""
    at = known.machine.at(folder)
    try:
        status = at.stat()
    except FileNotFoundError:
        parent = next(above for above in at.parents if above.exists())
        return os.access(parent, os.W_OK)
    except OSError:
        return True
    if not stat.S_ISDIR(status.st_mode) or os.statvfs(at).f_flag & os.ST_RDONLY:
        return False
    user = known.user
    if user in (0, None):
        return True
    return bool(status.st_mode & (stat.S_IWUSR if status.st_uid == user else stat.S_IWGRP | stat.S_IWOTH))
