"""The two doors, TCP and the control socket, in a thread of their own with an event loop of its own. A door that cannot be opened costs
a line in the log, and DNS nothing.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import threading
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from importlib import metadata
from typing import Any, NamedTuple, TYPE_CHECKING

from dnsdisco import sockaddr
from dnsdisco.admin import socket_file
from dnsdisco.admin.control_client import ControlLoop
from dnsdisco.control.facts import ProblemView, PublishedChange
from dnsdisco.control.log import Logger

if TYPE_CHECKING:
    from dnsdisco.admin.api import Api

RETRY_S = 1.0  # between two attempts to bind an address that is taken or not there, and two looks whether its interface still is
FILES = 4096  # descriptors of this process: 1,164 clients at each door, and what providers need
CLOSE_S = 1.0  # for the thread to end; it is a daemon, so that nothing waits for it for longer
BACKLOG = 512  # of a thousand that follow, and come back at once


class TcpDoor(NamedTuple):
    """The door for requests that only read, for every client that can reach the address. *hosts*: names that requests may use, beside this machine's own."""

    address: str
    hosts: frozenset[str]

    def bind(self) -> socket.socket:
        family, target = self._target()
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of the process before this one may linger
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(target)
            sock.listen(BACKLOG)
        except OSError:
            sock.close()
            raise
        return sock

    def is_lost(self, sock: socket.socket) -> bool:
        """Its interface has gone, or was made anew with another number: nothing comes in any more."""
        try:
            return bool(self._target()[1][3:] != sock.getsockname()[3:])
        except OSError:
            return True

    def unbind(self, sock: socket.socket) -> None:
        sock.close()

    def _target(self) -> tuple[socket.AddressFamily, sockaddr.Address]:
        host, _, port = self.address.rpartition(":")
        return sockaddr.of(host.strip("[]"), int(port))

    def opened(self, sock: socket.socket, log: Logger) -> None:
        host, port = sockaddr.host_of(sock.getsockname()), sock.getsockname()[1]
        log.info("http listening", address=f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    def failed(self, reason: str, log: Logger) -> None:
        log.error("http is not listened on; trying again", address=self.address, reason=reason, every_s=RETRY_S)

    @property
    def names(self) -> frozenset[str]:
        """This machine's own among them: no attacker can give it to a browser as the name of another place."""
        name = socket.gethostname().lower()
        return (frozenset({name, name.partition(".")[0]}) - {""}) | self.hosts

    def stranger(self, peer: socket.socket) -> str:
        return ""


class ControlSocket(NamedTuple):
    """Everything, for the user that the server runs as, and root."""

    path: str

    def bind(self) -> socket.socket:
        return socket_file.bind(self.path)

    def is_lost(self, sock: socket.socket) -> bool:
        return False

    def unbind(self, sock: socket.socket) -> None:
        socket_file.unbind(self.path, sock)

    def opened(self, sock: socket.socket, log: Logger) -> None:
        log.info("control socket", path=self.path)

    def failed(self, reason: str, log: Logger) -> None:
        log.info("no control socket: the command line cannot reach this server", path=self.path, reason=reason)

    @property
    def names(self) -> None:
        """None: any Host is accepted, because the kernel reports the client's user."""
        return

    def stranger(self, peer: socket.socket) -> str:
        return "" if socket_file.may_ask(peer) else "only the user that the server runs as, and root, may ask this"


Door = TcpDoor | ControlSocket


class HttpListener:
    """All methods belong to control's loop, and none waits but close()."""

    def __init__(self, control: ControlLoop, log: Logger) -> None:
        self._control, self._log = control, log
        self._wanted: frozenset[Door] = frozenset()
        self._thread: _Thread | None = None

    def apply(self, http: str | None, hosts: Collection[str] = (), control: str | None = None) -> None:
        """Listen there from now on. Nothing happens when nothing is new."""
        doors: set[Door] = set()
        if http is not None:
            doors.add(TcpDoor(http, frozenset(hosts)))
        if control is not None:
            doors.add(ControlSocket(control))
        if doors == self._wanted:
            return
        fresh, self._wanted = doors - self._wanted, frozenset(doors)
        if self._thread is None and doors:
            self._thread = _Thread(self._control, self._log)
        if self._thread is not None:
            self._thread.call(self._thread.want, self._wanted, _bound_early(fresh))
            if not doors:
                self._thread = None

    def take(self, change: PublishedChange) -> None:
        """It has been published."""
        if self._thread is not None:
            self._thread.call(self._thread.take, change)

    def problems(self) -> list[ProblemView]:
        """The doors that are not open."""
        return [] if self._thread is None else list(self._thread.problems.values())

    def close(self) -> None:
        thread = self._thread
        self.apply(None)
        if thread is not None:
            thread.thread.join(CLOSE_S)


def _bound_early(doors: Iterable[Door]) -> dict[Door, socket.socket]:
    """Bind the doors at once, so that they are there before the server reports that it is ready: a client that comes then waits until
    what serves is loaded. What cannot be bound yet, the thread tries again, and reports."""
    bound: dict[Door, socket.socket] = {}
    for door in doors:
        with suppress(OSError, ValueError):
            bound[door] = door.bind()
    return bound


class _Thread:
    """The thread of all doors. It loads the modules for serving: a control process without HTTP does not pay for them, and
    one with it has begun its work by then."""

    def __init__(self, control: ControlLoop, log: Logger) -> None:
        self.problems: dict[Door, ProblemView] = {}
        self._control, self._log = control, log
        self._serial = control.view().serial
        self._bound: dict[Door, socket.socket] = {}  # and not served yet
        self._open: dict[Door, asyncio.Task[None]] = {}
        self._api: Api | None = None
        self._ended: asyncio.Event
        self._loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, name="http", daemon=True)
        self.thread.start()

    def call(self, function: Callable[..., None], *arguments: object) -> None:
        """Run a call in our thread, in the order of the calls. From any thread."""
        with suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(function, *arguments)

    def want(self, doors: frozenset[Door], bound: dict[Door, socket.socket]) -> None:
        """These are to be open; *bound*: the sockets of some of them."""
        self._bound |= bound
        for door in self._bound.keys() - doors:
            door.unbind(self._bound.pop(door))
        closing = [task for door, task in self._open.items() if door not in doors]
        for task in closing:
            task.cancel()
        for door in self._open.keys() - doors:
            self.problems.pop(door, None)
        kept = {door: task for door, task in self._open.items() if door in doors}
        self._open = kept | {door: self._loop.create_task(self._keep_open(door, closing)) for door in doors if door not in kept}
        if not doors:
            self._loop.create_task(self._end(closing))

    def take(self, change: PublishedChange) -> None:
        if self._api is not None:
            self._api.changes.take(change)
        self._serial = change.serial

    def _run(self) -> None:
        _raise_file_limit()
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(self._on_fault)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def _on_fault(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log a fault in a callback of asyncio. An OSError is a lack of descriptors: new clients wait in the kernel."""
        error = context.get("exception")
        log = self._log.debug if isinstance(error, OSError) else self._log.error
        log("internal error in http", reason=f"{context.get('message')}: {error!r}")

    async def _end(self, closing: list[asyncio.Task[None]]) -> None:
        await asyncio.gather(*closing, return_exceptions=True)
        self._loop.stop()

    async def _keep_open(self, door: Door, before: list[asyncio.Task[None]]) -> None:
        """Until it is cancelled. *before* have to end first: one may hold the port."""
        await asyncio.gather(*before, return_exceptions=True)
        logged = ""
        while True:
            try:
                await self._serve(door)
            except Exception as error:  # noqa: BLE001  whatever it is: DNS goes on
                reason = (error.strerror or str(error)) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
                if reason != logged:
                    door.failed(reason, self._log)
                    logged = reason
                self.problems[door] = ProblemView("address", door[0], f"it is not listened on: {reason}")
            await asyncio.sleep(RETRY_S)

    async def _serve(self, door: Door) -> None:
        from dnsdisco.admin.api import Api  # noqa: PLC0415
        from dnsdisco.admin.connection import Connections, READ_OCTETS  # noqa: PLC0415
        from dnsdisco.admin.gate import Gate  # noqa: PLC0415

        if self._api is None:
            self._api = Api(self._control, _version(), self._serial, self._log)
        sock = self._bound.pop(door, None) or door.bind()
        connections = Connections(self._api, Gate(self._api, door.names), door.stranger)
        server = await asyncio.start_server(connections.accept, sock=sock, limit=READ_OCTETS, backlog=BACKLOG)
        try:
            self.problems.pop(door, None)
            door.opened(sock, self._log)
            while not door.is_lost(sock):  # noqa: ASYNC110  until this task is cancelled, or the interface is gone
                await asyncio.sleep(RETRY_S)
        finally:
            server.close()
            door.unbind(sock)
            await connections.close()


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _version() -> str:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version("dnsdisco")
    return "not installed"
