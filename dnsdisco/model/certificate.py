"""Reads the time for which a certificate is valid from its octets (RFC 5280 §4.1), and finds what is wrong with it at a given time."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime, UTC
from typing import NamedTuple

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s([A-Za-z0-9+/=\s]++)-----END CERTIFICATE-----")
_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0
_BEFORE_VALIDITY = 3  # serial number, signature algorithm, issuer
SOON_S = 14 * 86400  # before its end, a person should hear of it; who renews by a program does so earlier


class Validity(NamedTuple):
    """Unix seconds, both inclusive."""

    begins_at: float
    ends_at: float

    def check(self, now: float) -> None:
        """Raises ValueError with the reason why the certificate cannot be used."""
        if now > self.ends_at:
            raise ValueError(f"it has expired on {_day(self.ends_at)}")
        if now < self.begins_at:
            raise ValueError(f"it is not valid before {_day(self.begins_at)}")

    def warning(self, now: float) -> str:
        """A warning about a certificate that can be used; "" for none."""
        return f"it expires on {_day(self.ends_at)}" if self.ends_at - now < SOON_S else ""


def validity(pem: str) -> Validity:
    """The validity of the first certificate in *pem*, which is the server's own. Raises ValueError if there is none."""
    found = _PEM.search(pem)
    if found is None:
        raise ValueError("there is no certificate in it (-----BEGIN CERTIFICATE-----)")
    try:
        der = base64.b64decode(found[1], validate=False)
        body = _DerReader(_DerReader(der).read(_SEQUENCE)).read(_SEQUENCE)  # TBSCertificate
        fields = _DerReader(body)
        if fields.tag == _VERSION:
            fields.skip()
        for _ in range(_BEFORE_VALIDITY):
            fields.skip()
        times = _DerReader(fields.read(_SEQUENCE))
        return Validity(_time(times), _time(times))
    except (IndexError, binascii.Error, ValueError) as error:
        raise ValueError("its certificate cannot be read") from error


class _DerReader:
    """DER values one after another (X.690 §8.1). Raises IndexError or ValueError where they are not what is expected."""

    def __init__(self, octets: bytes) -> None:
        self._octets, self._at = octets, 0

    @property
    def tag(self) -> int:
        return self._octets[self._at]

    def read(self, tag: int) -> bytes:
        if self.tag != tag:
            raise ValueError(f"tag {self.tag:#x} in the place of {tag:#x}")
        return self.skip()

    def skip(self) -> bytes:
        octets, at = self._octets, self._at + 2
        length = octets[at - 1]
        if length & 0x80:  # the long form: so many octets of length follow
            count = length & 0x7F
            length, at = int.from_bytes(octets[at : at + count], "big"), at + count
        if at + length > len(octets):
            raise ValueError("a value that runs past its end")
        self._at = at + length
        return octets[at : at + length]


def _time(reader: _DerReader) -> float:
    """UTCTime or GeneralizedTime, both in Zulu and with seconds (RFC 5280 §4.1.2.5)."""
    if reader.tag == _UTC_TIME:
        text = reader.skip().decode("ascii")
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    else:
        text = reader.read(_GENERALIZED_TIME).decode("ascii")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def no_passphrase() -> str:
    """A callback for OpenSSL, which would ask the terminal for a passphrase without it. Raises ValueError."""
    raise ValueError("the key has a passphrase, which a server cannot type")


def explain(reason: str) -> str:
    """OpenSSL's *reason* (of an SSLError), in words that help."""
    return {
        "KEY_VALUES_MISMATCH": "the key is not that of the certificate",
        "KEY_TYPE_MISMATCH": "the key is not that of the certificate",
        "NO_START_LINE": "it is not a PEM file",
        "EE_KEY_TOO_SMALL": "its key is too short; 2048 bits of RSA, or an elliptic curve, are needed",
        "CA_MD_TOO_WEAK": "its signature is too weak",
    }.get(reason, f"OpenSSL reports {reason}" if reason else "OpenSSL cannot read it")
