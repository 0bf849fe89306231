"""The zone as a scripted upstream serves it, where no name server of others is installed."""

from __future__ import annotations

import ipaddress

from tests.conformance.questions import A, AAAA, labels_of, SOA
from tests.conformance.zonedata import NEGATIVE_TTL, ZoneData
from tests.forward.upstream import Asked, Make, reply

AA_QR = 0x8400
TC = 0x0200
NXDOMAIN = 3
OURS_OCTETS = 1232  # what dnsdisco says that it can take


def serve(data: ZoneData) -> Make:
    """Addresses and the SOA of *data*; NODATA for other types, NXDOMAIN for names that are neither in it nor above one."""
    zone = labels_of(data.zone)
    addresses: dict[tuple[tuple[bytes, ...], int], list[bytes]] = {}
    names = {zone}
    for record in data.records:
        owner = (*labels_of(record.owner), *zone)
        names.update(owner[at:] for at in range(len(owner) - len(zone)))
        if record.rtype in ("A", "AAAA"):
            packed = ipaddress.ip_address(record.data).packed
            addresses.setdefault((owner, A if record.rtype == "A" else AAAA), []).append(
                b"\xc0\x0c" + (1 if record.rtype == "A" else 28).to_bytes(2, "big") + b"\0\1" + record.ttl.to_bytes(4, "big")
                + len(packed).to_bytes(2, "big") + packed
            )  # fmt: skip
    apex = b"".join(bytes((len(label),)) + label for label in zone) + b"\0"
    rdata = (
        b"\2ns\3dns"
        + apex
        + b"\x0ahostmaster"
        + apex
        + b"".join(n.to_bytes(4, "big") for n in (1, 7200, 1800, 86400, NEGATIVE_TTL))
    )
    soa = apex + b"\0\6\0\1" + NEGATIVE_TTL.to_bytes(4, "big") + len(rdata).to_bytes(2, "big") + rdata

    def make(asked: Asked) -> bytes:
        labels, at = [], 0
        name = asked.question[:-4].lower()
        while name[at]:
            labels.append(name[at + 1 : at + 1 + name[at]])
            at += 1 + name[at]
        found = [soa] if asked.qtype == SOA and tuple(labels) == zone else addresses.get((tuple(labels), asked.qtype), [])
        if not found:
            return reply(asked, rcode=0 if tuple(labels) in names else NXDOMAIN, flags=AA_QR, counts=(1, 0, 1, 0), tail=soa)
        whole = reply(asked, records=found, flags=AA_QR)
        is_too_long = asked.transport == "udp" and len(whole) > OURS_OCTETS
        return reply(asked, flags=AA_QR | TC) if is_too_long else whole

    return make
