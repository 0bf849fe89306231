"""The words of a master file (RFC 1035 §5.1): quotes, escapes, comments, and parentheses that join lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dnsdisco.errors import WireError


class Token(NamedTuple):
    """`text` with its escapes as written, without quotes."""

    text: str
    is_quoted: bool = False


def tokenize(line: str) -> list[Token]:
    """The words of one line without comment or parentheses. Raises WireError for an open quote."""
    return [token for token in _scan(line) if token.is_quoted or token.text not in ("(", ")")]


def lines(text: str) -> Iterator[tuple[int, bool, list[Token]]]:
    """Each entry of a master file: its line number (1-based), whether it begins with blanks (no owner), and its words.

    Raises LineError.
    """
    words: list[Token] = []
    depth, start, is_indented = 0, 0, False
    for number, line in enumerate(text.splitlines(), 1):
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
        if depth == 0 and words:
            yield start, is_indented, words
    if depth:
        raise LineError(start, "a ( that is never closed")


class LineError(WireError):
    """A fault with its line (1-based)."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def _scan(line: str) -> list[Token]:
    tokens: list[Token] = []
    word, at, size = "", 0, len(line)

    def flush() -> None:
        nonlocal word
        if word:
            tokens.append(Token(word))
            word = ""

    while at < size:
        char = line[at]
        if char == "\\" and at + 1 < size:
            word += line[at : at + 2]
            at += 2
            continue
        if char == '"':
            flush()
            end = at + 1
            while end < size and line[end] != '"':
                end += 2 if line[end] == "\\" else 1
            if end >= size:
                raise WireError("a quote that is never closed")
            tokens.append(Token(line[at + 1 : end], is_quoted=True))
            at = end + 1
            continue
        if char == ";":
            break
        if char in " \t\r":
            flush()
        elif char in "()":
            flush()
            tokens.append(Token(char))
        else:
            word += char
        at += 1
    flush()
    return tokens
