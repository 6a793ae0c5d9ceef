"""Which attributes of other objects contributed to the changes of a plan: `relevant_attributes` of Terraform's JSON.

Found statically: the references in the bodies of everything that changes, followed through locals, variables and
module outputs to the resources behind them. What is not asked for is not computed: only saved plans hold it.
"""

from __future__ import annotations

from collections.abc import Iterator

from iacengine.addresses import ModuleInstance, Resource, ResourceInstance
from iacengine.graph.build import references_in, resource_node
from iacengine.graph.nodes import Kind
from iacengine.lang.references import Index, Reference
from iacengine.plan.model import Action, Plan
from iacengine.schema import Path

Relevant = tuple[str, Path]
"""A resource or resource instance, and the path of an attribute in it (empty: the whole)."""


def relevant_attributes(plan: Plan) -> tuple[Relevant, ...]:
    """Every attribute that something which changes refers to, once, in order of address and path."""
    search = _Search(plan)
    for change in plan.changes:
        if change.is_effect and change.after is not None:
            module = plan.configuration.modules[change.address.module.path]
            block = module.resources.get(change.address.resource)
            if block is not None:
                search.follow(change.address.module, references_in(block.body))
    for name, output in plan.outputs.items():
        declared = plan.configuration.root.outputs.get(name)
        if declared is not None and output.action is not Action.NO_OP:
            search.follow(ModuleInstance(), references_in(declared.value))
    return tuple(sorted(search.found, key=lambda relevant: (relevant[0], tuple(map(str, relevant[1])))))


class _Search:
    """References yet to be followed; every local, variable and output is opened once a module instance."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._opened: set[tuple[ModuleInstance, str, str]] = set()
        self.found: set[Relevant] = set()

    def follow(self, module: ModuleInstance, references: Iterator[Reference]) -> None:
        todo = [(module, reference) for reference in references]
        while todo:
            where, reference = todo.pop()
            node = resource_node(where.path, reference.subject)
            if node is not None and node.kind is Kind.RESOURCE:
                assert isinstance(node.name, Resource)
                self.found.add(_relevant(where, node.name, reference))
                continue
            for inner, raw in self._behind(where, reference):
                todo.extend((inner, found) for found in references_in(raw))

    def _behind(self, where: ModuleInstance, reference: Reference) -> Iterator[tuple[ModuleInstance, object]]:
        """The raw values a reference stands for, and where they are evaluated."""
        module = self._plan.configuration.modules[where.path]
        match reference.subject:
            case ("local", name) if name in module.locals and self._open(where, "local", name):
                yield where, module.locals[name].value
            case ("var", name) if where.steps and self._open(where, "var", name):
                parent = self._plan.configuration.modules[where.parent.path]
                yield where.parent, parent.calls[where.path[-1]].arguments.get(name)
            case ("module", name) if name in module.children:
                yield from self._outputs(where, name, reference)

    def _outputs(
        self, where: ModuleInstance, name: str, reference: Reference
    ) -> Iterator[tuple[ModuleInstance, object]]:
        child = self._plan.configuration.modules[(*where.path, name)]
        wanted = next((step for step in reference.remaining if isinstance(step, str)), None)
        expansion = self._plan.modules.get((where, name))
        for key in expansion.keys if expansion is not None else ():
            instance = where.child(name, key)
            for output in child.outputs.values():
                if wanted in (None, output.name) and self._open(instance, "output", output.name):
                    yield instance, output.value

    def _open(self, where: ModuleInstance, kind: str, name: str) -> bool:
        key = (where, kind, name)
        if key in self._opened:
            return False
        self._opened.add(key)
        return True


def _relevant(where: ModuleInstance, resource: Resource, reference: Reference) -> Relevant:
    steps = list(reference.remaining)
    address = str(ResourceInstance(where, resource))
    first = steps[0] if steps else None
    if isinstance(first, Index):
        address = str(ResourceInstance(where, resource, first.key))
        del steps[0]
    return address, tuple(step.key if isinstance(step, Index) else step for step in steps)
