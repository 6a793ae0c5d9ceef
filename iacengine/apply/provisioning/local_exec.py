"""`local-exec`: a command on the machine that applies."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from typing import Any, Final

import orjson

from iacengine.apply.provisioning.lines import Lines
from iacengine.apply.provisioning.model import Say
from iacengine.apply.provisioning.stopping import Stopping, send
from iacengine.foundation.diagnostics import failure

_SHELL: Final = ["/bin/sh", "-c"]
_GRACE: Final = 5.0
"""Seconds between asking a command to end and ending it."""

_LOOK: Final = 200
"""Milliseconds between two looks whether the run is to stop."""


def run(config: Mapping[str, Any], say: Say, stopping: Stopping, *, secret: bool) -> None:
    """Run the command in a process group of its own, saying what it prints. Raises DiagnosticsError when it fails."""
    command = config["command"]
    if not command:
        raise failure("Invalid local-exec command", "The command is empty.", remedy="Write the command to run.")
    arguments = [*(config["interpreter"] or _SHELL), command]
    environment = {key: text for key, text in (config["environment"] or {}).items() if text is not None}
    if config["quiet"]:
        say("local-exec: Executing: Suppressed by quiet=true")
    else:
        say(f"Executing: [{' '.join(orjson.dumps(argument).decode() for argument in arguments)}]")
    try:
        process = subprocess.Popen(  # noqa: S603 - running what the user wrote is its purpose
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=config["working_dir"] or None,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    except (OSError, ValueError) as problem:
        raise _not_started(problem, arguments[0], config["working_dir"]) from None
    lines = Lines(say)
    with process, stopping.group(process.pid):
        _follow(process, lines, stopping)
        status = process.wait()
    lines.end()
    if stopping.asked:
        raise failure("local-exec provisioner stopped", "The run was interrupted, so the command was ended.")
    if status:
        raise _failed(command, status, lines.tail, secret)


def _follow(process: subprocess.Popen[bytes], lines: Lines, stopping: Stopping) -> None:
    """Read until nobody holds the other end of the pipe; when asked to stop, until the grace is over."""
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    deadline: float | None = None
    while True:
        if poll.poll(_LOOK):
            chunk = os.read(descriptor, 65536)
            if not chunk:
                break
            lines.feed(chunk)
        if stopping.asked:
            if deadline is None:
                deadline = time.monotonic() + _GRACE
                send(process.pid, signal.SIGTERM)
            elif time.monotonic() > deadline:
                break
    while process.poll() is None:  # it closed its output and goes on, or was asked to end
        if stopping.wait(_LOOK / 1000):
            deadline = deadline or time.monotonic() + _GRACE
            send(process.pid, signal.SIGTERM)
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                send(process.pid, signal.SIGKILL)
                process.wait()
    if stopping.asked:
        send(process.pid, signal.SIGKILL)  # what it left in its group


def _failed(command: str, status: int, tail: str, secret: bool) -> Exception:
    how = f"exit status {status}" if status > 0 else f"signal: {signal.Signals(-status).name}"
    if secret:
        return failure(
            "local-exec provisioner error",
            f"The command ended with {how}. What it is and what it printed is not shown, for it may hold sensitive "
            "values.",
        )
    return failure("local-exec provisioner error", f"Error running command '{command}': {how}. Output: {tail}")


def _not_started(problem: OSError | ValueError, program: str, directory: str | None) -> Exception:
    if directory and not os.path.isdir(directory):  # noqa: PTH112 - text in
        return failure(
            "local-exec provisioner error",
            f'There is no directory "{directory}" to run the command in.',
            remedy="Paths are relative to where iac runs; ${path.module} is the module's directory.",
        )
    reason = problem.strerror if isinstance(problem, OSError) else str(problem)
    return failure("local-exec provisioner error", f'"{program}" cannot be run: {reason}.')
