"""Checks the needs of encrypted listeners: a port of their own, a certificate with its key, and packages for HTTP.

Opens the certificate and the key, so it is used only by commands that serve or check.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any, NamedTuple

from dnsdisco.config.load import Document
from dnsdisco.errors import Problem, system_reason
from dnsdisco.model.certificate import explain, no_passphrase, validity
from dnsdisco.settings.declared import Settings
from dnsdisco.written.endpoints import listener
from dnsdisco.written.places import KeyPath
from dnsdisco.written.transports import Transport

PEM_OCTETS_MAX = 1024 * 1024  # a long chain has some kilobytes
MAKE_ONE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=localhost "
    "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext keyUsage=digitalSignature,keyCertSign -keyout key.pem -out cert.pem"
)


class EncryptedFault(NamedTuple):
    path: KeyPath
    message: str
    is_warning: bool = False


def clashes(settings: Settings, flags: Mapping[str, Any], document: Document) -> list[Problem]:
    """Ports that are to be listened on twice."""
    found = []
    taken: dict[tuple[str, str], str] = {}
    for at, entry in enumerate(settings.listen):
        address, kinds = listener(entry).address, listener(entry).transport.sockets
        clash = next((kind for kind in kinds if (kind, address) in taken), "")
        if clash and not address.endswith(":0"):  # the system chooses another port each time
            other = taken[clash, address]
            fault = EncryptedFault(("listen", at), f"{entry} and {other} want the same {clash.upper()} port")
            found.append(_placed(fault, flags, document))
        taken |= dict.fromkeys(((kind, address) for kind in kinds), entry)
    if ("tcp", settings.http) in taken and not str(settings.http).endswith(":0"):
        message = f"{settings.http} is listened on for DNS already; HTTP needs a port of its own"
        found.append(Problem("", 0, 0, "--http", message) if "http" in flags else document.problem(("http",), message))
    return found


def problems(
    settings: Settings, flags: Mapping[str, Any], document: Document, now: Callable[[], float] = time.time
) -> list[Problem]:
    """Why the encrypted listeners of *settings* could not serve. Reads the certificate and the key."""
    return [_placed(fault, flags, document) for fault in _faults(settings, now())]


def _placed(fault: EncryptedFault, flags: Mapping[str, Any], document: Document) -> Problem:
    if fault.path[0] == "listen" and "listen" in flags:
        return Problem("", 0, 0, "--listen", fault.message)
    return document.problem(fault.path, fault.message)._replace(is_warning=fault.is_warning)


def _faults(settings: Settings, now: float) -> Iterator[EncryptedFault]:
    encrypted = [(at, entry) for at, entry in enumerate(settings.listen) if listener(entry).transport.is_encrypted]
    for at, entry, transport in _first_of_each(encrypted):
        missing = next((package for package in transport.packages if find_spec(package) is None), None)
        if missing is not None:
            yield EncryptedFault(("listen", at), f"{entry} needs the package {missing}: pip install 'dnsdisco[{transport.extra}]'")
    certificate, key = settings.tls.certificate, settings.tls.key
    if certificate is not None:
        yield from pair_faults(certificate, key, now)
    elif encrypted:
        at, entry = encrypted[0]
        yield EncryptedFault(
            ("listen", at), f"{entry} needs a certificate: tls: {{certificate: PATH, key: PATH}}. To try it, make one: {MAKE_ONE}"
        )


def _first_of_each(entries: list[tuple[int, str]]) -> Iterator[tuple[int, str, Transport]]:
    seen = set()
    for at, entry in entries:
        transport = listener(entry).transport
        if transport not in seen:
            seen.add(transport)
            yield at, entry, transport


def pair_faults(certificate: str, key: str | None, now: float) -> Iterator[EncryptedFault]:
    """What is wrong with a pair of PEM files; *key* None: it is in the certificate's. Reads both. A warning: it can be used for now."""
    key = key or certificate
    try:
        valid = validity(_read(certificate))
        valid.check(now)
    except ValueError as error:
        yield EncryptedFault(("tls", "certificate"), f"{certificate}: {error}")
        return
    try:
        if "PRIVATE KEY-----" not in _read(key):
            raise ValueError("there is no private key in it")  # noqa: TRY301  one of several that are reported alike
    except ValueError as error:
        yield EncryptedFault(("tls", "key"), f"{key}: {error}")
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=no_passphrase)
    except (OSError, ValueError) as error:
        reason = explain(error.reason or "") if isinstance(error, ssl.SSLError) else str(error)
        yield EncryptedFault(("tls", "key" if key != certificate else "certificate"), f"{key}: {reason}")
        return
    if warning := valid.warning(now):
        yield EncryptedFault(("tls", "certificate"), f"{certificate}: {warning}", is_warning=True)


def _read(path: str) -> str:
    """Raises ValueError with the reason why not."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  as in load.py
            octets = file.read(PEM_OCTETS_MAX + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {system_reason(error)}") from None
    if len(octets) > PEM_OCTETS_MAX:
        raise ValueError("this is too large for a PEM file")
    text = octets.decode("ascii", "replace")
    if "-----BEGIN " not in text:
        raise ValueError("this is not a PEM file")
    return text
