"""What a run prints when nobody reads it any more."""

from __future__ import annotations

import os
import sys

import pytest

from iacengine.addresses import parse_resource_instance
from iacengine.cli.listening import listening
from iacengine.cli.terminal import Terminal
from iacengine.cli.views import progress
from iacengine.cli.views.ui_json import UiLines
from iacengine.plan.events import StepStarted
from iacengine.state.journal_entries import Operation


@pytest.mark.parametrize("as_json", [False, True])
def test_a_step_that_takes_long_harms_nobody_when_nobody_reads_any_more(as_json, monkeypatch):
    reader, writer = os.pipe()
    clock, made = [0.0], []

    class Watched(progress.Heartbeat):
        def __init__(self, still_running, **_):
            super().__init__(still_running, clock=lambda: clock[0])
            made.append(self)

    monkeypatch.setattr(progress, "Heartbeat", Watched)
    with os.fdopen(writer, "w") as stream, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stream)
        with listening(Terminal(), UiLines(stream.write) if as_json else None) as listener:
            listener(StepStarted(0, Operation.CREATE, parse_resource_instance("mock_object.a")))
            os.close(reader)
            clock[0] = 60.0
            made[0].tell_due()  # as its thread does
            stream.flush()
