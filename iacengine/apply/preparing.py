"""What a step that may begin asks of its provider. Everything is evaluated here, and no I/O is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from iacengine.addresses import parse_provider_reference
from iacengine.apply.operations import Task, prepare_delete, prepare_forward, prepare_restore
from iacengine.apply.reading import Reading
from iacengine.apply.work import Work
from iacengine.evaluation.conditions import judge
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.plan.managed import evaluate_config
from iacengine.plan.model import Change
from iacengine.schema.unknowns import alike
from iacengine.state.journal_entries import Operation
from iacengine.state.model import ObjectKey, ResourceObject

Job = Task | Reading


def prepare(work: Work, number: int, provision: Callable[[Task], bool]) -> Job | None:
    """What a ready step asks of its provider; None when it needs no call, and is done (or failed) with that.

    `provision` starts what runs before a delete, and says whether there is something: the delete then comes later.
    """
    step = work.plan.steps[number]
    if step.operation is None:
        work.agenda.finish(number)
        return None
    change = work.plan.changes[step.change]
    if number in work.agenda.blocked:
        work.skip(number, change)
        return None
    try:
        match step.operation:
            case Operation.CREATE | Operation.UPDATE:
                return _impatient(work, _forward(work, number, step.operation, change))
            case Operation.DELETE:
                task = _impatient(work, _delete(work, number, step.change, change))
                return None if task is not None and provision(task) else task
            case Operation.READ:
                return _reading(work, number, change)
            case Operation.FORGET:
                work.change({(change.address, change.deposed): None})
                work.progress.count(Operation.FORGET)
                work.agenda.finish(number)
    except DiagnosticsError as found:
        placed = (each if each.range else replace(each, address=str(change.address)) for each in found.diagnostics)
        work.fail(number, change, tuple(placed), 0.0, told=False)
    return None


def _impatient(work: Work, task: Task | None) -> Task | None:
    """The task with a provider that does not wait for room: while its call goes on, it may have what there is."""
    if task is None or task.provider.is_local:
        return task
    return replace(task, provider=work.providers.impatient(parse_provider_reference(task.change.provider)))


def _restore(work: Work, number: int, operation: Operation, change: Change) -> Task | None:
    """Making an object what it was; None when it is that already, since nothing it refers to has another name now."""
    reference = parse_provider_reference(change.provider)
    if not work.values.setup.of_stored(reference):
        raise DiagnosticsError(work.values.no_provider(change.address, reference))
    schema = work.values.schema(reference, change.address)
    renamed = work.renaming.of(change.dependencies)
    task = prepare_restore(number, operation, change, work.providers.configured(reference), schema, renamed)
    if operation is Operation.UPDATE and alike(task.request.prior, task.request.planned):
        work.agenda.finish(number)
        return None
    return task


def _forward(work: Work, number: int, operation: Operation, change: Change) -> Task | None:
    if change.restores is not None:
        return _restore(work, number, operation, change)
    values = work.values
    block = values.block(change.address)
    reference = values.setup.of_block(change.address.module.path, block)
    schema = values.schema(reference, change.address)
    scope = values.scope(change.address, block)
    for condition in block.lifecycle.preconditions:
        verdict = judge(condition, scope, "Resource precondition failed")
        values.verdict("resource", str(change.address), verdict)
        if verdict.diagnostic is not None:
            raise DiagnosticsError(verdict.diagnostic)
    task = prepare_forward(number, operation, change, block, work.providers.configured(reference), schema, scope)
    if task is None:
        assert change.prior is not None
        values.set_object(change.address, change.before)
        work.change(_refreshed_dependencies(work, change))
        work.agenda.finish(number)
        return None
    if task.deposed:
        work.deposed[work.plan.steps[number].change] = task.deposed
    return task


def _refreshed_dependencies(work: Work, change: Change) -> dict[ObjectKey, ResourceObject | None]:
    stored = work.objects.get((change.address, ""))
    if stored is None or (stored.dependencies, stored.protected) == (change.dependencies, change.protected):
        return {}
    return {stored.key: replace(stored, dependencies=change.dependencies, protected=change.protected)}


def _delete(work: Work, number: int, index: int, change: Change) -> Task | None:
    deposed = change.deposed or work.deposed.get(index, "")
    stored = work.objects.get((change.address, deposed))
    if stored is None:
        work.agenda.finish(number)
        return None
    reference = parse_provider_reference(stored.provider)
    if not work.values.setup.of_stored(reference):
        raise DiagnosticsError(work.values.no_provider(change.address, reference))
    schema = work.values.schema(reference, change.address)
    return prepare_delete(number, change, stored, work.providers.configured(reference), schema)


def _reading(work: Work, number: int, change: Change) -> Reading:
    block = work.values.block(change.address)
    reference = work.values.setup.of_block(change.address.module.path, block)
    schema = work.values.schema(reference, change.address)
    config, marks = evaluate_config(block, schema, work.values.scope(change.address, block))
    return Reading(number, change, block, work.providers.impatient(reference), schema, config, marks)
