"""Asking a person: for approval, and for values of variables that nothing else gave."""

from __future__ import annotations

import sys

from iacengine.cli.terminal import Terminal
from iacengine.foundation.diagnostics import failure


def approve(question: str, terminal: Terminal) -> bool:
    """Whether the answer is `yes`; nothing else approves. Raises DiagnosticsError when nobody can answer."""
    terminal.write(f"\n{question}\n  Only 'yes' is accepted to approve.\n\n  Enter a value: ")
    terminal.flush()
    answer = sys.stdin.readline()
    if not answer:
        terminal.line()
        raise failure(
            "Approval required",
            "Nobody can be asked, because standard input is at its end.",
            remedy="Run again with --auto-approve, or apply a saved plan.",
        )
    if not terminal.interactive:
        terminal.line()
    return answer.strip() == "yes"


def ask_value(name: str, description: str, terminal: Terminal, *, hidden: bool) -> str:
    """The value a person gives to a variable. Raises EOFError at the end of the input."""
    terminal.line(f"var.{name}")
    if description:
        terminal.line(f"  {description}")
    terminal.flush()
    if hidden:
        import getpass  # lazy: only a sensitive variable needs it

        return getpass.getpass("  Enter a value (hidden): ")
    return input("  Enter a value: ")
