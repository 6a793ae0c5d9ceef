"""`iac recover`."""

from __future__ import annotations

from typing import Any

import click

from iacengine.cli.group import Command
from iacengine.cli.options import Request, path_argument, run_options, variable_options
from iacengine.cli.terminal import Terminal


@click.command("recover", cls=Command)
@path_argument
@click.option("--retry", is_flag=True, help="Try again to undo what could not be undone.")
@click.option("--skip", multiple=True, metavar="ADDRESS", help="Undo the rest, and leave this object as it is.")
@click.option("--keep", is_flag=True, help="Keep what is there; undo nothing.")
@variable_options
@run_options
@click.pass_obj
def command(terminal: Terminal, /, *, retry: bool, skip: tuple[str, ...], keep: bool, **options: Any) -> int:
    """Settle what an interrupted or failed apply left.

    Finds out what became of the operations that were cut off, and undoes what the run had done if it was to leave
    nothing behind. Every command that changes something does the same first, so this is needed only where undoing has
    failed. Nothing is asked.
    """
    from iacengine.cli.operation import run  # lazy: help needs none of it
    from iacengine.cli.recovery import recover

    if keep and (retry or skip):
        raise click.UsageError("--keep cannot be used with --retry or --skip: it undoes nothing.")
    action = "keep" if keep else "retry" if retry or skip else "undo"
    return run("recover", terminal, Request(**options), lambda operation: recover(operation, action, skip))
