"""Servers that take events: a real Redis, and the mock cluster that the Kafka library brings along."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(slots=True)
class RedisServer:
    """A server on a socket in a folder of its own."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/redis.sock"

    def start(self) -> None:
        arguments = ["--port", "0", "--unixsocket", f"{self.folder}/redis.sock", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(
            ["redis-server", *arguments, "--dir", str(self.folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if b"eady to accept connections" in line:
                return
        raise AssertionError("redis-server did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def client(self) -> Any:
        import redis

        return redis.Redis.from_url(self.url)


@pytest.fixture
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    pytest.importorskip("redis", reason="the extra redis is not installed")
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def kafka_cluster() -> Iterator[tuple[str, Callable[[str, int], list[Any]]]]:
    """The addresses of a cluster, and read(topic, count)."""
    kafka = pytest.importorskip("confluent_kafka", reason="the extra kafka is not installed")
    keeper = kafka.Producer({"test.mock.num.brokers": 2, "bootstrap.servers": "ignored", "log_level": 0})
    brokers = keeper.list_topics(timeout=10).brokers.values()
    servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def read(topic: str, count: int) -> list[Any]:
        consumer = kafka.Consumer(
            {"bootstrap.servers": servers, "group.id": "g", "auto.offset.reset": "earliest", "log_level": 0}
        )
        consumer.subscribe([topic])
        found: list[Any] = []
        try:
            while len(found) < count:
                message = consumer.poll(20)
                assert message is not None, f"{len(found)} of {count} messages came"
                if message.error() is None:
                    found.append(message)
        finally:
            consumer.close()
        return found

    yield servers, read
    del keeper
