"""`iac login`: keep the token of a registry."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import click

from iacengine.cli.group import Command
from iacengine.cli.options import json_option
from iacengine.cli.terminal import Terminal


@click.command("login", cls=Command)
@click.argument("host", metavar="HOST[:PORT]")
@click.option("--logout", is_flag=True, help="Forget the token instead.")
@click.option("--no-check", is_flag=True, help="Keep the token without asking the registry whether it is good.")
@click.option("--ca-bundle", default="", metavar="FILE", help="Trust these authorities (PEM; also: IAC_CA_BUNDLE).")
@json_option
@click.pass_obj
def command(terminal: Terminal, host: str, logout: bool, no_check: bool, ca_bundle: str, as_json: bool) -> None:
    """Keep a token for a registry, which is asked for, or read from standard input.

    It is kept in credentials.json in the user's configuration folder, readable by the user alone. Administrators of a
    registry make tokens with `iac registry token create`.
    """
    from iacengine.foundation.diagnostics import failure  # lazy: help needs none of it
    from iacengine.modules.credentials import credentials_file, store_token
    from iacengine.modules.settings import CA_VARIABLE, named_host, registry_settings

    environment = os.environ | ({CA_VARIABLE: ca_bundle} if ca_bundle else {})
    settings = named_host(registry_settings(environment), host)
    host = settings.default_host
    if not host:
        raise failure("No name of a registry", "It is empty.", remedy="Write HOST or HOST:PORT.")
    if logout:
        had = store_token(host, None)
        told = f"The token of {host} is forgotten; it still counts until it is revoked."
        _say(terminal, as_json, {"host": host, "removed": had}, told if had else f"There is no token of {host}.")
        return
    secret = _asked(terminal, host)
    if not secret or any(sign.isspace() or not sign.isprintable() for sign in secret):
        raise failure("No token", "A token is one word, such as iac_….", remedy="Copy the whole of it.")
    user = None
    scopes: tuple[str, ...] = ()
    if not no_check:
        # Mirrors get no say in whether a token is good.
        user, scopes = _checked(settings.bases(host)[-1], secret, settings.ca_certificates)
    store_token(host, secret)
    place = credentials_file()
    document = {"host": host, "user": user, "scopes": list(scopes), "file": str(place)}
    who = "" if user is None else f" as {user} ({', '.join(scopes)})"
    _say(terminal, as_json, document, f"Logged in to {host}{who}. The token is kept in {place}.")


def _asked(terminal: Terminal, host: str) -> str:
    if sys.stdin.isatty():
        import getpass  # lazy: only people are asked

        return getpass.getpass(f"Token for {host} (hidden): ").strip()
    return sys.stdin.readline().strip()


def _checked(base: str, secret: str, authorities: str | None) -> tuple[str, tuple[str, ...]]:
    """User and scopes, as the registry says. Raises DiagnosticsError."""
    from iacengine.foundation.diagnostics import failure  # lazy: help needs none of it
    from iacengine.foundation.http import HttpClient, HttpSettings
    from iacengine.foundation.retry import Backoff
    from iacengine.modules.wire import API, Whoami, WireError, decode

    client = HttpClient(HttpSettings(ca_certificates=authorities, backoff=Backoff(retries=2, patience=10.0)))
    try:
        headers = {"Authorization": f"Bearer {secret}"}
        answer = client.request("GET", f"{base}{API}/whoami", headers=headers, accept=(401, 404))
    finally:
        client.close()
    if answer.status == 401:
        raise failure(
            "Token refused", f"{base} does not take this token.", remedy="Copy the whole of it, or get another."
        )
    try:
        if not answer.ok:
            raise WireError("no whoami")
        told = decode(Whoami, answer.content)
    except WireError:
        raise failure(
            "No registry of iacengine there",
            f"{base}{API}/whoami answered with status {answer.status}, and not as a registry.",
            remedy="Check the name; for registries of others use --no-check.",
        ) from None
    return told.user, told.scopes


def _say(terminal: Terminal, as_json: bool, document: Mapping[str, object], text: str) -> None:
    if as_json:
        from iacengine.cli.views.value_json import dumps  # lazy: most runs are read by people

        terminal.line(dumps({"format_version": "1.0", **document}, indent=True).decode())
    else:
        terminal.line(text)
