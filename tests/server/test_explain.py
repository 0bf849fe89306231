"""An explanation ends in the answer that DNS gives, and names each instance that is not in it with its reason."""

from __future__ import annotations

import random
from dataclasses import replace

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from dnsdisco.answer.admit import Admission
from dnsdisco.errors import WireError
from dnsdisco.model.claims import ChainPolicy
from dnsdisco.model.entry import ProviderState
from dnsdisco.model.service_data import service_from_data
from dnsdisco.server.explain import message_for
from dnsdisco.wire.constants import type_from_text
from tests.kit import Answers, CannedUpstreams, errors, services
from tests.server.explained import assert_accounted_for, catalog, question

ZONE = "svc.local"
CODES = {
    "zone",
    "special",
    "reading",
    "provider",
    "shadowed",
    "left-out",
    "rejected",
    "choice",
    "ttl",
    "stale",
    "denied",
    "not-ready",
}
CODES |= {"forward", "upstream", "cache", "limit"}


def explain(answers, name, rtype="A", peer="127.0.0.1"):
    """The reply as a client would parse it, and the whole explanation."""
    told = []

    async def run():
        import asyncio

        answers.responder.explain(message_for(name.rstrip(".") + ".", type_from_text(rtype)), peer, told.append)
        while answers.responder.in_flight:
            await asyncio.sleep(0)

    answers.run(run())
    (explanation,) = told
    assert {step.code for step in explanation.steps} <= CODES
    assert all(step.subject and step.text for step in explanation.steps), explanation.steps
    return dns.message.from_wire(explanation.reply), explanation


def steps(answers, name, rtype="A", **more):
    return [(step.code, step.subject, step.text) for step in explain(answers, name, rtype, **more)[1].steps]


def text_of(reply):
    """All that a client sees of it, but for the order of records."""
    sections = [
        {(str(rrset.name), rrset.rdtype, rrset.ttl, rdata.to_text()) for rrset in section for rdata in rrset}
        for section in reply.sections
    ]
    return reply.rcode(), dns.flags.to_text(reply.flags), sections, errors(reply)


def in_namespace(space, text):
    made = [replace(service, namespace=space, is_default_namespace=False) for service in services(text).values()]
    return {service.key: service for service in made}


# by hand


def test_an_ordinary_service():
    answers = Answers()
    reply, explanation = explain(answers, "web.svc.local")
    assert [rdata.address for rdata in reply.answer[0]] == ["10.0.0.11"]
    assert [step[:3] for step in explanation.steps] == [
        ("zone", "svc.local", "web.svc.local is a name of this zone"),
        ("reading", "web.svc.local", "the service web"),
        ("provider", "static", "has the service web: 3 instances"),
        ("ttl", "web", "10 s: the service's own"),
        ("left-out", "web-3", "10.0.0.13: critical: its data says so"),
        ("choice", "web", "2 of 3 instances, in an order drawn by weight for each answer"),
        ("left-out", "web-2", "2001:db8::12: no IPv4 address"),
    ]
    assert explanation.serial == 7


@pytest.mark.parametrize(
    ("name", "rtype", "expected"),
    [
        ("v2.web.svc.local", "AAAA", ("left-out", "web-1", "10.0.0.11: it does not carry the tag")),
        ("_grpc._tcp.web.svc.local", "SRV", ("left-out", "web-1", "10.0.0.11: no port 'grpc' for tcp")),
        ("noport.svc.local", "SRV", ("left-out", "n1", "10.0.3.1: no port")),
        (
            "down.svc.local",
            "A",
            ("denied", "down.svc.local", "every instance is critical: its data says so; all of them are given"),
        ),
        ("shut.svc.local", "A", ("left-out", "s1", "10.0.2.1: critical: its data says so")),
        ("noted.svc.local", "TXT", ("choice", "noted", "the TXT records that were written for the name")),
        ("elsewhere.svc.local", "A", ("reading", "elsewhere", "is only another name for db.example.net")),
        ("here.svc.local", "A", ("choice", "l", "localhost: a host name, with addresses of its own")),
        ("loop1.svc.local", "A", ("left-out", "a", "loop2.svc.local: a host name that has no IPv4 address")),
        ("hosty.svc.local", "A", ("choice", "h1", "cache.example.net: a host name, with addresses from upstream")),
        ("webb.svc.local", "A", ("denied", "webb.svc.local", "did you mean web?")),
        ("web.svc.local", "MX", ("denied", "web.svc.local", "web has no MX record")),
        ("svc.local", "SOA", ("reading", "svc.local", "the zone itself")),
        ("ns.dns.svc.local", "A", ("reading", "ns.dns.svc.local", "the name of this server")),
        (
            "x.onion",
            "A",
            ("special", "onion", "x.onion is in this special zone (nothing), which is answered here and never forwarded"),
        ),
        ("11.0.0.10.in-addr.arpa", "PTR", ("zone", "10.0.0.11", "is the address of the instance web-1 of web, of static")),
        ("cache.example.net", "A", ("upstream", "192.0.2.53", "NOERROR, 1 record, after 12 ms")),
        ("cache.example.net", "A", ("forward", "cache.example.net", "asked of 192.0.2.53")),
        ("cache.example.net", "A", ("cache", "cache.example.net", "is not in the cache")),
        ("silent.example.net", "A", ("upstream", "192.0.2.53", "timeout, after 12 ms")),
    ],
)
def test_a_step(name, rtype, expected):
    upstreams = CannedUpstreams(
        {("cache.example.net.", "A"): "cache.example.net. 60 IN A 192.0.2.7", ("silent.example.net.", "A"): None}
    )
    assert expected in steps(Answers(upstreams=upstreams), name, rtype)


