"""What the kubernetes provider declares: what it needs, and when it is used without being named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from dnsdisco.providers.traits import ProviderTraits

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"  # what every pod has, unless its owner forbids it
KUBECONFIG_VARIABLE = "KUBECONFIG"


class Traits(ProviderTraits):
    type: ClassVar[str] = "kubernetes"
    needs: ClassVar[tuple[str, ...]] = ("kubernetes",)
    package: ClassVar[str] = "dnsdisco[kubernetes]"
    variables: ClassVar[tuple[str, ...]] = (KUBECONFIG_VARIABLE,)
    precedence: ClassVar[int] = 10

    @classmethod
    def is_suggested(cls, environ: Mapping[str, str], folder: Path) -> bool:
        """In a pod that has the account of a service."""
        return bool(environ.get("KUBERNETES_SERVICE_HOST")) and Path(SERVICE_ACCOUNT, "token").is_file()
