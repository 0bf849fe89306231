"""Chains of aliases through several hands: general upstreams, zones of `forward.zones`, our own zones, special names."""

from __future__ import annotations

import itertools

import dns.flags
import dns.rcode
import pytest

from dnsdisco.answer.aliases import ALIASES_MAX
from tests.kit import Answers, canned, CannedUpstreams, errors, is_authoritative, section

CORP = frozenset({(b"corp", b"example"), (b"lab", b"corp", b"example")})
ALIAS = "alias.example.org."
APP = "app.corp.example."
APP_SOA = "corp.example. 60 IN SOA ns.corp.example. root.corp.example. 1 2 3 4 60"
ORG_SOA = "example.org. 60 IN SOA ns.example.org. root.example.org. 1 2 3 4 60"
LINE = f"{ALIAS} 300 IN CNAME {APP}"
GENERAL_SAYS = {
    "an address": canned(ALIAS, "A", f"{LINE}\n{APP} 300 IN A 203.0.113.66"),
    "NXDOMAIN": canned(ALIAS, "A", LINE, authority=APP_SOA.replace("1 2 3 4", "6 6 6 6"), rcode="NXDOMAIN"),
    "NXDOMAIN without SOA": canned(ALIAS, "A", LINE, rcode="NXDOMAIN"),
    "NODATA": canned(ALIAS, "A", LINE, authority=APP_SOA.replace("1 2 3 4", "6 6 6 6")),
    "nothing": canned(ALIAS, "A", LINE),
    "another alias": canned(ALIAS, "A", f"{LINE}\n{APP} 300 IN CNAME evil.example.\nevil.example. 300 IN A 203.0.113.66"),
}
CORP_SAYS = {
    "an address": (canned(APP, "A", f"{APP} 60 IN A 10.9.0.1"), dns.rcode.NOERROR, {f"{APP} A 10.9.0.1"}),
    "NXDOMAIN": (canned(APP, "A", authority=APP_SOA, rcode="NXDOMAIN"), dns.rcode.NXDOMAIN, set()),
    "NODATA": (canned(APP, "A", authority=APP_SOA), dns.rcode.NOERROR, set()),
}
APP_DENIED = {"corp.example. SOA ns.corp.example. root.corp.example. 1 2 3 4 60"}


def made(answers, *, services="{}", overrides=CORP, **other):
    upstreams = CannedUpstreams(answers)
    return Answers(services, upstreams=upstreams, overrides=overrides, **other), upstreams


@pytest.mark.parametrize("corp", CORP_SAYS)
@pytest.mark.parametrize("general", GENERAL_SAYS)
def test_an_alias_into_a_forward_zone_goes_on_at_its_upstreams(general, corp):
    said, rcode, expected = CORP_SAYS[corp]
    answers, upstreams = made({(ALIAS, "A"): GENERAL_SAYS[general], (APP, "A"): said})
    for _ in range(2):
        reply = answers.ask(ALIAS)
        assert (reply.rcode(), section(reply.answer)) == (rcode, {f"{ALIAS} CNAME {APP}", *expected})
        assert section(reply.authority) == (set() if expected else APP_DENIED)
        assert not is_authoritative(reply)
    assert upstreams.asked == [(ALIAS, "A"), (APP, "A")]


def test_the_zone_that_is_nearer_counts():
    """`lab.corp.example` is another one's than `corp.example`, and the root in `forward.zones` is the general upstreams."""
    names = (ALIAS, APP, "x.lab.corp.example.", "y.corp.example.", "z.example.org.")
    chain = [f"{name} 60 IN CNAME {target}" for name, target in itertools.pairwise(names)]
    end = f"{names[-1]} 60 IN A 192.0.2.1"
    whole = {(name, "A"): "\n".join([*chain[at:], end]) for at, name in enumerate(names)}  # each tells all the rest, too
    expected = [(name, "A") for name in names[:4]]  # the last one tells what is beyond its zone, and that is its own to tell
    for overrides in (CORP, CORP | {()}):
        answers, upstreams = made(whole, overrides=overrides)
        assert len(section(answers.ask(ALIAS).answer)) == 5
        assert upstreams.asked == expected


