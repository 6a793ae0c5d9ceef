"""What a registry and its clients say to each other: paths, messages, and the form of a publication.

The API stands under `/api/v1`. Messages are JSON objects, one dataclass each; the service makes its OpenAPI document
(`/api/v1/openapi.json`) of the same classes. A reader ignores names that it does not know, so that a newer registry can
say more.

| request | answer |
| --- | --- |
| `GET /modules?q=&namespace=&system=&tag=&resource_type=&limit=&offset=` | `SearchAnswer` |
| `GET /modules/NAMESPACE/NAME/SYSTEM` | `ModuleDetail` |
| `PUT`, `DELETE …/deprecation` | `Deprecation` in, 204 out |
| `GET …/dependents` | `Dependents` |
| `GET …/versions` | `ModuleVersions`: all, newest first, with what each depends on |
| `GET …/versions/VERSION` | `VersionDetail` |
| `PUT …/versions/VERSION` | a publication (`encode_publication`); `Published` with 201, or 200 when it was there |
| `DELETE …/versions/VERSION?reason=` | 204; administrators only, and the number is not free again |
| `PUT`, `DELETE …/versions/VERSION/yank` | `Reason` in, 204 out |
| `GET …/versions/VERSION/package` | the bytes; `ETag` is `"sha256:…"`, ranges and conditions as in RFC 9110 |
| `GET`, `POST …/versions/VERSION/envelopes` | `Envelopes`; one envelope in, `Envelopes` out |
| `GET …/versions/VERSION/provenance` | `Provenance` |
| `GET /revocations`, `PUT /revocations/KEY` | `Revocations`; `Reason` in, 204 out |
| `GET /namespaces`, `GET`, `PUT /namespaces/NAME` | `Namespaces`, `NamespaceEntry`; `NamespaceRequest` in |
| `GET /whoami` | `Whoami` |
| `GET`, `POST /tokens`, `DELETE /tokens/ID` | `Tokens`; `TokenRequest` in, `NewToken` out; 204 |
| `GET /audit?after=&limit=` | `Audit`; administrators only |

Whatever fails is a `Problem` (RFC 9457, `application/problem+json`). A token goes as `Authorization: Bearer iac_…`.
Digests are `sha256:` and 64 hexadecimal digits, times RFC 3339 in UTC.
"""

from __future__ import annotations

import os
import types
import typing
from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Final, TypeVar, Union

import orjson

from iacengine.modules.model import ModuleAddress

T = TypeVar("T")

API: Final = "/api/v1"
PACKAGE_TYPE: Final = "application/gzip"
PROBLEM_TYPE: Final = "application/problem+json"

LARGEST_PACKAGE: Final = 64 << 20
"""Bytes of a package, unless a registry says otherwise."""
LARGEST_ENVELOPE: Final = 64 << 10
MOST_ENVELOPES: Final = 16
MOST_HITS: Final = 100
"""Hits that one request may ask for."""

NAMESPACE_PATTERN: Final = r"^[0-9A-Za-z](?:[0-9A-Za-z_-]{0,62}[0-9A-Za-z])?$"
NAME_PATTERN: Final = r"^[0-9A-Za-z](?:[0-9A-Za-z_-]{0,62}[0-9A-Za-z])?$"
SYSTEM_PATTERN: Final = r"^[0-9a-z]{1,64}$"
VERSION_PATTERN: Final = (
    r"^(?:0|[1-9][0-9]{0,17})\.(?:0|[1-9][0-9]{0,17})\.(?:0|[1-9][0-9]{0,17})"
    r"(?:-[0-9A-Za-z.-]{1,100})?(?:\+[0-9A-Za-z.-]{1,100})?$"
)
KEY_PATTERN: Final = r"^[0-9a-z-]{1,32}:[0-9A-Za-z]{8,128}$"


# --- searching --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A module that a search found. `version` is the newest that is neither yanked nor, if it can be, a pre-release."""

    address: str
    description: str
    version: str
    published: str
    downloads: int
    tags: tuple[str, ...] = ()
    signers: tuple[str, ...] = ()
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """Hits from `offset` on, the best first, of `total`. `instead_of`: words that nothing has, which were taken for
    similar ones, and `meant`: of each the most similar."""

    hits: tuple[SearchHit, ...]
    total: int
    offset: int = 0
    limit: int = 20
    instead_of: tuple[str, ...] = ()
    meant: tuple[str, ...] = ()


