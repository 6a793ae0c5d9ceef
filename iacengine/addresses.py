"""Every address: what it is made of, how it is written, read and ordered.

| type | example |
| --- | --- |
| `ModuleInstance` | `module.net["a"].module.dns`; the root module is the empty one |
| `Resource` | `aws_vpc.main`, `data.aws_region.here`: a block in a module |
| `ConfigResource` | `module.net.aws_vpc.main`: a block in the configuration, no keys |
| `ResourceInstance` | `module.net["a"].aws_vpc.main[0]`: one object |
| `ProviderReference` | `provider["registry.terraform.io/hashicorp/aws"].west`: one configuration of a provider |

All are frozen and hashable. `str()` writes them as Terraform does; `parse_*` reads them; `sort_key` orders them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from iacengine.foundation.diagnostics import failure

InstanceKey = None | int | str
ModulePath = tuple[str, ...]
"""Names of module calls from the root, without instance keys."""

SortKey = tuple[object, ...]


class Mode(Enum):
    MANAGED = "managed"
    DATA = "data"
    EPHEMERAL = "ephemeral"

    __hash__ = object.__hash__  # members are singletons; Enum hashes the name, in Python


_PREFIX = {Mode.MANAGED: "", Mode.DATA: "data.", Mode.EPHEMERAL: "ephemeral."}
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def quote(text: str) -> str:
    """The text as a quoted string of the language, template sequences escaped."""
    escaped = "".join(_ESCAPES.get(character, character) for character in text)
    return '"' + escaped.replace("${", "$${").replace("%{", "%%{") + '"'


def key_text(key: InstanceKey) -> str:
    """An instance key as it follows a name: nothing, `[0]`, or `["a"]`."""
    if key is None:
        return ""
    return f"[{key}]" if isinstance(key, int) else f"[{quote(key)}]"


def _key_order(key: InstanceKey) -> tuple[int, int, str]:
    if key is None:
        return (0, 0, "")
    return (1, key, "") if isinstance(key, int) else (2, 0, key)


@dataclass(frozen=True, slots=True)
class ModuleInstance:
    """A module instance: its calls from the root, each a name and an instance key."""

    steps: tuple[tuple[str, InstanceKey], ...] = ()

    @property
    def path(self) -> ModulePath:
        return tuple(name for name, _ in self.steps)

    @property
    def is_root(self) -> bool:
        return not self.steps

    def child(self, name: str, key: InstanceKey = None) -> ModuleInstance:
        return ModuleInstance((*self.steps, (name, key)))

    @property
    def parent(self) -> ModuleInstance:
        return ModuleInstance(self.steps[:-1])

    def __str__(self) -> str:
        return ".".join(f"module.{name}{key_text(key)}" for name, key in self.steps)

    @property
    def sort_key(self) -> SortKey:
        return tuple((name, _key_order(key)) for name, key in self.steps)


ROOT = ModuleInstance()


def module_path_text(path: ModulePath) -> str:
    return ".".join(f"module.{name}" for name in path)


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource block inside some module."""

    mode: Mode
    type: str
    name: str

    def __str__(self) -> str:
        return f"{_PREFIX[self.mode]}{self.type}.{self.name}"

    @property
    def sort_key(self) -> SortKey:
        return (self.mode is not Mode.DATA, self.type, self.name)


@dataclass(frozen=True, slots=True)
class ConfigResource:
    """A resource block of the configuration."""

    module: ModulePath
    resource: Resource

    def __hash__(self) -> int:
        return hash((self.module, self.resource.type, self.resource.name))  # one call, not one for each part

    def __str__(self) -> str:
        return f"{module_path_text(self.module)}.{self.resource}" if self.module else str(self.resource)

    @property
    def sort_key(self) -> SortKey:
        return (self.module, self.resource.sort_key)


@dataclass(frozen=True, slots=True)
class ResourceInstance:
    """One resource object: a block, in one instance of its module, under one instance key."""

    module: ModuleInstance
    resource: Resource
    key: InstanceKey = None

    @property
    def config(self) -> ConfigResource:
        return ConfigResource(self.module.path, self.resource)

    def __hash__(self) -> int:
        resource = self.resource  # one call, not one for each part; the mode hardly ever tells two apart
        return hash((self.module.steps, resource.type, resource.name, self.key))

    def __str__(self) -> str:
        text = f"{self.resource}{key_text(self.key)}"
        return f"{self.module}.{text}" if self.module.steps else text

    @property
    def sort_key(self) -> SortKey:
        return (self.module.sort_key, self.resource.sort_key, _key_order(self.key))


@dataclass(frozen=True, slots=True)
class ProviderReference:
    """One configuration of a provider: its source address, where it is declared, its alias.

    `source` is `hostname/namespace/name`, such as `registry.terraform.io/hashicorp/aws`, or
    `terraform.io/builtin/terraform`; an adapter of our own is `iacengine/NAME`.
    """

    source: str
    module: ModulePath = ()
    alias: str | None = None

    def __str__(self) -> str:
        prefix = f"{module_path_text(self.module)}." if self.module else ""
        suffix = f".{self.alias}" if self.alias else ""
        return f'{prefix}provider["{self.source}"]{suffix}'


