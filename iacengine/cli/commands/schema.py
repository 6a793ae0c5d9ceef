"""`iac schema`."""

from __future__ import annotations

import sys

import click

from iacengine.cli.group import Command
from iacengine.cli.terminal import Terminal


@click.command("schema", cls=Command)
@click.option("--provider", "names", multiple=True, metavar="NAME", help="Only this provider's types. May be repeated.")
@click.option("--trust", is_flag=True, help="The JSON Schema of trust policies (iac.trust.yaml) instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (it always is).")
@click.pass_obj
def command(terminal: Terminal, names: tuple[str, ...], trust: bool, as_json: bool) -> None:
    """Print the JSON Schema of stack files, for editors: every block, resource type and argument, described.

    It knows the types of all installed providers. With --provider, types of others are allowed unchecked.

    Save it (iac schema > schema.json) and begin a stack file with the line

        # yaml-language-server: $schema=schema.json
    """
    from dataclasses import replace  # lazy: help needs none of it

    import orjson

    from iacengine.cli.failures import print_diagnostics
    from iacengine.config.json_schema import json_schema
    from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Severity
    from iacengine.foundation.garbage import collection_paused
    from iacengine.provider.discovery import find_plugin, plugin_names
    from iacengine.provider.protocol import ProviderSchema

    del as_json
    if trust:
        from iacengine.modules.trust_schema import TRUST_SCHEMA  # lazy: asked for only here

        terminal.flush()
        sys.stdout.buffer.write(orjson.dumps(TRUST_SCHEMA, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        sys.stdout.buffer.flush()
        return
    offers: dict[str, ProviderSchema] = {}
    broken: list[Diagnostic] = []
    with collection_paused():
        for name in names or plugin_names():
            try:
                plugin = find_plugin(name)
            except DiagnosticsError as error:
                if names:
                    raise
                broken.extend(replace(one, severity=Severity.WARNING) for one in error.diagnostics)
                continue
            provider = plugin.create()
            try:
                offers[plugin.name] = provider.schema()
            finally:
                provider.close()
        document = json_schema(offers, complete=not names)
    print_diagnostics(broken, terminal)
    terminal.flush()
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()
