"""Saved plans: applied as they are, once, where they were made; refused anywhere else and when damaged."""

from __future__ import annotations

import stat

import pytest

STACK = {
    "variable": {"v": {"default": 1}},
    "resource": {
        "terraform_data": {
            "a": {"input": "${var.v}"},
            "b": {"input": "${terraform_data.a.id}-${terraform_data.a.output}"},
        }
    },
    "output": {"b": {"value": "${terraform_data.b.output}"}},
}


@pytest.fixture
def planned(stack):
    stack.write(STACK)
    stack.iac("plan", "--out", "saved.plan")
    return stack


def assert_refused(stack, *words):
    existed = stack.state_path.exists()
    before = stack.state_path.read_bytes() if existed else None
    done = stack.iac("apply", "saved.plan", code=1)
    for word in words:
        assert word in " ".join(done.err.split()), done
    assert "iac plan" in done.err or "plan" in done.err
    assert stack.state_path.exists() == existed
    assert not existed or stack.state_path.read_bytes() == before


def test_a_saved_plan_is_applied_without_asking_and_only_once(planned):
    done = planned.iac("apply", "saved.plan")
    assert "2 added" in done.out
    assert planned.outputs()["b"] == f"{planned.objects()['terraform_data.a']['id']}-1"
    assert_refused(planned, "stale")


def test_a_saved_plan_holds_its_own_configuration_and_variables(planned):
    planned.iac("plan", "--out", "saved.plan", "--var", "v=7")
    planned.write({"resource": {"terraform_data": {"other": {"input": 2}}}})
    planned.iac("apply", "saved.plan")
    assert planned.objects()["terraform_data.a"]["input"] == "7"


def test_a_plan_of_an_older_state_is_stale(planned):
    planned.apply("--var", "v=2")
    assert_refused(planned, "stale", "no state", "serial 1")


def test_a_plan_of_another_state_is_refused(planned, new_stack):
    other = new_stack("other")
    other.write(STACK)
    other.apply()
    planned.apply()
    planned.iac("plan", "--var", "v=3", "--out", "saved.plan")
    planned.state_path.write_bytes(other.state_path.read_bytes())
    assert_refused(planned, "another state", "lineage")


def test_a_damaged_plan_is_refused(planned):
    path = planned.folder / "saved.plan"
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    assert_refused(planned, "Damaged")


@pytest.mark.parametrize("part", [0.0, 0.02, 0.5, 0.99])
def test_a_truncated_plan_is_refused(part, planned):
    path = planned.folder / "saved.plan"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    assert_refused(planned, "saved.plan")


def test_a_file_that_is_no_plan_is_refused(planned):
    (planned.folder / "saved.plan").write_text("hello")
    assert_refused(planned, "Not a plan file")


def test_options_that_plan_do_not_go_with_a_saved_plan(planned):
    done = planned.iac("apply", "--var", "v=2", "saved.plan", code=1)
    assert "--var" in done.err
    assert not planned.state_path.exists()


def test_a_plan_is_readable_by_its_owner_alone(planned):
    assert stat.S_IMODE((planned.folder / "saved.plan").stat().st_mode) == 0o600


def test_a_destroy_plan_and_a_refresh_plan_can_be_saved_too(planned):
    planned.apply()
    planned.iac("plan", "--refresh-only", "--out", "saved.plan")
    planned.iac("apply", "saved.plan")
    assert set(planned.objects()) == {"terraform_data.a", "terraform_data.b"}
    planned.iac("plan", "--destroy", "--out", "saved.plan")
    done = planned.iac("apply", "saved.plan")
    assert "2 destroyed" in done.out
    assert planned.objects() == {}


def test_a_saved_plan_shows_the_same_as_the_plan_that_was_made(planned):
    again = planned.iac("show", "saved.plan").out
    direct = planned.iac("plan").out
    for line in (line for line in direct.splitlines() if line.strip().startswith(("#", "+", "Plan:"))):
        assert line in again
