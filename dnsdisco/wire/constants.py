"""Numbers of the IANA DNS registries that this program speaks of (RFC 6895), and their mnemonics."""

from __future__ import annotations

from dnsdisco.errors import excerpt, WireError

QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010  # RFC 1035 §4.1.1, RFC 4035 §3
OPCODE_MASK, OPCODE_SHIFT = 0x7800, 11
DO = 0x8000  # in the low half of the OPT record's TTL (RFC 3225)

QUERY, NOTIFY, UPDATE = 0, 4, 5

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, YXDOMAIN, NOTAUTH, BADVERS, BADKEY, BADCOOKIE = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    9,
    16,
    17,
    23,
)

IN, CH, NONE, ANY_CLASS = 1, 3, 254, 255

TYPES = {
    "A": 1, "NS": 2, "MD": 3, "MF": 4, "CNAME": 5, "SOA": 6, "MB": 7, "MG": 8, "MR": 9, "NULL": 10, "WKS": 11, "PTR": 12,
    "HINFO": 13, "MINFO": 14, "MX": 15, "TXT": 16, "RP": 17, "AFSDB": 18, "X25": 19, "ISDN": 20, "RT": 21, "NSAP": 22,
    "NSAP-PTR": 23, "SIG": 24, "KEY": 25, "PX": 26, "GPOS": 27, "AAAA": 28, "LOC": 29, "NXT": 30, "EID": 31, "NIMLOC": 32,
    "SRV": 33, "ATMA": 34, "NAPTR": 35, "KX": 36, "CERT": 37, "A6": 38, "DNAME": 39, "SINK": 40, "OPT": 41, "APL": 42, "DS": 43,
    "SSHFP": 44, "IPSECKEY": 45, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "DHCID": 49, "NSEC3": 50, "NSEC3PARAM": 51, "TLSA": 52,
    "SMIMEA": 53, "HIP": 55, "NINFO": 56, "RKEY": 57, "TALINK": 58, "CDS": 59, "CDNSKEY": 60, "OPENPGPKEY": 61, "CSYNC": 62,
    "ZONEMD": 63, "SVCB": 64, "HTTPS": 65, "DSYNC": 66, "HHIT": 67, "BRID": 68, "SPF": 99, "UINFO": 100, "UID": 101, "GID": 102,
    "UNSPEC": 103, "NID": 104, "L32": 105, "L64": 106, "LP": 107, "EUI48": 108, "EUI64": 109, "NXNAME": 128, "TKEY": 249,
    "TSIG": 250, "IXFR": 251, "AXFR": 252, "MAILB": 253, "MAILA": 254, "ANY": 255, "URI": 256, "CAA": 257, "AVC": 258,
    "DOA": 259, "AMTRELAY": 260, "RESINFO": 261, "WALLET": 262, "CLA": 263, "IPN": 264, "TA": 32768, "DLV": 32769,
}  # fmt: skip
_TYPE_NAMES = {number: name for name, number in TYPES.items()}
A, NS, CNAME, SOA, PTR, HINFO, MX, TXT, RP, AAAA, SRV, SPF = 1, 2, 5, 6, 12, 13, 15, 16, 17, 28, 33, 99
APL = 42
SIG, KEY, NXT, DNAME, RRSIG, NSEC, NSEC3, MAILB, MAILA = 24, 25, 30, 39, 46, 47, 50, 253, 254
OPT, SVCB, HTTPS, TKEY, TSIG, IXFR, AXFR, ANY = 41, 64, 65, 249, 250, 251, 252, 255

RCODES = {
    0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN", 7: "YXRRSET",
    8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE", 16: "BADVERS", 23: "BADCOOKIE",
}  # fmt: skip

# EDNS options (RFC 6891 §6.1.2)
NSID, COOKIE, KEEPALIVE, PADDING, EDE = 3, 10, 11, 12, 15

# Extended DNS Errors (RFC 8914 §4)
EDE_OTHER, EDE_STALE, EDE_CACHED_ERROR, EDE_NOT_READY, EDE_PROHIBITED, EDE_STALE_NXDOMAIN = 0, 3, 13, 14, 18, 19
EDE_BLOCKED = 15
EDE_NOT_AUTHORITATIVE, EDE_NO_REACHABLE, EDE_NETWORK_ERROR = 20, 22, 23

TTL_MAX = 0x7FFFFFFF  # RFC 2181 §8


def type_to_text(rtype: int) -> str:
    """The mnemonic, or TYPEnnn (RFC 3597 §5)."""
    return _TYPE_NAMES.get(rtype) or f"TYPE{rtype}"


def type_from_text(text: str) -> int:
    """The number of a mnemonic or of TYPEnnn, in any case. Raises WireError."""
    name = text.upper()
    if name in TYPES:
        return TYPES[name]
    if name.startswith("TYPE") and len(name) <= 9 and name[4:].isdecimal() and name.isascii() and int(name[4:]) <= 0xFFFF:
        return int(name[4:])
    raise WireError(f"{excerpt(text)} is not a record type")


def rcode_to_text(rcode: int) -> str:
    return RCODES.get(rcode) or f"RCODE{rcode}"
