"""Finding modules on pages, without scripts."""

from __future__ import annotations

from html import unescape

import pytest


def test_the_first_page_lists_modules_and_offers_a_search(site):
    page = site.get("/")
    assert page.one("form", role="search").attributes["action"] == "/search"
    # The most used come first, which other tests may have changed; those that are deprecated last.
    assert sorted(page.hits[:-1]) == ["acme/cluster/aws", "acme/lake/google", "acme/network/aws", "acme/tags/aws"]
    assert page.hits[-1] == "acme/old/aws"
    assert "/namespaces/acme" in page.links
    assert "/modules/acme/network/aws" in page.links


def test_a_search_finds_by_words_and_marks_them(site):
    page = site.get("/search?q=Netw")
    assert page.hits == ["acme/network/aws", "acme/old/aws"]
    assert [one.text for one in page.all("mark")] == ["network", "network"]
    assert page.one(id="q").attributes["value"] == "Netw"
    assert page.one(id="summary").words == "2 modules found."


@pytest.mark.parametrize(
    ("query", "found", "chip"),
    [
        ("tag=naming", ["acme/tags/aws"], "Tag: naming"),
        ("system=google", ["acme/lake/google"], "Provider: google"),
        ("namespace=acme&q=cluster", ["acme/cluster/aws"], "Namespace: acme"),
        ("resource_type=aws_vpc", ["acme/network/aws"], "Resource: aws_vpc"),
    ],
)
def test_filters_narrow_a_search_and_can_be_taken_away(site, query, found, chip):
    page = site.get(f"/search?{query}")
    assert page.hits == found
    taken = page.one("ul", class_="chips")
    assert taken.words.startswith(chip)
    field = query.partition("=")[0]
    assert page.one(id=field).attributes["value"] == query.partition("=")[2].partition("&")[0]
    without = next(one for one in page.all("a") if one.words.startswith(chip)).attributes["href"]
    assert f"{field}=" not in without
    assert len(site.get(without).hits) >= len(found)


def test_filters_offer_what_there_is(site):
    page = site.get("/search")
    lists = {one.attributes["id"] for one in page.all("datalist")}
    assert lists == {"namespace-list", "system-list", "tag-list", "resource_type-list"}
    offered = {one.attributes["value"] for one in page.all("option")}
    assert {"acme", "aws", "google", "network", "naming", "aws_vpc"} <= offered


def test_a_word_that_nothing_has_leads_to_similar_ones(site):
    page = site.get("/search?q=netwrok")
    assert "acme/network/aws" in page.hits
    assert page.one("p", class_="meant").words == "Did you mean network?"
    assert "/search?q=network" in page.links
    assert page.one(id="summary").words.startswith("Nothing has these words;")


def test_nothing_found_says_what_to_do(site):
    page = site.get("/search?q=zzzzzz&tag=vpc")
    assert page.hits == []
    assert "No modules found." in page.one(id="results").words
    assert "/search?q=zzzzzz" in page.links


def test_an_empty_registry_says_how_to_publish(site_of, new_registry):
    page = site_of(new_registry()).get("/")
    assert page.one(id="summary").words == "No modules yet."
    assert "iac module publish" in page.one(id="results").text


def test_pages_of_results_lead_to_each_other(site_of, new_registry):
    registry = new_registry()
    for number in range(45):
        registry.put(f"acme/part-{number:02}/aws", description="One of many")
    site = site_of(registry)
    seen, path = [], "/search?q=many"
    while path:
        page = site.get(path)
        seen += page.hits
        following = page.all("a", rel="next")
        path = following[0].attributes["href"] if following else ""
    assert seen == [f"acme/part-{number:02}/aws" for number in range(45)]
    assert site.get("/search?q=many&page=3").one(id="summary").words == "45 modules found, page 3 of 3."
    assert "not so many pages" in site.get("/search?q=many&page=9").one(id="results").words
    space = site.get("/namespaces/acme?page=2")
    assert (len(space.hits), space.hits[0]) == (20, "acme/part-20/aws")


@pytest.mark.parametrize(
    "query", ["page=abc", "page=-1", "page=99999", "page=0", "q=%00", f"q={'x' * 1000}", "nothing=1", "q=!!!", "q=%ff"]
)
def test_a_senseless_query_still_has_a_page(site, query):
    site.get(f"/search?{query}")


def test_what_changes_while_one_types_is_the_same_as_on_the_page(site):
    whole = site.client.get("/search?q=network&tag=vpc").text
    part = site.client.get("/search/results?q=network&tag=vpc").text.strip()
    assert part.startswith('<section id="results"')
    assert part in whole
    assert unescape(part).count("acme/network/aws") >= 1


def test_a_namespace_lists_its_modules(site):
    page = site.get("/namespaces/acme")
    assert page.one("h1").words == "acme"
    assert "Everything of the platform team" in page.one("main").words
    assert len(page.hits) == 5
    assert "/search?namespace=acme" in page.links
