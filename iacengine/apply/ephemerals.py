"""Ephemeral resources of an apply: each is opened when something that is evaluated first refers to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iacengine.addresses import ModuleInstance, Resource, ResourceInstance
from iacengine.config.model import Condition, ResourceBlock
from iacengine.evaluation.conditions import Status, judge
from iacengine.evaluation.expansion import UnknownExpansionError, expand
from iacengine.evaluation.scope import AnyScope, Expansion, Scope
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.lang.values import Value, is_wholly_known
from iacengine.plan.ephemeral import OpenEphemerals, ephemeral_config
from iacengine.plan.events import Listener

if TYPE_CHECKING:
    from iacengine.apply.working import AppliedValues


class AppliedEphemerals:
    """Opens what scopes ask for, once what it needs is known; for the thread that evaluates."""

    def __init__(self, values: AppliedValues, listener: Listener) -> None:
        self._values = values
        self._open = OpenEphemerals(listener)
        self._expanded: dict[tuple[ModuleInstance, Resource], Expansion] = {}
        self._failed: dict[ResourceInstance, DiagnosticsError] = {}
        values.working.open_ephemeral = self._answer

    def close(self) -> None:
        """Close what is open: nothing is evaluated any more."""
        self._values.working.open_ephemeral = None
        self._open.close()

    def _answer(self, scope: Scope, resource: Resource) -> None:
        """Put in the objects of a block, as far as they can be opened by now. Raises DiagnosticsError."""
        block = scope.module.resources[resource]
        place = (scope.instance, resource)
        expansion = self._expanded.get(place)
        if expansion is None:
            try:
                expansion = expand(block.repetition, scope, block.origin)
            except UnknownExpansionError:
                return
            self._expanded[place] = expansion
            self._values.working.expand_resource(scope.instance, resource, expansion)
        for key in expansion.keys:
            address = ResourceInstance(scope.instance, resource, key)
            if address in self._failed:
                raise self._failed[address]
            if address in self._values.working.objects:
                continue
            try:
                self._open_one(address, block, scope.for_instance(expansion, key))
            except DiagnosticsError as found:
                self._failed[address] = found
                raise

    def _open_one(self, address: ResourceInstance, block: ResourceBlock, scope: AnyScope) -> None:
        values = self._values
        reference = values.setup.of_block(address.module.path, block)
        schema = values.schema(reference, address)
        config, marks = ephemeral_config(block, schema, scope)
        if not is_wholly_known(config) or values.providers.is_provisional(reference):
            return  # what it needs has not been made yet; whatever refers to it asks again
        self._judge(block.lifecycle.preconditions, scope, "Resource precondition failed", address)
        value: Value = self._open.open(values.providers.configured(reference), address, block, schema, config, marks)
        with_self = scope.with_names({("self",): value})
        self._judge(block.lifecycle.postconditions, with_self, "Resource postcondition failed", address)
        values.set_object(address, value)

    def _judge(self, conditions: tuple[Condition, ...], scope: AnyScope, what: str, address: ResourceInstance) -> None:
        for condition in conditions:
            verdict = judge(condition, scope, what)
            self._values.verdict("resource", str(address), verdict)
            if verdict.status in (Status.FAIL, Status.ERROR):
                assert verdict.diagnostic is not None
                raise DiagnosticsError(verdict.diagnostic)
