"""The data source aws_iam_policy_document: a policy written as blocks.

The JSON is byte for byte what Terraform's provider makes, so that moving a stack changes no policy. That depends on the
order in which its SDK keeps sets (by a checksum of each element), which is followed here, and on the form of Go's
encoding/json.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from iacengine.foundation.diagnostics import Diagnostic, error, failure
from iacengine.lang.values import Value, is_null, is_unknown, map_children, to_python, unmark_deep
from iacengine_aws.data.source import DataSource
from iacengine_aws.spec import (
    TEXT_SET,
    TEXTS,
    Nested,
    Nesting,
    Plain,
    computed,
    optional,
    optional_computed,
    required,
)

_OLD_VERSION = "2008-10-17"
_MEMBERS = ("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal", "Condition")

# --- reading --------------------------------------------------------------------------------------------------------


def _read(_: Any, config: Value) -> Value:
    plain = to_python(unmark_deep(config)[0])
    document: Plain = {"Version": "", "Id": "", "Statement": []}
    _merge_sources(document, plain.get("source_policy_documents") or ())
    version = plain.get("version") or "2012-10-17"
    own = {"Version": version, "Id": plain.get("policy_id") or "", "Statement": _statements(plain, version)}
    _merge(document, own)
    for index, text in enumerate(plain.get("override_policy_documents") or ()):
        if text is not None:
            _merge(document, _parse(text, f"override_policy_documents[{index}]"))
    shown = _shown(document)
    pretty = go_json(shown, indent=2)
    result = dict(config)
    result |= {
        "statement": _with_effects(config.get("statement")),
        "version": version,
        "json": pretty,
        "minified_json": go_json(shown),
        "id": str(zlib.crc32(pretty.encode())),
    }
    return result


def _with_effects(statements: Value) -> Value:
    return map_children(statements, lambda block: block if block["effect"] else {**block, "effect": "Allow"})


def _merge_sources(document: Plain, sources: Iterable[str | None]) -> None:
    seen: set[str] = set()
    for index, text in enumerate(sources):
        if text is None:
            continue
        source = _parse(text, f"source_policy_documents[{index}]")
        for statement in source["Statement"]:
            sid = statement.get("Sid")
            if sid and sid in seen:
                raise _duplicate(sid, f" in source_policy_documents[{index}]")
            seen.add(sid)
        _merge(document, source)


def _merge(document: Plain, other: Plain) -> None:
    """Take over the other's id, the newer version, and its statements; one with a known Sid takes the place of that."""
    document["Id"] = other["Id"] or document["Id"]
    document["Version"] = max(document["Version"], other["Version"])
    for statement in other["Statement"]:
        sid = statement.get("Sid")
        places = [index for index, present in enumerate(document["Statement"]) if sid and present.get("Sid") == sid]
        if places:
            document["Statement"][places[0]] = statement
        else:
            document["Statement"].append(statement)


def _duplicate(sid: str, where: str = "") -> Exception:
    return failure(
        "Duplicate Sid",
        f'The Sid "{sid}" stands for two statements{where}.',
        remedy="Make the Sids differ, or leave one out.",
    )


# --- the statements of the configuration ----------------------------------------------------------------------------


def _statements(plain: Plain, version: str) -> list[Plain]:
    statements: list[Plain] = []
    sids: set[str] = set()
    for block in plain.get("statement") or ():
        sid = block.get("sid") or ""
        if sid in sids:
            raise _duplicate(sid)
        if sid:
            sids.add(sid)
        statement: Plain = {"Sid": sid, "Effect": block.get("effect") or "Allow"}
        for name, member in (("actions", "Action"), ("not_actions", "NotAction")):
            statement[member] = _texts(block.get(name))
        for name, member in (("resources", "Resource"), ("not_resources", "NotResource")):
            statement[member] = _variables(_texts(block.get(name)), version)
        for name, member in (("principals", "Principal"), ("not_principals", "NotPrincipal")):
            statement[member] = _principals(block.get(name) or (), version)
        statement["Condition"] = _conditions(block.get("condition") or (), version)
        statements.append(statement)
    return statements


