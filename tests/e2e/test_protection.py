"""Objects that nothing is to destroy: by their block, by a command, and until somebody lifts it."""

import random

import pytest

from iacengine.state.statefile import decode_state


def protected(stack):
    state = decode_state(stack.state_path.read_bytes(), "the state")
    return {str(found.address) for found in state.objects.values() if found.protected}


def objects(**bodies):
    return {"resource": {"mock_object": bodies}}


KEPT = {"name": "a", "lifecycle": {"protect": True}}


@pytest.fixture
def kept(stack):
    """A stack with one object that its block protects."""
    stack.write(objects(a=KEPT))
    stack.apply()
    return stack


def test_an_object_is_protected_from_its_creation_on(kept):
    assert protected(kept) == {"mock_object.a"}
    assert "mock_object.a (protected):" in kept.iac("show").out
    assert kept.iac("state", "list", "--protected").out == "mock_object.a\n"
    (shown,) = kept.iac("show", "--json").document["values"]["root_module"]["resources"]
    assert shown["protected"] is True


def test_it_outlives_the_removal_of_its_block(kept):
    kept.write({"resource": {}})
    done = kept.apply(code=1)
    assert "The plan would delete mock_object.a, but it is protected in state." in done.err
    assert "Run `iac state unprotect mock_object.a` first" in done.err
    assert len(kept.cloud()) == 1
    kept.iac("state", "unprotect", "mock_object.a")
    kept.apply()
    assert kept.cloud() == {}


def test_the_refusal_names_the_line_that_protects(stack):
    stack.write("resource:\n  mock_object:\n    a:\n      name: a\n      lifecycle: {protect: true}\n")
    stack.apply()
    done = stack.iac("destroy", "--auto-approve", code=1)
    assert "main.iac.yaml:5:28" in done.err, done.err
    assert "Set protect: false in the block, or leave this object out with --exclude mock_object.a." in done.err


def test_destroying_the_rest_leaves_it_out(stack):
    stack.write(objects(a=KEPT, b={"name": "b"}))
    stack.apply()
    stack.iac("destroy", "--auto-approve", "--exclude", "mock_object.a")
    assert list(stack.objects()) == ["mock_object.a"]


def test_it_is_not_replaced(stack):
    server = {"name": "a", "image": "linux", "network_id": "${mock_network.n.id}", "lifecycle": {"protect": True}}
    network = {"n": {"name": "n", "cidr_block": "10.0.0.0/16"}}
    stack.write({"resource": {"mock_network": network, "mock_server": {"a": server}}})
    stack.apply()
    before = stack.cloud()
    done = stack.iac("plan", "--replace", "mock_server.a", code=1)
    assert "Instance cannot be destroyed" in done.err
    assert stack.cloud() == before


@pytest.mark.parametrize("before", [{}, {"protect": False}])
def test_protecting_an_object_that_is_there_is_a_change_of_its_own(stack, before):
    stack.write(objects(a={"name": "a", "lifecycle": before}))
    stack.apply()
    stack.write(objects(a=KEPT))
    done = stack.iac("plan", "--detailed-exitcode", code=2)
    assert "mock_object.a will be protected" in done.out
    stack.apply()
    assert protected(stack) == {"mock_object.a"}
    stack.iac("plan", "--detailed-exitcode", code=0)


def test_protection_comes_with_an_update_too(stack):
    stack.write(objects(a={"name": "a"}))
    stack.apply()
    stack.write(objects(a={**KEPT, "attributes": {"k": "v"}}))
    assert "protected: from now on nothing destroys it" in stack.iac("plan").out
    stack.apply()
    assert protected(stack) == {"mock_object.a"}


def test_a_saved_plan_protects_as_well(stack):
    stack.write(objects(a={"name": "a"}))
    stack.apply()
    stack.write(objects(a=KEPT, b={"name": "b", "lifecycle": {"protect": True}}))
    stack.iac("plan", "--out", "p")
    assert "mock_object.a will be protected" in stack.iac("show", "p").out
    stack.iac("apply", "p")
    assert protected(stack) == {"mock_object.a", "mock_object.b"}


def test_protect_false_lifts_it_at_the_next_apply(kept):
    kept.write(objects(a={"name": "a", "lifecycle": {"protect": False}}))
    assert "will not be protected any more" in kept.iac("plan").out
    kept.apply()
    assert protected(kept) == set()


def test_protect_false_lifts_it_at_once_where_the_object_is_destroyed(kept):
    kept.write(objects(a={"name": "a", "lifecycle": {"protect": False}}))
    kept.iac("destroy", "--auto-approve")
    assert kept.cloud() == {}


def test_a_block_that_says_nothing_leaves_it_as_it_is(kept):
    kept.write(objects(a={"name": "a"}))
    kept.iac("plan", "--detailed-exitcode", code=0)
    kept.write(objects(a={"name": "a", "attributes": {"k": "v"}}))
    kept.apply()
    assert protected(kept) == {"mock_object.a"}