def test_a_kept_answer_and_a_stale_one():
    upstreams = CannedUpstreams({("cache.example.net.", "A"): "cache.example.net. 60 IN A 192.0.2.7"})
    answers = Answers(upstreams=upstreams)
    answers.ask("cache.example.net")
    answers.now += 20
    assert ("cache", "cache.example.net", "is in the cache; it was heard 20 s ago, and holds for 40 s") in steps(
        answers, "cache.example.net"
    )
    upstreams.answers = {("cache.example.net.", "A"): None}
    answers.now += 60
    told = steps(answers, "cache.example.net")
    assert (
        "cache",
        "cache.example.net",
        "is in the cache past its end: it is asked for anew; it was heard 80 s ago, and ended 20 s ago",
    ) in told
    assert ("stale", "cache.example.net", "no upstream answers; this is what was known") in told


def test_readings_that_lost():
    views = {"one": services("redis: {instances: [{id: web, address: 10.0.0.1, tags: [web]}]}")}
    views["two"] = in_namespace("redis", "web: {instances: [{id: w1, address: 10.9.9.9}]}")
    told = steps(Answers(snapshots=views, states=()), "web.redis.svc.local")
    assert [(subject, text) for code, subject, text in told if code == "reading"] == [
        ("web.redis.svc.local", "the service web in the namespace redis"),
        ("web.redis.svc.local", "lost: the instance web of the service redis"),
        ("web.redis.svc.local", "lost: the instances of the service redis with the tag web"),
    ]


def test_who_won_and_who_lost():
    views = {"one": services("web: {address: 10.0.0.1, port: 80}"), "two": services("web: {address: 10.0.0.2, port: 80}")}
    told = steps(Answers(snapshots=views), "web.svc.local")
    assert ("provider", "one", "has the service web: 1 instance") in told
    assert ("shadowed", "two", "has the service web, too, and comes later in the chain") in told
    told = steps(Answers(snapshots=views, chain=ChainPolicy(is_merging=True)), "web.svc.local")
    assert ("provider", "one", "has the service web: 2 instances, with instances of two") in told


def test_providers_that_are_away():
    states = (ProviderState("static", has_synced=True, is_stale=True, reason="no contact since noon"),)
    assert ("stale", "auth.svc.local", "static: no contact since noon") in steps(Answers(states=states), "auth.svc.local")
    both = (ProviderState("static", has_synced=True), ProviderState("consul", has_synced=False))
    assert ("not-ready", "consul", "has not answered yet, and may know the name") in steps(Answers(states=both), "nosuch.svc.local")


def test_who_may_not_ask():
    assert steps(Answers(), "web.svc.local", peer="203.0.113.1") == [
        ("limit", "203.0.113.1", "is in none of the networks that may ask (acl)"),
        ("limit", "web.svc.local", "this address may not ask here"),
    ]
    assert ("denied", "svc.local", "zone transfers are not offered") in steps(Answers(), "svc.local", "AXFR")
    assert ("forward", "www.example.com", "not a name of ours, and no upstream is configured for it") in steps(
        Answers(), "www.example.com"
    )


def test_what_was_rejected_when_it_was_read():
    service, faults = service_from_data("web", {"instances": [{"address": "10.0.0.1"}, {"address": "not an address!"}]})
    assert faults
    told = steps(Answers(snapshots={"static": {service.key: service}}), "web.svc.local")
    assert [subject for code, subject, _ in told if code == "rejected"] == ["web"]
    states = (ProviderState("static", has_synced=True, rejected=(("bad", "services.yaml:3: port: 0 is no port"),)),)
    told = steps(Answers(states=states), "bad.svc.local")
    assert [(subject, text) for code, subject, text in told if code == "rejected"] == [
        ("bad.svc.local", "bad was left out: services.yaml:3: port: 0 is no port")
    ]


def test_names_that_may_have_been_meant():
    views = {"one": {**services("web: {address: 10.0.0.1}"), **in_namespace("shop", "cart: {address: 10.0.0.2}")}}
    answers = Answers(snapshots=views, states=())
    assert explain(answers, "wbe.svc.local")[1].did_you_mean == ("web.svc.local",)
    assert explain(answers, "cart.svc.local")[1].did_you_mean == ("cart.shop.svc.local",)
    assert explain(answers, "web.svc.local")[1].did_you_mean == ()


