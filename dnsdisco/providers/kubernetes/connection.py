"""Requests to one API server, and what it means when they fail. No call without a time limit; no retry and no redirect in silence."""

from __future__ import annotations

import http.client
import json
import random
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from dnsdisco.errors import ProviderError, system_reason
from dnsdisco.providers.forked import in_child, Lock, renew
from dnsdisco.providers.kubernetes.credentials import AUTHORIZATION, Credentials, one_line, TYPE
from dnsdisco.providers.kubernetes.options import Options
from dnsdisco.providers.values import parsed, TooMuch

CONNECT_S = 5.0  # TLS included
WHOLE_S = 60.0  # for a whole body, however slowly it drips
BODY_OCTETS_MAX = 256 * 2**20  # a page of 500 objects of 0.5 MB each, which etcd would hardly take
REASON_CHARACTERS_MAX = 300  # of what a server says of itself
REFUSAL_OCTETS_MAX = 65536  # of the body of a refusal that is read
PIECE_OCTETS = 65536
EXCERPT_OCTETS = 60  # of a page that is no JSON
CALM_MIN_S, CALM_MAX_S = 5.0, 10.0  # after 429 without a Retry-After

Redacted = Callable[[str], str]

_PERMANENT = frozenset({400, 401, 403, 404, 422})  # only a person can mend these


class ApiError(ProviderError):
    """`status`: of HTTP, 0 where there was no answer. `cause`: the word for machines in a Kubernetes Status, such as Expired.

    `is_silence`: no octet came for too long.
    """

    def __init__(
        self, reason: str, *, status: int = 0, cause: str = "", retry_after_s: float | None = None, is_silence: bool = False
    ) -> None:
        super().__init__(TYPE, reason, retry_after_s=retry_after_s, is_denied=status in _PERMANENT)
        self.status, self.cause, self.is_silence = status, cause, is_silence


