"""Packages: a module's files as one reproducible `NAMESPACE-NAME-SYSTEM-VERSION.tar.gz`, and the digest of a tree.

**The tree digest** is what locks pin and signatures are about: `sha256:` and, in hexadecimal, the SHA-256 of one line
for each file, sorted by the bytes of their paths:

    MODE SIZE SHA256 PATH\\n

MODE is `0755` for a file that its owner may execute, else `0644`. SIZE is in bytes, decimal. SHA256 is that of the
contents, in lower-case hexadecimal. PATH is relative, in UTF-8, with `/` between folders; it holds no line end, because
`member_path` refuses control characters. Folders as such do not count. It says nothing of archives or compression, so
that a tree has one digest whether it was unpacked or checked out.

**The package digest** is `sha256:` and the SHA-256 of the bytes of the file. The tar inside has one form
(`tar_format`); gzip is written by hand (no name, time 0, level 9), so that only another zlib gives other bytes.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.foundation.disk import disk_failure
from iacengine.modules.gunzip import CHUNK
from iacengine.modules.limits import LIMITS, Limits
from iacengine.modules.manifest import MANIFEST_NAME, decode_manifest, encode_manifest
from iacengine.modules.member_path import Names, check_path, shown
from iacengine.modules.model import Manifest
from iacengine.modules.package_error import PackageError, PackageFault
from iacengine.modules.tar_format import END, check_packable, header, padding

_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
_NEVER_PACKED: Final = frozenset(
    (".git", ".hg", ".svn", ".terraform", ".iac", "__pycache__", ".DS_Store", ".terraform.lock.hcl")
)
# State holds secrets, and belongs to a stack, not to a module.
_STATE: Final = ("iac.state.json", ".iac.state.json", "terraform.tfstate", ".terraform.tfstate", "crash.log")


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file of a tree: what its digest counts. `digest` is the SHA-256 of the contents, in hexadecimal."""

    path: str
    size: int
    digest: str
    executable: bool = False


@dataclass(frozen=True, slots=True)
class ModulePackage:
    """A package that was made or looked into. `files` are sorted by path and include the manifest; `size` is that of
    the package in bytes."""

    manifest: Manifest
    digest: str
    tree_digest: str
    size: int
    files: tuple[TreeFile, ...]

    @property
    def name(self) -> str:
        return package_name(self.manifest)


def package_name(manifest: Manifest) -> str:
    """`NAMESPACE-NAME-SYSTEM-VERSION.tar.gz`."""
    address = manifest.address
    return f"{address.namespace}-{address.name}-{address.system}-{manifest.version}.tar.gz"


def digest_of(files: Iterable[TreeFile]) -> str:
    """The tree digest of these files, in whatever order they come."""
    lines = sorted((file.path.encode("utf-8"), file) for file in files)
    whole = hashlib.sha256()
    for path, file in lines:
        mode = b"0755" if file.executable else b"0644"
        whole.update(b"%b %d %b %b\n" % (mode, file.size, file.digest.encode("ascii"), path))
    return f"sha256:{whole.hexdigest()}"


def tree_digest(folder: str, limits: Limits = LIMITS) -> str:
    """The tree digest of everything in a folder.

    Raises PackageError for links, devices and names that no package may have, and DiagnosticsError when the folder
    cannot be read.
    """
    return digest_of(tree_files(folder, limits))


def verify_tree(folder: str, expected: str, limits: Limits = LIMITS) -> None:
    """Raises PackageError (WRONG_TREE) unless the folder holds the tree of this digest, and nothing besides."""
    found = tree_digest(folder, limits)
    if found != expected:
        raise PackageError(
            PackageFault.WRONG_TREE,
            "A module's files are not those that were locked",
            f"{folder} has the digest {found}; expected was {expected}. A file was changed, added or removed.",
            remedy="Remove the folder and run `iac init`, which gets the module again.",
        )


def package_digest(source: BinaryIO, limits: Limits = LIMITS) -> tuple[str, int]:
    """Package digest and size of a file from its start, where it is again afterwards. Raises PackageError when it is
    too large; no more than that is read."""
    whole = hashlib.sha256()
    size = 0
    while data := source.read(CHUNK):
        size += len(data)
        if size > limits.package_bytes:
            raise PackageError(
                PackageFault.PACKAGE_TOO_LARGE,
                "A package that is too large",
                f"It is larger than {limits.package_bytes:,} bytes.",
            )
        whole.update(data)
    source.seek(0)
    return f"sha256:{whole.hexdigest()}", size


