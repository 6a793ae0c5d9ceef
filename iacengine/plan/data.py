"""Data sources: read while planning when all they need is known, while applying when it is not."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from iacengine.addresses import Mode, ModulePath, ProviderReference, ResourceInstance
from iacengine.config.model import Check, ResourceBlock
from iacengine.config.source import locate
from iacengine.evaluation.expansion import expand
from iacengine.evaluation.scope import AnyScope, Expansion, Scope
from iacengine.foundation.diagnostics import DiagnosticsError, has_errors
from iacengine.graph.build import resource_node
from iacengine.graph.nodes import Kind, Node
from iacengine.lang.references import Reference
from iacengine.lang.values import UNKNOWN, Value, is_wholly_known
from iacengine.plan.dependencies import is_managed
from iacengine.plan.events import ReadFinished, ReadStarted
from iacengine.plan.managed import PathMarks, evaluate_config
from iacengine.plan.model import Action, Change, PlanMode, Reason
from iacengine.plan.prior import stored_value
from iacengine.provider.checks import check_read
from iacengine.provider.protocol import Provider, ReadResponse
from iacengine.provider.redaction import redacted
from iacengine.provider.retry import PassingError
from iacengine.schema import Schema
from iacengine.schema.proposed import unknown_of_config
from iacengine.schema.values import mark_with_paths
from iacengine.state.model import ResourceObject

if TYPE_CHECKING:
    from iacengine.plan.walk import Walk


def visit_data(
    walk: Walk,
    node: Node,
    scope: Scope,
    block: ResourceBlock,
    reference: ProviderReference,
    schema: Schema,
    expansion: Expansion,
) -> None:
    """Read every instance of a data source now, or plan to read it during apply."""
    pending = any(walk.has_changes(needed) for needed in awaited_nodes(walk, node, block))
    for key in expansion.keys:
        address = ResourceInstance(scope.instance, block.address, key)
        if not walk.selection.has_instance(node, address):
            continue
        _visit_instance(walk, node, address, block, reference, schema, scope.for_instance(expansion, key), pending)


def _visit_instance(
    walk: Walk,
    node: Node,
    address: ResourceInstance,
    block: ResourceBlock,
    reference: ProviderReference,
    schema: Schema,
    scope: AnyScope,
    pending: bool,
) -> None:
    walk.checks.conditions(block.lifecycle.preconditions, scope, "Resource precondition failed", address)
    config, marks = evaluate_config(block, schema, scope)
    if pending or not is_wholly_known(config):
        reason = Reason.READ_BECAUSE_CONFIG_UNKNOWN
        if is_wholly_known(config):
            reason = Reason.READ_BECAUSE_DEPENDENCY_PENDING
        _defer(walk, node, address, reference, schema, config, marks, reason)
        return
    provider = walk.providers.configured(reference)

    def read() -> Value:
        return read_data(provider, address, block, schema, config, marks)

    start = time.monotonic()
    walk.listener(ReadStarted(address))

    def finish(value: Value) -> None:
        walk.listener(ReadFinished(address, time.monotonic() - start, _id(value)))
        marked = mark_with_paths(value, marks)
        walk.working.set_object(address, marked)
        attributes, paths = stored_value(marked, schema.block)
        before = walk.stored.state.current(address)
        is_new = before is None or before.attributes != attributes or before.sensitive_paths != paths
        if is_new and walk.options.mode is not PlanMode.DESTROY:
            walk.stored.changes[(address, "")] = ResourceObject(
                address, str(reference), attributes, schema.version, paths, dependencies=walk.dependencies.of(node)
            )
        if block.lifecycle.postconditions:
            inner = scope.with_names({("self",): marked})
            walk.checks.conditions(block.lifecycle.postconditions, inner, "Resource postcondition failed", address)

    if provider.is_local:
        finish(read())
    else:
        walk.read_later(node, read, finish)


def _id(value: Value) -> str | None:
    found = value.get("id") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def read_data(
    provider: Provider, address: ResourceInstance, block: ResourceBlock, schema: Schema, config: Value, marks: PathMarks
) -> Value:
    """Ask the provider for a data source; `marks` are those of the configuration. Raises DiagnosticsError."""
    type_ = address.resource.type
    invalid = provider.validate_data_source(type_, config)
    response = ReadResponse(None, None, invalid)
    if not has_errors(invalid):
        response = provider.read_data(type_, config)
    diagnostics = response.diagnostics
    if not has_errors(diagnostics):
        diagnostics = (*diagnostics, *check_read(schema.block, response.state))
    if has_errors(diagnostics):
        shown = redacted(diagnostics, mark_with_paths(config, marks))
        placed = [found.at(*locate(block.origin)) for found in shown]
        if response.retryable or response.throttled:
            raise PassingError(*placed, throttled=response.throttled)
        raise DiagnosticsError(*placed)
    return response.state


def _defer(
    walk: Walk,
    node: Node,
    address: ResourceInstance,
    reference: ProviderReference,
    schema: Schema,
    config: Value,
    marks: PathMarks,
    reason: Reason,
    *,
    known: Value = None,
) -> None:
    """Plan to read a source during apply. `known` is what it says already."""
    after = mark_with_paths(unknown_of_config(schema.block, config) if known is None else known, marks)
    walk.working.set_object(address, after)
    if walk.options.mode is not PlanMode.NORMAL:  # in a destroy it is looked at for the sake of a provider
        return
    before = walk.stored.state.current(address)
    walk.changing.add(node)
    walk.changes[(address, "")] = Change(
        address=address,
        provider=str(reference),
        action=Action.READ,
        before=None,
        after=after,
        reason=reason,
        prior=before,
        config=mark_with_paths(config, marks),
        body_unknown=True,
        schema_version=schema.version,
        dependencies=walk.dependencies.of(node),
    )


def awaited_nodes(walk: Walk, node: Node, block: ResourceBlock) -> Iterator[Node]:
    """What has to be as it shall be before the source is read.

    The resources it refers to itself, not through locals or variables, and what `depends_on` names, its own and that
    of the calls of its module; a module stands for everything in it.
    """
    yield from filter(is_managed, walk.graph.needs(node))
    yield from _in_modules(walk, node.module, block.depends_on)
    path = node.module
    while path:
        depends_on = walk.configuration.modules[path[:-1]].calls[path[-1]].depends_on
        yield from (found for found in (resource_node(path[:-1], each.subject) for each in depends_on) if found)
        yield from _in_modules(walk, path[:-1], depends_on)
        path = path[:-1]


def _in_modules(walk: Walk, path: ModulePath, references: Iterable[Reference]) -> Iterator[Node]:
    for reference in references:
        if reference.subject[0] == "module":
            yield from filter(is_managed, walk.graph.needs(Node(Kind.CLOSE, path, reference.subject[1])))


def visit_check_data(walk: Walk, node: Node, scope: Scope, check: Check, block: ResourceBlock) -> None:
    """The data source of a `check` block: a failure to read it is a warning, and what it would tell then unknown.

    It is read while planning, so that the check says something now, and again while applying.
    """
    if walk.options.mode is PlanMode.DESTROY:
        return
    address = ResourceInstance(scope.instance, block.address)
    walk.working.set_object(address, UNKNOWN)
    try:
        reference = walk.setup.of_block(node.module, block)
        schema = walk.providers.resource_schema(reference.source, Mode.DATA, block.address.type)
        if schema is None:
            return
        walk.working.expand_resource(scope.instance, block.address, expand(block.repetition, scope, block.origin))
        config, marks = evaluate_config(block, schema, scope)
    except DiagnosticsError as found:
        walk.checks.unreadable(scope, check, found)
        return
    if not is_wholly_known(config):
        _defer(walk, node, address, reference, schema, config, marks, Reason.READ_BECAUSE_CONFIG_UNKNOWN)
    elif any(walk.has_changes(needed) for needed in awaited_nodes(walk, node, block)):
        _defer(walk, node, address, reference, schema, config, marks, Reason.READ_BECAUSE_DEPENDENCY_PENDING)
    else:
        value = None
        start = time.monotonic()
        walk.listener(ReadStarted(address))
        try:
            value = read_data(walk.providers.configured(reference), address, block, schema, config, marks)
            walk.listener(ReadFinished(address, time.monotonic() - start, _id(value)))
        except DiagnosticsError as found:
            walk.checks.unreadable(scope, check, found)
        reason = Reason.READ_BECAUSE_CHECK_NESTED
        _defer(walk, node, address, reference, schema, config, marks, reason, known=value)
