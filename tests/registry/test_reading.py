"""Versions, downloads, dependencies in both directions; and that answers kept in memory are never stale."""

from __future__ import annotations

import threading
import time

import pytest

from iacengine.registry.answers import kept_json, new_answers
from iacengine.registry.memory import Memory

PLAIN = {"main.iac.yaml": "output: {at: {value: 1}}\n"}


@pytest.fixture(scope="module")
def published(registry, make_package, send_package, version_path):
    """A package of some size that is published, and its path."""
    space, client = registry.publisher()
    noise = bytes(range(256)) * 40
    packed = make_package(f"{space}/net/aws", files=PLAIN | {"noise.bin": noise})
    assert send_package(client, packed).status_code == 201
    return packed, f"{version_path(packed)}/package"


def test_versions_come_newest_first_in_the_order_of_semantic_versioning(registry):
    space = registry.namespace()
    for version in ("1.9.0", "1.10.0", "1.10.0-rc.2", "1.10.0-rc.10", "0.9.9", "1.10.0-alpha"):
        registry.put(f"{space}/net/aws", version, dependencies=[(f"{space}/other/aws", "~> 1.2")])
    answer = registry.client().get(f"/api/v1/modules/{space}/net/aws/versions").json()
    assert [one["version"] for one in answer["versions"]] == [
        "1.10.0",
        "1.10.0-rc.10",
        "1.10.0-rc.2",
        "1.10.0-alpha",
        "1.9.0",
        "0.9.9",
    ]
    assert answer["versions"][0]["dependencies"] == [
        {"source": f"{space}/other/aws", "constraint": "~> 1.2", "address": f"{space}/other/aws"}
    ]


def test_dependents_are_those_whose_newest_version_depends_on_a_module(code_of, registry):
    space = registry.namespace()
    registry.put(f"{space}/base/aws")
    for name, version, needs in (
        ("a", "1.0.0", "~> 1.0"),
        ("b", "1.0.0", "1.0.0"),
        ("b", "2.0.0", ""),
        ("c", "1.0.0", None),
        ("c", "1.1.0", ">= 1"),
    ):
        calls = [(f"{space}/base/aws", needs)] if needs else []
        registry.put(f"{space}/{name}/aws", version, dependencies=calls)
    client = registry.client()
    path = f"/api/v1/modules/{space}/base/aws/dependents"
    everyone = [
        {"address": f"{space}/a/aws", "version": "1.0.0", "constraint": "~> 1.0"},
        {"address": f"{space}/c/aws", "version": "1.1.0", "constraint": ">= 1"},
    ]
    answer = client.get(path).json()
    assert (answer["dependents"], answer["total"]) == (everyone, 2)
    page = client.get(path, params={"limit": 1, "offset": 1}).json()
    assert (page["dependents"], page["total"], page["offset"], page["limit"]) == (everyone[1:], 2, 1, 1)
    assert client.get(f"/api/v1/modules/{space}/a/aws/dependents").json()["dependents"] == []
    assert code_of(client.get(f"/api/v1/modules/{space}/nobody/aws/dependents")) == (404, "no_such_module")


def test_what_is_not_there_is_said_to_be_missing(code_of, registry):
    space = registry.namespace()
    registry.put(f"{space}/net/aws")
    client = registry.client()
    module = f"/api/v1/modules/{space}/net"
    for path in ("", "/versions", "/dependents", "/versions/1.0.0", "/versions/1.0.0/package"):
        assert code_of(client.get(f"{module}/gcp{path}")) == (404, "no_such_module")
    for path in ("", "/package", "/provenance", "/envelopes"):
        assert code_of(client.get(f"{module}/aws/versions/1.0.1{path}")) == (404, "no_such_version")
    assert code_of(client.get("/api/v1/namespaces/nobody")) == (404, "no_such_namespace")
    assert code_of(client.get("/nothing")) == (404, "not_found")
    assert code_of(client.post(f"{module}/aws")) == (405, "method_not_allowed")


