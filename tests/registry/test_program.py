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
from iacengine.registry.blobs import DiskBlobs, open_blobs
from iacengine.registry.caller import ADMIN, Caller
from iacengine.registry.embedded import embedded_database
from iacengine.registry.publishing import remove_stranded
from iacengine.registry.routes import health
from iacengine.registry.store.accounts import account_id, create_account, put_namespace
from iacengine.registry.store.opening import open_store
from iacengine.registry.store.tokens import create_token, id_of, new_secret
from iacengine.testing.services.registry import RegistryProcess
from iacengine.testing.services.s3 import s3_error

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


@pytest.fixture(scope="module")
def iac(registry_commands, tmp_path_factory, new_database):
    """iac("token", "list", …): how `iac registry …` ended, on a database that all tests of this file share."""
    folder = tmp_path_factory.mktemp("commands")
    environment = {"IAC_REGISTRY_DATABASE_URL": new_database(), "IAC_REGISTRY_DATA": str(folder / "data")}

    def run(*arguments, code=0, **more):
        done = registry_commands.run(folder, "registry", *arguments, env=environment | more)
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


def server_of(folder):
    """The process id of a folder's database; 0 while there is none."""
    return embedded._pid(folder / "data")


def test_one_command_serves_with_a_database_of_its_own_and_stops_it(
    embedded_process, make_package, send_package, version_path
):
    process = embedded_process
    process.start()
    token = process.run("token", "create", "--user", "ann", "--scope", "admin")["token"]
    packed = make_package("acme/net/aws", files=PLAIN)
    with client_of(process, token) as client:
        assert client.get("/readyz").json()["status"] == "ok"
        assert client.put("/api/v1/namespaces/acme", json={}).status_code == 201
        assert send_package(client, packed).status_code == 201
        assert client.get(version_path(packed) + "/package").content == packed.data
    server = server_of(process.folder / "data" / "postgres")
    assert process.stop() == 0
    assert not is_running(server)
    assert not (process.folder / "data" / "postgres" / "data" / "postmaster.pid").exists()


@pytest.mark.exhaustive
def test_whatever_is_killed_the_next_start_loses_nothing(embedded_process, make_package, send_package, version_path):
    process = embedded_process
    folder = process.folder / "data" / "postgres"
    process.start()
    process.run("namespace", "create", "acme")
    token = process.run("token", "create", "--user", "ann", "--scope", "publish:acme")["token"]
    packed = make_package("acme/net/aws", files=PLAIN)
    with client_of(process, token) as client:
        assert send_package(client, packed).status_code == 201
    assert process.stop() == 0
    process.start()
    server = server_of(folder)
    process.kill()
    assert is_running(server), "nobody was left to stop it"
    (listed,) = process.run("token", "list")["tokens"]
    assert (listed["user"], listed["scopes"]) == ("ann", ["publish:acme"])
    assert not is_running(server), "this command was the last who used it"
    process.start()
    server = server_of(folder)
    os.kill(server, signal.SIGKILL)
    until(lambda: server_of(folder) not in (0, server) and embedded._is_ready(folder))
    with client_of(process, token) as client:
        assert client.get(version_path(packed) + "/package").content == packed.data
        assert send_package(client, packed).status_code == 200
    process.run("token", "revoke", listed["id"])
    with client_of(process, token) as client:
        until(lambda: client.get("/api/v1/whoami").status_code == 401)


KILLED = """
import os, sys
from pathlib import Path
import psycopg
from iacengine.registry.embedded import embedded_database
with embedded_database(Path(sys.argv[1])) as conninfo:
    with psycopg.connect(conninfo) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    os._exit(9)
"""


def test_a_database_outlives_who_started_it_and_its_own_crash(open_folder):
    folder = open_folder / "postgres"
    # A relative folder is one of the caller's, though PostgreSQL itself runs elsewhere.
    done = subprocess.run([sys.executable, "-c", KILLED, "postgres"], check=False, cwd=open_folder)
    assert done.returncode == 9
    server = server_of(folder)
    assert is_running(server)
    with embedded_database(folder) as conninfo:
        assert server_of(folder) == server
        with psycopg.connect(conninfo) as connection:
            assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",), "no network leads there"
        password = folder / "password"
        assert password.stat().st_mode & 0o077 == 0
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(conninfo.replace(password.read_text(), "wrong"))
    assert not is_running(server)
    with embedded_database(folder) as conninfo:
        server = server_of(folder)
        os.kill(server, signal.SIGKILL)
        until(lambda: server_of(folder) != server and embedded._is_ready(folder))
        with psycopg.connect(conninfo) as connection:
            assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]
    assert not (folder / "data" / "postmaster.pid").exists()