class ApiConnection:
    """May be used by several threads at once. The constructor does no I/O; the first request loads the credentials."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = Lock()  # around _credentials
        self._credentials: Credentials | None = None
        self._secrets: tuple[str, ...] = ()  # of the last request
        in_child(self._begin_anew)

    def redacted(self, text: str) -> str:
        """*text* of a server without our secrets, should it, or a proxy before it, have put them there."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object at *path*. Raises ApiError or ProviderError."""
        return self._object(self.open("GET", path, query))

    def send(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a change and return the server's answer. Raises like get()."""
        return self._object(self.open(method, path, body=json.dumps(body)))

    def reach(self) -> None:
        """Returns when the server answers, whatever the answer is. Raises ApiError."""
        try:
            response = self.open("GET", "/version")
        except ApiError as error:
            if not error.status:
                raise
        else:
            response.close()

    def open(self, method: str, path: str, query: Mapping[str, str] | None = None, body: str | None = None) -> Any:
        """A urllib3 response with a status of success, whose body is not read yet. The caller closes it.

        401 makes us load the credentials anew and ask once more: they are changed without a word.
        """
        url = f"{path}?{urlencode(query)}" if query else path
        credentials = self._current()
        try:
            return self._open(credentials, method, url, body)
        except ApiError as error:
            if error.status != http.client.UNAUTHORIZED:
                raise
        self._forget(credentials)
        return self._open(self._current(), method, url, body)

    def close(self) -> None:
        with self._lock:
            credentials, self._credentials = self._credentials, None
        if credentials is not None:
            credentials.close()

    def _begin_anew(self) -> None:
        """Let a forked child load its own credentials, with connections, TLS, and a token that no other process renews."""
        credentials, self._credentials = self._credentials, None
        if credentials is not None:
            renew(credentials.pool)

    def _current(self) -> Credentials:
        with self._lock:
            if self._credentials is not None and self._credentials.are_outdated:
                self._credentials = None
            if self._credentials is None:
                self._credentials = Credentials(self._options)
            return self._credentials

    def _forget(self, credentials: Credentials) -> None:
        """Unless another thread has replaced them already."""
        with self._lock:
            if self._credentials is credentials:
                self._credentials = None

    def _open(self, credentials: Credentials, method: str, url: str, body: str | None) -> Any:
        import urllib3  # noqa: PLC0415  comes with the official client
        from urllib3._collections import HTTPHeaderDict  # noqa: PLC0415  urllib3 1 has it nowhere else

        identity = credentials.headers()
        self._secrets = tuple(value.rpartition(" ")[2] for key, value in identity if key == AUTHORIZATION)  # behind `Bearer`
        headers = HTTPHeaderDict({"Accept": "application/json", "User-Agent": "dnsdisco"})
        for key, value in identity:
            headers.add(key, value)
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = credentials.pool.request(
                method,
                credentials.host + url,
                headers=headers,
                body=body,
                timeout=urllib3.Timeout(connect=min(CONNECT_S, self._options.answer_s), read=self._options.answer_s),
                retries=False,
                redirect=False,  # the token is for this server
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError, http.client.HTTPException, ValueError) as error:
            failure = lost(error, credentials.host)
            if failure.is_denied:  # TLS: perhaps the authority is another one now
                self._forget(credentials)
            raise failure from None
        if 200 <= response.status < 300:
            return response
        try:
            refused = refusal(response, self.redacted)
        finally:
            response.close()
        raise refused

    def _object(self, response: Any) -> dict[str, Any]:
        try:
            body = read_whole(response)
        finally:
            response.close()
        try:
            value = parsed(body)
        except TooMuch as error:
            raise ApiError(f"the API server's answer has {error}") from None
        except (ValueError, RecursionError):
            excerpt = self.redacted(repr(body[: 4 * EXCERPT_OCTETS]))[:EXCERPT_OCTETS]
            raise ApiError(f"the API server sent an answer that is not JSON: {excerpt}") from None
        if not isinstance(value, dict):
            raise ApiError(f"the API server answered with a JSON {type(value).__name__}, not an object")
        return value


def read_whole(response: Any) -> bytes:
    """The body. Raises ApiError when it is cut, too long, or too slow."""
    deadline = time.monotonic() + WHOLE_S
    pieces: list[bytes] = []
    octets = 0
    while piece := read_piece(response):
        pieces.append(piece)
        octets += len(piece)
        if octets > BODY_OCTETS_MAX:
            raise ApiError(f"the API server's answer is longer than {BODY_OCTETS_MAX} octets")
        if time.monotonic() > deadline:
            raise ApiError(f"the API server's answer is not whole after {WHOLE_S:g} s")
    return b"".join(pieces)


def read_piece(response: Any) -> bytes:
    """Read the octets that are there, at least one; b"" at the end. Raises ApiError."""
    import urllib3  # noqa: PLC0415

    try:
        read1 = getattr(response, "read1", None) or response._fp.read1  # noqa: SLF001  urllib3 1 has no public one
        piece: bytes = read1(PIECE_OCTETS)
    except (urllib3.exceptions.HTTPError, OSError, http.client.HTTPException, ValueError, AttributeError) as error:
        raise lost(error, "the API server") from None
    if not piece and getattr(getattr(response, "_fp", None), "length", None):
        raise ApiError("the API server's answer was cut")  # fewer octets than its Content-Length; nobody below minds
    return piece


def socket_of(response: Any) -> socket.socket | None:
    """The socket of a response; closing it wakes up a thread that reads. http.client hands it over when the server closes after this answer."""
    for path in (("connection", "sock"), ("_fp", "fp", "raw", "_sock")):
        found: Any = response
        for name in path:
            found = getattr(found, name, None)
        if isinstance(found, socket.socket):
            return found
    return None


def refusal(response: Any, redacted: Redacted) -> ApiError:
    """The error for a status that is not a success."""
    try:
        status = json.loads(response.read(REFUSAL_OCTETS_MAX))
    except Exception:  # noqa: BLE001  a proxy's page, or a cut
        status = None
    status = status if isinstance(status, dict) else {}
    return api_error(response.status, status, redacted, response.headers.get("Retry-After"))


def api_error(code: int, status: Mapping[str, Any], redacted: Redacted, retry_after: str | None = None) -> ApiError:
    """The error that a Kubernetes Status object, or a bare HTTP status, stands for."""
    said, cause = status.get("message"), status.get("reason")
    reason = redacted(said)[:REASON_CHARACTERS_MAX] if isinstance(said, str) and said else http.client.responses.get(code, "")
    wait_s = (
        float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 10 else None
    )
    if code == http.client.TOO_MANY_REQUESTS:
        wait_s = max(wait_s or 0.0, random.uniform(CALM_MIN_S, CALM_MAX_S))  # noqa: S311  spreads clients, hides nothing
    return ApiError(
        f"the API server answered {code}: {reason}",
        status=code,
        cause=cause if isinstance(cause, str) else "",
        retry_after_s=wait_s,
    )


def lost(error: BaseException, where: str) -> ApiError:
    """The error for an exchange that broke off, in words without addresses of objects, ports of ours, or anything secret."""
    import urllib3  # noqa: PLC0415

    if isinstance(error, (urllib3.exceptions.ReadTimeoutError, TimeoutError)) and not isinstance(
        error, urllib3.exceptions.ConnectTimeoutError
    ):
        return ApiError(f"{where} does not answer in time", is_silence=True)
    if isinstance(error, urllib3.exceptions.ConnectTimeoutError) and not isinstance(error, urllib3.exceptions.NewConnectionError):
        return ApiError(f"cannot connect to {where} in time", is_silence=True)
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            failure = ApiError(f"{where} is not trusted: {cause.verify_message}")
            failure.is_denied = True  # only a person, or another authority, can mend it
            return failure
        if isinstance(cause, socket.gaierror):
            return ApiError(f"cannot connect to {where}: its name is not found")
        if isinstance(cause, OSError) and cause.errno and not isinstance(cause, ssl.SSLError):
            return ApiError(f"cannot reach {where}: {system_reason(cause)}")
    if isinstance(error, urllib3.exceptions.SSLError):
        return ApiError(f"cannot speak TLS with {where}: {one_line(error)}")
    if isinstance(error, ValueError):
        return ApiError(f"the request to {where} cannot be made: {type(error).__name__}")  # its text may show a header
    return ApiError(f"the connection to {where} was lost: {one_line(error)}")


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what is behind it, by cause, by context, and by urllib3's way of wrapping one in the other's arguments."""
    found: list[BaseException] = []
    left: list[BaseException] = [error]
    while left and len(found) < 10:
        each = left.pop(0)
        if each in found:
            continue
        found.append(each)
        left += [arg for arg in each.args if isinstance(arg, BaseException)]
        left += [behind for behind in (each.__cause__, each.__context__) if behind is not None]
    return found
