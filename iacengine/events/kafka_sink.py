"""Events in a Kafka topic: one message each, whose key is the run, so that those of one run stay in order.

`kafka://HOST[:PORT][,HOST[:PORT]…]/TOPIC[?NAME=VALUE…]`, where the names are settings of librdkafka
(https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md), such as `security.protocol=SASL_SSL`. The
password of a SASL user may stand in the environment variable `IAC_EVENTS_PASSWORD`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from iacengine.events.sink import SinkError
from iacengine.foundation.diagnostics import failure

if TYPE_CHECKING:
    from confluent_kafka import Producer

_TIMEOUT = 5.0
_REMEDY = "Write kafka://HOST:PORT/TOPIC; settings of librdkafka may follow as ?NAME=VALUE."


def open_kafka_sink(url: str) -> KafkaSink:
    """The sink of a URL. Raises DiagnosticsError when it is none, or the library is not installed."""
    try:
        from confluent_kafka import KafkaException, Producer  # lazy: an extra
    except ImportError:
        raise failure(
            "Events cannot be sent to Kafka",
            "The library for that is not installed.",
            remedy="Install it: pip install 'iacengine[kafka]'.",
        ) from None
    parts = urlsplit(url)
    servers, topic = parts.netloc.rpartition("@")[2], unquote(parts.path.strip("/"))
    if not servers or not topic:
        raise failure("Invalid sink for events", "A Kafka sink needs a server and a topic.", remedy=_REMEDY)
    settings: dict[str, Any] = {
        "bootstrap.servers": servers,
        "enable.idempotence": True,
        "message.timeout.ms": int(_TIMEOUT * 1000),
        "socket.connection.setup.timeout.ms": 3000,
        "log_level": 0,  # it would print to standard error
        **dict(parse_qsl(parts.query, keep_blank_values=True)),
    }
    if os.environ.get("IAC_EVENTS_PASSWORD"):
        settings["sasl.password"] = os.environ["IAC_EVENTS_PASSWORD"]
    try:
        producer = Producer({**settings, "error_cb": _unheard})
    except (KafkaException, TypeError, ValueError) as problem:
        code = (
            problem.args[0].name() if isinstance(problem, KafkaException) and problem.args else type(problem).__name__
        )
        raise failure(
            "Invalid sink for events", f"librdkafka refuses the settings of the URL ({code}).", remedy=_REMEDY
        ) from None
    return KafkaSink(producer, topic, f"kafka://{servers}/{topic}")


def _unheard(_: object) -> None:
    """Errors of connections: what they come to is told when messages do not arrive."""


class KafkaSink:
    """Produces to one topic."""

    def __init__(self, producer: Producer, topic: str, where: str) -> None:
        self._producer, self._topic, self._where = producer, topic, where

    def describe(self) -> str:
        return self._where

    def send(self, run: str, events: Sequence[bytes]) -> None:
        problems: list[str] = []

        def delivered(problem: Any, _: object) -> None:
            if problem is not None:
                problems.append(problem.name())

        try:
            for event in events:
                self._producer.produce(self._topic, event, run.encode(), on_delivery=delivered)
        except BufferError:
            problems.append("its queue is full")
        left = self._producer.flush(_TIMEOUT)
        if left or problems:
            self._producer.purge()
            self._producer.flush(0)
            raise SinkError(problems[0] if problems else "no server took them in time")

    def close(self) -> None:
        self._producer.purge()
