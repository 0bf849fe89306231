"""The kubernetes provider keeps to what every provider keeps to."""

from __future__ import annotations

import json
import time

import pytest

from dnsdisco.testing import ProviderContract
from tests.providers.kubernetes.objects import headless, slice_of


class TestKubernetes(ProviderContract):
    is_writable = True

    @pytest.fixture
    def provider(self, fake, connect):
        self.fake = fake
        return connect(answer_s=1.0)

    def fill(self, provider, services):
        fake = self.fake
        for namespace, name in list(fake.objects["services"]):
            if name not in services:
                fake.delete("Service", namespace, name)
        for namespace, name in list(fake.objects["endpointslices"]):
            if name.rpartition("-")[0] not in services:
                fake.delete("EndpointSlice", namespace, name)
        slices, owners = [], []
        for name, data in services.items():
            scheme = data.get("url", "").partition("://")[0]
            instances = data.get("instances") or [_instance(data["url"])]
            said = {"dnsdisco/service": json.dumps({"scheme": scheme})} if scheme else None
            owners.append(headless(name, annotations=said, ports=()))
            slices.append(slice_of(name, [each["address"] for each in instances], ports=[(instances[0]["port"], "")]))
        fake.put(*(each for each in slices if fake.differs(each)))
        if any(fake.differs(each) for each in owners):
            time.sleep(0.02)  # two watches, so one change in two steps: the Service is to come second
        fake.put(*(each for each in owners if fake.differs(each)))

    def break_backend(self, provider):
        self.fake.stop()
        return True


def _instance(url):
    host, _, port = url.partition("://")[2].partition(":")
    return {"address": host, "port": int(port or 6379)}
