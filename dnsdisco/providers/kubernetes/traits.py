"""The declarations of the kubernetes provider: its needs, and when it is used without being named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from dnsdisco.providers.kubernetes import options
from dnsdisco.providers.traits import ProviderTraits
from dnsdisco.settings.forms import OptionsClass


class Traits(ProviderTraits):
    type: ClassVar[str] = "kubernetes"
    Options: ClassVar[OptionsClass | None] = options.Options
    needs: ClassVar[tuple[str, ...]] = ("kubernetes",)
    package: ClassVar[str] = "dnsdisco[kubernetes]"
    variables: ClassVar[tuple[str, ...]] = (options.KUBECONFIG_VARIABLE,)
    precedence: ClassVar[int] = 10

    @classmethod
    def is_suggested(cls, environ: Mapping[str, str], folder: Path) -> bool:
        """True in a pod that has the account of a service."""
        return bool(environ.get("KUBERNETES_SERVICE_HOST")) and Path(options.SERVICE_ACCOUNT, "token").is_file()
