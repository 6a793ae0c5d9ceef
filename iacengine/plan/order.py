"""The order of steps, exactly as Terraform guarantees it, with a number of edges that grows with the objects alone.

Creates, updates and reads follow the configuration: a block waits for the blocks it refers to. Deletes follow what is
stored: an object is deleted after everything that was made to depend on it. Where the two meet (Terraform's destroy
edge and create-before-destroy transformers):

1. A replacement deletes, then creates; with `create_before_destroy` the other way round.
2. An object is created or updated only after the deletion of what depended on it (32: a dependent goes before its
   dependency is even updated), and after the deletion of what it depended on.
3. For a deletion that is `create_before_destroy` both edges of rule 2 turn round: it waits for the updates. It waits
   for those of what the configuration makes depend on it as well, which may be new or may have moved.

Where a failed apply is rolled back, deletes of what the configuration no longer holds come last of all: they are the
commit phase, from which there is no way back. A delete that a replacement waits for stays where it is.

Gates join many awaited steps into one. They stand for blocks, so an object waits for all of a block it refers to.
What is stored may contradict itself or the configuration after partial runs; then edges from stored dependencies give
way, so that no state of affairs blocks a plan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence

from iacengine.addresses import ConfigResource, ModulePath, Resource, ResourceInstance
from iacengine.graph.build import ConfigGraph
from iacengine.graph.nodes import Kind, Node
from iacengine.plan.dependencies import Dependencies, is_managed
from iacengine.plan.model import Action, Change, Step
from iacengine.state.journal_entries import Operation
from iacengine.state.model import State

_FORWARD = {
    Action.CREATE: Operation.CREATE,
    Action.UPDATE: Operation.UPDATE,
    Action.READ: Operation.READ,
    Action.REPLACE: Operation.CREATE,
    Action.CREATE_THEN_DELETE: Operation.CREATE,
}
_DELETES = (Action.DELETE, Action.REPLACE, Action.CREATE_THEN_DELETE)


def order_steps(
    graph: ConfigGraph,
    changes: Sequence[Change],
    state: State,
    in_checks: Container[ConfigResource] = (),
    *,
    commit_last: bool = False,
) -> tuple[Step, ...]:
    """The steps of the changes, each with what it awaits. Never has a cycle.

    `in_checks` are the data sources inside `check` blocks, which are read after all else is created and updated.
    `commit_last`: deletes of what is wanted no more come after everything else, as far as they can.
    """
    if not any(change.is_effect for change in changes):
        return ()
    order = _Order(changes)
    order.follow_configuration(graph)
    order.put_last(in_checks)
    if order.has_deletes:
        order.follow_state(graph, state, commit_last=commit_last)
        order.follow_reads(graph)
    if commit_last:
        order.put_commit_last()
    order.break_cycles()
    return order.steps()


def order_restoration(
    changes: Sequence[Change], now: State, target: State, *, commit_last: bool = False
) -> tuple[Step, ...]:
    """The steps that lead back to an earlier state, from what both states say of their objects. Never has a cycle.

    What is made again follows what it needed then; what is deleted goes after what needs it now has been changed back,
    and with `commit_last` after all else, unless something is to be made in its place.
    """
    if not changes:
        return ()
    order = _Order(changes)
    order.late_deletes.update(step for steps in order.deletes.values() for step in steps)
    order.make_room()
    order.follow_needs(_stored_needs(target))
    needed = _stored_needs(now)
    users = _users(needed)
    if commit_last:
        order.find_commit([users])
    order.follow_deletes(needed, users)
    if commit_last:
        order.put_commit_last()
    order.break_cycles()
    return order.steps()


_Dependencies = dict[str, set[str]]
"""Blocks, and those they need (or are needed by)."""


class _Order:
    """Steps and gates by number; `hard` edges come from the configuration, `soft` ones from stored dependencies."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self.operations: list[Operation | None] = []
        self.change_of: list[int] = []
        self.hard: list[list[int]] = []
        self.soft: list[list[int]] = []
        self.forward: defaultdict[str, list[int]] = defaultdict(list)
        self.deletes: defaultdict[str, list[int]] = defaultdict(list)
        self.late_deletes: set[int] = set()
        self.commit: set[int] = set()
        self.room: set[int] = set()
        self.step_blocks: dict[int, str] = {}
        self.changes = changes
        for index, change in enumerate(changes):
            self._add_change(index, change)

    @property
    def has_deletes(self) -> bool:
        return bool(self.deletes)

    def _add_change(self, index: int, change: Change) -> None:
        block = str(change.address.config)
        forward = delete = None
        if change.action in _FORWARD:
            forward = self._step(_FORWARD[change.action], index)
            self.forward[block].append(forward)
            self.step_blocks[forward] = block
        if change.action in _DELETES:
            delete = self._step(Operation.DELETE, index)
            self.deletes[block].append(delete)
            self.step_blocks[delete] = block
            if change.create_before_destroy or change.deposed or change.action is Action.CREATE_THEN_DELETE:
                self.late_deletes.add(delete)
            if change.action is Action.REPLACE:
                self.late_deletes.discard(delete)
        if change.action is Action.FORGET:
            self._step(Operation.FORGET, index)
        if forward is not None and delete is not None:
            if change.action is Action.REPLACE:
                self.hard[forward].append(delete)
            else:
                self.hard[delete].append(forward)

    def _step(self, operation: Operation | None, change: int = -1) -> int:
        self.operations.append(operation)
        self.change_of.append(change)
        self.hard.append([])
        self.soft.append([])
        return len(self.operations) - 1

    def _join(self, awaited: Iterable[int | None], *, soft: bool = False) -> int | None:
        """One number that stands for all of them: none, the only one, or a gate."""
        numbers = list(dict.fromkeys(number for number in awaited if number is not None))
        if len(numbers) < 2:
            return numbers[0] if numbers else None
        gate = self._step(None)
        (self.soft if soft else self.hard)[gate].extend(numbers)
        return gate

    # --- creates, updates, reads -----------------------------------------------------------------------------------

    def follow_configuration(self, graph: ConfigGraph) -> None:
        """A block's steps await those of the blocks it refers to, through locals, variables and outputs."""
        if not self.forward:
            return
        done: dict[Node, int | None] = {}
        for node in graph.order():
            before = self._join(done[needed] for needed in graph.needs(node))
            steps = self.forward.get(_block_text(node), ()) if node.kind is Kind.RESOURCE else ()
            if before is not None:
                for step in steps:
                    self.hard[step].append(before)
            done[node] = self._join(steps) if steps else before

    def put_last(self, blocks: Container[ConfigResource]) -> None:
        """Steps of these blocks await those of all others."""
        last: list[int] = []
        others: list[int] = []
        for steps in self.forward.values():
            address = self.changes[self.change_of[steps[0]]].address.config
            (last if address in blocks else others).extend(steps)
        if last:
            before = self._join(others)
            for step in last:
                self.hard[step].extend([before] if before is not None else [])

    def follow_needs(self, needs: _Dependencies) -> None:
        """Blocks' steps await those of the blocks that were needed."""
        before = self._spread(needs, lambda needed: self.forward.get(needed, ()))
        for block, steps in list(self.forward.items()):
            for step in steps:
                self._await(step, before(block))

    def make_room(self) -> None:
        """What is made at an address awaits the deletion of what was put aside there."""
        aside: defaultdict[ResourceInstance, list[int]] = defaultdict(list)
        for steps in self.deletes.values():
            for step in steps:
                aside[self.changes[self.change_of[step]].address].append(step)
        for steps in self.forward.values():
            for step in steps:
                for delete in aside.get(self.changes[self.change_of[step]].address, ()):
                    self.hard[step].append(delete)
                    self.late_deletes.discard(delete)
                    self.room.add(delete)

    # --- deletes ---------------------------------------------------------------------------------------------------

    def follow_state(self, graph: ConfigGraph, state: State, *, commit_last: bool) -> None:
        """The edges that dependencies ask for: those that are stored, and those that are declared by now.

        What is reached through both kinds at once does not count: that an object needed another before, and is needed
        by a third one now, says nothing of the first and the third.
        """
        stored = _stored_needs(state)
        declaring = Dependencies(graph, gone=_gone_blocks(graph, state))
        declared = {_block_text(node): set(declaring.of(node)) for node in graph if node.kind is Kind.RESOURCE}
        users = [_users(needs) for needs in (stored, declared)]
        if commit_last:
            self.find_commit(users)
        self.follow_deletes(stored, users[0])
        self.follow_deletes(declared, users[1], new_objects=True)

    def find_commit(self, users: Sequence[_Dependencies]) -> None:
        """The deletes that can come last: those that nothing which is made in their place waits for."""
        awaited: set[str] = set()
        reached = [str(change.address.config) for change in self.changes if change.action is Action.REPLACE]
        reached += [self.step_blocks[step] for step in sorted(self.room)]
        while reached:
            block = reached.pop()
            for used_by in users:
                fresh = used_by.get(block, set()) - awaited
                awaited |= fresh
                reached += fresh
        self.commit = {
            step
            for block, steps in self.deletes.items()
            if block not in awaited
            for step in steps
            if self.changes[self.change_of[step]].action is not Action.REPLACE and step not in self.room
        }

    def put_commit_last(self) -> None:
        """The deletes of the commit phase, and what is only forgotten, await all else."""
        forgets = {step for step, operation in enumerate(self.operations) if operation is Operation.FORGET}
        self.commit |= forgets
        rest = [
            step for step, operation in enumerate(self.operations) if operation is not None and step not in self.commit
        ]
        before = self._join(rest)
        if before is not None:
            for step in self.commit:
                self.hard[step].append(before)

    def follow_deletes(self, needs: _Dependencies, users: _Dependencies, *, new_objects: bool = False) -> None:
        """The edges of deletes that one kind of dependencies asks for.

        `new_objects`: they are the dependencies of objects that are not there yet, too.
        """
        early = {
            block: [step for step in steps if step not in self.late_deletes and step not in self.commit]
            for block, steps in self.deletes.items()
        }
        gone = self._spread(users, lambda user: self.deletes.get(user, ()))
        gone_early = self._spread(users, lambda user: early.get(user, ()))
        users_updated = self._spread(users, lambda user: self.forward.get(user, ()))
        needs_updated = self._spread(needs, lambda needed: self.forward.get(needed, ()))
        needs_deleted = self._spread(needs, lambda needed: early.get(needed, ()))
        for block, steps in list(self.deletes.items()):
            for step in steps:
                self._await(step, gone(block))
                if step in self.late_deletes:
                    self._await(step, users_updated(block))
                    self._await(step, needs_updated(block))
        for block, steps in list(self.forward.items()):
            for step in steps:
                if self.operations[step] is Operation.READ:
                    continue
                self._await(step, gone_early(block))
                if new_objects or self.changes[self.change_of[step]].prior is not None:
                    self._await(step, needs_deleted(block))

    def follow_reads(self, graph: ConfigGraph) -> None:
        """A data source is read after the objects have gone that the blocks it refers to want no more."""
        for node in graph:
            if node.kind is not Kind.RESOURCE or is_managed(node):
                continue
            for step in self.forward.get(_block_text(node), ()):
                for needed in _objects_needed(graph, node):
                    for delete in self.deletes.get(_block_text(needed), ()):
                        if delete not in self.late_deletes and delete not in self.commit:
                            self._await(step, delete)

    def _await(self, step: int, awaited: int | None) -> None:
        if awaited is not None and awaited != step:
            self.soft[step].append(awaited)

    def _spread(
        self, neighbours: _Dependencies, steps_of: Callable[[str], Iterable[int]]
    ) -> Callable[[str], int | None]:
        """For a block: a gate over the steps of all blocks reached from it (itself left out), made when asked for."""
        memo: dict[str, int | None] = {}

        def gate(start: str) -> int | None:
            stack = [start]
            on_stack = {start}
            while stack:
                block = stack[-1]
                if block in memo:
                    on_stack.discard(stack.pop())
                    continue
                missing = sorted(
                    other for other in neighbours.get(block, ()) if other not in memo and other not in on_stack
                )
                if missing:
                    stack.append(missing[0])
                    on_stack.add(missing[0])
                    continue
                awaited: list[int | None] = []
                for other in sorted(neighbours.get(block, ())):
                    awaited.extend(steps_of(other))
                    awaited.append(memo.get(other))
                memo[block] = self._join(awaited, soft=True)
                on_stack.discard(stack.pop())
            return memo[start]

        return gate

    # --- the result ------------------------------------------------------------------------------------------------

    def break_cycles(self) -> None:
        """Drop the edges from stored dependencies inside each group of steps that all await each other."""
        group = self._groups() if self._is_knotted() else None
        if group is not None:
            for number, awaited in enumerate(self.soft):
                self.soft[number] = [other for other in awaited if group[other] != group[number]]

    def _is_knotted(self) -> bool:
        """True when there is a cycle: Kahn's algorithm (1962) leaves steps over."""
        count = len(self.operations)
        waiting = [len(self.hard[number]) + len(self.soft[number]) for number in range(count)]
        dependents: list[list[int]] = [[] for _ in range(count)]
        for number in range(count):
            for awaited in (*self.hard[number], *self.soft[number]):
                dependents[awaited].append(number)
        ready = [number for number in range(count) if not waiting[number]]
        for number in ready:
            for dependent in dependents[number]:
                waiting[dependent] -= 1
                if not waiting[dependent]:
                    ready.append(dependent)
        return len(ready) < count

    def _groups(self) -> list[int]:
        """For each step the number of its strongly connected component (Tarjan 1972, without recursion)."""
        count = len(self.operations)
        index, low, group = [-1] * count, [0] * count, [-1] * count
        found: list[int] = []
        clock = groups = 0
        for root in range(count):
            if index[root] >= 0:
                continue
            stack = [(root, iter((*self.hard[root], *self.soft[root])))]
            index[root] = low[root] = clock
            clock += 1
            found.append(root)
            while stack:
                number, awaited = stack[-1]
                for other in awaited:
                    if index[other] < 0:
                        index[other] = low[other] = clock
                        clock += 1
                        found.append(other)
                        stack.append((other, iter((*self.hard[other], *self.soft[other]))))
                        break
                    if group[other] < 0:
                        low[number] = min(low[number], index[other])
                else:
                    stack.pop()
                    if stack:
                        low[stack[-1][0]] = min(low[stack[-1][0]], low[number])
                    if low[number] == index[number]:
                        while group[number] < 0:
                            group[found.pop()] = groups
                        groups += 1
        return group

    def steps(self) -> tuple[Step, ...]:
        return tuple(
            Step(operation, change, tuple(dict.fromkeys((*hard, *soft))), number in self.commit)
            for number, (operation, change, hard, soft) in enumerate(
                zip(self.operations, self.change_of, self.hard, self.soft, strict=True)
            )
        )


