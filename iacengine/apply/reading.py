"""A data source that is read while applying, because planning could not know what to ask for."""

from __future__ import annotations

from dataclasses import dataclass

from iacengine.addresses import ResourceInstance
from iacengine.apply.operations import without_unknown
from iacengine.config.model import ResourceBlock
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.lang.values import Value
from iacengine.plan.data import read_data
from iacengine.plan.managed import PathMarks
from iacengine.plan.model import Change
from iacengine.plan.prior import stored_value
from iacengine.provider.protocol import Provider
from iacengine.schema import Schema
from iacengine.schema.proposed import unknown_of_config
from iacengine.schema.values import mark_with_paths
from iacengine.state.model import ResourceObject


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A read ready to be made for a step: it changes nothing, so the journal need not know before."""

    step: int
    change: Change
    block: ResourceBlock
    provider: Provider
    schema: Schema
    config: Value
    marks: PathMarks

    @property
    def address(self) -> ResourceInstance:
        return self.change.address

    def read(self) -> Value | DiagnosticsError:
        """The data source, marked as its configuration is; or what went wrong. In any thread."""
        try:
            value = read_data(self.provider, self.address, self.block, self.schema, self.config, self.marks)
        except DiagnosticsError as found:
            return found
        return mark_with_paths(value, self.marks)

    def unread(self) -> Value:
        """What is known without having read it, in its place: the configuration."""
        return mark_with_paths(unknown_of_config(self.schema.block, self.config), self.marks)

    def stored(self, value: Value) -> ResourceObject:
        """What was read, as it is stored; null where it is not known."""
        attributes, paths = stored_value(without_unknown(value), self.schema.block)
        change = self.change
        return ResourceObject(
            change.address, change.provider, attributes, self.schema.version, paths, dependencies=change.dependencies
        )
