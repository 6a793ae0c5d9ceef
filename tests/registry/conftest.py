"""Registries for tests: the service on a real PostgreSQL, in a thread or as a process, and packages to publish.

`registry` is one for a whole file of tests, over TLS; `new_registry(…)` one more, with settings and a database of its
own. Both run in a thread of the tests, so that what they keep can be looked at. `registry_process` is the program.
"""

from __future__ import annotations

import io
import itertools
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import orjson
import psycopg
import pytest
import structlog
import uvicorn

from iacengine.modules import signing_key
from iacengine.modules.dsse import encode_envelope, sign
from iacengine.modules.model import Dependency, Manifest, ModuleAddress
from iacengine.modules.package import ModulePackage, pack
from iacengine.modules.signing_key import SigningKey
from iacengine.modules.statement import PAYLOAD_TYPE, Statement, encode_statement
from iacengine.modules.wire import Contents, DependencyEntry, ResourceEntry, encode_publication
from iacengine.registry import inspection, publishing
from iacengine.registry.blobs import DiskBlobs
from iacengine.registry.caller import ADMIN, Caller
from iacengine.registry.inspection import look_into
from iacengine.registry.server import ServerSettings, server_config
from iacengine.registry.service import Service, ServiceSettings
from iacengine.registry.store.accounts import account_id, create_account, put_namespace
from iacengine.registry.store.opening import Store, open_store
from iacengine.registry.store.publication import Publication, publish
from iacengine.registry.store.tokens import create_token, new_secret
from iacengine.testing.services.certificates import Certificates, make_certificates
from iacengine.testing.services.postgres import PostgresServer
from iacengine.testing.services.registry import RegistryProcess
from iacengine.testing.services.sigstore import Sigstore

NETWORK = {
    "main.iac.yaml": """\
variable:
  cidr: {type: string, description: The range of addresses}
  zones: {type: list(string), default: [a, b]}
  secret: {type: string, default: hunter2, sensitive: true}
resource:
  terraform_data:
    network: {input: "${var.cidr}"}
output:
  id: {value: "${terraform_data.network.id}", description: What names it}
""",
    "README.md": "# Network\n\nA network with subnets.\n",
}
"""The files of a small module."""

OPERATOR = Caller(user="operator", scopes=frozenset({ADMIN}))


@dataclass(frozen=True, slots=True)
class Packed:
    """A package with its bytes."""

    package: ModulePackage
    data: bytes

    def envelope(self, *keys: SigningKey, **changed: Any) -> bytes:
        """What says that this package is its version, signed; `changed` are fields of the statement."""
        return encode_envelope(sign(PAYLOAD_TYPE, self.statement(**changed), keys))

    def bundle(self, identity: str, **changed: Any) -> dict[str, Any]:
        """The same, signed by an identity of a Sigstore that nobody knows."""
        signed = datetime(2026, 11, 1, 12, tzinfo=UTC)
        return Sigstore().bundle(self.statement(**changed), identity, "https://issuer.example.org", signed=signed)

    def statement(self, **changed: Any) -> bytes:
        package = self.package
        statement = Statement(
            package.manifest.address,
            package.manifest.version,
            package.digest,
            package.tree_digest,
            datetime(2026, 11, 1, 12, tzinfo=UTC),
        )
        return encode_statement(replace(statement, **changed))


