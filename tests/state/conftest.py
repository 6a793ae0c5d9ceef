"""What the tests of state share: objects, states and histories to try things with, and Terraform when it is there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from iacengine.addresses import parse_resource_instance
from iacengine.state.backends.base import Backend
from iacengine.state.backends.catalog import open_backend
from iacengine.state.backends.settings import BackendSettings
from iacengine.state.encryption.backend import SealedBackend
from iacengine.state.encryption.settings import EncryptionSettings, KeyFileSettings
from iacengine.state.journal_entries import Begun, JournalEntry, Opened, Operation, Succeeded
from iacengine.state.model import (
    CheckResult,
    Identity,
    OutputState,
    PendingChange,
    PendingRollback,
    ResourceObject,
    State,
)
from iacengine.testing.services.postgres import PostgresServer
from iacengine.testing.services.s3 import S3Proxy
from iacengine.testing.services.state_server import StateServer

PROVIDER = 'provider["registry.terraform.io/hashicorp/aws"]'


def _object(address: str, /, **given: Any) -> ResourceObject:
    given = {"provider": PROVIDER, "attributes": {"id": f"id of {address}"}} | given
    return ResourceObject(parse_resource_instance(address), **given)


def _state(*objects: ResourceObject, **given: Any) -> State:
    given = {"lineage": "lineage-1", "serial": 1} | given
    return State(objects={object_.key: object_ for object_ in objects}, **given)


def _full_state() -> State:
    objects = (
        _object("aws_vpc.main", schema_version=2, private=b"\x00\xff private", dependencies=("data.aws_region.here",)),
        _object(r'module.net["ü\n"].aws_subnet.app["$${a}\\"]', sensitive_paths=(("tags", "key"), ("list", 0, "x"))),
        _object("aws_instance.a[10]", tainted=True, token="t-1"),
        _object("aws_instance.a[2]", create_before_destroy=True, protected=True),
        _object("aws_instance.a[2]", deposed="00c0ffee", attributes={"n": None, "f": 1.5, "s": "𝄞", "l": [{}, []]}),
        _object("data.aws_region.here", attributes={"big": "123456789012345678901234567890", "deep": {"b": 1, "a": 2}}),
    )
    outputs = {
        "z": OutputState({"b": [1, 2]}, ["object", {"b": ["list", "number"]}]),
        "a": OutputState("s", "string", True),
    }
    checks = (
        CheckResult("check", "check.c", "fail", "check.c", ("no\nway",)),
        CheckResult("resource", "aws_instance.a[2]", "pass", "aws_instance.a"),
    )
    gone = parse_resource_instance("aws_vpc.gone")
    made = Identity(gone, "", 'provider["x/y/z"]', "t-9", "i-9")
    changes = (
        PendingChange(objects[0].identity, objects[0]),
        PendingChange(None, objects[1]),
        PendingChange(replace(made, deposed="00c0ffee"), None),
    )
    pending = PendingRollback("run-1", 7, changes, outputs, checks, True, (made,))
    return _state(*objects, outputs=outputs, checks=checks, engine_version="0.1.0", pending_rollback=pending)


@pytest.fixture
def new_object() -> Callable[..., ResourceObject]:
    """new_object(address, **fields): an object with an id."""
    return _object


@pytest.fixture
def new_state() -> Callable[..., State]:
    """new_state(*objects, **fields): a state of lineage-1 with serial 1."""
    return _state


@pytest.fixture
def full_state() -> State:
    """A state with every field of everything in use."""
    return _full_state()


@pytest.fixture
def plain() -> Callable[[Any], Any]:
    """plain(x): states, objects and entries as data that can be compared (they have no equality of their own)."""

    def convert(value: Any) -> Any:
        if is_dataclass(value) and type(value).__eq__ is object.__eq__:
            return (type(value).__name__, {field.name: convert(getattr(value, field.name)) for field in fields(value)})
        if isinstance(value, dict):
            return {key: convert(child) for key, child in value.items()}
        if isinstance(value, tuple | list):
            return [convert(child) for child in value]
        return value

    return convert


@pytest.fixture
def history() -> Callable[..., list[JournalEntry]]:
    """history(count, **opened): a run that creates `count` objects, two entries for each."""

    def make(count: int, **opened: Any) -> list[JournalEntry]:
        opened = {"run": "run-1", "lineage": "lineage-1", "serial": 1, "fencing_token": 1} | opened
        entries: list[JournalEntry] = [Opened(command="iac apply", time="2026-01-01T00:00:00Z", **opened)]
        for step in range(count):
            made = _object(f"aws_vpc.v[{step}]", token=f"token-{step}")
            entries += [
                Begun(step, Operation.CREATE, made.address, "", f"token-{step}", PROVIDER, None, made),
                Succeeded(step, {made.key: made}),
            ]
        return entries

    return make


BACKENDS = ["local", "http", "s3", "postgres", "sealed", "wholly_sealed"]


@pytest.fixture(params=BACKENDS)
def new_backend(request: pytest.FixtureRequest) -> Callable[..., Backend]:
    """new_backend(**settings): one more client of the same, at first empty, place; every setting is that of a backend
    block. Every backend passes the same tests. The fixture NAME_place makes the clients of the backend NAME."""
    found: Callable[..., Backend] = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.fixture
def local_place(tmp_path: Path) -> Callable[..., Backend]:
    path = str(tmp_path / "made" / "for it" / "state.json")
    return lambda **values: open_backend(BackendSettings("local", {"path": path, **values}))


@pytest.fixture
def http_place(state_server: StateServer, tmp_path: Path) -> Iterator[Callable[..., Backend]]:
    made: list[Backend] = []

    def make(**values: Any) -> Backend:
        address = f"{state_server.url}/states/{tmp_path.name}"
        made.append(open_backend(BackendSettings("http", {"address": address, **values}, str(tmp_path))))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.fixture
def s3_proxy(s3_server: S3Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[S3Proxy]:
    """The server, without faults, and an environment that leads nowhere else."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    yield s3_server
    s3_server.fault, s3_server.down = None, False
    s3_server.requests.clear()


