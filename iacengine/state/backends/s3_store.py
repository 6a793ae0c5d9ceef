"""Objects of one bucket: get, put under a condition, list, delete; with patience, and failures that are told well.

A request that fails in passing is sent again, with pauses that double and differ by chance (Brooker, Exponential
Backoff and Jitter, AWS Architecture Blog 2015). Sending a conditional put again is safe: at most one of them wins.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.backends.s3_errors import code_of, is_transient, redirected, s3_failure, status_of
from iacengine.state.backends.s3_settings import S3Settings

if TYPE_CHECKING:
    from botocore.client import BaseClient

A = TypeVar("A")

PATIENCE: Final = 30.0
"""Seconds that a call is tried for."""
_FIRST_PATIENCE = 8.0
"""Until the server has answered once (more likely the endpoint is wrong than the network down), and again when it has
stayed away for the whole of the patience."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds
_AT_ONCE = 16  # gets side by side
_BATCH = 1000  # objects that one request can delete, by S3's documentation


@dataclass(frozen=True, slots=True)
class Stored:
    """An object: `age` is how long ago it was written, in whole seconds of the server's clock; 0 if it does not tell.
    `written` is when, in seconds since 1970, None likewise."""

    data: bytes
    etag: str
    age: float = 0.0
    written: float | None = None


ABSENT: Final = "*"
"""The condition that there is no such object yet."""


class S3Store:
    """The objects of the bucket. The client is made when it is first used; threads may share it."""

    def __init__(
        self,
        settings: S3Settings,
        where: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings, self._where, self._clock, self._sleep = settings, where, clock, sleep
        self._mutex = threading.Lock()
        self._client: BaseClient | None = None
        self._answered = False
        more: dict[str, Any] = {}
        if settings.sse_key is not None:
            more = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": settings.sse_key}
        self._get_more = dict(more)
        if settings.kms_key_id:
            more |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": settings.kms_key_id}
        elif settings.encrypt and settings.sse_key is None:
            more["ServerSideEncryption"] = "AES256"
        if settings.acl:
            more["ACL"] = settings.acl
        self._put_more = more

    def get(self, key: str, doing: str, patience: float = PATIENCE) -> Stored | None:
        """The object; None when there is none. `doing` says in messages what it is for."""

        def call(client: Any) -> Stored:
            answer = client.get_object(Bucket=self._settings.bucket, Key=key, **self._get_more)
            headers = answer["ResponseMetadata"]["HTTPHeaders"]
            written, now = _seconds(headers.get("last-modified")), _seconds(headers.get("date"))
            age = 0.0 if written is None or now is None else now - written
            return Stored(answer["Body"].read(), answer["ETag"], age, written)

        try:
            return self._call(call, doing, patience)
        except _NotFoundError:
            return None

    def put(
        self, key: str, data: bytes, doing: str, *, condition: str | None = None, patience: float = PATIENCE
    ) -> str | None:
        """Write the object if it still has the ETag `condition` (ABSENT: if there is none; None: in any case).

        The new ETag; None when the condition does not hold, which can also mean that an earlier try got through
        whose answer was lost.
        """
        more = dict(self._put_more)
        if condition is not None:
            more["IfNoneMatch" if condition == ABSENT else "IfMatch"] = condition

        def call(client: Any) -> str:
            return str(client.put_object(Bucket=self._settings.bucket, Key=key, Body=data, **more)["ETag"])

        try:
            return self._call(call, doing, patience)
        except (_NotFoundError, _ConditionError):
            return None

    def list(self, prefix: str, doing: str) -> list[tuple[str, float]]:
        """The keys that start so, in order, and when each was written (seconds since 1970)."""
        found: list[tuple[str, float]] = []
        more: dict[str, str] = {}
        while True:
            page = self._call(
                lambda client: client.list_objects_v2(Bucket=self._settings.bucket, Prefix=prefix, **more),  # noqa: B023
                doing,
                PATIENCE,
            )
            found += [(entry["Key"], entry["LastModified"].timestamp()) for entry in page.get("Contents", ())]
            if not page.get("IsTruncated"):
                return found
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def get_all(self, keys: Sequence[str], doing: str) -> dict[str, bytes]:
        """Those of the objects that are there, fetched side by side."""
        if len(keys) < 2:
            found: Iterable[Stored | None] = [self.get(key, doing) for key in keys]
        else:
            with ThreadPoolExecutor(min(_AT_ONCE, len(keys)), thread_name_prefix="s3") as pool:
                found = list(pool.map(lambda key: self.get(key, doing), keys))
        return {key: stored.data for key, stored in zip(keys, found, strict=True) if stored is not None}

    def delete(self, keys: Sequence[str], doing: str) -> None:
        """Delete the objects; those that are not there count as deleted."""
        for start in range(0, len(keys), _BATCH):
            batch = keys[start : start + _BATCH]
            try:
                self._delete_batch(batch, doing)
            except DiagnosticsError:  # some servers know no deletion of many, or not its checksum
                for key in batch:
                    self._delete_one(key, doing)

    def _delete_batch(self, keys: Sequence[str], doing: str) -> None:
        wanted = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        self._call(lambda client: client.delete_objects(Bucket=self._settings.bucket, Delete=wanted), doing, PATIENCE)

    def _delete_one(self, key: str, doing: str) -> None:
        self._call(lambda client: client.delete_object(Bucket=self._settings.bucket, Key=key), doing, PATIENCE)

    def close(self) -> None:
        with self._mutex:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _call(self, call: Callable[[Any], A], doing: str, patience: float) -> A:
        from botocore.exceptions import BotoCoreError, ClientError  # heavy: only for those who use this backend
        from botocore.parsers import ResponseParserError

        client = self._connected()
        limit = self._settings.max_retries
        deadline = self._clock() + (patience if self._answered else min(patience, _FIRST_PATIENCE))
        pause, tries = _FIRST_PAUSE, 0
        while True:
            tries += 1
            try:
                answer = call(client)
            except RecursionError:  # botocore asks for the region of a bucket with a request that is redirected, too
                raise redirected(self._where) from None
            except (BotoCoreError, ClientError, ResponseParserError) as problem:
                if code_of(problem):
                    self._answered = True
                if code_of(problem) == "NoSuchKey":
                    raise _NotFoundError from None
                if code_of(problem) == "PreconditionFailed" or status_of(problem) == 412:
                    raise _ConditionError from None
                wait = random.uniform(pause / 2, pause)  # noqa: S311 - nothing secret
                late = self._clock() + wait > deadline or (limit is not None and tries > limit)
                if late and patience >= PATIENCE:
                    self._answered = False
                if late or not is_transient(problem):
                    raise s3_failure(self._where, self._settings.bucket, doing, problem, tries) from None
                self._sleep(wait)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                self._answered = True
                return answer

    def _connected(self) -> BaseClient:
        with self._mutex:
            if self._client is None:
                from iacengine.state.backends.s3_client import make_client  # heavy: botocore

                self._client = make_client(self._settings, self._where)
            return self._client


class _NotFoundError(Exception):
    """There is no such object."""


class _ConditionError(Exception):
    """The condition of a put does not hold."""


def _seconds(date: str | None) -> float | None:
    """The seconds since 1970 of a date in a header."""
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except (TypeError, ValueError):
        return None


def ignoring_failures(call: Callable[..., None], *arguments: object) -> None:
    """For what is only tidying up: the next one who comes by does it."""
    try:
        call(*arguments)
    except DiagnosticsError:
        return
