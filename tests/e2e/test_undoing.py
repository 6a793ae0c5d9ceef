"""Undoing a run whose objects have been moved, imported, forgotten or replaced: before, in it, or since it failed."""

from __future__ import annotations

import json
from typing import Any

import pytest


def fault(operation: str, name: str, nth: int = 0, type_: str = "mock_object") -> dict[str, Any]:
    return {"operation": operation, "type": type_, "name": name, "error": "no", "nth": nth}


def named(**names: str) -> dict[str, Any]:
    return {block: {"name": name} for block, name in names.items()}


class Undoing:
    """A stack whose runs fail, or are killed, where a test wants it."""

    def __init__(self, stack: Any, how: str) -> None:
        self.stack = stack
        self.how = how
        self.aliases: list[dict[str, Any]] = []

    def write(self, objects: dict[str, Any], *faults: dict[str, Any], **blocks: Any) -> None:
        provider = {"mock": [{"faults": list(faults)}, *self.aliases]}
        self.stack.write({"provider": provider, "resource": {"mock_object": objects}, **blocks})

    def apply(self, objects: dict[str, Any], **blocks: Any) -> None:
        self.write(objects, **blocks)
        self.stack.apply()

    def apply_stuck(self, objects: dict[str, Any], *faults: dict[str, Any], **blocks: Any) -> None:
        """An apply that fails, and cannot be undone."""
        self.write(objects, *faults, **blocks)
        self.stack.apply(code=5)

    def apply_undone(self, objects: dict[str, Any], failing: str, *arguments: str, **blocks: Any) -> None:
        """An apply that comes as far as the creation of what has this name, and that is undone then."""
        self.run_undone(("apply", "--no-input", *arguments), objects, failing, **blocks)

    def run_undone(self, command: tuple[str, ...], objects: dict[str, Any], failing: str, **blocks: Any) -> None:
        whole = (*command, "--auto-approve", "--parallelism", "1")
        if self.how == "failed":
            self.write(objects, fault("create", failing), **blocks)
            self.stack.iac(*whole, code=4)
            return
        crash = {"operation": "create", "type": "mock_object", "name": failing, "crash": "before"}
        self.write(objects, crash, **blocks)
        assert self.stack.iac(*whole, code=None).code < 0
        self.write(objects, **blocks)
        self.stack.iac("recover")

    def outside(self, name: str) -> str:
        """Make an object in the cloud that the engine knows nothing of."""
        id_ = f"obj-{name}"
        attributes = json.dumps({"attributes": None, "id": id_, "kind": None, "name": name})
        self.stack.change_cloud("INSERT INTO objects VALUES ('mock_object', ?, NULL, ?)", id_, attributes)
        return id_

    def cloud(self) -> list[str]:
        return sorted(found["name"] for found in self.stack.cloud().values())

    def state(self) -> dict[str, str]:
        return {address: found["name"] for address, found in self.stack.objects().items()}


@pytest.fixture(params=["failed", "killed"])
def undoing(stack, request):
    return Undoing(stack, request.param)


STUCK = {**named(w="w"), "x": {"name": "x", "depends_on": ["mock_object.w"]}}
CANNOT_UNDO = (fault("create", "x"), fault("delete", "w", 1))


# --- what is imported ----------------------------------------------------------------------------------------------


def test_what_a_run_imported_is_forgotten_again_and_not_destroyed(undoing, assert_settled):
    undoing.apply(named(a="a"))
    id_ = undoing.outside("e")
    blocks = {"import": [{"to": "mock_object.e", "id": id_}]}
    undoing.apply_undone(named(a="a", e="e", x="x"), "x", **blocks)
    assert undoing.state() == {"mock_object.a": "a"}
    undoing.apply(named(a="a"))
    assert undoing.cloud() == ["a", "e"]
    undoing.apply(named(a="a", e="e"), **blocks)
    assert_settled(undoing.stack)


def test_what_a_run_imported_and_changed_is_changed_back_and_forgotten(undoing):
    undoing.apply(named(a="a"))
    id_ = undoing.outside("e")
    objects = {**named(a="a"), "e": {"name": "e", "attributes": 1}, "x": {"name": "x", "depends_on": ["mock_object.e"]}}
    undoing.apply_undone(objects, "x", **{"import": [{"to": "mock_object.e", "id": id_}]})
    assert undoing.state() == {"mock_object.a": "a"}
    assert undoing.stack.cloud()[id_]["attributes"] is None


