"""Data sources: read while planning when all they need is known, while applying when it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from iacengine.addresses import Mode, ProviderReference, Resource, ResourceInstance
from iacengine.config.model import ResourceBlock
from iacengine.config.source import locate
from iacengine.evaluation.expansion import expand
from iacengine.evaluation.scope import AnyScope, Expansion, Scope
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Severity
from iacengine.graph.build import resource_node
from iacengine.graph.nodes import Kind, Node
from iacengine.lang.values import UNKNOWN, Value, is_wholly_known
from iacengine.plan.managed import PathMarks, evaluate_config
from iacengine.plan.model import Action, Change, PlanMode, Reason
from iacengine.plan.prior import stored_value
from iacengine.provider.checks import check_read
from iacengine.provider.protocol import Provider, ReadResponse
from iacengine.provider.redaction import redacted
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
    pending = any(_has_changes(walk, needed) for needed in _awaited(walk, scope, block))
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

    def finish(value: Value) -> None:
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


def read_data(
    provider: Provider, address: ResourceInstance, block: ResourceBlock, schema: Schema, config: Value, marks: PathMarks
) -> Value:
    """Ask the provider for a data source; `marks` are those of the configuration. Raises DiagnosticsError."""
    type_ = address.resource.type
    invalid = provider.validate_data_source(type_, config)
    response = ReadResponse(None, None, invalid)
    if not any(found.is_error for found in invalid):
        response = provider.read_data(type_, config)
    diagnostics = response.diagnostics
    if not any(found.is_error for found in diagnostics):
        diagnostics = (*diagnostics, *check_read(schema.block, response.state))
    if any(found.is_error for found in diagnostics):
        shown = redacted(diagnostics, mark_with_paths(config, marks))
        raise DiagnosticsError(*(found.at(*locate(block.origin)) for found in shown))
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
) -> None:
    after = mark_with_paths(unknown_of_config(schema.block, config), marks)
    if walk.options.mode is PlanMode.DESTROY:  # it is looked at for the sake of a provider; nothing will be read
        walk.working.set_object(address, after)
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
    walk.working.set_object(address, after)


def _awaited(walk: Walk, scope: Scope, block: ResourceBlock) -> Iterator[Node]:
    """The resource blocks that `depends_on` names; a module stands for everything in it."""
    path = scope.module.path
    for reference in block.depends_on:
        match reference.subject:
            case ("module", name):
                yield from walk.graph.needs(Node(Kind.CLOSE, path, name))
            case _:
                node = resource_node(path, reference.subject)
                if node is not None and node in walk.graph:
                    yield node
    parent = path
    while parent:
        call = walk.configuration.modules[parent[:-1]].calls[parent[-1]]
        for reference in call.depends_on:
            node = resource_node(parent[:-1], reference.subject)
            if node is not None and node in walk.graph:
                yield node
        parent = parent[:-1]


def _has_changes(walk: Walk, node: Node) -> bool:
    return node in walk.changing


def visit_check_data(walk: Walk, node: Node, scope: Scope, block: ResourceBlock) -> None:
    """The data source of a `check` block: a failure to read it is a warning, and its value then unknown."""
    if walk.options.mode is PlanMode.DESTROY:
        return
    try:
        reference = walk.setup.of_block(node.module, block)
        schema = walk.providers.resource_schema(reference.source, Mode.DATA, block.address.type)
        if schema is None:
            return
        expansion = expand(block.repetition, scope, block.origin)
        walk.working.expand_resource(scope.instance, block.address, expansion)
        config, marks = evaluate_config(block, schema, scope)
        address = ResourceInstance(scope.instance, block.address)
        if not is_wholly_known(config):
            _defer(walk, node, address, reference, schema, config, marks, Reason.READ_BECAUSE_CHECK_NESTED)
            return
        value = read_data(walk.providers.configured(reference), address, block, schema, config, marks)
        walk.working.set_object(address, mark_with_paths(value, marks))
    except DiagnosticsError as found:
        assert isinstance(node.name, Resource)
        walk.working.set_object(ResourceInstance(scope.instance, node.name), UNKNOWN)
        walk.findings.add(*(_as_warning(diagnostic) for diagnostic in found.diagnostics))


def _as_warning(diagnostic: Diagnostic) -> Diagnostic:
    return replace(diagnostic, severity=Severity.WARNING)
