"""Installing: what a stack calls is resolved, got, verified, locked, and loaded from what is locked."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iacengine import Stack
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.modules.resolution import Resolution

NETWORK = """
variable: {name: {type: string}}
module: {subnet: {source: acme/subnet/mock, version: ~> 1.0, name: "${var.name}"}}
output: {subnet: {value: "${module.subnet.id}"}}
"""
SUBNET = """
variable: {name: {type: string}}
output: {id: {value: "subnet-${var.name}"}}
"""
USES_NETWORK = "module: {net: {source: acme/network/mock, version: 0.3.0, name: a}}\n"


@pytest.fixture
def network(shelf: Any) -> Any:
    """A registry that has a network, which calls a subnet."""
    for version in ("1.0.0", "1.2.0", "2.0.0"):
        shelf.publish("acme/subnet/mock", version, SUBNET)
    shelf.publish("acme/network/mock", "0.3.0", NETWORK)
    return shelf


def call(source: str, version: str = "", label: str = "m", **more: str) -> str:
    wanted = f", version: '{version}'" if version else ""
    return f"module: {{{label}: {{source: '{source}'{wanted}{''.join(f', {k}: {v}' for k, v in more.items())}}}}}\n"


# --- from registries --------------------------------------------------------------------------------------------------


def test_a_stack_loads_modules_of_a_registry_and_what_they_call(site: Any, network: Any) -> None:
    site.write(USES_NETWORK)
    configuration = site.load()
    assert sorted(configuration.modules) == [(), ("net",), ("net", "subnet")]
    assert site.versions == ["acme/network/mock 0.3.0", "acme/subnet/mock 1.2.0"]


def test_modules_lie_beside_the_stack_under_names_that_are_the_same_everywhere(site: Any, network: Any) -> None:
    site.write(USES_NETWORK)
    directory = Path(site.load().modules[("net",)].directory)
    assert directory.parent == site.folder / ".iac" / "modules"
    assert re.fullmatch(r"network-0\.3\.0-[0-9a-f]{12}", directory.name)
    assert (directory / "main.iac.yaml").read_text() == NETWORK


def test_files_in_the_cache_cannot_be_written_to(site: Any, network: Any) -> None:
    site.write(USES_NETWORK)
    directory = Path(site.load().modules[("net",)].directory).resolve()
    modes = {path.stat().st_mode & 0o777 for path in (directory, *directory.rglob("*"))}
    assert modes == {0o555, 0o444}


def test_what_is_locked_is_loaded_without_asking_anybody(site: Any, network: Any) -> None:
    site.write(USES_NETWORK)
    site.load()
    network.stop()
    asked = len(network.asked)
    assert ("net", "subnet") in site.load(frozen=False).modules
    assert len(network.asked) == asked


def test_a_newer_version_changes_nothing_that_is_locked(site: Any, network: Any) -> None:
    site.write(USES_NETWORK)
    site.load()
    network.publish("acme/subnet/mock", "1.9.0", SUBNET)
    network.publish("acme/other/mock", "1.0.0", SUBNET.replace("subnet", "other"))
    site.write(call("acme/other/mock", "1.0.0", "other", name="o"), "other.iac.yaml")
    before = site.lock
    assert site.install() == [f"+ {network.host}/acme/other/mock 1.0.0"]
    assert set(before.modules) < set(site.lock.modules)


def test_an_update_takes_the_newest_that_constraints_allow(site: Any, network: Any) -> None:
    site.write(USES_NETWORK)
    site.load()
    network.publish("acme/subnet/mock", "1.9.0", SUBNET)
    changes = [f"- {network.host}/acme/subnet/mock 1.2.0", f"+ {network.host}/acme/subnet/mock 1.9.0"]
    assert site.install([]) == changes


def test_an_update_of_one_module_leaves_the_others(site: Any, network: Any) -> None:
    network.publish("acme/other/mock", "1.0.0", SUBNET)
    site.write(USES_NETWORK)
    site.write(call("acme/other/mock", "~> 1.0", "other", name="o"), "other.iac.yaml")
    site.load()
    network.publish("acme/subnet/mock", "1.9.0", SUBNET)
    network.publish("acme/other/mock", "1.5.0", SUBNET)
    site.install(["other"])
    assert site.versions == ["acme/network/mock 0.3.0", "acme/other/mock 1.5.0", "acme/subnet/mock 1.2.0"]


def test_what_is_no_longer_called_leaves_the_lock_file(site: Any, network: Any) -> None:
    site.write(USES_NETWORK)
    site.load()
    site.write("locals: {a: 1}\n")
    assert site.install() == [
        f"- {network.host}/acme/network/mock 0.3.0",
        f"- {network.host}/acme/subnet/mock 1.2.0",
    ]


def test_two_versions_are_installed_where_constraints_force_it(site: Any, network: Any) -> None:
    site.write(USES_NETWORK)
    site.write(call("acme/subnet/mock", "~> 2.0", "new", name="b"), "other.iac.yaml")
    configuration = site.load()
    assert site.versions == ["acme/network/mock 0.3.0", "acme/subnet/mock 1.2.0", "acme/subnet/mock 2.0.0"]
    assert configuration.modules[("new",)].directory != configuration.modules[("net", "subnet")].directory


def test_a_yanked_version_is_not_chosen_and_stays_where_it_is_locked(
    site: Any, new_site: Callable[[], Any], network: Any
) -> None:
    site.write(USES_NETWORK)
    site.load()
    network.change("acme/subnet/mock", "1.2.0", yanked=True, yank_reason="it leaks")
    site.write("locals: {a: 1}\n", "more.iac.yaml")
    assert site.install() == []
    other = new_site()
    other.write(USES_NETWORK)
    other.load()
    assert other.versions == ["acme/network/mock 0.3.0", "acme/subnet/mock 1.0.0"]


def test_a_folder_inside_a_module_is_called_with_two_slashes(site: Any, shelf: Any) -> None:
    shelf.publish("acme/tools/mock", "1.0.0", {"main.iac.yaml": "locals: {a: 1}\n", "modules/x/main.iac.yaml": SUBNET})
    site.write(call("acme/tools/mock//modules/x", "1.0.0", name="n"))
    assert site.load().modules[("m",)].directory.endswith("/modules/x")


def test_a_folder_that_is_not_in_a_module_is_an_error(site: Any, shelf: Any, code_of: Any) -> None:
    shelf.publish("acme/tools/mock", "1.0.0")
    site.write(call("acme/tools/mock//modules/x", "1.0.0"))
    assert code_of(site.load) == "no_folder"


def test_what_modules_call_by_a_path_is_part_of_their_package(site: Any, shelf: Any) -> None:
    files = {"main.iac.yaml": call("./inner", name="n"), "inner/main.iac.yaml": SUBNET}
    shelf.publish("acme/tools/mock", "1.0.0", files)
    site.write(call("acme/tools/mock", "1.0.0"))
    assert ("m", "m") in site.load().modules
    assert len(site.lock.modules) == 1


def test_a_stack_of_one_file_has_a_lock_of_its_own(site: Any, network: Any) -> None:
    site.write(USES_NETWORK)
    site.write(call("acme/subnet/mock", "2.0.0", name="n"), "other.iac.yaml")
    with site._as_user():
        from iacengine.engine.modules import ModuleOptions, install

        for name in ("main", "other"):
            install(str(site.folder / f"{name}.iac.yaml"), str(site.folder), ModuleOptions())
    assert "2.0.0" in (site.folder / "other.lock.yaml").read_text()
    assert "2.0.0" not in (site.folder / "main.lock.yaml").read_text()
    assert not site.lock_file.exists()


def test_a_second_stack_gets_from_the_cache_what_the_first_has_downloaded(
    site: Any, new_site: Callable[[], Any], network: Any
) -> None:
    site.write(USES_NETWORK)
    site.load()
    other = new_site()
    other.write(USES_NETWORK)
    shutil.copy(site.lock_file, other.lock_file)
    network.stop()
    assert ("net", "subnet") in other.load(frozen=False).modules


def test_a_lost_cache_is_filled_again_with_what_is_locked(site: Any, network: Any) -> None:
    site.write(USES_NETWORK)
    site.load()
    trees, lock = site.trees, site.lock_file.read_bytes()
    site.forget()
    network.publish("acme/subnet/mock", "1.9.0", SUBNET)
    site.load()
    assert (site.trees, site.lock_file.read_bytes()) == (trees, lock)


def test_providers_are_locked_with_their_files(site: Any, network: Any) -> None:
    site.write(USES_NETWORK + "resource: {mock_network: {n: {name: n, cidr_block: 10.0.0.0/16}}}\n")
    site.load()
    (provider,) = site.lock.providers
    assert (provider.source.rpartition("/")[2], bool(re.fullmatch("sha256:[0-9a-f]{64}", provider.digest))) == (
        "mock",
        True,
    )


# --- what is refused, or cannot be had --------------------------------------------------------------------------------


def test_a_conflict_is_told_as_a_chain_with_places_and_a_way_out(site: Any, network: Any) -> None:
    network.publish("acme/broken/mock", "1.0.0", NETWORK.replace("~> 1.0", "~> 7.0"))
    site.write("module:\n  a:\n    source: acme/broken/mock\n    version: ~> 1.0\n    name: a\n")
    with pytest.raises(DiagnosticsError) as refused:
        site.load()
    (found,) = refused.value.diagnostics
    assert found.summary == f"{network.host}/acme/broken/mock cannot be resolved"
    place = f"{site.folder}/main.iac.yaml:3:13"
    assert str(found.range) == place
    assert f'- {place} (module a) requires {network.host}/acme/broken/mock "~> 1.0"' in found.detail
    assert f'- {network.host}/acme/broken/mock 1.0.0 requires {network.host}/acme/subnet/mock "~> 7.0"' in found.detail
    assert "No version of" in found.detail
    assert "Ask the owner of" in str(found.remedy)
    assert not site.lock_file.exists()


def test_frozen_refuses_to_lock_what_is_new(site: Any, network: Any, code_of: Any) -> None:
    site.write(USES_NETWORK)
    assert code_of(site.load, frozen=True) == "lock_frozen"
    assert not site.lock_file.exists()
    assert site.trees == set()


def test_frozen_refuses_a_lock_file_that_holds_too_much(site: Any, network: Any, code_of: Any) -> None:
    site.write(USES_NETWORK)
    site.install()
    site.write("locals: {a: 1}\n")
    before = site.lock_file.read_bytes()
    assert code_of(site.install, frozen=True) == "lock_frozen"
    assert site.lock_file.read_bytes() == before


def test_frozen_takes_what_is_locked_and_installs_it(site: Any, network: Any) -> None:
    site.write(USES_NETWORK)
    site.install()
    site.forget()
    assert ("net", "subnet") in site.load(frozen=True).modules


def test_frozen_refuses_another_provider_than_the_locked_one(site: Any, network: Any, code_of: Any) -> None:
    site.write("resource: {mock_network: {n: {name: n, cidr_block: 10.0.0.0/16}}}\n")
    site.install()
    text = site.lock_file.read_text()
    site.lock_file.write_text(re.sub("digest: sha256:.", "digest: sha256:f", text.replace("sha256:f", "sha256:0")))
    assert code_of(site.load, frozen=True) == "lock_frozen"


def test_a_registry_that_is_down_is_told_with_what_stays_possible(site: Any, network: Any) -> None:
    site.write(USES_NETWORK)
    network.stop()
    with pytest.raises(DiagnosticsError, match="The registry localhost") as told:
        site.load()
    assert "in the cache can be planned" in str(told.value.diagnostics[0].remedy)
    assert told.value.diagnostics[0].range is not None


def test_without_a_default_registry_an_address_needs_a_host(site: Any, network: Any, code_of: Any) -> None:
    site.user["IAC_REGISTRY"] = ""
    site.write(USES_NETWORK)
    assert code_of(site.load) == "no_registry"


def test_addresses_without_a_host_inside_a_module_are_of_its_own_registry(site: Any, network: Any) -> None:
    site.user["IAC_REGISTRY"] = "registry.example.org"
    site.write(call(f"{network.host}/acme/network/mock", "0.3.0", name="a"))
    site.load()
    assert {one.source.split("/")[0] for one in site.lock.modules} == {network.host}


def test_a_module_that_calls_itself_is_an_error(site: Any, shelf: Any) -> None:
    shelf.publish("acme/a/mock", "1.0.0", call("acme/b/mock", "1.0.0"))
    shelf.publish("acme/b/mock", "1.0.0", call("acme/a/mock", "1.0.0"))
    site.write(call("acme/a/mock", "1.0.0"))
    with pytest.raises(DiagnosticsError, match="call themselves"):
        site.load()


def test_mistakes_in_an_installed_module_are_told_with_their_place(site: Any, shelf: Any) -> None:
    data = packed("zip", {"main.iac.yaml": "variable: {a: {typ: string}}\n"})
    serving(shelf, "m.zip", data)
    site.write(call(f"https://{shelf.host}/m.zip"))
    with pytest.raises(DiagnosticsError) as refused:
        site.load()
    (found,) = refused.value.diagnostics
    assert re.search(r"\.iac/modules/m\.zip-[0-9a-f]{12}/main\.iac\.yaml:1:16$", str(found.range))


def test_a_program_loads_a_stack_with_its_modules(site: Any, network: Any) -> None:
    site.write(USES_NETWORK + 'output: {id: {value: "${module.net.subnet}"}}\n')
    with site._as_user():
        stack = Stack.load(site.folder, state=site.folder / "state.json")
        stack.apply(stack.plan())
        assert stack.outputs["id"] == "subnet-a"


# --- other sources ----------------------------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, env=clean, capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with a module, tagged v1."""
    folder = tmp_path / "repository"
    (folder / "net").mkdir(parents=True)
    (folder / "net" / "main.iac.yaml").write_text(SUBNET)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=one")
    git(folder, "tag", "v1")
    return folder


