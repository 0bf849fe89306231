"""A scripted upstream resolver on UDP and TCP (and TLS), which lies as told.

    with ScriptedUpstream() as upstream:
        upstream.on("example.test.", Say(wrong_id), Say(answer("192.0.2.1"), after_s=0.01))

It runs in a thread of its own. For each question the first rule that matches counts; without one the answer is A 192.0.2.1 (NODATA
for other types). `queries` holds what came, in order. `DnsProxy`-like faults are per reply: delay, loss, copies, another source, a
connection that is closed instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from dnsdisco.wire import name
from dnsdisco.wire.constants import A, TC, TXT

DEFAULT_ADDRESS = "192.0.2.1"


@dataclass(frozen=True)
class Asked:
    """One question as it came."""

    message: bytes
    transport: str  # "udp", "tcp", "tls"
    peer: tuple[str, int]

    @property
    def id(self) -> int:
        return int.from_bytes(self.message[:2], "big")

    @property
    def flags(self) -> int:
        return int.from_bytes(self.message[2:4], "big")

    @property
    def question(self) -> bytes:
        at = 12
        while self.message[at]:
            at += 1 + self.message[at]
        return self.message[12 : at + 5]

    @property
    def qname(self) -> str:
        return name.to_text(self.question[:-4])

    @property
    def qtype(self) -> int:
        return int.from_bytes(self.question[-4:-2], "big")

    @property
    def is_loop_probe(self) -> bool:
        question = self.question
        return self.qtype == TXT and question[0] == 16 == question[17]

    @property
    def is_pulse(self) -> bool:
        """A question that looks whether we are there, of a server that had to wait."""
        return self.question == b"\0\0\2\0\1"

    @property
    def opt(self) -> bytes:
        """What follows the question: the OPT record, or nothing."""
        return self.message[12 + len(self.question) :]


Make = Callable[[Asked], bytes | None]  # None: say nothing


def reply(asked: Asked, *, rcode=0, records=(), flags=0x8180, question=None, message_id=None, counts=None, tail=b"") -> bytes:
    question = asked.question if question is None else question
    header = (
        (asked.id if message_id is None else message_id).to_bytes(2, "big")
        + (flags | asked.flags & 0x0110 | rcode).to_bytes(2, "big")
        + (b"".join(n.to_bytes(2, "big") for n in counts) if counts else bytes((0, bool(question), 0, len(records), 0, 0, 0, 0)))
    )
    return header + question + b"".join(records) + tail


def a_record(address: str, ttl: int = 60) -> bytes:
    return b"\xc0\x0c\0\1\0\1" + ttl.to_bytes(4, "big") + b"\0\4" + socket.inet_aton(address)


def answer(address: str = DEFAULT_ADDRESS) -> Make:
    return lambda asked: reply(asked, records=(a_record(address),) if asked.qtype == A else ())


def rcode(number: int) -> Make:
    return lambda asked: reply(asked, rcode=number)


def badvers(asked: Asked) -> bytes:
    return reply(asked, counts=(1, 0, 0, 1), tail=b"\0\0\x29\x10\0\1\0\0\0\0\0")


def folding(address: str = DEFAULT_ADDRESS) -> Make:
    """From a server that writes every name in small letters."""
    return lambda asked: reply(asked, question=asked.question[:-4].lower() + asked.question[-4:], records=(a_record(address),))


def referral(asked: Asked) -> bytes:
    """From an authority that is not the name's: neither AA nor RA, and a name server in AUTHORITY."""
    ns = b"\0\0\2\0\1\0\0\0\x3c\0\4\2ns\0"
    return reply(asked, flags=0x8000, counts=(1, 0, 1, 0), tail=ns)


def header_only(number: int) -> Make:
    return lambda asked: reply(asked, rcode=number, question=b"")


def truncated(asked: Asked) -> bytes:
    return reply(asked, flags=0x8180 | TC)


FORGED = "203.0.113.66"  # what a forged reply would plant
_forged = (a_record(FORGED),)


def wrong_id(asked: Asked) -> bytes:
    return reply(asked, records=_forged, message_id=asked.id ^ random.randrange(1, 65536))


def wrong_name(asked: Asked) -> bytes:
    question = bytearray(asked.question)
    question[1] ^= 1
    return reply(asked, records=_forged, question=bytes(question))


def longer_name(asked: Asked) -> bytes:
    return reply(asked, records=_forged, question=b"\1x" + asked.question)


def wrong_type(asked: Asked) -> bytes:
    return reply(asked, records=_forged, question=asked.question[:-3] + bytes((asked.question[-3] ^ 16,)) + asked.question[-2:])


