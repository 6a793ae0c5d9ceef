"""A registry with modules to look at, and pages taken apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import pytest

from iacengine.modules.wire import Contents, VersionDetail, VersionEntry

NETWORK_README = """\
# Network

A network with *subnets*; see [the guide](https://docs.example.org/network) and [its range](#input_cidr).

| Zone | Range |
|------|-------|
| a | 10.0.0.0/24 |
"""

_VOID = frozenset(("area", "base", "br", "col", "hr", "img", "input", "link", "meta", "wbr"))
_BLOCKS = frozenset(("p", "li", "div", "dt", "dd", "h1", "h2", "h3", "h4", "summary", "button", "span"))


def network_files(more_inputs: str = "", more_outputs: str = "") -> dict[str, str]:
    """The files of the module that most tests look at."""
    return {
        "README.md": NETWORK_README,
        "modules/subnet/main.iac.yaml": "output: {at: {value: 1}}\n",
        "main.iac.yaml": f"""\
stack:
  required_providers:
    aws: {{source: hashicorp/aws, version: ">= 5.0"}}
variable:
  cidr: {{type: string, description: The range of addresses}}
  zones: {{type: list(string), default: [a, b], description: Letters of the zones}}
  secret: {{type: string, default: hunter2, sensitive: true}}
{more_inputs}
resource:
  aws_vpc:
    main: {{cidr_block: "${{var.cidr}}"}}
output:
  id: {{value: "${{aws_vpc.main.id}}", description: What names it}}
{more_outputs}
""",
    }


@dataclass(slots=True)
class Element:
    """An element; `text` is that of all that is in it."""

    tag: str
    attributes: dict[str, str]
    text: str = ""

    @property
    def words(self) -> str:
        """Its text, with single blanks."""
        return " ".join(self.text.split())


class Document(HTMLParser):
    """A page taken apart. Tags that are not closed in order are an error."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert not self._open, self._open[-1].tag

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, attrs)
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open, tag
        element = self._open.pop()
        assert element.tag == tag, f"<{element.tag}> is closed by </{tag}>"
        if tag in _BLOCKS:
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """The elements with this tag and these attributes; `class_` is one of the classes."""
        wanted = attributes.pop("class_", "")
        return [
            one
            for one in self.elements
            if (not tag or one.tag == tag)
            and (not wanted or wanted in one.attributes.get("class", "").split())
            and all(one.attributes.get(name) == value for name, value in attributes.items())
        ]

    def one(self, tag: str = "", **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, (tag, attributes, len(found))
        return found[0]

    @property
    def title(self) -> str:
        return self.all("title")[0].text  # pictures have some too

    @property
    def links(self) -> list[str]:
        return [one.attributes["href"] for one in self.all("a")]

    @property
    def hits(self) -> list[str]:
        """The addresses that a page of results lists."""
        return ["".join(one.text.split()) for one in self.all("span", class_="label")]


def check(document: Document) -> Document:
    """What holds of every page: nothing in it acts, and everything is named once."""
    ids = [one.attributes["id"] for one in document.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids)), sorted(one for one in ids if ids.count(one) > 1)
    for element in document.elements:
        assert element.tag not in ("iframe", "object", "embed", "img", "base", "style", "template"), element
        if element.tag == "script":
            assert element.attributes["src"].startswith("/static/"), element
            assert not element.text
        for name, value in element.attributes.items():
            assert not name.startswith("on"), element
            assert name not in ("style", "srcdoc", "formaction", "ping"), element
            if name in ("href", "src", "action"):
                assert value.startswith(("/", "#", "https://", "http://", "mailto:")), element
                assert not value.startswith("//"), element
            if name in ("for", "aria-labelledby", "aria-describedby", "list"):
                assert value in ids, element
    return document


@dataclass(slots=True)
class Site:
    """A registry's pages, and who reads them."""

    registry: Any
    client: Any

    def get(self, path: str, status: int = 200, **headers: str) -> Document:
        """A page, as a browser without scripts has it."""
        answer = self.client.get(path, headers={"Accept": "text/html", **headers})
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        return check(Document(answer.text))


@pytest.fixture(scope="session")
def detail() -> Callable[..., VersionDetail]:
    """detail(ADDRESS, VERSION, PART=…): a version with these contents."""

    def make(address: str = "acme/net/aws", version: str = "1.0.0", /, **contents: Any) -> VersionDetail:
        dependencies = tuple(contents.pop("dependencies", ()))
        entry = VersionEntry(version, "2026-11-30T12:00:00Z", "sha256:0", "sha256:0", 1, dependencies=dependencies)
        return VersionDetail(
            address, entry, "", "ann", Contents(**{name: tuple(value) for name, value in contents.items()})
        )

    return make


@pytest.fixture
def site_of() -> Callable[..., Site]:
    """site_of(REGISTRY): its pages."""
    return lambda registry, **headers: Site(registry, registry.client(**headers))


@pytest.fixture(scope="session")
def site(
    run_registry: Callable[..., Any],
    make_package: Callable[..., Any],
    send_package: Callable[..., Any],
    signing_keys: list[Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """Modules that call each other; `acme/network/aws` has four versions: one is yanked, two are signed."""
    registry, end = run_registry(tmp_path_factory.mktemp("site"))
    registry.namespace("acme")
    client = registry.client(registry.token("admin"))

    def publish(version: str, *keys: Any, inputs: str = "", outputs: str = "") -> None:
        packed = make_package(
            "acme/network/aws",
            version,
            network_files(inputs, outputs),
            dependencies=[("acme/tags/aws", "~> 1.0"), ("git::https://git.example.org/logs.git", "")],
            description="A network of subnets",
            tags=("network", "vpc"),
            source_revision="3f2c9a1",
        )
        answer = send_package(client, packed, *([packed.envelope(*keys)] if keys else []))
        assert answer.status_code == 201, answer.text

    registry.put("acme/tags/aws", "1.0.0", description="Names and tags", tags=["naming"])
    publish("1.0.0")
    publish("1.1.0", inputs="  mtu: {type: number, default: 1500}")
    publish("1.2.0", *signing_keys, inputs="  region: {type: string}", outputs="  gateway: {value: 1}")
    logs = '  logs: {type: "object({days = optional(number, 30)})", default: {}}'
    publish("2.0.0-rc.1", signing_keys[0], inputs=logs)
    registry.put("acme/cluster/aws", "1.0.0", description="A cluster", dependencies=[("acme/network/aws", "~> 1.0")])
    registry.put("acme/lake/google", "0.1.0", description="Files", dependencies=[("acme/cluster/aws", "1.0.0")])
    registry.put("acme/old/aws", "1.0.0", description="The network of old")
    base = "/api/v1/modules/acme"
    for path, body in (
        (f"{base}/network/aws/versions/1.1.0/yank", {"reason": "Subnets overlap"}),
        (f"{base}/old/aws/deprecation", {"reason": "It has no logs.", "successor": "acme/network/aws"}),
        (f"/api/v1/revocations/{signing_keys[1].id}", {"reason": "The laptop was stolen"}),
        ("/api/v1/namespaces/acme", {"description": "Everything of the platform team"}),
    ):
        assert client.put(path, json=body).is_success
    yield Site(registry, registry.client())
    end()
