"""Where keys come from: passphrases, files, AWS KMS and commands; and what is said when one is not to be had."""

from __future__ import annotations

import base64
import os
import sys

import pytest

from iacengine.foundation import crypto
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.encryption import masters
from iacengine.state.encryption.keyring import Keyring
from iacengine.state.encryption.settings import (
    PREVIOUS_VARIABLE,
    CommandSettings,
    EncryptionSettings,
    KeyFileSettings,
    KmsSettings,
    PassphraseSettings,
    encryption_settings,
)

PASSPHRASE = "correct horse battery staple"
LINEAGE = "lineage-1"
_COST = masters.SCRYPT_N  # the real one, which takes too long for each test


@pytest.fixture(autouse=True)
def _quick_scrypt(monkeypatch):
    monkeypatch.setattr(masters, "SCRYPT_N", 2**10)


def keyring(key, *previous, **environment):
    return Keyring(EncryptionSettings(key, previous, environment=environment))


def refused(call, *arguments):
    with pytest.raises(DiagnosticsError) as caught:
        call(*arguments)
    (found,) = caught.value.diagnostics
    assert found.remedy
    assert PASSPHRASE not in str(found)
    return found


def reopened(made, opening, lineage=LINEAGE):
    """Whether the data key of one keyring is had back by another."""
    data_key = made.data_key(lineage)
    sealed = data_key.sealer("x").seal(b"text", b"place")
    return opening.open(data_key.header_for("values"), lineage, "s").sealer("x").open(sealed, b"place") == b"text"


# --- passphrases ----------------------------------------------------------------------------------------------------

MINE = PassphraseSettings("MINE")


def test_a_passphrase_opens_what_it_sealed():
    assert reopened(keyring(MINE, MINE=PASSPHRASE), keyring(MINE, MINE=PASSPHRASE))


def test_a_passphrase_is_stretched_with_the_numbers_of_the_header(monkeypatch):
    made = keyring(MINE, MINE=PASSPHRASE)
    header = made.data_key(LINEAGE).header_for("values")
    assert header["kdf"]["n"] == 2**10
    monkeypatch.setattr(masters, "SCRYPT_N", 2**11)
    assert reopened(made, keyring(MINE, MINE=PASSPHRASE))


def test_the_cost_of_a_passphrase_is_that_of_owasp():
    """The password storage cheat sheet asks for n=2^17, r=8, p=1."""
    assert (_COST, masters.SCRYPT_R, masters.SCRYPT_P) == (2**17, 8, 1)


def test_a_command_stretches_a_passphrase_once(monkeypatch):
    made = keyring(MINE, MINE=PASSPHRASE).data_key(LINEAGE)
    calls = []
    real = crypto.scrypt
    monkeypatch.setattr(masters, "scrypt", lambda *arguments: calls.append(1) or real(*arguments))
    opening = keyring(MINE, MINE=PASSPHRASE)
    for mode in ("values", "full"):
        opening.open(made.header_for(mode), LINEAGE, "s")
    assert opening.data_key(LINEAGE).header == made.header
    assert len(calls) == 1


def test_another_passphrase_is_told_from_none():
    header = keyring(MINE, MINE=PASSPHRASE).data_key(LINEAGE).header_for("values")
    assert "another key" in refused(keyring(MINE, MINE="x").open, header, LINEAGE, "s").summary
    assert "MINE" in refused(keyring(MINE).open, header, LINEAGE, "s").detail
    found = refused(keyring(None).open, header, LINEAGE, "s")
    assert "missing" in found.summary
    assert "IAC_ENCRYPTION_PASSPHRASE" in found.remedy


def test_a_previous_passphrase_opens_and_the_new_one_seals():
    old = keyring(MINE, MINE=PASSPHRASE).data_key(LINEAGE)
    both = keyring(PassphraseSettings("NEW"), MINE, NEW="new", MINE=PASSPHRASE)
    assert both.open(old.header_for("values"), LINEAGE, "s").header == old.header
    assert both.data_key(LINEAGE).header != old.header
    assert reopened(both, keyring(PassphraseSettings("NEW"), NEW="new"))


