"""Refresh: looking up what is stored, many objects of a type at once, all types and providers side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from iacengine.addresses import ProviderReference
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, has_errors
from iacengine.lang.values import SENSITIVE, same
from iacengine.plan.events import Listener, RefreshFinished, RefreshStarted
from iacengine.plan.prior import PriorObject, open_stored, stored_value
from iacengine.provider.checks import check_read
from iacengine.provider.instances import Providers
from iacengine.provider.protocol import Provider, ReadRequest, ReadResponse
from iacengine.schema import Schema
from iacengine.schema.values import mark_paths
from iacengine.state.model import ObjectKey, ResourceObject

_BATCH = 500


@dataclass(frozen=True, slots=True, eq=False)
class Refreshed:
    """One stored object after refresh: `now` is None when it is gone. `changed` when it differs from what is stored."""

    before: PriorObject
    now: PriorObject | None
    changed: bool
    diagnostics: tuple[Diagnostic, ...] = ()


class Refresh:
    """Reads objects of configured providers in the background; `result` waits for the one that is asked for."""

    def __init__(self, providers: Providers, listener: Listener, pool: Callable[[], ThreadPoolExecutor]) -> None:
        self._providers = providers
        self._listener = listener
        self._pool = pool
        self._results: dict[ObjectKey, Refreshed] = {}
        self._waiting: dict[ObjectKey, Future[None]] = {}

    def start(self, reference: ProviderReference, stored: Iterable[ResourceObject], *, read: bool) -> None:
        """Begin to look up objects; with `read` False only decode them."""
        provider = self._providers.configured(reference)
        by_type: defaultdict[str, list[ResourceObject]] = defaultdict(list)
        for found in stored:
            if found.key not in self._results and found.key not in self._waiting:
                by_type[found.address.resource.type].append(found)
        for type_ in sorted(by_type):
            mode = by_type[type_][0].address.resource.mode
            schema = self._providers.resource_schema(reference.source, mode, type_)
            if schema is None:
                continue
            self._start_type(reference, provider, type_, schema, by_type[type_], read)

    def _start_type(
        self,
        reference: ProviderReference,
        provider: Provider,
        type_: str,
        schema: Schema,
        stored: Sequence[ResourceObject],
        read: bool,
    ) -> None:
        if not read:
            for found in stored:
                prior = open_stored(found, schema, provider)
                self._results[found.key] = Refreshed(prior, prior, False)
            return
        self._listener(RefreshStarted(reference.source, type_, len(stored), stored))
        batches = [stored[start : start + _BATCH] for start in range(0, len(stored), _BATCH)]
        for batch in batches:
            if provider.is_local:
                self._read(provider, type_, schema, batch)
                continue
            future = self._pool().submit(self._read, provider, type_, schema, batch)
            for found in batch:
                self._waiting[found.key] = future
        self._listener(RefreshFinished(reference.source, type_, len(stored), stored))

    def _read(self, provider: Provider, type_: str, schema: Schema, stored: Sequence[ResourceObject]) -> None:
        priors = [open_stored(found, schema, provider) for found in stored]
        try:
            responses = provider.read([ReadRequest(type_, prior.value, prior.stored.private) for prior in priors])
        except DiagnosticsError as found:
            responses = [ReadResponse(None, None, found.diagnostics) for _ in priors]
        for prior, response in zip(priors, responses, strict=True):
            self._results[prior.stored.key] = _compare(prior, response, schema)

    def result(self, key: ObjectKey) -> Refreshed | None:
        """The refreshed object, or None when it was not asked for."""
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.result()
        return self._results.get(key)


def _compare(prior: PriorObject, response: ReadResponse, schema: Schema) -> Refreshed:
    if has_errors(response.diagnostics):
        address = str(prior.stored.address)
        return Refreshed(prior, prior, False, tuple(replace(found, address=address) for found in response.diagnostics))
    if response.state is None:
        return Refreshed(prior, None, True, response.diagnostics)
    if response.state is prior.value and response.private in (None, prior.stored.private):
        return Refreshed(prior, prior, False, response.diagnostics)
    same_private = response.private is None or response.private == prior.stored.private
    if same(response.state, prior.value) and same_private:
        return Refreshed(prior, prior, False, response.diagnostics)
    problems = check_read(schema.block, response.state)
    if problems:
        address = str(prior.stored.address)
        return Refreshed(prior, prior, False, tuple(replace(found, address=address) for found in problems))
    marked = mark_paths(response.state, prior.marks, SENSITIVE) if prior.marks else response.state
    attributes, paths = stored_value(marked, schema.block)
    private = prior.stored.private if response.private is None else response.private
    stored = replace(prior.stored, attributes=attributes, sensitive_paths=paths, private=private)
    changed = not same(response.state, prior.value)
    return Refreshed(prior, PriorObject(stored, response.state, prior.marks), changed, response.diagnostics)
