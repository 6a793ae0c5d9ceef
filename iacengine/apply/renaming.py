"""What objects that are made again are called from now on: ids and the like, which others refer to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from iacengine.addresses import ResourceInstance
from iacengine.lang.values import Value, map_children
from iacengine.plan.new_names import names_with_id, reached, with_names
from iacengine.state.model import ResourceObject


class Renaming:
    """The texts by which the objects of each block were known, and those by which they are now.

    `through`: what the data sources of each block were read from.
    """

    def __init__(self, through: Mapping[str, Iterable[str]]) -> None:
        self._through = through
        self._by_block: dict[str, dict[str, str]] = {}
        self.ids: dict[str, str] = {}
        """Those of the texts that hold an id: of others nobody knows whether outputs and data mean them."""
        self.objects: list[ResourceInstance] = []
        """Those that were made again under another id."""

    def note(self, before: ResourceObject, now: ResourceObject) -> None:
        """Remember what of an object that was made again has another name."""
        if before.attributes.get("id") != now.attributes.get("id"):
            self.objects.append(before.address)
        names: dict[str, str] = {}
        for name, old in before.attributes.items():
            new = now.attributes.get(name)
            if isinstance(old, str) and isinstance(new, str) and old and old != new:
                names[old] = new
        if names:
            self._by_block.setdefault(str(before.address.config), {}).update(names)
            self.ids |= names_with_id(before, names)

    def of(self, blocks: Iterable[str]) -> Mapping[str, str]:
        """The new names of what these blocks hold, by the old ones."""
        found: dict[str, str] = {}
        for block in reached(blocks, self._through) if self._by_block else ():
            found.update(self._by_block.get(block, {}))
        return found


def with_new_names(value: Value, renamed: Mapping[str, str]) -> Value:
    """The value with each text that is an old name replaced by the new one; inside longer texts too."""
    if value.__class__ is str:
        return with_names(value, renamed)
    return map_children(value, lambda child: with_new_names(child, renamed))
