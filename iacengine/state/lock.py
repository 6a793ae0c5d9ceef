"""Locks, as far as every backend has them: who holds one, and how that is told."""

from __future__ import annotations

import os
import pwd
import time
from typing import Any

from iacengine.foundation.diagnostics import DiagnosticsError, error, failure
from iacengine.state.backends.base import LockInfo


class LockHeldError(DiagnosticsError):
    """Somebody else holds the lock: `holder`, or None when that could not be learnt."""

    def __init__(self, where: str, holder: LockInfo | None) -> None:
        self.holder = holder
        super().__init__(error("The state is locked", _told(where, holder), remedy=_remedy(holder)))


class LockLostError(DiagnosticsError):
    """The lock was held and is not any more: nothing may be written under it."""


def lock_lost(where: str, why: str) -> LockLostError:
    return LockLostError(
        error(
            "The lock on the state was lost",
            f"{where}: {why}. Nothing was written, because somebody else may be working on the state.",
            remedy="Let the other run end, then run the command again; it recovers what this one left. "
            "Don't remove or replace lock files while a run is going on.",
        )
    )


def no_such_lock(where: str, lock_id: str, holder: LockInfo | None) -> DiagnosticsError:
    """What to raise when a lock is to be broken that is not the one that is held."""
    now = "nobody holds a lock on it" if holder is None else f"the lock that is held has the id {holder.id}"
    return failure("No such lock", f"{where}: {now}, not {lock_id}.", remedy="Look again with `iac lock list`.")


def lock_claim(operation: str, now: float | None = None) -> LockInfo:
    """What this process says of itself when it asks for a lock.

    `operation` is the command, such as `iac apply`; `now` the time in seconds since 1970 (None: the clock's).
    """
    return LockInfo(
        id=os.urandom(16).hex(),
        operation=operation,
        owner=_user(),
        host=os.uname().nodename,
        pid=os.getpid(),
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
    )


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user without a name, as containers have
        return f"uid {os.getuid()}"


def is_running(info: LockInfo) -> bool | None:
    """Whether the process that took the lock still runs; None when it is on another host."""
    if info.host != os.uname().nodename or info.pid <= 0:
        return None
    try:
        os.kill(info.pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _told(where: str, holder: LockInfo | None) -> str:
    if holder is None:
        return f"{where} is locked; its holder has left no readable information."
    running = is_running(holder)
    process = {True: "still running", False: "not running any more", None: "on another host"}[running]
    return (
        f"{where} is locked by {holder.owner} on {holder.host}, process {holder.pid} ({process}), for "
        f"`{holder.operation}` since {holder.created} (lock {holder.id}, fencing token {holder.fencing_token})."
    )


def _remedy(holder: LockInfo | None) -> str:
    wait = "Wait for it to end, or let iac wait for it with --lock-timeout=5m."
    if holder is None:
        return wait
    running = is_running(holder)
    if holder.expires:
        return (
            f"{wait} If it hangs, stop process {holder.pid} on {holder.host}: the lock is free when its lease has run "
            f"out (at {holder.expires}, unless it is renewed), and the next run recovers."
        )
    if running is None:
        return f"{wait} If it hangs, stop process {holder.pid} on {holder.host}."
    if running:
        return f"{wait} If it hangs, stop process {holder.pid}: the lock is then free, and the next run recovers."
    return "A process that it started may hold on to the lock: stop that, and the lock is free."


# --- the JSON form --------------------------------------------------------------------------------------------------


def lock_info_to_json(info: LockInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "operation": info.operation,
        "owner": info.owner,
        "host": info.host,
        "pid": info.pid,
        "created": info.created,
        "fencing_token": info.fencing_token,
        **({"expires": info.expires} if info.expires else {}),
    }


def lock_info_from_json(data: Any) -> LockInfo:
    """Raises KeyError, TypeError or ValueError when the data is no lock information."""
    return LockInfo(
        id=str(data["id"]),
        operation=str(data["operation"]),
        owner=str(data["owner"]),
        host=str(data["host"]),
        pid=int(data["pid"]),
        created=str(data["created"]),
        fencing_token=int(data["fencing_token"]),
        expires=str(data.get("expires", "")),
    )
