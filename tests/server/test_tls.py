"""DNS over TLS on real sockets: the handshake and its bounds, what TCP promises under TLS, certificates that come and go."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import time
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st

from dnsdisco.server.certificates import Certificates, context_of, DOT_PROTOCOLS, Pair
from dnsdisco.server.costly_work import CostlyWork
from dnsdisco.server.encrypted import TlsServer
from dnsdisco.server.tcp_limits import TcpLimits
from dnsdisco.wire.tcp_frame import frame
from tests.certificates import make
from tests.server.streams import is_closed_within, question, read_reply, Scripted, serve, until


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return make(tmp_path_factory.mktemp("pair"))


def run(work, pair, **limits):
    """*work* with a started server and its address; *pair* None: it has no certificate."""
    certificates = Certificates()
    if pair is not None:
        certificates.apply(Pair(str(pair.certificate), str(pair.key)))

    def make_server(loop, sock):
        server = TlsServer([sock], Scripted(loop, is_encrypted=True), loop, certificates, CostlyWork(loop))
        server.limits = TcpLimits()._replace(**limits)
        return server

    serve(work, make_server)


async def connect(address, pair, protocols=("dot",)):
    return await asyncio.open_connection(*address, ssl=pair.client(protocols), server_hostname="localhost")


def test_questions_in_one_record_are_answered_each_once_and_in_any_order(pair):
    async def work(server, address):
        reader, writer = await connect(address, pair)
        tls = writer.get_extra_info("ssl_object")
        assert tls.version() in ("TLSv1.2", "TLSv1.3")
        assert tls.selected_alpn_protocol() == "dot"
        writer.write(b"".join(frame(question(n, b"s" if n == 0 else b"q")) for n in range(600)))  # about 12 KiB: three turns
        got = [int.from_bytes((await read_reply(reader))[:2], "big") for _ in range(600)]
        assert got == [*range(1, 600), 0]
        assert server.counters["questions"] == 600
        assert server.counters["handshakes"] == 1
        writer.close()

    run(work, pair)


def test_alpn_is_not_needed(pair):
    async def work(server, address):
        for protocols in ((), ("h2",)):
            reader, writer = await connect(address, pair, protocols)
            writer.write(frame(question(7)))
            assert (await read_reply(reader))[:2] == b"\0\7"
            writer.close()

    run(work, pair)


def test_tls_1_2_is_the_oldest(pair):
    async def work(server, address):
        old = pair.client()
        with pytest.warns(DeprecationWarning, match="TLSv1"):
            old.minimum_version = ssl.TLSVersion.TLSv1
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("DEFAULT@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection(*address, ssl=old, server_hostname="localhost")
        await until(lambda: server.counters["handshake_failed"] == 1)
        new = pair.client()
        new.maximum_version = ssl.TLSVersion.TLSv1_2
        reader, writer = await asyncio.open_connection(*address, ssl=new, server_hostname="localhost")
        writer.write(frame(question(1)))
        await read_reply(reader)
        writer.close()

    run(work, pair)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed(pair, version):
    async def work(server, address):
        context = pair.client()
        context.maximum_version = version

        def ask(session):
            plain = socket.create_connection(address, 3)
            with context.wrap_socket(plain, server_hostname="localhost", session=session) as tls:
                tls.sendall(frame(question(1)))
                assert tls.recv(100)
                return tls.session_reused, tls.session

        was_reused, session = await asyncio.to_thread(ask, None)
        assert not was_reused
        was_reused, _ = await asyncio.to_thread(ask, session)
        assert was_reused
        assert (server.counters["handshakes"], server.counters["resumed"]) == (1, 1)

    run(work, pair)


def test_a_client_that_says_it_is_done_still_gets_its_answers(pair):
    async def work(server, address):
        reader, writer = await asyncio.open_connection(*address)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = pair.client().wrap_bio(incoming, outgoing, server_hostname="localhost")
        await pump(reader, writer, incoming, outgoing, tls.do_handshake)
        tls.write(frame(question(1, b"s")) + frame(question(2)))
        with suppress(ssl.SSLWantReadError):
            tls.unwrap()  # close_notify
        got = b""
        while len(got) < 2 * (2 + len(question(1))):
            got += await pump(reader, writer, incoming, outgoing, lambda: tls.read(4096))
        assert (got[2:4], got[-len(question(1)) :][:2]) == (b"\0\2", b"\0\1")
        await until(lambda: server.counters["closed"] == 1)
        writer.close()

    run(work, pair)


async def pump(reader, writer, incoming, outgoing, step):
    """*step* of TLS without a socket, an octet at a time on the wire."""
    while True:
        try:
            return step()
        except ssl.SSLWantReadError:
            for octet in outgoing.read():
                writer.write(bytes((octet,)))
                await asyncio.sleep(0)
            async with asyncio.timeout(3):
                incoming.write(await reader.read(4096))


def test_what_was_asked_before_hanging_up_is_answered_whole(pair):
    """More than one turn's worth, and then FIN without close_notify."""

    async def work(server, address):
        raw = socket.create_connection(address)
        raw.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=raw, ssl=pair.client(), server_hostname="localhost")
        writer.write(b"".join(frame(question(n)) for n in range(600)))
        await writer.drain()
        duplicate = socket.socket(fileno=os.dup(raw.fileno()))
        duplicate.shutdown(socket.SHUT_WR)
        got = [int.from_bytes((await read_reply(reader))[:2], "big") for _ in range(600)]
        assert got == list(range(600))
        duplicate.close()
        writer.close()

    run(work, pair)


