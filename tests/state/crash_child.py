"""A process that is killed at a chosen step of a disk. Run by test_crashes: crash_child.py SCENARIO FOLDER.

Scenarios start from a folder with a state of serial 1 and a journal of one run with a finished step. For each step of
the disk, and for the moments before it, after it, and (for writes) in the middle of it, a copy of the folder is made, a
child runs the scenario in it and is killed by SIGKILL at that moment. Prints one copy's name a line.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from iacengine.addresses import parse_resource_instance
from iacengine.foundation.disk import OsDisk
from iacengine.state.backends.local import LocalBackend
from iacengine.state.journal_entries import Closed, Opened, Succeeded
from iacengine.state.lock import lock_claim
from iacengine.state.model import ResourceObject, State

MOMENTS = ("before", "middle", "after")


class DeadlyDisk(OsDisk):
    """Ends the process at one moment of one step."""

    __slots__ = ("armed", "at", "moment", "step")

    def __init__(self, at: int, moment: str) -> None:
        self.at, self.moment, self.step, self.armed = at, moment, 0, False

    def _run(self, name: str, *arguments: Any) -> Any:
        mine = self.armed and self.step == self.at
        self.step += self.armed
        if mine and self.moment == "middle" and name == "write":
            super().write(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
        if mine and self.moment != "after":
            os.kill(os.getpid(), signal.SIGKILL)
        done = getattr(super(), name)(*arguments)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    def open(self, path: str, flags: int) -> int:
        return self._run("open", path, flags)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        return self._run("write", descriptor, data)

    def truncate(self, descriptor: int, length: int) -> None:
        self._run("truncate", descriptor, length)

    def sync(self, descriptor: int) -> None:
        self._run("sync", descriptor)

    def close(self, descriptor: int) -> None:
        self._run("close", descriptor)

    def replace(self, source: str, target: str) -> None:
        self._run("replace", source, target)

    def link(self, source: str, target: str) -> None:
        self._run("link", source, target)

    def remove(self, path: str) -> None:
        self._run("remove", path)

    def sync_folder(self, path: str) -> None:
        self._run("sync_folder", path)


def new_object(index: int) -> ResourceObject:
    address = parse_resource_instance(f"a.b[{index}]")
    return ResourceObject(address, 'provider["iacengine/mock"]', {"text": f"{index}" * 3000})


def opened(serial: int, token: int) -> Opened:
    return Opened("run", "lineage", serial, token, "iac apply", "now")


def prepare(folder: Path) -> None:
    backend = LocalBackend(folder / "state.json")
    lock = backend.lock(lock_claim("prepare"), 0)
    backend.write(State("lineage", 1), None, lock)
    made = new_object(0)
    backend.append([opened(1, lock.info.fencing_token), Succeeded(0, {made.key: made})], lock)
    lock.release()


def append(backend: LocalBackend, disk: DeadlyDisk) -> None:
    lock = backend.lock(lock_claim("append"), 0)
    disk.armed = True
    made = {index: new_object(index) for index in (1, 2, 3)}
    backend.append([opened(1, lock.info.fencing_token), Succeeded(0, {made[1].key: made[1]})], lock)
    backend.append([Succeeded(step, {made[step].key: made[step]}) for step in (2, 3)], lock)


def finish(backend: LocalBackend, disk: DeadlyDisk) -> None:
    """The end of a run: the new state is written, then the journal is cleared."""
    lock = backend.lock(lock_claim("finish"), 0)
    made = new_object(0)
    disk.armed = True
    backend.append([opened(1, lock.info.fencing_token), Closed("complete")], lock)
    backend.write(State("lineage", 2, {made.key: made}), 1, lock)
    backend.clear_journal(lock)
    lock.release()


def take(backend: LocalBackend, disk: DeadlyDisk) -> None:
    disk.armed = True
    backend.lock(lock_claim("take"), 0).release()


SCENARIOS = {"append": append, "finish": finish, "take": take}


def main(scenario: str, folder: Path) -> None:
    origin = folder / "origin"
    prepare(origin)
    for moment in MOMENTS:
        step = 0
        while True:
            copy = folder / f"{step:02}-{moment}"
            shutil.copytree(origin, copy)
            child = os.fork()
            if child == 0:
                disk = DeadlyDisk(step, moment)
                SCENARIOS[scenario](LocalBackend(copy / "state.json", disk=disk), disk)
                os._exit(0)
            _, status = os.waitpid(child, 0)
            if not os.WIFSIGNALED(status):
                assert os.WEXITSTATUS(status) == 0, f"{copy}: ended with {status}"
                shutil.rmtree(copy)
                break  # the scenario has no more steps
            print(copy.name)
            step += 1


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
