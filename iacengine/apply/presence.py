"""Looking what is there of an object that somebody may just have made, changed or deleted.

Clouds are eventually consistent: for a while a read shows an object as it was before, and one that was just made as if
there were none. So there are two looks, by the object itself and by the token of the operation that made it
(`Provider.find`). When they agree, that is it. When they do not, reads are waited for; and also when nobody can look by
the token, and the object seems to be gone, or to be as it was before what may have been done to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import sleep

from iacengine.foundation.diagnostics import Diagnostic, error, has_errors
from iacengine.lang.values import Value, same
from iacengine.provider.protocol import Provider, ReadRequest, ReadResponse

_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
"""Seconds between two looks: 13 in all."""

BRIEF = 6
"""How many of these pauses are enough where it is unlikely that something was done: 3 seconds in all."""


class Waiting:
    """How long reads are waited for. Objects that are looked at one after the other share it: they age together."""

    def __init__(
        self,
        pauses: Sequence[float] | None = None,
        wait: Callable[[float], object] = sleep,
        *,
        at_most: int | None = None,
    ) -> None:
        self._left = list(reversed((_PAUSES if pauses is None else pauses)[:at_most]))
        self._wait = wait

    def again(self) -> bool:
        """Wait a little, and longer each time; False when that was enough."""
        if not self._left:
            return False
        self._wait(self._left.pop())
        return True


def look(
    provider: Provider,
    request: ReadRequest,
    token: str | None,
    waiting: Waiting,
    changing: Iterable[str] = (),
    *,
    persistent: bool = False,
    before: Value = None,
    deleting: bool = False,
) -> ReadResponse:
    """The object as it is now, state None when it is gone; with errors when that cannot be found out.

    `token`: of the operation that made it, None when nobody knows. `changing`: names of attributes that may just have
    been changed. `persistent`: after any error there is another look, not only after one that may pass. `before`: the
    object before that; `deleting`: it may just have been deleted. Raises DiagnosticsError as the provider does.
    """
    while True:
        (seen,) = provider.read([request])
        asks = not has_errors(seen.diagnostics) and bool(token) and not provider.is_local
        found = provider.find(request.type, token) if asks and token else ReadResponse(None)
        if has_errors(found.diagnostics):
            seen = found
        is_certain = asks and not found.diagnostics
        if has_errors(seen.diagnostics):
            is_known = not (persistent or seen.retryable or seen.throttled)
        elif is_certain:
            is_known = _agree(seen.state, found.state, changing)
        else:
            is_known = provider.is_local or _shows_it(seen.state, before, changing, deleting=deleting)
        if is_known or not waiting.again():
            break
    if is_certain and found.state is not None and seen.state is None:
        return ReadResponse(None, diagnostics=(_not_visible(request.type),))
    return seen


def _agree(seen: Value, found: Value, changing: Iterable[str]) -> bool:
    if seen is None or found is None:
        return seen is found
    return all(same(seen.get(name), found.get(name)) for name in changing)


def _shows_it(seen: Value, before: Value, changing: Iterable[str], *, deleting: bool) -> bool:
    """Whether a read shows what may have been done. That nothing was done it cannot show."""
    if deleting or seen is None:
        return deleting and seen is None
    names = list(changing) if before is not None else []
    return not names or any(not same(seen.get(name), before.get(name)) for name in names)


def _not_visible(type_: str) -> Diagnostic:
    return error(
        "Object not visible yet",
        f"The {type_} is found by the token of the operation that made it, but cannot be read.",
        remedy="Nothing is lost. Run the command again in a while; reads of this cloud lag behind.",
    )
