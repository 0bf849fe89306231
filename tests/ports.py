"""Ports of the loopback interface for servers of tests."""

from __future__ import annotations

import socket


def one_port(host: str = "127.0.0.1") -> tuple[socket.socket, socket.socket]:
    """A UDP and a listening TCP socket on one port, the caller's to close. What is free for TCP may be somebody's for UDP."""
    while True:
        tcp = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=512)
        udp = socket.socket(tcp.family, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
        else:
            return udp, tcp
