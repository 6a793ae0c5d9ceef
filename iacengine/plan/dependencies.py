"""Which resource blocks an object depends on: what is stored with it, so that it can be destroyed in order later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import replace
from types import MappingProxyType

from iacengine.addresses import ConfigResource, Mode, ModulePath, Resource
from iacengine.graph.build import ConfigGraph
from iacengine.graph.nodes import Kind, Node
from iacengine.plan.model import Action, Change
from iacengine.state.model import ObjectKey, ResourceObject, State


class Dependencies:
    """The resource blocks that a block refers to directly: through locals, variables, outputs, but no other resource.

    Ephemeral resources are looked through as well: they are never stored, so what is behind them is what counts.

    Transitive ones are not listed (they would grow with the square); a walk over stored objects finds them. Blocks
    that have no objects (`is_empty`) leave nothing there to walk over, so those behind them are listed too.
    """

    def __init__(
        self,
        graph: ConfigGraph,
        is_empty: Callable[[Node], bool] = lambda node: False,
        gone: Mapping[ModulePath, Set[str]] = MappingProxyType({}),
    ) -> None:
        """`gone`: for modules, the blocks in them that are declared no more and yet count as parts of the module."""
        self._graph = graph
        self._is_empty = is_empty
        self._gone = gone
        self._empty: dict[Node, bool] = {}
        self._through: dict[Node, frozenset[str]] = {}
        self._of: dict[Node, tuple[str, ...]] = {}

    def of(self, node: Node) -> tuple[str, ...]:
        """Texts of the blocks, sorted."""
        found = self._of.get(node)
        if found is None:
            found = self._of[node] = tuple(sorted(self._direct(node) - {_text(node)}))
        return found

    def _direct(self, node: Node) -> frozenset[str]:
        texts: set[str] = set()
        for needed in self._graph.needs(node):
            if _is_stored(needed):
                texts.add(_text(needed))
            if self._leads_on(needed):
                texts |= self._behind(needed)
        return frozenset(texts)

    def _leads_on(self, node: Node) -> bool:
        """True when what is behind a node counts as well."""
        if not _is_stored(node):
            return True
        found = self._empty.get(node)
        if found is None:
            found = self._empty[node] = self._is_empty(node)
        return found

    def _behind(self, start: Node) -> frozenset[str]:
        """The blocks behind a node that leads on. Iterative, so that long chains of locals do no harm."""
        stack = [start]
        while stack:
            node = stack[-1]
            if node in self._through:
                stack.pop()
                continue
            missing = [
                needed for needed in self._graph.needs(node) if needed not in self._through and self._leads_on(needed)
            ]
            if missing:
                stack.extend(missing)
                continue
            texts: set[str] = set()
            for needed in self._graph.needs(node):
                if _is_stored(needed):
                    texts.add(_text(needed))
                texts |= self._through.get(needed, frozenset())
            if node.kind is Kind.CLOSE:
                texts.update(self._gone.get((*node.module, str(node.name)), ()))
            self._through[node] = frozenset(texts)
            stack.pop()
        return self._through[start]


def _is_stored(node: Node) -> bool:
    return node.kind is Kind.RESOURCE and isinstance(node.name, Resource) and node.name.mode is not Mode.EPHEMERAL


def keep_lost_dependencies(
    state: State, changes: Mapping[ObjectKey, Change], recorded: Mapping[ObjectKey, ResourceObject | None]
) -> dict[ObjectKey, ResourceObject]:
    """The objects that a plan leaves alone, where it takes away a dependency that they have through others.

    `recorded` is what the plan stores in any case (None: is gone).

    An object lists the blocks that it depends on directly. When one of these is changed or deleted in a plan that does
    not look at the object itself (`--target`, a deferred block), what that block depended on until now has to be
    listed with the object, or nobody would know any more that the object depends on it.
    """
    alone = [
        found
        for key, found in state.objects.items()
        if key not in changes and found.dependencies and found.address.resource.mode is Mode.MANAGED
    ]
    if not alone:
        return {}
    before: dict[str, set[str]] = {}
    after: dict[str, set[str]] = {}
    for found in state.objects.values():
        before.setdefault(str(found.address.config), set()).update(found.dependencies)
    for key in {**state.objects, **changes}:
        change, left = changes.get(key), recorded.get(key, state.objects.get(key))
        if change is not None and change.action not in (Action.DELETE, Action.FORGET):
            after.setdefault(str(change.address.config), set()).update(change.dependencies)
        elif change is None and left is not None:
            after.setdefault(str(left.address.config), set()).update(left.dependencies)
    lost = {block: needed - after.get(block, set()) for block, needed in before.items()}
    if not any(lost.values()):
        return {}
    inherited: dict[str, frozenset[str]] = {}
    kept: dict[ObjectKey, ResourceObject] = {}
    for found in alone:
        left = recorded.get(found.key, found)
        if left is None:
            continue
        more = _lost_behind(found.dependencies, before, lost, inherited) - {str(found.address.config)}
        if not more <= set(found.dependencies):
            kept[found.key] = replace(left, dependencies=tuple(sorted(more.union(found.dependencies))))
    return kept


def _lost_behind(
    blocks: Iterable[str],
    before: Mapping[str, set[str]],
    lost: Mapping[str, set[str]],
    inherited: dict[str, frozenset[str]],
) -> frozenset[str]:
    """What is lost at the blocks and at all they depended on. Iterative; edges that go round in a circle are left."""
    stack = list(blocks)
    entered: set[str] = set()
    while stack:
        block = stack[-1]
        if block in inherited:
            stack.pop()
            continue
        needed = before.get(block, set())
        missing = [other for other in needed if other not in inherited and other not in entered]
        if missing and block not in entered:
            entered.add(block)
            stack.extend(missing)
            continue
        entered.add(block)
        inherited[block] = frozenset(lost.get(block, ())).union(*(inherited.get(other, ()) for other in needed))
        stack.pop()
    return frozenset().union(*(inherited[block] for block in blocks))


def _text(node: Node) -> str:
    assert isinstance(node.name, Resource)
    return str(ConfigResource(node.module, node.name))


def is_managed(node: Node) -> bool:
    return node.kind is Kind.RESOURCE and isinstance(node.name, Resource) and node.name.mode is Mode.MANAGED