def test_a_header_cannot_ask_for_all_memory():
    header = keyring(MINE, MINE=PASSPHRASE).data_key(LINEAGE).header_for("values")
    greedy = {**header, "kdf": {**header["kdf"], "n": 2**24}}
    assert "tampered" in refused(keyring(MINE, MINE=PASSPHRASE).open, greedy, LINEAGE, "s").summary


def test_a_data_key_belongs_to_its_lineage():
    header = keyring(MINE, MINE=PASSPHRASE).data_key(LINEAGE).header_for("values")
    refused(keyring(MINE, MINE=PASSPHRASE).open, header, "lineage-2", "s")


def test_a_missing_library_is_told(monkeypatch, key_file):
    made = keyring(KeyFileSettings(str(key_file))).data_key(LINEAGE).header_for("values")
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    for key in (MINE, KeyFileSettings(str(key_file))):
        assert "iacengine[crypto]" in refused(keyring(key, MINE=PASSPHRASE).data_key, LINEAGE).remedy
    assert "iacengine[crypto]" in refused(keyring(KeyFileSettings(str(key_file))).open, made, LINEAGE, "s").remedy


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form", [bytes, base64.b64encode, lambda key: base64.b64encode(key) + b"\n", lambda key: key.hex().encode() + b"\n"]
)
def test_a_key_file_holds_bytes_base64_or_hexadecimal(form, key_file, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(form(key_file.read_bytes()))
    other.chmod(0o600)
    assert reopened(keyring(KeyFileSettings(str(key_file))), keyring(KeyFileSettings(str(other))))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_key_file_that_others_can_use_is_refused(mode, key_file):
    key_file.chmod(mode)
    found = refused(keyring(KeyFileSettings(str(key_file))).data_key, LINEAGE)
    assert "chmod 600" in found.remedy


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 33, b"A" * 33])
def test_a_file_that_holds_no_key_is_refused(content, key_file):
    key_file.write_bytes(content)
    assert "holds no key" in refused(keyring(KeyFileSettings(str(key_file))).data_key, LINEAGE).detail


def test_a_key_file_that_is_missing_or_a_folder_is_refused(tmp_path):
    for path in (tmp_path / "nowhere", tmp_path):
        refused(keyring(KeyFileSettings(str(path))).data_key, LINEAGE)


def test_another_key_file_is_told_by_the_id_of_the_key(key_file):
    header = keyring(KeyFileSettings(str(key_file))).data_key(LINEAGE).header_for("values")
    key_file.write_bytes(os.urandom(32))
    found = refused(keyring(KeyFileSettings(str(key_file))).open, header, LINEAGE, "s")
    assert header["id"] in found.detail
    assert header["id"] in refused(keyring(MINE, MINE="x").open, header, LINEAGE, "s").detail


# --- commands -------------------------------------------------------------------------------------------------------


def command(program, **more):
    return keyring(CommandSettings((sys.executable, "-c", program), **more))


KEY = base64.b64encode(b"k" * 32).decode()


@pytest.mark.parametrize(
    "program", [f"print('{KEY}')", f'print(\'{{"key": "{KEY}"}}\')', "print('6b' * 32)", "print('k' * 32, end='')"]
)
def test_a_command_prints_a_key(program):
    assert reopened(command(program), command(f"print('{KEY}')"))


def test_a_command_is_told_the_lineage():
    program = "import sys, json; print(json.load(sys.stdin)['lineage'].encode().hex().ljust(64, '0'))"
    assert reopened(command(program), command(program))
    assert not reopens_with_another_lineage(program)


