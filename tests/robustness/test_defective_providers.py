"""Whatever a provider raises or answers, the user gets an error that names it, and nothing is lost."""

from __future__ import annotations

import json

import pytest

APPLY = ("apply", "--auto-approve", "--on-failure", "pause")
THING = {"resource": {"defective_thing": {"a": {"name": "x"}}}}


def assert_told(done):
    text = done.stdout + done.stderr
    assert done.returncode == 1, text
    assert "Traceback" not in text
    assert "Internal error" not in text
    assert "defect of the provider" in done.stderr or "no object" in done.stderr


@pytest.mark.parametrize(
    "defect",
    [
        *("schema raise", "configure raise", "validate_resource raise", "plan raise", "plan exit"),
        *("plan few", "plan none", "plan text", "plan names", "plan types"),
    ],
)
def test_before_anything_is_done(defect, stack, defective):
    stack.write(THING)
    assert_told(defective(defect, *APPLY))
    assert not stack.state_path.exists()


@pytest.mark.parametrize("defect", ["raise", "exit", "none", "nothing", "text", "names", "types", "unknown"])
def test_while_an_object_is_made(defect, stack, defective):
    stack.write(THING)
    done = defective(f"apply {defect}", *APPLY)
    assert_told(done)
    assert "defective_thing.a" in done.stderr
    assert not stack.journal_path.exists()
    assert defective("", *APPLY).returncode == 0


@pytest.mark.parametrize("defect", ["raise", "text"])
def test_what_was_made_before_the_defect_is_found_and_replaced(defect, stack, defective):
    stack.write(THING)
    assert_told(defective(f"apply {defect}", *APPLY))
    (stored,) = json.loads(stack.state_path.read_bytes())["objects"]
    assert stored["attributes"] == {"id": "1", "name": "x"}
    assert stored["tainted"]
    assert "1 added, 0 changed, 1 destroyed" in defective("", *APPLY).stdout


@pytest.mark.parametrize("defect", ["raise", "exit", "few", "text", "names", "types", "unknown"])
def test_while_objects_are_looked_up(defect, stack, defective):
    stack.write(THING)
    assert defective("", *APPLY).returncode == 0
    before = stack.state_path.read_bytes()
    assert_told(defective(f"read {defect}", *APPLY))
    assert stack.state_path.read_bytes() == before


@pytest.mark.parametrize("defect", ["raise", "none", "text", "unknown"])
def test_while_a_data_source_is_read(defect, stack, defective):
    stack.write({"data": {"defective_thing": {"d": {"name": "x"}}}})
    assert_told(defective(f"read_data {defect}", *APPLY))


@pytest.mark.parametrize("defect", ["import raise", "import none", "read raise"])
def test_while_an_object_is_imported(defect, stack, defective):
    stack.write(THING | {"import": [{"to": "defective_thing.a", "id": "i"}]})
    assert_told(defective(defect, *APPLY))
    assert not stack.state_path.exists()


def test_while_it_is_closed_nobody_cares(stack, defective):
    stack.write(THING)
    assert defective("close raise", *APPLY).returncode == 0
