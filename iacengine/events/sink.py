"""Where events go: what a sink offers, and how one is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from iacengine.foundation.diagnostics import failure


class SinkError(Exception):
    """Events could not be handed over. The text says why, without credentials."""


class EventSink(Protocol):
    """Takes events, one JSON text without a newline each, in order. Used from one thread."""

    def describe(self) -> str:
        """Where they go, for messages; without credentials."""

    def send(self, run: str, events: Sequence[bytes]) -> None:
        """Hand over events of a run; when this returns they are there. Raises SinkError: then some may be there, and
        all are sent again. May block for some seconds, not for ever."""

    def close(self) -> None:
        """Let connections go. Raises nothing."""


def open_sink(target: str) -> EventSink:
    """The sink that a URL names. Nothing is connected yet. Raises DiagnosticsError for what can be no sink."""
    scheme = target.partition("://")[0]
    if scheme in ("redis", "rediss", "unix"):
        from iacengine.events.redis_sink import open_redis_sink  # lazy: it needs a library that few have

        return open_redis_sink(target)
    if scheme == "kafka":
        from iacengine.events.kafka_sink import open_kafka_sink  # lazy, as above

        return open_kafka_sink(target)
    raise failure(
        "Unknown sink for events",
        f'"{scheme}://" names no kind of sink.',
        remedy="Write a file, `-` for standard output, redis://HOST:PORT/DB?stream=NAME or kafka://HOST:PORT/TOPIC.",
    )
