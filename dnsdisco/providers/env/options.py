"""What may be set of the env provider: nothing but what every provider takes."""

from __future__ import annotations

from typing import NamedTuple


class Options(NamedTuple):
    """Its variables say all."""
