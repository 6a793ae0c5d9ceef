"""Stacks on every backend, whose commands are killed at any instant, and what must hold afterwards."""

from __future__ import annotations

import copy
import json
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest

from iacengine.state.backends.base import Backend
from iacengine.state.backends.catalog import open_backend
from iacengine.state.backends.settings import BackendSettings
from iacengine.state.invariants import journal_violations, state_violations
from iacengine.state.journal_entries import Begun, Closed, Opened
from iacengine.state.lock import lock_claim
from iacengine.state.model import State

BACKENDS = ["local", "http", "s3", "postgres"]

# --- the stack ------------------------------------------------------------------------------------------------------

_CBD = {"lifecycle": {"create_before_destroy": True}}


def _large(
    *,
    size: str = "small",
    image: str = "linux",
    kind: str = "k",
    block: int = 0,
    engine: str = "postgres",
    few: bool = False,
) -> dict[str, Any]:
    """68 objects: networks (made before they are destroyed) with servers in them, databases, and what refers to them.

    `few`: 31 of them. Each argument changes some of them: `size` updates, `image` and `engine` replace, `kind` replaces
    what is made first, `block` replaces the networks the same way, which updates the servers in them.
    """
    zones = ["a"] if few else ["a", "b", "c"]
    count = 5 if few else 8
    return {
        "mock_network": {
            "zone": {
                "for_each": f"${{toset({json.dumps(zones)})}}",
                "name": "net ${each.key}",
                "cidr_block": f"10.{block}.0.0/16",
                **_CBD,
            }
        },
        "mock_server": {
            "app": {
                "for_each": f"${{{{for pair in setproduct({json.dumps(zones)}, range({count})) : "
                '"${pair[0]}${pair[1]}" => pair[0]}}',
                "name": "app ${each.key}",
                "network_id": "${mock_network.zone[each.value].id}",
                "size": f'${{startswith(each.key, "a") ? "{size}" : "small"}}',
                "disk": [{"size": 10}],
            },
            "old": {
                "count": 3,
                "name": "old ${count.index}",
                "image": image,
                "admin_password": "known",
            },
        },
        "mock_database": {
            "main": {
                "count": 3 if few else 6,
                "name": "main ${count.index}",
                "engine": f'${{count.index < 2 ? "{engine}" : "mysql"}}',
                "network_id": '${mock_network.zone["a"].id}',
                "password": "s3cret",
            }
        },
        "mock_object": {
            "record": {
                "for_each": "${mock_server.app}",
                "name": "record ${each.key}",
                "attributes": {"size": size, "address": "${each.value.arn}"},
            },
            "set": {
                "count": 3 if few else 4,
                "name": "set ${count.index}",
                "kind": kind,
                "attributes": {"of": "${mock_database.main[0].id}"},
                **_CBD,
            },
        },
    }


def _small(
    *,
    size: str = "small",
    image: str = "linux",
    kind: str = "k",
    block: int = 0,
    engine: str = "postgres",
    few: bool = False,
) -> dict[str, Any]:
    """The same with 9 objects, for the tests of every day."""
    return {
        "mock_network": {"n": {"name": "net", "cidr_block": f"10.{block}.0.0/16", **_CBD}},
        "mock_server": {
            "app": {
                "count": 1 if few else 2,
                "name": "app ${count.index}",
                "network_id": "${mock_network.n.id}",
                "size": size,
            },
            "old": {"name": "old", "image": image},
        },
        "mock_database": {"main": {"name": "main", "engine": engine, "password": "s3cret"}},
        "mock_object": {
            "record": {
                "for_each": '${toset(["x"])}' if few else '${toset(["x", "y"])}',
                "name": "record ${each.key}",
                "attributes": {"of": "${mock_server.old.id}"},
            },
            "set": {"name": "set", "kind": kind, "attributes": {"of": "${mock_database.main.id}"}, **_CBD},
            "last": {"name": "last", "attributes": {"sets": "${mock_object.set.id}"}},
        },
    }