def test_an_import_in_the_place_of_what_was_to_be_undone_is_not_destroyed(undoing):
    undoing.apply(named(a="a"))
    undoing.apply_stuck({**named(a="a"), **STUCK}, *CANNOT_UNDO)
    undoing.stack.iac("state", "rm", "mock_object.w")
    id_ = undoing.outside("e")
    objects = named(a="a", w="e", y="y")
    undoing.apply_undone(objects, "y", **{"import": [{"to": "mock_object.w", "id": id_}]})
    assert undoing.state() == {"mock_object.a": "a"}
    assert undoing.cloud() == ["a", "e", "w"], "w was taken out of the state by hand, and is nobody's business now"


def test_what_was_destroyed_comes_back_where_something_else_was_imported_since(undoing):
    undoing.apply({"w": {"name": "w", "kind": "old"}})
    undoing.apply_stuck({"w": {"name": "w", "kind": "new"}}, fault("create", "w"))
    assert undoing.cloud() == []
    id_ = undoing.outside("e")
    undoing.apply_undone(named(w="e", y="y"), "y", **{"import": [{"to": "mock_object.w", "id": id_}]})
    assert undoing.state() == {"mock_object.w": "w"}
    assert undoing.stack.objects()["mock_object.w"]["kind"] == "old"
    assert undoing.cloud() == ["e", "w"]


def test_what_a_run_imported_and_destroyed_is_made_again_and_kept(undoing, assert_settled):
    undoing.apply(named(a="a"))
    id_ = undoing.outside("e")
    objects = {**named(a="a"), "e": {"name": "e", "kind": "new"}, "x": {"name": "x", "depends_on": ["mock_object.e"]}}
    undoing.apply_undone(objects, "x", **{"import": [{"to": "mock_object.e", "id": id_}]})
    assert undoing.state() == {"mock_object.a": "a", "mock_object.e": "e"}
    assert undoing.stack.objects()["mock_object.e"]["kind"] is None
    assert_settled(undoing.stack)


def with_an_import_to_undo(stack: Any) -> tuple[Undoing, dict[str, Any]]:
    """`e` was imported by a run that could not be undone; and the blocks that import it."""
    undoing = Undoing(stack, "failed")
    undoing.apply(named(a="a"))
    imports = {"import": [{"to": "mock_object.e", "id": undoing.outside("e")}]}
    undoing.apply_stuck({**named(a="a", e="e"), **STUCK}, *CANNOT_UNDO, **imports)
    undoing.write(named(a="a"))
    return undoing, imports


def test_what_only_a_run_that_is_not_undone_had_imported_is_forgotten_when_nobody_wants_it(stack, assert_settled):
    undoing, imports = with_an_import_to_undo(stack)
    assert stack.plan() == {"mock_object.e": ["forget"], "mock_object.w": ["delete"]}
    assert "forgotten and not destroyed" in " ".join(stack.iac("plan").err.split())
    stack.iac("plan", "--destroy", "--out", "destroy.plan")
    changes = stack.iac("show", "--json", "destroy.plan").document["resource_changes"]
    assert {each["address"]: each["change"]["actions"] for each in changes}["mock_object.e"] == ["forget"]
    stack.apply()
    assert undoing.cloud() == ["a", "e"]
    undoing.apply(named(a="a", e="e"), **imports)
    undoing.apply(named(a="a"))
    assert undoing.cloud() == ["a"]
    assert_settled(stack)


# --- what is moved --------------------------------------------------------------------------------------------------


