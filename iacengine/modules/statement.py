"""What is signed: an in-toto statement that these digests are this version of this module.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md. Address and version are signed with the digests,
so that a package cannot be served under another name or number.

    {"_type": "https://in-toto.io/Statement/v1",
     "subject": [{"name": "acme/network/aws@1.4.0", "digest": {"sha256": PACKAGE}}],
     "predicateType": "https://iacengine.dev/module/v1",
     "predicate": {"address": "acme/network/aws", "version": "1.4.0", "tree_digest": "sha256:…",
                   "source_revision": "…", "time": "2026-01-31T12:00:00Z", "keys": ["j8Yw…="]}}

`keys` are the public keys of those that sign, for whoever meets them first. Nobody vouches for them: a trust policy
either names a key, or says that such a one may be taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from iacengine.modules.manifest import plain_address, plain_version
from iacengine.modules.model import ModuleAddress
from iacengine.modules.strict_json import canonical_json, fields, parse_strictly

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://iacengine.dev/module/v1"
_MOST_BYTES: Final = 64 * 1024
_MOST_KEYS: Final = 32
_HEX = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Statement:
    """`package_digest` and `tree_digest` are `sha256:…`; `time` is when it was signed, as the signer says; `keys` are
    public keys in base64."""

    address: ModuleAddress
    version: str
    package_digest: str
    tree_digest: str
    time: datetime
    source_revision: str = ""
    keys: tuple[str, ...] = ()


def encode_statement(statement: Statement) -> bytes:
    """The payload of an envelope. Raises ValueError for what could not be read back."""
    address = str(statement.address)
    payload = canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [
                {
                    "name": f"{address}@{statement.version}",
                    "digest": {"sha256": _hex(statement.package_digest, "the package digest")},
                }
            ],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "address": address,
                "version": statement.version,
                "tree_digest": statement.tree_digest,
                "source_revision": statement.source_revision,
                "time": time_text(statement.time),
                **({"keys": list(statement.keys)} if statement.keys else {}),
            },
        }
    )
    decode_statement(payload)
    return payload


def decode_statement(payload: bytes) -> Statement:
    """The statement in a payload. Raises ValueError, saying what is wrong with it."""
    found = fields(
        parse_strictly(payload, _MOST_BYTES),
        "the statement",
        {"_type": str, "subject": list, "predicateType": str, "predicate": dict},
        {},
    )
    if found["_type"] != STATEMENT_TYPE or found["predicateType"] != PREDICATE_TYPE:
        raise ValueError("it is no statement about a module")
    if len(found["subject"]) != 1:
        raise ValueError("it is about several packages, or none")
    subject = fields(found["subject"][0], "the subject", {"name": str, "digest": dict}, {})
    package = fields(subject["digest"], "the digest", {"sha256": str}, {})["sha256"]
    said = fields(
        found["predicate"],
        "the predicate",
        {"address": str, "version": str, "tree_digest": str, "time": str},
        {"source_revision": str, "keys": list},
    )
    address, version = plain_address(said["address"]), plain_version(said["version"])
    if subject["name"] != f"{address}@{version}":
        raise ValueError("its subject and its predicate name different modules")
    tree = said["tree_digest"]
    _hex(tree, "the tree digest")
    _hex(f"sha256:{package}", "the package digest")
    revision = said.get("source_revision", "")
    if len(revision) > 128:
        raise ValueError("its source revision has more than 128 characters")
    keys = said.get("keys", [])
    if len(keys) > _MOST_KEYS or not all(isinstance(key, str) and len(key) <= 64 for key in keys):
        raise ValueError(f"its keys are no list of at most {_MOST_KEYS} public keys")
    return Statement(address, version, f"sha256:{package}", tree, parse_time(said["time"]), revision, tuple(keys))


def parse_time(text: str) -> datetime:
    """A moment of RFC 3339, in UTC. Raises ValueError."""
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no time such as 2026-01-31T12:00:00Z")
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is no time such as 2026-01-31T12:00:00Z") from None


def time_text(time: datetime) -> str:
    """The moment as RFC 3339, in UTC, to the second."""
    return time.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _hex(digest: str, what: Any) -> str:
    value = digest.removeprefix("sha256:")
    if value == digest or not _HEX.fullmatch(value):
        raise ValueError(f"{what} is no sha256:… of 64 hexadecimal digits")
    return value
