"""A fake API server for each test, and providers that ask it."""

from __future__ import annotations

import pytest
import structlog

from dnsdisco.providers.kubernetes import KubernetesServiceDiscovery
from tests.providers.kubernetes.fake import Fake
from tests.providers.kubernetes.tls import Tls


@pytest.fixture(autouse=True)
def _logging_as_a_library():
    """Tests of the control process set structlog up for the whole process."""
    was_configured, before = structlog.is_configured(), structlog.get_config()
    structlog.reset_defaults()
    yield
    if was_configured:
        structlog.configure(**before)


@pytest.fixture
def fake():
    with Fake() as server:
        yield server


@pytest.fixture
def connect(fake, tmp_path):
    """A provider that is told nothing but where the fake is, and what the test says besides."""
    made = []

    def make(namespace=None, **options):
        options.setdefault("kubeconfig", fake.kubeconfig(tmp_path))
        provider = KubernetesServiceDiscovery(namespace, environ={}, **options)
        made.append(provider)
        return provider

    yield make
    for provider in made:
        provider.close()


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    return Tls(tmp_path_factory.mktemp("tls"))
