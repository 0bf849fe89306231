"""A server cookie asked for, or asked about, by itself (RFC 7873 §5.4)."""

from __future__ import annotations

import dns.edns
import dns.message
import pytest

from dnsdisco.wire.cookie import Cookies
from tests.kit import Answers

CLIENT = b"CookieAb"


@pytest.fixture
def answers() -> Answers:
    return Answers(recursion=False)


def alone(
    answers: Answers, server: bytes = b"", *, client: bytes = CLIENT, peer: str = "127.0.0.1", is_tcp: bool = False
) -> tuple[str, bytes]:
    """The rcode, and the server cookie that came back."""
    query = dns.message.Message(id=7)
    query.use_edns(0, options=[dns.edns.CookieOption(client, server)])
    octets = answers.send(query.to_wire(), peer, is_tcp=is_tcp)
    reply = dns.message.from_wire(octets or b"")
    (cookie,) = reply.options
    assert cookie.client == client
    assert not reply.question
    assert not reply.answer
    return dns.rcode.to_text(reply.rcode()), cookie.server


@pytest.mark.parametrize("is_tcp", [False, True], ids=["udp", "tcp"])
def test_ours_is_good_and_anything_else_is_badcookie_with_a_fresh_one(answers, is_tcp):
    rcode, ours = alone(answers, is_tcp=is_tcp)
    assert rcode == "NOERROR"
    assert alone(answers, ours, is_tcp=is_tcp) == ("NOERROR", ours)
    changed = bytes((*ours[:-1], ours[-1] ^ 1))
    for other in (changed, b"\1\0\0\0" + bytes(12), b"another!", bytes(32)):
        rcode, fresh = alone(answers, other, is_tcp=is_tcp)
        assert (rcode, fresh) == ("BADCOOKIE", ours)


def test_another_client_s_is_not_ours(answers):
    _, ours = alone(answers)
    rcode, fresh = alone(answers, ours, peer="127.0.0.2")
    assert rcode == "BADCOOKIE"
    assert alone(answers, fresh, peer="127.0.0.2") == ("NOERROR", fresh)
    assert (
        alone(answers, ours, client=b"cookieab")[0] == "BADCOOKIE"
    )  # its client part is of the same client, and it is not of that


@pytest.mark.parametrize(
    ("age_s", "rcode"),
    [(0, "NOERROR"), (3600, "NOERROR"), (3601, "BADCOOKIE"), (7200, "BADCOOKIE"), (-300, "NOERROR"), (-301, "BADCOOKIE")],
)
def test_an_old_one_is_not_ours_any_more(answers, age_s, rcode):
    """Made with our secret for this very client, so nothing but its age speaks against it."""
    made, _ = Cookies(bytes(range(16))).reply(CLIENT, "127.0.0.1", 1_700_000_000 - age_s)
    assert alone(answers, made[len(CLIENT) :])[0] == rcode


def test_with_a_question_a_strange_cookie_is_answered_with_a_fresh_one(answers):
    """Nothing is enforced (RFC 7873 §5.2.3): a client behind another server's address would have to ask twice."""
    reply = answers.ask("web.svc.local", options=[dns.edns.CookieOption(CLIENT, b"another!")])
    assert reply.answer
    assert reply.rcode() == 0
