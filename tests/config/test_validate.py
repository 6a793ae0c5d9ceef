from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iacengine.config.directory import SnapshotFiles
from iacengine.config.loader import load
from iacengine.config.validate import validate
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError

Check = Callable[..., tuple[Diagnostic, ...]]

_EVERYTHING = {
    "main.iac.yaml": """
stack:
  required_providers: {cloud: {source: cloud}}
variable:
  zones: {type: list(string), default: [a]}
  rules:
    default: []
    validation: {condition: "${length(var.rules) < length(var.zones)}", error_message: "fewer, ${path.module}"}
locals:
  names: '${[for zone in var.zones : "n-${zone}"]}'
  keys: {"key-${terraform.workspace}": 1}
provider:
  cloud:
    - {}
    - {alias: west, region: "${var.zones[0]}"}
data:
  cloud_image:
    base: {name: base}
resource:
  cloud_server:
    one:
      name: ${data.cloud_image.base.id}
      zones: ${var.zones}
      disk: [{size: 1}, {size: "2", kind: ssd}]
      network: {subnet: "${module.net.id}"}
      timeouts: {create: 5m}
      lifecycle:
        ignore_changes: [tags, "disk[0].size"]
        postcondition: {condition: '${self.id != ""}', error_message: "no ${self.name}"}
    many:
      count: ${length(var.zones)}
      name: ${var.zones[count.index]}
      provider: cloud.west
      dynamic:
        disk:
          for_each: ${var.rules}
          iterator: rule
          content: {size: "${rule.value.size + count.index}", kind: "${rule.key}"}
      lifecycle:
        replace_triggered_by: ["cloud_server.one.id", "cloud_server.one.disk[count.index]"]
        precondition: {condition: "${count.index >= 0}", error_message: never}
    keyed:
      for_each: ${toset(var.zones)}
      name: ${each.value}
      dynamic: {disk: {for_each: [1], content: {size: "${disk.value}"}}}
      depends_on: [cloud_server.one, "cloud_server.many[0]", module.net]
module:
  net:
    source: ./net
    zone: ${cloud_server.keyed["a"].address}
    providers: {cloud: cloud.west}
  nets:
    source: ./net
    for_each: {a: 1}
    zone: ${each.key}
output:
  all:
    value:
      - ${cloud_server.many[*].id}
      - ${cloud_server.one.disk[0].size}
      - ${module.nets["a"].id}
      - ${module.nets.a}
    precondition: {condition: "${length(cloud_server.keyed) > 0}", error_message: none}
moved: {from: cloud_server.old, to: cloud_server.one}
removed: {from: cloud_server.gone}
import: {to: cloud_server.one, id: "${var.zones[0]}"}
check:
  image:
    data: {cloud_image: {scoped: {name: x}}}
    assert: {condition: '${data.cloud_image.scoped.id == data.cloud_image.base.id}', error_message: differs}
""",
    "net/main.iac.yaml": """
variable: {zone: {type: string}}
resource: {terraform_data: {a: {input: "${var.zone}"}}}
output: {id: {value: "${terraform_data.a.output}"}}
""",
}


def test_a_configuration_of_every_kind_of_block_has_nothing_wrong(check_texts: Check) -> None:
    assert not check_texts(_EVERYTHING)


@pytest.mark.parametrize(
    "value",
    [
        "${[for cloud_server in var.v : cloud_server.name]}",
        "%{ for var2 in var.v }${var2}%{ endfor }",
        "${{ for each in var.v : each => 1 }}",
        "$${var.nope}",
        "${try(cloud_server.a.tags.x, 1)}",
        '${cloud_server.a["name"]}',
        "${cloud_server.a.disk[*].size}",
        "${terraform_data.d.output.anything[0].at.all}",
        "${path.module}/${path.root}/${path.cwd}/${terraform.workspace}",
    ],
)
def test_what_only_looks_like_a_mistake_is_none(value: str, check_texts: Check) -> None:
    files = {
        "main.iac.json": json.dumps(
            {
                "variable": {"v": {"default": []}},
                "resource": {"cloud_server": {"a": {"name": "x"}}, "terraform_data": {"d": {}}},
                "output": {"o": {"value": value}},
            }
        )
    }
    assert not check_texts(files)


