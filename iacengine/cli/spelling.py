"""Options as Terraform's users type them: one dash or two, and `=true` or `=false` after a switch."""

from __future__ import annotations

from collections.abc import Sequence

import click

_TRUE = ("true", "1", "yes")
_FALSE = ("false", "0", "no")


def normalize(arguments: Sequence[str], parameters: Sequence[click.Parameter], *, only_leading: bool) -> list[str]:
    """The arguments with every option in its two-dash form.

    `-out=p` becomes `--out=p`, `-refresh=false` becomes `--no-refresh`, `-json=true` becomes `--json`. What follows
    `--` stays, and so does an argument that is the value of the option before it. `only_leading`: stop at the first
    argument that is no option, because the rest belongs to a subcommand.
    """
    options = {name: option for option in parameters if isinstance(option, click.Option) for name in option.opts}
    result: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            return [*result, argument, *rest]
        if len(argument) < 2 or argument[0] != "-":
            result.append(argument)
            if only_leading:
                return result + rest
            continue
        if argument[1] != "-" and len(argument.partition("=")[0]) > 2 and not argument[1].isdigit():
            argument = f"-{argument}"
        name, equals, value = argument.partition("=")
        option = options.get(name)
        if option is not None and option.is_flag and equals:
            argument = _switch(option, name, value)
        result.extend([argument] if argument else [])
        if option is not None and not option.is_flag and not equals and rest:
            result.append(rest.pop(0))
    return result


def _switch(option: click.Option, name: str, value: str) -> str:
    """A switch with a value, as the switch that means it; empty when it means nothing."""
    if value.lower() in _TRUE:
        return name
    if value.lower() in _FALSE:
        return option.secondary_opts[0] if option.secondary_opts else ""
    raise click.BadParameter(f"{value!r} is neither true nor false.", param=option, param_hint=name)
