"""Catalogs and questions at random, with every feature, and what an explanation must say of each instance."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import dns.rdatatype

from dnsdisco.model.claims import ChainPolicy
from dnsdisco.model.entry import ProviderState
from dnsdisco.model.service import Health
from dnsdisco.model.service_data import service_from_data
from tests.kit import Answers, CannedUpstreams

ZONE = "svc.local"
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


def instance(source, service, at, numbers):
    number = next(numbers)
    address = f"10.{number >> 8}.{number & 255}.1" if source.random() < 0.7 else f"2001:db8::{number:x}"
    made: dict[str, Any] = {"id": f"{service}-{at}", "address": address}
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


def assert_accounted_for(answers, name, rtype, reply, steps, where):
    """Each instance that the *name* speaks of is in *reply*, or is left out by a step with its reason."""
    if rtype not in ("A", "AAAA", "SRV"):
        return
    wanted = dns.rdatatype.from_text(rtype)
    answer = [rdata for rrset in reply.answer if rrset.rdtype == wanted for rdata in rrset]
    left_out = {(subject, text.split(": ")[0]): text for code, subject, text in steps if code == "left-out"}
    # A name that was found nowhere speaks of no instance, nor does a record, what is above the ports, or another name.
    read = " ".join(text for code, _, text in steps if code == "reading" and not text.startswith("lost: "))
    speaks = read and not any(text in read for text in ("a record of", "the ports of", "another name", "names below it"))
    for each in spoken_of(answers, name) if speaks else ():
        reason = left_out.get((each.id, each.address), "")
        if is_there(each, rtype, answer):
            assert each.is_host or not reason, (each, *where)
        else:
            assert reason, (each, *where)
            assert each.health is not Health.CRITICAL or "critical" not in reason or each.reason in reason, where
