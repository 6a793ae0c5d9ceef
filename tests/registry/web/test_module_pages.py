"""The page of a module, and the comparison of two versions."""

from __future__ import annotations

import json

import pytest
import yaml

from iacengine.modules.constraint import parse_constraint
from iacengine.modules.source import parse_source
from iacengine.modules.version import parse_version
from iacengine.modules.wire import InputEntry
from iacengine.registry.web.rendering import MOST
from iacengine.registry.web.usage import usage_of

NETWORK = "/modules/acme/network/aws"


def entries(page, section):
    """What a section lists: name and the rest of it."""
    found = page.one(id=section)
    assert found.tag == "section"
    return {
        one.attributes["id"].partition("-")[2]: one.words
        for one in page.all("li")
        if one.attributes.get("id", "").startswith(f"{section[:-1]}-")
    }


def test_a_module_without_a_version_is_shown_at_the_newest_release(site):
    page = site.get(NETWORK)
    assert page.one("h1").words == "network"
    assert page.title == "network 1.2.0 (acme, aws) – Modules"
    assert page.all("summary")[0].words == "Version 1.2.0"
    assert "A network of subnets" in page.one("main").words
    assert {"/search?tag=network", "/search?tag=vpc", "/search?system=aws", "/namespaces/acme"} <= set(page.links)


def test_the_readme_is_rendered_and_leads_to_inputs(site):
    page = site.get(NETWORK)
    readme = page.one(id="readme")
    assert "A network with subnets" in readme.words
    assert page.one(id="readme-network").tag == "h3"
    assert "#input-cidr" in page.links
    assert page.one(id="input-cidr").tag == "li"


def test_inputs_say_type_default_and_what_is_required_first(site):
    inputs = entries(site.get(NETWORK), "inputs")
    assert list(inputs) == ["cidr", "region", "secret", "zones"]
    assert inputs["cidr"] == "cidr string required The range of addresses"
    assert inputs["zones"] == 'zones list(string) Letters of the zones Default: ["a","b"]'
    assert inputs["secret"] == "secret string sensitive Default: (sensitive)"
    assert "hunter2" not in str(inputs)
    newest = entries(site.get(f"{NETWORK}/2.0.0-rc.1"), "inputs")
    assert newest["logs"] == "logs object({days = optional(number, 30)}) Default: {}"


def test_outputs_resources_and_providers_are_listed(site):
    page = site.get(NETWORK)
    assert entries(page, "outputs") == {"gateway": "gateway", "id": "id What names it"}
    resources = page.one(id="resources").words
    assert "aws_vpc.main" in resources
    assert "aws hashicorp/aws, >= 5.0" in resources
    assert "/search?resource_type=aws_vpc" in page.links


def test_submodules_are_named_as_they_are_called(site):
    host = site.registry.url.partition("://")[2]
    assert f"Submodules {host}/acme/network/aws//modules/subnet" in site.get(NETWORK).one("main").words


def test_callers_beyond_the_first_are_left_to_the_api(site_of, new_registry):
    registry = new_registry()
    registry.put("acme/base/aws")
    for number in range(53):
        registry.put(f"acme/caller-{number:02}/aws", dependencies=[("acme/base/aws", "~> 1.0")])
    page = site_of(registry).get("/modules/acme/base/aws")
    assert "acme/caller-49/aws 1.0.0, needs ~> 1.0 and 3 more" in page.one(id="dependencies").words
    [more] = [link for link in page.links if "dependents" in link]
    assert len(registry.client().get(more).json()["dependents"]) == 3


def test_dependencies_of_both_directions_are_a_graph_and_lists(site):
    page = site.get(NETWORK)
    section = page.one(id="dependencies").words
    assert "acme/tags/aws ~> 1.0" in section
    assert "git::https://git.example.org/logs.git" in section
    assert "acme/cluster/aws 1.0.0, needs ~> 1.0" in section
    assert [one.text for one in page.all("title")][1:] == [
        "acme/lake/google",
        "acme/cluster/aws",
        "acme/network/aws",
        "acme/tags/aws",
        "git::https://git.example.org/logs.git",
    ]
    # network ▸ tags, network ▸ git, cluster ▸ network, lake ▸ cluster
    assert len(page.all("path", class_="curve")) == 4
    assert len(page.all("rect", class_="self")) == 1


