"""A change of the catalog drops exactly the answers that were made from it, and every negative answer tells the new serial."""

from __future__ import annotations

import dns.rcode
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsdisco.model.service import Snapshot
from dnsdisco.model.unread import from_plain, to_plain
from dnsdisco.zone.catalog import Catalog
from tests.kit import Answers, section, services

pytestmark = pytest.mark.slow


def change(answers: Answers, text: str) -> set[object]:
    """Publish *text* as the new whole of the one provider, as the link would."""
    views = services(text) if yaml.safe_load(text) else {}
    delta = answers.merger.update(0, Snapshot(views))
    touched = answers.catalog.apply(
        delta.put.values() if isinstance(delta.put, dict) else delta.put, delta.drop, answers.catalog.serial + 1
    )
    answers.responder.changed(touched)
    return touched


def test_a_change_is_seen_at_once_and_others_stay_compiled():
    answers = Answers("web: {address: 10.0.0.1, port: 1}\nother: {address: 10.0.0.2, port: 1}")
    for _ in range(2):
        assert section(answers.ask("web.svc.local").answer) == {"web.svc.local. A 10.0.0.1"}
        answers.ask("other.svc.local")
        answers.ask("1.0.0.10.in-addr.arpa", "PTR")
    compiled = len(answers.responder.fast_path.table)
    change(answers, "web: {address: 10.0.0.9, port: 1}\nother: {address: 10.0.0.2, port: 1}")
    assert len(answers.responder.fast_path.table) == compiled - 2  # its address and its reverse name, not the other service
    assert section(answers.ask("web.svc.local").answer) == {"web.svc.local. A 10.0.0.9"}
    assert answers.ask("1.0.0.10.in-addr.arpa", "PTR").rcode() == dns.rcode.NXDOMAIN
    assert section(answers.ask("9.0.0.10.in-addr.arpa", "PTR").answer)


def test_negative_answers_follow_the_serial_without_being_made_anew():
    answers = Answers("web: {address: 10.0.0.1, port: 1}\nother: {address: 10.0.0.2, port: 1}")
    for name in ("web.svc.local", "WEB.svc.internal"):
        for options in ({}, {"use_edns": False}, {"want_dnssec": True}):
            assert answers.ask(name, "AAAA", **options).authority[0][0].serial == 7
    compiled = len(answers.responder.fast_path.table)
    change(answers, "web: {address: 10.0.0.1, port: 1}\nother: {address: 10.0.0.3, port: 1}")
    assert len(answers.responder.fast_path.table) == compiled
    for name in ("web.svc.local", "WEB.svc.internal"):
        for options in ({}, {"use_edns": False}, {"want_dnssec": True}):
            reply = answers.ask(name, "AAAA", **options)
            assert reply.authority[0][0].serial == 8
            assert reply.authority[0].name.to_text() == name.lower()[4:] + "."


def test_a_service_that_goes_and_comes():
    answers = Answers("web: {address: 10.0.0.1, port: 1}")
    assert answers.ask("web.svc.local").rcode() == dns.rcode.NOERROR
    change(answers, "{}")
    for name in ("web.svc.local", "_web._tcp.svc.local", "all.web.svc.local"):
        assert answers.ask(name, "SRV").rcode() == dns.rcode.NXDOMAIN
    change(answers, "web: {address: 10.0.0.2, port: 1}")
    assert section(answers.ask("web.svc.local").answer) == {"web.svc.local. A 10.0.0.2"}


NAMES = st.sampled_from(["a", "b", "v1", "a_b"])
ADDRESSES = st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1"])
INSTANCES = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["a", "b", "i1", "all"]),
            "address": ADDRESSES,
            "port": st.integers(1, 3),
            "tags": st.lists(NAMES, max_size=2),
            "health": st.sampled_from(["passing", "warning", "critical"]),
        }
    ),
    max_size=3,
    unique_by=lambda instance: instance["id"],
)
STATES = st.dictionaries(NAMES, st.fixed_dictionaries({"instances": INSTANCES}), max_size=3)
QUESTIONS = (
    [f"{head}{name}.svc.local" for name in ("a", "b", "v1") for head in ("", "all.", "i1.", "a.", "v1.", "_tcp.", "x.", "x.i1.")]
    + [f"_{name}._{kind}.svc.local" for name in ("a", "b") for kind in ("tcp", "v1")]
    + ["1.0.0.10.in-addr.arpa", "_v1.svc.local", "_tcp.svc.local", "a-b.svc.local", "a_b.svc.local", "aa.svc.local"]
)


def unread_as_a_whole(answers: Answers) -> None:
    """Give *answers* its catalog anew, as a worker gets it that has just started: no service is read yet."""
    fresh = Catalog()
    entries = list(answers.merger.entries.values())
    for at in range(0, len(entries), 2):
        fresh.put_unread(from_plain(to_plain(entries[at : at + 2])))
    answers.catalog.replace(fresh, answers.catalog.states.values(), answers.catalog.serial)
    answers.responder._table.clear()


@pytest.mark.parametrize("is_unread", [False, True])
@settings(max_examples=15)
@given(states=st.lists(STATES, min_size=1, max_size=3))
def test_after_any_changes_the_answers_are_those_of_a_fresh_server(is_unread, states):
    answers = Answers("{}", snapshots={"static": {}})
    for state in states:
        text = yaml.safe_dump(state)
        change(answers, text)
        if is_unread:
            unread_as_a_whole(answers)
        fresh = Answers(text, snapshots={"static": services(text) if state else {}}, serial=answers.catalog.serial)
        for name in QUESTIONS:
            for rtype in ("A", "SRV", "PTR") if name.endswith("arpa") else ("A", "AAAA", "SRV", "TXT", "MX"):
                ours, theirs = answers.ask(name, rtype), fresh.ask(name, rtype)
                assert ours.rcode() == theirs.rcode(), (name, rtype)
                assert section(ours.answer) == section(theirs.answer), (name, rtype)
                assert section(ours.authority) == section(theirs.authority), (name, rtype)
                assert section(ours.additional) == section(theirs.additional), (name, rtype)
        for (
            name
        ) in QUESTIONS:  # RFC 8020: below a name that does not exist nothing does; RFC 2308: NXDOMAIN is of the name, not the type
            if name.endswith("arpa"):
                continue
            rcodes = {answers.ask(name, rtype).rcode() for rtype in ("A", "SRV", "TYPE999")}
            assert len(rcodes) == 1
            if rcodes == {dns.rcode.NXDOMAIN}:
                assert answers.ask("below." + name).rcode() == dns.rcode.NXDOMAIN
