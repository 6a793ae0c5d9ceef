"""`moved` blocks, and the moves implied by adding or removing `count`: stored objects change their address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

from iacengine.addresses import InstanceKey, ModuleInstance, ModulePath, Resource, ResourceInstance, Target
from iacengine.config.model import Configuration, Moved
from iacengine.config.source import locate
from iacengine.evaluation.scope import WorkingValues
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, error, warning
from iacengine.state.model import ObjectKey, ResourceObject, State


@dataclass(slots=True, eq=False)
class Moves:
    """The state after all moves; `origins` tells where an object came from, `changes` how the stored state differs."""

    state: State
    origins: dict[ResourceInstance, ResourceInstance] = field(default_factory=dict)
    changes: dict[ObjectKey, ResourceObject | None] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Statement:
    """One move, seen from the module that declares it."""

    module: ModulePath
    moved: Moved

    def destination(self, address: ResourceInstance) -> ResourceInstance | None:
        """Where the statement takes an address; None when it does not concern it."""
        depth = len(self.module)
        steps = address.module.steps
        if address.module.path[:depth] != self.module:
            return None
        source, target = self.moved.source, self.moved.destination
        prefix, rest = steps[:depth], steps[depth:]
        if source.resource is None:
            return self._module_destination(address, prefix, rest, source, target)
        if rest != source.module.steps or address.resource != source.resource:
            return None
        whole = not source.keyed and not target.keyed
        if not whole and address.key != source.key:
            return None
        assert target.resource is not None
        key: InstanceKey = address.key if whole else target.key
        return ResourceInstance(ModuleInstance(prefix + target.module.steps), target.resource, key)

    def _module_destination(
        self,
        address: ResourceInstance,
        prefix: tuple[tuple[str, InstanceKey], ...],
        rest: tuple[tuple[str, InstanceKey], ...],
        source: Target,
        target: Target,
    ) -> ResourceInstance | None:
        length = len(source.module.steps)
        if len(rest) < length or rest[: length - 1] != source.module.steps[:-1]:
            return None
        name, key = source.module.steps[-1]
        at, at_key = rest[length - 1]
        whole = not source.keyed and not target.keyed
        if name != at or (not whole and key != at_key):
            return None
        *outer, (new_name, new_key) = target.module.steps
        moved = (*prefix, *outer, (new_name, at_key if whole else new_key), *rest[length:])
        return ResourceInstance(ModuleInstance(moved), address.resource, address.key)


def move_objects(configuration: Configuration, state: State) -> Moves:
    """Carry out every move that applies. A move onto an existing object is left undone, with a warning.

    Raises DiagnosticsError when moves contradict each other or go round in a circle.
    """
    statements = [_Statement(module.path, moved) for module in configuration.modules.values() for moved in module.moved]
    if statements:
        _check(statements)
    table = _Table()
    for found in state.objects.values():
        table.put(found)
    blocked: list[tuple[ResourceInstance, ResourceInstance]] = []
    implied = _implied(configuration, statements, list(table.objects))
    for statement in _ordered(statements):
        _carry_out(statement, table, blocked)
    for address, destination in implied:
        if address in table.objects and destination not in table.objects:
            table.move(address, destination)
    origins = table.origins
    if not origins and not blocked:
        return Moves(state)
    objects = {moved.key: moved for address, here in table.objects.items() for moved in _at(address, here)}
    _rename_dependencies(objects, origins)
    changes: dict[ObjectKey, ResourceObject | None] = {key: None for key in state.objects if key not in objects}
    changes.update({key: found for key, found in objects.items() if state.objects.get(key) is not found})
    return Moves(state.with_objects(changes), origins, changes, _warnings(blocked))


@dataclass(slots=True, eq=False)
class _Table:
    """Stored objects by address, and the addresses by block; `origins` of those that have moved."""

    objects: dict[ResourceInstance, list[ResourceObject]] = field(default_factory=dict)
    origins: dict[ResourceInstance, ResourceInstance] = field(default_factory=dict)
    _blocks: dict[tuple[ModulePath, Resource], dict[ResourceInstance, None]] = field(default_factory=dict)

    def put(self, found: ResourceObject) -> None:
        self.objects.setdefault(found.address, []).append(found)
        self._note(found.address)

    def _note(self, address: ResourceInstance) -> None:
        self._blocks.setdefault((address.module.path, address.resource), {})[address] = None

    def concerned(self, statement: _Statement) -> list[ResourceInstance]:
        """The addresses that a statement may move: those of its block, or all when it moves a module."""
        source = statement.moved.source
        if source.resource is None:
            return list(self.objects)
        return list(self._blocks.get((statement.module + source.module.path, source.resource), ()))

    def move(self, address: ResourceInstance, destination: ResourceInstance) -> None:
        del self._blocks[(address.module.path, address.resource)][address]
        self.objects[destination] = self.objects.pop(address)
        self.origins[destination] = self.origins.pop(address, address)
        self._note(destination)


def _rename_dependencies(
    objects: dict[ObjectKey, ResourceObject], origins: dict[ResourceInstance, ResourceInstance]
) -> None:
    """Let objects depend on blocks by their new names, where nothing is left under the old one."""
    there = {str(address.config) for address, _ in objects}
    names: dict[str, set[str]] = {}
    for destination, origin in origins.items():
        before = str(origin.config)
        if before not in there:
            names.setdefault(before, set()).add(str(destination.config))
    if not names:
        return
    for key, found in objects.items():
        if any(name in names for name in found.dependencies):
            renamed = sorted({new for old in found.dependencies for new in names.get(old, (old,))})
            objects[key] = replace(found, dependencies=tuple(renamed))


def _at(address: ResourceInstance, found: list[ResourceObject]) -> Iterator[ResourceObject]:
    for each in found:
        yield each if each.address == address else each.moved_to(address)


def _carry_out(statement: _Statement, table: _Table, blocked: list[tuple[ResourceInstance, ResourceInstance]]) -> None:
    found = [(address, statement.destination(address)) for address in table.concerned(statement)]
    for address, destination in found:
        if destination is None or destination == address:
            continue
        if destination in table.objects:
            blocked.append((address, destination))
            continue
        table.move(address, destination)


def _implied(
    configuration: Configuration, statements: list[_Statement], stored: list[ResourceInstance]
) -> list[tuple[ResourceInstance, ResourceInstance]]:
    """`a` and `a[0]` are the same object when `count` comes or goes: moves of what is stored before any other move.

    As in Terraform, a block that a `moved` block names itself has no implied moves: which of its objects becomes which
    is what the `moved` block says.
    """
    named: dict[Resource, list[tuple[ModulePath, Target]]] = {}
    for statement in statements:
        for target in (statement.moved.source, statement.moved.destination):
            if target.resource is not None:
                named.setdefault(target.resource, []).append((statement.module, target))
    found: list[tuple[ResourceInstance, ResourceInstance]] = []
    for address in stored:
        if address.key not in (None, 0) or isinstance(address.key, bool):
            continue
        module = configuration.modules.get(address.module.path)
        block = module.resources.get(address.resource) if module is not None else None
        if block is None or block.repetition.has_for_each:
            continue
        wanted: InstanceKey = 0 if block.repetition.has_count else None
        if address.key == wanted:
            continue
        if not any(_is_in(address, outer, target) for outer, target in named.get(address.resource, ())):
            found.append((address, ResourceInstance(address.module, address.resource, wanted)))
    return found


def _is_in(address: ResourceInstance, outer: ModulePath, target: Target) -> bool:
    """True when a name in a module stands for objects in the module instance of an address."""
    depth = len(outer)
    return address.module.path[:depth] == outer and address.module.steps[depth:] == target.module.steps


def _ordered(statements: list[_Statement]) -> list[_Statement]:
    """Chains in order: a move out of a place comes after the moves into it; else as they are written.

    What moves out of a module by itself moves before the module does, and after the module that it is said to be in.
    """
    into: dict[tuple[ModulePath, Target], list[int]] = {}
    modules: dict[ModulePath, list[int]] = {}
    arriving: dict[ModulePath, list[int]] = {}
    for number, statement in enumerate(statements):
        source, destination = statement.moved.source, statement.moved.destination
        into.setdefault((statement.module, destination), []).append(number)
        if destination.resource is None:
            arriving.setdefault(statement.module + destination.module.path, []).append(number)
        if source.resource is None:
            modules.setdefault(statement.module + source.module.path, []).append(number)
    waiting = [0] * len(statements)
    followers: dict[int, list[int]] = {}
    for number, statement in enumerate(statements):
        source = statement.moved.source
        for other in into.get((statement.module, source), ()):
            if other != number:
                followers.setdefault(other, []).append(number)
                waiting[number] += 1
        path = statement.module + source.module.path
        for depth in range(len(statement.module), len(path) + (source.resource is not None)):
            for other in modules.get(path[:depth], ()):
                if other != number and statements[other].moved.destination != source:
                    followers.setdefault(number, []).append(other)
                    waiting[other] += 1
            for other in arriving.get(path[:depth], ()):
                if other != number and other not in modules.get(path[:depth], ()):
                    followers.setdefault(other, []).append(number)
                    waiting[number] += 1
    ready = [number for number, count in enumerate(waiting) if not count]
    order: list[_Statement] = []
    while ready:
        number = heappop(ready)
        order.append(statements[number])
        for follower in followers.get(number, ()):
            waiting[follower] -= 1
            if not waiting[follower]:
                heappush(ready, follower)
    if len(order) < len(statements):
        stuck = next(number for number, count in enumerate(waiting) if count)
        raise _error(statements[stuck], "Cyclic move", "The moved blocks lead round in a circle.")
    return order


def _check(statements: list[_Statement]) -> None:
    sources: dict[tuple[ModulePath, Target], _Statement] = {}
    destinations: dict[tuple[ModulePath, Target], _Statement] = {}
    for statement in statements:
        source, destination = statement.moved.source, statement.moved.destination
        if source == destination:
            raise _error(statement, "Redundant move statement", f"{source} is moved to itself.")
        first = sources.setdefault((statement.module, source), statement)
        if first is not statement and first.moved.destination != destination:
            raise _error(
                statement,
                "Ambiguous move statements",
                f"{source} is moved to {first.moved.destination} and to {destination}.",
            )
        first = destinations.setdefault((statement.module, destination), statement)
        if first is not statement and first.moved.source != source:
            raise _error(
                statement,
                "Ambiguous move statements",
                f"Both {first.moved.source} and {source} are moved to {destination}.",
            )


def _error(statement: _Statement, summary: str, detail: str) -> DiagnosticsError:
    remedy = "One object moves to one place, and one only moves there: remove or change one of the blocks."
    return DiagnosticsError(error(summary, detail, remedy=remedy).at(*locate(statement.moved.origin)))


def _warnings(blocked: list[tuple[ResourceInstance, ResourceInstance]]) -> tuple[Diagnostic, ...]:
    if not blocked:
        return ()
    names = "; ".join(f"{source} could not move to {destination}" for source, destination in blocked)
    detail = f"Another object is at the destination already: {names}. What stays behind will be planned for deletion."
    remedy = "Move the one that is there first, or remove the moved block."
    return (warning("Unresolved resource instance address changes", detail, remedy=remedy),)


def still_declared(configuration: Configuration, working: WorkingValues) -> list[Diagnostic]:
    """Errors for moves away from something that the configuration still declares."""
    found = []
    for module in configuration.modules.values():
        for moved in module.moved:
            for instance in working.module_instances(module.path):
                if _is_declared(moved.source, instance, working, whole=not moved.destination.keyed):
                    detail = f"The move is away from {moved.source}, which is still declared."
                    remedy = f"Take the block of {moved.source} out, or the moved block."
                    diagnostic = error("Moved object still exists", detail, remedy=remedy)
                    found.append(diagnostic.at(*locate(moved.origin)))
                    break
    return found


def _is_declared(source: Target, outer: ModuleInstance, working: WorkingValues, *, whole: bool) -> bool:
    module = ModuleInstance(outer.steps + source.module.steps)
    if source.resource is None:
        name, key = module.steps[-1]
        call = working.calls.get((module.parent, name))
        return call is not None and ((whole and not source.keyed) or key in call.values)
    expansion = working.resources.get((module, source.resource))
    return expansion is not None and ((whole and not source.keyed) or source.key in expansion.values)
