"""`iac apply`."""

from __future__ import annotations

from typing import Any

import click

from iacengine.cli.group import Command
from iacengine.cli.options import Request, approve_option, on_failure_option, planning_options, run_options
from iacengine.cli.terminal import Terminal


@click.command("apply", cls=Command)
@click.argument("path", required=False, default=".", metavar="[STACK | PLANFILE]")
@approve_option
@planning_options
@on_failure_option
@run_options
@click.pass_obj
def command(terminal: Terminal, /, **options: Any) -> int:
    """Create or update infrastructure.

    Plans the stack and asks for approval, or applies a plan saved by `iac plan --out` as it is, without asking.
    """
    from iacengine.cli.operation import is_plan_file, plan_and_apply, run  # lazy: help needs none of it

    request = Request(**options)
    return run("apply", terminal, request, _apply_saved if is_plan_file(request.path) else plan_and_apply)


def _apply_saved(operation: Any) -> int:
    from iacengine import engine  # lazy, as above
    from iacengine.cli.operation import carry_out
    from iacengine.cli.variables import variables_named
    from iacengine.foundation.diagnostics import failure

    request = operation.request
    plan = engine.load_plan(request.path)
    if request.chooses_a_plan:
        raise failure(
            "Options that need a new plan",
            f"{', '.join(request.chooses_a_plan)} cannot be used with a saved plan: it is applied as it is.",
            remedy="Leave them out, or plan again with them.",
        )
    plan = engine.with_variables(plan, variables_named())
    path = plan.stack_path or plan.configuration.directory
    stack = engine.engine_of(plan.configuration, path, state_path=request.state)
    if operation.ui is not None:
        operation.ui.planned_changes(plan, effects_only=True)
    return carry_out(operation, stack, plan)
