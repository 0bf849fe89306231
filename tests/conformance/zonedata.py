"""One zone in two forms: services and a zone file for dnsdisco, a whole master file for the servers that others wrote.

The second is made here, from the table of docs/design.md, by rules of its own: what the program renders is judged by it.
"""

from __future__ import annotations

import ipaddress
import json
import random
from dataclasses import dataclass
from typing import NamedTuple

MANY = 60  # addresses of one name: 960 octets, more than 512
NEGATIVE_TTL = 900  # seconds: long, so that a run sees few denials end
TTL = 3600

# Beside the services. `@` and relative names as in a master file; every line starts with its owner, and with its own TTL where it has one.
ZONE_FILE = r"""
@ MX 10 mail
@ MX 20 mail2
@ TXT "v=spf1 -all" "second string"
@ CAA 0 issue "ca.example.net"
mail A 10.20.0.1
mail AAAA 2001:db8:20::1
mail2 A 10.20.0.2
alias CNAME mail
alias2 CNAME alias
alias3 CNAME alias2
dangling CNAME nothere
out CNAME www.elsewhere.example
to-service CNAME web
to-ent CNAME ent
to-large CNAME large
loopa CNAME loopb
loopb CNAME loopa
selfish CNAME selfish
c1 CNAME c2
c2 CNAME c3
c3 CNAME c4
c4 CNAME c5
c5 CNAME mail
*.wild A 10.20.1.1
*.wild TXT "from a wildcard"
there.wild A 10.20.1.2
below.there.wild TXT "below one that is there"
*.wildalias CNAME mail
*.wildloop CNAME x.wildloop
a.*.odd TXT "an asterisk in the middle"
sub.deep.ent TXT "far down"
other.ent A 10.20.2.1
UPPER.Case A 10.20.2.2
a\.dot TXT "a dot in a label"
a\032space TXT "a space in a label"
\000nul\255high A 10.20.2.3
large TXT "0123456789012345678901234567890123456789012345678901234567890123456789"
_sip._tcp SRV 10 5 5060 mail
_sip._tcp SRV 20 0 5061 mail2
_none._tcp SRV 0 0 0 .
uri NAPTR 10 20 "u" "E2U+sip" "!^.*$!sip:info@example.test!" .
www HTTPS 1 . alpn=h2,h3
key SSHFP 1 1 123456789abcdef67890123456789abcdef67890
host HINFO "INTEL" "Linux"
who RP mail.example.test. txt.example.test.
unknown TYPE65280 \# 4 0a000001
ptr PTR mail
short 1 A 10.20.3.1
zero 0 A 10.20.3.2
long 604800 A 10.20.3.3
mixed 60 A 10.20.3.4
mixed 300 A 10.20.3.5
mixed2 300 A 10.20.3.6
mixed2 60 A 10.20.3.7
"""
LARGE_STRINGS = 20
TAG_NAMES = ("v1", "v2", "blue")
TAGS = tuple(tag.encode() for tag in TAG_NAMES)


class Record(NamedTuple):
    """In the words of a master file; `owner` relative to the zone."""

    owner: str
    ttl: int
    rtype: str
    data: str

    def __str__(self) -> str:
        return f"{self.owner or '@'} {self.ttl} IN {self.rtype} {self.data}"


@dataclass(frozen=True)
class ZoneData:
    """`services`: JSON of a services file. `zone_file`: for `zone_files`. `records`: all of them, without SOA and NS."""

    zone: str
    services: str
    zone_file: str
    records: tuple[Record, ...]

    @property
    def large(self) -> str:
        """A name with more addresses than fit in 512 octets."""
        return f"many.{self.zone}"

    def master(self, serial: int) -> str:
        """The whole zone with the SOA and NS that dnsdisco makes."""
        head = (
            f"$ORIGIN {self.zone}.\n$TTL {TTL}\n"
            f"@ {NEGATIVE_TTL} IN SOA ns.dns hostmaster {serial} 7200 1800 86400 {NEGATIVE_TTL}\n"
            f"@ {TTL} IN NS ns.dns\nns.dns {TTL} IN A 127.0.0.1\n"
        )
        return head + "".join(f"{record}\n" for record in self.records)


def make(zone: str = "example.test", seed: int = 1, services: int = 40) -> ZoneData:
    """*zone* with the fixed records and so many services drawn from *seed*."""
    source = random.Random(seed)
    data: dict[str, dict] = {
        "web": {
            "ttl": 10,
            "instances": [_instance("web-1", "10.20.8.1", http=8080), _instance("web-2", "2001:db8:20::8", http=8080)],
        },
        "auth": {"instances": [_instance("auth-1", "10.20.8.3", http=5001)]},
        "many": {"instances": [_instance(f"m{n}", f"10.20.9.{n + 1}") for n in range(MANY)]},
    }
    for n in range(services):
        data[f"s{n}"] = _service(source, n)
    zone_file = ZONE_FILE.replace('large TXT "', 'large TXT "' + "x" * 100)
    zone_file += "".join(f'large TXT "{n:03d}{"y" * 100}"\n' for n in range(LARGE_STRINGS))
    records = [record for name, service in data.items() for record in _records_of(name, service)]
    for line in zone_file.strip().splitlines():
        owner, *words = line.split(" ")
        ttl = int(words.pop(0)) if words[0].isdecimal() else TTL
        records.append(Record(owner, ttl, words[0], " ".join(words[1:])))
    return ZoneData(zone, json.dumps(data, indent=1), f"$ORIGIN {zone}.\n$TTL {TTL}\n{zone_file}", tuple(records))


