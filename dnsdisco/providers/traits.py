"""The declarations of a provider. A provider's class has these attributes, each with a default.

A provider whose own import costs something declares them in a class of its own, from which it inherits, and names that class `Traits`
in the module of its entry point: then the server knows its options and its detection, and has imported nothing that its work needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from dnsdisco.settings.forms import OptionsClass


class ProviderTraits:
    type: ClassVar[str]  # its name in `providers:` and in SERVICE_DISCOVERY_PROVIDER; without one, that of the class in lower case

    # What may be set in its entry: a class whose annotations declare it (settings/setting.py), and which is made of what was set, and raises
    # ValueError where that does not go together. None: nothing is declared, and from_settings() gets any key as it is.
    Options: ClassVar[OptionsClass | None] = None
    services_option: ClassVar[str] = ""  # the option that `--services` sets, of the one provider that reads a file of services

    # What it needs
    needs: ClassVar[tuple[str, ...]] = ()  # modules that it imports when it works, and that an extra installs
    package: ClassVar[str] = ""  # what pip installs for these, as in `acme-discovery[nomad]`

    # What a server does with it besides asking it
    is_local: ClassVar[bool] = (
        False  # its source is on this machine: the kept view is for when that cannot be read, and after a crash
    )
    is_kept: ClassVar[bool] = True  # its last view is kept on disk, for a start without its backend
    must_exist_at_start: ClassVar[bool] = False  # a server does not start when it fails, unless its entry is `optional`
    variables: ClassVar[tuple[str, ...]] = ()  # that say which backend it asks, beside those that begin with its type: CONSUL_…
    precedence: ClassVar[int] = 50  # among providers that are detected: the one with the lowest number is asked first

    @classmethod
    def is_suggested(cls, environ: Mapping[str, str], folder: Path) -> bool:
        """True if it is used when no provider is named: *environ* or a file, perhaps below *folder*, shows that it is meant. No network."""
        return False
