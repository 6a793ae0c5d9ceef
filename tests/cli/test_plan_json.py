import json
from collections.abc import Callable
from typing import Any

from iacengine.addresses import Mode, Resource, parse_resource_instance
from iacengine.cli.views.configuration_json import configuration_json
from iacengine.cli.views.plan_json import plan_json
from iacengine.cli.views.state_json import state_json
from iacengine.cli.views.value_json import dumps
from iacengine.config.model import (
    Configuration,
    Module,
    ModuleCall,
    Origin,
    Output,
    Repetition,
    ResourceBlock,
    SourceFile,
    Variable,
)
from iacengine.lang.types import DYNAMIC, NUMBER, STRING
from iacengine.plan.model import Action, OutputChange, Plan
from iacengine.schema import Attribute, Block, NestedBlock, Nesting, Schema
from iacengine.state.model import State

Golden = Callable[[str, str], None]
Make = Callable[..., Any]

OBJECT = Schema(
    Block(
        {
            "id": Attribute(STRING, computed=True),
            "kind": Attribute(STRING, optional=True),
            "attributes": Attribute(DYNAMIC, optional=True),
        },
        {"disk": NestedBlock(Nesting.LIST, Block({"size": Attribute(NUMBER, required=True)}))},
    ),
    version=2,
)
ORIGIN = Origin(SourceFile("main.iac.yaml", b"", "yaml", ""))


def no_schemas(provider: str, mode: Mode, type_: str) -> None:
    return None


def schemas(provider: str, mode: Mode, type_: str) -> Schema | None:
    return OBJECT if (provider, mode, type_) == ('provider["iacengine/mock"]', Mode.MANAGED, "mock_object") else None


def loaded(data: Any) -> Any:
    return json.loads(dumps(data))


def test_the_rich_plan_gives_the_same_document(rich_plan: Plan, golden: Golden) -> None:
    golden("plan.json", dumps(plan_json(rich_plan, no_schemas), indent=True).decode() + "\n")


def test_the_rich_state_gives_the_same_document(rich_state: State, golden: Golden) -> None:
    golden("state.json", dumps(state_json(rich_state, schemas), indent=True).decode() + "\n")


def test_an_empty_state_is_a_version_alone() -> None:
    assert state_json(None, no_schemas) == {"format_version": "1.0"}
    assert state_json(State("lineage"), no_schemas) == {"format_version": "1.0"}


def test_without_a_schema_stored_attributes_are_shown_as_stored(rich_state: State) -> None:
    document = state_json(rich_state, no_schemas)
    first = document["values"]["root_module"]["resources"][0]
    assert first["values"]["attributes"] == {"value": {"n": 1}, "type": ["object", {"n": "number"}]}


def test_changes_are_sorted_by_module_and_address(plan: Make, change: Make) -> None:
    made = plan(*(change(address, Action.CREATE, None, {}) for address in ("module.a.m_x.b", "m_x.z", "m_x.a[10]")))
    changes = plan_json(made, no_schemas)["resource_changes"]
    assert [entry["address"] for entry in changes] == ["m_x.a[10]", "m_x.z", "module.a.m_x.b"]
    assert changes[2]["module_address"] == "module.a"


def test_data_sources_appear_only_when_they_are_read(plan: Make, change: Make) -> None:
    made = plan(
        change("data.m_x.a", Action.READ, None, {}),
        change("data.m_x.b", Action.NO_OP, {}, {}),
        change("data.m_x.c", Action.DELETE, {}, None),
    )
    assert [entry["address"] for entry in plan_json(made, no_schemas)["resource_changes"]] == ["data.m_x.a"]


def test_a_replacement_says_its_order_and_paths(plan: Make, change: Make) -> None:
    made = plan(
        change("m_x.a", Action.CREATE_THEN_DELETE, {"a": 1}, {"a": 2}, replace_paths=(("disk", 0, "size"), ("a",)))
    )
    (entry,) = plan_json(made, no_schemas)["resource_changes"]
    assert entry["change"]["actions"] == ["create", "delete"]
    assert entry["change"]["replace_paths"] == [["a"], ["disk", 0, "size"]]


