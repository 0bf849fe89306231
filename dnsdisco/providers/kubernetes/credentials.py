"""The address of the API server and our identity there: a pod's account by the official client, a kubeconfig as kubectl reads it (ADR 0031).

Of that client only what is the same in all of its lines is used: `Configuration`, a pod's loader, the one for `auth-provider`, and the
urllib3 pool that `rest.RESTClientObject` makes. Its own reading of a kubeconfig asks without credentials where a plug-in fails.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from dnsdisco import sockaddr
from dnsdisco.errors import ProviderError, reason
from dnsdisco.providers.forked import importing
from dnsdisco.providers.kubernetes.exec_plugin import Printed, run
from dnsdisco.providers.kubernetes.identity import basic, Headers, impersonation, TokenFile
from dnsdisco.providers.kubernetes.kubeconfig import choose, Chosen, KubeconfigEntry
from dnsdisco.providers.kubernetes.options import Options
from dnsdisco.providers.kubernetes.tls import context_of, has_tls_settings
from dnsdisco.providers.kubernetes.traits import Traits

TYPE = Traits.type
HOST_VARIABLE, PORT_VARIABLE = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"  # Kubernetes sets both in every pod
HOME_KUBECONFIG = "~/.kube/config"
AUTHORIZATION = "authorization"
KEEPALIVE_IDLE_S = (
    30  # below the idle time-outs of load balancers (cloud ones: from 60 s), which forget a quiet watch without a word
)
KEEPALIVE_INTERVAL_S = 10
KEEPALIVE_PROBES = 3


class Credentials:
    """The credentials as they were when they were loaded. A token with an expiry, or from a file, is read anew when it is due."""

    def __init__(self, options: Options) -> None:
        """Reads files and may run an exec plugin, which may take its time. Raises ProviderError."""
        configuration = _official("client").Configuration()
        self._configuration = configuration
        self._headers: Headers = []  # that never change
        self._token_file: TokenFile | None = None
        self._expires_at = float("inf")  # of the wall clock
        self._files = files_of(options)
        try:
            context = None
            if is_inside(options):
                _load_account(options, configuration)
            else:
                context = self._load_kubeconfig(options, configuration)
            self._state = state_of(self._files)
            self.host: str = configuration.host.rstrip("/")
            if is_loopback(self.host) and configuration.proxy in getproxies().values():
                configuration.proxy = None  # HTTP_PROXY of the environment: no proxy can reach our own loopback
            self.pool: Any = _official("client.rest").RESTClientObject(configuration).pool_manager
        except ProviderError:
            raise
        except Exception as error:
            raise ProviderError(TYPE, f"the cluster's configuration cannot be used: {one_line(error)}", is_denied=True) from error
        self.pool.connection_pool_kw["socket_options"] = _socket_options()
        if context is not None:
            self.pool.connection_pool_kw["ssl_context"] = context

    @property
    def are_outdated(self) -> bool:
        """A file that they were made from has changed, or their time is over."""
        return state_of(self._files) != self._state or time.time() >= self._expires_at

    def headers(self) -> Headers:
        """The headers with our identity; a name may occur more than once. Raises ProviderError if the credentials cannot be renewed."""
        try:
            settings: Mapping[str, Mapping[str, Any]] = self._configuration.auth_settings()
            token = self._token_file.token() if self._token_file is not None else ""
        except Exception as error:
            raise ProviderError(TYPE, f"the credentials cannot be read: {one_line(error)}", is_denied=True) from error
        headers = [
            (str(each["key"]), str(each["value"]).strip())  # a token file may end in a line end
            for each in settings.values()
            if each.get("in") == "header" and each.get("value")
        ]
        headers += [(AUTHORIZATION, f"Bearer {token}")] if token else []
        headers += self._headers
        if not all(value.isascii() and value.isprintable() for _, value in headers):
            raise ProviderError(TYPE, "the credentials hold characters that no HTTP header can carry", is_denied=True)
        return headers

    def close(self) -> None:
        self.pool.clear()

    def _load_kubeconfig(self, options: Options, configuration: Any) -> ssl.SSLContext | None:
        if not any(file.exists() for file in self._files):
            where = "" if options.kubeconfig else ", and this is no pod with a service account"
            raise FileNotFoundError(f"there is no kubeconfig at {options.kubeconfig or HOME_KUBECONFIG}{where}")
        chosen = choose(self._files, options.context)
        cluster, user = chosen
        self._files += tuple(chosen.files())
        configuration.host = _server(chosen)
        configuration.verify_ssl = not cluster.flag("insecure-skip-tls-verify")
        configuration.tls_server_name = cluster.text("tls-server-name") or None
        configuration.proxy = cluster.text("proxy-url") or configuration.proxy
        printed = Printed("", b"", b"", self._expires_at)
        if token_path := user.file("tokenFile"):
            self._token_file = TokenFile(token_path, user.text("token"))
        elif authorization := _bearer(user.text("token")) or basic(user):
            self._headers.append((AUTHORIZATION, authorization))
        elif user.said.get("exec") is not None:
            printed = run(chosen)
            self._expires_at = printed.expires_at
            self._headers += [(AUTHORIZATION, _bearer(printed.token))] if printed.token else []
        elif user.said.get("auth-provider") is not None:
            _load_auth_provider(user, configuration)
        self._headers += impersonation(user)
        return context_of(chosen, printed.certificate, printed.key) if configuration.host.startswith("https:") else None


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
    return host == "localhost" or sockaddr.is_loopback(host)


def one_line(error: BaseException) -> str:
    """The first line of an error's text, never with a URL's query or a header."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{said[:300]}" if said else type(error).__name__


