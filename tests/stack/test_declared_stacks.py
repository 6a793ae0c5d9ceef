"""Stacks declared in Python: what they plan, apply, give and destroy."""

import json
import subprocess
import sys

import pytest

from iacengine import Action, ApplyError, DiagnosticsError, Secret, Stack, count, each, expr, fn


def network(stack, **arguments):
    return stack.resource("mock_network", "main", **{"name": "net", "cidr_block": "10.0.0.0/16", **arguments})


def test_a_stack_goes_through_its_whole_life(stack, place):
    main = network(stack)
    stack.resource("mock_server", "web", name="web", network_id=main.id)
    stack.output("network", main.id)

    plan = stack.plan()
    assert plan.applyable
    assert {str(change.address): change.action for change in plan.changes} == {
        "mock_network.main": Action.CREATE,
        "mock_server.web": Action.CREATE,
    }
    assert list(plan.outputs) == ["network"]
    assert stack.outputs == {}
    assert stack.state is None

    assert stack.apply(plan).counts.add == 2
    assert stack.outputs["network"].startswith("net-")
    assert len(stack.state.objects) == 2
    assert not stack.plan().applyable

    assert stack.destroy().counts.remove == 2
    assert stack.state.is_empty
    assert (place / "shop.state.json").exists()


def test_what_is_declared_later_is_in_the_next_plan(stack):
    main = network(stack)
    stack.apply()
    stack.resource("mock_server", "web", name="web", network_id=main.id)
    assert stack.plan().counts().add == 1


def test_references_work_in_values_texts_keys_and_calls(stack):
    main = network(stack, tags={"tier": "a"})
    servers = stack.resource(
        "mock_server", "web", for_each=expr('toset(["a", "b"])'), name=f"web-{each.key}", network_id=main.id
    )
    counted = stack.resource("mock_server", "job", count=2, name=fn.format("job-%02d", count.index))
    stack.output("plain", main.name)
    stack.output("text", f"<{main.name}|{main['tags']['tier']}>")
    stack.output("joined", "x-" + main.name + "-y")
    stack.output("call", fn.cidrsubnet(main.cidr_block, 8, 1))
    stack.output("nested", fn.merge({"a": 1, "b": [main.name, f"{main.name}!"]}, {"c": None, "d": 1.5, "e": True}))
    stack.output("keyed", servers["b"].name)
    stack.output("by_reference", servers[fn.join("", ["a"])].name)
    stack.output("indexed", counted[1].name)
    stack.output("all", expr(f"[for server in {servers} : server.name]"))
    stack.apply()
    assert stack.outputs == {
        "plain": "net",
        "text": "<net|a>",
        "joined": "x-net-y",
        "call": "10.0.1.0/24",
        "nested": {"a": 1, "b": ["net", "net!"], "c": None, "d": 1.5, "e": True},
        "keyed": "web-b",
        "by_reference": "web-a",
        "indexed": "job-01",
        "all": ["web-a", "web-b"],
    }


def test_variables_locals_and_literal_defaults(place):
    stack = Stack("shop", variables={"sizes": [1, 2], "names": {"b", "a"}})
    sizes = stack.variable("sizes", "list(number)")
    names = stack.variable("names", "set(string)")
    text = stack.variable("text", default="${not.a.reference}")
    double = stack.local("double", expr(f"[for size in {sizes} : size * 2]"))
    stack.local("class_", 7)
    stack.output("double", double)
    stack.output("names", names)
    stack.output("text", text)
    stack.output("class", expr("local.class_"))
    stack.apply()
    assert stack.outputs == {"double": [2, 4], "names": ["a", "b"], "text": "${not.a.reference}", "class": 7}


def test_a_sensitive_output_is_hidden_until_it_is_revealed(stack):
    password = stack.variable("password", "string", default="hunter2", sensitive=True)
    stack.output("password", password, sensitive=True)
    stack.apply()
    secret = stack.outputs["password"]
    assert isinstance(secret, Secret)
    assert "hunter2" not in f"{secret!r} {secret} {stack.outputs}"
    assert secret.reveal() == "hunter2"
    assert secret == stack.outputs["password"]


