"""The parts of the control process that take time as an argument: back-off, contact, guard, what a plug-in yields, serials."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.control import backoff, guard, serials
from dnsdisco.control.backoff import Backoff
from dnsdisco.control.contact import Contact, REASON_CHARACTERS_MAX
from dnsdisco.control.guard import RemovalGuard
from dnsdisco.control.reading import Reader
from dnsdisco.model.entry import ProviderState
from dnsdisco.model.service import Snapshot
from tests.control.harness import numbered, snapshot, svc

# ------------------------------------------------------------------------------------------------------------ back-off


def test_plainly_down_waits_from_a_quarter_to_two_seconds() -> None:
    longest = Backoff(lambda _, high: high)
    shortest = Backoff(lambda low, _: low)
    assert [longest.after() for _ in range(6)] == [0.5, 1.0, 2.0, 2.0, 2.0, 2.0]
    assert [shortest.after() for _ in range(6)] == [0.25, 0.5, 1.0, 1.0, 1.0, 1.0]
    shortest.reset()
    assert shortest.after() == 0.25


@given(st.lists(st.tuples(st.booleans(), st.none() | st.floats(0, 1e9)), max_size=40), st.integers())
def test_no_wait_is_ever_short_or_without_end(failures: list[tuple[bool, float | None]], seed: int) -> None:
    waits = Backoff(random.Random(seed).uniform)
    soon = 0
    for is_denied, retry_after_s in failures:
        wait_s = waits.after(is_denied=is_denied, retry_after_s=retry_after_s)
        low, high = (0.25, 2) if not is_denied else (0.5, 1) if soon else (5, 10)
        soon = max(0, soon - 1) if is_denied else backoff.SOON_TRIES
        asked = min(retry_after_s or 0, backoff.RETRY_AFTER_MAX_S)
        assert max(low, asked) <= wait_s <= max(high, asked)


def test_a_refusal_right_after_a_loss_is_tried_again_soon_and_then_slowly() -> None:
    waits = Backoff(lambda low, _: low)
    assert waits.after(is_denied=True) == 5
    assert waits.after() == 0.5
    assert [waits.after(is_denied=True) for _ in range(6)] == [0.5, 0.5, 0.5, 0.5, 5, 5]
    assert waits.after() == 1
    waits.reset()
    assert waits.after(is_denied=True) == 5


# ------------------------------------------------------------------------------------------------------------ contact


def test_a_loss_shows_when_it_has_lasted_for_stale_after() -> None:
    contact = Contact(stale_after_s=30)
    assert contact.state("p", 0) == ProviderState("p", has_synced=False)
    assert contact.heard(1)
    assert not contact.heard(2)
    assert contact.state("p", 1000) == ProviderState("p", has_synced=True)
    assert contact.lost(1000, "refused", "12:00:03Z")
    assert contact.state("p", 1029.9) == ProviderState("p", has_synced=True)
    assert contact.state("p", 1030) == ProviderState("p", True, True, "no contact since 12:00:03Z: refused")
    assert contact.heard(1031)
    assert contact.state("p", 1031) == ProviderState("p", has_synced=True)


def test_a_failure_is_news_once_for_each_kind() -> None:
    contact = Contact(stale_after_s=30)
    told = [
        contact.lost(n, reason, "") for n, reason in enumerate(["<Conn at 0x7f01>: errno 111", "<Conn at 0xab>: errno 111", "403"])
    ]
    assert told == [True, False, True]
    assert contact.reason == "403"


def test_a_provider_never_reached_is_not_synced_and_says_why() -> None:
    contact = Contact(stale_after_s=1, is_optional=True)
    contact.lost(0, "x" * 1000, "12:00:00Z")
    state = contact.state("p", 100)
    assert (state.has_synced, state.is_stale, state.is_optional) == (False, False, True)
    assert state.reason.startswith("not reached yet: xxx")
    assert len(state.reason) == REASON_CHARACTERS_MAX
    inherited = contact.inherited_state("p", 100)
    assert (inherited.has_synced, inherited.is_stale) == (True, True)
    assert not contact.inherited_state("p", 0.5).is_stale


def test_max_stale_makes_it_unknown_again() -> None:
    contact = Contact(stale_after_s=1, max_stale_s=60)
    contact.heard(0)
    contact.lost(10, "refused", "")
    assert not contact.is_given_up(69.9)
    assert contact.is_given_up(70)
    assert not contact.state("p", 70).has_synced
    forever = Contact(stale_after_s=1)
    forever.lost(0, "", "")
    assert not forever.is_given_up(1e9)


# ------------------------------------------------------------------------------------------------------------ the guard


def without(view: Snapshot, count: int, changed: Any = None) -> Snapshot:
    """*view* without its first *count* services."""
    return Snapshot(dict(list(view.services.items())[count:]), changed)


@pytest.mark.parametrize(
    ("present", "removed", "is_held"), [(20, 11, True), (20, 10, False), (10, 10, True), (9, 9, False), (100, 51, True)]
)
def test_more_than_half_and_at_least_ten_are_held(present: int, removed: int, is_held: bool) -> None:
    warden, before = RemovalGuard(), numbered(present)
    assert warden.admit(before, 0) is before
    admitted = warden.admit(without(before, removed), 1)
    assert (warden.held_since == 1) is is_held
    assert len(admitted.services) == (present if is_held else present - removed)
    assert warden.held == (removed if is_held else 0)


def test_a_view_two_seconds_after_the_first_confirms_and_one_before_does_not() -> None:
    warden, before = RemovalGuard(), numbered(30)
    warden.admit(before, 0)
    empty = Snapshot()
    assert len(warden.admit(empty, 10).services) == 30
    assert len(warden.admit(empty, 10 + guard.CONFIRM_AFTER_S - 0.01).services) == 30
    assert warden.admit(empty, 10 + guard.CONFIRM_AFTER_S).services == {}
    assert warden.held_since is None


def test_removals_in_small_steps_within_the_window_count_together() -> None:
    warden, view = RemovalGuard(), numbered(100)
    warden.admit(view, 0)
    for step in range(1, 6):
        admitted = warden.admit(without(view, step * 10), step)
    assert len(admitted.services) == 50
    assert len(warden.admit(without(view, 60), 5.5).services) == 50
    assert warden.held == 10
    slow = RemovalGuard()
    slow.admit(view, 0)
    for step in range(1, 10):
        assert len(slow.admit(without(view, step * 10), step * guard.WINDOW_S * 1.1).services) == 100 - step * 10


def test_what_comes_back_without_most_is_given_time_to_fill_again() -> None:
    warden, before = RemovalGuard(), numbered(30)
    warden.admit(before, 0)
    assert len(warden.admit(numbered(1), 10, is_return=True).services) == 30
    assert len(warden.admit(numbered(1), 10 + guard.RETURNED_AFTER_S - 0.01).services) == 30
    assert len(warden.admit(numbered(1), 10 + guard.RETURNED_AFTER_S).services) == 1
    assert len(warden.admit(Snapshot(), 20).services) == 0  # one service is no mass


def test_what_is_held_comes_back_one_by_one_and_nothing_is_dropped_meanwhile() -> None:
    warden, before = RemovalGuard(), numbered(30)
    warden.admit(before, 0)
    for back in range(30):
        assert len(warden.admit(numbered(back), 10 + back / 20).services) == 30
        assert warden.held == 30 - back
    assert warden.admit(before, 12).services == before.services
    assert warden.held_since is None


def test_services_that_come_and_go_are_no_disappearance() -> None:
    warden, stays = RemovalGuard(), [svc(f"stays{n}") for n in range(3)]
    warden.admit(snapshot(*stays), 0)
    for turn in range(100):
        now = turn / 20
        names = frozenset({("", f"job{turn}"), ("", f"job{turn - 1}")})
        for changed in (names, None):  # whether or not the provider says what changed
            view = snapshot(*stays, svc(f"job{turn}"), changed=changed)
            assert warden.admit(view, now).services == view.services
    # Many at once are one, however young they are.
    many = [svc(f"many{n}") for n in range(20)]
    warden.admit(snapshot(*stays, *many), 6.0)
    assert len(warden.admit(snapshot(*stays), 6.5).services) == 23
    # And so are old ones that go one by one.
    slow, old = RemovalGuard(), [svc(f"old{n}") for n in range(20)]
    slow.admit(snapshot(*old), 0)
    for turn in range(1, 20):
        slow.admit(snapshot(*old[turn:]), turn / 10)
    assert slow.held > 0


def test_while_it_holds_what_is_new_and_different_passes() -> None:
    warden, before = RemovalGuard(), numbered(30)
    warden.admit(before, 0)
    admitted = warden.admit(snapshot(svc("s0", "10.9.9.9"), svc("new", "10.0.0.2")), 1)
    assert len(admitted.services) == 31
    assert admitted.services["", "s0"].instances[0].address == "10.9.9.9"
    back = warden.admit(before, 1.5)
    assert back.services == before.services
    assert warden.held_since is None


def test_what_changed_is_not_believed_across_a_hold() -> None:
    """It was said against the provider's last view, which is not the one that was published."""
    warden, before = RemovalGuard(), numbered(30)
    warden.admit(before, 0)
    assert warden.admit(Snapshot({}, frozenset(before.services)), 1).changed is None
    assert warden.admit(Snapshot(before.services, frozenset(before.services)), 2).changed is None
    assert warden.admit(Snapshot(before.services, frozenset()), 3).changed == frozenset()


