"""The form of each known type's RDATA, as far as octets from outside can be right or wrong there (RFC 1035 §3.3, and each type's own RFC).

A form is a row of fields. It has the places of names, which may be compressed in a message and must not be in another (RFC 3597 §4), and
the place where the data must end. Types that are not in the table have any octets (RFC 3597 §3).
"""

from __future__ import annotations

from dnsdisco.errors import WireError
from dnsdisco.wire import service_parameters
from dnsdisco.wire.name_reader import NameReader

# A field of so many octets is that number; the others:
NAME = (
    -1
)  # a name; senders may have compressed it: the types of RFC 1035, and those of RFC 3597 §4 that have to be read all the same
PLAIN = -2  # a name that nobody may compress
STRING = -3  # one octet of length, and so many octets
STRINGS = -4  # at least one of these, to the end
SOME = -5  # at least one octet, to the end
REST = -6  # any octets, to the end
TYPES = -7  # windows of a type bitmap, to the end (RFC 4034 §4.1.2)
PARAMETERS = -8  # SvcParams, to the end (RFC 9460 §2.2)
PREFIXES = -9  # address prefixes, to the end (RFC 3123 §4)
GATEWAY = -10  # precedence, kind, algorithm, a gateway of that kind, and a key to the end (RFC 4025 §2.1)
RELAY = -11  # precedence, kind, and a relay of that kind (RFC 8777 §4.2)
HOST_IDENTITY = -12  # lengths, the parts that they are of, and names to the end (RFC 8005 §5)
LOCATION = -13  # version 0: sizes and coordinates (RFC 1876 §2); of other versions nobody knows what is in them
TAG = -14  # a string of letters and digits, at least one of them (RFC 8659 §4.1)

Form = tuple[int, ...]

FORMS: dict[int, Form] = {
    1: (4,), 2: (NAME,), 3: (NAME,), 4: (NAME,), 5: (NAME,), 6: (NAME, NAME, 20), 7: (NAME,), 8: (NAME,), 9: (NAME,),  # A to MR
    11: (5, REST), 12: (NAME,), 13: (STRING, STRING), 14: (NAME, NAME), 15: (2, NAME), 16: (STRINGS,),  # WKS, PTR to TXT
    17: (NAME, NAME), 18: (2, NAME), 19: (STRING,), 20: (STRINGS,), 21: (2, NAME), 23: (NAME,),  # RP to NSAP-PTR
    24: (18, NAME, REST), 25: (4, REST), 26: (2, NAME, NAME), 27: (STRING, STRING, STRING), 28: (16,), 29: (LOCATION,),  # SIG to LOC
    30: (NAME, REST), 33: (6, NAME), 35: (4, STRING, STRING, STRING, NAME), 36: (2, NAME), 37: (5, SOME), 39: (NAME,),  # NXT to DNAME
    42: (PREFIXES,), 43: (4, SOME), 44: (2, SOME), 45: (GATEWAY,), 46: (18, PLAIN, SOME), 47: (PLAIN, TYPES),  # APL to NSEC
    48: (4, SOME), 49: (SOME,), 50: (4, STRING, STRING, TYPES), 51: (4, STRING), 52: (3, SOME), 53: (3, SOME),  # DNSKEY to SMIMEA
    55: (HOST_IDENTITY,), 56: (STRINGS,), 57: (4, REST), 58: (PLAIN, PLAIN), 59: (4, SOME), 60: (4, SOME), 61: (SOME,), 62: (6, TYPES),  # HIP to CSYNC
    63: (6, SOME), 64: (2, PLAIN, PARAMETERS), 65: (2, PLAIN, PARAMETERS), 66: (5, PLAIN), 99: (STRINGS,), 104: (10,), 105: (6,),  # ZONEMD to L32
    106: (10,), 107: (2, PLAIN), 108: (6,), 109: (8,), 256: (4, SOME), 257: (1, TAG, REST), 258: (STRINGS,),  # L64 to AVC
    260: (RELAY,), 261: (STRINGS,), 262: (STRINGS,), 263: (STRINGS,), 264: (8,), 32768: (4, SOME), 32769: (4, SOME),  # AMTRELAY to DLV
}  # fmt: skip
WITH_NAMES = {rtype: form for rtype, form in FORMS.items() if NAME in form}
BEFORE_NAME = {  # octets, where a name is all that follows them
    rtype: sum(form[:-1]) for rtype, form in FORMS.items() if form[-1] == NAME and min(form[:-1], default=0) >= 0
}
COMPRESSED = frozenset((2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15))  # whose names we compress: everybody knows these types (RFC 3597 §4)

# By the two octets of the type, for the loop that looks at every record: how many octets it has, where that is all there is to say …
SIZES = {rtype.to_bytes(2, "big"): form[0] for rtype, form in FORMS.items() if len(form) == 1 and form[0] >= 0}
# … and the form, where there is more.
LONGER = {rtype.to_bytes(2, "big"): form for rtype, form in FORMS.items() if len(form) > 1 or form[0] < 0}


