"""One module from the blocks of its files: names are unique, and a second use names both places."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

from iacengine.addresses import Mode, ModulePath
from iacengine.config.fragment import Fragment, Settings
from iacengine.config.model import Import, Module, Origin, ProviderRequirement, RetryBlock, StackSettings
from iacengine.config.source import mistake, place_text
from iacengine.foundation.diagnostics import Findings

_Block = TypeVar("_Block")
_Key = TypeVar("_Key", bound=Hashable)
_MODE_NAMES = {Mode.MANAGED: "resource", Mode.DATA: "data source", Mode.EPHEMERAL: "ephemeral resource"}


def assemble(path: ModulePath, directory: str, fragments: Iterable[Fragment], findings: Findings) -> Module:
    """The module, without the modules it calls."""
    every = tuple(fragments)

    def unique(name: str, key: Callable[[Any], _Key], title: Callable[[_Key], str]) -> dict[_Key, Any]:
        return _unique([block for fragment in every for block in getattr(fragment, name)], key, title, findings)

    return Module(
        path=path,
        directory=directory,
        settings=_settings([settings for fragment in every for settings in fragment.settings], findings),
        variables=unique("variables", lambda block: block.name, lambda name: f'variable "{name}"'),
        locals=unique("locals", lambda block: block.name, lambda name: f'local value "{name}"'),
        outputs=unique("outputs", lambda block: block.name, lambda name: f'output "{name}"'),
        providers=unique("providers", lambda block: block.name, lambda name: f"provider configuration {name}"),
        resources=unique("resources", lambda block: block.address, lambda key: f"{_MODE_NAMES[key.mode]} {key}"),
        calls=unique("calls", lambda block: block.name, lambda name: f'module "{name}"'),
        checks=unique("checks", lambda block: block.name, lambda name: f'check "{name}"'),
        moved=tuple(block for fragment in every for block in fragment.moved),
        removed=tuple(block for fragment in every for block in fragment.removed),
        imports=_imports([block for fragment in every for block in fragment.imports], findings),
    )


def _unique(
    blocks: list[_Block], key: Callable[[_Block], _Key], title: Callable[[_Key], str], findings: Findings
) -> dict[_Key, _Block]:
    found: dict[_Key, _Block] = {}
    for block in blocks:
        name = key(block)
        first = found.setdefault(name, block)
        if first is not block:
            _refuse(block.origin, first.origin, title(name), findings)  # type: ignore[attr-defined]
    return found


def _refuse(second: Origin, first: Origin, title: str, findings: Findings) -> None:
    findings.add(
        mistake(
            second,
            f"Duplicate {title}",
            f"It is declared already at {place_text(first)}; a module declares each name once.",
            key=True,
            remedy="Rename or remove one of the two.",
        )
    )


def _imports(blocks: list[Import], findings: Findings) -> tuple[Import, ...]:
    _unique(
        [block for block in blocks if not block.has_for_each],
        lambda block: block.to,
        lambda to: f"import of {to}",
        findings,
    )
    return tuple(blocks)


def _settings(blocks: list[Settings], findings: Findings) -> StackSettings:
    if not blocks:
        return StackSettings()
    versions = [block.required_version for block in blocks if block.required_version]
    providers: dict[str, ProviderRequirement] = _unique(
        [requirement for block in blocks for requirement in block.required_providers],
        lambda requirement: requirement.name,
        lambda name: f'required provider "{name}"',
        findings,
    )
    retries: dict[str, RetryBlock] = _unique(
        [entry for block in blocks for entry in block.retries],
        lambda entry: entry.name,
        lambda name: f'setting "retries" of "{name}"',
        findings,
    )
    for name in ("on_failure", "encryption", "backend"):
        holders = [block for block in blocks if getattr(block, name) is not None]
        for other in holders[1:]:
            _refuse(other.origin.at(name), holders[0].origin.at(name), f'setting "{name}"', findings)
    return StackSettings(
        required_version=", ".join(versions) or None,
        required_providers=providers,
        backend=_first(blocks, "backend"),
        on_failure=_first(blocks, "on_failure"),
        encryption=_first(blocks, "encryption"),
        retries=tuple(retries.values()),
    )


def _first(blocks: list[Settings], name: str) -> Any:
    return next((getattr(block, name) for block in blocks if getattr(block, name) is not None), None)
