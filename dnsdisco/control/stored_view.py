"""One provider's last good view as a file: lines of JSON, data only, which cannot be taken for good unless every octet is there.

    {"format": "dnsdisco view", "version": 1, "provider": "consul", "settings": "9f…", "saved_at": 1760000000}
    ["web", "", true, …]                                     a service a line (model/plain.py)
    {"services": 1, "blake2b": "4c…"}                        the digest of all lines before

Written beside the old one, synced, and put in its place by rename: a reader finds the old or the new one, whole. The file's time of
modification is the time when the provider was last in contact; so a contact without a change needs no writing.
"""

from __future__ import annotations

import gc
import json
import os
import re
import stat
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from dnsdisco.model.plain import checked_service, service_to_plain
from dnsdisco.model.service import Service, Snapshot
from dnsdisco.written.trust import distrusted

FOLDER = "views"  # below state_dir
FORMAT, VERSION = "dnsdisco view", 1
OCTETS_MAX = 256 * 1024 * 1024  # a million instances; a larger view is not kept, and a larger file is none of ours
HEAD_OCTETS_MAX = 4096
UNIX_TIME_MAX = 1e11  # the year 5138
DIGEST_OCTETS = 16
BREATH_INSTANCES, BREATH_S = 50, 0.0005  # about 0.3 ms of work, then the other threads have a turn: a change must not wait for this
LEFTOVER_S = 60.0  # a temporary file of this age belongs to a process that was killed while writing

_SECRET = re.compile(r"token|password|secret|key|credential", re.IGNORECASE)


class ViewUnusable(Exception):
    """The file is not what it should be; the text has the reason."""


@dataclass(frozen=True, slots=True)
class Label:
    """The provider that a view belongs to. `settings`: its backend; the view of another backend is of no use for this one."""

    provider: str
    settings: str

    def path(self, folder: str) -> Path:
        """The path of the view's file in *folder*, the state_dir."""
        plain = re.sub(r"[^a-z0-9-]", "_", self.provider.lower())
        if plain != self.provider or len(plain) > 100:
            plain = f"{plain[:100]}.{blake2b(self.provider.encode('utf-8', 'replace'), digest_size=4).hexdigest()}"
        return Path(folder) / FOLDER / f"{plain}.view"


@dataclass(frozen=True, slots=True)
class Stored:
    view: Snapshot
    contact_at: float  # unix time; never later than now


def label(
    name: str,
    kind: str,
    options: Mapping[str, Any],
    environ: Mapping[str, str],
    origin: str = "",
    more_variables: Collection[str] = (),
) -> Label:
    """The label of the provider that is called *name*: its type and own options, the variables that fill what they leave open (those
    that begin with its type, and *more_variables*), and its own word for where it reads (`ServiceDiscovery.origin`).

    Secrets have no part in it: with a new token it is still the same backend.
    """
    prefix = re.sub(r"[^A-Z0-9]", "_", kind.upper()) + "_"
    variables = {key: value for key, value in environ.items() if key.startswith(prefix) or key in more_variables}
    source = [kind, _without_secrets(options), _without_secrets(variables), *([origin] if origin else [])]
    text = json.dumps(source, sort_keys=True, default=repr)
    return Label(name, blake2b(text.encode(), digest_size=DIGEST_OCTETS).hexdigest())


def write(folder: str, whose: Label, services: Mapping[Any, Service], now: float) -> None:
    """Keep *services* as the view at *now*, unix time. On disk when it returns. Raises OSError, and Unusable where they are too many."""
    path = whose.path(folder)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "wb", 256 * 1024) as file:
            file.writelines(_lines(whose, services, now))
            file.flush()
            os.fsync(handle)
        os.utime(temporary, (now, now))
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    _sync(path.parent)


def read(folder: str, whose: Label, now: float) -> Stored | None:
    """The kept view; None: there is none. Raises Unusable with the reason, OSError. *now*: unix time."""
    path = whose.path(folder)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO would block for ever
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ViewUnusable("not a file")
        if reason := distrusted([(status.st_uid, status.st_gid, status.st_mode)], os.geteuid(), os.getegid(), {}):
            raise ViewUnusable(reason)  # its digest proves that it is whole, not who has written it
        if status.st_size > OCTETS_MAX:
            raise ViewUnusable(f"larger than {OCTETS_MAX} octets")
        octets = file.read(OCTETS_MAX + 1)
    saved_at, services = parse(octets, whose)
    return Stored(Snapshot(services), min(max(saved_at, status.st_mtime), now))


