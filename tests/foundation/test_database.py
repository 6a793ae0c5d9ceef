"""Transactions that are tried again, durable, and told when they fail, on a real PostgreSQL."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest

from iacengine.foundation.diagnostics import DiagnosticsError

psycopg = pytest.importorskip("psycopg", reason="the extra postgres is not installed")
sqlalchemy = pytest.importorskip("sqlalchemy", reason="the extra postgres is not installed")
database = pytest.importorskip("iacengine.foundation.database")

text = sqlalchemy.text


@pytest.fixture
def schema(postgres_server):
    postgres_server.start()
    name = f'in "{uuid4().hex}'
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        quoted = name.replace('"', '""')
        connection.execute(f'CREATE SCHEMA "{quoted}"')
        connection.execute(f'CREATE TABLE "{quoted}".counter (id int PRIMARY KEY, value int NOT NULL)')
        connection.execute(f'INSERT INTO "{quoted}".counter VALUES (1, 0), (2, 0)')
    return name


@pytest.fixture
def new_database(postgres_server, schema):
    """new_database(**settings): one more client."""
    made = []

    def make(conninfo=None, **given):
        settings = database.DatabaseSettings(conninfo or postgres_server.url(), "the test", schema, **given)
        made.append(database.Database(settings))
        return made[-1]

    yield make
    for client in made:
        client.close()


def value(connection, number=1):
    return connection.execute(text("SELECT value FROM counter WHERE id = :id"), {"id": number}).scalar_one()


def add(connection, number=1):
    connection.execute(text("UPDATE counter SET value = value + 1 WHERE id = :id"), {"id": number})


def test_what_was_done_is_there_for_others(new_database):
    client = new_database()
    client.transact(add, "add")
    assert new_database().transact(value, "look") == 1


def test_what_fails_leaves_nothing(new_database):
    client = new_database()

    def work(connection):
        add(connection)
        raise LookupError("no")

    with pytest.raises(LookupError):
        client.transact(work, "add")
    assert client.transact(value, "look") == 0


def test_transactions_that_cannot_be_put_in_a_row_are_tried_again(new_database):
    client = new_database()
    meet = threading.Barrier(4, timeout=30)

    def read_and_write():
        first = []

        def work(connection):
            before = value(connection)
            if not first:
                first.append(True)
                meet.wait()
            connection.execute(text("UPDATE counter SET value = :value WHERE id = 1"), {"value": before + 1})

        client.transact(work, "add", isolation="SERIALIZABLE")

    threads = [threading.Thread(target=read_and_write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.transact(value, "look") == 4


def test_a_deadlock_is_resolved(new_database, postgres_server):
    client = new_database()
    meet = threading.Barrier(2, timeout=30)

    def cross(one, other):
        first = []

        def work(connection):
            connection.execute(text("SET LOCAL deadlock_timeout = '10ms'"))
            add(connection, one)
            if not first:
                first.append(True)
                meet.wait()
            add(connection, other)

        client.transact(work, "add")

    threads = [threading.Thread(target=cross, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [client.transact(lambda connection, n=n: value(connection, n), "look") for n in (1, 2)] == [2, 2]


def test_a_connection_that_was_cut_is_made_anew(new_database, postgres_server):
    client = new_database()
    attempts = []

    def work(connection):
        attempts.append(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        if len(attempts) == 1:
            with psycopg.connect(postgres_server.url(), autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 30000)", attempts)
        add(connection)

    client.transact(work, "add")
    assert len(set(attempts)) == 2
    assert client.transact(value, "look") == 1


def test_reading_changes_nothing(new_database):
    client = new_database()
    with pytest.raises(database.DatabaseError) as caught:
        client.transact(add, "add", read_only=True)
    assert caught.value.sqlstate == "25006"
    client.transact(add, "add")


def test_commits_are_durable_even_where_the_database_would_not_make_them_so(new_database, postgres_server):
    client = new_database(f"{postgres_server.url()}?options=-csynchronous_commit%3Doff")
    assert (
        client.transact(lambda connection: connection.execute(text("SHOW synchronous_commit")).scalar(), "look") == "on"
    )


def test_settings_end_with_their_transaction(new_database):
    client = new_database(statement_timeout=7.5)
    shown = client.transact(lambda connection: connection.execute(text("SHOW statement_timeout")).scalar(), "look")
    assert shown == "7500ms"
    with client._engine.connect() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar() == "0"
        assert connection.execute(text("SHOW search_path")).scalar() == '"$user", public'


def test_a_statement_that_takes_too_long_is_ended(new_database):
    client = new_database(statement_timeout=0.05)
    with pytest.raises(database.DatabaseError) as caught:
        client.transact(lambda connection: connection.execute(text("SELECT pg_sleep(60)")), "sleep")
    (found,) = caught.value.diagnostics
    assert found.summary == "The database took too long"
    assert "the test: could not sleep" in found.detail


def test_a_transaction_that_is_idle_for_too_long_lets_go(new_database, postgres_server):
    """As one whose client was frozen: others are not kept waiting for ever."""
    client = new_database(idle_timeout=0.1)
    held, go_on = threading.Event(), threading.Event()
    seen = []

    def work(connection):
        if not seen:
            seen.append(True)
            add(connection)
            held.set()
            go_on.wait(30)
        add(connection)

    frozen = threading.Thread(target=client.transact, args=(work, "add"))
    frozen.start()
    held.wait(30)
    new_database().transact(add, "add")  # waits for the other to be thrown out
    go_on.set()
    frozen.join()
    assert client.transact(value, "look") == 2


def test_what_violates_a_rule_is_told_without_its_content(new_database):
    client = new_database()
    insert = text("INSERT INTO counter (id, value) VALUES (3, CAST(NULL AS int)), (42424242, 1)")
    with pytest.raises(database.DatabaseError) as caught:
        client.transact(lambda connection: connection.execute(insert), "add")
    assert caught.value.sqlstate == "23502"
    assert "42424242" not in str(caught.value)


def test_codes_that_are_named_are_tried_again(new_database):
    client = new_database()
    attempts = []

    def work(connection):
        attempts.append(True)
        connection.execute(text("INSERT INTO counter VALUES (:id, 0)"), {"id": len(attempts)})

    client.transact(work, "add", again_on=frozenset({database.UNIQUE_VIOLATION}))
    assert len(attempts) == 3


def test_objects_of_a_session_can_be_used_after_it(new_database, schema):
    from sqlalchemy.orm import DeclarativeBase, mapped_column

    class Base(DeclarativeBase):
        pass

    class Counter(Base):
        __tablename__ = "counter"
        id = mapped_column(sqlalchemy.Integer, primary_key=True)
        value = mapped_column(sqlalchemy.Integer)

    client = new_database()

    def work(session):
        found = session.get_one(Counter, 1)
        found.value = 5
        session.add(Counter(id=9, value=9))
        return found

    found = client.transact_session(work, "add")
    assert (found.id, found.value) == (1, 5)
    assert client.transact(value, "look") == 5
    assert client.transact(lambda connection: value(connection, 9), "look") == 9


@pytest.mark.parametrize(
    ("change", "summary"),
    [
        ({"user": "nobody-such"}, "Access to the database was denied"),
        ({"dbname": "none-such"}, "No such database"),
        ({"sslmode": "require"}, "No secure connection to the database"),
    ],
)
def test_what_will_not_pass_is_told_at_once(change, summary, new_database, postgres_server):
    client = new_database(psycopg.conninfo.make_conninfo(postgres_server.url(), password="hidden-word", **change))
    client._sleep = None  # which nobody calls
    with pytest.raises(database.DatabaseError) as caught:
        client.transact(value, "look")
    (found,) = caught.value.diagnostics
    assert found.summary == summary
    assert found.remedy
    assert "hidden-word" not in str(caught.value)


def test_an_address_where_nobody_ever_answered_is_given_up_sooner(new_database):
    client = new_database("host=127.0.0.1 port=1 dbname=x")
    time = [0.0]
    client._clock = lambda: time[0]
    client._sleep = lambda seconds: time.__setitem__(0, time[0] + seconds)
    with pytest.raises(DiagnosticsError, match="cannot be reached"):
        client.transact(value, "look")
    assert 1 < time[0] <= database.FIRST_PATIENCE


def test_a_connection_string_that_is_none_is_refused_without_showing_it():
    with pytest.raises(DiagnosticsError) as caught:
        database.Database(database.DatabaseSettings("password=two words", "the test"))
    assert "words" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "SSL connection has been closed unexpectedly",
        "SSL SYSCALL error: EOF detected",
        "server sent an error response during SSL exchange",
        "could not send SSL negotiation packet: Broken pipe",
    ],
)
def test_a_server_that_goes_away_while_encryption_is_negotiated_is_awaited(text):
    assert not database._is_tls(text)


@pytest.mark.parametrize(
    "text",
    [
        "server does not support SSL, but SSL was required",
        "SSL error: certificate verify failed",
        'server certificate for "a" does not match host name "b"',
    ],
)
def test_a_server_without_the_encryption_that_is_asked_for_is_not_awaited(text):
    assert database._is_tls(text)