def test_a_process_id_that_a_crash_left_is_not_taken_for_a_database(open_folder):
    folder = open_folder / "postgres"
    (folder / "data").mkdir(parents=True)
    # Ours, for one: it runs, and is no database.
    lines = [str(os.getpid()), str(folder / "data"), "0", "5432", "", "", "0 0", "ready   "]
    (folder / "data" / "postmaster.pid").write_text("\n".join(lines) + "\n")
    assert not embedded._is_ready(folder)
    embedded._stop(folder)  # ends nobody


def test_the_socket_of_a_folder_with_a_long_path_is_where_all_find_it(tmp_path, monkeypatch):
    folder = tmp_path / ("long" * 30) / "postgres"
    sockets = embedded._sockets(folder)
    assert len(os.fsencode(sockets)) < 80
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert embedded._sockets(folder) == sockets
    sockets.symlink_to(tmp_path)
    try:
        with pytest.raises(DiagnosticsError, match="somebody else's"):
            embedded._make_sockets(sockets, {})
    finally:
        sockets.unlink()
    embedded._make_sockets(sockets, {})
    try:
        assert sockets.stat().st_mode & 0o777 == 0o711
        embedded._make_sockets(sockets, {})
        sockets.chmod(0o777)
        with pytest.raises(DiagnosticsError, match="somebody else's"):
            embedded._make_sockets(sockets, {})
    finally:
        sockets.rmdir()


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


def test_who_stops_the_service_lets_what_runs_end(registry_process, certificates, make_package, version_path):
    process = registry_process
    process.certificates = certificates
    process.start()
    assert process.url.startswith("https://")
    with pytest.raises(httpx2.ConnectError, match="certificate"), httpx2.Client() as nobody:
        nobody.get(process.url)
    token = token_of(process)
    packed = make_package("acme/net/aws")
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
    assert process.process.wait(60) == 0
    lines = log_of(process)
    assert [one for one in lines if one["level"] == "error"] == []
    (publication,) = (one for one in lines if one.get("method") == "PUT")
    assert {"id", "path", "status", "ms", "address", "user", "event", "level", "timestamp"} <= set(publication)
    assert (publication["status"], publication["user"]) == (201, "ann")
    everything = process.log.read_text()
    assert "Traceback" not in everything
    assert token[15:] not in everything
    assert "hunter2" not in everything


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


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_packages_and_database_agree_whenever_the_service_is_killed(registry_process, make_package, send_package):
    kill_during_publications(registry_process, make_package, send_package, [number * 0.03 for number in range(30)])


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

    published = []

    def publish():
        while not stop.is_set():
            one = make_package("acme/net/aws", f"2.{len(published)}.0", PLAIN)
            published.append(send_package(client, one).status_code)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    threads.append(threading.Thread(target=publish))
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
    assert set(published) <= {200, 201}, "200 where the first answer of the database was lost"
    versions = registry.client().get("/api/v1/modules/acme/net/aws/versions").json()["versions"]
    assert len(versions) == len(published) + 1
    assert len(registry.blobs()) == len(versions)
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


# --- S3 -------------------------------------------------------------------------------------------------------------


def test_packages_are_kept_in_a_bucket(
    new_registry, s3_server, monkeypatch, make_package, send_package, version_path, code_of
):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{s3_server.port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2hunter2")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr(health, "REMEMBERED", 0.0)
    registry = new_registry(blobs=open_blobs("s3://states/modules"))
    _, client = registry.publisher("acme")
    packed = make_package("acme/net/aws", files=PLAIN | {"noise": os.urandom(400_000)})
    path = version_path(packed)
    assert client.get("/readyz").json()["packages"] == "ok"
    assert send_package(client, packed).status_code == 201
    assert send_package(client, packed).status_code == 200
    assert client.get(f"{path}/package").content == packed.data
    part = client.get(f"{path}/package", headers={"Range": "bytes=1000-300000"})
    assert (part.status_code, part.content) == (206, packed.data[1000:300001])
    other = make_package("acme/net/aws", "1.1.0", PLAIN)
    s3_server.fault = lambda request: s3_error(403, "AccessDenied", "no")
    try:
        assert code_of(send_package(client, other)) == (503, "unavailable")
        assert client.get("/readyz").json()["packages"] == "unavailable"
    finally:
        s3_server.fault = None
    assert send_package(client, other).status_code == 201
    admin = registry.client(registry.token("admin"))
    assert admin.delete(path, params={"reason": "x"}).status_code == 204
    assert code_of(client.get(f"{path}/package")) == (410, "version_deleted")
    with pytest.raises(FileNotFoundError):
        registry.service.blobs.read(packed.package.digest, 0, 10)
