"""What an answer still wants from upstreams, without a loop and without a cache: outcomes go in as they would come."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsdisco.answer.aliases import ALIASES_MAX, TOO_MANY
from dnsdisco.answer.cached_reply import NOBODY_TO_ASK, STALE
from dnsdisco.answer.decision import Forward, Gather, Part, Want
from dnsdisco.answer.resume import Answered, Unanswered
from dnsdisco.answer.steps import AllOf, Ask, QUESTIONS_MAX, Resolution
from dnsdisco.model.choice import Rank
from dnsdisco.wire.constants import A, CNAME, EDE_NETWORK_ERROR, NOERROR, NXDOMAIN, SERVFAIL, SOA
from dnsdisco.wire.envelope import Ede
from dnsdisco.wire.name import from_text
from dnsdisco.wire.reply import Reply, RR

OWNER = from_text("web.svc.local")
FORWARDED = Resolution(lambda _: Forward())
DENIAL = RR(OWNER, SOA, 2, b"\0\0" + bytes(20))


def want(name):
    return Want(from_text(name), A)


def address(name, number=1, ttl=60):
    return RR(from_text(name), A, ttl, bytes((192, 0, 2, number)))


def alias(name, target, ttl=60):
    return RR(from_text(name), CNAME, ttl, from_text(target))


def found(*records, to="", rcode=NOERROR, stale=False):
    return Answered(rcode, records, stale, (), from_text(to) if to else b"")


def gather(*names, is_glue=False, is_chain=False, draft=None):
    parts = tuple(Part(want(name), OWNER, Rank(), 60, is_glue=is_glue, is_chain=is_chain) for name in names)
    return Gather(draft or Reply(is_authoritative=True, ranks=None if is_chain or is_glue else ()), parts, DENIAL)


class Driver:
    """Gives each question its outcome at once. `asked`: the questions in order."""

    def __init__(self, outcomes=None, decisions=None, late=()):
        """*decisions*: about names that are not forwarded. *late*: names that nobody has answered when the glue's time is over."""
        self.outcomes, self.decisions, self.late = outcomes or {}, decisions or {}, late
        self.asked = []

    def decide(self, of):
        return self.decisions.get(of.name, Forward())

    def run(self, steps):
        came = None
        while True:
            try:
                wanted = steps.send(came)
            except StopIteration as end:
                return end.value
            if isinstance(wanted, Ask):
                self.asked.append(wanted)
                came = self.outcomes.get(wanted.want.name, Unanswered("nobody knows"))
            else:
                came = {
                    each: self.run(below)
                    for each, below in wanted.steps.items()
                    if each.name not in self.late or not wanted.is_glue
                }


def driver(outcomes=None, decisions=None, **other):
    return Driver(
        {from_text(name): outcome for name, outcome in (outcomes or {}).items()},
        {from_text(name): decision for name, decision in (decisions or {}).items()},
        **other,
    )


def told(reply):
    return reply.rcode, {(record.owner, record.rtype, record.rdata) for record in reply.answer}


def test_all_wants_are_asked_for_at_once_and_each_once():
    steps = FORWARDED.complete(gather("a.example", "b.example", "a.example"))
    wanted = steps.send(None)
    assert isinstance(wanted, AllOf)
    assert list(wanted.steps) == [want("a.example"), want("b.example")]
    assert [below.send(None) for below in wanted.steps.values()] == [
        Ask(want("a.example"), is_chain=False),
        Ask(want("b.example"), is_chain=False),
    ]


def test_addresses_go_under_the_name_that_wanted_them():
    drive = driver({"a.example": found(alias("a.example", "b.example"), address("b.example", 7))})
    reply = drive.run(Resolution(drive.decide).complete(gather("a.example")))
    assert told(reply) == (NOERROR, {(OWNER, A, bytes((192, 0, 2, 7)))})
    assert reply.is_authoritative