def _load_account(options: Options, configuration: Any) -> None:
    environ = os.environ if options.environ is None else options.environ
    account = options.service_account
    loader = _official("config.incluster_config").InClusterConfigLoader(
        token_filename=str(account / "token"),
        cert_filename=str(account / "ca.crt"),
        environ={PORT_VARIABLE: "443", **environ},
    )
    loader.load_and_set(configuration)


def _server(chosen: Chosen) -> str:
    """The URL of the server, with a scheme. Raises ValueError."""
    server = chosen.cluster.text("server").strip()
    if not server:
        raise ValueError(f"{chosen.cluster}: it has no `server`")
    if "://" not in server:
        if "/" in server.rstrip("/"):
            raise ValueError(f"{chosen.cluster}: server: expected a URL, or a host and a port")
        server = f"{'https' if has_tls_settings(chosen) else 'http'}://{server}"
    parts = urlsplit(server)
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{chosen.cluster}: server: expected a URL such as https://10.0.0.1:6443")
    return f"{parts.scheme.lower()}{server[len(parts.scheme) :]}"


def _bearer(token: str) -> str:
    return f"Bearer {token.strip()}" if token.strip() else ""


def _load_auth_provider(user: KubeconfigEntry, configuration: Any) -> None:
    """Load `auth-provider`, which kubectl has replaced by plug-ins, apart from oidc. The official client refreshes it. Raises if it gives no token."""
    provider = user.said["auth-provider"]
    name = provider.get("name") if isinstance(provider, Mapping) else None
    loader = _official("config.kube_config").KubeConfigLoader(
        {
            "current-context": "own",
            "contexts": [{"name": "own", "context": {"cluster": "own", "user": "own"}}],
            "clusters": [{"name": "own", "cluster": {}}],
            "users": [{"name": "own", "user": {"auth-provider": provider}}],
        },
        config_base_path=str(user.folder),
    )
    try:
        loader.load_and_set(configuration)
    except (
        AttributeError,
        ImportError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:  # `config` is not as it expects, or its library is not here
        raise ValueError(f"{user}: the auth-provider {name} cannot be used ({reason(error)})") from None
    if not configuration.api_key.get("BearerToken"):
        raise ValueError(f"{user}: the auth-provider {name} gives no token; most clusters have an `exec` plug-in in its place")


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
