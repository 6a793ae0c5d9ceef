"""Ephemeral resources: opened when what they need is known, renewed while they are open, closed in the end.

Their values are marked ephemeral, so they get into neither plan nor state. A planning run opens them for itself; an
apply opens its own, when something that it evaluates refers to them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iacengine.addresses import ProviderReference, ResourceInstance
from iacengine.config.model import ResourceBlock
from iacengine.config.source import locate
from iacengine.evaluation.body import evaluate_body
from iacengine.evaluation.scope import AnyScope, Expansion, Scope
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Severity, has_errors
from iacengine.graph.nodes import Node
from iacengine.lang.values import EPHEMERAL, SENSITIVE, Value, is_wholly_known, mark
from iacengine.plan.data import awaited_nodes
from iacengine.plan.events import EphemeralFinished, EphemeralStarted, Listener, Warned
from iacengine.plan.managed import PathMarks
from iacengine.plan.model import PlanMode
from iacengine.provider.checks import check_read
from iacengine.provider.protocol import Provider
from iacengine.provider.redaction import redacted
from iacengine.schema import Schema
from iacengine.schema.proposed import unknown_of_config
from iacengine.schema.values import mark_paths, mark_with_paths, schema_marks, unmark_with_paths

if TYPE_CHECKING:
    from iacengine.plan.walk import Walk

_SOON = 1.0
"""Seconds between renewals of something whose time to be renewed is always over already."""


def ephemeral_config(block: ResourceBlock, schema: Schema, scope: AnyScope) -> tuple[Value, PathMarks]:
    """The body of an ephemeral resource, unmarked, and where it was marked: ephemeral values may stand anywhere."""
    return unmark_with_paths(evaluate_body(block.body, schema.block, scope, block.origin))


def as_ephemeral(value: Value, schema: Schema, marks: PathMarks) -> Value:
    """An object as expressions see it: marked as its schema and its configuration are, and ephemeral as a whole."""
    by_schema = schema_marks(value, schema.block)
    marked = mark_paths(value, by_schema, SENSITIVE) if by_schema else value
    return mark(mark_with_paths(marked, marks), [EPHEMERAL])


@dataclass(slots=True, eq=False)
class _Open:
    """One that is open: until when it is valid (None: as long as it is open), and what to close it with."""

    address: ResourceInstance
    provider: Provider
    renew_at: float | None
    private: bytes | None


class OpenEphemerals:
    """What is open in one run. A thread of its own renews, once there is something to renew.

    `clock` gives seconds since the epoch.
    """

    def __init__(self, listener: Listener, clock: Callable[[], float] = time.time) -> None:
        self._listener = listener
        self._clock = clock
        self._open: list[_Open] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._problems: list[Diagnostic] = []

    def open(
        self,
        provider: Provider,
        address: ResourceInstance,
        block: ResourceBlock,
        schema: Schema,
        config: Value,
        marks: PathMarks,
    ) -> Value:
        """Open one with its wholly known configuration: the object, marked. Raises DiagnosticsError."""
        started = time.monotonic()
        self._listener(EphemeralStarted(address, "open"))
        try:
            value = self._opened(provider, address, schema, config)
        except DiagnosticsError as found:
            self._listener(EphemeralFinished(address, "open", time.monotonic() - started, failed=True))
            shown = redacted(found.diagnostics, mark_with_paths(config, marks))
            placed = (each if each.range else each.at(*locate(block.origin)) for each in shown)
            raise DiagnosticsError(*(replace(each, address=str(address)) for each in placed)) from None
        self._listener(EphemeralFinished(address, "open", time.monotonic() - started))
        return as_ephemeral(value, schema, marks)

    def _opened(self, provider: Provider, address: ResourceInstance, schema: Schema, config: Value) -> Value:
        type_ = address.resource.type
        _raise_errors(provider.validate_ephemeral(type_, config))
        answer = provider.open_ephemeral(type_, config)
        _raise_errors(answer.diagnostics)
        with self._changed:
            self._open.append(_Open(address, provider, answer.renew_at, answer.private))
            if answer.renew_at is not None:
                self._watch()
        _raise_errors(check_read(schema.block, answer.result))
        return answer.result

    def close(self) -> None:
        """Close everything, the last opened first. What goes wrong is told as warnings: all it was for is done."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        while self._open:
            self._close(self._open.pop())
        for problem in self._problems:
            self._listener(Warned(replace(problem, severity=Severity.WARNING)))
        self._problems.clear()

    def _close(self, opened: _Open) -> None:
        started = time.monotonic()
        self._listener(EphemeralStarted(opened.address, "close"))
        try:
            problems = opened.provider.close_ephemeral(opened.address.resource.type, opened.private)
        except DiagnosticsError as found:
            problems = found.diagnostics
        self._problems += [replace(problem, address=str(opened.address)) for problem in problems]
        failed = has_errors(problems)
        self._listener(EphemeralFinished(opened.address, "close", time.monotonic() - started, failed=failed))

    # --- renewing --------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        self._changed.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._renew_due, name="renew", daemon=True)
            self._thread.start()

    def _renew_due(self) -> None:
        while True:
            with self._changed:
                if self._closing:
                    return
                due = min((each for each in self._open if each.renew_at is not None), key=_when, default=None)
                left = _when(due) - self._clock() if due is not None else None
                if due is None or (left is not None and left > 0):
                    self._changed.wait(left)
                    continue
            self._renew(due)

    def _renew(self, opened: _Open) -> None:
        try:
            answer = opened.provider.renew_ephemeral(opened.address.resource.type, opened.private)
            problems, renew_at, private = answer.diagnostics, answer.renew_at, answer.private
        except DiagnosticsError as found:
            problems, renew_at, private = found.diagnostics, None, opened.private
        failed = has_errors(problems)
        with self._changed:
            self._problems += [replace(problem, address=str(opened.address)) for problem in problems]
            opened.private = private
            opened.renew_at = None if failed or renew_at is None else max(renew_at, self._clock() + _SOON)


def _when(opened: _Open) -> float:
    assert opened.renew_at is not None
    return opened.renew_at


def _raise_errors(diagnostics: tuple[Diagnostic, ...]) -> None:
    if has_errors(diagnostics):
        raise DiagnosticsError(*diagnostics)


# --- planning --------------------------------------------------------------------------------------------------------


def visit_ephemeral(
    walk: Walk,
    node: Node,
    scope: Scope,
    block: ResourceBlock,
    reference: ProviderReference,
    schema: Schema,
    expansion: Expansion,
) -> None:
    """Open every instance, as far as it can be now; what has to wait for other changes is opened while applying."""
    pending = walk.options.mode is PlanMode.NORMAL and any(
        walk.has_changes(needed) for needed in awaited_nodes(walk, node, block)
    )
    pending = pending or walk.providers.is_provisional(reference)
    for key in expansion.keys:
        address = ResourceInstance(scope.instance, block.address, key)
        if not walk.selection.has_instance(node, address):
            continue
        inner = scope.for_instance(expansion, key)
        walk.checks.conditions(block.lifecycle.preconditions, inner, "Resource precondition failed", address)
        config, marks = ephemeral_config(block, schema, inner)
        if pending or not is_wholly_known(config):
            value = as_ephemeral(unknown_of_config(schema.block, config), schema, marks)
        else:
            provider = walk.providers.configured(reference)
            value = walk.ephemerals.open(provider, address, block, schema, config, marks)
        walk.working.set_object(address, value)
        if block.lifecycle.postconditions:
            with_self = inner.with_names({("self",): value})
            walk.checks.conditions(block.lifecycle.postconditions, with_self, "Resource postcondition failed", address)