# --- reading -----------------------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""(?P<name>[\w][\w-]*) | (?P<dot>\.) | \[(?P<index>\d+)\] | \[(?P<string>"(?:[^"\\]|\\.)*")\]""", re.VERBOSE
)
_UNESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_PLAIN = {"n": "\n", "r": "\r", "t": "\t"}


def _unquote(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        escape = match[1]
        return chr(int(escape[1:], 16)) if escape[0] in "uU" and len(escape) > 1 else _PLAIN.get(escape, escape)

    return _UNESCAPE.sub(plain, text[1:-1]).replace("$${", "${").replace("%%{", "%{")


def _steps(text: str) -> list[tuple[str, InstanceKey]]:
    """`a.b["k"].c` → `[("a", None), ("b", "k"), ("c", None)]`."""
    steps: list[tuple[str, InstanceKey]] = []
    position, name_may_follow = 0, True
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            break
        if match["name"] is not None and name_may_follow:
            steps.append((match["name"], None))
            name_may_follow = False
        elif match["dot"] and not name_may_follow and match.end() < len(text):
            name_may_follow = True
        elif match["name"] is None and match["dot"] is None and not name_may_follow and steps[-1][1] is None:
            key: InstanceKey = int(match["index"]) if match["index"] is not None else _unquote(match["string"])
            steps[-1] = (steps[-1][0], key)
        else:
            break
        position = match.end()
    if position != len(text) or not steps:
        raise _invalid(text, f"Unexpected text at column {position + 1}.")
    return steps


def _invalid(text: str, why: str) -> Exception:
    return failure(
        "Invalid address",
        f'"{text}" is not an address. {why}',
        remedy='Write an address such as aws_vpc.main, aws_subnet.app["a"] or module.net.aws_vpc.main[0].',
    )


@dataclass(frozen=True, slots=True)
class Target:
    """What `--target` names: a module instance (or all of a call), a resource block, or one instance.

    `resource` is None for a module. `keyed` says whether the last name had a key, so that one without means them all.
    """

    module: ModuleInstance
    resource: Resource | None
    key: InstanceKey
    keyed: bool

    def __str__(self) -> str:
        if self.resource is None:
            return str(self.module)
        return str(ResourceInstance(self.module, self.resource, self.key))

    def contains(self, address: ResourceInstance) -> bool:
        """True when the address is named by this target; a name without a key stands for every instance of it."""
        mine, theirs = self.module.steps, address.module.steps
        if len(theirs) < len(mine) or (self.resource is not None and len(theirs) != len(mine)):
            return False
        for (name, key), (other_name, other_key) in zip(mine, theirs, strict=False):
            if name != other_name or (key is not None and key != other_key):
                return False
        if self.resource is None:
            return True
        return self.resource == address.resource and (not self.keyed or self.key == address.key)


@lru_cache(maxsize=65536)
def parse_target(text: str) -> Target:
    """Read a module, resource or resource-instance address. Raises DiagnosticsError when it is none."""
    steps = _steps(text)
    modules: list[tuple[str, InstanceKey]] = []
    index = 0
    while index < len(steps) and steps[index] == ("module", None):
        if index + 1 >= len(steps):
            raise _invalid(text, "A module's name must follow `module.`.")
        modules.append(steps[index + 1])
        index += 2
    module, rest = ModuleInstance(tuple(modules)), steps[index:]
    if not rest:
        return Target(module, None, None, modules[-1][1] is not None)
    mode = Mode.MANAGED
    if rest[0] in (("data", None), ("ephemeral", None)):
        mode, rest = Mode(rest[0][0]), rest[1:]
    if len(rest) != 2 or rest[0][1] is not None:
        raise _invalid(text, "A resource address is a type and a name.")
    (type_, _), (name, key) = rest
    return Target(module, Resource(mode, type_, name), key, key is not None)


def parse_resource_instance(text: str) -> ResourceInstance:
    """Read the address of one resource object. Raises DiagnosticsError when it is none."""
    target = parse_target(text)
    if target.resource is None:
        raise _invalid(text, "It names a module; the address of a resource is needed.")
    return ResourceInstance(target.module, target.resource, target.key)


def parse_config_resource(text: str) -> ConfigResource:
    """Read the address of a resource block. Raises DiagnosticsError when it is none or holds instance keys."""
    address = parse_resource_instance(text)
    if address.key is not None or any(key is not None for _, key in address.module.steps):
        raise _invalid(text, "A resource block has no instance keys.")
    return address.config


_PROVIDER = re.compile(r'^(?P<module>(?:module\.[\w-]+\.)*)provider\["(?P<source>[^"]+)"\](?:\.(?P<alias>[\w-]+))?$')


@lru_cache(maxsize=1024)
def parse_provider_reference(text: str) -> ProviderReference:
    """Read `provider["source"].alias`. Raises DiagnosticsError on anything else."""
    match = _PROVIDER.match(text)
    if match is None:
        raise _invalid(text, 'A provider configuration is written provider["SOURCE"] or provider["SOURCE"].ALIAS.')
    path = tuple(part for part in match["module"].split(".") if part and part != "module")
    return ProviderReference(match["source"], path, match["alias"])