def test_a_git_source_is_locked_by_its_commit(site: Any, repository: Path) -> None:
    site.write(call(f"git::file://{repository}//net?ref=v1", name="n"))
    site.load()
    (locked,) = site.lock.modules
    assert (locked.reference, locked.version) == (git(repository, "rev-parse", "HEAD"), "")
    assert locked.source == f"git::file://{repository}?ref=v1"


def test_a_branch_that_moves_changes_nothing_until_it_is_updated(site: Any, repository: Path) -> None:
    site.write(call(f"git::file://{repository}//net?ref=main", name="n"))
    site.load()
    first = site.lock.modules[0]
    (repository / "net" / "main.iac.yaml").write_text(SUBNET.replace("subnet-", "net-"))
    git(repository, "commit", "--quiet", "--all", "--message=two")
    site.forget()
    site.load()
    assert site.lock.modules[0] == first
    site.install([])
    assert site.lock.modules[0].digest != first.digest


def test_a_tag_that_was_moved_does_not_bring_other_files(site: Any, repository: Path, code_of: Any) -> None:
    site.write(call(f"git::file://{repository}//net?ref=v1", name="n"))
    site.load()
    (repository / "net" / "main.iac.yaml").write_text(SUBNET.replace("subnet-", "evil-"))
    git(repository, "commit", "--quiet", "--all", "--message=two", "--amend")
    git(repository, "tag", "--force", "v1")
    git(repository, "reflog", "expire", "--expire=now", "--all")
    git(repository, "gc", "--quiet", "--prune=now")
    site.forget()
    with pytest.raises(DiagnosticsError, match="No such commit"):
        site.load()


