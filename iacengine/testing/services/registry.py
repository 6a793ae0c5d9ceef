"""A registry of modules for tests: `iac registry serve` as a process of its own, which can be killed and started again.

`RegistryProcess(folder).start()` serves in plain HTTP with an embedded database; `certificates` has it serve over TLS,
and `database` names a PostgreSQL that is there. What else it is told goes into `arguments` and `environment`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from iacengine.foundation.diagnostics import failure
from iacengine.testing.services.certificates import Certificates

START_PATIENCE: Final = 60.0  # seconds


@dataclass(slots=True)
class RegistryProcess:
    """A service with its data in `folder`. `url` is where it answers, once it was started; `host` is that as module
    addresses have it."""

    folder: Path
    database: str = ""
    certificates: Certificates | None = None
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]

    @property
    def log(self) -> Path:
        """What it wrote to standard error: JSON lines."""
        return self.folder / "serve.log"

    @property
    def packages(self) -> Path:
        """The folder of the packages, unless `arguments` name another."""
        return self.folder / "data" / "packages"

    def environ(self) -> dict[str, str]:
        """The environment of this registry's commands."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "IAC_"))}
        own = {"IAC_REGISTRY_DATA": str(self.folder / "data")}
        if self.database:
            own["IAC_REGISTRY_DATABASE_URL"] = self.database
        return clean | own | dict(self.environment)

    def command(self, *arguments: str) -> list[str]:
        """The command line `iac …`."""
        return [sys.executable, "-c", "from iacengine.cli.main import main; main()", *arguments]

    def run(self, *arguments: str) -> Any:
        """What `iac registry … --json` prints. Raises DiagnosticsError when it fails."""
        done = subprocess.run(  # noqa: S603 - the arguments are a test's
            self.command("registry", *arguments, "--json"),
            capture_output=True,
            text=True,
            check=False,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise failure("The command failed", f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def start(self, *more: str) -> None:
        """Start it, and wait until it answers. Raises DiagnosticsError when it does not."""
        tls = self.certificates
        certificate = ("--tls-cert", str(tls.certificate), "--tls-key", str(tls.key)) if tls is not None else ()
        # The same port again after a restart, for clients know it.
        port = self.url.rpartition(":")[2] or "0"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - the arguments are a test's
                self.command("registry", "serve", "--json", "--port", port, *certificate, *self.arguments, *more),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.environ(),
                start_new_session=True,
            )
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], START_PATIENCE)
        line = self.process.stdout.readline() if readable else b""
        if not line:
            self.kill()
            last = " ".join(self.log.read_text(errors="replace").strip().splitlines()[-5:])
            raise failure("The registry did not start", last, remedy=f"The log is {self.log}.")
        self.url = json.loads(line)["url"].replace("127.0.0.1", "localhost")

    def stop(self) -> int:
        """End it as an operator does; its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(number)
        code = process.wait()
        assert process.stdout is not None
        process.stdout.close()
        return code
