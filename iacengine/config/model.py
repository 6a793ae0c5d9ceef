"""The configuration of a stack, decoded from its files. Frozen; expressions in it are not evaluated yet.

A *raw* value is data as the file has it (dict, list, str, int, float, bool, None) whose strings are templates. Every
block knows its `Origin`: the file, and the path of keys inside the file's data, from which `iacengine.config.source`
finds line and column when an error needs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from iacengine.addresses import ModulePath, Resource, Target
from iacengine.lang.constraints import TypeConstraint
from iacengine.lang.references import Reference

Raw = Any
KeyPath = tuple[str | int, ...]


class BracketKey(str):
    """A step of a path that was written in brackets, `tags["Name"]`; a plain text is the name of an attribute."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class SourceFile:
    """A stack file: `path` as the user would write it, `text` as read, `syntax` "yaml" or "json"."""

    path: str
    text: bytes
    syntax: str
    digest: str


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where a block stands: `path` leads from the file's top to it."""

    file: SourceFile
    path: KeyPath = ()

    def at(self, *keys: str | int) -> Origin:
        return Origin(self.file, self.path + keys)


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """A `validation`, `precondition`, `postcondition` or `assert`: both parts are raw expressions."""

    condition: Raw
    error_message: Raw
    origin: Origin


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """An input. `default` is literal data; `has_default` tells a null default from none. `constraint` None: no type
    was written, any value is taken as it is."""

    name: str
    origin: Origin
    constraint: TypeConstraint | None = None
    default: Raw = None
    has_default: bool = False
    nullable: bool = True
    sensitive: bool = False
    ephemeral: bool = False
    description: str = ""
    validations: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Local:
    """One of the `locals` of a module."""

    name: str
    value: Raw
    origin: Origin


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """An output of a module."""

    name: str
    value: Raw
    origin: Origin
    sensitive: bool = False
    ephemeral: bool = False
    description: str = ""
    depends_on: tuple[Reference, ...] = ()
    preconditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class ProviderName:
    """How a module names a provider configuration: `aws`, or `aws.west`."""

    name: str
    alias: str | None = None

    def __str__(self) -> str:
        return f"{self.name}.{self.alias}" if self.alias else self.name


@dataclass(frozen=True, slots=True, eq=False)
class ProviderBlock:
    """The configuration of a provider, or of one of its aliases."""

    name: ProviderName
    body: Mapping[str, Raw]
    origin: Origin


