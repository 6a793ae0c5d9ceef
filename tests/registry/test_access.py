"""Who may do what: users, tokens, scopes, namespaces, limits, and the audit log."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from iacengine.registry.auth import Authenticator
from iacengine.registry.caller import ADMIN, Caller
from iacengine.registry.limits import Buckets, Guesses, counted_as
from iacengine.registry.refusal import Refusal
from iacengine.registry.store import tokens
from iacengine.registry.store.accounts import disable_account
from iacengine.registry.store.tokens import id_of, new_secret

PLAIN = {"main.iac.yaml": "output: {at: {value: 1}}\n"}


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(autouse=True)
def _no_guesses_yet(registry):
    """What one test sends of wrong tokens does not stop the next."""
    registry.service.authenticator._guesses = Guesses()


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_a_token_says_whose_it_is_and_what_it_may_do(registry):
    space = registry.namespace()
    token = registry.token("read", f"publish:{space}", user="ann")
    told = registry.client(token).get("/api/v1/whoami").json()
    assert told["user"] == "ann"
    assert told["token"] == id_of(token)
    assert told["scopes"] == [f"publish:{space}", "read"]
    assert datetime.fromisoformat(told["expires"]) < datetime.now(UTC) + timedelta(days=1)


def test_of_a_token_only_a_hash_is_kept(registry):
    token = registry.token("read")
    ((digest,),) = registry.query("SELECT digest FROM token WHERE id = %s", id_of(token))
    assert bytes(digest) == hashlib.sha256(token.encode()).digest()
    everything = registry.query("SELECT t::text FROM token t")
    assert token[15:] not in str(everything)


def test_without_a_token_nothing_is_changed_and_a_challenge_is_given(
    code_of, registry, make_package, send_package, version_path
):
    space = registry.namespace()
    registry.put(f"{space}/net/aws")
    anybody = registry.client()
    module = f"/api/v1/modules/{space}/net/aws"
    refused = [
        send_package(anybody, make_package(f"{space}/net/aws", "2.0.0", PLAIN)),
        anybody.put(f"{module}/versions/1.0.0/yank", json={}),
        anybody.delete(f"{module}/versions/1.0.0/yank"),
        anybody.delete(f"{module}/versions/1.0.0", params={"reason": "x"}),
        anybody.post(f"{module}/versions/1.0.0/envelopes", content=b"{}"),
        anybody.put(f"{module}/deprecation", json={}),
        anybody.delete(f"{module}/deprecation"),
        anybody.put("/api/v1/namespaces/mine", json={}),
        anybody.put(f"/api/v1/revocations/ed25519:{'a' * 16}", json={}),
        anybody.get("/api/v1/whoami"),
        anybody.get("/api/v1/tokens"),
        anybody.post("/api/v1/tokens", json={"name": "x", "scopes": ["read"]}),
        anybody.delete("/api/v1/tokens/aaaaaaaaaa"),
        anybody.get("/api/v1/audit"),
    ]
    assert {code_of(answer) for answer in refused} == {(401, "token_required")}
    assert all(answer.headers["www-authenticate"].startswith("Bearer ") for answer in refused)


def test_a_token_of_another_namespace_changes_nothing(code_of, registry, make_package, send_package):
    mine, theirs = registry.namespace(), registry.namespace()
    registry.put(f"{theirs}/net/aws")
    client = registry.client(registry.token(f"publish:{mine}", "read"))
    module = f"/api/v1/modules/{theirs}/net/aws"
    packed = make_package(f"{theirs}/net/aws", "2.0.0", PLAIN)
    refused = [
        send_package(client, packed),
        client.put(f"{module}/versions/1.0.0/yank", json={}),
        client.delete(f"{module}/versions/1.0.0/yank"),
        client.delete(f"{module}/versions/1.0.0", params={"reason": "x"}),
        client.post(f"{module}/versions/1.0.0/envelopes", content=b"{}"),
        client.put(f"{module}/deprecation", json={}),
        client.delete(f"{module}/deprecation"),
        client.put(f"/api/v1/namespaces/{mine}", json={"description": "x"}),
        client.put(f"/api/v1/revocations/ed25519:{'a' * 16}", json={}),
        client.get("/api/v1/audit"),
    ]
    assert {code_of(answer) for answer in refused} == {(403, "scope_missing")}
    assert packed.package.digest not in registry.blobs()


def test_a_package_of_ones_own_does_not_open_anothers_namespace(code_of, registry, make_package, send_package):
    # The address in the path is mine, the one in the manifest theirs.
    mine, theirs = registry.namespace(), registry.namespace()
    client = registry.client(registry.token(f"publish:{mine}"))
    packed = make_package(f"{theirs}/net/aws", files=PLAIN)
    path = f"/api/v1/modules/{mine}/net/aws/versions/1.0.0"
    assert code_of(send_package(client, packed, path=path)) == (422, "wrong_manifest")


@pytest.mark.parametrize(
    "wrong",
    [
        "hunter2",
        "iac_",
        "iac_aaaaaaaaaa_" + "a" * 59,
        "iac_aaaaaaaaaa_" + "a" * 5000,
        "' OR 1=1 --",
    ],
)
def test_what_is_no_token_is_refused_without_asking_the_database(code_of, registry, wrong):
    with pytest.raises(Refusal) as refused:
        Authenticator(None).caller(wrong, "10.0.0.1")
    assert (refused.value.status, refused.value.code) == (401, "token_refused")
    answer = registry.client(wrong).get("/api/v1/modules")
    assert code_of(answer) == (401, "token_refused")
    assert "invalid_token" in answer.headers["www-authenticate"]


def test_to_know_what_names_a_token_is_not_to_know_the_token(code_of, registry):
    token = registry.token("admin")
    assert registry.client(token).get("/api/v1/whoami").is_success  # from now on it is remembered
    other = new_secret()
    head = token[:15] + other[15:67]
    forged = head + tokens._checksum(head)
    assert id_of(forged) == id_of(token)
    assert code_of(registry.client(forged).get("/api/v1/whoami")) == (401, "token_refused")
    with pytest.raises(Refusal, match="Token refused"):
        Authenticator(registry.store).caller(forged, "10.0.0.1")


def test_a_revoked_an_expired_and_a_disabled_users_token_count_no_more(code_of, registry):
    admin = registry.client(registry.token("admin", user="root"))
    token = registry.token("read", user="bob")
    bob = registry.client(token)
    assert bob.get("/api/v1/whoami").is_success
    assert admin.delete(f"/api/v1/tokens/{id_of(token)}").status_code == 204
    assert code_of(bob.get("/api/v1/whoami")) == (401, "token_refused")
    assert code_of(bob.get("/api/v1/modules")) == (401, "token_refused"), "it is not taken for nobody's"
    expired = registry.client(registry.token("read", user="bob", days=-1))
    assert code_of(expired.get("/api/v1/whoami")) == (401, "token_refused")
    other = registry.client(registry.token("read", user="bob"))
    assert other.get("/api/v1/whoami").is_success
    registry.write(lambda on: disable_account(on, Caller("root", scopes=frozenset({ADMIN})), "bob"), "tokens")
    registry.service.authenticator.forget()  # as the listener has it do, within moments
    assert code_of(other.get("/api/v1/whoami")) == (401, "token_refused")


def test_a_token_ends_while_it_is_remembered(registry):
    token = registry.token("read", days=1)
    now = datetime.now(UTC)
    times = iter([now, now + timedelta(days=2)])
    known = Authenticator(registry.store, now=lambda: next(times))
    assert known.caller(token, "10.0.0.1").user == "ann"
    assert known.remembered(token, "10.0.0.1") is None


def test_a_remembered_token_is_asked_for_again_after_a_while(registry):
    token = registry.token("read")
    clock = Clock()
    known = Authenticator(registry.store, clock=clock)
    known.caller(token, "10.0.0.1")
    assert known.remembered(token, "10.0.0.1") is not None
    assert known.remembered(token[:-1] + ("a" if token[-1] != "a" else "b"), "10.0.0.1") is None
    clock.now += 11
    assert known.remembered(token, "10.0.0.1") is None


def test_one_makes_tokens_that_may_do_no_more_and_last_no_longer(code_of, registry):
    space = registry.namespace()
    client = registry.client(registry.token("read", f"publish:{space}", user="carol"))
    expires = client.get("/api/v1/whoami").json()["expires"]
    made = client.post("/api/v1/tokens", json={"name": "for CI", "scopes": [f"publish:{space}"], "days": 3650})
    assert made.status_code == 201
    assert made.json()["token"]["expires"] == expires
    assert made.headers["cache-control"] == "no-store"
    secret = made.json()["secret"]
    assert registry.client(secret).get("/api/v1/whoami").json()["scopes"] == [f"publish:{space}"]
    for scope in ("admin", "publish:other"):
        asked = {"name": "more", "scopes": [scope]}
        assert code_of(client.post("/api/v1/tokens", json=asked)) == (403, "scope_missing")
    nonsense = {"name": "x", "scopes": ["publish:" + "x" * 200]}
    assert code_of(client.post("/api/v1/tokens", json=nonsense)) == (422, "invalid")
    listed = client.get("/api/v1/tokens").json()["tokens"]
    assert {one["name"] for one in listed} == {"test", "for CI"}
    assert {one["user"] for one in listed} == {"carol"}
    assert secret[15:] not in client.get("/api/v1/tokens").text


def test_nobody_revokes_the_token_of_another_but_an_administrator(code_of, registry):
    theirs = registry.token("read", user="dave")
    client = registry.client(registry.token("read", user="erin"))
    assert code_of(client.delete(f"/api/v1/tokens/{id_of(theirs)}")) == (404, "no_such_token")
    assert registry.client(theirs).get("/api/v1/whoami").is_success
    everyone = registry.client(registry.token("admin", user="root")).get("/api/v1/tokens").json()["tokens"]
    assert {"dave", "erin"} <= {one["user"] for one in everyone}


def test_the_last_use_of_a_token_is_written_down(registry):
    token = registry.token("read", user="frank")
    client = registry.client(token)
    assert client.get("/api/v1/tokens").json()["tokens"][0]["last_used"] is None
    registry.service.write_down()
    (entry,) = client.get("/api/v1/tokens").json()["tokens"]
    assert datetime.now(UTC) - datetime.fromisoformat(entry["last_used"]) < timedelta(minutes=5)
    assert registry.query("SELECT last_address FROM token WHERE id = %s", id_of(token)) in (
        [("127.0.0.1",)],
        [("::1",)],
    )


def test_uses_that_could_not_be_written_down_are_written_down_later(registry, monkeypatch):
    token = registry.token("read", user="grace")
    known = Authenticator(registry.store)
    known.caller(token, "10.0.0.1")
    with monkeypatch.context() as patched:
        patched.setattr(registry.store, "write", lambda *_: (_ for _ in ()).throw(RuntimeError))
        with pytest.raises(RuntimeError):
            known.write_uses()
    known.write_uses()
    assert registry.query("SELECT last_address FROM token WHERE id = %s", id_of(token)) == [("10.0.0.1",)]


def test_basic_credentials_are_for_reading_alone(code_of, registry):
    token = registry.token("admin", user="root")
    browser = registry.client()
    assert browser.get("/api/v1/audit", auth=("x", token)).is_success
    made = browser.put("/api/v1/namespaces/by-browser", json={}, auth=("x", token))
    assert code_of(made) == (401, "token_required"), "any page could have a browser send this"


def test_where_reading_takes_a_token_nothing_is_told_without_one(code_of, new_registry, make_package, send_package):
    registry = new_registry(open=False)
    _, client = registry.publisher("acme")
    assert send_package(client, make_package("acme/net/aws", files=PLAIN)).status_code == 201
    anybody = registry.client()
    module = "/api/v1/modules/acme/net/aws"
    paths = [
        "/api/v1/modules",
        "/api/v1/namespaces",
        "/api/v1/namespaces/acme",
        "/api/v1/revocations",
        module,
        f"{module}/versions",
        f"{module}/dependents",
        f"{module}/versions/1.0.0",
        f"{module}/versions/1.0.0/package",
        f"{module}/versions/1.0.0/provenance",
        f"{module}/versions/1.0.0/envelopes",
        "/v1/modules/acme/net/aws/versions",
        "/v1/modules/acme/net/aws/download",
        "/v1/modules/acme/net/aws/1.0.0/download",
    ]
    reader = registry.client(registry.token("read"))
    for path in paths:
        assert reader.get(path).status_code in (200, 204, 302), path  # and now it is kept in memory
        assert code_of(anybody.get(path)) == (401, "token_required"), path
    assert anybody.get("/healthz").is_success
    assert anybody.get("/.well-known/terraform.json").is_success


# --- namespaces -------------------------------------------------------------------------------------------------------


def test_administrators_make_namespaces_and_everybody_sees_them(code_of, registry):
    admin = registry.client(registry.token("admin", user="root"))
    made = admin.put("/api/v1/namespaces/tools", json={"description": "Tools"})
    assert (made.status_code, made.json()) == (201, {"name": "tools", "description": "Tools", "modules": 0})
    again = admin.put("/api/v1/namespaces/tools", json={"description": "All tools"})
    assert (again.status_code, again.json()["description"]) == (200, "All tools")
    registry.put("tools/hammer/aws")
    anybody = registry.client()
    registry.service.answers.changed()
    assert anybody.get("/api/v1/namespaces/tools").json()["modules"] == 1
    listed = {one["name"]: one for one in anybody.get("/api/v1/namespaces").json()["namespaces"]}
    assert listed["tools"] == {"name": "tools", "description": "All tools", "modules": 1}
    assert code_of(admin.put("/api/v1/namespaces/Tools", json={})) == (409, "namespace_alike")


def test_nobody_publishes_into_a_namespace_that_is_not_there(code_of, registry, make_package, send_package):
    admin = registry.client(registry.token("admin", user="root"))
    packed = make_package("nowhere/net/aws", files=PLAIN)
    assert code_of(send_package(admin, packed)) == (404, "no_such_namespace")
    assert packed.package.digest not in registry.blobs()
    asked = {"name": "x", "scopes": ["publish:nowhere"]}
    assert code_of(admin.post("/api/v1/tokens", json=asked)) == (404, "no_such_namespace")


def test_a_revoked_key_is_told_to_everybody_for_good(code_of, registry):
    admin = registry.client(registry.token("admin", user="root"))
    key = f"ed25519:{'b' * 20}"
    assert admin.put(f"/api/v1/revocations/{key}", json={"reason": "stolen"}).status_code == 204
    assert admin.put(f"/api/v1/revocations/{key}", json={"reason": "again"}).status_code == 204
    (told,) = registry.client().get("/api/v1/revocations").json()["revocations"]
    assert (told["key"], told["reason"]) == (key, "stolen")
    assert admin.delete(f"/api/v1/revocations/{key}").status_code == 405


# --- limits -----------------------------------------------------------------------------------------------------------


def test_who_asks_too_often_is_told_to_wait(code_of, new_registry):
    registry = new_registry(rate=1.0, burst=3.0)
    client = registry.client()
    answers = [client.get("/api/v1/modules") for _ in range(5)]
    assert [answer.status_code for answer in answers[:3]] == [200, 200, 200]
    assert code_of(answers[-1]) == (429, "too_many_requests")
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert client.get("/healthz").is_success
    token = registry.client(registry.token("read"))
    assert code_of(token.get("/api/v1/whoami")) == (429, "too_many_requests"), "it may be a guess"


def test_who_has_a_token_is_not_slowed_down_by_others_at_the_same_address(new_registry):
    registry = new_registry(rate=1.0, burst=3.0)
    token = registry.client(registry.token("read"))
    assert token.get("/api/v1/whoami").is_success
    others = registry.client()
    while others.get("/api/v1/modules").status_code != 429:
        pass
    assert token.get("/api/v1/whoami").is_success


def test_who_guesses_tokens_waits_twice_as_long_each_time(registry):
    clock = Clock()
    known = Authenticator(registry.store, guesses=Guesses(free=3, clock=clock), clock=clock)

    def guess(address="10.0.0.1"):
        with pytest.raises(Refusal) as refused:
            known.caller(new_secret(), address)
        return refused.value.status, refused.value.headers.get("Retry-After")

    assert [guess()[0] for _ in range(3)] == [401, 401, 401]
    waits = []
    for _ in range(4):
        status, wait = guess()
        assert status == 429
        waits.append(int(wait))
        clock.now += int(wait)
        assert guess()[0] == 401
    assert waits == [2, 3, 5, 9]
    assert guess("10.0.0.2")[0] == 401
    good = registry.token("read")
    with pytest.raises(Refusal, match="Too many wrong tokens"):
        known.caller(good, "10.0.0.1")
    clock.now += 300
    assert known.caller(good, "10.0.0.1").user == "ann"


def test_a_right_token_that_is_known_works_while_others_guess_at_the_same_address(code_of, new_registry):
    registry = new_registry()
    good = registry.client(registry.token("read"))
    assert good.get("/api/v1/whoami").is_success
    answers = [registry.client(new_secret()).get("/api/v1/modules") for _ in range(12)]
    assert {code_of(answer) for answer in answers[:10]} == {(401, "token_refused")}
    assert code_of(answers[11]) == (429, "too_many_wrong_tokens")
    assert good.get("/api/v1/whoami").is_success


def test_addresses_of_one_network_count_as_one():
    assert counted_as("192.0.2.1") == "192.0.2.1"
    assert counted_as("2001:db8:1:2:3::1") == counted_as("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert counted_as("2001:db8:1:3::1") != counted_as("2001:db8:1:2::1")
    assert counted_as("fe80::1%eth0") == "fe80::/64"
    assert counted_as("") == ""
    assert counted_as("a:b") == "a:b"


def test_a_bucket_fills_again():
    clock = Clock()
    bucket = Buckets(rate=2.0, burst=4.0, clock=clock)
    assert [bucket.take("a") for _ in range(4)] == [0, 0, 0, 0]
    assert bucket.take("a") == pytest.approx(0.5)
    assert bucket.take("b") == 0
    clock.now += 0.5
    assert bucket.take("a") == 0
    assert bucket.take("a") > 0
    assert Buckets(rate=0, burst=1).take("a") == 0


# --- the audit log ----------------------------------------------------------------------------------------------------


def test_the_audit_log_says_who_did_what_from_where_page_by_page(registry):
    token = registry.token("admin", user="root")
    admin = registry.client(token)
    admin.put("/api/v1/namespaces/audited", json={})
    entries = admin.get("/api/v1/audit", params={"limit": 1000}).json()["entries"]
    last = entries[-1]
    assert (last["user"], last["action"], last["subject"]) == ("root", "namespace.create", "audited")
    assert last["token"] == id_of(token)
    assert last["address"] in ("127.0.0.1", "::1")
    page = admin.get("/api/v1/audit", params={"after": entries[-3]["id"], "limit": 1}).json()["entries"]
    assert page == entries[-2:-1]
    assert token[15:] not in str(entries)


@pytest.mark.parametrize("statement", ["UPDATE audit SET account = 'x'", "DELETE FROM audit", "TRUNCATE audit"])
def test_the_audit_log_cannot_be_changed(registry, statement):
    registry.token("read")
    with pytest.raises(psycopg.errors.RaiseException, match="only written to"):
        registry.query(statement)
