"""Publishing: once, whole, and never changed; yanking, deprecating, deleting."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.modules.wire import MOST_ENVELOPES
from iacengine.registry.blobs import DiskBlobs

PLAIN = {"main.iac.yaml": "output: {at: {value: 1}}\n"}


def actions(registry, subject):
    return [row[0] for row in registry.query("SELECT action FROM audit WHERE subject = %s ORDER BY id", subject)]


def test_a_published_version_can_be_read_and_downloaded(registry, make_package, send_package, version_path):
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws", description="A network", tags=("network",), source_revision="c0ffee")
    answer = send_package(client, packed)
    assert answer.status_code == 201, answer.text
    assert answer.json() == {
        "address": f"{space}/net/aws",
        "version": "1.0.0",
        "package_digest": packed.package.digest,
        "tree_digest": packed.package.tree_digest,
        "created": True,
    }
    anybody = registry.client()
    detail = anybody.get(version_path(packed)).json()
    assert detail["description"] == "A network"
    assert detail["publisher"] == "ann"
    assert detail["source_revision"] == "c0ffee"
    assert detail["tags"] == ["network"]
    contents = detail["contents"]
    assert contents["readable"] is True
    assert contents["readme"].startswith("# Network")
    assert [one["name"] for one in contents["inputs"]] == ["cidr", "secret", "zones"]
    assert contents["inputs"][0] == {
        "name": "cidr",
        "type": "string",
        "description": "The range of addresses",
        "default": None,
        "sensitive": False,
    }
    assert contents["inputs"][2]["default"] == '["a","b"]'
    assert contents["outputs"] == [{"name": "id", "description": "What names it", "sensitive": False}]
    assert contents["resources"] == [{"address": "terraform_data.network", "type": "terraform_data", "mode": "managed"}]
    assert "hunter2" not in json.dumps(detail)
    package = anybody.get(version_path(packed) + "/package")
    assert package.content == packed.data
    assert package.headers["etag"] == f'"{packed.package.digest}"'
    assert actions(registry, f"{space}/net/aws@1.0.0") == ["version.publish"]


def test_the_same_bytes_are_accepted_again_and_other_bytes_are_refused(
    code_of, registry, make_package, send_package, version_path
):
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws")
    assert send_package(client, packed).status_code == 201
    again = send_package(client, packed)
    assert (again.status_code, again.json()["created"]) == (200, False)
    other = make_package(f"{space}/net/aws", "1.0.0", PLAIN)
    refused = send_package(client, other)
    assert code_of(refused) == (409, "version_exists")
    assert packed.package.digest in refused.json()["detail"]
    assert registry.client().get(version_path(packed) + "/package").content == packed.data
    assert packed.package.digest in registry.blobs()
    assert other.package.digest not in registry.blobs()
    assert actions(registry, f"{space}/net/aws@1.0.0") == ["version.publish"]


def test_build_metadata_makes_no_other_version(code_of, registry, make_package, send_package, version_path):
    space, client = registry.publisher()
    first = make_package(f"{space}/net/aws", "1.0.0+one", PLAIN)
    assert send_package(client, first).status_code == 201
    assert registry.client().get(version_path(first) + "/package").content == first.data
    assert code_of(send_package(client, make_package(f"{space}/net/aws", "1.0.0+two", PLAIN))) == (
        409,
        "version_exists",
    )
    assert code_of(registry.client().get(version_path(first).replace("%2Bone", ""))) == (404, "no_such_version")


def test_of_twenty_that_publish_one_version_at_once_exactly_one_wins(
    code_of, registry, make_package, send_package, version_path
):
    space, _ = registry.publisher()
    token = registry.token(f"publish:{space}")
    packages = [
        make_package(f"{space}/net/aws", "1.0.0", {"main.iac.yaml": f"output: {{at: {{value: {n}}}}}\n"})
        for n in range(20)
    ]
    clients = [registry.client(token) for _ in packages]
    together = threading.Barrier(len(packages))

    def publish(number):
        together.wait()
        return send_package(clients[number], packages[number])

    with ThreadPoolExecutor(len(packages)) as pool:
        answers = list(pool.map(publish, range(len(packages))))
    won = [number for number, answer in enumerate(answers) if answer.status_code == 201]
    assert len(won) == 1, [answer.text for answer in answers]
    winner = packages[won[0]]
    assert {code_of(answer) for number, answer in enumerate(answers) if number not in won} == {(409, "version_exists")}
    assert registry.client().get(version_path(winner) + "/package").content == winner.data
    kept = registry.blobs()
    assert [one.package.digest in kept for one in packages] == [number in won for number in range(20)]
    assert registry.query("SELECT * FROM loose_package") == []


def test_a_package_is_published_only_under_what_it_says_it_is(
    code_of, registry, make_package, send_package, version_path
):
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws", files=PLAIN)
    for wrong in (
        version_path(packed).replace("1.0.0", "1.0.1"),
        version_path(packed).replace("/net/", "/other/"),
        version_path(packed).replace("/aws/", "/gcp/"),
    ):
        assert code_of(send_package(client, packed, path=wrong)) == (422, "wrong_manifest")
    assert packed.package.digest not in registry.blobs()


def test_a_module_differs_from_others_in_more_than_case(code_of, registry, make_package, send_package):
    space, client = registry.publisher()
    assert send_package(client, make_package(f"{space}/net/aws", files=PLAIN)).status_code == 201
    refused = make_package(f"{space}/Net/aws", files=PLAIN)
    assert code_of(send_package(client, refused)) == (409, "module_alike")
    assert refused.package.digest not in registry.blobs()


def test_a_package_that_is_meant_for_another_registry_is_refused(code_of, new_registry, make_package, send_package):
    registry = new_registry(hosts=frozenset({"modules.example.org"}))
    _, client = registry.publisher("acme")
    path = "/api/v1/modules/acme/net/aws/versions/1.0.0"
    other = make_package("evil.example.org/acme/net/aws", files=PLAIN)
    assert code_of(send_package(client, other, path=path)) == (422, "wrong_manifest")
    own = make_package(
        "modules.example.org/acme/net/aws",
        files=PLAIN,
        dependencies=[("modules.example.org/acme/a/aws", "~> 1.0"), ("else.example.org/acme/b/aws", "1.0.0")],
    )
    assert send_package(client, own, path=path).status_code == 201
    (version,) = registry.client().get("/api/v1/modules/acme/net/aws/versions").json()["versions"]
    assert [one["address"] for one in version["dependencies"]] == ["acme/a/aws", ""]


# --- envelopes --------------------------------------------------------------------------------------------------------


def test_envelopes_are_kept_as_they_were_given_and_served(
    registry, make_package, send_package, version_path, signing_keys
):
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws", files=PLAIN, source_revision="c0ffee")
    first, second = (packed.envelope(key) for key in signing_keys)
    assert send_package(client, packed, first).status_code == 201
    path = version_path(packed)
    anybody = registry.client()
    assert anybody.get(f"{path}/envelopes").json() == {"envelopes": [json.loads(first)]}
    added = client.post(f"{path}/envelopes", content=second)
    assert added.json() == {"envelopes": [json.loads(first), json.loads(second)]}
    assert client.post(f"{path}/envelopes", content=second).json() == added.json()
    provenance = anybody.get(f"{path}/provenance").json()
    assert provenance["envelopes"] == added.json()["envelopes"]
    assert provenance["source_revision"] == "c0ffee"
    assert provenance["publisher"] == "ann"
    assert (provenance["package_digest"], provenance["tree_digest"]) == (
        packed.package.digest,
        packed.package.tree_digest,
    )
    assert anybody.get(path).json()["entry"]["signers"] == sorted(key.id for key in signing_keys)
    assert actions(registry, f"{space}/net/aws@1.0.0") == ["version.publish", "version.sign", "version.sign"]


@pytest.mark.parametrize(
    "changed",
    [
        {"version": "1.0.1"},
        {"package_digest": f"sha256:{1:064x}"},
        {"tree_digest": f"sha256:{1:064x}"},
    ],
)
def test_an_envelope_about_something_else_is_refused(
    code_of, registry, make_package, send_package, signing_keys, changed
):
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws", files=PLAIN)
    assert code_of(send_package(client, packed, packed.envelope(signing_keys[0], **changed))) == (422, "bad_envelope")
    assert packed.package.digest not in registry.blobs()


WORKFLOW = "https://github.com/acme/net/.github/workflows/release.yml@refs/heads/main"


def test_sigstore_bundles_are_kept_beside_envelopes(registry, make_package, send_package, version_path, signing_keys):
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws", files=PLAIN)
    first, second = packed.bundle(WORKFLOW), packed.bundle("ann@example.org")
    envelope = packed.envelope(signing_keys[0])
    assert send_package(client, packed, json.dumps(first).encode(), envelope).status_code == 201
    path = version_path(packed)
    added = client.post(f"{path}/envelopes", json=second).json()
    assert added == {"envelopes": [first, json.loads(envelope), second]}
    assert client.post(f"{path}/envelopes", json=second).json() == added
    assert registry.client().get(f"{path}/envelopes").json() == added
    signers = [signing_keys[0].id, "sigstore:ann@example.org", f"sigstore:{WORKFLOW}"]
    assert registry.client().get(path).json()["entry"]["signers"] == signers


def test_the_page_of_a_version_names_the_identity_of_a_bundle(registry, make_package, send_package):
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws", files=PLAIN)
    assert send_package(client, packed, json.dumps(packed.bundle(WORKFLOW)).encode()).status_code == 201
    page = registry.client().get(f"/modules/{space}/net/aws").text
    assert f"sigstore:{WORKFLOW}" in page
    assert "1 November 2026" in page


@pytest.mark.parametrize("changed", [{"version": "1.0.1"}, {"tree_digest": f"sha256:{1:064x}"}])
def test_a_bundle_about_something_else_is_refused(code_of, registry, make_package, send_package, changed):
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws", files=PLAIN)
    bundle = json.dumps(packed.bundle(WORKFLOW, **changed)).encode()
    assert code_of(send_package(client, packed, bundle)) == (422, "bad_envelope")


def test_a_bundle_that_names_nobody_is_refused(code_of, registry, make_package, send_package):
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws", files=PLAIN)
    bundle = packed.bundle(WORKFLOW)
    for certificate in ("", "MAA=", "?"):
        bundle["verificationMaterial"]["certificate"]["rawBytes"] = certificate
        assert code_of(send_package(client, packed, json.dumps(bundle).encode())) == (422, "bad_envelope")
    del bundle["verificationMaterial"]
    assert code_of(send_package(client, packed, json.dumps(bundle).encode())) == (422, "bad_envelope")


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"\xff", b'{"payloadType": "x", "payload": "", "signatures": []}'])
def test_what_is_no_envelope_is_refused(code_of, registry, make_package, send_package, version_path, text):
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws", files=PLAIN)
    assert send_package(client, packed).status_code == 201
    assert code_of(client.post(f"{version_path(packed)}/envelopes", content=text)) == (422, "bad_envelope")


def test_a_version_has_no_more_envelopes_than_can_be_read(
    code_of, registry, make_package, send_package, version_path, signing_keys
):
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws", files=PLAIN)
    envelopes = [packed.envelope(signing_keys[0], source_revision=str(n)) for n in range(MOST_ENVELOPES)]
    assert send_package(client, packed, *envelopes).status_code == 201
    one_more = packed.envelope(signing_keys[0], source_revision="more")
    refused = client.post(f"{version_path(packed)}/envelopes", content=one_more)
    assert code_of(refused) == (409, "too_many_envelopes")
    assert len(client.get(f"{version_path(packed)}/envelopes").json()["envelopes"]) == MOST_ENVELOPES


# --- yanked, deprecated, deleted --------------------------------------------------------------------------------------


def test_a_yanked_version_says_why_and_is_latest_no_more(code_of, registry):
    space = registry.namespace()
    for version in ("1.0.0", "1.1.0", "2.0.0-rc.1"):
        registry.put(f"{space}/net/aws", version)
    client = registry.client(registry.token(f"publish:{space}"))
    module = f"/api/v1/modules/{space}/net/aws"
    assert client.get(module).json()["latest"] == "1.1.0"
    assert client.put(f"{module}/versions/1.1.0/yank", json={"reason": "It opens the gates"}).status_code == 204
    versions = {one["version"]: one for one in client.get(f"{module}/versions").json()["versions"]}
    assert (versions["1.1.0"]["yanked"], versions["1.1.0"]["yank_reason"]) == (True, "It opens the gates")
    assert not versions["1.0.0"]["yanked"]
    assert client.get(module).json()["latest"] == "1.0.0"
    assert client.put(f"{module}/versions/1.0.0/yank", json={}).status_code == 204
    assert client.get(module).json()["latest"] == "2.0.0-rc.1"
    assert client.put(f"{module}/versions/2.0.0-rc.1/yank", json={}).status_code == 204
    assert client.get(module).json()["latest"] == ""
    assert client.get("/api/v1/modules", params={"namespace": space}).json()["total"] == 0
    assert client.delete(f"{module}/versions/1.1.0/yank").status_code == 204
    assert client.delete(f"{module}/versions/1.1.0/yank").status_code == 204
    assert client.get(module).json()["latest"] == "1.1.0"
    assert client.get("/api/v1/modules", params={"namespace": space}).json()["total"] == 1
    assert actions(registry, f"{space}/net/aws@1.1.0") == ["version.publish", "version.yank", "version.unyank"]
    assert code_of(client.put(f"{module}/versions/9.0.0/yank", json={})) == (404, "no_such_version")


def test_a_deprecated_module_names_its_successor(code_of, registry):
    space = registry.namespace()
    registry.put(f"{space}/old/aws")
    registry.put(f"{space}/new/aws")
    client = registry.client(registry.token(f"publish:{space}"))
    module = f"/api/v1/modules/{space}/old/aws"
    successor = {"reason": "Superseded", "successor": f"{space}/new/aws"}
    assert client.put(f"{module}/deprecation", json=successor).status_code == 204
    assert client.put(f"{module}/deprecation", json=successor).status_code == 204
    assert client.get(module).json()["deprecation"] == successor
    assert client.get(f"{module}/versions").json()["deprecation"] == successor
    hits = client.get("/api/v1/modules", params={"namespace": space}).json()["hits"]
    assert [(hit["address"], hit["deprecated"]) for hit in hits] == [
        (f"{space}/new/aws", False),
        (f"{space}/old/aws", True),
    ]
    own = {"successor": f"{space}/old/aws"}
    assert code_of(client.put(f"{module}/deprecation", json=own)) == (422, "own_successor")
    nobody = {"successor": f"{space}/nobody/aws"}
    assert code_of(client.put(f"{module}/deprecation", json=nobody)) == (422, "no_such_successor")
    assert client.delete(f"{module}/deprecation").status_code == 204
    assert client.get(module).json()["deprecation"] is None
    assert actions(registry, f"{space}/old/aws") == ["module.create", "module.deprecate", "module.undeprecate"]


def test_only_an_administrator_deletes_and_the_number_is_not_free_again(
    code_of, registry, make_package, send_package, version_path
):
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws")
    assert send_package(client, packed).status_code == 201
    path = version_path(packed)
    assert code_of(client.delete(path, params={"reason": "mine"})) == (403, "scope_missing")
    admin = registry.client(registry.token("admin", user="root"))
    assert code_of(admin.delete(path)) == (422, "invalid")
    assert packed.package.digest in registry.blobs()
    assert admin.delete(path, params={"reason": "a leaked secret"}).status_code == 204
    assert packed.package.digest not in registry.blobs()
    anybody = registry.client()
    for gone in (path, f"{path}/package", f"{path}/provenance", f"{path}/envelopes"):
        assert code_of(anybody.get(gone)) == (410, "version_deleted")
    assert code_of(admin.delete(path, params={"reason": "again"})) == (410, "version_deleted")
    assert anybody.get(path.rpartition("/")[0]).json()["versions"] == []
    for other in (packed, make_package(f"{space}/net/aws", files=PLAIN)):
        assert code_of(send_package(client, other)) == (410, "version_deleted")
        assert other.package.digest not in registry.blobs()
    (entry,) = (
        one
        for one in admin.get("/api/v1/audit", params={"limit": 1000}).json()["entries"]
        if one["action"] == "version.delete"
    )
    assert (entry["user"], entry["subject"]) == ("root", f"{space}/net/aws@1.0.0")
    assert entry["detail"]["reason"] == "a leaked secret"
    assert entry["detail"]["package"] == packed.package.digest


# --- what is left of what fails ---------------------------------------------------------------------------------------


class FailingBlobs(DiskBlobs):
    """A place for packages that fails after it has kept one."""

    failing = False

    def keep(self, digest, file):
        super().keep(digest, file)
        if self.failing:
            raise failure("The disk is full", "There is no room.")


def test_a_publication_that_fails_leaves_nothing_and_can_be_made_again(
    code_of, new_registry, make_package, send_package, version_path, tmp_path
):
    blobs = FailingBlobs(tmp_path / "registry0" / "packages")
    registry = new_registry(blobs=blobs)
    _, client = registry.publisher("acme")
    packed = make_package("acme/net/aws", files=PLAIN)
    blobs.failing = True
    assert code_of(send_package(client, packed)) == (503, "unavailable")
    assert registry.blobs() == set()
    assert code_of(registry.client().get(version_path(packed))) == (404, "no_such_module")
    blobs.failing = False
    assert send_package(client, packed).status_code == 201
    assert registry.blobs() == {packed.package.digest}


def test_what_a_crash_left_is_removed_and_nothing_else(
    code_of, new_registry, make_package, send_package, monkeypatch, tmp_path
):
    blobs = FailingBlobs(tmp_path / "registry0" / "packages")
    registry = new_registry(blobs=blobs)
    _, client = registry.publisher("acme")
    kept = make_package("acme/net/aws", files=PLAIN)
    assert send_package(client, kept).status_code == 201
    lost = make_package("acme/net/aws", "1.1.0", PLAIN)
    blobs.failing = True
    monkeypatch.setattr(blobs, "remove", lambda digest: (_ for _ in ()).throw(failure("Gone", "")))
    assert code_of(send_package(client, lost)) == (503, "unavailable")
    monkeypatch.undo()
    (registry.folder / "packages" / "arriving" / "half").write_bytes(b"half of one")
    assert registry.blobs() == {kept.package.digest, lost.package.digest}
    registry.service.tidy(age=3600)
    assert registry.blobs() == {kept.package.digest, lost.package.digest}, "it may still be under way"
    registry.service.tidy(age=0)
    assert registry.blobs() == {kept.package.digest}
    assert list((registry.folder / "packages" / "arriving").iterdir()) == []


def test_a_package_is_not_removed_under_somebody_who_publishes_it_again(
    code_of, new_registry, make_package, send_package, tmp_path
):
    # A deletes the loose package while B is between keeping and publishing the same bytes.
    registry = new_registry()
    _, client = registry.publisher("acme")
    packed = make_package("acme/net/aws", files=PLAIN)
    with registry.store.database._engine.begin() as other:
        other.exec_driver_sql("SET search_path = iacengine_registry")
        other.exec_driver_sql(f"INSERT INTO loose_package VALUES ('b', '{packed.package.digest}')")
    broken = FailingBlobs(tmp_path / "registry0" / "packages")
    broken.failing = True
    registry.service.blobs = broken
    assert code_of(send_package(client, packed)) == (503, "unavailable")
    assert registry.blobs() == {packed.package.digest}


def test_a_statement_of_another_address_is_refused(code_of, registry, make_package, send_package, signing_keys):
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws", files=PLAIN)
    for address in (
        replace(packed.package.manifest.address, name="other"),
        replace(packed.package.manifest.address, namespace="other"),
    ):
        envelope = packed.envelope(signing_keys[0], address=address)
        assert code_of(send_package(client, packed, envelope)) == (422, "bad_envelope")


def test_packages_on_a_disk_are_the_services_alone(tmp_path):
    DiskBlobs(tmp_path / "made" / "packages")
    assert (tmp_path / "made" / "packages").stat().st_mode & 0o077 == 0
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o750)
    DiskBlobs(shared)
    assert shared.stat().st_mode & 0o777 == 0o750, "a folder that is there is as somebody wanted it"


def test_a_senseless_place_for_packages_is_refused():
    from iacengine.registry.blobs import S3Blobs

    for place in ("s3://", "s3:bucket", "http://bucket/x"):
        with pytest.raises(DiagnosticsError, match="Invalid place for packages"):
            S3Blobs(place)
