"""HTTP on one address, in a thread of its own with an event loop of its own. A port that is taken costs a line in the log, and DNS nothing."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Collection
from contextlib import suppress
from importlib import metadata

from dnsdisco import sockaddr
from dnsdisco.admin.control_client import ControlReader
from dnsdisco.control.log import Logger

RETRY_S = 5.0  # between two attempts to bind an address that is taken
CLOSE_S = 1.0  # for the thread to end; it is a daemon, so that nothing waits for it for longer
BACKLOG = 64
KEEP_ALIVE_S = 5


class HttpListener:
    """All methods belong to control's loop, and none waits but close()."""

    def __init__(self, control: ControlReader, log: Logger) -> None:
        self._control, self._log = control, log
        self._address: str | None = None
        self._hosts: frozenset[str] = frozenset()
        self._serving: _Serving | None = None

    def apply(self, address: str | None, hosts: Collection[str] = ()) -> None:
        """Listen on *address* from now on; None: on none. *hosts*: names that it may be asked under, beside this machine's own.

        Nothing happens when nothing is new.
        """
        if (address, frozenset(hosts)) == (self._address, self._hosts):
            return
        before, self._address, self._hosts = self._serving, address, frozenset(hosts)
        if before is not None:
            before.stop()
        self._serving = None if address is None else _Serving(address, self._hosts, self._control, self._log, before)

    def close(self) -> None:
        if self._serving is not None:
            self._serving.stop()
            self._serving.thread.join(CLOSE_S)
        self._serving = self._address = None


class _Serving:
    """One address, from the start of its thread to its end. *before* has to end first: it may hold the port."""

    def __init__(self, address: str, hosts: frozenset[str], control: ControlReader, log: Logger, before: _Serving | None) -> None:
        self._address, self._hosts, self._control, self._log, self._before = address, hosts, control, log, before
        self._stopped = threading.Event()
        self._server: object = None
        self.thread = threading.Thread(target=self._run, name=f"http {address}", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._tell_to_stop()

    def _run(self) -> None:
        if self._before is not None:
            self._before.thread.join(CLOSE_S)
            self._before = None
        told = ""
        while not self._stopped.is_set():
            try:
                sock = _bind(self._address)
                with sock:
                    told = ""
                    self._serve(sock)
            except Exception as error:  # noqa: BLE001  whatever it is: DNS goes on
                reason = (error.strerror or str(error)) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
                if reason != told:
                    self._log.error("http is not listened on; trying again", address=self._address, reason=reason, every_s=RETRY_S)
                    told = reason
            self._stopped.wait(RETRY_S)

    def _serve(self, sock: socket.socket) -> None:
        """Until stop()."""
        # Only now: a control process without HTTP does not pay for it, and one with it has begun its work by then.
        import uvicorn  # noqa: PLC0415

        from dnsdisco.admin import app, connection  # noqa: PLC0415
        from dnsdisco.admin.middleware import HEAD_OCTETS_MAX  # noqa: PLC0415

        async def run() -> None:
            config = uvicorn.Config(
                app.make(self._control, _names() | self._hosts, _version(), self._log),
                interface="asgi3",
                http=connection.protocol(),
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",  # whatever a client sends is no news, and what a page does wrong is logged by middleware.py
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                limit_concurrency=2 * connection.CONNECTIONS_MAX,
                timeout_keep_alive=KEEP_ALIVE_S,
                h11_max_incomplete_event_size=HEAD_OCTETS_MAX,
            )
            self._server = server = uvicorn.Server(config)
            if self._stopped.is_set():  # before there was anything to show
                self._tell_to_stop()
            self._log.info("http listening", address=_url(sock))
            await server.serve(sockets=[sock])

        with asyncio.Runner() as runner:
            runner.run(run())

    def _tell_to_stop(self) -> None:
        server = self._server
        if server is not None:
            server.should_exit = server.force_exit = True  # type: ignore[attr-defined]


def _bind(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    family, target = sockaddr.of(host.strip("[]"), int(port))
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


def _url(sock: socket.socket) -> str:
    host, port = sockaddr.host_of(sock.getsockname()), sock.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _names() -> frozenset[str]:
    """This machine's own name: no attacker can give it to a browser as the name of another place."""
    name = socket.gethostname().lower()
    return frozenset({name, name.partition(".")[0]}) - {""}


def _version() -> str:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version("dnsdisco")
    return "not installed"
