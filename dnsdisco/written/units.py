"""Reads numbers and durations, shows a wrong value in a message, and suggests what was meant.

Every function that reads raises ValueError whose text says what was expected and what was found; none raises anything else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

DURATION_S_MAX = 10 * 365 * 86400  # ten years: anything beyond is a slip of the pen, and no clock here overflows below it
SHOWN_CHARACTERS_MAX = 60  # of a wrong value in a message
NUMBER_DIGITS_MAX = 10  # of a number that is written as a text: no number here is larger …
NUMBER_MAX = 10**NUMBER_DIGITS_MAX  # … and none that is written as a number

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d|w)")
_DECIMAL = re.compile(rf"0|[1-9][0-9]{{0,{NUMBER_DIGITS_MAX - 1}}}")


def shown(value: object) -> str:
    """A wrong value as a message shows it: one line, printable, short."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > 256:
            return "a number of many digits"  # str() refuses it beyond 4300, and takes long before
        case list() | tuple():
            return "a list"
        case dict():
            return "a mapping"
    text = printable(str(value)[: SHOWN_CHARACTERS_MAX + 1])
    text = text if len(text) <= SHOWN_CHARACTERS_MAX else text[: SHOWN_CHARACTERS_MAX - 1] + "…"
    return f"'{text}'" if isinstance(value, str) else text


def printable(text: str) -> str:
    """*text* on one line, without what could steer a terminal."""
    return text if text.isprintable() else "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def unexpected(expected: str, value: object) -> ValueError:
    """The error to raise where *value* stands in place of what was *expected*."""
    return ValueError(f"expected {expected}, found {shown(value)}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "; did you mean X?" for a slip of the pen, else ""."""
    from difflib import get_close_matches  # noqa: PLC0415  a worker never gets here, and starts without it

    as_written = {name.lower(): name for name in known}
    near = get_close_matches(word[:SHOWN_CHARACTERS_MAX].lower(), as_written, n=1, cutoff=0.65)
    return f"; did you mean {as_written[near[0]]}?" if near else ""


def number(value: object, low: int, high: int) -> int:
    """A whole number from *low* to *high*. A boolean is not a number, and neither is a text."""
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    raise unexpected(f"a whole number from {low} to {high}", value)


def number_from(value: object, low: int, high: int) -> int:
    """Like number(), also from a decimal text, which is all that variables, tags and annotations can hold.

    A text that begins with a zero is refused: `020` is 20 to some readers and 16 to others.
    """
    is_decimal = isinstance(value, str) and _DECIMAL.fullmatch(value)
    try:
        return number(int(value) if is_decimal else value, low, high)  # type: ignore[call-overload]
    except ValueError:
        raise unexpected(f"a whole number from {low} to {high}", value) from None


def duration_s(value: object, low: float = 0.0, high: float = DURATION_S_MAX) -> float:
    """Seconds, from a number or from a text such as `10s`, `500ms`, `1m30s`; units us, ms, s, m, h, d, w."""
    seconds = math.nan
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value) if abs(value) <= NUMBER_MAX else math.inf  # an int may be too large for a float
    elif isinstance(value, str) and len(value) <= SHOWN_CHARACTERS_MAX and value.isascii():
        text = value.strip().lower()
        if re.fullmatch(r"-?\d+(\.\d+)?", text):
            seconds = float(text)
        elif text and not _DURATION_PART.sub("", text):
            seconds = sum(float(count) * _SECONDS[unit] for count, unit in _DURATION_PART.findall(text))
    if math.isnan(seconds):
        raise unexpected("a duration such as 10s, 500ms or 1m (a number is seconds)", value)
    if not low <= seconds <= high:
        raise unexpected(f"a duration from {low:g} to {high:g} seconds", value)
    return seconds


def whole_seconds(value: object, low: int, high: int) -> int:
    """A TTL: whole seconds, from a number or from a text such as `5m`."""
    seconds = duration_s(value, low, high)
    if seconds != int(seconds):
        raise unexpected("whole seconds", value)
    return int(seconds)


def text_of(value: object) -> str:
    """The written text without white space around it; "" for a value that is not a text, which then fits nothing."""
    return value.strip() if isinstance(value, str) else ""
