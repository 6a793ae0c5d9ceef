import pytest

from iacengine.foundation.diagnostics import Severity
from iacengine.lang.types import NUMBER, STRING, ListType, MapType, ObjectType
from iacengine.lang.values import ListValue, MapValue, Refinement, SetValue, Unknown
from iacengine.provider.checks import check_applied, check_planned, check_read
from iacengine.schema import Attribute, Block, NestedBlock, NestedObject, Nesting, implied_type
from iacengine.schema.values import conform, decode, null_object

INNER = Block({"opt": Attribute(STRING, optional=True), "made": Attribute(STRING, computed=True)})
MEMBERS = {"opt": Attribute(STRING, optional=True), "made": Attribute(STRING, computed=True)}
BLOCK = Block(
    {
        "opt": Attribute(STRING, optional=True),
        "made": Attribute(STRING, computed=True),
        "both": Attribute(STRING, optional=True, computed=True),
        "size": Attribute(STRING, optional=True, default="small"),
        "secret": Attribute(STRING, optional=True, sensitive=True),
        "wo": Attribute(STRING, optional=True, write_only=True),
        "tags": Attribute(MapType(STRING), optional=True),
        "nested": Attribute(
            ListType(ObjectType({"opt": STRING, "made": STRING})),
            optional=True,
            nested=NestedObject(Nesting.LIST, MEMBERS),
        ),
    },
    {
        "one": NestedBlock(Nesting.SINGLE, INNER),
        "some": NestedBlock(Nesting.LIST, INNER),
        "named": NestedBlock(Nesting.MAP, INNER),
        "bag": NestedBlock(Nesting.SET, INNER),
    },
)
ELEMENT = implied_type(INNER)


def planned(config, prior=None, **changes):
    body = conform(config, BLOCK)
    before = None if prior is None else decode(prior, BLOCK)
    return [d.detail for d in check_planned(BLOCK, before, body, {**body, **changes}, provider="acme")]


def applied(plan, **changes):
    body = {**null_object(BLOCK), **plan}
    return [d.detail for d in check_applied(BLOCK, body, {**body, **changes}, provider="acme")]


def blocks(*items):
    return ListValue(ELEMENT, [{"opt": None, "made": None, **item} for item in items])


@pytest.mark.parametrize(
    ("config", "prior", "changes"),
    [
        ({"opt": "x"}, None, {}),
        ({"opt": "X"}, {"opt": "x"}, {"opt": "x"}),  # what was there before is as good
        ({}, None, {"made": "m", "both": Unknown(STRING), "size": "small"}),
        ({"wo": "x"}, None, {"wo": None}),
        ({"some": ({},)}, None, {"some": blocks({"made": Unknown(STRING)})}),
        ({"nested": ({"opt": "a"},)}, None, {}),
        ({"opt": Unknown(STRING)}, None, {"opt": Unknown(STRING, Refinement(not_null=True))}),
    ],
)
def test_what_a_provider_may_plan(config, prior, changes):
    assert planned(config, prior, **changes) == []


@pytest.mark.parametrize(
    ("config", "prior", "changes", "where", "text"),
    [
        ({}, None, {"opt": "x"}, "opt", "neither configured nor computed"),
        ({"opt": "x"}, None, {"opt": "y"}, "opt", "another value than the configured one"),
        ({"opt": "x"}, {"opt": "z"}, {"opt": "y"}, "opt", "and the one before"),
        ({"opt": "x"}, None, {"opt": Unknown(STRING)}, "opt", "another value"),
        ({"both": "x"}, None, {"both": "y"}, "both", "another value"),
        ({}, None, {"size": "large"}, "size", "neither configured"),
        ({"some": ({},)}, None, {"some": blocks({}, {})}, "some", "2 blocks"),
        ({"some": ({},)}, None, {"some": blocks({"opt": "x"})}, "some[0].opt", "neither configured"),
        ({"some": ({},)}, None, {"some": Unknown(ListType(ELEMENT))}, "some", "must not be unknown"),
        ({"one": {}}, None, {"one": None}, "one", "absent although"),
        ({}, None, {"one": {"opt": None, "made": None}}, "one", "not configured"),
        ({"named": {"k": {}}}, None, {"named": MapValue(ELEMENT, {})}, "named", "0 blocks"),
        (
            {"bag": ()},
            None,
            {"bag": SetValue(ELEMENT, ({"opt": "x", "made": None},))},
            "bag",
            "1 elements in the plan and 0",
        ),
        ({}, None, {"some": None}, "some", "must be empty, not null"),
        ({}, None, {"opt": 5}, "opt", "not of the type"),
        ({}, None, {"tags": {"a": "b"}}, "tags", "not of the type"),
        ({}, None, {"surplus": 1}, "surplus", "not in the schema"),
        (
            {"nested": ({"opt": "a"},)},
            None,
            {"nested": ListValue(ObjectType({"opt": STRING, "made": STRING}), ({"opt": "b", "made": None},))},
            "nested[0].opt",
            "another value",
        ),
    ],
)
def test_what_a_provider_may_not_plan(config, prior, changes, where, text):
    (first, *_) = planned(config, prior, **changes)
    assert first.startswith(f'Provider "acme": {where} ')
    assert text in first


