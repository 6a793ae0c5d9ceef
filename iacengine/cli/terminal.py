"""Where output goes: whether it is a terminal, how wide, with which colours."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field

PLAIN_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Terminal:
    """What is known of standard output and standard input.

    `color`: escape sequences are wanted. `live`: lines may be redrawn (a terminal, and no CI). `interactive`: a person
    can be asked. `width` is in cells.
    """

    color: bool = False
    live: bool = False
    interactive: bool = False
    width: int = PLAIN_WIDTH
    error_color: bool = field(default=False)

    def write(self, text: str) -> None:
        """Print text as it is to standard output."""
        sys.stdout.write(text)

    def line(self, text: str = "") -> None:
        sys.stdout.write(text + "\n")

    def flush(self) -> None:
        sys.stdout.flush()


def find_terminal(*, no_color: bool = False) -> Terminal:
    """Look at this process's standard streams, and at `NO_COLOR`, `TERM` and `CI`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name in Chinese must not break an ASCII terminal
    terminal = _is_terminal(sys.stdout)
    plain = no_color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    width = shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns if terminal else _columns() or PLAIN_WIDTH
    return Terminal(
        color=terminal and not plain,
        live=terminal and not os.environ.get("CI") and os.environ.get("TERM") != "dumb",
        interactive=_is_terminal(sys.stdin) and terminal,
        width=max(width, 40),
        error_color=_is_terminal(sys.stderr) and not plain,
    )


def open_missing_streams() -> None:
    """Put the null device in place of standard streams that are closed, lest a state file get their descriptor."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open to the end


def silence_broken_streams() -> None:
    """Send what is printed nowhere where its reader went away, so that no later print and no close at exit fails."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _is_terminal(stream: object) -> bool:
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]
    except (AttributeError, ValueError):
        return False  # closed, or replaced by something that is no file


def _columns() -> int | None:
    text = os.environ.get("COLUMNS", "")
    return int(text) if text.isdigit() and int(text) else None
