"""Modules from end to end, from the command line and with real parts: PostgreSQL, the service over TLS, publications
with signatures, a stack that installs and applies them on the mock cloud, and goes on when the registry is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from iacengine.testing.services.certificates import make_certificates
from iacengine.testing.services.registry import RegistryProcess

NAMES = {
    "main.iac.yaml": """
variable: {prefix: {type: string}}
output: {name: {value: "${var.prefix}-net"}}
""",
}
NETWORK = {
    "main.iac.yaml": """
variable: {prefix: {type: string}}
module: {names: {source: acme/names/mock, version: ~> 1.0, prefix: "${var.prefix}"}}
resource: {mock_network: {main: {name: "${module.names.name}", cidr_block: 10.0.0.0/16}}}
output: {id: {value: "${mock_network.main.id}"}}
""",
}
SERVERS = {
    "main.iac.yaml": """
variable: {prefix: {type: string}, size: {type: number, default: 2}}
module: {net: {source: acme/network/mock, version: ">= 1.0, < 2.0", prefix: "${var.prefix}"}}
resource:
  mock_server:
    web: {count: "${var.size}", name: "${var.prefix}-${count.index}", network_id: "${module.net.id}"}
output: {ids: {value: "${mock_server.web[*].id}"}}
""",
}
STACK = """
stack: {required_providers: {mock: {source: mock}}}
module: {app: {source: acme/servers/mock, version: 1.0.0, prefix: shop}}
output: {ids: {value: "${module.app.ids}"}}
"""


class Author:
    """Somebody who publishes."""

    def __init__(self, stack: Any, environment: dict[str, str]) -> None:
        self.stack, self.environment = stack, environment

    def iac(self, *arguments: str, code: int | None = 0) -> Any:
        return self.stack.iac(*arguments, env=self.environment, code=code)

    def publish(self, name: str, version: str, files: dict[str, str], *more: str, code: int = 0) -> Any:
        folder = self.stack.folder / f"{name}-{version}"
        for path, text in files.items():
            self.stack.write(text, f"{folder.name}/{path}")
        return self.iac(
            "module", "publish", str(folder), "--address", f"acme/{name}/mock", "--version", version, *more, code=code
        )


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, postgres_server: Any) -> Iterator[RegistryProcess]:
    """The service over TLS, on a real PostgreSQL."""
    folder = tmp_path_factory.mktemp("registry")
    postgres_server.start()  # another test may have stopped it
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE modules_end_to_end")
    process = RegistryProcess(folder, postgres_server.url("modules_end_to_end"), make_certificates(folder))
    process.start()
    yield process
    process.stop()


@pytest.fixture
def author(registry: RegistryProcess, new_stack: Any, tmp_path: Path) -> Author:
    registry.run("namespace", "create", "acme")
    secret = registry.run("token", "create", "--user", "ann", "--scope", "publish:acme", "--scope", "read")["token"]
    home = tmp_path / "ann"
    assert registry.certificates is not None
    environment = {
        "HOME": str(home),
        "IAC_REGISTRY": registry.host,
        "IAC_CA_BUNDLE": str(registry.certificates.authority),
        f"IAC_TOKEN_{registry.host.replace(':', '_')}": secret,
        "IAC_KEY_PASSPHRASE": "correct horse battery",
    }
    author = Author(new_stack("author"), environment)
    author.iac("keys", "generate", "release")
    return author


@pytest.fixture
def consumer(author: Author, stack: Any, tmp_path: Path) -> Author:
    """Somebody else, who trusts the author's key."""
    environment = {name: author.environment[name] for name in ("IAC_REGISTRY", "IAC_CA_BUNDLE")}
    key = author.iac("keys", "export", "release").out
    stack.write(f"{key}namespaces:\n  acme/*: {{keys: [release]}}\n", "iac.trust.yaml")
    stack.write(STACK)
    return Author(stack, {**environment, "HOME": str(tmp_path / "bob")})


def test_modules_are_published_installed_and_applied_and_go_on_without_their_registry(
    registry: RegistryProcess, author: Author, consumer: Author
) -> None:
    author.publish("names", "1.0.0", NAMES)
    author.publish("network", "1.0.0", NETWORK)
    told = author.publish("servers", "1.0.0", SERVERS)
    assert f"Published {registry.host}/acme/servers/mock 1.0.0" in told.out
    assert "signed by ed25519:" in told.out

    applied = consumer.iac("apply", "--auto-approve", "--no-input")
    assert "3 added" in applied.out
    lock = (consumer.stack.folder / "iac.lock.yaml").read_text()
    for name in ("names", "network", "servers"):
        assert f"source: {registry.host}/acme/{name}/mock" in lock
    assert lock.count("ed25519:") == 3
    assert "providers:" in lock

    registry.stop()
    try:
        unchanged = consumer.iac("plan", "--frozen", "--detailed-exitcode")
        assert "No changes" in unchanged.out
        consumer.stack.write(STACK.replace("prefix: shop", "prefix: shop, size: 3"))
        grown = consumer.iac("apply", "--auto-approve", "--no-input")
        assert "1 added" in grown.out
        verified = consumer.iac("module", "verify", "--offline", "--json").document
        assert verified["verified"] is True
    finally:
        registry.start()
