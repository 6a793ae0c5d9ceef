"""`iac output`."""

from __future__ import annotations

import click

from iacengine.cli.group import Command
from iacengine.cli.options import json_option, show_sensitive_option, state_option
from iacengine.cli.terminal import Terminal


@click.command("output", cls=Command)
@click.argument("name", required=False)
@json_option
@click.option("--raw", is_flag=True, help="Print a string, number or bool as it is, for scripts.")
@click.option("--stack", "path", default=".", metavar="STACK", help="A stack other than the current directory.")
@state_option
@show_sensitive_option
@click.pass_obj
def command(
    terminal: Terminal, name: str | None, as_json: bool, raw: bool, path: str, state: str | None, show_sensitive: bool
) -> None:
    """Show output values of the stack, all of them or one.

    One that is named, and every one with --json, is shown even when it is sensitive.
    """
    from iacengine import engine  # lazy: help needs none of it
    from iacengine.cli.views.output_text import output_text, outputs_text
    from iacengine.cli.views.state_json import output_value, outputs_json
    from iacengine.cli.views.value_json import dumps, json_of
    from iacengine.foundation.diagnostics import failure, near_match, warning

    if raw and as_json:
        raise click.UsageError("--raw and --json cannot be used together.")
    if raw and name is None:
        raise click.UsageError("--raw needs the name of an output.")
    current = engine.read_state(engine.open_stack(path, state_path=state))
    outputs = dict(current.outputs) if current is not None else {}
    if name is None:
        if as_json:
            terminal.line(dumps(outputs_json(outputs), indent=True).decode())
        elif outputs:
            terminal.write(outputs_text(outputs, show_sensitive=show_sensitive))
        else:
            from iacengine.cli.failures import print_diagnostics  # lazy, as above

            remedy = "Add an output to the configuration and run `iac apply`."
            print_diagnostics(
                [warning("No outputs", "The state of this stack has no outputs.", remedy=remedy)], terminal
            )
        return
    if name not in outputs:
        meant = near_match(name, outputs)
        raise failure(
            f'Output "{name}" not found',
            "The state has no output of this name. A new output is there after the next `iac apply`.",
            remedy=f'Did you mean "{meant}"?' if meant else None,
        )
    value = output_value(outputs[name])
    if as_json:
        terminal.line(dumps(json_of(value)).decode())
    elif raw:
        terminal.write(_raw(name, value))
    else:
        terminal.line(output_text(value))


def _raw(name: str, value: object) -> str:
    from iacengine.foundation.diagnostics import failure  # lazy, as above
    from iacengine.lang.convert import ConversionError, convert
    from iacengine.lang.types import STRING, friendly_name
    from iacengine.lang.values import is_null, type_of

    try:
        text = convert(value, STRING)
    except ConversionError:
        text = None
    if text is None or is_null(text):
        kind = "null" if is_null(value) else friendly_name(type_of(value))
        raise failure(
            "Unsupported value for raw output",
            f'--raw prints strings, numbers and bools; the output "{name}" is {kind}.',
            remedy="Use --json for values of other types.",
        )
    return str(text)
