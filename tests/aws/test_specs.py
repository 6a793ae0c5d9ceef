"""The specs, held against botocore's service models and Terraform's schemas."""

import json
from pathlib import Path

import botocore.session
import pytest

from iacengine.lang.types import type_to_json
from iacengine.lang.values import to_python
from iacengine.provider.protocol import ReadRequest
from iacengine.schema import Nesting
from iacengine.schema.values import conform
from iacengine_aws.data import DATA_SOURCES
from iacengine_aws.provider import AwsProvider
from iacengine_aws.spec import BatchGet, Nested
from iacengine_aws.specs import SPECS, spec_of

# What `terraform providers schema -json` says of these types with the AWS provider 5.100.0, without descriptions.
TERRAFORM = json.loads(Path(__file__).with_name("terraform_schemas.json").read_bytes())
LOADER = botocore.session.get_session()


def model(service, operation):
    service_model = LOADER.get_service_model(service)
    names = {_snake(name): name for name in service_model.operation_names}
    return service_model.operation_model(names[operation])


def _snake(name):
    from botocore import xform_name

    return xform_name(name)


def member(shape, path):
    """The shape at the path; maps and documents end the search. Raises KeyError when there is none."""
    for part in path.replace("[", ".[").split("."):
        if shape.type_name == "map":
            return shape.value
        shape = shape.member if part.startswith("[") else shape.members[part]
    return shape


@pytest.mark.parametrize("type_", SPECS)
def test_create_parameters_exist(type_):
    spec = spec_of(type_)
    shape = model(spec.service, spec.create.operation).input_shape
    if spec.create.operation.startswith("head_"):
        return  # the type's own hook makes the call
    for name, field in spec.fields.items():
        if field.create is not None:
            found = member(shape, field.create)
            if field.text:
                assert found.type_name == "string", name


@pytest.mark.parametrize("type_", SPECS)
def test_read_update_delete_and_tag_calls_exist_with_their_parameters(type_):
    spec = spec_of(type_)
    calls = [(get.operation, {"Filters": None} if isinstance(get, BatchGet) else get.params) for get in spec.read]
    calls += [(update.operation, update.params) for update in spec.updates]
    if spec.delete is not None:
        calls.append((spec.delete.operation, spec.delete.params))
    if spec.tags is not None:
        api = spec.tags
        calls += [call for call in (api.add, api.remove, api.replace, api.clear) if call is not None]
    for operation, params in calls:
        shape = model(spec.service, operation).input_shape
        assert set(params) <= set(shape.members), operation
        assert set(shape.required_members) <= set(params), operation


@pytest.mark.parametrize("type_", SPECS)
def test_what_is_read_exists_in_the_answers(type_):
    spec = spec_of(type_)
    parts = {}
    for get in spec.read:
        shape = model(spec.service, get.operation).output_shape
        if isinstance(get, BatchGet):
            parts[get.into] = member(shape, get.items).member
        else:
            parts[get.into] = shape if get.take is None else member(shape, get.take)
    for name, field in spec.fields.items():
        if field.read is not None:
            part, _, rest = field.read.partition(".")
            assert (member(parts[part], rest) if rest else parts[part]) is not None, name


def _terraform_blocks(block):
    return block.get("block_types", {})


def _compare(where, block, theirs, problems):
    attributes = theirs.get("attributes", {})
    for name in sorted(attributes.keys() ^ block.attributes.keys()):
        problems.append(f"{where}.{name}: {'missing' if name in attributes else 'not in Terraform'}")
    for name in attributes.keys() & block.attributes.keys():
        ours, flags = block.attributes[name], attributes[name]
        if type_to_json(ours.type) != flags["type"]:
            problems.append(f"{where}.{name}: {type_to_json(ours.type)}, not {flags['type']}")
        if ours.required != flags.get("required", False) or ours.optional != flags.get("optional", False):
            problems.append(f"{where}.{name}: required or optional")
        if flags.get("computed", False) and not ours.computed and ours.default is None:
            problems.append(f"{where}.{name}: not computed")
        if flags.get("sensitive", False) and not ours.sensitive:
            problems.append(f"{where}.{name}: not sensitive")
    blocks = theirs.get("block_types", {})
    for name in sorted(blocks.keys() ^ block.blocks.keys()):
        problems.append(f"{where}.{name} {{}}: {'missing' if name in blocks else 'not in Terraform'}")
    for name in blocks.keys() & block.blocks.keys():
        if block.blocks[name].nesting.value != blocks[name]["nesting_mode"]:
            problems.append(f"{where}.{name}: nesting")
        _compare(f"{where}.{name}", block.blocks[name].block, blocks[name]["block"], problems)


