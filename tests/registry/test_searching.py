"""Searching: words, stems and misspellings; filters, ranking, paging."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def found(registry):
    """found(q=…, …): the addresses that a search finds, without the namespace where it is `acme`."""
    registry.put(
        "acme/network/aws",
        "2.0.0",
        description="Networks with subnets and gateways",
        tags=["vpc", "networking"],
        resources=["aws_vpc", "aws_subnet"],
    )
    registry.put(
        "acme/kubernetes/aws", description="A cluster in the network", tags=["k8s"], resources=["aws_eks_cluster"]
    )
    registry.put(
        "acme/database/gcp", readme="Postgres databases, replicated across zones.", resources=["google_sql_instance"]
    )
    registry.put("acme/legacy-network/aws", description="The old network")
    registry.put("other/network/azure", tags=["vpc"])
    client = registry.client(registry.token("admin", user="root"))
    client.put("/api/v1/modules/acme/legacy-network/aws/deprecation", json={"reason": "old"})

    def search(**given):
        answer = client.get("/api/v1/modules", params=given)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told["total"] >= len(told["hits"])
        search.answer = told
        return [hit["address"].removeprefix("acme/") for hit in told["hits"]]

    return search


def test_a_hit_says_what_a_module_is(found):
    assert found(q="subnets") == ["network/aws"]
    (hit,) = found.answer["hits"]
    assert hit["address"] == "acme/network/aws"
    assert hit["version"] == "2.0.0"
    assert hit["description"] == "Networks with subnets and gateways"
    assert hit["tags"] == ["vpc", "networking"]
    assert hit["published"].endswith("Z")


def test_names_count_more_than_prose_and_what_is_deprecated_comes_last(found):
    assert found(q="network", namespace="acme") == ["network/aws", "kubernetes/aws", "legacy-network/aws"]


def test_words_are_found_by_their_beginnings_and_by_their_stems(found):
    assert found(q="kube") == ["kubernetes/aws"]
    assert found(q="gateway") == ["network/aws"]
    assert found(q="replicating") == ["database/gcp"]
    assert found(q="KUBERNETES") == ["kubernetes/aws"]


def test_every_word_has_to_fit(found):
    assert found(q="network cluster") == ["kubernetes/aws"]
    assert found(q="network postgres") == []


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("kuberntes", ["kubernetes/aws"]),
        ("netwrok aws", ["network/aws", "legacy-network/aws"]),
        ("databse", ["database/gcp"]),
    ],
)
def test_a_misspelt_word_is_taken_for_a_similar_one(found, misspelt, meant):
    assert [one for one in found(q=misspelt) if one in meant] == meant
    assert found.answer["instead_of"] == [misspelt.split()[0]]


def test_nothing_is_found_where_nothing_is_alike(found):
    assert found(q="zzzzzzzz") == []
    assert found.answer["instead_of"] == []
    assert found(q="!!! ---") == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"namespace": "other"}, ["other/network/azure"]),
        ({"system": "gcp"}, ["database/gcp"]),
        ({"tag": "vpc"}, ["network/aws", "other/network/azure"]),
        ({"tag": "vpc", "namespace": "acme"}, ["network/aws"]),
        ({"resource_type": "aws_subnet"}, ["network/aws"]),
        ({"resource_type": "aws_subnet", "q": "cluster"}, []),
        ({"tag": "VPC"}, []),
    ],
)
def test_filters_leave_what_fits_all_of_them(found, given, expected):
    assert found(**given) == expected


def test_pages_follow_each_other_and_know_of_all(found):
    everything = found()
    assert found.answer["total"] == 5
    pages = [found(limit=2, offset=offset) for offset in (0, 2, 4, 6)]
    assert [one for page in pages for one in page] == everything
    assert (found.answer["total"], found.answer["offset"], found.answer["limit"]) == (5, 6, 2)


def test_without_words_the_most_used_come_first(found, registry):
    with registry.store.database._engine.begin() as on:
        on.exec_driver_sql(
            "UPDATE iacengine_registry.module_downloads SET downloads = 50 WHERE module_id = "
            "(SELECT id FROM iacengine_registry.module WHERE label = 'acme/database/gcp')"
        )
    registry.service.answers.changed()
    assert found()[0] == "database/gcp"


def test_a_yanked_version_is_found_by_its_predecessors_words(registry):
    registry.put("acme/moving/aws", "1.0.0", description="zebra")
    registry.put("acme/moving/aws", "1.1.0", description="giraffe")
    client = registry.client(registry.token("publish:acme"))

    def total(word):
        return client.get("/api/v1/modules", params={"q": word}).json()["total"]

    assert (total("zebra"), total("giraffe")) == (0, 1)
    client.put("/api/v1/modules/acme/moving/aws/versions/1.1.0/yank", json={})
    assert (total("zebra"), total("giraffe")) == (1, 0)


@pytest.mark.parametrize(
    "given", [{"limit": 0}, {"limit": 101}, {"limit": "many"}, {"offset": -1}, {"q": "x" * 201}, {"q": "a\0b"}]
)
def test_a_search_that_makes_no_sense_is_refused(code_of, registry, given):
    assert code_of(registry.client().get("/api/v1/modules", params=given)) == (422, "invalid")


@pytest.mark.parametrize(
    "odd", ["½", "a:*", "!a & b | c", "''", "\\", "日本語", "a'b", "ﬀ", "\u0301", "<->", "x" * 200, "e\u0301té", "ß"]
)
def test_odd_words_are_only_words(registry, odd):
    assert registry.client().get("/api/v1/modules", params={"q": odd}).status_code == 200
