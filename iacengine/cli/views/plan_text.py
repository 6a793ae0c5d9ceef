"""A plan for people: what will change, why, and what it adds up to.

Changes are grouped by module. Each has a headline (`~ aws_vpc.main will be updated in place`), the reason where one is
needed, and the attributes that differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Final

from iacengine.addresses import Mode, ModuleInstance
from iacengine.cli.views.change_text import MARKERS, cause, headline
from iacengine.cli.views.diff_text import IDENTIFYING, DiffWriter, unchanged
from iacengine.cli.views.phrases import planned_summary
from iacengine.cli.views.segments import BOLD, CREATE, DELETE, DIM, NOTE, READ, REPLACE, UPDATE, Segments
from iacengine.cli.views.value_text import SENSITIVE_TEXT, entries_of, key_name
from iacengine.foundation.garbage import collection_paused
from iacengine.lang.values import Value, is_null, sensitive, unmark, unmark_deep
from iacengine.plan.model import Action, Change, OutputChange, Plan, PlanMode
from iacengine.plan.reversibility import Reversibility, worst_by_change

_STYLES: Final = {
    Action.NO_OP: "",
    Action.CREATE: CREATE,
    Action.READ: READ,
    Action.UPDATE: UPDATE,
    Action.DELETE: DELETE,
    Action.REPLACE: REPLACE,
    Action.CREATE_THEN_DELETE: REPLACE,
    Action.FORGET: UPDATE,
}
_LEGEND: Final = {
    Action.CREATE: "create",
    Action.UPDATE: "update in place",
    Action.REPLACE: "destroy, then create anew",
    Action.CREATE_THEN_DELETE: "create anew, then destroy the old",
    Action.DELETE: "destroy",
    Action.READ: "read",
    Action.FORGET: "forget, without destroying",
}
_BODY = "      "
_FINAL: Final = "comes last, when all else has succeeded, and is not undone"
_UNKEPT: Final = "if the apply fails later, this is changed back but for what is write-only"
_MADE_AGAIN: Final = "if the apply fails later, the old object is made again under a new id"


def plan_segments(plan: Plan, *, width: int = 100, show_sensitive: bool = False) -> Segments:
    """The plan as styled text that ends in a newline."""
    out: Segments = []
    drift = [change for change in plan.drift if change.action is not Action.NO_OP]
    changes = [change for change in plan.changes if _is_shown(change)]
    outputs = [change for _, change in sorted(plan.outputs.items()) if change.action is not Action.NO_OP]
    with collection_paused():
        if drift:
            _drift(out, drift, width, show_sensitive)
        if changes:
            _legend(out, changes, width)
            _changes(out, changes, width, show_sensitive, _losses(plan))
        if plan.deferred:
            _deferred(out, plan.deferred)
        if outputs:
            _outputs(out, outputs, width, show_sensitive, separate=bool(changes))
    _conclusion(out, plan, has_changes=bool(changes), has_outputs=bool(outputs), has_drift=bool(drift))
    return out


def _is_shown(change: Change) -> bool:
    if change.action is Action.NO_OP:
        return change.previous_address is not None or change.import_id is not None or change.changes_protection
    return not (change.address.resource.mode is Mode.DATA and change.action is Action.DELETE)


# --- parts ----------------------------------------------------------------------------------------------------------


def _drift(out: Segments, drift: list[Change], width: int, show_sensitive: bool) -> None:
    out.append(("Changed outside of iacengine since the last apply:\n\n", BOLD))
    for change in drift:
        gone = change.action is Action.DELETE
        style = DELETE if gone else UPDATE
        out.append((f"  {'-' if gone else '~'} ", style))
        out.append((str(change.address), BOLD))
        out.append((" has been deleted\n" if gone else " has been changed\n", ""))
        if not gone:
            _body(out, change, width, show_sensitive)
        out.append(("\n", ""))


def _legend(out: Segments, changes: list[Change], width: int) -> None:
    used = {change.action for change in changes}
    heading = "iacengine will do this:"
    out.append((heading, BOLD))
    column = len(heading)
    for action, meaning in _LEGEND.items():
        if action not in used:
            continue
        length = 3 + len(MARKERS[action]) + 1 + len(meaning)
        if column + length > width:
            out.append(("\n", ""))
            column = 0
        out.append(("   ", ""))
        out.append((MARKERS[action], _STYLES[action]))
        out.append((f" {meaning}", DIM))
        column += length
    out.append(("\n\n", ""))


def _losses(plan: Plan) -> Mapping[int, str]:
    """What is to be said of changes that cannot simply be undone, by the identity of the change.

    Nothing where a failure undoes nothing, or where all is deleted: then nothing comes before what is final.
    """
    if plan.on_failure != "rollback" or all(step.commits or step.operation is None for step in plan.steps):
        return {}
    said: dict[int, str] = {}
    for index, kind in worst_by_change(plan).items():
        change = plan.changes[index]
        if kind is Reversibility.IRREVERSIBLE:
            said[id(change)] = _FINAL
        else:
            said[id(change)] = _UNKEPT if change.action is Action.UPDATE else _MADE_AGAIN
    return said


def _changes(
    out: Segments, changes: Iterable[Change], width: int, show_sensitive: bool, losses: Mapping[int, str]
) -> None:
    ordered = sorted(changes, key=lambda change: (change.address.sort_key, change.deposed))
    for module, group in groupby(ordered, key=lambda change: change.address.module):
        if module.steps:
            _module(out, module, members := list(group))
        else:
            members = list(group)
        for change in members:
            _change(out, change, width, show_sensitive, losses.get(id(change)))


def _deferred(out: Segments, blocks: Iterable[str]) -> None:
    """The waves after this one, of which no more than the names of the blocks is known."""
    out.append(("Then, when all of that is known:\n\n", BOLD))
    for block in blocks:
        out.append(("  ? ", NOTE))
        out.append((block, BOLD))
        out.append((" will be planned and applied\n", ""))
    out.append(("\n", ""))


def _module(out: Segments, module: ModuleInstance, members: list[Change]) -> None:
    noun = "change" if len(members) == 1 else "changes"
    out.append((f"{module}", BOLD))
    out.append((f" ({len(members)} {noun})\n\n", DIM))


def _change(out: Segments, change: Change, width: int, show_sensitive: bool, loss: str | None) -> None:
    marker, style = MARKERS[change.action], _STYLES[change.action]
    out.append((f"{marker:>3} " if marker else "    ", style))
    out.append((str(change.address), BOLD))
    out.append((f"{headline(change)}\n", ""))
    for sentence in cause(change):
        out.append((f"{_BODY}# {sentence}\n", DIM))
    if loss is not None:
        out.append((f"{_BODY}# {loss}\n", DIM))
    _body(out, change, width, show_sensitive)
    out.append(("\n", ""))


def _body(out: Segments, change: Change, width: int, show_sensitive: bool) -> None:
    before, after = change.before, change.after
    if show_sensitive:
        before, after = unmark_deep(before)[0], unmark_deep(after)[0]
    else:
        before, after = unmark(before)[0], unmark(after)[0]
    old, new = entries_of(before), entries_of(after)
    writer = DiffWriter(out, width, frozenset(change.replace_paths))
    if change.action is Action.FORGET:
        writer.entries(old or {}, old or {}, _BODY, identifying=IDENTIFYING)
    elif old is None and new is not None:
        writer.created(new, _BODY)
    elif old is not None and new is None:
        writer.deleted(old, _BODY)
    elif old is not None and new is not None:
        writer.entries(old, new, _BODY, identifying=IDENTIFYING)


def _outputs(out: Segments, outputs: list[OutputChange], width: int, show_sensitive: bool, *, separate: bool) -> None:
    out.append(("Changes to outputs:\n\n" if separate else "Changes to outputs only:\n\n", BOLD))
    longest = max(len(key_name(change.name)) for change in outputs)
    writer = DiffWriter(out, width)
    for change in outputs:
        before = _output_value(change.before, change.sensitive, show_sensitive)
        after = _output_value(change.after, change.sensitive, show_sensitive)
        head = f"{key_name(change.name).ljust(longest)} = "
        if change.sensitive and not show_sensitive:
            marker = {Action.CREATE: "+", Action.DELETE: "-"}.get(change.action, "~")
            style = {"+": CREATE, "-": DELETE}.get(marker, UPDATE)
            out.append((f"  {marker} ", style))
            out.append((f"{head}{SENSITIVE_TEXT}\n", ""))
        elif unchanged(before, after):
            out.append(("  ~ ", UPDATE))
            out.append((f"{head}(only its type changes)\n", ""))
        else:
            writer.change(head, before, after, "  ", ())
    out.append(("\n", ""))


def _output_value(value: Value, is_sensitive: bool, show_sensitive: bool) -> Value:
    if show_sensitive:
        return unmark_deep(value)[0]
    return sensitive(value) if is_sensitive and not is_null(value) else value


def _conclusion(out: Segments, plan: Plan, *, has_changes: bool, has_outputs: bool, has_drift: bool) -> None:
    if has_changes:
        out.append((planned_summary(plan.counts(), forget=True) + "\n", BOLD))
    elif plan.mode is PlanMode.REFRESH_ONLY and (has_drift or plan.applyable):
        out.append(("Applying this plan only records what has changed; it changes no real object.\n", BOLD))
    elif has_outputs:
        out.append(("No real object changes; applying this plan only records the outputs.\n", BOLD))
    elif plan.mode is PlanMode.DESTROY:
        out.append(("No changes. There is nothing to destroy.\n", BOLD))
    elif plan.mode is PlanMode.REFRESH_ONLY:
        out.append(("No changes. The state matches the real objects.\n", BOLD))
    elif plan.applyable:
        out.append(("No real object changes; applying this plan updates the state.\n", BOLD))
    else:
        out.append(("No changes. The real objects match the configuration.\n", BOLD))
    if plan.targets or plan.excludes:
        what = ", ".join([*plan.targets, *(f"not {address}" for address in plan.excludes)])
        out.append((f"Only a part of the stack was planned ({what}).\n", NOTE))
