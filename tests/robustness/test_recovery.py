"""What recovery writes down about an operation that was cut off."""

from __future__ import annotations

import json
import signal


def stack_file(value, *faults):
    return {
        "variable": {"secret": {"sensitive": True}},
        "provider": {"mock": {"faults": list(faults)}},
        "resource": {
            "mock_object": {
                "other": {"name": "other"},
                "o": {"name": "n", "attributes": value},
            }
        },
    }


def test_a_secret_that_a_cut_off_update_wrote_stays_one(stack):
    secret = ("--var", "secret=hunter2-secret")
    stack.write(stack_file("plain"))
    stack.apply(*secret)
    crash = {"operation": "update", "crash": "after"}
    stack.write(stack_file("${var.secret}", crash))
    assert stack.apply(*secret, code=None).code == -signal.SIGKILL
    stack.write(stack_file("${nonsensitive(var.secret)}"))
    done = stack.iac("plan", *secret)
    assert "Recovered" in done.out
    assert "hunter2" not in stack.iac("show").out
    assert "hunter2" not in stack.iac("plan", "--destroy", *secret).out


def test_what_a_cut_off_update_came_to_need_is_known(stack):
    stack.write(stack_file("plain"))
    stack.apply("--var", "secret=x")
    stack.write(stack_file("${mock_object.other.id}", {"operation": "update", "crash": "after"}))
    assert stack.apply("--var", "secret=x", code=None).code == -signal.SIGKILL
    stack.iac("plan", "--var", "secret=x")
    objects = {stored["address"]: stored for stored in json.loads(stack.state_path.read_bytes())["objects"]}
    assert objects["mock_object.o"]["dependencies"] == ["mock_object.other"]


def test_objects_are_looked_up_together_after_a_recovery(stack):
    data = {
        "provider": {"mock": {"faults": [{"operation": "create", "nth": 3, "crash": "after"}]}},
        "resource": {"mock_object": {"o": {"count": 3, "name": "o${count.index}"}}},
    }
    stack.write(data)
    assert stack.apply("--parallelism", "1", code=None).code == -signal.SIGKILL
    assert "Refreshing 3 objects" in stack.iac("plan").out