def wrong_class(asked: Asked) -> bytes:
    return reply(asked, records=_forged, question=asked.question[:-1] + b"\3")


def wrong_case(asked: Asked) -> bytes:
    return reply(asked, records=_forged, question=asked.question[:-4].swapcase() + asked.question[-4:])


def query_bit(asked: Asked) -> bytes:
    return reply(asked, records=_forged, flags=0x0100)


def other_opcode(asked: Asked) -> bytes:
    return reply(asked, records=_forged, flags=0x8180 | 5 << 11)


def no_question(asked: Asked) -> bytes:
    return reply(asked, records=_forged, question=b"")


def two_questions(asked: Asked) -> bytes:
    return reply(asked, question=asked.question * 2, counts=(2, 1, 0, 0), tail=_forged[0])


def cut_short(asked: Asked) -> bytes:
    return reply(asked, records=_forged)[:-3]


def too_few_records(asked: Asked) -> bytes:
    return reply(asked, records=_forged, counts=(1, 40, 0, 0))


def forward_pointer(asked: Asked) -> bytes:
    record = b"\xff\xff" + _forged[0][2:]
    return reply(asked, records=(record,))


def looping_pointer(asked: Asked) -> bytes:
    at = 12 + len(asked.question)
    return reply(asked, records=((0xC000 | at).to_bytes(2, "big") + _forged[0][2:],))


def garbage(asked: Asked) -> bytes:
    return random.randbytes(random.randrange(0, 200))


def garbage_with_our_id(asked: Asked) -> bytes:
    return asked.message[:2] + random.randbytes(random.randrange(0, 200))


def only_our_id(asked: Asked) -> bytes:
    return asked.message[:2]


def echo(asked: Asked) -> bytes:
    return asked.message


def silence(asked: Asked) -> None:
    return None


LIES: tuple[Make, ...] = (
    wrong_id, wrong_name, longer_name, wrong_type, wrong_class, query_bit, other_opcode, no_question, two_questions,
    cut_short, too_few_records, forward_pointer, looping_pointer, garbage, only_our_id, echo,
)  # fmt: skip


@dataclass(frozen=True)
class Say:
    """One reply. `loss`: probability that it is not sent. `source`: "other" sends it from a socket of another port."""

    make: Make
    after_s: float = 0.0
    loss: float = 0.0
    copies: int = 1
    source: str = ""
    is_close: bool = False  # TCP: close the connection instead


@dataclass
class Rule:
    match: Callable[[Asked], bool]
    says: tuple[Say, ...]
    times: int = -1  # how often it counts; -1: always


