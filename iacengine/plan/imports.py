"""`import` blocks: objects that exist already and become managed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from iacengine.addresses import (
    InstanceKey,
    Mode,
    ModuleInstance,
    ProviderReference,
    Resource,
    ResourceInstance,
)
from iacengine.config.model import Configuration, Import, Module, Origin, Repetition
from iacengine.config.source import locate
from iacengine.evaluation.expansion import expand
from iacengine.evaluation.scope import AnyScope, Expansion, Scope, evaluate
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, error, has_errors
from iacengine.lang.convert import ConversionError, convert
from iacengine.lang.types import STRING
from iacengine.lang.values import EPHEMERAL, ListValue, is_null, is_unknown, unmark
from iacengine.plan.events import ReadFinished, ReadStarted
from iacengine.plan.prior import PriorObject, open_stored, stored_value
from iacengine.provider.protocol import ReadRequest
from iacengine.schema import Schema
from iacengine.state.model import ResourceObject

if TYPE_CHECKING:
    from iacengine.plan.walk import Walk


class Imports:
    """The import blocks of a stack, and which address wants which id."""

    def __init__(self, configuration: Configuration, walk: Walk) -> None:
        self._walk = walk
        self._blocks = [(module, block) for module in configuration.modules.values() for block in module.imports]
        self._ids: dict[ResourceInstance, tuple[str, Import]] | None = None

    def take(
        self, address: ResourceInstance, reference: ProviderReference, schema: Schema
    ) -> tuple[PriorObject | None, str | None]:
        """The object to import at an address that has none, and its import id."""
        if not self._blocks:
            return None, None
        if self._ids is None:
            self._ids = self._evaluate()
        wanted = self._ids.get(address)
        if wanted is None:
            return None, None
        id_, block = wanted
        return self._read(address, reference, schema, id_, block), id_

    def _evaluate(self) -> dict[ResourceInstance, tuple[str, Import]]:
        found: dict[ResourceInstance, tuple[str, Import]] = {}
        for module, block in self._blocks:
            scope = self._walk.working.scope(ModuleInstance())
            expansion = _expansion(block, scope)
            for key in expansion.keys:
                inner = scope.for_instance(expansion, key)
                address = _address(block, module, inner)
                if address in found:
                    raise _refuse(block.origin, "Duplicate import", f"{address} is the target of two import blocks.")
                found[address] = (_id(block, inner), block)
        return found

    def without_instance(self) -> list[Diagnostic]:
        """Errors for targets whose block is declared, but has no such instance. To be asked after the walk."""
        if self._ids is None and self._blocks:
            try:
                self._ids = self._evaluate()
            except DiagnosticsError:
                return []  # nothing is imported any more, so what an id was need not be known
        found = []
        for address, (_, block) in (self._ids or {}).items():
            expansion = self._walk.working.resources.get((address.module, address.resource))
            if expansion is None or address.key in expansion.values:
                continue
            detail = f"{address.config} is declared, but has no instance {address}, so there is nothing to import into."
            diagnostic = error(
                "Import of an undeclared instance", detail, remedy="Correct the key, or add the instance."
            )
            found.append(diagnostic.at(*locate(block.origin.at("to"))))
        return found

    def _read(
        self, address: ResourceInstance, reference: ProviderReference, schema: Schema, id_: str, block: Import
    ) -> PriorObject:
        provider = self._walk.providers.configured(reference)
        objects, diagnostics = provider.import_(address.resource.type, id_)
        if has_errors(diagnostics):
            raise DiagnosticsError(*(found.at(*locate(block.origin)) for found in diagnostics))
        matching = [found for found in objects if found.type == address.resource.type]
        if matching:
            first = matching[0]
            start = time.monotonic()
            self._walk.listener(ReadStarted(address, id_))
            (response,) = provider.read([ReadRequest(first.type, first.state, first.private)])
            if has_errors(response.diagnostics):
                raise DiagnosticsError(*(found.at(*locate(block.origin)) for found in response.diagnostics))
            if response.state is not None:
                attributes, paths = stored_value(response.state, schema.block)
                stored = ResourceObject(
                    address,
                    str(reference),
                    attributes,
                    schema.version,
                    paths,
                    response.private if response.private is not None else first.private,
                )
                self._walk.stored.changes[stored.key] = stored
                self._walk.listener(ReadFinished(address, time.monotonic() - start, id_))
                return open_stored(stored, schema, provider)
        raise _refuse(
            block.origin.at("id"),
            "Cannot import non-existent remote object",
            f'There is no {address.resource.type} with the id "{id_}", so nothing can be imported to {address}.',
        )


def _expansion(block: Import, scope: Scope) -> Expansion:
    """What an import is repeated for: unlike for other blocks it may be a list, whose keys are its indexes."""
    if block.has_for_each:
        value, _ = unmark(evaluate(block.for_each, scope, block.origin.at("for_each")))
        if isinstance(value, tuple | ListValue):
            return Expansion("for_each", dict(enumerate(value)))
    return expand(Repetition(for_each=block.for_each, has_for_each=block.has_for_each), scope, block.origin)


def _id(block: Import, scope: AnyScope) -> str:
    origin = block.origin.at("id")
    value, marks = unmark(evaluate(block.id, scope, origin))
    summary = "Invalid import id argument"
    if is_unknown(value):
        raise _refuse(origin, summary, "The import id is not known before apply.")
    if is_null(value):
        raise _refuse(origin, summary, "The import id is null.")
    if EPHEMERAL in marks:
        raise _refuse(origin, summary, "The import id is ephemeral; it would appear in the plan.")
    try:
        text = str(convert(value, STRING))
    except ConversionError as found:
        raise _refuse(origin, summary, f"The import id must be a text: {found}.") from None
    if not text:
        raise _refuse(origin, summary, "The import id is empty.")
    return text


def _address(block: Import, module: Module, scope: AnyScope) -> ResourceInstance:
    """The address in `to`, its keys evaluated."""
    origin = block.origin.at("to")
    text = block.to.removeprefix("${").removesuffix("}")
    parts: list[tuple[str, InstanceKey]] = []
    for name, key_text in _split(text):
        key: InstanceKey = None
        if key_text is not None:
            value, _ = unmark(evaluate("${" + key_text + "}", scope, origin))
            if not isinstance(value, str | int) or isinstance(value, bool):
                raise _refuse(origin, "Invalid import address", f"The key [{key_text}] is no text and no number.")
            key = value
        parts.append((name, key))
    steps: list[tuple[str, InstanceKey]] = []
    while len(parts) >= 2 and parts[0] == ("module", None):
        steps.append(parts[1])
        parts = parts[2:]
    if len(parts) != 2:
        raise _refuse(origin, "Invalid import address", f'"{text}" is not the address of a resource.')
    (type_, _), (name, key) = parts
    return ResourceInstance(ModuleInstance(tuple(steps)), Resource(Mode.MANAGED, type_, name), key)


def _split(text: str) -> list[tuple[str, str | None]]:
    """`a.b[each.key]` → `[("a", None), ("b", "each.key")]`; brackets may nest."""
    parts: list[tuple[str, str | None]] = []
    name = ""
    index = 0
    while index < len(text):
        character = text[index]
        if character == ".":
            if name:
                parts.append((name, None))
            name = ""
        elif character == "[":
            depth, start = 1, index + 1
            while depth and index + 1 < len(text):
                index += 1
                depth += (text[index] == "[") - (text[index] == "]")
            parts.append((name, text[start:index]))
            name = ""
        else:
            name += character
        index += 1
    if name:
        parts.append((name, None))
    return parts


ID_REMEDY = "Give the id under which the provider knows the object, as a text that is known before apply."
_REMEDIES = {
    "Duplicate import": "Remove one of the two blocks.",
    "Invalid import address": 'Write the address of a resource block, such as aws_vpc.main or aws_vpc.main["KEY"].',
    "Cannot import non-existent remote object": "Check the id.",
    "Invalid import id argument": ID_REMEDY,
}


def _refuse(origin: Origin, summary: str, detail: str) -> DiagnosticsError:
    return DiagnosticsError(error(summary, detail, remedy=_REMEDIES[summary]).at(*locate(origin)))