def test_a_dname_into_a_forward_zone():
    answer = [
        "example.org. 60 IN DNAME corp.example.",
        "app.example.org. 60 IN CNAME app.corp.example.",
        "app.corp.example. 60 IN A 203.0.113.66",
    ]
    answers, _ = made({("app.example.org.", "A"): "\n".join(answer), (APP, "A"): f"{APP} 60 IN A 10.9.0.1"})
    assert section(answers.ask("app.example.org").answer) == {
        "example.org. DNAME corp.example.",
        "app.example.org. CNAME app.corp.example.",
        "app.corp.example. A 10.9.0.1",
    }


def test_out_of_a_forward_zone_and_into_it_again():
    """corp says that its name is an alias to the world outside, and the world says that that is an alias to corp's."""
    chain = {
        (APP, "A"): f"{APP} 60 IN CNAME out.example.org.",
        ("out.example.org.", "A"): "out.example.org. 60 IN CNAME in.corp.example.\nin.corp.example. 60 IN A 203.0.113.66",
        ("in.corp.example.", "A"): canned("in.corp.example.", "A", authority=APP_SOA, rcode="NXDOMAIN"),
    }
    answers, upstreams = made(chain)
    reply = answers.ask(APP)
    assert (reply.rcode(), section(reply.authority)) == (dns.rcode.NXDOMAIN, APP_DENIED)
    assert section(reply.answer) == {f"{APP} CNAME out.example.org.", "out.example.org. CNAME in.corp.example."}
    assert [name for name, _ in upstreams.asked] == [APP, "out.example.org.", "in.corp.example."]
    # Where corp's own upstream tells all of it, it is believed of its own names.
    answers, upstreams = made({(APP, "A"): "\n".join((chain[APP, "A"], chain["out.example.org.", "A"]))})
    assert "in.corp.example. A 203.0.113.66" in section(answers.ask(APP).answer)
    assert len(upstreams.asked) == 1


SERVICES = """
web: {instances: [{id: w1, address: 10.0.0.1, port: 80}]}
far: {instances: [{address: alias.example.org}]}
hosty: {instances: [{id: h1, address: alias.example.org, port: 80}]}
"""


def test_an_alias_of_ours_and_a_host_name_as_an_address_go_on_there_too():
    answers, _ = made({(ALIAS, "A"): GENERAL_SAYS["an address"], (APP, "A"): CORP_SAYS["an address"][0]}, services=SERVICES)
    assert section(answers.ask("far.svc.local").answer) == {
        f"far.svc.local. CNAME {ALIAS}",
        f"{ALIAS} CNAME {APP}",
        f"{APP} A 10.9.0.1",
    }
    assert section(answers.ask("hosty.svc.local").answer) == {"hosty.svc.local. A 10.9.0.1"}
    answers, _ = made({(ALIAS, "A"): GENERAL_SAYS["an address"], (APP, "A"): CORP_SAYS["NXDOMAIN"][0]}, services=SERVICES)
    reply = answers.ask("far.svc.local")
    assert (reply.rcode(), section(reply.authority)) == (dns.rcode.NXDOMAIN, APP_DENIED)
    reply = answers.ask("hosty.svc.local")  # the name is ours, and is there
    assert (reply.rcode(), [str(rrset.name) for rrset in reply.authority]) == (dns.rcode.NOERROR, ["svc.local."])


def test_an_alias_of_ours_to_what_does_not_exist_has_the_soa_of_the_denial():
    answers, _ = made({(ALIAS, "AAAA"): canned(ALIAS, "AAAA", authority=ORG_SOA, rcode="NXDOMAIN")}, services=SERVICES)
    reply = answers.ask("far.svc.local", "AAAA")
    assert (reply.rcode(), section(reply.authority)) == (
        dns.rcode.NXDOMAIN,
        {"example.org. SOA ns.example.org. root.example.org. 1 2 3 4 60"},
    )