# --- downloads --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-100", -100, None),
        ("bytes=5-99999999", 5, None),
    ],
)
def test_a_part_of_a_package_is_the_part_that_was_asked_for(registry, published, asked, start, end):
    packed, path = published
    expected = packed.data[start:end]
    answer = registry.client().get(path, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, expected)
    first = start if start >= 0 else len(packed.data) + start
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{len(packed.data)}"
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("asked", ["bytes=5-4", "bytes=a-b", "bytes=-", "bytes=0-1,3-4", "lines=1-2", "bytes=0-"])
def test_a_range_that_makes_no_sense_or_is_all_gives_the_whole(registry, published, asked):
    packed, path = published
    answer = registry.client().get(path, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, packed.data)
    assert "content-range" not in answer.headers


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(code_of, registry, published, asked):
    packed, path = published
    answer = registry.client().get(path, headers={"Range": asked})
    assert code_of(answer) == (416, "no_such_range")
    assert answer.headers["content-range"] == f"bytes */{len(packed.data)}"


def test_a_download_is_conditional_on_its_digest(registry, published):
    packed, path = published
    client = registry.client()
    etag = f'"{packed.package.digest}"'
    for condition in (etag, f'W/{etag}, "x"', "*"):
        unchanged = client.get(path, headers={"If-None-Match": condition})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert unchanged.headers["etag"] == etag
    assert client.get(path, headers={"If-None-Match": '"other"'}).content == packed.data
    same = client.get(path, headers={"If-Range": etag, "Range": "bytes=3-"})
    assert (same.status_code, same.content) == (206, packed.data[3:])
    other = client.get(path, headers={"If-Range": '"other"', "Range": "bytes=3-"})
    assert (other.status_code, other.content) == (200, packed.data)
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(packed.data))
    assert head.headers["etag"] == etag


def test_a_large_package_is_sent_whole_and_in_parts(registry, make_package, send_package, version_path):
    import random  # noises that do not compress

    noise = random.Random(1).randbytes(700_000)
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws", files=PLAIN | {"noise.bin": noise})
    assert send_package(client, packed).status_code == 201
    path = f"{version_path(packed)}/package"
    assert client.get(path).content == packed.data
    assert client.get(path, headers={"Range": "bytes=1000-600000"}).content == packed.data[1000:600001]


def test_downloads_are_counted_once_each_and_written_down(registry, make_package, send_package, version_path):
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws", files=PLAIN)
    assert send_package(client, packed).status_code == 201
    path = f"{version_path(packed)}/package"
    for headers in ({}, {}, {"Range": "bytes=10-"}):
        assert client.get(path, headers=headers).is_success
    assert client.head(path).is_success
    registry.service.write_down()
    registry.service.answers.changed()
    assert client.get(f"/api/v1/modules/{space}/net/aws").json()["downloads"] == 2
    assert client.get(version_path(packed)).json()["downloads"] == 2


def test_a_package_that_is_lost_is_told_of_as_such(code_of, registry, make_package, send_package, version_path):
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws", files=PLAIN)
    assert send_package(client, packed).status_code == 201
    registry.service.blobs.remove(packed.package.digest)
    assert code_of(client.get(f"{version_path(packed)}/package")) == (503, "package_missing")
    assert send_package(client, packed).status_code == 200, "publishing the same bytes again puts it back"
    assert client.get(f"{version_path(packed)}/package").content == packed.data


# --- kept in memory ---------------------------------------------------------------------------------------------------


def hearing(registry):
    """The registry, once it hears of changes, without which it keeps nothing in memory."""
    deadline = time.monotonic() + 30
    while not registry.service.answers.begin().heard:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return registry


