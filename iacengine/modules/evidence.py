"""Why a module of a registry may be used: its signatures, kept in the cache, and judged again at every load.

Envelopes and lists of revoked keys that were fetched once are kept beside the trees, so that a load needs no network.
They prove nothing by lying there: each time, signatures are verified with the keys of the trust policy, as it is then.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from iacengine.foundation.atomic import read_regular_file, write_atomically
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.foundation.disk import disk_failure
from iacengine.modules.bundle import is_bundle
from iacengine.modules.cache import ModuleCache
from iacengine.modules.first_use import FirstUses
from iacengine.modules.install_error import InstallError, InstallFault
from iacengine.modules.keys import KeyStore
from iacengine.modules.model import LockedModule, ModuleAddress
from iacengine.modules.statement import time_text
from iacengine.modules.trust import FirstUse, Revocation, SigstoreIdentity, TrustPolicy, read_policy
from iacengine.modules.verification import Subject, VerificationError, verify

Fetch = Callable[[ModuleAddress, str], Sequence[bytes]]
"""The envelopes and Sigstore bundles of a version, asked from its registry."""


class TrustCheck:
    """Judges modules by the policy of a stack's directory and of the user. Raises VerificationError for the refused."""

    def __init__(
        self,
        directory: str,
        cache: ModuleCache,
        *,
        environment: Mapping[str, str] = os.environ,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        accepted: Sequence[str] = (),
    ) -> None:
        """`accepted`: ids of keys that somebody has agreed to just now."""
        self._cache, self._environment, self._now, self._accepted = cache, environment, now, accepted
        self.policy: TrustPolicy = read_policy(directory, environment)
        self._revoked: dict[str, tuple[Revocation, ...]] = {}
        self._first_uses = FirstUses.of_user(environment)

    def verify(
        self, address: ModuleAddress, version: str, tree: str, envelopes: Sequence[bytes], package: str = ""
    ) -> tuple[str, ...]:
        """The ids of the keys, and identities of Sigstore, whose signatures count."""
        bundles = [one for one in envelopes if is_bundle(one)]
        offered = [key.public for key in self._keys().all()] if self.policy.first_use is not None else []
        verified = verify(
            Subject(address, version, tree, package),
            [one for one in envelopes if one not in bundles],
            self.policy,
            now=self._now(),
            revocations=(*self._own_revocations(bool(envelopes)), *self._revocations(address.host)),
            offered=offered,
            pinned=self._first_uses.pinned(address) if envelopes else (),
            accepted=self._accepted,
            bundles=bundles,
            sigstore=_bundle_payload,
        )
        if verified.first_uses and self.policy.first_use is not FirstUse.REFUSE:
            self._first_uses.remember(address, verified.first_uses, self._now())
        return verified.ids

    def verify_locked(self, address: ModuleAddress, locked: LockedModule, fetch: Fetch) -> tuple[str, ...]:
        """As `verify`, of a module that is in the cache: by what was kept, else by what is fetched again."""
        kept = self._kept(address, locked.version, locked.digest)
        signers = self._fetched(address, locked, fetch) if kept is None else self._judged(address, locked, kept, fetch)
        if locked.signers and not set(locked.signers) & set(signers):
            raise InstallError(
                InstallFault.OTHER_SIGNERS,
                "A module is signed by others than were locked",
                f"{address} {locked.version}: the lock file names {', '.join(locked.signers)}; accepted was "
                f"{', '.join(signers) or 'no signature at all'}.",
                remedy="Find out who changed the lock file, or the signature. If that is right, run `iac module update "
                f"{address}`.",
            )
        return signers

    def _fetched(self, address: ModuleAddress, locked: LockedModule, fetch: Fetch) -> tuple[str, ...]:
        envelopes = tuple(fetch(address, locked.version))
        signers = self.verify(address, locked.version, locked.digest, envelopes)
        self.keep(address, locked.version, locked.digest, envelopes)
        return signers

    def _judged(
        self, address: ModuleAddress, locked: LockedModule, kept: Sequence[bytes], fetch: Fetch
    ) -> tuple[str, ...]:
        """By what was kept; where that is refused, by what its registry has now: it may have been signed anew since."""
        try:
            return self.verify(address, locked.version, locked.digest, kept)
        except VerificationError as refused:
            try:
                return self._fetched(address, locked, fetch)
            except DiagnosticsError:
                raise refused from None

    # --- what is kept -------------------------------------------------------------------------------------------------

    def keep(self, address: ModuleAddress, version: str, tree: str, envelopes: Sequence[bytes]) -> None:
        """Keep the envelopes of a module, for later loads."""
        self._write(self._path(address, version, tree), [one.decode("utf-8", "replace") for one in envelopes])

    def keep_revocations(self, host: str, revocations: Sequence[tuple[str, str, str]]) -> None:
        """Keep what a registry says is revoked: key, time and reason of each. What it said before stays revoked."""
        known = {one.key_id: (one.key_id, one.time, one.reason) for one in self._revocations(host)}
        known |= {one[0]: one for one in revocations}
        self._revoked[host] = tuple(_revocation(host, *known[key]) for key in sorted(known))
        self._write(self._revocations_path(host), sorted(known.values()))

    def _revocations(self, host: str) -> tuple[Revocation, ...]:
        if host not in self._revoked:
            document = self._read(self._revocations_path(host))
            found = [one for one in document or () if isinstance(one, list) and len(one) == 3]
            self._revoked[host] = tuple(_revocation(host, *map(str, one)) for one in found)
        return self._revoked[host]

    def _own_revocations(self, signed: bool) -> list[Revocation]:
        if not signed:
            return []
        return [
            Revocation(key.id, time_text(key.revoked), key.reason, "your key store")
            for key in self._keys().all()
            if key.revoked is not None
        ]

    def _keys(self) -> KeyStore:
        return KeyStore.of_user(self._environment)

    def _kept(self, address: ModuleAddress, version: str, tree: str) -> tuple[bytes, ...] | None:
        document = self._read(self._path(address, version, tree))
        return None if document is None else tuple(str(one).encode() for one in document)

    def _path(self, address: ModuleAddress, version: str, tree: str) -> str:
        name = hashlib.sha256(f"{address}\n{version}\n{tree}".encode()).hexdigest()
        return f"{self._cache.place('evidence')}/{name}.json"

    def _revocations_path(self, host: str) -> str:
        return f"{self._cache.place('evidence')}/revoked-{hashlib.sha256(host.encode()).hexdigest()}.json"

    def _read(self, path: str) -> list[Any] | None:
        with contextlib.suppress(orjson.JSONDecodeError, OSError):
            data = read_regular_file(path)
            document = orjson.loads(data) if data is not None else None
            return document if isinstance(document, list) else None
        return None

    def _write(self, path: str, document: object) -> None:
        try:
            write_atomically(path, orjson.dumps(document))
        except OSError as problem:
            raise disk_failure(problem, "keep the signatures of a module", path) from None


def _bundle_payload(bundle: bytes, identity: SigstoreIdentity) -> bytes:
    from iacengine.modules.sigstore import bundle_payload  # lazy: few modules have bundles

    return bundle_payload(bundle, identity)


def _revocation(host: str, key: str, time: str = "", reason: str = "") -> Revocation:
    return Revocation(key, time, reason, f"the registry {host}")
