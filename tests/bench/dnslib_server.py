"""A server as one would write it first with dnslib: parse, look up, build, pack, for each query. `ADDRESS PORT SERVICES`."""

from __future__ import annotations

import asyncio
import sys

from dnslib import A, DNSRecord, EDNS0, QTYPE, RCODE, RR, SRV


class Server(asyncio.DatagramProtocol):
    def __init__(self, services: int) -> None:
        self.records: dict[str, list[tuple[str, str]]] = {
            f"s{n}.svc.local.": [
                (f"a.s{n}.svc.local.", f"10.{n // 62500}.{n // 250 % 250}.{n % 250 + 1}"),
                (f"b.s{n}.svc.local.", f"10.{10 + n // 62500}.{n // 250 % 250}.{n % 250 + 1}"),
            ]
            for n in range(services)
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        query = DNSRecord.parse(data)
        reply = query.reply(aa=1)
        instances = self.records.get(str(query.q.qname).lower())
        if instances is None:
            reply.header.rcode = RCODE.NXDOMAIN
        elif query.q.qtype == QTYPE.A:
            for _, address in instances:
                reply.add_answer(RR(query.q.qname, QTYPE.A, rdata=A(address), ttl=5))
        elif query.q.qtype == QTYPE.SRV:
            for target, address in instances:
                reply.add_answer(RR(query.q.qname, QTYPE.SRV, rdata=SRV(0, 1, 80, target), ttl=5))
                reply.add_ar(RR(target, QTYPE.A, rdata=A(address), ttl=5))
        reply.add_ar(EDNS0(udp_len=1232))
        self.transport.sendto(bytes(reply.pack()), peer)  # type: ignore[attr-defined]


async def main(address: str, port: int, services: int) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Server(services), local_addr=(address, port))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