def packed(kind: str, files: dict[str, str]) -> bytes:
    output = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(output, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
    else:
        with tarfile.open(fileobj=output, mode="w:gz") as tar:
            for name, text in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text.encode()))
    return output.getvalue()


def serving(shelf: Any, name: str, data: bytes) -> None:
    def tamper(reply: Any) -> None:
        if reply.path == f"/{name}":
            reply.status, reply.content = 200, data
            reply.headers = {"Content-Type": "application/octet-stream"}

    shelf.tamper = tamper


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_is_installed_and_locked_by_its_files(site: Any, shelf: Any, kind: str) -> None:
    serving(shelf, f"m.{kind}", packed(kind, {"net/main.iac.yaml": SUBNET}))
    site.write(call(f"https://{shelf.host}/m.{kind}//net", name="n"))
    site.load()
    serving(shelf, f"m.{kind}", packed(kind, {"net/main.iac.yaml": SUBNET, "other": "repacked"}))
    site.forget()
    with pytest.raises(DiagnosticsError, match="not those that were locked"):
        site.load()


def test_an_archive_has_to_have_its_checksum(site: Any, shelf: Any, code_of: Any) -> None:
    data = packed("zip", {"main.iac.yaml": SUBNET})
    serving(shelf, "m.zip", data)
    site.write(call(f"https://{shelf.host}/m.zip?checksum=sha256:{hashlib.sha256(data).hexdigest()}", name="n"))
    site.load()
    site.write(call(f"https://{shelf.host}/m.zip?checksum=sha256:{'0' * 64}", name="n"))
    assert code_of(site.load) == "wrong_digest"


