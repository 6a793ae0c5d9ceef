"""`iac show`."""

from __future__ import annotations

import click

from iacengine.cli.group import Command
from iacengine.cli.options import json_option, show_sensitive_option, state_option
from iacengine.cli.terminal import Terminal


@click.command("show", cls=Command)
@click.argument("path", required=False, default=".", metavar="[STACK | PLANFILE]")
@click.option("--serial", metavar="SERIAL", help="Show this version of the state (see `iac state history`).")
@json_option
@state_option
@show_sensitive_option
@click.pass_obj
def command(
    terminal: Terminal, path: str, serial: str | None, as_json: bool, state: str | None, show_sensitive: bool
) -> None:
    """Show the state of a stack, or a saved plan.

    With --json the formats are Terraform's (state 1.0, plan 1.2). As there, sensitive values stand in the JSON as they
    are, and are marked in before_sensitive, after_sensitive and sensitive_values: keep it as safe as the state.
    """
    from iacengine.cli.operation import is_plan_file  # lazy: help needs none of it

    if is_plan_file(path):
        if serial is not None:
            raise click.UsageError("--serial chooses a version of a state; a plan file has none.")
        _show_plan(terminal, path, as_json=as_json, show_sensitive=show_sensitive)
    else:
        _show_state(terminal, path, state, serial, as_json=as_json, show_sensitive=show_sensitive)


def _show_plan(terminal: Terminal, path: str, *, as_json: bool, show_sensitive: bool) -> None:
    from iacengine import engine  # lazy, as above

    plan = engine.load_plan(path)
    if as_json:
        from iacengine.cli.schemas import installed_schemas
        from iacengine.cli.views.plan_json import plan_json
        from iacengine.cli.views.value_json import dumps

        schemas = installed_schemas()
        terminal.line(dumps(plan_json(plan, schemas, schemas.of_provider)).decode())
        return
    from iacengine.cli.views.plan_text import plan_segments
    from iacengine.cli.views.segments import styled

    segments = plan_segments(plan, width=terminal.width, show_sensitive=show_sensitive)
    terminal.write(styled(segments, color=terminal.color))


def _show_state(
    terminal: Terminal, path: str, state_path: str | None, serial: str | None, *, as_json: bool, show_sensitive: bool
) -> None:
    from iacengine import engine  # lazy, as above
    from iacengine.cli.schemas import installed_schemas

    stack = engine.open_stack(path, state_path=state_path)
    if serial is None:
        state = engine.read_state(stack)
    else:
        from iacengine.cli.state_versions import read_version

        state = read_version(stack.backend, serial)
    if as_json:
        from iacengine.cli.views.state_json import state_json
        from iacengine.cli.views.value_json import dumps

        terminal.line(dumps(state_json(state, installed_schemas())).decode())
        return
    from iacengine.cli.views.state_text import state_text

    terminal.write(state_text(state, installed_schemas(), show_sensitive=show_sensitive))