def test_every_version_has_a_page_and_leads_to_the_others(site):
    page = site.get(f"{NETWORK}/1.0.0")
    assert page.title.startswith("network 1.0.0 ")
    for version in ("1.0.0", "1.1.0", "1.2.0", "2.0.0-rc.1"):
        assert f"{NETWORK}/{version}" in page.links
    assert [one.words for one in page.all("a", **{"aria-current": "page"})] == ["1.0.0", "1.0.0"]
    assert "There is a newer version: 1.2.0." in page.one("main").words
    assert f"{NETWORK}/compare?to=1.2.0&from=1.0.0" in page.links
    assert list(entries(page, "inputs")) == ["cidr", "secret", "zones"]


def test_a_version_with_build_metadata_has_a_page(site_of, new_registry):
    registry = new_registry()
    registry.put("acme/net/aws", "1.0.0+build.5")
    site = site_of(registry)
    page = site.get("/modules/acme/net/aws")
    path = "/modules/acme/net/aws/1.0.0%2Bbuild.5"
    assert path in page.links
    assert site.get(path).title.startswith("net 1.0.0+build.5 ")


def test_a_yanked_version_says_why_and_what_to_use(site):
    page = site.get(f"{NETWORK}/1.1.0")
    notice = page.one("div", class_="bad").words
    assert notice == "Version 1.1.0 was yanked Subnets overlap Nobody gets it who has not locked it already. Use 1.2.0."
    assert "yanked: Subnets overlap" in site.get(NETWORK).one(id="versions").words


def test_a_module_with_nothing_but_yanked_versions_is_still_shown(site_of, new_registry):
    registry = new_registry()
    registry.put("acme/net/aws", "1.0.0")
    client = registry.client(registry.token("admin"))
    assert client.put("/api/v1/modules/acme/net/aws/versions/1.0.0/yank", json={"reason": ""}).is_success
    page = site_of(registry).get("/modules/acme/net/aws")
    assert page.one("div", class_="bad").words == (
        "Version 1.0.0 was yanked Nobody gets it who has not locked it already."
    )
    assert client.delete("/api/v1/modules/acme/net/aws/versions/1.0.0?reason=x").is_success
    assert site_of(registry).get("/modules/acme/net/aws", 404).one("h1").words == "No such version"
    assert site_of(registry).get("/modules/acme/net/aws/1.0.0", 410).one("h1").words == "Version was deleted"


def test_a_deprecated_module_names_its_successor(site):
    page = site.get("/modules/acme/old/aws")
    assert page.one("div", class_="warn").words == "Deprecated It has no logs. Use acme/network/aws instead."
    assert NETWORK in page.links


def test_signatures_name_their_keys_and_are_not_said_to_be_good(site, signing_keys):
    signed = site.get(f"{NETWORK}/1.2.0").one(id="signatures").words
    good, revoked = (key.id for key in signing_keys)
    assert good in signed
    assert f"{revoked} 1 November 2026 revoked on " in signed
    assert "The laptop was stolen" in signed
    assert "This page cannot tell whether the signatures are good, or whether you trust these keys." in signed
    assert "iac module verify" in signed
    unsigned = site.get(f"{NETWORK}/1.0.0").one(id="signatures").words
    assert "Nobody has signed this version." in unsigned
    assert site.get(f"{NETWORK}/2.0.0-rc.1").one(id="signatures").words.count("ed25519:") == 1


def test_the_origin_has_digests_publisher_revision_and_downloads(site):
    page = site.get(f"{NETWORK}/1.2.0")
    base = "/api/v1/modules/acme/network/aws/versions/1.2.0"
    entry = site.client.get(base).json()["entry"]
    text = page.one("aside").words
    for expected in (entry["package_digest"], entry["tree_digest"], "by ann", "3f2c9a1", "4 files", "of this version"):
        assert expected in text
    assert {f"{base}/package", f"{base}/provenance", base} <= set(page.links)
    assert site.client.get(f"{base}/package").status_code == 200


def test_the_usage_is_a_call_that_names_this_registry_and_all_that_is_required(site):
    page = site.get(NETWORK)
    host = site.registry.url.partition("://")[2]
    call = yaml.safe_load(page.one(id="use-yaml").text)
    assert call == json.loads(page.one(id="use-json").text)
    assert call["module"]["network"] == {
        "source": f"{host}/acme/network/aws",
        "version": "~> 1.2",
        "cidr": "${var.cidr}",
        "region": "${var.region}",
    }
    assert str(parse_source(call["module"]["network"]["source"]).address) == f"{host}/acme/network/aws"