def test_who_refers_to_what_was_moved_refers_to_it_by_its_old_name_again(undoing, assert_settled):
    def resource(network: str, **objects: Any) -> dict[str, Any]:
        server = {"name": "s", "network_id": f"${{mock_network.{network}.id}}"}
        networks = {network: {"name": "n", "cidr_block": "10.0.0.0/16"}}
        return {"mock_network": networks, "mock_server": {"s": server}, "mock_object": objects}

    undoing.apply({}, resource=resource("n"))
    moves = [{"from": "mock_network.n", "to": "mock_network.m"}]
    undoing.apply_undone({}, "x", resource=resource("m", x={"name": "x"}), moved=moves)
    state = json.loads(undoing.stack.state_path.read_text())
    (server,) = (found for found in state["objects"] if found["address"] == "mock_server.s")
    assert server["dependencies"] == ["mock_network.n"]
    undoing.apply({}, resource=resource("n"))
    undoing.write({})
    undoing.stack.iac("destroy", "--auto-approve", "--no-input")
    assert undoing.stack.cloud() == {}


def test_who_refers_to_what_was_moved_and_replaced_gets_its_new_id_on_the_way_back(undoing, assert_settled):
    def resource(server: str, image: str, **more: Any) -> dict[str, Any]:
        refers = {"name": "r", "attributes": {"of": f"${{mock_server.{server}.id}}"}}
        return {"mock_server": {server: {"name": "s", "image": image}}, "mock_object": {"r": refers, **more}}

    undoing.apply({}, resource=resource("n", "linux"))
    moves = [{"from": "mock_server.n", "to": "mock_server.m"}]
    late = {"name": "x", "depends_on": ["mock_object.r"]}
    undoing.apply_undone({}, "x", resource=resource("m", "bsd", x=late), moved=moves)
    assert_settled(undoing.stack)
    objects = undoing.stack.objects()
    assert objects["mock_server.n"]["image"] == "linux"
    assert objects["mock_object.r"]["attributes"]["of"] == objects["mock_server.n"]["id"]
    undoing.write({}, resource=resource("n", "linux"))
    assert undoing.stack.plan() == {}


@pytest.mark.parametrize(
    ("skipped", "places"),
    [("a", {"b": "a", "c": "b"}), ("b", {"b": "a", "c": "b"}), ("c", {"a": "a", "c": "b"})],
)
def test_what_is_left_out_is_not_lost_where_others_want_its_place(stack, skipped, places, assert_settled):
    undoing = Undoing(stack, "killed")
    undoing.apply(named(a="a", b="b"))
    for objects, failing, move in (
        (named(a="a", c="b", x="x"), "x", {"from": "mock_object.b", "to": "mock_object.c"}),
        (named(b="a", c="b", y="y"), "y", {"from": "mock_object.a", "to": "mock_object.b"}),
    ):
        crash = {"operation": "create", "type": "mock_object", "name": failing, "crash": "before"}
        undoing.write(objects, crash, moved=[move])
        stack.apply("--parallelism", "1", code=None)
    undoing.write(named(b="a", c="b"))
    done = stack.iac("recover", "--skip", f"mock_object.{skipped}")
    assert ("in the way" in done.err) == (skipped == "a")
    assert undoing.state() == {f"mock_object.{block}": name for block, name in places.items()}
    assert_settled(stack)


# --- edits while something is to be undone --------------------------------------------------------------------------


@pytest.fixture
def stuck(stack):
    """`w` is made and cannot be undone; `a` was changed, and `b` destroyed."""
    undoing = Undoing(stack, "failed")
    undoing.apply(named(a="a", b="b"))
    changed = {"a": {"name": "a", "attributes": 1}, **STUCK}
    changed["w"] = {"name": "w", "depends_on": ["mock_object.a"]}
    undoing.apply_stuck(changed, *CANNOT_UNDO)
    undoing.write(changed)
    return undoing


def test_what_was_moved_by_hand_is_undone_where_it_is(stuck, assert_settled):
    stuck.stack.iac("state", "mv", "mock_object.w", "mock_object.elsewhere")
    stuck.stack.iac("state", "mv", "mock_object.a", "mock_object.c")
    stuck.stack.iac("recover", "--retry")
    assert stuck.state() == {"mock_object.b": "b", "mock_object.c": "a"}
    assert stuck.stack.objects()["mock_object.c"]["attributes"] is None
    assert_settled(stuck.stack)


def test_what_was_taken_out_by_hand_is_left_alone(stuck):
    stuck.stack.iac("state", "rm", "mock_object.w")
    stuck.stack.iac("recover", "--retry")
    assert stuck.state() == {"mock_object.a": "a", "mock_object.b": "b"}
    assert stuck.cloud() == ["a", "b", "w"]


