"""Power cuts, which take more than kill -9: what was not synced may be gone, or there in part, in any combination.

A disk that remembers what a sync has made durable takes a picture of every moment. Each picture is tried as it would be
when nothing more than that had lasted, and when names had lasted without contents, contents without names, or half.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from iacengine.foundation.disk import OsDisk
from iacengine.state.backends.local import LocalBackend
from iacengine.state.journal_entries import Changed, Opened
from iacengine.state.lock import lock_claim
from iacengine.state.replay import replay

KINDS = (
    "only what was synced",
    "names ahead of contents",
    "contents ahead of names",
    "half of what was written",
    "all that was written",
)


@dataclass
class File:
    written: bytes = b""
    synced: bytes = b""


@dataclass
class Picture:
    """The folder at one moment, as names and contents, and what had been acknowledged by then."""

    acknowledged: int
    names: dict[str, File]
    synced_names: dict[str, File]

    def contents(self, kind: str) -> dict[str, bytes]:
        names = self.synced_names if kind in ("only what was synced", "contents ahead of names") else self.names
        match kind:
            case "only what was synced" | "names ahead of contents":
                return {name: file.synced for name, file in names.items()}
            case "half of what was written":
                return {name: half(file) for name, file in names.items()}
            case _:
                return {name: file.written for name, file in names.items()}


def half(file: File) -> bytes:
    """What is synced, and of what was appended since, the first half and then a hole."""
    if not file.written.startswith(file.synced):
        return file.synced
    fresh = file.written[len(file.synced) :]
    return file.synced + fresh[: len(fresh) // 2] + b"\0" * (len(fresh) - len(fresh) // 2)


@dataclass
class Watched(OsDisk):
    """The real disk, with a book of what lasts."""

    acknowledged: int = 0
    names: dict[str, File] = field(default_factory=dict)
    synced_names: dict[str, File] = field(default_factory=dict)
    descriptors: dict[int, tuple[str, File]] = field(default_factory=dict)
    pictures: list[Picture] = field(default_factory=list)

    def take_picture(self) -> None:
        copies = {id(file): replace(file) for file in (*self.names.values(), *self.synced_names.values())}
        self.pictures.append(
            Picture(
                self.acknowledged,
                {name: copies[id(file)] for name, file in self.names.items()},
                {name: copies[id(file)] for name, file in self.synced_names.items()},
            )
        )

    def open(self, path, flags):
        descriptor = super().open(path, flags)
        self.descriptors[descriptor] = (path, self.names.setdefault(Path(path).name, File()))
        self.take_picture()
        return descriptor

    def _look(self, descriptor):
        path, file = self.descriptors[descriptor]
        file.written = Path(path).read_bytes()
        self.take_picture()

    def write(self, descriptor, data):
        count = super().write(descriptor, data)
        self._look(descriptor)
        return count

    def truncate(self, descriptor, length):
        super().truncate(descriptor, length)
        self._look(descriptor)

    def sync(self, descriptor):
        super().sync(descriptor)
        _, file = self.descriptors[descriptor]
        file.synced = file.written
        self.take_picture()

    def replace(self, source, target):
        super().replace(source, target)
        self.names[Path(target).name] = self.names.pop(Path(source).name)
        self.take_picture()

    def link(self, source, target):
        super().link(source, target)
        self.names[Path(target).name] = self.names[Path(source).name]
        self.take_picture()

    def remove(self, path):
        super().remove(path)
        del self.names[Path(path).name]
        self.take_picture()

    def sync_folder(self, path):
        super().sync_folder(path)
        self.synced_names = dict(self.names)
        self.take_picture()


def run(folder: Path, new_state, new_object) -> Watched:
    """Two runs: everything that is written, with a count of what was acknowledged."""
    disk = Watched()
    backend = LocalBackend(folder / "state.json", disk=disk)
    things = [new_object(f"a.b[{index}]", attributes={"text": f"{index}" * 2000}) for index in range(4)]
    acknowledged = iter(range(1, 100))

    def opened(serial, lock):
        return Opened("run", "lineage-1", serial, lock.info.fencing_token, "iac apply", "now")

    def changed(thing):
        return Changed({thing.key: thing})

    lock = backend.lock(lock_claim("first"), 0)
    for step in (
        lambda: backend.write(new_state(serial=1), None, lock),
        lambda: backend.append([opened(1, lock), changed(things[0])], lock),
        lambda: backend.append([changed(things[1])], lock),
        lambda: backend.write(new_state(*things[:2], serial=2), 1, lock),
        lambda: backend.clear_journal(lock),
        lambda: backend.append([opened(2, lock), changed(things[2])], lock),
    ):
        step()
        disk.acknowledged = next(acknowledged)
    lock.release()
    lock = backend.lock(lock_claim("second"), 0)
    disk.acknowledged = next(acknowledged)
    backend.append([opened(2, lock), changed(things[3])], lock)
    disk.acknowledged = next(acknowledged)
    lock.release()
    return disk


# What must be there after so many acknowledgements: the serial (None: no state need be), and how many objects.
PROMISED = [(None, 0), (1, 0), (1, 1), (1, 2), (2, 2), (2, 2), (2, 3), (2, 3), (2, 4), (2, 4)]


@pytest.mark.parametrize("kind", KINDS)
def test_no_power_cut_loses_what_was_acknowledged(kind, tmp_path, new_state, new_object):
    pictures = run(tmp_path / "run", new_state, new_object).pictures
    assert len(pictures) > 40
    for number, picture in enumerate(pictures):
        folder = tmp_path / f"{number:03}"
        folder.mkdir()
        for name, content in picture.contents(kind).items():
            (folder / name).write_bytes(content)
        backend = LocalBackend(folder / "state.json")
        lock = backend.lock(lock_claim("iac recover"), 0)
        state = backend.read()
        result = replay(state, backend.read_journal())
        promised_serial, promised_objects = PROMISED[picture.acknowledged]
        _, most_objects = PROMISED[picture.acknowledged + 1]
        if promised_serial is not None:
            assert state is not None
            assert state.serial >= promised_serial
        found = [] if result.state is None else [address.key for address, _ in result.state.objects]
        assert found == list(range(len(found)))
        assert promised_objects <= len(found) <= most_objects
        assert lock.info.fencing_token > (picture.acknowledged >= 1) + (picture.acknowledged >= 7)
        lock.release()
