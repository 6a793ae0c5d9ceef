from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.lang.sets import make_set
from iacengine.lang.types import DYNAMIC, NUMBER, STRING
from iacengine.lang.values import Refinement, SetValue, Unknown, map_children
from iacengine.provider.base import ProviderBase
from iacengine.provider.checks import check_applied, check_planned
from iacengine.provider.planning import plan_from_schema
from iacengine.provider.protocol import PlanRequest, ProviderSchema
from iacengine.schema import Attribute, Block, NestedBlock, Nesting, Schema
from iacengine.schema.proposed import proposed_new
from iacengine.schema.unknowns import alike
from iacengine.schema.values import conform, decode, encode

DISK = Block(
    {
        "size": Attribute(NUMBER, required=True),
        "kind": Attribute(STRING, optional=True, force_new=True),
        "id": Attribute(STRING, computed=True),
    }
)
BLOCK = Block(
    {
        "id": Attribute(STRING, computed=True),
        "name": Attribute(STRING, required=True),
        "image": Attribute(STRING, optional=True, force_new=True),
        "port": Attribute(NUMBER, optional=True, computed=True),
        "address": Attribute(STRING, computed=True, computed_from=("name",)),
        "url": Attribute(STRING, computed=True, computed_from=("address",)),
        "size": Attribute(STRING, optional=True, default="small"),
        "secret": Attribute(STRING, optional=True, write_only=True),
        "any": Attribute(DYNAMIC, optional=True),
    },
    {
        "disk": NestedBlock(Nesting.LIST, DISK),
        "rule": NestedBlock(Nesting.SET, DISK),
        "label": NestedBlock(Nesting.MAP, DISK),
        "fixed": NestedBlock(Nesting.SINGLE, Block({"x": Attribute(STRING, optional=True)}), force_new=True),
    },
)
PRIOR = {
    "id": "i-1",
    "name": "a",
    "image": "img",
    "port": 80,
    "address": "a.example",
    "url": "http://a",
    "size": "small",
}


def plan(config, prior=None, block=BLOCK):
    before = None if prior is None else decode(prior, block)
    body = conform(config, block)
    response = plan_from_schema(Schema(block), PlanRequest("t", before, body, proposed_new(block, before, body)))
    assert check_planned(block, before, body, response.planned) == ()
    return response


def test_on_create_what_is_computed_and_not_set_is_unknown():
    planned = plan({"name": "a"}).planned
    assert planned["id"] == Unknown(STRING, Refinement(not_null=True))
    assert planned["port"] == Unknown(NUMBER)
    assert planned["address"] == Unknown(STRING)
    assert planned["image"] is None
    assert plan({"name": "a", "port": 1}).planned["port"] == 1


def test_a_default_stands_in_for_null_on_create_and_update():
    assert plan({"name": "a"}).planned["size"] == "small"
    assert plan({"name": "a"}, {**PRIOR, "size": "large"}).planned["size"] == "small"


def test_write_only_values_are_never_planned():
    assert plan({"name": "a", "secret": "x"}).planned["secret"] is None


def test_nothing_changes_when_the_configuration_is_what_was_applied():
    response = plan({"name": "a", "image": "img"}, PRIOR)
    assert response.planned == decode(PRIOR, BLOCK)
    assert response.requires_replace == ()


def test_computed_attributes_follow_the_ones_they_are_computed_from_in_chains():
    planned = plan({"name": "b", "image": "img"}, PRIOR).planned
    assert planned["address"] == Unknown(STRING)
    assert planned["url"] == Unknown(STRING)
    assert planned["id"] == "i-1"
    assert planned["port"] == 80


@pytest.mark.parametrize("image", ["other", None, Unknown(STRING)])
def test_changing_an_immutable_attribute_forces_replacement(image):
    assert plan({"name": "a", "image": image}, PRIOR).requires_replace == (("image",),)


def test_changing_a_mutable_attribute_does_not_force_replacement():
    assert plan({"name": "b", "image": "img", "any": Unknown(DYNAMIC)}, PRIOR).requires_replace == ()


def test_immutable_attributes_of_nested_blocks_force_replacement_with_their_path():
    prior = {**PRIOR, "disk": [{"size": 1, "kind": "a", "id": "d-1"}, {"size": 2, "kind": "a", "id": "d-2"}]}
    base = {"name": "a", "image": "img"}
    kept = {"size": 5, "kind": "a"}
    assert plan({**base, "disk": (kept, kept)}, prior).requires_replace == ()
    assert plan({**base, "disk": (kept, {"size": 2, "kind": "b"})}, prior).requires_replace == (("disk", 1, "kind"),)
    assert plan({**base, "disk": (kept,)}, prior).requires_replace == (("disk",),)
    assert plan({**base, "disk": (kept, kept, {"size": 1})}, prior).requires_replace == ()
    assert plan({**base, "disk": (kept, kept, kept)}, prior).requires_replace == (("disk", 2),)
    assert plan({**base, "disk": Unknown(DYNAMIC)}, prior).requires_replace == (("disk",),)


