"""The cache of modules: trees of files by their digest, shared by all stacks of a user.

    $XDG_CACHE_HOME/iacengine/modules/
        sha256/DIGEST/        the files of a module, read-only
        evidence/NAME.json    why a module may be used: the envelopes of its signatures (`iacengine.modules.install`)
        downloads/            packages that are being downloaded, or were cut off
        answers/              what registries said, to ask only whether it is still true

A tree gets its name by a rename when it is whole, so that several processes may install at once: one wins, and the
others find what they wanted. Nothing that lies here is trusted: whoever loads a tree verifies its digest by reading all
of it (10 ms for 1,000 files), because size and time of a file tell nothing of its contents.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from iacengine.foundation.atomic import make_folders
from iacengine.foundation.diagnostics import failure
from iacengine.foundation.disk import disk_failure
from iacengine.modules.archive import remove_tree
from iacengine.modules.package import verify_tree
from iacengine.modules.package_error import PackageError

CACHE_VARIABLE: Final = "IAC_MODULE_CACHE"
_TREE: Final = re.compile(r"[0-9a-f]{64}")
_ABANDONED: Final = 24 * 3600.0
"""Seconds after which an unfinished download or unpacking is nobody's any more."""


class Tree(Protocol):
    """Files in a temporary folder that may be kept, as `archive.unpacked` and `git.checked_out` give them."""

    @property
    def tree_digest(self) -> str: ...
    def keep_as(self, target: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class CachedTree:
    """A tree in the cache. `size` in bytes, `used` as seconds since 1970."""

    digest: str
    path: str
    size: int
    used: float


class ModuleCache:
    """The cache in a folder. All methods raise DiagnosticsError when the disk does not do its part."""

    __slots__ = ("folder",)

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def path(self, digest: str) -> str:
        """Where the tree of a digest is, or would be."""
        kind, _, name = digest.partition(":")
        if kind != "sha256" or not _TREE.fullmatch(name):
            raise failure("Not a digest", f'"{digest}" is no digest of a tree.', remedy="Run `iac init`.")
        return f"{self.folder}/sha256/{name}"

    def has(self, digest: str) -> bool:
        """Whether there is such a tree. It is not verified."""
        return os.path.isdir(self.path(digest))  # noqa: PTH112 - text in

    def verified(self, digest: str) -> str:
        """The folder of a tree, after all of it was read and found to be what it should be.

        Raises PackageError when it is not: nothing of it may be loaded then.
        """
        path = self.path(digest)
        verify_tree(path, digest)
        with contextlib.suppress(OSError):
            os.utime(path)  # when it was last used, for `clean`
        return path

    def place(self, name: str) -> str:
        """The folder for downloads, or another part of the cache, made when it is not there."""
        path = f"{self.folder}/{name}"
        try:
            make_folders(path)
        except OSError as problem:
            raise disk_failure(problem, "make the cache of modules", path) from None
        return path

    def keep(self, tree: Tree) -> str:
        """Keep a tree that was unpacked inside `unpacking_place()`; its folder. Who comes second keeps nothing."""
        target = self.path(tree.tree_digest)
        self.place("sha256")
        if not tree.keep_as(target):
            self._replace_when_damaged(target, tree)
        return target

    def _replace_when_damaged(self, target: str, tree: Tree) -> None:
        """Something is there already: the same tree, unless somebody changed it, which a fresh one mends."""
        with self._exclusive():
            try:
                verify_tree(target, tree.tree_digest)
            except PackageError:
                remove_tree(target)
                tree.keep_as(target)

    def unpacking_place(self) -> str:
        """A folder on the same disk, to unpack in."""
        return self.place("sha256")

    # --- looking after it ---------------------------------------------------------------------------------------------

    def trees(self) -> list[CachedTree]:
        """Everything that is in it, by digest."""
        found: list[CachedTree] = []
        folder = Path(self.folder, "sha256")
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if _TREE.fullmatch(path.name) and path.is_dir():
                    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
                    found.append(CachedTree(f"sha256:{path.name}", str(path), size, path.stat().st_mtime))
        return found

    def clean(self, *, older_than: float = 0.0, clock: Callable[[], float] = time.time) -> list[CachedTree]:
        """Remove trees that were not used for so many seconds, and what cut off downloads left; what was removed."""
        removed: list[CachedTree] = []
        now = clock()
        with self._exclusive():
            for tree in self.trees():
                if now - tree.used >= older_than:
                    remove_tree(tree.path)
                    removed.append(tree)
            for leftover in self._leftovers():
                with contextlib.suppress(OSError):
                    if now - leftover.stat().st_mtime >= max(older_than, _ABANDONED):
                        remove_tree(str(leftover))
            if older_than == 0:
                for part in ("answers", "evidence"):
                    remove_tree(f"{self.folder}/{part}")
        return removed

    def _leftovers(self) -> list[Path]:
        downloads, trees = Path(self.folder, "downloads"), Path(self.folder, "sha256")
        found = list(downloads.iterdir()) if downloads.is_dir() else []
        return found + ([path for path in trees.iterdir() if path.name.startswith(".")] if trees.is_dir() else [])

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """One process at a time, while something is removed."""
        folder = self.place("sha256")
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def open_cache(environment: Mapping[str, str] = os.environ) -> ModuleCache:
    """The user's cache: `IAC_MODULE_CACHE`, else below `XDG_CACHE_HOME`, else below `~/.cache`."""
    named = environment.get(CACHE_VARIABLE, "")
    if named:
        return ModuleCache(os.path.abspath(named))  # noqa: PTH100 - text in, text out
    base = environment.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # noqa: PTH117 - the specification says to ignore a relative one
        base = os.path.join(environment.get("HOME") or str(Path.home()), ".cache")  # noqa: PTH118 - text
    return ModuleCache(os.path.join(base, "iacengine", "modules"))  # noqa: PTH118 - text
