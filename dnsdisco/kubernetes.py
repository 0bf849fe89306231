"""The short path of `dnsdisco.providers.kubernetes`."""

from dnsdisco.providers.kubernetes import KubernetesServiceDiscovery

__all__ = ["KubernetesServiceDiscovery"]
