"""A process with the whole command line imported, which forks one child for each command.

Reads one JSON object a line: `{"start": {"arguments", "folder", "environment", "out", "err"}}` answers `{"pid"}` at
once, `{"wait": PID}` answers `{"code"}` when that child has ended (negative: killed by that signal). A child that has
ended keeps its process id until it is waited for, so a test may send it signals at any time before.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
from typing import Any

from iacengine.cli.main import run

_WARM = (
    "iacengine.apply.recovery",
    "iacengine.apply.run",
    "iacengine.cli.commands.apply",
    "iacengine.cli.commands.destroy",
    "iacengine.cli.commands.output",
    "iacengine.cli.commands.plan",
    "iacengine.cli.commands.refresh",
    "iacengine.cli.commands.show",
    "iacengine.cli.commands.state",
    "iacengine.cli.commands.validate",
    "iacengine.cli.listening",
    "iacengine.cli.operation",
    "iacengine.cli.state_access",
    "iacengine.cli.views.plan_json",
    "iacengine.cli.views.progress",
    "iacengine.cli.views.state_json",
    "iacengine.plan.planfile",
    "iacengine.plan.planner",
    "iacengine.provider.builtin.terraform",
    "iacengine_mock.provider",
)
"""What commands import when they need it."""


def main() -> None:
    for name in _WARM:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # so that children share the memory of what is imported
    for line in sys.stdin:
        request = json.loads(line)
        if "start" in request:
            answer = {"pid": start(**request["start"])}
        else:
            _, status = os.waitpid(request["wait"], 0)
            answer = {"code": os.waitstatus_to_exitcode(status)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def start(arguments: list[str], folder: str, environment: dict[str, str], out: str, err: str) -> int:
    """Fork a child that runs one command; its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        become(folder, environment, out, err)
        code = run(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as defect:
        os.write(2, f"the command line raised {defect!r}\n".encode())
    finally:
        os._exit(code)


def become(folder: str, environment: dict[str, str], out: str, err: str) -> None:
    """Take on the folder, environment and files of a command."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    for descriptor, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
    streams: Any = sys
    streams.stdin = open(0, closefd=False)  # noqa: SIM115 - for the rest of the process
    streams.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for the rest of the process
    streams.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for the rest of the process


if __name__ == "__main__":
    main()
