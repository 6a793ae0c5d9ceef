"""Earlier versions of a state: what is told of them, and the way back to one."""

import json

import pytest


def objects(**bodies):
    return {"resource": {"mock_object": bodies}}


def named(*names, **more):
    return objects(**{name: {"name": name, **more} for name in names})


def history(stack, *arguments):
    return stack.iac("state", "history", "--json", *arguments).document["versions"]


def differences(stack, *arguments):
    return stack.iac("state", "diff", "--json", *arguments).document


def back(stack, serial, *arguments, code=0):
    return stack.iac("rollback", "--to", str(serial), "--auto-approve", *arguments, code=code)


def names_in_cloud(stack):
    return sorted(found["name"] for found in stack.cloud().values())


@pytest.fixture
def changed(stack):
    """Serial 1: a, b. Serial 2: a changed, b gone, c new. The stack file is that of serial 2."""
    stack.write({**named("a", "b"), "output": {"x": {"value": "one"}}})
    stack.apply()
    bodies = {"a": {"name": "a", "attributes": {"k": "v"}}, "c": {"name": "c"}}
    stack.write({**objects(**bodies), "output": {"x": {"value": "two"}, "y": {"value": 1}}})
    stack.apply()
    return stack


# --- history and differences ----------------------------------------------------------------------------------------


def test_the_history_tells_who_wrote_each_version_and_what_it_changed(changed):
    changed.iac("state", "rm", "mock_object.c")
    newest, second, first = history(changed)
    assert [one["serial"] for one in (newest, second, first)] == [3, 2, 1]
    assert [one["command"] for one in (newest, second, first)] == ["iac state rm", "iac apply", "iac apply"]
    assert first["objects"] == {"added": 2, "changed": 0, "removed": 0}
    assert second["objects"] == {"added": 1, "changed": 1, "removed": 1}
    assert newest["objects"] == {"added": 0, "changed": 0, "removed": 1}
    assert (newest["present"], second["present"]) == (True, False)
    assert second["outputs_changed"] == 2
    assert newest["outcome"] == "complete"
    lines = changed.iac("state", "history").out.splitlines()
    assert lines[0].split() == ["serial", "written", "run", "command", "by", "outcome", "objects"]
    assert lines[2].endswith("+1 ~1 -1")
    assert [one["serial"] for one in history(changed, "--limit", "1")] == [3]
    assert history(changed, "--limit", "1")[0]["objects"] == newest["objects"]


def test_there_is_no_history_without_a_state(stack):
    stack.write(named("a"))
    assert history(stack) == []
    assert "no state yet" in stack.iac("state", "history").out


def test_a_version_without_a_record_is_listed_all_the_same(changed):
    (changed.folder / "iac.state.json.runs").unlink()
    assert [(one["serial"], one["run"]) for one in history(changed)] == [(2, None), (1, None)]


def test_a_difference_names_objects_and_attribute_paths(changed):
    found = differences(changed, "1", "2")
    assert (found["from"], found["to"]) == (1, 2)
    removed, added, after = found["objects"]
    assert (removed["address"], removed["action"]) == ("mock_object.b", "removed")
    assert (added["address"], added["action"]) == ("mock_object.c", "added")
    assert (after["address"], after["action"]) == ("mock_object.a", "changed")
    assert after["changes"] == [{"path": ["attributes"], "before": None, "after": {"k": "v"}}]
    assert found["outputs"] == [
        {"name": "x", "action": "changed", "before": "one", "after": "two"},
        {"name": "y", "action": "added", "before": None, "after": 1},
    ]
    text = changed.iac("state", "diff", "1").out
    assert "  - mock_object.b was removed" in text
    assert 'x = "one" -> "two"' in text
    assert "Objects: 1 added, 1 changed, 1 removed. Outputs: 2 changed." in text


def test_a_version_does_not_differ_from_itself(changed):
    assert changed.iac("state", "diff", "2").out == "No differences.\n"
    assert differences(changed, "2", "now")["objects"] == []


def test_a_moved_object_is_changed_and_not_made_anew(stack):
    stack.write(named("a"))
    stack.apply()
    stack.iac("state", "mv", "mock_object.a", "mock_object.b")
    (moved,) = differences(stack, "1")["objects"]
    assert (moved["address"], moved["previous_address"], moved["changes"]) == ("mock_object.b", "mock_object.a", [])
    assert "mock_object.b was mock_object.a" in stack.iac("state", "diff", "1").out


def test_a_difference_tells_no_secret_unless_it_is_asked_to(stack):
    network = {"mock_network": {"n": {"name": "n", "cidr_block": "10.0.0.0/16"}}}
    secret = {"variable": {"s": {"sensitive": True, "default": "hunter2"}}}
    held = {"mock_object": {"o": {"name": "o", "attributes": {"k": "${var.s}"}}}}
    stack.write({"resource": network})
    stack.apply()
    output = {"o": {"value": "${var.s}", "sensitive": True}}
    stack.write({**secret, "resource": {**network, **held}, "output": output})
    stack.apply()
    for arguments in (["1"], ["1", "--json"]):
        shown = stack.iac("state", "diff", *arguments).out
        assert "hunter2" not in shown
        assert "ensitive" in shown
        assert "hunter2" in stack.iac("state", "diff", *arguments, "--show-sensitive").out


