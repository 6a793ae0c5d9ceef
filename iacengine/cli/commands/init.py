"""`iac init`."""

from __future__ import annotations

import click

from iacengine.cli.group import Command
from iacengine.cli.options import frozen_option, input_option, json_option, path_argument, state_option
from iacengine.cli.terminal import Terminal


@click.command("init", cls=Command)
@path_argument
@click.option("--upgrade", is_flag=True, help="Take the newest modules that constraints allow, not the locked ones.")
@frozen_option
@click.option("--accept-key", "accepted", multiple=True, metavar="ID", help="Trust this key, where it is met first.")
@json_option
@input_option
@state_option
@click.pass_obj
def command(
    terminal: Terminal,
    path: str,
    upgrade: bool,
    frozen: bool,
    accepted: tuple[str, ...],
    as_json: bool,
    ask: bool,
    state: str | None,
) -> None:
    """Prepare a stack: install its modules, check its providers, and lock both; say where its state is.

    It is never required: the first plan does the same. What is installed, and by whom it is signed, stands in
    iac.lock.yaml, which belongs into version control.
    """
    from iacengine import engine  # lazy: help needs none of it
    from iacengine.cli.installing import asking, module_options
    from iacengine.foundation.diagnostics import failure

    if upgrade and frozen:
        raise failure(
            "Incompatible options", "--upgrade changes the lock file, --frozen forbids it.", remedy="Leave one out."
        )
    directory = engine.stack_directory(path)
    may_ask = ask and terminal.interactive and not as_json
    installed = asking(
        terminal,
        module_options(terminal, frozen=frozen, accepted=accepted),
        lambda options: engine.install(path, directory, options, [] if upgrade else None),
        may_ask=may_ask,
    )
    stack = engine.engine_of(installed.configuration, path, state_path=state)
    stored = engine.read_state(stack)
    lock, changes = installed.lock, installed.changes
    if as_json:
        from iacengine.cli.views.module_json import locked_json  # lazy: most runs are read by people
        from iacengine.cli.views.value_json import dumps

        document = {
            "format_version": "1.0",
            "state": stack.backend.describe(),
            "serial": stored.serial if stored is not None else None,
            "providers": installed.providers,
            "modules": [locked_json(one) for one in lock.modules],
            "lock": {"path": lock.path, "changes": list(changes)},
        }
        terminal.line(dumps(document, indent=True).decode())
        return
    from iacengine.cli.views.module_text import locked_text  # lazy, as above

    for one in lock.modules:
        terminal.line(f"Module {locked_text(one)}")
    for source, version in installed.providers.items():
        terminal.line(f"Provider {source} {version}")
    if changes:
        terminal.line(f"{lock.path} has changed; commit it:")
        for change in changes:
            terminal.line(f"  {change}")
    objects = f"{len(stored.objects)} objects" if stored is not None else "nothing made yet"
    terminal.line(f"State in {stack.backend.describe()}: {objects}")
    terminal.line("\nThe stack is ready. `iac plan` shows what it would change.")