def tree_files(folder: str, limits: Limits = LIMITS, *, packing: bool = False) -> list[TreeFile]:
    """The files below a folder, sorted by path. `packing`: without what never goes into packages."""
    files: list[TreeFile] = []
    names = Names()
    total = 0
    for path, entry in _walk(folder, packing=packing):
        (check_packable if packing else check_path)(path, limits)
        names.add(path)
        if len(files) == limits.files:
            raise PackageError(
                PackageFault.TOO_MANY_FILES,
                "Too many files for a module",
                f"{folder} has more than {limits.files:,} files.",
            )
        descriptor = _open(entry, path)
        try:
            status = os.fstat(descriptor)
            room = min(limits.file_bytes, limits.total_bytes - total)
            digest = hashlib.sha256()
            size = 0
            while data := os.read(descriptor, CHUNK):
                size += len(data)
                if size > room:
                    raise _too_much(path, limits, whole=room < limits.file_bytes)
                digest.update(data)
        except OSError as problem:
            raise _unreadable(problem, entry) from None
        finally:
            os.close(descriptor)
        total += size
        files.append(TreeFile(path, size, digest.hexdigest(), bool(status.st_mode & stat.S_IXUSR)))
    files.sort(key=lambda file: file.path.encode("utf-8"))
    return files


def pack(folder: str, manifest: Manifest, output: BinaryIO, limits: Limits = LIMITS) -> ModulePackage:
    """Write the package of a folder. The same tree and manifest give the same bytes, whatever times, owners and order
    the file system has.

    Left out are version control, caches of tools, and state. A symbolic link to a file inside the folder is packed as
    that file. Raises PackageError for what no package may hold, and DiagnosticsError when something cannot be read.
    """
    described = encode_manifest(manifest)
    if decode_manifest(described, limits) != manifest:
        raise PackageError(
            PackageFault.BAD_MANIFEST, "A manifest that cannot be packed", "Reading it back gives something else."
        )
    files = tree_files(folder, limits, packing=True)
    if not files:
        raise PackageError(
            PackageFault.NOTHING_TO_PACK, "Nothing to pack", f"{folder} has no file that belongs to a module."
        )
    files.append(TreeFile(MANIFEST_NAME, len(described), hashlib.sha256(described).hexdigest()))
    files.sort(key=lambda file: file.path.encode("utf-8"))
    names = Names()
    for file in files:
        names.add(file.path)  # once more, with the manifest's own
    if sum(file.size for file in files) > limits.total_bytes:
        raise _too_much(MANIFEST_NAME, limits, whole=True)
    if len(files) > limits.files:
        raise PackageError(
            PackageFault.TOO_MANY_FILES,
            "Too many files for a module",
            f"{folder} has {len(files):,} files with the manifest; {limits.files:,} are allowed.",
        )
    counted = _Counted(output, limits)
    compressed = _GzipWriter(counted.write)
    for file in files:
        compressed.write(header(file.path, file.size, executable=file.executable))
        pieces = (described,) if file.path == MANIFEST_NAME else _contents(folder, file)
        for piece in pieces:
            compressed.write(piece)
        compressed.write(bytes(padding(file.size)))
    compressed.write(END)
    compressed.close()
    return ModulePackage(manifest, counted.digest, digest_of(files), counted.size, tuple(files))


def _walk(folder: str, *, packing: bool) -> Iterator[tuple[str, str]]:
    """Every file below a folder: its path inside, and where it is read. Links are followed by `packing` alone, and
    only to files inside the folder."""
    root = os.path.realpath(folder)
    todo = [("", folder)]
    while todo:
        inside, place = todo.pop()
        try:
            with os.scandir(place) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as problem:
            raise _unreadable(problem, place) from None
        for entry in found:
            path = f"{inside}/{entry.name}" if inside else entry.name
            if packing and (entry.name in _NEVER_PACKED or entry.name.startswith(_STATE) or path == MANIFEST_NAME):
                continue
            if entry.is_symlink():
                yield path, _target(entry.path, path, root, packing=packing)
            elif entry.is_dir(follow_symlinks=False):
                todo.append((path, entry.path))
            elif entry.is_file(follow_symlinks=False):
                yield path, entry.path
            else:
                raise PackageError(
                    PackageFault.SPECIAL_FILE,
                    "Something that is no file in a module",
                    f"{shown(path)} is a pipe, a socket or a device; modules hold plain files alone.",
                )


