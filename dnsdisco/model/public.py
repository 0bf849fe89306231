"""The part of service data that everybody may read: in pages, TXT records and the log. Only programs that use the library get the whole URL.

A secret is the user part of a URL, the value of a URL's parameter or of a `meta` key whose name ends as that of a secret does, and such a
setting within a value of `meta`: `host=db password=x` (libpq), `Server=db;Pwd=x` (ODBC), `{"token": "x"}`. In
the reply to a check, it is also what stands behind such a word and `=` or `:` anywhere, or behind `bearer`. Hiding too much does no harm.
Each pattern is linear: what a repetition takes ends where the next one could begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from dnsdisco.model.service import LeftOut
from dnsdisco.written.units import printable, shown

HIDDEN = "***"
REASON_OCTETS_MAX = 80  # of what made an instance critical: it stands in an answer, beside the rest of a sentence
LEFT_OUT_OCTETS_MAX = 120  # of why an instance was left out: what was expected, and what was found
_READ_CHARACTERS_MAX = 1000  # of the reply to a check: a page of HTML has its point at its head
_USER_MAX = 256  # characters of a password that has a / or a # in it: so far an @ is looked for

_WORDS = (
    r"(?:passw(?:or)?d|passphrase|pwd|secret|token|credentials?|signature|authorization|(?<![a-z])(?:pass|sig)"
    r"|(?:api|access|account|private|signing|encryption)[_.-]?key)"
)
_USER = re.compile(rf"(?<=://)(?:[^/?#]*@|[^/?#\s@:]*:(?!\d*(?:[/?#\s]|\Z))[^\s@]{{1,{_USER_MAX}}}@)")
_PARAMETER = re.compile(rf"([?&;][^?=&;#]*{_WORDS}=)[^&;#]*", re.IGNORECASE)
_SETTING = re.compile(
    rf"""((?:\A|[\s,;{{])["']?[\w.-]*{_WORDS}["']?\s?[=:]\s?)(?:"[^"]*"|'[^']*'|(?![\s,}}]|\*)(?:(?![\s,][\w.-]+=)[^;}}])*)""",
    re.IGNORECASE,
)
_KEY = re.compile(rf".*(?:{_WORDS}|(?:http|basic)[_.-]?auth)", re.IGNORECASE | re.DOTALL)
_SAID = re.compile(rf"""(authorization["']?\s*[=:]\s*(?:[a-z]+\s+)?|{_WORDS}["']?\s*[=:]\s*|\bbearer\s+)[^\s,;]+""", re.IGNORECASE)


def public_url(url: str) -> str:
    """*url* without its user name and password, and with *** for the parameters that are called after a secret. O(length)."""
    return _PARAMETER.sub(rf"\1{HIDDEN}", _USER.sub("", url))


def public_text(text: str) -> str:
    """Any *text*: URLs in it without their secrets, and *** for the value of a setting that is called after one. O(length)."""
    return public_url(_SETTING.sub(rf"\1{HIDDEN}", text))


def public_meta(meta: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The same of `meta`: *** for the value of a key that is called after a secret, public_text() of the others."""
    return [(key, HIDDEN if is_secret(key) else public_text(value)) for key, value in meta]


def is_secret(key: str) -> bool:
    """A key such as `password`, `db_password`, `apiToken`; not `tokenizer` or `secret_name`."""
    return _KEY.fullmatch(key) is not None


def reason_from(text: object, octets_max: int = REASON_OCTETS_MAX) -> str:
    """Why an instance is critical, from the reply to its check: the first line of it, printable, without secrets, cut at *octets_max*."""
    lines = str(text or "")[:_READ_CHARACTERS_MAX].split("\n")
    line = printable(" ".join(next(filter(None, map(str.split, lines)), ())))
    line = _SAID.sub(rf"\1{HIDDEN}", public_url(line))
    octets = line.encode(errors="replace")
    if len(octets) <= octets_max:
        return octets.decode()
    return f"{octets[: octets_max - 3].decode(errors='ignore').rstrip()}…"


@lru_cache(1000)  # a file with the same mistake in each of its services has few different ones
def left_out(count: int, path: str, message: str) -> LeftOut | None:
    """*count* instances are left out, the first one for the fault *message* at *path* of it ("": as a whole). None: there is none."""
    reason = f"{path}: {message}" if path else message
    return LeftOut(count, reason_from(reason, LEFT_OUT_OCTETS_MAX)) if reason else None


def shown_url(value: object) -> str:
    """A wrong URL as a message shows it: whatever stands before an @ may be a password."""
    if not isinstance(value, str):
        return shown(value)
    _, at, rest = value.rpartition("@")
    return shown(_PARAMETER.sub(rf"\1{HIDDEN}", f"…@{rest}" if at else value))