def test_one_octet_at_a_time_through_the_handshake_too(pair):
    async def work(server, address):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = pair.client().wrap_bio(incoming, outgoing, server_hostname="localhost")
        reader, writer = await asyncio.open_connection(*address)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        await pump(reader, writer, incoming, outgoing, tls.do_handshake)
        tls.write(frame(question(7)))
        assert (await pump(reader, writer, incoming, outgoing, lambda: tls.read(100)))[2:4] == b"\0\7"
        writer.close()

    run(work, pair)


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_a_handshake_has_a_deadline_however_far_it_got(pair, said):
    async def work(server, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(said)
        assert await is_closed_within(reader, 3)
        assert server.counters["handshake_slow"] == 1
        writer.close()

    run(work, pair, handshake_s=0.3)


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.0\r\n\r\n", frame(question(1)), b"\0" * 600, b"\x16\x03\x01\xff\xff" + b"\x41" * 5000]
)
def test_what_is_no_handshake_ends_it_and_nobody_else(pair, said):
    async def work(server, address):
        other_reader, other = await connect(address, pair)
        reader, writer = await asyncio.open_connection(*address)
        writer.write(said)
        with suppress(ConnectionError):
            async with asyncio.timeout(3):
                await reader.read()  # perhaps an alert, then the end
        await until(lambda: server.counters["handshake_failed"] == 1)
        other.write(frame(question(2)))
        await read_reply(other_reader)
        for one in (writer, other):
            one.close()

    run(work, pair)


def test_a_client_that_does_not_trust_us_is_counted(pair, tmp_path):
    async def work(server, address):
        stranger = make(tmp_path, "stranger")
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(address, stranger)
        await until(lambda: not server.connections)
        assert sum(server.counters[how] for how in ("handshake_failed", "handshake_given_up", "tls_broken", "reset")) == 1

    run(work, pair)


def test_idle_and_dripping_clients_go_as_over_tcp(pair):
    async def work(server, address):
        idle_reader, idle = await connect(address, pair)
        slow_reader, slow = await connect(address, pair)
        slow.write(b"\0\x40\1")
        assert await is_closed_within(slow_reader, 3)
        assert await is_closed_within(idle_reader, 3)
        assert (server.counters["slow"], server.counters["idle"]) == (1, 1)
        for one in (idle, slow):
            one.close()

    run(work, pair, idle_s=0.6, message_s=0.3)


@pytest.mark.parametrize("octets", [b"\0\0", b"\0\x05hello"])
def test_a_length_that_no_message_has_closes_after_answering_what_came_before(pair, octets):
    async def work(server, address):
        reader, writer = await connect(address, pair)
        writer.write(frame(question(1)) + octets)
        await read_reply(reader)
        assert await is_closed_within(reader, 1)
        assert server.counters["malformed"] == 1
        writer.close()

    run(work, pair)


def test_a_client_that_does_not_read_is_dropped(pair):
    def deafen(address):
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(address)
        tls = pair.client().wrap_socket(deaf, server_hostname="localhost")
        tls.settimeout(0.05)
        return tls

    async def work(server, address):
        deaf = await asyncio.to_thread(deafen, address)
        most = 0
        async with asyncio.timeout(10):
            while not server.counters["unread"]:
                with suppress(OSError):
                    deaf.send(frame(question(1, b"b")) * 20)
                most = max([most, *(len(each.stream.unsent) for each in server.connections)])
                await asyncio.sleep(0.005)
        assert most < server.limits.unsent_octets + 65537
        deaf.close()

    run(work, pair, unread_s=0.4)


