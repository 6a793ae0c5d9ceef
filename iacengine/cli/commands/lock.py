"""`iac lock`: who holds the lock of the state, and how to take it away."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from iacengine.cli.group import Command, Group
from iacengine.cli.options import json_option, path_argument, state_option
from iacengine.cli.terminal import Terminal

if TYPE_CHECKING:
    from iacengine.state.backends.base import Backend, LockInfo

_BREAK = "iac lock break"

stack_option = click.option("--stack", "path", default=".", metavar="STACK", help="Not the current directory's stack.")


@click.group("lock", cls=Group)
def command() -> None:
    """See who holds the lock of the state, and take it away from a run that has died."""


@command.command("list", cls=Command)
@path_argument
@json_option
@state_option
@click.pass_obj
def list_(terminal: Terminal, path: str, as_json: bool, state: str | None) -> None:
    """Say who holds the lock: which command, on which host, since when, and whether it is alive."""
    from iacengine import engine  # lazy: help needs none of it

    backend = engine.open_stack(path, state_path=state).backend
    holder = backend.lock_holder()
    if as_json:
        from iacengine.cli.views.value_json import dumps  # lazy: most runs are read by people

        locks = [] if holder is None else [_document(holder, backend.describe())]
        terminal.line(dumps({"format_version": "1.0", "locks": locks}, indent=True).decode())
        return
    if holder is None:
        terminal.line(f"Nobody holds the lock of {backend.describe()}.")
        return
    terminal.line(f"{backend.describe()} is locked:\n")
    for name, text in _lines(holder):
        terminal.line(f"  {name:<14}{text}")


@command.command("break", cls=Command)
@click.argument("lock_id", required=False, metavar="[ID]")
@click.option("--stale", is_flag=True, help="Only if its process has ended; no lock to break is no error then.")
@click.option("--force", is_flag=True, help="Even if its process is still running.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@stack_option
@state_option
@click.pass_obj
def break_(
    terminal: Terminal,
    lock_id: str | None,
    stale: bool,
    force: bool,
    yes: bool,
    as_json: bool,
    path: str,
    state: str | None,
) -> int:
    """Take the lock away from its holder, who can write nothing from then on.

    The next run recovers what the holder left. With an ID, only if that is the lock that is held. A lock that is a
    lease ends by itself; one on a local file is freed when its process ends, and cannot be broken before.
    """
    from iacengine import engine  # lazy: help needs none of it
    from iacengine.cli import exits
    from iacengine.cli.prompts import approve
    from iacengine.foundation.diagnostics import failure
    from iacengine.state.lock import LockHeldError, is_running, no_such_lock

    if stale and force:
        raise click.UsageError(
            "--stale and --force cannot be used together: one spares a run that lives, one does not."
        )
    backend = engine.open_stack(path, state_path=state).backend
    holder = backend.lock_holder()
    if holder is None or (lock_id is not None and holder.id != lock_id):
        if stale and holder is None:
            _say_broken(terminal, None, backend.describe(), as_json)
            return exits.DONE
        if lock_id is not None:
            raise no_such_lock(backend.describe(), lock_id, holder)
        raise failure("No lock to break", f"Nobody holds the lock of {backend.describe()}.")
    running = is_running(holder)
    if (running and not force) or (stale and running is None):
        raise LockHeldError(backend.describe(), holder)
    if not yes and not stale:
        if as_json:
            raise failure("Approval required", "--json is used, so that nobody can be asked.", remedy="Add --yes.")
        for name, text in _lines(holder):
            terminal.line(f"  {name:<14}{text}")
        if not approve(f"Do you want to take the lock of {backend.describe()} away from this run?", terminal):
            terminal.line("\nNot approved: the lock is as it was.")
            return exits.ERROR
    backend.break_lock(holder.id)
    _record(backend, holder)
    _say_broken(terminal, holder, backend.describe(), as_json)
    return exits.DONE


def _record(backend: Backend, holder: LockInfo) -> None:
    """Leave a record of who took whose lock away; the run that held it counts as interrupted, unless it says else."""
    from iacengine.apply.record import RunRecorder  # lazy: help needs none of it
    from iacengine.cli.state_access import warn_of_record
    from iacengine.foundation.diagnostics import DiagnosticsError
    from iacengine.state.lock import lock_claim

    recorder = RunRecorder(backend, lock_claim(_BREAK), _BREAK, warn_of_record)
    with suppress(DiagnosticsError):  # the lock is broken, whatever else goes wrong
        versions = backend.versions()
        recorder.stands_on(versions[-1].serial if versions else None)
    recorder.start()
    recorder.did("", f"break the lock {holder.id} of {holder.owner}@{holder.host}, process {holder.pid}")
    recorder.close()


def _say_broken(terminal: Terminal, holder: LockInfo | None, where: str, as_json: bool) -> None:
    if as_json:
        from iacengine.cli.views.value_json import dumps  # lazy: most runs are read by people

        broken = None if holder is None else _document(holder, where)
        terminal.line(dumps({"format_version": "1.0", "broken": broken}, indent=True).decode())
    elif holder is None:
        terminal.line(f"Nobody holds the lock of {where}: there is nothing to break.")
    else:
        terminal.line(f"The lock {holder.id} is broken. The next run recovers what `{holder.operation}` left.")


def _document(holder: LockInfo, where: str) -> dict[str, Any]:
    from iacengine.state.lock import is_running, lock_info_to_json  # lazy: help needs none of it

    told = {"state": where, **lock_info_to_json(holder)}
    return {**told, "expires": holder.expires or None, "running": is_running(holder)}


def _lines(holder: LockInfo) -> list[tuple[str, str]]:
    from iacengine.state.lock import is_running  # lazy: help needs none of it

    alive = {True: "still running", False: "not running any more", None: "on another host, so it cannot be told"}
    return [
        ("ID", holder.id),
        ("Command", holder.operation),
        ("Who", f"{holder.owner}@{holder.host}"),
        ("Process", f"{holder.pid} ({alive[is_running(holder)]})" if holder.pid else "not known"),
        ("Since", holder.created),
        ("Fencing token", str(holder.fencing_token)),
        ("Lease", f"ends {holder.expires} unless it is renewed" if holder.expires else "none"),
    ]
