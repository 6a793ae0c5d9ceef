"""The client of registries: what it asks, what it keeps, and whom it asks instead."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.foundation.http import HttpSettings
from iacengine.foundation.retry import Backoff
from iacengine.modules import wire
from iacengine.modules.cache import open_cache
from iacengine.modules.client import REMEMBERED, RegistryClient
from iacengine.modules.settings import registry_settings
from iacengine.modules.source import parse_address

QUICK = HttpSettings(backoff=Backoff(retries=3, first=0.001, longest=0.002, patience=10.0))
NAME = "acme/net/mock"


class Clock:
    """Time that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def new_client(user: dict[str, str], clock: Clock) -> Iterator[Callable[..., RegistryClient]]:
    """new_client(): a client of the user, as one run has it."""
    made: list[RegistryClient] = []

    def make(http: HttpSettings = QUICK, **environment: str) -> RegistryClient:
        given = {**user, **environment}
        made.append(
            RegistryClient(registry_settings(given), open_cache(given), environment=given, http=http, clock=clock)
        )
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def network(shelf: Any) -> Any:
    shelf.publish(NAME, "1.0.0")
    return shelf


def where(shelf: Any) -> Any:
    return parse_address(f"{shelf.host}/{NAME}")


def versions(client: RegistryClient, shelf: Any) -> list[str]:
    return [offer.version for offer in client.offers(where(shelf))]


# --- remembering ------------------------------------------------------------------------------------------------------


def test_an_answer_is_taken_for_true_for_a_minute(new_client: Any, network: Any, clock: Clock) -> None:
    client = new_client()
    assert versions(client, network) == ["1.0.0"]
    network.publish(NAME, "1.1.0")
    clock.now = REMEMBERED - 1
    assert versions(client, network) == ["1.0.0"]
    clock.now = REMEMBERED + 1
    assert versions(client, network) == ["1.0.0", "1.1.0"]
    assert client.metrics().hits == 1


def tagged(shelf: Any) -> None:
    """Have the registry give ETags, and answer conditional requests."""

    def tamper(reply: Any) -> None:
        if reply.path.endswith("/versions"):
            tag = f'"{hashlib.sha256(reply.content).hexdigest()}"'
            reply.headers["ETag"] = tag
            if shelf.headers[-1].get("if-none-match") == tag:
                reply.status, reply.content = 304, b""

    shelf.tamper = tamper


def test_the_next_run_asks_only_whether_an_answer_is_still_true(new_client: Any, network: Any) -> None:
    tagged(network)
    versions(new_client(), network)
    assert versions(new_client(), network) == ["1.0.0"]
    assert network.headers[-1]["if-none-match"]
    network.publish(NAME, "1.1.0")
    assert versions(new_client(), network) == ["1.0.0", "1.1.0"]


def test_a_kept_answer_that_was_changed_on_disk_is_asked_for_again(
    new_client: Any, network: Any, user: dict[str, str]
) -> None:
    tagged(network)
    versions(new_client(), network)
    (kept,) = Path(open_cache(user).place("answers")).iterdir()
    kept.write_bytes(kept.read_bytes().replace(b"1.0.0", b"6.6.6"))
    assert versions(new_client(), network) == ["1.0.0"]
    assert "if-none-match" not in network.headers[-1]


def test_an_answer_for_one_token_is_not_shown_to_another(new_client: Any, network: Any) -> None:
    tagged(network)
    variable = f"IAC_TOKEN_{network.host.replace(':', '_')}"
    versions(new_client(**{variable: "iac_one"}), network)
    versions(new_client(**{variable: "iac_two"}), network)
    assert "if-none-match" not in network.headers[-1]
    assert network.headers[-1]["authorization"] == "Bearer iac_two"


# --- trouble ----------------------------------------------------------------------------------------------------------


def test_what_may_pass_is_asked_again(new_client: Any, network: Any) -> None:
    failures = iter([503, 429, 502])

    def tamper(reply: Any) -> None:
        if reply.path.endswith("/versions") and (status := next(failures, None)) is not None:
            reply.status = status

    network.tamper = tamper
    assert versions(new_client(), network) == ["1.0.0"]
    assert sum(path.endswith("/versions") for path in network.paths) == 4


