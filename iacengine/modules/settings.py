"""What a user has set about registries: the default one, mirrors, certificates; by file and by variables.

`$XDG_CONFIG_HOME/iacengine/settings.yaml`:

    registry: registry.example.org
    mirrors:
      registry.example.org: [https://mirror.example.net/iac]
    ca_bundle: /etc/ssl/our-ca.pem

The variables `IAC_REGISTRY`, `IAC_REGISTRY_MIRRORS` (`HOST=URL,URL;HOST=URL`) and `IAC_CA_BUNDLE` go first. Proxies are
those of HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Traffic is encrypted, but with this machine itself (`http://localhost`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from iacengine.config.model import Origin
from iacengine.config.source import mistake, parse, source_file
from iacengine.foundation.atomic import read_regular_file
from iacengine.foundation.diagnostics import DiagnosticsError, failure, near_match
from iacengine.foundation.disk import disk_failure
from iacengine.modules.credentials import find_token
from iacengine.modules.keys import settings_folder
from iacengine.modules.model import DEFAULT_REGISTRY_VARIABLE

MIRRORS_VARIABLE: Final = "IAC_REGISTRY_MIRRORS"
CA_VARIABLE: Final = "IAC_CA_BUNDLE"
SETTINGS_NAME: Final = "settings.yaml"
_HOST: Final = re.compile(r"[0-9a-z](?:[0-9a-z.-]*[0-9a-z])?(?::[0-9]{1,5})?")
_THIS_MACHINE: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """`default_host` "" when no registry is named. `plain`: hosts of this machine that are asked without encryption.
    `ca_certificates` is PEM text, None for those of the system."""

    default_host: str = ""
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    plain: frozenset[str] = frozenset()
    ca_certificates: str | None = None

    def bases(self, host: str) -> tuple[str, ...]:
        """Where to ask for what is on a host, the first first: its mirrors, then itself."""
        own = f"{'http' if host in self.plain else 'https'}://{host}"
        return (*self.mirrors.get(host, ()), own)


def registry_settings(environment: Mapping[str, str] = os.environ) -> RegistrySettings:
    """The settings of the user. Raises DiagnosticsError."""
    file = _file(environment)
    mirrors: dict[str, tuple[str, ...]] = {**file.get("mirrors", {})}
    mirrors |= _mirrors_of(environment.get(MIRRORS_VARIABLE, ""))
    plain: set[str] = set()
    host = _host(environment.get(DEFAULT_REGISTRY_VARIABLE, "") or file.get("registry", ""), plain)
    bundle = environment.get(CA_VARIABLE, "") or file.get("ca_bundle", "")
    return RegistrySettings(host, mirrors, frozenset(plain), _certificates(bundle) if bundle else None)


def named_host(settings: RegistrySettings, text: str) -> RegistrySettings:
    """The settings with another default registry. Raises DiagnosticsError when the text names none."""
    plain = set(settings.plain)
    return replace(settings, default_host=_host(text, plain), plain=frozenset(plain))


def token_of(host: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The token for a host: ours (`iac login`, `IAC_TOKEN_…`), else Terraform's (`TF_TOKEN_…`, `terraform login`).

    https://developer.hashicorp.com/terraform/cli/config/config-file#credentials
    """
    if found := find_token(host, environment):
        return found
    variable = "TF_TOKEN_" + host.lower().replace("-", "__").replace(".", "_").replace(":", "_")
    if found := environment.get(variable, "").strip():
        return found
    file = Path(environment.get("HOME") or Path.home(), ".terraform.d", "credentials.tfrc.json")
    try:
        text = read_regular_file(str(file))
        entry = orjson.loads(text)["credentials"][host.lower()] if text else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # another program's file: what cannot be read of it is none of our business
    token = entry.get("token") if isinstance(entry, dict) else None
    return token if isinstance(token, str) and token else None


def _host(text: str, plain: set[str]) -> str:
    """The host that a setting names, as `HOST[:PORT]` or as the address of a server."""
    given = text.strip().rstrip("/").lower()
    if not given:
        return ""
    scheme, separator, rest = given.partition("://")
    host = rest if separator else given
    if not _HOST.fullmatch(host) or (separator and scheme not in ("http", "https")):
        raise failure(
            "Invalid registry", f'"{text}" is no host.', remedy="Write it as HOST or HOST:PORT, without a path."
        )
    if separator and scheme == "http":
        if urlsplit(given).hostname not in _THIS_MACHINE:
            raise failure(
                "Registry without encryption",
                f"{text} would send tokens and modules for everybody to read and change.",
                remedy="Use https. Only on this machine itself http is allowed.",
            )
        plain.add(host)
    return host


def _mirrors_of(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        host, separator, urls = entry.partition("=")
        if not separator:
            raise failure(
                "Invalid mirrors",
                f"{MIRRORS_VARIABLE} has the entry {entry!r}.",
                remedy="Write HOST=URL, several URLs with commas, several hosts with semicolons.",
            )
        found[host.strip().lower()] = tuple(_mirror(url.strip()) for url in urls.split(",") if url.strip())
    return found


def _mirror(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _THIS_MACHINE):
        raise failure("Invalid mirror", f'"{url}" is no https address.', remedy="Write it as https://HOST/PATH.")
    return url.rstrip("/")


def _certificates(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except OSError as problem:
        raise disk_failure(problem, "read the certificates", path) from None
    except UnicodeDecodeError:
        raise failure("Invalid certificates", f"{path} is no PEM text.", remedy="Convert it to PEM.") from None


def _file(environment: Mapping[str, str]) -> dict[str, Any]:
    path = str(settings_folder(environment) / SETTINGS_NAME)
    try:
        text = read_regular_file(path)
    except OSError as problem:
        raise disk_failure(problem, "read your settings", path) from None
    if text is None:
        return {}
    file = source_file(path, text)
    data = parse(file)
    origin = Origin(file)
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise DiagnosticsError(mistake(origin, "Invalid settings", "An object was expected."))
    known = ("registry", "mirrors", "ca_bundle")
    for name, value in data.items():
        if name not in known:
            near = near_match(name, known)
            remedy = f'Did you mean "{near}"?' if near else f"Known are {', '.join(known)}."
            raise DiagnosticsError(
                mistake(origin, "Invalid settings", f'"{name}" is not known.', path=(name,), key=True, remedy=remedy)
            )
        if name == "mirrors":
            data[name] = _mirrors_in(value, origin)
        elif not isinstance(value, str):
            raise DiagnosticsError(mistake(origin, "Invalid settings", f'"{name}" has to be a text.', path=(name,)))
    return data


def _mirrors_in(value: Any, origin: Origin) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for host, urls in value.items() if isinstance(value, dict) else ():
        if isinstance(urls, list) and all(isinstance(url, str) for url in urls):
            found[host.lower()] = tuple(map(_mirror, urls))
    if not isinstance(value, dict) or len(found) != len(value):
        detail = "Mirrors are lists of addresses by host."
        raise DiagnosticsError(mistake(origin, "Invalid settings", detail, path=("mirrors",)))
    return found
