"""Keys: made, kept encrypted, shown to other programs, taken from them, replaced, revoked; from the command line."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.modules import signing_key
from iacengine.modules.keys import KeyStore, StoredKey
from iacengine.modules.public_key import PublicKey, parse_public_key, public_key
from iacengine.modules.signing_key import WrongPassphraseError, open_key
from iacengine.modules.trust import parse_policy

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
PHRASE = "correct horse battery"


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), "IAC_KEY_PASSPHRASE": PHRASE}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / ".config" / "iacengine" / "keys"


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys")


@lru_cache
def sealed(number: int) -> tuple[PublicKey, str]:
    """A key, encrypted once for all tests: that takes its time."""
    key = signing_key.generate()
    return key.public, key.sealed(PHRASE)


def kept(store: KeyStore, name: str, **more: Any) -> StoredKey:
    public, text = sealed(len(store.all()))
    return store.add(StoredKey(name, public, NOW, **more), text)


# --- the store --------------------------------------------------------------------------------------------------------


def test_a_key_is_opened_with_its_passphrase_alone(store: KeyStore) -> None:
    key = kept(store, "release")
    opened = store.open(key, PHRASE, NOW)
    assert key.public.verifies(b"message", opened.sign(b"message"))
    with pytest.raises(DiagnosticsError, match="Wrong passphrase"):
        store.open(key, PHRASE + "!", NOW)


def test_neither_file_nor_repr_shows_a_private_key(store: KeyStore) -> None:
    key = signing_key.generate()
    raw = key._key.private_bytes_raw()
    store.add(StoredKey("release", key.public, NOW), key.sealed(PHRASE))
    written = b"".join(path.read_bytes() for path in store.folder.iterdir())
    assert raw not in written
    assert raw.hex().encode() not in written
    assert repr(raw) not in repr(key)


def test_the_files_are_their_owners_alone(store: KeyStore) -> None:
    kept(store, "release")
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in store.folder.iterdir()} == {0}


def test_a_private_key_that_others_can_read_is_refused(store: KeyStore) -> None:
    key = kept(store, "release")
    (store.folder / "release.pem").chmod(0o644)
    with pytest.raises(DiagnosticsError, match="Others can use"):
        store.open(key, PHRASE, NOW)


def test_no_key_is_written_over(store: KeyStore) -> None:
    first = kept(store, "release")
    with pytest.raises(DiagnosticsError, match="there already"):
        store.add(StoredKey("release", sealed(1)[0], NOW))
    with pytest.raises(DiagnosticsError, match="there already"):
        store.add(StoredKey("other", first.public, NOW))
    assert store.all() == (first,)


def test_a_key_that_was_swapped_for_another_is_noticed(store: KeyStore) -> None:
    key = kept(store, "release")
    kept(store, "other")
    (store.folder / "release.pem").write_bytes((store.folder / "other.pem").read_bytes())
    with pytest.raises(DiagnosticsError, match="not the key that the file beside it describes"):
        store.open(key, PHRASE, NOW)


def test_a_revoked_or_expired_key_signs_nothing(store: KeyStore) -> None:
    revoked = store.revoke(kept(store, "old"), NOW, "lost")
    with pytest.raises(DiagnosticsError, match="is revoked"):
        store.open(revoked, PHRASE, NOW)
    expired = kept(store, "older", expires=NOW)
    with pytest.raises(DiagnosticsError, match="has expired"):
        store.open(expired, PHRASE, NOW)
    assert store.open(expired, PHRASE, NOW - timedelta(seconds=1)).id == expired.id


def test_a_revocation_keeps_when_it_was_and_why(store: KeyStore) -> None:
    once = store.revoke(kept(store, "old"), NOW, "lost")
    again = store.revoke(once, NOW + timedelta(days=1), "found")
    assert (again.revoked, again.reason) == (NOW, "lost")
    assert store.find("old") == again


def test_a_key_is_found_by_name_id_or_the_first_letters_of_it(store: KeyStore) -> None:
    key = kept(store, "release")
    assert {store.find(text) for text in ("release", key.id, key.id[:16], key.id.removeprefix("ed25519:")[:6])} == {key}
    with pytest.raises(DiagnosticsError, match="No such key"):
        store.find("relaese")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "-x", "a" * 65, "ä"])
def test_a_name_that_leads_elsewhere_is_refused(store: KeyStore, name: str) -> None:
    with pytest.raises(DiagnosticsError, match="name of a key"):
        store.add(StoredKey(name, signing_key.generate().public, NOW))


@pytest.mark.parametrize("text", ["{", "{}", '{"format": 9}', "\x00"])
def test_a_damaged_file_is_told_by_its_name(store: KeyStore, text: str) -> None:
    kept(store, "release")
    (store.folder / "release.json").write_text(text)
    with pytest.raises(DiagnosticsError, match=r"release\.json"):
        store.all()


# --- forms of keys ----------------------------------------------------------------------------------------------------


def test_a_passphrase_has_a_least_length() -> None:
    with pytest.raises(ValueError, match="at least 8"):
        signing_key.generate().sealed("short")


def test_a_public_key_is_read_as_it_is_written() -> None:
    public = signing_key.generate().public
    assert parse_public_key(public.text) == parse_public_key(public.pem) == public


@pytest.mark.parametrize("raw", [bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f", bytes(31)])
def test_weak_and_broken_keys_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"weak|bytes"):
        public_key(raw)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on PATH")
def test_openssl_opens_what_is_kept_and_gives_what_can_be_imported(tmp_path: Path) -> None:
    public, text = sealed(0)
    file = tmp_path / "key.pem"
    file.write_text(text)
    done = subprocess.run(
        ["openssl", "pkey", "-in", str(file), "-passin", f"pass:{PHRASE}", "-pubout"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert parse_public_key(done.stdout) == public
    made = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, text=True, check=True
    ).stdout
    assert open_key(made, None).public.verifies(b"x", open_key(made, None).sign(b"x"))
    other = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "x25519"], capture_output=True, text=True, check=True
    ).stdout
    with pytest.raises(ValueError, match="another kind"):
        open_key(other, None)


def test_a_wrong_passphrase_is_told_from_a_broken_file() -> None:
    with pytest.raises(WrongPassphraseError):
        open_key(sealed(0)[1], "something else")
    with pytest.raises(ValueError, match="no private key in PEM"):
        open_key("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None)


# --- the verb ---------------------------------------------------------------------------------------------------------


def test_a_key_goes_from_its_maker_into_a_policy(stack: Any, home: dict[str, str]) -> None:
    made = stack.iac("keys", "generate", "release", "--expires", "2030-01-01", env=home)
    assert made.out.startswith('Made the key "release". To trust it, put this into iac.trust.yaml')
    exported = stack.iac("keys", "export", "release", env=home).out
    (key,) = parse_policy(exported.encode()).keys.values()
    (listed,) = stack.iac("keys", "list", "--json", env=home).document["keys"]
    assert (listed["id"], listed["private"], listed["expires"]) == (key.id, True, "2030-01-01T00:00:00Z")
    assert key.expires == datetime(2030, 1, 1, tzinfo=UTC)


def test_a_key_moves_to_another_machine_encrypted(stack: Any, home: dict[str, str], tmp_path: Path) -> None:
    stack.iac("keys", "generate", "release", env=home)
    stack.write(stack.iac("keys", "export", "release", "--private", env=home).out, "release.pem")
    other = home | {"HOME": str(tmp_path / "other")}
    wrong = stack.iac("keys", "import", "release.pem", env=other | {"IAC_KEY_PASSPHRASE": "not this one"}, code=1)
    assert "passphrase" in wrong.err
    stack.iac("keys", "import", "release.pem", env=other)
    ids = [stack.iac("keys", "list", "--json", env=env).document["keys"][0]["id"] for env in (home, other)]
    assert ids[0] == ids[1]


def test_the_public_key_of_somebody_else_verifies_and_cannot_sign(
    stack: Any, home: dict[str, str], tmp_path: Path
) -> None:
    stack.iac("keys", "generate", "release", env=home)
    stack.write(stack.iac("keys", "export", "release", "--pem", env=home).out, "acme.pub")
    other = home | {"HOME": str(tmp_path / "other")}
    stack.iac("keys", "import", "acme.pub", env=other)
    assert "verifies" in stack.iac("keys", "list", env=other).out
    assert "No private key" in stack.iac("keys", "export", "acme", "--private", env=other, code=1).err


def test_without_a_passphrase_nobody_is_asked_where_nobody_is(stack: Any, home: dict[str, str]) -> None:
    refused = stack.iac("keys", "generate", "release", env={"HOME": home["HOME"]}, code=1)
    assert "Set IAC_KEY_PASSPHRASE" in refused.err


def test_a_revoked_key_is_listed_as_such(stack: Any, home: dict[str, str]) -> None:
    stack.iac("keys", "generate", "release", env=home)
    asked = stack.iac("keys", "revoke", "release", env=home, code=1)
    assert "Approval required" in asked.err
    done = stack.iac("keys", "revoke", "release", "--yes", "--reason", "lost", env=home)
    assert "revoked:\n  - ed25519:" in done.out
    assert "revoked (lost)" in stack.iac("keys", "list", env=home).out
