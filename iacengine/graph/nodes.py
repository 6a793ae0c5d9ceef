"""What stands in the dependency graph: the named things of the configuration, before `count` and `for_each`."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from iacengine.addresses import ModulePath, Resource, module_path_text
from iacengine.config.model import ProviderName


class Kind(Enum):
    VARIABLE = "var"
    LOCAL = "local"
    OUTPUT = "output"
    RESOURCE = "resource"
    CALL = "module"
    """The expansion of a module call: how many instances it has."""
    CLOSE = "close"
    """Everything in a module is done: what `depends_on` a module waits for."""
    PROVIDER = "provider"
    CHECK = "check"

    __hash__ = object.__hash__  # members are singletons; Enum hashes the name, in Python


class Node(NamedTuple):
    """`name` is a `Resource`, a `ProviderName`, or the name of what the kind says."""

    kind: Kind
    module: ModulePath
    name: str | Resource | ProviderName

    def __str__(self) -> str:
        prefix = f"{module_path_text(self.module)}." if self.module else ""
        match self.kind:
            case Kind.RESOURCE:
                return f"{prefix}{self.name}"
            case Kind.PROVIDER:
                return f'{prefix}provider["{self.name}"]'
            case Kind.CLOSE:
                return f"{prefix}module.{self.name} (close)"
            case _:
                return f"{prefix}{self.kind.value}.{self.name}"
