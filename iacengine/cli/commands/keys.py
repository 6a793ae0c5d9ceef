"""`iac keys`: the keys that modules are signed with."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from iacengine.cli.group import Command, Group
from iacengine.cli.options import json_option
from iacengine.cli.terminal import Terminal

if TYPE_CHECKING:
    from datetime import datetime

    from iacengine.modules.keys import KeyStore, StoredKey


@click.group("keys", cls=Group)
def command() -> None:
    """Make and keep the keys that modules are signed with.

    They lie in ~/.config/iacengine/keys, private ones encrypted with a passphrase, which is asked for or taken from
    IAC_KEY_PASSPHRASE. Which keys are trusted, and for what, says iac.trust.yaml.
    """


@command.command("generate", cls=Command)
@click.argument("name", metavar="NAME")
@click.option("--expires", metavar="DAY", help="From this day on (2028-01-31, UTC) it signs nothing.")
@json_option
@click.pass_obj
def generate_(terminal: Terminal, name: str, expires: str | None, as_json: bool) -> None:
    """Make a key (Ed25519), and show what a trust policy needs to name it."""
    from iacengine.cli.passphrase import new_passphrase  # lazy: help needs none of it
    from iacengine.modules.keys import StoredKey, check_name
    from iacengine.modules.signing_key import generate

    store, now = _store(), _now()
    check_name(name)
    ends = _day(expires, now)
    key = generate()
    sealed = key.sealed(new_passphrase(name))
    _say_key(terminal, store.add(StoredKey(name, key.public, now, ends), sealed), as_json, "Made")


@command.command("list", cls=Command)
@json_option
@click.pass_obj
def list_(terminal: Terminal, as_json: bool) -> None:
    """List the keys: whose private part is there, and which are revoked or have expired."""
    keys, now = _store().all(), _now()
    if as_json:
        from iacengine.modules.keys import key_document  # lazy: help needs none of it

        _print_json(terminal, {"format_version": "1.0", "keys": [key_document(key) for key in keys]})
        return
    if not keys:
        terminal.line("There are no keys. `iac keys generate NAME` makes one.")
        return
    from iacengine.cli.views.table_text import table_text  # lazy: help needs none of it
    from iacengine.modules.statement import time_text

    rows = [
        (
            key.name,
            key.id,
            "signs and verifies" if key.has_private else "verifies",
            time_text(key.created)[:10],
            time_text(key.expires)[:10] if key.expires else "never",
            _status(key, now),
        )
        for key in keys
    ]
    terminal.write(table_text(("name", "id", "use", "made", "expires", "status"), rows))


@command.command("export", cls=Command)
@click.argument("key", metavar="KEY")
@click.option("--private", is_flag=True, help="The private key, encrypted as it is kept.")
@click.option("--pem", is_flag=True, help="The public key as PEM, for other programs.")
@json_option
@click.pass_obj
def export(terminal: Terminal, key: str, private: bool, pem: bool, as_json: bool) -> None:
    """Print a key: by default the public one, as a trust policy wants it.

    KEY is a name, an id, or the first letters of an id.
    """
    if private + pem + as_json > 1:
        raise click.UsageError("Of --private, --pem and --json one can be used.")
    store = _store()
    found = store.find(key)
    if as_json:
        _say_key(terminal, found, True, "")
    elif private:
        terminal.write(store.sealed(found))
    elif pem:
        terminal.write(found.public.pem)
    else:
        terminal.write(_policy_text(found))


@command.command("import", cls=Command)
@click.argument("file", metavar="FILE")
@click.option("--name", metavar="NAME", help="What to call it (the default is the file's name).")
@click.option("--expires", metavar="DAY", help="From this day on (2028-01-31, UTC) it is not to be used.")
@json_option
@click.pass_obj
def import_(terminal: Terminal, file: str, name: str | None, expires: str | None, as_json: bool) -> None:
    """Take a key from FILE (`-`: standard input): a private or a public one, as PEM or as `export` printed it.

    A private key that is encrypted is opened with its passphrase, and kept encrypted with the same.
    """
    from iacengine.cli.key_files import imported_key, read_key_file  # lazy: help needs none of it
    from iacengine.modules.keys import check_name

    store, now = _store(), _now()
    text = read_key_file(file)
    called = name or os.path.basename(file).removesuffix(".pem").removesuffix(".pub")  # noqa: PTH119 - text in
    if file == "-" and name is None:
        raise click.UsageError("A key from standard input needs a --name.")
    check_name(called)
    key, sealed = imported_key(text, called, now, _day(expires, now))
    _say_key(terminal, store.add(key, sealed), as_json, "Imported")


@command.command("revoke", cls=Command)
@click.argument("key", metavar="KEY")
@click.option("--reason", default="", metavar="TEXT", help="Why, for those who read it.")
@click.option("--registry", metavar="HOST", help="Put it on the list of this registry, which tells all who ask it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def revoke(terminal: Terminal, key: str, reason: str, registry: str | None, yes: bool, as_json: bool) -> int:
    """Trust a key no more: it signs nothing from now on, and what it signed counts for nothing here.

    Others learn of it from the list of their registry, or from `revoked` in their trust policy.
    """
    from iacengine.cli import exits  # lazy: help needs none of it
    from iacengine.cli.prompts import approve
    from iacengine.foundation.diagnostics import failure

    store = _store()
    found = store.find(key)
    if not yes and as_json:
        raise failure("Approval required", "--json is used, so that nobody can be asked.", remedy="Add --yes.")
    if not yes and not approve(
        f'Do you want to revoke the key "{found.name}" ({found.id})? It cannot be taken back.', terminal
    ):
        terminal.line("\nNot approved: the key is as it was.")
        return exits.ERROR
    revoked = store.revoke(found, _now(), reason)
    if registry is not None:
        _tell_registry(registry, revoked)
    if as_json:
        _say_key(terminal, revoked, True, "")
        return exits.DONE
    if registry is not None:
        terminal.line(f"{registry} tells it to all who ask for modules.")
    terminal.line(f'The key "{revoked.name}" is revoked. In trust policies it goes under `revoked`:\n')
    terminal.line(f"revoked:\n  - {revoked.id}")
    return exits.DONE


def _tell_registry(registry: str, key: StoredKey) -> None:
    from iacengine.cli.registry_access import registry_access  # lazy: help needs none of it
    from iacengine.modules import wire

    with registry_access(registry) as access:
        message = wire.encode(wire.Reason(key.reason))
        access.client.send(access.host(), "PUT", f"{wire.API}/revocations/{key.id}", message)


def _store() -> KeyStore:
    from iacengine.modules.keys import KeyStore  # lazy: help needs none of it

    return KeyStore.of_user(os.environ)


def _now() -> datetime:
    from datetime import UTC, datetime  # lazy: help needs none of it

    return datetime.now(UTC)


def _day(text: str | None, now: datetime) -> datetime | None:
    from iacengine.modules.trust import moment  # lazy: help needs none of it

    if text is None:
        return None
    try:
        found = moment(text)
    except ValueError as problem:
        raise click.BadParameter(f"{problem}; write one such as 2028-01-31.", param_hint="--expires") from None
    if found <= now:
        raise click.BadParameter(f"{text} is over already.", param_hint="--expires")
    return found


def _status(key: StoredKey, now: datetime) -> str:
    if key.revoked is not None:
        return f"revoked ({key.reason})" if key.reason else "revoked"
    return "expired" if key.expires is not None and key.expires <= now else "good"


def _policy_text(key: StoredKey) -> str:
    """An entry for `keys` of a trust policy."""
    from iacengine.modules.statement import time_text  # lazy: help needs none of it

    expires = f'    expires: "{time_text(key.expires)}"\n' if key.expires else ""
    return f"keys:\n  - name: {key.name}\n    id: {key.id}\n    public: {key.public.text}\n{expires}"


def _say_key(terminal: Terminal, key: StoredKey, as_json: bool, done: str) -> None:
    if as_json:
        from iacengine.modules.keys import key_document  # lazy: help needs none of it

        _print_json(terminal, {"format_version": "1.0", **key_document(key)})
        return
    terminal.line(f'{done} the key "{key.name}". To trust it, put this into {_policy_name()} and name it there under')
    terminal.line("`namespaces`:\n")
    terminal.write(_policy_text(key))


def _policy_name() -> str:
    from iacengine.modules.trust import POLICY_NAME  # lazy: help needs none of it

    return POLICY_NAME


def _print_json(terminal: Terminal, document: dict[str, Any]) -> None:
    from iacengine.cli.views.value_json import dumps  # lazy: most runs are read by people

    terminal.line(dumps(document, indent=True).decode())
    sys.stdout.flush()
