"""Planning one managed object: from its desired body and its prior to a change.

`prepare` evaluates the body into a request to the provider; `decide` reads the answer. In between the provider plans,
many objects at once. A replacement is planned twice: the second time as if there were nothing yet. No I/O here.
"""

from __future__ import annotations

from dataclasses import dataclass

from iacengine.addresses import Mode, ProviderReference, ResourceInstance
from iacengine.config.model import ResourceBlock
from iacengine.config.source import locate
from iacengine.evaluation.body import evaluate_body
from iacengine.evaluation.ignored import ignore_changes
from iacengine.evaluation.scope import AnyScope
from iacengine.foundation.diagnostics import DiagnosticsError, error
from iacengine.foundation.duration import DURATION_REMEDY
from iacengine.lang.values import EPHEMERAL, SENSITIVE, Value, is_wholly_known
from iacengine.plan.model import Action, Change, Reason
from iacengine.plan.prior import PriorObject
from iacengine.provider.planning import changed
from iacengine.provider.protocol import PlanRequest, PlanResponse
from iacengine.provider.timeouts import NAME as TIMEOUTS
from iacengine.provider.timeouts import misspelled_timeouts
from iacengine.schema import Path, Schema
from iacengine.schema.proposed import proposed_new
from iacengine.schema.unknowns import alike
from iacengine.schema.values import (
    get_path,
    mark_paths,
    mark_with_paths,
    marked_paths,
    path_text,
    schema_marks,
    unmark_with_paths,
)
from iacengine.schema.write_only import is_write_only
from iacengine.state.model import ResourceObject

