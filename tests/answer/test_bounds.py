"""Bounds of one answer: what is within one is whole, and one more is cut, counted or refused as docs/limits.md has it."""

from __future__ import annotations

import dns.flags
import dns.message
import pytest

from dnsdisco.answer import prepared, reasons, table
from dnsdisco.answer.believe import believe, UpstreamQuestion
from dnsdisco.errors import WireError
from dnsdisco.model.claims import ChainPolicy
from dnsdisco.model.entry import ProviderState
from dnsdisco.model.service import Health, Instance, Port, Service
from dnsdisco.wire.name import from_text
from tests.kit import Answers, canned, CannedUpstreams, errors


def service(*instances: Instance) -> dict[str, dict[tuple[str, str], Service]]:
    return {"static": {("", "web"): Service("web", instances=instances)}}


@pytest.mark.parametrize("payload", [4096, 8192, 9000, 65535])
def test_a_datagram_on_this_host_has_its_bound(payload: int) -> None:
    many = service(*(Instance(f"i{n}", f"10.0.{n // 250}.{n % 250}", (Port(80),), label=f"i{n}") for n in range(400)))
    for local, expected in (("127.0.0.1", min(payload, 8192)), ("192.168.0.9", 1232)):
        query = dns.message.make_query("web.svc.local.", "SRV", use_edns=0, payload=payload).to_wire()
        octets = Answers(snapshots=many).send(query, local)
        assert octets is not None
        assert expected - 100 < len(octets) <= expected
        assert dns.message.from_wire(octets).flags & dns.flags.TC


