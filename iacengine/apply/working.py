"""The values an apply evaluates with: planned objects first, each replaced by the real one when it is there."""

from __future__ import annotations

from iacengine.addresses import (
    Mode,
    ModuleInstance,
    ProviderReference,
    Resource,
    ResourceInstance,
    parse_provider_reference,
)
from iacengine.config.model import Check, ResourceBlock, Variable
from iacengine.evaluation.conditions import Verdict, judge, unreadable
from iacengine.evaluation.expansion import expand
from iacengine.evaluation.provider_setup import ProviderSetup, SourceAddress
from iacengine.evaluation.scope import SINGLE, AnyScope, Expansion, Scope, WorkingValues
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Findings, error
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.values import UNKNOWN, Value, is_wholly_known
from iacengine.plan.checks import check_address
from iacengine.plan.model import Change, Plan, PlanMode
from iacengine.plan.prior import open_stored
from iacengine.provider.instances import Providers
from iacengine.schema import Schema
from iacengine.state.model import CheckResult, ResourceObject


class AppliedValues:
    """Scopes over the objects of a plan as they become real."""

    def __init__(
        self, plan: Plan, providers: Providers, functions: FunctionContext, source_address: SourceAddress
    ) -> None:
        self.plan = plan
        self.providers = providers
        self.working = WorkingValues(plan.configuration, plan.variables, functions, remembers_unknown=False)
        self.setup = ProviderSetup(plan.configuration, self.working, providers, source_address)
        self.working.judge_variable = self._judge_variable
        self._undecided = {result.address for result in plan.checks if result.status == "unknown"}
        self.verdicts: dict[tuple[str, str], list[Verdict]] = {}
        self.working.expand_anew = self._expand_anew
        self._calls: dict[tuple[ModuleInstance, str], Expansion] = {}
        self._expanded: dict[tuple[ModuleInstance, Resource], Expansion] = {}
        providers.forget_provisional()
        self._expand()
        self._fill()

    def _expand(self) -> None:
        for (parent, name), call in self.plan.modules.items():
            self.working.expand_call(parent, name, Expansion(call.kind, dict.fromkeys(call.keys)))
        deferred = set(self.plan.deferred)
        found: dict[tuple[ModuleInstance, Resource], Expansion] = {}
        for module in self.plan.configuration.modules.values():
            for instance in self.working.module_instances(module.path):
                for block in module.resources.values():
                    if block.address.mode is Mode.EPHEMERAL:
                        continue  # expanded when it is opened
                    text = f"{instance}.{block.address}" if instance.steps else str(block.address)
                    kind = "unknown" if text in deferred else _kind(block)
                    found[(instance, block.address)] = Expansion(kind, {})
        for change in self.plan.changes:
            if not change.deposed and self._initially(change) is not None:
                place = (change.address.module, change.address.resource)
                found.setdefault(place, Expansion("single", {})).values[change.address.key] = None
        for stored in self.plan.prior_state.objects.values():
            if stored.address.resource.mode is Mode.DATA:
                place = (stored.address.module, stored.address.resource)
                if place in found:
                    found[place].values[stored.address.key] = None
        for (instance, resource), expansion in found.items():
            if expansion.kind == "single":
                expansion = SINGLE
            self.working.expand_resource(instance, resource, expansion)

    def _expand_anew(self, scope: Scope, name: str) -> Expansion:
        """A module call with what `each.value` is for every key of the plan; unknown where that cannot be told yet."""
        known = self._calls.get((scope.instance, name))
        if known is not None:
            return known
        planned = self.working.calls[(scope.instance, name)]
        call = scope.module.calls[name]
        try:
            values = expand(call.repetition, scope, call.origin).values
        except DiagnosticsError:
            values = {}
        expansion = Expansion(planned.kind, {key: values.get(key, UNKNOWN) for key in planned.keys})
        if all(map(is_wholly_known, expansion.values.values())):
            self._calls[(scope.instance, name)] = expansion
        return expansion

    def _fill(self) -> None:
        for stored in self.plan.prior_state.objects.values():
            if not stored.deposed and stored.address.resource.mode is Mode.DATA:
                self._fill_stored(stored)
        changed = set()
        for change in self.plan.changes:
            if not change.deposed:
                changed.add(change.address)
                value = self._initially(change)
                if value is not None:
                    self.working.set_object(change.address, value)
        if self.plan.targets or self.plan.excludes or self.plan.mode is PlanMode.ROLLBACK:
            for stored in self.plan.prior_state.objects.values():
                if not stored.deposed and stored.address not in changed:
                    self._fill_stored(stored)

    def _initially(self, change: Change) -> Value:
        """The object that names mean at first; a destroy run's providers are configured by what is about to go."""
        return change.before if self.plan.mode in (PlanMode.DESTROY, PlanMode.ROLLBACK) else change.after

    def _fill_stored(self, stored: ResourceObject) -> None:
        reference = parse_provider_reference(stored.provider)
        schema = self.schema(reference, stored.address)
        provider = self.providers.unconfigured(reference.source)
        self.working.set_object(stored.address, open_stored(stored, schema, provider).marked)

    # --- what the executor asks ------------------------------------------------------------------------------------

    def block(self, address: ResourceInstance) -> ResourceBlock:
        module = self.plan.configuration.modules[address.module.path]
        block = module.resources.get(address.resource)
        if block is not None:
            return block
        check = self.check_of(address)
        assert check is not None, f"{address} was planned, so it has a block"
        assert check.data is not None
        return check.data

    def _judge_variable(self, scope: Scope, variable: Variable, value: Value) -> None:
        """Raise DiagnosticsError when a value that is known only now is not valid: what uses it must not be made."""
        if variable.validations and f"{scope.instance}.var.{variable.name}" in self._undecided:
            itself = scope.with_names({("var", variable.name): value})
            for condition in variable.validations:
                verdict = judge(condition, itself, "Invalid value for variable")
                if verdict.diagnostic is not None:
                    raise DiagnosticsError(verdict.diagnostic)

    def note_unreadable(self, address: ResourceInstance, failure: DiagnosticsError, findings: Findings) -> bool:
        """Note that a data source cannot be read, when it is that of a `check` block: then the check fails, no more."""
        check = self.check_of(address)
        if check is None:
            return False
        for verdict in unreadable(failure):
            self.verdict("check", check_address(self.working.scope(address.module), check), verdict)
            findings.extend([verdict.diagnostic] if verdict.diagnostic is not None else [])
        return True

    def check_of(self, address: ResourceInstance) -> Check | None:
        """The `check` block that holds a data source; None when none does."""
        for check in self.plan.configuration.modules[address.module.path].checks.values():
            if check.data is not None and check.data.address == address.resource:
                return check
        return None

    def scope(self, address: ResourceInstance, block: ResourceBlock) -> AnyScope:
        """The scope of one instance, each.value evaluated with what is known now."""
        scope = self.working.scope(address.module)
        if address.key is None:
            return scope
        place = (address.module, address.resource)
        expansion = self._expanded.get(place)
        if expansion is None:
            expansion = expand(block.repetition, scope, block.origin)
            self._expanded[place] = expansion
        return scope.for_instance(expansion, address.key)

    def schema(self, reference: ProviderReference, address: ResourceInstance) -> Schema:
        schema = self.providers.resource_schema(reference.source, address.resource.mode, address.resource.type)
        assert schema is not None, f"{address} was planned, so its type exists"
        return schema

    def set_object(self, address: ResourceInstance, value: Value) -> None:
        self.working.set_object(address, value)

    def object(self, address: ResourceInstance) -> Value:
        return self.working.objects.get(address, UNKNOWN)

    def drop_object(self, address: ResourceInstance, *, keep: bool) -> None:
        """An object was deleted; one that is about to be created again stays as planned."""
        if not keep and self.plan.mode not in (PlanMode.DESTROY, PlanMode.ROLLBACK):
            self.working.objects.pop(address, None)

    def verdict(self, kind: str, address: str, verdict: Verdict) -> None:
        self.verdicts.setdefault((kind, address), []).append(verdict)

    def no_provider(self, address: ResourceInstance, reference: ProviderReference) -> Diagnostic:
        return error(
            "Provider configuration not present",
            f"{address} was made with the provider configuration {reference}, which is declared nowhere now.",
            remedy="Declare the provider configuration again until the object is deleted.",
            address=str(address),
        )

    def check_results(self) -> tuple[CheckResult, ...]:
        """The plan's check results, with what apply found out put in their place."""
        results = {(result.kind, result.address): result for result in self.plan.checks}
        for (kind, address), verdicts in self.verdicts.items():
            worst = max((verdict.status.value for verdict in verdicts), key=("pass", "unknown", "fail", "error").index)
            before = results.get((kind, address))
            config = before.config_address if before is not None else address
            problems = tuple(verdict.message for verdict in verdicts if verdict.message)
            results[(kind, address)] = CheckResult(kind, address, worst, config, problems)
        return tuple(results[key] for key in sorted(results))


def _kind(block: ResourceBlock) -> str:
    if block.repetition.has_count:
        return "count"
    return "for_each" if block.repetition.has_for_each else "single"
