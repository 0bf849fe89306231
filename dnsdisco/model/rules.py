"""Rules for plain values (of JSON), which can be put together. A rule raises ValueError for any other value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Rule = Callable[[Any], None]


def list_of(*rules: Rule, least: int | None = None) -> Rule:
    """One rule a field; those behind the first *least* may be left out at the end."""
    fewest = len(rules) if least is None else least

    def check(plain: Any) -> None:
        if type(plain) is not list or not fewest <= len(plain) <= len(rules):
            raise ValueError(f"not a list of {len(rules)}")
        for rule, value in zip(rules, plain, strict=False):
            rule(value)

    return check


def each(rule: Rule) -> Rule:
    def check(plain: Any) -> None:
        if type(plain) is not list:
            raise ValueError("not a list")
        for value in plain:
            rule(value)

    return check


def or_null(rule: Rule) -> Rule:
    return lambda plain: None if plain is None else rule(plain)


def whole(low: int, high: int) -> Rule:
    def check(plain: Any) -> None:
        if type(plain) is not int or not low <= plain <= high:
            raise ValueError(f"not a whole number from {low} to {high}")

    return check


def seconds(high: float) -> Rule:
    def check(plain: Any) -> None:
        if type(plain) not in (int, float) or not 0 < plain <= high:
            raise ValueError(f"not a time of at most {high} s")

    return check


def word(*known: str) -> Rule:
    def check(plain: Any) -> None:
        if type(plain) is not str or plain not in known:
            raise ValueError(f"none of {', '.join(filter(None, known))}")

    return check


def text(plain: Any) -> None:
    if type(plain) is not str:
        raise ValueError("not a text")


def some_text(plain: Any) -> None:
    if type(plain) is not str or not plain:
        raise ValueError("not a text, or an empty one")


def truth(plain: Any) -> None:
    if type(plain) is not bool:
        raise ValueError("neither true nor false")