def test_nothing_moves_to_where_something_is_to_be_again(stack, assert_settled):
    undoing = Undoing(stack, "failed")
    undoing.apply({"b": {"name": "b", "kind": "old"}, **named(c="c")})
    undoing.apply_stuck({"b": {"name": "b", "kind": "new"}, **named(c="c")}, fault("create", "b"))
    before = stack.state_path.read_bytes()
    done = stack.iac("state", "mv", "mock_object.c", "mock_object.b", code=1)
    assert "Destination is awaited" in done.err
    assert stack.state_path.read_bytes() == before
    undoing.write({})
    stack.iac("recover", "--retry")
    assert undoing.state() == {"mock_object.b": "b", "mock_object.c": "c"}
    assert_settled(stack)


def test_a_state_that_does_not_know_what_is_to_be_undone_is_not_pushed_unasked(stuck):
    before = stuck.stack.state_path.read_bytes()
    stuck.stack.write(stuck.stack.iac("state", "pull", "--format", "tfstate").document, "pulled.tfstate")
    done = stuck.stack.iac("state", "push", "pulled.tfstate", code=1)
    assert "State without what is to be undone" in done.err
    assert stuck.stack.state_path.read_bytes() == before
    (stuck.stack.folder / "pulled.state").write_bytes(before)
    stuck.stack.iac("state", "push", "pulled.state")
    stuck.stack.iac("recover", "--retry")
    assert stuck.state() == {"mock_object.a": "a", "mock_object.b": "b"}


# --- several runs ---------------------------------------------------------------------------------------------------


def test_an_apply_that_takes_over_and_does_not_end_well_is_undone_with_the_earlier_one(undoing, assert_settled):
    undoing.apply(named(a="a"))
    undoing.apply_stuck({**named(a="a"), **STUCK}, *CANNOT_UNDO)
    undoing.apply_undone({**named(a="a", w="w", y="y"), "z": {"name": "z", "depends_on": ["mock_object.y"]}}, "z")
    assert undoing.state() == {"mock_object.a": "a"}
    assert_settled(undoing.stack)


def test_a_return_that_takes_over_and_does_not_end_well_leads_to_before_the_earlier_run(undoing, assert_settled):
    undoing.apply({"a": {"name": "a", "attributes": 1}, **named(v="v")})
    second = {"a": {"name": "a", "attributes": 2}}
    undoing.apply(second)
    undoing.apply_stuck({**second, **STUCK}, *CANNOT_UNDO)
    undoing.run_undone(("rollback", "--to", "1"), second, "v")
    assert undoing.state() == {"mock_object.a": "a"}
    assert undoing.stack.objects()["mock_object.a"]["attributes"] == 2
    assert "nothing to recover" in undoing.stack.iac("recover").out
    assert_settled(undoing.stack)


def test_what_was_found_again_on_a_return_that_failed_is_forgotten_again(undoing):
    undoing.apply(named(b="one", k="k"))
    undoing.stack.iac("state", "rm", "mock_object.b")
    undoing.apply(named(b="two"))
    undoing.run_undone(("rollback", "--to", "1"), named(b="two"), "k")
    assert undoing.state() == {"mock_object.b": "two"}
    assert undoing.cloud() == ["one", "two"]


def test_an_object_that_was_forgotten_and_imported_again_is_the_same_one(stack, assert_settled):
    undoing = Undoing(stack, "failed")
    undoing.apply(named(b="b"))
    (id_,) = stack.cloud()
    stack.iac("state", "rm", "mock_object.b")
    undoing.apply({**named(c="b"), **named(k="k")}, **{"import": [{"to": "mock_object.c", "id": id_}]})
    stack.iac("rollback", "--to", "1", "--auto-approve")
    assert list(stack.cloud()) == [id_]
    assert undoing.state() == {"mock_object.b": "b"}
    assert_settled(stack)


