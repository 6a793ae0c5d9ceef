"""One step of a plan: what to ask the provider, and what its answer means for the state.

`prepare_*` evaluates again what was unknown while planning; `perform` calls the provider (in any thread); `settle_*`
turns the answer into changes of the state. Only `perform` does I/O.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from iacengine.addresses import ProviderReference, ResourceInstance, parse_provider_reference
from iacengine.apply.presence import BRIEF, Waiting, look
from iacengine.apply.renaming import with_new_names
from iacengine.config.model import ResourceBlock
from iacengine.config.source import locate
from iacengine.evaluation.scope import AnyScope
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Severity, error, has_errors, warning
from iacengine.lang.values import SENSITIVE, Unknown, Value, any_inside, map_children, same
from iacengine.plan.managed import Desired, decide, evaluate_config, request_for
from iacengine.plan.model import Action, Change
from iacengine.plan.prior import PriorObject, open_stored, stored_value
from iacengine.plan.restoration import forces_replacement, restoring_request
from iacengine.provider.checks import check_applied, check_planned, check_read
from iacengine.provider.protocol import ApplyRequest, ApplyResponse, Provider, ReadRequest, ReadResponse
from iacengine.provider.redaction import redacted
from iacengine.provider.timeouts import timeout_of
from iacengine.schema import Schema
from iacengine.schema.values import mark_paths, mark_with_paths, unmark_with_paths
from iacengine.state.journal_entries import Operation
from iacengine.state.model import Deposed, ResourceObject


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A provider call ready to be made for a step.

    `planned` is the object as it shall be (marked), None for a delete; `deposed` the key under which a replaced object
    waits for its deletion (for a create: the key it gets; for a delete: the key it has). `made_by`: the token of the
    operation that made the object that is changed or deleted, `private` what its provider keeps of it.
    """

    step: int
    operation: Operation
    change: Change
    provider: Provider
    schema: Schema
    request: ApplyRequest
    planned: Value
    deposed: Deposed = ""
    made_by: str | None = None
    private: bytes | None = None

    @property
    def address(self) -> ResourceInstance:
        return self.change.address


def new_token() -> str:
    """A token that names one operation: 128 random bits in hexadecimal."""
    return os.urandom(16).hex()


def new_deposed_key() -> Deposed:
    return os.urandom(4).hex()


def prepare_forward(
    step: int,
    operation: Operation,
    change: Change,
    block: ResourceBlock,
    provider: Provider,
    schema: Schema,
    scope: AnyScope,
) -> Task | None:
    """A create or update. None when the change turns out to be none. Raises DiagnosticsError."""
    prior = _prior(change, schema, provider) if operation is Operation.UPDATE else None
    planned, private = change.after, change.planned_private
    config, marks = unmark_with_paths(change.config)
    if change.body_unknown:
        config, marks = evaluate_config(block, schema, scope)
        _refuse_unknown(change.address, block, config)
        desired = Desired(
            change.address,
            block,
            _reference(change),
            schema,
            config,
            marks,
            prior,
            change.create_before_destroy,
            change.dependencies,
        )
        final = _plan_again(desired, change, provider)
        if operation is Operation.UPDATE and final.action is Action.NO_OP:
            return None
        planned, private = final.after, final.planned_private
    plain, _ = unmark_with_paths(planned)
    request = ApplyRequest(
        change.address.resource.type,
        prior.value if prior is not None else None,
        plain,
        config,
        new_token(),
        private,
        timeout_of(plain, operation.value),
    )
    deposed = new_deposed_key() if change.action is Action.CREATE_THEN_DELETE else ""
    return Task(step, operation, change, provider, schema, request, planned, deposed, *_origin(change.prior))