@dataclass(slots=True, eq=False)
class Registry:
    """A service that runs in a thread, and whoever uses it."""

    service: Service
    url: str
    database: str
    trusted: Any
    folder: Path
    clients: list[Any] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def store(self) -> Store:
        return self.service.store

    def client(self, token: str = "", **headers: str) -> Any:
        """A client of HTTP with a token, or none."""
        if token:
            headers["Authorization"] = f"Bearer {token}"
        made = httpx2.Client(base_url=self.url, headers=headers, verify=self.trusted, timeout=30)
        self.clients.append(made)
        return made

    def write(self, work: Callable[[Any], Any], subject: str = "all") -> Any:
        return self.store.write(work, "prepare a test", subject)

    def query(self, statement: str, *values: Any) -> list[Any]:
        """Rows of the database."""
        with psycopg.connect(self.database, options="-csearch_path=iacengine_registry") as connection:
            return connection.execute(statement, values).fetchall()

    def namespace(self, name: str = "") -> str:
        """A namespace, new unless it is named."""
        name = name or f"space{next(self.numbers)}"
        self.write(lambda on: put_namespace(on, OPERATOR, name), name)
        return name

    def token(self, *scopes: str, user: str = "ann", days: float = 1.0) -> str:
        """A new token."""
        secret = new_secret()

        def work(connection: Any) -> None:
            create_account(connection, OPERATOR, user)
            expires = datetime.now(UTC) + timedelta(days=days)
            create_token(connection, OPERATOR, secret, account_id(connection, user), "test", scopes, expires)

        self.write(work, "tokens")
        return secret

    def publisher(self, namespace: str = "") -> tuple[str, Any]:
        """A new namespace, and a client who may publish there."""
        namespace = self.namespace(namespace)
        return namespace, self.client(self.token(f"publish:{namespace}"))

    def put(
        self,
        address: str,
        version: str = "1.0.0",
        *,
        description: str = "",
        tags: Sequence[str] = (),
        readme: str = "",
        resources: Sequence[str] = (),
        dependencies: Sequence[tuple[str, str]] = (),
    ) -> None:
        """A version that is in the database alone, which is all that searching looks at; it costs no inspection."""
        namespace, name, system = address.split("/")
        publication = Publication(
            ModuleAddress("", namespace, name, system),
            version,
            f"sha256:{next(self.numbers):064x}",
            f"sha256:{0:064x}",
            100,
            description,
            tuple(tags),
            "",
            Contents(readme, resources=tuple(ResourceEntry(f"{one}.a", one) for one in resources)),
            tuple(DependencyEntry(source, constraint, source) for source, constraint in dependencies),
        )

        def work(connection: Any) -> None:
            create_account(connection, OPERATOR, "ann")
            put_namespace(connection, OPERATOR, namespace)
            publish(connection, replace(OPERATOR, account_id=account_id(connection, "ann")), publication)

        self.write(work, address)

    def blobs(self) -> set[str]:
        """The digests of the packages on the disk, and whatever else lies there."""
        root = self.folder / "packages" / "sha256"
        return {f"sha256:{path.name}" for path in root.rglob("*") if path.is_file()}


def package(
    address: str,
    version: str = "1.0.0",
    files: Mapping[str, str | bytes] = NETWORK,
    *,
    dependencies: Sequence[tuple[str, str]] = (),
    **described: Any,
) -> Packed:
    """The package of some files."""
    parts = address.split("/")
    named = ModuleAddress(*parts) if len(parts) == 4 else ModuleAddress("", *parts)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        output = io.BytesIO()
        calls = tuple(Dependency(source, constraint) for source, constraint in dependencies)
        packed = pack(folder, Manifest(named, version, dependencies=calls, **described), output)
    return Packed(packed, output.getvalue())


def path_of(packed: Packed) -> str:
    """The path of a package's version in the API."""
    manifest = packed.package.manifest
    address = manifest.address
    version = manifest.version.replace("+", "%2B")
    return f"/api/v1/modules/{address.namespace}/{address.name}/{address.system}/versions/{version}"


def put_package(client: Any, packed: Packed | bytes, *envelopes: bytes, path: str = "") -> Any:
    """What the registry answers to a publication."""
    data = packed if isinstance(packed, bytes) else packed.data
    body, kind = encode_publication(data, envelopes)
    assert path or isinstance(packed, Packed)
    return client.put(path or path_of(packed), content=body, headers={"Content-Type": kind})  # type: ignore[arg-type]


@pytest.fixture(scope="session", autouse=True)
def logged() -> Iterator[list[dict[str, Any]]]:
    """What the services in this process log."""
    lines: list[dict[str, Any]] = []

    def keep(_: Any, __: str, event: Any) -> Any:
        lines.append(dict(event))
        raise structlog.DropEvent

    structlog.configure(processors=[structlog.processors.add_log_level, structlog.processors.format_exc_info, keep])
    yield lines
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def warm_inspection(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages are looked into here, not in a process of their own that takes a quarter of a second to start; unless
    the test asks for `cold_inspection`."""
    if "cold_inspection" not in request.fixturenames:
        monkeypatch.setattr(
            publishing, "inspect_package", lambda file: inspection.judged(orjson.loads(orjson.dumps(look_into(file))))
        )


@pytest.fixture
def cold_inspection() -> None:
    """Packages are looked into by processes of their own, as the service does."""


@pytest.fixture(scope="session")
def code_of() -> Callable[[Any], tuple[int, str]]:
    """code_of(ANSWER): status and code of a refusal, which has to be a whole `Problem`."""

    def told(answer: Any) -> tuple[int, str]:
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["title"]
        assert problem["request_id"] == answer.headers["x-request-id"]
        return answer.status_code, problem["code"]

    return told


@pytest.fixture(scope="session")
def make_package() -> Callable[..., Packed]:
    """make_package(ADDRESS, VERSION, FILES): a package that can be published."""
    return package


@pytest.fixture(scope="session")
def send_package() -> Callable[..., Any]:
    """send_package(CLIENT, PACKAGE, *ENVELOPES, path=…): the answer to a publication."""
    return put_package


@pytest.fixture(scope="session")
def version_path() -> Callable[[Packed], str]:
    """version_path(PACKAGE): where its version is in the API."""
    return path_of


@pytest.fixture(scope="session")
def signing_keys() -> list[SigningKey]:
    """Two keys."""
    return [signing_key.generate() for _ in range(2)]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def new_database(postgres_server: PostgresServer) -> Callable[[], str]:
    """new_database(): the URL of a database with the registry's tables, copied from one that was made once."""
    numbers = itertools.count(1)
    _create(postgres_server, "registry_template")
    store = open_store(postgres_server.url("registry_template"))
    store.migrate()
    store.database.close()

    def make() -> str:
        name = f"registry_{next(numbers)}"
        _create(postgres_server, name, "TEMPLATE registry_template")
        return postgres_server.url(name)

    return make


def _create(server: PostgresServer, name: str, how: str = "") -> None:
    server.start()  # a test may have stopped it
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} {how}")


