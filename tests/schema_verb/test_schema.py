"""`iac schema`: what it takes for a stack file, what it does not, and what editors get to say."""

import json
import re
from pathlib import Path

import pytest

from iacengine.config.json_schema import json_schema
from iacengine.config.source import parse, source_file
from iacengine.lang.types import DYNAMIC, NUMBER, STRING, ListType, MapType, ObjectType, TupleType
from iacengine.provider.protocol import ProviderSchema
from iacengine.schema import Attribute, Block, NestedBlock, Nesting, Schema

EXAMPLES = Path(__file__).parents[2] / "example-stacks"
FILES = sorted(
    str(path.relative_to(EXAMPLES))
    for pattern in ("*.iac.yaml", "*.tf.json")
    for path in EXAMPLES.rglob(pattern)
    if ".iac" not in path.parts
)


def test_it_is_a_valid_schema(printed):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(printed)
    assert printed["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_reference_leads_to_a_definition(printed):
    def references(node):
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for child in node.values():
                yield from references(child)
        elif isinstance(node, list):
            for child in node:
                yield from references(child)

    found = set(references(printed))
    assert found
    assert {name.removeprefix("#/$defs/") for name in found} == set(printed["$defs"])


def test_editors_in_javascript_understand_its_patterns(printed):
    def patterns(node):
        if isinstance(node, dict):
            if isinstance(node.get("pattern"), str):
                yield node["pattern"]
            yield from node.get("patternProperties", {}) if isinstance(node.get("patternProperties"), dict) else ()
            for child in node.values():
                yield from patterns(child)
        elif isinstance(node, list):
            for child in node:
                yield from patterns(child)

    # ECMA-262, Unicode mode: a backslash stands only before syntax characters and letters that have a meaning.
    found = set(patterns(printed))
    assert len(found) > 5
    assert {escape for pattern in found for escape in re.findall(r"\\(.)", pattern)} <= set("bdsw.*+?^$|()[]{}/\\")


def test_it_is_the_same_every_time(stack, printed):
    assert stack.iac("schema").document == printed
    assert stack.iac("schema", env={"PYTHONHASHSEED": "1"}).out == stack.iac("schema", env={"PYTHONHASHSEED": "2"}).out


@pytest.mark.parametrize("name", FILES)
def test_every_file_of_the_examples_fits(mistakes, name):
    path = EXAMPLES / name
    assert mistakes(parse(source_file(name, path.read_bytes()))) == []


EVERYTHING = """
"//": a comment
x-tags: &tags {a: b}
stack:
  required_version: ">= 0.1, < 2"
  required_providers: {aws: {source: hashicorp/aws, version: ~> 5.0}, mock: ">= 0.1"}
  backend: {local: {path: state.json}}
  on_failure: continue
variable:
  a: {}
  b: {type: "object({n = optional(number, 1)})", default: {n: 1}, sensitive: true, nullable: false}
  c: {type: "${string}", validation: [{condition: "${var.c != null}", error_message: no}]}
locals: {x: 1, y: [a, {b: c}], z: null}
provider:
  mock: [{cloud: a.sqlite}, {alias: other, cloud: b.sqlite}]
  other: {anything: goes}
data:
  mock_network: {found: {id: net-1, count: 1, lifecycle: {postcondition: {condition: true, error_message: "no"}}}}
resource:
  - aws_vpc: {main: {cidr_block: 10.0.0.0/16, tags: {<<: *tags, n: 1}}}
  - aws_vpc:
      - other: [{cidr_block: "${var.a}", tags: "${local.x}", enable_dns_support: "true", enable_dns_hostnames: null}]
  - aws_dynamodb_table:
      t:
        name: t
        hash_key: k
        read_capacity: "5"
        write_capacity: ${var.n}
        dynamic: {attribute: {for_each: [k], content: {name: "${attribute.value}", type: S}}}
        ttl: [{attribute_name: x, enabled: true}]
        timeouts: {create: 30m}
        provider: aws.west
        depends_on: [aws_vpc.main, "${aws_vpc.other}"]
        lifecycle: {ignore_changes: all, create_before_destroy: true, prevent_destroy: "false"}
    terraform_data:
      d: {input: {any: [thing]}, triggers_replace: 1, for_each: {a: b}, lifecycle: [{ignore_changes: [input]}]}
module:
  m: {source: ./m, count: 2, argument: [1], providers: {mock: mock.other}}
output: {o: {value: null, precondition: [{condition: "${true}", error_message: "no"}]}}
moved: [{from: a.b, to: a.c}]
removed: {from: a.b, lifecycle: {destroy: false}}
import: {to: terraform_data.d, id: 5, for_each: "${var.b}"}
check: {c: {data: {mock_network: {x: {id: net-1}}}, assert: {condition: "${true}", error_message: x}}}
"""


def test_all_that_a_stack_file_may_hold_fits(mistakes):
    assert mistakes(EVERYTHING) == []
    assert mistakes({"resource": {}}) == mistakes([]) == mistakes("") == []


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        ("resourc: {}", "", "'resourc' does not match"),
        ("resource: {aws_vcp: {main: {}}}", "resource", "'aws_vcp' was unexpected"),
        ("resource: {aws_vpc: {main: {cidr_blok: 10.0.0.0/16}}}", "resource.aws_vpc.main", "'cidr_blok'"),
        ("resource: {aws_vpc: {main: {arn: x}}}", "resource.aws_vpc.main", "'arn'"),
        ("resource: {aws_vpc: {main: {tags: [a]}}}", "resource.aws_vpc.main.tags", "not of type"),
        ("resource: {aws_vpc: {main: {tags: a}}}", "resource.aws_vpc.main.tags", "does not match"),
        ("resource: {aws_vpc: {main: {enable_dns_support: no}}}", "resource.aws_vpc.main.enable_dns_support", "'no'"),
        ("resource: {aws_vpc: {main: {ipv4_netmask_length: many}}}", "resource.aws_vpc.main.ipv4_netmask_length", "m"),
        ("resource: {aws_vpc: {'1st': {}}}", "resource.aws_vpc", "'1st' does not match"),
        ("resource: {aws_subnet: {a: {}}}", "resource.aws_subnet.a", "'vpc_id' is a required property"),
        ("resource: {aws_subnet: {a: {vpc_id: null}}}", "resource.aws_subnet.a.vpc_id", "None is not of type"),
        ("resource: {aws_subnet: null}", "resource.aws_subnet", "None is not of type"),
        (
            "resource: {terraform_data: {a: {provisioner: {shef: {}}}}}",
            "resource.terraform_data.a.provisioner",
            "'shef'",
        ),
        (
            "resource: {terraform_data: {a: {provisioner: [{local-exec: {when: destroy}}]}}}",
            "resource.terraform_data.a.provisioner.0.local-exec",
            "'command' is a required property",
        ),
        ("resource: {terraform_data: {a: {connection: {hots: x}}}}", "resource.terraform_data.a.connection", "'hots'"),
        ("resource: {terraform_data: {a: {count: -1}}}", "resource.terraform_data.a.count", "minimum"),
        ("resource: {terraform_data: {a: {for_each: [a]}}}", "resource.terraform_data.a.for_each", "not of type"),
        ("resource: {terraform_data: {a: {for_each: var.x}}}", "resource.terraform_data.a.for_each", "not match"),
        ("resource: {terraform_data: {a: {depends_on: x}}}", "resource.terraform_data.a.depends_on", "not of type"),
        (
            "resource: {terraform_data: {a: {lifecycle: {ignore_change: all}}}}",
            "resource.terraform_data.a.lifecycle",
            "'ignore_change' was unexpected",
        ),
        (
            "resource: {aws_dynamodb_table: {t: {name: t, ttl: [{}, {}]}}}",
            "resource.aws_dynamodb_table.t.ttl",
            "too long",
        ),
        (
            "resource: {aws_dynamodb_table: {t: {name: t, attribute: {name: a}}}}",
            "resource.aws_dynamodb_table.t.attribute",
            "'type' is a required property",
        ),
        (
            "resource: {aws_dynamodb_table: {t: {name: t, dynamic: {attributes: {}}}}}",
            "resource.aws_dynamodb_table.t.dynamic",
            "'attributes' was unexpected",
        ),
        (
            "resource: {aws_dynamodb_table: {t: {name: t, dynamic: {attribute: {for_each: []}}}}}",
            "resource.aws_dynamodb_table.t.dynamic.attribute",
            "'content' is a required property",
        ),
        ("data: {terraform_data: {a: {}}}", "data", "'terraform_data' was unexpected"),
        ("data: {mock_network: {a: {lifecycle: {protect: true}}}}", "data.mock_network.a.lifecycle", "'protect'"),
        ("provider: {aws: {regoin: x}}", "provider.aws", "'regoin' was unexpected"),
        ("variable: {a: {type: strng}}", "variable.a.type", "does not match"),
        ("variable: {a: {defualt: 1}}", "variable.a", "'defualt' was unexpected"),
        ("variable: {a: {validation: {condition: true}}}", "variable.a.validation", "'error_message'"),
        ("output: {a: x}", "output.a", "not of type"),
        ("output: {a: {description: x}}", "output.a", "'value' is a required property"),
        ("module: {m: {version: '1.0'}}", "module.m", "'source' is a required property"),
        ("module: {m: {source: ./m, lifecycle: {}}}", "module.m.lifecycle", "should not be valid"),
        ("moved: {from: a.b}", "moved", "'to' is a required property"),
        ("stack: {on_failure: explode}", "stack.on_failure", "is not one of"),
        ("stack: {required_version: newest}", "stack.required_version", "does not match"),
        ("stack: {required_providers: {aws: {src: x}}}", "stack.required_providers.aws", "'src' was unexpected"),
        ("check: {c: {}}", "check.c", "'assert' is a required property"),
        ("just text", "", "not of type"),
    ],
)
def test_a_mistake_is_found_where_it_stands(mistakes, text, place, word):
    found = mistakes(text)
    assert found
    assert all(one.partition(": ")[0] == place for one in found), found
    assert any(word in one.partition(": ")[2] for one in found), found


