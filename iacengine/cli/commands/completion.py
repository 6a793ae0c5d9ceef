"""`iac completion`."""

from __future__ import annotations

import click

from iacengine.cli.group import Command
from iacengine.cli.terminal import Terminal


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_obj
def command(terminal: Terminal, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash: eval "$(iac completion bash)"        in ~/.bashrc
    zsh:  eval "$(iac completion zsh)"         in ~/.zshrc
    fish: iac completion fish > ~/.config/fish/completions/iac.fish
    """
    from click.shell_completion import get_completion_class  # lazy: only this verb needs it

    from iacengine.cli.main import root

    kind = get_completion_class(shell)
    assert kind is not None
    terminal.line(kind(root, {}, "iac", "_IAC_COMPLETE").source())