@pytest.fixture(scope="session")
def empty_database(postgres_server: PostgresServer) -> Callable[[], str]:
    """empty_database(): the URL of a database without any tables."""
    numbers = itertools.count(1)

    def make() -> str:
        name = f"empty_{next(numbers)}"
        _create(postgres_server, name)
        return postgres_server.url(name)

    return make


class _Threaded(uvicorn.Server):
    """A server in a thread."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run, name="registry", daemon=True)

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    def begin(self) -> int:
        """The port that it listens on."""
        self.thread.start()
        assert self.ready.wait(30)
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port

    def end(self) -> None:
        self.should_exit = True
        self.thread.join(30)
        assert not self.thread.is_alive()


_SERVICE = {one.name for one in fields(ServiceSettings)}


@pytest.fixture(scope="session")
def run_registry(
    new_database: Callable[[], str], certificates: Certificates
) -> Iterator[Callable[..., tuple[Registry, Callable[[], None]]]]:
    """run_registry(FOLDER, …): a registry, and what ends it. Takes settings of the service and of the server, `tls`,
    `database` and `blobs`."""
    left: list[Callable[[], None]] = []

    def run(
        folder: Path, *, tls: bool = False, database: str = "", blobs: Any = None, **given: Any
    ) -> tuple[Registry, Callable[[], None]]:
        uploads = folder / "uploads"
        uploads.mkdir(parents=True, exist_ok=True)
        settings = ServiceSettings(
            uploads, **{"rate": 0.0, **{name: value for name, value in given.items() if name in _SERVICE}}
        )
        place = ServerSettings(folder, port=0, **{n: v for n, v in given.items() if n not in _SERVICE})
        conninfo = database or new_database()
        store = open_store(conninfo)
        service = Service(settings, store, blobs or DiskBlobs(folder / "packages"))
        secure = {"ssl_certfile": str(certificates.certificate), "ssl_keyfile": str(certificates.key)} if tls else {}
        server = _Threaded(server_config(place, service, secure))
        port = server.begin()
        url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
        registry = Registry(service, url, conninfo, certificates.context(), folder)

        def end() -> None:
            left.remove(end)
            for client in registry.clients:
                client.close()
            server.end()
            store.database.close()

        left.append(end)
        return registry, end

    yield run
    while left:
        left[-1]()


@pytest.fixture(scope="module")
def registry(run_registry: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry over TLS that all tests of a file share: each takes a namespace of its own."""
    made, end = run_registry(tmp_path_factory.mktemp("registry"), tls=True)
    yield made
    end()


@pytest.fixture
def new_registry(run_registry: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., Registry]]:
    """new_registry(SETTING=VALUE, …): one more registry, in plain HTTP."""
    ends: list[Callable[[], None]] = []

    def make(**given: Any) -> Registry:
        made, end = run_registry(tmp_path / f"registry{len(ends)}", **given)
        ends.append(end)
        found: Registry = made
        return found

    yield make
    for end in ends:
        end()


@pytest.fixture(scope="session")
def registry_commands(new_warm_process: Callable[[Path], Any]) -> Any:
    """registry_commands.run(FOLDER, "registry", …, env={…}): commands at the cost of a fork."""
    return new_warm_process(Path(__file__).with_name("registry_commands.py"))


@pytest.fixture
def registry_process(tmp_path: Path, new_database: Callable[[], str]) -> Iterator[RegistryProcess]:
    """`iac registry serve`, not started yet, on a database of its own."""
    process = RegistryProcess(tmp_path, new_database(), arguments=("--rate-limit", "0"))
    yield process
    process.kill()
