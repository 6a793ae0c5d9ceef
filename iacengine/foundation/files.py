"""The file system, as the functions of the language and the loaders ask for it."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class DiskFiles:
    """The files of this machine. Relative paths are relative to the working directory of the process."""

    __slots__ = ()

    def read(self, path: str) -> bytes:
        """The contents of a file. Raises OSError."""
        return Path(path).read_bytes()

    def kind(self, path: str) -> str | None:
        """What is at the path, links followed: `file`, `directory`, …; None when nothing is. Raises OSError."""
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116 - one call, no object per file of a large tree
        except (FileNotFoundError, NotADirectoryError):
            return None
        if stat.S_ISREG(mode):
            return "file"
        if stat.S_ISDIR(mode):
            return "directory"
        if stat.S_ISFIFO(mode):
            return "named pipe"
        if stat.S_ISSOCK(mode):
            return "unix domain socket"
        return "device node"

    def entries(self, directory: str) -> list[tuple[str, bool]]:
        """Name and "is a directory" (links followed) of everything in a directory, sorted by name. Raises OSError."""
        with os.scandir(directory or ".") as found:
            return sorted((entry.name, entry.is_dir()) for entry in found)

    def expand_home(self, path: str) -> str:
        """The path with a leading `~` replaced by the home directory.

        Raises ValueError for `~someone`, and OSError when there is no home directory.
        """
        if not path.startswith("~"):
            return path
        if len(path) > 1 and path[1] not in "/\\":
            raise ValueError("cannot expand user-specific home dir")
        home = os.environ.get("HOME") or str(Path.home())
        return os.path.join(home, path[2:]) if len(path) > 2 else home  # noqa: PTH118 - text in, text out

    def absolute(self, path: str) -> str:
        """The absolute path, lexically cleaned (links are not followed)."""
        return os.path.abspath(path)  # noqa: PTH100 - pathlib keeps `..`
