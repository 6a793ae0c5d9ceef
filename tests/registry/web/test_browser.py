"""Pages in a real browser: Chromium, with scripts and without, by mouse and by keyboard; and axe-core's rules.

A Chromium on the machine is used (`apt-get install chromium-headless-shell`, or IAC_CHROMIUM names one); without any
these tests are skipped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

NETWORK = "/modules/acme/network/aws"
PAGES = {
    "first": "/",
    "search": "/search?q=network&tag=vpc",
    "similar": "/search?q=netwrok",
    "empty": "/search?q=zzzzzz",
    "module": NETWORK,
    "yanked": f"{NETWORK}/1.1.0",
    "deprecated": "/modules/acme/old/aws",
    "comparison": f"{NETWORK}/compare?from=1.1.0&to=1.2.0",
    "namespace": "/namespaces/acme",
    "missing": "/modules/acme/nothing/aws",
}
# The first takes the least time to start.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = (
    "--no-sandbox",  # which root has to do without
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # For one file only: while it runs, no other loop of asyncio can run in this thread.
    program = os.environ.get("IAC_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip(
            "no Chromium on this machine: apt-get install chromium-headless-shell, or name one with IAC_CHROMIUM"
        )
    expect.set_options(timeout=60_000)  # whatever else the machine does
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    """A browser of somebody's own, in which nothing may go wrong unseen."""
    context = browser.new_context(**options)
    context.set_default_timeout(60_000)
    wrong: list[str] = []
    context.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    context.on("requestfailed", lambda request: wrong.append(f"{request.url}: {request.failure}"))
    yield context
    context.close()
    # Of pages that tell of an error, and of requests that newer ones replaced, browsers tell as well.
    expected = ("status of 404", "net::ERR_ABORTED")
    assert not [text for text in wrong if not any(part in text for part in expected)]


@pytest.fixture
def page(browser: Browser, site: Any) -> Iterator[Page]:
    with opened(browser, base_url=site.registry.url, permissions=["clipboard-read", "clipboard-write"]) as context:
        yield context.new_page()


def hits(page: Page) -> list[str]:
    return ["".join(text.split()) for text in page.locator("#results .label").all_text_contents()]


def test_results_change_while_one_types_and_are_read_out(page):
    page.goto("/")
    page.get_by_role("searchbox").press_sequentially("netw")
    expect(page.locator("#summary")).to_have_text("2 modules found.")
    assert hits(page) == ["acme/network/aws", "acme/old/aws"]
    expect(page.get_by_role("status")).to_have_text("2 modules found.")
    expect(page).to_have_url(re.compile(r"/search\?q=netw$"))
    expect(page.get_by_role("heading", name="Namespaces")).to_be_hidden()
    # What stands in the address is the same page.
    page.reload()
    assert hits(page) == ["acme/network/aws", "acme/old/aws"]
    page.get_by_role("searchbox").fill("")
    expect(page.locator("#summary")).to_have_text("5 modules.")


def test_filters_work_while_one_types(page):
    page.goto("/search?q=network")
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Provider").fill("aws")
    page.get_by_label("Resource type").fill("aws_vpc")
    expect(page.locator("#summary")).to_have_text("1 module found.")
    assert hits(page) == ["acme/network/aws"]
    page.get_by_role("link", name=re.compile("^Resource: aws_vpc.*remove")).click()
    expect(page.locator("#summary")).to_have_text("2 modules found.")


def test_a_question_that_is_not_answered_yet_is_given_up_for_the_next(page):
    def hold(route: Any) -> None:
        if not route.request.url.endswith("q=cluster"):
            route.continue_()

    page.route("**/search/results?*", hold)
    page.goto("/search")
    with page.expect_request("**/search/results?q=cluster"):
        page.get_by_role("searchbox").fill("cluster")
    # Otherwise its answer, coming late, would replace that of the next.
    with page.expect_event("requestfailed", lambda request: request.url.endswith("q=cluster")):
        page.get_by_role("searchbox").fill("tags")
    expect(page.locator("#summary")).to_have_text("1 module found.")
    assert hits(page) == ["acme/tags/aws"]


def test_a_registry_that_does_not_answer_is_told_of(browser, site):
    with opened(browser, base_url=site.registry.url) as context:
        page = context.new_page()
        page.goto("/search")
        page.route("**/search/results?*", lambda route: route.fulfill(status=404, body=""))
        page.get_by_role("searchbox").fill("network")
        expect(page.locator("#summary")).to_have_text("The registry did not answer. Press Enter to try again.")
        expect(page.get_by_role("status")).to_contain_text("did not answer")
        page.get_by_role("searchbox").press("Enter")
        expect(page.locator("#summary")).to_have_text("2 modules found.")


def test_from_search_to_module_to_another_version_to_the_comparison(page):
    page.goto("/")
    page.get_by_role("searchbox").fill("subnets")
    page.get_by_role("link", name="acme/network/aws").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("network")
    page.get_by_text("Version 1.2.0", exact=True).click()
    page.get_by_role("navigation", name="Versions").get_by_role("link", name="1.1.0 yanked").click()
    expect(page.get_by_role("heading", name="Version 1.1.0 was yanked")).to_be_visible()
    page.get_by_label("From").select_option("1.0.0")
    page.get_by_label("To", exact=True).select_option("1.2.0")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What changed from 1.0.0 to 1.2.0")


