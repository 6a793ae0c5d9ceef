"""A registry that can be told to lie, and stacks that install from it. The honest one is the service itself."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import os
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from iacengine.config.cache import ParseCache
from iacengine.config.model import Configuration
from iacengine.engine.modules import ModuleOptions, install, load_with_modules
from iacengine.foundation.diagnostics import DiagnosticsError, Findings
from iacengine.modules import signing_key, wire
from iacengine.modules.archive import remove_tree
from iacengine.modules.install import InstallOptions, Modules
from iacengine.modules.lockfile import Lock, read_lock
from iacengine.modules.publication import ModuleDescription, PackedModule, pack_module, sign_module
from iacengine.modules.signing_key import SigningKey
from iacengine.modules.source import parse_address
from iacengine.testing.services.certificates import Certificates, make_certificates

NOW = datetime.datetime(2026, 11, 1, 12, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class Shelved:
    """A version as the registry serves it: its entry, the bytes, and the envelopes."""

    entry: wire.VersionEntry
    data: bytes
    envelopes: tuple[bytes, ...] = ()


@dataclass(slots=True)
class Reply:
    """What is about to be answered; a test may change it. `cut`: break the connection after so many bytes."""

    path: str
    status: int
    headers: dict[str, str]
    content: bytes
    cut: int | None = None


@dataclass(slots=True, eq=False)
class Shelf:
    """A registry over TLS, whose every answer passes through `tamper`."""

    folder: Path
    host: str = ""
    authority: Path = Path()
    modules: dict[str, dict[str, Shelved]] = field(default_factory=dict)
    revoked: list[wire.Revocation] = field(default_factory=list)
    tamper: Callable[[Reply], None] | None = None
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    server: ThreadingHTTPServer | None = None

    def publish(
        self,
        address: str,
        version: str,
        files: dict[str, str] | str = "output: {at: {value: 1}}\n",
        signers: Sequence[SigningKey] = (),
        *,
        now: datetime.datetime = NOW,
    ) -> PackedModule:
        """Put a version onto the shelf: its files by path, or the one stack file; signed once by all of them."""
        folder = self.folder / f"{len(list(self.folder.iterdir()))}"
        for name, text in ({"main.iac.yaml": files} if isinstance(files, str) else files).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        packed = pack_module(str(folder), ModuleDescription(parse_address(address), version))
        envelopes = (sign_module(packed.package, signers, now),) if signers else ()
        self.put(address, version, packed, envelopes)
        return packed

    def put(self, address: str, version: str, packed: PackedModule, envelopes: Sequence[bytes] = ()) -> None:
        """Serve a package under a name and number, whatever it says itself."""
        package = packed.package
        entry = wire.VersionEntry(
            version,
            "2026-11-01T12:00:00Z",
            package.digest,
            package.tree_digest,
            package.size,
            dependencies=tuple(
                wire.DependencyEntry(one.source, one.constraint) for one in package.manifest.dependencies
            ),
        )
        self.modules.setdefault(address, {})[version] = Shelved(entry, packed.data, tuple(envelopes))

    def change(self, address: str, version: str, **fields: Any) -> None:
        """Change what is served of a version: `data`, `envelopes`, or a field of its entry."""
        shelved = self.modules[address][version]
        own = {name: value for name, value in fields.items() if name in ("data", "envelopes")}
        entry = replace(shelved.entry, **{name: value for name, value in fields.items() if name not in own})
        self.modules[address][version] = replace(shelved, entry=entry, **own)

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        plain = unquote(urlsplit(path).path)
        if plain == "/.well-known/terraform.json":
            return _json(200, {"iacengine.v1": "/api/v1/", "modules.v1": "/v1/modules/"})
        if plain == "/api/v1/revocations":
            return _json(200, wire.encode(wire.Revocations(tuple(self.revoked))))
        match = re.fullmatch(r"/api/v1/modules/([^/]+/[^/]+/[^/]+)/versions(?:/([^/]+)/(package|envelopes))?", plain)
        versions = self.modules.get(match[1]) if match else None
        if match is None or versions is None or (match[2] and match[2] not in versions):
            return _json(404, wire.encode(wire.Problem("No such module", 404, "not_found")), wire.PROBLEM_TYPE)
        if match[2] is None:
            entries = tuple(shelved.entry for shelved in versions.values())
            return _json(200, wire.encode(wire.ModuleVersions(match[1], entries)))
        shelved = versions[match[2]]
        if match[3] == "package":
            return 200, {"Content-Type": wire.PACKAGE_TYPE, "ETag": f'"{shelved.entry.package_digest}"'}, shelved.data
        return _json(200, wire.encode(wire.Envelopes(tuple(json.loads(one) for one in shelved.envelopes))))

    @property
    def paths(self) -> list[str]:
        """What was asked for, without packages' hosts and parameters."""
        return [urlsplit(path).path for path in self.asked]

    def stop(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


def _json(status: int, message: Any, type_: str = "application/json") -> tuple[int, dict[str, str], bytes]:
    content = message if isinstance(message, bytes) else json.dumps(message).encode()
    return status, {"Content-Type": type_}, content


def _handler(shelf: Shelf) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            shelf.asked.append(self.path)
            shelf.headers.append({name.lower(): value for name, value in self.headers.items()})
            reply = Reply(self.path, *shelf.answer(self.path))
            if shelf.tamper is not None:
                shelf.tamper(reply)
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(reply.content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.content[: reply.cut])
            self.close_connection = reply.cut is not None

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    return Handler


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def new_shelf(tmp_path: Path, certificates: Certificates) -> Iterator[Callable[[], Shelf]]:
    """new_shelf(): one more registry."""
    made: list[Shelf] = []

    def make() -> Shelf:
        folder = tmp_path / f"shelf{len(made)}"
        folder.mkdir()
        shelf = Shelf(folder, authority=certificates.authority)
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(shelf))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate, certificates.key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.daemon_threads = True
        shelf.server, shelf.host = server, f"localhost:{server.server_port}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        made.append(shelf)
        return shelf

    yield make
    for shelf in made:
        shelf.stop()


