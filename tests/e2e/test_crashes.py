"""kill -9 at any moment of an apply: the next apply finds everything again, and nothing is made twice."""

from __future__ import annotations

import copy
import json
import random
import shutil
import signal
import time

import pytest

SERVERS = ("a", "b")


def servers(network: str, **more):
    return {name: {"name": name, "network_id": f"${{mock_network.{network}.id}}", **more} for name in SERVERS}


def small(network=None, **server):
    return {
        "mock_network": {"n": {"name": "n", "cidr_block": "10.0.0.0/16", **(network or {})}},
        "mock_server": servers("n", **server),
        "mock_object": {"o": {"name": "o", "kind": server.get("image", "linux")}},
    }


CBD = {"lifecycle": {"create_before_destroy": True}}
CASES = {
    "create": ({}, small(), {"create": 4}),
    "update": (small(size="small"), small(size="large"), {"update": 2}),
    "delete": (small(), {}, {"delete": 4}),
    "replace": (small(image="linux"), small(image="bsd"), {"delete": 3, "create": 3}),
    "create before destroy": (
        small(CBD),
        small(CBD | {"cidr_block": "10.1.0.0/16"}),
        {"create": 1, "update": 2, "delete": 1},
    ),
}
POINTS = [
    (case, operation, nth, when, parallelism)
    for case, (_, _, operations) in CASES.items()
    for operation, count in operations.items()
    for nth in range(1, count + 1)
    for when, parallelism in (("before", "1"), ("after", "1"), ("after", "8"))
]


def stack_file(resources, *faults, latency=0.0):
    data = {"provider": {"mock": {"latency": latency, "faults": list(faults)}}}
    return data | ({"resource": copy.deepcopy(resources)} if resources else {})


@pytest.fixture(scope="module")
def beginnings(tmp_path_factory, warm_process):
    """The folder of each case as it is before its change; made once."""
    folders = {}
    for case, (before, _, _) in CASES.items():
        folders[case] = tmp_path_factory.mktemp("beginning")
        if before:
            (folders[case] / "main.tf.json").write_text(json.dumps(stack_file(before)))
            done = warm_process.run(folders[case], "apply", "--auto-approve")
            assert done.code == 0, done
    return folders


@pytest.mark.parametrize(("case", "operation", "nth", "when", "parallelism"), POINTS)
def test_after_a_crash_the_next_apply_holds_all_and_finishes(
    case, operation, nth, when, parallelism, beginnings, stack, assert_settled
):
    shutil.copytree(beginnings[case], stack.folder, dirs_exist_ok=True)
    before = set(stack.cloud())
    wanted = CASES[case][1]
    stack.write(stack_file(wanted, {"operation": operation, "nth": nth, "crash": when}))
    crashed = stack.apply("--parallelism", parallelism, code=None)
    assert crashed.code == -signal.SIGKILL, crashed
    assert stack.journal_path.exists()
    stack.apply("--parallelism", parallelism)
    assert_settled(stack)
    stack.iac("plan", "--detailed-exitcode")
    there = set(stack.cloud())
    assert len(there) == (4 if wanted else 0)
    replaced = {"replace": 3, "create before destroy": 1}.get(case, 0)
    if before and wanted:
        assert len(there - before) == replaced


@pytest.mark.parametrize(("operation", "count"), [("create", 3), ("delete", 3)])
def test_a_crash_in_every_run_still_comes_to_an_end(operation, count, stack, assert_settled):
    """Each run crashes at its own point; each next one takes up what the last left."""
    before, after = ({}, small()) if operation == "create" else (small(), {})
    if before:
        stack.write(stack_file(before))
        stack.apply()
    faults = [{"operation": operation, "nth": nth, "crash": "after"} for nth in range(1, count + 1)]
    stack.write(stack_file(after, *faults))
    codes = [stack.apply("--parallelism", "1", code=None).code for _ in range(count)]
    assert codes == [-signal.SIGKILL] * count
    stack.apply()
    assert_settled(stack)


def many(kind="k", size=0, count=30, **lifecycle):
    """Thirty objects in three ranks, each rank referring to the one before."""
    body = {"count": count // 3, "name": "a${count.index}", "kind": kind, "attributes": {"size": size}}
    if lifecycle:
        body["lifecycle"] = lifecycle
    ranks = {"a": body}
    for name, before in (("b", "a"), ("c", "b")):
        ranks[name] = body | {
            "name": f"{name}${{count.index}}",
            "attributes": {"size": size, "of": f"${{mock_object.{before}[count.index].id}}"},
        }
    return {"mock_object": ranks}


LIFE = {
    "create": many(),
    "update": many(size=1),
    "replace": many("l", size=1),
    "replace, the other way round": many("m", size=1, create_before_destroy=True),
    "shrink": many("m", size=1, count=12, create_before_destroy=True),
    "delete": {},
}


@pytest.mark.parametrize("what", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_runs_cut_off_at_any_instant_lose_nothing_and_leave_nothing(what, stack, assert_settled):
    chance = random.Random(what)  # the instants are not reproducible: the machine decides what runs by then
    cut_off = 0
    for step, resources in LIFE.items():
        stack.write(stack_file(resources, latency=0.02))
        for _ in range(4):
            running = stack.start("apply", "--auto-approve", "--parallelism", "4")
            time.sleep(chance.uniform(0.03, 0.3))
            running.kill(what)
            done = running.wait()
            assert done.code in (0, -what, 4, 5, 130), (step, done)
            assert "Traceback" not in done.err, done
            cut_off += done.code != 0
        stack.apply()
        assert_settled(stack)
        names = [attributes["name"] for attributes in stack.cloud().values()]
        assert len(names) == len(set(names)) == {"shrink": 12, "delete": 0}.get(step, 30)
        stack.iac("plan", "--detailed-exitcode")
    assert cut_off > 6
