"""The env provider: services from environment variables.

    options.py    what may be set
    traits.py     what it declares
    provider.py   the class that other rooms see, and how a variable is read

Read first: the head of `provider.py`, which has the rules.
"""

from __future__ import annotations

from dnsdisco.providers.env.provider import EnvServiceDiscovery, services_from
from dnsdisco.providers.env.traits import Traits

__all__ = ["EnvServiceDiscovery", "Traits", "services_from"]