def test_an_alias_through_a_forward_zone_into_ours():
    answers, _ = made({(ALIAS, "A"): LINE, (APP, "A"): f"{APP} 60 IN CNAME web.svc.local."}, services=SERVICES)
    assert section(answers.ask(ALIAS).answer) == {
        f"{ALIAS} CNAME {APP}",
        f"{APP} CNAME web.svc.local.",
        "web.svc.local. A 10.0.0.1",
    }
    reply = answers.ask(ALIAS, "AAAA")
    assert reply.rcode() == dns.rcode.NOERROR


@pytest.mark.parametrize(("do", "cd"), [(True, False), (False, True), (True, True)])
def test_each_part_is_asked_for_as_the_client_asks(do, cd):
    """With DO each part brings its signatures, and what proves a wildcard that the alias came from."""
    signature = "A 5 3 60 20300101000000 20200101000000 1 corp.example. AAAA"
    alias_signature = signature.replace("A 5 3", "CNAME 5 2").replace("corp.example", "example.org")
    proof = "*.example.org. 60 IN NSEC z.example.org. A RRSIG NSEC"
    answers, upstreams = made(
        {
            (ALIAS, "A"): canned(
                ALIAS, "A", f"{LINE}\n{ALIAS} 300 IN RRSIG {alias_signature}", authority=proof, flags="QR RD RA AD"
            ),
            (APP, "A"): f"{APP} 60 IN A 10.9.0.1\n{APP} 60 IN RRSIG {signature}",
        },
        policy={"trust_ad": True},
    )
    reply = answers.ask(ALIAS, want_dnssec=do, flags=dns.flags.RD | (dns.flags.CD if cd else 0))
    lines = {f"{ALIAS} CNAME {APP}", f"{APP} A 10.9.0.1"}
    signed = {f"{ALIAS} RRSIG {alias_signature}", f"{APP} RRSIG {signature}"}
    assert section(reply.answer) == (lines | signed if do else lines)
    assert section(reply.authority) == ({proof.replace(" 60 IN", "")} if do else set())
    assert upstreams.sent == [(0x0120 | (0x0010 if cd else 0), do)] * 2
    assert not reply.flags & dns.flags.AD  # nobody has validated it as a whole


def test_a_part_that_is_stale_says_so():
    answers, upstreams = made({(ALIAS, "A"): LINE, (APP, "A"): CORP_SAYS["an address"][0]})
    answers.ask(ALIAS)
    answers.now += 100
    upstreams.answers = {**upstreams.answers, (APP, "A"): None}
    reply = answers.ask(ALIAS)
    assert (reply.rcode(), set(errors(reply))) == (dns.rcode.NOERROR, {3})
    assert f"{APP} A 10.9.0.1" in section(reply.answer)


def test_a_part_that_cannot_be_had_is_servfail_with_the_reason():
    answers, _ = made({(ALIAS, "A"): GENERAL_SAYS["an address"], (APP, "A"): None})
    reply = answers.ask(ALIAS)
    assert (reply.rcode(), reply.answer) == (dns.rcode.SERVFAIL, [])
    assert "192.0.2.53" in errors(reply)[23]


# how long a chain may be