@given(st.lists(st.tuples(st.floats(0, 3), st.sets(st.integers(0, 24))), min_size=1, max_size=12))
def test_nothing_is_invented_and_everything_ends(steps: list[tuple[float, set[int]]]) -> None:
    warden, now, ever = RemovalGuard(), 0.0, set()
    for wait_s, names in steps:
        now += wait_s
        view = snapshot(*(svc(f"s{n}") for n in sorted(names)))
        ever |= view.services.keys()
        admitted = warden.admit(view, now)
        assert view.services.keys() <= admitted.services.keys() <= ever
        if warden.held_since is None:
            assert admitted.services == view.services
    assert warden.admit(view, now + guard.CONFIRM_AFTER_S + 0.001).services == view.services


# ------------------------------------------------------------------------------------------------------------ yields


def test_a_plug_ins_dict_becomes_services_and_unchanged_ones_keep_their_identity() -> None:
    reader = Reader()
    first = reader.read({"web": {"address": "10.0.0.1", "port": 80}, "db": {"address": "10.0.0.2"}})
    second = reader.read({"db": {"address": "10.0.0.3"}, "web": {"port": 80, "address": "10.0.0.1"}})
    assert list(second.services) == [("", "db"), ("", "web")]
    assert second.services["", "web"] is first.services["", "web"]
    assert second.services["", "db"].instances[0].address == "10.0.0.3"


