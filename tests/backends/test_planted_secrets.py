"""A planted secret is looked for in every byte that is written, whatever is done and wherever the state is kept.

What a command prints, events, records of runs, caches, saved plans, spools, files for a moment and what a crash leaves;
the files of PostgreSQL, those of the HTTP server, and every request to S3.
"""

from __future__ import annotations

import base64
import os
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

KINDS = ["local", "http", "s3", "postgres"]
EVERYWHERE = [
    pytest.param(kind, mode, marks=[] if (kind, mode) == ("http", "values") else pytest.mark.exhaustive)
    for kind in KINDS
    for mode in ("values", "full")
]


@dataclass(slots=True)
class Search:
    """A stack with a secret in it, and all places that a byte of it could get to."""

    shared: Any
    secret: str
    folders: list[Path]
    requests: list[Any]
    environment: dict[str, str]
    printed: list[str] = field(default_factory=list)

    @property
    def forms(self) -> list[bytes]:
        """The secret as it is, and as it looks when it is encoded in a usual way, at any place in a longer text."""
        plain = self.secret.encode()
        encoded = (base64.b64encode(b"x" * shift + plain)[4:-4] for shift in range(3))
        return [plain, plain.hex().encode(), plain.hex().upper().encode(), *encoded]

    def run(self, *arguments: str, code: int | None = 0, by: str = "environment") -> Any:
        """A command that is given the secret in one of the usual ways."""
        environment = dict(self.environment)
        given: tuple[str, ...] = ()
        if by == "environment":
            environment["TF_VAR_secret"] = self.secret
        elif by == "option":
            given = (f"--var=secret={self.secret}",)
        elif by == "file":
            given = (f"--var-file={environment['SECRET_FILE']}",)
        done = self.shared.folders[0].iac(*arguments, *given, env=environment, code=code)
        assert self.secret not in done.out + done.err, arguments
        return done

    def found(self, *besides: str) -> list[str]:
        """Where it is, but for files with a name in `besides` and the cloud, which has to have it."""
        forms, places = self.forms, []
        for folder in self.folders:
            for path in folder.rglob("*"):
                if path.name.startswith("mock-cloud") or path.name in besides or not path.is_file():
                    continue
                data = path.read_bytes()
                if any(form in data for form in forms):
                    places.append(str(path))
        for request in self.requests:
            data = request.body + repr((request.path, request.headers)).encode()
            if any(form in data for form in forms):
                places.append(f"{request.method} {request.path}")
        return places


@pytest.fixture
def search(shared_stack, tmp_path, request):
    """search(KIND): a stack whose state is on a backend of that kind."""

    def make(kind: str) -> Search:
        shared = shared_stack(kind, operators=1)
        folders = [tmp_path]
        requests: list[Any] = []
        if kind == "http":
            folders.append(request.getfixturevalue("state_server").folder)
        elif kind == "s3":
            requests = request.getfixturevalue("s3_server").requests
            requests.clear()
        elif kind == "postgres":
            folders.append(request.getfixturevalue("postgres_server").folder)
        (tmp_path / "home").mkdir()
        (tmp_path / "tmp").mkdir()
        secret = f"planted-{uuid.uuid4().hex}"
        outside = tmp_path.parent / f"{tmp_path.name}.tfvars.json"  # the user's own, not ours
        outside.write_text(f'{{"secret": "{secret}"}}')
        environment = {
            "HOME": str(tmp_path / "home"),
            "TMPDIR": str(tmp_path / "tmp"),
            "IAC_DEBUG": "1",
            "SECRET_FILE": str(outside),
        }
        key = tmp_path / "state.key"
        key.write_bytes(os.urandom(32))
        key.chmod(0o600)
        return Search(shared, secret, folders, requests, environment)

    return make


def write(search, mode, *faults, size="small", more=()):
    """The stack: the secret is in attributes, deep ones, tags, outputs, provisioners and the provider's settings."""
    echo = {"local-exec": {"command": "echo told: $TOLD", "environment": {"TOLD": "${var.secret}"}}}
    resources = {
        "mock_network": {"n": {"name": "n", "cidr_block": "10.0.0.0/16"}},
        "mock_server": {
            "s": {
                "name": "s",
                "network_id": "${mock_network.n.id}",
                "size": size,
                "admin_password": "${var.secret}",
                "tags": {"t": "-${var.secret}-"},
                "provisioner": [echo],
            }
        },
        "mock_object": {
            "o": {"name": "o", "attributes": {"deep": ["x", {"type": "${var.secret}"}]}},
            **{name: {"name": name, "depends_on": ["mock_server.s"]} for name in more},
        },
    }
    stack = {} if mode == "none" else {"encryption": {"key_file": "../state.key", "full": mode == "full"}}
    search.shared.write(resources, faults=faults, **stack)
    own = {
        "variable": {"secret": {"sensitive": True}},
        "output": {"s": {"value": {"a": ["${var.secret}"]}, "sensitive": True}},
    }
    search.shared.folders[0].write(own, name="own.tf.json")


