from __future__ import annotations

from collections.abc import Callable

import pytest

from iacengine.addresses import Mode, Resource
from iacengine.config.model import Configuration, ProviderName
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.lang.references import Index
from iacengine.lang.types import STRING, ListType

Load = Callable[..., Configuration]


def test_a_resource_keeps_its_arguments_and_loses_its_meta_arguments(load_texts: Load) -> None:
    module = load_texts(
        """
resource:
  cloud_server:
    a:
      //: a comment
      count: ${var.n}
      name: x
      provider: ${cloud.west}
      depends_on: [cloud_server.b, "${module.net}", "data.cloud_image.c[0]"]
      timeouts: {create: 5m}
      lifecycle:
        create_before_destroy: "true"
        protect: true
        ignore_changes: [tags, 'labels["a.b"]', "disk[0].size"]
        replace_triggered_by: ["cloud_server.b[count.index]", "${cloud_server.c}"]
        precondition:
          - {condition: "${var.n > 0}", error_message: positive}
"""
    ).root
    block = module.resources[Resource(Mode.MANAGED, "cloud_server", "a")]
    assert dict(block.body) == {"name": "x", "timeouts": {"create": "5m"}}
    assert block.repetition.has_count
    assert block.repetition.count == "${var.n}"
    assert block.provider == ProviderName("cloud", "west")
    assert [reference.subject for reference in block.depends_on] == [
        ("resource", "cloud_server", "b"),
        ("module", "net"),
        ("data", "cloud_image", "c"),
    ]
    assert block.depends_on[2].remaining == (Index(0),)
    lifecycle = block.lifecycle
    assert lifecycle.create_before_destroy is True
    assert lifecycle.protect
    assert lifecycle.ignore_changes == (("tags",), ("labels", "a.b"), ("disk", 0, "size"))
    assert lifecycle.replace_triggered_by == ("${cloud_server.b[count.index]}", "${cloud_server.c}")
    assert lifecycle.preconditions[0].error_message == "positive"


def test_ignoring_all_changes_is_told_apart_from_ignoring_none(load_texts: Load) -> None:
    module = load_texts(
        "resource:\n  t:\n    a: {lifecycle: {ignore_changes: all}}\n"
        "    b: {lifecycle: {ignore_changes: []}}\n    c: {}\n"
    ).root
    found = {address.name: block.lifecycle.ignore_changes for address, block in module.resources.items()}
    assert found == {"a": None, "b": (), "c": ()}


def test_labels_may_be_objects_or_lists_of_objects_at_every_level(load_texts: Load) -> None:
    texts = """{"resource": [{"t": [{"a": [{"x": 1}]}, {"b": {}}]}, {"u": {"c": {}}}],
        "locals": [{"p": 1}, {"q": 2}], "output": [{"o": [{"value": 1}]}]}"""
    module = load_texts({"main.tf.json": texts}).root
    assert [str(address) for address in module.resources] == ["t.a", "t.b", "u.c"]
    assert set(module.locals) == {"p", "q"}
    assert module.resources[Resource(Mode.MANAGED, "t", "a")].origin.path == ("resource", 0, "t", 0, "a", 0)


def test_a_file_may_be_a_list_of_bodies(load_texts: Load) -> None:
    module = load_texts({"main.tf.json": '[{"locals": {"a": 1}}, {"locals": {"b": 2}}]'}).root
    assert set(module.locals) == {"a", "b"}


def test_comment_properties_and_extension_keys_are_ignored(load_texts: Load) -> None:
    module = load_texts("x-base: &b {a: 1}\n//: note\nlocals: {//: note, c: *b}\nresource: {//: note}\n").root
    assert list(module.locals) == ["c"]
    assert not module.resources


def test_a_variable_has_a_type_a_default_and_flags(load_texts: Load) -> None:
    variables = load_texts(
        """
variable:
  a: {type: list(string), default: [x], sensitive: true, ephemeral: true, nullable: false, description: "All $${a}"}
  b: {}
  c: {default: null}
"""
    ).root.variables
    a, b, c = variables["a"], variables["b"], variables["c"]
    assert a.constraint is not None
    assert a.constraint.type == ListType(STRING)
    assert (a.sensitive, a.ephemeral, a.nullable, a.default) == (True, True, False, ["x"])
    assert a.description == "All ${a}"
    assert (b.has_default, b.constraint, b.nullable) == (False, None, True)
    assert (c.has_default, c.default) == (True, None)


def test_a_default_is_data_and_no_template(load_texts: Load) -> None:
    assert load_texts("variable: {a: {default: '${b}'}}").root.variables["a"].default == "${b}"


