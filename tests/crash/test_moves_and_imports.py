"""A run that moves, imports, replaces and forgets, fails, and is killed at its instants and those of its rollback."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from iacengine.state.statefile import decode_state

KILLED = -signal.SIGKILL
FIRST = {"lifecycle": {"create_before_destroy": True}}
GUEST = {"attributes": None, "id": "obj-guest", "kind": None, "name": "guest"}


def document(after: bool, *faults: dict[str, Any]) -> dict[str, Any]:
    network, image, kind = ("m", "bsd", "2") if after else ("n", "linux", "1")
    objects: dict[str, Any] = {
        "record": {"name": "record", "attributes": {"arn": "${mock_server.s.arn}"}},
        "replaced": {"name": "replaced", "kind": kind},
        "follows": {"name": "follows", "attributes": {"id": "${mock_object.replaced.id}"}},
    }
    more: dict[str, Any] = {}
    if after:
        late = ["mock_object.record", "mock_object.follows", "mock_object.guest"]
        objects |= {"guest": {"name": "guest", "attributes": 1}, "last": {"name": "last", "depends_on": late}}
        more = {
            "moved": [{"from": "mock_network.n", "to": "mock_network.m"}],
            "import": [{"to": "mock_object.guest", "id": "obj-guest"}],
            "removed": [{"from": "mock_object.forgotten", "lifecycle": {"destroy": False}}],
        }
    else:
        objects |= {"gone": {"name": "gone"}, "forgotten": {"name": "forgotten"}}
    server = {"name": "s", "image": image, "network_id": f"${{mock_network.{network}.id}}", **FIRST}
    return {
        "provider": {"mock": {"faults": list(faults)}},
        "resource": {
            "mock_network": {network: {"name": "n", "cidr_block": "10.0.0.0/16", **FIRST}},
            "mock_server": {"s": server},
            "mock_object": objects,
        },
        "output": {"record": {"value": "${mock_object.record.id}"}},
        **more,
    }


FAILS = {"operation": "create", "type": "mock_object", "name": "last", "error": "no", "nth": 0}


class Trials:
    """Stacks with such a run; `before` is what each is to be again."""

    def __init__(self, new_stack: Any, without_ids: Any) -> None:
        self.new_stack = new_stack
        self.without_ids = without_ids
        self.before: Any = None

    def begin(self, number: int) -> Any:
        stack = self.new_stack(number)
        stack.write(document(False))
        stack.apply()
        values = (GUEST["id"], json.dumps(GUEST))
        stack.change_cloud("INSERT INTO objects VALUES ('mock_object', ?, NULL, ?)", *values)
        self.before = self.before or self.seen(stack)
        stack.write(document(True, FAILS))
        return stack

    def seen(self, stack: Any) -> Any:
        """The cloud, and all that the state remembers, but for ids."""
        state = decode_state(stack.state_path.read_bytes(), "the state")
        assert state.pending_rollback is None
        cloud = stack.cloud()
        ids = {each.attributes["id"] for each in state.objects.values()}
        assert cloud.keys() - ids == {GUEST["id"]}, "orphans"
        assert not ids - cloud.keys(), "lost"
        memory = sorted(
            (str(each.address), each.deposed, each.provider, each.dependencies, each.tainted, each.protected)
            for each in state.objects.values()
        )
        named = {id_: attributes["name"] for id_, attributes in cloud.items()}
        outputs = {name: named[output.value] for name, output in state.outputs.items()}
        return self.without_ids(cloud), memory, outputs

    def run(self, stack: Any, kill_at: int) -> int:
        command = ("apply", "--auto-approve", "--no-input", "--parallelism", "1")
        return int(stack.iac(*command, env={"KILL_AT": str(kill_at)} if kill_at else None, code=None).code)

    def require_as_before(self, stack: Any) -> None:
        assert self.seen(stack) == self.before
        stack.write(document(False))
        assert stack.plan() == {}


@pytest.fixture
def trials(crash_process, stack_in, tmp_path, without_ids):
    def new_stack(number: int) -> Any:
        folder = tmp_path / str(number)
        folder.mkdir()
        return stack_in(folder, crash_process)

    return Trials(new_stack, without_ids)


def try_killing_it(trials: Trials, first: int, stride: int) -> int:
    for count, number in enumerate(range(first, 10_000, stride)):
        stack = trials.begin(number)
        code = trials.run(stack, number)
        if code != KILLED:
            assert code == 4
            trials.require_as_before(stack)
            return count
        stack.iac("recover")
        trials.require_as_before(stack)
    raise AssertionError("it was killed without end")


def try_killing_the_recovery(trials: Trials, kill_at: int, stride: int) -> int:
    for count, number in enumerate(range(1, 10_000, stride)):
        stack = trials.begin(number)
        assert trials.run(stack, kill_at) == KILLED
        code = stack.iac("recover", env={"KILL_AT": str(number)}, code=None).code
        if code != KILLED:
            assert code == 0
            trials.require_as_before(stack)
            return count
        stack.iac("recover", env={"KILL_AT": str(max(1, number // 2))}, code=None)
        stack.iac("recover")
        trials.require_as_before(stack)
    raise AssertionError("it was killed without end")


def test_moves_imports_and_what_was_forgotten_are_taken_back_whenever_it_is_killed(trials):
    assert try_killing_it(trials, 2, 9) > 5


def test_moves_and_imports_are_taken_back_whenever_the_recovery_is_killed(trials):
    assert try_killing_the_recovery(trials, 40, 8) > 1


@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
def test_moves_imports_and_what_was_forgotten_are_taken_back_at_every_instant(trials):
    assert try_killing_it(trials, 1, 1) > 50


@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kill_at", [15, 25, 35, 45])
def test_moves_and_imports_are_taken_back_at_every_instant_of_the_recovery(kill_at, trials):
    assert try_killing_the_recovery(trials, kill_at, 1) > 5
