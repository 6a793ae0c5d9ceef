"""How a resource type is described: its attributes, and the API calls that make, look up, change and delete it.

A `ResourceSpec` is data; `iacengine_aws.operations` and `observation` act on it. One file in `iacengine_aws.specs`
holds one type. Most of a type is said by where each attribute stands in the parameters of the create call
(`Field.create`) and in what the read calls answered (`Field.read`), both as paths of member names of botocore's service
model (`Vpc.CidrBlock`, `Items[0].Id`). What cannot be said so is a plain function in `Hooks`.

Templates of parameters are nested dicts and lists. A text that starts with `$` stands for the attribute it names, as
the API wants it (with `$$`, a null is the empty text); `@…` for what the update or tag call is about (`@name`,
`@value`, `@changed`, `@tags`, `@keys`, `@needed`); every other text for itself. A member whose attribute is null is
left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from iacengine.foundation.diagnostics import Diagnostic
from iacengine.lang.types import BOOL, NUMBER, STRING, ListType, MapType, SetType, Type
from iacengine.lang.values import Value
from iacengine.schema import Attribute, Block, NestedBlock, NestedObject, Nesting, Schema

if TYPE_CHECKING:
    from iacengine_aws.client import Session

TEXTS = ListType(STRING)
TEXT_SET = SetType(STRING)
TEXT_MAP = MapType(STRING)

Plain = dict[str, Any]
"""An object in its stored form (`iacengine.schema.values.encode`): plain JSON data, with sets as lists."""

Template = Mapping[str, Any]

_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute: its place in the schema, and in the API.

    `create`: path in the parameters of the create call. `read`: path in the observation. `derive`: a format text over
    attributes, `partition`, `region`, `account` for what the API does not tell. `text`: the API holds numbers and bools
    as text. `json`: JSON text, compared by meaning (`"policy"` also knows that a list of one is that one).
    `omit_default`: a create call does not mention the default. `choices`, `bounds`: what validation accepts.
    `initial`: what the API sets by itself; an update after create is left out for it. `implied`: what the API says when
    nothing was set, which is as good as null. `supported`: a false one is refused when it is set.
    """

    type: Type
    required: bool = False
    optional: bool = False
    computed: bool = False
    default: Any = None
    force_new: bool = False
    sensitive: bool = False
    write_only: bool = False
    computed_from: tuple[str, ...] = ()
    create: str | None = None
    read: str | None = None
    derive: str | None = None
    text: bool = False
    json: str | None = None
    omit_default: bool = False
    initial: Any = None
    implied: Any = None
    choices: tuple[Any, ...] = ()
    bounds: tuple[int, int] | None = None
    supported: bool = True
    nested: NestedObject | None = None
    deprecated: str | None = None
    description: str = ""

    @property
    def only_configured(self) -> bool:
        """True when the attribute is null unless a configuration sets it."""
        return self.optional and not self.computed and self.default is None

    def attribute(self, *, may_be_empty: bool = False) -> Attribute:
        """The attribute of a schema. With `may_be_empty`, one that is not configured may be null or empty: a state that
        Terraform wrote says "" or {} there, and the engine lets a provider keep that only where it is computed."""
        return Attribute(
            self.type,
            required=self.required,
            optional=self.optional,
            computed=self.computed or (may_be_empty and self.only_configured),
            sensitive=self.sensitive,
            write_only=self.write_only,
            force_new=self.force_new,
            computed_from=self.computed_from,
            default=self.default,
            nested=self.nested,
            description=self.description,
            deprecated=self.deprecated,
        )


def required(type_: Type = STRING, **more: Any) -> Field:
    return Field(type_, required=True, **more)


def optional(type_: Type = STRING, **more: Any) -> Field:
    return Field(type_, optional=True, **more)


def computed(type_: Type = STRING, **more: Any) -> Field:
    return Field(type_, computed=True, **more)


def optional_computed(type_: Type = STRING, **more: Any) -> Field:
    return Field(type_, optional=True, computed=True, **more)


def unsupported(type_: Type = STRING, **more: Any) -> Field:
    """An attribute of Terraform's type that is refused when it is set."""
    return Field(type_, optional=True, supported=False, **more)


