"""A DNS server on port 0 of the loopback that says, over UDP and TCP, whatever a test tells it to: truth, lies, or nothing."""

from __future__ import annotations

import contextlib
import socket
import threading

import dns.message

from dnsdisco.testing import one_port

Reply = bytes


class FakeServer:
    """`udp` and `tcp` map one query's octets to the messages that are sent back, in order. `asked` are the queries seen."""

    def __init__(self, udp=None, tcp=None):
        self.asked = []
        self._answer = {"udp": udp or (lambda query: []), "tcp": tcp or (lambda query: [])}
        self._udp, self._tcp = one_port()
        self.port = self._tcp.getsockname()[1]
        self._threads = [threading.Thread(target=run) for run in (self._serve_udp, self._serve_tcp)]

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(b"", ("127.0.0.1", self.port))
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()
        self._udp.close()
        self._tcp.close()

    def _serve_udp(self):
        while True:
            query, peer = self._udp.recvfrom(65535)
            if not query:
                return
            self.asked.append(("udp", query))
            for message in self._answer["udp"](query):
                self._udp.sendto(message, peer)

    def _serve_tcp(self):
        while True:
            peer, _ = self._tcp.accept()
            with peer, peer.makefile("rb") as stream:
                length = stream.read(2)
                if not length:
                    return
                query = stream.read(int.from_bytes(length, "big"))
                self.asked.append(("tcp", query))
                for message in self._answer["tcp"](query):
                    peer.sendall(len(message).to_bytes(2, "big") + message)


def reply(query, answer="", *, rcode=0, flags=0, authority="", additional="", edns=True, options=()):
    """The octets of a reply to *query*; sections as lines of zone-file text."""
    asked = dns.message.from_wire(query)
    made = dns.message.make_response(asked, recursion_available=True)
    made.flags |= flags
    if not edns:
        made.use_edns(False)
    else:
        made.use_edns(0, options=list(options))
    made.set_rcode(rcode)
    for section, text in ((made.answer, answer), (made.authority, authority), (made.additional, additional)):
        section.extend(_rrsets(text))
    return made.to_wire()


def _rrsets(text):
    import dns.rrset

    for line in text.strip().splitlines():
        owner, ttl, kind, data = line.split(None, 3)
        yield dns.rrset.from_text(owner, int(ttl), "IN", kind, data)