def _stored_needs(state: State) -> _Dependencies:
    needs: _Dependencies = {}
    for found in state.objects.values():
        needs.setdefault(str(found.address.config), set()).update(found.dependencies)
    return needs


def _users(needs: _Dependencies) -> _Dependencies:
    """The blocks that need each block. What needs itself is taken out of `needs`."""
    users: _Dependencies = {}
    for block, needed in needs.items():
        needed.discard(block)
        for other in needed:
            users.setdefault(other, set()).add(block)
    return users


def _gone_blocks(graph: ConfigGraph, state: State) -> dict[ModulePath, set[str]]:
    """For every module, the blocks inside it that are stored and not declared any more."""
    gone: dict[ModulePath, set[str]] = {}
    for block in {found.address.config for found in state.objects.values()}:
        if block.module and Node(Kind.RESOURCE, block.module, block.resource) not in graph:
            for depth in range(1, len(block.module) + 1):
                gone.setdefault(block.module[:depth], set()).add(str(block))
    return gone


def _objects_needed(graph: ConfigGraph, node: Node) -> Iterator[Node]:
    """The blocks of objects that a block refers to: of a module as a whole, all that is in it."""
    for needed in graph.needs(node):
        if needed.kind is Kind.CLOSE:
            yield from filter(is_managed, graph.needs(needed))
        elif is_managed(needed):
            yield needed


def _block_text(node: Node) -> str:
    assert isinstance(node.name, Resource)
    return f"{'.'.join(f'module.{name}' for name in node.module)}.{node.name}" if node.module else str(node.name)