@pytest.mark.parametrize("is_chain", [False, True])
def test_the_rest_of_a_chain_is_asked_for_as_its_beginning(is_chain):
    """With the client's DO and CD, or without them."""
    drive = driver(
        {
            "a.example": found(alias("a.example", "b.other"), to="b.other"),
            "b.other": found(address("b.other", 2)),
        }
    )
    drive.run(Resolution(drive.decide).complete(gather("a.example", is_chain=is_chain)))
    assert [(ask.want, ask.is_chain) for ask in drive.asked] == [(want("a.example"), is_chain), (want("b.other"), is_chain)]


OURS = Reply(is_authoritative=True, answer=(address("x.svc.local", 9),))


@pytest.mark.parametrize(
    ("decision", "rcode", "records"),
    [
        (OURS, NOERROR, 2),
        (Reply(NXDOMAIN, is_authoritative=True, authority=(DENIAL,)), NXDOMAIN, 1),
        (NOBODY_TO_ASK, NOERROR, 1),  # the aliases are all there is
        (Reply(SERVFAIL, ede=(Ede(14, "not known yet"),)), SERVFAIL, 0),
    ],
    ids=["ours", "denied", "nobody to ask", "not ready"],
)
def test_what_an_upstream_s_alias_leads_to(decision, rcode, records):
    drive = driver(decisions={"x.svc.local": decision})
    reply = drive.run(Resolution(drive.decide).follow(found(alias("www.example", "x.svc.local"), to="x.svc.local"), A))
    assert (reply.rcode, len(reply.answer)) == (rcode, records)
    assert not reply.is_authoritative
    assert reply.depends_on is None
    assert drive.asked == []


def test_an_upstream_s_alias_to_an_answer_that_needs_an_upstream():
    drive = driver({"db.example": found(address("db.example", 4))}, {"x.svc.local": gather("db.example")})
    reply = drive.run(Resolution(drive.decide).follow(found(alias("www.example", "x.svc.local"), to="x.svc.local"), A))
    assert [record.rtype for record in reply.answer] == [CNAME, A]


def test_what_is_stale_on_the_way_is_said_once_for_each_part():
    drive = driver({"b.other": found(address("b.other"), stale=True)})
    first = found(alias("a.example", "b.other"), to="b.other", stale=True)
    assert drive.run(Resolution(drive.decide).follow(first, A)).ede == (STALE, STALE)


def test_an_end_that_cannot_be_had_is_the_whole_answer():
    drive = driver()
    reply = drive.run(Resolution(drive.decide).follow(found(alias("a.example", "b.other"), to="b.other"), A))
    assert (reply.rcode, reply.answer, reply.ede) == (SERVFAIL, (), (Ede(EDE_NETWORK_ERROR, "nobody knows"),))
    assert drive.run(Resolution(drive.decide).complete(gather("c.example"))).rcode == SERVFAIL


def test_one_of_several_that_cannot_be_had_is_left_out():
    drive = driver({"a.example": found(address("a.example"))})
    assert told(drive.run(Resolution(drive.decide).complete(gather("a.example", "b.example")))) == (
        NOERROR,
        {(OWNER, A, b"\xc0\0\2\1")},
    )


def test_glue_alone_is_not_waited_for_and_anything_else_is():
    draft = Reply(is_authoritative=True, answer=(address("web.svc.local", 3),))
    glue = FORWARDED.complete(gather("a.example", "b.example", is_glue=True, draft=draft))
    asked = glue.send(None)
    assert isinstance(asked, AllOf)
    assert asked.is_glue
    with pytest.raises(StopIteration) as end:
        glue.send({want("b.example"): found(address("b.example", 8))})
    assert (len(end.value.value.answer), len(end.value.value.additional)) == (1, 1)
    both = gather("a.example", is_glue=True)
    both = Gather(both.draft, (*both.parts, *gather("b.example").parts), DENIAL)
    asked = FORWARDED.complete(both).send(None)
    assert isinstance(asked, AllOf)
    assert not asked.is_glue


