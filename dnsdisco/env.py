"""The short path of `dnsdisco.providers.env`."""

from dnsdisco.providers.env import EnvServiceDiscovery

__all__ = ["EnvServiceDiscovery"]
