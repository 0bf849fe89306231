"""Names in wire form (RFC 1035 §3.1) and as text (§5.1). Lower case is ASCII only, octet by octet (RFC 4343 §3)."""

from __future__ import annotations

from dnsdisco.errors import excerpt, WireError

NAME_OCTETS_MAX = 255  # RFC 1035 §2.3.4
LABEL_OCTETS_MAX = 63
TEXT_MAX = 4 * NAME_OCTETS_MAX  # characters, were each octet written as `\\DDD`
POINTED_MIN = 12  # octets of a header, where no name can stand: what a pointer finds there is another name after the id has changed
POINTERS_MAX = 16  # in one name; dnspython's choice too. More is a bomb: 16 reach any name that a real encoder makes

Labels = tuple[bytes, ...]


def labels_of(wire: bytes) -> Labels:
    """The labels of an uncompressed name that is known to be well formed, leftmost first, without the root."""
    labels = []
    at = 0
    while length := wire[at]:
        labels.append(wire[at + 1 : at + 1 + length])
        at += 1 + length
    return tuple(labels)


def wire_of(labels: Labels) -> bytes:
    """The wire form. Raises WireError for an empty label, one of more than 63 octets, or a name of more than 255."""
    parts = []
    for label in labels:
        if not 0 < len(label) <= LABEL_OCTETS_MAX:
            raise WireError(f"a label of {len(label)} octets; 1 to {LABEL_OCTETS_MAX} are possible")
        parts.append(bytes((len(label),)) + label)
    wire = b"".join(parts) + b"\0"
    if len(wire) > NAME_OCTETS_MAX:
        raise WireError(f"a name of {len(wire)} octets; at most {NAME_OCTETS_MAX} are possible")
    return wire


def from_text(text: str) -> bytes:
    """The wire form of a name in presentation form, with `\\.` and `\\DDD`; the last dot may be missing. Raises WireError."""
    return wire_of(tuple(_split(text)))


def absolute(text: str, origin: Labels) -> bytes:
    """The wire form of a name of a master file: `@` is *origin*, and what does not end in a dot is below it. Raises WireError."""
    if text == "@":
        return wire_of(origin)
    labels = tuple(_split(text))
    return wire_of(labels if text == "." or _ends_in_a_dot(text) else (*labels, *origin))


def to_text(wire: bytes) -> str:
    """Presentation form with the last dot; every octet that could mislead a reader or a terminal is `\\DDD`."""
    labels = labels_of(wire)
    return "".join(label_to_text(label) + "." for label in labels) or "."


def label_to_text(label: bytes) -> str:
    return "".join(
        chr(octet) if octet in _PLAIN else "\\" + chr(octet) if 0x20 < octet < 0x7F else f"\\{octet:03d}" for octet in label
    )


_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_*/+=:")


def _ends_in_a_dot(text: str) -> bool:
    """The last character is a dot, and no backslash makes it one of the label."""
    return text.endswith(".") and (len(text) - 1 - len(text[:-1].rstrip("\\"))) % 2 == 0


def _split(text: str) -> list[bytes]:
    if text in (".", ""):
        return []
    if len(text) > TEXT_MAX:
        raise WireError(f"{excerpt(text)} is longer than a name can be")
    labels, label, at = [], bytearray(), 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            digits = text[at + 1 : at + 4]
            if len(digits) == 3 and digits.isascii() and digits.isdecimal():
                if int(digits) > 255:
                    raise WireError(f"\\{digits} in {excerpt(text)} is not an octet")
                label.append(int(digits))
                at += 4
                continue
            at += 1
            if at == len(text):
                raise WireError(f"{excerpt(text)} ends in a lone backslash")
            char = text[at]
            if char.isdecimal():
                raise WireError(f"{excerpt(text)}: three digits were expected behind a backslash")
        elif char == ".":
            if not label:
                raise WireError(f"an empty label in {excerpt(text)}")
            labels.append(bytes(label))
            label.clear()
            at += 1
            continue
        if not char.isascii():
            raise WireError(f"{excerpt(text)} is not ASCII; write its IDNA form (xn--…)")
        label.append(ord(char))
        at += 1
    if label:
        labels.append(bytes(label))
    return labels


def read(message: bytes, at: int) -> tuple[bytes, int]:
    """The name at *at*, decompressed, and where the octets after it begin. Raises WireError.

    Pointers go backwards only, never into the header, at most POINTERS_MAX of them (RFC 1035 §4.1.4), so the cost is bounded by the name's 255 octets.
    What a pointer leads to ends before the octets that hold the pointer begin: it was written before them.
    """
    parts: list[bytes] = []
    octets, pointers, end, limit = 1, 0, 0, at
    size = len(message)  # where this part of the name must end
    while True:
        if at >= size:
            raise WireError("a name runs past the end of the message")
        length = message[at]
        if length >= 0xC0:
            if at + 1 >= size:
                raise WireError("a compression pointer is cut short")
            end = end or at + 2
            at = (length & 0x3F) << 8 | message[at + 1]
            pointers += 1
            if not POINTED_MIN <= at < limit or pointers > POINTERS_MAX:
                raise WireError("a compression pointer that does not go backwards to a name, or too many of them")
            size, limit = limit, at
            continue
        if length > LABEL_OCTETS_MAX:
            raise WireError(f"label type {length >> 6} does not exist")
        if not length:
            parts.append(b"\0")
            return b"".join(parts), end or at + 1
        octets += 1 + length
        if octets > NAME_OCTETS_MAX or at + 1 + length > size:
            raise WireError("a name that is too long or cut short")
        parts.append(message[at : at + 1 + length])
        at += 1 + length
