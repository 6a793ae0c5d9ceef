"""JSON Schema of the blocks that belong to the language: variables, modules, settings, and what every block has.

What they may hold is what `iacengine.config.decode` reads. A check refers to `data`, which is defined with the
types of the providers (`iacengine.config.json_schema`).
"""

from __future__ import annotations

from collections.abc import Mapping

from iacengine.config.decode_settings import ON_FAILURE
from iacengine.config.json_schema_values import (
    BOOL_TEXT,
    COMMENT,
    EXPRESSION,
    NUMBER_TEXT,
    JsonSchema,
    blocks_of,
    reference,
    texts,
)

_ANY_TEXT: JsonSchema = {"type": ["string", "null"]}
_CONDITION: JsonSchema = {"type": ["boolean", "string"], **BOOL_TEXT}
_SWITCH: JsonSchema = {
    "type": ["boolean", "string"],
    **texts("^(true|false)$", "true or false, written out, is needed here."),
}
_REFERENCES: JsonSchema = {"type": ["array", "null"], "items": {"type": "string"}}
_CONSTRAINT = r"^\s*(=|!=|>=|<=|>|<|~>)?\s*v?\d[\w.+-]*\s*(,\s*(=|!=|>=|<=|>|<|~>)?\s*v?\d[\w.+-]*\s*)*$"
_VERSION_TEXT = texts(_CONSTRAINT, 'A version constraint is needed here, such as "~> 1.2".')
_NAME: JsonSchema = {"pattern": r'^//$|^[^-0-9\s.,:;"$(){}\[\]/][^\s.,:;"$(){}\[\]/]*$'}
_TYPE = texts(
    r"^\s*(\$\{\s*)?(string|number|bool|any|(list|set|map|object|tuple)\b)",
    "A type is needed here, such as string, number, list(string) or object({name = string}).",
)

_TYPES = ("string", "number", "bool", "any", "list(…)", "set(…)", "map(…)", "object({…})", "tuple([…])")

VERSION: JsonSchema = {
    "description": 'Versions that will do, such as "~> 1.2, != 1.2.5".',
    "type": ["string", "integer"],
    **_VERSION_TEXT,
}
_REPETITION: dict[str, JsonSchema] = {
    "count": {
        "description": "How many instances there are; count.index tells them apart.",
        "type": ["integer", "string"],
        "minimum": 0,
        **NUMBER_TEXT,
    },
    "for_each": {
        "description": "One instance for each element of a map, object or set of strings: each.key and each.value.",
        "type": ["object", "string"],
        **EXPRESSION,
    },
    "depends_on": {
        "description": "Addresses of what has to be there before, though nothing refers to it.",
        **_REFERENCES,
    },
}
_PROVIDER: dict[str, JsonSchema] = {
    "provider": {
        "description": "The provider configuration to use, such as aws.west, if not that of the type's prefix.",
        "type": "string",
    }
}


def _lifecycle(definition: str) -> JsonSchema:
    about = "How instances are replaced and protected, and what has to hold."
    return {"description": about, **blocks_of(reference(definition), most=1)}


_ARGUMENTS: dict[str, JsonSchema] = {
    **_REPETITION,
    **_PROVIDER,
    "lifecycle": _lifecycle("lifecycle"),
    "lifecycle.data": _lifecycle("lifecycle.data"),
    "_": {
        "description": "Arguments of the type whose names every block has a meaning for.",
        "type": ["object", "null"],
    },
}
RESOURCE_ARGUMENTS = {name: reference(f"argument.{name}") for name in _ARGUMENTS if name != "lifecycle.data"}
DATA_ARGUMENTS = {**RESOURCE_ARGUMENTS, "lifecycle": reference("argument.lifecycle.data")}


def language_definitions() -> dict[str, JsonSchema]:
    """The definitions of everything but resources, data sources and providers, by name."""
    definitions = {f"argument.{name}": schema for name, schema in _ARGUMENTS.items()}
    for define in (_define_language, _define_modules, _define_refactoring, _define_settings):
        define(definitions)
    return definitions


def _body(required: tuple[str, ...], properties: Mapping[str, JsonSchema], *, closed: bool = True) -> JsonSchema:
    body: JsonSchema = {"properties": {**properties, "//": COMMENT}}
    if closed:
        body["additionalProperties"] = False
    return {**body, "required": list(required)} if required else body


def labelled(body: JsonSchema, names: JsonSchema | None = None) -> JsonSchema:
    """Blocks by name; or a list of such. `names` are schemas of certain names."""
    one = {"properties": {**(names or {}), "//": COMMENT}, "propertyNames": _NAME}
    one["additionalProperties"] = blocks_of(body)
    return {"type": ["object", "array"], **one, "items": {"type": "object", **one}}