def prepare_restore(
    step: int, operation: Operation, change: Change, provider: Provider, schema: Schema, renamed: Mapping[str, str]
) -> Task:
    """A create or update that makes an object what it was. Raises DiagnosticsError.

    `renamed`: what objects that it needs were called, and are called since they were made again.
    """
    assert change.restores is not None
    prior = _prior(change, schema, provider) if operation is Operation.UPDATE else None
    was = open_stored(change.restores, schema, provider)
    for names in (renamed, {}) if renamed else ({},):
        after = replace(was, value=with_new_names(was.value, names)) if names else was
        asked = restoring_request(schema, prior, after)
        (response,) = provider.plan([asked])
        errors = [found for found in response.diagnostics if found.is_error]
        if errors:
            raise DiagnosticsError(*errors)
        if prior is None or not forces_replacement(asked.prior, response.planned, response.requires_replace):
            break  # else the new names of others would destroy it
    request = ApplyRequest(
        asked.type,
        asked.prior,
        response.planned,
        asked.config,
        new_token(),
        response.private,
        timeout_of(response.planned, operation.value),
    )
    planned = mark_paths(response.planned, after.marks, SENSITIVE) if after.marks else response.planned
    return Task(step, operation, change, provider, schema, request, planned, "", *_origin(change.prior))


def prepare_delete(step: int, change: Change, stored: ResourceObject, provider: Provider, schema: Schema) -> Task:
    """A delete of the stored object, current or deposed."""
    prior = open_stored(stored, schema, provider)
    timeout = timeout_of(prior.value, Operation.DELETE.value)
    request = ApplyRequest(change.address.resource.type, prior.value, None, None, new_token(), stored.private, timeout)
    return Task(step, Operation.DELETE, change, provider, schema, request, None, stored.deposed, *_origin(stored))


@dataclass(frozen=True, slots=True, eq=False)
class Undecided:
    """What came of a call of which nobody knows whether it did anything, and nobody could find out."""

    diagnostics: tuple[Diagnostic, ...]


def perform(task: Task) -> ApplyResponse | Undecided:
    """Call the provider. What it raises becomes a failed answer, with what is there all the same.

    A delete that failed is looked into: it may have been done, and is no failure then.
    """
    try:
        answer = task.provider.apply(task.request)
    except DiagnosticsError as found:
        return with_what_is_there(task, ApplyResponse(None, diagnostics=found.diagnostics))
    if answer.retryable or answer.throttled or not has_errors(answer.diagnostics):
        return answer
    if task.operation is Operation.DELETE and answer.state is None:
        looked = with_what_is_there(task, answer)
        return answer if isinstance(looked, Undecided) else looked
    if task.operation is not Operation.DELETE and answer.state is not None:
        _await(task, answer.state, answer.private)
    return answer


def perform_again(task: Task, absent: Callable[[int], None]) -> ApplyResponse | Undecided:
    """Call the provider again, with the same token. A create may have been done although its answer was lost: what is
    there already is not made twice. `absent` is told the step when nothing is there."""
    if task.operation is not Operation.CREATE:
        return perform(task)
    request = task.request
    try:
        found = task.provider.find(request.type, request.token)
    except DiagnosticsError as problem:
        return ApplyResponse(None, diagnostics=problem.diagnostics)
    if has_errors(found.diagnostics):
        return ApplyResponse(None, None, found.diagnostics, found.retryable, found.throttled)
    if found.state is None:
        absent(task.step)
        return perform(task)
    plain, _ = unmark_with_paths(task.planned)
    block = task.schema.block
    problems = check_read(block, found.state)
    if problems:
        return ApplyResponse(None, diagnostics=(*problems, unusable_answer(task)))
    _await(task, found.state, found.private)
    if has_errors(check_applied(block, plain, found.state, provider=_reference(task.change).source)):
        half_made = error(
            f"Made {request.type}, but not as planned",
            "The answer to its creation was lost. What was found by the token of the operation differs from the plan.",
            remedy="Apply again: it is tainted, and is replaced.",
        )
        return ApplyResponse(found.state, found.private, (half_made,))
    return ApplyResponse(found.state, found.private)


