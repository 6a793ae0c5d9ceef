"""`remote-exec` and `file`: commands and files on another machine, over SSH."""

from __future__ import annotations

import io
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from iacengine.apply.provisioning.lines import Lines
from iacengine.apply.provisioning.model import Provisioning, Say
from iacengine.apply.provisioning.ssh import Machine, connected
from iacengine.apply.provisioning.ssh_settings import ssh_settings
from iacengine.apply.provisioning.stopping import Stopping
from iacengine.foundation.diagnostics import DiagnosticsError, failure

_SHEBANG: Final = "#!/bin/sh\n"
_SCRIPT_PATH: Final = "/tmp/iac_%RAND%.sh"  # noqa: S108 - on the other machine, with a name nobody can guess


def run(job: Provisioning, say: Say, stopping: Stopping) -> None:
    """Run the provisioner on the machine that its connection names. Raises DiagnosticsError when it fails."""
    if not job.connection:
        raise failure(
            "Missing connection",
            f"The provisioner {job.provisioner.type} runs on another machine, and nothing says on which.",
            remedy='Add connection: {host: "${self.…}"} to the provisioner, or to the resource.',
        )
    settings = ssh_settings(job.connection)
    if job.provisioner.type == "file":
        sources = _sources(job.config)
        with connected(settings, say, stopping) as machine:
            _upload(machine, sources, job.config)
        return
    scripts = _scripts(job.config)
    with connected(settings, say, stopping) as machine:
        for script in scripts:
            _run_script(machine, script, settings.script_path or _SCRIPT_PATH, say, secret=job.secret is not None)


# --- remote-exec ----------------------------------------------------------------------------------------------------


def _scripts(config: Mapping[str, Any]) -> list[bytes]:
    """What is to run, read before there is a connection, so that a wrong path is told at once."""
    if config["inline"] is not None:
        lines = [line for line in config["inline"] if line is not None]
        text = "\n".join(lines) + "\n"
        return [(text if text.startswith("#!") else _SHEBANG + text).encode()]
    paths = [config["script"]] if config["script"] is not None else config["scripts"] or ()
    return [_read(path) for path in paths]


def _run_script(machine: Machine, script: bytes, template: str, say: Say, *, secret: bool) -> None:
    path = template.replace("%RAND%", os.urandom(8).hex())
    machine.put(io.BytesIO(script), path, 0o700)
    lines = Lines(say)
    try:
        status = machine.run(shlex.quote(path), lines.feed)
    finally:
        lines.end()
        _remove(machine, path)
    if status:
        told = "" if secret else f" Output: {lines.tail}"
        raise failure("remote-exec provisioner error", f"The script ended with exit status {status}.{told}")


def _remove(machine: Machine, path: str) -> None:
    try:
        machine.run(f"rm -f {shlex.quote(path)}")
    except DiagnosticsError:
        return  # the connection is lost, or to be closed: why the script ended matters more


# --- file -----------------------------------------------------------------------------------------------------------


def _sources(config: Mapping[str, Any]) -> list[tuple[Path | bytes, str]]:
    """Files (or content) and where each is put; directories come before what is in them."""
    destination = config["destination"]
    if config["content"] is not None:
        return [(config["content"].encode(), destination)]
    source = config["source"]
    top = Path(source).expanduser()
    if not top.is_dir():
        if not top.is_file():
            raise _no_file(source)
        return [(top, destination.rstrip("/") + f"/{top.name}" if destination.endswith("/") else destination)]
    # As in rsync and in Terraform: with a slash at its end, what is in the directory; without, the directory itself.
    base = destination.rstrip("/") if source.endswith("/") else f"{destination.rstrip('/')}/{top.resolve().name}"
    found: list[tuple[Path | bytes, str]] = []
    for directory, names, files in os.walk(top):
        names.sort()
        below = Path(directory).relative_to(top).as_posix()
        there = base if below == "." else f"{base}/{below}"
        found.append((Path(directory), there or "/"))
        found.extend((Path(directory, name), f"{there}/{name}") for name in sorted(files))
    return found


def _upload(machine: Machine, sources: list[tuple[Path | bytes, str]], config: Mapping[str, Any]) -> None:
    for source, place in sources:
        if isinstance(source, bytes):
            machine.put(io.BytesIO(source), place, 0o644)
        elif source.is_dir():
            machine.make_directory(place)
        else:
            try:
                stream = source.open("rb")
            except OSError as problem:
                raise failure("Upload failed", f"{source} cannot be read: {problem.strerror}.") from None
            with stream:
                machine.put(stream, place, os.fstat(stream.fileno()).st_mode & 0o777)


def _read(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as problem:
        raise _no_file(path, problem.strerror) from None


def _no_file(path: str, reason: str | None = None) -> DiagnosticsError:
    return failure(
        "No such file",
        f'"{path}" cannot be read: {reason or "there is no such file or directory"}.',
        remedy="Paths are relative to where iac runs; ${path.module} is the module's directory.",
    )
