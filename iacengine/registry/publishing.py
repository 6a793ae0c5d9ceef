"""From uploaded bytes to a version: looked into, compared with what was asked and signed, kept, published."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.modules.bundle import claimed_signer, decode_bundle, is_bundle
from iacengine.modules.dsse import decode_envelope, encode_envelope
from iacengine.modules.model import ModuleAddress
from iacengine.modules.statement import PAYLOAD_TYPE, decode_statement
from iacengine.modules.version import version_or_none
from iacengine.modules.wire import LARGEST_ENVELOPE, MOST_ENVELOPES, DependencyEntry, Envelopes, Published
from iacengine.registry.blobs import Blobs
from iacengine.registry.caller import Caller
from iacengine.registry.inspection import Inspected, inspect_package
from iacengine.registry.refusal import Refusal
from iacengine.registry.store.loose import is_unused, lock_package, note_loose, stranded, strike_out
from iacengine.registry.store.modules import stored_package
from iacengine.registry.store.opening import Store
from iacengine.registry.store.publication import Publication, publish, require_room
from iacengine.registry.store.signatures import Envelope, add_envelopes, envelopes_of
from iacengine.registry.store.standing import delete

ABANDONED: Final = 3600.0
"""Seconds after which a publication that did not end was cut off: none takes that long."""


def publish_package(
    store: Store,
    blobs: Blobs,
    caller: Caller,
    address: ModuleAddress,
    version: str,
    package: Path,
    envelopes: Sequence[bytes],
    hosts: frozenset[str] = frozenset(),
) -> Published:
    """Publish the package in a file. `hosts` are the names of this registry.

    Its bytes are durable before anybody can see the version. Raises Refusal, or DiagnosticsError when the database or
    the place for packages fails.
    """
    label = f"{address.namespace}/{address.name}/{address.system}"
    if version_or_none(version) is None:
        raise Refusal(
            422,
            "invalid_version",
            "Invalid version",
            f"{version} is no version of Semantic Versioning.",
            "Write MAJOR.MINOR.PATCH, such as 1.2.0.",
        )
    found = inspect_package(package)
    _require_same(found, label, version, hosts)
    signed = [
        checked_envelope(one, label, version, found.package_digest, found.tree_digest, hosts) for one in envelopes
    ]
    if len(signed) > MOST_ENVELOPES:
        raise Refusal(422, "too_many_envelopes", "Too many envelopes", f"At most {MOST_ENVELOPES} are taken.")
    publication = Publication(
        address,
        version,
        found.package_digest,
        found.tree_digest,
        found.size,
        found.description,
        found.tags,
        found.source_revision,
        found.contents,
        tuple(
            DependencyEntry(one.source, one.constraint, one.label if not one.host or one.host in hosts else "")
            for one in found.dependencies
        ),
        signed,
    )

    note, digest = secrets.token_hex(16), found.package_digest

    def expect(connection: Connection) -> None:
        require_room(connection, publication)
        lock_package(connection, digest)
        note_loose(connection, note, digest)

    def work(connection: Connection) -> Published:
        lock_package(connection, digest)
        published = publish(connection, caller, publication)
        strike_out(connection, note)
        return published

    store.write(expect, f"publish {label}")
    try:
        # Outside of any transaction: a bucket may be far away.
        blobs.keep(digest, package)
        return store.write(work, f"publish {label}", label)
    except BaseException:
        # Whether or not that is done now: it is noted.
        with suppress(DiagnosticsError):
            _remove_loose(store, blobs, note, digest)
        raise


def delete_version(store: Store, blobs: Blobs, caller: Caller, label: str, version: str, reason: str) -> None:
    """Delete a version, and its package unless another version has the same. Raises Refusal, or DiagnosticsError."""
    note = secrets.token_hex(16)
    digest = store.write(
        lambda connection: delete(connection, caller, label, version, reason, note), f"delete {label} {version}", label
    )
    _remove_loose(store, blobs, note, digest)


def remove_stranded(store: Store, blobs: Blobs, age: float = ABANDONED) -> int:
    """Remove packages that have had no version for so many seconds; how many notes of them there were. Raises
    DiagnosticsError."""
    found = store.read(lambda connection: stranded(connection, age), "look for packages without a version")
    for note, digest in found:
        _remove_loose(store, blobs, note, digest)
    return len(found)


def _remove_loose(store: Store, blobs: Blobs, note: str, digest: str) -> None:
    """Remove a package, unless a version has it after all, or another publication of it goes on."""

    def work(connection: Connection) -> None:
        lock_package(connection, digest)
        strike_out(connection, note)
        if is_unused(connection, digest):
            blobs.remove(digest)

    store.write(work, "remove a package")


def sign_version(
    store: Store, caller: Caller, label: str, version: str, text: bytes, hosts: frozenset[str]
) -> Envelopes:
    """Add an envelope to a version. Raises Refusal, or DatabaseError."""

    def work(connection: Connection) -> Envelopes:
        stored = stored_package(connection, label, version)
        envelope = checked_envelope(text, label, version, stored.digest, stored.tree_digest, hosts)
        add_envelopes(connection, caller, stored.version_id, f"{label}@{version}", [envelope])
        return Envelopes(envelopes_of(connection, stored.version_id))

    return store.write(work, f"sign {label}", label)


def checked_envelope(
    text: bytes, label: str, version: str, package_digest: str, tree_digest: str, hosts: frozenset[str]
) -> Envelope:
    """The envelope or Sigstore bundle, whose statement names this module, version and digests. Whether the signatures
    are good, and of keys that count, is for whoever installs it: the registry is not trusted with that. Raises
    Refusal."""
    if len(text) > LARGEST_ENVELOPE:
        raise _bad_envelope(f"it has more than {LARGEST_ENVELOPE} bytes")
    try:
        payload_type, payload, envelope = _decoded(text)
        if payload_type != PAYLOAD_TYPE:
            raise ValueError(f"its payload is no {PAYLOAD_TYPE}")
        statement = decode_statement(payload)
    except ValueError as problem:
        raise _bad_envelope(str(problem)) from None
    said = statement.address
    pairs = (
        ("address", f"{said.namespace}/{said.name}/{said.system}", label),
        ("version", statement.version, version),
        ("package digest", statement.package_digest, package_digest),
        ("tree digest", statement.tree_digest, tree_digest),
    )
    for what, signed, expected in pairs:
        if signed != expected:
            raise _bad_envelope(f"it signs the {what} {signed}, where {expected} is published")
    if said.host and hosts and said.host not in hosts:
        raise _bad_envelope(f"it is meant for the registry {said.host}")
    return envelope


def _decoded(text: bytes) -> tuple[str, bytes, Envelope]:
    """Type and payload of an envelope or bundle, and what is kept of it. Raises ValueError."""
    if is_bundle(text):
        bundle = decode_bundle(text)
        return bundle.payload_type, bundle.payload, Envelope(bundle.text.decode(), (claimed_signer(bundle),))
    found = decode_envelope(text)
    signers = tuple(sorted({one.key_id for one in found.signatures}))
    return found.payload_type, found.payload, Envelope(encode_envelope(found).decode(), signers)


def _require_same(found: Inspected, label: str, version: str, hosts: frozenset[str]) -> None:
    host, _, rest = found.address.partition("/")
    if found.address.count("/") == 2:
        host, rest = "", found.address
    if rest != label or (host and hosts and host not in hosts) or found.version != version:
        raise Refusal(
            422,
            "wrong_manifest",
            "The package is another module's",
            f"Its manifest says {found.address} {found.version}, but it was sent as {label} {version}.",
            "Publish it under the address and version that it was packed for.",
        )


def _bad_envelope(reason: str) -> Refusal:
    return Refusal(422, "bad_envelope", "An envelope is not about this version", f"{reason}.", "Sign this package.")
