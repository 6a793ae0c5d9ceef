"""The plan that leads from one state of a stack back to an earlier one: after a failed run, or because somebody asks.

It is carried out by the same executor as any other plan. What is there and was not is deleted; what was there and is
not is looked up (it may only have been forgotten) and made again; what has changed is changed back. What objects are
made again from is the object as it was, without what its provider computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from iacengine.addresses import Mode, parse_provider_reference
from iacengine.config.model import Configuration
from iacengine.evaluation.provider_setup import ProviderSetup
from iacengine.evaluation.scope import WorkingValues
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Findings, error, some, warning
from iacengine.lang.values import SENSITIVE, Value
from iacengine.plan.difference import difference, managed, placed
from iacengine.plan.events import Listener, Warned
from iacengine.plan.managed import refuse_destroy
from iacengine.plan.model import Action, Change, ModuleExpansion, OutputChange, Plan, PlanMode, Reason
from iacengine.plan.new_names import (
    given_names,
    mentions,
    names_with_id,
    reached,
    renamed_data,
    renamed_outputs,
    renamed_reads,
    through_data,
)
from iacengine.plan.order import order_restoration
from iacengine.plan.outputs import stored_output
from iacengine.plan.prior import PriorObject, open_stored
from iacengine.plan.refresh import Refresh
from iacengine.plan.undoing import WayBack, way_back
from iacengine.provider.instances import Providers
from iacengine.provider.planning import changed
from iacengine.provider.protocol import PlanRequest, Provider
from iacengine.schema import Schema
from iacengine.schema.configured import configuration_of
from iacengine.schema.proposed import proposed_new
from iacengine.schema.unknowns import alike
from iacengine.schema.values import get_path, mark_paths
from iacengine.state.model import ObjectKey, ResourceObject, State

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
    target: State | None,
    around: Surroundings,
    listener: Listener,
    new_key: NewKey,
    *,
    on_failure: str = "pause",
    refresh: bool = False,
    protecting: bool = False,
) -> Plan:
    """What has to be done so that the objects of `now` become those of `target` again (None: those that its pending
    rollback leads back to).

    `refresh`: look up what is there first. Nothing that was protected before is deleted; `protecting`: nor is what was
    made since, and what is protected stays so. (A run that failed is undone without that: what it made, protected or
    not, was never promised to anybody.) Raises DiagnosticsError when a provider that is needed is declared nowhere or
    cannot be asked, and when something protected would have to go.
    """
    with ThreadPoolExecutor(around.parallelism, thread_name_prefix="restore") as pool:
        restoration = _Restoration(now, around, listener, new_key, pool, protecting)
        seen = restoration.refreshed() if refresh else now
        back = way_back(seen) if target is None else WayBack(target, difference(seen, target))
        return restoration.plan(seen, back, on_failure, undoes=target is None)


@dataclass(slots=True, eq=False)
class _Restoration:
    stored: State
    around: Surroundings
    listener: Listener
    new_key: NewKey
    pool: ThreadPoolExecutor
    protecting: bool
    findings: Findings = field(default_factory=Findings)
    changes: list[Change] = field(default_factory=list)
    left: set[ObjectKey] = field(default_factory=set)
    """The keys under which something is not any more, before the first step."""
    put: dict[ObjectKey, ResourceObject] = field(default_factory=dict)
    """What is under other keys, or remembered otherwise, before the first step."""
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    """By block: what its objects were called, and what those that stand in their place are called."""
    ids: dict[str, str] = field(default_factory=dict)
    """Those of the names that hold an id."""
    unchanged: list[tuple[ResourceObject, Change]] = field(default_factory=list)
    """What is as it was, as changes that follow all the same where another object gets a new name."""
    past_names: dict[str, set[str]] = field(default_factory=dict)
    """By block: what those of its objects were called that are to be made again."""
    through: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By block of data sources: what they were read from."""

    def plan(self, now: State, back: WayBack, on_failure: str, *, undoes: bool) -> Plan:
        found, self.through = back.difference, through_data(back.target)
        if found.blocked:
            self.listener(Warned(_blocked(found.blocked)))
        again = self._looked_up(found.missing)
        gone = managed([*found.destroyed, *(wanted for wanted in found.missing if wanted not in again)])
        superfluous = {each.key: each for each in found.superfluous}
        kept = [*found.kept, *_taken_from(superfluous, again)]
        for there in (*found.forgotten, *(there for wanted, there in kept if there.key != wanted.key)):
            self._leave(there)
        # What stands in the place of one that is gone may do when it is changed.
        places = {each: superfluous[each.key] for each in gone if not _is_tainted(superfluous.get(each.key))}
        for wanted in gone:
            self._note_names(wanted, places.get(wanted))
        for wanted in gone:
            if wanted in places:
                del superfluous[wanted.key]
                self._restore(wanted, places[wanted], made_since=True)
            else:
                self._make(self._renamed(wanted))
        kept += again.items()
        for wanted, there in kept:
            self._restore(wanted, there)
        needed = {wanted.key for wanted in (*gone, *(wanted for wanted, _ in kept))}
        for each in superfluous.values():
            self._refuse_destroy(each, protected=self.protecting and each.protected)
            self._delete(each, aside=each.key in needed)
        # Only now it is known which objects are to be made again.
        self.changes += [change for wanted, change in self.unchanged if self._refers_to_the_past(wanted)]
        self._restore_data(now, back.target)
        self.findings.raise_errors()
        return self._assembled(back.target, on_failure, undoes=undoes)

    # --- looking up ------------------------------------------------------------------------------------------------

    def refreshed(self) -> State:
        """The state with what its objects are now; what has gone is taken out."""
        seen = self._read(managed(self.stored.objects.values()))
        self.left |= {stored.key for stored, now in seen.items() if now is None}
        self.put |= {stored.key: now for stored, now in seen.items() if now is not None and now is not stored}
        return self.stored.with_objects({stored.key: now for stored, now in seen.items() if now is not stored})

    def _looked_up(self, missing: Sequence[ResourceObject]) -> dict[ResourceObject, ResourceObject]:
        """Those that exist all the same, as they are now: what was only forgotten is not made a second time."""
        return {stored: now for stored, now in self._read(missing).items() if now is not None}

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
        self.ids |= names_with_id(wanted, changed_names)

    def _renamed(self, wanted: ResourceObject) -> ResourceObject:
        """The object as it was, but for the names of what stands in the place of others that it refers to."""
        names: dict[str, str] = {}
        for block in self._needs(wanted) if self.names else ():
            names.update(self.names.get(block, {}))
        return replace(wanted, attributes=renamed_data(wanted.attributes, names)) if names else wanted

    def _needs(self, wanted: ResourceObject) -> Sequence[str]:
        return reached(wanted.dependencies, self.through)

    def _refers_to_the_past(self, wanted: ResourceObject) -> bool:
        """Whether an object calls another by a name that it will not have any more."""
        past: set[str] = set()
        for block in self._needs(wanted) if self.past_names else ():
            past |= self.past_names.get(block, set())
        return bool(past) and mentions(wanted.attributes, past)

    def _restore(self, wanted: ResourceObject, there: ResourceObject, *, made_since: bool = False) -> None:
        """Make what is there what it was; `made_since`: it stands in the place of what is gone."""
        provider, schema = self._configured(wanted)
        if self.protecting and there.protected and not wanted.protected:
            wanted = replace(wanted, protected=True)
        before = open_stored(there, schema, provider)
        if wanted.deposed:
            self._keep(wanted, there)
            return
        base, named = placed(there, *wanted.key), self._renamed(wanted)
        asked = _asked(provider, schema, before, named)
        if asked.replaces and named is not wanted:
            asked_plainly = _asked(provider, schema, before, wanted)
            if not asked_plainly.replaces:  # another's new name is no reason to destroy it
                asked = asked_plainly
        if asked.replaces:
            was_protected = wanted.protected and not made_since
            self._refuse_destroy(base, protected=was_protected or (self.protecting and there.protected))
            self._delete(base, aside=True)
            self._note_names(there, None)
            self._make(replace(named, attributes={**named.attributes, **given_names(there, schema)}))
        elif not alike(before.value, asked.planned):
            if base is not self.stored.objects.get(there.key):
                self._put(base)
            after, becomes = _marked(asked.planned, asked.after), asked.after.stored
            self.changes.append(_change(becomes, Action.UPDATE, before.marked, after, prior=base, restores=becomes))
        else:
            kept, becomes = self._keep(wanted, there), asked.after.stored
            follows = _change(becomes, Action.UPDATE, before.marked, asked.after.marked, prior=kept, restores=becomes)
            self.unchanged.append((becomes, follows))

    def _keep(self, wanted: ResourceObject, there: ResourceObject) -> ResourceObject:
        """What is there, remembered as it was."""
        kept = replace(
            wanted,
            attributes=there.attributes,
            schema_version=there.schema_version,
            private=there.private,
            token=there.token,
        )
        if self.stored.objects.get(wanted.key) is not there or _memory(there) != _memory(wanted):
            self._put(kept)
        return kept

    def _leave(self, there: ResourceObject) -> None:
        """Something is not under its key any more."""
        self.left.add(there.key)
        if self.put.get(there.key) is there:
            del self.put[there.key]

    def _put(self, found: ResourceObject) -> None:
        self.put[found.key] = found

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
            self._leave(there)
            there = replace(there, deposed=self.new_key())
            self._put(there)
        before = open_stored(there, schema, provider).marked
        self.changes.append(
            _change(there, Action.DELETE, before, None, prior=there, reason=Reason.DELETE_BECAUSE_NO_RESOURCE_CONFIG)
        )

    def _restore_data(self, now: State, target: State) -> None:
        """What was read before counts again."""
        self.left |= {key for key in now.objects if key[0].resource.mode is Mode.DATA and key not in target.objects}
        for key, stored in target.objects.items():
            if key[0].resource.mode is Mode.DATA:
                there = now.objects.get(key)
                if there is None or there.attributes != stored.attributes or _memory(there) != _memory(stored):
                    self._put(stored)

    # --- the result ------------------------------------------------------------------------------------------------

    def _assembled(self, target: State, on_failure: str, *, undoes: bool) -> Plan:
        around = self.around
        target = self._with_new_ids(target)
        state_changes: dict[ObjectKey, ResourceObject | None] = dict.fromkeys(self.left)
        state_changes |= self.put
        prior_state = self.stored.with_objects(state_changes)
        changes = tuple(sorted(self.changes, key=lambda change: (change.address.sort_key, change.deposed)))
        calls = around.working.calls.items()
        return Plan(
            configuration=around.configuration,
            mode=PlanMode.ROLLBACK,
            lineage=self.stored.lineage,
            base_serial=self.stored.serial,
            prior_state=prior_state,
            changes=changes,
            steps=order_restoration(changes, prior_state, target, commit_last=on_failure == "rollback"),
            outputs=_outputs(self.stored, target),
            state_changes=state_changes,
            variables=around.variables,
            modules={key: ModuleExpansion(expansion.kind, expansion.keys) for key, expansion in calls},
            checks=target.checks,
            on_failure=on_failure,
            timestamp=around.timestamp,
            target=target,
            undoes_rollback=undoes,
        )

    def _with_new_ids(self, target: State) -> State:
        """The target whose outputs and data name what stands in the place of others."""
        reads = renamed_reads(target.objects, self.ids)
        self.put |= reads
        return replace(target.with_objects(reads), outputs=renamed_outputs(target.outputs, self.ids))

    def _configured(self, stored: ResourceObject) -> tuple[Provider, Schema]:
        reference = parse_provider_reference(stored.provider)
        if not self.around.setup.of_stored(reference) or self.around.providers.is_provisional(reference):
            raise DiagnosticsError(_without_provider(stored))
        resource = stored.address.resource
        schema = self.around.providers.resource_schema(reference.source, resource.mode, resource.type)
        if schema is None:
            raise DiagnosticsError(_without_type(stored))
        return self.around.providers.configured(reference), schema