@dataclass(frozen=True, slots=True)
class Nested:
    """A nested block type. With `create` or `read`, blocks go to and come from a list of structures there."""

    nesting: Nesting
    fields: Mapping[str, Field] = field(default_factory=lambda: _EMPTY)
    blocks: Mapping[str, Nested] = field(default_factory=lambda: _EMPTY)
    min_items: int = 0
    max_items: int = 0
    force_new: bool = False
    create: str | None = None
    read: str | None = None
    supported: bool = True

    def nested_block(self, *, may_be_empty: bool = False) -> NestedBlock:
        block = block_of(self.fields, self.blocks, may_be_empty=may_be_empty)
        return NestedBlock(self.nesting, block, self.min_items, self.max_items, self.force_new)


def block_of(fields: Mapping[str, Field], blocks: Mapping[str, Nested], *, may_be_empty: bool = False) -> Block:
    """The schema of the fields and blocks."""
    return Block(
        {name: described.attribute(may_be_empty=may_be_empty) for name, described in fields.items()},
        {name: nested.nested_block(may_be_empty=may_be_empty) for name, nested in blocks.items()},
    )


def timeouts(*names: str) -> Nested:
    """The block `timeouts`: how long to wait, by operation, as durations (`"10m"`)."""
    return Nested(Nesting.SINGLE, {name: optional() for name in names})


@dataclass(frozen=True, slots=True)
class Retry:
    """Errors that pass by themselves: the error code, and a part of the message ("" for any)."""

    code: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Create:
    """The call that makes an object. `id` is a path in its response, or a format text over attributes with braces.

    `params` adds to what the fields say. Errors in `retries` are tried again for `patience` seconds.
    """

    operation: str
    id: str
    params: Template = field(default_factory=lambda: _EMPTY)
    retries: tuple[Retry, ...] = ()
    patience: float = 120


@dataclass(frozen=True, slots=True)
class Get:
    """One read call for each object.

    The response (or what stands in it at `take`) becomes the part `into` of the observation. An error code in `missing`
    means that the object is gone, in `absent` that this part of it is not set. `needs`: a path in what the other calls
    answered; this call then comes after them, with that as `@needed`.
    """

    operation: str
    params: Template
    into: str
    take: str | None = None
    missing: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    needs: str | None = None


@dataclass(frozen=True, slots=True)
class BatchGet:
    """One list call for up to `size` objects, by an EC2 filter on the id.

    `items` is the path of the list in the response, `key` that of the object's id in an item. With `decides`, an object
    without an item is gone.
    """

    operation: str
    filter: str
    items: str
    key: str
    into: str
    filters: tuple[tuple[str, str], ...] = ()
    decides: bool = False
    size: int = 200


