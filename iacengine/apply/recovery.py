"""Recovery: settling what an interrupted run left, by replaying its journal and asking the providers about the rest.

No question is asked of the user. An operation that began and whose end is unknown is settled by looking: a create by
its operation token (`Provider.find`), an update or delete by reading the object that was there before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from iacengine.addresses import InstanceKey, ModuleInstance, ProviderReference, Resource, parse_provider_reference
from iacengine.apply.presence import Waiting, look
from iacengine.config.model import Configuration, Repetition
from iacengine.evaluation.expansion import expand
from iacengine.evaluation.provider_setup import ProviderSetup
from iacengine.evaluation.scope import SINGLE, Expansion, WorkingValues
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, error
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.values import SENSITIVE, UNKNOWN, Value
from iacengine.plan.events import Listener, Recovered, Warned
from iacengine.plan.prior import PriorObject, open_stored, stored_value
from iacengine.provider.instances import Providers
from iacengine.provider.protocol import Provider, ReadRequest, ReadResponse
from iacengine.schema import Schema
from iacengine.schema.values import mark_paths
from iacengine.state.backends.base import Backend, StateLock
from iacengine.state.journal_entries import Begun, Operation
from iacengine.state.model import ObjectKey, ResourceObject, State
from iacengine.state.replay import Replay


def settle(replayed: Replay, setup: ProviderSetup, providers: Providers, listener: Listener) -> State | None:
    """The state after an interrupted run, every operation in flight settled. Raises DiagnosticsError when a provider
    that has to be asked cannot be reached; nothing is lost then, and the next run tries again."""
    state = replayed.state
    if not replayed.in_flight:
        return state
    changes: dict[ObjectKey, ResourceObject | None] = {}
    waiting = Waiting()
    for begun in replayed.in_flight:
        outcome = _settle_one(begun, setup, providers, changes, listener, waiting)
        listener(Recovered(begun.operation, begun.address, outcome))
    if state is None:
        raise AssertionError("a journal with operations in flight has a state below it")
    return state.with_objects(changes)


def stored_values(
    configuration: Configuration,
    variables: Mapping[str, Value],
    functions: FunctionContext,
    state: State,
    providers: Providers,
) -> WorkingValues:
    """What names mean by the stored objects alone, so that a provider made of resources can be configured by them."""
    working = WorkingValues(configuration, variables, functions)
    instances: dict[tuple[ModuleInstance, Resource], list[InstanceKey]] = {}
    calls: dict[tuple[ModuleInstance, str], list[InstanceKey]] = {}
    for stored in state.objects.values():
        address = stored.address
        if stored.deposed:
            continue
        instances.setdefault((address.module, address.resource), []).append(address.key)
        for depth, (name, key) in enumerate(address.module.steps):
            calls.setdefault((ModuleInstance(address.module.steps[:depth]), name), []).append(key)
        reference = parse_provider_reference(stored.provider)
        schema = providers.resource_schema(reference.source, address.resource.mode, address.resource.type)
        if schema is not None:
            value = open_stored(stored, schema, providers.unconfigured(reference.source)).marked
            working.set_object(address, value)
    for (module, resource), keys in instances.items():
        block = (
            configuration.modules[module.path].resources.get(resource) if module.path in configuration.modules else None
        )
        if block is not None:
            working.expand_resource(module, resource, _expansion(block.repetition, keys))
    for caller in configuration.modules.values():  # those that call come before those that are called
        for parent in working.module_instances(caller.path):
            for call in caller.calls.values():
                try:
                    expansion = expand(call.repetition, working.scope(parent), call.origin)
                except DiagnosticsError:
                    expansion = _expansion(call.repetition, calls.get((parent, call.name), []))
                working.expand_call(parent, call.name, expansion)
    return working


def _expansion(repetition: Repetition, keys: list[InstanceKey]) -> Expansion:
    if not repetition.has_count and not repetition.has_for_each:
        return SINGLE
    return Expansion("count" if repetition.has_count else "for_each", dict.fromkeys(keys, UNKNOWN))


def write_recovered(state: State, base_serial: int | None, backend: Backend, lock: StateLock) -> State:
    """Write what recovery found out as the next serial, and drop the journal."""
    written = replace(state, serial=(base_serial or 0) + 1)
    backend.write(written, base_serial, lock)
    backend.clear_journal(lock)
    return written


def _settle_one(
    begun: Begun,
    setup: ProviderSetup,
    providers: Providers,
    changes: dict[ObjectKey, ResourceObject | None],
    listener: Listener,
    waiting: Waiting,
) -> str:
    reference = parse_provider_reference(begun.provider)
    if not setup.of_stored(reference):
        raise DiagnosticsError(
            error(
                "Recovery needs a provider",
                f"An interrupted run was about to {begun.operation.value} {begun.address} with {reference}, "
                "which is declared nowhere now.",
                remedy="Declare the provider configuration again, so that what was left can be looked for.",
                address=str(begun.address),
            )
        )
    if providers.is_provisional(reference):
        raise DiagnosticsError(_not_yet_known(begun, reference))
    provider = providers.configured(reference)
    type_ = begun.address.resource.type
    schema = providers.resource_schema(reference.source, begun.address.resource.mode, type_)
    if schema is None:
        raise DiagnosticsError(
            error(
                "Recovery needs a resource type",
                f"An interrupted run was about to {begun.operation.value} {begun.address}, but {reference} has no type "
                f"{type_} now.",
                remedy="Install the version of the provider that the interrupted run used.",
                address=str(begun.address),
            )
        )
    if begun.operation is Operation.CREATE:
        found = provider.find(type_, begun.token)
        _raise_errors(begun, found.diagnostics)
        for diagnostic in found.diagnostics:
            listener(Warned(replace(diagnostic, address=str(begun.address))))
        if found.state is None:
            return "nobody can tell whether it was made" if found.diagnostics else "it was never made"
        _await_visible(begun, provider, found, waiting)
        _adopt(begun, schema, found.state, found.private, changes)
        return "it had been made, and is adopted"
    if begun.prior is None:
        return "there was nothing to look for"
    prior = open_stored(begun.prior, schema, provider)
    request = ReadRequest(type_, prior.value, prior.stored.private)
    is_delete = begun.operation is Operation.DELETE
    response = look(
        provider, request, begun.prior.token, waiting, _changing(begun), before=prior.value, deleting=is_delete
    )
    _raise_errors(begun, response.diagnostics)
    if response.state is None:
        changes[begun.prior.key] = None
        return "it is gone"
    changes[begun.prior.key] = _read_object(begun, prior, schema, response.state, response.private)
    return "it is there, and was read again"


def _await_visible(begun: Begun, provider: Provider, found: ReadResponse, waiting: Waiting) -> None:
    """Wait until reads see what was found: clouds are eventually consistent, and a plan that reads an object too early
    would take it for gone and make another one."""
    request = ReadRequest(begun.address.resource.type, found.state, found.private)
    _raise_errors(begun, look(provider, request, begun.token, waiting).diagnostics)


def _changing(begun: Begun) -> list[str]:
    """The attributes that an update was to change."""
    if begun.planned is None or begun.prior is None:
        return []
    before, after = begun.prior.attributes, begun.planned.attributes
    return [name for name in before if name not in after or before[name] != after[name]]


def _adopt(
    begun: Begun, schema: Schema, state: Value, private: bytes | None, changes: dict[ObjectKey, ResourceObject | None]
) -> None:
    planned = begun.planned
    paths = planned.sensitive_paths if planned is not None else ()
    attributes, sensitive_paths = stored_value(mark_paths(state, paths, SENSITIVE) if paths else state, schema.block)
    changes[(begun.address, "")] = ResourceObject(
        begun.address,
        begun.provider,
        attributes,
        schema.version,
        sensitive_paths,
        private,
        planned.dependencies if planned is not None else (),
        tainted=planned.tainted if planned is not None else False,
        create_before_destroy=planned.create_before_destroy if planned is not None else False,
        protected=planned.protected if planned is not None else False,
        token=begun.token,
    )
    if begun.deposed and begun.prior is not None:
        changes[(begun.address, begun.deposed)] = replace(begun.prior, deposed=begun.deposed)


def _read_object(
    begun: Begun, prior: PriorObject, schema: Schema, state: Value, private: bytes | None
) -> ResourceObject:
    """The object before or after its operation, or in between: sensitive where either is, needing what either needs."""
    secret, needed = prior.marks, prior.stored.dependencies
    if begun.planned is not None:
        secret = (*secret, *begun.planned.sensitive_paths)
        needed = tuple(sorted({*needed, *begun.planned.dependencies}))
    marked = mark_paths(state, secret, SENSITIVE) if secret else state
    attributes, paths = stored_value(marked, schema.block)
    return replace(
        prior.stored,
        attributes=attributes,
        schema_version=schema.version,
        sensitive_paths=paths,
        private=private or prior.stored.private,
        dependencies=needed,
    )


def _not_yet_known(begun: Begun, reference: ProviderReference) -> Diagnostic:
    return error(
        "Recovery needs a provider",
        f"An interrupted run was about to {begun.operation.value} {begun.address} with {reference}, whose "
        "configuration holds values that are not known now, so that it cannot be asked what became of that.",
        remedy="Write the configuration of the provider with known values until the interrupted run is settled.",
        address=str(begun.address),
    )


def _raise_errors(begun: Begun, diagnostics: tuple[Diagnostic, ...]) -> None:
    errors = [found for found in diagnostics if found.is_error]
    if errors:
        raise DiagnosticsError(*(replace(found, address=str(begun.address)) for found in errors))