def test_at_the_bound_a_lingering_handshake_makes_room(pair):
    async def work(server, address):
        silent = [await asyncio.open_connection(*address) for _ in range(4)]
        await until(lambda: len(server.connections) == 4)
        reader, writer = await connect(address, pair)
        writer.write(frame(question(1)))
        await read_reply(reader)
        assert len(server.connections) == 4
        assert server.counters["limit"] == 1
        for one in (*(client for _, client in silent), writer):
            one.close()

    run(work, pair, connections=4)


def test_draining_answers_what_is_in_flight_and_drops_half_done_handshakes(pair):
    async def work(server, address):
        reader, writer = await connect(address, pair)
        half_reader, half = await asyncio.open_connection(*address)
        half.write(b"\x16\x03\x01")
        writer.write(frame(question(1, b"s")))
        await until(lambda: server.counters["questions"] == 1)
        draining = asyncio.create_task(server.drain())
        assert (await read_reply(reader))[:2] == b"\0\1"
        assert await is_closed_within(half_reader, 1)
        await draining
        for one in (writer, half):
            one.close()

    run(work, pair)


def test_between_two_handshakes_the_loop_turns(pair):
    """What keeps a flood of them from the datagrams: one key operation a turn, however many wait."""

    async def work(server, address):
        turns = in_one = most = 0
        shaken = server.turns.take

        def take(step):
            def counted():
                nonlocal in_one, most
                in_one += 1
                most = max(most, in_one)
                step()

            shaken(counted)

        server.turns.take = take

        def turn():
            nonlocal turns, in_one
            turns, in_one = turns + 1, 0
            if not is_done:
                asyncio.get_running_loop().call_soon(turn)

        is_done = False
        turn()
        hello = _client_hello(pair)
        clients = [await asyncio.open_connection(*address) for _ in range(30)]
        for _, writer in clients:
            writer.write(hello)
        for reader, _ in clients:
            async with asyncio.timeout(5):
                assert await reader.readexactly(5)
        is_done = True
        assert most == 1
        assert turns >= 30
        for _, writer in clients:
            writer.close()

    run(work, pair)


def _client_hello(pair):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = pair.client().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def test_turns_are_taken_in_order_one_a_turn():
    async def main():
        loop = asyncio.get_running_loop()
        turns, done = CostlyWork(loop), []
        for number in range(3):
            turns.take(lambda number=number: done.append(number))
        turns.take(lambda: turns.take(lambda: done.append("again")))
        seen = []
        for _ in range(6):
            await asyncio.sleep(0)
            seen.append(len(done))
        assert done == [0, 1, 2, "again"]
        assert seen[:3] == [1, 2, 3]
        assert not len(turns)

    asyncio.run(main())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.binary(min_size=1, max_size=700), cut=st.integers(0, 600), is_after=st.booleans())
@pytest.mark.slow
def test_whatever_comes_before_or_after_a_handshake_is_no_fault(pair, octets, cut, is_after):
    async def work(server, address):
        if is_after:
            raw = socket.create_connection(address)
            raw.setblocking(False)
            _, writer = await asyncio.open_connection(sock=raw, ssl=pair.client(), server_hostname="localhost")
            with socket.socket(fileno=os.dup(raw.fileno())) as under:
                under.send(octets)
                under.shutdown(socket.SHUT_WR)
        else:
            _, writer = await asyncio.open_connection(*address)
            writer.write(_client_hello(pair)[:cut] + octets)
            writer.write_eof()
        await until(lambda: server.counters["accepted"] == 1 and not server.connections)
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    run(work, pair)


# certificates


def served_by(address, context):
    with socket.create_connection(address, 3) as plain, context.wrap_socket(plain, server_hostname="localhost") as tls:
        tls.sendall(frame(question(1)))
        assert tls.recv(100)
        return int(tls.getpeercert()["serialNumber"], 16)


def replace(old, new):
    """As a program that renews them does it, one file after the other."""
    for name in ("certificate", "key"):
        getattr(new, name).replace(getattr(old, name))


