"""The contract of every provider, kept by this one. `test_consul_packages.py` runs this file on both Consul packages."""

from __future__ import annotations

import os
import pathlib

import consul as package
import pytest

from dnsdisco.errors import ProviderError
from dnsdisco.testing import ProviderContract
from tests.providers.consul.fake import FakeConsul
from tests.providers.consul.fake_catalog import FakeCatalog
from tests.providers.consul.kit import provider_of


class TestConsul(ProviderContract):
    is_writable = True
    change_seen_within_s = 0.0  # beyond the interval of polling, which it does not do

    @pytest.fixture
    def provider(self):
        with FakeConsul(FakeCatalog(has_consul=False)) as self.consul:
            provider = provider_of(self.consul)
            yield provider
            provider.close()

    def fill(self, provider, services):
        catalog = self.consul.catalog
        wanted = {(name, each["id"]): each for name, data in services.items() for each in data["instances"]}
        there = {(name, id_) for name, entries in catalog.instances.items() for _, id_ in entries}
        for name, id_ in there - wanted.keys():
            catalog.remove(name, id_)
        for name, id_ in wanted.keys() - there:
            catalog.put(name, id=id_, address=wanted[name, id_]["address"], port=wanted[name, id_]["port"])

    def break_backend(self, provider):
        self.consul.kill()
        return True

    def test_nothing_is_no_error(self, provider):
        """Here it is one: a catalog without even `consul` is one that we may not see."""
        self.fill(provider, {})
        with pytest.raises(ProviderError):
            provider.get_services()


def test_it_runs_on_the_package_that_it_should():
    wanted = os.environ.get("DNSDISCO_TEST_CONSUL_PACKAGE")
    if wanted is None:
        pytest.skip("any will do")
    assert pathlib.Path(package.__file__).is_relative_to(wanted)
