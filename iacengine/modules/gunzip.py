"""One gzip stream, read piece by piece, within limits (RFC 1952)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

from iacengine.modules.limits import Limits
from iacengine.modules.package_error import PackageError, PackageFault

CHUNK: Final = 128 * 1024
_MAGIC: Final = b"\x1f\x8b"


class Gunzip:
    """The contents of a gzip file. `read` gives exactly what was asked for; `finish` sees that nothing follows."""

    def __init__(self, source: BinaryIO, limits: Limits) -> None:
        self._pieces = _pieces(source, limits)
        self._buffer = bytearray()
        self._start = 0

    def read(self, size: int) -> bytes:
        """The next `size` bytes. Raises PackageError when there are fewer."""
        data = self.read_some(size)
        while len(data) < size:
            more = self.read_some(size - len(data))
            if not more:
                raise truncated()
            data += more
        return data

    def read_some(self, most: int) -> bytes:
        """Some of the next bytes, at most so many; empty at the end."""
        if self._start == len(self._buffer):
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._buffer, self._start = bytearray(piece), 0
        end = min(self._start + most, len(self._buffer))
        data = bytes(memoryview(self._buffer)[self._start : end])
        self._start = end
        return data


def _pieces(source: BinaryIO, limits: Limits) -> Iterator[bytes]:
    """What comes out, in pieces that are never empty nor larger than CHUNK."""
    engine = zlib.decompressobj(wbits=31)
    taken = given = 0
    first = True
    while data := source.read(CHUNK):
        if first and not data.startswith(_MAGIC[: len(data)]):
            raise PackageError(
                PackageFault.NOT_GZIP, "Not a package", "The file is no gzip file, as every package (.tar.gz) is."
            )
        first = False
        taken += len(data)
        if taken > limits.package_bytes:
            raise PackageError(
                PackageFault.PACKAGE_TOO_LARGE,
                "A package that is too large",
                f"The package is larger than {limits.package_bytes:,} bytes.",
            )
        if _ended(engine):
            raise _after_the_end(data)
        while True:
            try:
                piece = engine.decompress(data, CHUNK)
            except zlib.error as problem:
                reason = str(problem).rpartition(": ")[2]
                raise PackageError(
                    PackageFault.CORRUPT, "A damaged package", f"The gzip stream is damaged: {reason}."
                ) from None
            given += len(piece)
            if given > limits.total_bytes + limits.files * 2048:  # headers and padding are no contents
                raise PackageError(
                    PackageFault.CONTENTS_TOO_LARGE,
                    "A package with too much in it",
                    f"Unpacked it is larger than {limits.total_bytes:,} bytes.",
                )
            if given > limits.ratio_from and given > limits.ratio * taken:
                raise PackageError(
                    PackageFault.RATIO,
                    "A package that unpacks to far more than it is",
                    f"It is compressed to less than 1/{limits.ratio} of its contents, as no real module is.",
                )
            if piece:
                yield piece
            if _ended(engine):
                if engine.unused_data:
                    raise _after_the_end(engine.unused_data)
                break
            data = engine.unconsumed_tail
            if not data and len(piece) < CHUNK:
                break  # a full piece may have more behind it, though all of the input is taken
    if not _ended(engine):
        raise truncated()


def _ended(engine: zlib._Decompress) -> bool:
    return engine.eof


def _after_the_end(data: bytes) -> PackageError:
    if data.startswith(_MAGIC):
        return PackageError(
            PackageFault.SEVERAL_MEMBERS,
            "A package of several gzip members",
            "A second gzip member follows the first, which some programs read and some do not.",
        )
    return PackageError(
        PackageFault.TRAILING_DATA,
        "Data after the end of a package",
        "Something follows the end of the archive, which some programs read and some do not.",
    )


def truncated() -> PackageError:
    return PackageError(
        PackageFault.TRUNCATED,
        "A package that is cut off",
        "The package ends in the middle.",
        remedy="Get it again.",
    )