def test_types_of_other_providers_are_allowed_when_only_some_were_asked_for(stack, mistakes):
    jsonschema = pytest.importorskip("jsonschema")
    document = stack.iac("schema", "--provider", "mock", "-provider=terraform").document
    validator = jsonschema.Draft202012Validator(document)
    assert validator.is_valid({"resource": {"aws_vpc": {"main": {"cidr_blok": "x", "count": 1}}}})
    assert validator.is_valid({"resource": {"mock_network": {"main": {"name": "n", "cidr_block": "10.0.0.0/16"}}}})
    for wrong in (
        {"aws_vpc": {"main": {"count": -1}}},
        {"mock_netwrk": {"main": {}}},
        {"mock_network": {"m": {"x": 1}}},
    ):
        assert not validator.is_valid({"resource": wrong})
    assert not any(name.startswith("resource.aws_") for name in document["$defs"])


def test_an_unknown_provider_is_told_with_what_was_probably_meant(stack):
    done = stack.iac("schema", "--provider", "mok", code=1)
    assert done.out == ""
    assert 'Did you mean "mock"?' in done.err


def test_arguments_are_described(printed):
    schemas = printed["$defs"]
    server = schemas["resource.mock_server"]["properties"]
    assert "required" in server["name"]["description"]
    vpc = schemas["resource.aws_vpc"]["properties"]
    assert vpc["cidr_block"]["description"] == "(string, optional, a change replaces the object)"
    assert "arn" not in vpc
    assert all("description" in schema for schema in printed["$defs"]["file"]["properties"].values())


