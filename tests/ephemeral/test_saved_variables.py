"""Variables beside a saved plan: ephemeral ones are given again, the others are those of the plan."""

from __future__ import annotations

import pytest

STACK = {
    "variable": {
        "secret": {
            "type": "string",
            "ephemeral": True,
            "validation": {"condition": "${length(var.secret) > 2}", "error_message": "too short"},
        },
        "option": {"type": "string", "ephemeral": True, "default": None},
        "name": {"default": "n"},
        "sizes": {"type": "list(number)", "default": [1, 2]},
    },
    "resource": {
        "mock_database": {
            "d": {"name": "${var.name}", "engine": "e", "password_wo": "${var.secret}", "password_wo_version": 1}
        }
    },
}


@pytest.fixture
def planned(stack):
    stack.write(STACK)
    stack.iac("plan", "--out", "saved.plan", "--var", "secret=hunter2")
    return stack


def assert_refused(stack, *arguments, words, env=None):
    done = stack.iac("apply", "saved.plan", *arguments, code=1, env=env)
    for word in words:
        assert word in " ".join(done.err.split()), done
    assert not stack.state_path.exists()
    assert stack.cloud() == {}


def test_one_that_was_given_has_to_be_given_again(planned):
    assert_refused(planned, words=('No value for the ephemeral variable "secret"', "main.tf.json:1:", "--var 'secret="))


def test_its_value_may_be_another_than_while_planning(planned, was_given):
    planned.iac("apply", "saved.plan", "--var", "secret=hunter3")
    assert was_given(planned, planned.objects()["mock_database.d"]["id"], "hunter3")


@pytest.mark.parametrize("name", ["IAC_VAR_secret", "TF_VAR_secret"])
def test_the_environment_gives_it(planned, name, was_given):
    planned.iac("apply", "saved.plan", env={name: "hunter4"})
    assert was_given(planned, planned.objects()["mock_database.d"]["id"], "hunter4")


def test_a_file_gives_it(planned, was_given):
    (planned.folder / "more.iacvars.yaml").write_text("secret: hunter5\n", encoding="utf-8")
    planned.iac("apply", "saved.plan", "--var-file", "more.iacvars.yaml")
    assert was_given(planned, planned.objects()["mock_database.d"]["id"], "hunter5")


def test_one_that_was_not_given_must_not_be_given_now(planned):
    words = ('"option" was not given when the plan was made',)
    assert_refused(planned, "--var", "secret=hunter2", "--var", "option=x", words=words)


def test_one_that_is_not_valid_is_refused_before_anything_is_done(planned):
    assert_refused(planned, "--var", "secret=x", words=("too short",))


def test_another_value_of_a_variable_that_the_plan_holds_is_refused(planned):
    words = ('Another value for the variable "name"', "make a new plan")
    assert_refused(planned, "--var", "secret=hunter2", "--var", "name=other", words=words)


def test_the_same_value_of_a_variable_that_the_plan_holds_is_fine(planned):
    planned.iac("apply", "saved.plan", "--var", "secret=hunter2", "--var", "name=n", "--var", "sizes=[1, 2]")
    assert planned.objects()["mock_database.d"]["name"] == "n"


def test_the_environment_does_not_change_what_the_plan_holds(planned):
    planned.iac("apply", "saved.plan", env={"IAC_VAR_name": "other", "IAC_VAR_secret": "hunter2"})
    assert planned.objects()["mock_database.d"]["name"] == "n"


def test_a_variable_that_is_not_declared_is_refused(planned):
    words = ('Value for the undeclared variable "secrt"', 'Did you mean "secret"?')
    assert_refused(planned, "--var", "secrt=hunter2", words=words)


def test_neither_plan_nor_messages_hold_the_value(planned):
    done = planned.iac("show", "--json", "saved.plan")
    assert "hunter2" not in done.out