def check(message: bytes, at: int, end: int, form: Form, reader: NameReader) -> None:
    """The octets from *at* to *end* are of that form. Raises WireError. Linear in them; *reader*, which is of *message*, bounds the names."""
    for field in form:
        if field >= 0:
            at += field
        elif field == NAME:
            _, at = reader.read(at)
        elif field == PLAIN:
            at = _plain(at, reader)
        elif field == STRING:
            at = _string(message, at, end)
        elif field == TAG:
            at = _tag(message, at, end)
        else:
            at = _TO_THE_END[field](message, at, end, reader)
        if at > end:
            raise WireError(_SHORT)
    if at != end:
        raise WireError("data with octets after its end")


_SHORT = "data that is cut short"


def _plain(at: int, reader: NameReader) -> int:
    wire, end = reader.read(at)
    if end - at != len(wire):
        raise WireError("a compressed name in data that may have none")
    return end


def _string(message: bytes, at: int, end: int) -> int:
    """The offset behind a character-string; perhaps beyond *end*."""
    if at >= end:
        raise WireError(_SHORT)
    return at + 1 + message[at]


def _tag(message: bytes, at: int, end: int) -> int:
    after = _string(message, at, end)
    if not message[at + 1 : after].isalnum():  # of bytes: ASCII alone
        raise WireError("a tag that is not valid")
    return after


def _strings(message: bytes, at: int, end: int, _: NameReader) -> int:
    at = _string(message, at, end)
    while at < end:
        at += 1 + message[at]
    return at


def _some(_message: bytes, at: int, end: int, _: NameReader) -> int:
    return max(at + 1, end)


def _rest(_message: bytes, at: int, end: int, _: NameReader) -> int:
    return max(at, end)


def _types(message: bytes, at: int, end: int, _: NameReader) -> int:
    window = -1
    while at + 1 < end:
        if message[at] <= window or not 1 <= message[at + 1] <= 32:
            raise WireError("a type bitmap that is not valid")
        window = message[at]
        at += 2 + message[at + 1]
    return at


def _parameters(message: bytes, at: int, end: int, _: NameReader) -> int:
    return service_parameters.check(message, at, end)


def _location(message: bytes, at: int, end: int, _: NameReader) -> int:
    if at >= end:
        raise WireError(_SHORT)
    if message[at]:
        return end
    if at + _LOCATION_OCTETS == end:
        latitude, longitude = (int.from_bytes(message[begin : begin + 4], "big") - (1 << 31) for begin in (at + 4, at + 8))
        are_sizes = all(octet >> 4 <= 9 and octet & 15 <= 9 for octet in message[at + 1 : at + 4])
        if not are_sizes or abs(latitude) > _QUARTER or abs(longitude) > 2 * _QUARTER:
            raise WireError("a location that does not exist")
    return at + _LOCATION_OCTETS


_LOCATION_OCTETS = 16
_QUARTER = 90 * 3_600_000  # a quarter of the way round, in thousandths of a second of arc


def _prefixes(message: bytes, at: int, end: int, _: NameReader) -> int:
    while at + 3 < end:
        at += 4 + (message[at + 3] & 0x7F)
    return at


def _gateway(message: bytes, at: int, end: int, reader: NameReader) -> int:
    if at + 3 > end:
        raise WireError(_SHORT)
    return max(_host(at + 3, end, message[at + 1], reader), end)


def _relay(message: bytes, at: int, end: int, reader: NameReader) -> int:
    if at + 2 > end:
        raise WireError(_SHORT)
    return _host(at + 2, end, message[at + 1] & 0x7F, reader)


def _host(at: int, end: int, kind: int, reader: NameReader) -> int:
    """The offset behind a host: none, an IPv4 or IPv6 address, or a name. One of an unknown kind takes the rest."""
    if kind == _NAME_OF_HOST:
        return _plain(at, reader)
    return at + _HOST_OCTETS[kind] if kind in _HOST_OCTETS else end


_HOST_OCTETS = {0: 0, 1: 4, 2: 16}
_NAME_OF_HOST = 3


def _host_identity(message: bytes, at: int, end: int, reader: NameReader) -> int:
    if at + 4 > end:
        raise WireError(_SHORT)
    at += 4 + message[at] + (message[at + 2] << 8 | message[at + 3])
    while at < end:
        at = _plain(at, reader)
    return at


_TO_THE_END = {
    STRINGS: _strings, SOME: _some, REST: _rest, TYPES: _types, PARAMETERS: _parameters, PREFIXES: _prefixes, GATEWAY: _gateway,
    RELAY: _relay, HOST_IDENTITY: _host_identity, LOCATION: _location,
}  # fmt: skip
