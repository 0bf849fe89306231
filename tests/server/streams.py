"""A stream server for the length of a test, over real sockets, with a responder that answers as it is told."""

from __future__ import annotations

import asyncio
import socket
import ssl

from tests.server import leftovers


class Scripted:
    """Answers with the message itself, QR set. The first octet of the question says how: s(low), d(rop), b(ig), h(eld)."""

    def __init__(self, loop, *, is_encrypted=False, slow_s=0.2, big_octets=8000):
        self.loop, self.is_encrypted, self.slow_s, self.big_octets = loop, is_encrypted, slow_s, big_octets
        self.held = []
        self.asked = 0

    def respond(self, message, peer, *, is_tcp, send, is_encrypted=False, transport=""):
        assert is_tcp
        assert is_encrypted == self.is_encrypted
        self.asked += 1
        reply = message[:2] + b"\x80" + message[3:]
        how = message[12:13]
        if how == b"s":
            self.loop.call_later(self.slow_s, send, reply)
        elif how == b"b":
            send(reply + b"x" * self.big_octets)
        elif how == b"h":
            self.held.append((send, reply))
        elif how != b"d":
            send(reply)


def question(number, how=b"q"):
    return number.to_bytes(2, "big") + b"\1\0\0\1\0\0\0\0\0\0" + how + b"uestion"


def serve(work, make, within_s=60.0):
    """*work* with a started server, which *make* makes of the loop and a socket, and the address to connect to.

    A fault in a callback fails the test.
    """

    async def main():
        loop = asyncio.get_running_loop()
        faults = []
        loop.set_exception_handler(lambda _, context: faults.append(context))
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
            server = make(loop, listening)
            server.start()
            try:
                async with asyncio.timeout(within_s):
                    await work(server, listening.getsockname())
            finally:
                server.close()
                assert not server.connections
        await leftovers.cut()
        assert not [context for context in faults if "exception" in context], faults

    asyncio.run(main())


async def read_reply(reader, within_s=2.0):
    async with asyncio.timeout(within_s):
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))


async def is_closed_within(reader, within_s):
    """End of file or reset, and nothing before it."""
    try:
        async with asyncio.timeout(within_s):
            return await reader.read(1) == b""
    except (ConnectionError, ssl.SSLError):
        return True
    except TimeoutError:
        return False


async def until(condition, within_s=3.0):
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)
