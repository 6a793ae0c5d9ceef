"""`iac registry serve` and its commands as programs: started, stopped, killed, while databases and disks go away."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import httpx2
import psycopg
import pytest

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.foundation.postgres_programs import find_programs
from iacengine.modules.wire import encode_publication
from iacengine.registry import embedded
from iacengine.registry.blobs import DiskBlobs
from iacengine.registry.caller import ADMIN, Caller
from iacengine.registry.embedded import embedded_database
from iacengine.registry.publishing import remove_stranded
from iacengine.registry.routes import health
from iacengine.registry.store.accounts import account_id, create_account, put_namespace
from iacengine.registry.store.opening import open_store
from iacengine.registry.store.tokens import create_token, id_of, new_secret
from iacengine.testing.services.registry import RegistryProcess

PLAIN = {"main.iac.yaml": "output: {at: {value: 1}}\n"}
OPERATOR = Caller(user="operator", scopes=frozenset({ADMIN}))

pytestmark = pytest.mark.skipif(find_programs() is None, reason="PostgreSQL is not installed")


def log_of(process):
    return [json.loads(line) for line in process.log.read_text().splitlines()]


def client_of(process, token="", **given):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    verify = process.certificates.context() if process.certificates else True
    return httpx2.Client(base_url=process.url, headers=headers, verify=verify, timeout=60, **given)


def token_of(process, scope="publish:acme"):
    """A token, made as its command would."""
    secret = new_secret()

    def work(connection):
        put_namespace(connection, OPERATOR, "acme")
        create_account(connection, OPERATOR, "ann")
        create_token(connection, OPERATOR, secret, account_id(connection, "ann"), "test", [scope], None)

    store = open_store(process.database)
    store.write(work, "make a token", "tokens")
    store.database.close()
    return secret


@pytest.fixture
def open_folder():
    """A folder that every user can reach: PostgreSQL does not run as root, whose folders are closed to others."""
    with tempfile.TemporaryDirectory(prefix="iac-registry-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


@pytest.fixture
def iac(registry_commands, tmp_path, new_database):
    """iac("token", "list", …): how `iac registry …` ended, on a database of its own."""
    environment = {"IAC_REGISTRY_DATABASE_URL": new_database(), "IAC_REGISTRY_DATA": str(tmp_path / "data")}

    def run(*arguments, code=0, **more):
        done = registry_commands.run(tmp_path, "registry", *arguments, env=environment | more)
        assert done.code == code, done
        assert "Traceback" not in done.err, done
        return done

    return run


@pytest.fixture
def embedded_process(open_folder):
    """`iac registry serve` with the database that it starts by itself."""
    process = RegistryProcess(open_folder, arguments=("--rate-limit", "0"))
    yield process
    process.kill()
    with embedded_database(open_folder / "data" / "postgres"):
        pass  # the last who uses it stops it


def is_running(pid):
    """Whether a process runs: not one either that has ended and that nobody has waited for."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(what):
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- one command to run -----------------------------------------------------------------------------------------------


def test_one_command_serves_with_a_database_of_its_own_and_loses_nothing(
    embedded_process, make_package, send_package, version_path
):
    process = embedded_process
    process.start()
    process.run("namespace", "create", "acme")
    token = process.run("token", "create", "--user", "ann", "--scope", "publish:acme")["token"]
    packed = make_package("acme/net/aws", files=PLAIN)
    with client_of(process, token) as client:
        assert client.get("/readyz").json()["status"] == "ok"
        assert send_package(client, packed).status_code == 201
    data = process.folder / "data" / "postgres" / "data"
    server = int((data / "postmaster.pid").read_text().split()[0])
    assert process.stop() == 0
    assert not is_running(server)
    assert not (data / "postmaster.pid").exists()
    process.start()
    # The service is killed: its database goes on, and the next one finds it.
    server = int((data / "postmaster.pid").read_text().split()[0])
    process.kill()
    assert is_running(server)
    (listed,) = process.run("token", "list")["tokens"]
    assert (listed["user"], listed["scopes"]) == ("ann", ["publish:acme"])
    assert not is_running(server), "this command was the last who used it"
    process.start()
    # The database is killed, and the service with it: the next start repairs it.
    server = int((data / "postmaster.pid").read_text().split()[0])
    os.kill(server, signal.SIGKILL)
    until(lambda: not is_running(server))
    process.kill()
    process.start()
    with client_of(process, token) as client:
        assert client.get(version_path(packed) + "/package").content == packed.data
        assert send_package(client, packed).status_code == 200
    process.run("token", "revoke", listed["id"])
    with client_of(process, token) as client:
        until(lambda: client.get("/api/v1/whoami").status_code == 401)


