"""A verb that tells what happens: events go to where `--events` says, from its start to its end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from iacengine.cli.failures import exit_code
from iacengine.cli.operation import Operation, perform
from iacengine.cli.options import Request
from iacengine.cli.terminal import Terminal, find_terminal
from iacengine.events.document import diagnostic_document
from iacengine.events.stream import EventStream, open_stream
from iacengine.foundation.diagnostics import DiagnosticsError, failure


def run_with_events(verb: str, terminal: Terminal, request: Request, run: str, body: Callable[[Operation], int]) -> int:
    """Perform a verb, and tell its events; the exit code. Raises what the verb raises."""
    assert request.events is not None, "there is somewhere to tell them"
    if request.events == "-" and request.as_json:
        raise failure(
            "Incompatible options",
            "--json and --events - would both print to standard output.",
            remedy="Write the events to a file, or leave --json out.",
        )
    with _room(terminal, request.events) as (shown, output):
        stream = open_stream(request.events, run, output)
        operation = Operation(shown, request, None, verb, run, stream)
        try:
            return _told(operation, stream, body)
        finally:
            lost = stream.close()
            if lost is not None:
                operation.warn(lost)


def _told(operation: Operation, stream: EventStream, body: Callable[[Operation], int]) -> int:
    started = time.monotonic()

    def ended(code: int | None, **more: object) -> None:
        seconds = round(time.monotonic() - started, 3)
        stream.emit({"type": "run_finished", "exit_code": code, "seconds": seconds, **more})

    stream.emit({"type": "run_started", "command": f"iac {operation.verb}", "stack": operation.request.path})
    try:
        code = perform(operation, body)
    except DiagnosticsError as found:
        ended(exit_code(found), diagnostics=[diagnostic_document(each) for each in found.diagnostics])
        raise
    except BaseException as problem:
        ended(None, diagnostics=[], error=type(problem).__name__)
        raise
    ended(code, diagnostics=[])
    return code


@contextmanager
def _room(terminal: Terminal, target: str) -> Iterator[tuple[Terminal, int]]:
    """Where people read, and the descriptor of standard output; what people read goes elsewhere when it is taken."""
    if target != "-":
        yield terminal, 1
        return
    sys.stdout.flush()
    output, sys.stdout = sys.stdout, sys.stderr
    try:
        yield find_terminal(no_color=bool(os.environ.get("NO_COLOR"))), output.fileno()
    finally:
        sys.stdout = output
