"""What somebody malicious may try between a registry and a stack: each is refused with a code of its own, and nothing
of it is kept. What packages themselves may be is told in test_archive_attacks.py."""

from __future__ import annotations

import datetime
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.modules import wire
from iacengine.modules.dsse import decode_envelope, encode_envelope, sign
from iacengine.modules.package import ModulePackage
from iacengine.modules.publication import sign_module
from iacengine.modules.statement import PAYLOAD_TYPE, Statement, encode_statement

NAME = "acme/vault/mock"
FILES = "output: {at: {value: 1}}\n"
NOW = datetime.datetime(2026, 11, 1, 12, tzinfo=datetime.UTC)


def policy(*keys: Any, signatures: int = 1, more: str = "", expires: str = "") -> str:
    entries = "".join(
        f"  - {{name: k{number}, public: {key.public.text}{expires}}}\n" for number, key in enumerate(keys)
    )
    names = ", ".join(f"k{number}" for number in range(len(keys)))
    rule = f"namespaces: {{acme/*: {{keys: [{names}], signatures: {signatures}}}}}\n"
    return f"keys:\n{entries}{rule}{more}"


@pytest.fixture
def signed(site: Any, shelf: Any, keys: list[Any]) -> Any:
    """A stack that calls a module which is signed by the one key it trusts; what was published."""
    site.write(f"module: {{m: {{source: {NAME}, version: ~> 1.0}}}}\n")
    site.trust(policy(keys[0]))
    return shelf.publish(NAME, "1.0.0", FILES, [keys[0]])


