"""`iac version`."""

from __future__ import annotations

import click

from iacengine.cli.group import Command
from iacengine.cli.terminal import Terminal
from iacengine.foundation.version import TERRAFORM_VERSION, VERSION


@click.command("version", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(terminal: Terminal, as_json: bool) -> None:
    """Show the version of iacengine."""
    if not as_json:
        terminal.line(f"iacengine {VERSION}")
        return
    import json  # lazy: the plain answer needs none
    import platform

    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    version = {
        "version": VERSION,
        "terraform_version": TERRAFORM_VERSION,
        "platform": f"{platform.system().lower()}_{machine}",
        "python": platform.python_version(),
        "provider_selections": {},
        "terraform_outdated": False,
    }
    terminal.line(json.dumps(version, indent=2))
