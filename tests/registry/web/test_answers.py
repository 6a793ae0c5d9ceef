"""How pages are answered: to whom, with which headers, from memory, and when something is wrong."""

from __future__ import annotations

import time
from base64 import b64encode

import psycopg
import pytest

from iacengine.registry.web.assets import assets

NETWORK = "/modules/acme/network/aws"
PAGES = (
    "/",
    "/search?q=network",
    "/search/results?q=x",
    NETWORK,
    f"{NETWORK}/1.0.0",
    f"{NETWORK}/compare",
    "/namespaces/acme",
)


def basic(secret):
    return "Basic " + b64encode(f"anybody:{secret}".encode()).decode()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_nothing_and_loads_nothing_from_elsewhere(site, path):
    answer = site.client.get(path)
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_that_has_not_changed_is_not_sent_again(site, path):
    first = site.client.get(path)
    again = site.client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert first.headers["cache-control"] == "no-cache"


def test_a_page_changes_when_something_is_published(site_of, new_registry):
    registry = new_registry()
    registry.put("acme/net/aws", "1.0.0")
    site = site_of(registry)
    assert site.get("/modules/acme/net/aws").title.startswith("net 1.0.0")
    registry.put("acme/net/aws", "1.1.0")
    registry.service.answers.changed()  # other processes are told by the database
    assert site.get("/modules/acme/net/aws").title.startswith("net 1.1.0")


def test_a_page_in_memory_tells_of_downloads_after_a_while(site_of, new_registry, make_package, send_package):
    registry = new_registry()
    space, client = registry.publisher("acme")
    assert send_package(client, make_package(f"{space}/net/aws")).status_code == 201
    site = site_of(registry)

    def wait_until(true):
        deadline = time.monotonic() + 10
        while not true():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def shows(text):
        return text in site.get("/modules/acme/net/aws").one("aside").words

    wait_until(lambda: registry.service.answers.begin().heard)  # before that nothing is kept
    assert shows("0 of this version, 0 of all")
    assert site.client.get("/api/v1/modules/acme/net/aws/versions/1.0.0/package").status_code == 200
    registry.service.write_down(now=time.monotonic() + 60)
    wait_until(lambda: shows("1 of this version, 1 of all"))


def test_head_is_answered_without_a_body(site):
    for path in (page for page in PAGES if "results" not in page):
        answer = site.client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
        assert int(answer.headers["content-length"]) > 1000


def test_files_of_pages_are_kept_for_ever_under_their_digest(site):
    page = site.get("/")
    linked = [one.attributes["href"] for one in page.all("link")] + [page.one("script").attributes["src"]]
    assert sorted(linked) == sorted(asset.path for asset in assets().values())
    for path in linked:
        answer = site.client.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert len(answer.content) > 100
    other = linked[0].replace(linked[0].split("/")[2], "0" * 16)
    assert site.client.get(other).status_code == 404
    assert site.client.get("/static/x/..%2f..%2froutes.py").status_code == 404


def test_all_pages_that_pages_lead_to_are_there(site):
    waiting, seen = ["/"], set()
    while waiting:
        path = waiting.pop().partition("#")[0]
        if path in seen or not path.startswith("/") or path.startswith(("/api/", "/static/")):
            continue
        seen.add(path)
        waiting += site.get(path).links
    assert len(seen) > 20


# --- who may read -----------------------------------------------------------------------------------------------------