def test_a_dict_that_its_owner_changes_in_place_is_seen() -> None:
    reader, data = Reader(), {"address": "10.0.0.1"}
    assert reader.read({"web": data}).services["", "web"].instances[0].address == "10.0.0.1"
    data["address"] = "10.0.0.2"
    assert reader.read({"web": data}).services["", "web"].instances[0].address == "10.0.0.2"


def test_a_bad_service_is_left_out_alone_with_its_reason_each_time_it_is_read() -> None:
    reader = Reader()
    view = reader.read({"good": {"address": "10.0.0.1"}, "bad": {"address": "10.0.0.1", "port": 70000}, "worse": 5, 7: {}})
    assert list(view.services) == [("", "good")]
    assert {name for name, _ in reader.faults} == {"bad", "worse", "7"}
    reader.read({"good": {"address": "10.0.0.1"}, "worse": 5})
    assert reader.faults == []


def test_data_that_has_no_text_is_read_each_time() -> None:
    loop: dict[Any, Any] = {"address": "10.0.0.1", "meta": {}}
    loop["meta"]["x"] = loop
    reader = Reader()
    for _ in range(2):
        assert list(reader.read({"web": loop}).services) == [("", "web")]
        assert reader.faults


def test_a_snapshot_passes_as_it_is_and_anything_else_is_refused() -> None:
    view = numbered(3)
    assert Reader().read(view) is view
    for junk in (None, [], "web", 7):
        with pytest.raises(TypeError, match="not a mapping"):
            Reader().read(junk)


# ------------------------------------------------------------------------------------------------------------ serials


def test_serials_rise_and_a_bound_is_reserved_before_it_is_reached() -> None:
    reserved: list[int] = []
    source = serials.Serials(1_000_000, 0, reserved.append)
    for _ in range(5000):
        assert source.next() < reserved[-1]
    assert source.current == 1_005_000
    assert len(reserved) == 6
    assert serials.Serials(1_000_000, reserved[-1], reserved.append).current == reserved[-2]


@pytest.mark.parametrize("content", ["", "x", "9" * 30, "\0", "-"])
def test_a_state_file_that_cannot_be_used_is_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / serials.FILE).write_text(content)
    assert serials.read_floor(str(tmp_path)) == 0
    serials.write_floor(str(tmp_path), 77)
    assert serials.read_floor(str(tmp_path)) == 77
    assert [path.name for path in tmp_path.iterdir()] == [serials.FILE]


@pytest.mark.parametrize(
    ("octets", "floor"),
    [(b"1760000000\n", 1_760_000_000), (b"", 0), (b"x", 0), (b"-5", 0), (b"1" * 20, 0), (b"9" * 5000, 0), (b"4294967295", 0), (b"\xff", 0), (b"1e9", 0)],
)  # fmt: skip
def test_a_serial_that_is_damaged_or_forged_is_none(tmp_path, octets, floor):
    (tmp_path / "serial").write_bytes(octets)
    assert serials.read_floor(str(tmp_path)) == floor


def test_a_serial_that_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "serial")
    assert serials.read_floor(str(tmp_path)) == 0
    (tmp_path / "serial").unlink()
    (tmp_path / "serial").mkdir()
    assert serials.read_floor(str(tmp_path)) == 0
    (tmp_path / "serial").rmdir()
    (tmp_path / "serial").symlink_to("/dev/zero")
    assert serials.read_floor(str(tmp_path)) == 0
