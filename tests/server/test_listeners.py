"""One table of transports: what can be written is bound, taken apart and served, and a row more is all that a new one needs."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from dnsdisco.server import listeners
from dnsdisco.server.latency import Latency
from dnsdisco.server.listeners import Listeners, SERVED
from dnsdisco.written.endpoints import listener
from dnsdisco.written.transports import Transport, TRANSPORTS
from tests.kit import Answers
from tests.supervisor.harness import bind_texts


def test_every_transport_that_can_be_written_is_served() -> None:
    assert {"udp", *SERVED} == {name for scheme, of in TRANSPORTS.items() for name in ([scheme] if scheme else of.sockets)}


@pytest.mark.parametrize("scheme", TRANSPORTS)
def test_the_examples_are_canonical_and_another_place_can_be_written(scheme: str) -> None:
    transport = TRANSPORTS[scheme]
    assert str(listener(transport.example)) == transport.example
    assert listener(transport.elsewhere).scheme == scheme
    assert listener(transport.example).apart()["port"] == transport.port


class Stub:
    def __init__(self, sockets) -> None:
        self.sockets, self.counters, self.connections, self.told = sockets, Counter(), {}, []

    def start(self) -> None:
        self.told.append("start")

    def close(self) -> None:
        self.told.append("close")

    async def drain(self) -> None:
        self.told.append("drain")


@pytest.mark.parametrize("kinds", [("udp",), ("tcp",)])
def test_a_new_row_is_parsed_bound_and_served(monkeypatch: pytest.MonkeyPatch, kinds: tuple[str, ...]) -> None:
    row = Transport("stub", 99, "stub://127.0.0.1:99", "stub://127.0.0.1:9900", kinds, path="/x", is_encrypted=False)
    made: list[Stub] = []
    monkeypatch.setitem(TRANSPORTS, "stub", row)
    monkeypatch.setitem(listeners.SERVED, "stub", lambda sockets, _parts: made.append(Stub(sockets)) or made[-1])
    assert str(listener("stub://127.0.0.1")) == "stub://127.0.0.1:99/x"
    (listening,), _ = bind_texts(["stub://127.0.0.1:0/y"], 2)
    try:
        assert [(len(listening.udp), len(listening.tcp))] == [(2, 0) if kinds == ("udp",) else (0, 2)]
        bound = [(transport, sock, listening.place.path) for transport, sock in listening.of_worker(1)]

        async def run() -> dict[str, int]:
            of = Listeners(bound, Answers().responder, asyncio.get_running_loop(), Latency())
            of.start()
            made[0].counters["taken"] += 3
            figures = of.figures()
            await asyncio.gather(*of.drain())
            return figures

        figures = asyncio.run(run())
    finally:
        listening.close()
    assert [(each.transport, each.detail) for each in made[0].sockets] == [("stub", "/y")]
    assert made[0].told == ["start", "drain"]
    assert (figures["stub.taken"], figures["stub.open"], figures["tcp.open"]) == (3, 0, 0)