def test_a_part_of_the_stack_that_is_applied_meanwhile_settles_nothing(stuck):
    objects = {"a": {"name": "a", "attributes": 1}, **named(w="w", y="y")}
    stuck.write(objects)
    stuck.stack.apply("--target", "mock_object.y", code=5)
    assert stuck.cloud() == ["a", "b", "w", "y"]
    assert "mock_object.w" in " ".join(stuck.stack.iac("plan").err.split())
    stuck.stack.iac("recover", "--retry")
    assert stuck.state() == {"mock_object.a": "a", "mock_object.b": "b"}


def test_what_the_run_itself_destroyed_is_made_again_however_long_reads_still_see_it(stack, assert_settled):
    undoing = Undoing(stack, "failed")

    def resource(image: str, **more: Any) -> dict[str, Any]:
        return {"mock_server": {"s": {"name": "s", "image": image}}, "mock_object": more}

    undoing.apply({}, resource=resource("linux"))
    late = {"x": {"name": "x", "depends_on": ["mock_server.s"]}}
    lagging = {"mock": {"faults": [fault("create", "x")], "eventual_consistency": {"reads": 3, "wait": False}}}
    stack.write({"provider": lagging, "resource": resource("bsd", **late)})
    stack.apply(code=4)
    assert_settled(stack)
    assert stack.objects()["mock_server.s"]["image"] == "linux"


def test_what_waves_before_had_done_stays_when_the_last_one_is_undone(stack):
    resource = {
        "mock_object": {
            "seed": {"name": "seed"},
            "each": {"for_each": "${toset([mock_object.seed.id])}", "name": "each"},
        }
    }
    stack.write({"provider": {"mock": {"faults": [fault("create", "each")]}}, "resource": resource})
    done = stack.apply("--allow-deferral", code=4)
    assert "What the waves before it had done is in the state" in " ".join(done.err.split())
    assert list(stack.objects()) == ["mock_object.seed"]


# --- what a run did not touch ---------------------------------------------------------------------------------------


def flags(stack: Any) -> dict[str, Any]:
    """What the state remembers of each object beside its attributes."""
    state = json.loads(stack.state_path.read_text())
    kept = ("protected", "create_before_destroy", "tainted", "dependencies", "provider")
    return {each["address"]: {name: each.get(name) for name in kept} for each in state["objects"]}


@pytest.mark.parametrize("protected", [False, True])
def test_what_the_run_left_alone_is_not_destroyed_for_anothers_new_id(undoing, protected, assert_settled):
    def objects(kind: str) -> dict[str, Any]:
        lifecycle = {"ignore_changes": ["kind"], "protect": protected}
        refers = {"name": "r", "kind": "${mock_object.b.id}", "lifecycle": lifecycle}
        return {"b": {"name": "b", "kind": kind}, "r": refers}

    undoing.apply(objects("1"))
    before = {found["name"]: id_ for id_, found in undoing.stack.cloud().items()}
    undoing.apply_undone({**objects("2"), "x": {"name": "x", "depends_on": ["mock_object.b"]}}, "x")
    after = {found["name"]: id_ for id_, found in undoing.stack.cloud().items()}
    assert after["r"] == before["r"]
    assert undoing.stack.objects()["mock_object.b"]["kind"] == "1"
    assert_settled(undoing.stack)


def test_what_is_remembered_of_objects_is_as_it_was(undoing):
    shielded = {"lifecycle": {"protect": True, "create_before_destroy": True}}
    undoing.apply({"a": {"name": "a"}, "b": {"name": "b", **shielded}})
    before = flags(undoing.stack)
    changed = {"a": {"name": "a", **shielded}, "b": {"name": "b", "lifecycle": {"protect": False}}}
    undoing.apply_undone({**changed, "x": {"name": "x"}}, "x")
    assert flags(undoing.stack) == before


def test_what_a_return_remembers_otherwise_is_as_it_was_when_it_is_undone(undoing):
    undoing.apply({"a": {"name": "a", "lifecycle": {"create_before_destroy": True}}, **named(v="v")})
    undoing.apply(named(a="a"))
    before = flags(undoing.stack)
    undoing.run_undone(("rollback", "--to", "1"), named(a="a"), "v")
    assert flags(undoing.stack) == before