def schema_of(block):
    offers = {"x": ProviderSchema(resources={"x_y": Schema(block)})}
    return json.loads(json.dumps(json_schema(offers)))


def is_valid(block, body):
    jsonschema = pytest.importorskip("jsonschema")
    schema = schema_of(block)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema).is_valid({"resource": {"x_y": {"a": body}}})


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        (STRING, ["a", 1, True, None], [[], {}]),
        (NUMBER, [1, 1.5, "12", "-1e5", "${a}", "%{ if a }1%{ endif }", None], ["many", True, [], {}]),
        (DYNAMIC, [1, "a", [], {}, None], []),
        (ListType(NUMBER), [[], [1, "2", None], "${a}"], ["a", 1, {}, ["x"], [[1]]]),
        (MapType(STRING), [{}, {"a": 1}, "${a}"], ["a", [], {"a": []}]),
        (ObjectType({"a": STRING, "b": NUMBER}, ["b"]), [{"a": "x"}, {"a": "x", "b": None}, "${a}"], [{}, {"b": 1}]),
        (TupleType([STRING, NUMBER]), [["a", 1], "${a}"], [["a"], ["a", "b"], ["a", 1, 2]]),
    ],
)
def test_a_value_of_a_type_is_written_out_or_an_expression(type_, good, bad):
    block = Block({"v": Attribute(type_, optional=True)})
    assert [value for value in good if not is_valid(block, {"v": value})] == []
    assert [value for value in bad if is_valid(block, {"v": value})] == []


def test_a_required_block_may_be_made_dynamically():
    inner = Block({"v": Attribute(STRING, required=True)})
    block = Block(blocks={"b": NestedBlock(Nesting.LIST, inner, min_items=1)})
    assert is_valid(block, {"b": {"v": "x"}})
    assert is_valid(block, {"dynamic": {"b": [{"for_each": "${var.x}", "content": {"v": "x"}}]}})
    assert not is_valid(block, {})


def test_blocks_by_name_have_a_level_for_their_names():
    block = Block(blocks={"b": NestedBlock(Nesting.MAP, Block({"v": Attribute(NUMBER, optional=True)}))})
    assert is_valid(block, {"b": {"one": {"v": 1}, "two": {}}})
    assert not is_valid(block, {"b": {"v": 1}})


def test_an_attribute_named_as_a_meta_argument_is_not_required_of_it():
    block = Block({"provider": Attribute(STRING, required=True)})
    assert is_valid(block, {"_": {"provider": "x"}})
    assert is_valid(block, {"provider": "aws.west", "_": {"provider": "x"}})


@pytest.mark.parametrize(
    ("block", "right"),
    [
        ({"key_file": "k", "full": True, "previous": [{"passphrase_env": "OLD"}]}, True),
        ({"kms": {"key_id": "alias/a", "region": "eu-west-1"}}, True),
        ({"command": ["pass", "show", "iac/key"]}, True),
        ({"full": True}, True),
        (None, True),
        ({"passphrase": "x"}, False),
        ({"kms": {}}, False),
        ({"command": "pass show iac/key"}, False),
        ({"previous": [{}]}, False),
    ],
)
def test_keys_of_the_encryption_block(block, right, mistakes):
    assert (mistakes({"stack": {"encryption": block}}) == []) == right
