"""State over HTTP where something goes wrong: lost answers, servers that stop, leases that run out, plain servers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("httpx2", reason="the extra http is not installed")

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.backends.catalog import open_backend
from iacengine.state.backends.settings import BackendSettings
from iacengine.state.journal_entries import Changed, Closed, Opened
from iacengine.state.lock import LockHeldError, LockLostError, lock_claim
from iacengine.state.run_record import RunRecord
from iacengine.testing.services.state_server import Fault, StateServer

QUICK = {"retry_max": 3, "retry_wait_min": 0.001, "retry_wait_max": 0.002}
FROZEN_HOLDER = Path(__file__).with_name("frozen_holder.py")


class Clock:
    """Seconds since 1970, as a test says."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def new_server(tmp_path):
    made = []

    def make(**options):
        made.append(StateServer(tmp_path / "server", **options))
        return made[-1]

    yield make
    for server in made:
        if not server.stopping.is_set():
            server.stop()


@pytest.fixture
def server(new_server, clock):
    return new_server(clock=clock)


@pytest.fixture
def new_client(tmp_path):
    made = []

    def make(server, folder="stack", environment=None, **values):
        directory = tmp_path / folder
        directory.mkdir(exist_ok=True)
        values = {"address": f"{server.url}/s", **QUICK, **values}
        made.append(open_backend(BackendSettings("http", values, str(directory), environment or {})))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def backend(new_client, server):
    return new_client(server)


@pytest.fixture
def plain(new_server):
    return new_server(plain=True)


@pytest.fixture
def new_plain_client(new_client, plain):
    def make(folder="stack", **values):
        locks = {"lock_address": f"{plain.url}/s", "unlock_address": f"{plain.url}/s"}
        return new_client(plain, folder, **{**locks, **values})

    return make


def opened(lock, run="run-1", serial=1):
    return Opened(run, "lineage-1", serial, lock.info.fencing_token, "iac apply", "2026-01-01T00:00:00Z")


def refused(call, *arguments, error=DiagnosticsError):
    with pytest.raises(error) as caught:
        call(*arguments)
    (found,) = caught.value.diagnostics
    assert found.summary
    assert found.detail
    assert found.remedy
    return found


# --- answers that are lost ------------------------------------------------------------------------------------------

FAILURES = [Fault("before"), Fault("after"), Fault("cut"), Fault(500), Fault(503)]


@pytest.mark.parametrize("fault", FAILURES, ids=lambda fault: str(fault.kind))
@pytest.mark.parametrize("times", [1, 3])
def test_whatever_is_lost_on_the_way_every_call_is_done_once(
    times, fault, server, backend, new_client, new_state, new_object
):
    def fail(method, path):
        server.faults += [replace(fault, method=method, path=path)] * times

    fail("OPTIONS", "/s")
    fail("PUT", "/lock")
    lock = backend.lock(lock_claim("iac apply"), 0)
    assert lock.info.fencing_token == 1
    fail("POST", "/s")
    backend.write(new_state(), None, lock)
    fail("HEAD", "/journal")
    fail("POST", "/journal")
    backend.append([opened(lock), Changed({})], lock)
    fail("POST", "/journal")
    backend.append([Closed("complete")], lock)
    fail("GET", "/journal")
    assert [type(entry) for entry in backend.read_journal()] == [Opened, Changed, Closed]
    fail("POST", "/s")
    backend.write(new_state(new_object("a.b"), serial=2), 1, lock)
    fail("DELETE", "/journal")
    backend.clear_journal(lock)
    fail("PUT", "/runs/r")
    record = RunRecord("r", "iac apply", "me", "here", 1, "2026-01-01T00:00:00Z")
    backend.record_run(record)
    fail("GET", "/runs")
    fail("GET", "/versions")
    fail("GET", "/1")
    fail("GET", "/s")
    assert list(backend.runs()) == [record]
    assert [version.serial for version in backend.versions()] == [1, 2]
    assert backend.read_version(1).serial == 1
    assert backend.read().serial == 2
    assert list(backend.read_journal()) == []
    fail("DELETE", "/lock")
    lock.release()
    assert server.faults == []
    assert new_client(server).lock_holder() is None


