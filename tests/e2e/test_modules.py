"""Modules from end to end, from the command line and with real parts: PostgreSQL, the service over TLS, publications
with signatures, a stack that installs and applies them on the mock cloud, and goes on when the registry is gone."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from iacengine.testing.services.certificates import make_certificates
from iacengine.testing.services.registry import RegistryProcess
from iacengine.testing.services.sigstore import Sigstore

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


class Person:
    """Somebody with a home, a folder, and settings."""

    def __init__(self, stack: Any, home: Path, registry: RegistryProcess, **environment: str) -> None:
        assert registry.certificates is not None
        self.stack = stack
        self.environment = {
            "HOME": str(home),
            "IAC_REGISTRY": registry.host,
            "IAC_CA_BUNDLE": str(registry.certificates.authority),
            "IAC_KEY_PASSPHRASE": "correct horse battery",
            **environment,
        }

    def iac(self, *arguments: str, code: int | None = 0) -> Any:
        return self.stack.iac(*arguments, env=self.environment, code=code)

    def publish(self, name: str, version: str, files: dict[str, str], *more: str, code: int = 0) -> Any:
        folder = f"{name}-{version}"
        for path, text in files.items():
            self.stack.write(text, f"{folder}/{path}")
        return self.iac(
            *("module", "publish", folder, "--address", f"acme/{name}/mock", "--version", version, *more), code=code
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


@pytest.fixture(scope="module")
def author(registry: RegistryProcess, tmp_path_factory: pytest.TempPathFactory, stack_in: Any, warm: Any) -> Person:
    """Who has published names 1.0.0 and 1.1.0, and a network and servers that call one another, all signed."""
    registry.run("namespace", "create", "acme")
    scopes = [part for scope in ("publish:acme", "read", "admin") for part in ("--scope", scope)]
    secret = registry.run("token", "create", "--user", "ann", *scopes)["token"]
    folder = tmp_path_factory.mktemp("author")
    home = tmp_path_factory.mktemp("ann")
    token = {f"IAC_TOKEN_{registry.host.replace(':', '_')}": secret}
    person = Person(stack_in(folder, warm), home, registry, **token)
    person.iac("keys", "generate", "release")
    person.publish("names", "1.0.0", NAMES)
    person.publish("network", "1.0.0", NETWORK)
    person.publish("servers", "1.0.0", SERVERS)
    return person


@pytest.fixture(scope="module")
def warm(new_warm_process: Any) -> Any:
    """A warm process that has imported what installs and publishes, too."""
    return new_warm_process(Path(__file__).with_name("warm_with_modules.py"))


@pytest.fixture
def consumer(registry: RegistryProcess, author: Person, stack_in: Any, warm: Any, tmp_path: Path) -> Person:
    """Somebody else, who trusts the author's key."""
    (tmp_path / "stack").mkdir()
    stack = stack_in(tmp_path / "stack", warm)
    key = author.iac("keys", "export", "release").out
    stack.write(f"{key}namespaces:\n  acme/*: {{keys: [release]}}\n", "iac.trust.yaml")
    stack.write(STACK)
    return Person(stack, tmp_path / "bob", registry)


def told(done: Any, registry: RegistryProcess) -> str:
    """What was printed, with a constant host, and digests and keys left out."""
    text = done.out.replace(registry.host, "HOST")
    text = re.sub(r"(sha256|ed25519):[0-9a-f]+", r"\1:…", text)
    return re.sub(r"20\d\d-\d\d-\d\d", "DAY", text)


