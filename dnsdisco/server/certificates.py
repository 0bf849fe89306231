"""The certificate that the encrypted listeners show: read when it is named, and again when its files change.

A pair that cannot be used never takes the place of one that can; without any, clients are sent away and the other listeners go on.
"""

from __future__ import annotations

import logging
import os
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dnsdisco.model.certificate import explain, no_passphrase, validity
from dnsdisco.server.statistics import CertificateStatistics

log = logging.getLogger("dnsdisco.tls")

DOT_PROTOCOLS = ("dot",)  # ALPN (RFC 7858 §3.2 came before it; the IANA registry has it)
HTTP_PROTOCOLS = ("h2", "http/1.1")
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2: forward secret and authenticated (RFC 9325 §4.2). TLS 1.3 has no others


class Pair(NamedTuple):
    """PEM files. *key* None: it is in the first one."""

    certificate: str
    key: str | None

    @property
    def files(self) -> tuple[str, ...]:
        return (self.certificate,) if self.key is None else (self.certificate, self.key)


class Certificates(CertificateStatistics):
    """Event loop only. Reads a file of some kilobytes now and then."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.dot: ssl.SSLContext | None = None
        self.https: ssl.SSLContext | None = None
        self._now = now
        self._pair: Pair | None = None
        self._loaded: object = None  # how the files looked when they were last tried
        self._seen: object = None

    def apply(self, pair: Pair | None) -> None:
        """The configuration names *pair* (again): look at it now."""
        if pair is None:
            return
        looks = _looks(pair)
        if (pair, looks) != (self._pair, self._loaded):
            self._pair = pair
            self._load(pair, looks)

    def look(self) -> None:
        """Have the files changed? To be called every second or so: it waits until two looks agree, since two files take their time."""
        if self._pair is None:
            return
        looks = _looks(self._pair)
        is_settled, self._seen = looks == self._seen, looks
        if is_settled and looks != self._loaded:
            self._load(self._pair, looks)

    def _load(self, pair: Pair, looks: object) -> None:
        self._loaded = self._seen = looks
        try:
            valid = validity(Path(pair.certificate).read_text("ascii", "replace"))
            valid.check(self._now())
            contexts = [context_of(*pair, protocols) for protocols in (DOT_PROTOCOLS, HTTP_PROTOCOLS)]
        except (OSError, ValueError) as error:
            self.refused += 1
            kept = (
                "the one in use stays in use"
                if self.dot is not None
                else "encrypted listeners send their clients away until it can"
            )
            log.warning("the certificate %s cannot be used: %s; %s", pair.certificate, _reason(error), kept)
            return
        if self.dot is not None:
            log.info("the certificate %s has been read anew", pair.certificate)
        if warning := valid.warning(self._now()):
            log.warning("the certificate %s: %s", pair.certificate, warning)
        self.dot, self.https = contexts
        self.changes += 1


def _looks(pair: Pair) -> tuple[object, ...]:
    """The state of the files, which changes when one is replaced or written to."""
    found: list[object] = []
    for path in pair.files:
        try:
            status = os.stat(path)  # noqa: PTH116  the plain form is half the cost, and this is done every second
        except OSError as error:
            found.append(error.errno)
        else:
            found.append((status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(found)


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return explain(error.reason or "")
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or error}"
    return str(error)


def context_of(certificate: str, key: str | None, protocols: tuple[str, ...]) -> ssl.SSLContext:
    """The TLS context of one pair of PEM files; *key* None: it is in the first. Raises OSError (ssl.SSLError is one) or ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(list(protocols))
    context.load_cert_chain(certificate, key, password=no_passphrase)
    return context
