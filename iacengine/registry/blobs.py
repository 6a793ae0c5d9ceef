"""Where packages are kept: files in a folder, or objects in a bucket of S3, named by digest. None ever changes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from iacengine.foundation.atomic import make_folders
from iacengine.foundation.diagnostics import failure
from iacengine.foundation.disk import DISK, disk_failure

CHUNK = 256 << 10


class Blobs(Protocol):
    """Packages by digest (`sha256:…`). All raise DiagnosticsError when they cannot be got at."""

    def keep(self, digest: str, file: Path) -> None:
        """Keep a file for good: it is durable when this returns. The file may be gone afterwards."""

    def read(self, digest: str, start: int, length: int) -> Iterator[bytes]:
        """Some bytes, in pieces. Raises FileNotFoundError before the first of them when there is no such package."""

    def at_hand(self, digest: str, size: int) -> bytes | None:
        """All of a package of this size, if it is there and takes no waiting."""

    def remove(self, digest: str) -> None:
        """Forget one, if it is there."""

    def remove_cut_off(self, age: float) -> None:
        """Remove what a crash left of packages that were being kept so many seconds ago."""

    def check(self) -> None:
        """Raises DiagnosticsError unless packages can be kept."""


class DiskBlobs:
    """Packages in a folder of a disk, which several servers may share."""

    def __init__(self, folder: Path) -> None:
        """Raises DiagnosticsError when the folder cannot be made."""
        self._folder, self._arriving = folder / "sha256", folder / "arriving"
        self._nowait: int | None = getattr(os, "RWF_NOWAIT", None)
        try:
            make_folders(str(folder.parent))
            folder.mkdir(exist_ok=True, mode=0o700)  # not everybody may read what every user of the machine could
            make_folders(str(self._folder))
            make_folders(str(self._arriving))
        except OSError as problem:
            raise disk_failure(problem, "make the folder for packages", str(folder)) from None

    def keep(self, digest: str, file: Path) -> None:
        target = self._path(digest)
        fresh = self._arriving / f"{target.name}.{os.urandom(6).hex()}"
        try:
            make_folders(str(target.parent))
            if target.exists():
                return
            try:
                shutil.copyfile(file, fresh)
                descriptor = DISK.open(str(fresh), os.O_RDONLY)
                try:
                    DISK.sync(descriptor)
                finally:
                    DISK.close(descriptor)
                DISK.replace(str(fresh), str(target))
                DISK.sync_folder(str(target.parent))
            finally:
                fresh.unlink(missing_ok=True)
        except OSError as problem:
            raise disk_failure(problem, "keep a package", str(target)) from None

    def read(self, digest: str, start: int, length: int) -> Iterator[bytes]:
        descriptor = os.open(self._path(digest), os.O_RDONLY | os.O_CLOEXEC)
        return self._pieces(descriptor, start, length)

    def at_hand(self, digest: str, size: int) -> bytes | None:
        if self._nowait is None:
            return None
        try:
            descriptor = os.open(self._path(digest), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        found = bytearray(size)
        try:
            # Only what the system has in its memory; preadv2(2).
            length = os.preadv(descriptor, [found], 0, self._nowait)
        except BlockingIOError:
            return None
        except (OSError, NotImplementedError):  # this file system, or this system, cannot say
            self._nowait = None
            return None
        finally:
            os.close(descriptor)
        return bytes(found) if length == size else None

    @staticmethod
    def _pieces(descriptor: int, start: int, length: int) -> Iterator[bytes]:
        try:
            while length > 0:
                piece = os.pread(descriptor, min(CHUNK, length), start)
                if not piece:
                    return
                yield piece
                start += len(piece)
                length -= len(piece)
        finally:
            os.close(descriptor)

    def remove(self, digest: str) -> None:
        try:
            self._path(digest).unlink(missing_ok=True)
        except OSError as problem:
            raise disk_failure(problem, "remove a package", str(self._path(digest))) from None

    def remove_cut_off(self, age: float) -> None:
        with suppress(OSError):  # it is tried again
            remove_older(self._arriving, age)

    def check(self) -> None:
        probe = self._arriving / f"probe.{os.urandom(6).hex()}"
        try:
            probe.write_bytes(b"x" * 4096)
            probe.unlink()
        except OSError as problem:
            raise disk_failure(problem, "keep packages", str(self._folder)) from None

    def _path(self, digest: str) -> Path:
        name = digest.removeprefix("sha256:")
        assert name.isalnum(), "digests are ours"
        return self._folder / name[:2] / name


class S3Blobs:
    """Packages in a bucket: `s3://BUCKET/PREFIX`. Credentials and endpoint are found as AWS programs find them."""

    def __init__(self, address: str) -> None:
        """Raises DiagnosticsError for a senseless address, or when the library is missing."""
        parts = urlsplit(address)
        if parts.scheme != "s3" or not parts.netloc:
            raise failure(
                "Invalid place for packages",
                f"{address} is no bucket.",
                remedy="Write s3://BUCKET/PREFIX, or the path of a folder.",
            )
        try:
            import botocore.session  # lazy: most registries keep packages on disk
            from botocore.config import Config
        except ImportError:
            raise failure(
                "S3 is not installed", "Packages in S3 need botocore.", remedy="pip install 'iacengine[s3]'"
            ) from None
        self._where, self._bucket = address, parts.netloc
        self._prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""
        settings = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5, read_timeout=30)
        self._client: Any = botocore.session.Session().create_client("s3", config=settings)

    def keep(self, digest: str, file: Path) -> None:
        with self._told("keep a package"), file.open("rb") as body:
            # S3 computes the digest too, and refuses what was changed on the way.
            self._client.put_object(Bucket=self._bucket, Key=self._key(digest), Body=body, ChecksumAlgorithm="SHA256")

    def read(self, digest: str, start: int, length: int) -> Iterator[bytes]:
        given = {"Bucket": self._bucket, "Key": self._key(digest)}
        if length:
            given["Range"] = f"bytes={start}-{start + length - 1}"
        with self._told("read a package"):
            body = self._client.get_object(**given)["Body"]
        return self._pieces(body)

    def at_hand(self, digest: str, size: int) -> bytes | None:
        return None  # it is far away

    def _pieces(self, body: Any) -> Iterator[bytes]:
        with self._told("read a package"), body:
            yield from body.iter_chunks(CHUNK)

    def remove(self, digest: str) -> None:
        with self._told("remove a package"):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(digest))

    def remove_cut_off(self, age: float) -> None:
        """An object is there whole, or not at all."""

    def check(self) -> None:
        with self._told("look at the bucket"):
            self._client.head_bucket(Bucket=self._bucket)

    def _key(self, digest: str) -> str:
        return f"{self._prefix}sha256/{digest.removeprefix('sha256:')}"

    def _told(self, doing: str) -> _Told:
        return _Told(self._where, doing)


class _Told:
    """Turns what botocore raises into a failure with a remedy."""

    def __init__(self, where: str, doing: str) -> None:
        self._where, self._doing = where, doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, problem: BaseException | None, trace: Any) -> None:
        from botocore.exceptions import BotoCoreError, ClientError  # lazy: loaded with the client

        if isinstance(problem, ClientError) and problem.response.get("Error", {}).get("Code") == "NoSuchKey":
            raise FileNotFoundError(self._where) from None
        if isinstance(problem, BotoCoreError | ClientError):
            raise failure(
                f"Cannot {self._doing}",
                f"{self._where}: {problem}.",
                remedy="Check the bucket, the credentials, and that the service answers.",
            ) from None


def remove_older(folder: Path, age: float) -> None:
    """Remove the files of a folder that were written to more than so many seconds ago. Raises OSError."""
    for file in folder.iterdir():
        with suppress(FileNotFoundError):
            if file.stat().st_mtime <= time.time() - age:
                file.unlink()


def open_blobs(place: str) -> Blobs:
    """Packages in a folder, or in `s3://BUCKET/PREFIX`. Raises DiagnosticsError."""
    return S3Blobs(place) if place.startswith("s3://") else DiskBlobs(Path(place))