def test_what_a_run_replaced_that_was_protected_is_made_again(undoing, assert_settled):
    undoing.apply({"a": {"name": "a", "kind": "1", "lifecycle": {"protect": True}}})
    replaced = {"name": "a", "kind": "2", "lifecycle": {"protect": False}}
    undoing.apply_undone({"a": replaced, "x": {"name": "x", "depends_on": ["mock_object.a"]}}, "x")
    assert undoing.stack.objects()["mock_object.a"]["kind"] == "1"
    assert flags(undoing.stack)["mock_object.a"]["protected"]
    assert_settled(undoing.stack)


@pytest.mark.parametrize("moves", [False, True])
def test_an_imported_object_whose_provider_configuration_changes_is_changed_back(undoing, moves, assert_settled):
    undoing.apply(named(a="a"))
    id_ = undoing.outside("e")
    undoing.aliases = [{"alias": "other"}]
    undoing.apply(named(a="a", e="e"), **{"import": [{"to": "mock_object.e", "id": id_}]})
    place = "f" if moves else "e"
    changed = {**named(a="a", x="x"), place: {"name": "e", "attributes": 1, "provider": "mock.other"}}
    changed["x"] = {"name": "x", "depends_on": [f"mock_object.{place}"]}
    blocks = {"moved": [{"from": "mock_object.e", "to": "mock_object.f"}]} if moves else {}
    undoing.apply_undone(changed, "x", **blocks)
    assert undoing.state() == {"mock_object.a": "a", "mock_object.e": "e"}
    assert undoing.stack.cloud()[id_]["attributes"] is None
    assert flags(undoing.stack)["mock_object.e"]["provider"] == 'provider["iacengine/mock"]'
    assert_settled(undoing.stack)


def without_names(stack: Any) -> None:
    """Make the objects of the state such that nothing tells them which is written down: as some from Terraform are."""
    state = stack.iac("state", "pull", "--format", "tfstate").document
    for resource in state["resources"]:
        for instance in resource["instances"]:
            instance["sensitive_attributes"] = [[{"type": "get_attr", "value": "id"}]]
    state["serial"] += 1
    stack.write(state, "without-names.tfstate")
    stack.iac("state", "push", "--force", "without-names.tfstate")
    (stack.folder / "without-names.tfstate").unlink()


@pytest.mark.parametrize("moves", [False, True])
def test_an_object_whose_id_is_a_secret_is_neither_destroyed_nor_lost(undoing, moves, assert_settled):
    undoing.apply({"b": {"name": "b", "kind": "1", "lifecycle": {"create_before_destroy": True}}})
    (id_,) = undoing.stack.cloud()
    without_names(undoing.stack)
    late = {"name": "x", "depends_on": ["mock_object.c" if moves else "mock_object.b"]}
    if moves:
        moved = [{"from": "mock_object.b", "to": "mock_object.c"}]
        undoing.apply_undone({"c": {"name": "b", "kind": "1", "attributes": 1}, "x": late}, "x", moved=moved)
    else:
        again = {"name": "b", "kind": "2", "lifecycle": {"create_before_destroy": True}}
        undoing.apply_undone({"b": again, "x": late}, "x")
    assert list(undoing.stack.cloud()) == [id_]
    assert undoing.state() == {"mock_object.b": "b"}
    assert_settled(undoing.stack)


def test_outputs_and_what_is_read_through_data_sources_have_the_new_id(undoing, assert_settled):
    def blocks(kind: str, **more: Any) -> dict[str, Any]:
        refers = {"name": "r", "attributes": {"of": "${data.mock_object.d.id}"}}
        return {
            "resource": {"mock_object": {"b": {"name": "b", "kind": kind}, "r": refers, **more}},
            "data": {"mock_object": {"d": {"name": "b", "depends_on": ["mock_object.b"]}}},
            "output": {"b": {"value": "id ${mock_object.b.id}"}},
        }

    undoing.apply({}, **blocks("1"))
    undoing.apply_undone({}, "x", **blocks("2", x={"name": "x", "depends_on": ["mock_object.b"]}))
    id_ = undoing.stack.objects()["mock_object.b"]["id"]
    assert undoing.stack.outputs() == {"b": f"id {id_}"}
    assert undoing.stack.objects()["mock_object.r"]["attributes"]["of"] == id_
    undoing.write({}, **blocks("1"))
    assert undoing.stack.plan() == {}


