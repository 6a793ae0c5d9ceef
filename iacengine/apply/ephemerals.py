"""Ephemeral resources of an apply: each is opened when something that is evaluated first refers to it."""

from __future__ import annotations

from collections.abc import Callable

from iacengine.addresses import Mode, ModuleInstance, Resource, ResourceInstance
from iacengine.config.model import Condition, ResourceBlock
from iacengine.evaluation.conditions import Status, Verdict, judge
from iacengine.evaluation.expansion import UnknownExpansionError, expand
from iacengine.evaluation.provider_setup import ProviderSetup
from iacengine.evaluation.scope import AnyScope, Expansion, Scope, WorkingValues
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.lang.values import Value, is_wholly_known
from iacengine.plan.ephemeral import OpenEphemerals, ephemeral_config
from iacengine.plan.events import Listener
from iacengine.provider.instances import Providers


class AppliedEphemerals:
    """Opens what scopes ask for, once what it needs is known; for the thread that evaluates.

    `note` is told how preconditions and postconditions come out: the address, and the verdict.
    """

    def __init__(
        self,
        working: WorkingValues,
        setup: ProviderSetup,
        providers: Providers,
        listener: Listener,
        note: Callable[[str, Verdict], None] = lambda address, verdict: None,
    ) -> None:
        self._working = working
        self._setup = setup
        self._providers = providers
        self._note = note
        self._open = OpenEphemerals(listener)
        self._expanded: dict[tuple[ModuleInstance, Resource], Expansion] = {}
        self._failed: dict[ResourceInstance, DiagnosticsError] = {}
        working.open_ephemeral = self._answer

    def close(self) -> None:
        """Close what is open: nothing is evaluated any more."""
        self._working.open_ephemeral = None
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
            self._working.expand_resource(scope.instance, resource, expansion)
        for key in expansion.keys:
            address = ResourceInstance(scope.instance, resource, key)
            if address in self._failed:
                raise self._failed[address]
            if address in self._working.objects:
                continue
            try:
                self._open_one(address, block, scope.for_instance(expansion, key))
            except DiagnosticsError as found:
                self._failed[address] = found
                raise

    def _open_one(self, address: ResourceInstance, block: ResourceBlock, scope: AnyScope) -> None:
        reference = self._setup.of_block(address.module.path, block)
        schema = self._providers.resource_schema(reference.source, Mode.EPHEMERAL, address.resource.type)
        assert schema is not None, f"{address} was planned, so its type exists"
        config, marks = ephemeral_config(block, schema, scope)
        if not is_wholly_known(config) or self._providers.is_provisional(reference):
            return  # what it needs has not been made yet; whatever refers to it asks again
        self._judge(block.lifecycle.preconditions, scope, "Resource precondition failed", address)
        value: Value = self._open.open(self._providers.configured(reference), address, block, schema, config, marks)
        with_self = scope.with_names({("self",): value})
        self._judge(block.lifecycle.postconditions, with_self, "Resource postcondition failed", address)
        self._working.set_object(address, value)

    def _judge(self, conditions: tuple[Condition, ...], scope: AnyScope, what: str, address: ResourceInstance) -> None:
        for condition in conditions:
            verdict = judge(condition, scope, what)
            self._note(str(address), verdict)
            if verdict.status in (Status.FAIL, Status.ERROR):
                assert verdict.diagnostic is not None
                raise DiagnosticsError(verdict.diagnostic)
