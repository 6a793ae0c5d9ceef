"""Which version every call of a module gets.

In this order of importance:

1. Every requirement is met, and the tree of calls ends.
2. What is locked stays, where it can.
3. There is one version of a package for the whole tree, where there can be. Where there cannot, those calls that agree
   share one, and each call sees its own.
4. The newest versions are chosen, the stack's own calls before those further down.

`candidates` says which versions can be used at all: that takes little time, and what is left over fails by itself
(`conflict` explains it). Where the newest of them agree, that is all. Otherwise looking for one version of everything
is the hard part, done by resolvelib's backtracking with a bounded effort. Where it finds that there is none, the
package over which it failed has its locked versions released, or else is split into groups of requirements that agree,
and it is tried again. A split can be repeated until each requirement stands alone, when nothing is left to disagree.

The same input gives the same answer, whatever order the catalogue answers in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from resolvelib import AbstractProvider, BaseReporter, ResolutionImpossible, ResolutionTooDeep
from resolvelib.resolvers import Resolution as Search
from resolvelib.structs import RequirementInformation

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.modules.candidates import Candidate, Candidates, Demand, Locked, Stock, too_much
from iacengine.modules.conflict import circle, disagreement, unmet
from iacengine.modules.requirement import Catalogue, Requirement, Selected
from iacengine.modules.resolution import Resolution, ResolvedCall, ResolvedModule

EFFORT = 100_000
"""What searches may cost in all, in rounds times packages: a third of a second. When it is spent, all that disagrees is
split without asking whether older versions would agree."""
ROUNDS = 1_500
"""What searches may cost in all, in rounds: they get dearer the more there were."""
ATTEMPTS = 200
PASSES = 12
"""How often choosing the newest versions may change what is required, before it counts as not settling."""
CIRCLES = 50
"""Candidates that are left out because their calls lead back to themselves."""


def resolve(
    requirements: Sequence[Requirement],
    catalogue: Catalogue,
    *,
    locked: Locked | None = None,
    one_version: bool = False,
) -> Resolution:
    """The versions for the calls of a stack (its local modules' calls included) and for all that they call in turn.

    `locked` has the versions to keep: what may be updated is left out of it. With `one_version`, a package that would
    be needed in several versions is an error. Raises DiagnosticsError, which says who requires what, where, and what
    would resolve it; also when the catalogue fails.
    """
    candidates = Candidates(catalogue, locked or {})
    roots = tuple(dict.fromkeys(candidates.demand(required) for required in sorted(requirements, key=_written)))
    apart: set[Stock] = set()
    for _ in range(CIRCLES):
        _make_possible(candidates, requirements, roots)
        chosen = _Attempts(candidates, roots, apart).run()
        found = _circle(roots, candidates, chosen)
        if found is None:
            resolution = _resolution(requirements, candidates, chosen)
            if one_version and resolution.several():
                raise DiagnosticsError(disagreement(resolution))
            return resolution
        _break(found, chosen, roots, candidates, apart)
    raise too_much(f"{CIRCLES} modules call themselves in the end")


def _written(required: Requirement) -> tuple[str, str, str]:
    return (str(required.package), str(required.constraint), str(required.place))


def _make_possible(candidates: Candidates, requirements: Sequence[Requirement], roots: Sequence[Demand]) -> None:
    """See to it that every root can be met: release what is locked where it must be. Raises DiagnosticsError."""
    while True:
        candidates.announce_all(roots)
        failing = next((root for root in roots if not candidates.can_be_met(root)), None)
        if failing is None:
            return
        held = _held_below(failing, candidates)
        if not held:
            raise DiagnosticsError(unmet(_first(requirements, candidates, failing), candidates))
        candidates.release(held)


def _break(
    found: Sequence[Candidate],
    chosen: Mapping[Demand, Candidate],
    roots: Sequence[Demand],
    candidates: Candidates,
    apart: set[Stock],
) -> None:
    """Break a circle: leave out one of its candidates without which every root can still be met; or else leave one out
    for the call that leads to it; or else release what is locked of it."""

    def is_possible() -> bool:
        return all(candidates.can_be_met(root) for root in roots)

    for candidate in reversed(found):
        candidates.exclude(candidate)
        if is_possible():
            return
        candidates.include(candidate)
    for caller, called in zip(found, (*found[1:], found[0]), strict=True):
        for demand in candidates.demands(caller):
            if chosen[demand] is called:
                candidates.exclude(called, demand)
                if is_possible():
                    apart.add(called.stock)
                    return
                candidates.include(called, demand)
    held = [candidate.stock for candidate in found if candidates.is_held(candidate.stock)]
    if not held:
        raise DiagnosticsError(circle([candidate.selected for candidate in found]))
    candidates.release(held)


def _first(requirements: Sequence[Requirement], candidates: Candidates, demand: Demand) -> Requirement:
    return next(required for required in requirements if candidates.demand(required) is demand)


def _held_below(demand: Demand, candidates: Candidates) -> list[Stock]:
    """The locked packages over which a demand fails: the deepest of them first, or all above those."""
    dead_ends: dict[Stock, None] = {}
    passed: dict[Stock, None] = {}
    seen: set[Demand] = set()
    waiting = [demand]
    while waiting:
        failing = waiting.pop()
        if failing in seen:
            continue
        seen.add(failing)
        if candidates.is_held(failing.stock):
            (passed if candidates.accepted(failing) else dead_ends).setdefault(failing.stock)
        for candidate in candidates.accepted(failing):
            waiting += [below for below in candidates.demands(candidate) if not candidates.can_be_met(below)]
    return list(dead_ends or passed)


# The search for one version of everything


class _Group:
    """Demands on a package that are to get one version: what resolvelib calls an identifier."""

    __slots__ = ("pins", "rank", "stock")

    def __init__(self, stock: Stock, number: int) -> None:
        self.stock = stock
        self.rank: tuple[int, str, int] = (0, stock.text, number)
        self.pins: dict[Candidate, _Pin] = {}

    def pin(self, candidate: Candidate) -> _Pin:
        known = self.pins.get(candidate)
        if known is None:
            known = self.pins[candidate] = _Pin(self, candidate)
        return known


class _Pin:
    """A candidate chosen for a group."""

    __slots__ = ("candidate", "group")

    def __init__(self, group: _Group, candidate: Candidate) -> None:
        self.group = group
        self.candidate = candidate


class _Splits:
    """Which demands on a package share a version: all of them, until it is split."""

    def __init__(self, candidates: Candidates, apart: Collection[Stock]) -> None:
        self._candidates = candidates
        self._apart = set(apart)  # each demand for itself
        self._agreed: dict[Stock, list[Candidate]] = {}  # one group for each of these versions
        self._groups: dict[Stock, list[_Group]] = {}
        self._of: dict[Demand, _Group] = {}

    def group(self, demand: Demand) -> _Group:
        known = self._of.get(demand)
        if known is None:
            known = self._of[demand] = self._place(demand)
        return known

    def _place(self, demand: Demand) -> _Group:
        stock = demand.stock
        groups = self._groups.setdefault(stock, [])
        if stock in self._apart:
            number = demand.number
        else:
            accepted = self._candidates.accepted(demand)
            agreed = self._agreed.get(stock, [])
            number = next((place for place, version in enumerate(agreed) if version in accepted), len(agreed))
        for group in groups:
            if group.rank[2] == number:
                return group
        groups.append(_Group(stock, number))
        return groups[-1]

    def split(self, stock: Stock) -> bool:
        """Split further; False when every demand stands alone already."""
        if stock in self._apart:
            return False
        agreed = self._agreements(stock)
        if len(agreed) < 2 or agreed == self._agreed.get(stock):
            self._apart.add(stock)
        else:
            self._agreed[stock] = agreed
        for demand in stock.demands:
            self._of.pop(demand, None)
        self._groups.pop(stock, None)
        return True

    def _agreements(self, stock: Stock) -> list[Candidate]:
        """Few versions such that every demand accepts one of them, found greedily, the most wanted first."""
        open_demands = [demand for demand in stock.demands if self._candidates.can_be_met(demand)]
        found = []
        while open_demands:
            counted: dict[Candidate, int] = {}
            for demand in open_demands:
                for candidate in self._candidates.usable(demand):
                    counted[candidate] = counted.get(candidate, 0) + 1
            order = self._candidates.in_order(stock)
            best = max((c for c in order if c in counted), key=lambda candidate: counted[candidate])
            found.append(best)
            open_demands = [d for d in open_demands if best not in self._candidates.accepted(d)]
        return found


class _Provider(AbstractProvider[Demand, _Pin, _Group]):
    """What resolvelib asks about."""

    def __init__(self, candidates: Candidates, splits: _Splits) -> None:
        self._candidates = candidates
        self._splits = splits
        self._accepted: dict[Demand, frozenset[Candidate]] = {}
        self._both: dict[frozenset[Demand], tuple[Candidate, ...]] = {}

    def identify(self, requirement_or_candidate: Demand | _Pin) -> _Group:
        if requirement_or_candidate.__class__ is _Pin:
            return requirement_or_candidate.group
        assert isinstance(requirement_or_candidate, Demand)
        return self._splits.group(requirement_or_candidate)

    def narrow_requirement_selection(
        self, identifiers: Iterable[_Group], *args: Any, **others: Any
    ) -> Iterable[_Group]:
        """One at a time, from the stack downwards: otherwise `get_preference` would be asked for each, every time."""
        causes: Sequence[RequirementInformation[Demand, _Pin]] = others["backtrack_causes"]
        waiting = list(identifiers)
        if causes:
            blamed = {self._splits.group(cause.requirement) for cause in causes}
            waiting = [group for group in waiting if group in blamed] or waiting
        return (min(waiting, key=_rank),)

    def get_preference(self, identifier: _Group, *_: Any, **__: Any) -> tuple[int, str, int]:
        return identifier.rank

    def find_matches(
        self,
        identifier: _Group,
        requirements: Mapping[_Group, Iterator[Demand]],
        incompatibilities: Mapping[_Group, Iterator[_Pin]],
    ) -> Any:
        demands = frozenset(requirements[identifier])
        # Without any, those that had one are being chosen anew.
        accepted = self._accepted_by_all(demands) if demands else self._candidates.in_order(identifier.stock)
        failed = [pin.candidate for pin in incompatibilities[identifier]]
        # What requires the same as a candidate that failed will fail as it did.
        hopeless = {self._candidates.demands(candidate) for candidate in failed}

        def matches() -> Iterator[_Pin]:
            for candidate in accepted:
                if not self._candidates.is_usable(candidate):
                    continue
                if hopeless and self._candidates.demands(candidate) in hopeless:
                    continue
                yield identifier.pin(candidate)

        return matches

    def _accepted_by_all(self, demands: frozenset[Demand]) -> tuple[Candidate, ...]:
        known = self._both.get(demands)
        if known is None:
            first, *others = sorted(demands, key=_number)
            common = self._set(first).intersection(*map(self._set, others))
            known = self._both[demands] = tuple(c for c in self._candidates.accepted(first) if c in common)
        return known

    def _set(self, demand: Demand) -> frozenset[Candidate]:
        known = self._accepted.get(demand)
        if known is None:
            known = self._accepted[demand] = frozenset(self._candidates.accepted(demand))
        return known

    def is_satisfied_by(self, requirement: Demand, candidate: _Pin) -> bool:
        return candidate.candidate in self._set(requirement)

    def get_dependencies(self, candidate: _Pin) -> Iterable[Demand]:
        demands = self._candidates.demands(candidate.candidate)
        depth = candidate.group.rank[0] + 1
        for demand in demands:
            group = self._splits.group(demand)
            if not group.pins and group.rank[0] < depth:
                group.rank = (depth, *group.rank[1:])
        return demands


def _rank(group: _Group) -> tuple[int, str, int]:
    return group.rank


def _number(demand: Demand) -> int:
    return demand.number


class _Conflicts(BaseReporter[Demand, _Pin, _Group]):
    """Counts over which packages a search failed."""

    def __init__(self) -> None:
        self._counted: dict[Stock, int] = {}
        self.rounds = 0

    def starting_round(self, index: int) -> None:
        self.rounds = index

    def resolving_conflicts(self, causes: Collection[RequirementInformation[Demand, _Pin]]) -> None:
        for stock in dict.fromkeys(cause.requirement.stock for cause in causes):
            self._counted[stock] = self._counted.get(stock, 0) + 1

    def stocks(self) -> list[Stock]:
        """Those packages, the most frequent first."""
        return sorted(self._counted, key=lambda stock: (-self._counted[stock], stock.text))


class _Attempts:
    """Searches, each with what the one before taught."""

    def __init__(self, candidates: Candidates, roots: Sequence[Demand], apart: Collection[Stock]) -> None:
        """`apart`: packages whose demands must not share a version, since that would be a circle."""
        self._candidates = candidates
        self._roots = roots
        self._apart = apart
        self._splits = _Splits(candidates, apart)
        self._both: dict[tuple[Demand, ...], Sequence[Candidate]] = {}
        self._rounds = self._effort = 0

    def run(self) -> dict[Demand, Candidate]:
        """The candidate for each demand that comes up."""
        for _ in range(ATTEMPTS):
            conflicts: list[Stock] = []
            settled = self._newest(conflicts)
            if settled is not None:
                return self._fewer(settled)
            found = self._search(conflicts)
            if found is not None:
                return self._fewer(found)
        raise too_much(f"{ATTEMPTS} searches for versions that agree were in vain")

    def _newest(self, conflicts: list[Stock]) -> dict[Demand, Candidate] | None:
        """The newest versions, when they happen to agree: most trees need no search.

        Otherwise None, with the packages over which there is a conflict added to `conflicts`.
        """
        picks: dict[_Group, Candidate] = {}
        for _ in range(PASSES):
            wanted = self._wanted(picks)
            before, picks = picks, {}
            for group, demands in wanted.items():
                accepted = self._accepted_by_all(tuple(demands), group.stock)
                picked = next((c for c in accepted if self._candidates.is_usable(c)), None)
                if picked is None:
                    conflicts.append(group.stock)
                else:
                    picks[group] = picked
            if conflicts:
                return None
            if picks == before:
                return {demand: picks[group] for group, demands in wanted.items() for demand in demands}
        return None

    def _wanted(self, picks: Mapping[_Group, Candidate]) -> dict[_Group, dict[Demand, None]]:
        """What is demanded of each group, the stack's demands first. A group without a pick has its newest version."""
        wanted: dict[_Group, dict[Demand, None]] = {}
        level = list(self._roots)
        while level:
            following: dict[_Group, Candidate] = {}
            for demand in level:
                group = self._splits.group(demand)
                if group not in wanted:
                    wanted[group] = {}
                    picked = picks.get(group) or next(self._candidates.usable(demand))
                    following[group] = picked
                wanted[group][demand] = None
            level = [below for candidate in following.values() for below in self._candidates.demands(candidate)]
        return wanted

    def _accepted_by_all(self, demands: tuple[Demand, ...], stock: Stock) -> Sequence[Candidate]:
        known = self._both.get(demands)
        if known is None:
            first, *others = demands
            both: Sequence[Candidate] = self._candidates.accepted(first)
            if others:
                common = set(both).intersection(*map(self._candidates.accepted, others))
                both = [candidate for candidate in both if candidate in common]
            known = self._both[demands] = both
        return known

    def _search(self, conflicts: Sequence[Stock]) -> dict[Demand, Candidate] | None:
        """What resolvelib finds; None when it found nothing, and the next attempt will differ."""
        packages = len(self._candidates.stocks())
        rounds = min(ROUNDS - self._rounds, (EFFORT - self._effort) // packages)
        reporter = _Conflicts()
        found: dict[Demand, Candidate] | None = None
        if rounds < packages:
            self._learn(conflicts, [], all_at_once=True)
            return None
        try:
            state = Search(_Provider(self._candidates, self._splits), reporter).resolve(self._roots, rounds)
            found = self._chosen(state.mapping)
        except ResolutionImpossible as failure:
            blamed = list(dict.fromkeys(cause.requirement.stock for cause in failure.causes))
            parents = [cause.parent.candidate.stock for cause in failure.causes if cause.parent is not None]
            self._learn(blamed, parents)
        except ResolutionTooDeep:
            self._learn(conflicts or reporter.stocks(), [], all_at_once=True)
        self._rounds += reporter.rounds
        self._effort += reporter.rounds * packages
        return found

    def _learn(self, blamed: Sequence[Stock], parents: Sequence[Stock], *, all_at_once: bool = False) -> None:
        """Make the next attempt differ: release a lock, or split a package."""
        self._both.clear()
        if self._release(blamed, parents):
            return
        disagreeing = [stock for stock in blamed if self._disagree(stock)]
        if all_at_once and [stock for stock in disagreeing if self._splits.split(stock)]:
            return
        for stock in (*disagreeing, *blamed, *self._candidates.stocks()):
            if len(stock.demands) > 1 and self._splits.split(stock):
                return

    def _release(self, blamed: Sequence[Stock], parents: Sequence[Stock]) -> bool:
        """Release the locks that stand in the way. Where two versions are locked, two were needed: that is kept."""
        is_held = self._candidates.is_held
        for stock in blamed:
            several = len(self._candidates.locked_versions(stock)) > 1
            if is_held(stock) and several and self._disagree(stock) and self._splits.split(stock):
                return True
        held = [stock for stock in blamed if is_held(stock)] or [stock for stock in parents if is_held(stock)]
        held = held or [stock for stock in self._candidates.stocks() if is_held(stock)]
        if held:
            self._candidates.release(held)
            self._candidates.announce_all(self._roots)
        return bool(held)

    def _disagree(self, stock: Stock) -> bool:
        """Whether no candidate is accepted by all that is demanded of a package, beside what is split already."""
        groups: dict[_Group, set[Candidate]] = {}
        for demand in stock.demands:
            accepted = set(self._candidates.accepted(demand))
            group = self._splits.group(demand)
            groups[group] = groups[group] & accepted if group in groups else accepted
        return not all(groups.values())

    def _chosen(self, mapping: Mapping[_Group, _Pin]) -> dict[Demand, Candidate]:
        chosen: dict[Demand, Candidate] = {}
        waiting = list(reversed(self._roots))
        while waiting:
            demand = waiting.pop()
            if demand not in chosen:
                chosen[demand] = mapping[self._splits.group(demand)].candidate
                waiting += reversed(self._candidates.demands(chosen[demand]))
        return chosen

    def _fewer(self, chosen: dict[Demand, Candidate]) -> dict[Demand, Candidate]:
        """Let demands that were split share a version after all, where one that was chosen suits them."""
        by_stock: dict[Stock, list[Demand]] = {}
        for demand in chosen:
            by_stock.setdefault(demand.stock, []).append(demand)
        for stock, demands in by_stock.items():
            used = {chosen[demand] for demand in demands}
            if len(used) > 1 and stock not in self._apart:
                better = self._cover(stock, demands, used)
                if len(set(better.values())) < len(used):
                    chosen.update(better)
        return {demand: chosen[demand] for demand in self._reached(chosen)}

    def _cover(self, stock: Stock, demands: Sequence[Demand], used: Collection[Candidate]) -> dict[Demand, Candidate]:
        order = [candidate for candidate in self._candidates.in_order(stock) if candidate in used]
        accepted = {demand: frozenset(self._candidates.accepted(demand)) for demand in demands}
        better: dict[Demand, Candidate] = {}
        while len(better) < len(demands):
            left = [demand for demand in demands if demand not in better]
            best = max(order, key=lambda candidate: sum(candidate in accepted[demand] for demand in left))
            better.update((demand, best) for demand in left if best in accepted[demand])
        return better

    def _reached(self, chosen: Mapping[Demand, Candidate]) -> Iterable[Demand]:
        reached: dict[Demand, None] = {}
        waiting = list(reversed(self._roots))
        while waiting:
            demand = waiting.pop()
            if demand not in reached:
                reached[demand] = None
                waiting += reversed(self._candidates.demands(chosen[demand]))
        return reached


# What comes out


def _circle(
    roots: Sequence[Demand], candidates: Candidates, chosen: Mapping[Demand, Candidate]
) -> list[Candidate] | None:
    """Candidates of which each calls the next, and the last the first; None when every tree of calls ends."""
    done: set[Candidate] = set()
    path: dict[Candidate, Iterator[Candidate]] = {}

    def called(candidate: Candidate) -> Iterator[Candidate]:
        return (chosen[demand] for demand in candidates.demands(candidate))

    for root in roots:
        if chosen[root] in done:
            continue
        path[chosen[root]] = called(chosen[root])
        while path:
            candidate = next(reversed(path))
            following = next(path[candidate], None)
            if following is None:
                done.add(candidate)
                del path[candidate]
            elif following in path:
                names = list(path)
                return names[names.index(following) :]
            elif following not in done:
                path[following] = called(following)
    return None


def _resolution(
    requirements: Sequence[Requirement], candidates: Candidates, chosen: Mapping[Demand, Candidate]
) -> Resolution:
    def calls(required: Iterable[Requirement]) -> tuple[ResolvedCall, ...]:
        return tuple(ResolvedCall(each, chosen[candidates.demand(each)].selected) for each in required)

    modules: dict[Selected, ResolvedModule] = {}
    for candidate in sorted(dict.fromkeys(chosen.values()), key=_place_in_order):
        yanked = (candidate.info.reason or "yanked") if candidate.info and candidate.info.yanked else ""
        modules[candidate.selected] = ResolvedModule(candidate.selected, calls(candidate.requirements), yanked)
    return Resolution(calls(requirements), modules)


def _place_in_order(candidate: Candidate) -> tuple[str, Any]:
    version = candidate.selected.version
    return (candidate.stock.text, () if version is None else (version.precedence, version.build))
