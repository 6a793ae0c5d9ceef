import json
from collections.abc import Callable
from typing import Any

from iacengine.addresses import parse_resource_instance
from iacengine.cli.views.diagnostic_json import diagnostic_json, validation_json
from iacengine.cli.views.ui_json import UiLines, resource_json
from iacengine.foundation.diagnostics import Diagnostic, Position, Severity, Snippet, SourceRange, error, warning
from iacengine.plan.events import (
    Recovered,
    RefreshFinished,
    RefreshStarted,
    StepFailed,
    StepFinished,
    StepRetrying,
    StepSkipped,
    StepStarted,
    Warned,
)
from iacengine.plan.model import Action, ChangeCounts, Plan, PlanMode
from iacengine.state.journal_entries import Operation
from iacengine.state.model import OutputState, ResourceObject

Make = Callable[..., Any]
NOW = "2026-01-02T03:04:05.000006Z"
A = parse_resource_instance('module.m["k"].mock_object.a[0]')


def lines(use: Callable[[UiLines], object]) -> list[dict[str, Any]]:
    written: list[str] = []
    use(UiLines(written.append, now=lambda: NOW))
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in written)
    return [json.loads(line) for line in written]


def test_the_rich_plan_gives_the_same_lines(rich_plan: Plan, golden: Callable[[str, str], None]) -> None:
    shown = lines(lambda ui: ui.plan(rich_plan))
    golden("ui-plan.jsonl", "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in shown))


def test_no_line_holds_a_sensitive_value(rich_plan: Plan) -> None:
    assert "hunter" not in json.dumps(lines(lambda ui: ui.plan(rich_plan)))
    outputs = {"p": OutputState("hunter2", "string", sensitive=True), "q": OutputState("x", "string")}
    (line,) = lines(lambda ui: ui.outputs(outputs))
    assert line["outputs"] == {
        "p": {"sensitive": True, "type": "string"},
        "q": {"sensitive": False, "type": "string", "value": "x"},
    }
    (line,) = lines(lambda ui: ui.outputs(outputs, show_sensitive=True))
    assert line["outputs"]["p"]["value"] == "hunter2"


def test_objects_that_stay_as_they_are_have_no_line(plan: Make, change: Make) -> None:
    shown = lines(lambda ui: ui.plan(plan(change("mock_object.a", Action.NO_OP, {"id": "1"}, {"id": "1"}))))
    assert [line["type"] for line in shown] == ["change_summary"]


def test_drift_without_change_is_told_in_refresh_only_plans_alone(plan: Make, change: Make) -> None:
    moved = change("mock_object.a", Action.NO_OP, {}, {}, previous_address=parse_resource_instance("mock_object.b"))
    shown = lines(lambda ui: ui.plan(plan(drift=(moved,), mode=PlanMode.REFRESH_ONLY)))
    assert shown[0]["@message"] == "mock_object.a: Drift detected (move)"
    assert shown[0]["change"]["previous_resource"]["addr"] == "mock_object.b"
    assert "resource_drift" not in {line["type"] for line in lines(lambda ui: ui.plan(plan(drift=(moved,))))}


def test_a_resource_is_told_in_its_parts() -> None:
    assert resource_json(A) == {
        "addr": 'module.m["k"].mock_object.a[0]',
        "module": 'module.m["k"]',
        "resource": "mock_object.a[0]",
        "implied_provider": "mock",
        "resource_type": "mock_object",
        "resource_name": "a",
        "resource_key": 0,
    }


def test_a_create_is_told_from_start_to_end() -> None:
    start, still, end = lines(
        lambda ui: (
            ui.event(StepStarted(0, Operation.CREATE, A)),
            ui.still_running(StepStarted(0, Operation.CREATE, A), 10),
            ui.event(StepFinished(0, Operation.CREATE, A, 12.9, id="obj-1")),
        )
    )
    resource = resource_json(A)
    assert start == {
        "@level": "info",
        "@message": f"{A}: Creating...",
        "@module": "terraform.ui",
        "@timestamp": NOW,
        "hook": {"resource": resource, "action": "create"},
        "type": "apply_start",
    }
    assert still["@message"] == f"{A}: Still creating... [10s elapsed]"
    assert still["hook"] == {"resource": resource, "action": "create", "elapsed_seconds": 10}
    assert still["type"] == "apply_progress"
    assert end["@message"] == f"{A}: Creation complete after 12s [id=obj-1]"
    assert end["hook"] == {
        "resource": resource,
        "action": "create",
        "id_key": "id",
        "id_value": "obj-1",
        "elapsed_seconds": 12,
    }


def test_a_delete_names_the_id_at_its_start_only() -> None:
    start, end = lines(
        lambda ui: (
            ui.event(StepStarted(0, Operation.DELETE, A, id="obj-1")),
            ui.event(StepFinished(0, Operation.DELETE, A, 1.0, id="obj-1")),
        )
    )
    assert start["@message"] == f"{A}: Destroying... [id=obj-1]"
    assert start["hook"]["id_value"] == "obj-1"
    assert end["@message"] == f"{A}: Destruction complete after 1s"
    assert "id_value" not in end["hook"]


def test_forgetting_is_no_apply_event() -> None:
    assert not lines(
        lambda ui: (
            ui.event(StepStarted(0, Operation.FORGET, A)),
            ui.event(StepFinished(0, Operation.FORGET, A, 0)),
        )
    )


def test_every_object_that_is_refreshed_has_lines() -> None:
    objects = [
        ResourceObject(A, "p", {"id": "obj-1"}),
        ResourceObject(parse_resource_instance("mock_object.b"), "p", {"name": "no id"}),
    ]
    shown = lines(
        lambda ui: (
            ui.event(RefreshStarted("p", "mock_object", 2, objects)),
            ui.event(RefreshFinished("p", "mock_object", 2, objects)),
        )
    )
    assert [line["@message"] for line in shown] == [
        f"{A}: Refreshing state... [id=obj-1]",
        "mock_object.b: Refreshing state...",
        f"{A}: Refresh complete [id=obj-1]",
        "mock_object.b: Refresh complete",
    ]
    assert shown[0]["hook"] == {"resource": resource_json(A), "id_key": "id", "id_value": "obj-1"}
    assert [line["type"] for line in shown[1:3]] == ["refresh_start", "refresh_complete"]


def test_the_other_events_have_lines_too() -> None:
    shown = lines(
        lambda ui: [
            ui.event(event)
            for event in (
                StepFailed(1, Operation.UPDATE, A, 2.0, ()),
                StepSkipped(2, Operation.CREATE, A, "mock_object.b failed"),
                Recovered(Operation.CREATE, A, "adopted"),
                Warned(warning("Careful", "It is hot.")),
            )
        ]
    )
    assert [line["type"] for line in shown] == [
        "apply_errored",
        "apply_skipped",
        "recovered",
        "diagnostic",
    ]
    assert shown[0]["@message"] == f"{A}: Modifications errored after 2s"
    assert shown[3]["@level"] == "warn"


def test_summaries_are_worded_as_terraform_words_them() -> None:
    counts = ChangeCounts(add=2, change=3, remove=4, imported=1, forget=5)
    applied, destroyed = lines(
        lambda ui: (ui.applied(counts, operation="apply"), ui.applied(counts, operation="destroy"))
    )
    assert applied["@message"] == "Apply complete! Resources: 1 imported, 2 added, 3 changed, 4 destroyed."
    assert applied["changes"] == {"add": 2, "change": 3, "import": 1, "remove": 4, "operation": "apply"}
    assert destroyed["@message"] == "Destroy complete! Resources: 4 destroyed."


def test_a_diagnostic_has_terraforms_fields() -> None:
    start, end = Position(3, 10, 40), Position(3, 14, 44)
    snippet = Snippet("  ключ: ${x.y}", "resource.a_b.c", (("x.y", "is 1"),))
    shown = diagnostic_json(
        Diagnostic(Severity.ERROR, "Bad", "Why.", "Do it.", SourceRange("m.iac.yaml", start, end), snippet, "a_b.c")
    )
    assert shown == {
        "severity": "error",
        "summary": "Bad",
        "detail": "Why.\n\nDo it.",
        "address": "a_b.c",
        "range": {
            "filename": "m.iac.yaml",
            "start": {"line": 3, "column": 10, "byte": 44},
            "end": {"line": 3, "column": 14, "byte": 48},
        },
        "snippet": {
            "context": "resource.a_b.c",
            "code": "  ключ: ${x.y}",
            "start_line": 3,
            "highlight_start_offset": 13,
            "highlight_end_offset": 17,
            "values": [{"traversal": "x.y", "statement": "is 1"}],
        },
        "remedy": "Do it.",
    }


def test_warnings_come_before_errors() -> None:
    shown = lines(lambda ui: ui.diagnostics([error("E"), warning("W")]))
    assert [line["@message"] for line in shown] == ["Warning: W", "Error: E"]


def test_validation_counts_errors_and_warnings() -> None:
    assert validation_json([warning("W")])["valid"]
    document = validation_json([error("E"), warning("W")])
    assert (document["valid"], document["error_count"], document["warning_count"]) == (False, 1, 1)


def test_a_retry_says_when_and_why() -> None:
    shown: list[dict[str, Any]] = []
    ui = UiLines(lambda line: shown.append(json.loads(line)), now=lambda: NOW)
    ui.event(StepRetrying(1, Operation.CREATE, A, 2.04, "throttled", 2))
    ui.event(StepRetrying(1, Operation.CREATE, A, 0.25, "No luck", 3, 6))
    first, second = shown
    assert first["type"] == "apply_retry"
    assert first["@message"] == f"{A}: Retrying in 2s (throttled), try 2"
    assert first["hook"]["wait_seconds"] == 2.04
    assert "attempts" not in first["hook"]
    assert second["@message"] == f"{A}: Retrying in 250ms (No luck), try 3 of 6"
    assert (second["hook"]["attempt"], second["hook"]["attempts"], second["hook"]["because"]) == (3, 6, "No luck")
