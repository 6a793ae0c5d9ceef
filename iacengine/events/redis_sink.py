"""Events in a Redis stream: one entry each, with the JSON text in the field `event`.

`redis://[USER:PASSWORD@]HOST[:PORT][/DB][?stream=NAME&maxlen=N]`; `rediss://` for TLS, `unix://PATH` for a socket.
The stream is `iac-events` unless it is named; with `maxlen` it is kept to about so many entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from iacengine.events.sink import SinkError
from iacengine.foundation.diagnostics import failure

if TYPE_CHECKING:
    from redis import Redis

_TIMEOUT = 3.0
_REMEDY = "Write redis://HOST:PORT/DB?stream=NAME."


def open_redis_sink(url: str) -> RedisSink:
    """The sink of a URL. Raises DiagnosticsError when it is none, or the library is not installed."""
    try:
        from redis import Redis  # lazy: an extra
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        raise failure(
            "Events cannot be sent to Redis",
            "The library for that is not installed.",
            remedy="Install it: pip install 'iacengine[redis]'.",
        ) from None
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        stream, limit = query.pop("stream", "iac-events"), query.pop("maxlen", None)
        maximum = int(limit) if limit is not None else None
        client = Redis.from_url(
            url.partition("?")[0] + (f"?{urlencode(query)}" if query else ""),
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        where = (
            f"{parts.scheme}://{parts.hostname or parts.path}{f':{parts.port}' if parts.port else ''}, stream {stream}"
        )
    except (TypeError, ValueError):  # its text may hold the password
        raise failure("Invalid sink for events", "This is not the address of a Redis server.", remedy=_REMEDY) from None
    return RedisSink(client, stream, maximum, where)


class RedisSink:
    """Appends to one stream. Redis keeps the order of one connection."""

    def __init__(self, client: Redis, stream: str, maximum: int | None, where: str) -> None:
        self._client, self._stream, self._maximum, self._where = client, stream, maximum, where

    def describe(self) -> str:
        return self._where

    def send(self, run: str, events: Sequence[bytes]) -> None:
        from redis.exceptions import RedisError  # lazy, as above

        try:
            pipeline = self._client.pipeline(transaction=False)
            for event in events:
                pipeline.xadd(self._stream, {"run": run, "event": event}, maxlen=self._maximum, approximate=True)
            pipeline.execute()
        except (RedisError, OSError) as problem:
            raise SinkError(type(problem).__name__) from None  # its text may name what nobody is to see

    def close(self) -> None:
        self._client.close()
