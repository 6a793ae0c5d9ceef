"""Sigstore bundles: verified with the user's trusted roots alone, and counted as signatures of modules.

The Sigstore that signs is one of the tests (`iacengine.testing.services.sigstore`), with keys of its own.
"""

from __future__ import annotations

import base64
import copy
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from iacengine.modules.bundle import BundleError, claimed_signer, decode_bundle, is_bundle
from iacengine.modules.dsse import encode_envelope, sign
from iacengine.modules.publication import statement_of
from iacengine.modules.sigstore import bundle_payload
from iacengine.modules.source import parse_address
from iacengine.modules.statement import PAYLOAD_TYPE, Statement, encode_statement
from iacengine.modules.trust import SigstoreIdentity, parse_policy
from iacengine.modules.verification import Subject, VerificationError, Verified, verify
from iacengine.testing.services.sigstore import Sigstore

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
WORKFLOW = "https://github.com/acme/vault/.github/workflows/release.yml@refs/heads/main"
ISSUER = "https://token.actions.githubusercontent.com"
TREE, PACKAGE = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
VAULT = parse_address("r.example.org/acme/vault/mock")
SUBJECT = Subject(VAULT, "1.0.0", TREE, PACKAGE)
STATEMENT = encode_statement(Statement(replace(VAULT, host=""), "1.0.0", PACKAGE, TREE, NOW))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but this machine can be reached."""
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def near(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1"):
            pytest.fail(f"{address} was to be reached")
        connect(self, address)

    def found(host: Any, *arguments: Any, **named: Any) -> Any:
        if host not in ("localhost", "127.0.0.1", b"localhost", b"127.0.0.1"):
            pytest.fail(f"{host} was looked up")
        return resolve(host, *arguments, **named)

    monkeypatch.setattr(socket.socket, "connect", near)
    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.fixture(scope="session")
def sigstore() -> Sigstore:
    return Sigstore(NOW - timedelta(days=365))


@pytest.fixture(scope="session")
def trusted_root(sigstore: Sigstore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sigstore.write_trusted_root(tmp_path_factory.mktemp("sigstore") / "trusted_root.json")


@pytest.fixture
def workflow(trusted_root: Path) -> SigstoreIdentity:
    return SigstoreIdentity("acme-ci", WORKFLOW, ISSUER, str(trusted_root))


@pytest.fixture(scope="session")
def bundle(sigstore: Sigstore) -> dict[str, Any]:
    """A good bundle of the workflow's. Not to be changed."""
    return sigstore.bundle(STATEMENT, WORKFLOW, ISSUER, signed=NOW)


def text_of(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def refusal(bundle: dict[str, Any] | bytes, identity: SigstoreIdentity) -> str:
    with pytest.raises(ValueError, match=r".") as refused:
        bundle_payload(bundle if isinstance(bundle, bytes) else text_of(bundle), identity)
    assert isinstance(refused.value, BundleError)
    assert str(refused.value).isprintable()
    return str(refused.value)


# --- one bundle -------------------------------------------------------------------------------------------------------


def test_a_bundle_of_the_identity_has_its_payload(bundle: dict[str, Any], workflow: SigstoreIdentity) -> None:
    assert bundle_payload(text_of(bundle), workflow) == STATEMENT


def test_an_address_signs_as_well_as_a_workflow(sigstore: Sigstore, workflow: SigstoreIdentity) -> None:
    made = text_of(sigstore.bundle(STATEMENT, "ann@example.org", ISSUER, signed=NOW))
    assert claimed_signer(decode_bundle(made)) == "sigstore:ann@example.org"
    assert bundle_payload(made, replace(workflow, identity="ann@example.org")) == STATEMENT


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"identity": WORKFLOW.replace("acme", "acme2")}, "do not match"),
        ({"identity": WORKFLOW[:-1]}, "do not match"),
        ({"issuer": "https://gitlab.com"}, "OIDCIssuer does not match"),
        ({"issuer": f"{ISSUER}/"}, "OIDCIssuer does not match"),
    ],
)
def test_another_identity_did_not_sign_it(
    bundle: dict[str, Any], workflow: SigstoreIdentity, other: dict[str, str], told: str
) -> None:
    assert told in refusal(bundle, replace(workflow, **other))


