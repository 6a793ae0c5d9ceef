"""Terraform's state files in and out; the real terraform, where there is one, reads what is written."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from iacengine.addresses import Mode
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.model import OutputState
from iacengine.state.tfstate import from_tfstate, to_tfstate

AWS = 'provider["registry.terraform.io/hashicorp/aws"]'
BUILT_IN = 'provider["terraform.io/builtin/terraform"]'


def tfstate(*resources, **fields):
    content = {"version": 4, "terraform_version": "1.11.4", "serial": 3, "lineage": "l", "outputs": {}}
    return json.dumps(content | {"resources": list(resources)} | fields).encode()


def resource(*instances, **fields):
    given = {
        "mode": "managed",
        "type": "aws_vpc",
        "name": "main",
        "provider": 'provider["registry.terraform.io/hashicorp/aws"]',
    }
    return given | fields | {"instances": list(instances)}


def instance(**fields):
    return {"schema_version": 0, "attributes": {"id": "i"}} | fields


def attribute(name):
    return {"type": "get_attr", "value": name}


def only(data):
    (object_,) = from_tfstate(data, "t").objects.values()
    return object_


def refusal(data: bytes):
    with pytest.raises(DiagnosticsError) as caught:
        from_tfstate(data, "dir/terraform.tfstate")
    (found,) = caught.value.diagnostics
    assert "dir/terraform.tfstate" in found.detail
    assert found.remedy
    return found


# --- in -------------------------------------------------------------------------------------------------------------


def test_lineage_and_serial_are_terraforms():
    state = from_tfstate(tfstate(), "t")
    assert (state.lineage, state.serial, state.is_empty) == ("l", 3, True)


def test_every_field_of_an_instance_is_taken():
    object_ = only(
        tfstate(
            resource(
                instance(
                    index_key="a\n",
                    status="tainted",
                    schema_version=2,
                    private="cHJpdmF0ZQ==",
                    dependencies=["module.net.aws_vpc.other", "data.aws_region.here"],
                    create_before_destroy=True,
                    sensitive_attributes=[
                        [
                            {"type": "get_attr", "value": "tags"},
                            {"type": "index", "value": {"value": "k", "type": "string"}},
                        ],
                        [
                            {"type": "get_attr", "value": "list"},
                            {"type": "index", "value": {"value": 0, "type": "number"}},
                        ],
                    ],
                ),
                module='module.net["x"].module.sub[0]',
            )
        )
    )
    assert str(object_.address) == 'module.net["x"].module.sub[0].aws_vpc.main["a\\n"]'
    assert object_.provider == 'provider["registry.terraform.io/hashicorp/aws"]'
    assert (object_.tainted, object_.create_before_destroy, object_.schema_version) == (True, True, 2)
    assert object_.private == b"private"
    assert object_.dependencies == ("module.net.aws_vpc.other", "data.aws_region.here")
    assert object_.sensitive_paths == (("tags", "k"), ("list", 0))


def test_modes_keys_and_deposed_objects_are_told_apart():
    state = from_tfstate(
        tfstate(
            resource(instance(), mode="data"),
            resource(instance(index_key=0), instance(index_key=0, deposed="00c0ffee"), instance(index_key=1)),
        ),
        "t",
    )
    assert [(str(address), deposed) for address, deposed in state.objects] == [
        ("data.aws_vpc.main", ""),
        ("aws_vpc.main[0]", ""),
        ("aws_vpc.main[0]", "00c0ffee"),
        ("aws_vpc.main[1]", ""),
    ]
    assert {address.resource.mode for address, _ in state.objects} == {Mode.DATA, Mode.MANAGED}


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("12345678901234567890123", "12345678901234567890123"),
        ("-9223372036854775809", "-9223372036854775809"),
        ("18446744073709551615", 18446744073709551615),
        ("1.5", 1.5),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        ("0.10000000000000000000001", "0.10000000000000000000001"),
        ("1e400", "1e400"),
        ("-1e-400", "-1e-400"),
        ("0.0", 0.0),
        ("100000000000000000000000.0", 1e23),
    ],
)
def test_numbers_stay_exact(written, kept):
    data = tfstate(resource(instance(attributes={"n": "NUMBER"}))).replace(b'"NUMBER"', written.encode())
    found = only(data).attributes["n"]
    assert (found, type(found)) == (kept, type(kept))


def test_a_path_into_a_set_marks_the_set():
    element = {"type": "index", "value": {"value": {"a": 1}, "type": ["object", {"a": "number"}]}}
    object_ = only(tfstate(resource(instance(sensitive_attributes=[[attribute("s"), element]]))))
    assert object_.sensitive_paths == (("s",),)


def test_a_provider_of_terraform_0_12_gets_the_source_that_terraform_gives_it():
    assert only(tfstate(resource(instance(), provider="provider.aws.west"))).provider == (
        'provider["registry.terraform.io/-/aws"].west'
    )


def test_results_of_checks_are_taken():
    results = [
        {
            "object_kind": "output",
            "config_addr": "output.o",
            "status": "fail",
            "objects": [{"object_addr": "output.o", "status": "fail", "failure_messages": ["no"]}],
        },
        {"object_kind": "resource", "config_addr": "a.b", "status": "unknown", "objects": None},
    ]
    (check,) = from_tfstate(tfstate(check_results=results), "t").checks
    assert (check.kind, check.address, check.status, check.problems) == ("output_value", "output.o", "fail", ("no",))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[" * 100_000, "nested"),
        (b"[]", "no state of Terraform"),
        (b'{"format":"iacengine-state","version":1,"lineage":"l","serial":1}', "a state of iacengine"),
        (b'{"version": 3}', "format version 3"),
        (b'{"version": 5}', "format version 5"),
        (b'{"version": 4}', "'lineage' is missing"),
        (tfstate(resource(instance(), provider="nonsense")), "nonsense is no provider address"),
        (tfstate(resource(instance(), module="aws_vpc.main")), '"aws_vpc.main" is no module address'),
        (tfstate(resource(instance(), mode="imaginary")), "imaginary"),
        (tfstate(resource(instance(index_key=1.5))), "1.5 is no instance key"),
        (tfstate(resource(instance(), instance())), "aws_vpc.main occurs twice"),
        (tfstate(resource({"attributes_flat": {"id": "i"}})), "Terraform 0.11"),
        (tfstate(resource({"attributes": None})), "no attributes"),
        (tfstate(resource({})), "'attributes' is missing"),
        (tfstate("resource"), ""),
    ],
)
def test_what_cannot_be_imported_is_told(data, why):
    assert why in refusal(data).detail


# --- out ------------------------------------------------------------------------------------------------------------


def test_what_goes_out_comes_in_again_but_for_what_only_iacengine_knows(full_state, plain):
    expected = replace(
        full_state,
        engine_version="",
        pending_rollback=None,
        moved_to="",
        objects={key: replace(object_, protected=False, token=None) for key, object_ in full_state.objects.items()},
    )
    assert plain(from_tfstate(to_tfstate(full_state), "t")) == plain(expected)


def test_equal_states_are_equal_bytes(full_state):
    turned = replace(full_state, objects=dict(reversed(full_state.objects.items())))
    assert to_tfstate(turned) == to_tfstate(full_state)


def test_a_name_below_the_first_is_marked_as_attribute_and_as_key(new_object, new_state):
    written = json.loads(to_tfstate(new_state(new_object("a.b", sensitive_paths=(("x", "y"),)))))
    assert written["resources"][0]["instances"][0]["sensitive_attributes"] == [
        [attribute("x"), attribute("y")],
        [attribute("x"), {"type": "index", "value": {"value": "y", "type": "string"}}],
    ]


def test_a_very_deep_mark_is_put_on_what_holds_it(new_object, new_state):
    deep = tuple("abcdefghij")
    state = from_tfstate(to_tfstate(new_state(new_object("a.b", sensitive_paths=(deep,)))), "t")
    (object_,) = state.objects.values()
    assert object_.sensitive_paths == (deep[:6],)


def test_numbers_beyond_64_bits_go_out_exactly(new_object, new_state):
    data = to_tfstate(new_state(new_object("a.b", attributes={"n": 2**80})))
    assert str(2**80).encode() in data


def test_the_status_of_a_block_is_the_worst_of_its_objects(full_state):
    (pass_,) = [check for check in full_state.checks if check.kind == "resource"]
    checks = (pass_, replace(pass_, address="aws_instance.a[3]", status="fail"))
    (result,) = json.loads(to_tfstate(replace(full_state, checks=checks)))["check_results"]
    assert result["status"] == "fail"
    assert len(result["objects"]) == 2


# --- the real one ---------------------------------------------------------------------------------------------------

CONFIGURATION = """
variable "secret" {
  default   = "s3cr3t-value"
  sensitive = true
}
resource "terraform_data" "a" {
  for_each = toset(["x", "y\\"z"])
  input    = { k = each.key, big = 12345678901234567890123, tiny = 0.1, s = tomap({ p = var.secret }) }
  lifecycle { create_before_destroy = true }
}
resource "terraform_data" "b" {
  count            = 2
  input            = terraform_data.a["x"].output.k
  triggers_replace = [count.index, var.secret]
}
module "m" {
  source = "./m"
  count  = 1
}
check "c" {
  assert {
    condition     = length(terraform_data.b) == 3
    error_message = "not three"
  }
}
output "o" { value = { a = 12345678901234567890123, b = [1, "x"] } }
output "s" {
  value     = var.secret
  sensitive = true
}
"""


@pytest.fixture
def applied(terraform, tmp_path):
    """A configuration that terraform has applied; its state file."""
    (tmp_path / "main.tf").write_text(CONFIGURATION)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "main.tf").write_text('resource "terraform_data" "q" { input = 1 }\n')
    terraform("init")
    terraform("apply", "-auto-approve")
    return tmp_path / "terraform.tfstate"


def test_terraform_sees_its_own_state_in_what_comes_back(terraform, applied):
    shown, listed = json.loads(terraform("show", "-json")), terraform("state", "list")
    state = from_tfstate(applied.read_bytes(), str(applied))
    assert len(state.objects) == 5
    applied.write_bytes(to_tfstate(state))
    again = json.loads(terraform("show", "-json"))
    for show in (shown, again):
        del show["terraform_version"]
        show["checks"].sort(key=str)
    assert again == shown
    assert terraform("state", "list") == listed
    terraform("plan", "-detailed-exitcode")  # no changes
    assert "s3cr3t-value" not in terraform("show")[: terraform("show").index("output")]


def test_terraform_takes_over_objects_of_every_kind(terraform, applied, new_object):
    state = from_tfstate(applied.read_bytes(), str(applied))
    first, second = (object_ for object_ in state.objects.values() if object_.address.resource.name == "b")
    tainted = replace(first, tainted=True, private=b"\x00\x01")
    deposed = replace(second, deposed="00c0ffee")
    mine = new_object("thing.t", provider='provider["iacengine/mock"]')
    state = state.with_objects({tainted.key: tainted, deposed.key: deposed})
    applied.write_bytes(to_tfstate(state))
    plan = terraform("plan", "-no-color")
    assert "terraform_data.b[0] is tainted, so must be replaced" in plan
    assert "deposed object 00c0ffee" in plan
    terraform("apply", "-auto-approve")
    after = from_tfstate(applied.read_bytes(), str(applied))
    assert not any(object_.tainted or object_.deposed for object_ in after.objects.values())
    applied.write_bytes(to_tfstate(after.with_objects({mine.key: mine})))
    assert "thing.t" in terraform("state", "list").splitlines()


def test_terraform_pushes_what_is_written_from_scratch(terraform, tmp_path, new_state, new_object):
    made = new_object(
        'module.a["k"].terraform_data.t[3]',
        provider=BUILT_IN,
        attributes={"id": "i", "input": {"value": "12345678901234567890123", "type": "number"}},
        sensitive_paths=(("input",),),
        dependencies=("terraform_data.other",),
    )
    output = OutputState("12345678901234567890123", "number")
    (tmp_path / "out.tfstate").write_bytes(to_tfstate(new_state(made, outputs={"n": output}, lineage="some-lineage")))
    terraform("state", "push", "out.tfstate")
    assert terraform("state", "list").splitlines() == ['module.a["k"].terraform_data.t[3]']
    assert terraform("output", "n").strip() == "12345678901234567890123"
    assert "(sensitive value)" in terraform("state", "show", 'module.a["k"].terraform_data.t[3]')