def _target(place: str, path: str, root: str, *, packing: bool) -> str:
    """Where the file is that a link leads to."""
    target = os.path.realpath(place)
    if not packing:
        why = "is a symbolic link; a module that is locked holds plain files alone"
    elif not target.startswith(root.rstrip("/") + "/"):
        why = "is a symbolic link that leads out of the module"
    elif not os.path.isfile(target):  # noqa: PTH113 - text in
        why = "is a symbolic link that does not lead to a file"
    elif any(part in _NEVER_PACKED or part.startswith(_STATE) for part in target[len(root) :].split("/")):
        why = "is a symbolic link to what never belongs into a package"
    else:
        return target
    raise PackageError(
        PackageFault.LINK,
        "A link in a module",
        f"{shown(path)} {why}.",
        remedy="Put a copy of what it leads to in its place.",
    )


def _open(place: str, path: str) -> int:
    """Open a file that was seen to be one; a link or a pipe that took its place meanwhile is refused."""
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as problem:
        raise _unreadable(problem, place) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise PackageError(
            PackageFault.SPECIAL_FILE, "Something that is no file in a module", f"{shown(path)} is no plain file."
        )
    return descriptor


def _contents(folder: str, file: TreeFile) -> Iterator[bytes]:
    """The contents, which must still be those that were counted."""
    place = os.path.realpath(os.path.join(folder, file.path))  # noqa: PTH118 - text in, text out
    descriptor = _open(place, file.path)
    try:
        digest = hashlib.sha256()
        left = file.size
        while data := os.read(descriptor, CHUNK):
            digest.update(data)
            left -= len(data)
            if left < 0:
                break
            yield data
    except OSError as problem:
        raise _unreadable(problem, place) from None
    finally:
        os.close(descriptor)
    if left or digest.hexdigest() != file.digest:
        raise PackageError(
            PackageFault.CHANGED_MEANWHILE,
            "A file was changed while it was packed",
            f"{shown(file.path)} is not what it was a moment ago.",
            remedy="Pack again when nothing writes to the folder.",
        )


class _GzipWriter:
    """A gzip file of one member whose header never differs."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._engine = zlib.compressobj(9, zlib.DEFLATED, -15)
        self._sum = self._size = 0
        write(_GZIP_HEADER)

    def write(self, data: bytes) -> None:
        self._sum = zlib.crc32(data, self._sum)
        self._size += len(data)
        compressed = self._engine.compress(data)
        if compressed:
            self._write(compressed)

    def close(self) -> None:
        self._write(self._engine.flush() + struct.pack("<II", self._sum, self._size & 0xFFFFFFFF))


class _Counted:
    """What is written, with its digest and size."""

    def __init__(self, output: BinaryIO, limits: Limits) -> None:
        self._output, self._limits = output, limits
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._limits.package_bytes:
            raise PackageError(
                PackageFault.PACKAGE_TOO_LARGE,
                "A package that is too large",
                f"It would be larger than {self._limits.package_bytes:,} bytes.",
                remedy="Leave out what the module does not need; keep large files in a bucket.",
            )
        self._digest.update(data)
        self._output.write(data)

    @property
    def digest(self) -> str:
        return f"sha256:{self._digest.hexdigest()}"


def _too_much(path: str, limits: Limits, *, whole: bool) -> PackageError:
    if whole:
        return PackageError(
            PackageFault.CONTENTS_TOO_LARGE,
            "A module that is too large",
            f"Its files have more than {limits.total_bytes:,} bytes.",
        )
    return PackageError(
        PackageFault.FILE_TOO_LARGE,
        "A file that is too large for a package",
        f"{shown(path)} is larger than {limits.file_bytes:,} bytes.",
    )


def _unreadable(problem: OSError, place: str) -> DiagnosticsError:
    return disk_failure(problem, "read the files of a module", place)