def in_payload(bundle: dict[str, Any]) -> None:
    changed = STATEMENT.replace(b'"1.0.0"', b'"1.0.1"')
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(changed).decode()


def in_payload_type(bundle: dict[str, Any]) -> None:
    bundle["dsseEnvelope"]["payloadType"] = "text/plain"


def in_signature(bundle: dict[str, Any]) -> None:
    (signature,) = bundle["dsseEnvelope"]["signatures"]
    signature["sig"] = flipped(signature["sig"])


def twice_signed(bundle: dict[str, Any]) -> None:
    bundle["dsseEnvelope"]["signatures"] *= 2


def entry_of(bundle: dict[str, Any]) -> Any:
    return bundle["verificationMaterial"]["tlogEntries"][0]


def in_promise(bundle: dict[str, Any]) -> None:
    promise = entry_of(bundle)["inclusionPromise"]
    promise["signedEntryTimestamp"] = flipped(promise["signedEntryTimestamp"])


def in_time_of_log(bundle: dict[str, Any]) -> None:
    entry_of(bundle)["integratedTime"] = str(int(entry_of(bundle)["integratedTime"]) + 1)


def in_root_of_log(bundle: dict[str, Any]) -> None:
    entry_of(bundle)["inclusionProof"]["rootHash"] = base64.b64encode(bytes(32)).decode()


def in_path_of_log(bundle: dict[str, Any]) -> None:
    entry_of(bundle)["inclusionProof"]["hashes"] = [base64.b64encode(bytes(32)).decode()]


def in_checkpoint(bundle: dict[str, Any]) -> None:
    checkpoint = entry_of(bundle)["inclusionProof"]["checkpoint"]
    head, _, signature = checkpoint["envelope"].rstrip("\n").rpartition(" ")
    checkpoint["envelope"] = f"{head} {flipped(signature)}\n"


def without_promise(bundle: dict[str, Any]) -> None:
    del entry_of(bundle)["inclusionPromise"]


def without_proof(bundle: dict[str, Any]) -> None:
    del entry_of(bundle)["inclusionProof"]


def without_entry(bundle: dict[str, Any]) -> None:
    bundle["verificationMaterial"]["tlogEntries"] = []


def in_certificate(bundle: dict[str, Any]) -> None:
    certificate = bundle["verificationMaterial"]["certificate"]
    certificate["rawBytes"] = flipped(certificate["rawBytes"])


def as_old_version(bundle: dict[str, Any]) -> None:
    bundle["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1"


def flipped(text: str) -> str:
    """Base64 whose last byte is another one."""
    data = bytearray(base64.b64decode(text))
    data[-1] ^= 1
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (in_payload, "DSSE: invalid signature"),
        (in_payload_type, "DSSE: invalid signature"),
        (in_signature, "DSSE: invalid signature"),
        (twice_signed, "exactly one signature"),
        (in_promise, "invalid inclusion promise"),
        (in_time_of_log, "invalid inclusion promise"),
        (in_root_of_log, "invalid root hash"),
        (in_path_of_log, "invalid root hash"),
        (in_checkpoint, "checkpoint: invalid signature"),
        (without_promise, "inclusion promise or signed timestamp"),
        (without_proof, "inclusionProof"),
        (without_entry, "exactly one log entry"),
        (in_certificate, "certificate chain"),
        (as_old_version, "version 0.3"),
    ],
)
def test_a_bundle_that_was_changed_is_refused(
    bundle: dict[str, Any], workflow: SigstoreIdentity, change: Callable[[dict[str, Any]], None], told: str
) -> None:
    changed = copy.deepcopy(bundle)
    change(changed)
    assert told in refusal(changed, workflow)


def test_the_entry_of_another_signature_proves_nothing(
    sigstore: Sigstore, bundle: dict[str, Any], workflow: SigstoreIdentity
) -> None:
    other = sigstore.bundle(STATEMENT, WORKFLOW, ISSUER, signed=NOW)
    changed = copy.deepcopy(bundle)
    changed["verificationMaterial"]["tlogEntries"] = other["verificationMaterial"]["tlogEntries"]
    assert "log entry signatures do not match" in refusal(changed, workflow)


