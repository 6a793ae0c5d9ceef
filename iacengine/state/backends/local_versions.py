"""Earlier states, kept as files in the folder `STATE.versions`, each named for its serial."""

from __future__ import annotations

import contextlib
import os
import re
import time
from dataclasses import dataclass

from iacengine.foundation.atomic import copy_file, make_folders, read_regular_file
from iacengine.foundation.disk import Disk
from iacengine.state.backends.base import StateVersion

_NAME = re.compile(r"(\d{1,18})\.json")


@dataclass(frozen=True, slots=True)
class LocalVersions:
    """The versions of the state file `path`, but for the present one; at most `limit` of them."""

    path: str
    limit: int
    disk: Disk

    @property
    def folder(self) -> str:
        return f"{self.path}.versions"

    def keep(self, serial: int) -> None:
        """Keep the state file as it is now, whose serial this is. Raises OSError.

        State files are replaced, never changed in place, so a second name costs nothing.
        """
        if self.limit <= 0:
            return
        make_folders(self.folder, self.disk)
        target = self._file(serial)
        fresh = f"{target}.tmp"
        with contextlib.suppress(FileNotFoundError):
            self.disk.remove(fresh)
        if os.path.lexists(target):
            if os.path.samefile(target, self.path):  # noqa: PTH121 - text in
                return
            self.disk.remove(target)  # of a state that was put back since: the later one counts
        copy_file(self.path, fresh, self.disk)
        self.disk.replace(fresh, target)
        self.disk.sync_folder(self.folder)

    def prune(self) -> None:
        """Remove what is beyond the limit. What cannot be removed stays."""
        try:
            serials = self.serials()
        except OSError:
            return
        for serial in serials[: max(0, len(serials) - self.limit)]:
            with contextlib.suppress(OSError):
                self.disk.remove(self._file(serial))

    def serials(self) -> list[int]:
        """Those that are kept, smallest first. Raises OSError."""
        try:
            names = os.listdir(self.folder)  # noqa: PTH208 - text in
        except FileNotFoundError:
            return []
        return sorted(int(match[1]) for match in map(_NAME.fullmatch, names) if match)

    def all(self) -> list[StateVersion]:
        """Those that are kept, smallest serial first. Raises OSError."""
        found = []
        for serial in self.serials():
            with contextlib.suppress(FileNotFoundError):
                found.append(StateVersion(serial, modified(self._file(serial))))
        return found

    def read(self, serial: int) -> bytes | None:
        """The bytes of a version; None when it is not kept. Raises OSError."""
        return read_regular_file(self._file(serial))

    def _file(self, serial: int) -> str:
        return os.path.join(self.folder, f"{serial}.json")  # noqa: PTH118 - text in, text out


def modified(path: str) -> str:
    """When a file was written (RFC 3339, UTC). Raises OSError."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(os.stat(path).st_mtime))  # noqa: PTH116 - text in
