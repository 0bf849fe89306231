"""The 98 questions that the public EDNS compliance test asks a server: 33 of EDNS, flags and operations, and one for each of 65 types."""

from __future__ import annotations

from tests.conformance.decoded import AA, AD, CD, DO, RA, RD, TC, Z
from tests.conformance.wanted import Asked, BADVERS, Edns, NOTIMP, OPTIONS, Wanted

A, DNSKEY = 1, 48
MBZ = 0x80
ALL_FLAGS = AA | TC | RD | RA | Z | AD | CD

TYPES = {
    "A": 1, "NS": 2, "MD": 3, "MF": 4, "CNAME": 5, "SOA": 6, "MB": 7, "MG": 8, "MR": 9, "NULL": 10, "WKS": 11, "PTR": 12,
    "HINFO": 13, "MINFO": 14, "MX": 15, "TXT": 16, "RP": 17, "AFSDB": 18, "X25": 19, "ISDN": 20, "RT": 21, "NSAP": 22,
    "NSAP-PTR": 23, "SIG": 24, "KEY": 25, "PX": 26, "GPOS": 27, "AAAA": 28, "LOC": 29, "NXT": 30, "SRV": 33, "NAPTR": 35,
    "KX": 36, "CERT": 37, "A6": 38, "DNAME": 39, "APL": 42, "DS": 43, "SSHFP": 44, "IPSECKEY": 45, "RRSIG": 46, "NSEC": 47,
    "DNSKEY": 48, "DHCID": 49, "NSEC3": 50, "NSEC3PARAM": 51, "TLSA": 52, "SMIMEA": 53, "HIP": 55, "CDS": 59, "CDNSKEY": 60,
    "OPENPGPKEY": 61, "SPF": 99, "NID": 104, "L32": 105, "L64": 106, "LP": 107, "EUI48": 108, "EUI64": 109, "URI": 256,
    "CAA": 257, "AVC": 258, "DOA": 259, "DLV": 32769, "TYPE1000": 1000,
}  # fmt: skip

_DENIED = Wanted(soa=False, rcode=BADVERS)
_REFUSED_OPERATION = Wanted(soa=None, rcode=NOTIMP, is_empty=True, is_flagless=True)
_LIST = OPTIONS["nsid"] + OPTIONS["subnet"] + OPTIONS["cookie"] + OPTIONS["expire"]


def questions(zone: str, large: str) -> list[Asked]:
    """*large*: a name with more addresses than fit in 512 octets."""

    def ask(title: str, text: str, **rest) -> Asked:
        return Asked(title, text, zone, **rest)

    def v0(title: str, text: str, *, flags: int = 0, options: bytes = b"", **rest) -> Asked:
        return ask(title, text, edns=Edns(0, flags, options=options), **rest)

    def v1(title: str, text: str, *, flags: int = 0, options: bytes = b"") -> Asked:
        return ask(title, text, edns=Edns(1, flags, options=options), wanted=_DENIED)

    cut = Wanted(soa=None, is_cut=True, max_octets=512)
    basic = [
        ask("dns", "SOA, no EDNS"),
        v0("edns", "EDNS 0"),
        v1("edns1", "EDNS 1"),
        ask("edns@512", "size 512, DO", qname=large, qtype=A, edns=Edns(0, DO, size=512), wanted=cut),
        v0("ednsopt", "option 100", options=OPTIONS["unknown"]),
        v1("edns1opt", "EDNS 1, option 100", options=OPTIONS["unknown"]),
        v0("do", "DO", flags=DO),
        v0("ednsflags", "flag 0x80", flags=MBZ),
        v0("optlist", "NSID, subnet, cookie, EXPIRE", options=_LIST),
        v0("ednstcp", "EDNS 0 over TCP, DO", flags=DO, is_stream=True),
    ]
    flags = {"aa": AA, "ad": AD, "cd": CD, "ra": RA, "rd": RD, "tc": TC, "zflag": Z}
    full = [
        *(ask(title, f"{title.removesuffix('flag').upper()}=1", flags=flag) for title, flag in flags.items()),
        ask("opcode", "opcode 15", opcode=15, is_header_only=True, wanted=_REFUSED_OPERATION),
        ask(
            "opcodeflg",
            "opcode 15, every flag",
            opcode=15,
            flags=ALL_FLAGS,
            is_header_only=True,
            wanted=_REFUSED_OPERATION,
        ),
        ask("type666", "TYPE666", qtype=666, wanted=Wanted(soa=False)),
        ask("tcp", "SOA over TCP", is_stream=True),
        ask("docd", "DO, CD=1", flags=CD, edns=Edns(0, DO)),
        v1("edns1do", "EDNS 1, DO", flags=DO),
        *(v0(f"edns{one}", one, options=OPTIONS[one]) for one in ("nsid", "cookie", "expire", "subnet")),
        *(v1(f"edns1{one}", f"EDNS 1, {one}", options=OPTIONS[one]) for one in ("nsid", "cookie", "expire", "subnet")),
    ]
    common = [
        v0("bind11", "DO, cookie", flags=DO, options=OPTIONS["cookie"]),
        ask("dig11", "RD=1, AD=1, cookie", flags=RD | AD, edns=Edns(options=OPTIONS["cookie"])),
    ]
    types = [
        ask(title, f"type {title}", qtype=rtype, wanted=Wanted(soa=True if title == "SOA" else None))
        for title, rtype in TYPES.items()
    ]
    return [*basic, *full, *common, *types]