def with_what_is_there(task: Task, answer: ApplyResponse) -> ApplyResponse | Undecided:
    """The answer to a call that failed, and perhaps did what it was to do all the same, with what is there now."""
    try:
        there = _made(task) if task.operation is Operation.CREATE else _left(task, answer)
    except DiagnosticsError as problem:
        there = ReadResponse(None, diagnostics=problem.diagnostics)
    if has_errors(there.diagnostics):
        return Undecided((*answer.diagnostics, *there.diagnostics))
    if task.operation is Operation.DELETE:
        return answer if there.state is not None else _deleted(task, answer)
    if there.state is None or check_read(task.schema.block, there.state):
        return replace(answer, diagnostics=(*answer.diagnostics, *there.diagnostics))
    private = there.private
    if private is None and task.change.prior is not None:
        private = task.change.prior.private
    return replace(answer, state=there.state, private=private)


def _made(task: Task) -> ReadResponse:
    """What a create made, found by its token. A warning says that nobody can tell."""
    type_, waiting = task.request.type, Waiting()
    found = task.provider.find(type_, task.request.token)
    while has_errors(found.diagnostics) and (found.retryable or found.throttled) and waiting.again():
        found = task.provider.find(type_, task.request.token)
    if found.state is not None and not has_errors(found.diagnostics):
        _await(task, found.state, found.private)
    return found


def _left(task: Task, answer: ApplyResponse) -> ReadResponse:
    """What is there after an update or delete of which nobody knows whether it was done."""
    request = task.request
    was_refused = not (task.made_by or answer.retryable or answer.throttled)
    return look(
        task.provider,
        ReadRequest(request.type, request.prior, task.private),
        task.made_by,
        Waiting(at_most=BRIEF if was_refused else None),
        _changing(request.prior, request.planned),
        persistent=True,
        before=request.prior,
        deleting=task.operation is Operation.DELETE,
    )


def _await(task: Task, state: Value, private: bytes | None) -> None:
    """Wait until reads see what a call did that did not come to a good end. Else the next plan, which looks soon,
    would take what was made for gone, and make another one."""
    is_update = task.operation is Operation.UPDATE
    with contextlib.suppress(DiagnosticsError):  # it is there all the same
        look(
            task.provider,
            ReadRequest(task.request.type, state, private),
            task.made_by if is_update else None,
            Waiting(),
            _changing(task.request.prior, state) if is_update else (),
            persistent=True,
            before=task.request.prior if is_update else None,
        )


def _changing(before: Value, after: Value) -> tuple[str, ...]:
    """The attributes that an update changes."""
    return () if after is None else tuple(name for name in before if not same(before[name], after.get(name)))


def _deleted(task: Task, answer: ApplyResponse) -> ApplyResponse:
    told = (replace(each, severity=Severity.WARNING) if each.is_error else each for each in answer.diagnostics)
    note = warning(
        "Deleted all the same",
        f"The deletion of {task.address} was answered with an error, but the object is gone.",
        address=str(task.address),
    )
    return ApplyResponse(None, diagnostics=(*told, note))


def unusable_answer(task: Task) -> Diagnostic:
    return error(
        "Provider returned an invalid object",
        f"What the provider returned does not fit the schema of {task.request.type}, so it cannot be stored.",
        remedy="This is a defect of the provider; report it to its maintainers.",
        address=str(task.address),
    )


def settled_object(task: Task, response: ApplyResponse, token: str) -> tuple[ResourceObject | None, Value]:
    """What is there after a create or update, as stored and as a marked value; (None, None) when nothing is.

    With an error the object that a create left half made is tainted; an update that says nothing keeps the prior one.
    """
    failed = has_errors(response.diagnostics)
    change = task.change
    if response.state is None:
        if failed and task.operation is Operation.UPDATE and change.prior is not None:
            return change.prior, change.before
        return None, None
    _, marks = unmark_with_paths(task.planned)
    value = mark_with_paths(without_unknown(response.state), marks)
    attributes, paths = stored_value(value, task.schema.block)
    stored = ResourceObject(
        address=change.address,
        provider=change.provider,
        attributes=attributes,
        schema_version=task.schema.version,
        sensitive_paths=paths,
        private=response.private,
        dependencies=change.dependencies,
        tainted=(failed and task.operation is Operation.CREATE)
        or (change.restores is not None and change.restores.tainted),
        create_before_destroy=change.create_before_destroy,
        protected=_protected(task, failed=failed),
        token=token if task.operation is Operation.CREATE else (change.prior.token if change.prior else None),
    )
    return stored, value


