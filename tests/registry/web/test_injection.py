"""What publishers, and addresses, say is shown and never acts. `check` in conftest.py looks at every page."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from urllib.parse import urlencode

import pytest

from iacengine.modules.model import ModuleAddress
from iacengine.modules.wire import (
    Contents,
    DependencyEntry,
    InputEntry,
    OutputEntry,
    ProviderEntry,
    ResourceEntry,
)
from iacengine.registry.caller import ADMIN, Caller
from iacengine.registry.store.publication import Publication, publish
from iacengine.registry.web.readme import LONGEST, render_readme

ATTACKS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}",
    "</title></textarea></code><iframe src=//evil.example>",
    "\u202edesrever \U0001f600 & < >",
    "--><!--",
)


def operator(registry):
    """Whoever may do everything."""
    registry.token("admin")
    [(account,)] = registry.query("SELECT id FROM account WHERE name = 'ann'")
    return Caller("ann", account, scopes=frozenset({ADMIN}))


@pytest.fixture(scope="module")
def hostile(registry):
    """A module of which everything that a package can say is an attack."""
    every = " ".join(ATTACKS)
    inputs = tuple(InputEntry(f"{attack} {number}", attack, every, attack) for number, attack in enumerate(ATTACKS))
    contents = Contents(
        every,
        (*inputs, InputEntry("required" + every)),
        tuple(OutputEntry(attack, every) for attack in ATTACKS),
        tuple(ResourceEntry(attack, attack, attack) for attack in ATTACKS),
        tuple(ProviderEntry(attack, attack, attack) for attack in ATTACKS),
        ATTACKS,
        3,
    )
    registry.namespace("evil")
    for version in ("1.0.0", "1.1.0"):
        publication = Publication(
            ModuleAddress("", "evil", "net", "aws"),
            version,
            f"sha256:{1:064x}",
            f"sha256:{0:064x}",
            100,
            every,
            ATTACKS,
            every,
            replace(contents, inputs=contents.inputs[: 3 if version == "1.0.0" else None]),
            tuple(DependencyEntry(attack, attack) for attack in ATTACKS),
        )
        registry.write(lambda on, given=publication: publish(on, operator(registry), given), "evil")
    client = registry.client(registry.token("admin"))
    base = "/api/v1/modules/evil/net/aws"
    assert client.put("/api/v1/namespaces/evil", json={"description": every}).is_success
    assert client.put(f"{base}/versions/1.0.0/yank", json={"reason": every}).is_success
    assert client.put(f"{base}/deprecation", json={"reason": every, "successor": "evil/net/x/javascript:y"}).is_success
    return registry


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/search?namespace=evil",
        "/search/results?namespace=evil",
        "/namespaces/evil",
        "/modules/evil/net/aws",
        "/modules/evil/net/aws/1.0.0",
        "/modules/evil/net/aws/compare?from=1.0.0&to=1.1.0",
    ],
)
def test_what_a_package_says_is_shown_as_text(site_of, hostile, path):
    page = site_of(hostile).get(path)
    text = page.elements[0].text if "results" in path else page.one("main").text
    assert "<script>alert(1)</script>" in text
    assert "{{ 7*7 }}" in text
    assert not [link for link in page.links if "script:" in link.partition("?")[0].lower()]


@pytest.mark.parametrize("name", ["q", "namespace", "system", "tag", "resource_type", "page"])
def test_what_an_address_says_is_shown_as_text(site_of, hostile, name):
    site = site_of(hostile)
    for attack in ATTACKS:
        page = site.get(f"/search?{urlencode({name: attack})}")
        if name != "page":
            assert page.one(id=name).attributes["value"] == attack
            assert attack.split()[0] in page.one(id="results").text


def test_what_a_path_says_is_shown_as_text(site_of, hostile):
    site = site_of(hostile)
    for path in ("/modules/<script>/b/c", "/namespaces/<script>x", "/modules/evil/net/aws/<script>", "/<script>"):
        page = site.get(path.replace("<", "%3C").replace(">", "%3E"), 404)
        assert len(page.all("script")) == 1  # our own


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>\n", ""),
        ("a <script>alert(1)</script> b", "<p>a alert(1) b</p>"),
        ("<style>*{}</style>\n", ""),
        ("<!-- BEGIN -->\n", ""),
        ('<p align="center" onclick="x()">Middle <b>of</b></p>\n', "<p>Middle of</p>"),
        ('a <a name="input_x"></a><img src=x onerror=alert(1)> b<br/>c', "<p>a  b<br>c</p>"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
        ("[x](JaVaScRiPt&#58;alert(1))", "<p>[x](JaVaScRiPt:alert(1))</p>"),
        ("[x](data:text/html;base64,xx)", "<p>[x](data:text/html;base64,xx)</p>"),
        ("[x](vbscript:x)", "<p>[x](vbscript:x)</p>"),
        ("[x](//evil.example/x)", "<p>x</p>"),
        ("[x](docs/more.md)", "<p>x</p>"),
        ("[x](#nowhere)", "<p>x</p>"),
        ("<javascript:alert(1)>", "<p>&lt;javascript:alert(1)&gt;</p>"),
        ('[x](https://a.b "onx=\\"y")', '<p><a href="https://a.b" rel="nofollow noopener noreferrer ugc">x</a></p>'),
        ("![alt](https://evil.example/x.png)", '<p><span class="image">alt</span></p>'),
        ("![](https://evil.example/x.png)", '<p><span class="image">image</span></p>'),
        ('```sh" onload=x\n<b>\n```', '<pre tabindex="0"><code>&lt;b&gt;\n</code></pre>'),
        ("# A & <b>\n", '<h3 id="readme-a">A &amp; </h3>'),
        ("###### Six", '<h6 id="readme-six">Six</h6>'),
    ],
)
def test_a_readme_is_made_of_what_does_not_act(text, shown):
    assert render_readme(text).html.strip() == shown


def test_headings_of_a_readme_have_anchors_of_their_own():
    html = render_readme("# One\n## Two\n## Two\n[a](#two-1) [b](#TWO) [c](#input_x) [d](#output\\_y)\n").html
    assert re.findall(r'id="([^"]+)"', html) == ["readme-one", "readme-two", "readme-two-1"]
    assert re.findall(r'href="([^"]+)"', html) == ["#readme-two-1", "#readme-two", "#input-x", "#output-y"]


def test_the_same_anchor_is_never_given_twice():
    html = render_readme("# a\n# a\n# a-1\n# \n# !\n").html
    found = re.findall(r'id="([^"]+)"', html)
    assert len(found) == len(set(found)) == 5


@pytest.mark.parametrize("text", ["![" * 40_000, "*a" * 40_000, "[a](" * 25_000, "[a](b" * 20_000, "<a " * 30_000])
def test_a_readme_that_is_made_to_be_slow_is_shown_as_text(text):
    # Emphasis and links cost the square of a paragraph's length: minutes, for what a package may hold.
    assert unescape(re.sub("<[^>]*>", "", render_readme(text).html)).strip() == text.strip()


def test_many_headings_of_one_name_cost_no_square():
    assert "readme-a-19999" in render_readme("# a\n" * 20_000).html


def test_a_long_readme_is_cut():
    readme = render_readme("word " * LONGEST)
    assert readme.cut
    assert len(readme.html) < 4 * LONGEST