# --- modules and versions ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deprecation:
    """A module that should not be used any more. `successor` is the address of another, or ""."""

    reason: str = ""
    successor: str = ""


@dataclass(frozen=True, slots=True)
class ModuleDetail:
    """A module as a whole. `latest` is "" when every version is yanked."""

    address: str
    description: str
    latest: str
    versions: int
    created: str
    updated: str
    downloads: int
    tags: tuple[str, ...] = ()
    resource_types: tuple[str, ...] = ()
    deprecation: Deprecation | None = None


@dataclass(frozen=True, slots=True)
class DependencyEntry:
    """A module that a version calls: `source` and `constraint` as written, `address` when it is a registry's."""

    source: str
    constraint: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """One version. `size` is that of the package, in bytes; `signers` the ids of keys that signed it, and
    `sigstore:IDENTITY` of bundles, not verified."""

    version: str
    published: str
    package_digest: str
    tree_digest: str
    size: int
    yanked: bool = False
    yank_reason: str = ""
    signers: tuple[str, ...] = ()
    dependencies: tuple[DependencyEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class ModuleVersions:
    """All versions of a module, the newest first, yanked ones among them."""

    address: str
    versions: tuple[VersionEntry, ...]
    deprecation: Deprecation | None = None


@dataclass(frozen=True, slots=True)
class InputEntry:
    """A variable. `default` is JSON text, None when a value is required."""

    name: str
    type: str = "any"
    description: str = ""
    default: str | None = None
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class OutputEntry:
    name: str
    description: str = ""
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class ResourceEntry:
    """A resource block: `mode` is managed, data or ephemeral; `address` is inside the package, with local modules."""

    address: str
    type: str
    mode: str = "managed"


@dataclass(frozen=True, slots=True)
class ProviderEntry:
    name: str
    source: str = ""
    constraint: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a package holds, as the registry saw it. `readable` False: its files are of a syntax that it cannot read
    (Terraform's native one), so that inputs, outputs and resources are not known."""

    readme: str = ""
    inputs: tuple[InputEntry, ...] = ()
    outputs: tuple[OutputEntry, ...] = ()
    resources: tuple[ResourceEntry, ...] = ()
    providers: tuple[ProviderEntry, ...] = ()
    submodules: tuple[str, ...] = ()
    files: int = 0
    readable: bool = True


@dataclass(frozen=True, slots=True)
class VersionDetail:
    """A version with what is in it."""

    address: str
    entry: VersionEntry
    description: str
    publisher: str
    contents: Contents
    source_revision: str = ""
    tags: tuple[str, ...] = ()
    downloads: int = 0


@dataclass(frozen=True, slots=True)
class Dependent:
    """A module whose newest version depends on the one that was asked for."""

    address: str
    version: str
    constraint: str = ""


@dataclass(frozen=True, slots=True)
class Dependents:
    address: str
    dependents: tuple[Dependent, ...]
    total: int
    offset: int = 0
    limit: int = 100


# --- publications and signatures --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Published:
    """`created` False: the same bytes were there already."""

    address: str
    version: str
    package_digest: str
    tree_digest: str
    created: bool


@dataclass(frozen=True, slots=True)
class Envelopes:
    """DSSE envelopes (https://github.com/secure-systems-lab/dsse/blob/master/envelope.md), as they were given. One with
    a `mediaType` is a Sigstore bundle (`bundle`), which has such an envelope within."""

    envelopes: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a version comes from. Nothing here is verified but the digests: verify the envelopes."""

    address: str
    version: str
    package_digest: str
    tree_digest: str
    published: str
    publisher: str
    source_revision: str = ""
    envelopes: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Revocation:
    """A key whose signatures count no more, whenever they were made."""

    key: str
    reason: str
    time: str


@dataclass(frozen=True, slots=True)
class Revocations:
    revocations: tuple[Revocation, ...]


# --- who may do what --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NamespaceRequest:
    description: str = ""


@dataclass(frozen=True, slots=True)
class NamespaceEntry:
    name: str
    description: str = ""
    modules: int = 0


@dataclass(frozen=True, slots=True)
class Namespaces:
    namespaces: tuple[NamespaceEntry, ...]


@dataclass(frozen=True, slots=True)
class Whoami:
    """Whose token this is, and what it may do: `read`, `publish:NAMESPACE`, `admin`."""

    user: str
    token: str
    scopes: tuple[str, ...]
    expires: str | None = None


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """`scopes` may not exceed those of the token that asks. `days`: how long it lasts; None: as long as that one."""

    name: str
    scopes: tuple[str, ...]
    days: float | None = None


@dataclass(frozen=True, slots=True)
class TokenEntry:
    """A token without its secret. `last_used` is right within a minute."""

    id: str
    user: str
    name: str
    scopes: tuple[str, ...]
    created: str
    expires: str | None = None
    last_used: str | None = None
    revoked: str | None = None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made. Its `secret` is shown this once."""

    secret: str
    token: TokenEntry


@dataclass(frozen=True, slots=True)
class Tokens:
    tokens: tuple[TokenEntry, ...]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    id: int
    time: str
    user: str
    action: str
    subject: str
    detail: dict[str, Any]
    token: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """Entries in their order; ask for more with the last one's id as `after`."""

    entries: tuple[AuditEntry, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request was refused. `code` is for programs, such as `version_exists`; `remedy` says what can be done."""

    title: str
    status: int
    code: str
    detail: str = ""
    remedy: str = ""
    request_id: str = ""


# --- reading and writing ----------------------------------------------------------------------------------------------


class WireError(ValueError):
    """A message that is not what it should be; the text says where."""


def encode(message: Any) -> bytes:
    """A message as JSON."""
    return orjson.dumps(message)


def decode(kind: type[T], text: bytes) -> T:
    """The message of this class that the JSON text is. Raises WireError."""
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        raise WireError(f"no JSON: {problem}") from None
    return from_data(kind, data)


def from_data(kind: type[T], data: Any) -> T:
    """The message that data, as JSON has it, stands for. Raises WireError."""
    found: T = _value(kind, data, kind.__name__)
    return found


def _value(kind: Any, data: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    if is_dataclass(kind):
        return _message(kind, data, where)
    if origin is tuple:
        if not isinstance(data, list):
            raise WireError(f"{where}: a list was expected")
        inner = typing.get_args(kind)[0]
        return tuple(_value(inner, item, f"{where}[{index}]") for index, item in enumerate(data))
    if origin in (Union, types.UnionType):
        if data is None:
            return None
        return _value(next(one for one in typing.get_args(kind) if one is not type(None)), data, where)
    if origin is dict:
        if not isinstance(data, dict):
            raise WireError(f"{where}: an object was expected")
        return data
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
        raise WireError(f"{where}: {_NAMES.get(kind, 'something else')} was expected")
    return data


_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def _message(kind: Any, data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise WireError(f"{where}: an object was expected")
    given: dict[str, Any] = {}
    for field, hint in _hints(kind):
        if field.name in data:
            given[field.name] = _value(hint, data[field.name], f"{where}.{field.name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise WireError(f"{where}: {field.name} is missing")
    return kind(**given)


@cache
def _hints(kind: Any) -> tuple[tuple[Field[Any], Any], ...]:
    hints = typing.get_type_hints(kind)
    return tuple((field, hints[field.name]) for field in fields(kind))


# --- paths ------------------------------------------------------------------------------------------------------------


def module_path(address: ModuleAddress) -> str:
    """The path of a module on its registry; the host is not part of it."""
    return f"{API}/modules/{address.namespace}/{address.name}/{address.system}"


def version_path(address: ModuleAddress, version: str) -> str:
    """The path of a version. What `+` stands for is kept by writing it as %2B."""
    return f"{module_path(address)}/versions/{version.replace('+', '%2B')}"


def package_path(address: ModuleAddress, version: str) -> str:
    return f"{version_path(address, version)}/package"


# --- publications -----------------------------------------------------------------------------------------------------


def encode_publication(package: bytes, envelopes: Sequence[bytes] = ()) -> tuple[bytes, str]:
    """The body of a publication, and its Content-Type: `multipart/form-data` (RFC 7578) with the file `package` and a
    field `envelope` for each envelope, in JSON."""
    # Random, and long: it stands in the package with odds that nobody will see.
    boundary = f"iac-{os.urandom(24).hex()}"
    parts: list[bytes] = []
    for envelope in envelopes:
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="envelope"\r\n\r\n'.encode())
        parts += [envelope, b"\r\n"]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="package"; filename="package.tar.gz"\r\n'
        f"Content-Type: {PACKAGE_TYPE}\r\n\r\n".encode()
    )
    parts += [package, f"\r\n--{boundary}--\r\n".encode()]
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"