def test_modules_are_installed_and_applied_and_go_on_without_their_registry(
    registry: RegistryProcess, consumer: Person
) -> None:
    applied = consumer.iac("apply", "--auto-approve", "--no-input")
    assert "3 added" in applied.out
    lock = consumer.stack.folder.joinpath("iac.lock.yaml").read_text()
    for name in ("names", "network", "servers"):
        assert f"source: {registry.host}/acme/{name}/mock" in lock
    assert lock.count("ed25519:") == 3
    assert "providers:" in lock
    consumer.iac("plan", "--out", "saved.plan", "--no-input")

    registry.stop()
    try:
        unchanged = consumer.iac("plan", "--frozen", "--detailed-exitcode")
        assert "No changes" in unchanged.out
        consumer.stack.write(STACK.replace("prefix: shop", "prefix: shop, size: 3"))
        grown = consumer.iac("apply", "--auto-approve", "--no-input")
        assert "1 added" in grown.out
        verified = consumer.iac("module", "verify", "--offline", "--json").document
        assert verified["verified"] is True
        down = consumer.iac("module", "outdated", code=1)
        assert f"The registry {registry.host}" in down.err
    finally:
        registry.start()


def test_the_verb_init_says_what_it_has_locked(registry: RegistryProcess, consumer: Person) -> None:
    assert (
        told(consumer.iac("init"), registry)
        == """\
Module HOST/acme/names/mock 1.0.0 (signed by ed25519:…)
Module HOST/acme/network/mock 1.0.0 (signed by ed25519:…)
Module HOST/acme/servers/mock 1.0.0 (signed by ed25519:…)
Provider iacengine/mock 0.1.0
iac.lock.yaml has changed; commit it:
  + HOST/acme/names/mock 1.0.0
  + HOST/acme/network/mock 1.0.0
  + HOST/acme/servers/mock 1.0.0
  + provider iacengine/mock
State in iac.state.json: nothing made yet

The stack is ready. `iac plan` shows what it would change.
"""
    )
    assert consumer.iac("init", "--frozen", "--json").document["lock"]["changes"] == []


def test_every_verb_that_loads_a_stack_can_be_frozen(consumer: Person) -> None:
    for verb in (("init",), ("validate",), ("plan",), ("apply", "--auto-approve"), ("destroy", "--auto-approve")):
        refused = consumer.iac(*verb, "--frozen", code=1)
        assert "[lock_frozen]" in refused.err + refused.out, verb
    assert not consumer.stack.folder.joinpath("iac.lock.yaml").exists()
    consumer.iac("init")
    consumer.iac("validate", "--frozen")


def test_a_saved_plan_is_applied_with_the_modules_it_was_made_of(consumer: Person) -> None:
    consumer.iac("plan", "--out", "saved.plan", "--no-input")
    (file,) = consumer.stack.folder.glob(".iac/modules/servers-*/main.iac.yaml")
    good = file.read_bytes()
    file.resolve().chmod(0o644)
    file.write_bytes(good + b"# changed\n")
    assert "[wrong_tree]" in consumer.iac("apply", "saved.plan", code=1).err
    file.write_bytes(good)
    assert "3 added" in consumer.iac("apply", "saved.plan").out


def test_the_cache_is_emptied_when_somebody_says_so(consumer: Person) -> None:
    consumer.iac("init")
    assert consumer.iac("module", "clean").out.startswith("Removed 0 modules")
    assert len(consumer.iac("module", "clean", "--older-than", "0", "--json").document["removed"]) == 3
    consumer.iac("plan", "--frozen")


def test_the_tree_shows_who_calls_whom(registry: RegistryProcess, consumer: Person) -> None:
    consumer.iac("init")
    assert (
        told(consumer.iac("module", "tree"), registry)
        == """\
.
└── HOST/acme/servers/mock 1.0.0 (wanted "1.0.0", main.iac.yaml:3:24)
    └── HOST/acme/network/mock 1.0.0 (wanted ">= 1.0, < 2.0")
        └── HOST/acme/names/mock 1.0.0 (wanted "~> 1.0")
"""
    )
    (servers,) = consumer.iac("module", "tree", "--json").document["calls"]
    assert servers["calls"][0]["calls"][0]["version"] == "1.0.0"
    assert servers["place"] == {"file": "main.iac.yaml", "line": 3, "column": 24, "call": "app"}