CHANGES: Mapping[str, tuple[dict[str, Any] | None, dict[str, Any] | None]] = {
    "create": (None, {}),
    "update": ({}, {"size": "large"}),
    "replace": ({}, {"image": "bsd", "engine": "mysql"}),
    "create before destroy": ({}, {"kind": "l", "block": 1}),
    "shrink": ({}, {"few": True}),
    "everything": ({}, {"size": "large", "image": "bsd", "engine": "mysql", "kind": "l", "block": 1, "few": True}),
    "delete": ({}, None),
}
"""What the stack is before and after each change: arguments of its makers; None: nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """The resources before and after a change."""

    name: str
    before: dict[str, Any]
    after: dict[str, Any]


def _change(name: str, make: Callable[..., dict[str, Any]]) -> Change:
    before, after = CHANGES[name]
    return Change(name, {} if before is None else make(**before), {} if after is None else make(**after))


# --- what is in the world -------------------------------------------------------------------------------------------


def _without_ids(cloud: Mapping[str, Mapping[str, Any]]) -> Counter[str]:
    """The objects of a cloud as they are but for what follows from their ids; ids in others become names."""
    names = {id_: f"<{attributes['name']}>" for id_, attributes in cloud.items()}

    def plain(value: Any) -> Any:
        if isinstance(value, str):
            for id_, name in names.items():
                value = value.replace(id_, name)
            return value
        if isinstance(value, dict):
            return {
                key: plain(child) for key, child in value.items() if key not in ("ip_address", "id", "admin_password")
            }
        return [plain(child) for child in value] if isinstance(value, list) else value

    return Counter(
        json.dumps([id_.split("-")[0], plain(dict(attributes))], sort_keys=True) for id_, attributes in cloud.items()
    )


def _remembered(state: State) -> list[str]:
    """All that a plan goes by in a state whose objects are as the cloud has them; ids in them become names."""
    attributes = {str(each.attributes["id"]): dict(each.attributes) for each in state.objects.values()}
    memory = [
        [
            str(each.address),
            bool(each.deposed),
            each.provider,
            each.schema_version,
            [str(path) for path in each.sensitive_paths],
            list(each.dependencies),
            each.tainted,
            each.create_before_destroy,
            each.protected,
            each.attributes["name"],
        ]
        for each in state.objects.values()
    ]
    whole = {name: [output.value, output.type, output.sensitive] for name, output in state.outputs.items()}
    checks = [str(check) for check in state.checks]
    return [*sorted(map(json.dumps, memory)), *sorted(_without_ids(attributes).elements()), json.dumps([whole, checks])]


_SETTLED: set[str] = set()
"""Stacks with nothing to do, see `Trial.assert_nothing_to_do`."""


@pytest.fixture(scope="session")
def without_ids() -> Callable[[Mapping[str, Mapping[str, Any]]], Counter[str]]:
    """without_ids(CLOUD): how often there is each object, but for what follows from their ids."""
    return _without_ids


# --- a stack under trial --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Trial:
    """A stack whose state is on some backend, in a folder with its own cloud."""

    stack: Any
    settings: Mapping[str, Any]
    kind: str
    faults: list[dict[str, Any]] = field(default_factory=list)
    latency: Any = 0.0
    on_failure: str = "rollback"
    encryption: dict[str, Any] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    forget: Callable[[], None] = lambda: None
    """Empties the place where the state is, if nobody else does."""
    _backend: Backend | None = None

    @property
    def folder(self) -> Path:
        folder: Path = self.stack.folder
        return folder

    def write(self, resources: Mapping[str, Any]) -> None:
        provider: dict[str, Any] = {"mock": {"latency": self.latency, "faults": self.faults}}
        settings: dict[str, Any] = {"on_failure": self.on_failure}
        if self.kind != "local":
            settings["backend"] = {self.kind: dict(self.settings)}
        if self.encryption:
            settings["encryption"] = self.encryption
        data: dict[str, Any] = {"provider": provider, "terraform": settings}
        if resources:
            data["resource"] = copy.deepcopy(dict(resources))
        self.stack.write(data)
        self.resources = resources

    @property
    def backend(self) -> Backend:
        """The backend, as another process has it; open until the stack is removed."""
        if self._backend is None:
            values = {"path": str(self.folder / "iac.state.json")} if self.kind == "local" else self.settings
            self._backend = open_backend(BackendSettings(self.kind, dict(values), str(self.folder)))
        return self._backend

    def command(self, *arguments: str, code: int | None = 0, kill_at: int = 0, **more: object) -> Any:
        """Run a command. `more` are names of instants.py in small letters."""
        environment = {name.upper(): str(value) for name, value in more.items()} | self.environment
        if kill_at:
            environment["KILL_AT"] = str(kill_at)
        done = self.stack.iac(*arguments, env=environment, code=code)
        if done.code == -signal.SIGKILL:
            self.bury()
        return done

    def bury(self) -> None:
        """Break the lock of the dead. A lease would end by itself, later."""
        if self.kind != "local":
            holder = self.backend.lock_holder()
            if holder is not None:
                self.backend.break_lock(holder.id)

    def start_apply(self, parallelism: int = 4) -> Any:
        return self.stack.start("apply", "--auto-approve", "--no-input", "--parallelism", str(parallelism))

    def close(self) -> None:
        if self._backend is not None:
            self._backend.close()
            self._backend = None

    def remove(self) -> None:
        self.close()
        self.forget()
        shutil.rmtree(self.folder)

    def apply(self, *more: str, code: int | None = 0, parallelism: int = 4, **how: Any) -> Any:
        fixed = ("apply", "--auto-approve", "--no-input", "--parallelism", str(parallelism))
        return self.command(*fixed, *more, code=code, **how)

    def recover(self, *more: str, code: int | None = 0, **how: Any) -> Any:
        return self.command("recover", *more, code=code, **how)

    def cloud(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.stack.cloud()
        return found

    def journal(self) -> tuple[Any, ...]:
        return tuple(self.backend.read_journal())

    def state(self) -> State | None:
        return self.backend.read()

    def assert_settled(self) -> State | None:
        """Nothing is in flight; the cloud holds exactly what the state says; every invariant holds."""
        state, entries = self.backend.read(), self.backend.read_journal()
        assert journal_violations(state, entries) == ()
        # A journal whose state was written, and which was not cleared, says nothing any more.
        if entries:
            assert state is not None
            assert all(entry.serial < state.serial for entry in entries if isinstance(entry, Opened))
        serials = [version.serial for version in self.backend.versions()]
        assert serials == sorted(set(serials))
        assert not serials or serials == list(range(serials[0], serials[-1] + 1))
        cloud = self.cloud()
        if state is None:
            assert cloud == {}
            return None
        assert state_violations(state) == ()
        assert state.pending_rollback is None
        known = Counter(stored.attributes["id"] for stored in state.objects.values())
        lost, orphans = known.keys() - cloud.keys(), cloud.keys() - known.keys()
        twice = [id_ for id_, count in known.items() if count > 1]
        assert [*lost, *orphans, *twice] == [], f"lost {lost}, orphans {orphans}, twice in the state {twice}"
        for stored in state.objects.values():
            assert json.loads(json.dumps(dict(stored.attributes))) == cloud[stored.attributes["id"]], stored.address
        return state

    def assert_nothing_to_do(self) -> None:
        """A plan has no changes. What was planned before, but for ids, is not planned again."""
        state = self.assert_settled()
        seen = json.dumps([self.kind, self.resources, None if state is None else _remembered(state)], sort_keys=True)
        if seen not in _SETTLED:
            self.command("plan", "--detailed-exitcode")
            _SETTLED.add(seen)

    def assert_as_before(self, before: Mapping[str, Any], meanwhile: Mapping[str, Any]) -> None:
        """The cloud is what it was `before`; what was still there `meanwhile`, before it was put right, has its id."""
        cloud = self.cloud()
        assert _without_ids(cloud) == _without_ids(before)
        assert before.keys() & meanwhile.keys() <= cloud.keys()

    def is_beyond_return(self) -> bool:
        """Whether the run that was cut off had come to its commit phase, or to its end."""
        last: list[Any] = []
        for entry in self.journal():
            last = [] if isinstance(entry, Opened) else [*last, entry]
        return any(
            (isinstance(entry, Begun) and entry.commits) or (isinstance(entry, Closed) and entry.outcome == "complete")
            for entry in last
        )


@pytest.fixture(scope="session")
def crash_process(new_warm_process: Any) -> Any:
    """A warm process whose commands can be killed at any instant."""
    return new_warm_process(Path(__file__).with_name("crash_process.py"))


@dataclass(slots=True)
class Beginning:
    """A stack as it is before a change; made once, and copied for each trial."""

    change: Change
    folder: Path
    state: State | None
    cloud: dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def beginning(tmp_path_factory: pytest.TempPathFactory, crash_process: Any, stack_in: Any) -> Callable[..., Beginning]:
    """beginning(NAME, large=False): what a change starts from."""
    made: dict[tuple[str, bool], Beginning] = {}

    def make(name: str, *, large: bool = False) -> Beginning:
        if (name, large) not in made:
            change = _change(name, _large if large else _small)
            trial = Trial(stack_in(tmp_path_factory.mktemp("beginning"), crash_process), {}, "local")
            trial.write(change.before)
            if change.before:
                trial.apply(parallelism=16)
            made[name, large] = Beginning(change, trial.folder, trial.state(), trial.cloud())
        return made[name, large]

    return make


def _emptied(server: Any, bucket: str, prefix: str) -> None:
    """Remove objects from moto, which looks through all that it has whenever some are listed; and forget what was asked
    for on the way, bodies and all."""
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{server.upstream}",
        region_name="eu-west-1",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="not-told",
    )
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        keys = [{"Key": each["Key"]} for each in page.get("Contents", ())]
        if keys:
            client.delete_objects(Bucket=bucket, Delete={"Objects": keys})
    client.close()
    server.requests.clear()


@pytest.fixture(scope="session")
def new_trial(
    request: pytest.FixtureRequest,
    crash_process: Any,
    stack_in: Any,
    places: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """new_trial(BEGINNING, KIND, **more): a stack at a beginning, with its state on a new place of that kind."""
    made: list[Trial] = []

    def make(start: Beginning, kind: str = "local", *, values: Mapping[str, Any] = {}, **more: Any) -> Trial:
        folder = tmp_path_factory.mktemp("trial")
        keep = kind == "local"
        unwanted = shutil.ignore_patterns(*(() if keep else ("iac.state*",)), "cache", "place*")
        shutil.copytree(start.folder, folder, dirs_exist_ok=True, ignore=unwanted)
        trial = Trial(stack_in(folder, crash_process), {**places(kind), **values}, kind, **more)
        if kind == "s3":
            bucket, prefix = trial.settings["bucket"], trial.settings["key"].rpartition("/")[0]
            trial.forget = partial(_emptied, request.getfixturevalue("s3_server"), bucket, f"{prefix}/")
        if start.state is not None and not keep:
            backend = trial.backend
            lock = backend.lock(lock_claim("the test"), 0)
            backend.write(start.state, None, lock)
            lock.release()
        made.append(trial)
        return trial

    yield make
    for trial in made:
        trial.close()
