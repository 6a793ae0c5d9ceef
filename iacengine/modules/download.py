"""Downloading a file so that what was got already need not be got again (RFC 9110, 14: range requests).

The part that is there stays when the connection breaks, or the whole program ends, and the next attempt asks for the
rest. Where the digest of the whole is known, it decides in the end; elsewhere the server has to say by a strong ETag
that it is still the same file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, Final

from iacengine.foundation.diagnostics import failure
from iacengine.foundation.disk import disk_failure
from iacengine.foundation.http import Answer, HttpClient
from iacengine.foundation.retry import Transient
from iacengine.modules.package_error import PackageError, PackageFault

Progress = Callable[[int, int | None], None]
"""Told how many bytes there are so far, and how many there will be (None: the server does not say)."""

_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


def nothing(done: int, whole: int | None) -> None:
    """Progress that nobody looks at."""


@contextlib.contextmanager
def downloaded(
    client: HttpClient,
    address: str,
    folder: str,
    *,
    largest: int,
    digest: str | None = None,
    headers: Mapping[str, str] | None = None,
    progress: Progress = nothing,
) -> Iterator[BinaryIO]:
    """The file at an address, open at its start; it goes away at the end. `digest` is `sha256:…` of all of it.

    Raises HttpError, and DiagnosticsError when it is larger than `largest` bytes or has another digest. Of several
    processes that want one file, one gets it at a time.
    """
    name = hashlib.sha256(f"{digest or ''} {address if digest is None else ''}".encode()).hexdigest()
    path = f"{folder}/{name}.part"
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(_locked(path))
        except OSError as problem:
            raise disk_failure(problem, "download a module", path) from None
        part = _Part(file, f"{folder}/{name}.tag", largest, address, progress, digest is not None)
        try:
            if not (digest is not None and part.size and _digest(file) == digest):
                resumed = part.size > 0
                _get(client, address, part, headers)
                if digest is not None and _digest(file) != digest and resumed:
                    part.restart()  # what was there before was not the start of it
                    _get(client, address, part, headers)
            if digest is not None and (found := _digest(file)) != digest:
                raise PackageError(
                    PackageFault.WRONG_DIGEST,
                    "A package is not the one that was promised",
                    f"{address.partition('?')[0]} has the digest {found}; expected was {digest}.",
                    remedy="Try again. If that does not help, whoever served it is not to be trusted.",
                )
            file.seek(0)
            yield file
        except OSError as problem:
            raise disk_failure(problem, "download a module", path) from None
        except BaseException as ended:
            if isinstance(ended, KeyboardInterrupt) or getattr(ended, "unsure", False):
                stack.pop_all().close()  # what was got is kept for the next time
                raise
            _remove(path, part.tag_path)
            raise
        _remove(path, part.tag_path)


def _get(client: HttpClient, address: str, part: _Part, headers: Mapping[str, str] | None) -> None:
    fixed = {"Accept-Encoding": "identity", **(headers or {})}
    answer = client.request(
        "GET", address, headers=lambda: {**fixed, **part.conditions()}, receive=part.receive, accept=(416,)
    )
    if answer.status == 416:  # the part is as long as the file, or longer than it is now
        part.restart()
        client.request("GET", address, headers=fixed, receive=part.receive)


@contextlib.contextmanager
def _locked(path: str) -> Iterator[BinaryIO]:
    """The file, opened for writing, and ours alone."""
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "r+b")
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):  # noqa: PTH116 - not removed meanwhile
                    yield file
                    return


class _Part:
    """What there is of a file so far."""

    def __init__(
        self, file: BinaryIO, tag_path: str, largest: int, address: str, progress: Progress, verified: bool
    ) -> None:
        self._file, self.tag_path, self._largest = file, tag_path, largest
        self._address, self._progress, self._verified = address.partition("?")[0], progress, verified
        if not verified and self._tag() is None:
            self.restart()

    @property
    def size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def restart(self) -> None:
        self._file.truncate(0)
        _remove(self.tag_path)

    def conditions(self) -> dict[str, str]:
        """The headers that ask for the rest."""
        if not self.size:
            return {}
        tag = self._tag()
        return {"Range": f"bytes={self.size}-", **({"If-Range": tag} if tag is not None else {})}

    def receive(self, head: Answer, pieces: Iterator[bytes]) -> None:
        start = 0
        if head.status == 206:
            match = _RANGE.fullmatch(head.headers.get("content-range", ""))
            if match is None or int(match[1]) > self.size:
                self.restart()
                raise Transient(failure("Wrong range", f"{self._address} sent another part than was asked for."))
            start = int(match[1])
        self._file.seek(start)
        self._file.truncate(start)
        self._keep_tag(head.headers.get("etag", ""))
        length = head.headers.get("content-length", "")
        whole = start + int(length) if length.isdigit() else None
        size = start
        for piece in pieces:
            size += len(piece)
            if size > self._largest or (whole is not None and whole > self._largest):
                self.restart()
                raise PackageError(
                    PackageFault.PACKAGE_TOO_LARGE,
                    "Package too large",
                    f"{self._address} is larger than {self._largest:,} bytes.",
                    remedy="Check the address: a module is text, and small.",
                )
            self._file.write(piece)
            self._file.flush()
            self._progress(size, whole)

    def _tag(self) -> str | None:
        with contextlib.suppress(OSError), open(self.tag_path, encoding="ascii") as file:  # noqa: PTH123 - text
            return file.read(1000) or None
        return None

    def _keep_tag(self, tag: str) -> None:
        strong = tag if tag.startswith('"') and tag.isascii() else ""
        if strong:
            with open(self.tag_path, "w", encoding="ascii") as file:  # noqa: PTH123 - text
                file.write(strong)
        else:
            _remove(self.tag_path)


def _digest(file: BinaryIO) -> str:
    file.seek(0)
    found = hashlib.sha256()
    while piece := file.read(1 << 20):
        found.update(piece)
    return f"sha256:{found.hexdigest()}"


def _remove(*paths: str) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - text
