"""An explanation ends in the answer that DNS gives, and names each instance that is not in it with its reason."""

from __future__ import annotations

import ipaddress
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
from dnsdisco.model.service import Health
from dnsdisco.model.service_data import service_from_data
from dnsdisco.server.explain import message_for
from dnsdisco.wire.constants import type_from_text
from tests.kit import Answers, CannedUpstreams, errors, services

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
UPSTREAM = {
    ("db.example.net.", "A"): "db.example.net. 60 IN A 192.0.2.10",
    (
        "two.example.net.",
        "A",
    ): "two.example.net. 60 IN CNAME end.example.net.\nend.example.net. 60 IN A 192.0.2.11\nend.example.net. 60 IN A 192.0.2.12",
    ("gone.example.net.", "A"): "NXDOMAIN",
    ("silent.example.net.", "A"): None,
    ("back.example.net.", "A"): "back.example.net. 60 IN CNAME web.svc.local.",
}
HOSTS = {  # and the addresses that they have
    "db.example.net": {"192.0.2.10"},
    "two.example.net": {"192.0.2.11", "192.0.2.12"},
    "gone.example.net": set(),
    "silent.example.net": set(),
    "localhost": {"127.0.0.1", "::1"},
    "nosuch.svc.local": set(),
}
ZONE_FILE = """$TTL 30
mail.svc.local. MX 10 mx.svc.local.
mx.svc.local. A 10.99.0.1
web.svc.local. TXT "from a file"
short.svc.local. CNAME web.svc.local.
far.svc.local. CNAME db.example.net.
*.wild.svc.local. A 10.99.0.2
"""
NAMES = ("web", "db", "api", "shop", "redis", "cart")
SPACES = ("shop", "prod", "redis")
TAGS = ("v1", "v2", "primary")
TYPES = ("A", "A", "A", "AAAA", "SRV", "SRV", "TXT", "ANY", "CNAME", "MX", "SOA", "NS", "PTR")


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
        ("elsewhere.svc.local", "A", ("reading", "elsewhere", "is nothing but another name for db.example.net")),
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
    states = (ProviderState("static", has_synced=True), ProviderState("consul", has_synced=False))
    assert ("not-ready", "consul", "has not been heard yet, and may know the name") in steps(
        Answers(states=states), "nosuch.svc.local"
    )


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


def instance(source, service, at, numbers):
    number = next(numbers)
    address = f"10.{number >> 8}.{number & 255}.1" if source.random() < 0.7 else f"2001:db8::{number:x}"
    made = {"id": f"{service}-{at}", "address": address}
    kind = source.random()
    if kind < 0.15:
        made["address"] = source.choice(list(HOSTS))
    elif kind < 0.2:
        made["address"] = "not an address!"
    if source.random() < 0.7:
        made["ports"] = dict(source.sample([("http", 8000 + at), ("grpc", 9000 + at)], source.randint(1, 2)))
    if source.random() < 0.5:
        made["tags"] = source.sample(TAGS, source.randint(1, 2))
    if source.random() < 0.4:
        made["weight"] = source.choice((0, 5, 10))
    if source.random() < 0.3:
        made["priority"] = source.choice((0, 10))
    made["health"] = source.choices(("passing", "warning", "critical"), (5, 1, 3))[0]
    return made


def view(source, numbers):
    found = {}
    for name in source.sample(NAMES, 4):
        data = {"instances": [instance(source, name, at, numbers) for at in range(source.randint(0, 5))]}
        if source.random() < 0.3:
            data["when_all_unhealthy"] = source.choice(("fail_open", "empty"))
        if source.random() < 0.3:
            data["ttl"] = source.choice((1, 60))
        if source.random() < 0.4:
            data["records"] = [
                {"type": "TXT", "value": "x"},
                {"type": "A", "value": "10.250.0.1", "name": source.choice(("@", "v1", "extra"))},
            ]
        service, _ = service_from_data(name, data)
        if service is None:
            continue
        sick = [
            replace(each, reason=f"HTTP 503 of {each.id}") if each.health is Health.CRITICAL else each for each in service.instances
        ]
        space = source.choice(SPACES) if source.random() < 0.4 else ""
        service = replace(service, instances=tuple(sick), namespace=space, is_default_namespace=not space)
        found[service.key] = service
    return found


