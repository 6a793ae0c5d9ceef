"""What the postgres backend promises beyond the contract: fencing by the server, lost answers, restarts, rows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.backends.catalog import open_backend
from iacengine.state.backends.settings import BackendSettings
from iacengine.state.journal_entries import Changed, Opened
from iacengine.state.lock import LockLostError, lock_claim
from iacengine.state.model import OutputState
from iacengine.state.run_record import RunRecord
from iacengine.testing.services.postgres_proxy import CuttingProxy

psycopg = pytest.importorskip("psycopg", reason="the extra postgres is not installed")
postgres = pytest.importorskip("iacengine.state.backends.postgres")
postgres_lock = pytest.importorskip("iacengine.state.backends.postgres_lock")
database = pytest.importorskip("iacengine.foundation.database")

CHILDREN = Path(__file__).with_name("postgres_children.py")


@pytest.fixture
def backend(postgres_place):
    return postgres_place()


@pytest.fixture
def lock(backend):
    taken = backend.lock(lock_claim("iac apply"), 0)
    yield taken
    taken.release()


@pytest.fixture
def sql(postgres_settings):
    """sql(statement, *parameters): what it returns, as rows, in the schema of the state."""

    def run(statement, *parameters):
        with psycopg.connect(postgres_settings["conn_str"], autocommit=True) as connection:
            connection.execute(f'SET search_path = "{postgres_settings["schema_name"]}"')
            found = connection.execute(statement, parameters)
            return found.fetchall() if found.description else []

    return run


@pytest.fixture
def proxy(postgres_server):
    postgres_server.start()
    made = CuttingProxy(postgres_server.port)
    yield made
    made.close()


@pytest.fixture
def behind_proxy(proxy, postgres_settings, postgres_server):
    """A backend whose answers can get lost."""
    way = postgres_server.url().replace(str(postgres_server.port), str(proxy.port))
    made = open_backend(BackendSettings("postgres", {**postgres_settings, "conn_str": f"{way}?sslmode=disable"}))
    yield made
    made.close()


def opened(lock, **given):
    given = {"run": "r", "lineage": "lineage-1", "serial": 1, "command": "c", "time": "2026-01-01T00:00:00Z"} | given
    return Opened(fencing_token=lock.info.fencing_token, **given)


def refused(call, *arguments, error=DiagnosticsError):
    with pytest.raises(error) as caught:
        call(*arguments)
    (found,) = caught.value.diagnostics
    assert found.detail
    assert found.remedy
    return found


def unaware(postgres_settings, **values):
    """A backend by whose clock no time goes by, so that it is the server that has to refuse."""
    where = database.DatabaseSettings(postgres_settings["conn_str"], "there", postgres_settings["schema_name"])
    found = database.Database(where)
    return postgres.PostgresBackend(found, postgres_settings["stack"], clock=lambda: 0.0, **values)


# --- lock -----------------------------------------------------------------------------------------------------------


def test_a_holder_that_was_frozen_past_its_lease_changes_nothing(postgres_settings, backend, new_state, plain):
    first = backend.lock(lock_claim("first"), 0)
    backend.write(new_state(), None, first)
    first.release()
    command = [sys.executable, str(CHILDREN), "holder", json.dumps(postgres_settings)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "held\n"
        os.kill(child.pid, signal.SIGSTOP)
        try:
            lock = backend.lock(lock_claim("iac apply"), 60)  # when the lease has run out
        finally:
            os.kill(child.pid, signal.SIGCONT)
        said, _ = child.communicate("\n")
    assert said.split() == ["LockLostError"] * 3
    assert plain(backend.read()) == plain(new_state())
    assert [entry.run for entry in backend.read_journal()] == ["frozen"]
    lock.require()
    lock.release()


def test_the_server_refuses_a_holder_whose_lock_was_broken(postgres_settings, backend, new_state):
    stale = unaware(postgres_settings)
    lock = stale.lock(lock_claim("stale"), 0)
    stale.write(new_state(), None, lock)
    stale.append([opened(lock)], lock)
    backend.break_lock(lock.info.id)
    assert backend.lock_holder() is None
    for taken in (False, True):
        if taken:
            other = backend.lock(lock_claim("other"), 0)
        for attempt in (
            lambda: stale.write(new_state(serial=2), 1, lock),
            lambda: stale.append([Changed({})], lock),
            lambda: stale.clear_journal(lock),
        ):
            lock.lease._lost = None  # the client forgets: the server has to say it again
            refused(attempt, error=LockLostError)
    assert backend.read().serial == 1
    assert len(backend.read_journal()) == 1
    lock.release()
    assert backend.lock_holder().id == other.info.id
    other.release()
    stale.close()


def test_a_lease_that_ran_out_is_taken_over_and_tokens_grow(postgres_settings, backend):
    dead = unaware(postgres_settings, lease=0.2)
    first = dead.lock(lock_claim("dead"), 0)
    first.lease._released.set()  # its heart stops
    second = backend.lock(lock_claim("alive"), 60)
    assert second.info.fencing_token == first.info.fencing_token + 1
    second.release()
    dead.close()


def test_a_lease_is_renewed_for_as_long_as_its_holder_lives(postgres_place):
    backend, other = postgres_place(lease=0.3), postgres_place()
    lock = backend.lock(lock_claim("iac apply"), 0)
    before = other.lock_holder().expires
    with pytest.raises(DiagnosticsError, match="locked"):
        other.lock(lock_claim("iac plan"), 1)
    assert other.lock_holder().expires > before
    lock.require()
    lock.release()


def test_who_breaks_a_lock_waits_for_a_write_that_has_begun_and_the_heartbeat_does_not(backend, lock, postgres_place):
    breaker = threading.Thread(target=postgres_place().break_lock, args=(lock.info.id,))

    def work(connection):
        postgres_lock.fence(connection, lock)
        breaker.start()
        lock.lease._renew()
        breaker.join(0.2)
        return breaker.is_alive()

    assert backend._database.transact(work, "try")
    breaker.join()
    assert backend.lock_holder() is None


# --- lost answers ---------------------------------------------------------------------------------------------------


def test_a_lock_whose_answer_was_lost_is_held_once(behind_proxy, proxy, backend):
    behind_proxy.lock(lock_claim("warm up"), 0).release()
    proxy.cuts = 1
    lock = behind_proxy.lock(lock_claim("iac apply"), 0)
    assert proxy.cuts == 0
    assert lock.info.fencing_token == 2
    assert backend.lock_holder().id == lock.info.id
    lock.release()


def test_entries_are_there_once_when_answers_are_lost(behind_proxy, proxy, backend, new_object):
    lock = behind_proxy.lock(lock_claim("iac apply"), 0)
    behind_proxy.append([opened(lock)], lock)
    made = [new_object(f"a.b[{index}]") for index in range(8)]
    for index, object_ in enumerate(made):
        proxy.cuts = index % 3
        behind_proxy.append([Changed({object_.key: object_}), Changed({})], lock)
        assert proxy.cuts == 0
    addresses = [str(address) for entry in backend.read_journal()[1:] for address, _ in entry.changes]
    assert addresses == [str(object_.address) for object_ in made]
    assert len(backend.read_journal()) == 1 + 2 * len(made)
    proxy.cuts = 1
    behind_proxy.clear_journal(lock)
    assert len(backend.read_journal()) == 0
    lock.release()


def test_a_write_whose_answer_was_lost_went_through_once(behind_proxy, proxy, backend, new_state, new_object, plain):
    lock = behind_proxy.lock(lock_claim("iac apply"), 0)
    for serial in (1, 2, 3):
        state = new_state(*(new_object(f"a.b[{index}]") for index in range(serial)), serial=serial)
        proxy.cuts = 1
        behind_proxy.write(state, serial - 1 or None, lock)
        assert proxy.cuts == 0
        assert plain(backend.read()) == plain(state)
    assert [version.serial for version in backend.versions()] == [1, 2, 3]
    proxy.cuts = 1
    behind_proxy.record_run(RunRecord("1", "c", "o", "h", 1, "2026"))
    assert len(backend.runs()) == 1
    lock.release()


def test_what_a_failed_append_left_gives_way_to_the_next(behind_proxy, proxy, backend, new_object):
    lock = behind_proxy.lock(lock_claim("iac apply"), 0)
    behind_proxy.append([opened(lock)], lock)
    behind_proxy._database._sleep = lambda seconds: None
    proxy.cuts = 1000  # more often than it is tried again
    first, second = new_object("a.first"), new_object("a.second")
    refused(behind_proxy.append, [Changed({first.key: first}), Changed({}), Changed({})], lock)
    proxy.cuts = 0
    assert len(backend.read_journal()) == 4  # it was done, though nobody could tell
    behind_proxy.append([Changed({second.key: second})], lock)
    entries = backend.read_journal()
    assert [str(address) for entry in entries[1:] for address, _ in entry.changes] == ["a.second"]
    lock.release()


# --- a server that goes away ----------------------------------------------------------------------------------------


def test_a_run_goes_on_when_the_server_is_killed_and_started_again(
    postgres_server, backend, lock, new_state, new_object, plain
):
    backend.write(new_state(), None, lock)
    acknowledged, failures = [opened(lock)], []
    backend.append(acknowledged, lock)
    halfway, again = threading.Event(), threading.Event()

    def work():
        try:
            for index in range(60):
                made = new_object(f"a.b[{index}]")
                backend.append([Changed({made.key: made})], lock)
                acknowledged.append(Changed({made.key: made}))
                if index == 20:
                    halfway.set()
                if index == 40:
                    again.set()
        except DiagnosticsError as failed:
            failures.append(failed)
        finally:
            halfway.set()
            again.set()

    worker = threading.Thread(target=work)
    worker.start()
    for moment in (halfway, again):
        moment.wait()
        postgres_server.kill()
        postgres_server.start()
    worker.join()
    assert failures == []
    assert plain(list(backend.read_journal())) == plain(acknowledged)
    backend.write(new_state(serial=2), 1, lock)
    backend.clear_journal(lock)
    assert backend.read().serial == 2


def test_a_server_that_stays_away_is_told_with_its_place_and_a_remedy(postgres_settings, postgres_server, backend):
    lock = backend.lock(lock_claim("iac apply"), 0)
    time = [0.0]
    backend._database._clock = lambda: time[0]
    backend._database._sleep = lambda seconds: time.__setitem__(0, time[0] + seconds)
    postgres_server.stop()
    found = refused(backend.append, [opened(lock)], lock)
    assert found.summary == "The database cannot be reached"
    assert f"127.0.0.1:{postgres_server.port}/postgres" in found.detail
    assert "write the journal" in found.detail
    assert 20 < time[0] <= 30
    before = time[0]
    refused(backend.append, [opened(lock)], lock)
    assert time[0] - before <= database.FIRST_PATIENCE  # it is known to be away
    lock.release()  # which cannot be done: the lease runs out
    postgres_server.start()
    assert backend.lock_holder().id == lock.info.id


def test_twenty_processes_at_once_leave_no_gap_and_no_twin(postgres_settings, backend):
    given = {**postgres_settings, "versions": 100}
    command = [sys.executable, str(CHILDREN), "writers", json.dumps(given), "20", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert [version.serial for version in backend.versions()] == list(range(1, 21))
    assert list(backend.read_journal()) == []
    lock = backend.lock(lock_claim("after"), 0)
    assert lock.info.fencing_token == 21
    lock.release()


# --- rows -----------------------------------------------------------------------------------------------------------


def test_a_write_touches_only_the_objects_that_differ(backend, lock, new_state, new_object, sql, plain):
    objects = [new_object(f"a.b[{index}]") for index in range(500)]
    backend.write(new_state(*objects), None, lock)
    changed = new_object("a.b[7]", attributes={"id": "another"})
    backend.write(new_state(*objects[:7], changed, *objects[8:-1], new_object("a.c"), serial=2), 1, lock)
    assert sql("SELECT count(*) FROM iac_object WHERE serial_from = 1") == [(500,)]
    assert sql("SELECT address FROM iac_object WHERE serial_from = 2 ORDER BY 1") == [("a.b[7]",), ("a.c",)]
    assert sql("SELECT address FROM iac_object WHERE serial_to = 2 ORDER BY 1") == [("a.b[499]",), ("a.b[7]",)]
    assert plain(backend.read_version(1)) == plain(new_state(*objects))
    assert [str(object_.address) for object_ in backend.read().objects.values()][-2:] == ["a.b[498]", "a.c"]


def test_objects_of_versions_that_are_dropped_go_with_them(postgres_place, new_state, new_object, sql):
    backend = postgres_place(versions=1)
    held = backend.lock(lock_claim("iac apply"), 0)
    for serial in range(1, 6):
        object_ = new_object("a.b", attributes={"serial": serial})
        backend.write(new_state(object_, new_object("a.stays"), serial=serial), serial - 1 or None, held)
    held.release()
    assert [version.serial for version in backend.versions()] == [4, 5]
    assert sql("SELECT serial_from FROM iac_object WHERE address = 'a.b' ORDER BY 1") == [(4,), (5,)]
    assert backend.read_version(4).current(new_object("a.b").address).attributes == {"serial": 4}


_ADDRESSES = [f"a.b[{number}]" for number in range(4)]
_HISTORIES = st.lists(st.dictionaries(st.sampled_from(_ADDRESSES), st.integers(0, 2)), min_size=1, max_size=8)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=_HISTORIES, keep=st.integers(0, 4))
def test_every_version_that_is_kept_reads_as_it_was_written(
    history, keep, postgres_place, new_state, new_object, plain
):
    backend = postgres_place(versions=keep, stack=uuid4().hex)
    held = backend.lock(lock_claim("iac apply"), 0)
    written = {}
    for serial, content in enumerate(history, 1):
        objects = (new_object(address, attributes={"n": number}) for address, number in sorted(content.items()))
        written[serial] = new_state(*objects, serial=serial)
        backend.write(written[serial], serial - 1 or None, held)
    held.release()
    kept = [version.serial for version in backend.versions()]
    assert kept == sorted(written)[-keep - 1 :]
    for serial in kept:
        assert plain(backend.read_version(serial)) == plain(written[serial])
    backend.close()


def test_everything_can_be_read_with_sql(backend, lock, new_state, new_object, sql):
    network = new_object("aws_vpc.main", attributes={"id": "vpc-1", "tags": {"ü": "𝄞"}})
    backend.write(new_state(network, outputs={"id": OutputState("vpc-1", "string")}), None, lock)
    backend.append([opened(lock)], lock)
    asked = "SELECT body -> 'attributes' -> 'tags' ->> 'ü' FROM iac_object WHERE address = 'aws_vpc.main'"
    assert sql(asked) == [("𝄞",)]
    assert sql("SELECT header -> 'outputs' -> 'id' ->> 'value' FROM iac_state") == [("vpc-1",)]
    assert sql("SELECT body ->> 'type' FROM iac_journal") == [("opened",)]
    assert sql("SELECT name, holder ->> 'operation' FROM iac_stack JOIN iac_lock ON id = stack_id") == [
        ('the "stack"', "iac apply")
    ]


def test_texts_and_numbers_that_postgres_does_not_know_survive(backend, lock, new_state, new_object, plain):
    odd = {"nul": "a\0b", "surrogate": "\ud800", "large": 10**400, "precise": 0.1, "text": '\\u0000 "%s" %'}
    state = new_state(
        new_object("a.b", attributes=odd),
        new_object('a.c["\0 𝄞"]'),
        new_object(f'a.c["{"long" * 2000}"]'),
        outputs={"odd": OutputState(odd, "dynamic")},
    )
    backend.write(state, None, lock)
    backend.append([opened(lock), Changed(state.objects, state.outputs)], lock)
    assert plain(backend.read()) == plain(state)
    assert plain(backend.read_journal()[1]) == plain(Changed(state.objects, state.outputs))
    backend.write(replace(state, serial=2), 1, lock)
    assert plain(backend.read_version(1)) == plain(state)


@pytest.mark.parametrize(
    "damage",
    [
        'UPDATE iac_object SET body = \'{"address":"a.b","provider":"p","attributes":{}}\'',
        "DELETE FROM iac_object WHERE address = 'a.c'",
        "UPDATE iac_object SET body = '1'",
        "UPDATE iac_state SET digest = ''",
        "UPDATE iac_state SET header = '{}'",
    ],
)
def test_rows_that_were_changed_by_hand_are_refused(damage, backend, lock, new_state, new_object, sql):
    backend.write(new_state(new_object("a.b"), new_object("a.c")), None, lock)
    sql(damage)
    found = refused(backend.read)
    assert "serial 1" in found.detail


def test_a_gap_in_the_journal_is_refused(backend, lock, history, sql):
    entries = history(3)
    backend.append([replace(entries[0], fencing_token=lock.info.fencing_token), *entries[1:]], lock)
    sql("DELETE FROM iac_journal WHERE number = 3")
    assert "number 4" in refused(backend.read_journal).detail


def test_the_newest_records_of_runs_are_kept(backend, monkeypatch):
    monkeypatch.setattr(postgres, "RUNS_KEPT", 3)
    for number in (1, 4, 2, 5, 3):
        backend.record_run(RunRecord(f"run-{number}", "c", "o", "h", 1, f"2026-01-0{number}"))
    assert [record.id for record in backend.runs()] == ["run-3", "run-4", "run-5"]


def test_stacks_in_one_schema_know_nothing_of_each_other(postgres_place, new_state, history):
    one, other = postgres_place(stack="one"), postgres_place(stack="other")
    first, second = one.lock(lock_claim("iac apply"), 0), other.lock(lock_claim("iac apply"), 0)
    one.write(new_state(), None, first)
    one.append([opened(first)], first)
    other.append([opened(second)], second)
    other.clear_journal(second)
    assert other.read() is None
    assert len(one.read_journal()) == 1
    refused(other.write, new_state(), None, first, error=LockLostError)
    first.release()
    second.release()


# --- tables ---------------------------------------------------------------------------------------------------------


def test_the_tables_are_those_the_queries_name(backend, postgres_settings):
    from sqlalchemy import create_engine, inspect

    from iacengine.state.backends.postgres_tables import METADATA

    backend.read()
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(postgres_settings["conn_str"]))
    found = inspect(engine)
    for table in METADATA.tables.values():
        columns = found.get_columns(table.name, schema=postgres_settings["schema_name"])
        assert [column["name"] for column in columns] == [column.name for column in table.columns]
    engine.dispose()


def test_the_newest_script_is_the_one_that_is_asked_for():
    from alembic.script import ScriptDirectory

    from iacengine.state.backends.postgres_migrations import SCRIPTS

    assert ScriptDirectory(str(SCRIPTS.folder)).get_current_head() == SCRIPTS.head


def test_several_who_come_first_make_the_tables_once(postgres_place):
    backends, failures = [postgres_place() for _ in range(6)], []

    def use(backend):
        try:
            backend.record_run(RunRecord(str(id(backend)), "c", "o", "h", 1, "2026"))
        except DiagnosticsError as failed:
            failures.append(failed)

    threads = [threading.Thread(target=use, args=(backend,)) for backend in backends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(backends[0].runs()) == 6


def test_what_makes_tables_is_not_loaded_where_they_are_there(postgres_place, postgres_settings):
    postgres_place().read()
    program = (
        "import json, sys; from iacengine.state.backends.catalog import open_backend;"
        "from iacengine.state.backends.settings import BackendSettings;"
        "assert open_backend(BackendSettings('postgres', json.loads(sys.argv[1]))).read() is None;"
        "print(*sorted({'alembic', 'mako', 'sqlalchemy.orm', 'boto3', 'pydantic'} & {*sys.modules}))"
    )
    command = [sys.executable, "-c", program, json.dumps(postgres_settings)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == []


def test_tables_of_a_newer_program_are_refused(postgres_place, sql):
    postgres_place().read()
    sql("UPDATE iac_revision SET version_num = '9999'")
    found = refused(postgres_place().read)
    assert found.summary == "Tables of a newer iacengine"
    assert "9999" in found.detail


@pytest.mark.parametrize(
    ("setting", "summary"), [("skip_table_creation", "Tables are missing"), ("skip_schema_creation", "No such schema")]
)
def test_what_is_not_to_be_made_is_missed(setting, summary, postgres_place):
    assert refused(postgres_place(**{setting: True}).read).summary == summary
    postgres_place().read()
    assert postgres_place(**{setting: True}).read() is None


def test_a_database_that_is_not_in_utf_8_is_refused(postgres_server, postgres_place):
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0")
    try:
        backend = postgres_place(conn_str=postgres_server.url("ascii"), schema_name="plain", stack="plain")
        assert "SQL_ASCII" in refused(backend.read).detail
        backend.close()
    finally:
        with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
            connection.execute("DROP DATABASE ascii WITH (FORCE)")


def test_a_user_without_rights_is_told_what_is_missing(postgres_server, postgres_place):
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN")
    found = refused(postgres_place(conn_str=postgres_server.url(user="guest")).read)
    assert found.summary == "Permission denied by the database"


# --- settings -------------------------------------------------------------------------------------------------------


def test_settings_are_those_of_terraform_and_ours(postgres_settings):
    block = BackendSettings("pg", {**postgres_settings, "skip_index_creation": True, "versions": 3, "lease": 5})
    described = open_backend(block).describe()
    assert postgres_settings["schema_name"] in described
    assert postgres_settings["stack"] in described


def test_the_environment_may_hold_the_connection_string(postgres_settings):
    environment = {"PG_CONN_STR": postgres_settings["conn_str"], "PG_SCHEMA_NAME": postgres_settings["schema_name"]}
    backend = open_backend(BackendSettings("pg", {}, environment=environment))
    assert backend.read() is None
    assert "stack default" in backend.describe()
    backend.close()


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({}, 'needs the setting "conn_str"'),
        ({"conn_str": "dbname=x", "schema": "s"}, 'no setting "schema"'),
        ({"conn_str": "dbname=x", "stack": ""}, "stack"),
        ({"conn_str": "dbname=x", "schema_name": "s" * 64}, "schema_name"),
        ({"conn_str": "dbname=x", "lease": 0}, "lease"),
        ({"conn_str": "dbname=x", "versions": "many"}, "versions"),
    ],
)
def test_wrong_settings_are_told(values, part):
    with pytest.raises(DiagnosticsError, match=part):
        open_backend(BackendSettings("postgres", values, environment={}))


def test_a_connection_string_that_is_none_is_not_shown():
    with pytest.raises(DiagnosticsError) as caught:
        open_backend(BackendSettings("postgres", {"conn_str": "host=h password=hidden secret"}))
    assert "secret" not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_passwords_are_not_shown_by_what_describes_the_place():
    for way in ("postgres://me:hidden@db.example.com:6543/states", "host=db.example.com dbname=states password=hidden"):
        described = open_backend(BackendSettings("postgres", {"conn_str": way})).describe()
        assert "db.example.com" in described
        assert "states" in described
        assert "hidden" not in described