@dataclass(frozen=True, slots=True, eq=False)
class ProviderRequirement:
    """An entry of `required_providers`. `aliases`: `configuration_aliases`, which a caller has to pass in."""

    name: str
    source: str
    version: str | None
    origin: Origin
    aliases: tuple[ProviderName, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Lifecycle:
    """`ignore_changes` holds the paths to ignore, or None for `all`. `protect` None: what is stored of it stays."""

    create_before_destroy: bool | None = None
    prevent_destroy: bool = False
    protect: bool | None = None
    ignore_changes: tuple[KeyPath, ...] | None = ()
    replace_triggered_by: tuple[Raw, ...] = ()
    preconditions: tuple[Condition, ...] = ()
    postconditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Repetition:
    """`count` or `for_each` (raw), at most one of them set; `is_single` when neither is."""

    count: Raw = None
    for_each: Raw = None
    has_count: bool = False
    has_for_each: bool = False

    @property
    def is_single(self) -> bool:
        return not (self.has_count or self.has_for_each)


@dataclass(frozen=True, slots=True, eq=False)
class Connection:
    """How provisioners reach a machine: a `connection` block."""

    body: Mapping[str, Raw]
    origin: Origin


@dataclass(frozen=True, slots=True, eq=False)
class Provisioner:
    """What is run after an object was made, or (`on_destroy`) before it is deleted. `body` is what is no
    meta-argument; `continues`: its failure is none of the object's; `connection` is laid over that of the resource."""

    type: str
    body: Mapping[str, Raw]
    origin: Origin
    on_destroy: bool = False
    continues: bool = False
    connection: Connection | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ResourceBlock:
    """A resource, data or ephemeral block. `body` is what is no meta-argument (`dynamic` and `timeouts` included)."""

    address: Resource
    body: Mapping[str, Raw]
    origin: Origin
    repetition: Repetition = field(default_factory=Repetition)
    provider: ProviderName | None = None
    depends_on: tuple[Reference, ...] = ()
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    provisioners: tuple[Provisioner, ...] = ()
    connection: Connection | None = None

    @property
    def provider_name(self) -> ProviderName:
        """The provider configuration it names, or the one its type's prefix stands for."""
        return self.provider or ProviderName(self.address.type.split("_", 1)[0])


@dataclass(frozen=True, slots=True, eq=False)
class ModuleCall:
    """A `module` block: `arguments` are raw values for the child's variables; `providers` maps the child's names to
    the caller's. `package` is what of the source names more than a local path (None for a local module)."""

    name: str
    source: str
    arguments: Mapping[str, Raw]
    origin: Origin
    version: str | None = None
    repetition: Repetition = field(default_factory=Repetition)
    depends_on: tuple[Reference, ...] = ()
    providers: Mapping[str, ProviderName] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """An object goes on under another address."""

    source: Target
    destination: Target
    origin: Origin


@dataclass(frozen=True, slots=True, eq=False)
class Removed:
    """`destroy` False: forget the object, leave the real thing."""

    source: Target
    destroy: bool
    origin: Origin


@dataclass(frozen=True, slots=True, eq=False)
class Import:
    """`to` is raw (its keys may use each.key), as are `id` and `for_each`."""

    to: str
    id: Raw
    origin: Origin
    for_each: Raw = None
    has_for_each: bool = False
    provider: ProviderName | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """A `check` block: what should hold, and the data it may read to tell."""

    name: str
    assertions: tuple[Condition, ...]
    data: ResourceBlock | None
    origin: Origin


@dataclass(frozen=True, slots=True, eq=False)
class BackendBlock:
    """Where the stack asks its state to be kept."""

    type: str
    body: Mapping[str, Raw]
    origin: Origin


@dataclass(frozen=True, slots=True, eq=False)
class EncryptionKey:
    """A key to encrypt state with: `kind` is passphrase_env, key_file, kms or command.

    `value` is a text (the first two), an object of texts (kms), or a list of texts (command).
    """

    kind: str
    value: Raw
    origin: Origin


@dataclass(frozen=True, slots=True, eq=False)
class EncryptionBlock:
    """How state, journal and plan files are encrypted. `key` None: the passphrase in the environment.

    `previous`: keys that only open what they sealed. `full`: encrypt everything, not only what is sensitive.
    """

    origin: Origin
    key: EncryptionKey | None = None
    previous: tuple[EncryptionKey, ...] = ()
    full: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class RetryBlock:
    """One entry of `retries`: how patient to be with a provider (by its local name) or a resource type.

    `settings` holds what is said of the fields of `iacengine.provider.retry.RetryPolicy`; times in seconds.
    """

    name: str
    settings: Mapping[str, int | float | tuple[str, ...]]
    origin: Origin


@dataclass(frozen=True, slots=True, eq=False)
class StackSettings:
    """The `stack` (or `terraform`) block. `on_failure` None: the engine's default."""

    required_version: str | None = None
    required_providers: Mapping[str, ProviderRequirement] = field(default_factory=dict)
    backend: BackendBlock | None = None
    on_failure: str | None = None
    encryption: EncryptionBlock | None = None
    retries: tuple[RetryBlock, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """One module's configuration, with the modules it calls.

    `directory` is where its files are (path.module), relative to the working directory as the user would write it.
    """

    path: ModulePath
    directory: str
    settings: StackSettings = field(default_factory=StackSettings)
    variables: Mapping[str, Variable] = field(default_factory=dict)
    locals: Mapping[str, Local] = field(default_factory=dict)
    outputs: Mapping[str, Output] = field(default_factory=dict)
    providers: Mapping[ProviderName, ProviderBlock] = field(default_factory=dict)
    resources: Mapping[Resource, ResourceBlock] = field(default_factory=dict)
    calls: Mapping[str, ModuleCall] = field(default_factory=dict)
    moved: tuple[Moved, ...] = ()
    removed: tuple[Removed, ...] = ()
    imports: tuple[Import, ...] = ()
    checks: Mapping[str, Check] = field(default_factory=dict)
    children: Mapping[str, Module] = field(default_factory=dict)

    def walk(self) -> Iterator[Module]:
        """This module and all below it, parents first."""
        yield self
        for name in sorted(self.children):
            yield from self.children[name].walk()


@dataclass(frozen=True, slots=True, eq=False)
class Configuration:
    """A whole stack: the root module and every file that was read, with a digest over all of them.

    `directory` is the root module's folder.
    """

    root: Module
    directory: str
    files: tuple[SourceFile, ...]
    digest: str
    modules: Mapping[ModulePath, Module] = field(default_factory=dict)
