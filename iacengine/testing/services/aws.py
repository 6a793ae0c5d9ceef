"""The sandbox: moto's AWS server, run in the background for as long as one likes.

A sandbox lives in a directory that only its user can read: `server.json` (process, port), `server.log`, and a lock that
makes `start` and `stop` of several terminals take turns. The process outlives whoever started it. What is made in the
sandbox is held in memory, and gone when it stops.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from iacengine.foundation.diagnostics import failure

HOST: Final = "127.0.0.1"
PREFERRED_PORT: Final = 5566
REGION: Final = "eu-west-1"
START_PATIENCE: Final = 60.0  # seconds; the first start compiles moto's byte code
STOP_PATIENCE: Final = 10.0

_RECORD = "server.json"
_LOG = "server.log"
_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox that runs: its process, its port on this machine, and when the process began, in the system's terms."""

    pid: int
    port: int
    began: str
    log: str

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


def sandbox_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Where this user's sandbox lives: `$XDG_STATE_HOME/iacengine/sandbox`, by default below `~/.local/state`."""
    home = environment.get("XDG_STATE_HOME")
    base = Path(home) if home and Path(home).is_absolute() else Path.home() / ".local" / "state"
    return base / "iacengine" / "sandbox"


def variables(sandbox: Sandbox) -> dict[str, str]:
    """The environment variables that lead every AWS client to the sandbox. The credentials are made up."""
    return {
        "AWS_ENDPOINT_URL": sandbox.url,
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


OTHER_VARIABLES: Final = ("AWS_PROFILE", "AWS_SESSION_TOKEN")
"""Variables that could lead a client to a real account, and so are to be unset."""


# --- start, status, stop --------------------------------------------------------------------------------------------


def start(directory: Path, port: int | None = None) -> tuple[Sandbox, bool]:
    """The running sandbox, and whether it was started now. Waits until it answers.

    Raises DiagnosticsError when moto is not installed, the port is taken, or the server does not come up.
    """
    with _turn(directory):
        running = status(directory)
        if running is not None:
            if port not in (None, running.port):
                raise failure(
                    "The sandbox already runs on another port",
                    f"It listens on port {running.port}, not {port}.",
                    remedy="Stop it first: iac sandbox stop. What is in it will be gone.",
                )
            return running, False
        _require_moto()
        return _spawn(directory, _choose_port(port)), True


def status(directory: Path) -> Sandbox | None:
    """The running sandbox, or None. A record that a crash or a reboot left behind counts as none."""
    try:
        record = json.loads((directory / _RECORD).read_bytes())
        sandbox = Sandbox(**record)
    except (OSError, ValueError, TypeError):
        return None
    return sandbox if _began(sandbox.pid) == sandbox.began else None


def is_healthy(sandbox: Sandbox, timeout: float = 2.0) -> bool:
    """True when the server answers a request."""
    connection = HTTPConnection(HOST, sandbox.port, timeout=timeout)
    try:
        connection.request("GET", "/moto-api/data.json")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def stop(directory: Path) -> Sandbox | None:
    """Stop the sandbox and wait until its process is gone. What ran; None when nothing did."""
    with _turn(directory):
        running = status(directory)
        if running is not None:
            _end(running)
        (directory / _RECORD).unlink(missing_ok=True)
        return running


# --- processes ------------------------------------------------------------------------------------------------------


@contextmanager
def _turn(directory: Path) -> Iterator[None]:
    """Hold the lock of the directory, which is made when it is not there."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise failure(
            "The sandbox has no place for its files",
            f"{directory}: {problem.strerror or problem}.",
            remedy="Set XDG_STATE_HOME to a directory that you can write to.",
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _require_moto() -> None:
    if find_spec("moto") is None or find_spec("flask") is None:
        raise failure(
            "The sandbox is not installed",
            "It is moto's AWS server, which comes with the extra named sandbox.",
            remedy="pip install 'iacengine[sandbox]'",
        )


def _choose_port(port: int | None) -> int:
    if port is not None:
        if not _is_free(port):
            raise failure(
                "Port taken",
                f"Another process listens on port {port}.",
                remedy="Choose another with --port, or leave --port out to have a free one chosen.",
            )
        return port
    return PREFERRED_PORT if _is_free(PREFERRED_PORT) else free_port()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _spawn(directory: Path, port: int) -> Sandbox:
    log = directory / _LOG
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and fixed arguments
            [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd=directory,
            env=_server_environment(),
            start_new_session=True,  # the terminal's Ctrl-C is not for it
        )
    finally:
        os.close(descriptor)
    sandbox = Sandbox(process.pid, port, _began(process.pid) or "", str(log))
    deadline = time.monotonic() + START_PATIENCE
    while not is_healthy(sandbox):
        if process.poll() is not None or time.monotonic() > deadline:
            if process.poll() is None:
                _end(sandbox)
                process.wait()
            raise failure(
                "The sandbox did not start",
                f"moto's server {_last_words(log)}",
                remedy=f"The whole log is {log}.",
            )
        time.sleep(0.05)
    _write(directory / _RECORD, asdict(sandbox))
    process.returncode = 0  # it is meant to outlive us: no warning that nobody waited for it
    return sandbox


def _server_environment() -> dict[str, str]:
    """Ours, without what would make moto talk to a real account or write where it should not."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
    return {**kept, "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}  # which takes most of the time of a start


def _last_words(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return f"said: {lines[-1]}" if lines else "said nothing."


def _write(path: Path, record: Mapping[str, Any]) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(record))
    beside.replace(path)


def _began(pid: int) -> str | None:
    """When the process began, in the system's own terms; None when there is none. Tells a process from a later one with
    the same number."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None if Path("/proc/self").exists() else _began_by_ps(pid)
    state, *fields = text.rpartition(")")[2].split()  # the name before it may hold spaces
    return None if state == "Z" else fields[18]  # field 22 of proc(5): start time in clock ticks since boot


def _began_by_ps(pid: int) -> str | None:
    told = subprocess.run(  # noqa: S603
        ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607 - wherever ps is
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip() or None


def _end(sandbox: Sandbox) -> None:
    """Ask the process to end; kill it when it does not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(sandbox.pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + STOP_PATIENCE
        while time.monotonic() < deadline:
            if _began(sandbox.pid) != sandbox.began:
                return
            time.sleep(0.02)