def _taken_from(
    superfluous: dict[ObjectKey, ResourceObject], again: dict[ResourceObject, ResourceObject]
) -> list[tuple[ResourceObject, ResourceObject]]:
    """Pairs of those that were found again and that the state has all the same: an object that nothing but its id in
    the cloud tells. They are taken out of both."""
    ids = {(each.address.resource.type, each.attributes.get("id")): each for each in superfluous.values()}
    pairs = []
    for wanted, seen in list(again.items()):
        id_ = seen.attributes.get("id")
        same = ids.pop((wanted.address.resource.type, id_), None) if isinstance(id_, str) and id_ else None
        if same is not None and _source(same) == _source(wanted):
            pairs.append((wanted, same))
            del superfluous[same.key], again[wanted]
    return pairs


def _source(stored: ResourceObject) -> str:
    return parse_provider_reference(stored.provider).source


def _is_tainted(found: ResourceObject | None) -> bool:
    return found is None or found.tainted


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What a provider says of making an object what another is (`after`)."""

    after: PriorObject
    planned: Value
    replaces: bool


def _asked(provider: Provider, schema: Schema, before: PriorObject, wanted: ResourceObject) -> _Asked:
    """Raises DiagnosticsError when the provider refuses."""
    after = open_stored(wanted, schema, provider)
    if alike(before.value, after.value):
        return _Asked(after, before.value, replaces=False)
    request, planned, paths = _planned(provider, schema, before, after)
    return _Asked(after, planned, forces_replacement(request.prior, planned, paths))


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


def forces_replacement(prior: Value, planned: Value, paths: Sequence[tuple[str | int, ...]]) -> bool:
    """Whether what is planned cannot be had by an update. `paths`: attributes whose change the provider cannot make."""
    return any(changed(get_path(prior, path), get_path(planned, path)) for path in paths)


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
        f"{some(each.address for each in stay)}: the place in the state is that of an object that is to be "
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
