"""`iac init`."""

from __future__ import annotations

import click

from iacengine.cli.group import Command
from iacengine.cli.options import input_option, json_option, path_argument, state_option
from iacengine.cli.terminal import Terminal


@click.command("init", cls=Command)
@path_argument
@json_option
@input_option
@state_option
@click.pass_obj
def command(terminal: Terminal, path: str, as_json: bool, ask: bool, state: str | None) -> None:
    """Prepare a stack: check that its files can be read, that its providers are installed, and where its state is.

    Nothing is downloaded, so it is never required: every other verb does the same when it starts.
    """
    from iacengine import engine  # lazy: help needs none of it
    from iacengine.cli.views.value_json import dumps
    from iacengine.config.provider_names import provider_source
    from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError
    from iacengine.provider.discovery import find_plugin, source_address

    del ask  # there is nothing to ask; the option is Terraform's
    stack = engine.open_stack(path, state_path=state)
    versions: dict[str, str] = {}
    problems: list[Diagnostic] = []
    for module in stack.configuration.root.walk():
        names = {block.provider_name.name for block in module.resources.values()}
        for name in sorted(names | set(module.settings.required_providers)):
            source = provider_source(stack.configuration, module.path, name)
            try:
                versions[source_address(source)] = find_plugin(source).version
            except DiagnosticsError as error:
                problems.extend(one for one in error.diagnostics if one not in problems)
    if problems:
        raise DiagnosticsError(*problems)
    stored = engine.read_state(stack)
    if as_json:
        document = {
            "format_version": "1.0",
            "state": stack.backend.describe(),
            "serial": stored.serial if stored is not None else None,
            "providers": dict(sorted(versions.items())),
        }
        terminal.line(dumps(document, indent=True).decode())
        return
    for source, version in sorted(versions.items()):
        terminal.line(f"Provider {source} {version}")
    objects = f"{len(stored.objects)} objects" if stored is not None else "nothing made yet"
    terminal.line(f"State in {stack.backend.describe()}: {objects}")
    terminal.line("\nThe stack is ready. `iac plan` shows what it would change.")