@pytest.fixture
def s3_values(s3_proxy: S3Proxy) -> dict[str, Any]:
    """The settings of a place of one's own in the bucket."""
    return {
        "bucket": "states",
        "key": f"ünder {uuid4().hex}/state.json",
        "region": "eu-west-1",
        "endpoints": {"s3": s3_proxy.url},
        "access_key": "AKIAEXAMPLE",
        "secret_key": "not-told",
        "use_path_style": True,
    }


@pytest.fixture
def s3_place(s3_values: dict[str, Any]) -> Iterator[Callable[..., Backend]]:
    made: list[Backend] = []

    def make(**values: Any) -> Backend:
        made.append(open_backend(BackendSettings("s3", {**s3_values, **values})))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.fixture
def postgres_settings(postgres_server: PostgresServer) -> dict[str, Any]:
    """The settings of a place of one's own in the database server, which runs."""
    postgres_server.start()
    return {"conn_str": postgres_server.url(), "schema_name": f"ünder {uuid4().hex}", "stack": 'the "stack"'}


@pytest.fixture
def postgres_place(postgres_settings: dict[str, Any]) -> Iterator[Callable[..., Backend]]:
    made: list[Backend] = []

    def make(**values: Any) -> Backend:
        made.append(open_backend(BackendSettings("postgres", {**postgres_settings, **values})))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A file with a random key, which its owner alone may read."""
    path = tmp_path / "state.key"
    path.write_bytes(os.urandom(32))
    path.chmod(0o600)
    return path


@pytest.fixture
def sealed_place(local_place: Callable[..., Backend], key_file: Path) -> Callable[..., Backend]:
    settings = EncryptionSettings(KeyFileSettings(str(key_file)))
    return lambda **values: SealedBackend(local_place(**values), settings)


@pytest.fixture
def wholly_sealed_place(local_place: Callable[..., Backend], key_file: Path) -> Callable[..., Backend]:
    settings = EncryptionSettings(KeyFileSettings(str(key_file)), full=True)
    return lambda **values: SealedBackend(local_place(**values), settings)


@pytest.fixture
def terraform(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """terraform(*arguments, code=0): run the real one in `tmp_path` and get what it prints."""
    binary = shutil.which("terraform")
    if binary is None:
        pytest.skip("no terraform on PATH")
    options: Any = {"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 120}
    environment = os.environ | {"TF_CLI_CONFIG_FILE": "/dev/null", "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}

    def run(*arguments: str, code: int = 0) -> str:
        done = subprocess.run([binary, *arguments], env=environment, check=False, **options)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return run