def test_a_certificate_counts_only_while_it_is_valid(sigstore: Sigstore, workflow: SigstoreIdentity) -> None:
    def logged(after: timedelta) -> dict[str, Any]:
        return sigstore.bundle(STATEMENT, WORKFLOW, ISSUER, signed=NOW, logged=NOW + after)

    assert bundle_payload(text_of(logged(timedelta(minutes=10))), workflow) == STATEMENT
    for after in (timedelta(minutes=11), timedelta(minutes=-1)):
        assert "certificate" in refusal(logged(after), workflow)


def test_a_certificate_has_to_be_in_a_log(sigstore: Sigstore, workflow: SigstoreIdentity) -> None:
    made = sigstore.bundle(STATEMENT, WORKFLOW, ISSUER, signed=NOW, vouched=False)
    assert "signed certificate timestamp" in refusal(made, workflow)


def test_a_payload_of_another_type_is_refused(sigstore: Sigstore, workflow: SigstoreIdentity) -> None:
    made = sigstore.bundle(STATEMENT, WORKFLOW, ISSUER, signed=NOW, payload_type="text/plain")
    assert "another type" in refusal(made, workflow)


@pytest.mark.parametrize("part", ["certificateAuthorities", "ctlogs", "tlogs"])
def test_every_part_of_the_trusted_root_is_needed(
    sigstore: Sigstore, bundle: dict[str, Any], workflow: SigstoreIdentity, tmp_path: Path, part: str
) -> None:
    """With the authority, or one of the logs, of another Sigstore."""
    path = tmp_path / "trusted_root.json"
    path.write_text(json.dumps(sigstore.trusted_root() | {part: Sigstore(sigstore.started).trusted_root()[part]}))
    told = {"certificateAuthorities": "certificate chain", "ctlogs": "SCT", "tlogs": "invalid log entry"}
    assert told[part] in refusal(bundle, replace(workflow, trusted_root=str(path)))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"mediaType": "x"}', "\0"])
def test_a_trusted_root_that_is_none_is_told_with_its_path(
    bundle: dict[str, Any], workflow: SigstoreIdentity, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "root.json"
    assert f"{path} cannot be read" in refusal(bundle, replace(workflow, trusted_root=str(path)))
    path.write_text(text)
    assert f"{path} is no file of trusted roots" in refusal(bundle, replace(workflow, trusted_root=str(path)))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"mediaType": 1}',
        b'{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}',
        b'{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "dsseEnvelope": {"payload": "?"}}',
        b'{"mediaType": "a", "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_bundle_is_refused(text: bytes, workflow: SigstoreIdentity) -> None:
    assert "cannot be read" in refusal(text, workflow)


@pytest.mark.parametrize("certificate", [b"", b"\x30\x00", b"no certificate"])
def test_a_bundle_whose_certificate_is_none_is_refused(
    bundle: dict[str, Any], workflow: SigstoreIdentity, certificate: bytes
) -> None:
    changed = copy.deepcopy(bundle)
    changed["verificationMaterial"]["certificate"]["rawBytes"] = base64.b64encode(certificate).decode()
    assert "did not sign it" in refusal(changed, workflow)
    with pytest.raises(ValueError, match="certificate"):
        claimed_signer(decode_bundle(text_of(changed)))


def test_without_the_library_it_is_said_what_to_install(bundle: dict[str, Any], trusted_root: Path) -> None:
    program = f"""
import sys
sys.modules["sigstore"] = None
from iacengine.modules.sigstore import bundle_payload
from iacengine.modules.trust import SigstoreIdentity
try:
    bundle_payload({text_of(bundle)!r}, SigstoreIdentity("acme-ci", "", "", {str(trusted_root)!r}))
except ValueError as refused:
    print(refused, refused.remedy)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "the library sigstore is needed" in done.stdout
    assert "pip install 'iacengine[sigstore]'" in done.stdout


# --- policies ---------------------------------------------------------------------------------------------------------


def policy(folder: Path, keys: str = "[acme-ci]", more: str = "") -> Any:
    text = f"""
