"""What control keeps of the catalog, read as a new worker reads it: while it is written, after its writer died, after a small or large change."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any

import pytest

from dnsdisco.control import journal as journal_module
from dnsdisco.control.journal import Journal
from dnsdisco.model import delta, unread
from dnsdisco.model.entry import Entry, ProviderState
from dnsdisco.model.journal import datagrams, frames, HEADER
from dnsdisco.model.service import Instance, Service
from dnsdisco.server import journal as reader

STATES = (ProviderState("static", has_synced=True, is_stale=False, reason="", is_optional=False),)


def entry(name: str, number: int = 1) -> Entry:
    service = Service(name, instances=(Instance("a", f"10.0.0.{number}"),))
    return Entry(name, ((name,),), "static", service)


def whole(serial: int, entries: list[Entry]) -> Iterator[bytes]:
    return (datagram for message in delta.whole(serial, entries, STATES) for datagram in delta.pack(message))


def change(serial: int, name: str, number: int) -> list[bytes]:
    return [
        datagram
        for message in delta.change(serial - 1, serial, [entry(name, number)], [], STATES)
        for datagram in delta.pack(message)
    ]


def read(fds: list[int]) -> list[dict[str, Any]]:
    """The messages, as a worker finds them."""
    assembler = delta.Assembler()
    return [message for datagram in reader.read(fds) if (message := assembler.feed(datagram)) is not None]


def serial_of(fds: list[int]) -> int:
    return max((message.get("serial", 0) for message in read(fds)), default=0)


@pytest.fixture
def fds() -> Iterator[list[int]]:
    made = [os.memfd_create("test") for _ in range(2)]
    yield made
    for fd in made:
        os.close(fd)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "REST_S", 0.0)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


async def until(condition: Callable[[], Any]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError


def test_the_whole_and_the_changes_after_it(fds: list[int]) -> None:
    async def test() -> None:
        journal = Journal(fds, lambda: whole(5, [entry("web")]))
        journal.send(change(5, "early", 1))  # nothing is there that it could continue
        assert read(fds) == []
        journal.lose()
        await until(lambda: serial_of(fds) == 5)
        for serial in (6, 7):
            journal.send(change(serial, "web", serial))
        assert [message["op"] for message in read(fds)] == ["begin", "services", "zone", "end", "delta", "delta"]
        assert serial_of(fds) == 7

    run(test)


def test_changes_that_come_while_a_whole_is_written_follow_it(fds: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "TURN_DATAGRAMS", 1)

    async def test() -> None:
        serial = 1
        journal = Journal(fds, lambda: whole(serial, [entry(f"s{n}") for n in range(500)]))
        journal.lose()
        await until(lambda: serial_of(fds) == 1)
        journal.lose()
        await asyncio.sleep(0.002)
        while journal._later is None:
            await asyncio.sleep(0)
        for serial in (2, 3):
            journal.send(change(serial, "web", serial))
        before = serial_of(fds)
        assert before == 1  # the one before stays readable, as it was
        await until(lambda: serial_of(fds) == 3)

    run(test)


def test_a_successor_goes_on_where_its_predecessor_died_even_in_the_middle_of_a_word(fds: list[int]) -> None:
    async def first() -> None:
        journal = Journal(fds, lambda: whole(5, [entry("web")]))
        journal.lose()
        await until(lambda: serial_of(fds) == 5)
        at = journal._at
        os.pwrite(fds[at], frames(change(6, "torn", 6))[:20], HEADER.size + journal._octets)  # no header counts it

    async def second() -> None:
        journal = Journal(fds, lambda: whole(9, [entry("new")]))
        assert serial_of(fds) == 5
        journal.send(change(6, "web", 6))
        assert serial_of(fds) == 6
        journal.lose()
        assert serial_of(fds) == 6
        await until(lambda: serial_of(fds) == 9)

    run(first)
    run(second)


def test_a_writer_that_dies_in_the_middle_of_a_whole_leaves_the_one_before(fds: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "TURN_DATAGRAMS", 1)

    async def test() -> None:
        journal = Journal(fds, lambda: whole(5, [entry(f"s{n}") for n in range(1000)]))
        journal.lose()
        await until(lambda: serial_of(fds) == 5)
        journal.lose()
        while journal._later is None:
            await asyncio.sleep(0)
        journal.close()

    run(test)
    assert serial_of(fds) == 5


def test_it_does_not_grow_for_ever(fds: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "CHANGES_OCTETS_MIN", 10_000)

    async def test() -> None:
        serial = 1
        journal = Journal(fds, lambda: whole(serial, [entry("web", serial % 200)]))
        journal.lose()
        await until(lambda: serial_of(fds) == 1)
        for serial in range(2, 600):
            journal.send(change(serial, "web", serial % 200))
            await asyncio.sleep(0)
            assert sum(os.fstat(fd).st_size for fd in fds) < 40_000
        await until(lambda: serial_of(fds) == serial)

    run(test)


def test_a_catalog_beyond_the_bound_is_not_kept_and_no_memory_stops_nothing(
    fds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "OCTETS_MAX", 1000)

    async def test() -> None:
        journal = Journal(fds, lambda: whole(5, [entry(f"s{n}") for n in range(100)]))
        journal.lose()
        await asyncio.sleep(0.05)
        assert read(fds) == []
        monkeypatch.setattr(os, "pwrite", lambda *_: (_ for _ in ()).throw(OSError(12, "no memory")))
        journal.lose()
        await asyncio.sleep(0.05)
        journal.send(change(6, "web", 6))

    run(test)


@pytest.mark.parametrize("count", [0, 2])
def test_nothing_there_is_no_catalog(fds: list[int], count: int) -> None:
    assert read(fds[:count]) == []


def test_a_reader_meets_a_writer(fds: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that it has begun to read is given up for the other one: it looks at the header again, and reads the other."""

    async def test() -> None:
        serial = 1
        journal = Journal(fds, lambda: whole(serial, [entry("web")]))
        journal.lose()
        await until(lambda: serial_of(fds) == 1)
        before = journal._at
        serial = 2
        pread, turned = os.pread, []

        def in_the_middle(fd: int, octets: int, at: int) -> bytes:
            if at and not turned and fd == fds[before]:
                turned.append(True)
                journal._begin()
                while journal._due is not None:
                    handle, journal._due = journal._due, None
                    handle._run()
            return pread(fd, octets, at)

        monkeypatch.setattr(os, "pread", in_the_middle)
        assert serial_of(fds) == 2
        assert turned

    run(test)


@pytest.mark.parametrize("harm", [lambda octets: octets[:-1], lambda octets: octets[:10] + b"\xff" + octets[11:], lambda _: b""])
def test_octets_that_are_not_whole_are_where_it_ends(harm: Callable[[bytes], bytes]) -> None:
    one = frames([b"first"])
    assert list(datagrams(one + harm(frames([b"second"])))) == [b"first"]


def test_an_entry_comes_back_as_it_was() -> None:
    made = replace(entry("web"), merged=("consul",))
    (line,) = next(message["lines"] for message in delta.whole(1, [made], STATES) if message["op"] == "services")
    assert unread.read(line) == made
