"""Bounds what a backend may send: JSON is limited by its values as well as by its octets, before it is parsed.

Sixty million octets of `{},` are thirty million objects, which take 1.6 GB: twenty-five times what came.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

VALUES_MAX = 6_000_000  # of one answer: a Consul service of 50,000 instances has some 100 each; at most 0.5 GB as objects
SERVICES_MAX = 1_000_000  # of one provider: ten times what the server is made for


class TooMuch(ValueError):
    """A backend sent more than is accepted. The text has the amount and the bound."""


def values_in(text: str | bytes) -> int:
    """An upper bound of the values that *text* would make, objects counted twice for what they take. A comma in a text counts, too. 0.1 ms a MB."""
    comma, brace, bracket = (",", "{", "[") if isinstance(text, str) else (b",", b"{", b"[")
    return 1 + text.count(comma) + 2 * text.count(brace) + text.count(bracket)  # type: ignore[arg-type]


def parsed(text: str | bytes, values_max: int = VALUES_MAX) -> Any:
    """The data of the JSON *text*. Raises TooMuch, which is a ValueError, as for what is no JSON; RecursionError for what is nested too deep."""
    if len(text) > values_max:  # fewer octets have fewer values
        counted = values_in(text)
        if counted > values_max:
            raise TooMuch(f"some {counted:,} values, of which at most {values_max:,} are read")
    return json.loads(text)


def not_too_many(services: Mapping[Any, Any]) -> None:
    """Raises TooMuch."""
    if len(services) > SERVICES_MAX:
        raise TooMuch(f"{len(services):,} services, of which at most {SERVICES_MAX:,} are read")
