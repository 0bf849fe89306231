"""The files with our credentials and the authorities that we trust. They are read when they are needed and again when they change."""

from __future__ import annotations

import base64
import os
import ssl

from dnsdisco.errors import ProviderError
from dnsdisco.providers.consul.options import Options, usable_token
from dnsdisco.providers.forked import in_child, Lock

AUTHORITIES_MAX = 1000  # files of `ca_path`; a system has some 150

_State = tuple[int, ...] | None  # the result of a file's stat(); None: it failed


class Credentials:
    """Shared by all connections of one provider."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = Lock()
        self._token_state: _State = None
        self._token: str | None = options.token
        auth = options.http_auth or ""
        auth = auth if ":" in auth or not auth else f"{auth}:"
        self._authorization = f"Basic {base64.b64encode(auth.encode()).decode()}" if auth else ""
        self._context: tuple[tuple[_State, ...], ssl.SSLContext] | None = None
        in_child(self._forget_context)

    def token(self) -> str | None:
        """The token; None if none was given. Raises ProviderError for a token file that cannot be used, and never could in this process."""
        path = self._options.token_file
        if path is None:
            return self._token
        state = _state(path)
        with self._lock:
            if state is not None and state == self._token_state:
                return self._token
            try:
                with open(path, encoding="utf-8") as file:  # noqa: PTH123  as it was written
                    self._token = usable_token(file.read(65536))
                self._token_state = state
            except (OSError, ValueError) as error:
                if self._token is None:
                    reason = error.strerror if isinstance(error, OSError) else str(error)
                    raise ProviderError("consul", f"the token file {path}: {reason}", is_denied=True) from None
                # It is being replaced; should the old token have been revoked, the agent will refuse it.
            return self._token

    def redacted(self, text: str) -> str:
        """*text* without the token, in case it is in there."""
        for secret in (self._token, self._authorization.rpartition(" ")[2], (self._options.http_auth or "").partition(":")[2]):
            text = text.replace(secret, "***") if secret else text
        return text

    def headers(self) -> dict[str, str]:
        """Those that never change: of a gateway that wants a name and a password (RFC 7617)."""
        return {"Authorization": self._authorization} if self._authorization else {}

    def context(self) -> ssl.SSLContext:
        """Made anew when one of its files has changed. Raises ProviderError for files that cannot be used."""
        options = self._options
        files = [path for path in (options.ca_file, options.client_cert, options.client_key) if path is not None]
        states = tuple(_state(path) for path in [*files, *_in_folder(options.ca_path)])
        with self._lock:
            if self._context is None or self._context[0] != states:
                self._context = states, self._new_context()
            return self._context[1]

    def _forget_context(self) -> None:
        """OpenSSL has locks of its own in it."""
        self._context = None

    def _new_context(self) -> ssl.SSLContext:
        options = self._options
        try:
            context = ssl.create_default_context(cafile=options.ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise ProviderError("consul", f"ca_file {options.ca_file}: {_why(error)}", is_denied=True) from None
        if options.ca_file is None and options.ca_path is not None:
            context = _trusting(options.ca_path)
        if not options.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if options.client_cert is not None:
            try:
                # An empty password: a key that has one must not ask for it on the terminal.
                context.load_cert_chain(options.client_cert, options.client_key, password="")
            except (OSError, ValueError) as error:
                raise ProviderError("consul", f"client_cert {options.client_cert}: {_why(error)}", is_denied=True) from None
        return context


def _in_folder(folder: str | None) -> list[str]:
    """The files of a folder, and the folder; what cannot be listed is found out when it is read."""
    if folder is None:
        return []
    try:
        names = sorted(os.listdir(folder))[:AUTHORITIES_MAX]  # noqa: PTH208  as it was written
    except OSError:
        names = []
    return [folder, *(os.path.join(folder, name) for name in names)]  # noqa: PTH118


def _trusting(folder: str) -> ssl.SSLContext:
    """Every file of *folder*, as Consul's own tools read it: OpenSSL would want them named by their hashes. Raises ProviderError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    files = [path for path in _in_folder(folder)[1:] if os.path.isfile(path)]  # noqa: PTH113
    if not files:
        raise ProviderError("consul", f"ca_path {folder}: there is no file in it", is_denied=True)
    for path in files:
        try:
            context.load_verify_locations(path)
        except OSError as error:
            raise ProviderError("consul", f"ca_path {path}: {_why(error)}", is_denied=True) from None
    return context


def _state(path: str) -> _State:
    try:
        stat = os.stat(path)  # noqa: PTH116  for each query: the cheapest way
    except (OSError, ValueError):
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino, stat.st_dev


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return "no PEM file that can be used" + (f" ({error.reason.lower().replace('_', ' ')})" if error.reason else "")
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
