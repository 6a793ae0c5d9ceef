"""`iac state history` and `iac state diff`: earlier versions of a state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from iacengine.cli.group import Command
from iacengine.cli.options import json_option, path_argument, show_sensitive_option, state_option
from iacengine.cli.terminal import Terminal

if TYPE_CHECKING:
    from iacengine.cli.state_versions import Chapter


@click.command("history", cls=Command)
@path_argument
@click.option(
    "--limit", type=click.IntRange(min=1), default=10, metavar="N", help="The newest so many (the default is 10)."
)
@json_option
@state_option
@click.pass_obj
def history(terminal: Terminal, path: str, limit: int, as_json: bool, state: str | None) -> None:
    """List the versions of the state that are kept, the newest first: who wrote each, and what it changed.

    `iac state diff SERIAL` shows what has changed since one, `iac rollback --to SERIAL` goes back to it.
    """
    from iacengine.cli.state_access import open_stack  # lazy: help needs none of it
    from iacengine.cli.state_versions import history as chapters

    found = chapters(open_stack(path, state).backend, limit)
    if as_json:
        from iacengine.cli.views.value_json import dumps  # lazy: most runs are read by people

        document = {"format_version": "1.0", "versions": [_document(one) for one in found]}
        terminal.line(dumps(document, indent=True).decode())
        return
    if not found:
        terminal.line("There is no state yet.")
        return
    from iacengine.cli.views.runs_text import SHORT_ID, moment_text
    from iacengine.cli.views.table_text import table_text

    rows = []
    for one in found:
        run, told = one.run, one.comparison
        changes = f"+{len(told.added)} ~{len(told.changed)} -{len(told.removed)}" if told is not None else "?"
        written = (run.id[:SHORT_ID], run.command, f"{run.owner}@{run.host}", run.outcome) if run else ("-",) * 4
        rows.append((f"{one.version.serial}", moment_text(one.version.time), *written, changes))
    terminal.write(table_text(("serial", "written", "run", "command", "by", "outcome", "objects"), rows))


def _document(one: Chapter) -> dict[str, Any]:
    run, told = one.run, one.comparison
    return {
        "serial": one.version.serial,
        "time": one.version.time,
        "present": one.is_present,
        "run": run.id if run else None,
        "command": run.command if run else None,
        "owner": run.owner if run else None,
        "host": run.host if run else None,
        "outcome": run.outcome if run else None,
        "objects": None
        if told is None
        else {"added": len(told.added), "changed": len(told.changed), "removed": len(told.removed)},
        "outputs_changed": None if told is None else len(told.outputs),
    }


@click.command("diff", cls=Command)
@click.argument("first", metavar="SERIAL")
@click.argument("second", required=False, default="now", metavar="[SERIAL]")
@click.option("--stack", "path", default=".", metavar="STACK", help="Not the current directory's stack.")
@json_option
@state_option
@show_sensitive_option
@click.pass_obj
def diff(
    terminal: Terminal, first: str, second: str, path: str, as_json: bool, state: str | None, show_sensitive: bool
) -> None:
    """Show how one version of the state differs from another: by default from the present one."""
    from iacengine.cli.schemas import installed_schemas  # lazy: help needs none of it
    from iacengine.cli.state_access import open_stack
    from iacengine.cli.state_versions import two_versions
    from iacengine.cli.views.state_diff import diff_json, diff_segments
    from iacengine.state.comparison import compare

    before, after = two_versions(open_stack(path, state).backend, first, second)
    found, schemas = compare(before, after), installed_schemas()
    if as_json:
        from iacengine.cli.views.value_json import dumps  # lazy: most runs are read by people

        document = diff_json(before, after, found, schemas, show_sensitive=show_sensitive)
        terminal.line(dumps(document, indent=True).decode())
        return
    from iacengine.cli.views.segments import styled

    segments = diff_segments(found, schemas, width=terminal.width, show_sensitive=show_sensitive)
    terminal.write(styled(segments, color=terminal.color))
