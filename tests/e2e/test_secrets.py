"""A planted secret is looked for in every byte that is written: state, versions, journal, plans, output, logs."""

from __future__ import annotations

import base64
import json
import os
import shutil

import pytest

from iacengine.state.journal import decode_entries
from iacengine.state.journal_entries import Closed, Sealed
from iacengine.state.statefile import decode_state

SECRET = "hunter2-planted-secret"
FORMS = [
    SECRET.encode(),
    *(base64.b64encode(b"x" * shift + SECRET.encode())[4:-4] for shift in range(3)),
    SECRET.encode().hex().encode(),
]
MODES = ["values", "full"]
CLOUD = ("mock-cloud.sqlite", "mock-cloud.sqlite-wal", "mock-cloud.sqlite-shm")


def found_in(folder):
    """The files that hold the secret, as it is or in a usual form; the cloud itself may."""
    held = []
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in CLOUD:
            data = path.read_bytes()
            if any(form in data for form in FORMS):
                held.append(path.name)
    return held


def stack_file(mode, *faults, echo=True, **server):
    data = {
        "stack": {"encryption": {"key_file": "../state.key", "full": mode == "full"}},
        "variable": {"secret": {"sensitive": True}},
        "provider": {"mock": {"faults": list(faults)}},
        "resource": {
            "mock_network": {"n": {"name": "n", "cidr_block": "10.0.0.0/16"}},
            "mock_server": {
                "s": {"name": "s", "network_id": "${mock_network.n.id}", "tags": {"t": "${var.secret}"}, **server}
            },
            "mock_object": {"o": {"name": "o", "attributes": {"deep": ["x", {"type": "-${var.secret}-"}]}}},
        },
        "output": {"s": {"value": {"a": ["${var.secret}"]}, "sensitive": True}},
    }
    if echo:  # terraform_data hands its input back as its output, which it does not call sensitive: views show it
        data["resource"]["terraform_data"] = {
            "d": {"input": {"type": "${var.secret}"}, "triggers_replace": ["${nonsensitive(md5(var.secret))}"]}
        }
    return data


@pytest.fixture
def keyed(stack):
    """A stack whose key is a file beside its folder."""
    key = stack.folder.parent / "state.key"
    key.write_bytes(os.urandom(32))
    key.chmod(0o600)
    return stack


def run(stack, *arguments, code=0):
    """A command, whose output is looked through, too."""
    done = stack.iac(*arguments, env={"TF_VAR_secret": SECRET}, code=code)
    assert SECRET not in done.out + done.err, arguments
    return done


@pytest.mark.parametrize("mode", MODES)
def test_a_secret_is_in_no_byte_that_a_stack_writes(mode, keyed):
    keyed.write(stack_file(mode, echo=False))
    run(keyed, "plan", "--out", "first.plan")
    run(keyed, "apply", "first.plan")
    keyed.write(stack_file(mode, echo=False, size="large"))
    for arguments in (
        ("apply", "--auto-approve"),
        ("plan", "--json"),
        ("show",),
        ("output",),
        ("show", "first.plan"),
        ("refresh",),
        ("state", "verify"),
        ("state", "rotate-key"),
        ("state", "mv", "mock_object.o", "mock_object.p"),
        ("plan", "--out", "second.plan"),
        ("plan", "--destroy", "--out", "third.plan"),
    ):
        run(keyed, *arguments)
        assert found_in(keyed.folder) == []
    assert keyed.iac("output", "--raw", "--show-sensitive", "s", code=None).code in (0, 1)  # an object has no raw form
    assert json.loads(keyed.iac("output", "--json", "--show-sensitive").out)["s"]["value"] == {"a": [SECRET]}
    run(keyed, "destroy", "--auto-approve")
    assert found_in(keyed.folder) == []


def test_what_a_cloud_tells_without_calling_it_sensitive_needs_the_encryption_of_everything(keyed):
    told = {"data": {"mock_object": {"again": {"name": "${mock_object.o.name}"}}}}
    keyed.write(stack_file("full") | told)
    keyed.iac("apply", "--auto-approve", env={"TF_VAR_secret": SECRET})
    keyed.iac("plan", "--out", "p", env={"TF_VAR_secret": SECRET})
    assert found_in(keyed.folder) == []
    keyed.write(stack_file("values") | told)
    keyed.iac("state", "rotate-key")
    assert found_in(keyed.folder) == ["iac.state.json"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("on_failure", "code"), [("pause", 1), ("rollback", 4)])
