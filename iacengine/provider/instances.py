"""The providers of one run: made when first needed, configured once each, closed together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from iacengine.addresses import Mode, ProviderReference
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, failure, has_errors
from iacengine.lang.values import Value
from iacengine.provider.guard import GuardedProvider
from iacengine.provider.protocol import ConfigureContext, Provider, ProviderPlugin, ProviderSchema
from iacengine.provider.retry import NO_RULES, RetryPolicy, RetryRules
from iacengine.schema import Schema

if TYPE_CHECKING:
    from iacengine.provider.pace import Pace
    from iacengine.provider.patience import Stop

FindPlugin = Callable[[str], ProviderPlugin]


class Providers:
    """Provider processes and objects by configuration. Not thread-safe: the thread that plans or applies owns it."""

    def __init__(self, find_plugin: FindPlugin, context: ConfigureContext, retries: RetryRules = NO_RULES) -> None:
        self._find_plugin = find_plugin
        self._context = context
        self._retries = retries
        self._paces: dict[str, Pace] = {}
        self._stop: Stop | None = None
        self._unconfigured: dict[str, GuardedProvider] = {}
        self._schemas: dict[str, ProviderSchema] = {}
        self._configured: dict[ProviderReference, GuardedProvider] = {}
        self._provisional: set[ProviderReference] = set()
        self._short_lived: set[ProviderReference] = set()
        self._made: list[Provider] = []

    def _make(self, source: str) -> GuardedProvider:
        plugin = self._find_plugin(source)
        try:
            made = plugin.create()
        except DiagnosticsError:
            raise
        except Exception as defect:
            raise failure(
                "Provider failed",
                f"The provider {source} could not be made: {type(defect).__name__}: {defect}",
                remedy="This is a defect of the provider or of its installation; report it to its maintainers.",
            ) from defect
        provider = GuardedProvider(made, source)
        self._made.append(provider)
        return provider

    def schema(self, source: str) -> ProviderSchema:
        """What the provider of a source address offers. Raises DiagnosticsError when there is no such provider."""
        found = self._schemas.get(source)
        if found is None:
            provider = self._unconfigured[source] = self._make(source)
            found = self._schemas[source] = provider.schema()
        return found

    def resource_schema(self, source: str, mode: Mode, type_: str) -> Schema | None:
        """The schema of a resource type, data source or ephemeral resource; None when the provider has none."""
        schema = self.schema(source)
        match mode:
            case Mode.MANAGED:
                return schema.resources.get(type_)
            case Mode.DATA:
                return schema.data_sources.get(type_)
            case Mode.EPHEMERAL:
                return schema.ephemeral_resources.get(type_)

    def unconfigured(self, source: str) -> Provider:
        """A provider that may be asked for schemas and validation only."""
        self.schema(source)
        return self._unconfigured[source]

    def configure(
        self,
        reference: ProviderReference,
        config: Value,
        *,
        final: bool = True,
        lasting: bool = True,
        secrets: tuple[str, ...] = (),
    ) -> tuple[Diagnostic, ...]:
        """Configure the provider of a reference. The first configuration of a source takes the one already made.

        `final` False: the configuration holds unknown values, so apply configures it again (`forget_provisional`).
        `lasting` False: it held ephemeral values, which are others when applying, so that it is made anew as well.
        `secrets`: texts of the configuration that no message of the provider may show.
        """
        self.schema(reference.source)
        taken = any(provider is self._unconfigured[reference.source] for provider in self._configured.values())
        provider = self._make(reference.source) if taken else self._unconfigured[reference.source]
        provider.secrets = secrets
        invalid = provider.validate_provider(config)
        if has_errors(invalid):
            return invalid
        diagnostics = (*invalid, *provider.configure(config, self._context))
        if not has_errors(diagnostics):
            self._configured[reference] = provider
            if not provider.is_local:
                self._give_patience(reference, provider)
            if not final:
                self._provisional.add(reference)
            if not lasting:
                self._short_lived.add(reference)
        return diagnostics

    def _give_patience(self, reference: ProviderReference, provider: GuardedProvider) -> None:
        from iacengine.provider.patience import Patience, Stop  # lazy: local providers need none

        self._stop = self._stop or Stop()
        source, pace = reference.source, self.pace(str(reference))
        provider.patience = Patience(lambda type_: self.retry_policy(source, type_), pace, self._stop.wait)

    def forget_provisional(self) -> None:
        """Forget configurations that held unknown or ephemeral values, so that they are made anew."""
        for reference in self._provisional | self._short_lived:
            del self._configured[reference]
        self._provisional.clear()
        self._short_lived.clear()

    def is_provisional(self, reference: ProviderReference) -> bool:
        """True for a provider whose configuration held unknown values."""
        return reference in self._provisional

    def is_configured(self, reference: ProviderReference) -> bool:
        return reference in self._configured

    def configured(self, reference: ProviderReference) -> Provider:
        """The configured provider of a reference. It asks again for what may pass when it plans and reads."""
        return self._found(reference)

    def impatient(self, reference: ProviderReference) -> Provider:
        """The configured provider of a reference, which asks once and answers."""
        return self._found(reference).impatient()

    def retry_policy(self, source: str, type_: str) -> RetryPolicy:
        """How patient to be with objects of a type: as the stack says, or else their provider."""
        return self._retries.policy(self.schema(source).retries, source, type_)

    def pace(self, reference: str) -> Pace:
        """How many calls of a provider configuration may run at once; it need not be configured yet."""
        found = self._paces.get(reference)
        if found is None:
            from iacengine.provider.pace import Pace  # lazy: local providers need none while planning

            found = self._paces[reference] = Pace(self._context.parallelism)
        return found

    def _found(self, reference: ProviderReference) -> GuardedProvider:
        found = self._configured.get(reference)
        if found is None:
            raise failure("Provider not configured", f"{reference} is needed, but it was never configured.")
        return found

    def end_waiting(self) -> None:
        """Let nobody wait for another try who waits now: nobody needs the answer any more."""
        if self._stop is not None:
            self._stop.ask()

    def stop(self) -> None:
        """Ask every running operation to end soon. May be called from another thread."""
        self.end_waiting()
        for provider in tuple(self._made):
            provider.stop()

    def abandon(self) -> None:
        """Leave every provider as it is: calls that nobody waits for may still be running, and `close` would wait."""
        self._made.clear()

    def close(self) -> None:
        """Close every provider, the last made first."""
        self.end_waiting()
        while self._made:
            self._made.pop().close()
