"""The files of a zip archive, as module sources outside of registries may be.

Only what every program reads in the same way is taken: stored or deflated members from the start of the file on,
each described by the central directory and by its own header alike.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

from iacengine.modules.gunzip import CHUNK
from iacengine.modules.limits import Limits
from iacengine.modules.member_path import member_path, shown
from iacengine.modules.package_error import PackageError, PackageFault
from iacengine.modules.tar_format import Member

_END: Final = b"PK\x05\x06"
_END_SIZE: Final = 22
_UNIX: Final = 3
_UTF8_FLAG: Final = 0x800
_ENCRYPTED_FLAGS: Final = 0x41


def zip_members(source: BinaryIO, limits: Limits) -> Iterator[Member]:
    """The files of the archive. Raises PackageError at the first thing that is not allowed."""
    _check_end(source, limits)
    with _told(), zipfile.ZipFile(source) as archive:
        size = source.seek(0, 2)
        given = 0
        for info in archive.infolist():
            if not _is_file(info, limits):
                continue
            path = _path(info, limits)
            given += info.file_size
            _check_sizes(info, path, given, size, limits)
            pieces = _pieces(archive, info)
            yield Member(path, bool(info.external_attr >> 16 & 0o100), info.file_size, pieces)
            for _ in pieces:
                pass


@contextmanager
def _told() -> Iterator[None]:
    """What the library raises, as PackageError."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, struct.error, ValueError) as problem:
        raise PackageError(PackageFault.CORRUPT, "A damaged archive", f"The zip file is damaged: {problem}.") from None


def _check_end(source: BinaryIO, limits: Limits) -> None:
    """Look at the end of the file before the directory of it is read into memory."""
    size = source.seek(0, 2)
    if size > limits.package_bytes:
        raise PackageError(
            PackageFault.PACKAGE_TOO_LARGE,
            "A package that is too large",
            f"The archive is larger than {limits.package_bytes:,} bytes.",
        )
    source.seek(max(0, size - _END_SIZE - 0xFFFF))
    tail = source.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_SIZE:
        raise PackageError(PackageFault.NOT_ZIP, "Not an archive", "The file is no zip archive.")
    _, _, _, _, count, length, offset, comment = struct.unpack("<4s4H2LH", tail[at : at + _END_SIZE])
    if at + _END_SIZE + comment != len(tail):
        raise PackageError(
            PackageFault.TRAILING_DATA, "Data after the end of an archive", "Something follows the end of the zip file."
        )
    most = limits.files * 3
    if count > most or length > most * 512 or 0xFFFFFFFF in (length, offset):
        raise PackageError(
            PackageFault.TOO_MANY_FILES,
            "An archive of too many files",
            f"The zip file has more than {limits.files:,} files.",
        )
    if size - len(tail) + at != offset + length:
        raise PackageError(
            PackageFault.NOT_ZIP, "Not a plain archive", "The zip file does not begin with its first member."
        )
    source.seek(0)


def _is_file(info: zipfile.ZipInfo, limits: Limits) -> bool:
    """False for a folder. Raises PackageError for links and devices."""
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == _UNIX else 0
    if kind == stat.S_IFLNK:
        raise PackageError(
            PackageFault.LINK,
            "A link in a package",
            f"{shown(info.filename)} is a symbolic link; only files are taken.",
        )
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise PackageError(
            PackageFault.SPECIAL_FILE,
            "Something that is no file in a package",
            f"{shown(info.filename)} is a device or the like; only files are taken.",
        )
    if info.flag_bits & _ENCRYPTED_FLAGS:
        raise PackageError(
            PackageFault.ENCRYPTED, "An encrypted archive", f"{shown(info.filename)} is encrypted in the zip file."
        )
    if kind == stat.S_IFDIR or info.filename.endswith("/"):
        member_path(_raw(info).rstrip(b"/") or b"/", limits)
        if info.file_size:
            raise PackageError(PackageFault.CORRUPT, "A damaged archive", "A folder in the archive has contents.")
        return False
    return True


def _raw(info: zipfile.ZipInfo) -> bytes:
    """The name as it is in the file: `filename` ends at a NUL, and has other separators replaced."""
    return info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8_FLAG else "cp437", "surrogateescape")


def _path(info: zipfile.ZipInfo, limits: Limits) -> str:
    raw = _raw(info)
    if not info.flag_bits & _UTF8_FLAG and not raw.isascii():
        try:
            raw.decode("utf-8")  # as most programs on Unix write it, whatever the flag says
        except UnicodeDecodeError:
            raw = info.orig_filename.encode("utf-8")
    return member_path(raw, limits)


def _check_sizes(info: zipfile.ZipInfo, path: str, given: int, size: int, limits: Limits) -> None:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise PackageError(
            PackageFault.CORRUPT, "An archive that cannot be read", f"{shown(path)} is compressed in an unusual way."
        )
    if info.file_size > limits.file_bytes:
        raise PackageError(
            PackageFault.FILE_TOO_LARGE,
            "A file that is too large for a package",
            f"{shown(path)} is larger than {limits.file_bytes:,} bytes.",
        )
    if given > limits.total_bytes:
        raise PackageError(
            PackageFault.CONTENTS_TOO_LARGE,
            "A package with too much in it",
            f"Unpacked it is larger than {limits.total_bytes:,} bytes.",
        )
    if given > limits.ratio_from and given > limits.ratio * size:
        raise PackageError(
            PackageFault.RATIO,
            "A package that unpacks to far more than it is",
            f"It is compressed to less than 1/{limits.ratio} of its contents, as no real module is.",
        )


def _pieces(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    left = info.file_size
    with _told(), archive.open(info) as contents:  # never gives more than `file_size`, and checks the CRC at its end
        while piece := contents.read(CHUNK):
            left -= len(piece)
            yield piece
    if left:
        raise PackageError(
            PackageFault.CORRUPT, "A damaged archive", f"{shown(info.filename)} is shorter than the zip file says."
        )