def test_a_registry_that_keeps_failing_is_left_alone_for_a_while(new_client: Any, network: Any, clock: Clock) -> None:
    network.tamper = lambda reply: setattr(reply, "status", 503)
    client = new_client()
    for _ in range(4):
        with pytest.raises(DiagnosticsError) as refused:
            versions(client, network)
    asked = len(network.asked)
    with pytest.raises(DiagnosticsError, match="is not asked again"):
        versions(client, network)
    assert len(network.asked) == asked
    assert "in the cache can be planned" in str(refused.value.diagnostics[0].remedy)
    network.tamper = None
    clock.now += 60
    assert versions(client, network) == ["1.0.0"]


def test_a_refusal_is_told_in_the_words_of_the_registry(new_client: Any, network: Any) -> None:
    problem = wire.Problem("Too curious", 403, "curious", "Nobody may see this.", "Ask ann.")

    def tamper(reply: Any) -> None:
        if reply.path.endswith("/versions"):
            reply.status, reply.content = 403, wire.encode(problem)
            reply.headers["Content-Type"] = wire.PROBLEM_TYPE

    network.tamper = tamper
    with pytest.raises(DiagnosticsError) as refused:
        versions(new_client(), network)
    (found,) = refused.value.diagnostics
    assert (found.summary, found.remedy, found.code) == ("Too curious", "Ask ann.", "curious")
    assert "Nobody may see this." in found.detail
    assert (refused.value.status, refused.value.code) == (403, "curious")  # type: ignore[attr-defined]


def test_a_module_that_is_not_there_has_no_versions(new_client: Any, shelf: Any) -> None:
    assert versions(new_client(), shelf) == []


def test_a_certificate_of_nobody_known_is_refused(new_client: Any, network: Any, user: dict[str, str]) -> None:
    with pytest.raises(DiagnosticsError, match=r"(?i)certificate"):
        versions(new_client(IAC_CA_BUNDLE=""), network)
    assert network.asked == []


# --- mirrors ----------------------------------------------------------------------------------------------------------


def test_a_mirror_is_asked_first_and_the_registry_is_spared(
    new_client: Any, network: Any, new_shelf: Callable[[], Any]
) -> None:
    mirror = new_shelf()
    mirror.modules = network.modules
    client = new_client(IAC_REGISTRY_MIRRORS=f"{network.host}=https://{mirror.host}")
    assert versions(client, network) == ["1.0.0"]
    assert network.asked == []


def test_a_mirror_that_is_down_is_passed_over(new_client: Any, network: Any, new_shelf: Callable[[], Any]) -> None:
    mirror = new_shelf()
    mirror.stop()
    client = new_client(IAC_REGISTRY_MIRRORS=f"{network.host}=https://{mirror.host}")
    assert versions(client, network) == ["1.0.0"]


def test_revoked_keys_are_asked_of_the_registry_itself(
    new_client: Any, network: Any, new_shelf: Callable[[], Any]
) -> None:
    mirror = new_shelf()
    network.revoked.append(wire.Revocation("ed25519:" + "0" * 32, "", "2026-11-01T00:00:00Z"))
    client = new_client(IAC_REGISTRY_MIRRORS=f"{network.host}=https://{mirror.host}")
    assert len(client.revocations(network.host)) == 1
    assert mirror.asked == []


# --- packages ---------------------------------------------------------------------------------------------------------


def package(client: RegistryClient, shelf: Any) -> bytes:
    (offer,) = client.offers(where(shelf))
    with client.package(where(shelf), offer) as file:
        return file.read()


