"""The words of a master file (RFC 1035 §5.1): quotes, escapes, comments, and parentheses that join lines. Linear in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dnsdisco.errors import excerpt, WireError

WORDS_MAX = 70_000  # in one record: 65,535 octets hold no more
QUOTE = '"'

# Each branch begins with another character, and what is repeated is not given back (`++`): no text is looked at twice.
_WORD = re.compile(
    r"""(?P<blank>[ \t\r]++)|(?P<word>(?:[^ \t\r"();\\]++|\\[^\r\n])++)|"(?P<quoted>(?:[^"\\]++|\\[^\r\n])*+)"|(?P<bracket>[()])|(?P<comment>;)""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\([0-9]{3}|[^0-9])", re.DOTALL)


class Token(NamedTuple):
    """`text` with its escapes as written, without quotes. `is_joined`: nothing stands between it and the one before."""

    text: str
    is_quoted: bool = False
    is_joined: bool = False


class LineError(WireError):
    """A fault with its line (1-based)."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def tokenize(text: str) -> list[Token]:
    """The words of one record without comments or parentheses. Raises WireError for a quote or a parenthesis without its other."""
    words: list[Token] = []
    depth = 0
    for line in text.split("\n"):
        for token in _scan(line):
            if token.is_quoted or token.text not in ("(", ")"):
                words.append(token)
            else:
                depth += 1 if token.text == "(" else -1
            if depth < 0:
                raise WireError("a ) without its (")
    if depth:
        raise WireError("a ( that is never closed")
    return words


def joined(words: Sequence[Token]) -> str:
    """*words* as one text that is read back to them."""
    return "".join(
        f"{'' if word.is_joined else ' '}{f'{QUOTE}{word.text}{QUOTE}' if word.is_quoted else word.text}" for word in words
    ).lstrip(" ")


def unescaped(text: str) -> bytes:
    """The octets of *text* with `\\DDD` and `\\X` read (RFC 1035 §5.1); what is not ASCII is UTF-8. Raises WireError."""
    if "\\" not in text:
        return text.encode()
    parts, at = [], 0
    for found in _ESCAPE.finditer(text):
        parts.append(text[at : found.start()].encode())
        escape = found[1]
        if len(escape) == 3 and int(escape) > 255:
            raise WireError(f"\\{escape} is not an octet")
        parts.append(bytes((int(escape),)) if len(escape) == 3 else escape.encode())
        at = found.end()
    parts.append(text[at:].encode())
    if any(b"\\" in part for part in parts[::2]):
        raise WireError(f"{excerpt(text)}: behind a backslash, three digits or something else than a digit were expected")
    return b"".join(parts)


def lines(text: str) -> Iterator[tuple[int, bool, list[Token]]]:
    """Each entry of a master file: its line number (1-based), whether it begins with blanks (no owner), and its words.

    Raises LineError.
    """
    words: list[Token] = []
    depth, start, is_indented = 0, 0, False
    for number, line in enumerate(text.split("\n"), 1):  # a line ends there alone: a form feed or U+2028 is a character like others
        try:
            scanned = _scan(line)
        except WireError as error:
            raise LineError(number, str(error)) from None
        if depth == 0:
            words, start, is_indented = [], number, line[:1] in (" ", "\t")
        for token in scanned:
            if not token.is_quoted and token.text == "(":
                depth += 1
            elif not token.is_quoted and token.text == ")":
                depth -= 1
                if depth < 0:
                    raise LineError(number, "a ) without its (")
            else:
                words.append(token)
        if len(words) > WORDS_MAX:
            raise LineError(start, f"more than {WORDS_MAX} words in one record")
        if depth == 0 and words:
            yield start, is_indented, words
    if depth:
        raise LineError(start, "a ( that is never closed")


def _scan(line: str) -> list[Token]:
    tokens: list[Token] = []
    at, size, is_joined = 0, len(line), False
    while at < size:
        found = _WORD.match(line, at)
        if found is None:
            raise WireError("a quote that is never closed" if line[at] == QUOTE else "a backslash with nothing behind it")
        kind = found.lastgroup
        if kind == "comment":
            break
        if kind != "blank":
            tokens.append(Token(found[str(kind)], kind == "quoted", is_joined and kind != "bracket"))
        is_joined = kind in ("word", "quoted")
        at = found.end()
    return tokens