def catalog(source):
    numbers = iter(range(1, 60_000))
    states = [
        ProviderState(name, has_synced=source.random() < 0.9, is_stale=source.random() < 0.2, reason="away")
        for name in ("one", "two")
    ]
    return Answers(
        snapshots={"one": view(source, numbers), "two": view(source, numbers)},
        states=tuple(states),
        upstreams=CannedUpstreams(UPSTREAM),
        zone_file=ZONE_FILE,
        chain=ChainPolicy(is_merging=source.random() < 0.4),
        max_answers=source.choice((0, 0, 0, 2)),
    )


def question(source, answers):
    entries = list(answers.merger.entries.values())
    entry = source.choice(entries)
    path = ".".join(source.choice(entry.paths))
    labels = [each.label for each in entry.service.instances] or ["none"]
    other = source.choice(
        [
            "nosuch",
            "webb",
            "cart.prod",
            "mail",
            "mx",
            "short",
            "far",
            "a.wild",
            "_tcp",
            f"extra.{path}",
            "shop",
            "ns.dns",
            f"_{source.choice(TAGS)}",
        ]
    )
    name = source.choice(
        [path] * 4
        + [
            f"all.{path}",
            f"{source.choice(TAGS)}.{path}",
            f"{source.choice(labels)}.{path}",
            f"_http._tcp.{path}",
            f"_grpc._tcp.{path}",
        ]
        + [f"_{path.split('.')[0]}.{rest}" for rest in ("_tcp", "_v1")]
        + [other, f"x.{path}"]
    )
    whole = source.choice(
        [f"{name}.{ZONE}"] * 9 + [ZONE, "db.example.net", "back.example.net", "gone.example.net", "localhost", "x.onion"]
    )
    return whole, source.choice(TYPES)


def is_there(instance, rtype, answer):
    """*instance* is in the *answer* of that type, as the client sees it: by address, or by the target's first label."""
    if rtype == "SRV":
        return any(rdata.target.labels[0].decode() == instance.label for rdata in answer)
    addresses = {rdata.address for rdata in answer}
    if instance.is_host:
        wanted = {text for text in HOSTS[instance.address] if (":" in text) == (rtype == "AAAA")}
        return bool(wanted) and wanted <= addresses
    return str(ipaddress.ip_address(instance.address)) in addresses


def spoken_of(answers, name):
    """The instances of the service that *name* is, and whether all of them are to be accounted for."""
    labels = tuple(label.encode() for label in name.removesuffix(f".{ZONE}").split("."))
    if not name.endswith(f".{ZONE}"):
        return ()
    for path in (labels, labels[1:]) if labels[0] in (b"all", *(tag.encode() for tag in TAGS)) else (labels,):
        entry = answers.catalog.at(path) if 0 < len(path) <= 2 else None
        if entry is not None:
            return entry.service.instances
    if labels[0][:1] == b"_" and labels[1:2] == (b"_tcp",):
        entry = answers.catalog.at(labels[2:]) if labels[2:] else answers.catalog.at((labels[0][1:],))
        return entry.service.instances if entry is not None else ()
    return ()


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
        if rtype not in ("A", "AAAA", "SRV"):
            continue
        wanted = dns.rdatatype.from_text(rtype)
        answer = [rdata for rrset in reply.answer if rrset.rdtype == wanted for rdata in rrset]
        left_out = {(step.subject, step.text.split(": ")[0]): step.text for step in explanation.steps if step.code == "left-out"}
        # A name that was found nowhere speaks of no instance, nor does a record, what is above the ports, or another name.
        read = " ".join(step.text for step in explanation.steps if step.code == "reading" and not step.text.startswith("lost: "))
        speaks = read and not any(text in read for text in ("a record of", "the ports of", "another name", "names below it"))
        for each in spoken_of(answers, name) if speaks else ():
            reason = left_out.get((each.id, each.address), "")
            if is_there(each, rtype, answer):
                assert each.is_host or not reason, (each, *where)
            else:
                assert reason, (each, *where)
                assert each.health is not Health.CRITICAL or "critical" not in reason or each.reason in reason, where
