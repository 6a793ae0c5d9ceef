"""A running apply on a terminal: finished steps scroll by, running ones stand below with their seconds and a bar."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from iacengine.cli.views import phrases
from iacengine.cli.views.progress import elapsed_text, event_line
from iacengine.plan.events import (
    Event,
    RefreshFinished,
    RefreshStarted,
    StepFailed,
    StepFinished,
    StepSkipped,
    StepStarted,
)

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_ROWS = 12  # running steps shown at once
_BAR = 30


class LiveProgress:
    """The view. Steps in `total` are what the bar counts; nothing is drawn before the first event."""

    def __init__(
        self,
        total: int,
        *,
        color: bool = True,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        from rich.console import Console as RichConsole  # lazy: only a terminal needs rich
        from rich.live import Live

        self._console = console or RichConsole(highlight=False, no_color=not color)
        self._clock = clock
        self._total = total
        self._done = self._failed = 0
        self._began = clock()
        self._running: dict[int, tuple[StepStarted, float]] = {}
        self._refreshing: dict[str, int] = {}
        self._live = Live(
            console=self._console, get_renderable=self.picture, refresh_per_second=4, transient=True, auto_refresh=True
        )
        self._started = self._printed = False

    def hear(self, event: Event) -> None:
        from rich.text import Text  # lazy, as above

        match event:
            case StepStarted():
                self._running[event.step] = (event, self._clock())
            case StepFinished() | StepFailed() | StepSkipped():
                self._running.pop(event.step, None)
                self._done += 1
                self._failed += isinstance(event, StepFailed)
            case RefreshStarted():
                self._refreshing[event.type] = event.total
            case RefreshFinished():
                self._refreshing.pop(event.type, None)
            case _:
                pass
        if not self._started:
            self._started = True
            self._live.start()
        if isinstance(event, StepStarted | RefreshStarted):
            return  # shown below while it runs
        line = event_line(event)
        if line is not None:
            style = "red" if isinstance(event, StepFailed) else "yellow" if isinstance(event, StepSkipped) else ""
            self._console.print(Text(line, style=style), soft_wrap=True)
            self._printed = True

    def close(self) -> None:
        if self._started:
            self._live.stop()
            self._started = False
        if self._printed:
            self._console.print()

    def picture(self) -> RenderableType:
        """What stands below the scrolling lines now."""
        from rich.text import Text  # lazy, as above

        now, text = self._clock(), Text()
        for type_, total in list(self._refreshing.items())[:_ROWS]:
            text.append(f"  {type_}: refreshing {total} object{'s' if total != 1 else ''}\n", "cyan")
        running = sorted(self._running.values(), key=lambda entry: entry[1])
        for event, started in running[:_ROWS]:
            text.append(f"  {elapsed_text(now - started):>6}  ", "bold")
            text.append(f"{event.address}", "")
            text.append(f"  {phrases.STARTED[event.operation].removesuffix('...').lower()}\n", "dim")
        if len(running) > _ROWS:
            text.append(f"          and {len(running) - _ROWS} more\n", "dim")
        if self._total:
            filled = min(_BAR, _BAR * self._done // self._total)
            text.append("━" * filled, "red" if self._failed else "green")
            text.append("━" * (_BAR - filled), "dim")
            failed = f", {self._failed} failed" if self._failed else ""
            text.append(f" {self._done}/{self._total}{failed}, {elapsed_text(now - self._began)}")
        return text