def _instance(label: str, address: str, *, tags: tuple[str, ...] = (), health: str = "passing", **ports: int) -> dict:
    return {"id": label, "address": address, "tags": list(tags), "health": health} | ({"ports": ports} if ports else {})


def _service(source: random.Random, n: int) -> dict:
    """One to five instances: of either family, with ports, tags and a health each; sometimes none at all."""
    instances = []
    for at in range(source.choice((0, 1, 1, 2, 2, 3, 5))):
        address = f"10.21.{n}.{at + 1}" if source.random() < 0.7 else f"2001:db8:21:{n:x}::{at + 1:x}"
        ports = {name: source.randrange(1, 65536) for name in ("http", "grpc") if source.random() < 0.6}
        tags = tuple(tag for tag in TAG_NAMES if source.random() < 0.4)
        health = source.choice(("passing", "passing", "warning", "critical"))
        instances.append(_instance(f"i{at}", address, tags=tags, health=health, **ports))
    service: dict = {"instances": instances, "records": [{"type": "TXT", "value": f"of s{n}"}]}
    if source.random() < 0.5:
        service["ttl"] = source.choice((60, 300, 1800))
    if source.random() < 0.3:
        service["when_all_unhealthy"] = "empty"
    if source.random() < 0.3:
        service["records"].append({"type": "MX", "value": "10 mail.example.net."})
        service["records"].append({"type": "TXT", "name": "_challenge.deep", "value": "x"})
    return service


def _records_of(name: str, service: dict) -> list[Record]:
    """Every record of a service at every name that it has."""
    ttl = service.get("ttl", TTL)
    instances = service["instances"]
    found: list[Record] = []

    def addresses(owner: str, chosen: list[dict]) -> None:
        for instance in chosen:
            address = ipaddress.ip_address(instance["address"])
            found.append(Record(owner, ttl, "A" if address.version == 4 else "AAAA", str(address)))

    def ports(owner: str, chosen: list[dict], port_name: str = "") -> None:
        for instance in chosen:
            for each, port in instance.get("ports", {}).items():
                if port_name in ("", each):
                    found.append(Record(owner, ttl, "SRV", f"0 1 {port} {instance['id']}.{name}"))

    usable = _usable(instances, service)
    addresses(name, usable)
    ports(name, usable)
    addresses(f"all.{name}", instances)
    ports(f"all.{name}", instances)
    for protocol in ("_tcp", "_udp"):
        ports(f"_{name}.{protocol}", usable)
        for port_name in ("http", "grpc"):
            ports(f"_{port_name}.{protocol}.{name}", usable, port_name)
    for tag in sorted({tag for instance in instances for tag in instance["tags"]}):
        tagged = _usable([instance for instance in instances if tag in instance["tags"]], service)
        addresses(f"{tag}.{name}", tagged)
        ports(f"{tag}.{name}", tagged)
        ports(f"_{name}._{tag}", tagged)
    for instance in instances:
        owner = f"{instance['id']}.{name}"
        addresses(owner, [instance])
        ports(owner, [instance])
        found.append(Record(owner, ttl, "TXT", _text(instance)))
    texts = [f'"{each["value"]}"' for each in service.get("records", []) if each["type"] == "TXT" and "name" not in each]
    found.append(Record(name, ttl, "TXT", texts[0] if texts else _service_text(usable)))
    for each in service.get("records", []):
        if each["type"] != "TXT" or "name" in each:
            owner = f"{each['name']}.{name}" if "name" in each else name
            found.append(Record(owner, ttl, each["type"], each["value"] if each["type"] == "MX" else f'"{each["value"]}"'))
    return list(dict.fromkeys(found))


def _usable(instances: list[dict], service: dict) -> list[dict]:
    """The healthy ones; when there is none, all, unless the service says otherwise."""
    healthy = [instance for instance in instances if instance["health"] != "critical"]
    return healthy or ([] if service.get("when_all_unhealthy") == "empty" else instances)


def _text(instance: dict) -> str:
    strings = [f"url={_url(instance)}"]
    if instance["tags"]:
        strings.append(f"tags={','.join(instance['tags'])}")
    return " ".join(f'"{string}"' for string in strings)


def _service_text(usable: list[dict]) -> str:
    return f'"url={_url(usable[0])}"'


def _url(instance: dict) -> str:
    address = str(ipaddress.ip_address(instance["address"]))
    host = f"[{address}]" if ":" in address else address
    port = next(iter(instance.get("ports", {}).values()), None)
    return f"http://{host}" + (f":{port}" if port else "")
