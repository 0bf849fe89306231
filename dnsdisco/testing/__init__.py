"""For the tests of other projects: a server inside the test process, and the tests that every provider passes.

    from dnsdisco.testing import dnsdisco_server      # a pytest fixture: write this line into conftest.py

    def test_my_client(dnsdisco_server):
        dnsdisco_server.set({"web": {"address": "10.0.0.1", "port": 80}})     # returns when it is answered
        my_client(dns=(dnsdisco_server.address, dnsdisco_server.port))

Without pytest, or with settings of its own, `with Server({"web": …}, ttl=1) as server:` is the same. `ProviderContract` is the base class
of a provider's tests (docs/adding-a-provider.md). Sockets are real, on a port of the loopback that the kernel chooses.

    server.py     the server
    fixture.py    the pytest fixture
    contract.py   the tests of the contract of providers

Only `ProviderContract`, `Watch` and `dnsdisco_server` need pytest, which is imported when one of them is asked for.
"""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

from dnsdisco.testing.server import MemoryServiceDiscovery, one_port, Server

if TYPE_CHECKING:
    from dnsdisco.testing.contract import ProviderContract, Watch
    from dnsdisco.testing.fixture import dnsdisco_server

__all__ = ["MemoryServiceDiscovery", "ProviderContract", "Server", "Watch", "dnsdisco_server", "one_port"]

_HOMES = {"ProviderContract": "contract", "Watch": "contract", "dnsdisco_server": "fixture"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    import pytest  # noqa: PLC0415

    home = f"{__name__}.{_HOMES[name]}"
    pytest.register_assert_rewrite(home)  # so that a provider that breaks the contract is reported with the values
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