def answer_problems(task: Task, response: ApplyResponse) -> tuple[Diagnostic, ...]:
    """The answer's own diagnostics, and what is wrong with the answer itself."""
    problems = list(response.diagnostics)
    if not has_errors(problems) and task.operation is not Operation.DELETE:
        if response.state is None:
            problems.append(
                error("Provider returned no object", "The provider said that all went well, but not what is there.")
            )
        else:
            plain, _ = unmark_with_paths(task.planned)
            problems += check_applied(task.schema.block, plain, response.state, provider=_reference(task.change).source)
    known = (task.planned, task.change.config, task.change.before)
    return tuple(replace(found, address=str(task.address)) for found in redacted(problems, *known))


def planned_object(task: Task) -> ResourceObject | None:
    """The planned object as the journal holds it: unknown parts are null."""
    if task.planned is None:
        return None
    _, marks = unmark_with_paths(task.planned)
    value = mark_with_paths(without_unknown(task.request.planned), marks)
    attributes, paths = stored_value(value, task.schema.block)
    change = task.change
    return ResourceObject(
        change.address,
        change.provider,
        attributes,
        task.schema.version,
        paths,
        dependencies=change.dependencies,
        create_before_destroy=change.create_before_destroy,
        protected=_protected(task, failed=False),
        token=task.request.token,
    )


def _protected(task: Task, *, failed: bool) -> bool:
    """Whether the object is protected now. What was only half made is not, so that it can be replaced."""
    change = task.change
    if failed:
        return task.operation is Operation.UPDATE and change.prior is not None and change.prior.protected
    return change.restores.protected if change.restores is not None else change.protected


def _prior(change: Change, schema: Schema, provider: Provider) -> PriorObject | None:
    return open_stored(change.prior, schema, provider) if change.prior is not None else None


def _origin(stored: ResourceObject | None) -> tuple[str | None, bytes | None]:
    return (stored.token, stored.private) if stored is not None else (None, None)


def _reference(change: Change) -> ProviderReference:
    return parse_provider_reference(change.provider)


def _refuse_unknown(address: ResourceInstance, block: ResourceBlock, config: Value) -> None:
    if any_inside(config, lambda inner: inner.__class__ is Unknown):
        diagnostic = error(
            "Configuration is still unknown",
            f"{address} holds values that are not known even now, after everything it refers to was applied.",
            address=str(address),
        )
        raise DiagnosticsError(diagnostic.at(*locate(block.origin)))


def _plan_again(desired: Desired, change: Change, provider: Provider) -> Change:
    """The change planned with everything known. Raises DiagnosticsError when the provider contradicts its plan."""
    request = request_for(desired, desired.prior)
    (response,) = provider.plan([request])
    problems = list(response.diagnostics)
    block = desired.schema.block
    name = desired.provider.source
    if not has_errors(problems):
        legacy = response.legacy_type_system
        problems += check_planned(block, request.prior, request.config, response.planned, provider=name, legacy=legacy)
    if has_errors(problems):
        raise DiagnosticsError(*(found.at(*locate(desired.block.origin)) for found in problems))
    return decide(desired, request, response, None)


def without_unknown(value: Value) -> Value:
    """The value with nulls where something is unknown."""
    kind = value.__class__
    if kind is str or kind is int or kind is bool or value is None:
        return value  # the most of them
    if kind is Unknown:
        return None
    return map_children(value, without_unknown)