@pytest.mark.parametrize(
    ("version", "constraint"),
    [("1.4.2", "~> 1.4"), ("0.3.1", "~> 0.3.1"), ("2.0.0-rc.1", "2.0.0-rc.1"), ("1.0.0-rc.1+b5", "1.0.0-rc.1")],
)
def test_the_usage_allows_what_is_compatible(site_of, new_registry, version, constraint):
    registry = new_registry()
    registry.put("acme/net/aws", version)
    call = yaml.safe_load(site_of(registry).get("/modules/acme/net/aws").one(id="use-yaml").text)
    assert call["module"]["net"]["version"] == constraint
    assert parse_constraint(constraint).accepts(parse_version(version))


def test_names_that_yaml_would_take_for_something_else_are_quoted(detail):
    inputs = [InputEntry(name) for name in ("null", "Größe", "true", "source", "count")]
    usage = usage_of(detail("acme/1st/aws", inputs=inputs), "registry.example.org")
    expected = {
        "source": "registry.example.org/acme/1st/aws",
        "version": "~> 1.0",
        "null": "${var.null}",
        "Größe": "${var.Größe}",
        "true": "${var.true}",
    }
    assert yaml.safe_load(usage.yaml) == {"module": {"module_1st": expected}}


def test_a_module_in_terraforms_syntax_says_that_it_is_not_read(site_of, new_registry, make_package, send_package):
    registry = new_registry()
    space, client = registry.publisher("acme")
    native = {"main.tf": 'variable "x" {}\n', "README.md": "# Native\n"}
    assert send_package(client, make_package(f"{space}/net/aws", files=native)).status_code == 201
    site = site_of(registry)
    page = site.get("/modules/acme/net/aws")
    assert "written in Terraform's native syntax" in page.one("main").words
    assert not page.all(id="inputs")
    assert "written in Terraform's native syntax" in site.get("/modules/acme/net/aws/compare").one("main").words


def test_many_versions_are_folded_but_all_are_there(site_of, new_registry):
    registry = new_registry()
    for number in range(30):
        registry.put("acme/net/aws", f"1.{number}.0")
    page = site_of(registry).get("/modules/acme/net/aws")
    assert "10 older versions" in [one.words for one in page.all("summary")]
    assert "/modules/acme/net/aws/1.0.0" in page.links


def test_a_page_lists_no_more_than_can_be_read(site_of, new_registry):
    registry = new_registry()
    registry.put("acme/net/aws", "1.0.0", resources=[f"aws_{number:04}" for number in range(MOST + 20)])
    resources = site_of(registry).get("/modules/acme/net/aws").one(id="resources").words
    assert f"aws_{MOST - 1:04}.a" in resources
    assert f"aws_{MOST:04}.a" not in resources
    assert "and 20 more resources" in resources


# --- comparison ------------------------------------------------------------------------------------------------------


def test_a_comparison_lists_what_differs_and_what_may_break(site):
    page = site.get(f"{NETWORK}/compare?from=1.1.0&to=1.2.0")
    assert page.one("h1").words == "What changed from 1.1.0 to 1.2.0"
    assert page.one("div", class_="notice").words == (
        "2 changes may break callers of this module "
        "mtu: callers that set it have to stop region: callers have to set it"
    )
    main = page.one("main").words
    assert "Inputs 2 differ, 3 the same" in main
    assert "mtu removed callers that set it have to stop type was number default was 1500" in main
    assert "region added callers have to set it type is string default is required" in main
    assert "Outputs 1 differs, 1 the same gateway added" in main


def test_a_comparison_is_of_the_newest_two_unless_told(site):
    assert site.get(f"{NETWORK}/compare").one("h1").words == "What changed from 1.2.0 to 2.0.0-rc.1"
    assert site.get(f"{NETWORK}/compare?to=1.2.0").one("h1").words == "What changed from 1.1.0 to 1.2.0"
    oldest = site.get(f"{NETWORK}/compare?to=1.0.0")
    assert oldest.one("h1").words == "What changed from 1.0.0 to 1.0.0"
    assert "Inputs 0 differ, 3 the same" in oldest.one("main").words


def test_a_comparison_with_what_is_no_version_is_not_found(site):
    assert site.get(f"{NETWORK}/compare?from=9.9.9", 404).one("h1").words == "No such version"
    site.get(f"{NETWORK}/compare?from=latest", 404)