def test_the_verb_why_shows_chains_with_places(registry: RegistryProcess, consumer: Person) -> None:
    consumer.iac("init")
    assert (
        told(consumer.iac("module", "why", "names"), registry)
        == """\
HOST/acme/names/mock 1.0.0 is used, because
- main.iac.yaml:3:24 (module app) requires HOST/acme/servers/mock "1.0.0", of which 1.0.0 requires \
HOST/acme/network/mock ">= 1.0, < 2.0" (main.iac.yaml:3:24), of which 1.0.0 requires \
HOST/acme/names/mock "~> 1.0" (main.iac.yaml:3:26)
"""
    )
    (chain,) = consumer.iac("module", "why", "acme/names", "--json").document["chains"]
    assert [one["source"].split("/")[2] for one in chain] == ["servers", "network", "names"]
    assert "Did you mean" in consumer.iac("module", "why", "nams", code=1).err


def test_what_is_newer_is_told_and_taken_when_asked_for(
    registry: RegistryProcess, author: Person, consumer: Person
) -> None:
    consumer.iac("init")
    assert consumer.iac("module", "outdated").out == "Every module is of the newest version.\n"
    author.publish("names", "1.1.0", NAMES | {"more.iac.yaml": "locals: {a: 1}\n"})
    shown = told(consumer.iac("module", "outdated", "--exit-code", code=2), registry).splitlines()
    assert [line.split() for line in shown] == [
        ["module", "locked", "allowed", "newest", "constraint"],
        ["HOST/acme/names/mock", "1.0.0", "1.1.0", "1.1.0", "~>", "1.0"],
    ]
    updated = consumer.iac("module", "update", "names")
    assert "+ " + registry.host + "/acme/names/mock 1.1.0" in updated.out
    assert consumer.iac("module", "outdated", "--json").document["outdated"] == []
    assert "No such module" in consumer.iac("module", "update", "nobody", code=1).err


def test_a_module_that_was_changed_in_the_cache_fails_verification(consumer: Person, tmp_path: Path) -> None:
    consumer.iac("init")
    assert consumer.iac("module", "verify").out.count("signed by ed25519:") == 3
    cache = tmp_path / "bob" / ".cache" / "iacengine" / "modules" / "sha256"
    file = next(path for path in sorted(cache.glob("*/main.iac.yaml")) if "mock_server" in path.read_text())
    file.chmod(0o644)
    file.write_text(SERVERS["main.iac.yaml"].replace("default: 2", "default: 9"))
    refused = consumer.iac("module", "verify", code=1)
    assert "acme/servers/mock 1.0.0: refused" in refused.out
    assert "[wrong_tree]" in refused.err
    modules = consumer.iac("module", "verify", "--json", code=1).document["modules"]
    (bad,) = (one for one in modules if not one["verified"])
    assert bad["diagnostics"][0]["code"] == "wrong_tree"
    assert "[wrong_tree]" in consumer.iac("plan", code=1).err


def test_publishing_the_same_again_is_no_error_and_other_bytes_are(author: Person) -> None:
    again = author.publish("names", "1.0.0", NAMES)
    assert again.out.startswith("There already, with the same bytes:")
    refused = author.publish("names", "1.0.0", {"main.iac.yaml": "locals: {a: 2}\n"}, code=1)
    assert "Version exists with other contents" in refused.err
    author.stack.write(NAMES["main.iac.yaml"], "names-1.0.0/main.iac.yaml")


def test_nobody_publishes_without_a_token(author: Person, consumer: Person) -> None:
    consumer.iac("keys", "generate", "own")
    consumer.stack.write("locals: {a: 1}\n", "mine/main.iac.yaml")
    refused = consumer.iac("module", "publish", "mine", "--address", "acme/x/mock", "--version", "1.0.0", code=1)
    assert "iac login" in refused.err