@pytest.mark.parametrize("text", ["99", "one", "-1", "²"])
def test_a_version_that_is_not_there_is_refused(changed, text):
    done = changed.iac("state", "diff", "--", text, code=1)
    assert "error:" in done.err


def test_an_earlier_version_can_be_shown(changed):
    assert "mock_object.b:" in changed.iac("show", "--serial", "1").out
    document = changed.iac("show", "--serial", "1", "--json").document
    assert [one["address"] for one in document["values"]["root_module"]["resources"]] == [
        "mock_object.a",
        "mock_object.b",
    ]
    assert "99" in changed.iac("show", "--serial", "99", code=1).err


# --- the way back ---------------------------------------------------------------------------------------------------


def test_going_back_undoes_what_was_made_changed_and_destroyed(changed, assert_settled):
    done = back(changed, 1)
    assert "1 added, 1 changed, 1 destroyed" in done.out
    assert names_in_cloud(changed) == ["a", "b"]
    assert sorted(changed.objects()) == ["mock_object.a", "mock_object.b"]
    assert changed.objects()["mock_object.a"]["attributes"] is None
    assert changed.outputs() == {"x": "one"}
    assert_settled(changed)
    assert history(changed)[0]["command"] == "iac rollback"
    found = differences(changed, "1")
    assert [(one["address"], one["action"]) for one in found["objects"]] in (
        [("mock_object.b", "changed")],
        [("mock_object.b", "removed"), ("mock_object.b", "added")],
    )


def test_going_back_and_forth_ends_where_it_began(changed, assert_settled):
    back(changed, 1)
    assert names_in_cloud(changed) == ["a", "b"]
    back(changed, 2)
    assert names_in_cloud(changed) == ["a", "c"]
    assert changed.outputs() == {"x": "two", "y": 1}
    assert changed.plan() == {}
    assert_settled(changed)


def test_going_back_twice_to_one_version_does_nothing_the_second_time(changed):
    back(changed, 1)
    before = changed.cloud()
    done = back(changed, 1)
    assert "No changes" in done.out
    assert changed.cloud() == before


def test_the_present_version_is_where_we_are(changed):
    before = changed.cloud()
    assert "No changes" in back(changed, 2).out
    assert changed.cloud() == before


def test_an_object_that_was_only_forgotten_is_not_made_twice(stack, assert_settled):
    stack.write(named("a", "b"))
    stack.apply()
    before = stack.cloud()
    stack.iac("state", "rm", "mock_object.b")
    back(stack, 1)
    assert stack.cloud() == before
    assert sorted(stack.objects()) == ["mock_object.a", "mock_object.b"]
    assert_settled(stack)


def test_moved_objects_get_their_old_addresses_back(stack):
    stack.write(named("a"))
    stack.apply()
    before = stack.cloud()
    stack.write({**objects(b={"name": "a"}), "moved": [{"from": "mock_object.a", "to": "mock_object.b"}]})
    stack.apply()
    back(stack, 1)
    assert list(stack.objects()) == ["mock_object.a"]
    assert stack.cloud() == before


def test_a_version_that_is_not_kept_is_refused(changed):
    done = back(changed, 9, code=1)
    assert "9" in done.err
    assert names_in_cloud(changed) == ["a", "c"]


def test_without_a_state_there_is_nothing_to_go_back_to(stack):
    stack.write(named("a"))
    assert "no state" in back(stack, 1, code=1).err


def test_what_is_not_approved_is_not_done(changed):
    before, serial = changed.cloud(), history(changed)[0]["serial"]
    done = changed.iac("rollback", "--to", "1", "--no-input", code=1)
    assert "auto-approve" in done.err
    assert changed.cloud() == before
    assert history(changed)[0]["serial"] == serial


def test_its_lines_are_json_when_asked(changed):
    lines = back(changed, 1, "--json").lines
    kinds = [line["type"] for line in lines]
    assert kinds[0] == "version"
    planned = {line["change"]["resource"]["addr"]: line["change"]["action"] for line in lines if "change" in line}
    assert planned == {"mock_object.a": "update", "mock_object.b": "create", "mock_object.c": "delete"}
    assert {"apply_start", "apply_complete", "change_summary", "outputs"} <= set(kinds)


