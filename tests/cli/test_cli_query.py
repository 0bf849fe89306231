"""`dnsdisco query`: what is asked, what is believed, what is printed, and the exit status."""

from __future__ import annotations

import contextlib
import json
import socket
import time

import dns.edns
import dns.flags
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.cli import main, stub
from dnsdisco.errors import WireError
from dnsdisco.presentation.message import decode, EDE_WORDS
from dnsdisco.testing import one_port
from dnsdisco.wire import name as wire_name
from tests.cli.fake_server import FakeServer, reply

WEB = "web.svc.local. 10 A 10.0.0.11\nweb.svc.local. 10 A 10.0.0.12"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ask(server, *args):
    return main(["query", *args, "--server", server.address])


def test_a_bare_name_is_in_the_first_zone_and_the_type_is_a(capsys):
    with FakeServer(lambda query: [reply(query, WEB, flags=dns.flags.AA)]) as server:
        assert ask(server, "web") == 0
    [(transport, query)] = server.asked
    asked = dns.message.from_wire(query)
    assert (transport, str(asked.question[0]), asked.edns, asked.payload) == ("udp", "web.svc.local. IN A", 0, 1232)
    assert asked.flags == dns.flags.RD
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == ";; web.svc.local. A: NOERROR, flags qr aa rd ra"
    assert lines[1].split() == ["web.svc.local.", "10", "A", "10.0.0.11"]
    assert lines[2].split() == ["web.svc.local.", "10", "A", "10.0.0.12"]
    assert lines[3].endswith(f"ms from {server.address} over UDP, {len(reply(query, WEB))} octets")
    assert (len(lines), err) == (4, "")


@pytest.mark.parametrize(
    ("args", "question"),
    [
        (["web", "SRV"], "web.svc.local. IN SRV"),
        (["web", "srv"], "web.svc.local. IN SRV"),
        (["Web.Svc.Local"], "Web.Svc.Local. IN A"),
        (["web."], "web. IN A"),
        (["www.example.com", "TYPE65"], "www.example.com. IN HTTPS"),
        (["_http._tcp.svc.local", "SRV"], "_http._tcp.svc.local. IN SRV"),
        (["10.0.0.11"], "11.0.0.10.in-addr.arpa. IN PTR"),
        (["::1", "ptr"], "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa. IN PTR"),
        (["bücher.example"], "xn--bcher-kva.example. IN A"),
        (["a\\.b.example"], "a\\.b.example. IN A"),
        ([".", "NS"], ". IN NS"),
        (["web", "TYPE65280"], "web.svc.local. IN TYPE65280"),
    ],
)
def test_what_is_asked(args, question):
    with FakeServer(lambda query: [reply(query)]) as server:
        assert ask(server, *args) == 1
    assert str(dns.message.from_wire(server.asked[0][1]).question[0]) == question


def test_the_first_zone_and_the_first_address_of_the_configuration(folder, capsys):
    with FakeServer(lambda query: [reply(query, "web.corp.internal. 5 A 10.0.0.1")]) as server:
        (folder / "dnsdisco.yaml").write_text(f"zones: [corp.internal, svc.local]\nlisten: [{server.address}]\n")
        assert main(["query", "web"]) == 0
        (folder / "dnsdisco.yaml").write_text(f"listen: [0.0.0.0:{server.port}]\n")  # every address: so we ask the loopback
        assert main(["query", "web.corp.internal"]) == 0
        (folder / "other.yaml").write_text(f"zones: [other.internal]\nlisten: [{server.address}]\n")
        assert main(["query", "web", "--config", "other.yaml"]) == 0
    assert [str(dns.message.from_wire(query).question[0].name) for _, query in server.asked] == [
        "web.corp.internal.",
        "web.corp.internal.",
        "web.other.internal.",
    ]


@pytest.mark.parametrize("absent", ["192.0.2.53:53", "[2001:db8::53]:53", "fe80::1%nope", "tls://192.0.2.53"])
def test_an_address_that_this_machine_does_not_have_is_not_asked(folder, absent):
    """As one of an interface that comes later, which the server listens on all the same."""
    with FakeServer(lambda query: [reply(query, "web.svc.local. 5 A 10.0.0.1")]) as server:
        (folder / "dnsdisco.yaml").write_text(
            f'listen: ["{absent}", "{server.address}", 127.0.0.1:1]\ntls: {{certificate: a, key: b}}\n'
        )
        assert main(["query", "web"]) == 0


def test_a_server_may_be_named(capsys):
    with FakeServer(lambda query: [reply(query, WEB)]) as server:
        assert main(["query", "web", "--server", f"localhost:{server.port}"]) == 0
    assert f"from 127.0.0.1:{server.port}" in capsys.readouterr().out