def test_what_would_be_published_is_shown_without_publishing(consumer: Person) -> None:
    consumer.iac("module", "init", "begun", "--address", "acme/begun/mock")
    shown = consumer.iac("module", "publish", "begun", "--dry-run", "--out", "begun.tar.gz").out
    assert shown.startswith("acme/begun/mock 0.1.0: 9 files")
    document = consumer.iac("module", "publish", "begun", "--dry-run", "--json").document
    package = consumer.stack.folder.joinpath("begun.tar.gz").read_bytes()
    assert document["package_digest"] == f"sha256:{hashlib.sha256(package).hexdigest()}"
    assert (
        "There is a module already"
        in consumer.iac("module", "init", "begun", "--address", "acme/begun/mock", code=1).err
    )


def test_a_module_that_was_begun_works(consumer: Person) -> None:
    consumer.iac("module", "init", "begun", "--address", "acme/begun/mock")
    consumer.iac("apply", "begun/examples/basic", "--auto-approve", "--no-input")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "begun/tests"],
        cwd=consumer.stack.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_modules_are_found_and_shown(registry: RegistryProcess, author: Person, consumer: Person) -> None:
    found = consumer.iac("module", "search", "server").out
    assert "acme/servers/mock 1.0.0\n" in found
    (hit,) = consumer.iac("module", "search", "servers", "--resource-type", "mock_server", "--json").document["hits"]
    assert hit["address"] == "acme/servers/mock"
    assert 'No module is found for "zzzqqq"' in consumer.iac("module", "search", "zzzqqq").out
    shown = told(consumer.iac("module", "show", "acme/servers/mock@1.0.0"), registry)
    for part in (
        "HOST/acme/servers/mock 1.0.0\n",
        "Published   DAY by ann\n",
        "Signatures  ed25519:…\n",
        "  acme/network/mock >= 1.0, < 2.0\n",
        "    version: ~> 1.0\n    prefix: …\n",
        "Inputs\n  prefix  string  required\n  size    number  default 2\n",
        "Outputs\n  ids\n",
        "  mock_server.web\n",
    ):
        assert part in shown, shown
    document = consumer.iac("module", "show", "acme/servers/mock", "--json").document
    assert document["version"]["entry"]["dependencies"][0]["source"] == "acme/network/mock"
    assert "[" not in consumer.iac("module", "show", "acme/nothing/mock", code=1).out


def test_a_yanked_version_is_told_to_those_who_have_it_and_chosen_by_nobody_else(
    author: Person, consumer: Person
) -> None:
    author.publish("old", "1.0.0", {"main.iac.yaml": "locals: {a: 1}\n"})
    author.publish("old", "1.1.0", {"main.iac.yaml": "locals: {a: 2}\n"})
    consumer.stack.write("module: {old: {source: acme/old/mock, version: ~> 1.0}}\n")
    consumer.iac("init")
    author.iac("module", "yank", "acme/old/mock@1.1.0", "--reason", "it leaks")
    consumer.iac("plan")
    assert "yanked: it leaks" in consumer.iac("module", "outdated").out
    consumer.iac("module", "update")
    assert "1.0.0" in consumer.stack.folder.joinpath("iac.lock.yaml").read_text()
    author.iac("module", "yank", "acme/old/mock", "1.1.0", "--undo")
    assert consumer.iac("module", "outdated", "--json").document["outdated"][0]["newest"] == "1.1.0"


def test_a_deprecated_module_names_its_successor(author: Person, consumer: Person) -> None:
    author.publish("older", "1.0.0", {"main.iac.yaml": "locals: {a: 3}\n"})
    author.iac("module", "deprecate", "acme/older/mock", "--reason", "renamed", "--successor", "acme/names/mock")
    assert "Deprecated: renamed; use acme/names/mock" in consumer.iac("module", "show", "acme/older/mock").out
    author.iac("module", "deprecate", "acme/older/mock", "--undo")
    assert "Deprecated" not in consumer.iac("module", "show", "acme/older/mock").out


