"""Options of plan and apply, and what blocks say about their life."""

from __future__ import annotations

import json

import pytest

PAIR = {
    "resource": {
        "terraform_data": {
            "a": {"input": "${var.v}"},
            "b": {"input": "${terraform_data.a.output}"},
            "c": {"input": "${var.v}"},
        }
    },
    "variable": {"v": {"default": "one"}},
    "output": {"b": {"value": "${terraform_data.b.output}"}},
}


@pytest.fixture
def pair(stack):
    stack.write(PAIR)
    return stack


def test_a_target_is_made_with_what_it_needs(pair):
    assert pair.plan("--target", "terraform_data.b") == {
        "terraform_data.a": ["create"],
        "terraform_data.b": ["create"],
    }
    done = pair.apply("--target", "terraform_data.b")
    assert "2 added" in done.out
    assert set(pair.objects()) == {"terraform_data.a", "terraform_data.b"}
    assert pair.plan() == {"terraform_data.c": ["create"]}


def test_an_exclusion_leaves_out_what_needs_it_too(pair):
    assert pair.plan("--exclude", "terraform_data.a") == {"terraform_data.c": ["create"]}
    pair.apply("--exclude", "terraform_data.a")
    assert set(pair.objects()) == {"terraform_data.c"}
    assert set(pair.plan()) == {"terraform_data.a", "terraform_data.b"}


def test_a_targeted_destroy_takes_the_dependents_along(pair):
    pair.apply()
    pair.iac("destroy", "--auto-approve", "--target", "terraform_data.a")
    assert set(pair.objects()) == {"terraform_data.c"}


def test_an_object_is_replaced_on_request_and_its_dependents_follow(pair):
    pair.apply()
    before = pair.objects()
    assert pair.plan("--replace", "terraform_data.a")["terraform_data.a"] == ["delete", "create"]
    assert pair.change("terraform_data.a", "--replace", "terraform_data.a")["action_reason"] == "replace_by_request"
    pair.apply("--replace", "terraform_data.a")
    after = pair.objects()
    assert after["terraform_data.a"]["id"] != before["terraform_data.a"]["id"]
    assert after["terraform_data.b"]["id"] == before["terraform_data.b"]["id"]


def test_the_detailed_exit_code_tells_changes_from_none(pair):
    assert pair.iac("plan", "--detailed-exitcode", code=2).code == 2
    pair.apply()
    assert pair.iac("plan", "--detailed-exitcode").code == 0
    pair.write("nonsense: 1\n")
    assert pair.iac("plan", "--detailed-exitcode", code=1).code == 1


def test_variables_come_from_all_sources_and_the_later_one_wins(stack):
    stack.write({"variable": {"v": {"default": "default"}}, "output": {"v": {"value": "${var.v}"}}})

    def shown(*arguments, **env):
        stack.iac("plan", "--out", "p", *arguments, env=env)
        return stack.iac("show", "--json", "p").document["output_changes"]["v"]["after"]

    assert shown() == "default"
    assert shown(TF_VAR_v="environment") == "environment"
    stack.write(json.dumps({"v": "tfvars"}), "terraform.tfvars.json")
    assert shown(TF_VAR_v="environment") == "tfvars"
    stack.write(json.dumps({"v": "auto"}), "z.auto.tfvars.json")
    assert shown() == "auto"
    stack.write('v = "file"\n', "my.tfvars")
    assert shown("--var-file", "my.tfvars") == "file"
    assert shown("--var-file", "my.tfvars", "--var", "v=option") == "option"


def test_outputs_of_every_type_are_kept(stack):
    values = {"text": "é\n", "number": 1.5, "big": 12345678901234567890, "yes": True, "list": [1, "a", {"b": None}]}
    stack.write({"output": {name: {"value": value} for name, value in values.items()}})
    stack.apply()
    assert stack.outputs() == values
    assert stack.plan() == {}


def test_a_sensitive_output_is_not_shown(stack):
    stack.write({"output": {"o": {"value": "hunter2", "sensitive": True}}})
    done = stack.apply()
    assert "hunter2" not in done.out + done.err
    assert stack.outputs() == {"o": "hunter2"}


MODULE = {
    "variable": {"name": {"type": "string"}},
    "resource": {"terraform_data": {"inner": {"input": "${var.name}"}}},
    "output": {"id": {"value": "${terraform_data.inner.id}"}},
}


def test_modules_are_called_many_times(stack):
    stack.write(MODULE, "child/main.tf.json")
    stack.write(
        {
            "module": {"m": {"source": "./child", "for_each": '${toset(["x", "y"])}', "name": "${each.key}"}},
            "output": {"ids": {"value": "${[for m in module.m : m.id]}"}},
        }
    )
    stack.apply()
    objects = stack.objects()
    assert set(objects) == {'module.m["x"].terraform_data.inner', 'module.m["y"].terraform_data.inner'}
    assert stack.outputs()["ids"] == [each["id"] for each in objects.values()]
    stack.write({"module": {"m": {"source": "./child", "for_each": '${toset(["x"])}', "name": "${each.key}"}}})
    assert stack.plan() == {'module.m["y"].terraform_data.inner': ["delete"]}
    stack.apply()
    assert set(stack.objects()) == {'module.m["x"].terraform_data.inner'}