@pytest.fixture(autouse=True)
def nothing_else_is_written(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever is refused: outside of the cache, the stack and the registry itself no file comes up."""
    yield
    allowed = ("home/cache/", "home/config/", "site", "shelf")
    found = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in found if not path.startswith(allowed)] == []


def assert_refused(site: Any, code_of: Callable[..., str], code: str, *, trees: int = 0) -> None:
    """Nothing is loaded, and nothing of it is in the cache."""
    before = site.lock_file.read_bytes() if site.lock_file.exists() else None
    assert code_of(site.load) == code
    assert len(site.trees) == trees, site.trees
    assert (site.lock_file.read_bytes() if site.lock_file.exists() else None) == before


# --- what is sound ----------------------------------------------------------------------------------------------------


def test_a_module_with_a_trusted_signature_is_installed(site: Any, signed: Any, keys: list[Any]) -> None:
    assert ("m",) in site.load(frozen=False).modules
    (locked,) = site.lock.modules
    assert (locked.digest, locked.signers) == (signed.package.tree_digest, (keys[0].id,))


# --- changed bytes ----------------------------------------------------------------------------------------------------


def test_every_changed_byte_of_a_package_is_found(site: Any, shelf: Any, signed: Any, code_of: Any) -> None:
    for place in range(0, len(signed.data), 37):
        data = bytearray(signed.data)
        data[place] ^= 0x20
        shelf.change(NAME, "1.0.0", data=bytes(data))
        assert_refused(site, code_of, "wrong_digest")


def test_a_registry_that_serves_other_files_and_promises_them_is_found_by_the_signature(
    site: Any, shelf: Any, signed: Any, code_of: Any
) -> None:
    envelopes = shelf.modules[NAME]["1.0.0"].envelopes
    other = shelf.publish(NAME, "1.0.0", "output: {at: {value: 2}}\n")
    shelf.put(NAME, "1.0.0", other, envelopes)
    assert_refused(site, code_of, "wrong_package")


def test_a_registry_that_promises_other_files_than_are_in_the_package_is_found(
    site: Any, shelf: Any, signed: Any, code_of: Any
) -> None:
    shelf.change(NAME, "1.0.0", tree_digest=f"sha256:{'0' * 64}")
    assert_refused(site, code_of, "promised_differs")


def test_a_registry_that_tells_of_other_calls_than_a_module_has_is_found(site: Any, shelf: Any, code_of: Any) -> None:
    shelf.publish("acme/other/mock", "1.0.0", FILES)
    shelf.publish(NAME, "1.0.0", "module: {other: {source: acme/other/mock, version: 1.0.0}}\n")
    shelf.change(NAME, "1.0.0", dependencies=())
    site.write(f"module: {{m: {{source: {NAME}, version: ~> 1.0}}}}\n")
    assert_refused(site, code_of, "wrong_manifest")


def test_a_changed_byte_in_what_was_signed_is_found(site: Any, shelf: Any, signed: Any, code_of: Any) -> None:
    envelope = json.loads(shelf.modules[NAME]["1.0.0"].envelopes[0])
    payload = bytearray(b64decode(envelope["payload"]))
    for place in range(0, len(payload), 11):
        changed = payload[:]
        changed[place] ^= 0x01
        broken = {**envelope, "payload": b64encode(bytes(changed)).decode()}
        shelf.change(NAME, "1.0.0", envelopes=(json.dumps(broken).encode(),))
        assert_refused(site, code_of, "bad_signature")


def test_a_changed_byte_in_a_signature_is_found(site: Any, shelf: Any, signed: Any, code_of: Any) -> None:
    envelope = json.loads(shelf.modules[NAME]["1.0.0"].envelopes[0])
    signature = b64decode(envelope["signatures"][0]["sig"])
    for place in range(0, 64, 7):
        changed = bytearray(signature)
        changed[place] ^= 0x01
        broken = {**envelope, "signatures": [{**envelope["signatures"][0], "sig": b64encode(bytes(changed)).decode()}]}
        shelf.change(NAME, "1.0.0", envelopes=(json.dumps(broken).encode(),))
        assert_refused(site, code_of, "bad_signature")


@pytest.mark.parametrize(
    "broken",
    [b"{}", b'{"payloadType": "x", "payload": "", "signatures": []}', b'{"payload": "eA=="}'],
    ids=["empty", "no-signatures", "no-type"],
)
def test_an_envelope_that_cannot_be_read_is_refused(
    site: Any, shelf: Any, signed: Any, code_of: Any, broken: bytes
) -> None:
    shelf.change(NAME, "1.0.0", envelopes=(broken,))
    assert_refused(site, code_of, "malformed_envelope")


def test_a_changed_file_in_the_cache_is_found_at_every_load(site: Any, signed: Any, code_of: Any) -> None:
    configuration = site.load()
    file = Path(configuration.modules[("m",)].directory).resolve() / "main.iac.yaml"
    file.chmod(0o644)
    file.write_text(FILES.replace("1", "6"))
    file.chmod(0o444)
    assert code_of(site.load) == "wrong_tree"


def test_a_file_that_is_added_to_the_cache_is_found(site: Any, signed: Any, code_of: Any) -> None:
    folder = Path(site.load().modules[("m",)].directory).resolve()
    folder.chmod(0o755)
    (folder / "evil_override.iac.yaml").write_text("output: {at: {value: 6}}\n")
    assert code_of(site.load) == "wrong_tree"


def test_no_changed_byte_of_a_lock_file_brings_other_files(site: Any, signed: Any) -> None:
    """Each is an error, or (in comments and the time) changes nothing of what is loaded."""
    site.load()
    good = site.lock_file.read_bytes()
    files = Path(site.load().modules[("m",)].directory).resolve()
    loads = 0
    for place in range(0, len(good), 3):
        changed = bytearray(good)
        changed[place] ^= 0x01
        site.lock_file.write_bytes(bytes(changed))
        try:
            loaded = site.load()
        except DiagnosticsError:
            continue
        loads += 1
        assert Path(loaded.modules[("m",)].directory).resolve() == files
    assert loads < len(good) / 6, "comments, times and providers"


@pytest.mark.parametrize(
    ("pattern", "other", "code"),
    [
        (r"digest: sha256:\w{8}", "digest: sha256:00000000", "locked_differs"),
        (r"version: 1\.0\.0", "version: 1.1.0", "locked_differs"),
        (r"- ed25519:\w{8}", "- ed25519:00000000", "other_signers"),
        (r"    time:", "    dependencies: [{source: acme/x/mock}]\n    time:", "locked_differs"),
    ],
    ids=["digest", "version", "signer", "dependencies"],
)
def test_a_changed_lock_file_is_refused(
    site: Any, signed: Any, code_of: Any, pattern: str, other: str, code: str
) -> None:
    site.load()
    text = site.lock_file.read_text()
    changed = re.sub(pattern, other, text, count=1)
    assert changed != text
    site.lock_file.write_text(changed)
    assert_refused(site, code_of, code, trees=1)


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_signature_by_a_key_that_nobody_trusts_is_refused(
    site: Any, shelf: Any, signed: Any, keys: list[Any], code_of: Any
) -> None:
    shelf.change(NAME, "1.0.0", envelopes=(sign_module(signed.package, [keys[1]], NOW),))
    assert_refused(site, code_of, "untrusted_key")


def test_a_signature_by_a_trusted_key_that_may_not_sign_here_is_refused(
    site: Any, shelf: Any, signed: Any, keys: list[Any], code_of: Any
) -> None:
    text = policy(keys[0], keys[1]).replace("[k0, k1]", "[k0]") + ""
    site.trust(text.replace("acme/*: ", "other/*: {keys: [k1]}, acme/*: "))
    shelf.change(NAME, "1.0.0", envelopes=(sign_module(signed.package, [keys[1]], NOW),))
    assert_refused(site, code_of, "key_not_for_namespace")


def test_a_signature_by_an_expired_key_is_refused(site: Any, signed: Any, keys: list[Any], code_of: Any) -> None:
    site.trust(policy(keys[0], expires=", expires: 2026-01-01"))
    assert_refused(site, code_of, "expired_key")


def test_a_signature_by_a_key_that_the_policy_revokes_is_refused(
    site: Any, signed: Any, keys: list[Any], code_of: Any
) -> None:
    site.trust(policy(keys[0], more="revoked: [k0]\n"))
    assert_refused(site, code_of, "revoked_key")


def test_a_signature_by_a_key_that_the_registry_revokes_is_refused(
    site: Any, shelf: Any, signed: Any, keys: list[Any], code_of: Any
) -> None:
    shelf.revoked.append(wire.Revocation(keys[0].id, "it was stolen", "2026-11-02T00:00:00Z"))
    assert_refused(site, code_of, "revoked_key")


def test_a_key_that_is_revoked_later_is_refused_at_the_next_load(
    site: Any, shelf: Any, signed: Any, keys: list[Any], code_of: Any
) -> None:
    site.load()
    site.trust(policy(keys[0], more="revoked: [k0]\n"))
    shelf.stop()
    assert_refused(site, code_of, "revoked_key", trees=1)


def test_what_a_registry_has_revoked_it_cannot_take_back(
    site: Any, shelf: Any, signed: Any, keys: list[Any], code_of: Any
) -> None:
    shelf.revoked.append(wire.Revocation(keys[0].id, "", "2026-11-02T00:00:00Z"))
    assert_refused(site, code_of, "revoked_key")
    shelf.revoked.clear()
    assert_refused(site, code_of, "revoked_key")


def test_one_key_cannot_claim_the_id_of_another(
    site: Any, shelf: Any, signed: Any, keys: list[Any], code_of: Any
) -> None:
    """Key confusion: the id in the envelope is that of a trusted key, the signature somebody else's."""
    envelope = json.loads(sign_module(signed.package, [keys[1]], NOW))
    envelope["signatures"][0]["keyid"] = keys[0].id
    shelf.change(NAME, "1.0.0", envelopes=(json.dumps(envelope).encode(),))
    assert_refused(site, code_of, "bad_signature")


def test_two_signatures_of_one_key_are_one(site: Any, shelf: Any, signed: Any, keys: list[Any], code_of: Any) -> None:
    site.trust(policy(keys[0], keys[1], signatures=2))
    twice = [sign_module(signed.package, [keys[0]], NOW + datetime.timedelta(hours=hours)) for hours in (0, 1)]
    shelf.change(NAME, "1.0.0", envelopes=tuple(twice))
    assert_refused(site, code_of, "too_few_signatures")


def test_a_signature_over_something_else_is_none_over_a_module(
    site: Any, shelf: Any, signed: Any, keys: list[Any], code_of: Any
) -> None:
    envelope = decode_envelope(shelf.modules[NAME]["1.0.0"].envelopes[0])
    other = encode_envelope(sign("text/plain", envelope.payload, [keys[0]]))
    shelf.change(NAME, "1.0.0", envelopes=(other,))
    assert_refused(site, code_of, "malformed_envelope")
    renamed = json.loads(other) | {"payloadType": PAYLOAD_TYPE}
    shelf.change(NAME, "1.0.0", envelopes=(json.dumps(renamed).encode(),))
    assert_refused(site, code_of, "bad_signature")


def test_signatures_that_are_taken_away_are_missed(site: Any, shelf: Any, signed: Any, code_of: Any) -> None:
    shelf.change(NAME, "1.0.0", envelopes=())
    assert_refused(site, code_of, "unsigned")


def test_signatures_that_are_taken_away_are_missed_where_no_rule_asks_for_them(
    site: Any, shelf: Any, keys: list[Any], code_of: Any
) -> None:
    """The lock file names who signed: without evidence in the cache that signature has to be there again."""
    site.write(f"module: {{m: {{source: {NAME}, version: ~> 1.0}}}}\n")
    site.trust("unsigned: allow\nfirst_use: ask\n" + policy(keys[0]))
    shelf.publish(NAME, "1.0.0", FILES, [keys[0]])
    site.load()
    site.trust("unsigned: allow\n")
    shelf.change(NAME, "1.0.0", envelopes=())
    site.forget()
    assert code_of(site.load) == "other_signers"


def test_a_module_that_was_signed_anew_after_its_key_was_revoked_is_locked_anew_on_demand(
    site: Any, shelf: Any, signed: Any, keys: list[Any], code_of: Any
) -> None:
    site.load()
    site.trust(policy(keys[0], keys[1], more="revoked: [k0]\n"))
    assert_refused(site, code_of, "revoked_key", trees=1)
    old = shelf.modules[NAME]["1.0.0"].envelopes
    shelf.change(NAME, "1.0.0", envelopes=(*old, sign_module(signed.package, [keys[1]], NOW)))
    assert_refused(site, code_of, "other_signers", trees=1)
    assert site.install([NAME]) == [f"~ {shelf.host}/{NAME} 1.0.0"]
    shelf.stop()
    assert ("m",) in site.load(frozen=False).modules
    assert site.lock.modules[0].signers == (keys[1].id,)


def test_evidence_that_was_changed_in_the_cache_is_fetched_again_or_refused(
    site: Any, shelf: Any, signed: Any, keys: list[Any], code_of: Any
) -> None:
    site.load()
    (file,) = (path for path in (site.cache / "evidence").iterdir() if not path.name.startswith("revoked"))
    other = [sign_module(signed.package, [keys[1]], NOW).decode()]
    file.write_text(json.dumps(other))
    assert ("m",) in site.load().modules
    file.write_text(json.dumps(other))
    shelf.stop()
    assert_refused(site, code_of, "untrusted_key", trees=1)


# --- names and numbers ------------------------------------------------------------------------------------------------


def said(package: ModulePackage, key: Any, **changed: Any) -> bytes:
    """What a key says of a package, with fields that are not true."""
    manifest = package.manifest
    fields = {
        "address": manifest.address,
        "version": manifest.version,
        "package_digest": package.digest,
        "tree_digest": package.tree_digest,
        "time": NOW,
        **changed,
    }
    return encode_envelope(sign(PAYLOAD_TYPE, encode_statement(Statement(**fields)), [key]))


def test_an_old_version_under_a_new_number_is_refused(
    site: Any, shelf: Any, signed: Any, keys: list[Any], code_of: Any
) -> None:
    """Replay: package and signature are good, but of another version."""
    old = shelf.modules[NAME]["1.0.0"]
    shelf.put(NAME, "1.9.0", signed, old.envelopes)
    assert_refused(site, code_of, "wrong_manifest")


def test_a_signature_for_another_version_is_refused(
    site: Any, shelf: Any, signed: Any, keys: list[Any], code_of: Any
) -> None:
    shelf.change(NAME, "1.0.0", envelopes=(said(signed.package, keys[0], version="0.9.0"),))
    assert_refused(site, code_of, "wrong_version")


def test_a_signature_for_another_module_is_refused(
    site: Any, shelf: Any, signed: Any, keys: list[Any], code_of: Any
) -> None:
    other = shelf.publish("acme/other/mock", "1.0.0", FILES)
    address = other.package.manifest.address
    shelf.change(NAME, "1.0.0", envelopes=(said(signed.package, keys[0], address=address),))
    assert_refused(site, code_of, "wrong_module")


def test_a_signature_from_the_future_is_refused(
    site: Any, shelf: Any, signed: Any, keys: list[Any], code_of: Any
) -> None:
    time = datetime.datetime(2099, 1, 1, tzinfo=datetime.UTC)
    shelf.change(NAME, "1.0.0", envelopes=(said(signed.package, keys[0], time=time),))
    assert_refused(site, code_of, "from_the_future")


def test_another_module_under_this_name_is_refused(
    site: Any, shelf: Any, signed: Any, keys: list[Any], code_of: Any
) -> None:
    other = shelf.publish("acme/other/mock", "1.0.0", FILES, [keys[0]])
    shelf.put(NAME, "1.0.0", other, shelf.modules["acme/other/mock"]["1.0.0"].envelopes)
    assert_refused(site, code_of, "wrong_manifest")


def test_a_locked_version_with_other_bytes_is_refused_though_it_is_signed(
    site: Any, shelf: Any, signed: Any, keys: list[Any], code_of: Any
) -> None:
    """A version that was published anew: versions never change."""
    site.load()
    site.forget()
    shelf.publish(NAME, "1.0.0", "output: {at: {value: 2}}\n", [keys[0]])
    assert_refused(site, code_of, "locked_differs")


def test_an_update_does_not_go_back_when_a_registry_forgets_versions(
    site: Any, shelf: Any, signed: Any, keys: list[Any], code_of: Any
) -> None:
    """Downgrade: an old version with a hole is good and signed, and served as the newest."""
    shelf.publish(NAME, "1.5.0", "output: {at: {value: 2}}\n", [keys[0]])
    site.load()
    assert site.versions == [f"{NAME} 1.5.0"]
    del shelf.modules[NAME]["1.5.0"]
    assert code_of(site.install, []) == "version_forgotten"
    assert site.versions == [f"{NAME} 1.5.0"]


def test_a_locked_version_that_is_gone_is_not_replaced(
    site: Any, shelf: Any, signed: Any, keys: list[Any], code_of: Any
) -> None:
    shelf.publish(NAME, "1.5.0", "output: {at: {value: 2}}\n", [keys[0]])
    site.load()
    site.forget()
    del shelf.modules[NAME]["1.5.0"]
    assert_refused(site, code_of, "version_gone")


# --- the same name in two registries ----------------------------------------------------------------------------------


def test_a_locked_name_is_not_taken_from_another_registry(
    site: Any, shelf: Any, signed: Any, new_shelf: Callable[[], Any], keys: list[Any], code_of: Any
) -> None:
    site.load()
    other = new_shelf()
    other.publish(NAME, "1.9.0", "output: {at: {value: evil}}\n")
    site.user["IAC_REGISTRY"] = other.host
    assert_refused(site, code_of, "two_registries", trees=1)
    assert other.asked == []


def test_a_namespace_that_is_claimed_is_claimed_in_every_registry(
    site: Any, shelf: Any, signed: Any, new_shelf: Callable[[], Any], keys: list[Any], code_of: Any
) -> None:
    other = new_shelf()
    other.publish(NAME, "1.9.0", "output: {at: {value: evil}}\n", [keys[1]])
    site.user["IAC_REGISTRY"] = other.host
    assert_refused(site, code_of, "untrusted_key")


def test_what_a_module_calls_comes_from_its_own_registry_alone(
    site: Any, shelf: Any, new_shelf: Callable[[], Any]
) -> None:
    """A public registry that has a module of the name of an internal one is not asked for it."""
    public = new_shelf()
    public.publish("acme/inner/mock", "9.0.0", "output: {at: {value: evil}}\n")
    shelf.publish("acme/inner/mock", "1.0.0", FILES)
    shelf.publish("acme/outer/mock", "1.0.0", "module: {inner: {source: acme/inner/mock, version: '>= 1.0'}}\n")
    site.user["IAC_REGISTRY"] = public.host
    site.write(f"module: {{m: {{source: {shelf.host}/acme/outer/mock, version: 1.0.0}}}}\n")
    site.load()
    assert {(one.source.split("/")[0], one.version) for one in site.lock.modules} == {(shelf.host, "1.0.0")}
    assert public.asked == []


# --- what is on the user's machine ------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["/srv/private", "git::file:///srv/private.git", "../../private"])
def test_a_module_calls_nothing_that_is_on_the_users_machine(
    site: Any, shelf: Any, code_of: Any, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setattr("iacengine.modules.publication.calls_of", lambda folder, **_: ())  # its publisher is malicious
    shelf.publish(NAME, "1.0.0", f"module: {{m: {{source: '{source}'}}}}\n")
    site.write(f"module: {{m: {{source: {NAME}, version: ~> 1.0}}}}\n")
    assert code_of(site.load) == "leads_out"


@pytest.mark.parametrize("place", ["/srv/private", "git::file:///srv/private.git", "./x.tar.gz/../../y", "acme/x/mock"])
def test_a_registry_of_terraforms_protocol_leads_to_nothing_on_the_users_machine(
    site: Any, shelf: Any, place: str
) -> None:
    documents = {
        "/.well-known/terraform.json": {"modules.v1": "/v1/"},
        f"/v1/{NAME}/versions": {"modules": [{"versions": [{"version": "1.0.0"}]}]},
    }

    def tamper(reply: Any) -> None:
        if reply.path in documents:
            reply.status, reply.content = 200, json.dumps(documents[reply.path]).encode()
        elif reply.path.endswith("/download"):
            reply.status, reply.content, reply.headers["X-Terraform-Get"] = 204, b"", place

    shelf.tamper = tamper
    site.write(f"module: {{m: {{source: {NAME}, version: ~> 1.0}}}}\n")
    with pytest.raises(DiagnosticsError):
        site.load()
    assert site.trees == set()


# --- a registry that misbehaves ---------------------------------------------------------------------------------------


def test_a_token_is_sent_to_its_own_registry_alone(
    site: Any, shelf: Any, signed: Any, new_shelf: Callable[[], Any]
) -> None:
    other = new_shelf()
    site.user[f"IAC_TOKEN_{shelf.host.replace(':', '_')}"] = "iac_secret"

    def tamper(reply: Any) -> None:
        if reply.path.endswith("/package"):
            reply.status, reply.headers["Location"] = 302, f"https://{other.host}/stolen"

    shelf.tamper = tamper
    with pytest.raises(DiagnosticsError):
        site.load()
    assert all(headers.get("authorization") == "Bearer iac_secret" for headers in shelf.headers)
    assert other.asked
    assert not [headers for headers in other.headers if "authorization" in headers]


def test_an_endless_package_is_cut_off(site: Any, shelf: Any, signed: Any, code_of: Any) -> None:
    def tamper(reply: Any) -> None:
        if reply.path.endswith("/package"):
            reply.content = reply.content + bytes(65 << 20)

    shelf.tamper = tamper
    assert_refused(site, code_of, "package_too_large")


def test_answers_that_make_no_sense_are_told(site: Any, shelf: Any, signed: Any) -> None:
    for broken in (b"", b"[]", b"{", b'{"address": 1, "versions": []}', b'{"address": "x", "versions": [{}]}', b"\xff"):

        def tamper(reply: Any, broken: bytes = broken) -> None:
            if reply.path.endswith("/versions"):
                reply.content = broken

        shelf.tamper = tamper
        with pytest.raises(DiagnosticsError, match="makes no sense"):
            site.load()
    assert site.trees == set()
