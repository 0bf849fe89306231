"""RDATA of every type between its text and its octets, by dnspython (ADR 0040). Of the control process and the command line alone."""

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


class _NoIdna(dns.name.IDNACodec):
    """Which of the two forms of IDNA somebody means by a name that is not ASCII, nobody can say."""

    def encode(self, label: str) -> bytes:
        raise WireError(f"{excerpt(label)} is not ASCII; write its IDNA form (xn--…)")


_NO_IDNA: dns.name.IDNACodec = _NoIdna()  # type: ignore[no-untyped-call]


def from_words(rtype: int, words: Sequence[Token], origin: Labels) -> bytes:
    """The data in wire form, its names uncompressed. Raises WireError."""
    kind = type_to_text(rtype)
    read = other_forms.READERS.get(kind)
    try:
        is_generic = bool(words) and words[0].text == "\\#" and not words[0].is_quoted
        if read is not None and not is_generic:
            return read(words, origin)
        if not is_generic:
            _verify(kind, words)
        return _rdata(_SAME_FORM.get(kind, rtype), joined(words), origin).to_wire() or b""
    except Exception as error:  # noqa: BLE001  whatever its conversions raise: all of it means the same
        raise WireError(f"{excerpt(joined(words))} is not the data of {kind}: {reason(error)}") from None


def to_text(rtype: int, message: bytes, at: int, end: int) -> str:
    """The data at *at* in presentation form that is read back to the same octets. Raises WireError where there is none.

    Names may be compressed (RFC 3597 §4), which shows in no text.
    """
    try:
        rdata = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType.make(rtype), message, at, end - at)
        shown, octets = rdata.to_text(), rdata.to_wire() or b""
    except Exception as error:  # noqa: BLE001  likewise
        raise WireError(reason(error)) from None
    if not shown.isascii() or not shown.isprintable() or from_words(rtype, tokenize(shown), ()) != octets:
        raise WireError("a text that is not read back")
    return shown


def _verify(kind: str, words: Sequence[Token]) -> None:
    """What dnspython does not look at. Raises ValueError."""
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
