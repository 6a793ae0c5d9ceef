"""Publishing: once, whole, and never changed."""

from __future__ import annotations

import json


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