def test_an_answer_has_an_etag_that_changes_with_it(registry):
    space = registry.namespace()
    registry.put(f"{space}/net/aws", "1.0.0")
    client = registry.client()
    path = f"/api/v1/modules/{space}/net/aws/versions"
    first = client.get(path)
    assert client.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    registry.put(f"{space}/net/aws", "1.1.0")
    registry.service.changed(f"{space}/net/aws")
    second = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (second.status_code, len(second.json()["versions"])) == (200, 2)
    assert second.headers["etag"] != first.headers["etag"]


def test_an_answer_in_memory_is_given_again_without_the_database(registry):
    space = registry.namespace()
    registry.put(f"{space}/net/aws", "1.0.0")
    client = registry.client()
    path = f"/api/v1/modules/{space}/net/aws"
    hearing(registry)
    first = client.get(path)
    deadline = time.monotonic() + 30
    hits = registry.service.answers.hits
    while registry.service.answers.hits == hits:  # that something has just been published may be heard only now
        assert time.monotonic() < deadline
        again = client.get(path)
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
    unchanged = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (unchanged.status_code, unchanged.headers["etag"]) == (304, first.headers["etag"])
    assert registry.service.answers.hits == hits + 2


def test_what_was_read_before_a_change_is_not_kept_after_it():
    answers = new_answers(1 << 20)
    assert not answers.begin().heard, "at first nobody knows whether changes are heard"
    answers.hear(60)
    answer = kept_json(b"{}", "/route")
    drawn = answers.begin()
    answers.keep("before", answer, drawn)
    assert answers.find("before") == answer
    answers.changed()
    answers.keep("late", answer, drawn)
    assert answers.find("late") is None
    assert answers.find("before") is None
    drawn = answers.begin()
    answers.hear(0)
    answers.keep("deaf", answer, drawn)
    assert answers.find("deaf") is None


def test_answers_take_no_more_room_than_they_are_given():
    answers = new_answers(100_000)
    answers.hear(60)
    for number in range(100):
        answers.keep(number, kept_json(bytes(9_000), "/route"), answers.begin())
    answers.keep("large", kept_json(bytes(50_000), "/route"), answers.begin())
    held = [number for number in range(100) if answers.find(number) is not None]
    assert held == list(range(90, 100)), "those that were asked for last"
    assert answers.find("large") is None


def test_what_one_process_changes_every_other_forgets(new_registry):
    one = hearing(new_registry())
    other = hearing(new_registry(database=one.database))
    one.put("acme/net/aws", "1.0.0")
    path = "/api/v1/modules/acme/net/aws/versions"
    client = other.client()
    assert len(client.get(path).json()["versions"]) == 1
    one.put("acme/net/aws", "1.1.0")
    deadline = time.monotonic() + 10
    while len(client.get(path).json()["versions"]) == 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_is_about_one_module_is_kept_when_another_changes():
    answers = new_answers(1 << 20)
    answers.hear(60)
    answer = kept_json(b"{}", "/route")
    for key, about in (("one", "a/one/x"), ("two", "a/two/x"), ("search", "")):
        assert answers.keep(key, answer, answers.begin(), about)
    answers.changed("a/one/x")
    assert [answers.find(key) for key in ("one", "two", "search")] == [None, answer, None]
    answers.changed()
    assert answers.find("two") is None
    assert answers.fullness == 0


def test_nothing_is_given_from_memory_when_no_sign_of_life_came_for_too_long():
    now = [100.0]
    memory = Memory(1 << 20, len, lambda: now[0])
    memory.hear(15)
    assert memory.keep("key", "found", memory.begin())
    now[0] += 15
    assert memory.find("key") == "found"
    now[0] += 1
    assert memory.find("key") is None
    assert not memory.begin().heard
    memory.hear(15)
    assert memory.find("key") is None, "what changed meanwhile was not heard"
    assert memory.begin().heard


def test_keys_take_room_too():
    memory = Memory(10_000, lambda _: 1)
    memory.hear(60)
    for number in range(100):
        memory.keep(("/path", b"%d" % number * 500), "found", memory.begin())
    assert 0.9 < memory.fullness <= 1
    assert sum(memory.find(("/path", b"%d" % number * 500)) is not None for number in range(100)) < 20


