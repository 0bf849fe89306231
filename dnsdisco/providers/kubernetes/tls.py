"""TLS as a kubeconfig wants it, without a file of ours: keys in a temporary folder are gone when that is cleaned, and not every system has one."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from dnsdisco.providers.kubernetes.kubeconfig import Chosen


def has_tls_settings(chosen: Chosen) -> bool:
    """A server without a scheme is an https one then, as with kubectl."""
    cluster, user = chosen
    keys = ((cluster, "certificate-authority"), (user, "client-certificate"))
    return cluster.flag("insecure-skip-tls-verify") or any(entry.text(key) or entry.text(f"{key}-data") for entry, key in keys)


def context_of(chosen: Chosen, certificate: bytes = b"", key: bytes = b"") -> ssl.SSLContext:
    """*certificate*, *key*: of a plug-in, in place of the user's. Raises ValueError or OSError for what cannot be used."""
    cluster, user = chosen
    authorities = cluster.octets("certificate-authority")
    is_insecure = cluster.flag("insecure-skip-tls-verify")
    if authorities and is_insecure:
        raise ValueError(f"{cluster}: certificate-authority beside insecure-skip-tls-verify: expected one of them")
    try:
        context = ssl.create_default_context(cadata=authorities.decode("latin-1")) if authorities else ssl.create_default_context()
    except ssl.SSLError:
        raise ValueError(f"{cluster}: certificate-authority: expected certificates in PEM") from None
    if is_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate = certificate or user.octets("client-certificate")
    key = key or user.octets("client-key")
    if bool(certificate) != bool(key):
        raise ValueError(f"{user}: client-certificate and client-key: one of them is missing")
    if certificate:
        try:
            with _as_file(certificate + b"\n" + key) as path:
                context.load_cert_chain(path, password="")  # a key that has a password must not ask for it on the terminal
        except (ssl.SSLError, ValueError):
            raise ValueError(f"{user}: client-certificate and client-key: expected a certificate and its key in PEM") from None
    return context


@contextmanager
def _as_file(octets: bytes) -> Iterator[str]:
    """OpenSSL reads a key from a file alone: one in memory where the system has that."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("key", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
        return
    with tempfile.NamedTemporaryFile() as named:
        named.write(octets)
        named.flush()
        yield named.name