def test_an_archive_in_s3_is_installed(site: Any, s3_server: Any) -> None:
    import botocore.session

    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    site.user.update(keys)
    session = botocore.session.Session()
    session.set_credentials("test", "test")
    client = session.create_client("s3", region_name="us-east-1", endpoint_url=s3_server.url)
    client.put_object(Bucket="states", Key="modules/net.tar.gz", Body=packed("tar.gz", {"main.iac.yaml": SUBNET}))
    site.write(call(f"s3::{s3_server.url}/states/modules/net.tar.gz", name="n"))
    assert ("m",) in site.load().modules
    assert site.lock.modules[0].source == f"s3::{s3_server.url}/states/modules/net.tar.gz"


def test_a_module_of_a_registry_of_terraforms_protocol_is_installed(site: Any, shelf: Any) -> None:
    archive = packed("tar.gz", {"net-1.2.0/main.iac.yaml": SUBNET, "net-1.2.0/README.md": "x"})
    documents = {
        "/.well-known/terraform.json": {"modules.v1": "/v1/modules/"},
        "/v1/modules/acme/net/mock/versions": {"modules": [{"versions": [{"version": "1.0.0"}, {"version": "1.2.0"}]}]},
    }

    def tamper(reply: Any) -> None:
        if reply.path in documents:
            reply.status, reply.content = 200, json.dumps(documents[reply.path]).encode()
        elif reply.path == "/v1/modules/acme/net/mock/1.2.0/download":
            reply.status, reply.content = 204, b""
            reply.headers["X-Terraform-Get"] = f"https://{shelf.host}/net.tar.gz//net-1.2.0"
        elif reply.path == "/net.tar.gz":
            reply.status, reply.content = 200, archive

    shelf.tamper = tamper
    site.write(call("acme/net/mock", "~> 1.0", name="n"))
    directory = Path(site.load().modules[("m",)].directory)
    assert sorted(path.name for path in directory.iterdir()) == ["README.md", "main.iac.yaml"]
    assert site.versions == ["acme/net/mock 1.2.0"]
    shelf.stop()
    assert ("m",) in site.load().modules