@dataclass
class ScriptedUpstream:
    host: str = "127.0.0.1"
    port: int = 0
    has_tcp: bool = True
    tls: ssl.SSLContext | None = None  # then the stream port speaks TLS
    seed: int = 1
    queries: list[Asked] = field(default_factory=list)
    probes: list[Asked] = field(default_factory=list)  # questions by which a server looks for loops; not among `queries`
    pulses: list[Asked] = field(default_factory=list)  # and by which it looks whether we are there
    connections: int = 0  # accepted since the start

    def __post_init__(self) -> None:
        self._rules: list[Rule] = []
        self._random = random.Random(self.seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._started = threading.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._frozen: set[asyncio.StreamWriter] = set()
        self._born_frozen = 0
        self._server: asyncio.Server | None = None

    # what it does

    def on(self, match: str | Callable[[Asked], bool], *says: Say | Make, times: int = -1, transport: str = "") -> None:
        """*match*: a name (that name, any case), "*", or a predicate. Later rules are looked at first."""

        def matches(asked: Asked) -> bool:
            if transport and asked.transport != transport:
                return False
            if callable(match):
                return match(asked)
            return match == "*" or asked.qname.lower() == match.lower()

        self._rules.insert(0, Rule(matches, tuple(one if isinstance(one, Say) else Say(one) for one in says), times))

    def forget(self) -> None:
        self._rules.clear()
        self.queries.clear()

    def close_connections(self) -> None:
        """Drop every open TCP connection, as an upstream does that restarts."""

        def drop() -> None:
            for writer in tuple(self._writers):
                writer.transport.abort()

        self._loop.call_soon_threadsafe(drop)

    def freeze_connections(self) -> None:
        """From now on, whatever comes over the connections that are open is lost, and nothing goes back: their path is gone."""

        def freeze() -> None:
            self._frozen |= self._writers
            frozen.set()

        frozen = threading.Event()
        self._loop.call_soon_threadsafe(freeze)
        assert frozen.wait(5)

    def freeze_next(self, count: int) -> None:
        """So many connections that are opened from now on are silent from their birth, behind their handshake."""
        self._born_frozen = count

    def end_connections(self) -> None:
        """Close every open TCP connection in an orderly way, as an upstream does with one that is idle."""

        def end() -> None:
            for writer in tuple(self._writers):
                writer.close()

        self._loop.call_soon_threadsafe(end)

    def count(self, transport: str = "") -> int:
        return sum(1 for asked in self.queries if not transport or asked.transport == transport)

    # its life

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        assert not self._thread.is_alive()

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def _run(self) -> None:
        self._loop.run_until_complete(self._listen())
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._close())
        self._loop.close()

    async def _listen(self) -> None:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        for _ in range(20):  # the port must be free for UDP and for TCP
            udp = socket.socket(family, socket.SOCK_DGRAM)
            udp.bind(_place(self.host, self.port))
            self._udp_port = udp.getsockname()[1]
            if not self.has_tcp:
                break
            try:
                self._server = await asyncio.start_server(self._serve_stream, self.host, self._udp_port, ssl=self.tls, backlog=512)
            except OSError:
                udp.close()
                continue
            break
        self.port = self._udp_port
        udp.setblocking(False)
        with contextlib.suppress(OSError):
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._udp = udp
        self._other = socket.socket(family, socket.SOCK_DGRAM)
        self._other.bind(_place(self.host, 0))
        self._loop.add_reader(udp.fileno(), self._on_datagrams)

    async def _close(self) -> None:
        self._loop.remove_reader(self._udp.fileno())
        self._udp.close()
        self._other.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        if self._server is not None:
            self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _list_of(self, asked: Asked) -> list[Asked]:
        return self.probes if asked.is_loop_probe else self.pulses if asked.is_pulse else self.queries

    def _says_to(self, asked: Asked) -> tuple[Say, ...]:
        for rule in self._rules:
            if rule.times and rule.match(asked):
                rule.times -= 1
                return rule.says
        return (Say(answer()),)

    def _on_datagrams(self) -> None:
        for _ in range(64):
            try:
                message, peer = self._udp.recvfrom(4096)
            except (BlockingIOError, ConnectionError):
                return
            if len(message) < 12:
                continue
            asked = Asked(message, "udp", peer[:2])
            self._list_of(asked).append(asked)
            for say in self._says_to(asked):
                if say.after_s:
                    self._loop.call_later(say.after_s, self._say_udp, say, asked, peer)
                else:
                    self._say_udp(say, asked, peer)

    def _say_udp(self, say: Say, asked: Asked, peer: tuple) -> None:
        octets = say.make(asked)
        if octets is None or self._random.random() < say.loss or self._udp.fileno() < 0:
            return
        for _ in range(say.copies):
            with contextlib.suppress(OSError):
                (self._other if say.source == "other" else self._udp).sendto(octets, peer)

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        if self._born_frozen:
            self._born_frozen -= 1
            self._frozen.add(writer)
        try:
            while True:
                message = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
                if writer in self._frozen:
                    continue
                asked = Asked(message, "tls" if self.tls else "tcp", writer.get_extra_info("peername")[:2])
                self._list_of(asked).append(asked)
                for say in self._says_to(asked):
                    if say.is_close:
                        writer.transport.abort()
                        return
                    if say.after_s:
                        self._loop.call_later(say.after_s, self._say_stream, say, asked, writer)
                    else:
                        self._say_stream(say, asked, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _say_stream(self, say: Say, asked: Asked, writer: asyncio.StreamWriter) -> None:
        octets = say.make(asked)
        if octets is None or self._random.random() < say.loss or writer.is_closing() or writer in self._frozen:
            return
        writer.write((len(octets).to_bytes(2, "big") + octets) * say.copies)


def _place(host: str, port: int) -> tuple:
    return socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0][4]


def free_port(host: str = "127.0.0.1") -> int:
    """A UDP and TCP port on which nobody listens (now)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
        tcp.bind((host, 0))
        return tcp.getsockname()[1]


class BlackHole:
    """A UDP port (and a TCP one whose backlog is full) that takes everything and says nothing."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((host, 0))
        self.address = f"{host}:{self._udp.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._udp.close()


def question(text: str, qtype: int = A) -> bytes:
    """A question's octets: QNAME as spelled, QTYPE, class IN."""
    return name.from_text(text) + qtype.to_bytes(2, "big") + b"\0\1"


def address_in(message: bytes) -> str:
    """The address in the last four octets: of a reply made by answer()."""
    return socket.inet_ntoa(message[-4:])