def test_an_output_that_goes_away_is_not_among_planned_values(plan: Make) -> None:
    made = plan(outputs={"o": OutputChange("o", Action.DELETE, 1, None, had_before=True)})
    document = loaded(plan_json(made, no_schemas))
    assert "outputs" not in document["planned_values"]
    assert document["output_changes"]["o"] == {
        "actions": ["delete"],
        "before": 1,
        "after": None,
        "after_unknown": False,
        "before_sensitive": False,
        "after_sensitive": False,
    }


def test_a_plan_of_a_part_is_not_complete(plan: Make) -> None:
    assert plan_json(plan(), no_schemas)["complete"]
    assert not plan_json(plan(targets=("m_x.a",)), no_schemas)["complete"]


def test_a_moved_object_names_where_it_was(plan: Make, change: Make) -> None:
    made = plan(change("m_x.a", Action.NO_OP, {}, {}, previous_address=parse_resource_instance("m_x.b")))
    (entry,) = plan_json(made, no_schemas)["resource_changes"]
    assert list(entry)[:2] == ["address", "previous_address"]
    assert entry["previous_address"] == "m_x.b"


def test_the_configuration_tells_constants_from_references() -> None:
    block = ResourceBlock(
        Resource(Mode.MANAGED, "mock_object", "a"),
        {
            "kind": "plain",
            "attributes": {"n": '${mock_object.b["k"].attributes.x}', "v": ["${var.z[0]} ${local.l.m}"]},
            "disk": [{"size": "${count.index}"}],
            "dynamic": {"disk": {"for_each": "${var.z}", "content": {"size": "${disk.value}"}}},
        },
        ORIGIN,
        Repetition(count=2, has_count=True),
    )
    child = Module(("m",), "m", variables={"v": Variable("v", ORIGIN)})
    call = ModuleCall("m", "./m", {"v": "${module.n[0].out} ${data.mock_object.d.id}"}, ORIGIN)
    root = Module(
        (),
        ".",
        variables={"z": Variable("z", ORIGIN, default=[1, 0.5], has_default=True, sensitive=True, description="Zs")},
        outputs={"o": Output("o", "${mock_object.a[0].id}", ORIGIN, sensitive=True)},
        resources={block.address: block},
        calls={"m": call},
        children={"m": child},
    )
    document = loaded(configuration_json(Configuration(root, ".", (), "", {(): root, ("m",): child}), schemas))
    module = document["root_module"]
    (resource,) = module["resources"]
    assert document["provider_config"]["mock"] == {"name": "mock", "full_name": "iacengine/mock"}
    assert resource["provider_config_key"] == "mock"
    assert resource["schema_version"] == 2
    assert resource["count_expression"] == {"constant_value": 2}
    assert resource["expressions"]["kind"] == {"constant_value": "plain"}
    assert resource["expressions"]["attributes"]["references"] == [
        'mock_object.b["k"].attributes.x',
        'mock_object.b["k"].attributes',
        'mock_object.b["k"]',
        "mock_object.b",
        "var.z[0]",
        "var.z",
        "local.l.m",
        "local.l",
    ]
    assert resource["expressions"]["disk"] == [
        {"size": {"references": ["count.index"]}},
        {"size": {"references": ["disk.value"]}},
    ]
    assert module["variables"]["z"] == {"default": [1, 0.5], "description": "Zs", "sensitive": True}
    assert module["outputs"]["o"]["expression"]["references"][0] == "mock_object.a[0].id"
    assert module["module_calls"]["m"]["expressions"]["v"]["references"] == [
        "module.n[0].out",
        "module.n[0]",
        "data.mock_object.d.id",
        "data.mock_object.d",
    ]
    assert module["module_calls"]["m"]["module"]["variables"] == {"v": {}}
