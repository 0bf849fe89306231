"""The transports of listeners, a row for each. The code that parses `listen`, checks it, binds it and announces it reads this table.

`server/listeners.py` has the server for each.
"""

from __future__ import annotations

from typing import NamedTuple

DNS_PORT = 53
TLS_PORT = 853  # RFC 7858 §3.1
HTTPS_PORT = 443
DOH_PATH = "/dns-query"  # RFC 8484 §4.1 has it in its examples, and every client has it as its default


class Transport(NamedTuple):
    scheme: str  # "" for plain DNS
    port: int  # where none is written
    example: str
    elsewhere: str  # one that needs no privileges, for whom the first is refused
    sockets: tuple[str, ...] = ("tcp",)  # in the order in which they are bound; the second takes the port of the first
    path: str = ""  # where none is written; "": it has none
    is_encrypted: bool = True  # it needs a certificate
    packages: tuple[str, ...] = ()  # what it needs beside ours …
    extra: str = ""  # … and what installs them
    command: str = "kdig"  # what asks there, from a terminal …
    how: str = ""  # … with these options; {path} stands for the path


TRANSPORTS = {
    transport.scheme: transport
    for transport in (
        Transport("", DNS_PORT, "127.0.0.1:53", "127.0.0.1:5300", ("udp", "tcp"), is_encrypted=False, command="dig"),
        Transport("tls", TLS_PORT, "tls://127.0.0.1:853", "tls://127.0.0.1:8853", how="+tls "),
        Transport(
            "https",
            HTTPS_PORT,
            "https://127.0.0.1:443/dns-query",
            "https://127.0.0.1:8443",
            path=DOH_PATH,
            packages=("h2", "h11"),
            extra="doh",
            how="+https={path} ",
        ),
    )
}


def examples() -> str:
    *first, last = (transport.example for transport in TRANSPORTS.values())
    return f"{', '.join(first)} or {last}"
