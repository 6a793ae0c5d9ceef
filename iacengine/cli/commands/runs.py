"""`iac runs`: who did what to a stack."""

from __future__ import annotations

import click

from iacengine.cli.group import Command, Group
from iacengine.cli.options import json_option, path_argument, state_option
from iacengine.cli.terminal import Terminal


@click.group("runs", cls=Group)
def command() -> None:
    """See who did what to the stack, when, and how it ended.

    Every command that changes the state leaves a record beside it. No record holds a sensitive value.
    """


@command.command("list", cls=Command)
@path_argument
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, metavar="N", help="The newest so many (the default is 20)."
)
@json_option
@state_option
@click.pass_obj
def list_(terminal: Terminal, path: str, limit: int, as_json: bool, state: str | None) -> None:
    """List runs, the newest first."""
    from iacengine.cli.run_records import recorded_runs  # lazy: help needs none of it
    from iacengine.cli.state_access import open_stack
    from iacengine.cli.views.runs_text import runs_text

    found = recorded_runs(open_stack(path, state).backend, limit)
    if as_json:
        from iacengine.cli.views.value_json import dumps  # lazy: most runs are read by people
        from iacengine.state.run_record import run_record_to_json

        document = {"format_version": "1.0", "runs": [run_record_to_json(record) for record in found]}
        terminal.line(dumps(document, indent=True).decode())
        return
    terminal.write(runs_text(found))


@command.command("show", cls=Command)
@click.argument("id_", metavar="ID")
@click.option("--stack", "path", default=".", metavar="STACK", help="Not the current directory's stack.")
@json_option
@state_option
@click.pass_obj
def show(terminal: Terminal, id_: str, path: str, as_json: bool, state: str | None) -> None:
    """Show one run with its steps. The first letters of its ID are enough."""
    from iacengine.cli.run_records import one_run  # lazy: help needs none of it
    from iacengine.cli.state_access import open_stack
    from iacengine.cli.views.runs_text import run_text

    record = one_run(open_stack(path, state).backend, id_)
    if as_json:
        from iacengine.cli.views.value_json import dumps  # lazy, as above
        from iacengine.state.run_record import run_record_to_json

        terminal.line(dumps(run_record_to_json(record), indent=True).decode())
        return
    terminal.write(run_text(record))
