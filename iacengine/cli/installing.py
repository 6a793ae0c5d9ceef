"""Installing modules for a verb: who is told of downloads, and who is asked about keys that were never met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from iacengine.cli.prompts import approve
from iacengine.cli.terminal import Terminal
from iacengine.engine.modules import ModuleOptions

if TYPE_CHECKING:
    from iacengine.modules.verification import VerificationError

T = TypeVar("T")


def module_options(
    terminal: Terminal | None, *, frozen: bool = False, accepted: tuple[str, ...] = (), checks_providers: bool = False
) -> ModuleOptions:
    """How a verb installs. Downloads are shown on a terminal that can redraw lines."""
    progress = _Progress() if terminal is not None and terminal.live else None
    return ModuleOptions(frozen, accepted, progress, checks_providers)


def asking(terminal: Terminal, options: ModuleOptions, work: Callable[[ModuleOptions], T], *, may_ask: bool) -> T:
    """Do something that verifies modules; somebody is asked about each key that is met first, where the trust policy
    wants that. Raises DiagnosticsError."""
    from iacengine.modules.verification import VerificationError, VerificationFault  # lazy: most stacks have no modules

    while True:
        try:
            return work(options)
        except VerificationError as refused:
            if refused.fault is not VerificationFault.FIRST_USE or not refused.keys or not may_ask:
                raise
            if not _accepted(terminal, refused):
                raise
            options = replace(options, accepted=(*options.accepted, *(key.id for key in refused.keys)))


def _accepted(terminal: Terminal, refused: VerificationError) -> bool:
    found = refused.diagnostics[0]
    ids = ", ".join(key.id for key in refused.keys)
    terminal.line(f"{found.summary}: {ids}.")
    terminal.line("Compare it with what the publisher says, on another way than the registry.")
    return approve("Do you want to trust this key for its namespace from now on?", terminal)


class _Progress:
    """Downloads in one line at the bottom, which goes away at the end of each."""

    def __init__(self) -> None:
        self._told: Callable[[str, int, int | None], None] | None = None

    def __call__(self, name: str, done: int, whole: int | None) -> None:
        if self._told is None:
            from iacengine.cli.views.download_text import DownloadLine  # lazy: most runs download nothing

            self._told = DownloadLine()
        self._told(name, done, whole)
