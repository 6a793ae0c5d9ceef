"""What objects that are made again were called, and what else calls them so: ids and the like, given by the cloud."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any, Final

from iacengine.schema import Schema
from iacengine.state.model import ResourceObject

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
