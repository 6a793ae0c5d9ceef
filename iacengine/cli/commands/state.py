"""`iac state`: looking at the state, and editing it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from iacengine.cli import state_migration, version_commands
from iacengine.cli.group import Command, Group
from iacengine.cli.options import approve_option, json_option, lock_timeout_option, show_sensitive_option, state_option
from iacengine.cli.terminal import Terminal

if TYPE_CHECKING:
    from iacengine.state.model import State

stack_option = click.option("--stack", "path", default=".", metavar="STACK", help="Not the current directory's stack.")


@click.group("state", cls=Group)
def command() -> None:
    """Look at the state, and edit it.

    What is moved, removed or pushed here changes only what iacengine remembers, never a real object.
    """


command.add_command(state_migration.command)
command.add_command(version_commands.history)
command.add_command(version_commands.diff)


def _print_json(terminal: Terminal, data: object) -> None:
    from iacengine.cli.views.value_json import dumps  # lazy: most runs are read by people

    terminal.line(dumps(data, indent=True).decode())


@command.command("list", cls=Command)
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")
@click.option("--id", "id_", metavar="ID", help="Only objects with this id.")
@click.option("--protected", is_flag=True, help="Only objects that are protected from being destroyed.")
@json_option
@stack_option
@state_option
@click.pass_obj
def list_(
    terminal: Terminal,
    addresses: tuple[str, ...],
    id_: str | None,
    protected: bool,
    as_json: bool,
    path: str,
    state: str | None,
) -> None:
    """List the objects in the state; with an ADDRESS, those that it names (a module, a resource, an instance)."""
    from iacengine.addresses import parse_target  # lazy: help needs none of it
    from iacengine.cli.state_access import matching, read_state

    targets = [parse_target(address) for address in addresses]
    found = matching(read_state(path, state), targets, required=bool(targets))
    if id_ is not None:
        found = [obj for obj in found if obj.attributes.get("id") == id_]
    if protected:
        found = [obj for obj in found if obj.protected]
    if as_json:
        _print_json(terminal, [str(obj.address) for obj in found])
        return
    for obj in found:
        terminal.line(f"{obj.address}{f' (deposed {obj.deposed})' if obj.deposed else ''}")


@command.command("show", cls=Command)
@click.argument("address")
@json_option
@stack_option
@state_option
@show_sensitive_option
@click.pass_obj
def show(terminal: Terminal, address: str, as_json: bool, path: str, state: str | None, show_sensitive: bool) -> None:
    """Show one object. With --json, sensitive values stand in it as they are."""
    from iacengine.cli.schemas import installed_schemas  # lazy: help needs none of it
    from iacengine.cli.state_access import one_object, read_state

    obj = one_object(read_state(path, state), address)
    if as_json:
        from iacengine.cli.views.state_json import resource_json
        from iacengine.cli.views.value_json import dumps

        terminal.line(dumps(resource_json(obj, installed_schemas()), indent=True).decode())
        return
    from iacengine.cli.views.state_text import object_text

    terminal.write(object_text(obj, installed_schemas(), show_sensitive=show_sensitive))


@command.command("mv", cls=Command)
@click.argument("source")
@click.argument("destination")
@click.option("--dry-run", is_flag=True, help="Only say what would be moved.")
@json_option
@lock_timeout_option
@stack_option
@state_option
@click.pass_obj
def mv(
    terminal: Terminal,
    source: str,
    destination: str,
    dry_run: bool,
    as_json: bool,
    lock_timeout: float,
    path: str,
    state: str | None,
) -> None:
    """Give objects another address: an instance, a resource with all its instances, or a module with all in it.

    A `moved` block in the configuration does the same, and tells everybody who uses the module.
    """
    from iacengine.cli.state_access import edit_state, move_between, open_stack  # lazy: help needs none of it

    stack = open_stack(path, state)
    with edit_state(stack, "iac state mv", lock_timeout) as edit:
        move = move_between(edit.state, source, destination)
        if not dry_run:
            edit.move(move)
    if as_json:
        _print_json(terminal, [{"from": str(old.address), "to": str(new.address)} for old, new in move.objects])
        return
    for old, new in move.objects:
        terminal.line(f"{'Would move' if dry_run else 'Moved'} {old.address} to {new.address}")


@command.command("rm", cls=Command)
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@json_option
@lock_timeout_option
@stack_option
@state_option
@click.pass_obj
def rm(
    terminal: Terminal,
    addresses: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    lock_timeout: float,
    path: str,
    state: str | None,
) -> None:
    """Forget objects, without destroying them."""
    from iacengine.addresses import parse_target  # lazy: help needs none of it
    from iacengine.cli.state_access import edit_state, matching, open_stack

    targets = [parse_target(address) for address in addresses]
    with edit_state(open_stack(path, state), "iac state rm", lock_timeout) as edit:
        found = matching(edit.state, targets, required=True)
        if not dry_run:
            edit.remove(found)
    if as_json:
        _print_json(terminal, [str(obj.address) for obj in found])
        return
    for obj in found:
        terminal.line(f"{'Would remove' if dry_run else 'Removed'} {obj.address}")
    noun = "object" if len(found) == 1 else "objects"
    terminal.line(f"\n{len(found)} {noun} {'would be ' if dry_run else ''}removed from the state.")


def _set_protection(
    terminal: Terminal,
    addresses: tuple[str, ...],
    as_json: bool,
    lock_timeout: float,
    path: str,
    state: str | None,
    *,
    protected: bool,
) -> None:
    from iacengine.addresses import parse_target  # lazy: help needs none of it
    from iacengine.cli.state_access import edit_state, matching, open_stack, protectable

    verb = "protect" if protected else "unprotect"
    targets = [parse_target(address) for address in addresses]
    with edit_state(open_stack(path, state), f"iac state {verb}", lock_timeout) as edit:
        found = protectable(matching(edit.state, targets, required=True), addresses)
        changed = {obj.key for obj in found if obj.protected != protected}
        edit.protect(found, protected=protected)
    if as_json:
        _print_json(terminal, [{"address": str(obj.address), "changed": obj.key in changed} for obj in found])
        return
    for obj in found:
        if obj.key in changed:
            terminal.line(f"{obj.address} is {'protected now' if protected else 'not protected any more'}.")
        else:
            terminal.line(f"{obj.address} {'is protected already' if protected else 'was not protected'}.")


@command.command("protect", cls=Command)
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@json_option
@lock_timeout_option
@stack_option
@state_option
@click.pass_obj
def protect(
    terminal: Terminal,
    addresses: tuple[str, ...],
    as_json: bool,
    lock_timeout: float,
    path: str,
    state: str | None,
) -> None:
    """Refuse from now on to destroy or replace objects, even when their blocks are gone.

    `lifecycle: {protect: true}` in a block does the same at the next apply.
    """
    _set_protection(terminal, addresses, as_json, lock_timeout, path, state, protected=True)


@command.command("unprotect", cls=Command)
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@json_option
@lock_timeout_option
@stack_option
@state_option
@click.pass_obj
def unprotect(
    terminal: Terminal,
    addresses: tuple[str, ...],
    as_json: bool,
    lock_timeout: float,
    path: str,
    state: str | None,
) -> None:
    """Let objects be destroyed again.

    Who did it, and when, is recorded: see `iac runs list`. A block that says `protect: true` protects them again at the
    next apply.
    """
    _set_protection(terminal, addresses, as_json, lock_timeout, path, state, protected=False)


@command.command("pull", cls=Command)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["iac", "tfstate", "native", "terraform"]),  # the last two: what they were called before
    metavar="[iac|tfstate]",
    default="iac",
    help="iacengine's own format, which loses nothing (the default), or Terraform's, version 4.",
)
@stack_option
@state_option
@click.pass_obj
def pull(terminal: Terminal, format_: str, path: str, state: str | None) -> None:
    """Print the state. It holds sensitive values as they are."""
    from iacengine.cli.state_access import read_state  # lazy: help needs none of it
    from iacengine.state.statefile import encode_state
    from iacengine.state.tfstate import to_tfstate

    current = read_state(path, state)
    if current is None:
        from iacengine.foundation.diagnostics import failure  # lazy, as above

        raise failure("No state", "This stack has no state yet.", remedy="Run `iac apply` first.")
    terminal.flush()
    sys.stdout.buffer.write(encode_state(current) if format_ in ("iac", "native") else to_tfstate(current))
    sys.stdout.buffer.flush()


@command.command("push", cls=Command)
@click.argument("file", metavar="FILE")
@click.option("--force", is_flag=True, help="Also when the state is of another lineage, or older than the present one.")
@json_option
@lock_timeout_option
@stack_option
@state_option
@click.pass_obj
def push(
    terminal: Terminal, file: str, force: bool, as_json: bool, lock_timeout: float, path: str, state: str | None
) -> None:
    """Replace the state by that of FILE (`-`: standard input): iacengine's own format, or Terraform's, version 4.

    Refused, unless --force is used, when FILE has another lineage or a smaller serial than the present state.
    """
    from iacengine.cli.state_access import edit_state, open_stack, read_state_file  # lazy: help needs none of it

    pushed = read_state_file(file)
    with edit_state(open_stack(path, state), "iac state push", lock_timeout) as edit:
        edit.push(pushed, force=force)
    if as_json:
        now = edit.result or pushed
        _print_json(terminal, {"lineage": now.lineage, "serial": now.serial, "objects": len(now.objects)})
        return
    terminal.line(f"The state now has {len(pushed.objects)} object{'' if len(pushed.objects) == 1 else 's'}.")


@command.command("verify", cls=Command)
@json_option
@stack_option
@state_option
@click.pass_obj
def verify(terminal: Terminal, as_json: bool, path: str, state: str | None) -> int:
    """Check the state, its journal and its earlier versions: digests, encryption, and what must be true of each.

    What must be true has numbers; each that is not is reported by its number, and the exit code is then 1.
    """
    from iacengine.cli import exits  # lazy: help needs none of it
    from iacengine.cli.state_access import open_stack, sealed_backend
    from iacengine.state.invariants import INVARIANTS
    from iacengine.state.verification import verify as verify_backend

    found = verify_backend(sealed_backend(open_stack(path, state)))
    code = exits.ERROR if found.violations else exits.DONE
    if as_json:
        _print_json(
            terminal,
            {
                "state": found.where,
                "lineage": found.lineage,
                "serial": found.serial,
                "encryption": found.sealed,
                "objects": found.objects,
                "journal_entries": found.entries,
                "earlier_versions": found.versions,
                "earlier_versions_with_other_keys": found.closed,
                "violations": [
                    {"invariant": one.number, "rule": INVARIANTS[one.number], "detail": one.detail}
                    for one in found.violations
                ],
            },
        )
        return code
    for one in found.violations:
        terminal.line(f"{one.number}: {INVARIANTS[one.number]}\n   {one.detail}")
    if found.violations:
        count = len(found.violations)
        terminal.line(f"\n{found.where}: {count} {'thing is' if count == 1 else 'things are'} wrong.")
    elif found.lineage is None:
        terminal.line(f"{found.where}: there is no state yet.")
    else:
        sealed = {None: "not encrypted", "values": "sensitive values encrypted", "full": "encrypted"}
        terminal.line(
            f"{found.where} is sound: serial {found.serial}, objects: {found.objects}, journal entries: "
            f"{found.entries}, earlier versions: {found.versions}; {sealed.get(found.sealed, found.sealed)}."
        )
    if found.closed:
        terminal.line(
            f"Earlier versions that need a key that is not configured, and were not looked at: {found.closed}."
        )
    return code


@command.command("rotate-key", cls=Command)
@json_option
@lock_timeout_option
@stack_option
@state_option
@click.pass_obj
def rotate_key(terminal: Terminal, as_json: bool, lock_timeout: float, path: str, state: str | None) -> None:
    """Encrypt the state anew, with a new data key under the key that is configured now.

    To change keys, name the old one under `previous` in the encryption block (or put the old passphrase into
    IAC_ENCRYPTION_PREVIOUS_PASSPHRASE) and run this. Versions that are kept from before still need the old key.
    """
    from iacengine.cli.state_access import edit_state, open_stack, sealed_backend  # lazy: help needs none of it
    from iacengine.foundation.diagnostics import failure

    stack = open_stack(path, state)
    backend = sealed_backend(stack)
    if backend.settings.key is None:
        raise failure(
            "No key to encrypt with",
            "The stack names no key, and IAC_ENCRYPTION_PASSPHRASE is not set.",
            remedy="Configure the new key. To end encryption, run `iac state decrypt`.",
        )
    with edit_state(stack, "iac state rotate-key", lock_timeout) as edit:
        backend.keyring.renew(edit.state.lineage)
        edit.rewrite()
    _say_serial(terminal, as_json, "The state is encrypted with the new key", edit.result, backend.keyring.mode)
    if not as_json and len(backend.versions()) > 1:
        terminal.line("Versions that are kept from before are as they were written: with their old key, or with none.")


@command.command("decrypt", cls=Command)
@approve_option
@json_option
@lock_timeout_option
@stack_option
@state_option
@click.pass_obj
def decrypt(
    terminal: Terminal, auto_approve: bool, as_json: bool, lock_timeout: float, path: str, state: str | None
) -> int:
    """Write the state without encryption, for good.

    Take the key out of the encryption block afterwards (and unset IAC_ENCRYPTION_PASSPHRASE): as long as a key is
    configured, the next write encrypts again.
    """
    from iacengine.cli import exits  # lazy: help needs none of it
    from iacengine.cli.prompts import approve
    from iacengine.cli.state_access import edit_state, open_stack

    stack = open_stack(path, state)
    with edit_state(stack, "iac state decrypt", lock_timeout, plain=True) as edit:
        _ = edit.state
        question = f"Do you want to write {stack.backend.describe()} without encryption, secrets included?"
        if not auto_approve and not approve(question, terminal):
            terminal.line("\nNot approved: nothing was changed.")
            return exits.ERROR
        edit.rewrite()
    _say_serial(terminal, as_json, "The state is not encrypted any more", edit.result, None)
    return exits.DONE


def _say_serial(terminal: Terminal, as_json: bool, text: str, state: State | None, mode: str | None) -> None:
    assert state is not None, "it was written"
    if as_json:
        _print_json(terminal, {"lineage": state.lineage, "serial": state.serial, "encryption": mode})
    else:
        terminal.line(f"{text} (serial {state.serial}).")