def test_a_process_id_that_a_crash_left_is_not_taken_for_a_database(open_folder):
    folder = open_folder / "postgres"
    with embedded_database(folder) as conninfo, psycopg.connect(conninfo) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        lines = [str(other.pid), str(folder / "data"), "0", "5432", "", "", "0 0", "ready   "]
        (folder / "data" / "postmaster.pid").write_text("\n".join(lines) + "\n")
        assert not embedded._is_ready(folder)
        # PostgreSQL itself does not start beside a process of that id, which could be one.
        (folder / "data" / "postmaster.pid").unlink()
        with embedded_database(folder) as conninfo, psycopg.connect(conninfo) as connection:
            assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]
        assert other.poll() is None
    finally:
        other.communicate()


def test_a_database_in_a_folder_with_a_long_path_is_found_by_all_who_use_it(open_folder, tmp_path, monkeypatch):
    folder = open_folder / ("long" * 30) / "postgres"
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with embedded_database(folder) as first, embedded_database(folder) as second:
        assert first == second
        with psycopg.connect(second) as connection:
            assert connection.execute("SELECT 1").fetchall() == [(1,)]
    sockets = embedded._sockets(folder)
    assert len(os.fsencode(sockets)) < 80
    sockets.rmdir()
    sockets.symlink_to(tmp_path)
    try:
        with pytest.raises(DiagnosticsError, match="somebody else's"), embedded_database(folder):
            pass
    finally:
        sockets.unlink()


def test_the_database_is_reached_through_no_network(open_folder):
    with embedded_database(open_folder / "postgres") as conninfo, psycopg.connect(conninfo) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    password = open_folder / "postgres" / "password"
    assert password.stat().st_mode & 0o077 == 0
    with pytest.raises(psycopg.OperationalError), embedded_database(open_folder / "postgres") as conninfo:
        psycopg.connect(conninfo.replace(password.read_text(), "wrong"))


# --- databases that are there -----------------------------------------------------------------------------------------


def test_tables_are_made_once_and_from_any_revision(empty_database):
    database = empty_database()
    store = open_store(database)
    with pytest.raises(DiagnosticsError) as refused:
        store.require_tables()
    assert "iac registry migrate" in refused.value.diagnostics[0].remedy
    together = [threading.Thread(target=open_store(database).migrate) for _ in range(4)]
    for one in together:
        one.start()
    for one in together:
        one.join()
    store.migrate()
    store.require_tables()
    with psycopg.connect(database, options="-csearch_path=iacengine_registry") as connection:
        assert connection.execute("SELECT version_num FROM registry_revision").fetchall() == [("0002",)]
        connection.execute("DROP TABLE loose_package")
        connection.execute("UPDATE registry_revision SET version_num = '0001'")
        connection.execute("INSERT INTO namespace (name) VALUES ('kept')")
    with pytest.raises(DiagnosticsError, match="not up to date"):
        store.require_tables()
    store.migrate()
    with psycopg.connect(database, options="-csearch_path=iacengine_registry") as connection:
        assert connection.execute("SELECT count(*) FROM loose_package").fetchall() == [(0,)]
        assert connection.execute("SELECT name FROM namespace").fetchall() == [("kept",)]
        connection.execute("UPDATE registry_revision SET version_num = '9999'")
    with pytest.raises(DiagnosticsError, match="newer"):
        store.migrate()
    store.database.close()


def test_the_commands_of_the_registry_say_what_they_did(iac):
    assert iac("migrate", "--json").document == {"format_version": "1.0", "revision": "0002"}
    assert iac("migrate").out == "The tables are at revision 0002.\n"
    assert iac("namespace", "create", "acme", "--description", "Acme's").out == "The namespace acme is made.\n"
    assert iac("namespace", "create", "acme", "--json").document["created"] is False
    assert iac("namespace", "list", "--json").document["namespaces"] == [
        {"name": "acme", "description": "Acme's", "modules": 0}
    ]
    assert iac("user", "create", "bob").out == "The user bob is made.\n"
    scopes = ("--scope", "publish:acme", "--scope", "read")
    secret = iac("token", "create", "--user", "bob", *scopes, "--days", "2").out.strip()
    assert id_of(secret)
    listed = iac("token", "list", "--json")
    assert secret not in listed.out
    (entry,) = listed.document["tokens"]
    assert (entry["user"], entry["scopes"], entry["revoked"]) == ("bob", ["publish:acme", "read"], None)
    assert "never used" in iac("token", "list").out
    assert iac("token", "revoke", entry["id"], "--json").document["revoked"] is True
    assert "revoked" in iac("token", "list").out
    assert iac("user", "disable", "bob", "--json").document == {
        "format_version": "1.0",
        "name": "bob",
        "disabled": True,
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("token", "create", "--user", "bob", "--scope", "everything"), "There is no scope"),
        (("token", "create", "--user", "bob", "--scope", "publish:nobody"), "No such namespace"),
        (("token", "create", "--user", "-- x", "--scope", "read"), "Invalid name of a user"),
        (("token", "revoke", "aaaaaaaaaa"), "No such token"),
        (("namespace", "create", "../x"), "Invalid name of a namespace"),
        (("user", "disable", "nobody"), "No such user"),
        (("serve", "--tls-cert", "/nowhere"), "TLS needs both"),
        (("serve", "--tls-cert", "/nowhere", "--tls-key", "/nowhere"), "not usable"),
        (("serve", "--packages", "s3://"), "Invalid place for packages"),
        (("serve", "--address", "192.0.2.1"), "Cannot listen"),
    ],
)
def test_what_cannot_be_done_is_said_with_a_remedy(iac, arguments, told):
    refused = iac(*arguments, code=1)
    assert told in refused.err
    assert "help:" in refused.err