def test_a_run_that_fails_leaves_no_secret_behind(mode, on_failure, code, keyed):
    keyed.write(stack_file(mode, {"type": "mock_server", "operation": "create", "error": f"no {SECRET} here"}))
    run(keyed, "apply", "--auto-approve", "--on-failure", on_failure, code=code)
    assert [name for name in found_in(keyed.folder) if name != "main.tf.json"] == []  # the fault names it


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("type_", ["mock_server", "mock_object"])
def test_a_run_that_is_killed_leaves_no_secret_behind_and_is_recovered(mode, type_, keyed, assert_settled):
    keyed.write(stack_file(mode, {"type": type_, "operation": "create", "crash": "after"}))
    run(keyed, "apply", "--auto-approve", code=None)
    entries = decode_entries(keyed.journal_path.read_bytes(), "journal")
    assert not isinstance(entries[-1], Closed)
    assert (Sealed in {type(entry) for entry in entries}) == (mode == "full")
    assert found_in(keyed.folder) == []
    run(keyed, "state", "verify")
    key = keyed.folder.parent / "state.key"
    shutil.move(key, f"{key}.away")
    before = keyed.journal_path.read_bytes()
    assert "key file" in run(keyed, "apply", "--auto-approve", code=1).err
    assert keyed.journal_path.read_bytes() == before
    shutil.move(f"{key}.away", key)
    keyed.write(stack_file(mode))
    assert "Recovered" in run(keyed, "apply", "--auto-approve").out
    assert not keyed.journal_path.exists()
    assert found_in(keyed.folder) == []
    assert len(keyed.cloud()) == 3


@pytest.mark.parametrize("mode", MODES)
def test_without_its_key_nothing_is_shown_and_nothing_is_overwritten(mode, keyed):
    keyed.write(stack_file(mode))
    run(keyed, "apply", "--auto-approve")
    before = keyed.state_path.read_bytes()
    bare = stack_file(mode)
    del bare["stack"]
    keyed.write(bare)
    for arguments in (
        ("plan",),
        ("apply", "--auto-approve"),
        ("destroy", "--auto-approve"),
        ("refresh",),
        ("show",),
        ("output",),
        ("state", "list"),
        ("state", "pull"),
        ("state", "rm", "mock_object.o"),
        ("state", "decrypt", "--auto-approve"),
    ):
        done = run(keyed, *arguments, code=1)
        assert "Encrypted, and the key is missing" in done.err
        assert "key_file" in done.err
    assert "2:" in run(keyed, "state", "verify", code=1).out
    assert keyed.state_path.read_bytes() == before


def test_a_passphrase_in_the_environment_encrypts_without_a_word_in_the_stack_file(stack):
    plain = stack_file("values")
    del plain["stack"]
    stack.write(plain)
    given = {"TF_VAR_secret": SECRET, "IAC_ENCRYPTION_PASSPHRASE": "correct horse"}
    stack.iac("apply", "--auto-approve", env=given)
    assert found_in(stack.folder) == []
    assert decode_state(stack.state_path.read_bytes(), "s").encryption["kind"] == "passphrase"
    wrong = given | {"IAC_ENCRYPTION_PASSPHRASE": "incorrect horse"}
    assert "another key" in stack.iac("plan", env=wrong, code=1).err
    changed = wrong | {"IAC_ENCRYPTION_PREVIOUS_PASSPHRASE": "correct horse"}
    stack.iac("state", "rotate-key", env=changed)
    assert "No changes" in stack.iac("plan", env=wrong).out
    assert "not encrypted any more" in stack.iac("state", "decrypt", "--auto-approve", env=wrong).out
    assert "No changes" in stack.iac("plan", env={"TF_VAR_secret": SECRET}).out


def test_a_plan_that_was_changed_is_refused(keyed):
    keyed.write(stack_file("values"))
    run(keyed, "plan", "--out", "p")
    path = keyed.folder / "p"
    head, _, body = path.read_bytes().partition(b"\n")
    import hashlib

    def forged(body, **changed):
        told = {**json.loads(head), "sha256": hashlib.sha256(body).hexdigest(), **changed}
        path.write_bytes(json.dumps(told, separators=(",", ":")).encode() + b"\n" + body)

    forged(body[:-1] + bytes((body[-1] ^ 1,)))
    assert "tampered" in run(keyed, "apply", "p", code=1).err
    forged(body, lineage="another")
    run(keyed, "apply", "p", code=1)
    forged(body, stack="./elsewhere")
    run(keyed, "apply", "p", code=1)
    forged(body)
    run(keyed, "apply", "p")


def test_a_plan_made_without_the_key_is_refused(keyed):
    plain = stack_file("values")
    del plain["stack"]
    keyed.write(plain)
    run(keyed, "plan", "--out", "p")
    with_key = {"TF_VAR_secret": SECRET, "IAC_ENCRYPTION_PASSPHRASE": "correct horse"}
    assert "not encrypted" in keyed.iac("apply", "p", env=with_key, code=1).err


def test_another_stack_reads_outputs_of_an_encrypted_state_with_the_passphrase_alone(stack, new_stack):
    given = {"IAC_ENCRYPTION_PASSPHRASE": "correct horse"}
    stack.write({"output": {"o": {"value": SECRET, "sensitive": True}}})
    stack.iac("apply", "--auto-approve", env=given)
    reader = new_stack("reader")
    reader.write(
        {
            "data": {"terraform_remote_state": {"s": {"backend": "local", "config": {"path": str(stack.state_path)}}}},
            "output": {"o": {"value": "${data.terraform_remote_state.s.outputs.o}", "sensitive": True}},
        }
    )
    assert "key is missing" in reader.iac("apply", "--auto-approve", code=1).err
    reader.iac("apply", "--auto-approve", env=given)
    document = reader.iac("output", "--json", "--show-sensitive", env=given).document
    assert document["o"]["value"] == SECRET