def test_a_plan_needs_every_attribute():
    body = conform({}, BLOCK)
    short = {name: value for name, value in body.items() if name != "opt"}
    assert "opt is missing" in check_planned(BLOCK, None, body, short)[0].detail


def test_an_object_is_planned_exactly_when_it_is_configured():
    body = conform({}, BLOCK)
    assert "absent although" in check_planned(BLOCK, None, body, None)[0].detail
    assert "although it is not configured" in check_planned(BLOCK, body, None, body)[0].detail
    assert check_planned(BLOCK, body, None, None) == ()


def test_violations_of_the_old_type_system_are_warnings():
    body = conform({}, BLOCK)
    (problem,) = check_planned(BLOCK, None, body, {**body, "opt": "x"}, legacy=True)
    assert problem.severity is Severity.WARNING


def test_findings_say_whose_defect_it_is_and_hold_no_value():
    body = conform({"secret": "hunter2"}, BLOCK)
    (problem,) = check_planned(BLOCK, None, body, {**body, "secret": "hunter3"}, provider="acme")
    assert "defect of the provider" in problem.remedy
    assert "hunter" not in f"{problem.summary}{problem.detail}{problem.remedy}"


@pytest.mark.parametrize(
    ("plan", "changes"),
    [
        ({"opt": "x", "made": Unknown(STRING)}, {"made": "m"}),
        ({"made": Unknown(STRING)}, {"made": None}),
        ({"some": blocks({"made": Unknown(STRING)})}, {"some": blocks({"made": "m"})}),
        ({"some": Unknown(ListType(ELEMENT))}, {"some": blocks({}, {})}),
        ({"tags": MapValue(STRING, {"a": Unknown(STRING)})}, {"tags": MapValue(STRING, {"a": "b"})}),
        (
            {"bag": SetValue(ELEMENT, ({"opt": "a", "made": Unknown(STRING)}, {"opt": "b", "made": Unknown(STRING)}))},
            {"bag": SetValue(ELEMENT, ({"opt": "b", "made": "1"}, {"opt": "a", "made": "2"}))},
        ),
    ],
)
def test_what_apply_may_answer(plan, changes):
    assert applied(plan, **changes) == []


@pytest.mark.parametrize(
    ("plan", "changes", "where", "text"),
    [
        ({"opt": "x"}, {"opt": "y"}, "opt", "not what was planned"),
        ({"opt": "x"}, {"opt": None}, "opt", "not what was planned"),
        ({"made": Unknown(STRING, Refinement(not_null=True))}, {"made": None}, "made", "is null, although"),
        ({"made": Unknown(STRING)}, {}, "made", "still unknown"),
        ({"some": blocks({})}, {"some": blocks({}, {})}, "some", "2 blocks"),
        ({"some": blocks({"opt": "a"})}, {"some": blocks({"opt": "b"})}, "some[0].opt", "not what was planned"),
        ({"tags": MapValue(STRING, {"a": "b"})}, {"tags": MapValue(STRING, {})}, "tags", "0 elements"),
        ({"tags": MapValue(STRING, {"a": "b"})}, {"tags": MapValue(STRING, {"a": "c"})}, "tags.a", "not what"),
        ({"one": {"opt": None, "made": None}}, {"one": None}, "one", "now is absent"),
        (
            {"bag": SetValue(ELEMENT, ({"opt": "a", "made": Unknown(STRING)},))},
            {"bag": SetValue(ELEMENT, ({"opt": "b", "made": "1"},))},
            "bag",
            "lacks an element",
        ),
        (
            {"bag": SetValue(ELEMENT, ())},
            {"bag": SetValue(ELEMENT, ({"opt": "b", "made": "1"},))},
            "bag",
            "not planned",
        ),
        ({}, {"opt": 1}, "opt", "not of the type"),
    ],
)
def test_what_apply_may_not_answer(plan, changes, where, text):
    (first, *_) = applied(plan, **changes)
    assert first.startswith(f'Provider "acme": {where} ')
    assert text in first


def test_an_object_is_there_after_apply_exactly_when_planned():
    body = null_object(BLOCK)
    assert "now is absent" in check_applied(BLOCK, body, None)[0].detail
    assert "now is present" in check_applied(BLOCK, None, body)[0].detail
    assert check_applied(BLOCK, None, None) == ()


def test_what_is_read_must_be_whole_and_known():
    body = null_object(BLOCK)
    assert check_read(BLOCK, body) == ()
    assert check_read(BLOCK, None) == ()
    assert "opt is unknown" in check_read(BLOCK, {**body, "opt": Unknown(STRING)})[0].detail
    assert "is no object" in check_read(BLOCK, 5)[0].detail
    assert check_read(Block({"n": Attribute(NUMBER)}), {"n": [1]})[0].summary == "Provider returned an invalid object"
