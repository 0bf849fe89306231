"""What is kept on disk and in memory: views of providers, the last catalog. Somebody may have written there, and the digest is no secret."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from hashlib import blake2b

from dnsdisco.control import stored_view
from dnsdisco.control.stored_view import Label, parse, ViewUnusable
from dnsdisco.model import journal
from dnsdisco.model.plain import service_to_plain
from dnsdisco.model.service import Service
from tests.fuzz.published import is_publishable
from tests.fuzz.reader import Reader
from tests.kit import SERVICES, services

OURS = Label("consul", "0123")
NOW = 1_760_000_000.25
REASON_MAX = 1000


def forged(*lines: bytes) -> bytes:
    """A view of these lines, and their right digest."""
    head = {"format": "dnsdisco view", "version": 1, "provider": OURS.provider, "settings": OURS.settings, "saved_at": NOW}
    octets = b"".join(line + b"\n" for line in (json.dumps(head).encode(), *lines))
    return octets + stored_view._tail(len(lines), blake2b(octets, digest_size=stored_view.DIGEST_OCTETS))


def _read(octets: bytes) -> dict[tuple[str, str], Service] | None:
    try:
        saved_at, found = parse(octets, OURS)
    except ViewUnusable as error:
        assert str(error)
        assert len(str(error)) <= REASON_MAX
        return None
    assert saved_at == NOW
    return found


def _forged(octets: bytes) -> None:
    """A list of services as they are kept, with a digest that is right: all of them can be published, or none is believed."""
    try:
        listed = json.loads(octets)
    except (ValueError, RecursionError):
        listed = None
    lines = [json.dumps(each).encode() for each in listed] if isinstance(listed, list) else octets.split(b"\n")
    found = _read(forged(*lines))
    if found is not None:
        assert len(found) == len(lines)
        is_publishable(found)


def _damaged(octets: bytes) -> None:
    """A file: what was written, whole, or nothing."""
    assert _read(octets) is None or octets in _whole()


@cache
def _whole() -> frozenset[bytes]:
    views = ({}, services(SERVICES), services("web: {address: 10.0.0.1, port: 80}\n"))
    written = set()
    with tempfile.TemporaryDirectory() as folder:
        for view in views:
            stored_view.write(folder, OURS, view, NOW)
            written.add(OURS.path(folder).read_bytes())
    return frozenset(written)


def _journal(octets: bytes) -> None:
    """Of frames: those that are whole, up to the first that is not."""
    found = list(journal.datagrams(octets))
    again = journal.frames(found)
    assert octets.startswith(again)
    assert list(journal.datagrams(again)) == found
    journal.header(octets[: journal.HEADER.size])


def _frames() -> tuple[bytes, ...]:
    return journal.frames([b"\3{}"]), journal.frames([b"\1a", b"\2b", b""]), journal.frames([b"\3" + b"x" * 300] * 3), b""


_PLAIN = [service_to_plain(service) for service in services(SERVICES).values()]
_DEFAULTS = ("", "tcp", "udp", "http", "fail_open", "empty", "10.0.0.1", "db.example.com")

READERS = {
    "forged view": Reader(
        (*(json.dumps([each]).encode() for each in _PLAIN), json.dumps(_PLAIN).encode()),
        tuple(word.encode() for word in _DEFAULTS if word), _forged, is_tree=True,
    ),
    "damaged view": Reader(tuple(sorted(_whole())), (b"\n", b'"', b"0", b"[", b"]", b'{"services":0,"blake2b":""}\n', b"\0"), _damaged),
    "journal": Reader(_frames(), (b"\0", b"\xff\xff\xff\xff", b"\0\0\0\0\0\0\0\0", b"\2\0\0\0"), _journal),
}  # fmt: skip
