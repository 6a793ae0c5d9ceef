"""`iac migrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from iacengine.cli.group import Command
from iacengine.cli.options import json_option, lock_timeout_option
from iacengine.cli.terminal import Terminal

if TYPE_CHECKING:
    from iacengine.cli.migration import Migration
    from iacengine.state.model import State


@click.command("migrate", cls=Command)
@click.argument("directory", required=False, default=".", metavar="[DIR]")
@click.option("--state", "state_file", metavar="FILE", help="Take over this state of Terraform (version 4).")
@click.option("--out", metavar="DIR", help="Write the stack to this directory, and leave the original as it is.")
@click.option("--force", is_flag=True, help="Overwrite files and a state that are there already.")
@lock_timeout_option
@json_option
@click.pass_obj
def command(
    terminal: Terminal,
    directory: str,
    state_file: str | None,
    out: str | None,
    force: bool,
    lock_timeout: float,
    as_json: bool,
) -> None:
    """Rewrite a stack in Terraform's JSON syntax as YAML, and take over its state.

    Every *.tf.json of DIR and of the modules in it becomes an *.iac.yaml of the same name that means the same; the
    original is kept as *.tf.json.bak. It is optional: *.tf.json files can be used as they are.
    """
    from iacengine.cli import migration as migrating  # lazy: help needs none of it
    from iacengine.cli.failures import print_diagnostics
    from iacengine.cli.state_access import edit_state, read_state_file
    from iacengine.foundation.diagnostics import failure

    migration = migrating.prepare(directory, out)
    if not migration.rewrites and state_file is None:
        raise failure(
            "Nothing to migrate",
            f"All stack files of {directory} are YAML already.",
            remedy="To take over a state of Terraform's, name it with --state.",
        )
    if not force:
        migrating.refuse_overwriting(migration)
    warnings = list(migration.warnings)
    state: State | None = None
    where: str | None = None
    if state_file is None:
        migrating.write(migration)
    else:
        state_file = migrating.find_state_file(state_file, directory)
        state = read_state_file(state_file)
        warnings += migrating.missing_providers(state)
        stack = migration.stack()
        where = stack.backend.describe()
        migrating.refuse_other_state(stack, state_file, force=force)
        migrating.write(migration)
        with edit_state(stack, "iac migrate", lock_timeout) as edit:
            edit.push(state, force=force)
    if as_json:
        from iacengine.cli.views.diagnostic_json import diagnostic_json  # lazy, as above
        from iacengine.cli.views.value_json import dumps

        document = _document(migration, state, where)
        document["diagnostics"] = [diagnostic_json(one) for one in warnings]
        terminal.line(dumps(document, indent=True).decode())
        return
    _report(terminal, migration, state, where)
    terminal.flush()
    print_diagnostics(warnings, terminal)


def _document(migration: Migration, state: State | None, where: str | None) -> dict[str, Any]:
    return {
        "format_version": "1.0",
        "files": [
            {
                "source": str(one.source),
                "target": str(one.target),
                "backup": str(one.backup) if migration.in_place else None,
            }
            for one in migration.rewrites
        ],
        "copied": [{"source": str(source), "target": str(target)} for source, target in migration.copies],
        "state": None
        if state is None
        else {"target": where, "objects": len(state.objects), "lineage": state.lineage, "serial": state.serial},
    }


def _report(terminal: Terminal, migration: Migration, state: State | None, where: str | None) -> None:
    from iacengine.cli.migration import BACKUP  # lazy, as above

    for one in migration.rewrites:
        terminal.line(f"{one.source} -> {one.target}")
    for source, target in migration.copies:
        terminal.line(f"{source} -> {target} (copied)")
    if migration.rewrites:
        terminal.line("\nThe YAML files were loaded, and mean the same as the JSON files.")
        if migration.in_place:
            terminal.line(f"Those are kept as *{BACKUP}; remove them when you are content.")
    if state is not None:
        count = f"{len(state.objects)} object{'' if len(state.objects) == 1 else 's'}"
        terminal.line(
            f"\n{where} holds the state now: {count}. Terraform's file is as it was; use only one of the two."
        )
    elif (migration.directory / "terraform.tfstate").is_file():
        terminal.line("\nThere is a terraform.tfstate. `iac migrate --state terraform.tfstate` takes it over.")
    option = "" if str(migration.out) == "." else f" {migration.out}"
    terminal.line(f"\n`iac plan{option}` shows what is different from what there is.")
