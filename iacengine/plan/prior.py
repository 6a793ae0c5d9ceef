"""The stored object as the planner sees it: decoded by its schema, upgraded, marked."""

from __future__ import annotations

from dataclasses import dataclass, replace

from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, error
from iacengine.lang.secrets import hide
from iacengine.lang.values import SENSITIVE, Value
from iacengine.provider.protocol import Provider
from iacengine.schema import Block, Path, Schema
from iacengine.schema.errors import SchemaError
from iacengine.schema.values import decode, encode, mark_paths, schema_marks, unmark_with_paths
from iacengine.state.model import ResourceObject


@dataclass(frozen=True, slots=True, eq=False)
class PriorObject:
    """A stored object and its value (unmarked); `marks` are its sensitive paths."""

    stored: ResourceObject
    value: Value
    marks: tuple[Path, ...] = ()

    @property
    def marked(self) -> Value:
        return mark_paths(self.value, self.marks, SENSITIVE) if self.marks else self.value


def open_stored(stored: ResourceObject, schema: Schema, provider: Provider) -> PriorObject:
    """Decode a stored object, after the provider has upgraded it when it is of an older schema version.

    Raises DiagnosticsError when it does not fit its schema.
    """
    if stored.schema_version < schema.version:
        raw = provider.upgrade(stored.address.resource.type, stored.schema_version, stored.attributes)
        stored = replace(stored, attributes=raw, schema_version=schema.version)
    try:
        value = decode(stored.attributes, schema.block)
    except (SchemaError, AttributeError, TypeError, ValueError, LookupError) as problem:
        raise DiagnosticsError(_unfit(stored, schema, problem)) from problem
    marks = stored.sensitive_paths
    by_schema = schema_marks(value, schema.block)
    if by_schema:
        marks = tuple(dict.fromkeys((*marks, *by_schema)))
    return PriorObject(stored, value, marks)


def _unfit(stored: ResourceObject, schema: Schema, problem: Exception) -> Diagnostic:
    newer = stored.schema_version > schema.version
    why = " It was stored by a newer version of the provider." if newer else ""
    return error(
        "Stored object does not fit its schema",
        f"What the state holds of {stored.address} is no {stored.address.resource.type} as the provider knows it: "
        f"{hide(str(problem), tuple(_texts(stored)))}.{why}",
        remedy=f"Use the version of the provider that stored it; or take it out with `iac state rm {stored.address}` "
        "and import it anew.",
        address=str(stored.address),
    )


def _texts(stored: ResourceObject) -> list[str]:
    """Texts of attributes that are, or may be, sensitive."""
    return [value for value in stored.attributes.values() if isinstance(value, str) and len(value) > 3]


def stored_value(value: Value, block: Block) -> tuple[dict[str, object], tuple[Path, ...]]:
    """A marked, wholly known object as it is stored: JSON attributes, and its sensitive paths in order."""
    plain, marks = unmark_with_paths(value)
    paths = tuple(path for path, names in marks if SENSITIVE in names)
    return encode(plain, block), tuple(sorted(paths, key=str))
