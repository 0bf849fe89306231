"""A service of several providers (`chain: merge`) is as old as the oldest part of it."""

from __future__ import annotations

import dns.edns
import pytest

from dnsdisco.model.claims import ChainPolicy, ChainSource
from dnsdisco.model.delta import change, Joiner
from dnsdisco.model.entry import ProviderState
from dnsdisco.model.merge import merge
from dnsdisco.model.service import Snapshot
from tests.kit import Answers, section, services

ONE = "web: {instances: [{address: 10.0.0.1, port: 1}], ttl: 60}\nown: {instances: [{address: 10.0.0.2, port: 1}], ttl: 60}"
TWO = "web: {instances: [{address: 10.0.0.9, port: 1}]}"
AWAY = ProviderState("two", True, is_stale=True, reason="no contact since 12:00")
RESTORED = ProviderState("two", False, is_stale=True, reason="known from 12:00")


def reasons(answers: Answers, name: str, rtype: str = "A") -> list[str]:
    return [f"{option.code} {option.text}" for option in answers.ask(name, rtype).options if isinstance(option, dns.edns.EDEOption)]


def merged(*states: ProviderState) -> Answers:
    answers = Answers("x: {address: 10.9.9.9}", states=states)
    views = [Snapshot(services(text)) for text in (ONE, TWO, TWO)]
    made = merge([ChainSource("one"), ChainSource("two"), ChainSource("three")], ChainPolicy(is_merging=True), views)
    answers.catalog.apply(
        [entry for message in change(1, 8, made.entries.values(), [], ()) for entry in Joiner().take(message["put"])], ["x"], 8
    )
    return answers


@pytest.mark.parametrize("state", [AWAY, RESTORED])
def test_a_second_provider_that_is_away_shows(state: ProviderState) -> None:
    answers = merged(ProviderState("one", True), state, ProviderState("three", True))
    for rtype in ("A", "SRV", "TXT"):
        assert reasons(answers, "web.svc.local", rtype) == [f"3 two: {state.reason}"]
    assert section(answers.ask("web.svc.local").answer) == {"web.svc.local. A 10.0.0.1", "web.svc.local. A 10.0.0.9"}
    assert answers.ask("web.svc.local").answer[0].ttl == 30
    assert reasons(answers, "9.0.0.10.in-addr.arpa", "PTR") == [f"3 two: {state.reason}"]
    assert reasons(answers, "own.svc.local") == []  # the others have no part in it
    assert answers.ask("own.svc.local").answer[0].ttl == 60


def test_when_all_are_there_nothing_shows_and_when_all_are_away_two_are_named() -> None:
    there = [ProviderState(name, True) for name in ("one", "two", "three")]
    assert reasons(merged(*there), "web.svc.local") == []
    away = [ProviderState(name, True, is_stale=True) for name in ("one", "two", "three")]
    assert reasons(merged(*away), "web.svc.local") == ["3 one: last known data", "3 two: last known data"]
