"""Certificates for a test, made by openssl, and a fake that speaks TLS with them."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import Any


class Tls:
    """`authority` signs the server's certificate (it is its own), `stranger` does not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.authority = self._make("server")
        self.stranger = self._make("stranger")

    def wrap(self, fake: Any) -> tuple[str, int]:
        """Make *fake* speak TLS from now on; returns where."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder / "server.crt", self._folder / "server.key")
        fake.server.socket = context.wrap_socket(fake.server.socket, server_side=True, do_handshake_on_connect=False)
        return "127.0.0.1", fake.port

    def _make(self, name: str) -> bytes:
        certificate, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        command += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True)
        return certificate.read_bytes()