def test_a_secret_is_not_pickled(stack):
    import pickle

    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret("x"))


def test_modules_data_moves_and_settings(stack, place):
    child = place / "modules" / "net"
    child.mkdir(parents=True)
    (child / "net.iac.yaml").write_text(
        "variable: {cidr: {type: string}}\n"
        "resource: {mock_network: {this: {name: inner, cidr_block: '${var.cidr}'}}}\n"
        "output: {id: {value: '${mock_network.this.id}'}}\n"
    )
    inner = stack.module("net", "./modules/net", cidr="10.1.0.0/16")
    stack.output("inner", inner.id)
    stack.settings(on_failure="continue")
    network(stack)
    assert stack.apply().counts.add == 2
    assert stack.outputs["inner"].startswith("net-")
    assert stack.plan().on_failure == "continue"

    renamed = Stack("shop")
    renamed.provider("mock", cloud="cloud.sqlite")
    renamed.module("net", "./modules/net", cidr="10.1.0.0/16")
    renamed.resource("mock_network", "other", name="net", cidr_block="10.0.0.0/16")
    renamed.moved("mock_network.main", "mock_network.other")
    found = renamed.data("mock_network", "found", name="net")
    renamed.output("found", found.cidr_block)
    assert renamed.apply().counts.add == 0
    assert renamed.outputs == {"found": "10.0.0.0/16"}


def test_a_resource_can_name_a_provider_with_an_alias(stack, place):
    other = stack.provider("mock", alias="other", cloud="other.sqlite")
    network(stack, provider=other)
    stack.apply()
    assert (place / "other.sqlite").exists()


def test_the_json_of_a_declared_stack_is_a_stack_file_of_the_same_meaning(stack, place):
    main = network(stack)
    stack.output("text", f"${main.name}${{x}}%{{if}}")
    stack.apply()
    (place / "shop.iac.json").write_text(stack.to_json())
    json.loads(stack.to_json())
    loaded = Stack.load(place)
    assert loaded.outputs == {"text": "$net${x}%{if}"}
    assert not loaded.plan().applyable


def test_conditions_and_checks_judge(place):
    def stack(size):
        made = Stack("shop", variables={"size": size})
        made.provider("mock", cloud="cloud.sqlite")
        value = made.variable(
            "size",
            "number",
            validation={"condition": expr("var.size < 10"), "error_message": f"Not {expr('var.size')}."},
        )
        main = network(
            made, lifecycle={"precondition": {"condition": expr(f"{value} != 5"), "error_message": "five is too odd"}}
        )
        made.check("small", assert_={"condition": expr(f"{value} < 3"), "error_message": f"{main.name} is large"})
        return made

    assert stack(1).plan().applyable
    for size, message in ((11, "Not 11."), (5, "five is too odd")):
        with pytest.raises(DiagnosticsError, match=message):
            stack(size).plan()
    (warning,) = stack(4).plan().diagnostics
    assert warning.detail == "net is large"


def test_objects_can_be_forgotten_and_taken_over(stack):
    network(stack)
    stack.output("id", expr("mock_network.main").id)
    stack.apply()
    identity = stack.outputs["id"]
    forgetful = Stack("shop")
    forgetful.provider("mock", cloud="cloud.sqlite")
    forgetful.removed("mock_network.main", destroy=False)
    assert forgetful.apply().counts.forget == 1
    again = Stack("shop")
    again.provider("mock", cloud="cloud.sqlite")
    main = network(again)
    again.import_(main, id=identity)
    assert again.apply().counts.imported == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("var.a", "${var.a}"),
        ('a_b.c["d"].e[0]', '${a_b.c["d"].e[0]}'),
        ("a + b", "${(a + b)}"),
        ("upper(a)", "${(upper(a))}"),
        ("1.5", "${(1.5)}"),
    ],
)
def test_an_expression_that_is_no_plain_reference_stands_in_parentheses(text, shown):
    assert repr(expr(text)) == shown


