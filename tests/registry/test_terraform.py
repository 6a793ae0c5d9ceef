"""Terraform's protocols: the real terraform finds, chooses and downloads modules over TLS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

TERRAFORM = shutil.which("terraform")

MODULE = {
    "main.tf": 'variable "name" {\n  type = string\n}\noutput "greeting" {\n  value = "Hello, ${var.name}"\n}\n',
    "more.tf.json": json.dumps({"output": {"version": {"value": "1.1.0"}}}),
    "modules/inner/main.tf": 'output "inner" {\n  value = "inside"\n}\n',
}


def test_discovery_names_both_services(registry):
    answer = registry.client().get("/.well-known/terraform.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"modules.v1": "/v1/modules/", "iacengine.v1": "/api/v1/"}


def test_versions_leave_out_what_is_yanked(registry, code_of):
    space = registry.namespace()
    for version in ("1.0.0", "1.1.0", "1.2.0-rc.1"):
        registry.put(f"{space}/net/aws", version)
    client = registry.client(registry.token(f"publish:{space}"))
    client.put(f"/api/v1/modules/{space}/net/aws/versions/1.0.0/yank", json={})
    answer = client.get(f"/v1/modules/{space}/net/aws/versions").json()
    assert answer == {
        "modules": [{"source": f"{space}/net/aws", "versions": [{"version": "1.2.0-rc.1"}, {"version": "1.1.0"}]}]
    }
    assert code_of(client.get(f"/v1/modules/{space}/none/aws/versions")) == (404, "no_such_module")


def test_a_download_is_said_to_be_where_the_package_is(registry, code_of):
    space = registry.namespace()
    registry.put(f"{space}/net/aws", "1.0.0")
    registry.put(f"{space}/net/aws", "1.1.0+build.5")
    client = registry.client()
    answer = client.get(f"/v1/modules/{space}/net/aws/1.0.0/download")
    assert (answer.status_code, answer.content) == (204, b"")
    path = f"/api/v1/modules/{space}/net/aws/versions/1.0.0/package"
    assert answer.headers["x-terraform-get"] == f"{path}?archive=tar.gz"
    latest = client.get(f"/v1/modules/{space}/net/aws/download")
    assert (latest.status_code, latest.headers["location"]) == (
        302,
        f"/v1/modules/{space}/net/aws/1.1.0%2Bbuild.5/download",
    )
    assert client.get(latest.headers["location"]).status_code == 204
    assert code_of(client.get(f"/v1/modules/{space}/net/aws/9.0.0/download")) == (404, "no_such_version")


@pytest.fixture
def terraform(tmp_path, certificates):
    """terraform("init"): how it ended, in a folder with no network but this machine's."""
    if TERRAFORM is None:
        pytest.skip("terraform is not on the path")
    folder = tmp_path / "stack"
    folder.mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    clean |= {
        "HOME": str(tmp_path),
        "SSL_CERT_FILE": str(certificates.authority),
        "CHECKPOINT_DISABLE": "1",
        "TF_IN_AUTOMATION": "1",
        "TF_CLI_CONFIG_FILE": str(tmp_path / "terraformrc"),
    }
    (tmp_path / "terraformrc").write_text("")

    def run(*arguments, code=0):
        done = subprocess.run(
            [TERRAFORM, *arguments, "-no-color"], cwd=folder, env=clean, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, f"{done.stdout}{done.stderr}"
        return done

    run.folder, run.environment = folder, clean
    return run


def host_of(registry):
    """The registry as Terraform takes it: a name of a host has to have a dot."""
    return registry.url.partition("://")[2].replace("localhost", "127.0.0.1")


def calling(registry, source, version):
    host = host_of(registry)
    call = {"source": f"{host}/{source}", "version": version}
    return json.dumps(
        {"module": {"greeting": call | {"name": "world"}}, "output": {"it": {"value": "${module.greeting.greeting}"}}}
    )


def test_terraform_installs_a_module_that_its_constraint_chooses(registry, make_package, send_package, terraform):
    space, client = registry.publisher()
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        files = MODULE | {"more.tf.json": json.dumps({"output": {"version": {"value": version}}})}
        packed = make_package(f"{space}/greeting/null", version, files)
        assert send_package(client, packed).status_code == 201
    (terraform.folder / "main.tf.json").write_text(calling(registry, f"{space}/greeting/null", "~> 1.0"))
    terraform("init")
    manifest = json.loads((terraform.folder / ".terraform" / "modules" / "modules.json").read_text())
    (installed,) = (one for one in manifest["Modules"] if one["Key"] == "greeting")
    assert installed["Version"] == "1.1.0"
    tree = terraform.folder / installed["Dir"]
    for name, text in (MODULE | {"more.tf.json": json.dumps({"output": {"version": {"value": "1.1.0"}}})}).items():
        assert (tree / name).read_text() == text
    planned = terraform("plan")
    assert "Hello, world" in planned.stdout


def test_terraform_reads_with_a_token_where_reading_takes_one(
    run_registry, tmp_path, make_package, send_package, terraform
):
    registry, end = run_registry(tmp_path / "registry", tls=True, open=False)
    try:
        space, client = registry.publisher("acme")
        packed = make_package(f"{space}/greeting/null", "1.0.0+build.1", MODULE)
        assert send_package(client, packed).status_code == 201
        (terraform.folder / "main.tf.json").write_text(
            calling(registry, "acme/greeting/null//modules/inner", "1.0.0+build.1")
        )
        inner = json.loads((terraform.folder / "main.tf.json").read_text())
        del inner["module"]["greeting"]["name"]
        inner["output"]["it"]["value"] = "${module.greeting.inner}"
        (terraform.folder / "main.tf.json").write_text(json.dumps(inner))
        terraform("init", code=1)
        host = host_of(registry)
        (tmp_path / "terraformrc").write_text(f'credentials "{host}" {{\n  token = "{registry.token("read")}"\n}}\n')
        terraform("init")
        assert "inside" in terraform("plan").stdout
    finally:
        end()