def test_count_and_for_each_grow_and_shrink_one_by_one(stack):
    def write(count, keys):
        stack.write(
            {
                "resource": {
                    "terraform_data": {
                        "n": {"count": count, "input": "${count.index}"},
                        "k": {"for_each": dict.fromkeys(keys, 1), "input": "${each.key}"},
                    }
                }
            }
        )

    write(2, "ab")
    stack.apply()
    write(3, "bc")
    assert stack.plan() == {
        "terraform_data.n[2]": ["create"],
        'terraform_data.k["a"]': ["delete"],
        'terraform_data.k["c"]': ["create"],
    }
    stack.apply()
    write(1, "b")
    assert stack.plan() == {
        "terraform_data.n[1]": ["delete"],
        "terraform_data.n[2]": ["delete"],
        'terraform_data.k["c"]': ["delete"],
    }


def test_a_data_source_is_read_while_planning_or_once_what_it_needs_is_made(stack):
    stack.write("""
resource:
  mock_network: {main: {name: main, cidr_block: 10.0.0.0/16}}
data:
  mock_network: {found: {id: "${mock_network.main.id}"}}
output:
  arn: {value: "${data.mock_network.found.arn}"}
""")
    assert stack.plan()["data.mock_network.found"] == ["read"]
    stack.apply()
    assert stack.outputs()["arn"] == stack.objects()["mock_network.main"]["arn"]
    assert stack.plan() == {}


def test_create_before_destroy_makes_the_new_one_first(stack):
    def write(kind):
        stack.write(
            {
                "resource": {
                    "mock_object": {
                        "o": {"name": "o", "kind": kind, "lifecycle": {"create_before_destroy": True}},
                        "user": {"name": "u", "attributes": {"of": "${mock_object.o.id}"}},
                    }
                }
            }
        )

    write("x")
    stack.apply()
    write("y")
    assert stack.plan() == {"mock_object.o": ["create", "delete"], "mock_object.user": ["update"]}
    done = stack.apply("--json")
    events = [
        (line["type"], line["hook"]["action"], line["hook"]["resource"]["addr"])
        for line in done.lines
        if line["type"] in ("apply_start", "apply_complete")
    ]
    assert events == [
        ("apply_start", "create", "mock_object.o"),
        ("apply_complete", "create", "mock_object.o"),
        ("apply_start", "update", "mock_object.user"),
        ("apply_complete", "update", "mock_object.user"),
        ("apply_start", "delete", "mock_object.o"),
        ("apply_complete", "delete", "mock_object.o"),
    ]
    assert len(stack.cloud()) == 2


def test_prevent_destroy_refuses_the_plan(stack):
    stack.write("resource: {mock_object: {o: {kind: x, lifecycle: {prevent_destroy: true}}}}")
    stack.apply()
    before = stack.state_path.read_bytes()
    stack.write("resource: {mock_object: {o: {kind: y, lifecycle: {prevent_destroy: true}}}}")
    for arguments in (["plan"], ["plan", "--destroy"], ["destroy", "--auto-approve"]):
        done = stack.iac(*arguments, code=1)
        assert "prevent_destroy" in done.err
        assert "mock_object.o" in done.err
    assert stack.state_path.read_bytes() == before
    assert len(stack.cloud()) == 1


def test_ignored_changes_are_no_changes(stack):
    stack.write("resource: {mock_server: {s: {name: s, size: small}}}")
    stack.apply()
    stack.write("resource: {mock_server: {s: {name: s, size: big, lifecycle: {ignore_changes: [size]}}}}")
    assert stack.plan() == {}
    stack.write("resource: {mock_server: {s: {name: t, size: big, lifecycle: {ignore_changes: [size]}}}}")
    assert stack.plan() == {"mock_server.s": ["update"]}
    stack.apply()
    assert (stack.objects()["mock_server.s"]["name"], stack.objects()["mock_server.s"]["size"]) == ("t", "small")


def test_an_object_is_imported_and_moved_without_being_touched(stack):
    stack.write("resource: {mock_object: {o: {name: o}}}")
    stack.apply()
    id_ = stack.objects()["mock_object.o"]["id"]
    stack.state_path.unlink()
    stack.write({"resource": {"mock_object": {"p": {"name": "o"}}}, "import": [{"to": "${mock_object.p}", "id": id_}]})
    (stack.folder / "main.iac.yaml").unlink()
    stack.apply()
    assert stack.objects()["mock_object.p"]["id"] == id_
    stack.write(
        {
            "resource": {"mock_object": {"q": {"name": "o"}}},
            "moved": [{"from": "${mock_object.p}", "to": "${mock_object.q}"}],
        }
    )
    assert stack.plan() == {}
    stack.apply()
    assert stack.objects() == {"mock_object.q": stack.objects()["mock_object.q"]}
    assert set(stack.cloud()) == {id_}


def test_a_removed_block_that_does_not_destroy_forgets(stack):
    stack.write("resource: {mock_object: {o: {name: o}}}")
    stack.apply()
    stack.write("removed: [{from: mock_object.o, lifecycle: {destroy: false}}]")
    assert stack.plan() == {"mock_object.o": ["forget"]}
    stack.apply()
    assert stack.objects() == {}
    assert len(stack.cloud()) == 1
