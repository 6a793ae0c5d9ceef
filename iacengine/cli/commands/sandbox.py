"""`iac sandbox`: a local stand-in for AWS."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import click

from iacengine.cli import exits
from iacengine.cli.group import Group
from iacengine.cli.options import json_option
from iacengine.cli.terminal import Terminal

if TYPE_CHECKING:
    from iacengine.testing.services.aws import Sandbox

_ENV = 'eval "$(iac sandbox env)"'


@click.group("sandbox", cls=Group)
def command() -> None:
    """Run a local stand-in for AWS.

    It is moto's server, on this machine alone. Nothing in it costs anything, and all of it is gone when it stops.
    """


@command.command("start")
@click.option("--port", type=click.IntRange(1, 65535), help="The port to listen on; by default a free one.")
@json_option
@click.pass_obj
def start(terminal: Terminal, port: int | None, as_json: bool) -> None:
    """Start the sandbox in the background, unless it runs, and wait until it answers."""
    from iacengine.testing.services import aws  # lazy: help needs none of it

    sandbox, fresh = aws.start(aws.sandbox_directory(), port)
    if as_json:
        terminal.line(json.dumps({**_described(sandbox), "started": fresh}))
        return
    terminal.line(f"The sandbox {'runs' if fresh else 'already runs'} at {sandbox.url}.")
    terminal.line(f"To use it in this shell: {_ENV}")


@command.command("status")
@json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Say whether the sandbox runs. The exit code is 1 when it does not."""
    from iacengine.testing.services import aws  # lazy, as above

    terminal: Terminal = ctx.obj
    sandbox = aws.status(aws.sandbox_directory())
    healthy = sandbox is not None and aws.is_healthy(sandbox)
    if as_json:
        described = {"running": False} if sandbox is None else _described(sandbox)
        terminal.line(json.dumps({**described, "healthy": healthy}))
    elif sandbox is None:
        terminal.line("The sandbox does not run.")
    else:
        state = "runs" if healthy else "does not answer"
        terminal.line(f"The sandbox {state} at {sandbox.url} (process {sandbox.pid}, log {sandbox.log}).")
    if not healthy:
        ctx.exit(exits.ERROR)


@command.command("stop")
@json_option
@click.pass_obj
def stop(terminal: Terminal, as_json: bool) -> None:
    """Stop the sandbox. What is in it is gone."""
    from iacengine.testing.services import aws  # lazy, as above

    sandbox = aws.stop(aws.sandbox_directory())
    if as_json:
        terminal.line(json.dumps({"running": False, "stopped": sandbox is not None}))
    else:
        terminal.line("The sandbox did not run." if sandbox is None else "The sandbox is stopped.")


@command.command("env")
@json_option
@click.pass_obj
def env(terminal: Terminal, as_json: bool) -> None:
    """Print shell commands that lead every AWS client to the sandbox: eval "$(iac sandbox env)"."""
    from iacengine.foundation.diagnostics import failure  # lazy, as above
    from iacengine.testing.services import aws

    sandbox = aws.status(aws.sandbox_directory())
    if sandbox is None:
        raise failure("The sandbox does not run", "There is nothing to lead to.", remedy="Start it: iac sandbox start")
    if as_json:
        terminal.line(json.dumps(aws.variables(sandbox)))
        return
    terminal.line(f"unset {' '.join(aws.OTHER_VARIABLES)}")
    for name, value in aws.variables(sandbox).items():
        terminal.line(f"export {name}={shlex.quote(value)}")


def _described(sandbox: Sandbox) -> dict[str, object]:
    return {"running": True, "url": sandbox.url, "port": sandbox.port, "pid": sandbox.pid, "log": sandbox.log}
