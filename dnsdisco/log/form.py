"""An event as one line. What came from the network or a backend can neither break a line nor colour it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping

LINE_OCTETS_MAX = 4096  # PIPE_BUF: a pipe takes so much whole or not at all, so lines of several processes do not mix
VALUE_CHARACTERS_MAX = (1000, 250, 60, 15)  # of one value; the next one where the line is longer than it may be

Form = Callable[[str, str, Mapping[str, object], int], str]  # level, text, fields, characters a value may have

_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31;1"}  # ECMA-48: dim, green, yellow, bold red


def line(form: Form, level: str, text: str, fields: Mapping[str, object]) -> str:
    """*form* applied, with values as long as the line allows. Without a line end."""
    written = ""
    for most in VALUE_CHARACTERS_MAX:
        written = form(level, text, fields, most)
        if len(written.encode("utf-8", "replace")) < LINE_OCTETS_MAX:
            break
    return written


def for_machines(level: str, text: str, fields: Mapping[str, object], most: int) -> str:
    """logfmt: `timestamp=… level=… event=… key=value`."""
    pairs = {"timestamp": _timestamp(), "level": level, "event": text, **fields}
    return " ".join(f"{key}={_quoted(shown(_text(value), most))}" for key, value in pairs.items())


def as_json(level: str, text: str, fields: Mapping[str, object], most: int) -> str:
    """The same as a JSON object. Numbers and lists stay what they are."""
    pairs = {"timestamp": _timestamp(), "level": level, "event": text, **fields}
    return json.dumps({key: _plain(value, most) for key, value in pairs.items()}, ensure_ascii=False, separators=(",", ":"))


def for_eyes(level: str, text: str, fields: Mapping[str, object], most: int) -> str:
    written = "".join(f" {key}={_quoted(shown(_text(value), most))}" for key, value in fields.items())
    return f"{time.strftime('%H:%M:%S')} {level:<7} {shown(text, most)}{written}"


def in_colour(level: str, text: str, fields: Mapping[str, object], most: int) -> str:
    """for_eyes(), with the level coloured and the keys dimmed."""
    written = "".join(f" \x1b[2m{key}=\x1b[0m{_quoted(shown(_text(value), most))}" for key, value in fields.items())
    return f"\x1b[2m{time.strftime('%H:%M:%S')}\x1b[0m \x1b[{_COLOURS[level]}m{level:<7}\x1b[0m {shown(text, most)}{written}"


def shown(text: str, most: int = VALUE_CHARACTERS_MAX[0]) -> str:
    """Control characters, escapes and line ends as `\\ddd` (RFC 1035 §5.1); cut after *most* characters."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else _escaped(char) for char in text[: most + 1])
    return text if len(text) <= most else text[: most - 1] + "…"


def _escaped(char: str) -> str:
    return "".join(f"\\{octet:03d}" for octet in char.encode("utf-8", "surrogatepass"))


def _timestamp() -> str:
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06}Z"


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _plain(value: object, most: int) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_plain(each, most) for each in value]
    return shown(str(value), most)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if not text or set(' "=\\') & set(text) else text
