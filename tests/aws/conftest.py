"""A real HTTP server of moto, and a provider that talks to it, driven as the engine drives it."""

import boto3
import pytest

from iacengine.provider.protocol import ConfigureContext
from iacengine.schema.values import conform
from iacengine.testing.provider_contract import ProviderContract
from iacengine.testing.services import aws
from iacengine_aws import PROVIDER

pytest.importorskip("moto")


@pytest.fixture(scope="session")
def moto(tmp_path_factory):
    """The server's URL."""
    directory = tmp_path_factory.mktemp("moto")
    sandbox, _ = aws.start(directory, aws.free_port())
    yield sandbox
    aws.stop(directory)


@pytest.fixture(autouse=True)
def _environment(moto, monkeypatch, tmp_path):
    """What leads to the server, and away from whatever this machine is configured with."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    for name, value in aws.variables(moto).items():
        monkeypatch.setenv(name, value)


class Driver(ProviderContract):
    """The steps that the engine takes with a provider, each answer checked, for objects of one provider."""

    def __init__(self, provider):
        self.provider = provider

    def make(self, type_, body, token=None):
        return self.create(self.provider, type_, body, token)

    def update(self, made, body):
        return self.change(self.provider, made, body)

    def remove(self, made):
        self.delete(self.provider, made)

    def look(self, made):
        return self.read(self.provider, made).state

    def planned(self, type_, body, prior=None):
        return self.plan(self.provider, type_, body, prior)

    def wrong_with(self, type_, body):
        """The findings of validation."""
        return self.provider.validate_resource(type_, conform(body, self.provider.schema().resources[type_].block))


def configured(**settings):
    """A provider, and what configuring it found."""
    provider = PROVIDER.create()
    config = conform(settings, provider.schema().provider.block)
    found = (*provider.validate_provider(config), *provider.configure(config, ConfigureContext()))
    return provider, found


@pytest.fixture
def configure():
    """Makes a provider of settings; the findings come with it."""
    made = []

    def make(**settings):
        provider, found = configured(**settings)
        made.append(provider)
        return provider, found

    yield make
    for provider in made:
        provider.close()


@pytest.fixture
def driver(configure):
    """Makes a driver of a provider with these settings."""

    def make(**settings):
        provider, found = configure(**settings)
        assert found == ()
        return Driver(provider)

    return make


@pytest.fixture
def cloud(driver):
    return driver()


@pytest.fixture
def client():
    """boto3's own client of a service, to see what is there."""
    made = []

    def make(service):
        made.append(boto3.client(service))
        return made[-1]

    yield make
    for one in made:
        one.close()