sigstore:
  - {{name: acme-ci, identity: {WORKFLOW}, issuer: {ISSUER}, trusted_root: trusted_root.json}}
  - {{name: else, identity: nobody@example.org, issuer: {ISSUER}, trusted_root: trusted_root.json}}
namespaces:
  acme/*: {{keys: {keys}}}
{more}
"""
    return parse_policy(text.encode(), str(folder / "iac.trust.yaml"))


def judged(said: Any, document: dict[str, Any], subject: Subject = SUBJECT, **more: Any) -> Verified:
    return verify(subject, (), said, now=NOW, bundles=[text_of(document)], sigstore=bundle_payload, **more)


def test_an_identity_that_a_namespace_names_counts_as_a_signer(bundle: dict[str, Any], trusted_root: Path) -> None:
    for keys in ("[acme-ci]", "[else, acme-ci]"):
        verified = judged(policy(trusted_root.parent, keys), bundle)
        assert verified.ids == ("sigstore:acme-ci",)
        assert verified.signers[0].statement.tree_digest == TREE


@pytest.mark.parametrize(
    ("keys", "more", "code"),
    [
        ("[else]", "", "untrusted_key"),
        ("[acme-ci, else], signatures: 2", "", "too_few_signatures"),
        ("[acme-ci]", "revoked: [acme-ci]", "revoked_key"),
    ],
)
def test_what_a_policy_does_not_allow_is_refused(
    bundle: dict[str, Any], trusted_root: Path, keys: str, more: str, code: str
) -> None:
    with pytest.raises(VerificationError) as refused:
        judged(policy(trusted_root.parent, keys, more), bundle)
    assert refused.value.code == code
    assert refused.value.diagnostics[0].remedy


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"version": "1.0.1"}, "wrong_version"),
        ({"tree_digest": PACKAGE}, "wrong_tree"),
        ({"package_digest": TREE}, "wrong_package"),
        ({"address": replace(VAULT, name="other")}, "wrong_module"),
    ],
)
def test_a_bundle_about_something_else_is_refused(
    bundle: dict[str, Any], trusted_root: Path, changed: dict[str, Any], code: str
) -> None:
    with pytest.raises(VerificationError) as refused:
        judged(policy(trusted_root.parent), bundle, replace(SUBJECT, **changed))
    assert refused.value.code == code


def test_bundles_are_told_from_envelopes(bundle: dict[str, Any], keys: list[Any]) -> None:
    assert is_bundle(text_of(bundle))
    assert not is_bundle(encode_envelope(sign(PAYLOAD_TYPE, STATEMENT, keys)))
    assert not is_bundle(b'{"payload": "\\"mediaType\\""}')
    assert not is_bundle(b'["mediaType"]')


# --- whole installations ----------------------------------------------------------------------------------------------


def test_a_module_with_a_bundle_is_installed_and_judged_again_at_every_load(
    shelf: Any, site: Any, code_of: Callable[..., str], sigstore: Sigstore
) -> None:
    packed = shelf.publish("acme/net/mock", "1.0.0")
    made = sigstore.bundle(statement_of(packed.package, NOW), WORKFLOW, ISSUER, signed=NOW)
    shelf.change("acme/net/mock", "1.0.0", envelopes=(text_of(made),))
    sigstore.write_trusted_root(site.folder / "trusted_root.json")
    site.write("module: {net: {source: acme/net/mock, version: 1.0.0}}\n")
    said = f"""
sigstore: [{{name: acme-ci, identity: {WORKFLOW}, issuer: {ISSUER}, trusted_root: trusted_root.json}}]
namespaces: {{acme/*: {{keys: [acme-ci]}}}}
"""
    site.trust(said)
    site.install()
    assert site.lock.modules[0].signers == ("sigstore:acme-ci",)
    shelf.stop()
    site.load(frozen=True)
    site.trust(said.replace("release.yml", "other.yml"))
    assert code_of(site.load, frozen=True) == "untrusted_key"
    site.trust(said)
    Sigstore().write_trusted_root(site.folder / "trusted_root.json")
    assert code_of(site.load, frozen=True) == "untrusted_key"