def test_an_append_that_failed_leaves_the_next_one_in_order(server, backend, new_object):
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.append([opened(lock)], lock)
    for kind, there in (("before", 0), ("after", 1)):
        server.faults += [Fault(kind, "POST", "/journal")] * 4
        with pytest.raises(DiagnosticsError):
            backend.append([Closed(kind)], lock)
        assert server.faults == []
        backend.append([Closed(f"after {kind}")], lock)
        outcomes = [entry.outcome for entry in backend.read_journal()[1:]]
        assert outcomes.count(kind) == there
        assert outcomes[-1] == f"after {kind}"
    lock.release()


def test_a_request_that_arrives_late_does_no_harm(server, backend):
    lock = backend.lock(lock_claim("iac apply"), 0)
    with server.store("/s") as store:
        backend_bytes = b""
    backend.append([opened(lock)], lock)
    with server.store("/s") as store:
        backend_bytes = store.read("journal-0").partition(b"\n")[2]
    backend.clear_journal(lock)
    backend.append([opened(lock, "run-2")], lock)
    with server.store("/s") as store:
        assert store.clear("0").status == 200  # a repetition of what was answered long ago
        assert store.append(backend_bytes, "0", 0).status == 409
    assert [entry.run for entry in backend.read_journal()] == ["run-2"]
    lock.release()


def test_a_torn_tail_on_the_server_is_left_out_and_written_over(server, backend, new_client):
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.append([opened(lock), Closed("one")], lock)
    server.stop()
    (path,) = server.folder.glob("*/journal-0")
    path.write_bytes(path.read_bytes() + b"0123abcd 3 j {half")
    again = StateServer(server.folder, clock=server.clock)
    other = new_client(again)
    try:
        assert len(other.read_journal()) == 2
        held = other.lock(lock.info, 0)  # the same id: the holder itself, at the new address
        other.append([opened(held), Closed("two")], held)
        assert len(other.read_journal()) == 4
        held.release()
    finally:
        again.stop()


# --- servers that are not there -------------------------------------------------------------------------------------


def test_a_server_that_is_down_is_told_by_every_call(server, backend, new_state):
    lock = backend.lock(lock_claim("iac apply"), 0)
    server.stop()
    found = refused(backend.read)
    assert server.url in found.detail
    refused(backend.write, new_state(), None, lock)
    refused(backend.append, [opened(lock)], lock)
    lock.release()  # it cannot be given back, and that is no failure


def test_a_server_that_comes_back_in_the_middle_is_gone_on_with(new_server, new_client, new_state, tmp_path):
    first = new_server()
    backend = new_client(first, retry_max=50, retry_wait_max=0.05)
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.write(new_state(), None, lock)
    backend.append([opened(lock)], lock)
    first.stop()
    appending = threading.Thread(target=lambda: backend.append([Closed("complete")], lock))
    appending.start()
    second = new_server(port=first.port)
    appending.join()
    assert len(backend.read_journal()) == 2
    backend.write(new_state(serial=2), 1, lock)
    lock.release()
    assert backend.lock_holder() is None
    assert second.requests


def test_wrong_credentials_are_told_without_them(new_server, new_client):
    server = new_server(credentials="me:right")
    found = refused(new_client(server, username="me", password="hunter2").read)
    assert "hunter2" not in str(found)
    assert "401" in found.detail
    assert new_client(server, username="me", password="right").read() is None
    environment = {"TF_HTTP_USERNAME": "me", "TF_HTTP_PASSWORD": "right"}
    assert new_client(server, environment=environment).read() is None


# --- leases ---------------------------------------------------------------------------------------------------------


def test_a_lease_that_ran_out_is_taken_over_and_its_holder_refused_by_the_server(
    server, clock, backend, new_client, new_state
):
    stale = backend.lock(lock_claim("iac apply"), 0)
    backend.write(new_state(), None, stale)
    backend.append([opened(stale)], stale)
    clock.now += 61
    assert backend.lock_holder() is None
    for taken in (False, True):  # as soon as it has run out, even before somebody takes it
        if taken:
            fresh = new_client(server).lock(lock_claim("iac apply"), 0)
            assert fresh.info.fencing_token > stale.info.fencing_token
        lock = backend_lock_as_it_was(stale)
        refused(backend.append, [opened(stale, "run-2")], lock, error=LockLostError)
        lock = backend_lock_as_it_was(stale)
        refused(backend.write, new_state(serial=2), 1, lock, error=LockLostError)
        lock = backend_lock_as_it_was(stale)
        refused(backend.clear_journal, lock, error=LockLostError)
    assert backend.read().serial == 1
    assert len(backend.read_journal()) == 1
    refused(stale.require, error=LockLostError)
    stale.release()
    assert new_client(server).lock_holder() == fresh.info
    fresh.release()


