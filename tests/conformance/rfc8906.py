"""The 18 questions of RFC 8906 §8, with which a server shows that it answers, or refuses, whatever a resolver may ask."""

from __future__ import annotations

from tests.conformance.decoded import AD, CD, DO, RD, Z
from tests.conformance.wanted import Asked, BADVERS, Edns, NOTIMP, OPTIONS, Wanted

A, TYPE1000 = 1, 1000
MBZ = 0x40
_DENIED = Wanted(soa=False, rcode=BADVERS)
_ALL = OPTIONS["cookie"] + OPTIONS["nsid"] + OPTIONS["expire"] + OPTIONS["subnet"]


def questions(zone: str, large: str) -> list[Asked]:
    """*large*: a name with more addresses than fit in 512 octets."""

    def ask(section: str, text: str, **rest) -> Asked:
        return Asked(f"§{section}", text, zone, **rest)

    def v1(flags: int = 0, options: bytes = b"") -> dict:
        return {"edns": Edns(1, flags, options=options), "wanted": _DENIED}

    return [
        ask("8.1.1", "SOA, no EDNS"),
        ask("8.1.2", "TYPE1000", qtype=TYPE1000, wanted=Wanted(soa=False)),
        ask("8.1.3.1", "CD=1", flags=CD),
        ask("8.1.3.2", "AD=1", flags=AD),
        ask("8.1.3.3", "Z=1", flags=Z),
        ask("8.1.3.4", "RD=1", flags=RD),
        ask("8.1.4", "opcode 15", opcode=15, is_header_only=True, wanted=Wanted(soa=None, rcode=NOTIMP, is_empty=True)),
        ask("8.1.5", "TCP", is_stream=True),
        ask("8.2.1", "EDNS 0", edns=Edns()),
        ask("8.2.2", "EDNS 1", **v1()),
        ask("8.2.3", "option 100", edns=Edns(options=OPTIONS["unknown"])),
        ask("8.2.4", "flag 0x40", edns=Edns(flags=MBZ)),
        ask("8.2.5", "EDNS 1, flag 0x40", **v1(MBZ)),
        ask("8.2.6", "EDNS 1, option 100", **v1(0, OPTIONS["unknown"])),
        ask(
            "8.2.7",
            "more than 512 octets, size 512, DO",
            qname=large,
            qtype=A,
            edns=Edns(flags=DO, size=512),
            wanted=Wanted(soa=None, is_cut=True, max_octets=512),
        ),
        ask("8.2.8", "DO", edns=Edns(flags=DO)),
        ask("8.2.9", "EDNS 1, DO", **v1(DO)),
        ask("8.2.10", "cookie, NSID, EXPIRE, subnet", edns=Edns(options=_ALL)),
    ]
