"""The short path of `dnsdisco.providers.static`."""

from dnsdisco.providers.static import StaticServiceDiscovery

__all__ = ["StaticServiceDiscovery"]