def test_nothing_is_destroyed_under_one_address_that_is_imported_to_another(stack):
    undoing = Undoing(stack, "failed")
    undoing.apply(named(a="a"))
    (id_,) = stack.cloud()
    undoing.write(named(b="a"), **{"import": [{"to": "mock_object.b", "id": id_}]})
    done = stack.apply(code=1)
    assert "Write a moved block from mock_object.a to mock_object.b" in " ".join(done.err.split())
    undoing.apply(named(b="a"), moved=[{"from": "mock_object.a", "to": "mock_object.b"}])
    assert list(stack.cloud()) == [id_]


# --- what stands for a destroyed object -----------------------------------------------------------------------------


@pytest.fixture
def half_undone(stack):
    """`b` was replaced, and is made again already; `g` could not be changed back."""
    undoing = Undoing(stack, "failed")
    undoing.apply({"b": {"name": "b", "kind": "1"}, "g": {"name": "g"}})
    changed = {"b": {"name": "b", "kind": "2"}, "g": {"name": "g", "attributes": 1}}
    late = {"x": {"name": "x", "depends_on": ["mock_object.b", "mock_object.g"]}}
    undoing.apply_stuck({**changed, **late}, fault("create", "x"), fault("update", "g", 2))
    undoing.write(changed)
    assert undoing.state() == {"mock_object.b": "b", "mock_object.g": "g"}
    return undoing


def test_what_is_made_again_and_taken_out_by_hand_is_not_made_once_more(half_undone):
    half_undone.stack.iac("state", "rm", "mock_object.b")
    half_undone.stack.iac("recover", "--retry")
    assert half_undone.state() == {"mock_object.g": "g"}
    assert half_undone.cloud() == ["b", "g"]


def test_what_is_made_again_and_moved_by_hand_stays_where_it_is(half_undone, assert_settled):
    before = half_undone.stack.objects()["mock_object.b"]
    half_undone.stack.iac("state", "mv", "mock_object.b", "mock_object.c")
    half_undone.stack.iac("recover", "--retry")
    assert half_undone.stack.objects()["mock_object.c"] == before
    assert_settled(half_undone.stack)


def test_what_is_made_again_and_protected_by_hand_stays_so(half_undone, assert_settled):
    half_undone.stack.iac("state", "protect", "mock_object.b")
    half_undone.stack.iac("recover", "--retry")
    assert flags(half_undone.stack)["mock_object.b"]["protected"]
    assert_settled(half_undone.stack)


def test_what_is_protected_by_hand_is_not_destroyed_on_the_way_back(stuck, assert_settled):
    stuck.stack.iac("state", "protect", "mock_object.w")
    stuck.stack.iac("recover", "--retry")
    assert stuck.state() == {"mock_object.a": "a", "mock_object.b": "b", "mock_object.w": "w"}
    assert stuck.stack.objects()["mock_object.a"]["attributes"] is None
    assert_settled(stuck.stack)


def test_what_was_left_out_stays_so_wherever_it_moves(stack, assert_settled):
    undoing = Undoing(stack, "failed")
    undoing.apply({"g": {"name": "g"}})
    late = {"w": {"name": "w"}, "x": {"name": "x", "depends_on": ["mock_object.w", "mock_object.g"]}}
    faults = (fault("create", "x"), fault("update", "g", 2), fault("delete", "w"))
    undoing.apply_stuck({"g": {"name": "g", "attributes": 1}, **late}, *faults)
    undoing.write({}, fault("update", "g"))
    stack.iac("recover", "--skip", "mock_object.w", code=5)
    stack.iac("state", "mv", "mock_object.w", "mock_object.v")
    undoing.write({})
    stack.iac("recover", "--retry")
    assert undoing.state() == {"mock_object.g": "g", "mock_object.v": "w"}
    assert_settled(stack)


def test_a_return_while_an_import_is_to_be_undone_forgets_it(stack):
    undoing, _ = with_an_import_to_undo(stack)
    stack.iac("rollback", "--to", "1", "--auto-approve")
    assert undoing.state() == {"mock_object.a": "a"}
    assert undoing.cloud() == ["a", "e"]