def test_immutable_attributes_in_sets_and_maps_of_blocks_force_replacement():
    base = {"name": "a", "image": "img"}
    prior = {**PRIOR, "rule": [{"size": 1, "kind": "a", "id": "r"}], "label": {"k": {"size": 1, "kind": "a"}}}
    same_rule, same_label = {"size": 1, "kind": "a"}, {"k": {"size": 1, "kind": "a"}}
    assert plan({**base, "rule": (same_rule,), "label": same_label}, prior).requires_replace == ()
    assert plan({**base, "rule": ({"size": 1, "kind": "b"},), "label": same_label}, prior).requires_replace == (
        ("rule",),
    )
    assert plan({**base, "rule": (same_rule,), "label": {"k": {"size": 1, "kind": "b"}}}, prior).requires_replace == (
        ("label", "k", "kind"),
    )


def test_any_change_in_an_immutable_block_forces_replacement():
    base = {"name": "a", "image": "img"}
    prior = {**PRIOR, "fixed": {"x": "1"}}
    assert plan({**base, "fixed": {"x": "1"}}, prior).requires_replace == ()
    assert plan({**base, "fixed": {"x": "2"}}, prior).requires_replace == (("fixed",),)
    assert plan(base, prior).requires_replace == (("fixed",),)


def test_in_new_blocks_what_is_computed_is_unknown_and_in_old_ones_kept():
    prior = {**PRIOR, "disk": [{"size": 1, "id": "d-1"}], "rule": [{"size": 1, "id": "r-1"}], "label": {}}
    config = {
        "name": "a",
        "image": "img",
        "disk": ({"size": 9}, {"size": 2}),
        "rule": ({"size": 1}, {"size": 2}),
        "label": {"k": {"size": 1}},
    }
    planned = plan(config, prior).planned
    new = Unknown(STRING, Refinement(not_null=True))
    assert [item["id"] for item in planned["disk"]] == ["d-1", new]
    assert {item["size"]: item["id"] for item in planned["rule"]} == {1: "r-1", 2: new}
    assert planned["label"].items["k"]["id"] == new


def test_a_delete_is_planned_as_nothing():
    prior = decode(PRIOR, BLOCK)
    assert plan_from_schema(Schema(BLOCK), PlanRequest("t", prior, None, None)).planned is None


def complete(value, ids):
    """What an obedient cloud makes of a plan: something for everything unknown."""
    kind = value.__class__
    if kind is Unknown:
        return next(ids) if value.type is NUMBER else f"made-{next(ids)}"
    if kind is SetValue:
        return make_set(value.element_type, [complete(item, ids) for item in value])
    return map_children(value, lambda child: complete(child, ids))


texts = st.sampled_from(["a", "b"])
disks = st.fixed_dictionaries({"size": st.integers(1, 3)}, optional={"kind": texts})
bodies = st.fixed_dictionaries(
    {"name": texts},
    optional={
        "image": texts,
        "port": st.integers(1, 3),
        "size": texts,
        "secret": texts,
        "any": st.one_of(texts, st.lists(texts, max_size=2).map(tuple)),
        "disk": st.lists(disks, max_size=3).map(tuple),
        "rule": st.lists(disks, max_size=3).map(tuple),
        "label": st.dictionaries(texts, disks, max_size=2),
        "fixed": st.fixed_dictionaries({}, optional={"x": texts}),
    },
)


@given(bodies, bodies)
def test_any_plan_is_valid_and_once_applied_plans_to_nothing(first, second):
    ids = count(1)
    made = complete(plan(first).planned, ids)
    again = plan(first, encode(made, BLOCK))
    assert alike(again.planned, made)
    assert again.requires_replace == ()
    change = plan(second, encode(made, BLOCK))
    changed = complete(change.planned, ids)
    assert check_applied(BLOCK, change.planned, changed) == ()
    assert alike(plan(second, encode(changed, BLOCK)).planned, changed)


class Minimal(ProviderBase):
    def schema(self):
        return ProviderSchema(resources={"t": Schema(BLOCK), "anonymous": Schema(Block())})


def test_the_base_provider_plans_many_objects_from_the_schema():
    body = conform({"name": "a"}, BLOCK)
    requests = [PlanRequest("t", None, body, proposed_new(BLOCK, None, body))] * 2
    assert [response.planned["name"] for response in Minimal().plan(requests)] == ["a", "a"]


def test_the_base_provider_imports_by_id_where_there_is_one():
    (found,), diagnostics = Minimal().import_("t", "i-9")
    assert found.state["id"] == "i-9"
    assert diagnostics == ()
    found, diagnostics = Minimal().import_("anonymous", "x")
    assert not found
    assert diagnostics[0].summary == "Import not supported"
