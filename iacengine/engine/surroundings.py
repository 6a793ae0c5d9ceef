"""What planning and applying take from the world: providers, files, the clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from iacengine.config.model import Configuration, ProviderName
from iacengine.config.provider_names import resolve_provider
from iacengine.engine.model import Engine
from iacengine.foundation.diagnostics import failure
from iacengine.foundation.files import DiskFiles
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.render import with_rendering
from iacengine.provider.discovery import find_plugin, source_address
from iacengine.provider.instances import Providers
from iacengine.provider.protocol import ConfigureContext, ProviderPlugin
from iacengine.provider.retry import NO_RULES, RetryRules
from iacengine.state.encryption.settings import encryption_settings
from iacengine.state.model import OutputState
from iacengine.state.moved import StateMovedError
from iacengine.state.statefile import decode_state

if TYPE_CHECKING:
    pass


def new_providers(engine: Engine, parallelism: int) -> Providers:
    context = ConfigureContext(engine.configuration.directory or ".", parallelism)
    return Providers(_find_plugin, context, _retry_rules(engine.configuration))


def _retry_rules(configuration: Configuration) -> RetryRules:
    """How patient the stack wants to be, by the source addresses of its providers and by type."""
    entries = configuration.root.settings.retries
    if not entries:
        return NO_RULES
    from iacengine.config.retries_check import names_provider  # lazy: few stacks have them

    by_source, by_type = {}, {}
    for entry in entries:
        if names_provider(entry, configuration):
            resolved = resolve_provider(configuration, (), ProviderName(entry.name), source_address)
            if resolved is not None:
                by_source[resolved.reference.source] = entry.settings
        else:
            by_type[entry.name] = entry.settings
    return RetryRules(by_source, by_type)


def _find_plugin(source: str) -> ProviderPlugin:
    plugin = find_plugin(source)
    if plugin.name == "terraform":
        from iacengine.provider.builtin.terraform import terraform_plugin  # lazy: most stacks name other providers

        return terraform_plugin(_read_outputs)
    return plugin


def _read_outputs(path: str) -> Mapping[str, OutputState] | None:
    """The root outputs of a state file, this engine's or Terraform's."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise failure("State file cannot be read", f"{path}: {problem.strerror}.") from None
    if b'"iacengine-state"' in data[:400]:
        state = decode_state(data, path)
        if state.moved_to:
            raise StateMovedError(path, state.moved_to)
        if state.encryption is not None:
            from iacengine.state.encryption.keyring import shared_keyring  # lazy: most states are not encrypted
            from iacengine.state.encryption.states import open_state

            state = open_state(state, shared_keyring(encryption_settings()), path)
        return state.outputs
    from iacengine.state.tfstate import from_tfstate  # lazy: states of Terraform are rare

    return from_tfstate(data, path).outputs


def function_context(timestamp: str, *, planning: bool = False) -> FunctionContext:
    """The surroundings of evaluation. While planning, what changes from call to call (`uuid()`) is not known yet."""
    moment = datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) if timestamp else None
    return with_rendering(FunctionContext(DiskFiles(), plan_timestamp=moment, pure_only=planning))


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_lineage() -> str:
    from uuid import uuid4  # lazy: only for the first plan of a stack

    return str(uuid4())
