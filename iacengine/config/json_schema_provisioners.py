"""JSON Schema of `provisioner` and `connection` blocks."""

from __future__ import annotations

from dataclasses import replace

from iacengine.config.json_schema_values import COMMENT, JsonSchema, blocks_of, define_block, reference
from iacengine.config.provisioner_schemas import CONNECTION, PROVISIONERS
from iacengine.schema import Block

_WHEN: JsonSchema = {"description": "After it is made, or before it is deleted.", "enum": ["create", "destroy"]}
_ON_FAILURE: JsonSchema = {"description": "Whether a failure is one of the object.", "enum": ["fail", "continue"]}
_CONNECTION: JsonSchema = {
    "description": "How provisioners reach the machine.",
    **blocks_of(reference("connection"), most=1),
}

PROVISIONING_ARGUMENTS: dict[str, JsonSchema] = {
    "provisioner": {
        "description": "What to run after the object is made, or before it is deleted.",
        **reference("provisioner"),
    },
    "connection": _CONNECTION,
}


def define_provisioners(definitions: dict[str, JsonSchema]) -> None:
    """Add what `PROVISIONING_ARGUMENTS` refers to."""
    parts = {name: replace(each, required=False, optional=True) for name, each in CONNECTION.attributes.items()}
    define_block("connection", Block(parts), definitions, kind="connection")
    types: dict[str, JsonSchema] = {}
    arguments = {"when": _WHEN, "on_failure": _ON_FAILURE, "connection": _CONNECTION}
    for name, block in PROVISIONERS.items():
        definition = f"provisioner.{name}"
        define_block(definition, block, definitions, arguments=arguments, kind=f"provisioner {name}")
        types[name] = blocks_of(reference(definition))
    one: JsonSchema = {"properties": {**types, "//": COMMENT}, "additionalProperties": False}
    definitions["provisioner"] = {"type": ["object", "array"], **one, "items": {"type": "object", **one}}
