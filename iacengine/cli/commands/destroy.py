"""`iac destroy`."""

from __future__ import annotations

from typing import Any

import click

from iacengine.cli.group import Command
from iacengine.cli.options import (
    Request,
    approve_option,
    frozen_option,
    on_failure_option,
    path_argument,
    refresh_option,
    run_options,
    scope_options,
)
from iacengine.cli.terminal import Terminal


@click.command("destroy", cls=Command)
@path_argument
@approve_option
@refresh_option
@frozen_option
@scope_options
@on_failure_option
@run_options
@click.pass_obj
def command(terminal: Terminal, /, **options: Any) -> int:
    """Destroy everything that the stack made.

    `iac plan --destroy` shows what this would do.
    """
    from iacengine.cli.operation import plan_and_apply, run  # lazy: help needs none of it

    return run("destroy", terminal, Request(destroy=True, **options), plan_and_apply)
