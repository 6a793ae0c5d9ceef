"""The plan that leads from one state of a stack back to an earlier one: after a failed run, or because somebody asks.

It is carried out by the same executor as any other plan. What is there and was not is deleted; what was there and is
not is looked up (it may only have been forgotten) and made again; what has changed is changed back. What objects are
made again from is the object as it was, without what its provider computes.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from iacengine.addresses import Mode, ResourceInstance, parse_provider_reference
from iacengine.config.model import Configuration
from iacengine.evaluation.provider_setup import ProviderSetup
from iacengine.evaluation.scope import WorkingValues
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Findings, error, warning
from iacengine.lang.values import SENSITIVE, Value
from iacengine.plan.difference import difference, managed
from iacengine.plan.events import Listener, Warned
from iacengine.plan.managed import refuse_destroy
from iacengine.plan.model import Action, Change, ModuleExpansion, OutputChange, Plan, PlanMode, Reason
from iacengine.plan.new_names import given_names, mentions, renamed_data
from iacengine.plan.order import order_restoration
from iacengine.plan.outputs import stored_output
from iacengine.plan.prior import PriorObject, open_stored
from iacengine.plan.refresh import Refresh
from iacengine.provider.instances import Providers
from iacengine.provider.planning import changed
from iacengine.provider.protocol import PlanRequest, Provider
from iacengine.schema import Schema
from iacengine.schema.configured import configuration_of
from iacengine.schema.proposed import proposed_new
from iacengine.schema.unknowns import alike
from iacengine.schema.values import get_path, mark_paths
from iacengine.state.identity import matched
from iacengine.state.model import ObjectKey, PendingRollback, ResourceObject, State

NewKey = Callable[[], str]


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """What a restoration is planned with. `setup` configures providers by what `working` knows of the state."""

    configuration: Configuration
    variables: Mapping[str, Value]
    working: WorkingValues
    setup: ProviderSetup
    providers: Providers
    parallelism: int
    timestamp: str


def plan_restoration(
    now: State,
    target: State,
    around: Surroundings,
    listener: Listener,
    new_key: NewKey,
    *,
    on_failure: str = "pause",
    refresh: bool = False,
    undoes: PendingRollback | None = None,
    protecting: bool = False,
) -> Plan:
    """What has to be done so that the objects of `now` become those of `target` again.

    `refresh`: look up what is there first. `undoes`: the pending rollback that is carried out. Nothing that was
    protected before is deleted; `protecting`: nor is what was made since, and what is protected stays so. (A run that
    failed is undone without that: what it made, protected or not, was never promised to anybody.) Raises
    DiagnosticsError when a provider that is needed is declared nowhere or cannot be asked, and when something
    protected would have to go.
    """
    with ThreadPoolExecutor(around.parallelism, thread_name_prefix="restore") as pool:
        return _Restoration(now, target, around, listener, new_key, pool, undoes, protecting).plan(
            on_failure, refresh=refresh
        )


@dataclass(slots=True, eq=False)
class _Restoration:
    stored: State
    target: State
    around: Surroundings
    listener: Listener
    new_key: NewKey
    pool: ThreadPoolExecutor
    undoes: PendingRollback | None
    protecting: bool
    findings: Findings = field(default_factory=Findings)
    changes: list[Change] = field(default_factory=list)
    state_changes: dict[ObjectKey, ResourceObject | None] = field(default_factory=dict)
    freed: set[ResourceInstance] = field(default_factory=set)
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    """By block: what its objects were called, and what those that stand in their place are called."""
    unchanged: list[tuple[ResourceObject, Change]] = field(default_factory=list)
    """What is as it was, as changes that follow all the same where another object gets a new name."""
    past_names: dict[str, set[str]] = field(default_factory=dict)
    """By block: what those of its objects were called that are to be made again."""

    def plan(self, on_failure: str, *, refresh: bool) -> Plan:
        now = self._refreshed(self.stored) if refresh else self.stored
        skipped = self.undoes.skipped if self.undoes is not None else ()
        found = difference(now, self.target, skipped)
        if found.blocked:
            self.listener(Warned(_blocked(found.blocked)))
        again = self._looked_up(found.missing)
        occupied = {each.key: each for each in found.superfluous}
        self._forget_taken_up(occupied)
        freed: dict[ObjectKey, ResourceObject] = {}
        for wanted, there in (*found.kept, *again.items()):
            if there.key != wanted.key:
                self.state_changes[there.key] = None
        for wanted, there in (*found.kept, *again.items()):
            if wanted.key in occupied and (there.key != wanted.key or wanted in again):
                freed[wanted.key] = occupied[wanted.key]
        gone = [wanted for wanted in found.missing if wanted not in again]
        # What stands in the place of one that is gone may do when it is changed.
        places = {each: occupied[each.key] for each in gone if each.key in occupied and not occupied[each.key].tainted}
        for wanted in gone:
            self._note_names(wanted, places.get(wanted))
        for wanted in gone:
            occupant = places.get(wanted)
            if occupant is not None:
                del occupied[wanted.key]
                self._restore(wanted, occupant, existed=True)
                continue
            if wanted.key in occupied:
                freed[wanted.key] = occupied[wanted.key]
            self._make(self._renamed(wanted))
        for wanted, there in (*found.kept, *again.items()):
            self._restore(wanted, there, existed=wanted not in again)
        for superfluous in occupied.values():
            self._refuse_destroy(superfluous, protected=self.protecting and superfluous.protected)
            self._delete(superfluous, aside=superfluous.key in freed)
        # Only now it is known which objects are to be made again.
        self.changes += [change for wanted, change in self.unchanged if self._refers_to_the_past(wanted)]
        self._restore_data(now, skipped)
        self.findings.raise_errors()
        return self._assembled(on_failure)

    # --- looking up ------------------------------------------------------------------------------------------------

    def _refreshed(self, state: State) -> State:
        """The state with what its objects are now; what has gone is taken out."""
        for stored, now in self._read(managed(state.objects.values())).items():
            if now is not stored:
                self.state_changes[stored.key] = now
        return state.with_objects(self.state_changes)

    def _looked_up(self, missing: Sequence[ResourceObject]) -> dict[ResourceObject, ResourceObject]:
        """Those that exist all the same, as they are now: what was only forgotten is not made a second time.

        What is known to be destroyed is not looked up: clouds are eventually consistent, and show it for a while.
        """
        changes = self.undoes.changes if self.undoes is not None else ()
        destroyed = {change.wanted.key for change in changes if change.wanted is not None and change.destroyed}
        forgotten = [stored for stored in missing if stored.key not in destroyed]
        return {stored: now for stored, now in self._read(forgotten).items() if now is not None}

    def _read(self, objects: Sequence[ResourceObject]) -> dict[ResourceObject, ResourceObject | None]:
        by_provider: dict[str, list[ResourceObject]] = {}
        for each in objects:
            by_provider.setdefault(each.provider, []).append(each)
        reading = Refresh(self.around.providers, self.listener, lambda: self.pool)
        for reference, stored in by_provider.items():
            self._configured(stored[0])
            reading.start(parse_provider_reference(reference), stored, read=True)
        found: dict[ResourceObject, ResourceObject | None] = {}
        for each in objects:
            refreshed = reading.result(each.key)
            if refreshed is None:
                raise DiagnosticsError(_without_type(each))
            problems = tuple(problem for problem in refreshed.diagnostics if problem.is_error)
            if problems:
                raise DiagnosticsError(*problems)
            found[each] = None if refreshed.now is None else refreshed.now.stored
        return found

    # --- changes ---------------------------------------------------------------------------------------------------

    def _note_names(self, wanted: ResourceObject, occupant: ResourceObject | None) -> None:
        """Note that an object that is gone is called otherwise from now on: what refers to it is to be changed, too."""
        _, schema = self._configured(wanted)
        before, block = given_names(wanted, schema), str(wanted.address.config)
        if occupant is None:
            self.past_names.setdefault(block, set()).update(before.values())
            return
        now = given_names(occupant, schema)
        changed_names = {text: now[name] for name, text in before.items() if name in now and now[name] != text}
        self.names.setdefault(block, {}).update(changed_names)

    def _renamed(self, wanted: ResourceObject) -> ResourceObject:
        """The object as it was, but for the names of what stands in the place of others that it refers to."""
        names: dict[str, str] = {}
        for block in wanted.dependencies if self.names else ():
            names.update(self.names.get(block, {}))
        return replace(wanted, attributes=renamed_data(wanted.attributes, names)) if names else wanted

    def _refers_to_the_past(self, wanted: ResourceObject) -> bool:
        """Whether an object calls another by a name that it will not have any more."""
        past: set[str] = set()
        for block in wanted.dependencies if self.past_names else ():
            past |= self.past_names.get(block, set())
        return bool(past) and mentions(wanted.attributes, past)

    def _restore(self, wanted: ResourceObject, there: ResourceObject, *, existed: bool) -> None:
        """Make what is there what it was."""
        provider, schema = self._configured(wanted)
        wanted = self._renamed(wanted)
        if self.protecting and there.protected and not wanted.protected:
            wanted = replace(wanted, protected=True)
        before = open_stored(there, schema, provider)
        after = open_stored(wanted, schema, provider)
        base = replace(there, address=wanted.address, deposed=wanted.deposed)
        if not wanted.deposed and not alike(before.value, after.value):
            request, planned, paths = _planned(provider, schema, before, after)
            if any(changed(get_path(request.prior, path), get_path(planned, path)) for path in paths):
                self._refuse_destroy(base, protected=there.protected or wanted.protected)
                self._delete(base, aside=True)
                self._note_names(there, None)
                self._make(replace(wanted, attributes={**wanted.attributes, **given_names(there, schema)}))
                return
            if not alike(before.value, planned):
                if there.key != wanted.key or not existed:
                    self.state_changes[wanted.key] = base
                change = _change(
                    wanted, Action.UPDATE, before.marked, _marked(planned, after), prior=base, restores=wanted
                )
                self.changes.append(change)
                return
        kept = replace(
            wanted,
            attributes=base.attributes,
            schema_version=base.schema_version,
            private=base.private,
            token=base.token,
        )
        if there.key != wanted.key or not existed or _memory(there) != _memory(wanted):
            self.state_changes[wanted.key] = kept
        if not wanted.deposed:
            follows = _change(wanted, Action.UPDATE, before.marked, after.marked, prior=kept, restores=wanted)
            self.unchanged.append((wanted, follows))

    def _forget_taken_up(self, superfluous: dict[ObjectKey, ResourceObject]) -> None:
        """What the run that is undone did not make is neither destroyed nor changed where others have its place."""
        taken_up = self.undoes.taken_up if self.undoes is not None else ()
        for same in matched(taken_up, [each.identity for each in superfluous.values()]).values():
            del superfluous[same.key]
            self.state_changes.setdefault(same.key, None)

    def _refuse_destroy(self, there: ResourceObject, *, protected: bool) -> None:
        if not protected or there.deposed:
            return
        try:
            refuse_destroy(replace(there, protected=True), None)
        except DiagnosticsError as found:
            self.findings.add(*found.diagnostics)

    def _make(self, wanted: ResourceObject) -> None:
        provider, schema = self._configured(wanted)
        after = open_stored(wanted, schema, provider)
        _, planned, _ = _planned(provider, schema, None, after)
        self.changes.append(_change(wanted, Action.CREATE, None, _marked(planned, after), restores=wanted))

    def _delete(self, there: ResourceObject, *, aside: bool) -> None:
        """Delete what is there; `aside`: its key is needed for something else, so it is deposed first."""
        provider, schema = self._configured(there)
        if aside:
            moved = replace(there, deposed=self.new_key())
            occupant = self.state_changes.get(there.key)
            if occupant is None or matched([occupant.identity], [there.identity]):
                self.state_changes[there.key] = None
            self.state_changes[moved.key] = moved
            self.freed.add(there.address)
            there = moved
        before = open_stored(there, schema, provider).marked
        self.changes.append(
            _change(there, Action.DELETE, before, None, prior=there, reason=Reason.DELETE_BECAUSE_NO_RESOURCE_CONFIG)
        )

    def _restore_data(self, now: State, skipped: Container[ResourceInstance]) -> None:
        """What was read before counts again."""
        for key in now.objects:
            if key[0].resource.mode is Mode.DATA and key not in self.target.objects and key[0] not in skipped:
                self.state_changes[key] = None
        for key, stored in self.target.objects.items():
            if key[0].resource.mode is Mode.DATA and key[0] not in skipped:
                there = now.objects.get(key)
                if there is None or there.attributes != stored.attributes or _memory(there) != _memory(stored):
                    self.state_changes[key] = stored

    # --- the result ------------------------------------------------------------------------------------------------

    def _assembled(self, on_failure: str) -> Plan:
        around = self.around
        prior_state = self.stored.with_objects(self.state_changes)
        changes = tuple(sorted(self.changes, key=lambda change: (change.address.sort_key, change.deposed)))
        calls = around.working.calls.items()
        return Plan(
            configuration=around.configuration,
            mode=PlanMode.ROLLBACK,
            lineage=self.stored.lineage,
            base_serial=self.stored.serial,
            prior_state=prior_state,
            changes=changes,
            steps=order_restoration(changes, prior_state, self.target, commit_last=on_failure == "rollback"),
            outputs=_outputs(self.stored, self.target),
            state_changes=self.state_changes,
            variables=around.variables,
            modules={key: ModuleExpansion(expansion.kind, expansion.keys) for key, expansion in calls},
            checks=self.target.checks,
            on_failure=on_failure,
            timestamp=around.timestamp,
            target=self.target,
            undoes_rollback=self.undoes is not None,
        )

    def _configured(self, stored: ResourceObject) -> tuple[Provider, Schema]:
        reference = parse_provider_reference(stored.provider)
        if not self.around.setup.of_stored(reference) or self.around.providers.is_provisional(reference):
            raise DiagnosticsError(_without_provider(stored))
        resource = stored.address.resource
        schema = self.around.providers.resource_schema(reference.source, resource.mode, resource.type)
        if schema is None:
            raise DiagnosticsError(_without_type(stored))
        return self.around.providers.configured(reference), schema


def _planned(
    provider: Provider, schema: Schema, before: PriorObject | None, after: PriorObject
) -> tuple[PlanRequest, Value, tuple[tuple[str | int, ...], ...]]:
    """What the provider is asked, the object it plans, and what forces it to be replaced. Raises DiagnosticsError."""
    request = restoring_request(schema, before, after)
    (response,) = provider.plan([request])
    errors = [found for found in response.diagnostics if found.is_error]
    if errors:
        raise DiagnosticsError(*(replace(found, address=str(after.stored.address)) for found in errors))
    return request, response.planned, response.requires_replace if before is not None else ()


def restoring_request(schema: Schema, before: PriorObject | None, after: PriorObject) -> PlanRequest:
    """What to ask a provider so that an object becomes (again) what it was."""
    config = configuration_of(schema.block, after.value)
    prior = before.value if before is not None else None
    private = before.stored.private if before is not None else None
    proposed = proposed_new(schema.block, prior, config)
    return PlanRequest(after.stored.address.resource.type, prior, config, proposed, private)


def _marked(planned: Value, after: PriorObject) -> Value:
    return mark_paths(planned, after.marks, SENSITIVE) if after.marks else planned


def _memory(stored: ResourceObject) -> tuple[object, ...]:
    """What the state remembers of an object beside its attributes."""
    return (
        stored.provider,
        stored.sensitive_paths,
        stored.dependencies,
        stored.tainted,
        stored.create_before_destroy,
        stored.protected,
    )


def _change(
    stored: ResourceObject,
    action: Action,
    before: Value,
    after: Value,
    *,
    prior: ResourceObject | None = None,
    restores: ResourceObject | None = None,
    reason: Reason | None = None,
) -> Change:
    return Change(
        address=stored.address,
        provider=stored.provider,
        action=action,
        before=before,
        after=after,
        reason=reason,
        deposed=stored.deposed,
        prior=prior,
        schema_version=stored.schema_version,
        dependencies=stored.dependencies,
        create_before_destroy=stored.create_before_destroy,
        restores=restores,
    )


def _outputs(now: State, target: State) -> dict[str, OutputChange]:
    changes: dict[str, OutputChange] = {}
    for name in sorted({*now.outputs, *target.outputs}):
        before, after = now.outputs.get(name), target.outputs.get(name)
        if before is None:
            action = Action.CREATE
        elif after is None:
            action = Action.DELETE
        else:
            same = before.value == after.value and before.sensitive == after.sensitive
            action = Action.NO_OP if same else Action.UPDATE
        is_sensitive = any(output is not None and output.sensitive for output in (before, after))
        changes[name] = OutputChange(
            name,
            action,
            stored_output(before) if before is not None else None,
            stored_output(after) if after is not None else None,
            is_sensitive,
            before is not None,
        )
    return changes


def _blocked(stay: Sequence[ResourceObject]) -> Diagnostic:
    return warning(
        "What is left out is in the way of others",
        f"{', '.join(str(each.address) for each in stay)}: the place in the state is that of an object that is to be "
        "left as it is, so this is left, too.",
        remedy="Move the one that is in the way, as with `iac state mv`, and go back with `iac rollback --to`.",
    )


def _without_provider(stored: ResourceObject) -> Diagnostic:
    return error(
        "Provider configuration not present",
        f"{stored.address} belongs to {stored.provider}, which is declared nowhere now, or is not wholly known.",
        remedy="Declare the provider configuration again, so that the object can be put back.",
        address=str(stored.address),
    )


def _without_type(stored: ResourceObject) -> Diagnostic:
    return error(
        "Resource type not present",
        f"{stored.provider} has no type {stored.address.resource.type} now.",
        remedy="Install the version of the provider that the object was made with.",
        address=str(stored.address),
    )
