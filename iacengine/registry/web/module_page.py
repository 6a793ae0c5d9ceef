"""What the page of a module shows, read at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from iacengine.modules.bundle import claimed_signer, decode_bundle, is_bundle
from iacengine.modules.dsse import decode_envelope
from iacengine.modules.statement import decode_statement, time_text
from iacengine.modules.version import parse_version
from iacengine.modules.wire import (
    Dependents,
    ModuleDetail,
    Provenance,
    Revocation,
    VersionDetail,
    VersionEntry,
    encode,
)
from iacengine.registry.refusal import no_version
from iacengine.registry.store.modules import dependents, module_detail, module_versions, provenance, version_detail
from iacengine.registry.store.neighbours import Neighbourhood, neighbourhood
from iacengine.registry.store.signatures import list_revocations

_MOST_DEPENDENTS = 50


@dataclass(frozen=True, slots=True)
class Signature:
    """A key, or an identity of Sigstore, that is said to have signed, and when it says so itself. Nothing of it is
    verified."""

    key: str
    time: str
    revoked: Revocation | None


@dataclass(frozen=True, slots=True)
class ModulePage:
    """A module, and one version of it."""

    module: ModuleDetail
    detail: VersionDetail
    versions: tuple[VersionEntry, ...]
    dependents: Dependents
    around: Neighbourhood
    provenance: Provenance
    signatures: tuple[Signature, ...]

    @property
    def name(self) -> str:
        return self.module.address.split("/")[1]

    @property
    def namespace(self) -> str:
        return self.module.address.split("/")[0]

    @property
    def system(self) -> str:
        return self.module.address.split("/")[2]

    @property
    def version(self) -> str:
        return self.detail.entry.version

    @property
    def is_older(self) -> bool:
        """Whether there is a version that is better to use."""
        latest = self.module.latest
        return bool(latest) and parse_version(latest) > parse_version(self.version)

    @property
    def previous(self) -> str:
        """The version before this one, or ""."""
        older = [one.version for one in self.versions]
        place = older.index(self.version) + 1
        return older[place] if place < len(older) else ""


def read_module_page(connection: Connection, label: str, version: str = "") -> ModulePage:
    """The page of a version; "" the one to use, or the newest when all are yanked. Raises Refusal."""
    module = module_detail(connection, label)
    versions = module_versions(connection, label).versions
    chosen = version or module.latest or (versions[0].version if versions else "")
    if not chosen:
        raise no_version(label, "that is not deleted")
    detail = version_detail(connection, label, chosen)
    proof = provenance(connection, label, chosen)
    revoked = {one.key: one for one in list_revocations(connection)} if detail.entry.signers else {}
    return ModulePage(
        module,
        detail,
        versions,
        dependents(connection, label, 0, _MOST_DEPENDENTS),
        neighbourhood(connection, label, detail.entry.dependencies),
        proof,
        _signatures(proof, revoked),
    )


def _signatures(proof: Provenance, revoked: Mapping[str, Revocation]) -> tuple[Signature, ...]:
    found: dict[str, Signature] = {}
    for one in proof.envelopes:
        text = encode(one)
        if is_bundle(text):
            bundle = decode_bundle(text)
            keys, payload = [claimed_signer(bundle)], bundle.payload
        else:
            envelope = decode_envelope(text)
            keys, payload = [signature.key_id for signature in envelope.signatures], envelope.payload
        for key in keys:
            found.setdefault(key, Signature(key, _time_said(payload), revoked.get(key)))
    return tuple(found[key] for key in sorted(found))


def _time_said(payload: bytes) -> str:
    try:
        return time_text(decode_statement(payload).time)
    except ValueError:
        return ""  # another kind of statement
