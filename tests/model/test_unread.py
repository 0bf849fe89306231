"""Services that travel as lines behind an index, and are read when they are asked for."""

from __future__ import annotations

from typing import Any

import pytest

from dnsdisco.errors import WireError
from dnsdisco.model import unread
from dnsdisco.model.delta import Assembler, pack
from dnsdisco.model.entry import Entry
from dnsdisco.model.service import Instance, Port, Service

PORTS = (Port(80, "http"),)
WEB = Entry(
    "web.shop",
    (("web", "shop"), ("web_1", "shop")),
    "p",
    Service(
        "Web", "shop", instances=(Instance("a", "10.0.0.1", PORTS, tags=("V.1",)), Instance("b", "10.0.0.1", PORTS, tags=("V.1",)))
    ),
)
TEXT = Entry("auth", (("auth",),), "q", Service("auth", meta=(("note", 'two\nlines, "quotes", é, \udcff'),)))


def carried(message: dict[str, Any]) -> dict[str, Any]:
    assembler = Assembler()
    *_, whole = map(assembler.feed, pack(message))
    assert whole is not None
    return whole


def test_what_is_known_of_services_before_they_are_read() -> None:
    services = unread.from_plain(carried({"op": "services", **unread.to_plain([WEB, TEXT])}))
    web, auth = b"\3web\4shop", b"\4auth"
    assert services.keys == [web, auth]
    assert services.names == [(b"\5web_1\4shop", web)]
    assert services.addresses == [("10.0.0.1", web)]
    assert sorted(services.tags) == [(b"v-1", 1)]
    assert [unread.read(line) for line in services.lines] == [WEB, TEXT]


def test_no_services_are_no_lines() -> None:
    assert "lines" not in carried({"op": "services", **unread.to_plain([])})


@pytest.mark.parametrize(
    "harm",
    [
        lambda message: message["lines"].pop(),
        lambda message: message.update(keys=message["keys"] * 2),
        lambda message: message["named"].append(0),
        lambda message: message["addressed"].pop(),
        lambda message: message.update(named=[7]),
        lambda message: message.update(keys="\u20ac\0\0"),
        lambda message: message.pop("tags"),
    ],
)
def test_an_index_that_does_not_fit_its_lines_is_no_message(harm: Any) -> None:
    message = unread.to_plain([WEB, TEXT])
    harm(message)
    with pytest.raises((WireError, ValueError, LookupError)):
        unread.from_plain(message)


@pytest.mark.parametrize("octets", [b'{"lines":[]}', b'{"lines":["{}"]}\n{}', b'{\n"op":"x"}'])
def test_lines_stand_behind_the_message_and_not_in_it(octets: bytes) -> None:
    with pytest.raises(WireError):
        Assembler().feed(b"\3" + octets)
