"""The providers of a stack as they are installed: versions and digests, for the lock file.

A provider is a Python package. Its digest is the tree digest (`iacengine.modules.package`) of the package's files,
without compiled ones, so that it is the same however and wherever it was installed.
"""

from __future__ import annotations

import hashlib
import os
import sys

from iacengine.config.model import Configuration
from iacengine.config.provider_names import provider_source
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError
from iacengine.modules.lockfile import LockedProvider
from iacengine.modules.package import TreeFile, digest_of
from iacengine.provider.builtin import BUILTIN
from iacengine.provider.discovery import find_plugin, source_address
from iacengine.provider.protocol import ProviderPlugin


def provider_plugins(configuration: Configuration) -> dict[str, ProviderPlugin]:
    """The providers that a configuration uses, by address. Raises DiagnosticsError with all that are not installed."""
    found: dict[str, ProviderPlugin] = {}
    problems: list[Diagnostic] = []
    for module in configuration.root.walk():
        names = {block.provider_name.name for block in module.resources.values()}
        for name in sorted(names | set(module.settings.required_providers)):
            source = provider_source(configuration, module.path, name)
            try:
                found[source_address(source)] = find_plugin(source)
            except DiagnosticsError as error:
                problems.extend(one for one in error.diagnostics if one not in problems)
    if problems:
        raise DiagnosticsError(*problems)
    return dict(sorted(found.items()))


def locked_providers(plugins: dict[str, ProviderPlugin]) -> tuple[LockedProvider, ...]:
    """What the lock file says of these; the built-in one is part of iacengine itself."""
    return tuple(
        LockedProvider(source, plugin.version, provider_digest(plugin))
        for source, plugin in plugins.items()
        if plugin is not BUILTIN
    )


def provider_digest(plugin: ProviderPlugin) -> str:
    """The digest of the files that a provider is made of."""
    folder = _folder(plugin)
    files: list[TreeFile] = []
    for above, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            path = os.path.join(above, name)  # noqa: PTH118 - text
            if name.endswith((".pyc", ".pyo")) or not os.path.isfile(path):  # noqa: PTH113 - text
                continue
            with open(path, "rb") as file:  # noqa: PTH123 - text
                data = file.read()
            relative = os.path.relpath(path, folder).replace(os.sep, "/")
            files.append(TreeFile(relative, len(data), hashlib.sha256(data).hexdigest()))
    return digest_of(files)


def _folder(plugin: ProviderPlugin) -> str:
    """The folder of the top package that the plugin's code is in."""
    module = getattr(plugin.create, "__module__", "") or type(plugin).__module__
    top = sys.modules[module.partition(".")[0]]
    return os.path.dirname(os.path.realpath(top.__file__ or ""))  # noqa: PTH120 - text
