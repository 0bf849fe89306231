"""What holds for the services of any provider: they can be merged, sent to a worker, kept on disk, and every name of theirs can be asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

from dnsdisco.control.records import Compiler
from dnsdisco.model import delta
from dnsdisco.model.claims import ChainPolicy, ChainSource
from dnsdisco.model.entry import Entry, ProviderState
from dnsdisco.model.merge import merge
from dnsdisco.model.plain import checked_service, service_to_plain
from dnsdisco.model.service import Service, Snapshot
from dnsdisco.wire import name
from dnsdisco.zone.catalog import Catalog
from tests.conformance.decoded import decode
from tests.kit import Answers

NAMES_MAX = 2  # asked for, of one case
QTYPES = (1, 28, 33, 16, 12, 255)
_STATES = (ProviderState("p", True),)

Services = Mapping[tuple[str, str], Service]


def is_publishable(services: Services) -> None:
    for key, service in services.items():
        assert key == service.key
        assert checked_service(json.loads(json.dumps(service_to_plain(service)))) == service
    merger = merge([ChainSource("p")], ChainPolicy(), [Snapshot(dict(services))], Compiler())
    assembler, joined = delta.Assembler(), delta.Joiner()
    got = []
    for message in delta.change(1, 2, merger.entries.values(), (), ()):
        datagrams = delta.pack(message)
        arrived = [assembler.feed(datagram) for datagram in datagrams]
        assert arrived[:-1] == [None] * (len(datagrams) - 1)
        assert arrived[-1] is not None
        got += joined.take(arrived[-1]["put"])
    assert [entry.key for entry in got] == [entry.key for entry in merger.entries.values()]
    if got:
        goes_elsewhere = any(each.alias_of or any(one.is_host for one in each.instances) for each in services.values())
        _are_answered(got, (0, 2, 3, 5) if goes_elsewhere else (0,))  # what becomes of the name that it leads to


@cache
def _answers() -> Answers:
    return Answers(recursion=False)


def _are_answered(entries: list[Entry], allowed: tuple[int, ...]) -> None:
    """With a reply that can be read, whatever is asked."""
    answers, catalog = _answers(), Catalog()
    catalog.apply(entries, [], 2)
    answers.catalog.replace(catalog, _STATES, 2)
    answers.responder.fast_path.table.clear()
    first = sum(len(entry.service.instances) for entry in entries)
    for number, entry in enumerate(entries[:NAMES_MAX], first):
        qname = name.wire_of((*(label.encode() for label in entry.paths[0]), b"svc", b"local"))
        for qtype in (QTYPES[number % len(QTYPES)], QTYPES[(number + 2) % len(QTYPES)]):
            replies: list[bytes] = []
            question = qname + qtype.to_bytes(2, "big") + b"\0\1"
            message = bytes((0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)) + question
            answers.responder.respond(message, "127.0.0.1", is_tcp=True, send=replies.append)
            (reply,) = replies
            found = decode(reply)
            assert (found.id, found.question) == (9, question)
            assert found.rcode in allowed, f"rcode {found.rcode}"
