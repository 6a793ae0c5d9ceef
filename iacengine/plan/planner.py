"""The planner: walks the dependency graph once, evaluates, refreshes and diffs, and puts the steps in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace

from iacengine.addresses import Mode, ProviderReference, Resource, ResourceInstance
from iacengine.config.model import Configuration, ProviderName, ResourceBlock
from iacengine.config.source import locate
from iacengine.evaluation.conditions import Status
from iacengine.evaluation.expansion import expand
from iacengine.evaluation.provider_setup import ProviderSetup
from iacengine.evaluation.scope import AnyScope, Expansion, Scope, WorkingValues
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Findings, error
from iacengine.graph.build import ConfigGraph, build_graph
from iacengine.graph.nodes import Kind, Node
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.values import Value
from iacengine.plan import data, managed, orphans
from iacengine.plan.checks import CheckResults
from iacengine.plan.dependencies import Dependencies
from iacengine.plan.events import Listener
from iacengine.plan.imports import Imports
from iacengine.plan.model import Change, ModuleExpansion, OutputChange, Plan, PlanMode
from iacengine.plan.moves import move_objects, still_declared
from iacengine.plan.options import PlanRequestOptions
from iacengine.plan.order import order_steps
from iacengine.plan.outputs import output_changes
from iacengine.plan.prior import PriorObject
from iacengine.plan.refresh import Refresh, Refreshed
from iacengine.plan.selection import select, select_destroyed
from iacengine.plan.triggers import triggered
from iacengine.provider.checks import check_planned
from iacengine.provider.instances import Providers
from iacengine.provider.protocol import PlanRequest, PlanResponse, Provider
from iacengine.schema import Schema
from iacengine.state.model import ObjectKey, ResourceObject, State


def make_plan(
    configuration: Configuration,
    stored: State | None,
    lineage: str,
    providers: Providers,
    variables: Mapping[str, Value],
    functions: FunctionContext,
    source_address: Callable[[str], str],
    options: PlanRequestOptions,
    listener: Listener,
) -> Plan:
    """What has to change so that the real things become what the configuration says.

    Raises DiagnosticsError with every error found. Warnings are in the plan.
    """
    graph = build_graph(configuration)
    state = stored or State(lineage)
    walk = Walk(configuration, graph, state, providers, variables, functions, source_address, options, listener)
    try:
        walk.run()
    finally:
        walk.close()
    walk.findings.raise_errors()
    return walk.plan(stored.serial if stored is not None else None)


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
        self.stored = state
        self.options = options
        self.providers = providers
        self.findings = Findings()
        self.moves = move_objects(configuration, state)
        self.findings.extend(self.moves.warnings)
        self.state = self.moves.state
        if options.mode is PlanMode.DESTROY:
            self.selection = select_destroyed(self.state, options.targets, options.excludes)
        else:
            self.selection = select(graph, options.targets, options.excludes)
        self.working = WorkingValues(configuration, variables, functions)
        self.refresh = Refresh(providers, listener, self.pool)
        self.dependencies = Dependencies(graph)
        self.imports = Imports(configuration, self)
        self.checks = CheckResults(self.findings)
        self.changes: dict[ObjectKey, Change] = {}
        self.state_changes: dict[ObjectKey, ResourceObject | None] = dict(self.moves.changes)
        self.drift: list[Change] = []
        self.changing: set[Node] = set()
        self.visited: set[Node] = set()
        self.failed: set[Node] = set()
        self.setup = ProviderSetup(configuration, self.working, providers, source_address, self._start_refresh)
        self._by_provider: dict[str, list[ResourceObject]] = {}
        for found in self.state.objects.values():
            self._by_provider.setdefault(found.provider, []).append(found)
        self._pool: ThreadPoolExecutor | None = None
        self._reads: dict[Future[None], Node] = {}
        self._create_before_destroy: set[Node] = self._forced_create_before_destroy()

    # --- the walk --------------------------------------------------------------------------------------------------

    def pool(self) -> ThreadPoolExecutor:
        """Threads for provider calls, made when the first is needed."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.options.parallelism, thread_name_prefix="plan")
        return self._pool

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def run(self) -> None:
        """Visit every selected node after what it needs; those behind a failed one are not visited."""
        if self.options.mode is PlanMode.DESTROY:
            self._run_nodes(self._nodes_for_providers())
        else:
            self._run_nodes(set(self.graph) if self.selection.nodes is None else set(self.selection.nodes))
        self._check_moves()
        if not self.findings.errors:
            orphans.plan_orphans(self)

    def _check_moves(self) -> None:
        """Refuse moves away from what is still declared, and targets that leave moved objects out."""
        if self.options.mode is PlanMode.NORMAL:
            self.findings.extend(still_declared(self.configuration, self.working))
        left_out = [
            f"{origin} -> {address}"
            for address, origin in self.moves.origins.items()
            if not self.selection.has_stored(address, Node(Kind.RESOURCE, address.module.path, address.resource))
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
                reads_before = len(self._reads)
                try:
                    self._visit(node, batch)
                except DiagnosticsError as found:
                    self._fail(node, found)
                    del batch[before:]
                if len(self._reads) > reads_before and node not in self.failed:
                    continue
                if len(batch) == before:
                    finish(node)
                else:
                    finished.append(node)
            self._plan_batch(batch)
            for node in finished:
                finish(node)
            if not ready and self._reads:
                for node in self._finished_reads():
                    finish(node)

    def _fail(self, node: Node, found: DiagnosticsError) -> None:
        self.findings.add(*found.diagnostics)
        if any(diagnostic.is_error for diagnostic in found.diagnostics):
            self.failed.add(node)

    def read_later(self, node: Node, read: Callable[[], None]) -> None:
        """Run a data source's read in the background; the node is finished when it is."""
        self._reads[self.pool().submit(read)] = node

    def _finished_reads(self) -> list[Node]:
        done, _ = wait(self._reads, return_when=FIRST_COMPLETED)
        nodes = []
        for future in done:
            node = self._reads.pop(future)
            try:
                future.result()
            except DiagnosticsError as found:
                self._fail(node, found)
            if node not in self._reads.values():
                nodes.append(node)
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
                for found in self.state.objects.values()
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

    # --- stored objects --------------------------------------------------------------------------------------------

    def _start_refresh(self, reference: ProviderReference) -> None:
        stored = self._by_provider.get(str(reference), [])
        wanted = [
            found
            for found in stored
            if found.address.resource.mode is Mode.MANAGED and self._may_refresh(found.address)
        ]
        self.refresh.start(reference, wanted, read=self.options.refresh)

    def creates_before_destroy(self, node: Node) -> bool:
        return node in self._create_before_destroy

    def _may_refresh(self, address: ResourceInstance) -> bool:
        node = Node(Kind.RESOURCE, address.module.path, address.resource)
        return self.selection.nodes is None or node in self.selection.nodes or self.selection.has_stored(address, node)

    def refreshed(self, found: ResourceObject) -> Refreshed | None:
        """The stored object after refresh, with what refresh found put into the state changes and the drift."""
        result = self.refresh.result(found.key)
        if result is None:
            return None
        self.findings.extend(result.diagnostics)
        if any(diagnostic.is_error for diagnostic in result.diagnostics):
            raise DiagnosticsError(*result.diagnostics)
        if result.now is not result.before and self.state_changes.get(found.key, found) is not (
            result.now.stored if result.now else None
        ):
            self.state_changes[found.key] = result.now.stored if result.now is not None else None
            if result.changed:
                self.drift.append(orphans.drift_change(result))
        return result

    def prior_of(self, address: ResourceInstance, reference: ProviderReference) -> PriorObject | None:
        """The object at an address as it is now; None when there is none (any more)."""
        found = self.state.current(address)
        if found is None:
            return None
        if self.refresh.result(found.key) is None:
            self.refresh.start(reference, [found], read=self.options.refresh)
        result = self.refreshed(found)
        return result.now if result is not None else None

    # --- resources -------------------------------------------------------------------------------------------------

    def _forced_create_before_destroy(self) -> set[Node]:
        """Blocks created before they are destroyed: by their own word, or because something that needs them is."""
        own = {
            Node(Kind.RESOURCE, module.path, block.address)
            for module in self.configuration.modules.values()
            for block in module.resources.values()
            if block.lifecycle.create_before_destroy
        }
        return {node for node in self.graph.closure(own, self.graph.needs) if node.kind is Kind.RESOURCE}

    def _resource(self, node: Node, scope: Scope, resource: Resource, batch: list[PlanTask]) -> None:
        block = scope.module.resources.get(resource)
        if block is None:
            block = next(
                check.data
                for check in scope.module.checks.values()
                if check.data is not None and check.data.address == resource
            )
            data.visit_check_data(self, node, scope, block)
            return
        reference = self.setup.of_block(node.module, block)
        schema = self.providers.resource_schema(reference.source, resource.mode, resource.type)
        if schema is None:
            raise _unsupported(resource, reference, block)
        expansion = expand(block.repetition, scope, block.origin)
        self.working.expand_resource(scope.instance, resource, expansion)
        if resource.mode is Mode.DATA:
            data.visit_data(self, node, scope, block, reference, schema, expansion)
            return
        found = Findings()
        for key in expansion.keys:
            address = ResourceInstance(scope.instance, resource, key)
            if not self.selection.has_instance(node, address):
                self._leave_as_stored(address, reference)
                continue
            try:
                batch.append(self._prepare(node, address, block, reference, schema, scope.for_instance(expansion, key)))
            except DiagnosticsError as problem:
                found.add(*problem.diagnostics)
        if found.errors:
            raise DiagnosticsError(*found.all)
        self.findings.extend(found.all)

    def _leave_as_stored(self, address: ResourceInstance, reference: ProviderReference) -> None:
        prior = self.prior_of(address, reference)
        if prior is not None:
            self.working.set_object(address, prior.marked)

    def _prepare(
        self,
        node: Node,
        address: ResourceInstance,
        block: ResourceBlock,
        reference: ProviderReference,
        schema: Schema,
        scope: AnyScope,
    ) -> PlanTask:
        prior = self.prior_of(address, reference)
        import_id = None
        if prior is None:
            prior, import_id = self.imports.take(address, reference, schema)
        previous = self.moves.origins.get(address)
        if self.options.mode is PlanMode.REFRESH_ONLY:
            return PlanTask(None, None, self.providers.configured(reference), scope, address, prior)
        self.checks.conditions(block.lifecycle.preconditions, scope, "Resource precondition failed", address)
        config, marks = managed.evaluate_config(block, schema, scope)
        provider = self.providers.configured(reference)
        invalid = provider.validate_resource(address.resource.type, config)
        if invalid:
            placed = [found.at(*locate(block.origin)) for found in invalid]
            self.findings.extend(placed)
            if any(found.is_error for found in placed):
                raise DiagnosticsError(*placed)
        desired = managed.Desired(
            address=address,
            block=block,
            provider=reference,
            schema=schema,
            config=config,
            marks=marks,
            prior=prior,
            create_before_destroy=node in self._create_before_destroy,
            dependencies=self.dependencies.of(node),
            forced=self.options.forces_replacement(address),
            trigger=triggered(self, block, scope, address),
            import_id=import_id,
            previous_address=previous,
        )
        return PlanTask(desired, managed.prepare(desired), provider, scope, address, prior)

    def _plan_batch(self, batch: list[PlanTask]) -> None:
        """Ask the providers for plans, many at once; ask again for replacements; record the changes."""
        asked = [task for task in batch if task.request is not None]
        responses = _ask(asked)
        again = []
        for task, response in zip(asked, responses, strict=True):
            task.response = response
            assert task.desired is not None
            assert task.request is not None
            if managed.must_replace(task.desired, task.request, response):
                task.second = managed.request_for(task.desired, None)
                again.append(task)
        for task, response in zip(again, _ask(again, second=True), strict=True):
            task.again = response
        for task in batch:
            node = Node(Kind.RESOURCE, task.address.module.path, task.address.resource)
            try:
                self._record(task)
            except DiagnosticsError as found:
                self._fail(node, found)

    def _record(self, task: PlanTask) -> None:
        if task.desired is None:
            if task.prior is not None:
                self.working.set_object(task.address, task.prior.marked)
            return
        assert task.request is not None
        assert task.response is not None
        desired, request, response = task.desired, task.request, task.again or task.response
        self._check_answer(task, desired, response)
        change = managed.decide(desired, request, task.response, task.again)
        self.changes[(change.address, "")] = change
        if change.is_effect:
            self.changing.add(Node(Kind.RESOURCE, change.address.module.path, change.address.resource))
        self.working.set_object(change.address, change.after)
        postconditions = desired.block.lifecycle.postconditions
        if postconditions:
            scope = task.scope.with_names({("self",): change.after})
            self.checks.conditions(postconditions, scope, "Resource postcondition failed", change.address)

    def _check_answer(self, task: PlanTask, desired: managed.Desired, response: PlanResponse) -> None:
        name = desired.provider.source
        final = task.second or task.request
        assert final is not None
        problems = [replace(found, address=str(task.address)) for found in response.diagnostics]
        if not any(found.is_error for found in problems):
            problems += check_planned(
                desired.schema.block,
                final.prior,
                final.config,
                response.planned,
                provider=name,
                legacy=response.legacy_type_system,
            )
        placed = [found.at(*locate(desired.block.origin)) for found in problems]
        if any(found.is_error for found in placed):
            raise DiagnosticsError(*placed)
        self.findings.extend(placed)

    # --- the plan --------------------------------------------------------------------------------------------------

    def plan(self, base_serial: int | None) -> Plan:
        changes = tuple(sorted(self.changes.values(), key=lambda change: (change.address.sort_key, change.deposed)))
        prior_state = self.moves.state.with_objects(
            {key: value for key, value in self.state_changes.items() if key not in self.moves.changes or value}
        )
        steps = order_steps(self.graph, changes, self.moves.state)
        return Plan(
            configuration=self.configuration,
            mode=self.options.mode,
            lineage=self.stored.lineage,
            base_serial=base_serial,
            prior_state=prior_state,
            changes=changes,
            steps=steps,
            outputs=self._outputs(),
            drift=tuple(sorted(self.drift, key=lambda change: change.address.sort_key)),
            state_changes=self.state_changes,
            variables=dict(self.working.variables),
            modules={
                key: ModuleExpansion(expansion.kind, expansion.keys) for key, expansion in self.working.calls.items()
            },
            checks=self.checks.results(),
            on_failure=self.options.on_failure,
            targets=tuple(map(str, self.options.targets)),
            excludes=tuple(map(str, self.options.excludes)),
            timestamp=self.options.timestamp,
            diagnostics=(*self.findings.all, *self.setup.warnings),
        )

    def _outputs(self) -> dict[str, OutputChange]:
        return output_changes(self.working, self.state, self.options.mode, self.visited)


class PlanTask:
    """One object on its way through a batch."""

    __slots__ = ("address", "again", "desired", "prior", "provider", "request", "response", "scope", "second")

    def __init__(
        self,
        desired: managed.Desired | None,
        request: PlanRequest | None,
        provider: Provider,
        scope: AnyScope,
        address: ResourceInstance,
        prior: PriorObject | None,
    ) -> None:
        self.desired = desired
        self.request = request
        self.provider = provider
        self.scope = scope
        self.address = address
        self.prior = prior
        self.second: PlanRequest | None = None
        self.response: PlanResponse | None = None
        self.again: PlanResponse | None = None


def _ask(tasks: list[PlanTask], *, second: bool = False) -> list[PlanResponse]:
    """The providers' plans for the tasks, in their order; each provider is asked once."""
    by_provider: dict[int, list[int]] = {}
    for index, task in enumerate(tasks):
        by_provider.setdefault(id(task.provider), []).append(index)
    answers: list[PlanResponse | None] = [None] * len(tasks)
    for indexes in by_provider.values():
        provider = tasks[indexes[0]].provider
        requests = [tasks[index].second if second else tasks[index].request for index in indexes]
        try:
            responses = provider.plan([request for request in requests if request is not None])
        except Exception as defect:
            problem = _defect(defect)
            responses = [PlanResponse(None, diagnostics=(problem,)) for _ in indexes]
        for index, response in zip(indexes, responses, strict=True):
            answers[index] = response
    return [answer for answer in answers if answer is not None]


def _defect(defect: Exception) -> Diagnostic:
    return error(
        "Provider failed",
        f"The provider raised {type(defect).__name__} while planning: {defect}",
        remedy="This is a defect of the provider; report it to its maintainers.",
    )


def _unsupported(resource: Resource, reference: ProviderReference, block: ResourceBlock) -> DiagnosticsError:
    kind = "data source" if resource.mode is Mode.DATA else "resource type"
    diagnostic = error(f"Invalid {kind}", f'The provider {reference.source} has no {kind} "{resource.type}".')
    return DiagnosticsError(diagnostic.at(*locate(block.origin)))
