"""`iac refresh`."""

from __future__ import annotations

from typing import Any

import click

from iacengine.cli.group import Command
from iacengine.cli.options import Request, path_argument, run_options, scope_options
from iacengine.cli.terminal import Terminal


@click.command("refresh", cls=Command)
@path_argument
@scope_options
@run_options
@click.pass_obj
def command(terminal: Terminal, /, **options: Any) -> int:
    """Update the state to match the real objects; change none of them.

    The same as `iac apply --refresh-only --auto-approve`.
    """
    from iacengine.cli.operation import plan_and_apply, run  # lazy: help needs none of it

    return run("refresh", terminal, Request(refresh_only=True, auto_approve=True, **options), plan_and_apply)
