"""Terraform's machine-readable UI, version 1.2: one JSON object a line while a command runs.

https://developer.hashicorp.com/terraform/internals/machine-readable-ui.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from iacengine.addresses import Mode, ResourceInstance, key_text
from iacengine.cli.views import phrases
from iacengine.cli.views.diagnostic_json import diagnostic_json
from iacengine.cli.views.state_json import output_value
from iacengine.cli.views.value_json import dumps, json_of
from iacengine.foundation.diagnostics import Diagnostic
from iacengine.foundation.version import TERRAFORM_VERSION, VERSION
from iacengine.plan.events import (
    EphemeralFinished,
    EphemeralStarted,
    Event,
    Provisioned,
    ProvisionFinished,
    ProvisionOutput,
    ProvisionStarted,
    ReadFinished,
    ReadStarted,
    Recovered,
    RefreshFinished,
    RefreshStarted,
    RollbackFinished,
    RollbackStarted,
    StepFailed,
    StepFinished,
    StepRetrying,
    StepSkipped,
    StepStarted,
    Warned,
)
from iacengine.plan.model import Action, Change, ChangeCounts, Plan, PlanMode
from iacengine.state.journal_entries import Operation
from iacengine.state.model import OutputState


def utc_now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class UiLines:
    """Writes the lines. `write` gets one line of text with its newline; `now` gives RFC 3339 times."""

    def __init__(self, write: Callable[[str], object], *, now: Callable[[], str] = utc_now) -> None:
        self._write = write
        self._now = now

    def line(self, kind: str, message: str, *, level: str = "info", **fields: Any) -> None:
        """One line of a type that is not among the others here."""
        entry = {
            "@level": level,
            "@message": message,
            "@module": "terraform.ui",
            "@timestamp": self._now(),
            **fields,
            "type": kind,
        }
        self._write(dumps(entry).decode() + "\n")

    def version(self) -> None:
        self.line("version", f"iacengine {VERSION}", terraform=TERRAFORM_VERSION, iacengine=VERSION, ui="1.2")

    def diagnostics(self, diagnostics: Iterable[Diagnostic]) -> None:
        for diagnostic in sorted(diagnostics, key=lambda one: one.is_error):
            level, word = ("error", "Error") if diagnostic.is_error else ("warn", "Warning")
            message = f"{word}: {diagnostic.summary}"
            self.line("diagnostic", message, level=level, diagnostic=diagnostic_json(diagnostic))

    # --- planning -----------------------------------------------------------------------------------------------

    def plan(self, plan: Plan) -> None:
        """Drift, changes, the summary and the outputs of a plan."""
        for change in plan.drift:
            if change.action is not Action.NO_OP or plan.mode is PlanMode.REFRESH_ONLY:
                action = "move" if change.action is Action.NO_OP else phrases.UI_ACTION[change.action]
                message = f"{change.address}: Drift detected ({action})"
                self.line("resource_drift", message, change=_change_json(change, action, with_reason=False))
        self.planned_changes(plan)
        counts = plan.counts()
        self.line("change_summary", phrases.planned_summary(counts), changes=counts_json(counts, "plan"))
        if plan.outputs:
            outputs = {
                name: {"sensitive": output.sensitive, "action": phrases.UI_ACTION[output.action]}
                for name, output in sorted(plan.outputs.items())
            }
            self.line("outputs", f"Outputs: {len(outputs)}", outputs=outputs)

    def planned_changes(self, plan: Plan, *, effects_only: bool = False) -> None:
        """The changes of a plan; `effects_only`: without moves and imports that change nothing, as when applying."""
        for change in plan.changes:
            action = phrases.UI_ACTION[change.action] if effects_only else _ui_action(change)
            if action == "noop" or (action == "delete" and change.address.resource.mode is Mode.DATA):
                continue
            message = f"{change.address}: Plan to {action}"
            self.line("planned_change", message, change=_change_json(change, action, with_reason=True))

    # --- running ------------------------------------------------------------------------------------------------

    def event(self, event: Event) -> None:
        """The line of an event."""
        match event:
            case StepStarted():
                self._started(event)
            case StepRetrying():
                message = f"{event.address}: {phrases.retrying(event)}"
                told = {"wait_seconds": round(event.wait, 3), "attempt": event.attempt, "because": event.because}
                if event.attempts is not None:
                    told["attempts"] = event.attempts
                self.line("apply_retry", message, hook=_hook(event) | told)
            case StepFinished():
                self._finished(event)
            case StepFailed():
                message = f"{event.address}: {phrases.ERRORED[event.operation]} after {int(event.elapsed)}s"
                self.line("apply_errored", message, hook=_hook(event) | {"elapsed_seconds": int(event.elapsed)})
            case StepSkipped():
                message = f"{event.address}: Skipped: {event.because}"
                self.line("apply_skipped", message, hook=_hook(event) | {"because": event.because})
            case ProvisionStarted() | ProvisionOutput() | ProvisionFinished():
                self._provisioned(event)
            case RefreshStarted() | RefreshFinished():
                self._refreshed(event)
            case ReadStarted() | ReadFinished():
                self._read(event)
            case EphemeralStarted() | EphemeralFinished():
                self._ephemeral(event)
            case Recovered():
                message = f"{event.address}: Recovered an interrupted {event.operation.value}: {event.outcome}"
                hook = {"resource": resource_json(event.address), "action": event.operation.value}
                self.line("recovered", message, hook=hook | {"outcome": event.outcome})
            case RollbackStarted():
                steps = "1 step" if event.total == 1 else f"{event.total} steps"
                message = f"Undoing what the run {event.run} did, in {steps}"
                self.line("rollback_start", message, rollback={"run": event.run, "steps": event.total})
            case RollbackFinished():
                undone = "All is undone, some under a new id" if event.renamed else "All is as it was before"
                message = "Not all is undone" if event.left else undone
                left = [resource_json(address) for address in event.left]
                renamed = [resource_json(address) for address in event.renamed]
                rollback = {"run": event.run, "left": left, "renamed": renamed}
                self.line("rollback_complete", message, rollback=rollback)
            case Warned():
                self.diagnostics([event.diagnostic])

    def _refreshed(self, event: RefreshStarted | RefreshFinished) -> None:
        """Objects are looked up many at once; each has its line all the same."""
        kind, text = (
            ("refresh_start", "Refreshing state...")
            if isinstance(event, RefreshStarted)
            else ("refresh_complete", "Refresh complete")
        )
        for found in event.objects:
            id_ = found.attributes.get("id")
            self._one_refreshed(kind, text, found.address, id_ if isinstance(id_, str) else None)

    def _one_refreshed(self, kind: str, text: str, address: ResourceInstance, id_: str | None) -> None:
        suffix = f" [id={id_}]" if id_ else ""
        self.line(kind, f"{address}: {text}{suffix}", hook={"resource": resource_json(address)} | _id(id_))

    def _read(self, event: ReadStarted | ReadFinished) -> None:
        """A data source is told of as if it were applied, what is imported as if it were refreshed."""
        is_data = event.address.resource.mode is Mode.DATA
        match event:
            case ReadStarted() if is_data:
                self._started(StepStarted(-1, Operation.READ, event.address))
            case ReadFinished() if is_data:
                self._finished(StepFinished(-1, Operation.READ, event.address, event.elapsed, id=event.id))
            case ReadStarted():
                self._one_refreshed("refresh_start", "Refreshing state...", event.address, event.id)
            case ReadFinished():
                self._one_refreshed("refresh_complete", "Refresh complete", event.address, event.id)

    def still_running(self, event: StepStarted, elapsed: int) -> None:
        """`elapsed` in whole seconds."""
        if event.operation.value == "forget":
            return
        id_ = f"id={event.id}, " if event.id else ""
        message = f"{event.address}: {phrases.RUNNING[event.operation]} [{id_}{elapsed}s elapsed]"
        self.line("apply_progress", message, hook=_hook(event) | _id(event.id) | {"elapsed_seconds": elapsed})

    def _started(self, event: StepStarted) -> None:
        if event.operation.value == "forget":
            return
        suffix = f" [id={event.id}]" if event.id and event.operation.value != "create" else ""
        text = "Refreshing..." if event.operation is Operation.READ else phrases.STARTED[event.operation]
        message = f"{event.address}: {text}{suffix}"
        id_ = {} if event.operation.value == "create" else _id(event.id)
        self.line("apply_start", message, hook=_hook(event) | id_)

    def _finished(self, event: StepFinished) -> None:
        if event.operation.value == "forget":
            return
        gone = event.operation.value == "delete"
        suffix = f" [id={event.id}]" if event.id and not gone else ""
        text = "Refresh complete" if event.operation is Operation.READ else phrases.FINISHED[event.operation]
        message = f"{event.address}: {text} after {int(event.elapsed)}s{suffix}"
        hook = _hook(event) | ({} if gone else _id(event.id)) | {"elapsed_seconds": int(event.elapsed)}
        self.line("apply_complete", message, hook=hook)

    def _provisioned(self, event: Provisioned) -> None:
        hook: dict[str, Any] = {"resource": resource_json(event.address), "provisioner": event.provisioner}
        who = f"{event.address}: ({event.provisioner})"
        match event:
            case ProvisionStarted():
                message = f"{event.address}: Provisioning with '{event.provisioner}'..."
                self.line("provision_start", message, hook=hook)
            case ProvisionOutput():
                self.line("provision_progress", f"{who}: {event.line}", hook=hook | {"output": event.line})
            case ProvisionFinished():
                kind, how = ("provision_errored", "errored") if event.failed else ("provision_complete", "complete")
                self.line(kind, f"{who} Provisioning {how}", hook=hook)

    def _ephemeral(self, event: EphemeralStarted | EphemeralFinished) -> None:
        doing = f"{event.address}: {phrases.EPHEMERAL[event.action]}"
        hook: dict[str, Any] = {"resource": resource_json(event.address), "action": event.action}
        if isinstance(event, EphemeralStarted):
            self.line("ephemeral_op_start", f"{doing}...", hook=hook)
            return
        kind, how = ("ephemeral_op_errored", "errored") if event.failed else ("ephemeral_op_complete", "complete")
        seconds = int(event.elapsed)
        self.line(kind, f"{doing} {how} after {seconds}s", hook=hook | {"elapsed_seconds": seconds})

    # --- the end ------------------------------------------------------------------------------------------------

    def applied(self, counts: ChangeCounts, *, operation: str, complete: bool = True) -> None:
        """`operation` is apply or destroy."""
        message = phrases.applied_summary(counts, destroyed=operation == "destroy", complete=complete)
        self.line("change_summary", message, changes=counts_json(counts, operation))

    def outputs(self, outputs: Mapping[str, OutputState], *, show_sensitive: bool = False) -> None:
        shown = {}
        for name, output in sorted(outputs.items()):
            shown[name] = {"sensitive": output.sensitive, "type": output.type}
            if show_sensitive or not output.sensitive:
                shown[name]["value"] = json_of(output_value(output))
        self.line("outputs", f"Outputs: {len(shown)}", outputs=shown)


def counts_json(counts: ChangeCounts, operation: str) -> dict[str, Any]:
    return {
        "add": counts.add,
        "change": counts.change,
        "import": counts.imported,
        "remove": counts.remove,
        "operation": operation,
    }


def resource_json(address: ResourceInstance) -> dict[str, Any]:
    """An address and its parts."""
    resource = address.resource
    local = f"{resource}{key_text(address.key)}"
    module = str(address.module) if address.module.steps else ""
    return {
        "addr": f"{module}.{local}" if module else local,
        "module": module,
        "resource": local,
        "implied_provider": "terraform" if resource.type.startswith("terraform") else resource.type.partition("_")[0],
        "resource_type": resource.type,
        "resource_name": resource.name,
        "resource_key": address.key,
    }


def _hook(event: StepStarted | StepRetrying | StepFinished | StepFailed | StepSkipped) -> dict[str, Any]:
    return {"resource": resource_json(event.address), "action": event.operation.value}


def _id(value: str | None) -> dict[str, str]:
    return {"id_key": "id", "id_value": value} if value else {}


def _ui_action(change: Change) -> str:
    if change.action is Action.NO_OP:
        if change.previous_address is not None:
            return "move"
        return "import" if change.import_id is not None else "noop"
    return phrases.UI_ACTION[change.action]


def _change_json(change: Change, action: str, *, with_reason: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"resource": resource_json(change.address)}
    if change.previous_address is not None and change.previous_address != change.address:
        shown["previous_resource"] = resource_json(change.previous_address)
    shown["action"] = action
    if with_reason and change.reason is not None:
        shown["reason"] = phrases.UI_REASON.get(change.reason, change.reason.value)
    if change.import_id is not None:
        shown["importing"] = {"id": change.import_id}
    return shown
