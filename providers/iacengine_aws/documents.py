"""JSON documents in attributes, compared by what they mean and not by how they are written.

Policies are compared as hashicorp/awspolicyequivalence does: the order of statements, actions, resources, principals
and condition values does not matter, a list of one is that one, and an account id is that account's root.
"""

from __future__ import annotations

import json
import re
from typing import Any

_ACCOUNT_ROOT = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):root")


def same_document(kind: str, a: str | None, b: str | None) -> bool:
    """True when both texts mean the same: `kind` is `policy`, or `json` for any document."""
    if a == b:
        return True
    if not a or not b:
        return not a and not b
    try:
        left, right = json.loads(a), json.loads(b)
    except ValueError:
        return False
    if kind == "policy":
        return bool(canonical_policy(left) == canonical_policy(right))
    return bool(left == right) and type(left) is type(right)


def canonical_policy(policy: Any) -> Any:
    """The policy in a form that is equal for policies that mean the same."""
    if not isinstance(policy, dict):
        return policy
    result = dict(policy)
    if "Statement" in result:
        statements = [_statement(statement) for statement in _many(result["Statement"])]
        result["Statement"] = sorted(statements, key=lambda statement: json.dumps(statement, sort_keys=True))
    return result


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _texts(value: Any) -> list[str]:
    return sorted({_text(item) for item in _many(value)})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _statement(statement: Any) -> Any:
    if not isinstance(statement, dict):
        return statement
    result = dict(statement)
    if result.get("Sid") == "":
        del result["Sid"]
    for name in ("Action", "NotAction", "Resource", "NotResource"):
        if name in result:
            result[name] = _texts(result[name])
    for name in ("Principal", "NotPrincipal"):
        if name in result:
            result[name] = _principals(result[name])
    if isinstance(result.get("Condition"), dict):
        result["Condition"] = {
            test: {variable.lower(): _texts(values) for variable, values in condition.items()}
            if isinstance(condition, dict)
            else condition
            for test, condition in result["Condition"].items()
        }
    return result


def _principals(value: Any) -> Any:
    if value == "*":
        value = {"AWS": "*"}
    if not isinstance(value, dict):
        return value
    return {
        kind: sorted({match[1] if (match := _ACCOUNT_ROOT.fullmatch(text)) else text for text in _texts(names)})
        for kind, names in value.items()
    }