def chain(length, hand):
    """*length* aliases and an address at their end, told by one upstream, by two in turn, or by us first."""
    suffix = {"one": ("example.org.",), "two": ("example.org.", "corp.example."), "ours": ("svc.local.", "example.org.")}[hand]
    names = [f"n{at}.{suffix[at % len(suffix)] if hand == 'two' else suffix[-1]}" for at in range(length + 1)]
    if hand == "ours":
        names[: length // 2] = [f"n{at}.svc.local." for at in range(length // 2)]
    lines = [f"{name} 60 IN CNAME {names[at + 1]}" for at, name in enumerate(names[:-1])]
    lines.append(f"{names[-1]} 60 IN A 192.0.2.1")
    return names, lines


@pytest.mark.parametrize("hand", ["one", "two", "ours"])
@pytest.mark.parametrize("length", [9, 12, ALIASES_MAX, ALIASES_MAX + 1, 40])
def test_a_chain_may_have_sixteen_aliases_whoever_tells_of_them(hand, length):
    names, lines = chain(length, hand)
    zone_file = "$TTL 60\n" + "".join(f"{line}\n" for line in lines if ".svc.local. 60" in line)
    answers, _ = made(
        {(name, "A"): "\n".join(lines[at:]) for at, name in enumerate(names)}, zone_file=zone_file if hand == "ours" else ""
    )
    reply = answers.ask(names[0])
    if length <= ALIASES_MAX:
        assert (reply.rcode(), len(reply.answer)) == (dns.rcode.NOERROR, length + 1)
        assert section(reply.answer) == {line.replace(" 60 IN", "") for line in lines}
    else:
        assert reply.rcode() == dns.rcode.SERVFAIL
        assert any("more than 16 aliases" in text for text in errors(reply).values())
    assert answers.ask(names[0], "CNAME").rcode() == dns.rcode.NOERROR


def test_a_chain_of_ours_alone_has_the_same_bound():
    for length in (ALIASES_MAX, ALIASES_MAX + 1):
        names = [f"n{at}.svc.local." for at in range(length + 1)]
        lines = [f"{name} CNAME {target}" for name, target in itertools.pairwise(names)]
        answers, _ = made({}, zone_file="$TTL 60\n" + "\n".join([*lines, f"{names[-1]} A 10.0.0.1", ""]))
        reply = answers.ask(names[0])
        assert reply.rcode() == (dns.rcode.NOERROR if length == ALIASES_MAX else dns.rcode.SERVFAIL)
        assert len(reply.answer) == 17 if length == ALIASES_MAX else "more than 16 aliases" in errors(reply)[0]


@pytest.mark.parametrize(
    ("names", "is_told"),
    [
        ((ALIAS, "b.example.org."), True),
        ((ALIAS,), True),
        ((ALIAS, APP), False),
        ((ALIAS, APP, "c.example.org.", "d.lab.corp.example."), False),
    ],
)
def test_a_loop_ends(names, is_told):
    """In one hand it is told as it is; through several, it is an error that says so. Each name is asked for once."""
    lines = {(name, "A"): f"{name} 60 IN CNAME {names[(at + 1) % len(names)]}" for at, name in enumerate(names)}
    if is_told:
        lines = dict.fromkeys(lines, "\n".join(lines.values()))
    answers, upstreams = made(lines)
    reply = answers.ask(ALIAS)
    if is_told:
        assert (reply.rcode(), len(reply.answer)) == (dns.rcode.NOERROR, len(names))
    else:
        assert (reply.rcode(), reply.answer) == (dns.rcode.SERVFAIL, [])
        assert "more than 16 aliases" in " ".join(errors(reply).values())
    assert len(upstreams.asked) == len(set(upstreams.asked))


@pytest.mark.parametrize("qtype", ["A", "AAAA", "SRV"])
def test_host_names_whose_owner_leads_them_back_to_the_service_cost_a_bounded_time(qtype):
    """64 of them, each an alias of the service that has them, would be 64 times as many questions in each round."""
    hosts = [f"h{at}.example.org" for at in range(64)]
    listed = ", ".join(f"{{id: i{at}, address: {host}, port: 80}}" for at, host in enumerate(hosts))
    aliases = {(f"{host}.", each): f"{host}. 60 IN CNAME web.svc.local." for host in hosts for each in ("A", "AAAA")}
    answers, upstreams = made(aliases, services=f"web: {{instances: [{listed}]}}")
    reply = answers.ask("web.svc.local", qtype, is_tcp=True)
    if qtype == "SRV":
        assert (reply.rcode(), len(reply.answer[0]), reply.additional) == (dns.rcode.NOERROR, 64, [])
    else:
        assert reply.rcode() == dns.rcode.SERVFAIL
        assert "more than 16 aliases in a row" in errors(reply)[22]  # where the first one ends
    assert len(upstreams.asked) == (128 if qtype == "SRV" else 64)
