"""`iac validate`."""

from __future__ import annotations

import click

from iacengine.cli import exits
from iacengine.cli.group import Command
from iacengine.cli.options import frozen_option, json_option, path_argument
from iacengine.cli.terminal import Terminal


@click.command("validate", cls=Command)
@path_argument
@frozen_option
@json_option
@click.pass_obj
def command(terminal: Terminal, path: str, frozen: bool, as_json: bool) -> int:
    """Check whether the configuration is valid, without looking at state or real objects."""
    from iacengine import engine  # lazy: help needs none of it
    from iacengine.cli.failures import print_diagnostics
    from iacengine.cli.installing import module_options
    from iacengine.cli.views.diagnostic_json import validation_json
    from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, has_errors

    found: tuple[Diagnostic, ...] = ()
    try:
        found = engine.validate(engine.open_stack(path, modules=module_options(terminal, frozen=frozen)))
    except DiagnosticsError as error:
        found = error.diagnostics
    failed = has_errors(found)
    if as_json:
        from iacengine.cli.views.value_json import dumps  # lazy, as above

        terminal.line(dumps(validation_json(found), indent=True).decode())
    else:
        print_diagnostics(found, terminal)
        if not failed:
            terminal.line("Success! The configuration is valid.")
    return exits.ERROR if failed else exits.DONE