def touch(folder: str, whose: Label, now: float) -> None:
    """The provider was in contact at *now*, and its view is still the one in the file. Raises OSError."""
    os.utime(whose.path(folder), (now, now))


def sweep(folder: str) -> None:
    """Remove what writers left that were killed on the way. Raises nothing: it is only untidy."""
    with suppress(OSError):
        for path in (Path(folder) / FOLDER).glob("*.new"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > LEFTOVER_S:
                    path.unlink()


def parse(octets: bytes, whose: Label) -> tuple[float, dict[tuple[str, str], Service]]:
    """Returns when the view was saved, and its services by key. Raises Unusable. It is checked to be whole before anything is made from it.

    About 8 µs an instance.
    """
    head_octets = octets[: octets.find(b"\n", 0, HEAD_OCTETS_MAX) + 1]
    head = _object(head_octets)
    if head.get("format") != FORMAT:
        raise ViewUnusable("damaged, or no view of ours")
    version = head.get("version")
    if version != VERSION:
        raise ViewUnusable(f"of another version ({version}, not {VERSION})" if type(version) is int else "damaged: no version")
    end = octets.rfind(b"\n", 0, len(octets) - 1) + 1
    services = octets.count(b"\n", 0, end) - 1
    if octets[end:] != _tail(services, blake2b(memoryview(octets)[:end], digest_size=DIGEST_OCTETS)):
        raise ViewUnusable("damaged or cut short: its digest does not match")
    if head.get("provider") != whose.provider or head.get("settings") != whose.settings:
        raise ViewUnusable("of a provider with other settings")
    saved_at = head.get("saved_at")
    if not isinstance(saved_at, (int, float)) or not 0 <= saved_at < UNIX_TIME_MAX:
        raise ViewUnusable("damaged: no time")
    lines = octets[len(head_octets) : end].splitlines()
    gc.disable()  # it would look through all that is being made, over and over, for garbage that there is none of: a third of the time
    try:
        by_key = {service.key: service for service in (checked_service(json.loads(line)) for line in lines)}
    except (ValueError, RecursionError) as error:
        raise ViewUnusable(f"a service in it makes no sense: {error}") from None
    finally:
        gc.enable()
    if len(by_key) != services:
        raise ViewUnusable("one service is in it twice")
    return float(saved_at), by_key


def _lines(whose: Label, services: Mapping[Any, Service], now: float) -> Iterator[bytes]:
    digest = blake2b(digest_size=DIGEST_OCTETS)
    head = {"format": FORMAT, "version": VERSION, "provider": whose.provider, "settings": whose.settings, "saved_at": now}
    digest.update(line := _line(head))
    yield line
    since_breath, octets = 0, len(line)
    for service in services.values():
        digest.update(line := _line(service_to_plain(service)))
        octets += len(line)
        if octets > OCTETS_MAX:
            raise ViewUnusable(f"the view is larger than {OCTETS_MAX} octets")
        yield line
        since_breath += 1 + len(service.instances)
        if since_breath >= BREATH_INSTANCES:
            since_breath = 0
            time.sleep(BREATH_S)
    yield _tail(len(services), digest)


def _tail(services: int, digest: blake2b) -> bytes:
    return _line({"services": services, "blake2b": digest.hexdigest()})


def _line(plain: object) -> bytes:
    """ASCII, so that a text that is no unicode does not stop it."""
    return json.dumps(plain, separators=(",", ":")).encode() + b"\n"


def _object(octets: bytes) -> dict[str, Any]:
    try:
        plain = json.loads(octets)
    except (ValueError, RecursionError):
        return {}
    return plain if isinstance(plain, dict) else {}


def _without_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if not _SECRET.search(key)}


def _sync(folder: Path) -> None:
    """The rename itself on disk. Where that cannot be had, only a power cut would show it."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