def reopens_with_another_lineage(program):
    header = command(program).data_key(LINEAGE).header_for("values")
    try:
        command(program).open(header, "lineage-2", "s")
    except DiagnosticsError:
        return False
    return True


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("raise SystemExit(3)", "ended with 3"),
        ("import sys; sys.exit('no vault')", "no vault"),
        ("print('x')", "printed no key"),
        ("print('{}')", "printed no key"),
        ("print('{\"key\": 1}')", "printed no key"),
    ],
)
def test_a_command_that_fails_is_told(program, why):
    assert why in refused(command(program).data_key, LINEAGE).detail


def test_a_command_that_hangs_is_ended():
    assert "did not end" in refused(command("import time; time.sleep(60)", seconds=0.2).data_key, LINEAGE).detail


def test_a_command_that_is_not_there_is_told():
    refused(keyring(CommandSettings(("/nowhere/program",))).data_key, LINEAGE)


# --- KMS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def moto(tmp_path_factory):
    pytest.importorskip("moto")
    from iacengine.testing.services import aws

    directory = tmp_path_factory.mktemp("moto")
    sandbox, _ = aws.start(directory, aws.free_port())
    yield sandbox
    aws.stop(directory)


@pytest.fixture
def kms(moto, monkeypatch, tmp_path):
    """A client of a KMS that is not AWS's."""
    import boto3

    from iacengine.testing.services import aws

    for name in aws.OTHER_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    for name, value in aws.variables(moto).items():
        monkeypatch.setenv(name, value)
    client = boto3.client("kms", endpoint_url=moto.url, region_name=aws.REGION)
    yield client
    client.close()


def test_kms_wraps_a_data_key_for_its_lineage_alone(kms, moto):
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    settings = KmsSettings(key_id, "eu-west-1", moto.url)
    assert reopened(keyring(settings), keyring(settings))
    header = keyring(settings).data_key(LINEAGE).header_for("values")
    assert key_id in header["id"]
    refused(keyring(settings).open, header, "lineage-2", "s")


def test_a_kms_key_that_is_not_there_is_told(kms, moto):
    found = refused(keyring(KmsSettings("alias/none", "eu-west-1", moto.url)).data_key, LINEAGE)
    assert "alias/none" in found.detail
    assert "kms:GenerateDataKey" in found.remedy


def test_kms_that_cannot_be_reached_is_told(kms, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    settings = KmsSettings("alias/none", "eu-west-1", "http://127.0.0.1:9")
    assert "127.0.0.1:9" in refused(keyring(settings).data_key, LINEAGE).detail


# --- settings -------------------------------------------------------------------------------------------------------


def test_the_environment_alone_turns_encryption_on():
    assert encryption_settings(environment={}).key is None
    found = encryption_settings(environment={"IAC_ENCRYPTION_PASSPHRASE": "x"})
    assert found.key == PassphraseSettings("IAC_ENCRYPTION_PASSPHRASE")
    assert not found.full


def test_the_block_goes_before_the_environment():
    environment = {"IAC_ENCRYPTION_PASSPHRASE": "x", PREVIOUS_VARIABLE: "y"}
    found = encryption_settings(
        (("key_file", "k"),), (("passphrase_env", "OLD"),), asked=True, directory="d", environment=environment
    )
    assert found.key == KeyFileSettings("d/k")
    assert [one.variable for one in found.previous] == ["OLD", "IAC_ENCRYPTION_PASSPHRASE", PREVIOUS_VARIABLE]


def test_a_block_without_a_key_needs_the_passphrase_in_the_environment():
    assert "names no key" in refused(lambda: encryption_settings(full=True, asked=True, environment={})).detail
    given = {"IAC_ENCRYPTION_PASSPHRASE": "x"}
    assert encryption_settings(full=True, asked=True, environment=given).key is not None


def test_a_passphrase_that_is_set_and_empty_is_a_mistake():
    assert "empty" in refused(lambda: encryption_settings(environment={"IAC_ENCRYPTION_PASSPHRASE": ""})).detail
