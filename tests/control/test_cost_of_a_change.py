"""One change among many services costs what it costs among few: counted in the interpreter's steps, which no busy machine changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dnsdisco.control.checks import Checks
from dnsdisco.control.contact import Contact
from dnsdisco.control.log import logger
from dnsdisco.control.provider_set import Chain, Member
from dnsdisco.control.watcher import ViewSeen, Watcher
from dnsdisco.model.diff import Change
from dnsdisco.model.service import Check, Service, Snapshot
from dnsdisco.settings.declared import Settings
from tests.bench.path import counted
from tests.control.harness import numbered, Scripted, snapshot, svc


class Bench:
    """A chain of one provider, without its thread."""

    def __init__(self, **options: Any) -> None:
        self.checks = Checks(lambda *_: None, lambda: None, logger())
        self.chain = Chain(logger(), lambda: "", self.checks)
        watcher = Watcher("p", Scripted(), lambda _event: None)
        self.member = Member("p", {"type": "p", **options}, watcher, Contact(stale_after_s=30.0))
        self.chain.rebuild([self.member], Settings())

    def see(self, view: Snapshot) -> Change:
        self.chain.take_event(self.member, ViewSeen(view, is_repeated=False, faults=()), 1.0)
        return self.chain.merge_pending()


def steps(services: int, *, is_told: bool = True) -> int:
    bench = Bench()
    view = numbered(services)
    bench.see(view)
    counts = []
    for number in range(3):  # the first is for Python 3.12 and later, which instrument code that they see anew
        changed = svc(f"s{number}", "10.9.9.9")
        told = frozenset([changed.key]) if is_told else None
        view = Snapshot({**view.services, changed.key: changed}, told)
        counts.append(counted(lambda work: work(), lambda view=view: bench.see(view)).instructions)
    return counts[-1]


def test_one_change_costs_what_it_costs_among_few():
    assert steps(2000) <= 1.1 * steps(10)
    assert steps(2000, is_told=False) > 5 * steps(10, is_told=False)  # it would be seen


def check(service: Service) -> Service:
    return replace(service, check=Check(tcp="{address}:{port}"))


def test_what_is_told_and_what_is_compared_lay_the_same_checks_over_a_view():
    plain, first, second = svc("a", "10.0.0.1"), check(svc("b", "10.0.0.2")), check(svc("b", "10.0.0.3"))
    views = [[plain], [plain, first], [plain, second], [check(plain), second], [second], [plain], [], [first]]
    told, compared = Bench(), Bench()
    before: Snapshot = Snapshot()
    for services in views:
        whole = snapshot(*services)
        changed = {
            key for key in whole.services.keys() | before.services.keys() if whole.services.get(key) != before.services.get(key)
        }
        a, b = told.see(replace(whole, changed=frozenset(changed))), compared.see(whole)
        assert a == b
        assert told.chain.entries == compared.chain.entries
        assert told.checks.checked == compared.checks.checked
        assert told.checks._checked == compared.checks._checked
        before = whole
    told.checks.close()
    compared.checks.close()


def test_a_view_that_could_not_be_used_leaves_no_gap():
    bench = Bench()
    bench.see(snapshot(svc("a", "10.0.0.1"), svc("b", "10.0.0.1")))
    broken: Any = "no service"
    key = svc("c").key
    bench.see(
        Snapshot({**snapshot(svc("a", "10.0.0.2"), svc("b", "10.0.0.1")).services, key: broken}, frozenset([svc("a").key, key]))
    )
    view = snapshot(svc("a", "10.0.0.2"), svc("b", "10.0.0.2"), changed=frozenset([svc("b").key, key]))
    bench.see(view)  # says nothing of a, which changed in the view before
    assert {entry.key: entry.service.instances[0].address for entry in bench.chain.entries.values()} == {
        "a": "10.0.0.2",
        "b": "10.0.0.2",
    }