def test_a_failure_while_reading_ahead_is_no_end_of_it(new_registry, monkeypatch):
    registry = hearing(new_registry())
    with monkeypatch.context() as patch:
        failed = threading.Event()

        def fail(connection, labels):
            failed.set()
            raise ValueError(labels)

        patch.setattr("iacengine.registry.warming.known_modules", fail)
        registry.put("acme/net/aws", "1.0.0")
        registry.service.changed("acme/net/aws")
        assert failed.wait(30)
    registry.service.changed("acme/net/aws")
    warm(registry, "acme/net/aws")


def warm(registry, label):
    """The registry, once it has read of its own accord what there is of a module."""
    deadline = time.monotonic() + 30
    while registry.service.modules.find(label) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return registry


def without_database(registry, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the database was asked")

    monkeypatch.setattr(registry.service.store.database, "transact", refuse)


@pytest.fixture
def newly_published(new_registry, make_package, send_package):
    """A registry of its own that hears of changes, and what was published there as acme/net/aws."""
    registry = hearing(new_registry())
    _, client = registry.publisher("acme")
    packed = make_package("acme/net/aws", files=PLAIN)
    assert send_package(client, packed).status_code == 201
    return registry, packed


def test_nobody_waits_for_the_database_to_hear_of_versions_or_for_a_package(newly_published, version_path, monkeypatch):
    registry, packed = newly_published
    anybody = registry.client()
    deadline = time.monotonic() + 30
    while True:  # that it was published is perhaps heard only now, and it is read once more
        warm(registry, "acme/net/aws")
        with monkeypatch.context() as patch:
            without_database(registry, patch)
            versions = anybody.get("/api/v1/modules/acme/net/aws/versions")
            got = anybody.get(f"{version_path(packed)}/package")
        if versions.is_success and got.is_success:
            break
        assert time.monotonic() < deadline
        registry.service.changed("acme/net/aws")
    assert [one["version"] for one in versions.json()["versions"]] == ["1.0.0"]
    assert got.content == packed.data
    registry.service.answers.changed()
    registry.service.modules.changed()
    from_database = anybody.get("/api/v1/modules/acme/net/aws/versions")
    assert (from_database.content, from_database.headers["etag"]) == (versions.content, versions.headers["etag"])
    asked_slowly = anybody.get(f"{version_path(packed)}/package")
    hidden = ("date", "x-request-id")
    assert [pair for pair in asked_slowly.headers.multi_items() if pair[0] not in hidden] == [
        pair for pair in got.headers.multi_items() if pair[0] not in hidden
    ]
    registry.service.changed("acme/net/aws")
    warm(registry, "acme/net/aws")
    unchanged = anybody.get(f"{version_path(packed)}/package", headers={"If-None-Match": got.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    registry.service.write_down()
    registry.service.answers.changed()
    assert anybody.get("/api/v1/modules/acme/net/aws").json()["downloads"] == 2, "both that were sent are counted"


def test_a_module_that_was_there_before_the_service_is_known_to_it_at_once(new_registry, monkeypatch):
    first = new_registry()
    first.put("acme/net/aws", "1.0.0")
    second = warm(new_registry(database=first.database), "acme/net/aws")
    without_database(second, monkeypatch)
    assert second.client().get("/api/v1/modules/acme/net/aws/versions").status_code == 200


def test_a_version_that_was_deleted_is_not_given_from_memory(code_of, newly_published, version_path):
    registry, packed = newly_published
    warm(registry, "acme/net/aws")
    admin = registry.client(registry.token("admin", user="root"))
    assert admin.delete(version_path(packed), params={"reason": "a secret in it"}).status_code == 204
    assert code_of(registry.client().get(f"{version_path(packed)}/package")) == (410, "version_deleted")
