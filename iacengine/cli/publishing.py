"""Publishing for a person: which keys sign, where the package goes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime

from iacengine.cli.passphrase import ask_passphrase
from iacengine.foundation.atomic import read_regular_file, write_atomically
from iacengine.foundation.diagnostics import failure
from iacengine.foundation.disk import disk_failure
from iacengine.modules import wire
from iacengine.modules.bundle import claimed_signer, decode_bundle
from iacengine.modules.client import RegistryClient
from iacengine.modules.keys import KeyStore
from iacengine.modules.publication import PackedModule
from iacengine.modules.signing_key import SigningKey


def signing_keys(names: Sequence[str]) -> tuple[SigningKey, ...]:
    """The keys of these names, opened; the one that can sign, when none is named. Raises DiagnosticsError."""
    store, now = KeyStore.of_user(os.environ), datetime.now(UTC)
    if names:
        found = tuple({key.id: key for key in map(store.find, names)}.values())
    else:
        found = tuple(
            key
            for key in store.all()
            if key.has_private and key.revoked is None and (key.expires is None or key.expires > now)
        )
        if not found:
            raise failure(
                "No key to sign with",
                f"{store.folder} has no private key that is good.",
                remedy="Make one with `iac keys generate NAME`, or publish without a signature: --unsigned.",
            )
        if len(found) > 1:
            raise failure(
                "More than one key",
                f"Any of {', '.join(key.name for key in found)} could sign.",
                remedy="Name those that are to sign: --key NAME.",
            )
    return tuple(store.open(key, ask_passphrase(key.name), now) for key in found)


def upload(client: RegistryClient, host: str, packed: PackedModule, envelopes: Sequence[bytes]) -> wire.Published:
    """Publish; what the registry answers. Raises DiagnosticsError."""
    manifest = packed.package.manifest
    content, type_ = wire.encode_publication(packed.data, envelopes)
    answer = client.send(host, "PUT", wire.version_path(manifest.address, manifest.version), content, type_)
    try:
        published = wire.decode(wire.Published, answer.content)
    except wire.WireError as problem:
        raise failure(
            "A registry's answer makes no sense", f"{host}: {problem}.", remedy="Look whether the version is there."
        ) from None
    if (published.package_digest, published.tree_digest) != (packed.package.digest, packed.package.tree_digest):
        raise failure(
            "The registry has something else",
            f"{host} says that {published.address} {published.version} has the digest {published.package_digest}; "
            f"sent was {packed.package.digest}.",
            remedy="Do not use this registry before you know why.",
        )
    return published


def read_bundle(path: str) -> tuple[bytes, str]:
    """The Sigstore bundle in a file, not verified, and who it says has signed. Raises DiagnosticsError."""
    try:
        data = read_regular_file(path)
        if data is None:
            raise failure("No such file", f"There is no file {path}.", remedy="Name the file of a Sigstore bundle.")
        bundle = decode_bundle(data)
        return bundle.text, claimed_signer(bundle)
    except OSError as problem:
        raise disk_failure(problem, "read the Sigstore bundle", path) from None
    except ValueError as problem:
        raise failure(
            "Not a Sigstore bundle",
            f"{path}: {problem}.",
            remedy="Sign what --statement writes, as a DSSE envelope in a bundle of version 0.3.",
        ) from None


def written(data: bytes, path: str, what: str) -> None:
    """Write data to a file. `what` it is, for messages. Raises DiagnosticsError."""
    try:
        write_atomically(path, data)
    except OSError as problem:
        raise disk_failure(problem, f"write the {what}", path) from None
