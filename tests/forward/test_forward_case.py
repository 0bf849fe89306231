"""forward.case_randomisation: names towards upstreams are spelled by chance, and a reply has to repeat that."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.forward.message import is_same_question, mixed_case
from dnsdisco.forward.upstream import FOLDED_STREAK
from dnsdisco.settings.sections import ForwardSettings
from dnsdisco.wire import name
from dnsdisco.wire.constants import RD
from tests.forward import upstream as lies
from tests.forward.forwarding import ask, run
from tests.forward.upstream import address_in, answer, folding, question, Say, ScriptedUpstream


@pytest.fixture
def upstream():
    with ScriptedUpstream() as scripted:
        yield scripted


def test_each_question_is_spelled_by_chance_and_the_client_sees_its_own(upstream):
    async def work(forwarder):
        for n in range(20):
            asked = question(f"wwW.Example{n}.test.")
            got = await forwarder.exchange(asked, flags=RD, dnssec_ok=False)
            assert got[12 : 12 + len(asked)] == asked
            assert address_in(got) == "192.0.2.1"

    run(work, upstream.address, case_randomisation=True)
    spelled = [asked.qname for asked in upstream.queries]
    assert [each.lower() for each in spelled] == [f"www.example{n}.test." for n in range(20)]
    assert len({each[:11] for each in spelled}) > 10  # ten letters: a thousand spellings
    assert {asked.transport for asked in upstream.queries} == {"udp"}


def test_it_is_off_unless_it_is_asked_for(upstream):
    async def work(forwarder):
        for n in range(5):
            await ask(forwarder, f"wwW.example{n}.test.")

    run(work, upstream.address)
    assert [asked.qname for asked in upstream.queries] == [f"wwW.example{n}.test." for n in range(5)]
    assert ForwardSettings().case_randomisation is False


def test_a_reply_in_another_case_is_not_believed(upstream):
    """The forged one is first and has the right id; the case is what gives it away, and TCP settles it."""
    upstream.on(lambda asked: asked.transport == "udp", lies.wrong_case, Say(answer(), after_s=0.05))

    async def work(forwarder):
        assert address_in(await ask(forwarder, "www.example.test.")) == "192.0.2.1"
        assert forwarder.statistics.other_case == 1

    run(work, upstream.address, case_randomisation=True)
    assert upstream.count("tcp") == 1


def test_an_upstream_that_folds_the_case_is_noticed_and_then_asked_as_it_likes(upstream, caplog):
    upstream.on(lambda asked: asked.transport == "udp", folding("192.0.2.3"))

    async def work(forwarder):
        for n in range(FOLDED_STREAK + 5):
            assert address_in(await ask(forwarder, f"www.a-rather-long-name{n}.example.test.")) in ("192.0.2.1", "192.0.2.3")

    with caplog.at_level(logging.INFO, logger="dnsdisco.forward"):
        run(work, upstream.address, case_randomisation=True)
    assert upstream.count("tcp") == FOLDED_STREAK
    assert [asked.qname.islower() for asked in upstream.queries if asked.transport == "udp"][-5:] == [True] * 5
    assert sum("does not keep the case" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize("has_tcp", [True, False])
def test_where_it_is_off_a_folded_name_is_an_answer(has_tcp):
    with ScriptedUpstream(has_tcp=has_tcp) as upstream:
        upstream.on("*", folding("192.0.2.3"))

        async def work(forwarder):
            asked = question("WWW.Example.Test.")
            got = await forwarder.exchange(asked, flags=RD, dnssec_ok=False)
            assert address_in(got) == "192.0.2.3"
            assert got[12 : 12 + len(asked)] == asked  # the client's own spelling

        run(work, upstream.address)
    assert [asked.transport for asked in upstream.queries] == ["udp"]


def test_where_it_is_on_one_that_folds_and_has_no_tcp_is_asked_as_it_likes():
    with ScriptedUpstream(has_tcp=False) as upstream:
        upstream.on("*", folding("192.0.2.3"))

        async def work(forwarder):
            for n in range(3):
                assert address_in(await ask(forwarder, f"A-Rather-Long-Name{n}.Example.Test.")) == "192.0.2.3"

        run(work, upstream.address, case_randomisation=True)
    assert upstream.count("udp") == FOLDED_STREAK + 3


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=3), st.integers(min_value=0))
def test_only_letters_change(labels, bits):
    asked = name.wire_of(tuple(labels)) + b"\0A\0a"
    mixed = mixed_case(asked, bits)
    assert is_same_question(mixed, asked)
    assert [one for one, other in zip(mixed, asked, strict=True) if one != other and not bytes((one,)).isalpha()] == []


def test_every_bit_counts():
    asked = question("abcdef.test.")
    assert len({mixed_case(asked, bits) for bits in range(1 << 10)}) == 1 << 10
    assert mixed_case(asked, 0) == question("ABCDEF.TEST.")
