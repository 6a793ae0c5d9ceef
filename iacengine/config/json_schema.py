"""The JSON Schema of stack files, for editors: the language's own blocks, and every type the given providers offer.

Draft 2020-12 (https://json-schema.org/draft/2020-12/json-schema-core). What a file may hold is what
`iacengine.config.decode` reads; a list of blocks may stand wherever one block may, and labels may be spread over lists,
as in Terraform's JSON configuration syntax.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from iacengine.config.decode_settings import ON_FAILURE
from iacengine.config.json_schema_values import (
    BOOL_TEXT,
    COMMENT,
    EXPRESSION,
    NUMBER_TEXT,
    JsonSchema,
    blocks_of,
    define_block,
    reference,
    texts,
)
from iacengine.schema import Schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Offer(Protocol):
    """What a provider offers (`iacengine.provider.protocol.ProviderSchema`)."""

    @property
    def provider(self) -> Schema: ...
    @property
    def resources(self) -> Mapping[str, Schema]: ...
    @property
    def data_sources(self) -> Mapping[str, Schema]: ...
    @property
    def ephemeral_resources(self) -> Mapping[str, Schema]: ...


def json_schema(offers: Mapping[str, Offer], *, complete: bool = True) -> JsonSchema:
    """The schema of a stack file, with the types of the providers, by name.

    `complete`: these are all providers there are, so that any other type is a mistake. If not, types of others may be
    used, and only the arguments that every block has are known of them.
    """
    definitions: dict[str, JsonSchema] = {}
    definitions |= {f"argument.{name}": schema for name, schema in _ARGUMENTS.items()}
    for part in (_define_language, _define_modules, _define_refactoring, _define_settings):
        part(definitions)
    kinds = {
        "resource": (_RESOURCE, "A resource", lambda offer: offer.resources),
        "data": (_DATA, "A data source", lambda offer: offer.data_sources),
        "ephemeral": (_DATA, "An ephemeral resource", lambda offer: offer.ephemeral_resources),
    }
    for kind, (arguments, title, types) in kinds.items():
        _define_types(definitions, _Kind(kind, title, arguments, types), offers, complete=complete)
    _define_providers(definitions, offers)
    top = {key: {"description": text, **reference(key)} for key, text in _TOP_LEVEL.items()}
    definitions["file"] = {
        "properties": {**top, "//": COMMENT},
        "patternProperties": {"^x-": {"description": "Ignored: a place for YAML anchors."}},
        "additionalProperties": False,
    }
    return {
        "$schema": DIALECT,
        "title": "iacengine stack file",
        "description": "Infrastructure as code: what there should be, in Terraform's JSON configuration syntax.",
        **blocks_of(reference("file"), nullable=True),
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }


_TOP_LEVEL = {
    "stack": "Settings of the stack: versions, providers, the backend, what to do after a failure.",
    "terraform": "The same as `stack`, as Terraform names it.",
    "variable": "Inputs of the module, by name.",
    "locals": "Named expressions, used as local.NAME.",
    "provider": "Configurations of providers, by name.",
    "resource": "Resources to make and keep, by type and name.",
    "data": "Existing things to look up, by type and name; used as data.TYPE.NAME.",
    "ephemeral": "Values that are never stored, by type and name.",
    "module": "Calls of other modules, by name.",
    "output": "Results of the module, by name.",
    "moved": "Objects that are to be known under another address.",
    "removed": "Resources that are no longer managed.",
    "import": "Existing things that are to be managed.",
    "check": "Conditions to watch, by name.",
}

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

_VERSION: JsonSchema = {
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
_ESCAPE: dict[str, JsonSchema] = {
    "_": {"description": "Arguments of the type whose names every block has a meaning for.", "type": ["object", "null"]}
}


_TIMEOUTS: JsonSchema = {
    "description": 'How long operations may take: create, update, delete, such as "30m".',
    "type": ["object", "null"],
    "additionalProperties": {"type": ["string", "number", "null"]},
}


def _lifecycle(definition: str) -> JsonSchema:
    about = "How instances are replaced and protected, and what has to hold."
    return {"description": about, **blocks_of(reference(definition), most=1)}


_ARGUMENTS: dict[str, JsonSchema] = {
    **_REPETITION,
    **_PROVIDER,
    "lifecycle": _lifecycle("lifecycle"),
    "lifecycle.data": _lifecycle("lifecycle.data"),
    "timeouts": _TIMEOUTS,
    "_": {
        "description": "Arguments of the type whose names every block has a meaning for.",
        "type": ["object", "null"],
    },
}
"""The arguments that every block has, for definitions to refer to."""

_RESOURCE = {name: reference(f"argument.{name}") for name in _ARGUMENTS if name != "lifecycle.data"}
_DATA = {**_RESOURCE, "lifecycle": reference("argument.lifecycle.data")}


# --- the language -----------------------------------------------------------------------------------------------------


def _body(required: tuple[str, ...], properties: Mapping[str, JsonSchema], *, closed: bool = True) -> JsonSchema:
    body: JsonSchema = {"properties": {**properties, "//": COMMENT}}
    if closed:
        body["additionalProperties"] = False
    return {**body, "required": list(required)} if required else body


def _labelled(body: JsonSchema, names: JsonSchema | None = None) -> JsonSchema:
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
        definitions[name] = _labelled(reference(f"{name}.block"))
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
            "protect": _switch("Refuse to destroy the object even when its block is gone."),
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
            "version": _VERSION,
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
        definitions[name] = _labelled(reference(f"{name}.block"))


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
            "version": _VERSION,
            "configuration_aliases": {"description": "Configurations that a caller has to pass in.", **_REFERENCES},
        },
    )
    definitions["requirement"] = {"type": ["object", "string"], **requirement, **_VERSION_TEXT}
    providers = {"type": "object", "properties": {"//": COMMENT}, "additionalProperties": reference("requirement")}
    local = _body((), {"path": {"description": "The state file, beside the stack.", "type": "string"}}, closed=False)
    definitions["settings"] = _body(
        (),
        {
            "required_version": {**_VERSION, "description": 'Versions of iacengine that will do, such as ">= 0.1".'},
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
            "encryption": {
                "description": "How sensitive values of the state are encrypted.",
                "type": ["object", "null"],
            },
        },
    )
    for name in ("stack", "terraform"):
        definitions[name] = blocks_of(reference("settings"))


# --- what providers offer ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Kind:
    key: str
    title: str
    arguments: Mapping[str, JsonSchema]
    types: Callable[[Any], Mapping[str, Schema]]


def _define_types(
    definitions: dict[str, JsonSchema], kind: _Kind, offers: Mapping[str, Offer], *, complete: bool
) -> None:
    types: dict[str, JsonSchema] = {}
    for offer in offers.values():
        found = kind.types(offer)
        for type_ in found:
            definition = f"{kind.key}.{type_}"
            block = found[type_].block
            define_block(definition, block, definitions, arguments=kind.arguments, kind=f"{kind.key} {type_}")
            about = block.description or f"{kind.title} of the type {type_}."
            types[type_] = {"description": f"{about} Blocks by name.", **_labelled(reference(definition))}
    one: JsonSchema = {"properties": {**{name: types[name] for name in sorted(types)}, "//": COMMENT}}
    if complete:
        one["additionalProperties"] = False
    else:
        any_type = f"{kind.key}.*"
        definitions[any_type] = {
            "description": "A block of a provider that this schema was made without.",
            "properties": {**kind.arguments, "//": COMMENT},
        }
        others = "|".join(sorted(offers))
        one["patternProperties"] = {rf"^(?!({others})_|//$)": _labelled(reference(any_type))}
        one["additionalProperties"] = False
    definitions[kind.key] = {"type": ["object", "array"], **one, "items": {"type": "object", **one}}


def _define_providers(definitions: dict[str, JsonSchema], offers: Mapping[str, Offer]) -> None:
    arguments: dict[str, JsonSchema] = {
        "alias": {"description": "A second name, for a second configuration: aws.ALIAS.", "type": "string"},
        "version": {**_VERSION, "description": "Ignored: see required_providers.", "deprecated": True},
    }
    known: dict[str, JsonSchema] = {}
    for name in sorted(offers):
        definition = f"provider.{name}"
        define_block(definition, offers[name].provider.block, definitions, arguments=arguments, kind=f"provider {name}")
        known[name] = {"description": f"Configuration of the provider {name}.", **blocks_of(reference(definition))}
    definitions["provider.*"] = {
        "description": "A provider under a name of its own, or one that this schema was made without.",
        "properties": {**arguments, "//": COMMENT},
    }
    definitions["provider"] = _labelled(reference("provider.*"), known)
