"""Finding providers by name or by Terraform source address.

An adapter is a distribution with an entry point in the group `iacengine.providers` that names a `ProviderPlugin`. The
entry points are read straight from the installed distributions' metadata (the file format is that of
https://packaging.python.org/en/latest/specifications/entry-points/), an order of magnitude cheaper than importing
`importlib.metadata`.

A source address is `NAME`, `NAMESPACE/NAME` or `HOST/NAMESPACE/NAME`. An adapter answers to its own name, to
`iacengine/NAME`, and to the addresses in its `stands_in_for`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from iacengine.foundation.diagnostics import DiagnosticsError, failure, near_match
from iacengine.provider.builtin import BUILTIN, BUILTIN_SOURCE
from iacengine.provider.protocol import ProviderPlugin

GROUP = "iacengine.providers"
DEFAULT_HOST = "registry.terraform.io"
OWN_NAMESPACE = "iacengine"

_TWIN_HOSTS = ("registry.opentofu.org",)  # the same providers under the same names
_ADDRESS = re.compile(r"(?:(?:[\w.:-]+/)?[\w-]+/)?[\w-]+")


@dataclass(frozen=True, slots=True)
class _EntryPoint:
    """An entry point of the group, and the distribution that brings it."""

    name: str
    target: str
    distribution: str


def find_plugin(name_or_source: str) -> ProviderPlugin:
    """The plugin of a provider's name or source address.

    Raises DiagnosticsError when none is installed, when two of one name are, and when the installed one is broken.
    """
    return _find(name_or_source.strip())


def source_address(name_or_source: str) -> str:
    """The full address that states name the provider by: `registry.terraform.io/hashicorp/aws` for `aws`.

    An adapter that stands in for no Terraform provider is `iacengine/NAME`. Raises as `find_plugin` for a bare name.
    """
    text = name_or_source.strip()
    if text == "terraform" or text == BUILTIN_SOURCE:
        return BUILTIN_SOURCE
    if text.startswith(f"{OWN_NAMESPACE}/"):
        return text
    if "/" in text:
        return _full(text)
    plugin = _find(text)
    return _full(plugin.stands_in_for[0]) if plugin.stands_in_for else f"{OWN_NAMESPACE}/{plugin.name}"


def plugin_names() -> tuple[str, ...]:
    """The names of all installed providers, sorted. Imports none of them."""
    return tuple(sorted({BUILTIN.name, *_entry_points()}))


def forget() -> None:
    """Look at the installed distributions anew; for programs that install one while they run."""
    _find.cache_clear()
    _load.cache_clear()
    _entry_points.cache_clear()


def _full(source: str) -> str:
    """An address with its host, lower case as Terraform's."""
    source = source.lower()
    return source if source.count("/") == 2 else f"{DEFAULT_HOST}/{source}"


@cache
def _find(text: str) -> ProviderPlugin:
    if text in (BUILTIN.name, BUILTIN_SOURCE):
        return BUILTIN
    if not _ADDRESS.fullmatch(text):
        raise failure(
            "Invalid provider source",
            f'"{text}" is no provider address.',
            remedy='Write a name ("aws"), "NAMESPACE/NAME", or "HOST/NAMESPACE/NAME".',
        )
    last = text.rsplit("/", 1)[-1].lower()
    entries = _entry_points()
    if "/" not in text or text.lower() == f"{OWN_NAMESPACE}/{last}":
        if last in entries:
            return _load(last)
        raise _not_installed(text)
    wanted = _full(text)
    for host in _TWIN_HOSTS:
        wanted = re.sub(f"^{re.escape(host)}/", f"{DEFAULT_HOST}/", wanted)
    if last in entries and wanted in map(_full, _load(last).stands_in_for):
        return _load(last)
    for name in sorted(entries):
        if wanted in map(_full, _addresses(name)):
            return _load(name)
    raise _not_installed(text)


def _addresses(name: str) -> tuple[str, ...]:
    """What an installed adapter stands in for; nothing when it is broken, which is only told to those who name it."""
    try:
        return _load(name).stands_in_for
    except DiagnosticsError:
        return ()


@cache
def _load(name: str) -> ProviderPlugin:
    entry = _entry_points()[name]
    module, _, attribute = entry.target.partition(":")
    try:
        plugin = getattr(import_module(module), attribute)
    except Exception as cause:
        raise failure(
            "Broken provider",
            f'The provider "{name}" of the distribution {entry.distribution} cannot be loaded: '
            f"{type(cause).__name__}: {cause}.",
            remedy=f"Install {entry.distribution} anew, or remove it.",
        ) from cause
    if not isinstance(plugin, ProviderPlugin):
        raise failure(
            "Broken provider",
            f"{entry.target} of the distribution {entry.distribution} is no ProviderPlugin.",
            remedy=f"Install another version of {entry.distribution}, or remove it.",
        )
    return plugin


def _not_installed(text: str) -> DiagnosticsError:
    names = plugin_names()
    last = text.rsplit("/", 1)[-1]
    near = near_match(last, names)
    known = ", ".join(names)
    if near and near != last:
        remedy = f'Did you mean "{near}"?'
    else:
        remedy = (
            f'Install a package that provides it: one with an entry point "{last}" in the group {GROUP}, '
            "or that stands in for this address."
        )
    return failure("Unknown provider", f'No provider "{text}" is installed. Installed are: {known}.', remedy=remedy)


# --- installed distributions ----------------------------------------------------------------------------------------


@cache
def _entry_points() -> Mapping[str, _EntryPoint]:
    """The entry points of the group by name. A distribution found twice counts where it comes first on the path."""
    found: dict[str, _EntryPoint] = {}
    seen: set[str] = set()
    for folder in dict.fromkeys(sys.path):
        for distribution, path in _metadata_files(folder or "."):
            if distribution in seen:
                continue
            seen.add(distribution)
            for name, target in _read_group(path):
                entry = _EntryPoint(name, target, distribution)
                other = found.setdefault(name, entry)
                if other.target != entry.target:
                    raise failure(
                        "Two providers of one name",
                        f'The distributions {other.distribution} and {distribution} both provide "{name}".',
                        remedy="Remove one of them.",
                    )
    return found


def _metadata_files(folder: str) -> list[tuple[str, str]]:
    """Name and entry-point file of each distribution in a folder of the import path, sorted."""
    try:
        entries = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith((".dist-info", ".egg-info")))
    except OSError:  # not there, or no directory (a zip archive)
        return []
    return [(_distribution(name), f"{folder}/{name}/entry_points.txt") for name in entries]


def _distribution(metadata_folder: str) -> str:
    """The distribution's normalised name: `acme-cloud` of `Acme_Cloud-1.0.dist-info`."""
    name = re.split(r"-(?=\d)", metadata_folder.rsplit(".", 1)[0])[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def _read_group(path: str) -> list[tuple[str, str]]:
    """The entries of the group in an `entry_points.txt`, without extras."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError:
        return []
    if GROUP not in text:
        return []
    entries: list[tuple[str, str]] = []
    inside = False
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            inside = line == f"[{GROUP}]"
        elif inside and "=" in line and not line.startswith(("#", ";")):
            name, _, target = line.partition("=")
            entries.append((name.strip(), target.split("[", 1)[0].strip()))
    return entries
