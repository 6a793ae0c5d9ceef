"""What operators see: health, readiness, metrics, logs; and the description of the API."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from iacengine.foundation.diagnostics import failure
from iacengine.registry.routes import health

PLAIN = {"main.iac.yaml": "output: {at: {value: 1}}\n"}


def sample(registry, name, **labels):
    """A number of the metrics."""
    text = registry.client().get("/metrics").text
    return sum(
        one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
        if one.name == name and labels.items() <= one.labels.items()
    )


def test_a_service_that_runs_is_healthy_and_ready(registry):
    client = registry.client()
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok", "database": "ok", "packages": "ok"}


def test_a_service_that_cannot_keep_packages_is_not_ready(new_registry, monkeypatch):
    registry = new_registry()
    monkeypatch.setattr(health, "REMEMBERED", 0.0)

    def check():
        raise failure("The disk is full", "/var/lib/secret/place is full.")

    client = registry.client()
    assert client.get("/readyz").status_code == 200
    monkeypatch.setattr(registry.service.blobs, "check", check)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        503,
        {"status": "unavailable", "database": "ok", "packages": "unavailable"},
    )
    assert client.get("/healthz").is_success


def test_many_who_ask_whether_it_is_ready_look_once(new_registry, monkeypatch):
    registry = new_registry()
    looks = []
    monkeypatch.setattr(registry.service.blobs, "check", lambda: looks.append(1))
    monkeypatch.setattr(health, "REMEMBERED", 60.0)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: registry.client().get("/readyz").status_code, range(16)))
    assert set(answers) == {200}
    assert len(looks) == 1


def test_metrics_count_requests_by_route_and_never_by_path(registry, make_package, send_package, version_path):
    space, client = registry.publisher()
    route = "/api/v1/modules/{namespace}/{name}/{system}/versions/{version}"
    before = {
        "published": sample(registry, "iac_registry_publications_total", outcome="published"),
        "refused": sample(registry, "iac_registry_publications_total", outcome="refused"),
        "downloads": sample(registry, "iac_registry_downloads_total"),
        "put": sample(registry, "iac_registry_requests_total", method="PUT", route=route, status="201"),
    }
    packed = make_package(f"{space}/net/aws", files=PLAIN)
    assert send_package(client, packed).status_code == 201
    assert send_package(client, make_package(f"{space}/net/aws")).status_code == 409
    assert client.get(f"{version_path(packed)}/package").is_success
    assert client.get("/some/path/nobody/has").status_code == 404
    assert sample(registry, "iac_registry_publications_total", outcome="published") == before["published"] + 1
    assert sample(registry, "iac_registry_publications_total", outcome="refused") == before["refused"] + 1
    assert sample(registry, "iac_registry_downloads_total") == before["downloads"] + 1
    assert sample(registry, "iac_registry_requests_total", method="PUT", route=route, status="201") == before["put"] + 1
    assert sample(registry, "iac_registry_request_seconds_count", route=route) >= 2
    assert sample(registry, "iac_registry_requests_running") >= 1
    text = client.get("/metrics").text
    assert space not in text
    assert "nobody" not in text


def logs_of(logged, request_id):
    """What was logged of a request, which is told when its answer has been sent."""
    deadline = time.monotonic() + 10
    while not (found := [one for one in logged if one.get("id") == request_id]):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return found


def test_every_request_has_an_id_that_the_answer_and_the_log_have(registry, logged):
    token = registry.token("read", user="ann")
    answer = registry.client(token).get("/api/v1/modules/acme/none/aws")
    (line,) = logs_of(logged, answer.headers["x-request-id"])
    assert (line["method"], line["path"], line["status"], line["user"]) == (
        "GET",
        "/api/v1/modules/acme/none/aws",
        404,
        "ann",
    )
    assert line["address"] in ("127.0.0.1", "::1")
    assert line["ms"] > 0
    own = registry.client(**{"X-Request-Id": "from-the-proxy-1"}).get("/api/v1/modules")
    assert own.headers["x-request-id"] == "from-the-proxy-1"
    assert logs_of(logged, "from-the-proxy-1")


def test_only_a_proxy_that_is_trusted_is_believed_who_asks(new_registry, logged):
    for proxies, expected in (((), "127.0.0.1"), (("192.0.2.7",), "127.0.0.1"), (("127.0.0.1",), "203.0.113.9")):
        registry = new_registry(proxies=proxies)
        answer = registry.client(**{"X-Forwarded-For": "203.0.113.9"}).get("/api/v1/modules")
        assert logs_of(logged, answer.headers["x-request-id"])[0]["address"] == expected


@pytest.mark.parametrize("odd", ["short", "x" * 65, "with space1", 'quote"12345', "line%0Abreak"])
def test_an_id_that_could_be_something_else_is_replaced(registry, odd):
    given = registry.client(**{"X-Request-Id": odd}).get("/api/v1/modules").headers["x-request-id"]
    assert given != odd
    assert len(given) == 32


def test_no_secret_gets_into_the_log_or_an_answer(
    new_registry, logged, make_package, send_package, version_path, monkeypatch
):
    registry = new_registry(open=False)
    space, _ = registry.publisher()
    token = registry.token(f"publish:{space}")
    client = registry.client(token)
    packed = make_package(f"{space}/net/aws")
    assert send_package(client, packed).status_code == 201
    made = client.post("/api/v1/tokens", json={"name": "n", "scopes": ["read"]}).json()["secret"]
    wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
    assert registry.client(wrong).get("/api/v1/modules").status_code == 401
    assert client.get("/api/v1/modules", auth=("x", token)).is_success
    ticket = (
        client.get(f"/v1/modules/{space}/net/aws/1.0.0/download").headers["x-terraform-get"].partition("ticket=")[2]
    )
    assert registry.client().get(f"{version_path(packed)}/package", params={"ticket": ticket}).is_success

    def fails(*_):
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr("iacengine.registry.routes.accounts.list_tokens", fails)
    answer = client.get("/api/v1/tokens")
    assert (answer.status_code, answer.json()["code"]) == (500, "failed")
    logs_of(logged, answer.headers["x-request-id"])
    monkeypatch.undo()
    assert token not in answer.text
    everything = "\n".join(map(str, logged))
    assert "nobody foresaw this" in everything
    assert "nobody foresaw" not in answer.text
    for secret in (token[15:], made[15:], wrong[15:], ticket.rpartition(".")[2], "hunter2"):
        assert secret not in everything


def test_the_api_describes_itself(registry):
    document = registry.client().get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.")
    paths = document["paths"]
    assert {"get", "put", "delete"} <= set(paths["/api/v1/modules/{namespace}/{name}/{system}/versions/{version}"])
    assert "Problem" in document["components"]["schemas"]
    assert document["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    operations = [operation for path in paths.values() for operation in path.values()]
    for operation in operations:
        assert operation["responses"]["default"]["content"]["application/problem+json"]
        assert operation["description"]
    identifiers = [operation["operationId"] for operation in operations]
    assert len(set(identifiers)) == len(identifiers)


def test_answers_are_as_the_api_describes_them(registry, make_package, send_package, version_path, signing_keys):
    space, client = registry.publisher()
    packed = make_package(
        f"{space}/net/aws", description="d", tags=("t",), dependencies=[(f"{space}/net/aws", "~> 1.0")]
    )
    assert send_package(client, packed, packed.envelope(signing_keys[0])).status_code == 201
    admin = registry.client(registry.token("admin", user="root"))
    admin.put(f"/api/v1/modules/{space}/net/aws/deprecation", json={"reason": "r"})
    admin.put(f"/api/v1/revocations/{signing_keys[0].id}", json={"reason": "r"})
    document = admin.get("/api/v1/openapi.json").json()
    given = {"namespace": space, "name": "net", "system": "aws", "version": "1.0.0"}
    looked_at = []
    for path, operations in document["paths"].items():
        if "get" not in operations or path.endswith("/package"):
            continue
        for values, status in ((given, 200), (dict.fromkeys(given, "0.0.0") | {"system": "none"}, 404)):
            answer = admin.get(path.format(**values))
            if values is not given and answer.status_code == 200:
                continue  # it has no parameters
            assert answer.status_code == status or answer.status_code == 422, path
            described = operations["get"]["responses"].get(
                str(answer.status_code), operations["get"]["responses"]["default"]
            )
            if answer.status_code == 200:
                schema = described["content"][answer.headers["content-type"]]["schema"]
            else:
                schema = operations["get"]["responses"]["default"]["content"]["application/problem+json"]["schema"]
            whole = schema | {"components": document["components"]}
            jsonschema.Draft202012Validator(whole).validate(answer.json())
            looked_at.append(path)
    assert len(looked_at) > 15


def test_what_cannot_be_done_at_a_path_is_answered_with_what_can(registry, code_of):
    client = registry.client()
    for method, path, allowed in (
        ("POST", "/api/v1/modules/acme/net/aws/versions/1.0.0", "DELETE, GET, PUT"),
        ("PUT", "/api/v1/tokens", "GET, POST"),
        ("DELETE", "/api/v1/modules/acme/net/aws/versions/1.0.0/package", "GET, HEAD"),
        ("POST", "/healthz", "GET"),
    ):
        answer = client.request(method, path)
        assert code_of(answer) == (405, "method_not_allowed")
        assert answer.headers["allow"] == allowed


def test_answers_carry_what_keeps_browsers_safe(registry):
    for path in ("/api/v1/modules", "/healthz", "/nothing", "/api/v1/modules/acme/none/aws"):
        headers = registry.client().get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers
