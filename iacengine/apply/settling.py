"""What the answer of a provider means for a run: entries for the journal, the state as it becomes, what may go on."""

from __future__ import annotations

from dataclasses import replace

from iacengine.apply.operations import (
    Task,
    Undecided,
    answer_problems,
    settled_object,
    unusable_answer,
    with_what_is_there,
)
from iacengine.apply.reading import Reading
from iacengine.apply.work import Work
from iacengine.foundation.diagnostics import DiagnosticsError, has_errors
from iacengine.lang.values import Value
from iacengine.plan.events import StepFinished
from iacengine.plan.prior import stored_value
from iacengine.provider.protocol import ApplyResponse
from iacengine.schema.errors import SchemaError
from iacengine.state.journal_entries import Failed, Operation, Succeeded
from iacengine.state.model import ObjectKey, ResourceObject


def settle(work: Work, task: Task, response: ApplyResponse | Undecided, elapsed: float) -> bool:
    """Note what came of a task; True when its provisioners come next, and the step is done only after them."""
    if isinstance(response, Undecided):
        _leave(work, task, response, elapsed)
        return False
    problems = answer_problems(task, response)
    failed = has_errors(problems)
    try:
        changes = _state_changes(work, task, replace(response, diagnostics=problems))
    except (AttributeError, KeyError, TypeError, ValueError, SchemaError):
        problems, failed = (*problems, unusable_answer(task)), True
        there = with_what_is_there(task, ApplyResponse(None, diagnostics=problems))
        if isinstance(there, Undecided):
            _leave(work, task, there, elapsed)
            return False
        changes = _state_changes(work, task, replace(there, diagnostics=problems))
    restored = changes.get((task.address, ""))
    if task.change.restores is not None and restored is not None:
        work.renaming.note(task.change.restores, restored)
    key = (task.address, task.deposed)
    if task.operation is Operation.DELETE and key in changes and changes[key] is None:
        work.progress.destroyed.append(work.objects[key].identity)
    work.apply_changes(changes)
    if failed:
        message = next(found.summary for found in problems if found.is_error)
        work.pending.append(Failed(task.step, message, changes))
        work.fail(task.step, task.change, problems, elapsed)
        return False
    work.pending.append(Succeeded(task.step, changes))
    work.findings.extend(problems)
    if work.is_provisioned(task):
        return True
    done(work, task, elapsed)
    return False


def _leave(work: Work, task: Task, undecided: Undecided, elapsed: float) -> None:
    """Leave a step to the next run: the journal says that it began, and not how it ended."""
    work.undecided.append(task.address)
    problems = answer_problems(task, ApplyResponse(None, diagnostics=undecided.diagnostics))
    work.fail(task.step, task.change, problems, elapsed)


def done(work: Work, task: Task, elapsed: float) -> None:
    """A step did what it was to do: tell it, judge what came of it, and let others go on."""
    work.progress.count(task.operation)
    stored = work.objects.get((task.address, "")) if task.operation is not Operation.DELETE else None
    work.listener(
        StepFinished(
            task.step,
            task.operation,
            task.address,
            elapsed,
            told_deposed(task),
            text_id(stored.attributes) if stored is not None else None,
        )
    )
    try:
        if task.operation is not Operation.DELETE:
            work.check_postconditions(task.change, work.values.object(task.address))
    except DiagnosticsError as found:
        work.fail(task.step, task.change, found.diagnostics, elapsed, told=False)
        return
    work.agenda.finish(task.step)


def settle_reading(work: Work, reading: Reading, value: Value | DiagnosticsError, elapsed: float) -> None:
    """Note what a data source said, or that it could not be read."""
    if isinstance(value, DiagnosticsError):
        if not work.values.note_unreadable(reading.address, value, work.findings):
            work.fail(reading.step, reading.change, value.diagnostics, elapsed)
            return
        value = reading.unread()
    stored = reading.stored(value)
    work.values.set_object(reading.address, value)
    work.change({stored.key: stored})
    work.listener(StepFinished(reading.step, Operation.READ, reading.address, elapsed, id=text_id(stored.attributes)))
    try:
        work.check_postconditions(reading.change, value)
    except DiagnosticsError as found:
        work.fail(reading.step, reading.change, found.diagnostics, elapsed, told=False)
        return
    work.agenda.finish(reading.step)


def _state_changes(work: Work, task: Task, response: ApplyResponse) -> dict[ObjectKey, ResourceObject | None]:
    address = task.address
    failed = has_errors(response.diagnostics)
    if task.operation is Operation.DELETE:
        if failed and response.state is None:
            return {}
        if response.state is None:
            if not task.deposed:
                work.values.drop_object(address, keep=task.change.action.is_replace)
            return {(address, task.deposed): None}
        stored = work.objects[(address, task.deposed)]
        attributes, paths = stored_value(response.state, task.schema.block)
        left = replace(stored, attributes=attributes, sensitive_paths=paths or stored.sensitive_paths)
        return {left.key: left}
    found, value = settled_object(task, response, task.request.token)
    if found is None:
        return {}
    if work.is_provisioned(task):
        found = replace(found, tainted=True, protected=False)
    changes: dict[ObjectKey, ResourceObject | None] = {found.key: found}
    before = work.objects.get((address, ""))
    if task.deposed and before is not None:
        changes[(address, task.deposed)] = replace(before, deposed=task.deposed)
    work.values.set_object(address, value)
    return changes


def told_deposed(task: Task) -> str:
    """The key that tells a deposed object from the current one, where it is the one that is deleted."""
    return task.deposed if task.operation is Operation.DELETE else ""


def text_id(attributes: object) -> str | None:
    """The attribute `id`, where it is a text."""
    found = attributes.get("id") if isinstance(attributes, dict) else None
    return found if isinstance(found, str) else None