def test_the_usage_is_copied_as_it_is_shown(page, site):
    page.goto(NETWORK)
    page.get_by_role("button", name="Copy main.iac.yaml").click()
    expect(page.get_by_role("status")).to_have_text("Copied")
    expect(page.get_by_role("button", name="Copied main.iac.yaml")).to_be_focused()
    copied = page.evaluate("navigator.clipboard.readText()")
    host = site.registry.url.partition("://")[2]
    assert copied.startswith(f'module:\n  network:\n    source: {host}/acme/network/aws\n    version: "~> 1.2"\n')
    page.get_by_text("For Terraform").click()
    expect(page.get_by_role("button", name="Copy main.iac.yaml")).to_be_visible()
    page.get_by_role("button", name="Copy main.tf.json").click()
    page.get_by_role("button", name="Copied main.tf.json").wait_for()
    call = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert call["module"]["network"]["source"] == f"{host}/acme/network/aws"


def test_the_usage_is_copied_where_browsers_offer_no_clipboard(page):
    # As without https, other than on this machine.
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.goto(NETWORK)
    page.get_by_role("button", name="Copy main.iac.yaml").click()
    expect(page.get_by_role("status")).to_have_text("Copied")
    expect(page.get_by_role("button", name="Copied main.iac.yaml")).to_be_focused()


def test_all_of_it_can_be_done_with_the_keyboard(page):
    page.goto(NETWORK)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    # The first things in the main part: three crumbs, then the versions.
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(page.locator("details.switch summary")).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    versions = page.get_by_role("navigation", name="Versions")
    expect(versions).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(versions).to_be_hidden()
    expect(page.locator("details.switch summary")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("a/b")
    expect(page.get_by_role("searchbox")).to_have_value("a/b")
    page.get_by_role("searchbox").fill("cluster")
    page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_have_text("1 module found.")


def test_without_scripts_all_of_it_works(browser, site):
    with opened(browser, base_url=site.registry.url, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto("/")
        page.get_by_role("searchbox").fill("subnets")
        page.get_by_role("button", name="Search").click()
        page.get_by_role("link", name="acme/network/aws").click()
        assert page.get_by_role("button", name="Copy").count() == 0
        page.get_by_text("Version 1.2.0", exact=True).click()
        page.get_by_role("navigation", name="Versions").get_by_role("link", name="1.0.0").click()
        page.get_by_role("button", name="Compare").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("What changed")


def test_a_closed_registry_is_searched_with_a_token_as_the_password(browser, new_registry):
    registry = new_registry(open=False)
    registry.put("acme/net/aws", description="A secret network")
    who = {"username": "anybody", "password": registry.token("read")}
    with opened(browser, base_url=registry.url, http_credentials=who) as context:
        page = context.new_page()
        page.goto("/")
        page.get_by_role("searchbox").fill("secret")
        expect(page.locator("#summary")).to_have_text("1 module found.")
        page.get_by_role("link", name="acme/net/aws").click()
        expect(page.get_by_text("A secret network")).to_be_visible()


def test_a_graph_is_scrolled_to_the_module_on_a_phone(browser, site):
    with opened(browser, base_url=site.registry.url, viewport={"width": 360, "height": 740}) as context:
        page = context.new_page()
        page.goto(NETWORK)
        box = page.locator("rect.self").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        page.locator(".graph").get_by_role("link", name="cluster").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("cluster")


def test_the_longest_names_and_words_fit_on_a_phone(browser, new_registry):
    registry = new_registry()
    name, word = "n" * 64, "w" * 500
    registry.put(
        f"{name}/{name}/{'s' * 64}",
        f"1.0.0-{'a' * 90}",
        description=word,
        tags=["t" * 64],
        readme=f"# {word}\n\n{word} `{word}`\n\n- {word}\n\n|a|\n|-|\n|{word}|\n",
        resources=[word],
        dependencies=[(f"{name}/other/aws", word)],
    )
    paths = ("/", f"/search?namespace={name}", f"/namespaces/{name}", f"/modules/{name}/{name}/{'s' * 64}")
    with opened(browser, base_url=registry.url, viewport={"width": 320, "height": 640}) as context:
        page = context.new_page()
        for path in (*paths, f"{paths[-1]}/compare", f"/modules/{name}/none/aws"):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") == 320, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("similar", "module", "comparison"), id="some"),
        pytest.param(tuple(PAGES), id="all", marks=pytest.mark.exhaustive),
    ],
)
def test_axe_finds_nothing_and_no_page_is_wider_than_the_screen(browser, site, names, scheme):
    """Light on a large screen, dark on the smallest phone."""
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    size = {"width": 1280, "height": 900} if scheme == "light" else {"width": 320, "height": 640}
    rules = {
        "resultTypes": ["violations"],
        "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
    found: dict[str, Any] = {}
    with opened(browser, base_url=site.registry.url, color_scheme=scheme, viewport=size) as context:
        page = context.new_page()
        for name in names:
            page.goto(PAGES[name])
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
            page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            page.evaluate(axe)
            answer = page.evaluate("(options) => axe.run(document, options)", rules)
            assert len(answer["passes"]) > 15  # it did look
            for one in answer["violations"]:
                found[f"{name}: {one['id']}"] = (one["impact"], [node["html"][:200] for node in one["nodes"][:3]])
    assert found == {}


def test_the_policy_of_pages_stops_a_script_in_them(browser, site):
    """As a last wall: were text let through as HTML, it still would not run."""
    attack = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'><h1>"

    def spoil(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("<h1>", attack))

    context = browser.new_context(base_url=site.registry.url)
    page = context.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.route(f"**{NETWORK}", spoil)
    page.goto(NETWORK)
    assert page.evaluate("window.ran") is None
    assert sum("Content Security Policy" in text for text in refused) == 2
    context.close()