def test_a_closed_registry_asks_browsers_for_a_token_as_a_password(site_of, new_registry):
    registry = new_registry(open=False)
    registry.put("acme/net/aws", description="A secret network")
    path = "/modules/acme/net/aws"
    nobody = site_of(registry)
    for page in ("/", "/search?q=net", path, f"{path}/compare", "/namespaces/acme", "/search/results?q=net"):
        refused = nobody.client.get(page)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Basic ")
        assert "secret network" not in refused.text
    assert nobody.get(path, 401).one("h1").words == "A token is required"
    # Programs are asked in their own way.
    assert nobody.client.get("/api/v1/modules").headers["www-authenticate"].startswith("Bearer ")
    token = registry.token("read")
    reader = site_of(registry, Authorization=basic(token))
    assert "A secret network" in reader.get(path).one("main").words
    assert reader.get(path).title.startswith("net 1.0.0")  # from memory, for who may
    wrong = site_of(registry, Authorization=basic(token[:-1] + ("a" if token[-1] != "a" else "b")))
    assert wrong.client.get(path).headers["www-authenticate"].startswith("Basic ")
    assert wrong.get(path, 401).one("h1").words == "Token refused"
    assert nobody.get(path, 401)
    # What every page loads says nothing.
    assert nobody.client.get(assets()["pages.css"].path).status_code == 200


# --- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/nothing", "There is nothing here"),
        ("/modules/acme/network", "There is nothing here"),
        ("/modules/acme/nothing/aws", "No such module"),
        ("/modules/a%20b/c/d", "No such module"),
        ("/modules/a/b/C", "No such module"),
        (f"{NETWORK}/9.9.9", "No such version"),
        (f"{NETWORK}/latest", "No such version"),
        ("/namespaces/nobody", "No such namespace"),
        ("/namespaces/a%00b", "No such namespace"),
    ],
)
def test_what_is_not_there_has_a_page_that_says_so(site, path, title):
    page = site.get(path, 404)
    assert page.one("h1").words == title
    assert page.one(id="q")
    assert "/" in page.links


def test_programs_are_told_as_programs_are(site):
    for path, accept in (("/api/v1/modules/a/b/c", "text/html"), ("/nothing", "*/*"), ("/v1/modules/x", "text/html")):
        answer = site.client.get(path, headers={"Accept": accept})
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


def test_other_methods_are_refused_on_a_page(site):
    answer = site.client.post(NETWORK, headers={"Accept": "text/html"})
    assert answer.status_code == 405
    assert "This cannot be done here" in answer.text


def test_too_many_requests_have_a_page(site_of, new_registry):
    site = site_of(new_registry(rate=0.001, burst=1.0))
    site.get("/")
    assert site.get("/", 429).one("h1").words == "Too many requests"
    assert site.client.get("/").headers["retry-after"]


def test_a_failure_has_a_page_with_the_request_to_ask_about(site_of, new_registry):
    registry = new_registry()
    with psycopg.connect(registry.database, autocommit=True) as connection:
        connection.execute("DROP TABLE iacengine_registry.module CASCADE")
    site = site_of(registry)
    page = site.get("/", 503, **{"X-Request-Id": "asked-about-0001"})
    assert page.one("h1").words == "The registry's database is not available"
    assert "asked-about-0001" in page.one("main").words
    assert "SELECT" not in page.elements[0].text


# --- under which name -------------------------------------------------------------------------------------------------


def test_the_name_by_which_one_asks_is_not_shown_to_others(site_of, new_registry):
    registry = new_registry()
    registry.put("acme/net/aws")
    site = site_of(registry)
    path = "/modules/acme/net/aws"
    for host, shown in (
        ("one.example.org", "one.example.org/"),
        ("two.example.org:8470", "two.example.org:8470/"),
        ("one.example.org", "one.example.org/"),
        ('"><script>alert(1)</script>', ""),
        ("no host", ""),
    ):
        usage = site.get(path, Host=host).one(id="use-yaml").text
        assert f"source: {shown}acme/net/aws\n" in usage


def test_a_registry_that_has_a_name_shows_that(site_of, new_registry):
    registry = new_registry(hosts=frozenset({"registry.example.org"}))
    registry.put("acme/net/aws")
    site = site_of(registry)
    for host in ("evil.example.org", "registry.example.org"):
        usage = site.get("/modules/acme/net/aws", Host=host).one(id="use-yaml").text
        assert "source: registry.example.org/acme/net/aws\n" in usage