@pytest.mark.slow
def test_many_instances_are_bounded():
    instances = ", ".join(f"{{id: i{at}, address: 10.1.{at // 250}.{at % 250}, health: critical}}" for at in range(3000))
    _, explanation = explain(Answers(f"web: {{instances: [{instances}, {{id: ok, address: 10.2.0.1}}]}}"), "web.svc.local")
    assert len(explanation.steps) == 1001
    assert explanation.steps[-1].text.endswith("more steps are left out")


def test_an_explanation_leaves_the_compiled_answers_alone():
    answers = Answers()
    explain(answers, "web.svc.local")
    assert len(answers.responder._table) == 0
    answers.ask("web.svc.local")
    before = len(answers.responder._table)
    assert [step.code for step in explain(answers, "web.svc.local")[1].steps].count("left-out") == 2
    assert len(answers.responder._table) == before == 1


def counted(answers):
    responder = answers.responder
    return (
        dict(responder.fast_path.table.counts()),
        dict(responder.faults),
        responder._hints._left,
        len(responder.fast_path.admission.known),
        len(responder.fast_path.admission.buckets),
    )


@pytest.mark.parametrize(
    ("name", "rtype"),
    [("web.svc.local", "A"), ("webb.svc.local", "A"), ("svc.local", "AXFR"), ("cache.example.net", "A"), ("x.onion", "A")],
)
@pytest.mark.parametrize("peer", ["127.0.0.1", "10.1.2.3", "203.0.113.1"])
def test_an_explanation_is_no_answer_and_uses_up_nothing(name, rtype, peer):
    upstreams = CannedUpstreams({("cache.example.net.", "A"): "cache.example.net. 60 IN A 192.0.2.7"})
    answers = Answers(upstreams=upstreams)
    before = counted(answers)
    for _ in range(50):  # more than there are hints
        _, explanation = explain(answers, name, rtype, peer=peer)
        assert name != "webb.svc.local" or peer == "203.0.113.1" or explanation.did_you_mean == ("web.svc.local",)
    assert counted(answers) == before
    answers.ask(name, rtype)
    assert sum(counted(answers)[0].values()) == 1


def test_an_explanation_takes_no_place_of_its_client_among_those_that_wait():
    upstreams = CannedUpstreams({("cache.example.net.", "A"): "cache.example.net. 60 IN A 192.0.2.7"}, holds=True)
    answers = Answers(upstreams=upstreams)
    told = []
    answers.responder.explain(message_for("cache.example.net.", 1), "127.0.0.1", told.append)
    assert answers.responder.in_flight == 1
    assert "127.0.0.1" not in answers.responder._asker._waiting_of
    upstreams.release()
    assert len(told) == 1


@pytest.mark.parametrize("name", ["web.svc.local.", "cache.example.net."])
def test_done_is_called_once_though_it_fails(name):
    upstreams = CannedUpstreams({("cache.example.net.", "A"): "cache.example.net. 60 IN A 192.0.2.7"}, holds=True)
    answers = Answers(upstreams=upstreams)
    told = []

    def done(explanation):
        told.append(explanation)
        raise OSError("the caller has gone")

    answers.responder.explain(message_for(name, 1), "127.0.0.1", done)
    upstreams.release()
    assert len(told) == 1
    assert told[0].reply[3] & 15 == 0


def test_a_client_that_is_limited():
    answers = Answers(policy={"admission": Admission(["private", "203.0.113.0/24"])})
    told = steps(answers, "web.svc.local", peer="203.0.113.1")
    assert told[0] == ("limit", "203.0.113.1", "the answers to its network over UDP are limited (rate_limit)")
    assert "limit" not in {code for code, _, _ in told[1:]}
    with pytest.raises(ValueError, match="does not appear to be"):
        answers.responder.explain(message_for("web.svc.local.", 1), "nobody", print)


def test_what_is_no_name():
    with pytest.raises(WireError):
        message_for("a" * 64 + ".example.", 1)


# at random


@pytest.mark.parametrize("seed", range(25))
def test_any_question_to_any_catalog(seed):
    """Forty questions to each of 25 catalogs."""
    source = random.Random(seed)
    answers = catalog(source)
    for _ in range(40):
        name, rtype = question(source, answers)
        answers.now += 100  # nothing kept is near its end
        answers.responder.tick()
        message = dns.message.make_query(f"{name}.", rtype, use_edns=0)
        replies = [dns.message.from_wire(answers.send(message.to_wire(), is_tcp=True)) for _ in range(2)]
        reply, explanation = explain(answers, name, rtype)
        where = seed, name, rtype, explanation.steps
        sample = answers.policy.answers.zone.configured.max_answers
        if sample and rtype in ("A", "AAAA"):
            assert sum(map(len, reply.answer)) == sum(map(len, replies[1].answer)), where
            continue
        assert text_of(reply) == text_of(replies[1]), where
        told = {step.text for step in explanation.steps}
        assert {text for text in errors(replies[1]).values() if text} <= told, where
        assert_accounted_for(answers, name, rtype, reply, [tuple(step[:3]) for step in explanation.steps], where)
