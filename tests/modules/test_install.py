"""Installing: what a stack calls is resolved, got, verified, locked, and loaded from what is locked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iacengine.config.loader import load
from iacengine.config.model import Configuration
from iacengine.modules.install import InstallOptions, Modules
from iacengine.modules.lockfile import Lock, read_lock

NETWORK = """
variable: {name: {type: string}}
module: {subnet: {source: acme/subnet/mock, version: ~> 1.0, name: "${var.name}"}}
output: {subnet: {value: "${module.subnet.id}"}}
"""
SUBNET = """
variable: {name: {type: string}}
output: {id: {value: "subnet-${var.name}"}}
"""


class Site:
    """A stack of a user, loaded as the engine loads it."""

    def __init__(self, folder: Path, user: dict[str, str]) -> None:
        self.folder, self.user = folder, user

    def write(self, text: str, name: str = "main.iac.yaml") -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def load(self, **options: Any) -> Configuration:
        modules = self.modules(**options)
        try:
            configuration = load(str(self.folder), resolve_source=modules.directory)
            if modules.took_changes():
                configuration = load(str(self.folder), resolve_source=modules.directory)
            modules.check(configuration)
        finally:
            modules.close()
        return configuration

    def install(self, upgrade: list[str] | None = None, **options: Any) -> tuple[str, ...]:
        modules = self.modules(**options)
        try:
            return modules.install(upgrade).changes
        finally:
            modules.close()

    def modules(self, **options: Any) -> Modules:
        return Modules(str(self.folder), str(self.folder), InstallOptions(**options), environment=self.user)

    @property
    def lock(self) -> Lock:
        return read_lock(str(self.folder))

    @property
    def versions(self) -> list[str]:
        return [f"{one.source.split('/', 1)[1]} {one.version}" for one in self.lock.modules]


@pytest.fixture
def site(tmp_path: Path, user: dict[str, str]) -> Site:
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder, user)


def test_a_stack_loads_modules_of_a_registry_and_what_they_call(site: Site, shelf: Any) -> None:
    shelf.publish("acme/subnet/mock", "1.0.0", SUBNET)
    shelf.publish("acme/subnet/mock", "1.2.0", SUBNET)
    shelf.publish("acme/subnet/mock", "2.0.0", SUBNET)
    shelf.publish("acme/network/mock", "0.3.0", NETWORK)
    site.write("module: {net: {source: acme/network/mock, version: 0.3.0, name: a}}\n")
    configuration = site.load()
    assert sorted(configuration.modules) == [(), ("net",), ("net", "subnet")]
    assert site.versions == ["acme/network/mock 0.3.0", "acme/subnet/mock 1.2.0"]