def backend_lock_as_it_was(lock):
    """The lock as a holder sees it who does not know yet that it is lost: only the server can tell."""
    lock.lease._lost = None
    return lock


def test_who_holds_a_broken_lock_can_write_nothing(server, backend, new_client, new_state):
    lock = backend.lock(lock_claim("iac apply"), 0)
    new_client(server).break_lock(lock.info.id)
    for call in (
        lambda: backend.write(new_state(), None, lock),
        lambda: backend.append([opened(lock)], lock),
        lambda: backend.clear_journal(lock),
    ):
        backend_lock_as_it_was(lock)
        refused(call, error=LockLostError)
    assert backend.read() is None
    assert list(backend.read_journal()) == []


def test_a_lease_is_renewed_while_its_holder_works(new_server, new_client, new_state):
    server = new_server()
    backend = new_client(server, lease=0.3)
    lock = backend.lock(lock_claim("iac apply"), 0)
    renewed = threading.Event()
    while not renewed.wait(0.01):
        if server.requests.count(("POST", "/s/iac/lock")) >= 4:  # longer than one lease
            renewed.set()
    lock.require()
    backend.write(new_state(), None, lock)
    lock.release()


def test_a_frozen_holder_changes_nothing_when_it_goes_on(new_server, new_client, new_state):
    server = new_server()
    mine = new_client(server)
    child = subprocess.Popen(
        [sys.executable, str(FROZEN_HOLDER), f"{server.url}/s"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout.readline() == "holding\n"
        os.kill(child.pid, signal.SIGSTOP)
        fresh = mine.lock(lock_claim("iac apply"), 30)  # as soon as the lease has run out
        mine.write(new_state(serial=5), 1, fresh)
        os.kill(child.pid, signal.SIGCONT)
        told, _ = child.communicate("go on\n", timeout=60)
    finally:
        child.kill()
        child.wait()
    assert told.split() == ["write:lost", "append:lost", "clear:lost"]
    assert mine.read().serial == 5
    assert len(mine.read_journal()) == 1
    fresh.require()
    fresh.release()


def test_of_two_processes_at_once_one_gets_the_lock(server, new_client):
    results = []

    def take(client):
        try:
            results.append(client.lock(lock_claim("iac apply"), 0))
        except LockHeldError as held:
            results.append(held)

    clients = [new_client(server) for _ in range(6)]
    threads = [threading.Thread(target=take, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [result for result in results if not isinstance(result, LockHeldError)]
    assert all(result.holder == winner.info for result in results if result is not winner)
    winner.release()


def test_the_journal_costs_one_request_for_each_append(server, backend):
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.append([opened(lock)], lock)
    before = len(server.requests)
    for _ in range(20):
        backend.append([Changed({}), Changed({}), Changed({})], lock)
    assert server.requests[before:] == [("POST", "/s/iac/journal")] * 20
    assert len(backend.read_journal()) == 61
    lock.release()


# --- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "address"),
        ({"address": "ftp://host/s"}, "address"),
        ({"address": "https://h/s", "adress": "x"}, "Did you mean address?"),
        ({"address": "https://h/s", "skip_cert_verification": True}, "client_ca_certificate_pem"),
        ({"address": "https://h/s", "lock_address": "h/s"}, "lock_address"),
        ({"address": "https://h/s", "retry_max": "many"}, "retry_max"),
        ({"address": "https://h/s", "retry_wait_min": 9, "retry_wait_max": 3}, "retry_wait_max"),
        ({"address": "https://h/s", "client_certificate_pem": "x"}, "key"),
        ({"address": "https://h/s", "username": 5}, "username"),
        ({"address": "https://h/s", "lease": 0}, "lease"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, told):
    with pytest.raises(DiagnosticsError) as caught:
        open_backend(BackendSettings("http", values, environment={})).describe()
    found = caught.value.diagnostics[0]
    assert told in f"{found.summary} {found.detail} {found.remedy}"


def test_the_place_is_described_without_credentials():
    settings = {"address": "https://me:hunter2@host/s?private_token=hunter2"}
    assert open_backend(BackendSettings("http", settings, environment={})).describe() == "https://host/s"


# --- servers of Terraform's protocol --------------------------------------------------------------------------------


def test_a_plain_server_is_recognised_and_what_it_lacks_is_told(backend, new_plain_client, new_client, plain):
    assert backend.remarks() == ()
    (remark,) = new_plain_client().remarks()
    assert "journal" in remark.detail
    unlocked = new_client(plain)
    assert [remark.summary for remark in unlocked.remarks()] == ["Journal kept in this folder", "State without a lock"]


def test_a_server_that_fails_is_not_taken_for_a_plain_one(server, new_client):
    server.faults += [Fault(500, "OPTIONS")] * 4
    backend = new_client(server)
    refused(backend.read)
    assert backend.read() is None
    assert ("GET", "/s") in server.requests
    assert backend.remarks() == ()


def test_on_a_plain_server_a_run_goes_from_lock_to_release(plain, new_plain_client, new_state, new_object):
    backend, other = new_plain_client(), new_plain_client("elsewhere")
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.write(new_state(), None, lock)
    backend.append([opened(lock)], lock)
    assert len(new_plain_client().read_journal()) == 1
    with pytest.raises(LockHeldError) as caught:
        other.lock(lock_claim("iac plan"), 0)
    assert caught.value.holder == lock.info
    assert other.lock_holder() == lock.info
    backend.write(new_state(new_object("a.b"), serial=2), 1, lock)
    backend.write(new_state(new_object("a.b"), serial=2), 1, lock)  # as after a lost answer
    refused(backend.write, new_state(serial=3), 1, lock)
    backend.clear_journal(lock)
    assert list(backend.read_journal()) == []
    lock.release()
    assert other.lock_holder() is None
    assert other.read().serial == 2
    assert [version.serial for version in other.versions()] == [2]
    later = backend.lock(lock_claim("iac apply"), 0)
    assert later.info.fencing_token > lock.info.fencing_token
    refused(backend.write, new_state(serial=3), 2, lock, error=LockLostError)
    later.release()


def test_on_a_plain_server_a_lost_answer_does_not_lock_its_own_caller_out(plain, new_plain_client):
    plain.faults.append(Fault("after", "LOCK"))
    lock = new_plain_client().lock(lock_claim("iac apply"), 0)
    plain.faults.append(Fault("after", "POST", "/s"))
    lock.release()
    assert new_plain_client().lock_holder() is None


def test_on_a_plain_server_a_broken_lock_cannot_be_written_under(plain, new_plain_client, new_state):
    backend, other = new_plain_client(), new_plain_client("elsewhere")
    lock = backend.lock(lock_claim("iac apply"), 0)
    refused(other.break_lock, "another")
    other.break_lock(lock.info.id)
    fresh = other.lock(lock_claim("iac apply"), 0)
    refused(backend.write, new_state(), None, lock, error=LockLostError)
    assert other.read() is None
    lock.release()
    assert new_plain_client("third").lock_holder() == fresh.info
    fresh.release()


def test_without_a_lock_address_runs_of_one_folder_exclude_each_other(plain, new_client, new_state):
    backend = new_client(plain)
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.write(new_state(), None, lock)
    with pytest.raises(LockHeldError):
        new_client(plain).lock(lock_claim("iac apply"), 0)
    lock.release()
    assert backend.lock_holder() is None


def test_a_real_terraform_keeps_its_state_on_the_same_server(server, new_client, tmp_path, terraform):
    block = f'address = "{server.url}/tf"\nlock_address = "{server.url}/tf"\nunlock_address = "{server.url}/tf"\n'
    text = f'terraform {{\nbackend "http" {{\n{block}}}\n}}\noutput "a" {{ value = 1 }}\n'
    (tmp_path / "main.tf").write_text(text)
    terraform("init", "-no-color")
    terraform("apply", "-auto-approve", "-no-color")
    methods = [method for method, path in server.requests if path == "/tf"]
    assert methods.count("LOCK") == methods.count("UNLOCK") > 0
    assert "POST" in methods
    ours = new_client(server, address=f"{server.url}/tf")
    assert "Terraform" in refused(ours.read).summary
    lock = ours.lock(lock_claim("iac apply"), 0)  # one lock for both
    terraform("apply", "-auto-approve", "-no-color", "-lock-timeout=0s", code=1)
    lock.release()
    terraform("apply", "-auto-approve", "-no-color")
