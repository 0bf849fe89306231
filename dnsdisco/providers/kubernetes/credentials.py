"""Where the API server is and who we are there: the official client's part (kubeconfig, exec plugins, service accounts, TLS, proxies).

Of that client only what is the same in all of its lines is used: `Configuration`, the loaders that fill it, and the urllib3 pool that
`rest.RESTClientObject` makes of it. Its `load_config()` prints, and its requests retry and follow redirects in silence.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from dnsdisco.errors import ProviderError
from dnsdisco.providers.forked import importing
from dnsdisco.providers.kubernetes.options import Options

TYPE = "kubernetes"
HOST_VARIABLE, PORT_VARIABLE = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"  # Kubernetes sets both in every pod
HOME_KUBECONFIG = "~/.kube/config"
KEEPALIVE_IDLE_S = (
    30  # below the idle time-outs of load balancers (cloud ones: from 60 s), which forget a quiet watch without a word
)
KEEPALIVE_INTERVAL_S = 10
KEEPALIVE_PROBES = 3


class Credentials:
    """As they were when they were loaded; a token with an expiry, or from a file, is read anew by the loader when it is due."""

    def __init__(self, options: Options) -> None:
        """Reads files and may run an exec plugin, which may take its time. Raises ProviderError."""
        configuration = _official("client").Configuration()
        self._configuration = configuration
        self._files = files_of(options)
        self._state = state_of(self._files)
        try:
            _load(options, configuration)
            self.host: str = configuration.host.rstrip("/")
            if is_loopback(self.host) and configuration.proxy in getproxies().values():
                configuration.proxy = None  # HTTP_PROXY of the environment: no proxy can reach our own loopback
            self.pool: Any = _official("client.rest").RESTClientObject(configuration).pool_manager
        except Exception as error:
            raise ProviderError(TYPE, f"the cluster's configuration cannot be used: {one_line(error)}", is_denied=True) from error
        self.pool.connection_pool_kw["socket_options"] = _socket_options()

    @property
    def are_outdated(self) -> bool:
        """A file that they were made from has changed."""
        return state_of(self._files) != self._state

    def headers(self) -> dict[str, str]:
        """Whom we say we are. Raises ProviderError when that cannot be found out any more."""
        try:
            settings: Mapping[str, Mapping[str, Any]] = self._configuration.auth_settings()
        except Exception as error:
            raise ProviderError(TYPE, f"the credentials cannot be read: {one_line(error)}", is_denied=True) from error
        headers = {
            str(each["key"]): str(each["value"]).strip()  # a token file may end in a line end
            for each in settings.values()
            if each.get("in") == "header" and each.get("value")
        }
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise ProviderError(TYPE, "the credentials hold characters that no HTTP header can carry", is_denied=True)
        return headers

    def close(self) -> None:
        self.pool.clear()


def is_inside(options: Options) -> bool:
    """We run in a pod of the cluster that we ask, so its cluster IPs can be reached."""
    environ = os.environ if options.environ is None else options.environ
    has_account = (options.service_account / "token").is_file()
    return options.kubeconfig is None and bool(environ.get(HOST_VARIABLE)) and has_account


def files_of(options: Options) -> tuple[Path, ...]:
    if is_inside(options):
        return (options.service_account / "ca.crt",)  # the loader itself looks after the token
    return tuple(Path(path).expanduser() for path in (options.kubeconfig or HOME_KUBECONFIG).split(os.pathsep) if path)


def state_of(files: tuple[Path, ...]) -> tuple[object, ...]:
    return tuple(_state(file) for file in files)


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def one_line(error: BaseException) -> str:
    """The first line of what an error says, and never a URL's query or a header."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{said[:300]}" if said else type(error).__name__


def _load(options: Options, configuration: Any) -> None:
    if is_inside(options):
        environ = os.environ if options.environ is None else options.environ
        account = options.service_account
        loader = _official("config.incluster_config").InClusterConfigLoader(
            token_filename=str(account / "token"),
            cert_filename=str(account / "ca.crt"),
            environ={PORT_VARIABLE: "443", **environ},
        )
        loader.load_and_set(configuration)
        return
    written = options.kubeconfig or HOME_KUBECONFIG
    files = files_of(options)
    if not any(file.exists() for file in files):
        where = "" if options.kubeconfig else ", and this is no pod with a service account"
        raise FileNotFoundError(f"there is no kubeconfig at {written}{where}")
    # persist_config: a server does not write into a file that is somebody else's.
    _official("config").load_kube_config(written, options.context, client_configuration=configuration, persist_config=False)


def _official(module: str) -> Any:
    """A module of the official client, whose lines differ in their types. 125 MB on disk and 0.2 s: only when it is wanted."""
    try:
        with importing:
            return import_module(f"kubernetes.{module}")
    except ImportError as error:
        raise ProviderError(
            TYPE, f"its client library is not installed ({error}); `pip install 'dnsdisco[kubernetes]'` does it", is_denied=True
        ) from None


def _state(file: Path) -> object:
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino


def _socket_options() -> list[tuple[int, int, int]]:
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("IDLE", KEEPALIVE_IDLE_S), ("INTVL", KEEPALIVE_INTERVAL_S), ("CNT", KEEPALIVE_PROBES)):
        number = getattr(socket, f"TCP_KEEP{name}", None)  # not every system has them all
        if number is not None:
            options.append((socket.IPPROTO_TCP, number, value))
    return options
