"""What a failure becomes: diagnostics for a user's mistake, a short report for a defect, and an exit code."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from iacengine.cli import exits
from iacengine.cli.group import UnknownVerb
from iacengine.cli.terminal import Terminal
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Severity, error, near_match
from iacengine.foundation.rendering import render

_TOO_DEEP = error(
    "Nested too deeply",
    "A value of this stack is nested too deeply. What was done is in the state or its journal.",
    remedy="Nest lists and objects no deeper than some hundred levels; IAC_DEBUG=1 shows where it was too much.",
)


def report(failure: Exception, arguments: Sequence[str], terminal: Terminal) -> int:
    """Print the failure to standard error; the exit code."""
    if isinstance(failure, DiagnosticsError):
        print_diagnostics(failure.diagnostics, terminal)
        return exit_code(failure)
    if isinstance(failure, click.ClickException):
        print_diagnostics([usage_diagnostic(failure)], terminal)
        return exits.ERROR
    if isinstance(failure, RecursionError) and not os.environ.get("IAC_DEBUG"):
        print_diagnostics([_TOO_DEEP], terminal)
        return exits.ERROR
    if os.environ.get("IAC_DEBUG"):
        traceback.print_exception(failure)
    print_diagnostics([_defect(failure, arguments)], terminal)
    return exits.ERROR


def print_diagnostics(diagnostics: Iterable[Diagnostic], terminal: Terminal) -> None:
    """Print to standard error, warnings first and errors last, where a reader's eye ends."""
    ordered = sorted(diagnostics, key=lambda diagnostic: diagnostic.severity is Severity.ERROR)
    texts = [render(diagnostic, color=terminal.error_color, width=terminal.width) for diagnostic in ordered]
    if texts:
        sys.stderr.write("\n\n".join(texts) + "\n")


def exit_code(failure: DiagnosticsError) -> int:
    """The exit code of an error; a failure may carry its own, as a held lock does."""
    for kind in type(failure).__mro__:
        if kind.__name__ == "LockHeldError":
            return exits.LOCKED
        if kind.__name__ == "RecoveryNeededError":
            return exits.RECOVERY_NEEDED
    return exits.ERROR


def usage_diagnostic(failure: click.ClickException) -> Diagnostic:
    """A mistake in the command line, with the option or verb that was probably meant."""
    ctx = failure.ctx if isinstance(failure, click.UsageError) else None
    help_ = f"`{ctx.command_path} --help` lists what there is." if ctx is not None else None
    if isinstance(failure, UnknownVerb):
        meant = near_match(failure.name, failure.known)
        return error("Unknown command", failure.message, remedy=f"Did you mean `{meant}`?" if meant else help_)
    if isinstance(failure, click.NoSuchOption):
        known = [name for option in ctx.command.get_params(ctx) for name in option.opts] if ctx is not None else []
        meant = near_match(failure.option_name, known)
        detail = f'There is no option "{failure.option_name}"' + (f" of `{ctx.command_path}`." if ctx else ".")
        return error("Unknown option", detail, remedy=f"Did you mean `{meant}`?" if meant else help_)
    return error("Invalid command line", failure.format_message(), remedy=help_)


def _defect(failure: Exception, arguments: Sequence[str]) -> Diagnostic:
    path = _write_log(failure, arguments)
    where = f"Where it happened was written to {path}" if path else "Run again with IAC_DEBUG=1 to see where"
    return error(
        "Internal error",
        f"This is a defect of iacengine, not of your configuration: {type(failure).__name__}. "
        "No state was lost: what was done is in the state or its journal.",
        remedy=f"{where}; please report it. IAC_DEBUG=1 shows the messages too, which may hold values of yours.",
    )


def _write_log(failure: Exception, arguments: Sequence[str]) -> Path | None:
    """Write the traceback to a new file that only this user can read."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f"iac-defect-{stamp}-", suffix=".log")  # mode 0600
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            verb = next((argument for argument in arguments if not argument.startswith("-")), "")
            file.write(f"iac {verb}\nPython {sys.version}\n\n")  # never the values given to --var
            file.writelines(_places(failure))
    except OSError:
        return None
    return Path(name)


def _places(failure: BaseException) -> Iterator[str]:
    """Where a failure happened and what kind it is, and so of each that led to it; not what it says, which may quote a
    secret."""
    cause = failure.__cause__ or (None if failure.__suppress_context__ else failure.__context__)
    if cause is not None:
        yield from _places(cause)
        yield "\nwhich led to\n\n"
    yield from traceback.format_tb(failure.__traceback__)
    yield f"{type(failure).__module__}.{type(failure).__qualname__}\n"
    for inner in failure.exceptions if isinstance(failure, BaseExceptionGroup) else ():
        yield "\nwith\n\n"
        yield from _places(inner)
