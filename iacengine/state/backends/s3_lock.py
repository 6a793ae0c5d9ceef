"""The lock of the `s3` backend, and the compare-and-swap of the head that everything goes through."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.state.backends.base import LockInfo
from iacengine.state.backends.s3_errors import unconditional
from iacengine.state.backends.s3_head import Head, decode_head, encode_head
from iacengine.state.backends.s3_store import ABSENT, PATIENCE, S3Store, ignoring_failures
from iacengine.state.lease import Lease
from iacengine.state.lock import LockHeldError, LockLostError, lock_lost, no_such_lock

_FIRST_WAIT, _LONGEST_WAIT = 0.05, 1.0  # seconds
_SWAPS = 50  # how often a swap is tried that others come before
_NO_ETAG = f'"{"0" * 32}"'


@dataclass(frozen=True, slots=True)
class KnownHead:
    """The head as it was read or written: with the ETag that a swap names, and its age by the server's clock."""

    head: Head
    etag: str
    age: float = 0.0
    written: float | None = None

    @property
    def holder(self) -> LockInfo | None:
        """Who holds the lock, with the end of the lease by the server's clock if it tells the time."""
        holder = self.head.holder
        if holder is None or self.written is None:
            return holder
        ends = time.gmtime(self.written + self.head.lease)
        return replace(holder, expires=time.strftime("%Y-%m-%dT%H:%M:%SZ", ends))


class HeadObject:
    """The object that holds the head."""

    def __init__(self, store: S3Store, key: str, where: str, clock: Callable[[], float]) -> None:
        self.key, self.where = key, where
        self._store, self._clock = store, clock
        self._watched: tuple[str, float] | None = None  # an ETag, and since when nobody has changed it

    def read(self, doing: str, patience: float = PATIENCE) -> KnownHead | None:
        """The head as it is; None when there is none yet."""
        stored = self._store.get(self.key, doing, patience)
        if stored is None:
            return None
        return KnownHead(decode_head(stored.data, self.where), stored.etag, stored.age, stored.written)

    def swap(self, head: Head, etag: str, doing: str, patience: float = PATIENCE) -> str | None:
        """Put this head in the place of the one with the ETag. The new ETag; None when another stands there by now.

        That the answer to an earlier try was lost shows in that our own bytes stand there: no others can be equal.
        """
        data = encode_head(head)
        written = self._store.put(self.key, data, doing, condition=etag, patience=patience)
        if written is None:
            there = self._store.get(self.key, doing, patience)
            if there is not None and there.data == data:
                return there.etag
        return written

    def create(self, doing: str) -> None:
        """Make a head that says nothing yet. Raises DiagnosticsError when the server has no conditional writes, which
        is tried out now, while there is nothing to lose."""
        data = encode_head(Head())
        if self._store.put(self.key, data, doing, condition=ABSENT) is None:
            return  # somebody else was faster, or we were
        for condition in (ABSENT, _NO_ETAG):
            if self._store.put(self.key, data, doing, condition=condition) is not None:
                ignoring_failures(self._store.delete, [self.key], doing)
                raise unconditional(self.where)

    def is_over(self, known: KnownHead, asked: float) -> bool:
        """Whether the lease in the head, read by a request sent at `asked`, has run out.

        By the server's clock alone: the age of the object, in whole seconds of which one may have only begun. Or by
        ours alone: nobody has changed the head for as long as the lease lasts. Clocks are never compared.
        """
        if known.age >= known.head.lease + 1:
            return True
        if self._watched is None or self._watched[0] != known.etag:
            self._watched = (known.etag, self._clock())
            return False
        return asked - self._watched[1] >= known.head.lease