def test_tables_are_not_made_where_that_is_forbidden(iac, empty_database):
    refused = iac("serve", "--no-migrate", code=1, IAC_REGISTRY_DATABASE_URL=empty_database())
    assert "iac registry migrate" in refused.err


def test_a_database_that_is_not_there_is_said_to_be_so_without_its_password(iac):
    refused = iac("migrate", code=1, IAC_REGISTRY_DATABASE_URL="postgresql://ann:hunter2secret@127.0.0.1:1/x")
    assert "cannot be reached" in refused.err
    assert "hunter2secret" not in refused.err


# --- stopped and killed -----------------------------------------------------------------------------------------------


def test_who_stops_the_service_lets_what_runs_end(registry_process, make_package, send_package, version_path):
    process = registry_process
    process.start()
    token = token_of(process)
    packed = make_package("acme/net/aws", files=PLAIN)
    body, kind = encode_publication(packed.data)
    begun = threading.Event()
    answers = []

    def slowly():
        yield body[:100]
        begun.set()
        until(lambda: "stopping" in progress)
        yield body[100:]

    progress = set()

    def publish():
        with client_of(process, token) as client:
            answers.append(client.put(version_path(packed), content=slowly(), headers={"Content-Type": kind}))

    sender = threading.Thread(target=publish)
    sender.start()
    assert begun.wait(30)
    with client_of(process) as client:
        until(lambda: "iac_registry_requests_running 2.0" in client.get("/metrics").text)
    os.kill(process.process.pid, signal.SIGTERM)
    until(lambda: refuses(process))
    progress.add("stopping")
    sender.join(60)
    assert [answer.status_code for answer in answers] == [201]
    assert process.stop() == 0
    assert "Traceback" not in process.log.read_text()
    assert [one for one in log_of(process) if one["level"] == "error"] == []


def refuses(process):
    try:
        with client_of(process) as client:
            client.get("/healthz")
    except httpx2.TransportError:
        return True
    return False


def check_agreement(process, database):
    """Every version has its package, whole; and every package has a version, or is noted as loose."""
    root = process.packages / "sha256"
    kept = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*") if path.is_file()}
    assert all(name == digest for name, digest in kept.items())
    with psycopg.connect(database, options="-csearch_path=iacengine_registry") as connection:
        versions = connection.execute("SELECT package_digest FROM version WHERE deleted IS NULL").fetchall()
        loose = connection.execute("SELECT digest FROM loose_package").fetchall()
        described = connection.execute(
            "SELECT count(*) FROM version v LEFT JOIN version_contents c ON c.version_id = v.id "
            "LEFT JOIN module m ON m.id = v.module_id WHERE c.version_id IS NULL OR m.latest_id IS NULL"
        ).fetchone()
    assert described == (0,)
    used = {digest.removeprefix("sha256:") for (digest,) in versions}
    assert used <= set(kept)
    assert set(kept) <= used | {digest.removeprefix("sha256:") for (digest,) in loose}
    return used, kept


def kill_during_publications(process, make_package, send_package, moments):
    """Kill the service once at each moment, in seconds after a publication has begun."""
    process.start()
    token = token_of(process)
    published = {}
    for number, moment in enumerate(moments):
        packed = make_package(
            "acme/net/aws", f"1.{number}.0", {"main.iac.yaml": f"output: {{at: {{value: {number}}}}}\n"}
        )
        killer = threading.Timer(moment, process.kill)
        with client_of(process, token) as client:
            killer.start()
            try:
                answer = send_package(client, packed)
                assert answer.status_code == 201
                published[packed.package.manifest.version] = packed
            except httpx2.TransportError:
                pass
        killer.join()
        used, _ = check_agreement(process, process.database)
        assert {one.package.digest.removeprefix("sha256:") for one in published.values()} <= used
        process.start()
        with client_of(process, token) as client:
            answer = send_package(client, packed)
            assert answer.status_code in (200, 201), answer.text
            published[packed.package.manifest.version] = packed
    store = open_store(process.database)
    remove_stranded(store, DiskBlobs(process.packages), age=0)
    store.database.close()
    used, kept = check_agreement(process, process.database)
    assert used == set(kept)
    assert len(used) == len(moments)


