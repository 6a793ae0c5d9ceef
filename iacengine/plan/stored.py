"""The stored objects of a planning run: refreshed when they are asked for, and what that changes in the state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from iacengine.addresses import ConfigResource, Mode, ProviderReference, ResourceInstance
from iacengine.foundation.diagnostics import DiagnosticsError, Findings, has_errors
from iacengine.plan.events import Listener
from iacengine.plan.model import Action, Change
from iacengine.plan.prior import PriorObject
from iacengine.plan.refresh import Refresh, Refreshed
from iacengine.provider.instances import Providers
from iacengine.state.model import ObjectKey, ResourceObject, State


class StoredObjects:
    """What is stored (after moves), as it is now.

    `changes`: how the state differs from the one that was read (moves, refresh, data read); `drift`: what changed
    outside. `wanted` says which objects a plan looks at.
    """

    def __init__(
        self,
        state: State,
        moved: Mapping[ObjectKey, ResourceObject | None],
        providers: Providers,
        listener: Listener,
        pool: Callable[[], ThreadPoolExecutor],
        wanted: Callable[[ResourceInstance], bool],
        findings: Findings,
        *,
        read: bool,
    ) -> None:
        self.state = state
        self.changes: dict[ObjectKey, ResourceObject | None] = dict(moved)
        self.drift: list[Change] = []
        self._refresh = Refresh(providers, listener, pool)
        self._wanted = wanted
        self._findings = findings
        self._read = read
        self._by_provider: dict[str, list[ResourceObject]] = {}
        for found in state.objects.values():
            self._by_provider.setdefault(found.provider, []).append(found)
        self._by_block: dict[ConfigResource, list[ResourceInstance]] | None = None

    def start_refresh(self, reference: ProviderReference) -> None:
        """Begin to look up all managed objects of a provider that was just configured."""
        stored = self._by_provider.get(str(reference), [])
        wanted = [
            found for found in stored if found.address.resource.mode is Mode.MANAGED and self._wanted(found.address)
        ]
        self._refresh.start(reference, wanted, read=self._read)

    def of_block(self, block: ConfigResource) -> list[ResourceInstance]:
        """The addresses of what is stored for a block."""
        if self._by_block is None:
            self._by_block = {}
            for found in self.state.objects.values():
                self._by_block.setdefault(found.address.config, []).append(found.address)
        return self._by_block.get(block, [])

    def current(self, address: ResourceInstance, reference: ProviderReference) -> PriorObject | None:
        """The object at an address as it is now; None when there is none (any more)."""
        found = self.state.current(address)
        return self.now(found, reference) if found is not None else None

    def now(self, found: ResourceObject, reference: ProviderReference) -> PriorObject | None:
        """A stored object as it is now; None when it is gone. Raises DiagnosticsError when it cannot be looked up."""
        result = self._refresh.result(found.key)
        if result is None:
            self._refresh.start(reference, [found], read=self._read)
            result = self._refresh.result(found.key)
        if result is None:
            return None
        self._findings.extend(result.diagnostics)
        if has_errors(result.diagnostics):
            raise DiagnosticsError(*result.diagnostics)
        if result.now is not result.before:
            self._note(found.key, result)
        return result.now

    def _note(self, key: ObjectKey, result: Refreshed) -> None:
        now = result.now.stored if result.now is not None else None
        if key in self.changes and self.changes[key] is now:
            return
        self.changes[key] = now
        if result.changed:
            self.drift.append(drift_change(result))


def drift_change(result: Refreshed) -> Change:
    """What changed outside: the object as stored, and as it is."""
    stored, now = result.before.stored, result.now
    return Change(
        address=stored.address,
        provider=stored.provider,
        action=Action.DELETE if now is None else Action.UPDATE,
        before=result.before.marked,
        after=now.marked if now is not None else None,
        deposed=stored.deposed,
        prior=stored,
    )