def _texts(items: Iterable[str] | None) -> str | list[str] | None:
    texts = sorted(items or (), reverse=True)
    return texts[0] if len(texts) == 1 else texts or None


def _variables(value: Any, version: str) -> Any:
    """`&{…}` becomes `${…}`, which the language would take for its own."""
    if isinstance(value, list):
        return [_variables(item, version) for item in value]
    if isinstance(value, str):
        if version == _OLD_VERSION and "&{" in value:
            raise failure(
                "Policy variables need a newer version",
                f'"{value}" holds &{{, which documents of version {_OLD_VERSION} do not know.',
                remedy='Set version: "2012-10-17".',
            )
        return value.replace("&{", "${")
    return value


def _principals(blocks: Iterable[Plain], version: str) -> Any:
    pairs = [
        (block["type"], _variables(_texts(block["identifiers"]), version))
        for block in _in_set_order(blocks, _hash_principal)
    ]
    return _principal_member(pairs)


def _principal_member(pairs: list[tuple[str, Any]]) -> Any:
    if not pairs:
        return None
    if len(pairs) == 1 and pairs[0][0] == "*" and pairs[0][1] in ("*", ["*"]):
        return "*"
    member: dict[str, Any] = {}
    for kind, names in pairs:
        if isinstance(names, str):
            if kind not in member:
                member[kind] = names
            elif isinstance(member[kind], str):
                member[kind] = [member[kind], names]
            else:
                member[kind].append(names)
        else:
            before = member.get(kind, [])
            member[kind] = [*([before] if isinstance(before, str) else before), *sorted(names or (), reverse=True)]
    return {kind: member[kind] for kind in sorted(member)}


def _conditions(blocks: Iterable[Plain], version: str) -> Any:
    return _condition_member(
        [
            (block["test"], block["variable"], _variables(list(block["values"]), version))
            for block in _in_set_order(blocks, _hash_condition)
        ]
    )


def _condition_member(conditions: list[tuple[str, str, list[str]]]) -> Any:
    member: dict[str, dict[str, list[str]]] = {}
    for test, variable, values in conditions:
        member.setdefault(test, {}).setdefault(variable, []).extend(values)
    return {
        test: {variable: values[0] if len(values) == 1 else values for variable, values in sorted(member[test].items())}
        for test in sorted(member)
    } or None


# --- documents given as text ----------------------------------------------------------------------------------------


def _parse(text: str, where: str) -> Plain:
    try:
        data = json.loads(text)
        statements = _member(data, "Statement") or []
        if not isinstance(statements, list):
            raise TypeError("Statement must be a list")
        return {
            "Version": _member(data, "Version") or "",
            "Id": _member(data, "Id") or "",
            "Statement": [_parse_statement(statement) for statement in statements],
        }
    except (ValueError, TypeError, AttributeError) as problem:
        raise failure(
            "Invalid policy document",
            f"{where} of aws_iam_policy_document is no policy in JSON: {problem}.",
            remedy="Give it the json attribute of another aws_iam_policy_document, or the result of jsonencode.",
        ) from None


def _member(data: Mapping[str, Any], name: str) -> Any:
    """A member of a JSON object, found by its name in any case, as Go finds it."""
    if name in data:
        return data[name]
    return next((value for key, value in data.items() if key.lower() == name.lower()), None)


def _parse_statement(data: Mapping[str, Any]) -> Plain:
    statement = {name: _member(data, name) for name in _MEMBERS}
    for name in ("Principal", "NotPrincipal"):
        found = statement[name]
        if isinstance(found, str):
            statement[name] = _principal_member([("*", ["*"])])
        elif found is not None:
            statement[name] = _principal_member(
                [(kind, sorted(names) if isinstance(names, list) else names) for kind, names in found.items()]
            )
    if statement["Condition"] is not None:
        statement["Condition"] = _condition_member(
            [
                (test, variable, values)
                for test, condition in statement["Condition"].items()
                for variable, given in condition.items()
                if (values := _condition_values(given)) is not None
            ]
        )
    return statement


