"""The walk of a planning run: every node of the dependency graph visited once, after all it needs.

Evaluation happens in the thread that runs the walk. Providers are asked for plans in batches (everything that is ready
at once); what is stored is looked up, and data sources are read, in a pool of threads beside it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

from iacengine.addresses import Mode, ProviderReference, Resource, ResourceInstance
from iacengine.config.model import Configuration, ProviderName
from iacengine.evaluation.conditions import Status
from iacengine.evaluation.expansion import UnknownExpansionError, expand
from iacengine.evaluation.provider_setup import ProviderSetup
from iacengine.evaluation.scope import Expansion, Scope, WorkingValues
from iacengine.foundation.diagnostics import DiagnosticsError, Findings, error, has_errors
from iacengine.graph.build import ConfigGraph
from iacengine.graph.nodes import Kind, Node
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.values import Value
from iacengine.plan import data, orphans
from iacengine.plan.batch import PlanTask, plan_batch, prepare
from iacengine.plan.checks import CheckResults
from iacengine.plan.dependencies import Dependencies
from iacengine.plan.ephemeral import OpenEphemerals, visit_ephemeral
from iacengine.plan.events import Listener
from iacengine.plan.imports import Imports
from iacengine.plan.model import Change, PlanMode
from iacengine.plan.moves import move_objects, still_declared
from iacengine.plan.options import PlanRequestOptions
from iacengine.plan.selection import select, select_destroyed
from iacengine.plan.stored import StoredObjects
from iacengine.plan.unsupported import unsupported_type
from iacengine.provider.instances import Providers
from iacengine.state.model import ObjectKey, State


class Walk:
    """One planning run: what is known so far, and the visits to the graph's nodes that find out more."""

    def __init__(
        self,
        configuration: Configuration,
        graph: ConfigGraph,
        state: State,
        providers: Providers,
        variables: Mapping[str, Value],
        functions: FunctionContext,
        source_address: Callable[[str], str],
        options: PlanRequestOptions,
        listener: Listener,
    ) -> None:
        self.configuration = configuration
        self.graph = graph
        self.options = options
        self.listener = listener
        self.providers = providers
        self.findings = Findings()
        self.moves = move_objects(configuration, state)
        self.findings.extend(self.moves.warnings)
        if options.mode is PlanMode.DESTROY:
            self.selection = select_destroyed(self.moves.state, options.targets, options.excludes)
        else:
            self.selection = select(graph, options.targets, options.excludes)
        self.working = WorkingValues(configuration, variables, functions)
        self.dependencies = Dependencies(graph, self._has_no_objects)
        self.imports = Imports(configuration, self)
        self.checks = CheckResults(self.findings)
        self.changes: dict[ObjectKey, Change] = {}
        self.changing: set[Node] = set()
        self.visited: set[Node] = set()
        self.failed: set[Node] = set()
        self.deferred: set[str] = set()
        self.behind_deferred: set[Node] = set()
        self.stored = StoredObjects(
            self.moves.state,
            self.moves.changes,
            providers,
            listener,
            self.pool,
            self._is_wanted,
            self.findings,
            read=options.refresh,
        )
        self.ephemerals = OpenEphemerals(listener)
        self.setup = ProviderSetup(configuration, self.working, providers, source_address, self.stored.start_refresh)
        self._pool: ThreadPoolExecutor | None = None
        self._reads: dict[Node, int] = {}
        self._answers: SimpleQueue[tuple[Node, Future[Value], Callable[[Value], None]]] = SimpleQueue()
        self._create_before_destroy: set[Node] = self._forced_create_before_destroy()

    # --- the walk --------------------------------------------------------------------------------------------------

    def pool(self) -> ThreadPoolExecutor:
        """Threads for provider calls, made when the first is needed."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.options.parallelism, thread_name_prefix="plan")
        return self._pool

    def close(self) -> None:
        if self._pool is not None:
            self.providers.end_waiting()
            self._pool.shutdown(wait=True, cancel_futures=True)
        self.ephemerals.close()

    def run(self) -> None:
        """Visit every selected node after what it needs; those behind a failed one are not visited."""
        if self.options.mode is PlanMode.DESTROY:
            self._run_nodes(self._nodes_for_providers())
        else:
            self._run_nodes(set(self.graph) if self.selection.nodes is None else set(self.selection.nodes))
        self._check_moves()
        if self.options.mode is PlanMode.NORMAL and self.selection.nodes is None and not self.findings.errors:
            self.findings.extend(self.imports.without_instance())
        if not self.findings.errors:
            orphans.plan_orphans(self)

    def _check_moves(self) -> None:
        """Refuse moves away from what is still declared, and targets that leave moved objects out."""
        if self.options.mode is PlanMode.NORMAL:
            self.findings.extend(still_declared(self.configuration, self.working))
        left_out = [
            f"{origin} -> {address}"
            for address, origin in self.moves.origins.items()
            if not (self.selection.names(origin) and self.selection.names(address))
        ]
        if left_out:
            self.findings.add(
                error(
                    "Moved resource instances excluded by targeting",
                    "Objects have moved to new addresses, but the targets leave them out: " + ", ".join(left_out) + ".",
                    remedy="Name them with --target too, or plan without targets.",
                )
            )

    def _nodes_for_providers(self) -> set[Node]:
        """What a destroy run evaluates: provider configurations and all they need, and how modules expand."""
        return self.graph.closure(
            [node for node in self.graph if node.kind in (Kind.PROVIDER, Kind.CALL)], self.graph.needs
        )

    def _run_nodes(self, nodes: set[Node]) -> None:
        waiting = {
            node: sum(1 for needed in self.graph.needs(node) if needed in nodes) for node in self.graph if node in nodes
        }
        ready = deque(node for node, count in waiting.items() if not count)
        blocked: set[Node] = set()

        def finish(node: Node) -> None:
            for dependent in self.graph.needed_by(node):
                if dependent not in waiting:
                    continue
                if node in self.failed or node in blocked:
                    blocked.add(dependent)
                waiting[dependent] -= 1
                if not waiting[dependent]:
                    ready.append(dependent)

        while ready or self._reads:
            batch: list[PlanTask] = []
            finished: list[Node] = []
            while ready:
                node = ready.popleft()
                if node in blocked:
                    self.failed.add(node)
                    finish(node)
                    continue
                self.visited.add(node)
                before = len(batch)
                try:
                    if not self._defer_behind(node):
                        self._visit(node, batch)
                except UnknownExpansionError as found:
                    del batch[before:]
                    if self.options.allow_deferral:
                        self._defer(node)
                    else:
                        self.fail(node, found)
                except DiagnosticsError as found:
                    self.fail(node, found)
                    del batch[before:]
                if node in self._reads:
                    continue  # finished when the last read is
                if len(batch) == before:
                    finish(node)
                else:
                    finished.append(node)
            plan_batch(self, batch)
            for node in finished:
                finish(node)
            if not ready and self._reads:
                for node in self._finished_reads():
                    finish(node)

    def _defer(self, node: Node) -> None:
        """Leave a block, or a module call with all in it, to a later wave."""
        self.behind_deferred.add(node)
        unknown = Expansion("unknown", {})
        for instance in self.working.module_instances(node.module):
            if node.kind is Kind.CALL:
                self.working.expand_call(instance, str(node.name), unknown)
                self.deferred.add(f"{instance}.module.{node.name}" if instance.steps else f"module.{node.name}")
            else:
                assert isinstance(node.name, Resource)
                self.working.expand_resource(instance, node.name, unknown)
                self.deferred.add(f"{instance}.{node.name}" if instance.steps else str(node.name))

    def _defer_behind(self, node: Node) -> bool:
        """Defer a block that refers to a deferred one. Values in between are just not known."""
        if not any(needed in self.behind_deferred for needed in self.graph.needs(node)):
            return False
        if node.kind in (Kind.RESOURCE, Kind.CALL):
            self._defer(node)
            return True
        self.behind_deferred.add(node)
        return False

    def is_deferred(self, address: ResourceInstance) -> bool:
        """True when nobody can tell yet whether the object at an address is wanted."""
        path = address.module.path
        calls = (Node(Kind.CALL, path[:depth], path[depth]) for depth in range(len(path)))
        return Node(Kind.RESOURCE, path, address.resource) in self.behind_deferred or any(
            call in self.behind_deferred for call in calls
        )

    def fail(self, node: Node, found: DiagnosticsError) -> None:
        self.findings.add(*found.diagnostics)
        if has_errors(found.diagnostics):
            self.failed.add(node)

    def read_later(self, node: Node, read: Callable[[], Value], finish: Callable[[Value], None]) -> None:
        """Read a data source in the background; `finish` gets the value, in the thread of the walk."""
        self._reads[node] = self._reads.get(node, 0) + 1
        self.pool().submit(read).add_done_callback(lambda done: self._answers.put((node, done, finish)))

    def _finished_reads(self) -> list[Node]:
        """Wait for a read; the nodes of which nothing is being read any more."""
        nodes = []
        waiting = True
        while waiting:
            node, done, finish = self._answers.get()
            try:
                finish(done.result())
            except DiagnosticsError as found:
                self.fail(node, found)
            self._reads[node] -= 1
            if not self._reads[node]:
                del self._reads[node]
                nodes.append(node)
            waiting = not self._answers.empty()
        return nodes

    # --- visits ----------------------------------------------------------------------------------------------------

    def _visit(self, node: Node, batch: list[PlanTask]) -> None:
        for instance in self.working.module_instances(node.module):
            scope = self.working.scope(instance)
            match node.kind:
                case Kind.LOCAL:
                    scope.lookup(("local", str(node.name)))
                case Kind.VARIABLE:
                    scope.lookup(("var", str(node.name)))
                    self._validate_variable(scope, str(node.name))
                case Kind.OUTPUT:
                    self._output(scope, str(node.name))
                case Kind.CALL:
                    call = scope.module.calls[str(node.name)]
                    self.working.expand_call(instance, call.name, self._expansion_of_call(scope, call.name))
                case Kind.PROVIDER:
                    assert isinstance(node.name, ProviderName)
                    self.setup.of_name(node.module, node.name)
                case Kind.RESOURCE:
                    assert isinstance(node.name, Resource)
                    self._resource(node, scope, node.name, batch)
                case Kind.CHECK:
                    self.checks.check_block(scope, scope.module.checks[str(node.name)])
                case Kind.CLOSE:
                    pass

    def _expansion_of_call(self, scope: Scope, name: str) -> Expansion:
        call = scope.module.calls[name]
        try:
            return expand(call.repetition, scope, call.origin)
        except DiagnosticsError:
            if self.options.mode is not PlanMode.DESTROY:
                raise
            keys = {
                found.address.module.steps[len(scope.instance.steps)][1]
                for found in self.moves.state.objects.values()
                if found.address.module.steps[: len(scope.instance.steps)] == scope.instance.steps
                and len(found.address.module.steps) > len(scope.instance.steps)
                and found.address.module.steps[len(scope.instance.steps)][0] == name
            }
            return Expansion("unknown", dict.fromkeys(sorted(keys, key=str)))

    def _validate_variable(self, scope: Scope, name: str) -> None:
        variable = scope.module.variables[name]
        for condition in variable.validations:
            prefix = f"{scope.instance}." if not scope.instance.is_root else ""
            self.checks.judge(condition, scope, "Invalid value for variable", "var", f"{prefix}var.{name}")

    def _output(self, scope: Scope, name: str) -> None:
        output = scope.module.outputs[name]
        prefix = f"{scope.instance}." if not scope.instance.is_root else ""
        for condition in output.preconditions:
            verdict = self.checks.judge(
                condition, scope, "Module output value precondition failed", "output_value", f"{prefix}output.{name}"
            )
            if verdict.status in (Status.FAIL, Status.ERROR):
                return
        self.working.output(scope, name)

    # --- resources -------------------------------------------------------------------------------------------------

    def _is_wanted(self, address: ResourceInstance) -> bool:
        """True when a stored object has to be looked at."""
        node = Node(Kind.RESOURCE, address.module.path, address.resource)
        return self.selection.nodes is None or node in self.selection.nodes or self.selection.has_stored(address, node)

    def _has_no_objects(self, node: Node) -> bool:
        """True when a visited block wants no object at all."""
        if node not in self.visited:
            return False
        expansions = (
            self.working.resources.get((instance, node.name))
            for instance in self.working.module_instances(node.module)
            if isinstance(node.name, Resource)
        )
        return all(expansion is not None and not expansion.values for expansion in expansions)

    def creates_before_destroy(self, node: Node) -> bool:
        return node in self._create_before_destroy

    def _forced_create_before_destroy(self) -> set[Node]:
        """Blocks created before they are destroyed: by their own word, or because something that needs them is."""
        own = {
            Node(Kind.RESOURCE, module.path, block.address)
            for module in self.configuration.modules.values()
            for block in module.resources.values()
            if block.lifecycle.create_before_destroy
            and self.selection.has_node(Node(Kind.RESOURCE, module.path, block.address))
        }
        return {node for node in self.graph.closure(own, self.graph.needs) if node.kind is Kind.RESOURCE}

    def _resource(self, node: Node, scope: Scope, resource: Resource, batch: list[PlanTask]) -> None:
        block = scope.module.resources.get(resource)
        if block is None:
            for check in scope.module.checks.values():
                if check.data is not None and check.data.address == resource:
                    data.visit_check_data(self, node, scope, check, check.data)
            return
        reference = self.setup.of_block(node.module, block)
        schema = self.providers.resource_schema(reference.source, resource.mode, resource.type)
        if schema is None:
            raise unsupported_type(resource, reference, block, self.providers.schema(reference.source))
        expansion = expand(block.repetition, scope, block.origin)
        self.working.expand_resource(scope.instance, resource, expansion)
        if resource.mode is Mode.DATA:
            data.visit_data(self, node, scope, block, reference, schema, expansion)
            return
        if resource.mode is Mode.EPHEMERAL:
            visit_ephemeral(self, node, scope, block, reference, schema, expansion)
            return
        found = Findings()
        for key in expansion.keys:
            address = ResourceInstance(scope.instance, resource, key)
            if self.options.mode is PlanMode.DESTROY or not self.selection.has_instance(node, address):
                self._leave_as_stored(address, reference)
                continue
            try:
                batch.append(prepare(self, node, address, block, reference, schema, scope.for_instance(expansion, key)))
            except DiagnosticsError as problem:
                found.add(*problem.diagnostics)
        if found.errors:
            raise DiagnosticsError(*found.all)
        self.findings.extend(found.all)

    def has_changes(self, node: Node) -> bool:
        """True when objects of a visited block change in this plan, or go."""
        return node in self.changing or orphans.loses_objects(self, node)

    def _leave_as_stored(self, address: ResourceInstance, reference: ProviderReference) -> None:
        prior = self.stored.current(address, reference)
        if prior is not None:
            self.working.set_object(address, prior.marked)
