"""A disk that fails at any step of an apply: the run says so, and the next one finds everything that was made."""

from __future__ import annotations

import errno
import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace

import pytest

from iacengine import engine
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.foundation.disk import OsDisk
from iacengine.state.backends.local import LocalBackend


class FailingDisk(OsDisk):
    """Fails from one step on, for good or that one time; what is written is perhaps there."""

    def __init__(self, at, forever):
        self.at, self.forever, self.step, self.failed = at, forever, 0, False

    def _count(self):
        self.step += 1
        if self.step > self.at if self.forever else self.step == self.at + 1:
            self.failed = True
            raise OSError(errno.ENOSPC, "No space left on device")

    def sync(self, descriptor):
        self._count()
        super().sync(descriptor)

    def replace(self, source, target):
        self._count()
        super().replace(source, target)


def body(size, kind):
    blocks = {
        "a": {"name": "a", "kind": kind, "attributes": {"size": size}},
        "b": {"name": "b", "attributes": {"of": "${mock_object.a.id}"}},
        "c": {"name": "c", "kind": kind, "lifecycle": {"create_before_destroy": True}},
    }
    return json.dumps({"resource": {"mock_object": blocks}})


def stack_with(folder, disk):
    backend = LocalBackend(folder / "iac.state.json", disk=disk)
    return replace(engine.open_stack(str(folder)), backend=backend)


def carry_out(folder, disk):
    """Plan on a sound disk, apply on this one; whether that went well."""
    plan = engine.plan(stack_with(folder, OsDisk()), engine.PlanOptions(), engine.VariableSources())
    try:
        return engine.apply(stack_with(folder, disk), plan).ok
    except DiagnosticsError as failure:
        if "No space left" not in str(failure):
            raise
        return False


def assert_settled(folder):
    state = LocalBackend(folder / "iac.state.json").read()
    known = Counter(found.attributes["id"] for found in state.objects.values())
    with closing(sqlite3.connect(folder / ".iac" / "mock-cloud.sqlite")) as connection:
        there = Counter(row[0] for row in connection.execute("SELECT id FROM objects"))
    assert known == there
    assert len(known) == 3


@pytest.mark.parametrize("forever", [True, False])
@pytest.mark.parametrize("change", ["create", "replace"])
def test_whatever_step_fails_the_next_apply_goes_on(change, forever, tmp_path):
    beginning = tmp_path / "beginning"
    beginning.mkdir()
    if change == "replace":
        (beginning / "main.tf.json").write_text(body(0, "k"))
        assert carry_out(beginning, OsDisk())
    (beginning / "main.tf.json").write_text(body(1, "l"))
    failures = 0
    for at in range(200):
        folder = tmp_path / str(at)
        shutil.copytree(beginning, folder)
        disk = FailingDisk(at, forever)
        carry_out(folder, disk)
        if not disk.failed:
            break
        failures += 1
        assert carry_out(folder, OsDisk())
        assert_settled(folder)
    else:
        pytest.fail("the disk failed without end")
    assert failures >= 6