def test_an_expression_can_be_depended_on_and_indexed(stack):
    network(stack)
    stack.resource("mock_server", "web", name="web", depends_on=[expr("mock_network.main")])
    stack.local("zones", ["a", "b"])
    stack.output("last", expr("reverse(local.zones)")[0])
    stack.apply()
    assert stack.outputs["last"] == "b"


def test_targets_and_modes_narrow_a_plan(stack):
    main = network(stack)
    stack.resource("mock_server", "web", name="web")
    assert stack.plan(targets=[main]).counts().add == 1
    assert stack.plan(excludes=["mock_network.main"]).counts().add == 1
    stack.apply()
    assert stack.plan(mode="destroy").counts().remove == 2
    assert stack.plan(replace=["mock_server.web"]).counts().remove == 1
    assert stack.refresh().ok


def test_a_plan_that_was_saved_is_applied_by_the_command_line(stack, place):
    network(stack)
    stack.save_plan(stack.plan(), "shop.plan")
    command = [sys.executable, "-c", "from iacengine.cli.main import main; main()", "apply", "shop.plan"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not stack.plan().applyable


def test_warnings_of_a_declared_stack_are_in_its_plan(stack):
    stack.provider("mock", alias="old", version="1.0")
    (found,) = stack.plan().diagnostics
    assert found.range.path.endswith("test_declared_stacks.py")
    assert stack.validate() == (found,)


def test_what_is_not_known_yet_can_be_deferred(stack):
    main = network(stack)
    stack.resource("mock_server", "web", for_each=fn.toset([main.id]), name="web")
    with pytest.raises(DiagnosticsError, match="for_each"):
        stack.plan()
    assert stack.apply(stack.plan(allow_deferral=True)).counts.add == 2


def test_two_applies_at_once_are_refused(stack, place):
    network(stack)
    other = Stack("shop")
    other.output("a", 1)
    caught = []

    def meanwhile(event):
        with pytest.raises(DiagnosticsError, match="lock") as failure:
            other.apply()
        caught.append(failure)

    stack.apply(progress=meanwhile)
    assert caught


def test_progress_hears_of_every_step(stack):
    network(stack)
    heard = []
    stack.apply(progress=lambda event: heard.append(type(event).__name__))
    assert heard[-2:] == ["StepStarted", "StepFinished"]


def faulty(place):
    stack = Stack("shop")
    stack.provider(
        "mock", cloud="cloud.sqlite", faults=[{"type": "mock_server", "operation": "create", "error": "quota"}]
    )
    stack.resource("mock_network", "main", name="net", cidr_block="10.0.0.0/16")
    stack.resource("mock_server", "web", name="web", depends_on=["mock_network.main"])
    return stack


def test_an_apply_that_fails_raises_with_its_outcome(place):
    with pytest.raises(ApplyError, match="quota") as caught:
        faulty(place).apply(on_failure="pause")
    outcome = caught.value.outcome
    assert [str(address) for address in outcome.failed] == ["mock_server.web"]
    assert outcome.counts.add == 1
    assert isinstance(caught.value, DiagnosticsError)


def test_an_apply_that_fails_can_be_asked_for_its_outcome_instead(place):
    outcome = faulty(place).apply(on_failure="pause", check=False)
    assert not outcome.ok
    assert outcome.failed


def test_importing_the_package_loads_nothing_of_it():
    code = "import sys, iacengine; print([name for name in sys.modules if name.startswith('iacengine.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_declaring_a_stack_loads_neither_the_graph_nor_the_command_line():
    heavy = "('networkx', 'click', 'yaml', 'rich')"
    code = f"import sys; from iacengine import Stack; Stack('a'); print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_can_be_imported():
    import iacengine

    for name in iacengine.__all__:
        assert getattr(iacengine, name) is not None
    assert sorted(iacengine.__all__) == dir(iacengine)
    with pytest.raises(AttributeError, match="Stak"):
        iacengine.Stak  # noqa: B018