def test_new_files_are_taken_once_both_are_there_and_those_connected_stay(tmp_path):
    async def work(server, address):
        old_serial = current.serial
        reader, writer = await connect(address, current)
        fresh = make(tmp_path, "fresh")
        fresh.certificate.replace(current.certificate)  # the key is still the old one
        server._certificates.look()
        server._certificates.look()
        assert server._certificates.refused == 1
        assert await asyncio.to_thread(served_by, address, unchanged) == old_serial
        fresh.key.replace(current.key)
        server._certificates.look()  # they may still be being written
        assert await asyncio.to_thread(served_by, address, unchanged) == old_serial
        server._certificates.look()
        assert await asyncio.to_thread(served_by, address, current.client()) == current.serial != old_serial
        writer.write(frame(question(3)))
        await read_reply(reader)
        writer.close()

    current = make(tmp_path, "current")
    unchanged = current.client()
    run(work, current)


BAD = {
    "another key": lambda folder, made: made.key.write_bytes(make(folder, "other").key.read_bytes()),
    "no certificate": lambda _, made: made.certificate.write_text("hello"),
    "no key": lambda _, made: made.key.write_text(""),
    "gone": lambda _, made: made.key.unlink(),
    "expired": lambda folder, made: replace(made, make(folder, "old", begins=timedelta(days=-9), ends=timedelta(days=-1))),
    "too early": lambda folder, made: replace(made, make(folder, "young", begins=timedelta(days=1))),
    "a passphrase": lambda folder, made: replace(made, make(folder, "hidden", passphrase="x")),
}
TOLD = {
    "another key": "the key is not that of the certificate",
    "no certificate": "there is no certificate in it",
    "no key": "cannot be used: ",
    "gone": "No such file or directory",
    "expired": "has expired on",
    "too early": "not valid before",
    "a passphrase": "the key has a passphrase",
}


@pytest.mark.parametrize("how", BAD)
def test_a_bad_pair_is_told_and_the_good_one_stays(tmp_path, caplog, how):
    made = make(tmp_path)
    certificates = Certificates()
    certificates.apply(Pair(str(made.certificate), str(made.key)))
    before = certificates.dot
    assert before is not None
    BAD[how](tmp_path, made)
    with caplog.at_level(logging.WARNING, logger="dnsdisco.tls"):
        certificates.apply(Pair(str(made.certificate), str(made.key)))  # SIGHUP
        certificates.look()
        certificates.look()
    assert certificates.dot is before
    assert certificates.refused == 1
    (record,) = caplog.records
    assert TOLD[how] in record.getMessage()
    assert "the one in use stays in use" in record.getMessage()
    replace(made, make(tmp_path, "good"))
    certificates.look()
    certificates.look()
    assert certificates.dot is not before
    assert certificates.changes == 2


def test_without_a_certificate_clients_are_sent_away_until_there_is_one(tmp_path):
    async def work(server, address):
        made = make(tmp_path, "late")
        hidden = made.key.rename(tmp_path / "hidden")
        server._certificates.apply(Pair(str(made.certificate), str(made.key)))
        reader, writer = await asyncio.open_connection(*address)
        assert await is_closed_within(reader, 1)
        assert server.counters["no_certificate_refused"] == 1
        writer.close()
        hidden.rename(made.key)
        server._certificates.look()
        server._certificates.look()
        assert await asyncio.to_thread(served_by, address, made.client()) == made.serial

    run(work, None)


def test_only_new_files_are_read(tmp_path):
    made = make(tmp_path)
    certificates = Certificates()
    for _ in range(3):
        certificates.apply(Pair(str(made.certificate), str(made.key)))
        certificates.look()
    assert certificates.changes == 1
    certificates.apply(None)  # the section is gone from the file: who is there may go on
    assert certificates.dot is not None


def test_one_file_may_hold_both(tmp_path):
    made = make(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(made.key.read_bytes() + made.certificate.read_bytes())
    certificates = Certificates()
    certificates.apply(Pair(str(both), None))
    assert certificates.dot is not None


def test_a_look_costs_little(tmp_path):
    """It is done every second in the loop that answers."""
    made = make(tmp_path)
    certificates = Certificates()
    certificates.apply(Pair(str(made.certificate), str(made.key)))
    used = time.process_time()
    for _ in range(100):
        certificates.look()
    assert time.process_time() - used < 0.1


def test_ciphers_are_forward_secret_and_authenticated(pair):
    context = context_of(str(pair.certificate), str(pair.key), DOT_PROTOCOLS)
    names = {cipher["name"] for cipher in context.get_ciphers()}
    assert names
    assert all(name.startswith(("TLS_", "ECDHE-")) and ("GCM" in name or "CHACHA20" in name) for name in names), names