@dataclass(frozen=True, slots=True)
class Update:
    """A call that changes attributes in place, made when one of `on` changed.

    `each`: one call for each changed attribute. `after_create`: made after create too, for attributes that are set and
    not what the API starts with. With `skip_null`, changes to null need no call. `along`: attributes that are sent too
    when they are set.
    """

    operation: str
    on: tuple[str, ...]
    params: Template
    each: bool = False
    after_create: bool = False
    skip_null: bool = False
    along: tuple[str, ...] = ()
    retries: tuple[Retry, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """The call that deletes. Codes in `missing` mean it is gone already. `wait`: look until it is gone."""

    operation: str
    params: Template
    missing: tuple[str, ...]
    retries: tuple[Retry, ...] = ()
    patience: float = 120
    wait: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """What must hold after create and update: the text at `path` of the observation is one of `done`.

    One of `failed` ends the waiting with an error; `patience` in seconds.
    """

    path: str
    done: tuple[str, ...]
    failed: tuple[str, ...] = ()
    patience: float = 600


@dataclass(frozen=True, slots=True)
class TagApi:
    """How a type is tagged.

    `create`: the parameter of the create call (None: tags are added after create). `resource_type`: EC2's name of the
    type, for `TagSpecifications`. `form`: `list` of Key and Value or `map`. `read`: path of the tags in the
    observation. `add` and `remove`: operation and parameters; `replace`: one call that sets all of them instead.
    """

    read: str
    create: str | None = None
    resource_type: str | None = None
    form: str = "list"
    add: tuple[str, Template] | None = None
    remove: tuple[str, Template] | None = None
    replace: tuple[str, Template] | None = None
    clear: tuple[str, Template] | None = None


@dataclass(frozen=True, slots=True)
class Find:
    """How to find the object that a token made: list all of them, then ask for the tags of each.

    `items`: path of the list in the response; `id`: path in an item (None: the item is the id). With `filter_tag` the
    list call itself filters by tag (EC2). `tags`: the call that gives the tags of one, `$id` being the listed id;
    without it each object is read whole.
    """

    operation: str
    items: str
    id: str | None = None
    filter_tag: bool = False
    tags: Get | None = None


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a type does that data cannot say. Each has the engine's default when it is None.

    `validate(config)`: findings beyond the schema; values may be unknown. `plan(prior, config, planned)`: the planned
    values, changed. `prepare(session, planned, params)`: the parameters of the create call, changed. `created`,
    `updated`: further calls after create and after the update calls. `deleting`: before the delete call.
    `observe(session, attributes, observation)`: the attributes, changed. `parse_id(id)`: attributes that an import id
    means; raises ValueError with what was expected.
    """

    validate: Callable[[Mapping[str, Value]], tuple[Diagnostic, ...]] | None = None
    plan: Callable[[Mapping[str, Value] | None, Mapping[str, Value], Plain], Plain] | None = None
    prepare: Callable[[Session, Plain, Plain], Plain] | None = None
    created: Callable[[Session, Plain], None] | None = None
    updated: Callable[[Session, Plain, Plain], None] | None = None
    deleting: Callable[[Session, Plain], None] | None = None
    observe: Callable[[Session, Plain, Plain], Plain] | None = None
    parse_id: Callable[[str], Plain] | None = None


@dataclass(frozen=True, slots=True)
class Name:
    """A name that may be left to us: `attribute`, or `prefix` and something unique, at most `limit` characters long.

    `suffix`: an attribute and what the name ends with when that is true.
    """

    attribute: str = "name"
    prefix: str = "name_prefix"
    limit: int = 80
    suffix: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ResourceSpec:
    """A resource type. `conflicts`: pairs of attributes of which one can be set. `find_notes`: what `find` can do."""

    type: str
    service: str
    fields: Mapping[str, Field]
    create: Create
    read: tuple[Get | BatchGet, ...]
    delete: Delete | None
    blocks: Mapping[str, Nested] = field(default_factory=lambda: _EMPTY)
    updates: tuple[Update, ...] = ()
    tags: TagApi | None = None
    wait: Wait | None = None
    name: Name | None = None
    find: Find | None = None
    find_notes: str = ""
    conflicts: tuple[tuple[str, str], ...] = ()
    version: int = 0
    hooks: Hooks = field(default_factory=Hooks)

    def schema(self) -> Schema:
        """The schema, with the attributes that every type has."""
        fields = {"id": ID, **self.fields}
        if self.tags is not None:
            fields |= {"tags": TAGS, "tags_all": TAGS_ALL}
        return Schema(block_of(fields, self.blocks, may_be_empty=True), self.version)


ID = Field(STRING, optional=True, computed=True, supported=False)
TAGS = Field(TEXT_MAP, optional=True)
TAGS_ALL = Field(TEXT_MAP, optional=True, computed=True, supported=False)

__all__ = [
    "BOOL",
    "NUMBER",
    "STRING",
    "TEXTS",
    "TEXT_MAP",
    "TEXT_SET",
    "BatchGet",
    "Create",
    "Delete",
    "Field",
    "Find",
    "Get",
    "Hooks",
    "Name",
    "Nested",
    "Nesting",
    "Plain",
    "ResourceSpec",
    "Retry",
    "TagApi",
    "Update",
    "Wait",
    "computed",
    "optional",
    "optional_computed",
    "required",
    "timeouts",
    "unsupported",
]
