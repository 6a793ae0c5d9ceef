"""Whose token it is: looked up, compared in constant time, remembered for a moment."""

from __future__ import annotations

import hmac
import threading
import time
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from iacengine.registry.caller import Caller
from iacengine.registry.limits import Guesses, counted_as
from iacengine.registry.refusal import Refusal
from iacengine.registry.store.opening import Store
from iacengine.registry.store.tokens import KnownToken, digest_of, find_token, id_of, note_uses

REMEMBERED = 10.0
"""Seconds that a token is taken for good without asking the database; a revocation is told to all at once."""

_MOST_REMEMBERED = 10_000
_NOBODY = bytes(32)


def secret_in(header: str, method: str) -> str | None:
    """The token in an `Authorization` header: a bearer's; or, where nothing is changed, the password of basic
    credentials, which a browser sends, whatever page has it do so."""
    kind, _, rest = header.partition(" ")
    if kind.lower() == "bearer":
        return rest.strip()
    if kind.lower() == "basic" and method in ("GET", "HEAD"):
        try:
            return b64decode(rest.strip(), validate=True).decode().partition(":")[2]
        except ValueError:
            return ""
    return None


class Authenticator:
    """Knows tokens. Threads may share it."""

    def __init__(
        self,
        store: Store,
        *,
        guesses: Guesses | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._clock, self._now = store, clock, now
        self._guesses = guesses or Guesses()
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[KnownToken, float]] = OrderedDict()
        self._uses: dict[str, tuple[datetime, str]] = {}
        self._forgotten = 0

    def remembered(self, secret: str, address: str) -> Caller | None:
        """The caller, if that can be told without asking the database."""
        token_id = id_of(secret)
        held = None if token_id is None else self._known.get(token_id)
        if held is None or held[1] <= self._clock():
            return None
        return self._judged(held[0], secret, address)

    def caller(self, secret: str, address: str) -> Caller:
        """Whose token this is. Raises Refusal: 401 for a token that is none, or counts no more; 429 for who has tried
        too many; DatabaseError."""
        if (found := self.remembered(secret, address)) is not None:
            return found
        counted = counted_as(address)
        if (wait := self._guesses.wait(counted)) > 0:
            raise Refusal(
                429,
                "too_many_wrong_tokens",
                "Too many wrong tokens",
                f"{address} has sent too many tokens that are not good.",
                "Wait, then try again with the right one.",
                {"Retry-After": str(int(wait) + 1)},
            )
        token_id = id_of(secret)
        forgotten = self._forgotten
        known = None
        if token_id is not None:
            known = self._store.read(lambda connection: find_token(connection, token_id), "look a token up")
        found = None if known is None else self._judged(known, secret, address)
        if known is None:
            hmac.compare_digest(_NOBODY, digest_of(secret))  # as long as for one that exists
        if known is None or found is None:
            self._guesses.failed(counted)
            raise Refusal(
                401,
                "token_refused",
                "Token refused",
                "The token is wrong, expired or revoked.",
                "Log in again: iac login HOST",
                {"WWW-Authenticate": 'Bearer realm="registry", error="invalid_token"'},
            )
        with self._lock:
            if forgotten == self._forgotten:
                self._known[found.token_id] = (known, self._clock() + REMEMBERED)
                while len(self._known) > _MOST_REMEMBERED:
                    self._known.popitem(last=False)
        return found

    def forget(self) -> None:
        """Ask the database again from now on: some token was changed."""
        with self._lock:
            self._forgotten += 1
            self._known.clear()

    def write_uses(self) -> None:
        """Write down when tokens were used. Raises DatabaseError."""
        with self._lock:
            uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            self._store.write(lambda connection: note_uses(connection, uses), "note the use of tokens")
        except BaseException:
            with self._lock:
                self._uses = {**uses, **self._uses}
            raise

    def _judged(self, known: KnownToken, secret: str, address: str) -> Caller | None:
        same = hmac.compare_digest(known.digest, digest_of(secret))
        now = self._now()
        expires = known.caller.expires
        if not same or known.revoked or (expires is not None and expires <= now):
            return None
        with self._lock:
            self._uses[known.caller.token_id] = (now, address)
        return replace(known.caller, address=address)