def test_a_module_from_git_may_call_one_of_a_registry(site: Any, network: Any, repository: Path) -> None:
    (repository / "main.iac.yaml").write_text(call("acme/subnet/mock", "~> 1.0", name="x"))
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message=two")
    site.write(call(f"git::file://{repository}"))
    assert ("m", "m") in site.load().modules
    assert site.versions == ["acme/subnet/mock 1.2.0"]


def test_a_directory_elsewhere_is_loaded_where_it_is_and_not_locked(site: Any, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "main.iac.yaml").write_text(SUBNET)
    site.write(call(str(tmp_path / "shared"), name="n"))
    assert site.load().modules[("m",)].directory == str(tmp_path / "shared")
    assert site.lock.is_empty


# --- what resolving told ----------------------------------------------------------------------------------------------


def test_every_place_that_calls_a_module_is_known(site: Any, network: Any) -> None:
    site.write(
        "module:\n"
        "  one: {source: acme/subnet/mock, version: ~> 1.0, name: a}\n"
        "  two: {source: acme/subnet/mock, version: ~> 1.0, name: b}\n"
    )
    with site.modules() as modules:
        resolution = modules.install().resolution
    assert isinstance(resolution, Resolution)
    assert [one.requirement.place.line for one in resolution.calls if one.requirement.place] == [2, 3]