# the bound


@pytest.mark.parametrize("length", [ALIASES_MAX - 1, ALIASES_MAX, ALIASES_MAX + 1])
@pytest.mark.parametrize("kind", ["chain", "address"])
def test_so_many_aliases_and_no_more(kind, length):
    """One upstream after another leads on; an alias of ours before them counts as well."""
    outcomes = {
        f"n{at}.example": found(alias(f"n{at}.example", f"n{at + 1}.example"), to=f"n{at + 1}.example") for at in range(length)
    }
    outcomes[f"n{length}.example"] = found(address(f"n{length}.example"))
    drive = driver(outcomes)
    reply = drive.run(Resolution(drive.decide).complete(gather("n0.example", is_chain=kind == "chain")))
    assert (reply.rcode == NOERROR) == (length <= ALIASES_MAX)
    if length > ALIASES_MAX:
        assert TOO_MANY in reply.ede[-1].text
        assert len(drive.asked) == ALIASES_MAX + 1


def test_a_host_name_as_an_address_is_a_step_too():
    """Two services whose addresses lead to each other through an upstream."""
    drive = driver({"a.example": found(alias("a.example", "x.svc.local"), to="x.svc.local")}, {"x.svc.local": gather("a.example")})
    reply = drive.run(Resolution(drive.decide).complete(gather("a.example")))
    assert reply.rcode == SERVFAIL
    assert len(drive.asked) <= ALIASES_MAX


@pytest.mark.parametrize("is_glue", [False, True])
@pytest.mark.parametrize("hosts", [2, 64])
def test_host_names_that_lead_back_to_their_service_do_not_multiply(hosts, is_glue):
    """Their owner answers each with an alias of the service that has them: twice as many questions, or 64 times, each round."""
    names = [f"h{at}.example" for at in range(hosts)]
    drive = driver({name: found(alias(name, "x.svc.local"), to="x.svc.local") for name in names}, {"x.svc.local": gather(*names)})
    reply = drive.run(Resolution(drive.decide).complete(gather(*names, is_glue=is_glue)))
    assert len(drive.asked) == QUESTIONS_MAX
    assert (reply.rcode, reply.answer) == (NOERROR if is_glue else SERVFAIL, ())


NAMES = [f"n{at}.example" for at in range(6)] + [f"s{at}.svc.local" for at in range(4)]
LED = st.sampled_from(NAMES)
OUTCOMES = st.one_of(
    st.builds(lambda to: ("alias", to), LED),
    st.builds(lambda to: ("service", to), st.lists(LED, min_size=1, max_size=3)),
    st.sampled_from([("address",), ("nothing",), ("silence",), ("refused",)]),
)


@settings(max_examples=300)
@given(st.fixed_dictionaries(dict.fromkeys(NAMES, OUTCOMES)), LED, st.booleans())
def test_any_web_of_names_ends(web, first, is_chain):
    """Aliases, services whose addresses are host names, and dead ends lead to each other at random: the steps end, and no chain that is
    answered has more aliases than may be."""
    outcomes, decisions = {}, {}
    for name, (kind, *more) in web.items():
        if kind == "alias":
            outcomes[name] = found(alias(name, more[0]), to=more[0])
        elif kind == "address":
            outcomes[name] = found(address(name))
        elif kind == "nothing":
            outcomes[name] = found(rcode=NXDOMAIN)
        elif kind == "service":
            decisions[name] = gather(*more[0])
        elif kind == "refused":
            decisions[name] = NOBODY_TO_ASK
    drive = driver(outcomes, decisions)
    reply = drive.run(Resolution(drive.decide).complete(gather(first, is_chain=is_chain)))
    assert reply.rcode in (NOERROR, NXDOMAIN, SERVFAIL)
    assert sum(record.rtype == CNAME for record in reply.answer) <= ALIASES_MAX
    assert len(reply.answer) == len(set(reply.answer))
