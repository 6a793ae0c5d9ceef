"""JSON Schema (draft 2020-12) of the values that types and blocks of providers' schemas allow in a stack file.

In the place of almost every value an expression may stand: a string with a template. So the schema of a number allows
numbers, texts of numbers (they are converted, as in Terraform), and strings in which `${` or `%{` occurs.

Keywords are chosen for editors as well: instead of `anyOf`, whose errors say little, a type is listed beside others
(`["array", "string"]`), and the keywords of each apply to it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iacengine.lang.types import (
    BOOL,
    DYNAMIC,
    NUMBER,
    STRING,
    ListType,
    MapType,
    ObjectType,
    PrimitiveType,
    SetType,
    TupleType,
    Type,
)
from iacengine.schema import Attribute, Block, NestedBlock, NestedObject, Nesting, written_as_block

JsonSchema = dict[str, Any]


def texts(pattern: str, message: str) -> JsonSchema:
    """Which texts will do. `message` is what editors say of others (an extension of theirs that validators ignore)."""
    return {"pattern": pattern, "patternErrorMessage": message}


_TEMPLATE = r"[$%]\{"

EXPRESSION = texts(_TEMPLATE, "A text can stand here only as an expression: ${…}.")
NUMBER_TEXT = texts(rf"^[-+]?\.?[0-9][0-9.eE+-]*$|{_TEMPLATE}", "A number is needed here, or an expression: ${…}.")
BOOL_TEXT = texts(rf"^(true|false|0|1)$|{_TEMPLATE}", "true or false is needed here, or an expression: ${…}.")
COMMENT: JsonSchema = {"description": "A comment: ignored."}


def or_null(schema: JsonSchema) -> JsonSchema:
    """The schema, and null: an argument that is null counts as left out."""
    return {**schema, "type": [*schema["type"], "null"]} if "type" in schema else schema


def value_schema(type_: Type) -> JsonSchema:
    """What may be written for a value of the type, null excepted."""
    match type_:
        case ListType() | SetType():
            return _array(_element(type_.element))
        case MapType():
            return _object(additionalProperties=_element(type_.element))
        case TupleType():
            count = len(type_.elements)
            return {**_array({}), "prefixItems": list(map(_element, type_.elements)), "minItems": count, "items": False}
        case ObjectType():
            needed = [name for name in type_.attributes if name not in type_.optional]
            return _object(
                properties={name: _element(child) for name, child in type_.attributes.items()}, required=needed
            )
        case PrimitiveType():
            return _primitive(type_)


def _primitive(type_: Type) -> JsonSchema:
    if type_ is NUMBER:
        return {"type": ["number", "string"], **NUMBER_TEXT}
    if type_ is BOOL:
        return {"type": ["boolean", "string"], **BOOL_TEXT}
    if type_ is STRING:
        return {"type": ["string", "number", "boolean"]}
    assert type_ is DYNAMIC, "there are four primitive types"
    return {}


def _element(type_: Type) -> JsonSchema:
    return or_null(value_schema(type_))


def _array(items: JsonSchema) -> JsonSchema:
    return {"type": ["array", "string"], "items": items, **EXPRESSION}


def _object(**keywords: Any) -> JsonSchema:
    return {
        "type": ["object", "string"],
        **{key: value for key, value in keywords.items() if value},
        **EXPRESSION,
    }


# --- attributes -------------------------------------------------------------------------------------------------------


def attribute_schema(attribute: Attribute) -> JsonSchema:
    """What may be written for an attribute, and what an editor says of it."""
    schema = value_schema(attribute.type) if attribute.nested is None else _nested_object(attribute.nested)
    if not attribute.required:
        schema = or_null(schema)
    about: JsonSchema = {"description": _about(attribute)}
    if attribute.deprecated is not None:
        about["deprecated"] = True
    if attribute.write_only:
        about["writeOnly"] = True
    if attribute.default is not None and isinstance(attribute.default, bool | int | float | str):
        about["default"] = attribute.default
    return {**about, **schema}


def _nested_object(nested: NestedObject) -> JsonSchema:
    inner = _object(**_members(nested.attributes), additionalProperties=None)
    match nested.nesting:
        case Nesting.LIST | Nesting.SET:
            return _array(inner)
        case Nesting.MAP:
            return _object(additionalProperties=inner)
        case Nesting.SINGLE | Nesting.GROUP:
            return inner


def _members(attributes: Mapping[str, Attribute]) -> JsonSchema:
    settable = {name: attributes[name] for name in sorted(attributes) if _is_settable(attributes[name])}
    return {
        "properties": {name: attribute_schema(attribute) for name, attribute in settable.items()},
        "required": [name for name, attribute in settable.items() if attribute.required],
    }


def _is_settable(attribute: Attribute) -> bool:
    return attribute.required or attribute.optional


def _about(attribute: Attribute) -> str:
    sentences = [attribute.description.strip()] if attribute.description.strip() else []
    facts = [type_name(attribute.type), "required" if attribute.required else "optional"]
    facts += [
        word
        for word, holds in (
            ("sensitive", attribute.sensitive),
            ("never stored", attribute.write_only),
            ("a change replaces the object", attribute.force_new),
        )
        if holds
    ]
    sentences.append(f"({', '.join(facts)})")
    if attribute.deprecated is not None:
        sentences.append(f"Deprecated: {attribute.deprecated}" if attribute.deprecated else "Deprecated.")
    return " ".join(sentences)


def type_name(type_: Type) -> str:
    """The type in a few words: `list(object)`."""
    match type_:
        case ListType() | SetType() | MapType():
            return f"{type_.kind}({type_name(type_.element)})"
        case TupleType():
            return "tuple"
        case ObjectType():
            return "object"
        case PrimitiveType():
            return "any" if type_ is DYNAMIC else type_.name


# --- blocks -----------------------------------------------------------------------------------------------------------


def reference(name: str) -> JsonSchema:
    """A reference to a definition. A dot is a plain character in a JSON pointer."""
    return {"$ref": f"#/$defs/{name}"}


def blocks_of(body: JsonSchema, *, nullable: bool = False, most: int = 0) -> JsonSchema:
    """One block, or a list of blocks (at most `most`, if not 0), whose bodies are the schema, a reference."""
    types = ["object", "array", *(["null"] if nullable else [])]
    schema: JsonSchema = {
        **body,
        "type": types,
        "items": {**body, "type": ["object", "null"] if nullable else "object"},
    }
    return {**schema, "maxItems": most} if most else schema


def define_block(
    name: str,
    block: Block,
    definitions: dict[str, JsonSchema],
    *,
    arguments: Mapping[str, JsonSchema] | None = None,
    kind: str = "block",
) -> None:
    """Add the body of a block, and those of the blocks in it, to the definitions.

    `arguments`: what else may stand in the body; they win over attributes of the same name. `kind` says what
    the body is of, where the block has no description.
    """
    meta = dict(arguments or {})
    members = _members(block.attributes)
    properties: dict[str, JsonSchema] = {**members["properties"]}
    dynamic: dict[str, JsonSchema] = {}
    for inner in sorted(block.blocks):
        nested = block.blocks[inner]
        definition = f"{name}.{inner}"
        define_block(definition, nested.block, definitions, kind=f'block "{inner}"')
        properties[inner] = {"description": _about_block(nested), **_blocks(reference(definition), nested)}
        definitions[f"{definition}.each"] = _dynamic(inner, reference(definition))
        dynamic[inner] = {"description": f"Blocks {inner}.", **blocks_of(reference(f"{definition}.each"))}
    for inner in sorted(block.attributes):
        as_block = written_as_block(block, inner)
        if as_block is not None:
            definition = f"{name}.{inner}"
            define_block(definition, as_block.block, definitions, kind=f'"{inner}" that is written as a block')
            definitions[f"{definition}.each"] = _dynamic(inner, reference(definition))
            dynamic[inner] = {"description": f"Elements of {inner}.", **blocks_of(reference(f"{definition}.each"))}
    if dynamic and "dynamic" not in block.attributes:
        definitions[f"{name}.dynamic"] = {"properties": {**dynamic, "//": COMMENT}, "additionalProperties": False}
        about = "Blocks that are made for each element of a collection."
        properties["dynamic"] = {"description": about, **blocks_of(reference(f"{name}.dynamic"))}
    properties |= meta
    properties["//"] = COMMENT
    body: JsonSchema = {"description": block.description or f"A {kind}."}
    if block.deprecated is not None:
        body["deprecated"] = True
    body |= {"properties": properties, "additionalProperties": False}
    required = [one for one in members["required"] if one not in meta]
    if required:
        body["required"] = required
    needed = [inner for inner in sorted(block.blocks) if block.blocks[inner].min_items]
    if needed:
        body["allOf"] = [{"anyOf": [{"required": [one]}, {"required": ["dynamic"]}]} for one in needed]
    definitions[name] = body


def _about_block(nested: NestedBlock) -> str:
    count = {Nesting.SINGLE: "one block", Nesting.GROUP: "one block", Nesting.MAP: "blocks by name"}.get(nested.nesting)
    if count is None:
        count = "one block" if nested.max_items == 1 else "a block, or a list of blocks"
    facts = [count, "required" if nested.min_items else "optional"]
    if nested.force_new:
        facts.append("a change replaces the object")
    text = f"{nested.block.description} ({', '.join(facts)})".strip()
    if nested.block.deprecated is not None:
        text += f" Deprecated: {nested.block.deprecated}" if nested.block.deprecated else " Deprecated."
    return text


def _blocks(body: JsonSchema, nested: NestedBlock) -> JsonSchema:
    match nested.nesting:
        case Nesting.SINGLE | Nesting.GROUP:
            return blocks_of(body, nullable=True, most=1)
        case Nesting.LIST | Nesting.SET:
            return blocks_of(body, nullable=True, most=nested.max_items)
        case Nesting.MAP:
            labelled = {"additionalProperties": {**body, "type": "object"}, "properties": {"//": COMMENT}}
            return {"type": ["object", "array", "null"], **labelled, "items": {"type": "object", **labelled}}


def _dynamic(name: str, body: JsonSchema) -> JsonSchema:
    return {
        "properties": {
            "for_each": {"description": "The collection to go over.", "type": ["array", "object", "string"]},
            "iterator": {"description": f"What an element is called, if not {name}.", "type": "string"},
            "labels": {"description": "The names of the blocks, where they have any.", "type": ["array", "string"]},
            "content": {
                "description": f"The block, in which {name}.key and {name}.value stand for the element.",
                **blocks_of(body),
            },
            "//": COMMENT,
        },
        "required": ["for_each", "content"],
        "additionalProperties": False,
    }