@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_reason_of_200_octets_is_whole_and_a_longer_one_is_cut(letter: str) -> None:
    width = len(letter.encode())
    for length, kept in ((200 // width - 8 // width, 200 - 8), (200, 200 - 8), (1000, 200 - 8)):
        states = (ProviderState("static", is_stale=True, has_synced=True, reason=letter * length),)
        text = errors(Answers("web: {address: 10.0.0.1}", states=states).ask("web.svc.local"))[3]
        assert text == "static: " + letter * (kept // width)


def test_addresses_stand_beside_an_answer_for_32_hosts_of_it() -> None:
    for hosts in (31, 32, 33, 64):
        lines = [f"mail MX {n} h{n}" for n in range(hosts)] + [f"h{n} A 10.0.0.{n}" for n in range(hosts)]
        reply = Answers(zone_file="$ORIGIN svc.local.\n" + "\n".join(lines) + "\n").ask("mail.svc.local", "MX", is_tcp=True)
        assert len(reply.answer[0]) == hosts
        assert len(reply.additional) == min(hosts, 32)


@pytest.mark.parametrize("hosts", [63, 64, 65, 200])
def test_64_host_names_are_looked_up_for_one_answer(hosts: int) -> None:
    names = [f"h{n}.example.net" for n in range(hosts)]
    upstreams = CannedUpstreams({(f"{name}.", "A"): f"{name}. 60 A 192.0.2.{n + 1}" for n, name in enumerate(names)})
    many = service(*(Instance(f"i{n}", name, (Port(80),), label=f"i{n}") for n, name in enumerate(names)))
    reply = Answers(snapshots=many, upstreams=upstreams).ask("web.svc.local", is_tcp=True)
    assert len(upstreams.asked) == len(reply.answer[0]) == min(hosts, 64)


@pytest.mark.parametrize("names", [63, 64, 65])
def test_64_names_of_ours_lead_from_a_host_name_to_its_addresses(names: int) -> None:
    """A host name that is a service of ours with a host name, and so on: the address at the end of so many is found, and no further."""
    chain = {
        ("", f"s{n}"): Service(f"s{n}", instances=(Instance("i", f"s{n + 1}.svc.local", (Port(80),), label="i"),))
        for n in range(names)
    }
    # two addresses at the start, so that it is no alias
    start = Service(
        "web", instances=(Instance("a", "10.9.9.9", (Port(1),), label="a"), Instance("b", "s0.svc.local", (Port(1),), label="b"))
    )
    end = Service(f"s{names}", instances=(Instance("i", "10.0.0.1", (Port(80),), label="i"),))
    catalog = {**chain, ("", "web"): start, ("", f"s{names}"): end}
    found = {rdata.to_text() for rdata in Answers(snapshots={"static": catalog}).ask("web.svc.local").answer[0]}
    assert ("10.0.0.1" in found) is (names + 1 <= 64)
    assert "10.9.9.9" in found


def small_table(answers: Answers, **bounds: int) -> table.Table:
    made = answers.responder.fast_path.table
    for name, value in bounds.items():
        setattr(made, f"_{name}", value)
    return made


def test_one_compiled_answer_more_than_there_is_room_for_drops_one_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "EVICTED_AT_ONCE", 1)
    answers = Answers("\n".join(f"s{n}: {{address: 10.0.0.1}}" for n in range(20)))
    made = small_table(answers, entries_max=10)
    for n in range(20):
        assert answers.ask(f"s{n}.svc.local").answer
        assert len(made) <= 10
        assert answers.responder.forgotten["answers"] == max(0, n + 1 - 10)


def test_more_octets_of_compiled_answers_than_there_is_room_for_drop_some_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "EVICTED_AT_ONCE", 1)
    answers = Answers("\n".join(f"s{n}: {{address: 10.0.0.1}}" for n in range(200)))
    made = small_table(answers, octets_max=2000)
    asked = 0
    while not answers.responder.forgotten["answers"]:
        assert answers.ask(f"s{asked}.svc.local").answer
        asked += 1
    assert 1 < len(made) < asked
    assert made._octets < 2000 + 100  # the octets of one answer may come on top


@pytest.mark.parametrize(("proofs", "is_good"), [(63, True), (64, True), (65, False), (1000, False)])
def test_64_records_may_prove_a_denial_and_65_are_unusable(proofs: int, is_good: bool) -> None:
    soa = "example.com. 900 IN SOA ns.example.com. root.example.com. 1 2 3 4 120"
    lines = [soa, *(f"p{n}.example.com. 600 IN NSEC z.example.com. A" for n in range(proofs))]
    message = canned("www.example.com.", "A", authority="\n".join(lines), rcode="NXDOMAIN")
    question = UpstreamQuestion(from_text("www.example.com"), 1, True)
    if is_good:
        assert believe(message, question, lambda _: False)
    else:
        with pytest.raises(WireError, match="more than 64 records that prove a denial"):
            believe(message, question, lambda _: False)
    # without DO they go nowhere, however many there are
    assert believe(message, question._replace(dnssec_ok=False), lambda _: False)


@pytest.mark.parametrize("away", [1, 2, 3, 5])
def test_two_providers_that_are_away_are_named(away: int) -> None:
    instance = Instance("i", "10.0.0.1", (Port(80),), label="i")
    views = {f"p{n}": {("", "web"): Service("web", instances=(instance,))} for n in range(away)}
    states = tuple(ProviderState(name, is_stale=True, has_synced=True, reason="down") for name in views)
    reply = Answers(snapshots=views, states=states, chain=ChainPolicy(is_merging=True)).ask("web.svc.local")
    told = [option for option in reply.options if getattr(option, "code", None) == 3]
    assert len(told) == min(away, 2)


def test_a_large_answer_is_prepared_in_fewer_orders() -> None:
    """However many instances there are, the orders that are kept of one answer stay within 32 KB together."""
    for count in (4, 40, 200):
        many = service(*(Instance(f"i{n}", f"10.0.0.{n + 1}", (Port(80),), label=f"i{n}") for n in range(count)))
        answers = Answers(snapshots=many)
        answers.ask("web.svc.local", is_tcp=True)
        (kept,) = answers.responder.fast_path.table._prepared.values()
        octets = sum(map(len, set(kept.bodies)))
        assert octets <= max(32 * 1024, prepared.ORDERS_MIN * kept.longest)
        assert len(kept.bodies) > 1


@pytest.mark.parametrize("length", [19, 20, 21, 63])
def test_a_label_of_20_octets_is_looked_for_in_other_spellings(length: int) -> None:
    name = "a" * (length - 1)
    told = errors(Answers(f"{name}b: {{address: 10.0.0.1}}").ask(f"{name}c.svc.local"))
    assert told == ({0: f"did you mean {name}b?"} if length <= reasons.NEAR_OCTETS_MAX == 20 else {})


@pytest.mark.parametrize("different", [1, 2, 3, 9])
def test_two_reasons_are_named_and_the_rest_is_a_sign(different: int) -> None:
    ill = service(
        *(
            Instance(f"i{n}", f"10.0.0.{n + 1}", (Port(80),), health=Health.CRITICAL, reason=f"r{n}", label=f"i{n}")
            for n in range(different)
        )
    )
    text = errors(Answers(snapshots=ill).ask("web.svc.local"))[0]
    assert sum(f"r{n}" in text for n in range(different)) == min(different, 2)
    assert ("…" in text) is (different > 2)


@pytest.mark.parametrize("spaces", [1, 3, 4, 10])
def test_three_namespaces_are_named_and_the_rest_is_a_sign(spaces: int) -> None:
    instance = Instance("i", "10.0.0.1", (Port(80),), label="i")
    view = {
        (f"n{n}", "cart"): Service("cart", namespace=f"n{n}", is_default_namespace=False, instances=(instance,))
        for n in range(spaces)
    }
    text = errors(Answers(snapshots={"k8s": view}).ask("cart.svc.local"))[0]
    assert sum(f"n{n}" in text.partition("namespace")[2].replace("namespaces", "") for n in range(spaces)) == min(spaces, 3)
    assert ("…" in text) is (spaces > 3)