def test_stack_and_terraform_blocks_are_merged(load_texts: Load) -> None:
    settings = load_texts(
        {
            "a.iac.yaml": "stack:\n  required_version: '>= 0.1'\n"
            "  on_failure: pause\n  encryption: {passphrase_env: X}\n",
            "b.tf.json": '{"terraform": {"required_version": ">= 1.5", "backend": {"s3": [{"bucket": "b"}]},'
            ' "required_providers": {"aws": {"source": "hashicorp/aws", "version": "~> 5.0",'
            ' "configuration_aliases": ["aws.west"]}, "x": "1.0", "y": {}}}}',
        }
    ).root.settings
    assert settings.required_version == ">= 0.1"  # what `terraform` requires is a version of Terraform
    assert settings.on_failure == "pause"
    assert settings.encryption is not None
    assert settings.encryption.key is not None
    assert (settings.encryption.key.kind, settings.encryption.key.value) == ("passphrase_env", "X")
    assert settings.backend is not None
    assert (settings.backend.type, settings.backend.body) == ("s3", {"bucket": "b"})
    providers = settings.required_providers
    assert (providers["aws"].source, providers["aws"].version) == ("hashicorp/aws", "~> 5.0")
    assert providers["aws"].aliases == (ProviderName("aws", "west"),)
    assert (providers["x"].source, providers["x"].version) == ("x", "1.0")
    assert (providers["y"].source, providers["y"].version) == ("y", None)


def test_a_module_call_has_arguments_and_providers(load_texts: Load) -> None:
    module = load_texts(
        {
            "main.iac.yaml": "module:\n  net:\n    source: ./net\n    for_each: {a: 1}\n    cidr: x\n"
            "    providers: {cloud: cloud.west, cloud.dns: '${cloud}'}\n    depends_on: [cloud_server.a]\n",
            "net/main.iac.yaml": "variable: {cidr: {}}\n",
        }
    ).root
    call = module.calls["net"]
    assert dict(call.arguments) == {"cidr": "x"}
    assert call.providers == {"cloud": ProviderName("cloud", "west"), "cloud.dns": ProviderName("cloud")}
    assert call.repetition.for_each == {"a": 1}
    assert module.children["net"].directory == "net"


def test_refactoring_blocks_name_addresses(load_texts: Load) -> None:
    module = load_texts(
        """
moved:
  from: ${resource.cloud_server.a}
  to: module.m["k"].cloud_server.b[0]
removed:
  - from: cloud_server.c
    lifecycle: {destroy: false}
  - from: module.old
import:
  - to: ${cloud_server.d[each.key]}
    for_each: {x: i-1}
    id: ${each.value}
    provider: cloud.west
"""
    ).root
    assert str(module.moved[0].source) == "cloud_server.a"
    assert str(module.moved[0].destination) == 'module.m["k"].cloud_server.b[0]'
    assert [(str(block.source), block.destroy) for block in module.removed] == [
        ("cloud_server.c", False),
        ("module.old", True),
    ]
    block = module.imports[0]
    assert (block.to, block.id, block.for_each) == ("cloud_server.d[each.key]", "${each.value}", {"x": "i-1"})
    assert block.provider == ProviderName("cloud", "west")


def test_a_check_has_assertions_and_its_own_data_source(load_texts: Load) -> None:
    check = load_texts(
        "check:\n  health:\n    data: {cloud_image: {i: {name: x}}}\n"
        "    assert: {condition: '${data.cloud_image.i.id != null}', error_message: gone}\n"
    ).root.checks["health"]
    assert check.data is not None
    assert str(check.data.address) == "data.cloud_image.i"
    assert check.assertions[0].condition == "${data.cloud_image.i.id != null}"


def test_the_underscore_holds_arguments_named_like_meta_arguments(load_texts: Load) -> None:
    module = load_texts("resource:\n  t:\n    a: {x: 1, _: {count: 5, provider: z}}\n").root
    block = next(iter(module.resources.values()))
    assert dict(block.body) == {"x": 1, "count": 5, "provider": "z"}
    assert block.repetition.is_single


def test_all_mistakes_of_all_files_are_told_at_once(load_texts: Load) -> None:
    with pytest.raises(DiagnosticsError) as caught:
        load_texts({"a.iac.yaml": "outputs: {}\nvariable: {a: {tpye: string}}\n", "b.iac.yaml": "a: 1\na: 2\n"})
    assert [found.summary for found in caught.value.diagnostics] == [
        'Duplicate key "a"',
        'Unknown key "outputs"',
        'Unknown argument "tpye"',
    ]
