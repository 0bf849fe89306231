"""The options of the env provider: those that every provider takes, and no other."""

from __future__ import annotations

from typing import NamedTuple


class Options(NamedTuple):
    """The env provider has no options of its own: its variables hold all data."""