PathMarks = tuple[tuple[Path, frozenset[str]], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Desired:
    """One object as its configuration wants it, and what there is.

    `config` is the evaluated body, unmarked; `marks` where it was marked. `trigger`: a replace_triggered_by fired.
    """

    address: ResourceInstance
    block: ResourceBlock
    provider: ProviderReference
    schema: Schema
    config: Value
    marks: PathMarks
    prior: PriorObject | None
    create_before_destroy: bool
    dependencies: tuple[str, ...]
    forced: bool = False
    trigger: bool = False
    import_id: str | None = None
    previous_address: ResourceInstance | None = None

    @property
    def is_tainted(self) -> bool:
        return self.prior is not None and self.prior.stored.tainted


def evaluate_config(block: ResourceBlock, schema: Schema, scope: AnyScope) -> tuple[Value, PathMarks]:
    """The body of a resource as an unmarked object of its schema, and where it was marked."""
    config, marks = unmark_with_paths(evaluate_body(block.body, schema.block, scope, block.origin))
    for path, names in marks:
        if EPHEMERAL in names:
            _refuse_stored_ephemeral(path, block, schema)
    _check_timeouts(config, block, schema)
    return config, marks


def _check_timeouts(config: Value, block: ResourceBlock, schema: Schema) -> None:
    problems = [
        error("Invalid duration", f"timeouts.{operation} of {block.address}: {problem}.", remedy=DURATION_REMEDY).at(
            *locate(block.origin, (TIMEOUTS, operation))
        )
        for operation, problem in misspelled_timeouts(config, schema.block)
    ]
    if problems:
        raise DiagnosticsError(*problems)


def _refuse_stored_ephemeral(path: Path, block: ResourceBlock, schema: Schema) -> None:
    if is_write_only(path, schema.block):
        return
    if block.address.mode is Mode.DATA:
        detail = "a data source is stored with what it was asked"
        remedy = "Use a value that is not ephemeral."
    else:
        detail = "it is not write-only, so it would be stored"
        remedy = "Use a variable that is not ephemeral, or an attribute that is write-only."
    diagnostic = error(
        "Invalid use of ephemeral value",
        f'Ephemeral values cannot be used for "{path_text(path)}": {detail}.',
        remedy=remedy,
    )
    raise DiagnosticsError(diagnostic.at(*locate(block.origin, path)))


def prepare(desired: Desired) -> PlanRequest:
    """What to ask the provider first: a tainted object counts as absent."""
    prior = None if desired.prior is None or desired.is_tainted else desired.prior
    return request_for(desired, prior)


def request_for(desired: Desired, prior: PriorObject | None) -> PlanRequest:
    block = desired.schema.block
    config, _ = _followed(desired, prior)
    before = prior.value if prior is not None else None
    return PlanRequest(
        desired.address.resource.type,
        before,
        config,
        proposed_new(block, before, config),
        prior.stored.private if prior is not None else None,
    )


def _followed(desired: Desired, prior: PriorObject | None) -> tuple[Value, PathMarks]:
    """The configuration as far as it is followed: what `ignore_changes` names is as it was, and marked as it was."""
    ignored = desired.block.lifecycle.ignore_changes
    if prior is None or ignored == ():
        return desired.config, desired.marks
    return unmark_with_paths(ignore_changes(mark_with_paths(desired.config, desired.marks), prior.marked, ignored))


def replace_paths(request: PlanRequest, response: PlanResponse) -> tuple[Path, ...]:
    """Of the paths that force replacement, those whose value changes (or may change)."""
    if not response.requires_replace or request.prior is None:
        return ()
    return tuple(
        path
        for path in response.requires_replace
        if changed(get_path(request.prior, path), get_path(response.planned, path))
    )


def must_replace(desired: Desired, request: PlanRequest, response: PlanResponse) -> bool:
    """True when the provider has to be asked again, as if nothing were there."""
    if request.prior is None:
        return False
    return desired.forced or desired.trigger or bool(replace_paths(request, response))


def decide(
    desired: Desired,
    request: PlanRequest,
    response: PlanResponse,
    again: PlanResponse | None,
) -> Change:
    """The change of one object from the provider's answer (`again`: the answer for a replacement)."""
    final = again or response
    prior = desired.prior
    replaced = again is not None or desired.is_tainted
    planned = _remark(desired.schema, final.planned, _followed(desired, None if replaced else prior)[1])
    action, reason = Action.CREATE, None
    paths: tuple[Path, ...] = ()
    if desired.is_tainted:
        action, reason = _replacement(desired), Reason.REPLACE_BECAUSE_TAINTED
    elif again is not None:
        action, paths = _replacement(desired), replace_paths(request, response)
        if desired.trigger:
            reason = Reason.REPLACE_BY_TRIGGERS
        elif desired.forced:
            reason = Reason.REPLACE_BY_REQUEST
        else:
            reason = Reason.REPLACE_BECAUSE_CANNOT_UPDATE
    elif prior is not None:
        unchanged = alike(prior.value, response.planned) and _same_marks(prior, planned)
        action = Action.NO_OP if unchanged else Action.UPDATE
    elif desired.trigger:
        reason = Reason.REPLACE_BY_TRIGGERS  # Terraform tells of the trigger even where there is nothing to replace
    change = Change(
        address=desired.address,
        provider=str(desired.provider),
        action=action,
        before=prior.marked if prior is not None else None,
        after=planned,
        reason=reason,
        previous_address=desired.previous_address,
        prior=prior.stored if prior is not None else None,
        config=mark_with_paths(desired.config, desired.marks),
        body_unknown=not is_wholly_known(desired.config) or any(EPHEMERAL in names for _, names in desired.marks),
        replace_paths=paths,
        import_id=desired.import_id,
        planned_private=final.private,
        schema_version=desired.schema.version,
        dependencies=desired.dependencies,
        create_before_destroy=desired.create_before_destroy,
        protected=wanted_protection(desired.block, prior.stored if prior is not None else None),
    )
    _refuse_forbidden_destroy(desired, change)
    return change


def _replacement(desired: Desired) -> Action:
    return Action.CREATE_THEN_DELETE if desired.create_before_destroy else Action.REPLACE


def _remark(schema: Schema, planned: Value, marks: PathMarks) -> Value:
    """The planned object with the marks of its configuration and its schema; what was ephemeral is not in it."""
    by_schema = schema_marks(planned, schema.block)
    if by_schema:
        planned = mark_paths(planned, by_schema, SENSITIVE)
    kept = tuple((path, names - {EPHEMERAL}) for path, names in marks if names != {EPHEMERAL})
    return mark_with_paths(planned, kept) if kept else planned


def _same_marks(prior: PriorObject, planned: Value) -> bool:
    return _sensitive(planned) == _sensitive(prior.marked)


def _sensitive(value: Value) -> set[Path]:
    return {path for path, names in marked_paths(value) if SENSITIVE in names}


def _refuse_forbidden_destroy(desired: Desired, change: Change) -> None:
    if change.action.is_replace:
        assert change.prior is not None, "what is replaced is there"
        refuse_destroy(change.prior, desired.block)


def wanted_protection(block: ResourceBlock, stored: ResourceObject | None) -> bool:
    """Whether an object is to be protected: as its block says, or else as it was."""
    said = block.lifecycle.protect
    return said if said is not None else stored is not None and stored.protected


def refuse_destroy(stored: ResourceObject, block: ResourceBlock | None) -> None:
    """Raise DiagnosticsError when an object must not be deleted, by its block or by the state.

    What a block says of protection counts at once, but an object that was only half made is not protected yet.
    """
    address = stored.address
    lifecycle = block.lifecycle if block is not None else None
    said = lifecycle.protect if lifecycle is not None else None
    leave_out = f"leave this object out with --exclude {_quoted(address)}."
    if lifecycle is not None and lifecycle.prevent_destroy:
        raise _forbidden(
            address,
            "its block has lifecycle.prevent_destroy set",
            f"Take prevent_destroy out of the block, or {leave_out}",
            block,
            "prevent_destroy",
        )
    if stored.protected and said is not False:
        raise _forbidden(
            address,
            "it is protected in state",
            f"Run `iac state unprotect {_quoted(address)}` first, or {leave_out}"
            if not said
            else f"Set protect: false in the block, or {leave_out}",
            block,
            "protect",
        )
    if said and not stored.tainted:
        raise _forbidden(
            address,
            "its block has lifecycle.protect set",
            f"Set protect: false in the block, or {leave_out}",
            block,
            "protect",
        )


def _forbidden(
    address: ResourceInstance, why: str, remedy: str, block: ResourceBlock | None, name: str
) -> DiagnosticsError:
    found = error(
        "Instance cannot be destroyed",
        f"The plan would delete {address}, but {why}.",
        remedy=remedy,
        address=str(address),
    )
    return DiagnosticsError(found.at(*locate(block.origin, ("lifecycle", name))) if block is not None else found)


def _quoted(address: ResourceInstance) -> str:
    """The address as a shell takes it."""
    text = str(address)
    return f"'{text}'" if '"' in text else text
