"""Lifecycles of stacks at random: changes, moves, imports, faults, kills, drift, edits of the state, recoveries and
ways back, by two operators in turn, on disk, over HTTP and in PostgreSQL.

Whatever happened, the numbered invariants hold after every step, and the cloud holds exactly what the state says. In
the end a stack can always be applied, and destroyed.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from iacengine import engine
from iacengine.apply import presence
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.plan.events import StepStarted
from iacengine.plan.model import PlanMode
from iacengine.state.lock import LockHeldError
from iacengine.state.replay import replay
from iacengine.state.verification import verify

DONE, FAILED, ROLLED_BACK, RECOVERY_NEEDED = 0, 1, 4, 5
OPERATORS = ("a", "b")
TYPES = ("mock_network", "mock_server", "mock_database", "mock_object")
NAMES = ("last", "final", "ultimate")
GUEST = "obj-guest"
"""The id of an object that nobody has made, and that stacks may import."""

# --- what stacks are like -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spec:
    """A stack. `servers` are keys with the zone each is in; `first`: databases are made before those that they replace
    are deleted, as networks always are, because servers leave them late; `last` is what a block is called, which has
    other names in other cases; `guest`: an object is imported, if there is one, and else made."""

    zones: tuple[str, ...]
    block: int
    servers: tuple[tuple[str, str], ...]
    size: str
    image: str
    databases: int
    engine: str
    first: bool
    guard: str
    last: str
    parts: int
    guest: bool

    @property
    def resources(self):
        first = {"lifecycle": {"create_before_destroy": True}}
        found = {
            "mock_network": {
                "zone": {
                    "for_each": f"${{toset({json.dumps(self.zones)})}}",
                    "name": "net ${each.key}",
                    "cidr_block": f"10.{self.block}.0.0/16",
                    **first,
                }
            },
            "mock_server": {
                "app": {
                    "for_each": dict(self.servers),
                    "name": "app ${each.key}",
                    "network_id": "${mock_network.zone[each.value].id}",
                    "size": self.size,
                    "image": self.image,
                }
            },
            "mock_database": {
                "main": {
                    "count": self.databases,
                    "name": "main ${count.index}",
                    "engine": self.engine,
                    "password": "s3cret",
                    **(first if self.first else {}),
                }
            },
            "mock_object": {
                "record": {
                    "for_each": "${mock_server.app}",
                    "name": "record ${each.key}",
                    "attributes": {"size": self.size, "address": "${each.value.arn}"},
                },
                self.last: {
                    "name": "last",
                    "attributes": {"all": '${join(" ", [for each in mock_database.main : each.endpoint])}'},
                },
            },
        }
        if self.guard:
            protected = {"lifecycle": {"protect": True}} if self.guard == "protected" else {}
            found["mock_object"]["guard"] = {"name": "guard", "kind": self.image, **protected}
        if self.guest:
            found["mock_object"]["guest"] = {"name": "guest", "attributes": self.size}
        return found

    def document(self, faults, on_failure, lag, key, backend, imports):
        mock = {"cloud": "../cloud.sqlite", "faults": list(faults)}
        if lag:
            mock["eventual_consistency"] = {"reads": lag}
        retries = {"attempts": 2, "first_wait": "1ms", "longest_wait": "1ms"}
        other, another = (name for name in NAMES if name != self.last)
        settings = {"on_failure": on_failure, "backend": backend}
        if key:
            settings["encryption"] = {"key_file": key}
        return {
            "terraform": settings,
            "stack": {"retries": {"mock": retries}},
            "provider": {"mock": mock},
            "resource": self.resources,
            "moved": [
                {"from": f"mock_object.{other}", "to": f"mock_object.{another}"},
                {"from": f"mock_object.{another}", "to": f"mock_object.{self.last}"},
            ],
            "import": [{"to": "mock_object.guest", "id": id_} for id_ in imports if self.guest],
            "module": {"m": {"source": "./m", "count": self.parts, "index": "${count.index}", "of": self.size}},
            "output": {"servers": {"value": "${[for each in mock_server.app : each.id]}"}},
        }

    @property
    def addresses(self):
        """The objects that there are in the end."""
        found = {f'mock_network.zone["{zone}"]' for zone in self.zones}
        found |= {f'mock_server.app["{key}"]' for key, _ in self.servers}
        found |= {f'mock_object.record["{key}"]' for key, _ in self.servers}
        found |= {f"mock_database.main[{index}]" for index in range(self.databases)}
        found |= {f"module.m[{index}].mock_object.part" for index in range(self.parts)}
        found |= {"mock_object.guard"} if self.guard else set()
        found |= {"mock_object.guest"} if self.guest else set()
        return found | {f"mock_object.{self.last}"}


PART = {
    "variable": {"index": {}, "of": {}},
    "resource": {"mock_object": {"part": {"name": "part ${var.index}", "attributes": {"of": "${var.of}"}}}},
}


@st.composite
def specs(draw):
    zones = draw(st.sampled_from([("a", "b"), ("a",), ("b",), ()]))
    keys = draw(st.sampled_from([("1", "2"), ("1",), ("2",), ()])) if zones else ()
    return Spec(
        zones=zones,
        block=draw(st.integers(0, 1)),
        servers=tuple((key, draw(st.sampled_from(zones))) for key in keys),
        size=draw(st.sampled_from(["small", "large"])),
        image=draw(st.sampled_from(["linux", "bsd"])),
        databases=draw(st.integers(0, 2)),
        engine=draw(st.sampled_from(["postgres", "mysql"])),
        first=draw(st.booleans()),
        guard=draw(st.sampled_from(["", "free", "protected"])),
        last=draw(st.sampled_from(NAMES)),
        parts=draw(st.integers(0, 1)),
        guest=draw(st.booleans()),
    )


@st.composite
def faults(draw):
    operation = draw(st.sampled_from(["create", "update", "delete", "create", "update", "delete", "read", "find"]))
    found = {"operation": operation, "error": "no", "nth": draw(st.sampled_from([1, 2, 3, 0]))}
    type_ = draw(st.sampled_from([None, *TYPES]) if draw(st.booleans()) else st.none())
    kind = draw(st.sampled_from(["fails", "is lost", "is throttled"]))
    if type_ is not None:
        found["type"] = type_
    if kind == "is throttled":
        return found | {"throttled": True, "nth": max(1, found["nth"])}
    when = draw(st.sampled_from(["before", "after"]))
    return found | {"when": when, "retryable": kind == "is lost"}


@st.composite
def crashes(draw):
    """Death in the middle of a call, before its change can be seen everywhere."""
    operation = draw(st.sampled_from(["create", "update", "delete"]))
    return {"operation": operation, "nth": draw(st.integers(1, 4)), "crash": draw(st.sampled_from(["after", "before"]))}


def _can_be_told(found):
    """False where a provider says that it did not delete what it did delete, and nobody can ever look it up."""
    is_blind = any(fault["operation"] == "find" and fault["nth"] == 0 for fault in found)
    return not (is_blind and any(fault["operation"] == "delete" and fault.get("when") == "after" for fault in found))


some_faults = st.lists(faults(), min_size=1, max_size=3).filter(_can_be_told) | st.just([])
operators = st.sampled_from(OPERATORS)
policies = st.sampled_from(["rollback", "pause", "continue"])
changes = specs() | st.none()
widths = st.sampled_from([1, 4])
deaths = st.integers(1, 40) | crashes()


# --- what is there --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Thing:
    """An object in the cloud."""

    type: str
    token: str
    attributes: dict


@dataclass
class Sight:
    """What there is before a step: the cloud; what is stored, with what the journal says over it; and whether there is
    something that a recovery has to undo."""

    cloud: dict[str, Thing]
    state: object
    replayed: object
    due: bool

    @property
    def objects(self):
        """The objects of the state by id."""
        now = self.replayed.state
        return {} if now is None else {each.attributes["id"]: each for each in now.objects.values()}

    @property
    def places(self):
        """The addresses of what there is."""
        there = (each for id_, each in self.objects.items() if id_ in self.cloud)
        return Counter(str(each.address) for each in there if not each.deposed)

    @property
    def replaced(self):
        """The names of what only awaits its deletion."""
        there = (each for id_, each in self.objects.items() if id_ in self.cloud)
        return Counter(each.attributes["name"] for each in there if each.deposed)


@dataclass
class World:
    """A folder with a cloud, a state, and a stack for each operator."""

    folder: object
    stacks: dict
    lag: int
    key: str
    backend: dict
    count_names: object
    specs: dict = field(default_factory=dict)
    drifted: set = field(default_factory=set)
    vanished: set = field(default_factory=set)
    clean: dict = field(default_factory=dict)
    base: tuple | None = None
    """What there was before the run that is to be undone (see `kept`); None when that cannot be told any more."""
    strangers: set = field(default_factory=lambda: {GUEST})
    """What may exist without being in the state: it was never in it, or was taken out by hand."""
    guest_is_ours: bool = False
    has_guest: bool = False
    guest_has_moved: bool = False
    """It is in the state, and not where stacks import it to: what is there already is not to be imported."""

    def __post_init__(self):
        for stack in self.stacks.values():
            stack.write(PART, "m/main.tf.json")

    def write(self, operator, *, faults=(), on_failure="pause"):
        imports = [GUEST] if GUEST in self.cloud() and not self.guest_has_moved else []
        document = self.specs[operator].document(faults, on_failure, self.lag, self.key, self.backend, imports)
        self.stacks[operator].write(document)
        with self.cloud_file() as connection:
            if connection is not None:
                connection.execute("DELETE FROM counters")  # faults count from the first operation of each step

    def invite(self):
        """Make the object that nobody has made."""
        attributes = json.dumps({"attributes": None, "id": GUEST, "kind": None, "name": "guest"})
        with self.cloud_file() as connection:
            if connection is None:
                return False
            connection.execute("INSERT INTO objects VALUES ('mock_object', ?, NULL, ?)", (GUEST, attributes))
        return True

    def open(self, operator):
        return engine.open_stack(str(self.stacks[operator].folder))

    def bury(self):
        """Break the lock of one that was killed. A lease would end by itself, later."""
        if "local" in self.backend:
            return
        stack = self.open("a")
        holder = stack.backend.lock_holder()
        if holder is not None:
            stack.backend.break_lock(holder.id)
        stack.backend.close()

    def send_home(self):
        """Delete what is not in the state: it may stand in networks that are to be deleted."""
        sight = self.look()
        with self.cloud_file() as connection:
            for id_ in sight.cloud.keys() - sight.objects.keys():
                connection.execute("DELETE FROM objects WHERE id = ?", (id_,))
        self.has_guest = self.has_guest and GUEST in sight.objects

    @contextlib.contextmanager
    def cloud_file(self):
        path = self.folder / "cloud.sqlite"
        if not path.exists():
            yield None
            return
        with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
            whole = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'secrets'").fetchall()
            yield connection if whole else None  # one that is killed early leaves no tables

    def cloud(self):
        with self.cloud_file() as connection:
            if connection is None:
                return {}
            rows = connection.execute("SELECT id, type, token, attributes FROM objects ORDER BY id").fetchall()
        return {id_: Thing(type_, token, json.loads(text)) for id_, type_, token, text in rows}

    def without_ids(self, cloud):
        """The objects but for what follows from their ids."""
        return self.count_names({id_: thing.attributes for id_, thing in cloud.items()})

    # --- what must hold

    def look(self):
        """See to it that everything holds which always does."""
        stack = self.open("a")
        found = verify(stack.backend)
        assert found.violations == ()
        state, entries = stack.backend.read(), stack.backend.read_journal()
        serials = [version.serial for version in stack.backend.versions()]
        assert serials == list(range(serials[0], serials[-1] + 1)) if serials else not serials
        stack.backend.close()
        sight = Sight(self.cloud(), state, replay(state, entries), False)
        sight.due = _is_due(state, sight.replayed)
        cloud, replayed, objects = sight.cloud, sight.replayed, sight.objects
        assert replayed.state is None or len(objects) == len(replayed.state.objects), "an object is twice in the state"
        tokens = {begun.token for begun in replayed.in_flight}
        touched = {begun.prior.attributes["id"] for begun in replayed.in_flight if begun.prior is not None}
        orphans = {id_ for id_ in cloud.keys() - objects.keys() - self.strangers if cloud[id_].token not in tokens}
        lost = objects.keys() - cloud.keys() - self.vanished - touched
        assert not orphans, f"orphans: {[cloud[id_] for id_ in orphans]}"
        assert not lost, f"lost: {[str(objects[id_].address) for id_ in lost]}"
        for id_ in objects.keys() & cloud.keys() - self.drifted - touched:
            stored = json.loads(json.dumps(dict(objects[id_].attributes)))
            assert stored == cloud[id_].attributes, objects[id_].address
        if GUEST in cloud:
            if not sight.due:
                self.guest_is_ours = GUEST in objects
        else:
            allowed = self.guest_is_ours or GUEST in self.vanished
            assert allowed or not self.has_guest, "what was not ours was destroyed"
        self.has_guest = GUEST in cloud
        self.guest_has_moved = GUEST in objects and str(objects[GUEST].address) != "mock_object.guest"
        return sight

    def settled(self):
        sight = self.look()
        assert not sight.replayed.in_flight
        assert sight.state is None or sight.state.pending_rollback is None
        return sight

    def require_done(self, operator):
        """An apply has succeeded: all is as the stack says, and there is nothing left to do."""
        self.drifted.clear()
        self.vanished.clear()
        self.base = None
        sight = self.settled()
        assert {str(address) for address, deposed in sight.state.objects} == self.specs[operator].addresses
        assert all(not deposed for _, deposed in sight.state.objects)
        self.write(operator)
        stack = self.open(operator)
        plan = engine.plan(stack, engine.PlanOptions(), engine.VariableSources())
        assert not plan.applyable, [(str(change.address), change.action) for change in plan.changes if change.is_effect]
        assert self.cloud() == sight.cloud
        stack.backend.close()
        self.clean[sight.state.serial] = self.ours(sight)

    def require_undone(self, before, *, in_place=True):
        """A run is undone, which began (or took over from one that began) with the cloud as it was before. `in_place`:
        nothing has been moved since."""
        after = self.look()
        assert not after.due
        expected = self.base if before.due else self.kept(before)
        if expected is not None:
            (cloud, places, _), (cloud_before, places_before, replaced_before) = self.kept(after), expected
            assert not cloud - cloud_before
            lacking = Counter(json.loads(each)[1]["name"] for each in (cloud_before - cloud).elements())
            assert lacking <= replaced_before, "what was to be deleted anyway is not made again, but all else is"
            assert not in_place or places_before is None or places == places_before
        self.base = None

    def note_pending(self, before):
        """A run has ended, or was cut off, that is perhaps to be undone."""
        after = self.look()
        if not after.due:
            self.base = None
        elif not before.due:
            self.base = self.kept(before)
        return after

    def kept(self, sight):
        """What there is, and at which addresses (None: that is not settled), and what of it awaits its deletion."""
        places = None if sight.replayed.in_flight else sight.places
        return self.without_ids(sight.cloud), places, sight.replaced

    def ours(self, sight):
        return self.without_ids({id_: thing for id_, thing in sight.cloud.items() if id_ in sight.objects})


def _is_due(state, replayed):
    pending = state is not None and state.pending_rollback is not None
    if not replayed.runs:
        return pending
    last = replayed.runs[-1]
    has_ended = last.committed or last.outcome == "complete"
    if pending:
        return not (has_ended and last.opened.settles)
    return last.opened.on_failure == "rollback" and not has_ended


# --- lifecycles -----------------------------------------------------------------------------------------------------


class Lifecycles(RuleBasedStateMachine):
    """See the module. `new_world` makes a world, `counts` counts what was done.

    What is drawn depends on nothing that is there: threads and the ids of objects are others each time.
    """

    new_world = None
    counts: ClassVar[Counter] = Counter()

    @initialize(
        lag=st.sampled_from([0, 2]),
        sealed=st.sampled_from([False, False, True]),
        kind=st.sampled_from(["local", "local", "http", "postgres"]),
        first=specs(),
        second=specs(),
    )
    def begin(self, lag, sealed, kind, first, second):
        self.world = type(self).new_world(lag, sealed, kind)
        self.world.specs = {"a": first, "b": second}
        for operator in OPERATORS:
            self.world.write(operator)
        self.ahead = None
        self.counts["cases"] += 1

    def count(self, what):
        self.counts["steps"] += 1
        self.counts[what] += 1

    # --- applies

    @rule(
        operator=operators,
        spec=changes,
        faults=some_faults,
        on_failure=policies,
        width=widths,
        disturbed=st.sampled_from(["", "", "by another", "by Ctrl-C"]),
    )
    def apply(self, operator, spec, faults, on_failure, width, disturbed):
        self.count("apply")
        self.world.specs[operator] = spec or self.world.specs[operator]
        self.run(operator, faults, on_failure, width, disturbed=disturbed)

    @rule(operator=operators, faults=some_faults, on_failure=policies, number=st.integers(0, 20))
    def apply_a_part(self, operator, faults, on_failure, number):
        self.count("apply a part")
        addresses = sorted(self.world.specs[operator].addresses)
        self.run(operator, faults, on_failure, 4, targets=[addresses[number % len(addresses)]])

    @rule(operator=operators, faults=some_faults)
    def refresh(self, operator, faults):
        self.count("refresh")
        self.run(operator, faults, "pause", 4, mode=PlanMode.REFRESH_ONLY)

    @rule(operator=operators, faults=some_faults, on_failure=policies)
    def destroy(self, operator, faults, on_failure):
        self.count("destroy")
        self.run(operator, faults, on_failure, 4, mode=PlanMode.DESTROY)

    def run(
        self, operator, faults, on_failure, width, *, disturbed="", mode=PlanMode.NORMAL, targets=(), refusable=True
    ):
        world = self.world
        before = world.look()
        world.write(operator, faults=faults, on_failure=on_failure)
        options = engine.PlanOptions(mode=mode, targets=targets, parallelism=width)
        try:
            with self.held(operator, width) as (stack, held):
                plan = engine.plan(stack, options, engine.VariableSources(), held=held)
                listener = self.disturbing(operator, disturbed)
                outcome = engine.apply(stack, plan, parallelism=width, held=held, listener=listener)
        except DiagnosticsError:
            assert refusable
            self.count("refused")
            if before.due and not world.look().due:
                world.require_undone(before)
            else:
                assert world.note_pending(before).cloud == before.cloud
            return
        self.ended(operator, before, outcome, mode, is_whole=mode is PlanMode.NORMAL and not targets)
        if mode is PlanMode.DESTROY and outcome.ok:
            assert not world.ours(world.settled())

    @contextlib.contextmanager
    def held(self, operator, width=4):
        stack = self.world.open(operator)
        try:
            with engine.session(stack, "iac apply", parallelism=width) as held:
                yield stack, held
        finally:
            stack.backend.close()

    def disturbing(self, operator, disturbed):
        """A listener that lets something happen when the second step begins."""
        begun = []

        def listen(event):
            if not isinstance(event, StepStarted):
                return
            begun.append(event)
            if len(begun) != 2:
                return
            if disturbed == "by Ctrl-C":
                signal.raise_signal(signal.SIGINT)
            elif disturbed == "by another":
                other = "b" if operator == "a" else "a"
                with pytest.raises(LockHeldError), self.held(other):
                    pass

        return listen

    def ended(self, operator, before, outcome, mode, *, is_whole):
        world = self.world
        if outcome.ok and is_whole:
            self.count("done")
            world.require_done(operator)
        elif outcome.ok:
            if mode is PlanMode.REFRESH_ONLY and before.due and not world.look().due:  # it undoes first, and moves then
                world.require_undone(before, in_place=False)
            else:
                world.note_pending(before)
        elif outcome.is_rolled_back:
            self.count("rolled back")
            world.require_undone(before)
        else:
            self.count("failed")
            after = world.note_pending(before)
            assert bool(outcome.unsettled) == bool(after.replayed.in_flight)

    @rule(
        operator=operators,
        spec=changes,
        faults=some_faults,
        on_failure=policies,
        width=widths,
        death=deaths,
        recovers=st.booleans(),
    )
    def apply_and_be_killed(self, operator, spec, faults, on_failure, width, death, recovers):
        self.count("apply and be killed")
        world = self.world
        world.specs[operator] = spec or world.specs[operator]
        before = world.look()
        code = self.command(
            operator, on_failure, faults, death, "apply", "--auto-approve", "--no-input", "--parallelism", str(width)
        )
        if code == DONE:
            world.require_done(operator)
        elif code == ROLLED_BACK:
            world.require_undone(before)
        else:
            world.note_pending(before)
        if recovers:
            self.recovering(operator, [], "undo")

    def command(self, operator, on_failure, faults, death, *arguments):
        """Run a command that dies at an instant (see instants.py), or by a fault of the cloud; its exit code."""
        environment = {"PAUSES": "0"}
        if isinstance(death, int):
            environment["KILL_AT"] = str(death)
        else:
            faults = [*faults, death]
        self.world.write(operator, faults=faults, on_failure=on_failure)
        done = self.world.stacks[operator].iac(*arguments, env=environment, code=None)
        if done.code == -signal.SIGKILL:
            self.counts["killed"] += 1
            self.world.bury()
        assert done.code in (-signal.SIGKILL, DONE, FAILED, ROLLED_BACK, RECOVERY_NEEDED), done
        return done.code

    # --- plans that are applied later

    @rule(operator=operators, spec=changes, on_failure=policies)
    def plan_ahead(self, operator, spec, on_failure):
        self.count("plan ahead")
        world = self.world
        world.specs[operator] = spec or world.specs[operator]
        before = world.look()
        world.write(operator, on_failure=on_failure)
        stack = world.open(operator)
        with contextlib.suppress(DiagnosticsError):
            plan = engine.plan(stack, engine.PlanOptions(), engine.VariableSources())
            self.ahead = (operator, world.specs[operator], plan)
        stack.backend.close()
        assert world.note_pending(before).cloud == before.cloud

    @rule()
    def apply_what_was_planned(self):
        if self.ahead is None:
            return
        self.count("apply what was planned")
        world = self.world
        (operator, spec, plan), self.ahead = self.ahead, None
        before = world.look()
        stack = world.open(operator)
        try:
            outcome = engine.apply(stack, plan)
        except DiagnosticsError:  # it is stale
            assert world.note_pending(before).cloud == before.cloud
            return
        finally:
            stack.backend.close()
        world.specs[operator] = spec
        self.ended(operator, before, outcome, plan.mode, is_whole=True)

    # --- what happens behind everybody's back

    @rule(number=st.integers(0, 20), vanishes=st.booleans())
    def drift(self, number, vanishes):
        self.count("drift")
        world = self.world
        cloud = world.cloud()
        if not cloud:
            return
        id_ = sorted(cloud)[number % len(cloud)]
        thing = cloud[id_]
        if id_ not in world.look().objects:
            return
        used = any(each.attributes.get("network_id") == id_ for each in cloud.values())
        with world.cloud_file() as connection:
            if vanishes and not used:
                connection.execute("DELETE FROM objects WHERE id = ?", (id_,))
                world.vanished.add(id_)
            else:
                name, value = DRIFT[thing.type]
                changed = json.dumps({**thing.attributes, name: value})
                connection.execute("UPDATE objects SET attributes = ? WHERE id = ?", (changed, id_))
                world.drifted.add(id_)
            connection.execute("DELETE FROM lags WHERE id = ?", (id_,))
        world.base, self.ahead = None, None

    @rule()
    def a_guest_comes(self):
        world = self.world
        if GUEST in world.cloud() or GUEST in world.look().objects or not world.invite():
            return
        self.count("a guest comes")
        world.look()
        world.base = None

    # --- edits of the state

    @rule(operator=operators, number=st.integers(0, 20))
    def take_out(self, operator, number):
        found = self.in_the_state(number)
        if found is None:
            return
        self.count("take out")
        world = self.world
        before = world.look()
        world.stacks[operator].iac("state", "rm", str(found.address))
        gone = {id_ for id_, each in before.objects.items() if each.address == found.address}
        world.strangers |= gone
        after = world.look()
        assert after.cloud == before.cloud
        assert after.objects.keys() == before.objects.keys() - gone
        world.base = None
        if GUEST in gone:
            world.guest_is_ours = False

    @rule(operator=operators, number=st.integers(0, 20), name=st.sampled_from([*NAMES, "spare"]))
    def move(self, operator, number, name):
        found = self.in_the_state(number)
        if found is None:
            return
        self.count("move")
        world = self.world
        before = world.look()
        target = f"{found.address.resource.type}.{name}"
        code = world.stacks[operator].iac("state", "mv", str(found.address), target, code=None).code
        after = world.look()
        assert after.cloud == before.cloud
        assert after.objects.keys() == before.objects.keys()
        if code == DONE:
            assert str(after.objects[found.attributes["id"]].address) == target
            world.base = (world.base[0], None, world.base[2]) if world.base is not None else None
        else:
            assert code == FAILED
            assert after.places == before.places

    def in_the_state(self, number):
        """One of the objects of a state over which nothing is in the journal."""
        sight = self.world.look()
        objects = sorted(sight.objects.values(), key=lambda each: (each.address.sort_key, each.deposed))
        current = [each for each in objects if not each.deposed]
        return current[number % len(current)] if current and not sight.replayed.runs else None

    # --- recovery

    @rule(operator=operators, faults=some_faults, action=st.sampled_from(["undo", "retry", "keep"]))
    def recover(self, operator, faults, action):
        self.count("recover")
        self.recovering(operator, faults, action)

    @rule(operator=operators, number=st.integers(0, 20))
    def recover_but_for_one(self, operator, number):
        sight = self.world.look()
        addresses = sorted({str(address) for address, _ in sight.replayed.state.objects}) if sight.due else []
        if not addresses:
            return
        self.count("recover but for one")
        self.world.base = None
        self.recovering(operator, [], "retry", skip=[addresses[number % len(addresses)]])

    def recovering(self, operator, faults, action, skip=()):
        world = self.world
        before = world.look()
        world.write(operator, faults=faults)
        try:
            with self.held(operator) as (stack, held):
                engine.recover(stack, engine.VariableSources(), held, action=action, skip=skip)
        except DiagnosticsError:
            assert faults or skip  # what is to be left out may turn out to be gone
        after = world.look()
        if not before.due or action == "keep":
            assert after.cloud == before.cloud
            world.note_pending(before)
        elif not after.due:
            world.require_undone(before)
        if not faults and action != "undo" and not skip:
            world.settled()

    @rule(operator=operators, faults=some_faults, death=deaths)
    def recover_and_be_killed(self, operator, faults, death):
        self.count("recover and be killed")
        world = self.world
        before = world.look()
        self.command(operator, "pause", faults, death, "recover")
        if before.due and not world.look().due:
            world.require_undone(before)
        else:
            world.note_pending(before)

    # --- the way back

    @rule(operator=operators, number=st.integers(0, 20), faults=some_faults, on_failure=policies)
    def go_back(self, operator, number, faults, on_failure):
        world = self.world
        if not world.clean:
            return
        self.count("go back")
        serial = sorted(world.clean)[number % len(world.clean)]
        before = world.look()
        world.write(operator, faults=faults, on_failure=on_failure)
        try:
            with self.held(operator) as (stack, held):
                options, sources = engine.PlanOptions(parallelism=4), engine.VariableSources()
                plan = engine.plan_rollback(stack, serial, options, sources, held)
                outcome = engine.apply(stack, plan, parallelism=4, held=held)
        except DiagnosticsError:
            self.count("refused")
            if before.due and not world.look().due:
                world.require_undone(before)
            else:
                world.note_pending(before)
            return
        if not outcome.ok:
            self.ended(operator, before, outcome, plan.mode, is_whole=False)
            return
        world.drifted.clear()
        world.vanished.clear()
        world.base = None
        assert world.ours(world.settled()) == world.clean[serial]

    # --- the end

    def teardown(self):
        """Whatever happened, the stack can be applied, and destroyed."""
        if not hasattr(self, "world"):
            return
        world = self.world
        try:
            world.specs["a"] = replace(world.specs["a"], guard="")  # protected, it may stand in the way
            world.write("a")
            if world.look().replayed.state is not None:
                self.recovering("a", [], "undo")
                self.unprotect()
            world.send_home()
            self.run("a", [], "pause", 4, refusable=False)
            world.require_done("a")
            self.run("a", [], "rollback", 4, mode=PlanMode.DESTROY, refusable=False)
            assert not world.ours(world.settled())
        finally:
            shutil.rmtree(world.folder)

    def unprotect(self):
        for each in self.world.look().state.objects.values():
            if each.protected:
                self.world.stacks["a"].iac("state", "unprotect", str(each.address))


DRIFT = {
    "mock_network": ("tags", {"drift": "yes"}),
    "mock_server": ("size", "drifted"),
    "mock_database": ("storage", 99),
    "mock_object": ("kind", "drifted"),
}


@pytest.fixture
def try_lifecycles(crash_process, stack_in, places, tmp_path_factory, without_ids, monkeypatch, record_property):
    """try_lifecycles(CASES, STEPS, **settings): so many lifecycles, of at most so many steps; what was done in them."""
    monkeypatch.setattr(presence, "_PAUSES", (0.0,) * 9)

    key = tmp_path_factory.mktemp("keys") / "key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)

    def new_world(lag, sealed, kind):
        folder = tmp_path_factory.mktemp("world")
        stacks = {}
        for operator in OPERATORS:
            (folder / operator).mkdir()
            stacks[operator] = stack_in(folder / operator, crash_process)
        backend = {kind: {"path": "../state.json"} if kind == "local" else places(kind)}
        return World(folder, stacks, lag, str(key) if sealed else "", backend, without_ids)

    machine = type("Lifecycles", (Lifecycles,), {"new_world": staticmethod(new_world), "counts": Counter()})

    def try_them(cases, steps, **more):
        how = settings(
            max_examples=cases,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            **more,
        )
        run_state_machine_as_test(machine, settings=how)
        return machine.counts

    yield try_them
    for what, count in machine.counts.items():
        record_property(what, count)


def test_some_lifecycles(try_lifecycles):
    assert try_lifecycles(12, 8, derandomize=True)["steps"] > 50


@pytest.mark.exhaustive
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(8))
def test_many_lifecycles(part, try_lifecycles):
    """2,000 in all, others in each run; `--junitxml` tells what was done in them.

    Of many cases in one go, Hypothesis makes the most by varying those before. So it makes two in each, the first of
    which is always the simplest. What depends on the order of threads cannot be made smaller, and is told as it is.
    """
    for _ in range(250):
        counts = try_lifecycles(2, 12, phases=[Phase.generate])
    assert counts["cases"] >= 2 * 250
