import io
from collections.abc import Callable

from rich.console import Console

from iacengine.addresses import parse_resource_instance
from iacengine.cli.views.live import LiveProgress
from iacengine.cli.views.progress import Heartbeat, PlainProgress, elapsed_text
from iacengine.foundation.diagnostics import error
from iacengine.plan.events import (
    Event,
    Recovered,
    RefreshFinished,
    RefreshStarted,
    StepFailed,
    StepFinished,
    StepSkipped,
    StepStarted,
)
from iacengine.state.journal_entries import Operation

A = parse_resource_instance("mock_object.a")
B = parse_resource_instance('module.m["k"].mock_object.b[0]')

RUN: tuple[Event, ...] = (
    RefreshStarted("p", "mock_object", 2),
    RefreshFinished("p", "mock_object", 2),
    Recovered(Operation.CREATE, A, "adopted"),
    StepStarted(0, Operation.CREATE, A),
    StepStarted(1, Operation.DELETE, B, "0badcafe", "obj-1"),
    StepFinished(0, Operation.CREATE, A, 61.5, id="obj-2"),
    StepFailed(1, Operation.DELETE, B, 0.2, (error("Denied"),), "0badcafe"),
    StepStarted(2, Operation.UPDATE, A, id="obj-2"),
    StepFinished(2, Operation.UPDATE, A, 3.0, id="obj-2"),
    StepSkipped(3, Operation.CREATE, B, "mock_object.a failed"),
)


def test_a_run_reads_as_before(golden: Callable[[str, str], None]) -> None:
    written: list[str] = []
    progress = PlainProgress(written.append)
    for event in RUN:
        progress.hear(event)
    progress.close()
    golden("progress.txt", "".join(written))


def test_a_run_without_events_writes_nothing() -> None:
    written: list[str] = []
    PlainProgress(written.append).close()
    assert written == []


def test_elapsed_time_is_short() -> None:
    assert [elapsed_text(seconds) for seconds in (0.9, 59, 60, 3605.2)] == ["0s", "59s", "1m0s", "1h0m5s"]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_steps_that_still_run_are_mentioned_every_ten_seconds() -> None:
    clock, told = Clock(), list[tuple[str, int]]()
    heartbeat = Heartbeat(lambda event, elapsed: told.append((str(event.address), elapsed)), clock=clock)
    heartbeat.hear(StepStarted(0, Operation.CREATE, A))
    clock.now = 4.0
    heartbeat.hear(StepStarted(1, Operation.CREATE, B))
    assert heartbeat.tell_due() == 6.0
    assert told == []
    clock.now = 10.0
    assert heartbeat.tell_due() == 4.0
    clock.now = 20.0
    heartbeat.tell_due()
    heartbeat.hear(StepFinished(0, Operation.CREATE, A, 21))
    clock.now = 24.0
    heartbeat.tell_due()
    heartbeat.hear(StepFinished(1, Operation.CREATE, B, 21))
    assert told == [(str(A), 10), (str(B), 10), (str(A), 20), (str(B), 20)]
    assert heartbeat.tell_due() is None
    heartbeat.close()


def test_a_step_that_runs_again_counts_from_its_new_start() -> None:
    clock, told = Clock(), list[int]()
    heartbeat = Heartbeat(lambda _, elapsed: told.append(elapsed), clock=clock)
    heartbeat.hear(StepStarted(0, Operation.CREATE, A))
    heartbeat.hear(StepFinished(0, Operation.CREATE, A, 0))
    clock.now = 5.0
    heartbeat.hear(StepStarted(0, Operation.CREATE, A))
    clock.now = 10.0
    assert heartbeat.tell_due() == 5.0
    assert told == []
    heartbeat.close()


def test_the_live_view_counts_what_is_done_and_shows_what_runs() -> None:
    clock, screen = Clock(), io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, no_color=True, highlight=False)
    live = LiveProgress(4, console=console, clock=clock)
    for event in RUN[:6]:
        live.hear(event)
    clock.now = 75.0
    picture = str(live.picture())
    for event in RUN[6:]:
        live.hear(event)
    end = str(live.picture())
    live.close()
    assert f" 1m15s  {B}  destroying\n" in picture
    assert "1/4, 1m15s" in picture
    assert end.endswith("4/4, 1 failed, 1m15s")
    shown = screen.getvalue()
    assert "mock_object.a: Creation complete after 1m1s [id=obj-2]" in shown
    assert "mock_object.b[0] (deposed object 0badcafe): Destruction errored after 0s" in shown


def test_the_live_view_shows_at_most_twelve_running_steps() -> None:
    live = LiveProgress(40, console=Console(file=io.StringIO(), force_terminal=True), clock=Clock())
    for number in range(40):
        live.hear(StepStarted(number, Operation.CREATE, parse_resource_instance(f"mock_object.a[{number}]")))
    picture = str(live.picture())
    live.close()
    assert picture.count("creating\n") == 12
    assert "and 28 more" in picture