def _text(description: str) -> JsonSchema:
    return {"description": description, **_ANY_TEXT}


def _switch(description: str) -> JsonSchema:
    return {"description": description, **_SWITCH}


def _conditions(description: str) -> JsonSchema:
    return {"description": description, **blocks_of(reference("condition"), nullable=True)}


def _define_language(definitions: dict[str, JsonSchema]) -> None:
    definitions["condition"] = _body(
        ("condition", "error_message"),
        {
            "condition": {"description": "An expression that is to be true.", **_CONDITION},
            "error_message": {"description": "What was expected; shown when it is not true.", "type": "string"},
        },
    )
    definitions["variable.block"] = _body(
        (),
        {
            "type": {"description": f"{', '.join(_TYPES)}.", "type": "string", **_TYPE},
            "default": {"description": "The value where none is given. Without it, one has to be given."},
            "description": _text("What the variable is for."),
            "sensitive": _switch("Never show the value."),
            "ephemeral": _switch("Never store the value."),
            "nullable": _switch("Whether null may be given (the default); if not, null stands for the default."),
            "validation": _conditions("What has to hold of the value."),
        },
    )
    definitions["output.block"] = _body(
        ("value",),
        {
            "value": {"description": "The value: data, or an expression."},
            "description": _text("What the output is."),
            "sensitive": _switch("Never show the value. Needed where the value is sensitive."),
            "ephemeral": _switch("Never store the value."),
            "depends_on": _REPETITION["depends_on"],
            "precondition": _conditions("What has to hold before the value counts."),
        },
    )
    for name in ("variable", "output"):
        definitions[name] = labelled(reference(f"{name}.block"))
    local = {"propertyNames": _NAME}
    definitions["locals"] = {"type": ["object", "array", "null"], **local, "items": {"type": "object", **local}}
    _define_lifecycles(definitions)


def _define_lifecycles(definitions: dict[str, JsonSchema]) -> None:
    conditions = {
        "precondition": _conditions("What has to hold before the object is made, changed or read."),
        "postcondition": _conditions("What has to hold of the object; self is the object."),
    }
    definitions["lifecycle.data"] = _body((), conditions)
    definitions["lifecycle"] = _body(
        (),
        {
            "create_before_destroy": _switch("Make the new object before the old one is destroyed."),
            "prevent_destroy": _switch("Refuse any plan that would destroy the object."),
            "protect": _switch("Refuse to destroy the object even when its block is gone; false ends that."),
            "ignore_changes": {
                "description": "Attributes whose changes are left alone, or all.",
                "type": ["array", "string", "null"],
                "items": {"type": "string"},
                **texts("^all$", "A list of attributes is needed here, or all."),
            },
            "replace_triggered_by": {"description": "References; a change of one replaces the object.", **_REFERENCES},
            **conditions,
        },
    )


def _define_modules(definitions: dict[str, JsonSchema]) -> None:
    definitions["module.block"] = _body(
        ("source",),
        {
            "source": {"description": "Where the module is, such as ./modules/network.", "type": "string"},
            "version": VERSION,
            **_REPETITION,
            "lifecycle": {"description": "Belongs to resource blocks.", "not": {}},
            "providers": {
                "description": "The provider configurations it gets: its name of each, and this module's.",
                "type": "object",
                "additionalProperties": {"type": "string"},
            },
        },
        closed=False,
    )
    definitions["check.block"] = _body(
        ("assert",),
        {
            "assert": _conditions("What should hold; a warning says when it does not."),
            "data": {"description": "One data source that only the assertions use.", **reference("data")},
        },
    )
    for name in ("module", "check"):
        definitions[name] = labelled(reference(f"{name}.block"))


def _define_refactoring(definitions: dict[str, JsonSchema]) -> None:
    definitions["moved.block"] = _body(
        ("from", "to"), {"from": _address("The address before."), "to": _address("The address now.")}
    )
    definitions["removed.lifecycle"] = _body(
        (), {"destroy": _switch("true: destroy the objects (the default). false: forget them.")}
    )
    definitions["removed.block"] = _body(
        ("from",),
        {
            "from": _address("A resource or module that is no longer in the configuration."),
            "lifecycle": {
                "description": "Whether what it made is destroyed.",
                **blocks_of(reference("removed.lifecycle"), most=1),
            },
        },
    )
    definitions["import.block"] = _body(
        ("to", "id"),
        {
            "to": _address("The address it is to have."),
            "id": {"description": "What the provider knows it by.", "type": ["string", "number"]},
            "for_each": _REPETITION["for_each"],
            **_PROVIDER,
        },
    )
    for name in ("moved", "removed", "import"):
        definitions[name] = blocks_of(reference(f"{name}.block"))


