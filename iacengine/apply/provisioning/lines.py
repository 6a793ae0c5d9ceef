"""Output as it comes, in lines."""

from __future__ import annotations

from typing import Final

from iacengine.apply.provisioning.model import Say

_LONGEST: Final = 65_536
"""Bytes of a line after which it is said in parts: something may print without ever ending a line."""

_KEPT: Final = 8 * 1024
"""Bytes of the end of the output that an error tells."""


class Lines:
    """Says each line when it is complete; `tail` is the end of all that was fed."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._rest = b""
        self._kept = b""

    def feed(self, chunk: bytes) -> None:
        self._kept = (self._kept + chunk)[-_KEPT:]
        *complete, self._rest = (self._rest + chunk).split(b"\n")
        for line in complete:
            self._say(_text(line))
        while len(self._rest) > _LONGEST:
            part, self._rest = self._rest[:_LONGEST], self._rest[_LONGEST:]
            self._say(_text(part))

    def end(self) -> None:
        """Say what is left, a line that was not ended."""
        if self._rest:
            self._say(_text(self._rest))
            self._rest = b""

    @property
    def tail(self) -> str:
        return self._kept.decode(errors="replace")


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode(errors="replace")
