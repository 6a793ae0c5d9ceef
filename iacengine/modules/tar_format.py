"""The tar format, as far as packages need it (POSIX.1-1988 ustar, and what GNU tar and pax add to it).

https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html. Written here, not taken from `tarfile`, which
forgives what an attacker would use: a reader of packages has to refuse all that two readers could understand
differently. A package of ours has one form alone: `header` of each file, in the order of their paths, its contents,
zeros up to the block, two blocks of zeros. Any other is refused, so that nothing can hide in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from iacengine.modules.gunzip import CHUNK, Gunzip
from iacengine.modules.limits import Limits
from iacengine.modules.member_path import check_path, member_path, shown
from iacengine.modules.package_error import PackageError, PackageFault

BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)
_ZERO: Final = bytes(BLOCK)
_MOST_EXTENDED: Final = 64 * 1024  # bytes of one extended header
_SPECIAL: Final = {b"3": "a character device", b"4": "a block device", b"6": "a named pipe"}
_FILES: Final = frozenset((b"0", b"\0", b"7"))


@dataclass(slots=True, eq=False)
class Member:
    """A file in an archive. `contents` can be gone through once, before the next member is asked for."""

    path: str
    executable: bool
    size: int
    contents: Iterator[bytes]


def header(path: str, size: int, *, executable: bool) -> bytes:
    """The header of a file, all of whose other properties are constant. Raises ValueError for a path that ustar
    cannot hold."""
    prefix, name = _split(path.encode("utf-8"))
    fields = (
        name.ljust(100, b"\0"),
        b"0000755\0" if executable else b"0000644\0",
        b"0000000\0" * 2,  # owner and group
        b"%011o\0" % size,
        b"00000000000\0",  # time
        b" " * 8,  # the checksum is counted with blanks in its own place
        b"0",
        bytes(100),
        b"ustar\x0000",
        bytes(64),  # names of owner and group
        b"0000000\0" * 2,
        prefix.ljust(155, b"\0"),
        bytes(12),
    )
    block = b"".join(fields)
    return b"%b%06o\0 %b" % (block[:148], sum(block), block[156:])


def _split(path: bytes) -> tuple[bytes, bytes]:
    """Prefix and name of a path: the name as long as it can be."""
    if len(path) <= 100:
        return b"", path
    cut = path.find(b"/", len(path) - 101)
    if not 0 < cut <= 155 or cut == len(path) - 1:
        raise ValueError("ustar cannot hold this path")
    return path[:cut], path[cut + 1 :]


def padding(size: int) -> int:
    """How many zeros follow contents of this size."""
    return -size % BLOCK


def package_members(stream: Gunzip, limits: Limits) -> Iterator[Member]:
    """The files of a package. Raises PackageError at the first thing that no package of ours has."""
    last: bytes | None = None
    for count, block in enumerate(_headers(stream, limits, canonical=True)):
        kind, size = block[156:157], _size(block, limits)
        _refuse_extended(kind)
        path = _plain_file(kind, _raw_path(block), limits)
        if size > limits.file_bytes:
            raise _too_large(path, limits)
        executable = bool(_octal(block[100:108], "mode") & 0o100)
        try:
            expected = header(path, size, executable=executable)
        except ValueError:
            raise _not_canonical(f"{shown(path)} is longer than the format has room for.") from None
        if block != expected:
            raise _not_canonical(f"The header of {shown(path)} is not the one that `iac module` writes.")
        encoded = path.encode()
        if last is not None and encoded < last:  # the same one twice is told by `Names`
            raise _not_canonical(f"{shown(path)} (file {count + 1}) stands behind a name that comes later.")
        last = encoded
        yield from _member(stream, path, size, executable, canonical=True)


def archive_members(stream: Gunzip, limits: Limits) -> Iterator[Member]:
    """The files of an archive that some other program made. Folders are told by the files in them.

    What pax and GNU tar add is read where it is harmless: long names, and properties that are not used here. Raises
    PackageError for all else.
    """
    path: bytes | None = None  # of the next member, given by an extended header
    for block in _headers(stream, limits, canonical=False):
        kind, size = block[156:157], _size(block, limits)
        if kind in (b"x", b"g", b"X"):
            given = _pax_path(_extension(stream, size))
            if kind == b"g" and given is not None:
                raise _extended("An extended header gives all files one path.")
            path = path if given is None else given
            continue
        if kind == b"L":
            path = _extension(stream, size).removesuffix(b"\0")
            continue
        if kind in (b"K", b"S"):
            _refuse_extended(kind)
        raw = _raw_path(block) if path is None else path
        path = None
        if kind == b"5" or (kind in _FILES and raw.endswith(b"/")):
            if size:
                raise PackageError(PackageFault.CORRUPT, "A damaged archive", "A folder in the archive has contents.")
            folder = raw.removeprefix(b"./").rstrip(b"/")
            if folder not in (b"", b".") or raw.startswith(b"/"):
                member_path(folder if not raw.startswith(b"/") else raw, limits)
            continue
        name = _plain_file(kind, raw.removeprefix(b"./"), limits)
        if size > limits.file_bytes:
            raise _too_large(name, limits)
        yield from _member(stream, name, size, bool(_octal(block[100:108], "mode") & 0o100), canonical=False)
    if path is not None:
        raise _extended("An extended header stands at the end, with no file behind it.")


def _headers(stream: Gunzip, limits: Limits, *, canonical: bool) -> Iterator[bytes]:
    """Every header up to the end, with a checksum that is right; what follows the end is looked at as well."""
    count = 0
    while True:
        block = stream.read(BLOCK)
        if block == _ZERO:
            break
        count += 1
        if count > limits.files * (1 if canonical else 3):  # folders and long names have headers too
            raise PackageError(
                PackageFault.TOO_MANY_FILES,
                "A package of too many files",
                f"It has more than {limits.files:,} files.",
            )
        _check_sum(block, first=count == 1)
        yield block
    if stream.read(BLOCK) != _ZERO:
        raise _trailing()
    while rest := stream.read_some(CHUNK):
        if canonical or rest.strip(b"\0"):
            raise _trailing()


def _check_sum(block: bytes, *, first: bool) -> None:
    try:
        said = _octal(block[148:156], "checksum")
    except PackageError:
        said = -1
    if said != sum(block) - sum(block[148:156]) + 8 * 32:
        if first:
            raise PackageError(PackageFault.NOT_TAR, "Not a package", "There is no tar archive in the gzip file.")
        raise PackageError(PackageFault.CORRUPT, "A damaged package", "The checksum of a tar header is wrong.")


def _raw_path(block: bytes) -> bytes:
    """Name and prefix. A NUL ends each; what stands behind it in the field is looked at by comparing the header."""
    name = block[:100].split(b"\0", 1)
    if len(name) > 1 and name[1].strip(b"\0"):
        raise PackageError(
            PackageFault.NUL,
            "A name that is not allowed in a package",
            f"A name has a NUL in it, and more behind that: {shown(block[:100].rstrip(bytes(1)))}.",
        )
    if block[257:263] != b"ustar\0":  # GNU tar keeps times where the prefix is
        return name[0]
    prefix = block[345:500].split(b"\0", 1)[0]
    return prefix + b"/" + name[0] if prefix else name[0]


def _plain_file(kind: bytes, raw: bytes, limits: Limits) -> str:
    """The path of a member that is a file. Raises PackageError for anything else, and for a bad name."""
    if kind in (b"1", b"2"):
        what = "a hard link" if kind == b"1" else "a symbolic link"
        raise PackageError(
            PackageFault.LINK, "A link in a package", f"{shown(raw)} is {what}; packages hold plain files alone."
        )
    if kind not in _FILES:
        what = _SPECIAL.get(kind, f"of an unknown kind ({shown(kind)})")
        what = "a folder, which packages do not list" if kind == b"5" else what
        raise PackageError(
            PackageFault.SPECIAL_FILE,
            "Something that is no file in a package",
            f"{shown(raw)} is {what}; packages hold plain files alone.",
        )
    return member_path(raw, limits)


def _member(stream: Gunzip, path: str, size: int, executable: bool, *, canonical: bool) -> Iterator[Member]:
    rest = size

    def contents() -> Iterator[bytes]:
        nonlocal rest
        while rest:
            piece = stream.read_some(min(rest, CHUNK))
            if not piece:
                stream.read(1)  # says that it is cut off
            rest -= len(piece)
            yield piece

    pieces = contents()
    yield Member(path, executable, size, pieces)
    for _ in pieces:
        pass
    if stream.read(padding(size)).strip(b"\0") and canonical:
        raise _not_canonical(f"Something hides behind the end of {shown(path)}.")


def _octal(field: bytes, what: str) -> int:
    text = field.rstrip(b"\0 ").lstrip(b" ")
    if not text:
        return 0
    if not all(0x30 <= digit <= 0x37 for digit in text):
        raise PackageError(
            PackageFault.CORRUPT, "A damaged package", f"The {what} in a tar header is no octal number: {shown(field)}."
        )
    return int(text, 8)


def _size(block: bytes, limits: Limits) -> int:
    if block[124] & 0x80:
        raise PackageError(
            PackageFault.FILE_TOO_LARGE,
            "A file that is too large for a package",
            f"A size is written as a binary number, as for files above 8 GiB; {limits.file_bytes:,} bytes are allowed.",
        )
    return _octal(block[124:136], "size")


def _refuse_extended(kind: bytes) -> None:
    if kind == b"S":
        raise PackageError(PackageFault.SPARSE, "A sparse file in a package", "Packages hold plain files alone.")
    if kind in (b"x", b"g", b"X", b"L", b"K"):
        raise _extended("A header says another name or size than the one that follows it.")


def _extension(stream: Gunzip, size: int) -> bytes:
    if size > _MOST_EXTENDED:
        raise _extended(f"It is {size:,} bytes long; {_MOST_EXTENDED:,} are allowed.")
    data = stream.read(size)
    stream.read(padding(size))
    return data


def _pax_path(data: bytes) -> bytes | None:
    """The path in the records of a pax header (`LENGTH KEY=VALUE\\n`, each), or None."""
    path = None
    while data:
        length, blank, _ = data.partition(b" ")
        if not blank or not length.isdigit() or len(length) > 6 or not len(length) + 3 <= int(length) <= len(data):
            raise _extended("It cannot be read.")
        record, data = data[len(length) + 1 : int(length)], data[int(length) :]
        key, equals, value = record.partition(b"=")
        if not equals or not value.endswith(b"\n"):
            raise _extended("It cannot be read.")
        if key.startswith(b"GNU.sparse"):
            raise PackageError(PackageFault.SPARSE, "A sparse file in a package", "Packages hold plain files alone.")
        if key == b"size":
            raise _extended("It gives a file another size than its own header does.")
        if key == b"path":
            path = value[:-1]
    return path


def check_packable(path: str, limits: Limits) -> None:
    """Raises PackageError unless a package can hold a file of this path."""
    check_path(path, limits)
    try:
        header(path, 0, executable=False)
    except ValueError:
        raise PackageError(
            PackageFault.NAME_TOO_LONG,
            "A name that is not allowed in a package",
            f"The name {shown(path)} is longer than the format of packages has room for.",
            remedy="Shorten it: the file's name with the folders next to it has 100 bytes, the folders above them 155.",
        ) from None


def _too_large(path: str, limits: Limits) -> PackageError:
    return PackageError(
        PackageFault.FILE_TOO_LARGE,
        "A file that is too large for a package",
        f"{shown(path)} is larger than {limits.file_bytes:,} bytes.",
    )


def _extended(why: str) -> PackageError:
    return PackageError(PackageFault.EXTENDED_HEADER, "An extended header that is not allowed in a package", why)


def _not_canonical(why: str) -> PackageError:
    return PackageError(
        PackageFault.NOT_CANONICAL,
        "Not a package of iacengine's making",
        f"{why} The same files have one package alone, so that nothing can hide in it.",
        remedy="Make packages with `iac module publish`.",
    )


def _trailing() -> PackageError:
    return PackageError(
        PackageFault.TRAILING_DATA,
        "Data after the end of a package",
        "Something follows the end of the tar archive, which some programs read and some do not.",
    )
