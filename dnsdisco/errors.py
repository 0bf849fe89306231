"""Every error that crosses a room. Flat on purpose: catch the one you can act on.

Not errors: NXDOMAIN, NODATA, REFUSED, an empty snapshot, a provider that has not synced yet, truncation. Those are results.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

FORMERR = 1  # RFC 1035 §4.1.1; spelled here because this room imports nothing
EXCERPT_MAX = 60  # characters of a written value, in a message about it

REASON_MAX = 160  # … and of a library's message about it


def excerpt(text: str) -> str:
    """*text* as a message shows it: quoted, without control characters, and not all of it where it is long."""
    return repr(text if len(text) <= EXCERPT_MAX else f"{text[:EXCERPT_MAX]}…")


def reason(error: Exception) -> str:
    """Why, in the words of *error*, which may repeat all that somebody wrote."""
    return shortened(str(error) or type(error).__name__)


def system_reason(error: Exception) -> str:
    """Why, in the system's words, as the middle of a sentence: "no such file or directory"."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text[:1].lower() + text[1:]


def shortened(text: str) -> str:
    """The text, cut if it is long."""
    return text if len(text) <= REASON_MAX else f"{text[:REASON_MAX]}…"


class Problem(NamedTuple):
    """One fault in something a person wrote, with the place to mend it."""

    file: str  # as the user named it; "" when it came from a flag or the environment
    line: int  # 1-based; 0: not known
    column: int  # 1-based; 0: not known
    path: str  # key path such as `providers[1].path` or `SERVICE_WEB_PORT`
    message: str  # what was expected, what was found, how to mend it
    is_warning: bool = False  # a warning alone leaves `dnsdisco check` at exit 0

    def plain(self) -> dict[str, str | int]:
        """The problem as JSON."""
        message = f"warning: {self.message}" if self.is_warning else self.message
        return {"file": self.file, "line": self.line, "column": self.column, "path": self.path, "message": message}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The problem from the result of plain()."""
        message: str = plain["message"]
        text = message.removeprefix("warning: ")
        return cls(plain["file"], plain["line"], plain["column"], plain["path"], text, is_warning=text != message)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.line else f"{self.file}: " if self.file else ""
        return f"{place}{self.path + ': ' if self.path else ''}{self.message}"


class DnsdiscoError(Exception):
    """The root; never raised itself."""


class WireError(DnsdiscoError):
    """A message that cannot be read. `rcode` is what to answer; None: stay silent (a reply could be abused or start a loop)."""

    def __init__(self, reason: str, rcode: int | None = FORMERR) -> None:
        super().__init__(reason)
        self.rcode = rcode


class ZoneFileError(DnsdiscoError):
    """A master file (RFC 1035 §5) that cannot be used. The records read before the fault are not published either."""

    def __init__(self, path: str, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}")
        self.path, self.line, self.reason = path, line, reason


class ConfigError(DnsdiscoError):
    """All the faults of a configuration at once."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def plain_faults(error: Exception) -> list[dict[str, str | int]]:
    """The faults of a configuration as JSON, from any error that has some."""
    problems = error.problems if isinstance(error, ConfigError) else (Problem("", 0, 0, "", str(error)),)
    return [problem.plain() for problem in problems]


class ProviderError(DnsdiscoError):
    """A backend that did not answer, or not in a way that can be used. It means nothing for which services exist.

    `ProviderError("reason")` is enough for a provider: the caller fills in `provider`.
    `retry_after_s`: seconds the backend asked us to wait; None: the usual back-off. `is_denied`: 401, 403, or results hidden by
    ACLs; retried slowly, for only a person can mend it.
    """

    def __init__(
        self, provider: str, reason: str | None = None, *, retry_after_s: float | None = None, is_denied: bool = False
    ) -> None:
        super().__init__(provider, reason)
        self.provider, self.reason = ("", provider) if reason is None else (provider, reason)
        self.retry_after_s, self.is_denied = retry_after_s, is_denied

    def __str__(self) -> str:
        return f"{self.provider}: {self.reason}" if self.provider else str(self.reason)

    def __reduce__(self) -> tuple[object, ...]:
        """Its way from one process to another, as multiprocessing and Celery have it: subclasses are made of other arguments."""
        return ProviderError.__new__, (type(self), *self.args), self.__dict__


class NotSupported(DnsdiscoError):
    """The provider cannot do this at all. The message has the reason, and what can do it."""


class UpstreamError(DnsdiscoError):
    """No upstream gave a usable reply. `kind`: timeout, refused, malformed, rcode, truncated, disabled, shed, closed.

    `reply`: with kind rcode (SERVFAIL, REFUSED, NOTIMP, FORMERR from all of them) the message with that rcode, for its EDE; with
    truncated the part that came over UDP when TCP brought no reply. Its question is proven; it is not to be cached. Else b"".
    """

    def __init__(self, upstream: str, kind: str, reason: str = "", *, reply: bytes = b"") -> None:
        super().__init__(f"{upstream}: {kind}{': ' + reason if reason else ''}")
        self.upstream, self.kind, self.reason, self.reply = upstream, kind, reason, reply


class ListenError(DnsdiscoError):
    """An address that cannot be listened on; the message names the holder (if it can be seen) and the way out."""

    def __init__(self, address: str, reason: str, hint: str = "") -> None:
        super().__init__(f"cannot listen on {address}: {reason}{'; ' + hint if hint else ''}")
        self.address, self.reason, self.hint = address, reason, hint


class ServerError(DnsdiscoError):
    """The running server could not be asked, or refused; the message names the way out."""
