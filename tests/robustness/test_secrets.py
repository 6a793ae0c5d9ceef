"""Secrets stay out of everything that is printed, errors of providers included."""

from __future__ import annotations

import pytest

SECRET = "hunter2-secret"
CASES = {
    "plan": {"resource": {"mock_object": {"o": {"name": "${var.secret}", "attributes": {"a": ["x-${var.secret}"]}}}}},
    "create": {"resource": {"mock_server": {"s": {"name": "s", "network_id": "${var.secret}"}}}},
    "create, written late": {
        "resource": {
            "terraform_data": {"t": {}},
            "mock_server": {"s": {"name": "${terraform_data.t.id}", "network_id": "${var.secret}"}},
        }
    },
    "data source": {"data": {"mock_object": {"o": {"name": "${var.secret}"}}}},
    "data source, read late": {
        "resource": {"terraform_data": {"t": {}}},
        "data": {"mock_object": {"o": {"name": "${var.secret}", "depends_on": ["terraform_data.t"]}}},
    },
    "provider": {"provider": {"mock": {"cloud": "/proc/${var.secret}"}}, "resource": {"mock_object": {"o": {}}}},
    "setting of a provider": {
        "provider": {"mock": {"faults": [{"operation": "${var.secret}", "error": "no"}]}},
        "resource": {"mock_object": {"o": {}}},
    },
    "error of a provider": {
        "provider": {"mock": {"faults": [{"operation": "create", "error": "${var.secret}"}]}},
        "resource": {"mock_object": {"o": {}}},
    },
    "condition": {
        "output": {
            "o": {"value": 1, "precondition": [{"condition": '${var.secret == ""}', "error_message": "${var.secret}"}]}
        }
    },
    "key": {"resource": {"mock_object": {"o": {"for_each": "${toset([var.secret])}"}}}},
    "function": {"locals": {"l": "${cidrsubnet(var.secret, 8, 1)}"}},
    "another function": {"locals": {"l": '${timeadd(var.secret, "1h")}'}},
    "output": {"output": {"o": {"value": "${var.secret}", "sensitive": True}}},
}


@pytest.mark.parametrize("json_lines", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_secret_is_never_printed(case, json_lines, stack):
    stack.write(CASES[case] | {"variable": {"secret": {"sensitive": True}}})
    env = {"TF_VAR_secret": SECRET}
    more = ("--json",) if json_lines else ()
    for arguments in (("plan",), ("apply", "--auto-approve"), ("plan", "--destroy")):
        done = stack.iac(*arguments, *more, env=env, code=None)
        assert SECRET not in done.out + done.err
        assert "Internal error" not in done.out + done.err
    assert SECRET not in stack.iac("show").out + stack.iac("output").out


def test_an_error_still_says_what_is_no_secret(stack):
    stack.write(CASES["create"] | {"variable": {"secret": {"sensitive": True}}})
    done = stack.iac("apply", "--auto-approve", "--on-failure", "pause", env={"TF_VAR_secret": SECRET}, code=1)
    assert "There is no mock_network with the id (sensitive value)." in done.err
