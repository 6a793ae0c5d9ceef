"""The contract of providers, for those that come with the engine."""

from typing import ClassVar

import pytest

from iacengine.provider.builtin import BUILTIN
from iacengine.provider.protocol import ConfigureContext
from iacengine.schema.values import conform
from iacengine.testing.provider_contract import ProviderContract, Sample
from iacengine_mock import PROVIDER as MOCK


class TestTerraform(ProviderContract):
    remembers = False
    finds = False

    def make_provider(self):
        provider = BUILTIN.create()
        provider.configure({}, ConfigureContext())
        return provider

    def samples(self, provider):
        return [
            Sample(
                "terraform_data",
                lambda unique: {"input": unique, "triggers_replace": ("a",)},
                lambda unique: {"input": (unique, 1), "triggers_replace": ("a",)},
                lambda unique: {"input": unique, "triggers_replace": ("b",)},
            ),
            Sample("terraform_data", lambda unique: {}),
        ]


class TestMock(ProviderContract):
    settings: ClassVar = {}

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.folder = tmp_path

    def make_provider(self):
        provider = MOCK.create()
        config = conform(self.settings, provider.schema().provider.block)
        assert provider.configure(config, ConfigureContext(str(self.folder))) == ()
        return provider

    def samples(self, provider):
        network = self.create(provider, "mock_network", {"name": self.unique(), "cidr_block": "10.0.0.0/16"}).state[
            "id"
        ]
        return [
            Sample(
                "mock_network",
                lambda name: {"name": name, "cidr_block": "10.1.0.0/16", "tags": {"a": "b"}},
                lambda name: {"name": f"{name}-new", "cidr_block": "10.1.0.0/16"},
                lambda name: {"name": name, "cidr_block": "10.2.0.0/16"},
            ),
            Sample(
                "mock_server",
                lambda name: {"name": name, "network_id": network, "disk": ({"size": 1},), "metadata": {"owner": "me"}},
                lambda name: {
                    "name": name,
                    "size": "large",
                    "admin_password": "geheim",
                    "disk": ({"size": 2}, {"size": 3, "type": "tape"}),
                },
                lambda name: {"name": name, "image": "other"},
            ),
            Sample(
                "mock_database",
                lambda name: {"name": name, "engine": "postgres", "password": "p", "password_wo": "q"},
                lambda name: {"name": f"{name}-new", "engine": "postgres", "password": "r", "port": 99},
                lambda name: {"name": name, "engine": "mysql"},
            ),
            Sample(
                "mock_object",
                lambda name: {"name": name, "kind": "k", "attributes": {"x": (1, "y", None)}},
                lambda name: {"name": name, "kind": "k", "attributes": "text"},
                lambda name: {"name": name, "kind": "other"},
            ),
        ]


class TestMockWithEventualConsistency(TestMock):
    settings: ClassVar = {"eventual_consistency": 3}
