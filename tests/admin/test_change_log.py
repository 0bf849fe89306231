"""What has been published lately: bounded, and the same for everybody who follows, whatever each has heard already."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.admin import change_log
from dnsdisco.admin.change_log import ChangeLog, News
from dnsdisco.control.facts import CHANGE_NAMES_MAX, PublishedChange
from dnsdisco.model.diff import Change
from dnsdisco.model.entry import Entry
from dnsdisco.model.service import Service

NAMES = st.sampled_from(["web", "db", "auth", "shop"])
CHANGES = st.lists(st.tuples(st.sets(NAMES), st.sets(NAMES)).map(lambda pair: (pair[0], pair[1] - pair[0])), max_size=12)


def change(serial: int, changed: set[str], removed: set[str]) -> PublishedChange:
    return PublishedChange(serial, tuple(sorted(changed)), tuple(sorted(removed)), frozenset(changed | removed))


@given(CHANGES, st.integers(0, 14))
def test_whoever_follows_from_anywhere_ends_with_what_there_is(changes: list[tuple[set[str], set[str]]], start: int) -> None:
    log = ChangeLog(100)
    catalogs: list[dict[str, int]] = [{}]  # each name, and the serial of its last change
    for number, (changed, removed) in enumerate(changes, 101):
        log.take(change(number, changed, removed))
        kept = {name: serial for name, serial in catalogs[-1].items() if name not in removed}
        catalogs.append(kept | dict.fromkeys(changed, number))
    news = log.since(100 + start)
    if start > len(changes):
        assert news is None
        return
    assert news is not None
    assert news.serial == 100 + len(changes)
    held = catalogs[start]
    after = {name: serial for name, serial in held.items() if name not in news.removed} | dict.fromkeys(news.changed, -1)
    assert after.keys() == catalogs[-1].keys()
    for name, serial in catalogs[-1].items():
        assert (serial > 100 + start) == (name in news.changed)


def test_what_is_not_known_any_more_or_never_was() -> None:
    log = ChangeLog(100)
    assert log.since(100) == News(100, (), (), frozenset())
    for serial in (99, 101, -1, 2**40):
        assert log.since(serial) is None


def test_old_changes_make_room() -> None:
    log = ChangeLog(0)
    for serial in range(1, change_log.CHANGES_MAX + 11):
        log.take(change(serial, {"web"}, set()))
    assert log.since(9) is None
    assert log.since(10) is not None


def test_many_names_make_room() -> None:
    log = ChangeLog(0)
    size = change_log.NEWS_NAMES_MAX
    for serial in range(1, change_log.NAMES_MAX // size + 2):
        log.take(change(serial, {f"s{serial}-{number}" for number in range(size)}, set()))
    assert log.since(0) is None  # the first is gone
    assert log.since(1) is None  # too many to tell at once
    assert (news := log.since(log.serial - 1)) is not None
    assert len(news.changed) == size


def test_a_new_catalog_is_not_named() -> None:
    entries = tuple(Entry(f"s{number}", ((f"s{number}",),), "p", Service(f"s{number}")) for number in range(CHANGE_NAMES_MAX + 1))
    log = ChangeLog(0)
    log.take(PublishedChange.of(1, Change(entries[:3], ("gone",))))
    assert log.since(0) == News(1, ("s0", "s1", "s2"), ("gone",), frozenset({"s0", "s1", "s2", "gone"}))
    log.take(PublishedChange.of(2, Change(entries)))
    assert log.since(1) is None
    assert log.since(2) == News(2, (), (), frozenset())


def test_a_service_is_known_by_all_its_names() -> None:
    entry = Entry("web.shop", (("web", "shop"), ("web",)), "p", Service("web", "shop"))
    assert PublishedChange.of(7, Change((entry,))).names == {"web.shop", "web"}


def test_waiting_ends_with_a_change_or_with_time() -> None:
    async def scenario() -> None:
        log = ChangeLog(5)
        assert await log.wait(4)
        assert not await log.wait(5, 0.01)
        waiting = [asyncio.ensure_future(log.wait(5)) for _ in range(50)]
        await asyncio.sleep(0)
        log.take(change(6, set(), set()))
        assert await asyncio.gather(*waiting) == [True] * 50

    asyncio.run(scenario())
