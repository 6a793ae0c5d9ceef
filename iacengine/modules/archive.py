"""Unpacking: packages of registries, and archives of other programs, into a folder that is kept only when all is well.

Everything is written into a new, private folder beside the place it is meant for. Nothing in it is a link, and no name
leads out of it, so that nothing outside can be touched. Whoever unpacks verifies what was found, and only then has
`keep_as` rename it. Files are 0444 or 0555, folders 0555. Nothing is synced to the disk: a tree is verified by its
digest whenever it is loaded, so that one which a power cut left torn is found out.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO

from iacengine.foundation.disk import disk_failure
from iacengine.modules.gunzip import Gunzip
from iacengine.modules.limits import LIMITS, Limits
from iacengine.modules.manifest import MANIFEST_NAME, decode_manifest
from iacengine.modules.member_path import Names
from iacengine.modules.model import Manifest
from iacengine.modules.package import ModulePackage, TreeFile, digest_of, package_digest
from iacengine.modules.package_error import PackageError, PackageFault
from iacengine.modules.tar_format import Member, archive_members, package_members
from iacengine.modules.zip_format import zip_members

_FOLDER_MODE = 0o555
_THERE_ALREADY = frozenset((errno.EEXIST, errno.ENOTEMPTY))


class Form(Enum):
    """What kind of file is unpacked."""

    PACKAGE = "package"
    """Of a registry: of our making, with a manifest."""
    TAR = "tar.gz"
    ZIP = "zip"

    __hash__ = object.__hash__


@dataclass(slots=True, eq=False)
class UnpackedTree:
    """What an archive held, in a temporary folder that goes away unless it is kept. `manifest` only of a package."""

    folder: str
    digest: str
    tree_digest: str
    size: int
    files: tuple[TreeFile, ...]
    manifest: Manifest | None = None

    def keep_as(self, target: str, subdirectory: str = "") -> bool:
        """Rename the tree, or a folder of it, to its place, read-only. False, and nothing changed, when something is
        there already, as after another process was faster. Raises DiagnosticsError."""
        source = self.folder
        if subdirectory:
            if not any(file.path.startswith(f"{subdirectory}/") for file in self.files):
                raise PackageError(
                    PackageFault.NO_SUBDIRECTORY,
                    "No such folder in the archive",
                    f'There is no "{subdirectory}" in it.',
                    remedy="The part of a source behind // names a folder inside.",
                )
            source = f"{source}/{subdirectory}"
        try:
            _make_read_only(source)
            os.rename(source, target)  # noqa: PTH104 - one call
            os.chmod(target, _FOLDER_MODE)  # noqa: PTH101 - some systems rename only folders that can be written to
        except OSError as problem:
            if problem.errno in _THERE_ALREADY:
                return False
            raise disk_failure(problem, "keep an unpacked module", target) from None
        return True


@contextlib.contextmanager
def unpacked(
    source: BinaryIO, beside: str, *, form: Form = Form.PACKAGE, expected: str | None = None, limits: Limits = LIMITS
) -> Iterator[UnpackedTree]:
    """Unpack into a new folder inside the folder `beside` (which is to be on the disk the tree will stay on).

    `source` is at its start, and can seek. `expected` is the package digest; what has another is not even looked into.
    Raises PackageError for what is refused, DiagnosticsError when the disk does not take it. The temporary folder is
    removed at the end, however that comes.
    """
    digest, size = package_digest(source, limits)
    if expected is not None and digest != expected:
        raise PackageError(
            PackageFault.WRONG_DIGEST,
            "A package is not the one that was promised",
            f"It has the digest {digest}; expected was {expected}.",
            remedy="Get it again. If that does not help, whoever served it is not to be trusted.",
        )
    try:
        folder = tempfile.mkdtemp(prefix=".unpacking-", dir=beside)  # mode 0700
    except OSError as problem:
        raise disk_failure(problem, "unpack a module", beside) from None
    try:
        made = {folder}
        described: list[bytes] = []

        def store(member: Member) -> Iterator[bytes]:
            try:
                _make_folders(folder, member.path, made)
                for piece in _stored(f"{folder}/{member.path}", member):
                    if form is Form.PACKAGE and member.path == MANIFEST_NAME:
                        described.append(piece)
                    yield piece
            except OSError as problem:
                raise disk_failure(problem, "unpack a module", folder) from None

        files = _all(source, form, limits, store)
        manifest = _manifest(described, limits) if form is Form.PACKAGE else None
        yield UnpackedTree(folder, digest, digest_of(files), size, tuple(files), manifest)
    finally:
        remove_tree(folder)


def inspect(
    source: BinaryIO,
    *,
    wanted: Callable[[TreeFile], bool] | None = None,
    expected: str | None = None,
    limits: Limits = LIMITS,
) -> tuple[ModulePackage, dict[str, bytes]]:
    """Look through a whole package as `unpacked` does, writing nothing; also the contents of the files that are wanted
    (asked with an empty digest, before they are read). Raises PackageError."""
    digest, size = package_digest(source, limits)
    if expected is not None and digest != expected:
        raise PackageError(
            PackageFault.WRONG_DIGEST,
            "A package is not the one that was promised",
            f"It has the digest {digest}; expected was {expected}.",
        )
    kept: dict[str, list[bytes]] = {}

    def keep(member: Member) -> Iterator[bytes]:
        asked = TreeFile(member.path, member.size, "", member.executable)
        if member.path != MANIFEST_NAME and (wanted is None or not wanted(asked)):
            return member.contents
        pieces: list[bytes] = []
        kept[member.path] = pieces
        return _kept(member.contents, pieces)

    files = _all(source, Form.PACKAGE, limits, keep)
    manifest = _manifest(kept.get(MANIFEST_NAME, []), limits)
    contents = {path: b"".join(pieces) for path, pieces in kept.items()}
    return ModulePackage(manifest, digest, digest_of(files), size, tuple(files)), contents


def _kept(contents: Iterator[bytes], pieces: list[bytes]) -> Iterator[bytes]:
    for piece in contents:
        pieces.append(piece)
        yield piece


def remove_tree(folder: str) -> None:
    """Remove a folder with everything in it, read-only or not. What is gone already is no error; links are removed,
    never followed. Raises DiagnosticsError when something stays."""
    try:
        _remove(folder)
    except FileNotFoundError:
        pass
    except OSError as problem:
        raise disk_failure(problem, "remove a folder", folder) from None


def _remove(folder: str) -> None:
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        os.unlink(folder)  # noqa: PTH108 - a link, or a file
        return
    os.chmod(folder, 0o700)  # noqa: PTH101 - what is read-only cannot be emptied
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        with contextlib.suppress(FileNotFoundError):
            _remove(entry.path)
    os.rmdir(folder)  # noqa: PTH106


def _members(source: BinaryIO, form: Form, limits: Limits) -> Iterator[Member]:
    match form:
        case Form.PACKAGE:
            return package_members(Gunzip(source, limits), limits)
        case Form.TAR:
            return archive_members(Gunzip(source, limits), limits)
        case Form.ZIP:
            return zip_members(source, limits)


def _all(source: BinaryIO, form: Form, limits: Limits, sink: Callable[[Member], Iterator[bytes]]) -> list[TreeFile]:
    """Every file of the archive, put through the sink, which gives on what it takes."""
    names = Names()
    files: list[TreeFile] = []
    for member in _members(source, form, limits):
        names.add(member.path)
        if len(files) == limits.files:
            raise PackageError(
                PackageFault.TOO_MANY_FILES, "A package of too many files", f"It has more than {limits.files:,} files."
            )
        if form is Form.PACKAGE and member.path == MANIFEST_NAME and member.size > limits.manifest_bytes:
            raise PackageError(
                PackageFault.MANIFEST_TOO_LARGE,
                "A manifest that is too large",
                f"{MANIFEST_NAME} is larger than {limits.manifest_bytes:,} bytes.",
            )
        digest = hashlib.sha256()
        for piece in sink(member):
            digest.update(piece)
        files.append(TreeFile(member.path, member.size, digest.hexdigest(), member.executable))
    files.sort(key=lambda file: file.path.encode("utf-8"))
    return files


def _manifest(pieces: list[bytes], limits: Limits) -> Manifest:
    if not pieces:
        raise PackageError(
            PackageFault.NO_MANIFEST, "A package without a manifest", f"There is no {MANIFEST_NAME} at its root."
        )
    return decode_manifest(b"".join(pieces), limits)


def _make_folders(folder: str, path: str, made: set[str]) -> None:
    place = folder
    for part in path.split("/")[:-1]:
        place = f"{place}/{part}"
        if place not in made:
            os.mkdir(place, 0o700)  # noqa: PTH102 - it is new: the whole folder is
            made.add(place)


def _stored(place: str, member: Member) -> Iterator[bytes]:
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        for piece in member.contents:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            yield piece
        os.fchmod(descriptor, 0o555 if member.executable else 0o444)
    finally:
        os.close(descriptor)


def _make_read_only(folder: str) -> None:
    """Every folder inside; the outermost one follows when it was renamed."""
    with os.scandir(folder) as entries:
        inner = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    for place in inner:
        _make_read_only(place)
        os.chmod(place, _FOLDER_MODE)  # noqa: PTH101
