"""The types of the mock cloud: their schemas, and how what the cloud computes comes about."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from iacengine.lang.types import DYNAMIC, NUMBER, STRING, MapType
from iacengine.lang.values import ListValue, Unknown, Value
from iacengine.provider.protocol import ProviderSchema
from iacengine.schema import Attribute, Block, NestedBlock, Nesting, Schema

_TAGS = MapType(STRING)


def _text(**flags: bool | str | tuple[str, ...]) -> Attribute:
    return Attribute(STRING, **flags)  # type: ignore[arg-type]


_ID = _text(computed=True, description="Given by the cloud; stays while the object does.")

NETWORK = Block(
    {
        "id": _ID,
        "arn": _text(computed=True),
        "name": _text(required=True),
        "cidr_block": _text(required=True, force_new=True, description="For example 10.0.0.0/16."),
        "tags": Attribute(_TAGS, optional=True),
    }
)

_DISK = Block(
    {
        "id": _text(computed=True),
        "size": Attribute(NUMBER, required=True, description="In GiB."),
        "type": Attribute(STRING, optional=True, default="ssd"),
    }
)
TIMEOUTS = NestedBlock(
    Nesting.SINGLE,
    Block(
        {
            operation: _text(optional=True, description='A duration such as "30s" or "10m".')
            for operation in ("create", "update", "delete")
        },
        description="How long operations may take.",
    ),
)
_METADATA = Block({"owner": _text(optional=True), "labels": Attribute(_TAGS, optional=True)})

SERVER = Block(
    {
        "id": _ID,
        "arn": _text(computed=True),
        "name": _text(required=True),
        "network_id": _text(optional=True, description="The network it stands in; that has to exist."),
        "size": Attribute(STRING, optional=True, default="small"),
        "image": Attribute(STRING, optional=True, default="linux", force_new=True),
        "ip_address": _text(computed=True, computed_from=("network_id",)),
        "admin_password": _text(optional=True, computed=True, sensitive=True),
        "tags": Attribute(_TAGS, optional=True),
    },
    {
        "disk": NestedBlock(Nesting.LIST, _DISK),
        "metadata": NestedBlock(Nesting.SINGLE, _METADATA),
        "timeouts": TIMEOUTS,
    },
)

DATABASE = Block(
    {
        "id": _ID,
        "arn": _text(computed=True),
        "name": _text(required=True),
        "engine": _text(required=True, force_new=True, description="For example postgres or mysql."),
        "version": _text(optional=True, computed=True),
        "password": _text(optional=True, sensitive=True),
        "password_wo": _text(optional=True, sensitive=True, write_only=True),
        "password_wo_version": Attribute(NUMBER, optional=True, description="Change it to set the password anew."),
        "storage": Attribute(NUMBER, optional=True, default=10, description="In GiB."),
        "endpoint": _text(computed=True, computed_from=("name",)),
        "port": Attribute(NUMBER, optional=True, computed=True),
        "network_id": _text(optional=True, description="The network it stands in; that has to exist."),
        "tags": Attribute(_TAGS, optional=True),
    },
    {"timeouts": TIMEOUTS},
)

OBJECT = Block(
    {
        "id": _ID,
        "name": _text(optional=True),
        "kind": _text(optional=True, force_new=True),
        "attributes": Attribute(DYNAMIC, optional=True, description="Any attributes."),
    }
)


TOKEN = Block(
    {
        "id": _text(computed=True),
        "name": _text(required=True, description="What the token is for."),
        "renew_after": Attribute(NUMBER, optional=True, description="Seconds; without it the token needs no renewal."),
        "value": _text(computed=True, sensitive=True, description="Another one each time it is opened."),
    }
)


def _lookup(block: Block) -> Schema:
    """The data source of a type: found by id or name, everything else computed."""
    attributes = {
        name: Attribute(attribute.type, computed=True, sensitive=attribute.sensitive)
        for name, attribute in block.attributes.items()
    }
    for key in ("id", "name"):
        attributes[key] = _text(optional=True, computed=True)
    return Schema(Block(attributes))


SETTINGS = Block(
    {
        "cloud": _text(optional=True, description="The SQLite file, relative to the stack's directory."),
        "latency": Attribute(DYNAMIC, optional=True, description="Seconds, or an object of seconds by operation."),
        "eventual_consistency": Attribute(DYNAMIC, optional=True, description="How far reads lag behind."),
        "faults": Attribute(DYNAMIC, optional=True, description="A list of operations that fail or crash."),
        "rate_limit": Attribute(DYNAMIC, optional=True, description="How many requests a second it bears."),
    }
)

SCHEMA = ProviderSchema(
    provider=Schema(SETTINGS),
    resources={
        "mock_database": Schema(DATABASE),
        "mock_network": Schema(NETWORK),
        "mock_object": Schema(OBJECT),
        "mock_server": Schema(SERVER),
    },
    data_sources={"mock_network": _lookup(NETWORK), "mock_object": _lookup(OBJECT)},
    ephemeral_resources={"mock_token": Schema(TOKEN)},
)

_PREFIX = {"mock_database": "db", "mock_network": "net", "mock_object": "obj", "mock_server": "srv"}
_PORTS = {"postgres": 5432, "mysql": 3306, "redis": 6379}
_VERSIONS = {"postgres": "17", "mysql": "8.4", "redis": "8"}


@dataclass(frozen=True, slots=True)
class _Fresh:
    """What the cloud computes from: the object as wanted, and a number that is its own."""

    type: str
    id: str
    wanted: Mapping[str, Value]
    digest: bytes = field(repr=False)


def new_id(type_: str, token: str) -> str:
    """The id of the object that an operation's token makes: the same token gives the same id."""
    digits = hashlib.sha256(f"{type_} {token}".encode()).hexdigest() if token else os.urandom(8).hex()
    return f"{_PREFIX[type_]}-{digits[:16]}"


def completed(type_: str, id_: str, wanted: Mapping[str, Value]) -> dict[str, Value]:
    """The object as the cloud makes it: whatever is still unknown gets its value."""
    fresh = _Fresh(type_, id_, wanted, hashlib.sha256(id_.encode()).digest())
    made: dict[str, Value] = {
        name: _COMPUTED[name](fresh) if value.__class__ is Unknown else value for name, value in wanted.items()
    }
    disks = made.get("disk")
    if disks is not None:
        made["disk"] = ListValue(
            disks.element_type,
            [
                {**disk, "id": f"{id_}-disk-{index}"} if disk["id"].__class__ is Unknown else disk
                for index, disk in enumerate(disks)
            ],
        )
    return made


def _address(fresh: _Fresh) -> str:
    return ".".join(map(str, (10, *fresh.digest[:2], 1 + fresh.digest[2] % 254)))


_COMPUTED: Mapping[str, Callable[[_Fresh], Value]] = {
    "id": lambda fresh: fresh.id,
    "arn": lambda fresh: f"arn:mock:{fresh.type.removeprefix('mock_')}:{fresh.id}",
    "ip_address": _address,
    "admin_password": lambda _: os.urandom(12).hex(),
    "version": lambda fresh: _VERSIONS.get(fresh.wanted["engine"], "1"),
    "endpoint": lambda fresh: f"{fresh.wanted['name']}.{fresh.id}.db.mock.internal",
    "port": lambda fresh: _PORTS.get(fresh.wanted["engine"], 9000),
}
