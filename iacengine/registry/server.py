"""Running the service: settings, logs, TLS, uvicorn."""

from __future__ import annotations

import logging
import os
import signal
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog
import uvicorn

from iacengine.foundation.diagnostics import failure
from iacengine.foundation.disk import disk_failure
from iacengine.modules.wire import LARGEST_PACKAGE
from iacengine.registry.application import create_app
from iacengine.registry.blobs import open_blobs, remove_older
from iacengine.registry.connection import PatientProtocol
from iacengine.registry.embedded import embedded_database
from iacengine.registry.publishing import ABANDONED
from iacengine.registry.service import Service, ServiceSettings
from iacengine.registry.store.opening import DATABASE_VARIABLE, Store, open_store

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where and how to serve. `port` 0: a free one. `packages`: a folder or `s3://BUCKET/PREFIX`; "" for a folder in
    `data`. `proxies`: addresses whose X-Forwarded-For and X-Forwarded-Proto count. Sizes in bytes."""

    data: Path
    address: str = "127.0.0.1"
    port: int = 8470
    certificate: str = ""
    key: str = ""
    packages: str = ""
    hosts: frozenset[str] = frozenset()
    open: bool = True
    rate: float = 300.0
    largest_package: int = LARGEST_PACKAGE
    memory: int = 256 << 20
    proxies: tuple[str, ...] = ()
    log_level: str = "info"
    concurrency: int = 1000
    migrate: bool = True
    silence: float = 15.0


@contextmanager
def registry_store(data: Path) -> Iterator[Store]:
    """The store: in the database that the environment names, else in an embedded one. Raises DiagnosticsError."""
    given = os.environ.get(DATABASE_VARIABLE, "")
    if given:
        store = open_store(given)
        try:
            yield store
        finally:
            store.database.close()
        return
    with embedded_database(data / "postgres") as conninfo:
        store = open_store(conninfo, "the embedded database")
        try:
            yield store
        finally:
            store.database.close()


def serve(settings: ServerSettings, started: Callable[[str], None] = lambda url: None) -> None:
    """Serve until SIGINT or SIGTERM, then let running requests end. `started` is called with the URL when requests are
    taken. Raises DiagnosticsError when it cannot begin."""
    configure_logs(settings.log_level)
    signal.signal(signal.SIGTERM, _interrupt)  # until the server takes over: the database is stopped in order
    tls = _tls(settings)
    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o711)
        uploads = settings.data / "uploads"
        uploads.mkdir(exist_ok=True, mode=0o700)
        remove_older(uploads, ABANDONED)
    except OSError as problem:
        raise disk_failure(problem, "make the registry's folder", str(settings.data)) from None
    tempfile.tempdir = str(uploads)  # multipart bodies go there as well, rather than into memory that /tmp may be
    with registry_store(settings.data) as store:
        if settings.migrate:
            store.migrate()
        else:
            store.require_tables()
        service = Service(
            ServiceSettings(
                folder=uploads,
                hosts=settings.hosts,
                open=settings.open,
                rate=settings.rate,
                burst=max(1.0, settings.rate * 3),
                largest_package=settings.largest_package,
                silence=settings.silence,
                memory=settings.memory,
            ),
            store,
            open_blobs(settings.packages or str(settings.data / "packages")),
        )
        _Server(server_config(settings, service, tls), started).run()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[str], None]) -> None:
        super().__init__(config)
        self._told = started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but a signal has done its work when the server has ended, and is not raised again."""
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: Any = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            raise failure(
                "Cannot listen",
                f"{self.config.host}:{self.config.port} cannot be listened on; the log says why.",
                remedy="Name another --address or --port.",
            ) from None
        if self.should_exit:
            return
        port = self.servers[0].sockets[0].getsockname()[1]
        scheme = "https" if self.config.is_ssl else "http"
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        self._told(f"{scheme}://{host}:{port}")


def server_config(settings: ServerSettings, service: Service, tls: dict[str, Any]) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(service),
        host=settings.address,
        port=settings.port,
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=",".join(settings.proxies),
        timeout_keep_alive=15,
        timeout_graceful_shutdown=20,
        limit_concurrency=settings.concurrency,
        backlog=512,
        **tls,
    )


def _tls(settings: ServerSettings) -> dict[str, Any]:
    """Raises DiagnosticsError when certificate and key are not usable."""
    if not settings.certificate and not settings.key:
        return {}
    if not (settings.certificate and settings.key):
        raise failure("TLS needs both", "A certificate needs its key.", remedy="Give --tls-cert and --tls-key.")
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ssl.SSLError) as problem:
        raise failure(
            "Certificate or key is not usable",
            f"{settings.certificate}, {settings.key}: {problem}.",
            remedy="Name PEM files of a certificate, with its chain, and the key that belongs to it.",
        ) from None
    return {"ssl_certfile": settings.certificate, "ssl_keyfile": settings.key}


def configure_logs(level: str) -> None:
    """One JSON object a line on standard error."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=lambda event, **_: orjson.dumps(event, default=str)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(
                    serializer=lambda event, **_: orjson.dumps(event, default=str).decode()
                ),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
