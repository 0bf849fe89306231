"""Reloads under load lose nothing, and give nobody a wrong answer; `python -m tests.whole.reloads` is the long form."""

from __future__ import annotations

import pytest

from tests.forward.upstream import BlackHole, ScriptedUpstream
from tests.forward.upstream import rcode as with_rcode
from tests.whole import reloads
from tests.whole.reloads import ask_tcp, ask_udp, Outcome, run


def test_every_kind_of_reload_while_questions_are_in_flight(tmp_path):
    result = run(tmp_path, reloads=10, seconds=2.0, workers=2, pace=400)
    assert (result.used, result.refused) == (8, 2)
    for outcome in (result.udp, result.tcp):
        assert outcome.lost == 0
        assert outcome.wrong == []
        assert outcome.sent == len(outcome.seconds) > 200


def stops_after(calls):
    left = iter(range(calls))
    return lambda: next(left, None) is None


def test_what_is_lost_or_wrong_would_be_seen(monkeypatch):
    monkeypatch.setattr(reloads, "ANSWER_S", 0.1)
    with BlackHole() as hole:
        host, _, port = hole.address.rpartition(":")
        lost = Outcome()
        ask_udp((host, int(port)), 1000, stops_after(40), lost)
        assert lost.lost == lost.sent > 0
    with ScriptedUpstream() as upstream:
        upstream.on(lambda _: True, with_rcode(2))
        host, _, port = upstream.address.rpartition(":")
        for ask in (ask_udp, ask_tcp):
            monkeypatch.setattr(reloads, "ANSWER_S", 3.0)
            wrong = Outcome()
            ask((host, int(port)), 1000, stops_after(200), wrong)
            assert wrong.lost == 0
            assert len(wrong.wrong) == wrong.sent > 0


def test_a_connection_that_is_closed_in_the_middle_loses_what_was_on_it(monkeypatch):
    monkeypatch.setattr(reloads, "ANSWER_S", 0.1)
    with ScriptedUpstream() as upstream:
        upstream.on(lambda _: True, lambda _: None)
        host, _, port = upstream.address.rpartition(":")
        outcome = Outcome()
        ask_tcp((host, int(port)), 1000, stops_after(30), outcome)
        assert outcome.lost == outcome.sent > 0


@pytest.mark.parametrize("text", [text for text, _ in reloads.configurations(["192.0.2.1:53", "192.0.2.2:53"])])
def test_the_configurations_are_what_they_say(text, tmp_path):
    from dnsdisco.config.sources import Given
    from tests.config.known import inspect

    (tmp_path / "services.yaml").write_text(reloads.SERVICES)
    (tmp_path / "dnsdisco.yaml").write_text(text % 2)
    is_usable = dict(reloads.configurations(["192.0.2.1:53", "192.0.2.2:53"]))[text]
    assert (inspect(Given(str(tmp_path / "dnsdisco.yaml"))).settings is not None) is is_usable
