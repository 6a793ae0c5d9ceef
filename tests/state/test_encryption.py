"""What is sealed is opened as it was, hides what it holds, and cannot be changed or moved unnoticed."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iacengine.foundation.crypto import ForgedError, Sealer, hkdf
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.backends.local import LocalBackend
from iacengine.state.encryption.backend import SealedBackend
from iacengine.state.encryption.header import from_text, to_text
from iacengine.state.encryption.journals import JournalSealing, open_entries
from iacengine.state.encryption.keyring import Keyring
from iacengine.state.encryption.settings import EncryptionSettings, KeyFileSettings
from iacengine.state.encryption.states import open_state, seal_state
from iacengine.state.encryption.values import SEALED, UnsealedError, ValueSealer
from iacengine.state.journal import encode_entries
from iacengine.state.journal_entries import Begun, Changed, Closed, Failed, Opened, Operation, Sealed, Succeeded
from iacengine.state.lock import lock_claim
from iacengine.state.model import OutputState, PendingChange, PendingRollback
from iacengine.state.statefile import encode_state

quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
SECRET = "hunter2-secret"
MODES = ["values", "full"]


@pytest.fixture
def new_keyring(key_file):
    """new_keyring(mode): a keyring with the key of `key_file`, as another process would have it."""
    return lambda mode="values": Keyring(EncryptionSettings(KeyFileSettings(str(key_file)), full=mode == "full"))


@pytest.fixture
def values():
    return ValueSealer(Sealer(b"k" * 32), "lineage-1")


@pytest.fixture
def secret_state(new_object, new_state):
    """A state with a secret wherever a secret can be."""
    database = new_object(
        "aws_db.main",
        attributes={"id": "i", "password": SECRET, "nested": [{"token": SECRET, "name": "n"}], "echo": f"<{SECRET}>"},
        sensitive_paths=(("password",), ("nested", 0, "token"), ("null",), ("nested", 7, "token")),
        private=SECRET.encode(),
    )
    gone = replace(database, deposed="00c0ffee")
    outputs = {"s": OutputState([SECRET], ["list", "string"], True), "p": OutputState("plain", "string")}
    return new_state(
        database,
        gone,
        new_object("aws_vpc.plain", attributes={"cidr": "10.0.0.0/16"}),
        outputs=outputs,
        pending_rollback=PendingRollback(
            "run", 0, (PendingChange(None, database), PendingChange(gone.identity, None)), outputs
        ),
    )


def damage(call, *arguments):
    with pytest.raises(DiagnosticsError) as caught:
        call(*arguments)
    (found,) = caught.value.diagnostics
    assert found.remedy
    assert SECRET not in f"{found.summary} {found.detail} {found.remedy}"
    return found


# --- sealers --------------------------------------------------------------------------------------------------------


def test_hkdf_gives_what_rfc_5869_gives():
    """Test case 1 of its appendix."""
    key = hkdf(b"\x0b" * 22, bytes.fromhex("f0f1f2f3f4f5f6f7f8f9"), salt=bytes(range(13)), length=42)
    assert key.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"


@quick
@given(st.binary(max_size=99), st.binary(max_size=30), st.data())
def test_what_was_sealed_opens_at_its_place_alone_and_unchanged_alone(text, place, data):
    sealer = Sealer(b"k" * 32)
    sealed = sealer.seal(text, place)
    assert sealer.open(sealed, place) == text
    assert sealer.seal(text, place) == sealed
    position, change = data.draw(st.integers(0, len(sealed) - 1)), data.draw(st.integers(1, 255))
    forged = bytearray(sealed)
    forged[position] ^= change
    for other, bytes_, at in (
        (sealer, bytes(forged), place),
        (sealer, sealed, place + b"x"),
        (sealer, sealed[:-1], place),
        (Sealer(b"K" * 32), sealed, place),
    ):
        with pytest.raises(ForgedError):
            other.open(bytes_, at)


# --- values ---------------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
names = st.sampled_from(["a", "b", "value", "type", SEALED])
leaves = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | texts
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=12
)
paths = st.lists(st.integers(0, 2) | names, max_size=3).map(tuple)


@quick
@given(st.dictionaries(names, trees, max_size=3), st.lists(paths, max_size=4, unique=True), st.binary(max_size=5))
def test_every_object_is_opened_as_it_was(values, new_object, plain, attributes, sensitive, private):
    whole = new_object("a.b", attributes=attributes, sensitive_paths=tuple(sensitive), private=private)
    assert plain(values.open_object(values.seal_object(whole))) == plain(whole)


def leaf_texts(value):
    if isinstance(value, dict):
        return [text for child in value.values() for text in leaf_texts(child)]
    if isinstance(value, list):
        return [text for child in value for text in leaf_texts(child)]
    return [value] if isinstance(value, str) else []


@quick
@given(st.data())
def test_no_text_at_a_sensitive_path_stays_readable(values, new_object, data):
    attributes = data.draw(st.dictionaries(names, trees, min_size=1, max_size=3))
    path, value = [], attributes
    while isinstance(value, dict | list) and value and (not path or data.draw(st.booleans())):
        step = data.draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
        path.append(step)
        value = value[step]
    sealed = values.seal_object(new_object("a.b", attributes=attributes, sensitive_paths=(tuple(path),)))
    readable = [text for text in leaf_texts(sealed.attributes) if len(text) < 40]  # the rest is sealed
    assert not {text for text in leaf_texts(value) if text} & set(readable)


def test_a_path_leads_through_the_value_of_a_stored_dynamic_one(values, new_object):
    for name in ("secret", "type", "value"):
        stored = {"input": {"value": {name: SECRET}, "type": ["object", {name: "string"}]}}
        whole = new_object("a.b", attributes=stored, sensitive_paths=(("input", name),))
        assert SECRET not in json.dumps(values.seal_object(whole).attributes)


def test_a_provider_that_hands_a_secret_back_elsewhere_does_not_give_it_away(values, new_object, plain):
    attributes = {"password": SECRET, "url": f"db://me:{SECRET}@host", "list": ["x", [SECRET]], "id": "i"}
    whole = new_object("a.b", attributes=attributes, sensitive_paths=(("password",),))
    sealed = values.seal_object(whole)
    assert SECRET not in json.dumps(sealed.attributes)
    assert sealed.attributes["id"] == "i"
    assert plain(values.open_object(sealed)) == plain(whole)


def test_what_did_not_change_looks_unchanged(values, new_object, plain):
    whole = new_object("a.b", attributes={"p": SECRET, "q": 1}, sensitive_paths=(("p",),))
    again = replace(whole, attributes={"p": SECRET, "q": 2})
    assert values.seal_object(whole).attributes["p"] == values.seal_object(again).attributes["p"]


def test_short_secrets_have_sealed_values_of_one_length(values, new_object):
    lengths = set()
    for length in range(28):
        made = new_object("a.b", attributes={"p": "x" * length}, sensitive_paths=(("p",),))
        lengths.add(len(values.seal_object(made).attributes["p"][SEALED]))
    assert len(lengths) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda one, other: replace(one, attributes={**one.attributes, "p": other.attributes["p"]}),
        lambda one, other: replace(one, attributes={**one.attributes, "p": one.attributes["q"]}),
        lambda one, other: replace(one, attributes={**one.attributes, "p": "plain"}),
        lambda one, other: replace(one, attributes={**one.attributes, "p": {SEALED: "!"}}),
        lambda one, other: replace(one, attributes={**one.attributes, "p": {SEALED: 1}}),
        lambda one, other: replace(one, attributes={**one.attributes, "p": {**one.attributes["p"], "x": 1}}),
        lambda one, other: replace(one, deposed="00c0ffee"),
        lambda one, other: replace(one, private=other.private),
        lambda one, other: replace(one, private=b"plain"),
    ],
)
def test_what_was_put_in_the_place_of_a_sealed_value_is_noticed(change, values, new_object):
    one, other = (
        values.seal_object(
            new_object(address, attributes={"p": "1", "q": "2"}, sensitive_paths=(("p",), ("q",)), private=b"p")
        )
        for address in ("a.b", "a.c")
    )
    values.open_object(one)
    with pytest.raises(UnsealedError, match=r"a\.b"):
        values.open_object(change(one, other))


def test_a_value_of_another_stack_is_noticed(values, new_object):
    sealed = values.seal_object(new_object("a.b", attributes={"p": "1"}, sensitive_paths=(("p",),)))
    with pytest.raises(UnsealedError):
        ValueSealer(Sealer(b"k" * 32), "lineage-2").open_object(sealed)


# --- states ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_state_hides_its_secrets_and_is_opened_by_another_process(mode, new_keyring, secret_state, plain):
    sealed = seal_state(secret_state, new_keyring(mode))
    text = encode_state(sealed)
    assert SECRET.encode() not in text
    assert to_text(SECRET.encode()).encode() not in text
    assert (b"10.0.0.0/16" in text) == (mode == "values")
    assert plain(open_state(sealed, new_keyring(), "s")) == plain(secret_state)


@pytest.mark.parametrize("mode", MODES)
def test_the_same_state_is_sealed_to_the_same_bytes_in_one_run(mode, new_keyring, secret_state):
    keys = new_keyring(mode)
    assert encode_state(seal_state(secret_state, keys)) == encode_state(seal_state(secret_state, keys))


def test_a_state_written_again_keeps_what_did_not_change(new_keyring, secret_state, new_object):
    first = seal_state(secret_state, new_keyring())
    keys = new_keyring()
    again = open_state(first, keys, "s")
    more = new_object("aws_vpc.more")
    second = seal_state(replace(again.with_objects({more.key: more}), serial=2), keys)
    lines = set(encode_state(first).splitlines())
    changed = [line for line in encode_state(second).splitlines() if line not in lines]
    assert len(changed) == 3  # the head, the digest, and the new one


@pytest.mark.parametrize(
    "forge",
    [
        lambda state: replace(state, serial=2),
        lambda state: replace(state, lineage="lineage-2"),
        lambda state: replace(state, sealed=to_text(from_text(state.sealed)[:-1] + b"\0")),
        lambda state: replace(state, sealed="?"),
        lambda state: replace(state, encryption=None),
        lambda state: replace(state, sealed=None),
        lambda state: replace(state, encryption={**state.encryption, "format": 2}),
        lambda state: replace(state, encryption={**state.encryption, "data_key": "AAAA"}),
        lambda state: replace(state, encryption={**state.encryption, "kdf": {"name": "none"}}),
        lambda state: replace(state, outputs={"o": OutputState(1, "number")}),
    ],
)
def test_a_wholly_sealed_state_that_was_changed_is_refused(forge, new_keyring, secret_state):
    sealed = seal_state(secret_state, new_keyring("full"))
    damage(open_state, forge(sealed), new_keyring("full"), "s")


@pytest.mark.parametrize("mode", MODES)
def test_the_sign_of_a_state_that_was_moved_is_for_everybody(mode, new_keyring, new_state):
    assert seal_state(new_state(moved_to="elsewhere"), new_keyring(mode)).moved_to == "elsewhere"


def test_values_of_a_state_whose_header_claims_another_mode_are_refused(new_keyring, secret_state):
    sealed = seal_state(secret_state, new_keyring())
    found = damage(open_state, replace(sealed, encryption={**sealed.encryption, "mode": "full"}), new_keyring(), "s")
    assert "tampered" in found.summary


# --- journals -------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(secret_state):
    """A run with a secret wherever a secret can be."""
    database = secret_state.objects[next(iter(secret_state.objects))]
    provider = database.provider
    return [
        Opened("run-1", "lineage-1", 1, 1, "iac apply", "now"),
        Begun(0, Operation.UPDATE, database.address, "", "t", provider, database, database),
        Succeeded(0, {database.key: database}),
        Begun(1, Operation.DELETE, database.address, "", "t", provider, database, None),
        Failed(1, "no", {database.key: database}),
        Changed({database.key: None}, secret_state.outputs),
        Closed("complete"),
    ]


def sealed_journal(keyring, entries, *, batch=2):
    sealing, sealed = JournalSealing(keyring), []
    for start in range(0, len(entries), batch):
        sealed += sealing.seal(entries[start : start + batch])
        sealing.acknowledged()
    return sealed


@pytest.mark.parametrize("mode", MODES)
def test_a_journal_hides_its_secrets_and_is_opened_by_another_process(mode, new_keyring, run, plain):
    sealed = sealed_journal(new_keyring(mode), run)
    text = encode_entries(sealed, 1)
    assert SECRET.encode() not in text
    assert to_text(SECRET.encode()).encode() not in text
    assert plain(open_entries(sealed, new_keyring(), "j")) == plain(run)


@pytest.mark.parametrize("mode", MODES)
def test_runs_with_and_without_a_key_follow_each_other(mode, new_keyring, run, plain):
    both = [*run, *sealed_journal(new_keyring(mode), run), *run]
    assert plain(open_entries(both, new_keyring(), "j")) == plain([*run, *run, *run])


@pytest.mark.parametrize(
    "forge",
    [
        lambda entries: [entries[0], entries[2], entries[1], *entries[3:]],
        lambda entries: [*entries[:2], *entries[4:]],
        lambda entries: [*entries[:3], entries[2], *entries[3:]],
        lambda entries: [replace(entries[0], run="run-2"), *entries[1:]],
        lambda entries: [replace(entries[0], lineage="lineage-2"), *entries[1:]],
        lambda entries: [replace(entries[0], encryption=None), *entries[1:]],
        lambda entries: [*entries[:3], Closed("complete")],
        lambda entries: [*entries[:3], Sealed("x")],
        lambda entries: [*entries[:3], Sealed(entries[3].text.replace("3.", "4.", 1))],
    ],
)
def test_a_wholly_sealed_journal_that_was_changed_is_refused(forge, new_keyring, run):
    sealed = sealed_journal(new_keyring("full"), run)
    damage(open_entries, forge(sealed), new_keyring("full"), "j")


@pytest.mark.parametrize("there", [True, False])
def test_a_batch_whose_write_failed_may_be_there_or_not(there, new_keyring, run, plain):
    sealing = JournalSealing(new_keyring("full"))
    begun = sealing.seal(run[:2])
    sealing.acknowledged()
    doubtful = sealing.seal(run[2:4])
    rest = sealing.seal(run[4:])
    sealing.acknowledged()
    opened = open_entries([*begun, *(doubtful if there else ()), *rest], new_keyring("full"), "j")
    assert plain(opened) == plain([*run[:2], *(run[2:4] if there else ()), *run[4:]])


# --- around a backend -----------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path):
    return tmp_path / "state.json"


@pytest.fixture
def sealed_backend(place, key_file):
    """sealed_backend(**settings): a client of one place, by default with the key of `key_file`."""

    def make(**given):
        given = {"key": KeyFileSettings(str(key_file)), "environment": {}} | given
        return SealedBackend(LocalBackend(place), EncryptionSettings(**given))

    return make


def write(backend, state, expected=None):
    lock = backend.lock(lock_claim("test"), 0)
    try:
        backend.write(state, expected, lock)
    finally:
        lock.release()


@pytest.mark.parametrize("full", [False, True])
def test_without_its_key_a_state_is_neither_read_nor_overwritten(full, place, sealed_backend, secret_state, run):
    write(sealed_backend(full=full), secret_state)
    before = place.read_bytes()
    without = sealed_backend(key=None)
    found = damage(without.read)
    assert "key" in found.summary
    damage(write, without, replace(secret_state, serial=2), 1)
    lock = without.lock(lock_claim("test"), 0)
    opened = replace(run[0], fencing_token=lock.info.fencing_token)
    damage(without.append, [opened], lock)
    lock.release()
    assert place.read_bytes() == before
    assert list(without.read_journal()) == []


def test_a_key_that_only_opens_does_not_write(sealed_backend, secret_state, key_file):
    write(sealed_backend(), secret_state)
    opening = sealed_backend(key=None, previous=(KeyFileSettings(str(key_file)),))
    assert opening.read().serial == 1
    assert "iac state decrypt" in damage(write, opening, replace(secret_state, serial=2), 1).remedy


def test_a_plain_state_is_sealed_when_a_key_comes(place, sealed_backend, secret_state, plain):
    write(sealed_backend(key=None), secret_state)
    assert SECRET.encode() in place.read_bytes()
    keyed = sealed_backend()
    write(keyed, replace(keyed.read(), serial=2), 1)
    assert SECRET.encode() not in place.read_bytes()
    assert plain(sealed_backend().read()) == plain(replace(secret_state, serial=2))


def test_a_copy_of_a_sealed_state_can_be_written(place, sealed_backend, secret_state, plain):
    write(sealed_backend(), secret_state)
    copied = LocalBackend(place).read()
    write(sealed_backend(), replace(copied, serial=2), 1)
    assert plain(sealed_backend().read()) == plain(replace(secret_state, serial=2))


def test_a_stack_without_key_and_secrets_is_passed_on_as_it_is(sealed_backend, place, new_state, plain):
    backend = sealed_backend(key=None)
    write(backend, new_state())
    assert place.read_bytes() == encode_state(new_state())
    assert plain(backend.read()) == plain(new_state())


def test_earlier_versions_stay_readable_with_the_key_they_were_written_with(
    sealed_backend, tmp_path, secret_state, plain
):
    other = tmp_path / "other.key"
    other.write_bytes(os.urandom(32))
    other.chmod(0o600)
    write(sealed_backend(), secret_state)
    old = sealed_backend().settings.key
    rotated = sealed_backend(key=KeyFileSettings(str(other)), previous=(old,))
    write(rotated, replace(rotated.read(), serial=2), 1)
    assert plain(rotated.read_version(1)) == plain(secret_state)
    alone = sealed_backend(key=KeyFileSettings(str(other)))
    assert alone.read().serial == 2
    assert "another key" in damage(alone.read_version, 1).summary
