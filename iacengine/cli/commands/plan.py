"""`iac plan`."""

from __future__ import annotations

from typing import Any

import click

from iacengine.cli import exits
from iacengine.cli.group import Command
from iacengine.cli.options import Request, on_failure_option, path_argument, planning_options, run_options
from iacengine.cli.terminal import Terminal


@click.command("plan", cls=Command)
@path_argument
@click.option("--out", metavar="FILE", help="Save the plan, to apply it later exactly as shown.")
@click.option(
    "--detailed-exitcode", is_flag=True, help="Exit with 0 when there are no changes, 2 when there are, 1 on an error."
)
@planning_options
@on_failure_option
@run_options
@click.pass_obj
def command(terminal: Terminal, /, **options: Any) -> int:
    """Show the changes that the configuration asks for; change nothing.

    STACK is a directory or one stack file; without it the current directory is used.
    """
    from iacengine.cli.operation import run  # lazy: help and mistyped options need none of it

    return run("plan", terminal, Request(**options), _plan)


def _plan(operation: Any) -> int:
    from iacengine import engine  # lazy, as above
    from iacengine.cli.operation import make_plan, open_stack, show_plan

    request = operation.request
    plan = make_plan(operation, open_stack(request, operation.terminal))
    show_plan(operation, plan)
    if request.out is not None:
        engine.save_plan(plan, request.out, request.path)
        operation.say(f'\nSaved to {request.out}. To do exactly this, run: iac apply "{request.out}"')
    return exits.CHANGES if request.detailed_exitcode and plan.applyable else exits.DONE
