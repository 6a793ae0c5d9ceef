"""`iac console`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from iacengine.cli import exits
from iacengine.cli.group import Command
from iacengine.cli.options import path_argument, state_option, variable_options
from iacengine.cli.terminal import Terminal


@click.command("console", cls=Command)
@path_argument
@click.option("--jsonl", is_flag=True, help="Answer JSON Lines instead: for programs; reads no stack.")
@variable_options
@state_option
@click.pass_obj
def command(
    terminal: Terminal,
    path: str,
    jsonl: bool,
    variables: tuple[str, ...],
    variable_files: tuple[str, ...],
    state: str | None,
) -> int:
    """Try expressions: names mean what they mean in the stack's root module, objects what the state holds of them.

    With --jsonl, every line of standard input is an object {"id", "expr" or "template", "vars"}, answered by a line
    {"id", "result", "type"} or {"id", "error"}; vars holds what var.* and local.* mean.
    """
    if jsonl:
        return _answer_programs()
    from iacengine import engine  # lazy: help and --jsonl need none of it
    from iacengine.cli.console import Console, console_scope
    from iacengine.cli.options import Request, require_assignments
    from iacengine.cli.variables import variable_sources
    from iacengine.foundation.diagnostics import Findings

    require_assignments(variables)
    stack = engine.open_stack(path, state_path=state)
    request = Request(path=path, variables=variables, variable_files=variable_files, state=state)
    values = engine.root_variables(stack, variable_sources(stack, request, terminal), Findings())
    scope = console_scope(stack.configuration, values, engine.read_state(stack))
    console = Console(scope, terminal)
    failed = False
    for text in _typed() if terminal.interactive else _read():
        if text.strip() in ("exit", "quit"):
            break
        if text.strip():
            failed = not console.answer(text) or failed
    return exits.ERROR if failed and not terminal.interactive else exits.DONE


def _answer_programs() -> int:
    from iacengine.foundation.files import DiskFiles  # lazy: only for programs
    from iacengine.lang.functions.context import FunctionContext
    from iacengine.lang.jsonl import answer_lines
    from iacengine.lang.render import with_rendering

    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # JSON is UTF-8, whatever the locale
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    for line in answer_lines(sys.stdin, with_rendering(FunctionContext(DiskFiles()))):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()  # a program may wait for the answer before it asks again
    return exits.DONE


def _typed() -> Iterator[str]:
    """Expressions typed at a prompt, with history; brackets left open ask for more lines."""
    from iacengine.cli.console import history, is_open  # lazy: only for a terminal

    with history():
        while True:
            try:
                text = input("> ")
                while is_open(text):
                    text += "\n" + input("... ")
            except EOFError:
                sys.stdout.write("\n")
                return
            except KeyboardInterrupt:
                sys.stdout.write("\n")
                continue
            yield text


def _read() -> Iterator[str]:
    from iacengine.cli.console import is_open  # lazy, as above

    text = ""
    for line in sys.stdin:
        text += line
        if not is_open(text):
            yield text
            text = ""
    if text:
        yield text