def test_a_key_that_its_owner_revokes_at_the_registry_counts_for_nobody(author: Person, consumer: Person) -> None:
    author.iac("keys", "generate", "stolen")
    author.publish("secret", "1.0.0", {"main.iac.yaml": "locals: {a: 4}\n"}, "--key", "stolen")
    key = author.iac("keys", "export", "stolen").out
    consumer.stack.write(f"{key}namespaces:\n  acme/*: {{keys: [stolen]}}\n", "iac.trust.yaml")
    consumer.stack.write("module: {m: {source: acme/secret/mock, version: 1.0.0}}\n")
    consumer.iac("init")
    host = author.environment["IAC_REGISTRY"]
    author.iac("keys", "revoke", "stolen", "--yes", "--reason", "laptop lost", "--registry", host)
    refused = consumer.iac("module", "verify", code=1)
    assert "[revoked_key]" in refused.err
    assert "laptop lost" in refused.err
    assert "[revoked_key]" in consumer.iac("plan", code=1).err


def test_a_key_that_is_met_first_is_accepted_when_somebody_says_so(author: Person, consumer: Person) -> None:
    consumer.stack.write("first_use: ask\n", "iac.trust.yaml")
    refused = consumer.iac("init", code=1)
    assert "[first_use]" in refused.err
    (accept,) = set(re.findall(r"--accept-key\s+(ed25519:[0-9a-f]{32})", refused.err))
    assert accept in author.iac("keys", "list").out
    consumer.iac("init", "--accept-key", accept)
    consumer.iac("plan")


def test_a_build_service_signs_with_sigstore_instead_of_a_key(author: Person, consumer: Person) -> None:
    identity, issuer = "https://ci.example.org/acme/built@main", "https://issuer.example.org"
    files = {"main.iac.yaml": "output: {at: {value: 5}}\n"}
    author.publish("built", "1.0.0", files, "--dry-run", "--statement", "built.statement.json")
    statement = author.stack.folder.joinpath("built.statement.json").read_bytes()
    sigstore = Sigstore()
    bundle = sigstore.bundle(statement, identity, issuer, signed=datetime.now(UTC))
    author.stack.write(json.dumps(bundle), "built.sigstore.json")
    published = author.publish("built", "1.0.0", files, "--sigstore-bundle", "built.sigstore.json")
    assert f"signed by sigstore:{identity}" in published.out
    assert f"Signatures  sigstore:{identity}\n" in consumer.iac("module", "show", "acme/built/mock").out

    consumer.stack.write("module: {m: {source: acme/built/mock, version: 1.0.0}}\n")
    assert "[untrusted_key]" in consumer.iac("init", code=1).err
    sigstore.write_trusted_root(consumer.stack.folder / "trusted_root.json")
    said = f"""
sigstore: [{{name: acme-ci, identity: {identity}, issuer: {issuer}, trusted_root: trusted_root.json}}]
namespaces: {{acme/*: {{keys: [acme-ci]}}}}
"""
    consumer.stack.write(said, "iac.trust.yaml")
    assert "acme/built/mock 1.0.0 (signed by sigstore:acme-ci)" in consumer.iac("init").out
    assert "signed by sigstore:acme-ci" in consumer.iac("module", "verify").out
    consumer.iac("plan", "--frozen")
    consumer.stack.write(said.replace("@main", "@other"), "iac.trust.yaml")
    refused = consumer.iac("plan", "--frozen", code=1).err
    assert "[untrusted_key]" in refused
    assert "SANs do not match" in refused


def test_what_is_no_sigstore_bundle_is_not_published(author: Person) -> None:
    author.stack.write("{}", "none.sigstore.json")
    refused = author.publish("unbuilt", "1.0.0", NAMES, "--sigstore-bundle", "none.sigstore.json", code=1)
    assert "Not a Sigstore bundle" in refused.err
    refused = author.publish("unbuilt", "1.0.0", NAMES, "--sigstore-bundle", "nothing.json", code=1)
    assert "There is no file nothing.json" in refused.err
    refused = author.publish("unbuilt", "1.0.0", NAMES, "--sigstore-bundle", "x", "--unsigned", code=1)
    assert "--unsigned excludes" in refused.err
