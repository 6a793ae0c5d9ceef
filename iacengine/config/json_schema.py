"""The JSON Schema of stack files, for editors: the language's own blocks, and every type the given providers offer.

Draft 2020-12 (https://json-schema.org/draft/2020-12/json-schema-core). What a file may hold is what
`iacengine.config.decode` reads; a list of blocks may stand wherever one block may, and labels may be spread over lists,
as in Terraform's JSON configuration syntax.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from iacengine.config.json_schema_language import (
    DATA_ARGUMENTS,
    RESOURCE_ARGUMENTS,
    VERSION,
    labelled,
    language_definitions,
)
from iacengine.config.json_schema_provisioners import PROVISIONING_ARGUMENTS, define_provisioners
from iacengine.config.json_schema_values import COMMENT, JsonSchema, blocks_of, define_block, reference
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
    definitions = language_definitions()
    kinds = {
        "resource": ({**RESOURCE_ARGUMENTS, **PROVISIONING_ARGUMENTS}, "A resource", lambda offer: offer.resources),
        "data": (DATA_ARGUMENTS, "A data source", lambda offer: offer.data_sources),
        "ephemeral": (DATA_ARGUMENTS, "An ephemeral resource", lambda offer: offer.ephemeral_resources),
    }
    for kind, (arguments, title, types) in kinds.items():
        _define_types(definitions, _Kind(kind, title, arguments, types), offers, complete=complete)
    define_provisioners(definitions)
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
            types[type_] = {"description": f"{about} Blocks by name.", **labelled(reference(definition))}
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
        one["patternProperties"] = {rf"^(?!({others})_|//$)": labelled(reference(any_type))}
        one["additionalProperties"] = False
    definitions[kind.key] = {"type": ["object", "array"], **one, "items": {"type": "object", **one}}


def _define_providers(definitions: dict[str, JsonSchema], offers: Mapping[str, Offer]) -> None:
    arguments: dict[str, JsonSchema] = {
        "alias": {"description": "A second name, for a second configuration: aws.ALIAS.", "type": "string"},
        "version": {**VERSION, "description": "Ignored: see required_providers.", "deprecated": True},
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
    definitions["provider"] = labelled(reference("provider.*"), known)