def test_it_moves_with_the_object(kept):
    kept.write({**objects(b={"name": "a"}), "moved": [{"from": "mock_object.a", "to": "mock_object.b"}]})
    kept.apply()
    assert protected(kept) == {"mock_object.b"}
    kept.iac("state", "mv", "mock_object.b", "mock_object.c")
    assert protected(kept) == {"mock_object.c"}


def test_instances_that_are_no_longer_wanted_are_kept(stack):
    stack.write(objects(a={"count": 2, "name": "a${count.index}", "lifecycle": {"protect": True}}))
    stack.apply()
    stack.write(objects(a={"count": 1, "name": "a${count.index}", "lifecycle": {"protect": True}}))
    assert "mock_object.a[1]" in stack.iac("plan", code=1).err


def test_what_was_only_half_made_is_not_protected_and_can_be_replaced(stack):
    fault = {"type": "mock_object", "operation": "create", "error": "no room", "when": "after"}
    stack.write({"provider": {"mock": {"faults": [fault]}}, **objects(a=KEPT)})
    stack.apply("--on-failure", "pause", code=1)
    assert protected(stack) == set()
    assert stack.plan() == {"mock_object.a": ["delete", "create"]}
    stack.apply()
    assert protected(stack) == {"mock_object.a"}


def test_a_failed_run_undoes_what_it_made_itself(stack):
    fault = {"type": "mock_object", "name": "b", "operation": "create", "error": "no room"}
    stack.write(
        {
            "provider": {"mock": {"faults": [fault]}},
            **objects(a=KEPT, b={"name": "b", "depends_on": ["mock_object.a"]}),
        }
    )
    stack.apply(code=4)
    assert stack.cloud() == {}


def test_a_create_that_was_cut_off_is_adopted_protected(stack):
    fault = {"type": "mock_object", "name": "a", "operation": "create", "crash": "after"}
    stack.write({"provider": {"mock": {"faults": [fault]}}, **objects(a=KEPT)})
    stack.apply("--on-failure", "pause", code=None)
    stack.write(objects(a=KEPT))
    stack.iac("refresh")
    assert protected(stack) == {"mock_object.a"}


def test_the_command_protects_and_unprotects_under_the_lock_and_is_recorded(stack):
    stack.write(objects(a={"for_each": '${toset(["x", "y"])}', "name": "${each.key}"}))
    stack.apply()
    done = stack.iac("state", "protect", "mock_object.a")
    assert done.out == 'mock_object.a["x"] is protected now.\nmock_object.a["y"] is protected now.\n'
    assert protected(stack) == {'mock_object.a["x"]', 'mock_object.a["y"]'}
    assert stack.iac("state", "unprotect", 'mock_object.a["x"]', "--json").document == [
        {"address": 'mock_object.a["x"]', "changed": True}
    ]
    assert "was not protected" in stack.iac("state", "unprotect", 'mock_object.a["x"]').out
    runs = stack.iac("runs", "list", "--json").document["runs"]
    assert [run["command"] for run in runs] == ["iac state unprotect", "iac state protect", "iac apply"]
    assert [(step["address"], step["operation"]) for step in runs[0]["steps"]] == [('mock_object.a["x"]', "unprotect")]
    assert runs[0]["serial_after"] == runs[0]["serial_before"] + 1
    assert runs[0]["owner"]


def test_an_address_that_is_not_there_is_refused(kept):
    assert "mock_object.a" in kept.iac("state", "protect", "mock_object.aa", code=1).err


def test_data_sources_cannot_be_protected(stack):
    stack.write(
        {
            "resource": {"mock_network": {"n": {"name": "n", "cidr_block": "10.0.0.0/16"}}},
            "data": {"mock_network": {"d": {"id": "${mock_network.n.id}"}}},
        }
    )
    stack.apply()
    assert "Nothing to protect" in stack.iac("state", "protect", "data.mock_network.d", code=1).err


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_asked_for_no_protected_object_is_lost(stack, seed, assert_settled):
    chance = random.Random(seed)
    wanted = {}
    refused = 0
    for _ in range(12):
        name = chance.choice("abc")
        if name in wanted and chance.random() < 0.4:
            del wanted[name]
        else:
            said = chance.choice([{}, {"protect": True}, {"protect": True}, {"protect": False}])
            wanted[name] = {"name": name, "kind": chance.choice(["x", "y"]), "lifecycle": said}
        before = {found["id"]: address for address, found in stack.objects().items()} if stack.cloud() else {}
        kept = protected(stack) if before else set()
        lifted = {f"mock_object.{name}" for name, body in wanted.items() if body["lifecycle"].get("protect") is False}
        stack.write(objects(**wanted))
        arguments = chance.choice([["apply"], ["apply"], ["apply", "--replace", f"mock_object.{name}"], ["destroy"]])
        done = stack.iac(*arguments, "--auto-approve", code=None)
        assert done.code in (0, 1), done
        refused += done.code
        assert "Traceback" not in done.err
        safe = {id_ for id_, address in before.items() if address in kept - lifted}
        assert safe <= stack.cloud().keys()
        assert_settled(stack)
    assert refused
