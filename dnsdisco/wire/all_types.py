"""RDATA of every type between its text and its octets, by dnspython (ADR 0042). Of the control process and the command line alone."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer

from dnsdisco.errors import excerpt, reason, WireError
from dnsdisco.wire import other_forms
from dnsdisco.wire.constants import type_to_text
from dnsdisco.wire.name import Labels
from dnsdisco.wire.name_reader import NameReader
from dnsdisco.wire.rdata_forms import check, FORMS, NAME, PLAIN, REST
from dnsdisco.wire.tokens import joined, Token, tokenize, unescaped

# Types that dnspython does not know, and whose data has the form of one that it knows.
_SAME_FORM = {
    "MD": "NS", "MF": "NS", "MB": "NS", "MG": "NS", "MR": "NS", "MINFO": "RP", "TALINK": "RP", "RKEY": "DNSKEY", "TA": "DS",
}  # fmt: skip


# Words before the ones that are base64. dnspython passes over what does not belong to it, and so over what was mistyped.
_BASE64_FROM = {
    "CDNSKEY": 3, "CERT": 3, "DHCID": 0, "DNSKEY": 3, "HIP": 2, "IPSECKEY": 4, "KEY": 3, "OPENPGPKEY": 0, "RKEY": 3, "RRSIG": 8, "SIG": 8,
    "BRID": 0, "HHIT": 0,
}  # fmt: skip


# Types whose names may be compressed, or once were (RFC 3597 §4).
_COMPRESSED = frozenset((2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15, 17, 18, 21, 24, 26, 30, 33, 35, 36, 39))


class _NoIdna(dns.name.IDNACodec):
    """A name that is not ASCII is refused: there are two forms of IDNA, and the text does not show which is meant."""

    def encode(self, label: str) -> bytes:
        raise WireError(f"{excerpt(label)} is not ASCII; write its IDNA form (xn--…)")


_NO_IDNA: dns.name.IDNACodec = _NoIdna()  # type: ignore[no-untyped-call]


def from_words(rtype: int, words: Sequence[Token], origin: Labels) -> bytes:
    """The data in wire form, its names uncompressed. Raises WireError."""
    kind = type_to_text(rtype)
    read = other_forms.READERS.get(kind)
    try:
        if words and words[0].text == "\\#" and not words[0].is_quoted:
            octets = _generic(words)
        elif read is not None:
            octets = read(words, origin)
        else:
            _verify_words(kind, words)
            octets = _rdata(_SAME_FORM.get(kind, rtype), joined(words), origin).to_wire() or b""
        _verify(rtype, octets, is_known=read is None)
    except Exception as error:  # noqa: BLE001  whatever its conversions raise: all of it means the same
        raise WireError(f"{excerpt(joined(words))} is not the data of {kind}: {reason(error)}") from None
    return octets


def to_text(rtype: int, message: bytes, at: int, end: int) -> str:
    """The data at *at* in presentation form that is read back to the same octets. Raises WireError where there is none.

    Names may be compressed (RFC 3597 §4), which shows in no text.
    """
    try:
        rdata = _read(rtype, message, at, end)
        shown, octets = rdata.to_text(), (rdata.to_wire() or b"") if rtype in _COMPRESSED else message[at:end]
    except Exception as error:  # noqa: BLE001  likewise
        raise WireError(reason(error)) from None
    if not shown.isascii() or not shown.isprintable() or from_words(rtype, tokenize(shown), ()) != octets:
        raise WireError("a text that is not read back")
    return shown


def _read(rtype: int, message: bytes, at: int, end: int) -> dns.rdata.Rdata:
    return dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType.make(rtype), message, at, end - at)


def _generic(words: Sequence[Token]) -> bytes:
    """`\\# length hex` (RFC 3597 §5)."""
    _, length, *digits = (word.text for word in words)
    octets = bytes.fromhex("".join(digits))
    if str(len(octets)) != (length.lstrip("0") or "0"):
        raise ValueError(f"{len(octets)} octets follow")
    return octets


def _verify(rtype: int, octets: bytes, *, is_known: bool) -> None:
    """*octets* are read by clients as what was meant, and no name in them is compressed. *is_known*: as dnspython has it. Raises an error."""
    form = FORMS.get(rtype, (REST,))
    check(octets, 0, len(octets), tuple(PLAIN if field == NAME else field for field in form), NameReader(octets))
    if is_known and _read(rtype, octets, 0, len(octets)).to_wire() != octets:
        raise ValueError("octets that are not what they stand for")


def _verify_words(kind: str, words: Sequence[Token]) -> None:
    """Check the words that dnspython does not check. Raises ValueError."""
    if (first := _BASE64_FROM.get(kind)) is not None:
        end = first + 1 if kind == "HIP" else len(words)  # names of servers follow the key
        key = "".join(word.text for word in words[first:end])
        if len(key) % 4 or base64.b64encode(base64.b64decode(key)).decode().rstrip("=")[:-1] != key.rstrip("=")[:-1]:
            raise ValueError("base64 was expected")
    elif kind == "NAPTR" and len(words) > 4 and (expression := unescaped(words[4].text)):
        ends = [
            found.start()
            for found in re.finditer(rb"\\.|" + re.escape(expression[:1]), expression, re.DOTALL)
            if found[0] == expression[:1]
        ]
        if len(ends) != 3 or expression[ends[2] + 1 :] not in (b"", b"i"):
            raise ValueError(
                "an expression between two delimiters, what replaces it, and the delimiter again were expected (RFC 3402 §3.2)"
            )


def _rdata(rtype: int | str, text: str, origin: Labels) -> dns.rdata.Rdata:
    return dns.rdata.from_text(
        dns.rdataclass.IN,
        dns.rdatatype.RdataType.make(rtype),
        dns.tokenizer.Tokenizer(text, idna_codec=_NO_IDNA),
        dns.name.Name((*origin, b"")),
        relativize=False,
    )