def test_what_is_to_come_back_comes_to_where_its_block_has_moved(stack, assert_settled):
    undoing = Undoing(stack, "failed")

    def objects(kind: str) -> dict[str, Any]:
        every = {"for_each": {"x": kind, "y": "1"}, "name": "${each.key}", "kind": "${each.value}"}
        return {"a": every, "r": {"name": "r", "depends_on": ["mock_object.a"]}}

    undoing.apply(objects("1"))
    undoing.apply_stuck(objects("2"), fault("create", "x"))
    assert undoing.state() == {'mock_object.a["y"]': "y", "mock_object.r": "r"}
    stack.iac("state", "mv", "mock_object.a", "mock_object.b")
    undoing.write({})
    stack.iac("recover", "--retry")
    assert undoing.state() == {'mock_object.b["x"]': "x", 'mock_object.b["y"]': "y", "mock_object.r": "r"}
    assert flags(stack)["mock_object.r"]["dependencies"] == ["mock_object.b"]
    assert_settled(stack)


def test_who_depends_on_a_block_depends_on_all_to_which_its_objects_are_moved(stack):
    undoing = Undoing(stack, "failed")
    every = {"for_each": {"x": "1", "y": "1"}, "name": "${each.key}"}
    undoing.apply({"a": every, "r": {"name": "r", "depends_on": ["mock_object.a"]}})
    stack.iac("state", "mv", 'mock_object.a["x"]', "mock_object.b")
    assert flags(stack)["mock_object.r"]["dependencies"] == ["mock_object.a", "mock_object.b"]
    stack.iac("state", "mv", 'mock_object.a["y"]', "mock_object.c")
    assert flags(stack)["mock_object.r"]["dependencies"] == ["mock_object.b", "mock_object.c"]


def test_what_has_gone_outside_meanwhile_is_made_again_when_somebody_tries_again(stuck, assert_settled):
    stuck.stack.change_cloud("DELETE FROM objects WHERE json_extract(attributes, '$.name') = 'a'")
    stuck.stack.iac("recover", "--retry")
    assert stuck.state() == {"mock_object.a": "a", "mock_object.b": "b"}
    assert_settled(stuck.stack)


@pytest.mark.parametrize("operation", ["update", "delete"])
def test_what_was_cut_off_on_an_imported_object_is_known_however_long_reads_show_it_as_before(
    stack, operation, assert_settled
):
    undoing = Undoing(stack, "killed")
    undoing.apply(named(z="z"))
    id_ = undoing.outside("e")
    undoing.apply(named(z="z", e="e"), **{"import": [{"to": "mock_object.e", "id": id_}]})
    changed = {**named(z="z"), "e": {"name": "e", "attributes": 1}} if operation == "update" else named(z="z")
    crash = {"operation": operation, "type": "mock_object", "name": "e", "crash": "after"}
    for faults in ([crash], []):
        lagging = {"mock": {"faults": faults, "eventual_consistency": {"reads": 3, "wait": False}}}
        stack.write({"provider": lagging, "resource": {"mock_object": changed}})
        if faults:
            assert stack.apply("--on-failure", "pause", code=None).code < 0
    told = "it is there" if operation == "update" else "it is gone"
    assert told in stack.iac("recover").out
    assert_settled(stack)
    assert stack.plan() == {}


@pytest.mark.parametrize("operation", ["update", "delete"])
def test_what_is_done_to_an_imported_object_and_answered_with_an_error_is_known(stack, operation, assert_settled):
    undoing = Undoing(stack, "failed")
    undoing.apply(named(z="z"))
    id_ = undoing.outside("e")
    undoing.apply(named(z="z", e="e"), **{"import": [{"to": "mock_object.e", "id": id_}]})
    changed = {**named(z="z"), "e": {"name": "e", "attributes": 1}} if operation == "update" else named(z="z")
    faults = [{**fault(operation, "e", 1), "when": "after"}]
    lagging = {"mock": {"faults": faults, "eventual_consistency": {"reads": 3, "wait": False}}}
    stack.write({"provider": lagging, "resource": {"mock_object": changed}})
    stack.apply("--on-failure", "pause", code=1 if operation == "update" else 0)
    assert_settled(stack)