def test_packages_and_database_agree_when_the_service_is_killed_while_publishing(
    registry_process, make_package, send_package
):
    kill_during_publications(registry_process, make_package, send_package, [0.05, 0.4])


@pytest.mark.exhaustive
def test_packages_and_database_agree_whenever_the_service_is_killed(registry_process, make_package, send_package):
    kill_during_publications(registry_process, make_package, send_package, [number * 0.015 for number in range(60)])


def test_clients_recover_by_themselves_when_the_database_is_restarted(
    new_registry, postgres_server, make_package, send_package
):
    registry = new_registry()
    _, client = registry.publisher("acme")
    packed = make_package("acme/net/aws", files=PLAIN)
    assert send_package(client, packed).status_code == 201
    stop = threading.Event()
    answers = []

    def ask(number):
        own = registry.client()
        count = 0
        while not stop.is_set():
            count += 1
            path = "/api/v1/modules" if number % 2 else "/api/v1/modules/acme/net/aws/versions"
            answers.append(own.get(path, params={"unused": f"{number}-{count}"}).status_code)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    try:
        for end in (postgres_server.stop, postgres_server.kill):
            seen = len(answers)
            until(lambda seen=seen: len(answers) > seen + 50)
            end()
            postgres_server.start()
        seen = len(answers)
        until(lambda: len(answers) > seen + 50)
    finally:
        postgres_server.start()
        stop.set()
        for thread in threads:
            thread.join(60)
    assert set(answers) == {200}
    another = make_package("acme/net/aws", "1.1.0", PLAIN)
    assert send_package(client, another).status_code == 201


def test_while_the_database_is_away_the_service_says_so_and_is_not_ready(
    code_of, new_registry, postgres_server, monkeypatch
):
    monkeypatch.setattr(health, "REMEMBERED", 0.0)
    registry = new_registry()
    client = registry.client()
    assert client.get("/api/v1/modules").is_success
    settings = registry.store.database.settings
    registry.store.database.settings = replace(settings, backoff=replace(settings.backoff, patience=0.3))
    postgres_server.stop()
    try:
        answer = client.get("/api/v1/modules", params={"q": "x"})
        assert code_of(answer) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert client.get("/readyz").json() == {"status": "unavailable", "database": "unavailable", "packages": "ok"}
        assert client.get("/healthz").is_success
        assert str(postgres_server.port) not in answer.text
    finally:
        postgres_server.start()
    until(lambda: client.get("/readyz").is_success)
    assert client.get("/api/v1/modules", params={"q": "x"}).is_success


# --- TLS and S3 -------------------------------------------------------------------------------------------------------


def test_it_serves_over_tls_and_logs_json_without_secrets(registry_process, certificates, make_package, send_package):
    process = registry_process
    process.certificates = certificates
    process.start()
    assert process.url.startswith("https://")
    token = token_of(process)
    with client_of(process, token) as client:
        assert send_package(client, make_package("acme/net/aws")).status_code == 201
        wrong = client.get("/api/v1/modules", headers={"Authorization": f"Bearer {token[:-1]}x"})
        assert wrong.status_code == 401
    with pytest.raises(httpx2.ConnectError, match="certificate"), httpx2.Client() as nobody:
        nobody.get(process.url)
    assert process.stop() == 0
    lines = log_of(process)
    assert {"id", "method", "path", "status", "ms", "address", "user", "event", "level", "timestamp"} <= set(lines[-1])
    everything = process.log.read_text()
    assert token[15:] not in everything
    assert "hunter2" not in everything


def test_packages_are_kept_in_a_bucket(registry_process, s3_server, make_package, send_package, version_path):
    process = registry_process
    process.environment = {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{s3_server.port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "hunter2hunter2",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
    process.arguments = (*process.arguments, "--packages", "s3://states/modules")
    process.start()
    token = token_of(process)
    packed = make_package("acme/net/aws", files=PLAIN | {"noise": os.urandom(400_000)})
    path = version_path(packed)
    with client_of(process, token) as client:
        assert client.get("/readyz").json()["packages"] == "ok"
        assert send_package(client, packed).status_code == 201
        assert send_package(client, packed).status_code == 200
        assert client.get(f"{path}/package").content == packed.data
        part = client.get(f"{path}/package", headers={"Range": "bytes=1000-300000"})
        assert (part.status_code, part.content) == (206, packed.data[1000:300001])
    admin = token_of(process, "admin")
    with client_of(process, admin) as client:
        assert client.delete(path, params={"reason": "x"}).status_code == 204
        assert client.get(f"{path}/package").status_code == 410
    assert "hunter2" not in process.log.read_text()