def test_keys_of_objects_are_templates_too(check_texts: Check) -> None:
    (found,) = check_texts('locals:\n  a: {"${var.nope}": 1}\n')
    assert (found.summary, str(found.range)) == ("Reference to undeclared input variable", "main.iac.yaml:2:7")


def test_a_data_source_of_a_check_is_seen_by_that_check_alone(check_texts: Check) -> None:
    text = "check:\n  c:\n    data: {cloud_image: {i: {name: x}}}\n"
    text += "    assert: {condition: '${data.cloud_image.i.id != null}', error_message: m}\n"
    assert not check_texts(text)
    (found,) = check_texts(text + "output: {o: {value: '${data.cloud_image.i.id}'}}\n")
    assert found.summary == "Reference to undeclared data source"


def test_a_module_that_is_called_twice_is_checked_once(check_texts: Check) -> None:
    found = check_texts(
        {
            "main.iac.yaml": "module:\n  a: {source: ./m}\n  b: {source: ./m}\n",
            "m/main.iac.yaml": "output: {o: {value: '${local.nope}'}}\n",
        }
    )
    assert [one.summary for one in found] == ["Reference to undeclared local value"]
    assert found[0].detail.startswith("The module m ")


def test_nothing_is_said_of_types_that_nobody_knows(check_texts: Check) -> None:
    assert not check_texts("resource: {other_thing: {a: {x: 1}}}\noutput: {o: {value: '${other_thing.a.y.z}'}}\n")


def test_a_move_to_another_key_of_a_block_is_left_to_the_plan(check_texts: Check) -> None:
    assert not check_texts(
        "resource: {cloud_server: {a: {count: 2, name: x}}}\n"
        "moved:\n  - {from: cloud_server.a, to: 'cloud_server.a[0]'}\n"
        "  - {from: 'cloud_server.a[5]', to: 'cloud_server.a[1]'}\n"
    )


# --- scenarios whose outcome a real Terraform gave --------------------------------------------------------------------

_CONFORMANCE = Path(os.environ.get("IACENGINE_CONFORMANCE", Path(__file__).parents[3] / "shared" / "conformance"))


def _scenarios() -> list[Any]:
    path = _CONFORMANCE / "plan-public.json"
    return json.loads(path.read_text()) if path.exists() else []


def _checked(step: dict[str, Any], schemas: Callable[..., Any]) -> list[Diagnostic]:
    files = {"main.tf.json": json.dumps(step["config"]).encode()}
    for directory, configuration in (step.get("modules") or {}).items():
        files[f"{directory}/main.tf.json"] = json.dumps(configuration).encode()
    try:
        found = validate(load(".", files=SnapshotFiles(files)), schemas)
    except DiagnosticsError as failure:
        found = failure.diagnostics
    return [one for one in found if one.is_error]


@pytest.mark.skipif(not _scenarios(), reason="no conformance corpus beside the project (IACENGINE_CONFORMANCE)")
def test_only_what_terraform_refuses_is_refused_and_all_that_it_refuses_at_load(schemas: Callable[..., Any]) -> None:
    wrongly_refused: list[str] = []
    missed: list[str] = []
    refused = 0
    for scenario in _scenarios():
        for step in scenario["steps"]:
            expected = step["expect"].get("error")
            found = _checked(step, schemas)
            if expected is None or expected["phase"] == "apply":
                if found:
                    wrongly_refused.append(scenario["id"])
            elif found:
                refused += 1
            elif expected["phase"] == "init":
                missed.append(scenario["id"])
    assert not wrongly_refused
    assert not missed
    assert refused >= 35
