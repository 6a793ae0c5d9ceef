"""What objects that are made again were called, and what else calls them so: ids and the like, given by the cloud."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from typing import Any, Final

from iacengine.addresses import Mode
from iacengine.schema import Schema
from iacengine.state.model import ObjectKey, OutputState, ResourceObject, State

_TELLING: Final = 8
"""From this length on, in characters, a name is known inside longer texts too (a URL, an ARN)."""

Names = Mapping[str, str]
"""The new name of each old one."""


def given_names(stored: ResourceObject, schema: Schema) -> dict[str, str]:
    """The texts that the cloud alone gives an object, by attribute."""
    return {
        name: text
        for name, attribute in schema.block.attributes.items()
        if attribute.computed
        and not attribute.optional
        and isinstance(text := stored.attributes.get(name), str)
        and text
    }


def through_data(state: State) -> dict[str, tuple[str, ...]]:
    """The blocks from whose objects the data sources of each block were read."""
    return {
        str(address.config): stored.dependencies
        for (address, _), stored in state.objects.items()
        if address.resource.mode is Mode.DATA
    }


def reached(blocks: Iterable[str], through: Mapping[str, Iterable[str]]) -> list[str]:
    """The blocks, and those behind them that are only seen through data sources."""
    found = dict.fromkeys(blocks)
    waiting = list(found)
    while waiting:
        for block in through.get(waiting.pop(), ()):
            if block not in found:
                found[block] = None
                waiting.append(block)
    return list(found)


def names_with_id(stored: ResourceObject, names: Names) -> dict[str, str]:
    """Those of an object's old names that hold its id: they mean it wherever they stand."""
    id_ = stored.attributes.get("id")
    return {old: new for old, new in names.items() if id_ in old} if isinstance(id_, str) and id_ else {}


def with_names(text: str, names: Names) -> str:
    """The text with old names replaced by new ones."""
    if text in names:
        return names[text]
    for old, new in names.items():
        if len(old) >= _TELLING and old in text:
            text = text.replace(old, new)
    return text


def renamed_data(data: Any, names: Names) -> Any:
    """Stored data with old names replaced by new ones; the keys of objects stay."""
    if isinstance(data, str):
        return with_names(data, names)
    if isinstance(data, Mapping):
        return {key: renamed_data(child, names) for key, child in data.items()}
    return [renamed_data(child, names) for child in data] if isinstance(data, list | tuple) else data


def renamed_outputs(outputs: Mapping[str, OutputState], names: Names) -> dict[str, OutputState]:
    return {name: replace(each, value=renamed_data(each.value, names)) for name, each in outputs.items()}


def renamed_reads(objects: Mapping[ObjectKey, ResourceObject], names: Names) -> dict[ObjectKey, ResourceObject]:
    """The data sources that hold old names, with the new ones."""
    reads = {key: found for key, found in objects.items() if key[0].resource.mode is Mode.DATA} if names else {}
    renamed = {key: replace(found, attributes=renamed_data(found.attributes, names)) for key, found in reads.items()}
    return {key: found for key, found in renamed.items() if found.attributes != reads[key].attributes}


def mentions(data: Any, names: Set[str]) -> bool:
    """Whether stored data holds one of the names."""
    if isinstance(data, str):
        return data in names or any(len(name) >= _TELLING and name in data for name in names)
    children: Iterable[Any] = ()
    if isinstance(data, Mapping):
        children = data.values()
    elif isinstance(data, list | tuple):
        children = data
    return any(mentions(child, names) for child in children)
