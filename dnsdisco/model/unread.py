"""Services of a whole catalog as they travel and as a worker keeps them: each a line, read when its name is first asked for.

What a worker must know of all of them at once stands before the lines: their names, their instances' addresses, their tags. Names are in
wire form, without their zone: "\\3web\\4shop". They are sent as one text, each behind itself the root's octet, so that a hundred are parted at once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from dnsdisco.errors import WireError
from dnsdisco.model.entry import Entry, Path
from dnsdisco.model.names import spellings
from dnsdisco.model.plain import entry_from_plain, entry_to_plain, instances_from_published

_ROOT = b"\0"


class Unread(NamedTuple):
    """Some services. `lines` and `keys` go together, and so do a name or address and the key that it belongs to."""

    lines: list[bytes]
    keys: list[bytes]  # canonical names
    names: list[tuple[bytes, bytes]]  # all others
    addresses: list[tuple[str, bytes]]
    tags: list[tuple[bytes, int]]  # a label, and how many of the services have it


def to_plain(entries: Iterable[Entry]) -> dict[str, Any]:
    """The fields of a message; its `lines` are octets (delta.py)."""
    lines, keys, names, addresses = [], [], [], []
    tags: Counter[str] = Counter()
    for number, entry in enumerate(entries):
        lines.append(json.dumps(entry_to_plain(entry, entry.service.instances), separators=(",", ":"), ensure_ascii=False))
        keys.append(name_of(entry.paths[0]))
        names += [(name_of(path), number) for path in entry.paths[1:]]
        addresses += [(address, number) for address in addresses_of(entry)]
        tags.update(tag.decode() for tag in tags_of(entry))
    return {
        "keys": _joined(keys),
        "names": _joined([name for name, _ in names]),
        "named": [number for _, number in names],
        "addresses": [address for address, _ in addresses],
        "addressed": [number for _, number in addresses],
        "tags": dict(tags),
        "lines": [line.encode("utf-8", "surrogatepass") for line in lines],
    }


def from_plain(message: dict[str, Any]) -> Unread:
    """Index the lines of a message. Raises what a malformed message raises. O(services), a few tenths of a microsecond for each."""
    lines, keys = message["lines"], _parted(message["keys"])
    if len(lines) != len(keys):
        raise WireError(f"{len(lines)} services under {len(keys)} names", None)
    names = zip(_parted(message["names"]), map(keys.__getitem__, message["named"]), strict=True)
    addresses = zip(message["addresses"], map(keys.__getitem__, message["addressed"]), strict=True)
    return Unread(lines, keys, list(names), list(addresses), [(tag.encode(), int(count)) for tag, count in message["tags"].items()])


def read(line: bytes) -> Entry:
    """O(instances), some ten microseconds for each."""
    plain = json.loads(line)
    return entry_from_plain(plain, tuple(instances_from_published(plain["instances"])))


def name_of(path: Path) -> bytes:
    """*path* in wire form, without the root."""
    return b"".join([measured(label.encode("ascii", "replace")) for label in path])


def measured(label: bytes) -> bytes:
    """*label* behind its length octet, as in a name on the wire."""
    return LENGTHS[min(len(label), 255)] + label


LENGTHS = [bytes((length,)) for length in range(256)]


def addresses_of(entry: Entry) -> set[str]:
    return {instance.address for instance in entry.service.instances}


def tags_of(entry: Entry) -> set[bytes]:
    """The tags of its instances as labels, in both of their spellings."""
    tags = {tag for instance in entry.service.instances for tag in instance.tags}
    return {label for tag in tags for label in tag_labels(tag)}


def tag_labels(tag: str) -> tuple[bytes, ...]:
    """A tag as a label, by the rule for services, and raw where that is a label of letters, digits, `-`, `_`."""
    return tuple(label.encode() for label in spellings(tag))


def _joined(names: list[bytes]) -> str:
    return b"".join([name + _ROOT for name in names]).decode("latin-1")


def _parted(names: str) -> list[bytes]:
    return names.encode("latin-1").split(_ROOT)[:-1]