class S3Lock:
    """The lock while it is held, with what its holder knows of the head.

    `writing` makes writes of state and journal take turns. The head is swapped under a mutex of its own, so that a
    lease is renewed while a large state is on its way.
    """

    def __init__(
        self, target: HeadObject, known: KnownHead, info: LockInfo, asked: float, clock: Callable[[], float]
    ) -> None:
        self._object = target
        self._known: KnownHead | None = known  # None while it is unknown which head stands there
        self._mutex = threading.Lock()
        self.writing = threading.Lock()
        self.journal_opened = False
        self.tidied = False
        seconds = known.head.lease
        self._lease = Lease(
            info,
            target.where,
            seconds,
            lambda: self._renew(seconds / 3),
            lambda: self._free(min(PATIENCE, seconds)),
            asked=asked,
            clock=clock,
        )

    @property
    def info(self) -> LockInfo:
        return self._lease.info

    @property
    def where(self) -> str:
        return self._object.where

    def require(self) -> None:
        self._lease.require()

    def release(self) -> None:
        self._lease.release()

    def head(self, doing: str) -> Head:
        """The head as it is while we hold the lock. Raises LockLostError."""
        with self._mutex:
            if self._known is None:
                self._known = self._read(doing, PATIENCE)
            return self._known.head

    def commit(self, change: Callable[[Head], Head | None], doing: str, patience: float = PATIENCE) -> Head | None:
        """Swap the head for what `change` makes of it; None, and nothing is done, when that is None.

        Raises LockLostError when the lock is not ours any more, any other DiagnosticsError when it is unknown whether
        the swap was done; the next one looks.
        """
        try:
            with self._mutex:
                for _ in range(_SWAPS):
                    known = self._known or self._read(doing, patience)
                    self._known = known
                    wanted = change(known.head)
                    if wanted is None:
                        return None
                    wanted = replace(wanted, write=known.head.write + 1)
                    self._known = None  # until it is known which of the two stands there
                    etag = self._object.swap(wanted, known.etag, doing, patience)
                    if etag is not None:
                        self._known = KnownHead(wanted, etag)
                        return wanted
        except LockLostError as lost:
            self._lease.lose(lost)
            raise
        raise _contended(self.where)

    def _read(self, doing: str, patience: float) -> KnownHead:
        known = self._object.read(doing, patience)
        if known is None:
            raise lock_lost(self.where, "the object that holds the lock was removed")
        holder, mine = known.head.holder, self.info
        if holder is None:
            raise lock_lost(self.where, "the lock was broken")
        if holder.id != mine.id or holder.fencing_token != mine.fencing_token:
            raise lock_lost(
                self.where,
                f"the lock was taken over by {holder.owner} on {holder.host}, process {holder.pid}, for "
                f"`{holder.operation}` (fencing token {holder.fencing_token})",
            )
        return known

    def _renew(self, patience: float) -> None:
        self.commit(lambda head: head, "renew the lock", patience)

    def _free(self, patience: float) -> None:
        self.commit(lambda head: replace(head, holder=None), "give the lock back", patience)


def take_lock(
    target: HeadObject,
    info: LockInfo,
    lease: float,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> S3Lock:
    """Take the lock, waiting up to `timeout` seconds. Raises LockHeldError."""
    doing = "take the lock"
    deadline = clock() + timeout
    wait, lost_races = _FIRST_WAIT, 0
    while lost_races < _SWAPS:
        asked = clock()
        known = target.read(doing)
        if known is None:
            target.create(doing)
            lost_races += 1
            continue
        head, holder = known.head, known.head.holder
        mine = holder is not None and holder.id == info.id
        if holder is None or mine or target.is_over(known, asked):
            token = head.fencing_token if mine else head.fencing_token + 1
            taken = replace(info, fencing_token=token)
            wanted = replace(head, write=head.write + 1, fencing_token=token, holder=taken, lease=lease)
            asked = clock()
            etag = target.swap(wanted, known.etag, doing)
            if etag is not None:
                return S3Lock(target, KnownHead(wanted, etag), taken, asked, clock)
            lost_races += 1
            continue
        left = deadline - clock()
        if left <= 0:
            raise LockHeldError(target.where, known.holder)
        sleep(min(wait, left))
        wait = min(wait * 2, _LONGEST_WAIT, max(head.lease / 3, _FIRST_WAIT))
    raise _contended(target.where)


def break_lock(target: HeadObject, lock_id: str) -> None:
    """Free the lock that has this id: from then on every swap of its holder is refused."""
    doing = "break the lock"
    for _ in range(_SWAPS):
        known = target.read(doing)
        holder = None if known is None else known.head.holder
        if known is None or holder is None or holder.id != lock_id:
            raise no_such_lock(target.where, lock_id, holder)
        freed = replace(known.head, write=known.head.write + 1, holder=None)
        if target.swap(freed, known.etag, doing) is not None:
            return
    raise _contended(target.where)


def _contended(where: str) -> DiagnosticsError:
    return failure(
        "Too many want the state at once",
        f"{where}: others changed the head {_SWAPS} times in a row before we could. Nothing was changed.",
        remedy="Run the command again, with --lock-timeout=5m to wait for the others.",
    )
