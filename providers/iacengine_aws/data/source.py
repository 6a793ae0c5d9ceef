"""What a data source is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from iacengine.foundation.diagnostics import Diagnostic
from iacengine.lang.values import Value
from iacengine.schema import Schema
from iacengine_aws.spec import Field, Nested, block_of

if TYPE_CHECKING:
    from iacengine_aws.client import Session


def _nothing_wrong(config: Value) -> tuple[Diagnostic, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class DataSource:
    """A data source: its schema, and how it is read.

    `read(session, config)` answers the object, and raises ApiError or DiagnosticsError. With `remote` false it needs no
    session (and gets None).
    """

    fields: Mapping[str, Field]
    read: Callable[[Session | Any, Value], Value]
    blocks: Mapping[str, Nested] = field(default_factory=dict)
    remote: bool = True
    validate: Callable[[Value], tuple[Diagnostic, ...]] = _nothing_wrong

    def schema(self) -> Schema:
        return Schema(block_of(self.fields, self.blocks))
