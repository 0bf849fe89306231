"""The short path of `dnsdisco.providers.consul`."""

from dnsdisco.providers.consul import ConsulServiceDiscovery

__all__ = ["ConsulServiceDiscovery"]
