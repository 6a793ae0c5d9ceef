"""`iac module`: modules of registries, from writing one to using it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from iacengine.cli import exits
from iacengine.cli.group import Command, Group
from iacengine.cli.options import frozen_option, input_option, json_option
from iacengine.cli.terminal import Terminal

if TYPE_CHECKING:
    from iacengine.modules.install import Modules
    from iacengine.modules.model import LockedModule
    from iacengine.modules.publication import ModuleDescription

registry_option = click.option(
    "--registry", metavar="HOST", help="Ask this registry (the default is that of IAC_REGISTRY or of your settings)."
)
stack_option = click.option("--stack", "path", default=".", metavar="STACK", help="Not the current directory's stack.")


@click.group("module", cls=Group)
def command() -> None:
    """Write, publish, find and use modules.

    Of the stack: tree, why, outdated, update, install, verify. In a registry: search, show, publish, yank, deprecate.
    Of this user: clean.
    """


# --- the author's -----------------------------------------------------------------------------------------------------


@command.command("init", cls=Command)
@click.argument("folder", required=False, default=".", metavar="[FOLDER]")
@click.option("--address", metavar="NAMESPACE/NAME/SYSTEM", required=True, help="What it will be called.")
@json_option
@click.pass_obj
def init(terminal: Terminal, folder: str, address: str, as_json: bool) -> None:
    """Begin a module, with an example and a test of it."""
    from iacengine.modules.scaffold import write_scaffold  # lazy: help needs none of it
    from iacengine.modules.source import parse_address

    found = parse_address(address)
    files = write_scaffold(folder, found)
    if as_json:
        _print_json(terminal, {"address": str(found), "folder": folder, "files": list(files)})
        return
    terminal.line(f"The module {found} is begun:")
    for file in files:
        terminal.line(f"  {file}")
    terminal.line("\n`iac module publish --dry-run` shows what would be published.")


@command.command("publish", cls=Command)
@click.argument("folder", required=False, default=".", metavar="[FOLDER]")
@click.option("--address", metavar="[HOST/]NAMESPACE/NAME/SYSTEM", help="Not what iac.module.yaml says.")
@click.option("--version", metavar="VERSION", help="Not what iac.module.yaml says.")
@click.option("--key", "keys", multiple=True, metavar="KEY", help="Sign with this key; may be given several times.")
@click.option("--sigstore-bundle", "bundle_files", multiple=True, metavar="FILE", help="Add this Sigstore bundle.")
@click.option("--unsigned", is_flag=True, help="Do not sign.")
@click.option("--dry-run", is_flag=True, help="Pack, and say what would be published.")
@click.option("--out", metavar="FILE", help="Write the package to a file as well.")
@click.option("--statement", "statement_file", metavar="FILE", help="Write what a Sigstore bundle has to sign.")
@registry_option
@json_option
@click.pass_obj
def publish(
    terminal: Terminal,
    folder: str,
    address: str | None,
    version: str | None,
    keys: tuple[str, ...],
    bundle_files: tuple[str, ...],
    unsigned: bool,
    dry_run: bool,
    out: str | None,
    statement_file: str | None,
    registry: str | None,
    as_json: bool,
) -> None:
    """Pack a module, sign it, and publish it.

    The same files give the same package, so that publishing again adds a signature, and changes nothing else. Without
    --key and --sigstore-bundle the one private key that there is signs. Its passphrase is asked for, or taken from
    IAC_KEY_PASSPHRASE.
    """
    from iacengine.cli.publishing import read_bundle, signing_keys, upload, written  # lazy: help needs none of it
    from iacengine.modules.publication import pack_module, sign_module, source_revision, statement_of

    if unsigned and (keys or bundle_files):
        raise click.UsageError("--unsigned excludes --key and --sigstore-bundle.")
    bundles = [read_bundle(file) for file in bundle_files]
    said = _described(folder, address, version)
    packed = pack_module(folder, said, source_revision(folder))
    if out is not None:
        written(packed.data, out, "package")
    if statement_file is not None:
        written(statement_of(packed.package, _now()), statement_file, "statement")
    if dry_run:
        if as_json:
            from iacengine.cli.views.module_json import package_json  # lazy: most runs are read by people

            _print_json(terminal, package_json(packed.package))
            return
        from iacengine.cli.views.module_text import package_text  # lazy, as above

        terminal.write(package_text(packed.package))
        return
    signers = () if unsigned or (bundles and not keys) else signing_keys(keys)
    envelopes = [sign_module(packed.package, signers, _now())] if signers else []
    envelopes += [bundle for bundle, _ in bundles]
    with _access(registry) as access:
        host = access.host(said.address.host if said.address is not None and said.address.host else "")
        published = upload(access.client, host, packed, envelopes)
    ids = [*(signer.id for signer in signers), *(signer for _, signer in bundles)]
    if as_json:
        document = {
            "address": f"{host}/{published.address}",
            "version": published.version,
            "created": published.created,
            "package_digest": published.package_digest,
            "tree_digest": published.tree_digest,
            "signers": ids,
        }
        _print_json(terminal, document)
        return
    what = "Published" if published.created else "There already, with the same bytes:"
    terminal.line(f"{what} {host}/{published.address} {published.version}")
    terminal.line(f"  {published.tree_digest}")
    terminal.line(f"  {_signed(ids)}")


@command.command("yank", cls=Command)
@click.argument("address", metavar="ADDRESS[@VERSION]")
@click.argument("version", required=False, metavar="[VERSION]")
@click.option("--reason", default="", metavar="TEXT", help="Why, for those who have locked it.")
@click.option("--undo", is_flag=True, help="Let it be chosen again.")
@registry_option
@json_option
@click.pass_obj
def yank(
    terminal: Terminal,
    address: str,
    version: str | None,
    reason: str,
    undo: bool,
    registry: str | None,
    as_json: bool,
) -> None:
    """Let nobody choose a version any more who has not locked it."""
    from iacengine.cli.registry_access import one_version  # lazy: help needs none of it
    from iacengine.modules import wire

    named, found_version = one_version(address, version)
    with _access(registry) as access:
        found = access.address(named)
        path = f"{wire.version_path(found, found_version)}/yank"
        if undo:
            access.client.send(found.host, "DELETE", path)
        else:
            access.client.send(found.host, "PUT", path, wire.encode(wire.Reason(reason)))
    if as_json:
        _print_json(terminal, {"address": str(found), "version": found_version, "yanked": not undo, "reason": reason})
        return
    terminal.line(f"{found} {found_version} {'can be chosen again' if undo else 'is yanked'}.")


@command.command("deprecate", cls=Command)
@click.argument("address", metavar="ADDRESS")
@click.option("--reason", default="", metavar="TEXT", help="Why.")
@click.option("--successor", default="", metavar="ADDRESS", help="What to use instead.")
@click.option("--undo", is_flag=True, help="Recommend it again.")
@registry_option
@json_option
@click.pass_obj
def deprecate(
    terminal: Terminal, address: str, reason: str, successor: str, undo: bool, registry: str | None, as_json: bool
) -> None:
    """Recommend a module no more, and name what to use instead. It can still be installed."""
    from iacengine.modules import wire  # lazy: help needs none of it
    from iacengine.modules.source import parse_address

    if successor:
        parse_address(successor)
    with _access(registry) as access:
        found = access.address(address)
        path = f"{wire.module_path(found)}/deprecation"
        if undo:
            access.client.send(found.host, "DELETE", path)
        else:
            access.client.send(found.host, "PUT", path, wire.encode(wire.Deprecation(reason, successor)))
    if as_json:
        document = {"address": str(found), "deprecated": not undo, "reason": reason, "successor": successor or None}
        _print_json(terminal, document)
        return
    instead = f" in favour of {successor}" if successor and not undo else ""
    terminal.line(f"{found} is {'recommended again' if undo else 'deprecated'}{instead}.")


# --- finding ----------------------------------------------------------------------------------------------------------


@command.command("search", cls=Command)
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option("--namespace", default="", metavar="NAME", help="Only in this namespace.")
@click.option("--system", default="", metavar="NAME", help="Only for this provider, such as aws.")
@click.option("--tag", default="", metavar="TAG", help="Only what has this tag.")
@click.option("--resource-type", default="", metavar="TYPE", help="Only what uses this type, such as aws_vpc.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, metavar="N", help="So many at most (default 20).")
@click.option("--offset", type=click.IntRange(0), default=0, metavar="N", help="Leave out the first so many.")
@registry_option
@json_option
@click.pass_obj
def search(
    terminal: Terminal,
    /,
    words: tuple[str, ...],
    limit: int,
    offset: int,
    registry: str | None,
    as_json: bool,
    **filters: str,
) -> None:
    """Look for modules in a registry."""
    from urllib.parse import urlencode  # lazy: help needs none of it

    from iacengine.modules import wire

    query = " ".join(words)
    asked = {"q": query, **filters, "limit": limit, "offset": offset}
    with _access(registry) as access:
        host = access.host()
        path = f"{wire.API}/modules?{urlencode({name: value for name, value in asked.items() if value != ''})}"
        found = access.client.ask(host, wire.SearchAnswer, path)
    if as_json:
        _print_json(terminal, {"registry": host, **_message(found)})
        return
    from iacengine.cli.views.module_text import search_text  # lazy: help needs none of it

    terminal.write(search_text(found, query))


@command.command("show", cls=Command)
@click.argument("address", metavar="ADDRESS[@VERSION]")
@click.option("--readme", is_flag=True, help="Show its README as well.")
@registry_option
@json_option
@click.pass_obj
def show(terminal: Terminal, address: str, readme: bool, registry: str | None, as_json: bool) -> None:
    """Show a module of a registry.

    Its versions, inputs and outputs, what it makes, and how to call it. That is what the registry says; signatures are
    verified when it is installed.
    """
    from iacengine.cli.registry_access import split_version  # lazy: help needs none of it
    from iacengine.modules import wire

    named, version = split_version(address)
    with _access(registry) as access:
        found = access.address(named)
        path = wire.module_path(found)
        module = access.client.ask(found.host, wire.ModuleDetail, path)
        versions = access.client.ask(found.host, wire.ModuleVersions, f"{path}/versions")
        detail = None
        if wanted := version or module.latest:
            detail = access.client.ask(found.host, wire.VersionDetail, wire.version_path(found, wanted))
    if as_json:
        document = {
            "registry": found.host,
            "module": _message(module),
            "versions": _message(versions)["versions"],
            "version": _message(detail) if detail is not None else None,
        }
        _print_json(terminal, document)
        return
    from iacengine.cli.views.module_text import module_text  # lazy: help needs none of it

    terminal.write(module_text(found.host, module, versions, detail, readme=readme))


# --- the stack's ------------------------------------------------------------------------------------------------------


@command.command("install", cls=Command)
@stack_option
@frozen_option
@click.option("--accept-key", "accepted", multiple=True, metavar="ID", help="Trust this key, where it is met first.")
@input_option
@json_option
@click.pass_obj
def install(terminal: Terminal, path: str, frozen: bool, accepted: tuple[str, ...], ask: bool, as_json: bool) -> None:
    """Install and lock the modules that a stack calls.

    What is locked stays as it is: `iac module update` takes newer versions.
    """
    _change_lock(terminal, path, None, frozen=frozen, accepted=accepted, may_ask=ask, as_json=as_json)


@command.command("update", cls=Command)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@stack_option
@click.option("--accept-key", "accepted", multiple=True, metavar="ID", help="Trust this key, where it is met first.")
@input_option
@json_option
@click.pass_obj
def update(
    terminal: Terminal, names: tuple[str, ...], path: str, accepted: tuple[str, ...], ask: bool, as_json: bool
) -> None:
    """Take the newest versions that constraints allow.

    Of the modules named, or of all. NAME is an address, its last parts, or a source. What is not named changes only if
    it must.
    """
    if names:
        from iacengine.modules.inquiry import locked_resolution, packages_named  # lazy: help needs none of it

        with _modules(terminal, path) as modules:
            resolution = locked_resolution(modules)
            for name in names:
                packages_named(resolution, name)
    _change_lock(terminal, path, names, frozen=False, accepted=accepted, may_ask=ask, as_json=as_json)


@command.command("verify", cls=Command)
@stack_option
@click.option("--offline", is_flag=True, help="Do not ask registries which keys were revoked since.")
@json_option
@click.pass_obj
def verify(terminal: Terminal, path: str, offline: bool, as_json: bool) -> int:
    """Verify files and signatures of what is locked.

    Files by their digest, signatures by the trust policy, with the keys that registries say are revoked by now.
    """
    from iacengine.cli.failures import print_diagnostics  # lazy: help needs none of it
    from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError

    results: list[tuple[LockedModule, tuple[str, ...], tuple[Diagnostic, ...]]] = []
    with _modules(terminal, path) as modules:
        if not offline:
            modules.refresh_revocations(modules.hosts())
        for locked in modules.lock.modules:
            try:
                results.append((locked, modules.verify(locked), ()))
            except DiagnosticsError as refused:
                results.append((locked, (), refused.diagnostics))
    failed = [found for _, _, diagnostics in results for found in diagnostics]
    if as_json:
        from iacengine.cli.views.diagnostic_json import diagnostic_json  # lazy: most runs are read by people
        from iacengine.cli.views.module_json import locked_json

        shown = [
            {
                **locked_json(locked),
                "verified": not diagnostics,
                "accepted": list(signers),
                "diagnostics": [diagnostic_json(one) for one in diagnostics],
            }
            for locked, signers, diagnostics in results
        ]
        _print_json(terminal, {"verified": not failed, "modules": shown})
        return exits.ERROR if failed else exits.DONE
    for locked, signers, diagnostics in results:
        name = " ".join(part for part in (locked.source, locked.version or locked.reference[:12]) if part)
        terminal.line(f"{name}: {'refused' if diagnostics else _signed(signers)}")
    if not results:
        terminal.line("The stack has no modules from elsewhere.")
    terminal.flush()
    print_diagnostics(failed, terminal)
    return exits.ERROR if failed else exits.DONE


@command.command("why", cls=Command)
@click.argument("name", metavar="NAME")
@stack_option
@json_option
@click.pass_obj
def why(terminal: Terminal, name: str, path: str, as_json: bool) -> None:
    """Say who requires a module, with file and line.

    Every chain of calls that leads to it is shown. NAME is an address, its last parts, or a source.
    """
    from iacengine.modules.inquiry import locked_resolution, packages_named, reasons  # lazy: help needs none of it

    with _modules(terminal, path) as modules:
        resolution = locked_resolution(modules)
        packages = packages_named(resolution, name)
        chains = [chain for package in packages for chain in reasons(modules, resolution, package)]
    if as_json:
        from iacengine.cli.views.module_json import chain_json  # lazy: most runs are read by people

        _print_json(terminal, {"chains": [chain_json(chain) for chain in chains]})
        return
    from iacengine.cli.views.module_text import reasons_text  # lazy: help needs none of it

    terminal.write(reasons_text(chains))


@command.command("outdated", cls=Command)
@stack_option
@click.option("--exit-code", "uses_code", is_flag=True, help="End with 2 when something is outdated.")
@json_option
@click.pass_obj
def outdated(terminal: Terminal, path: str, uses_code: bool, as_json: bool) -> int:
    """Show modules that have newer versions, or were yanked.

    Only those of registries: what has no versions is locked by its commit or digest.
    """
    from iacengine.modules import inquiry  # lazy: help needs none of it

    with _modules(terminal, path) as modules:
        found = inquiry.outdated(modules, inquiry.locked_resolution(modules))
    if as_json:
        from iacengine.cli.views.module_json import outdated_json  # lazy: most runs are read by people

        _print_json(terminal, {"outdated": outdated_json(found)})
    elif found:
        from iacengine.cli.views.module_text import outdated_text  # lazy: help needs none of it

        terminal.write(outdated_text(found))
    else:
        terminal.line("Every module is of the newest version.")
    return exits.CHANGES if found and uses_code else exits.DONE


@command.command("tree", cls=Command)
@stack_option
@json_option
@click.pass_obj
def tree(terminal: Terminal, path: str, as_json: bool) -> None:
    """Show what the stack calls, and what that calls in turn."""
    from iacengine.modules import inquiry  # lazy: help needs none of it

    with _modules(terminal, path) as modules:
        branches = inquiry.tree(modules, inquiry.locked_resolution(modules))
    if as_json:
        from iacengine.cli.views.module_json import branch_json  # lazy: most runs are read by people

        _print_json(terminal, {"calls": [branch_json(one) for one in branches]})
        return
    from iacengine.cli.views.module_text import tree_text  # lazy: help needs none of it

    terminal.write(tree_text(branches, path))


@command.command("clean", cls=Command)
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    default=30.0,
    metavar="DAYS",
    help="What was not used for so long (default 30; 0: everything).",
)
@json_option
@click.pass_obj
def clean(terminal: Terminal, older_than: float, as_json: bool) -> None:
    """Remove modules from the cache of this user. What is needed again is downloaded again."""
    from iacengine.cli.views.module_text import size_text  # lazy: help needs none of it
    from iacengine.modules.cache import open_cache

    cache = open_cache(os.environ)
    removed = cache.clean(older_than=older_than * 86_400)
    size = sum(tree.size for tree in removed)
    if as_json:
        _print_json(terminal, {"folder": cache.folder, "removed": [tree.digest for tree in removed], "bytes": size})
        return
    terminal.line(f"Removed {len(removed)} modules ({size_text(size)}) from {cache.folder}.")


# --- what they share --------------------------------------------------------------------------------------------------


def _change_lock(
    terminal: Terminal,
    path: str,
    upgrade: tuple[str, ...] | None,
    *,
    frozen: bool,
    accepted: tuple[str, ...],
    may_ask: bool,
    as_json: bool,
) -> None:
    """Install, and say what has changed. `upgrade`: names of what may get newer, () for all."""
    from iacengine import engine  # lazy: help needs none of it
    from iacengine.cli.installing import asking, module_options

    installed = asking(
        terminal,
        module_options(terminal, frozen=frozen, accepted=accepted),
        lambda options: engine.install(path, engine.stack_directory(path), options, upgrade),
        may_ask=may_ask and terminal.interactive and not as_json,
    )
    lock, changes = installed.lock, installed.changes
    if as_json:
        from iacengine.cli.views.module_json import locked_json  # lazy: most runs are read by people

        shown = [locked_json(one) for one in lock.modules]
        _print_json(terminal, {"modules": shown, "lock": {"path": lock.path, "changes": list(changes)}})
        return
    from iacengine.cli.views.module_text import locked_text  # lazy: help needs none of it

    if upgrade is None:
        for one in lock.modules:
            terminal.line(locked_text(one))
    if changes:
        terminal.line(f"{lock.path} has changed; commit it:")
        for change in changes:
            terminal.line(f"  {change}")
    else:
        terminal.line(f"{lock.path} is as it was.")


def _modules(terminal: Terminal, path: str) -> Any:
    """The modules of a stack, for questions: the lock file is not changed. Closed at the end of `with`."""
    from contextlib import closing  # lazy: help needs none of it

    from iacengine import engine
    from iacengine.cli.installing import module_options

    modules: Modules = engine.open_modules(path, engine.stack_directory(path), module_options(terminal, frozen=True))
    return closing(modules)


def _access(registry: str | None) -> Any:
    from iacengine.cli.registry_access import registry_access  # lazy: help needs none of it

    return registry_access(registry)


def _described(folder: str, address: str | None, version: str | None) -> ModuleDescription:
    """What the module's file says, and the command line, which goes first. Raises DiagnosticsError."""
    from dataclasses import replace  # lazy: help needs none of it

    from iacengine.foundation.diagnostics import failure
    from iacengine.modules.publication import read_description
    from iacengine.modules.source import parse_address

    if not os.path.isdir(folder):  # noqa: PTH112 - text in
        raise failure("No such folder", f"There is no folder {folder}.", remedy="Name the folder of the module.")
    said = read_description(folder)
    return replace(
        said,
        address=parse_address(address) if address is not None else said.address,
        version=version if version is not None else said.version,
    )


def _signed(ids: Any) -> str:
    from iacengine.cli.views.module_text import signers_text  # lazy: help needs none of it

    return signers_text(list(ids))


def _now() -> Any:
    from datetime import UTC, datetime  # lazy: help needs none of it

    return datetime.now(UTC)


def _message(message: Any) -> dict[str, Any]:
    from dataclasses import asdict  # lazy: help needs none of it

    return asdict(message)


def _print_json(terminal: Terminal, document: dict[str, Any]) -> None:
    from iacengine.cli.views.value_json import dumps  # lazy: most runs are read by people

    terminal.line(dumps({"format_version": "1.0", **document}, indent=True).decode())