def test_what_depends_on_what_is_made_again_gets_its_new_id(stack, assert_settled):
    network = {"mock_network": {"n": {"name": "n", "cidr_block": "10.0.0.0/16"}}}
    server = {"mock_server": {"s": {"name": "s", "image": "linux", "network_id": "${mock_network.n.id}"}}}
    stack.write({"resource": {**network, **server}})
    stack.apply()
    stack.write({"resource": {}})
    stack.apply()
    assert stack.cloud() == {}
    back(stack, 1)
    there = stack.objects()
    assert there["mock_server.s"]["network_id"] == there["mock_network.n"]["id"]
    assert_settled(stack)


def test_what_refers_to_what_is_replaced_on_the_way_back_gets_its_new_name(stack, assert_settled):
    def document(image):
        server = {"name": "s", "image": image}
        record = {"name": "r", "attributes": {"address": "${mock_server.s.arn}"}}
        return {"resource": {"mock_server": {"s": server}, "mock_object": {"r": record}}}

    stack.write(document("linux"))
    stack.apply()
    stack.iac("destroy", "--auto-approve")
    stack.write(document("bsd"))  # another server, which has to be replaced by one like the first
    stack.apply()
    back(stack, 1)
    assert_settled(stack)
    (server,) = (found for found in stack.cloud().values() if found["name"] == "s")
    (record,) = (found for found in stack.cloud().values() if found["name"] == "r")
    assert server["image"] == "linux"
    assert record["attributes"]["value"] == {"address": server["arn"]}


def test_what_was_changed_outside_is_put_right_too(changed):
    changed.iac("state", "history")
    id_ = changed.objects()["mock_object.a"]["id"]
    stored = changed.cloud()[id_]
    attributes = json.loads(json.dumps(stored).replace('"v"', '"outside"'))
    assert attributes != stored
    changed.change_cloud("UPDATE objects SET attributes = ? WHERE id = ?", json.dumps(attributes), id_)
    back(changed, 2)
    assert changed.cloud()[id_] == stored


def test_a_failure_on_the_way_back_leads_forth_again(changed, assert_settled):
    before = changed.cloud()
    fault = {"type": "mock_object", "name": "b", "operation": "create", "error": "no room"}
    changed.write({"provider": {"mock": {"faults": [fault]}}}, "fault.tf.json")
    back(changed, 1, code=4)
    assert names_in_cloud(changed) == ["a", "c"]
    assert changed.cloud().keys() == before.keys()
    assert changed.outputs() == {"x": "two", "y": 1}
    assert_settled(changed)


def _server(image, *faults):
    """A stack with a server, which another image replaces."""
    provider = {"provider": {"mock": {"faults": list(faults)}}}
    return {**provider, "resource": {"mock_server": {"s": {"name": "s", "image": image}}}}


@pytest.fixture
def replaced(stack):
    """A stack with the server of version 1 replaced by another one."""
    for image in ("linux", "bsd"):
        stack.write(_server(image))
        stack.apply()
    return stack


def test_what_was_put_aside_and_deleted_on_the_way_back_is_made_again_where_it_was(replaced, assert_settled):
    replaced.write(_server("bsd", {"operation": "create", "error": "no room", "nth": 1}))
    back(replaced, 1, code=4)
    assert [found["image"] for found in replaced.cloud().values()] == ["bsd"]
    assert list(replaced.objects()) == ["mock_server.s"]
    replaced.write(_server("bsd"))
    assert_settled(replaced)


def test_what_has_drifted_and_is_replaced_on_the_way_back_is_in_the_state_once(replaced, assert_settled):
    (id_,) = replaced.cloud()
    replaced.change_cloud("UPDATE objects SET attributes = replace(attributes, 'bsd', 'plan9') WHERE id = ?", id_)
    replaced.write(_server("bsd", {"operation": "create", "error": "no room", "nth": 0}))
    back(replaced, 1, code=5)
    assert replaced.cloud() == {}
    assert list(replaced.objects()) == []
    replaced.write(_server("bsd"))
    replaced.iac("recover", "--retry")
    assert [found["image"] for found in replaced.cloud().values()] == ["plan9"]
    assert_settled(replaced)


def test_an_object_that_was_forgotten_comes_back_in_place_of_the_one_made_since(stack, assert_settled):
    stack.write({"resource": {"mock_object": {"b": {"name": "b"}}}})
    stack.apply()
    (first,) = stack.cloud()
    stack.iac("state", "rm", "mock_object.b")
    stack.apply()
    assert len(stack.cloud()) == 2
    back(stack, 1)
    assert list(stack.cloud()) == [first]
    assert_settled(stack)


def test_what_is_protected_since_is_not_destroyed_on_the_way_back(changed):
    changed.iac("state", "protect", "mock_object.c", "mock_object.a")
    done = back(changed, 1, code=1)
    assert "iac state unprotect mock_object.c" in done.err
    assert names_in_cloud(changed) == ["a", "c"]
    changed.iac("state", "unprotect", "mock_object.c")
    back(changed, 1)
    assert names_in_cloud(changed) == ["a", "b"]
    assert changed.iac("state", "list", "--protected").out == "mock_object.a\n"