def _address(description: str) -> JsonSchema:
    return {"description": description, "type": "string"}


def _define_settings(definitions: dict[str, JsonSchema]) -> None:
    requirement = _body(
        (),
        {
            "source": {
                "description": "A provider's name (aws), or its address in Terraform's registry (hashicorp/aws).",
                "type": "string",
                **texts(r"^(([\w.-]+(:\d+)?/)?[\w.-]+/)?[\w-]+$", "aws, for example, or hashicorp/aws."),
            },
            "version": VERSION,
            "configuration_aliases": {"description": "Configurations that a caller has to pass in.", **_REFERENCES},
        },
    )
    definitions["requirement"] = {"type": ["object", "string"], **requirement, **_VERSION_TEXT}
    providers = {"type": "object", "properties": {"//": COMMENT}, "additionalProperties": reference("requirement")}
    local = _body((), {"path": {"description": "The state file, beside the stack.", "type": "string"}}, closed=False)
    _define_encryption(definitions)
    _define_retries(definitions)
    definitions["settings"] = _body(
        (),
        {
            "required_version": {**VERSION, "description": 'Versions of iacengine that will do, such as ">= 0.1".'},
            "required_providers": {
                "description": "The providers the module uses, by the name it has for them.",
                **providers,
                "type": ["object", "array"],
                "items": providers,
            },
            "backend": {
                "description": "Where the state is kept: a file beside the stack, if nothing else is said.",
                "type": ["object", "null"],
                "properties": {"local": {**local, "type": ["object", "array", "null"]}, "//": COMMENT},
            },
            "on_failure": {"description": "What to do after a failed step.", "type": "string", "enum": [*ON_FAILURE]},
            "encryption": reference("encryption"),
            "retries": {
                "description": "How patient to be, by the name of a provider or a resource type.",
                "type": ["object", "null"],
                "properties": {"//": COMMENT},
                "additionalProperties": reference("retries"),
            },
        },
    )
    for name in ("stack", "terraform"):
        definitions[name] = blocks_of(reference("settings"))


def _define_retries(definitions: dict[str, JsonSchema]) -> None:
    time: JsonSchema = {"type": "string", "examples": ["30s", "10m"]}
    settings: dict[str, JsonSchema] = {
        "attempts": {
            "description": "How often to try in all after errors that may pass. Throttled ones are not counted.",
            "type": "integer",
            "minimum": 1,
            "maximum": 1000,
        },
        "first_wait": {"description": "How long to wait at most before the second try. It doubles from there.", **time},
        "longest_wait": {"description": "How long to wait at most before any try.", **time},
        "patience": {"description": "After which time nothing is tried again.", **time},
        "errors": {
            "description": "Regular expressions: errors whose text holds one of them may pass, too.",
            "type": ["array", "null"],
            "items": {"type": "string"},
        },
    }
    definitions["retries"] = _body((), settings)


def _define_encryption(definitions: dict[str, JsonSchema]) -> None:
    text: JsonSchema = {"type": "string", "minLength": 1}
    kms = {
        "key_id": {"description": "The id, ARN or alias of the key.", **text},
        "region": {"description": "The region of the key.", **text},
        "endpoint": {"description": "The address of KMS, where it is not AWS's own.", **text},
        "profile": {"description": "A profile of the AWS configuration.", **text},
    }
    keys: dict[str, JsonSchema] = {
        "passphrase_env": {"description": "The environment variable that holds a passphrase.", **text},
        "key_file": {"description": "A file with 32 random bytes, also as base64 or hexadecimal text.", **text},
        "kms": {"description": "A key of AWS KMS.", **_body(("key_id",), kms)},
        "command": {
            "description": "A program, with its arguments, that prints a key of 32 bytes. No shell is used.",
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
        },
    }
    definitions["encryption.key"] = {**_body((), keys), "minProperties": 1}
    definitions["encryption"] = {
        "description": "How state, journal and plan files are encrypted. Without a key it is the passphrase in "
        "IAC_ENCRYPTION_PASSPHRASE.",
        **_body(
            (),
            {
                **keys,
                "full": {"description": "Encrypt everything, not only sensitive values.", "type": "boolean"},
                "previous": {
                    "description": "Keys that only open what they sealed.",
                    "type": "array",
                    "items": reference("encryption.key"),
                },
            },
        ),
        "type": ["object", "null"],
    }
