"""Reading and editing a stack's state from the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from iacengine import engine
from iacengine.addresses import Mode, ModuleInstance, ResourceInstance, Target, parse_resource_instance, parse_target
from iacengine.apply.record import RunRecorder, recording
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, failure, near_match
from iacengine.foundation.rendering import render
from iacengine.foundation.version import VERSION
from iacengine.state.backends.base import StateLock
from iacengine.state.encryption.backend import SealedBackend
from iacengine.state.lock import lock_claim
from iacengine.state.model import PendingRollback, ResourceObject, State
from iacengine.state.pending import Relocation, awaited_places, elsewhere, following, is_same, protecting, without
from iacengine.state.replay import replay
from iacengine.state.statefile import decode_state
from iacengine.state.tfstate import from_tfstate


def open_stack(path: str, state_path: str | None) -> engine.Engine:
    return engine.open_stack(path, state_path=state_path)


def read_state(path: str, state_path: str | None) -> State | None:
    """The state of a stack, with what an interrupted run did."""
    return engine.read_state(open_stack(path, state_path))


def sealed_backend(stack: engine.Engine) -> SealedBackend:
    """The backend, with what it knows of encryption."""
    assert isinstance(stack.backend, SealedBackend), "the engine puts encryption around every backend"
    return stack.backend


# --- finding --------------------------------------------------------------------------------------------------------


def matching(state: State | None, targets: Iterable[Target], *, required: bool) -> list[ResourceObject]:
    """The objects that the targets name, in order of address; all of them when there are no targets.

    Raises DiagnosticsError for a target that names none, if `required`.
    """
    objects = sorted(
        state.objects.values() if state is not None else (), key=lambda obj: (obj.address.sort_key, obj.deposed)
    )
    wanted = list(targets)
    if not wanted and not required:
        return objects
    for target in wanted:
        if not any(target.contains(obj.address) for obj in objects):
            raise _no_object(str(target), objects)
    return [obj for obj in objects if any(target.contains(obj.address) for target in wanted)]


def protectable(objects: Iterable[ResourceObject], addresses: Iterable[str]) -> list[ResourceObject]:
    """Those that are managed, for nothing destroys what is only read. Raises DiagnosticsError when there are none."""
    found = [obj for obj in objects if obj.address.resource.mode is Mode.MANAGED and not obj.deposed]
    if not found:
        raise failure(
            "Nothing to protect",
            f"{', '.join(addresses)}: these are not managed objects, and nothing would destroy them.",
        )
    return found


def one_object(state: State | None, address: str) -> ResourceObject:
    """The current object at an address. Raises DiagnosticsError when there is none."""
    instance = parse_resource_instance(address)
    found = state.current(instance) if state is not None else None
    if found is None:
        raise _no_object(address, state.objects.values() if state is not None else ())
    return found


def _no_object(address: str, objects: Iterable[ResourceObject]) -> DiagnosticsError:
    known = {str(obj.address) for obj in objects}
    inside = sorted(text for text in known if text.startswith(f"{address}["))
    meant = inside[0] if inside else near_match(address, known)
    return failure(
        "No such object",
        f"The state has no object at {address}.",
        remedy=f"Did you mean {meant}?" if meant else "`iac state list` lists all there are.",
    )


# --- moving ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """A move from one address to another: `objects` as they are and as they would be, `to` where any address goes."""

    objects: tuple[tuple[ResourceObject, ResourceObject], ...]
    to: Relocation


def move_between(state: State, source: str, destination: str) -> Move:
    """What a move from one address to another does. Raises DiagnosticsError when it cannot be."""
    old, new = parse_target(source), parse_target(destination)
    if (old.resource is None) != (new.resource is None):
        raise failure(
            "Addresses of different kinds",
            f"{source} and {destination} cannot be moved to each other: one names a module and the other a resource.",
        )
    if old.resource is not None and new.resource is not None:
        if (old.resource.type, old.resource.mode) != (new.resource.type, new.resource.mode):
            raise failure(
                "Resource of another type",
                f"{source} cannot become {destination}: an object keeps its type when it moves.",
            )
        if old.keyed != new.keyed and not _is_single(state, old):
            raise failure(
                "Addresses of different kinds",
                f"{source} names several instances; {destination} names one.",
                remedy="Name one instance, or write both addresses without a key.",
            )
    found = matching(state, [old], required=True)
    moves = [(obj, obj.moved_to(_moved(obj.address, old, new))) for obj in found]
    leaving = {obj.key for obj in found}
    awaited = awaited_places(state.pending_rollback)
    for before, after in moves:
        if after.key in awaited and not is_same(before, awaited[after.key]):
            raise failure(
                "Destination is awaited",
                f"{before.address} cannot move to {after.address}: another object is to be there again when an earlier "
                "run is undone.",
                remedy="Undo that run with `iac recover --retry`, or keep what is there with `iac recover --keep`.",
            )
        if after.key in state.objects and after.key not in leaving:
            raise failure(
                "Destination is taken",
                f"{before.address} cannot move to {after.address}: the state has an object there already.",
                remedy=f"Move or remove that one first, as with `iac state mv {after.address} ...`.",
            )
    return Move(tuple(moves), lambda address: _moved(address, old, new) if old.contains(address) else address)


def _is_single(state: State, target: Target) -> bool:
    return len([key for key in state.objects if target.contains(key[0]) and not key[1]]) == 1


def _moved(address: ResourceInstance, old: Target, new: Target) -> ResourceInstance:
    if old.resource is not None and new.resource is not None:
        keyed = old.keyed or new.keyed
        return ResourceInstance(new.module, new.resource, new.key if keyed else address.key)
    rest = address.module.steps[len(old.module.steps) :]
    steps = list(new.module.steps)
    kept = address.module.steps[len(old.module.steps) - 1][1]
    if steps and steps[-1][1] is None and not old.keyed:
        steps[-1] = (steps[-1][0], kept)
    return ResourceInstance(ModuleInstance((*steps, *rest)), address.resource, address.key)


# --- editing --------------------------------------------------------------------------------------------------------


class StateEdit:
    """One edit of a state under its lock; written when the `with` block ends without an error."""

    def __init__(self, stored: State | None) -> None:
        self._stored = stored
        self.result: State | None = None
        self.done: list[tuple[str, str]] = []
        """What is done to which address, for the record of the run."""

    @property
    def state(self) -> State:
        """The state before. Raises DiagnosticsError when there is none."""
        if self._stored is None:
            raise failure("No state", "This stack has no state yet.", remedy="Run `iac apply` first.")
        return self._stored

    def remove(self, objects: Iterable[ResourceObject]) -> None:
        """Take objects out."""
        gone = list(objects)
        self.done += [(str(obj.address), "forget") for obj in gone]
        self._put(self.state.with_objects({obj.key: None for obj in gone}), lambda pending: without(pending, gone))

    def protect(self, objects: Iterable[ResourceObject], *, protected: bool) -> None:
        """Protect objects from being destroyed, or end that; nothing is written when they are (not) all the same."""
        changing = [obj for obj in objects if obj.protected != protected]
        self.done += [(str(obj.address), "protect" if protected else "unprotect") for obj in changing]
        if changing:
            state = self.state.with_objects({obj.key: replace(obj, protected=protected) for obj in changing})
            self._put(state, lambda pending: protecting(pending, changing, protected=protected))

    def move(self, move: Move) -> None:
        """Put moved objects in place of what they were. What depends on a block follows those that leave it."""
        self.done += [(str(new.address), f"move from {old.address}") for old, new in move.objects]
        state = self.state.with_objects(dict.fromkeys([old.key for old, _ in move.objects]))
        state = state.with_objects({new.key: new for _, new in move.objects})
        moves = [(old.address, new.address) for old, new in move.objects]
        awaited = awaited_places(state.pending_rollback)
        moves += [(address, move.to(address)) for address, _ in awaited if move.to(address) != address]
        leaving = {source for source, _ in moves}
        left = {str(address.config) for address, _ in (*state.objects, *awaited) if address not in leaving}
        names: dict[str, set[str]] = {}
        for source, destination in moves:
            names.setdefault(str(source.config), {str(source.config)} & left).add(str(destination.config))
        state = state.with_objects({key: following(obj, names) for key, obj in state.objects.items()})
        gone = [old for old, _ in move.objects]
        self._put(state, lambda pending: elsewhere(pending, gone, move.to, names))

    def _put(self, state: State, then: Callable[[PendingRollback], PendingRollback] = lambda pending: pending) -> None:
        """Take a state, in which `then` becomes of what is still to be undone."""
        pending = then(state.pending_rollback) if state.pending_rollback is not None else None
        self.result = replace(state, serial=state.serial + 1, engine_version=VERSION, pending_rollback=pending)

    def rewrite(self) -> None:
        """Write the same again, with the next serial."""
        self._put(self.state)

    def push(self, pushed: State, *, force: bool) -> None:
        """Take another state instead. Raises DiagnosticsError when it is not a later one of the same lineage."""
        stored = self._stored
        serial = pushed.serial
        if stored is not None:
            if not force and stored.lineage != pushed.lineage and not stored.is_empty:
                raise failure(
                    "State of another lineage",
                    f"The state to push has the lineage {pushed.lineage}; the present one has {stored.lineage}.",
                    remedy="They belong to different stacks. Add --force if this one is to be replaced all the same.",
                )
            if not force and stored.lineage == pushed.lineage and serial < stored.serial:
                raise failure(
                    "Older state",
                    f"The state to push has the serial {serial}; the present one has {stored.serial} already.",
                    remedy="Pull and edit again, or add --force to go back to the older one.",
                )
            if not force and stored.pending_rollback is not None and pushed.pending_rollback is None:
                raise failure(
                    "State without what is to be undone",
                    f"The run {stored.pending_rollback.run} is still to be undone, and the state to push does not know "
                    "of that.",
                    remedy="Undo it with `iac recover --retry`, or keep what is there with `iac recover --keep`; or "
                    "add --force to forget it.",
                )
            serial = max(serial, stored.serial + 1)
        self.result = replace(pushed, serial=serial, engine_version=VERSION)


@contextmanager
def edit_state(
    stack: engine.Engine, operation: str, lock_timeout: float, *, plain: bool = False
) -> Iterator[StateEdit]:
    """Lock the state, read it, and write what the edit leaves (`plain`: not encrypted). Raises DiagnosticsError."""
    backend = stack.backend
    engine.require_unmoved(stack)
    lock: StateLock = backend.lock(lock_claim(operation), lock_timeout)
    recorder = RunRecorder(backend, lock.info, operation, warn_of_record)
    try:
        stored, entries = backend.read(), backend.read_journal()
        if replay(stored, entries).runs:
            raise failure(
                "An interrupted run is not settled",
                "The journal holds what an earlier run did and the state does not yet.",
                remedy="Run `iac recover` first, or `iac apply`: they take it up.",
            )
        if entries:  # of a run whose state was written: they say nothing any more
            backend.clear_journal(lock)
        edit = StateEdit(stored)
        yield edit
        if edit.result is not None:
            recorder.stands_on(stored.serial if stored is not None else None)
            for address, what in edit.done:
                recorder.did(address, what)
            with recording(recorder):
                recorder.start()
                write = sealed_backend(stack).write_plain if plain else backend.write
                write(edit.result, stored.serial if stored is not None else None, lock)
                recorder.led_to(edit.result.serial)
    finally:
        lock.release()


def warn_of_record(found: Diagnostic) -> None:
    """Tell on standard error that a run could not be recorded."""
    sys.stderr.write(render(found) + "\n")


def read_state_file(path: str) -> State:
    """A state from a file (`-`: standard input), in our format or Terraform's. Raises DiagnosticsError."""
    where = "standard input" if path == "-" else path
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise failure("State file cannot be read", f"{where}: {error.strerror}.") from None
    return decode_state(data, where) if b'"iacengine-state"' in data[:400] else from_tfstate(data, where)