@pytest.mark.parametrize("name", [*SPECS, *(f"data.{name}" for name in DATA_SOURCES), "provider"])
def test_attributes_have_the_names_types_and_flags_of_terraforms_provider(name):
    schema = AwsProvider().schema()
    if name == "provider":
        ours = schema.provider
    elif name.startswith("data."):
        ours = schema.data_sources[name.removeprefix("data.")]
    else:
        ours = schema.resources[name]
    problems = []
    _compare(name, ours.block, TERRAFORM[name]["block"], problems)
    assert problems == []
    assert ours.version == TERRAFORM[name]["version"]


def _example(nested):
    """A block with its required attributes."""
    texts = {"string": "x", "number": 1, "bool": True}
    block = {
        name: texts[field.type.name] if hasattr(field.type, "name") else ("x",)
        for name, field in nested.fields.items()
        if field.required
    }
    for name, inner in nested.blocks.items():
        if inner.min_items:
            block[name] = (_example(inner),)
    return block


UNSUPPORTED = [
    (type_, name)
    for type_ in SPECS
    for name, part in {**spec_of(type_).fields, **spec_of(type_).blocks}.items()
    if not part.supported
]


@pytest.mark.parametrize(("type_", "name"), UNSUPPORTED)
def test_what_is_not_supported_is_refused_by_name(type_, name):
    spec = spec_of(type_)
    part = spec.fields.get(name) or spec.blocks[name]
    if isinstance(part, Nested):
        value = (_example(part),)
    else:
        text = {"string": "x", "number": 1, "bool": True}
        value = text[part.type.name] if hasattr(part.type, "name") else ("x",)
    required = {key: "x" for key, field in spec.fields.items() if field.required}
    required |= {key: (_example(block),) for key, block in spec.blocks.items() if block.min_items}
    provider = AwsProvider()
    config = conform({**required, name: value}, provider.schema().resources[type_].block)
    findings = [found for found in provider.validate_resource(type_, config) if found.summary == "Not supported yet"]
    assert len(findings) == 1
    assert name in findings[0].detail


def test_many_objects_are_read_with_few_calls(cloud):
    made = [cloud.make("aws_security_group", {"name": cloud.unique()}) for _ in range(12)]
    vpcs = [cloud.make("aws_vpc", {"cidr_block": "10.0.0.0/16"}) for _ in range(3)]
    calls = []
    session = cloud.provider.session
    session.client("ec2").meta.events.register("before-call.ec2", lambda model, **_: calls.append(model.name))
    answers = cloud.provider.read([ReadRequest(one.type, one.state) for one in [*made, *vpcs]])
    assert [to_python(answer.state)["id"] for answer in answers] == [one.state["id"] for one in [*made, *vpcs]]
    assert calls.count("DescribeSecurityGroups") == 2  # one for the groups, one for the default groups of the VPCs
    assert calls.count("DescribeVpcs") == calls.count("DescribeRouteTables") == calls.count("DescribeNetworkAcls") == 1


def test_what_is_gone_and_what_is_there_are_told_apart_in_one_read(cloud):
    made = [cloud.make("aws_vpc", {"cidr_block": "10.0.0.0/16"}) for _ in range(3)]
    cloud.remove(made[1])
    answers = cloud.provider.read([ReadRequest(one.type, one.state) for one in made])
    assert [answer.state is None for answer in answers] == [False, True, False]
    assert all(not answer.diagnostics for answer in answers)


@pytest.mark.parametrize("type_", SPECS)
def test_every_type_says_what_find_can_do(type_):
    spec = spec_of(type_)
    assert spec.find_notes
    assert (spec.find is None) == spec.find_notes.startswith("not at all")


def test_no_type_repeats_blocks_in_a_way_the_engine_has_not():
    for type_ in SPECS:
        for nested in spec_of(type_).blocks.values():
            assert nested.nesting in (Nesting.LIST, Nesting.SET, Nesting.SINGLE)
