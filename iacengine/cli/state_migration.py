"""`iac state migrate`: moving a state to another backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from iacengine.cli.group import Command
from iacengine.cli.options import json_option, lock_timeout_option, path_argument
from iacengine.cli.terminal import Terminal

if TYPE_CHECKING:
    from iacengine import engine
    from iacengine.state.backends.base import Backend
    from iacengine.state.backends.settings import BackendSettings
    from iacengine.state.migration import Migration


@click.command("migrate", cls=Command)
@path_argument
@click.option("--from", "source", metavar="PLACE", help="Where the state is now (default: where it was last used).")
@click.option("--to", "target", metavar="PLACE", help="Where it shall be (default: what the backend block says).")
@lock_timeout_option
@json_option
@click.pass_obj
def command(
    terminal: Terminal, path: str, source: str | None, target: str | None, lock_timeout: float, as_json: bool
) -> None:
    """Move the state to another backend, with its journal, earlier versions and records of runs.

    Change the backend block of the stack first, then run this. A PLACE is the path of a state file, or a backend block
    as JSON, such as '{"s3": {"bucket": "b", "key": "k"}}'. What was moved is compared; in the old place a sign says
    where it went. An interrupted move goes on when it is run again.
    """
    from iacengine import engine  # lazy: help needs none of it
    from iacengine.apply.record import RunRecorder
    from iacengine.cli.state_access import warn_of_record
    from iacengine.state.backends.catalog import open_backend
    from iacengine.state.encryption.backend import SealedBackend
    from iacengine.state.lock import lock_claim
    from iacengine.state.migration import migrate
    from iacengine.state.moved import COMMAND

    stack = engine.open_stack(path)
    placement = stack.placement
    assert placement is not None, "no --state was given"
    here = stack.backend
    assert isinstance(here, SealedBackend), "every stack's backend is one"
    arriving = here if target is None else SealedBackend(open_backend(_place(stack, "--to", target)), here.settings)
    if source is not None:
        leaving = SealedBackend(open_backend(_place(stack, "--from", source)), here.settings)
    elif target is not None:
        leaving = here
    else:
        before = placement.previous(here.inner)
        if before is None:
            raise _unchanged(here.describe())
        leaving = SealedBackend(open_backend(before), here.settings)
        _require_reachable(leaving, before.type)
    if not as_json:
        terminal.line(f"Moving the state from {leaving.describe()} to {arriving.describe()} ...")
        terminal.flush()
    recorder = RunRecorder(arriving, lock_claim(COMMAND), COMMAND, warn_of_record)
    done = migrate(leaving, arriving, lock_timeout)
    if done.outcome == "moved":
        recorder.stands_on(done.serial)
        recorder.did("", f"move from {leaving.describe()}")
        recorder.close_at_once()
    if arriving is here:
        placement.remember(here.inner)
    if as_json:
        _print_document(terminal, done)
    else:
        _say(terminal, done, stack, own=arriving is here)


def _place(stack: engine.Engine, option: str, text: str) -> BackendSettings:
    """The backend that an option names: a path of a state file, or a block as JSON."""
    import json  # lazy: help needs none of it

    from iacengine.state.backends.settings import BackendSettings

    if not text.lstrip().startswith("{"):
        return BackendSettings("local", {"path": text})
    try:
        block = json.loads(text)
    except ValueError as problem:
        raise click.UsageError(f"{option} is no JSON: {problem}.") from None
    if len(block) != 1 or not isinstance(next(iter(block.values())), dict):
        raise click.UsageError(f'{option} must be one backend block, such as {{"s3": {{"bucket": "b", "key": "k"}}}}.')
    ((name, values),) = block.items()
    assert stack.placement is not None, "no --state was given"
    if name == "local":
        values.setdefault("path", stack.placement.default)
    return BackendSettings(name, values, stack.placement.settings.directory)


def _require_reachable(leaving: Backend, kind: str) -> None:
    """Raise DiagnosticsError when the place that is remembered cannot be looked at, and say what may be missing."""
    from iacengine.foundation.diagnostics import DiagnosticsError, error  # lazy: help needs none of it

    try:
        leaving.lock_holder()
    except DiagnosticsError as found:
        note = error(
            "Where the state was is remembered without secrets",
            f"Passwords and keys of a backend block are written down nowhere, so that {leaving.describe()} was looked "
            "for without them.",
            remedy="If it needs any, set them in the environment, or name that place whole: "
            f"iac state migrate --from '{{\"{kind}\": {{…}}}}'.",
        )
        raise DiagnosticsError(*found.diagnostics, note) from found


def _unchanged(where: str) -> Exception:
    from iacengine.foundation.diagnostics import failure  # lazy: help needs none of it

    return failure(
        "Nothing to move",
        f"The stack keeps its state in {where}, as when it was last used.",
        remedy="Change the backend block first. Or say with --from where the state is, or with --to where it shall be.",
    )


def _print_document(terminal: Terminal, done: Migration) -> None:
    from iacengine.cli.views.value_json import dumps  # lazy: most runs are read by people

    document = {
        "format_version": "1.0",
        "outcome": done.outcome,
        "from": done.source,
        "to": done.target,
        "serial": done.serial,
        "objects": done.objects,
        "versions": done.versions,
        "runs": done.runs,
        "journal_entries": done.entries,
    }
    terminal.line(dumps(document, indent=True).decode())


def _say(terminal: Terminal, done: Migration, stack: engine.Engine, *, own: bool) -> None:
    if done.outcome == "nothing":
        terminal.line(f"{done.source} holds no state: there is nothing to move.")
        return
    if done.outcome == "already":
        terminal.line("It was moved there before; nothing was left to do.")
    else:
        terminal.line(
            f"Moved {done.objects} object{'' if done.objects == 1 else 's'} (serial {done.serial}), {done.versions} "
            f"earlier versions and {done.runs} records of runs. What was written was read back and is the same."
        )
        terminal.line(
            f"{done.source} now only says where the state went; earlier versions that it kept are still there."
        )
    if done.entries:
        terminal.line("An interrupted run was moved along: the next `iac apply` or `iac recover` settles it.")
    if not own:
        terminal.line(f"Put the backend block of {done.target} into {stack.configuration.directory or '.'} now.")
