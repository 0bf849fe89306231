"""An agent's HTTP API, through the part that python-consul and its fork py-consul have alike: `consul.std.HTTPClient`.

Their upper part puts the token into URLs and exception texts, knows no stale reads, hides the headers, and lets CONSUL_HTTP_ADDR and
CONSUL_HTTP_TOKEN win over its arguments. This part does none of that. The token goes into a header, and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from dnsdisco.errors import ProviderError
from dnsdisco.providers.consul.credentials import Credentials
from dnsdisco.providers.consul.options import Options
from dnsdisco.providers.consul.session import AgentSession
from dnsdisco.providers.http import NoAnswer, Patience, Redirected
from dnsdisco.providers.values import parsed, TooMuch
from dnsdisco.sockaddr import without_scope

try:
    from consul.std import HTTPClient
except ImportError as error:
    raise ImportError("the consul provider needs python-consul: pip install 'dnsdisco[consul]'", name="consul") from error

WAIT_JITTER = 1 / 16  # of the wait: an agent adds up to so much to a blocking query
SLACK_S = 10.0  # after an answer was due; without a leader an agent takes 7 s to answer
BODY_S = 20.0  # from an answer's head to its end
BUSY_S = 5.0  # after a 429 without Retry-After
INDEX_MAX = 2**63  # beyond is no index but noise
EXCERPT_CHARACTERS_MAX = 160
_DOTS = {".": "%2E", "..": "%2E%2E"}

_FILTERED = "X-Consul-Results-Filtered-By-ACLs"  # since Consul 1.11, for tokens that exist


class AgentError(ProviderError):
    """`kind`: of NoAnswer, or `status` with the HTTP status in `status`, or `redirect` for a name that no path of this agent can hold."""

    def __init__(
        self, reason: str, kind: str, *, status: int = 0, retry_after_s: float | None = None, is_denied: bool = False
    ) -> None:
        super().__init__("consul", reason, retry_after_s=retry_after_s, is_denied=is_denied)
        self.kind, self.status = kind, status

    @property
    def is_refusal(self) -> bool:
        """One connection too many looks like this: a reset before Consul 1.9 or so, a 429 since."""
        return self.kind == "reset" or self.status == 429


@dataclass(frozen=True, slots=True)
class AgentReply:
    """`index` 0: the agent sent none, so that there is nothing to block on. `is_filtered`: ACLs hid a part."""

    data: Any
    index: int
    is_filtered: bool


class _Client(HTTPClient):  # type: ignore[misc, valid-type, unused-ignore]
    """Quotes each part of a path by itself: an id may have slashes, and be nothing but a path."""

    def uri(self, path: str, params: Any = None) -> str:
        return f"{self.base_uri}{path}?{urlencode(params)}" if params else f"{self.base_uri}{path}"


class Agent:
    """One connection, used by one thread at a time; abort() by any. The first query connects."""

    def __init__(self, options: Options, credentials: Credentials) -> None:
        endpoint = options.endpoint
        self._options, self._credentials = options, credentials
        self._where = str(endpoint)
        self._connection = AgentSession(endpoint, context=credentials.context, server_name=options.tls_server_name or "")
        host = without_scope(endpoint.host)
        host = f"[{host}]" if ":" in host else host
        self._client = _Client(host, endpoint.port, endpoint.scheme)
        self._client.session = self._connection
        self._connection.headers = {
            "User-Agent": "dnsdisco",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            **credentials.headers(),
        }

    def get(self, path: str, *names: str, index: int = 0, wait_s: float = 0.0, **params: str) -> AgentReply:
        """GET *path*, with each of *names* quoted behind it. With an *index* it blocks until the agent's index differs, or *wait_s*.

        Raises AgentError. The index is never taken from an answer that failed: those have 1, whatever the catalog's is.
        """
        options, query = self._options, [*params.items(), *self._tenancy()]
        if options.datacenter:
            query.append(("dc", options.datacenter))
        if options.stale:
            query.append(("stale", "1"))
        if index > 0:
            query += [("index", str(index)), ("wait", f"{round(wait_s * 1000)}ms")]
        blocks_s = wait_s * (1 + WAIT_JITTER) if index > 0 else 0.0
        code, headers, body = self._exchange(self._client.get, path, names, query, blocks_s=blocks_s)
        self._raise_for(code, headers, body)
        try:
            data = parsed(body)
        except TooMuch as error:
            raise self._error("large", f"an answer of {error}") from None
        except (ValueError, RecursionError):
            raise self._error("malformed", f"the answer is not JSON: {self._excerpt(body)}") from None
        return AgentReply(data, _index(headers.get("X-Consul-Index")), str(headers.get(_FILTERED, "")).lower() == "true")

    def put(self, path: str, *names: str, data: dict[str, Any] | None = None, **params: str) -> None:
        """Raises AgentError; ValueError, with the agent's words, where it refuses *data* (400)."""
        body = "" if data is None else json.dumps(data)
        code, headers, text = self._exchange(self._client.put, path, names, [*params.items(), *self._tenancy()], data=body)
        if code == 400:
            raise ValueError(f"the Consul agent refuses this: {self._excerpt(text)}")
        self._raise_for(code, headers, text)

    def abort(self) -> None:
        """End what is going on in another thread, and refuse what comes. Does not block."""
        self._connection.abort()

    def close(self) -> None:
        self._connection.close()

    def _tenancy(self) -> list[tuple[str, str]]:
        """The namespace and partition of Consul Enterprise; another agent refuses them."""
        options = self._options
        return [(key, value) for key, value in (("ns", options.namespace), ("partition", options.partition)) if value]

    def _exchange(
        self, send: Any, path: str, names: Iterable[str], query: list[tuple[str, str]], *, blocks_s: float = 0.0, **more: Any
    ) -> tuple[int, Any, str]:
        token = self._credentials.token()
        headers = self._connection.headers
        if token is None:
            headers.pop("X-Consul-Token", None)
        else:
            headers["X-Consul-Token"] = token
        self._connection.patience = Patience(blocks_s + SLACK_S, BODY_S)
        self._connection.is_repeatable = not blocks_s
        parts = [_quoted(name) for name in names]
        try:
            answer = send(lambda response: response, self._path(path, parts), query or None, **more)
        except NoAnswer as error:
            if not isinstance(error, Redirected) or not any("%2F" in part or "%2E" in part for part in parts):
                raise self._failed(error) from None
            answer = self._exchange_again(send, self._path(path, [quote(part) for part in parts]), query, **more)
        return answer.code, answer.headers, answer.body

    def _exchange_again(self, send: Any, path: str, query: list[tuple[str, str]], **more: Any) -> Any:
        """Ask with everything quoted twice: an agent before Consul 1.18 reads slashes and dots that are quoted once as those of the path."""
        try:
            return send(lambda response: response, path, query or None, **more)
        except Redirected as error:
            raise self._error("redirect", error.reason) from None
        except NoAnswer as error:
            raise self._failed(error) from None

    def _path(self, path: str, parts: list[str]) -> str:
        return "/".join((self._options.endpoint.prefix + path, *parts))

    def _failed(self, error: NoAnswer) -> AgentError:
        return self._error(error.kind, error.reason, is_denied=error.kind == "tls")

    def _raise_for(self, code: int, headers: Any, body: str) -> None:
        if code == 200:
            return
        reason = f"HTTP {code}: {self._excerpt(body)}" if body.strip() else f"HTTP {code}"
        retry_after_s = _seconds(headers.get("Retry-After"))
        if code == 429:
            retry_after_s = max(retry_after_s or 0.0, BUSY_S)
        raise self._error("status", reason, status=code, retry_after_s=retry_after_s, is_denied=code in {401, 403})

    def _error(self, kind: str, reason: str, **more: Any) -> AgentError:
        return AgentError(self._credentials.redacted(f"{self._where}: {reason}"), kind, **more)

    def _excerpt(self, body: str) -> str:
        text = " ".join(body[: 4 * EXCERPT_CHARACTERS_MAX].split())
        text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
        return text if len(text) <= EXCERPT_CHARACTERS_MAX else f"{text[: EXCERPT_CHARACTERS_MAX - 1]}…"


def is_askable(name: str) -> bool:
    """True if every agent can be asked for *name*: one before Consul 1.18 resolves dots alone, quoted or not, and returns another service."""
    return name not in {"", *_DOTS}


def _quoted(name: str) -> str:
    """*name* as one part of a path. Dots alone have a meaning in paths, unless they are quoted (RFC 3986 §3.3): quote() leaves every dot."""
    return _DOTS.get(name) or quote(name, safe="")


def _index(text: Any) -> int:
    text = str(text).strip()
    return min(int(text), INDEX_MAX) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def _seconds(text: Any) -> float | None:
    """The seconds of a Retry-After field; its form with a date is ignored."""
    return float(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 8 else None
