"""The numbered invariants hold for what is written, and each is reported when it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from iacengine.addresses import parse_resource_instance
from iacengine.state.backends.local import LocalBackend
from iacengine.state.encryption.backend import SealedBackend
from iacengine.state.encryption.settings import EncryptionSettings, KeyFileSettings
from iacengine.state.invariants import INVARIANTS, journal_violations, state_violations
from iacengine.state.journal_entries import Closed, Failed, Opened, Sealed, Succeeded
from iacengine.state.lock import lock_claim
from iacengine.state.model import CheckResult, OutputState, PendingRollback
from iacengine.state.verification import verify


def numbers(violations):
    assert all(one.detail for one in violations)
    return sorted({one.number for one in violations})


def test_a_sound_state_violates_nothing(full_state, new_state):
    assert state_violations(replace(full_state, serial=8)) == ()
    assert state_violations(new_state(serial=0)) == ()


def test_a_sound_journal_violates_nothing(history, new_state):
    assert journal_violations(new_state(), history(3)) == ()
    assert journal_violations(new_state(), ()) == ()
    assert journal_violations(None, history(2, serial=0)) == ()


OBJECTS = {
    5: {"deposed": "no"},
    6: {"provider": "aws"},
    7: {"dependencies": ("no address!",)},
    8: {"attributes": {"a": "text"}, "sensitive_paths": (("a", "b"),)},
    14: {"schema_version": -1},
}


@pytest.mark.parametrize("number", OBJECTS)
def test_what_is_wrong_with_an_object_is_reported(number, new_object, new_state):
    assert numbers(state_violations(new_state(new_object("a.b", **OBJECTS[number])))) == [number]


def test_what_is_doubled_is_reported(new_object, new_state):
    twice = new_object("a.b", dependencies=("x.y", "x.y"), sensitive_paths=(("id",), ("id",)))
    assert numbers(state_violations(new_state(twice))) == [7, 8]
    one, other = new_object("a.b", token="t"), new_object("a.c", token="t")
    assert numbers(state_violations(new_state(one, other))) == [15]


def test_an_object_in_a_wrong_place_is_reported(new_object, new_state):
    wrong = replace(new_state(), objects={(parse_resource_instance("a.c"), ""): new_object("a.b")})
    assert numbers(state_violations(wrong)) == [4]


def test_a_data_source_is_never_tainted(new_object, new_state):
    assert numbers(state_violations(new_state(new_object("data.a.b", tainted=True)))) == [10]


STATES = {
    3: {"lineage": ""},
    9: {"engine_version": "\ud800"},
    11: {"outputs": {"o": OutputState("x", "number")}},
    12: {"checks": (CheckResult("check", "check.c", "maybe", "check.c"),)},
    13: {"sealed": "x"},
    16: {"pending_rollback": PendingRollback("run", 1)},
}


@pytest.mark.parametrize("number", STATES)
def test_what_is_wrong_with_a_state_is_reported(number, new_state):
    assert number in numbers(state_violations(replace(new_state(), **STATES[number])))


def opened(serial=1, fencing_token=2, lineage="lineage-1"):
    return Opened("run", lineage, serial, fencing_token, "iac apply", "now")


JOURNALS = {
    "a sealed entry": (13, lambda run: [*run, Sealed("x")]),
    "a newer run": (18, lambda run: [opened(serial=9)]),
    "a run of another lineage": (18, lambda run: [opened(lineage="other")]),
    "an entry of no run": (18, lambda run: [Closed("complete")]),
    "a token that shrinks": (19, lambda run: [*run, opened(fencing_token=9), opened(fencing_token=3)]),
    "an end without a beginning": (20, lambda run: [opened(), Succeeded(3)]),
    "two ends": (20, lambda run: [*run, Failed(0, "no")]),
    "two beginnings": (20, lambda run: [*run[:2], run[1]]),
}


@pytest.mark.parametrize("case", JOURNALS)
def test_what_is_wrong_with_a_journal_is_reported(case, history, new_state):
    number, change = JOURNALS[case]
    assert numbers(journal_violations(new_state(), change(history(1)))) == [number]


# --- verifying what is kept -----------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.json"


@pytest.fixture(params=[None, False, True], ids=["plain", "values", "full"])
def kept(request, path, key_file, new_state, new_object, history):
    """A backend with a state, an earlier version and a journal."""
    key = KeyFileSettings(str(key_file)) if request.param is not None else None
    backend = SealedBackend(LocalBackend(path), EncryptionSettings(key, full=bool(request.param)))
    secret = new_object("a.b", attributes={"p": "secret"}, sensitive_paths=(("p",),))
    lock = backend.lock(lock_claim("test"), 0)
    backend.write(new_state(secret), None, lock)
    backend.write(new_state(secret, serial=2), 1, lock)
    run = history(2, serial=2)
    backend.append([replace(run[0], fencing_token=lock.info.fencing_token), *run[1:]], lock)
    lock.release()
    return backend


def test_what_is_kept_is_sound(kept):
    found = verify(kept)
    assert found.violations == ()
    assert (found.serial, found.objects, found.entries, found.versions, found.closed) == (2, 1, 5, 1, 0)


def test_nothing_at_all_is_sound(path):
    found = verify(SealedBackend(LocalBackend(path), EncryptionSettings(environment={})))
    assert (found.lineage, found.violations) == (None, ())


def test_a_byte_that_was_changed_is_found(kept, path):
    data = path.read_bytes()
    for position in range(60, len(data) - 90, 37):
        path.write_bytes(data[:position] + bytes((data[position] ^ 1,)) + data[position + 1 :])
        assert 1 in numbers(verify(kept).violations)


def test_a_journal_that_was_changed_is_found(kept, path):
    journal = path.with_name("state.json.journal")
    data = journal.read_bytes()
    journal.write_bytes(data.replace(b"1 j {", b"1 j  {", 1))
    assert numbers(verify(kept).violations) == [17]


def test_a_version_that_was_changed_is_found(kept, path):
    (version,) = [one for one in path.parent.rglob("*") if one.is_file() and "versions" in str(one.parent)]
    version.write_bytes(version.read_bytes()[:-40])
    assert numbers(verify(kept).violations) == [21]


def test_a_state_without_its_key_violates_the_second(kept):
    if kept.settings.key is None:
        pytest.skip("it has no key")
    found = verify(SealedBackend(kept.inner, EncryptionSettings(environment={})))
    assert numbers(found.violations) == [2]
    assert found.closed == 1


def test_the_invariants_are_numbered_without_a_gap():
    assert list(INVARIANTS) == list(range(1, len(INVARIANTS) + 1))
