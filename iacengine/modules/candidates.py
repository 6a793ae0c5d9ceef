"""What can be chosen: the versions that requirements accept, in the order in which they are tried, and which of them
can be used at all.

A candidate is *usable* when each of its own requirements accepts a usable candidate, and the tree of calls ends. That
is all that is asked where every call may see a version of its own; `resolver` then looks for as few versions as it can.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.modules.constraint import Constraint
from iacengine.modules.model import ModuleAddress
from iacengine.modules.requirement import Catalogue, Package, Requirement, Selected, VersionInfo
from iacengine.modules.version import Version

DEEPEST = 100
"""How deep modules may call one another."""
MOST_LOOKUPS = 50_000
"""How many candidates one resolution may look into."""
MOST_STEPS = 500_000
"""How many times one resolution may ask whether a candidate is usable: more is the doing of somebody malicious."""
BATCH = 10
"""How many candidates of a package are announced at once when one was looked into in vain."""

Locked = Mapping[Package, Collection[Version]]


class Candidate:
    """A package at a version. Compared by identity: there is one object for each."""

    __slots__ = ("demands", "info", "requirements", "selected", "stock", "usable")

    def __init__(self, stock: Stock, version: Version | None, info: VersionInfo | None) -> None:
        self.stock = stock
        self.selected = Selected(stock.package, version)
        self.info = info
        self.requirements: tuple[Requirement, ...] = ()
        self.demands: tuple[Demand, ...] | None = None
        self.usable: bool | None = None


class Stock:
    """All candidates of a package. `order` has those that may be chosen, the preferred first."""

    __slots__ = ("all", "demands", "looked_into", "order", "package", "required_by", "text")

    def __init__(self, package: Package, required_by: Requirement) -> None:
        self.package = package
        self.text = str(package)
        self.required_by = required_by
        self.all: list[Candidate] = []
        self.order: list[Candidate] | None = None
        self.demands: list[Demand] = []
        self.looked_into = 0


class Demand:
    """A constraint on a package: all calls that write the same get the same. Compared by identity."""

    __slots__ = ("accepted", "constraint", "number", "stock", "text")

    def __init__(self, stock: Stock, constraint: Constraint, number: int) -> None:
        self.stock = stock
        self.constraint = constraint
        self.number = number
        self.text = str(constraint)
        self.accepted: tuple[Candidate, ...] | None = None


class Candidates:
    """What is known in one resolution. Locked packages offer their locked versions alone until they are `released`."""

    def __init__(self, catalogue: Catalogue, locked: Locked) -> None:
        self._catalogue = catalogue
        self._locked = {package: frozenset(versions) for package, versions in locked.items()}
        self._stocks: dict[Package, Stock] = {}
        self._demands: dict[tuple[Package, str], Demand] = {}
        self._released: set[Package] = set()
        self._excluded: set[tuple[Candidate, Demand | None]] = set()
        self._lookups = self._steps = 0
        self._open: dict[Candidate, None] = {}  # being looked into right now: who is met again is its own ancestor
        self._met_open: set[Candidate] = set()

    # Demands and what they accept

    def demand(self, required: Requirement) -> Demand:
        key = (required.package, str(required.constraint))
        known = self._demands.get(key)
        if known is None:
            stock = self._stocks.get(required.package)
            if stock is None:
                stock = self._stocks[required.package] = Stock(required.package, required)
            known = self._demands[key] = Demand(stock, required.constraint, len(self._demands))
            stock.demands.append(known)
        return known

    def accepted(self, demand: Demand) -> tuple[Candidate, ...]:
        """The candidates that a demand accepts, the preferred first."""
        if demand.accepted is None:
            accepts = demand.constraint.accepts
            order = [one for one in self._order(demand.stock) if (one, demand) not in self._excluded]
            if isinstance(demand.stock.package, ModuleAddress):
                releases = demand.constraint.releases()
                has = releases.has if releases is not None else accepts
                versions = ((candidate, candidate.selected.version) for candidate in order)
                order = [
                    candidate
                    for candidate, version in versions
                    if version is not None and (accepts(version) if version.prerelease else has(version))
                ]
            demand.accepted = tuple(order)
        return demand.accepted

    def _order(self, stock: Stock) -> list[Candidate]:
        if stock.order is None:
            locked = self._locked.get(stock.package, frozenset())
            self._fill(stock, locked)
            kept = [c for c in stock.all if c.selected.version in locked]
            if not self.is_held(stock):
                kept += [c for c in stock.all if c.selected.version not in locked and not (c.info and c.info.yanked)]
            stock.order = [candidate for candidate in kept if (candidate, None) not in self._excluded]
        return stock.order

    def _fill(self, stock: Stock, locked: frozenset[Version]) -> None:
        """Make the candidates, the newest first. Of a package that is held, the catalogue is not asked for versions."""
        if not isinstance(stock.package, ModuleAddress):
            if not stock.all:
                stock.all = [Candidate(stock, None, None)]
            return
        if self.is_held(stock):
            infos: Sequence[VersionInfo] = [VersionInfo(version) for version in locked]
        else:
            try:
                infos = self._catalogue.versions(stock.package)
            except DiagnosticsError as problem:
                raise placed(problem, stock.required_by) from problem
        known = {candidate.selected.version: candidate for candidate in stock.all}
        newest_first = sorted({info.version: info for info in infos}.values(), key=_version, reverse=True)
        stock.all = []
        for info in newest_first:
            candidate = known.get(info.version) or Candidate(stock, info.version, info)
            candidate.info = info
            stock.all.append(candidate)

    def in_order(self, stock: Stock) -> Sequence[Candidate]:
        """What may be chosen of a package, the preferred first."""
        return self._order(stock)

    def stocks(self) -> Collection[Stock]:
        return self._stocks.values()

    def every(self, stock: Stock) -> list[Candidate]:
        """All versions that there are, yanked ones too, the newest first."""
        self._order(stock)
        return stock.all

    # Locks

    def is_held(self, stock: Stock) -> bool:
        return stock.package in self._locked and stock.package not in self._released

    def release(self, stocks: Collection[Stock]) -> None:
        """Let packages have other versions than the locked ones, which stay the preferred ones."""
        self._released.update(stock.package for stock in stocks)
        self._forget()

    def held(self) -> list[Stock]:
        return [stock for stock in self._stocks.values() if self.is_held(stock)]

    def locked_versions(self, stock: Stock) -> frozenset[Version]:
        return self._locked.get(stock.package, frozenset())

    def exclude(self, candidate: Candidate, demand: Demand | None = None) -> None:
        """Let nobody choose a candidate, or not those who write this demand."""
        self._excluded.add((candidate, demand))
        self._forget()

    def include(self, candidate: Candidate, demand: Demand | None = None) -> None:
        self._excluded.discard((candidate, demand))
        self._forget()

    def _forget(self) -> None:
        for stock in self._stocks.values():
            stock.order = None
            for candidate in stock.all:
                candidate.usable = None
        for demand in self._demands.values():
            demand.accepted = None

    # What candidates require

    def demands(self, candidate: Candidate) -> tuple[Demand, ...]:
        """What a candidate requires of others, each once."""
        if candidate.demands is None:
            self._look_into(candidate)
            candidate.demands = tuple(dict.fromkeys(map(self.demand, candidate.requirements)))
        return candidate.demands

    def _look_into(self, candidate: Candidate) -> None:
        self._lookups += 1
        if self._lookups > MOST_LOOKUPS:
            raise too_much(f"more than {MOST_LOOKUPS:,} versions of modules had to be looked into")
        stock = candidate.stock
        if stock.looked_into:
            waiting = [other.selected for other in self._order(stock) if other.demands is None]
            if stock.looked_into % BATCH == 1:
                self._catalogue.announce((), waiting[:BATCH])
        stock.looked_into += 1
        try:
            found = self._catalogue.dependencies(candidate.selected)
        except DiagnosticsError as problem:
            raise placed(problem, stock.required_by) from problem
        candidate.requirements = tuple(sorted(found, key=_written) if len(found) > 1 else found)

    def announce_all(self, roots: Sequence[Demand]) -> None:
        """Fetch, level by level and each at once, what the newest candidates need: most resolutions need no more."""
        seen: set[Demand] = set()
        level = list(dict.fromkeys(roots))
        while level:
            seen.update(level)
            stocks = dict.fromkeys(demand.stock for demand in level if demand.stock.order is None)
            asked = [stock.package for stock in stocks if not self.is_held(stock)]
            self._catalogue.announce([package for package in asked if isinstance(package, ModuleAddress)], ())
            first = dict.fromkeys(self.accepted(demand)[0] for demand in level if self.accepted(demand))
            self._catalogue.announce((), [c.selected for c in first if c.demands is None])
            found = dict.fromkeys(demand for candidate in first for demand in self.demands(candidate))
            level = [demand for demand in found if demand not in seen]

    # What is usable

    def usable(self, demand: Demand) -> Iterator[Candidate]:
        """The accepted candidates that can be used, found as they are asked for."""
        return (candidate for candidate in self.accepted(demand) if self.is_usable(candidate))

    def can_be_met(self, demand: Demand) -> bool:
        return any(self.is_usable(candidate) for candidate in self.accepted(demand))

    def is_usable(self, candidate: Candidate) -> bool:
        if candidate.usable is not None:
            return candidate.usable
        if candidate in self._open:
            self._met_open.add(candidate)
            return False
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise too_much("too many versions of modules require one another in circles")
        if len(self._open) >= DEEPEST:
            raise too_deep(list(self._open))
        self._open[candidate] = None
        try:
            usable = all(self.can_be_met(demand) for demand in self.demands(candidate))
        finally:
            del self._open[candidate]
            self._met_open.discard(candidate)
        # What failed because an ancestor was met again may do elsewhere: only the ancestor itself knows better.
        if usable or not self._met_open:
            candidate.usable = usable
        return usable


def _written(required: Requirement) -> tuple[str, str]:
    """What a requirement is sorted by, so that the order in which a catalogue answers has no part in the result."""
    return str(required.package), required.constraint.text


def _version(info: VersionInfo) -> Version:
    return info.version


def placed(problem: DiagnosticsError, required: Requirement) -> DiagnosticsError:
    """The same failure at the call that needed what failed."""
    where = required.place.range if required.place is not None else None
    return DiagnosticsError(*(diagnostic.at(where) for diagnostic in problem.diagnostics))


def too_much(reason: str) -> DiagnosticsError:
    remedy = "Narrow the constraints of the modules that the stack calls: fewer versions are then looked at."
    return failure("The modules cannot be resolved in reasonable time", f"Here {reason}.", remedy=remedy)


def too_deep(open_candidates: Sequence[Candidate]) -> DiagnosticsError:
    names = [str(candidate.selected) for candidate in open_candidates]
    detail = f"Modules call one another more than {DEEPEST} levels deep: {', '.join(names[:3])}, …, {names[-1]}."
    return failure("Modules are nested too deep", detail, remedy="Call modules from the stack instead.")
