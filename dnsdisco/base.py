"""The short path of `dnsdisco.providers.base`."""

from dnsdisco.providers.base import ServiceDiscovery

__all__ = ["ServiceDiscovery"]
