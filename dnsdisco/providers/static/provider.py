"""The static provider: services from a YAML or JSON file (docs/services.md), which is watched, and which it can write.

Watching is asking for the file's state (`stat`) every POLL_S. That sees every way in which a file changes: written in place, replaced
by rename, a symbolic link turned elsewhere above it (a Kubernetes ConfigMap turns `..data`), a bind mount, NFS. A watch by inotify
misses some of these; watchfiles, whose own loop wakes as often, measured the same: 2 to 4 ms of CPU a second. What inotify adds is when
a writer closes the file.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from dnsdisco.errors import NotSupported, ProviderError, system_reason
from dnsdisco.model.identity import identity_from, identity_to_dict
from dnsdisco.model.service import Health, Service, Snapshot
from dnsdisco.model.service_data import fault_text, service_from_data, service_to_dict
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.providers.file_state import Changes, FileState, state_of, UNSETTLED_S
from dnsdisco.providers.forked import Lock
from dnsdisco.providers.log import logger
from dnsdisco.providers.open_writers import OpenWriters
from dnsdisco.providers.static.atomic_file import Busy, exclusive, replace
from dnsdisco.providers.static.change import Change, put, remove
from dnsdisco.providers.static.content import Content, octets_of, read
from dnsdisco.providers.static.edit import edit, Unchangeable
from dnsdisco.providers.static.found import DEFAULT_PATHS, found_distrusted
from dnsdisco.providers.static.options import PATH_VARIABLE
from dnsdisco.providers.static.source import ServicesFile
from dnsdisco.providers.static.text import text_of
from dnsdisco.providers.static.traits import Traits
from dnsdisco.written.syntax import Unreadable

POLL_S = 0.04  # a change is read after one to two of these, so it is seen within 0.1 s
HEARTBEAT_S = 5.0  # how often the watch reports that the file is still there
EMPTY_S = 5.0  # a file that had services and is empty now is believed after so long: some writers empty it, think, and write
RETRY_S = (
    5.0  # a file that could not be read is read again when its state has changed, and at the latest after so long (a disk's fault)
)
LOGGED_MAX = 20  # faults of one version of the file; check_file() reports them all

_BOM = b"\xef\xbb\xbf"
_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.ENOENT, errno.ENOTDIR})


class StaticServiceDiscovery(Traits, ServiceDiscovery):
    """*path*: the file; without one SERVICE_DISCOVERY_CONFIG_FILE, else the first of DEFAULT_PATHS that exists when it is read.

    A file that was named must be there; where none was named and none is there, there are no services until one comes.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, environ: Mapping[str, str] | None = None) -> None:
        self.file = os.fspath(path or "") or (os.environ if environ is None else environ).get(
            PATH_VARIABLE, ""
        )  # as the user named it
        self._paths = tuple(Path(each).expanduser().absolute() for each in ([self.file] if self.file else DEFAULT_PATHS))
        self._lock = Lock()  # around _content
        self._content: Content | None = None
        self._watched: Content | None = None  # what watch() read last
        self._refused: Changes | None = None  # since when watch() cannot read the file; None: it can
        self._reported: set[tuple[str, str, str, bool]] = set()
        self.origin = " ".join(map(str, self._paths))

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], environ: Mapping[str, str]) -> Self:
        return cls(**settings, environ=environ)

    def get_services(self) -> dict[str, dict[str, Any]]:
        return {service.called: service_to_dict(service) for service in self._load().snapshot.services.values()}

    def get_service(self, service_name: str, default: dict[str, Any] | None = None) -> dict[str, Any] | None:
        wanted = service_name.lower()
        services = self._load().snapshot.services.values()
        service = next((each for each in services if each.called.lower() == wanted), None)
        if service is None:
            service = next((each for each in services if wanted in map(str.lower, each.names)), None)
        return service_to_dict(service) if service else default

    def names(self) -> list[str]:
        return [name for service in self._load().snapshot.services.values() for name in service.names]

    def register_service(self, service_name: str, service_data: Mapping[str, Any]) -> str:
        """Writes the file (made where there is none), which is on disk when this returns. Nothing else in it changes.

        Raises ValueError for data that make no instance, NotSupported where the file cannot be written or cannot be edited without
        a risk, ProviderError where it is broken, or another writer holds it for too long.
        """
        if service_data.get("instances") is not None:
            raise ValueError("one instance at a time: expected address and port, found `instances`")
        at, known = self._place(service_name, service_data)
        if at is None:
            raise NotSupported(f"another service stands at {service_name} in {self._name(self._path())}; please edit it by hand")
        service, faults = service_from_data(service_name, {**known, **service_data})
        wrong = [fault_text(path, message) for path, message, is_warning in faults if not is_warning]
        if service is None or wrong or service_name.startswith("."):
            raise ValueError(
                "; ".join(wrong) or f"a name that begins with a dot holds anchors, and is no service: {service_name!r}"
            )
        unknown = {path.partition(".")[0] for path, _, is_warning in faults if is_warning}
        for path, message, _ in faults:
            logger().warning(f"{service_name}: {fault_text(path, message)}", provider=self.type)
        data = {str(key): _plain(value) for key, value in service_data.items() if key not in unknown and value is not None}
        if at != service_name and at not in self._load().named:
            data["name"] = service.name
        instance_id = service.instances[0].id
        self._change(at, put(at, data, instance_id))
        return instance_id

    def deregister_service(self, service_name: str, instance_id: str | None = None) -> bool:
        """Like register_service(). With the last instance the service goes, unless it has records."""
        at = self._place(service_name, {})[0]
        return at is not None and self._change(at, remove(at, instance_id))

    def local_source(self) -> ServicesFile:
        return ServicesFile(self.file or next((path for path in DEFAULT_PATHS if Path(path).exists()), ""))

    def watch(self, stop: threading.Event) -> Iterator[Snapshot]:
        """The content now, and after every change. Raises ProviderError, with the place, when the file is broken or gone.

        Called anew after that, it waits until the file has changed: the same fault is not found again and again.
        """
        if not self._is_worth_reading(stop):
            return
        content = self._watch_read()
        yield content.snapshot
        changes = Changes(content.state)
        yielded_at = time.monotonic()
        with closing(OpenWriters()) as writers:
            writers.are_at(str(self._path()), content.state)
            while not stop.wait(POLL_S):
                now, state = time.monotonic(), self._state()
                is_held = writers.are_at(str(self._path()), state)
                if changes.is_due(state, now, EMPTY_S if content.marks else UNSETTLED_S, is_held=is_held):
                    content = self._watch_read()
                elif now - yielded_at < HEARTBEAT_S:
                    continue
                yielded_at = now
                yield content.snapshot

    def _is_worth_reading(self, stop: threading.Event) -> bool:
        """Wait, after a read that failed, until the file has changed, or RETRY_S have passed. False: *stop* was set meanwhile."""
        refused, retry_at = self._refused, time.monotonic() + RETRY_S
        while refused is not None and not refused.is_due(self._state(), now := time.monotonic()) and now < retry_at:
            if stop.wait(POLL_S):
                return False
        return not stop.is_set()

    def _watch_read(self) -> Content:
        state = self._state()
        try:
            content = self._read(self._watched)
        except ProviderError:
            self._refused = Changes(state)
            raise
        self._watched, self._refused = content, None
        self._report(content)
        return content

    def _path(self) -> Path:
        """The first one that exists, else the first one."""
        return next((path for path in self._paths if len(self._paths) == 1 or path.exists()), self._paths[0])

    def _name(self, path: Path) -> str:
        return self.file or DEFAULT_PATHS[self._paths.index(path)]

    def _state(self) -> FileState | None:
        try:
            return state_of(self._path())
        except OSError:
            return None  # reading it will give the reason

    def _load(self) -> Content:
        """The content as it is now, read only where the file's state has changed since the last time."""
        with self._lock:
            if self._content is None or self._content.state != self._state():
                self._content = self._read(self._content)
                self._report(self._content)
            return self._content

    def _read(self, last: Content | None) -> Content:
        path = self._path()
        try:
            if not self.file and (reason := found_distrusted(path, self._name(path))):
                raise ProviderError(self.type, f"{self._name(path)}: {reason}")
            return read(path, self._name(path), last)
        except Unreadable as error:
            raise ProviderError(self.type, str(error.problem)) from None
        except FileNotFoundError:
            if not self.file and (last is None or last.state is None):
                return Content()
            raise ProviderError(self.type, f"{self._name(path)}: no such file") from None
        except OSError as error:
            raise ProviderError(self.type, f"{self._name(path)}: {system_reason(error)}") from None

    def _report(self, content: Content) -> None:
        """Logs every fault that the last version did not have."""
        present = {(name, *fault) for name, faults in content.faults.items() for fault in faults}
        if not present <= self._reported:
            problems = content.problems(self._name(self._path()))
            for problem in problems[:LOGGED_MAX]:
                logger().warning(str(problem), provider=self.type)
            if len(problems) > LOGGED_MAX:
                logger().warning(f"{len(problems) - LOGGED_MAX} more; `dnsdisco check` shows them all", provider=self.type)
        self._reported = present
        self.rejected = len({(name, _object_at(path)) for name, path, _, is_warning in present if not is_warning})

    def _place(self, name: str, data: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]]:
        """Where the service *name* with *data* stands in the file, or is to stand, and what is known of its name.

        None: nowhere, for other services stand at the keys that it could have.
        """
        try:
            content = self._load()
        except ProviderError:
            return name, {}  # writing it gives the reason
        identity = identity_from(name, data, [])
        called = name if identity is None else identity.of(Service(identity.name)).called
        named = {service.called: at for at, key in content.named.items() if (service := content.snapshot.services[key])}
        at = named.get(called)
        if at is not None:
            return at, identity_to_dict(content.snapshot.services[content.named[at]])
        if name not in content.named:
            return name, {}
        if identity is None or called in content.named:
            return None, {}
        return called, {"name": identity.name}

    def _change(self, name: str, change: Change) -> bool:
        """The change, alone with the file. False: there was nothing to change."""
        path = self._path()
        file = self._name(path)
        try:
            with exclusive(path) as real:
                octets = octets_of(real)[1] if real.exists() else b""
                text = text_of(octets, file)
                new = edit(text, file, name, change)
                if new is not None and new != text:
                    replace(real, (_BOM if octets.startswith(_BOM) else b"") + new.encode())
                return new is not None
        except Unreadable as error:
            raise ProviderError(self.type, f"{error.problem}; it is not changed") from None
        except Unchangeable as error:
            raise NotSupported(f"{file}: {error}") from None
        except Busy as error:
            raise ProviderError(self.type, f"{file}: {error}") from None
        except OSError as error:
            if error.errno in _READ_ONLY or isinstance(error, PermissionError):
                raise NotSupported(f"the services file {file} cannot be written: {system_reason(error)}") from None
            raise ProviderError(self.type, f"{file}: {system_reason(error)}") from None


def _object_at(path: str) -> str:
    """The object that a fault at *path* makes unusable: an instance, a record, or (as "") a part of the service itself."""
    head = path.partition(".")[0]
    return head if head.startswith(("instances[", "records[")) else ""


def _plain(value: Any) -> Any:
    """The data in plain types, which YAML and JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each) for each in value]
    return value.word if isinstance(value, Health) else value