TELLING = {"operation": "create", "type": "mock_object", "name": "later", "error": "no room for ${var.secret} here"}
"""A failure whose text holds the secret."""


def whole_life(search, mode):
    """Every verb that writes; looks after each."""

    def looks(*arguments, **how):
        search.run(*arguments, **how)
        assert search.found() == [], arguments

    write(search, mode)
    looks("init", by="nothing")
    looks("validate")
    looks("plan", "--out", "first.plan", "--events", "events")
    looks("show", "first.plan")
    looks("apply", "first.plan", "--events", "events", by="nothing")
    write(search, mode, size="large")
    looks("apply", "--auto-approve", "--events", "events", by="option")
    looks("plan", "--json", by="file")
    looks("plan", "--events", "-", by="file")
    looks("refresh", by="file")
    for verb in ("show", "output", "graph", "state list", "state history", "state verify", "runs list", "lock list"):
        looks(*verb.split(), by="nothing")
    looks("state", "diff", "1", "2", by="nothing")
    looks("state", "diff", "1", "2", "--json", by="nothing")
    looks("state", "show", "mock_server.s", by="nothing")
    looks("state", "protect", "mock_server.s", by="nothing")
    looks("state", "unprotect", "mock_server.s", by="nothing")
    looks("state", "mv", "mock_object.o", "mock_object.p", by="nothing")
    looks("state", "mv", "mock_object.p", "mock_object.o", by="nothing")
    looks("state", "rotate-key", by="nothing")
    # What fails, is undone, and cannot be undone.
    write(search, mode, TELLING, size="small", more=["later"])
    looks("apply", "--auto-approve", "--events", "events", code=4)
    looks("runs", "show", search.run("runs", "list", "--json", by="nothing").document["runs"][0]["id"], by="nothing")
    stuck = {"operation": "update", "type": "mock_server", "name": "s", "error": "cannot undo ${var.secret}"}
    stuck_faults = [{**stuck, "nth": number} for number in (2, 3, 4)]  # the first one is what is to be undone
    write(search, mode, {**TELLING, "nth": 0}, *stuck_faults, size="small", more=["later"])
    looks("apply", "--auto-approve", "--events", "events", code=5)
    looks("recover", "--retry", "--json", code=5)
    looks("recover", "--retry", "--events", "-", code=5)
    looks("recover", "--keep")
    looks("apply", "--auto-approve", "--on-failure", "pause", "--events", "events", code=1)
    # What a crash leaves.
    write(search, mode, {"operation": "update", "type": "mock_server", "crash": "after"}, size="huge")
    looks("apply", "--auto-approve", "--events", "events", code=None)
    if search.shared.kind != "local":
        looks("lock", "break", "--stale", by="nothing")
    write(search, mode, size="huge")
    looks("recover", "--events", "events")
    looks("rollback", "--to", "1", "--auto-approve", "--events", "events")
    looks("destroy", "--auto-approve", "--events", "events")


@pytest.mark.parametrize(("kind", "mode"), EVERYWHERE)
def test_a_secret_is_in_no_byte_that_is_written(kind, mode, search):
    whole_life(search(kind), mode)


def test_a_search_finds_what_is_there(search):
    """Without a key the state holds it, and what is saved for later; and nothing else does."""
    looking = search("local")
    write(looking, "none")
    looking.run("plan", "--out", "a.plan", "--events", "events")
    looking.run("apply", "--auto-approve", "--events", "events")
    write(looking, "none", TELLING, size="large", more=["later"])
    looking.run("apply", "--auto-approve", "--events", "events", code=4)
    names = {Path(place).name for place in looking.found()}
    assert "state.json" in names
    assert names <= {"a.plan", "state.json", "state.json.backup", "1.json", "2.json", "3.json"}


@pytest.mark.parametrize("mode", ["values", "full"])
def test_what_a_full_disk_leaves_holds_no_secret(mode, search, new_disk):
    looking = search("local")
    disk = new_disk(256)
    looking.shared.settings["path"] = str(disk / "state.json")
    write(looking, mode, more=[f"m{number}" for number in range(20)])
    there = os.statvfs(disk)
    (disk / "filler").write_bytes(b"x" * (there.f_bavail * there.f_frsize - 16 * 1024))
    looking.run("apply", "--auto-approve", "--parallelism=2", code=5)
    assert list(looking.shared.folders[0].folder.glob(".iac/spool/*.journal"))
    assert looking.found() == []
    (disk / "filler").unlink()
    looking.run("recover")
    assert looking.found() == []