@pytest.fixture
def shelf(new_shelf: Callable[[], Shelf]) -> Shelf:
    """A registry."""
    return new_shelf()


@pytest.fixture
def user(tmp_path: Path, shelf: Shelf) -> dict[str, str]:
    """The environment of a user whose default registry is the shelf. Unsigned modules are allowed where no rule is."""
    home = tmp_path / "home"
    settings = home / "config" / "iacengine"
    settings.mkdir(parents=True)
    (settings / "trust.yaml").write_text("unsigned: allow\n")
    return {
        "HOME": str(home),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "IAC_REGISTRY": shelf.host,
        "IAC_CA_BUNDLE": str(shelf.authority),
    }


@pytest.fixture(scope="session")
def keys() -> list[SigningKey]:
    """Three keys."""
    return [signing_key.generate() for _ in range(3)]


class Site:
    """A stack of a user, loaded as the engine loads it."""

    def __init__(self, folder: Path, user: dict[str, str]) -> None:
        self.folder, self.user = folder, user

    def write(self, text: str, name: str = "main.iac.yaml") -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def trust(self, text: str) -> None:
        """The policy beside the stack."""
        self.write(text, "iac.trust.yaml")

    def load(self, **options: Any) -> Configuration:
        findings = Findings()
        with self._as_user():
            return load_with_modules(str(self.folder), str(self.folder), ParseCache(""), findings, _options(options))

    def install(self, upgrade: list[str] | None = None, **options: Any) -> list[str]:
        """Install; what has changed in the lock file, but for providers."""
        with self._as_user():
            changes = install(str(self.folder), str(self.folder), _options(options), upgrade).changes
        return [change for change in changes if " provider " not in change]

    @contextlib.contextmanager
    def modules(self, **options: Any) -> Iterator[Modules]:
        modules = Modules(str(self.folder), str(self.folder), InstallOptions(**options), environment=self.user)
        try:
            yield modules
        finally:
            modules.close()

    @contextlib.contextmanager
    def _as_user(self) -> Iterator[None]:
        before = dict(os.environ)
        try:
            os.environ.clear()
            os.environ.update(self.user)
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    @property
    def lock_file(self) -> Path:
        return self.folder / "iac.lock.yaml"

    @property
    def lock(self) -> Lock:
        return read_lock(str(self.folder))

    @property
    def versions(self) -> list[str]:
        """What is locked from registries, without their hosts."""
        return [f"{one.source.split('/', 1)[1]} {one.version}" for one in self.lock.modules if one.version]

    @property
    def cache(self) -> Path:
        return Path(self.user["XDG_CACHE_HOME"], "iacengine", "modules")

    @property
    def trees(self) -> set[str]:
        """The digests of the trees in the cache, and whatever else lies among them."""
        folder = self.cache / "sha256"
        return {path.name for path in folder.iterdir()} if folder.is_dir() else set()

    def forget(self) -> None:
        """Empty the cache."""
        remove_tree(str(self.cache))


def _options(options: dict[str, Any]) -> ModuleOptions:
    return ModuleOptions(**options)


@pytest.fixture
def new_site(tmp_path: Path, user: dict[str, str]) -> Callable[[], Site]:
    """new_site(): one more stack of the user."""
    numbers = itertools.count()

    def make() -> Site:
        folder = tmp_path / f"site{next(numbers)}"
        folder.mkdir()
        return Site(folder, user)

    return make


@pytest.fixture
def site(new_site: Callable[[], Site]) -> Site:
    """A stack of the user."""
    return new_site()


@pytest.fixture
def code_of() -> Callable[..., str]:
    """code_of(function, …): the code of the error that it raises."""

    def find(function: Callable[..., Any], *arguments: Any, **named: Any) -> str:
        with pytest.raises(DiagnosticsError) as refused:
            function(*arguments, **named)
        codes = [one.code for one in refused.value.diagnostics]
        assert len(set(codes)) == 1, refused.value
        assert all(one.remedy for one in refused.value.diagnostics)
        return codes[0]

    return find