def test_a_download_that_was_cut_off_goes_on_where_it_was(new_client: Any, network: Any, user: dict[str, str]) -> None:
    whole = network.modules[NAME]["1.0.0"].data
    cut = [len(whole) // 2]

    def tamper(reply: Any) -> None:
        if not reply.path.endswith("/package"):
            return
        asked = network.headers[-1].get("range", "")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start:
            reply.status = 206
            reply.headers["Content-Range"] = f"bytes {start}-{len(whole) - 1}/{len(whole)}"
        reply.content = whole[start:]
        if cut:
            reply.cut = cut.pop()

    network.tamper = tamper
    assert package(new_client(), network) == whole
    ranges = [headers.get("range") for headers in network.headers if "range" in headers]
    assert ranges == [f"bytes={len(whole) // 2}-"]
    assert list(Path(open_cache(user).place("downloads")).iterdir()) == []


def test_progress_is_told_to_the_end(new_client: Any, network: Any) -> None:
    told: list[tuple[int, int | None]] = []
    client = new_client()
    (offer,) = client.offers(where(network))
    with client.package(where(network), offer, lambda done, whole: told.append((done, whole))):
        assert told[-1] == (offer.size, offer.size)


# --- Terraform's protocol ---------------------------------------------------------------------------------------------


def as_terraform(shelf: Any, archive: str) -> None:
    """Have the registry speak Terraform's protocol alone."""

    def tamper(reply: Any) -> None:
        answers = {
            "/.well-known/terraform.json": {"modules.v1": "/v1/modules/"},
            f"/v1/modules/{NAME}/versions": {"modules": [{"versions": [{"version": "1.0.0"}, {"version": "1.2.0"}]}]},
        }
        if reply.path in answers:
            reply.status, reply.content = 200, json.dumps(answers[reply.path]).encode()
        elif reply.path == f"/v1/modules/{NAME}/1.2.0/download":
            reply.status, reply.content = 204, b""
            reply.headers["X-Terraform-Get"] = archive

    shelf.tamper = tamper


def test_a_registry_of_terraforms_protocol_is_understood(new_client: Any, shelf: Any) -> None:
    as_terraform(shelf, "/files/net.tar.gz")
    client = new_client()
    offers = client.offers(where(shelf))
    assert [(offer.version, offer.dependencies) for offer in offers] == [("1.0.0", None), ("1.2.0", None)]
    assert client.terraform_source(where(shelf), "1.2.0") == f"https://{shelf.host}/files/net.tar.gz"
    assert client.envelopes(where(shelf), "1.2.0") == ()
    assert client.revocations(shelf.host) == ()


def test_a_server_that_is_no_registry_is_told_as_such(new_client: Any, shelf: Any) -> None:
    shelf.tamper = lambda reply: setattr(reply, "content", b"{}")
    with pytest.raises(DiagnosticsError, match="Not a registry"):
        versions(new_client(), shelf)


def test_a_registry_does_not_lead_to_where_nothing_is_encrypted(new_client: Any, shelf: Any) -> None:
    def tamper(reply: Any) -> None:
        if "well-known" in reply.path:
            reply.content = b'{"modules.v1": "http://example.org/v1/"}'

    shelf.tamper = tamper
    with pytest.raises(DiagnosticsError, match="not encrypted"):
        versions(new_client(), shelf)


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("IAC_REGISTRY", "http://registry.example.org", "without encryption"),
        ("IAC_REGISTRY", "not a host", "Invalid registry"),
        ("IAC_REGISTRY_MIRRORS", "registry.example.org", "Invalid mirrors"),
        ("IAC_REGISTRY_MIRRORS", "registry.example.org=http://mirror.example.org", "Invalid mirror"),
        ("IAC_CA_BUNDLE", "/nowhere/ca.pem", "read the certificates"),
    ],
)
def test_wrong_settings_are_told(user: dict[str, str], variable: str, value: str, told: str) -> None:
    with pytest.raises(DiagnosticsError, match=told) as refused:
        registry_settings({**user, variable: value})
    assert refused.value.diagnostics[0].remedy


def test_settings_of_a_file_are_read_and_variables_go_before_them(user: dict[str, str]) -> None:
    file = Path(user["XDG_CONFIG_HOME"], "iacengine", "settings.yaml")
    file.write_text("registry: one.example.org\nmirrors: {one.example.org: [https://m.example.org/iac]}\n")
    found = registry_settings({**user, "IAC_REGISTRY": ""})
    assert found.default_host == "one.example.org"
    assert found.bases("one.example.org") == ("https://m.example.org/iac", "https://one.example.org")
    assert registry_settings({**user, "IAC_REGISTRY": "two.example.org"}).default_host == "two.example.org"
    file.write_text("registri: one.example.org\n")
    with pytest.raises(DiagnosticsError, match="registri"):
        registry_settings(user)