def test_json(capsys):
    options = [dns.edns.EDEOption(3, "no contact since 12:00:03Z"), dns.edns.EDEOption(22)]
    srv = "web.svc.local. 10 SRV 0 10 8080 web-1.svc.local."
    glue = "web-1.svc.local. 10 A 10.0.0.11"
    soa = "svc.local. 2 SOA ns.svc.local. hostmaster.svc.local. 7 3600 600 86400 2"
    with FakeServer(lambda query: [reply(query, srv, authority=soa, additional=glue, options=options)]) as server:
        assert ask(server, "web", "SRV", "--json") == 0
    got = json.loads(capsys.readouterr().out)
    assert 0 <= got.pop("time_ms") < 10_000
    assert got == {
        "version": 1,
        "rcode": "NOERROR",
        "flags": ["qr", "rd", "ra"],
        "question": {"name": "web.svc.local.", "type": "SRV", "class": "IN"},
        "answer": [{"name": "web.svc.local.", "type": "SRV", "ttl": 10, "data": "0 10 8080 web-1.svc.local."}],
        "authority": [
            {"name": "svc.local.", "type": "SOA", "ttl": 2, "data": "ns.svc.local. hostmaster.svc.local. 7 3600 600 86400 2"},
        ],
        "additional": [{"name": "web-1.svc.local.", "type": "A", "ttl": 10, "data": "10.0.0.11"}],
        "ede": [{"code": 3, "text": "no contact since 12:00:03Z"}, {"code": 22, "text": ""}],
        "server": server.address,
        "transport": "udp",
    }


@pytest.mark.parametrize(
    ("rcode", "answer", "status", "word"),
    [
        (0, WEB, 0, "NOERROR"),
        (0, "", 1, "NOERROR (the name exists, without such a record)"),
        (3, "", 1, "NXDOMAIN"),
        (2, "", 1, "SERVFAIL"),
        (5, "", 1, "REFUSED"),
        (16, "", 1, "BADVERS"),
        (3, "web.svc.local. 5 CNAME gone.example.", 1, "NXDOMAIN"),
    ],
)
def test_the_exit_status_says_what_came(rcode, answer, status, word, capsys):
    with FakeServer(lambda query: [reply(query, answer, rcode=rcode)]) as server:
        assert ask(server, "web") == status
    assert capsys.readouterr().out.startswith(f";; web.svc.local. A: {word}")


def test_extended_errors_are_shown_with_their_names(capsys):
    with FakeServer(lambda query: [reply(query, rcode=2, options=[dns.edns.EDEOption(14, "consul: refused\x1b[31m\n")])]) as server:
        assert ask(server, "web") == 1
    [line] = [line for line in capsys.readouterr().out.splitlines() if "EDE" in line]
    assert line == ";; EDE 14 (Not Ready): consul: refused\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}"


def test_the_names_of_extended_errors_are_those_of_the_registry():
    for code in dns.edns.EDECode:
        assert EDE_WORDS[int(code)].upper().replace(" ", "_").replace("-", "_")[:8] == code.name[:8]


def _lies(query):
    """Everything that is no reply to *query*, before the truth."""
    truth = reply(query, WEB)
    other = dns.message.make_query("bank.example", "A", id=int.from_bytes(query[:2], "big"))
    yield b""[:0] or b"\0"
    yield truth[:11]
    yield bytes([truth[0] ^ 1]) + truth[1:]  # another id
    yield query  # no reply
    yield reply(other.to_wire(), "bank.example. 10 A 192.0.2.66")  # another question
    yield reply(query.replace(b"\0\x01\0\x01", b"\0\x1c\0\x01", 1), "web.svc.local. 10 AAAA ::1")  # another type
    yield truth[:2] + bytes([truth[2] | 0x20]) + truth[3:]  # another opcode
    yield truth[:4] + b"\0\2" + truth[6:]  # two questions
    yield truth[:4] + b"\0\0" + truth[6:]  # none, and no error
    yield truth


def test_wrong_replies_are_waited_past(capsys):
    with FakeServer(lambda query: list(_lies(query))) as server:
        assert ask(server, "web", "--json") == 0
    got = json.loads(capsys.readouterr().out)
    assert [record["data"] for record in got["answer"]] == ["10.0.0.11", "10.0.0.12"]
    assert len(server.asked) == 1  # nothing made us ask again


def test_wrong_replies_over_tcp_are_waited_past(capsys):
    with FakeServer(tcp=lambda query: list(_lies(query))[2:]) as server:
        assert ask(server, "web", "--tcp") == 0
    assert "10.0.0.11" in capsys.readouterr().out


def test_a_flood_of_wrong_replies_is_given_up(monkeypatch):
    monkeypatch.setattr(stub, "OTHERS_MAX", 20)
    query = stub.question(wire_name.from_text("web.svc.local"), 1)
    refused = pytest.raises(stub.NoReply, match="sent 21 messages, and none of them answers the question")
    with FakeServer(lambda query: [b"x" * 40] * 40) as server, refused:
        stub.exchange(("127.0.0.1", server.port), query)


