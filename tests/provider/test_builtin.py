import re
from dataclasses import dataclass
from typing import Any

import pytest

from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.lang.types import DYNAMIC, NUMBER, STRING, ListType, TupleType
from iacengine.lang.values import ListValue, Null, Refinement, Unknown
from iacengine.provider.builtin import TerraformProvider, terraform_plugin
from iacengine.provider.protocol import ApplyRequest, ConfigureContext, PlanRequest, ReadRequest
from iacengine.schema.proposed import proposed_new
from iacengine.schema.values import conform

TYPE = "terraform_data"
BLOCK = TerraformProvider().schema().resources[TYPE].block
DATA = TerraformProvider().schema().data_sources["terraform_remote_state"].block
NEW_ID = Unknown(STRING, Refinement(not_null=True))


def plan(config, prior=None):
    body = conform(config, BLOCK)
    request = PlanRequest(TYPE, prior, body, proposed_new(BLOCK, prior, body))
    return TerraformProvider().plan([request])[0]


def apply(planned, prior=None, token="t"):
    response = TerraformProvider().apply(ApplyRequest(TYPE, prior, planned, planned, token))
    assert response.diagnostics == ()
    return response.state


def test_the_output_of_a_new_object_is_unknown_of_the_type_of_its_input():
    planned = plan({"input": ListValue(STRING, ("a",))}).planned
    assert planned["id"] == NEW_ID
    assert planned["output"] == Unknown(ListType(STRING))
    assert plan({"input": Unknown(NUMBER)}).planned["output"] == Unknown(NUMBER)


@pytest.mark.parametrize("nothing", [None, Null(STRING)])
def test_the_output_of_a_null_input_is_that_null(nothing):
    planned = plan({"input": nothing}).planned
    assert planned["output"] == nothing
    assert apply(planned)["output"] == nothing


def test_apply_copies_input_to_output_and_makes_a_uuid():
    state = apply(plan({"input": (1, "x")}).planned)
    assert state["output"] == (1, "x")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", state["id"])


def test_the_same_token_makes_the_same_object_and_another_another():
    planned = plan({}).planned
    assert apply(planned, token="a") == apply(planned, token="a")
    assert apply(planned, token="a") != apply(planned, token="b")


def test_a_change_of_input_keeps_the_id_and_makes_the_output_unknown():
    prior = apply(plan({"input": 1}).planned)
    response = plan({"input": "1"}, prior)
    assert response.planned == {**prior, "input": "1", "output": Unknown(STRING)}
    assert response.requires_replace == ()
    assert apply(response.planned, prior) == {**prior, "input": "1", "output": "1"}
    assert plan({}, prior).planned["output"] == Unknown(DYNAMIC)


def test_a_change_of_the_exact_type_of_input_is_a_change():
    prior = apply(plan({"input": ListValue(STRING, ("a",))}).planned)
    assert plan({"input": ("a",)}, prior).planned["output"] == Unknown(TupleType([STRING]))
    assert plan({"input": ListValue(STRING, ("a",))}, prior).planned == prior


def test_a_change_of_the_triggers_replaces_the_object():
    prior = apply(plan({"input": 1, "triggers_replace": ("a",)}).planned)
    for triggers in (("b",), None, Unknown(DYNAMIC)):
        response = plan({"input": 1, "triggers_replace": triggers}, prior)
        assert response.requires_replace == (("triggers_replace",),)
        assert response.planned["id"] == NEW_ID
        assert response.planned["output"] == Unknown(NUMBER)


def test_reading_answers_what_was_known_and_deleting_nothing():
    state = apply(plan({"input": 1}).planned)
    assert TerraformProvider().read([ReadRequest(TYPE, state, b"p")])[0].state is state
    assert apply(None, state) is None


def test_an_import_knows_only_the_id():
    (found,), diagnostics = TerraformProvider().import_(TYPE, "abc")
    assert found.state == {"id": "abc", "input": None, "output": None, "triggers_replace": None}
    assert diagnostics == ()


# --- remote state


@dataclass
class Output:
    value: Any
    type: Any


def read(config, states=None, directory="/stack"):
    provider = terraform_plugin(None if states is None else states.get).create()
    provider.configure({}, ConfigureContext(stack_directory=directory))
    return provider.read_data("terraform_remote_state", conform(config, DATA))


def test_remote_state_gives_typed_outputs_over_the_defaults():
    states = {"/stack/other.tfstate": {"a": Output(["x"], ["list", "string"]), "z": Output(2, "number")}}
    config = {"backend": "local", "config": {"path": "other.tfstate"}, "defaults": {"z": 1, "y": "d"}}
    response = read(config, states)
    assert response.diagnostics == ()
    assert response.state["outputs"] == {"a": ListValue(STRING, ("x",)), "z": 2, "y": "d"}
    assert response.state["backend"] == "local"


def test_remote_state_of_a_workspace_is_in_the_workspace_folder():
    states = {
        "/stack/terraform.tfstate.d/dev/terraform.tfstate": {},
        "/w/dev/terraform.tfstate": {"a": Output(1, "number")},
        "/stack/terraform.tfstate": {"d": Output(1, "number")},
    }
    assert read({"backend": "local", "workspace": "dev"}, states).state["outputs"] == {}
    config = {"backend": "local", "workspace": "dev", "config": {"workspace_dir": "/w"}}
    assert read(config, states).state["outputs"] == {"a": 1}
    assert read({"backend": "local", "workspace": "default"}, states).state["outputs"] == {"d": 1}


def test_a_missing_remote_state_is_told_with_its_path():
    (problem,) = read({"backend": "local", "config": {"path": "/x/y"}}, {}).diagnostics
    assert problem.summary == "Unable to find remote state"
    assert "/x/y" in problem.detail


def test_an_unreadable_remote_state_is_told_and_not_raised():
    def refuse(path):
        raise failure("Damaged state", path)

    provider = terraform_plugin(refuse).create()
    response = provider.read_data("terraform_remote_state", conform({"backend": "local"}, DATA))
    assert response.diagnostics[0].summary == "Damaged state"
    bad = {"/stack/terraform.tfstate": {"a": Output("x", "number")}}
    assert read({"backend": "local"}, bad).diagnostics[0].summary == "Unreadable remote state"


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"backend": "locl"}, 'Did you mean "local"?'),
        ({"backend": "local", "config": ("x",)}, "must be an object"),
        ({"backend": "local", "config": {"pth": "x"}}, 'Did you mean "path"?'),
        ({"backend": "local", "config": {"path": 1}}, "string required"),
        ({"backend": "local", "defaults": "x"}, "Defaults must be given"),
    ],
)
def test_a_wrong_remote_state_configuration_is_told_with_a_remedy(config, text):
    (problem,) = TerraformProvider().validate_data_source("terraform_remote_state", conform(config, DATA))
    assert text in f"{problem.detail} {problem.remedy}"


def test_an_unknown_remote_state_configuration_is_not_complained_of():
    config = conform({"backend": Unknown(STRING), "config": {"path": Unknown(STRING)}}, DATA)
    assert TerraformProvider().validate_data_source("terraform_remote_state", config) == ()


def test_unknown_functions_are_refused():
    with pytest.raises(DiagnosticsError, match="has no function"):
        TerraformProvider().call_function("nope", ())
