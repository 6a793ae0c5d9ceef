"""`iac rollback`."""

from __future__ import annotations

from typing import Any

import click

from iacengine.cli.group import Command
from iacengine.cli.options import (
    Request,
    approve_option,
    on_failure_option,
    path_argument,
    refresh_option,
    run_options,
    variable_options,
)
from iacengine.cli.terminal import Terminal


@click.command("rollback", cls=Command)
@path_argument
@click.option("--to", "serial", type=click.IntRange(min=0), required=True, metavar="SERIAL", help="The version.")
@approve_option
@refresh_option
@variable_options
@on_failure_option
@run_options
@click.pass_obj
def command(terminal: Terminal, /, *, serial: int, **options: Any) -> int:
    """Go back to an earlier version of the state: a plan like any other, shown and approved.

    What was made since is destroyed, what was destroyed is made again (under a new id), what was changed is changed
    back. `iac state history` lists the versions. The stack files stay as they are.
    """
    from iacengine.cli.operation import run  # lazy: help needs none of it
    from iacengine.cli.recovery import roll_back_to

    return run("rollback", terminal, Request(**options), lambda operation: roll_back_to(operation, serial))