def test_a_truncated_reply_is_asked_again_over_tcp(capsys):
    udp = lambda query: [reply(query, "web.svc.local. 10 A 10.0.0.11", flags=dns.flags.TC)]  # noqa: E731
    with FakeServer(udp, lambda query: [reply(query, WEB)]) as server:
        assert ask(server, "web") == 0
    assert [transport for transport, _ in server.asked] == ["udp", "tcp"]
    out = capsys.readouterr().out
    assert "10.0.0.12" in out
    assert "over TCP, after a truncated reply over UDP" in out


def test_tcp_at_once(capsys):
    with FakeServer(tcp=lambda query: [reply(query, WEB)]) as server:
        assert ask(server, "web", "--tcp", "--json") == 0
    assert [transport for transport, _ in server.asked] == ["tcp"]
    assert json.loads(capsys.readouterr().out)["transport"] == "tcp"


def test_an_error_of_a_server_that_read_no_question_is_believed(capsys):
    with FakeServer(lambda query: [query[:2] + b"\x81\x01" + bytes(8)]) as server:
        assert ask(server, "web") == 1
    assert "FORMERR" in capsys.readouterr().out


def test_lost_datagrams_are_asked_for_again(monkeypatch, capsys):
    monkeypatch.setattr(stub, "TRY_S", 0.1)
    heard: list[object] = []
    with FakeServer(lambda query: heard.append(query) or ([reply(query, WEB)] if len(heard) == 3 else [])) as server:
        assert ask(server, "web") == 0
    assert len(server.asked) == 3
    assert len({query for _, query in server.asked}) == 1  # so that a late reply to an earlier one counts


@pytest.mark.parametrize("how", [[], ["--tcp"]])
def test_silence_is_status_2(how, monkeypatch, capsys):
    monkeypatch.setattr(stub, "TRY_S", 0.05)
    monkeypatch.setattr(stub, "TCP_S", 0.2)
    udp, tcp = one_port()
    with udp, tcp:
        assert main(["query", "web", "--server", f"127.0.0.1:{tcp.getsockname()[1]}", *how]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "no answer from 127.0.0.1:" in err


@pytest.mark.parametrize("how", [[], ["--tcp"]])
def test_a_closed_port_says_what_to_do(how, capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began_at = time.monotonic()
    assert main(["query", "web", "--server", f"127.0.0.1:{port}", *how]) == 2
    assert time.monotonic() - began_at < 1
    assert f"nothing listens on 127.0.0.1:{port}; start it with `dnsdisco serve`" in capsys.readouterr().err


def test_a_connection_that_closes_without_an_answer(capsys):
    with FakeServer(tcp=lambda query: []) as server:
        assert ask(server, "web", "--tcp") == 2
    assert "closed the connection before it answered" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda message: message[:-2], "past"),
        (lambda message: message[:6] + b"\xff\xff" + message[8:], "more than"),
        (lambda message: message[:6] + b"\0\5" + message[8:], "cut short"),
        (lambda message: message[:-5], "cut short"),
    ],
)
def test_a_reply_that_cannot_be_read(spoil, reason, capsys):
    with FakeServer(lambda query: [spoil(reply(query, WEB, edns=False))]) as server:
        assert ask(server, "web") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "cannot be read" in err
    assert reason in err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "Missing argument 'NAME'"),
        (["web", "SRB"], "'SRB' is not a record type; did you mean SRV?"),
        (["web", "TYPE65536"], "is not a record type"),
        (["a..b"], "is not a DNS name"),
        (["a" * 64], "is not a DNS name"),
        (["web", "--server", "nowhere.invalid:53"], "--server"),
        (["web", "--server", "127.0.0.1:0"], "expected a port from 1 to 65535"),
        (["web", "--tpc"], "No such option"),
        (["web", "A", "more"], "unexpected extra argument"),
    ],
)
def test_wrong_usage_is_status_2(args, message, capsys):
    assert main(["query", *args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


@given(st.binary(max_size=200), st.integers(12, 400), st.binary(max_size=4))
@pytest.mark.slow
def test_no_reply_breaks_the_reader(tail, at, noise):
    query = stub.question(wire_name.from_text("web.svc.local"), 1)
    message = reply(query, WEB + "\nweb.svc.local. 10 MX 10 web.svc.local.\nweb.svc.local. 10 HTTPS 1 . alpn=h2 port=8080")
    for spoilt in (query[:2] + b"\x80\0\0\1\0\3\0\1\0\2" + query[12:-11] + tail, message[:at] + noise + message[at + len(noise) :]):
        stub.is_reply(spoilt, query)
        with contextlib.suppress(WireError):
            answer = decode(spoilt)
            for record in (*answer.answer, *answer.authority, *answer.additional):
                assert (record.name + record.data).isascii()
                assert (record.name + record.data).isprintable()