def _condition_values(given: Any) -> list[str] | None:
    if isinstance(given, bool):
        return ["true" if given else "false"]
    if isinstance(given, str):
        return [given]
    return list(given) if isinstance(given, list) else None


def _shown(document: Plain) -> Plain:
    """The document in the order of its members, without those that are empty."""
    shown: Plain = {name: document[name] for name in ("Version", "Id") if document[name]}
    if document["Statement"]:
        shown["Statement"] = [
            {
                name: statement[name]
                for name in _MEMBERS
                if statement.get(name) is not None and not (name in ("Sid", "Effect") and statement[name] == "")
            }
            for statement in document["Statement"]
        ]
    return shown


_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_TO_ESCAPE = re.compile("[<>&\u2028\u2029]")


def go_json(data: Any, indent: int | None = None) -> str:
    """The text that Go's encoding/json writes: HTML's special characters are escaped, other letters are not."""
    separators = (",", ": ") if indent else (",", ":")
    text = json.dumps(data, ensure_ascii=False, indent=indent, separators=separators)
    return _TO_ESCAPE.sub(lambda match: _ESCAPED[match[0]], text)


# --- the order of sets ----------------------------------------------------------------------------------------------
# Elements of a set are kept by the CRC-32 of a text that holds all of an element, ordered as decimal texts.


def _in_set_order(blocks: Iterable[Plain], code: Callable[[Plain], str]) -> list[Plain]:
    return sorted(blocks, key=lambda block: str(zlib.crc32(code(block).encode())))


def _hash_texts(items: Iterable[str]) -> list[str]:
    return sorted(items, key=lambda item: str(zlib.crc32(f"{item};".encode())))


def _hash_principal(block: Plain) -> str:
    identifiers = "".join(f"{item};" for item in _hash_texts(block["identifiers"]))
    return f"identifiers:{{{identifiers}}};type:{block['type']};"


def _hash_condition(block: Plain) -> str:
    values = "".join(f"{item};" for item in block["values"])
    return f"test:{block['test']};values:({values});variable:{block['variable']};"


# --- the source -----------------------------------------------------------------------------------------------------


def _validate(config: Value) -> tuple[Diagnostic, ...]:
    findings = []
    for name in ("override_json", "source_json"):
        value = config.get(name)
        if not is_null(value) and not is_unknown(value) and value != "":
            findings.append(
                error(
                    "Attribute without effect",
                    f"{name} of aws_iam_policy_document is not used any more.",
                    remedy=f"Use {name.split('_')[0]}_policy_documents, which takes a list.",
                )
            )
    return tuple(findings)


_PRINCIPALS = Nested(Nesting.SET, {"identifiers": required(TEXT_SET), "type": required()})

SOURCE = DataSource(
    fields={
        "id": optional_computed(),
        "json": computed(),
        "minified_json": computed(),
        "override_json": optional(deprecated="Not used"),
        "override_policy_documents": optional(TEXTS),
        "policy_id": optional(),
        "source_json": optional(deprecated="Not used"),
        "source_policy_documents": optional(TEXTS),
        "version": optional(default="2012-10-17", choices=("2008-10-17", "2012-10-17")),
    },
    blocks={
        "statement": Nested(
            Nesting.LIST,
            {
                "actions": optional(TEXT_SET),
                "effect": optional(default="Allow", choices=("Allow", "Deny")),
                "not_actions": optional(TEXT_SET),
                "not_resources": optional(TEXT_SET),
                "resources": optional(TEXT_SET),
                "sid": optional(),
            },
            {
                "condition": Nested(
                    Nesting.SET, {"test": required(), "values": required(TEXTS), "variable": required()}
                ),
                "not_principals": _PRINCIPALS,
                "principals": _PRINCIPALS,
            },
        )
    },
    read=_read,
    remote=False,
    validate=_validate,
)
