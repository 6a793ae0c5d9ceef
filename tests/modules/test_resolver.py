"""The resolver, compared with a search that tries everything, on trees that are small enough for that."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.modules.model import ModuleAddress
from iacengine.modules.requirement import Package, Place, Requirement, Selected, VersionInfo, requirement
from iacengine.modules.resolution import Resolution
from iacengine.modules.resolver import resolve
from iacengine.modules.version import Version

NAMES = "abcd"
Calls = tuple[tuple[str, str], ...]
Library = dict[str, dict[int, Calls]]
"""For each module, for each major version, what it calls: names and constraints."""


class Catalogue:
    """A registry in memory, which gives its answers in any order."""

    def __init__(self, library: Library, yanked: Sequence[tuple[str, int]] = (), seed: int = 0) -> None:
        self.library, self.yanked, self.chance = library, set(yanked), random.Random(seed)
        self.asked: list[ModuleAddress] = []

    def versions(self, address: ModuleAddress) -> Sequence[VersionInfo]:
        self.asked.append(address)
        found = [VersionInfo(version(major), (address.name, major) in self.yanked) for major in self.known(address)]
        self.chance.shuffle(found)
        return found

    def known(self, address: ModuleAddress) -> Mapping[int, Calls]:
        return self.library.get(address.name, {})

    def dependencies(self, selected: Selected) -> Sequence[Requirement]:
        assert isinstance(selected.package, ModuleAddress)
        assert selected.version is not None
        found = [required(*call) for call in self.library[selected.package.name][selected.version.major]]
        self.chance.shuffle(found)
        return found

    def announce(self, addresses: Sequence[ModuleAddress], selections: Sequence[Selected]) -> None:
        """Nothing is slow here."""


def version(major: int) -> Version:
    return Version(major, 0, 0)


def address(name: str) -> ModuleAddress:
    return ModuleAddress("r.example.org", "acme", name, "mock")


def required(name: str, constraint: str = "", place: Place | None = None) -> Requirement:
    return requirement(f"r.example.org/acme/{name}/mock", constraint, place)


def accepts(constraint: str, major: int) -> bool:
    return required("a", constraint).constraint.accepts(version(major))


def used(resolution: Resolution) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for selected in resolution.modules:
        assert isinstance(selected.package, ModuleAddress)
        assert selected.version is not None
        found.setdefault(selected.package.name, set()).add(selected.version.major)
    return found


# --- trying everything ------------------------------------------------------------------------------------------------


def whole_assignments(library: Library, roots: Calls) -> Iterator[dict[str, int]]:
    """Every choice of one version for each module that is used, such that all requirements are met and calls end."""
    for majors in itertools.product(*(library[name] for name in NAMES)):
        chosen = dict(zip(NAMES, majors, strict=True))
        reached: dict[str, int] = {}
        waiting = list(roots)
        is_good = True
        while waiting and is_good:
            name, constraint = waiting.pop()
            is_good = accepts(constraint, chosen[name])
            if is_good and name not in reached:
                reached[name] = chosen[name]
                waiting += library[name][chosen[name]]
        if is_good and not has_circle(library, reached):
            yield reached


def has_circle(library: Library, chosen: Mapping[str, int]) -> bool:
    def leads_back(name: str, above: tuple[str, ...]) -> bool:
        below = (called for called, _ in library[name][chosen[name]])
        return any(called in above or leads_back(called, (*above, called)) for called in below)

    return any(leads_back(name, (name,)) for name in chosen)


def can_be_met(library: Library, name: str, constraint: str, above: tuple[tuple[str, int], ...] = ()) -> bool:
    """Whether a call can be met where every call may have a version of its own."""
    return any(
        (name, major) not in above
        and accepts(constraint, major)
        and all(can_be_met(library, *call, (*above, (name, major))) for call in calls)
        for major, calls in library[name].items()
    )


constraints = st.sampled_from(
    ["", "~> 1.0", "~> 2.0", ">= 2.0", "< 3.0", "1.0.0", "3.0.0", "!= 2.0.0", ">= 1.0, < 3.0"]
)


def calls_of(names: str) -> st.SearchStrategy[Calls]:
    if not names:
        return st.just(())
    one = st.tuples(st.sampled_from(names), constraints)
    return st.lists(one, max_size=2, unique_by=lambda call: call[0]).map(tuple)


def libraries_of(callable_by: dict[str, str]) -> st.SearchStrategy[Library]:
    made = {
        name: st.fixed_dictionaries({major: calls_of(names) for major in (1, 2, 3)})
        for name, names in callable_by.items()
    }
    return st.fixed_dictionaries(made)


libraries = libraries_of(dict.fromkeys(NAMES, NAMES))
"""Modules may call others, which call them, and even other versions of themselves."""
plain_libraries = libraries_of({name: NAMES[place + 1 :] for place, name in enumerate(NAMES)})
"""No call leads back to another version of the module: nobody does that, and the newest may be missed then."""
stacks = st.lists(st.tuples(st.sampled_from(NAMES), constraints), min_size=1, max_size=3, unique=True).map(tuple)


@settings(max_examples=60)
@given(plain_libraries, stacks)
def test_one_version_of_everything_is_found_where_there_is_one(library: Library, roots: Calls) -> None:
    whole = list(whole_assignments(library, roots))
    if not whole:
        return
    resolution = resolve([required(*call) for call in roots], Catalogue(library))
    chosen = used(resolution)
    assert resolution.several() == ()
    found = {name: next(iter(majors)) for name, majors in chosen.items()}
    assert found in whole
    for other in whole:
        if other.keys() == found.keys() and other != found:
            assert any(other[name] < found[name] for name in found), f"{other} is newer than {found}"


@settings(max_examples=60)
@given(libraries, stacks)
def test_what_can_be_met_is_met_and_what_cannot_is_explained(library: Library, roots: Calls) -> None:
    placed = [required(*call, Place("main.iac.yaml", line, 5)) for line, call in enumerate(roots, 1)]
    if not all(can_be_met(library, *call) for call in roots):
        with pytest.raises(DiagnosticsError) as refused:
            resolve(placed, Catalogue(library))
        assert refused.value.diagnostics[0].range is not None
        assert refused.value.diagnostics[0].remedy
        return
    resolution = resolve(placed, Catalogue(library))
    for call in resolution.every_call():
        assert call.selected.version is not None
        assert call.requirement.package == call.selected.package
        assert call.requirement.constraint.accepts(call.selected.version)
        assert call.selected in resolution.modules
    reached = {selected for chain in map(resolution.chains, {s.package for s in resolution.modules}) for selected in
               (one[-1].selected for one in chain)}  # fmt: skip
    assert reached == set(resolution.modules)


@settings(max_examples=60)
@given(plain_libraries, stacks, st.integers(0, 1000))
def test_the_answer_does_not_depend_on_the_order_of_anything(library: Library, roots: Calls, seed: int) -> None:
    def outcome(roots: Sequence[tuple[str, str]], catalogue: Catalogue) -> object:
        try:
            return used(resolve([required(*call) for call in roots], catalogue))
        except DiagnosticsError as refused:
            return {one.summary for one in refused.diagnostics}

    shuffled = list(roots)
    random.Random(seed).shuffle(shuffled)
    assert outcome(roots, Catalogue(library)) == outcome(shuffled, Catalogue(library, seed=seed))


@settings(max_examples=60)
@given(plain_libraries, stacks, calls_of("d"))
def test_what_is_locked_stays_when_something_is_added_that_allows_it(
    library: Library, roots: Calls, newer: Calls
) -> None:
    try:
        before = used(resolve([required(*call) for call in roots], Catalogue(library)))
    except DiagnosticsError:
        return
    grown = {name: {**versions, 4: newer if name != "d" else ()} for name, versions in library.items()} | {"e": {1: ()}}
    locked: dict[Package, list[Version]] = {
        address(name): [version(major) for major in majors] for name, majors in before.items()
    }
    catalogue = Catalogue(grown)
    after = used(resolve([required(*call) for call in (*roots, ("e", ""))], catalogue, locked=locked))
    assert after == before | {"e": {1}}
    assert {one.name for one in catalogue.asked} == {"e"}, "what is locked needs no registry"


@settings(max_examples=60)
@given(plain_libraries, stacks, stacks)
def test_no_more_of_the_lock_changes_than_has_to(library: Library, roots: Calls, more: Calls) -> None:
    """Where an answer with one version of each keeps all that is locked, that is the answer."""
    try:
        before = used(resolve([required(*call) for call in roots], Catalogue(library)))
    except DiagnosticsError:
        return
    every = tuple(dict.fromkeys((*roots, *more)))
    keeping = [
        found
        for found in whole_assignments(library, every)
        if all(found[name] in majors for name, majors in before.items() if name in found)
    ]
    if not keeping or any(len(majors) > 1 for majors in before.values()):
        return
    locked: dict[Package, list[Version]] = {
        address(name): [version(major) for major in majors] for name, majors in before.items()
    }
    after = used(resolve([required(*call) for call in every], Catalogue(library), locked=locked))
    for name, majors in before.items():
        assert after.get(name, majors) == majors


# --- single cases -----------------------------------------------------------------------------------------------------


def test_a_yanked_version_is_chosen_only_where_it_is_locked() -> None:
    library: Library = {"a": {1: (), 2: ()}}
    assert used(resolve([required("a")], Catalogue(library, [("a", 2)]))) == {"a": {1}}
    locked: dict[Package, list[Version]] = {address("a"): [version(2)]}
    assert used(resolve([required("a")], Catalogue(library, [("a", 2)]), locked=locked)) == {"a": {2}}


def test_several_versions_can_be_refused() -> None:
    library: Library = {"a": {1: (("b", "~> 1.0"),)}, "b": {1: (), 2: ()}}
    roots = [required("a"), required("b", "~> 2.0")]
    assert used(resolve(roots, Catalogue(library)))["b"] == {1, 2}
    with pytest.raises(DiagnosticsError, match="do not agree"):
        resolve(roots, Catalogue(library), one_version=True)


def test_a_conflict_names_the_chain_its_places_and_what_would_do() -> None:
    library: Library = {
        "a": {1: (), 2: (("b", "~> 1.0"),), 3: (("b", "~> 1.0"),)},
        "b": {1: (("c", ">= 7.0"),)},
        "c": {1: (), 2: ()},
    }
    with pytest.raises(DiagnosticsError) as refused:
        resolve([required("a", ">= 2.0", Place("main.iac.yaml", 3, 5, "net"))], Catalogue(library))
    (found,) = refused.value.diagnostics
    assert (
        f"{found.summary}\n{found.detail}\nhelp: {found.remedy}"
        == """\
r.example.org/acme/a/mock cannot be resolved
- main.iac.yaml:3:5 (module net) requires r.example.org/acme/a/mock ">= 2.0"
- r.example.org/acme/a/mock 3.0.0 requires r.example.org/acme/b/mock "~> 1.0"
- r.example.org/acme/b/mock 1.0.0 requires r.example.org/acme/c/mock ">= 7.0"

No version of r.example.org/acme/c/mock meets ">= 7.0". There are 2.0.0, 1.0.0.
Other versions of r.example.org/acme/a/mock fail as well: 2.0.0 requires r.example.org/acme/b/mock "~> 1.0".
help: r.example.org/acme/a/mock 1.0.0 can be used: write "~> 1.0" at main.iac.yaml:3:5."""
    )


@pytest.mark.exhaustive
def test_a_registry_that_invents_ever_new_modules_is_stopped() -> None:
    class Endless(Catalogue):
        count = 0

        def known(self, address: ModuleAddress) -> Mapping[int, Calls]:
            return {1: ()}

        def dependencies(self, selected: Selected) -> Sequence[Requirement]:
            self.count += 1
            return [required(f"n{self.count}")]

    with pytest.raises(DiagnosticsError, match="in reasonable time"):
        resolve([required("a")], Endless({}))


def test_the_order_in_which_a_module_writes_its_calls_has_no_part_in_the_answer() -> None:
    """Where something has to be split, what is tried first would decide."""
    both = (("c", "~> 1.0"), ("d", "~> 1.0"))
    versions: dict[int, Calls] = {1: (), 2: (), 3: ()}

    def chosen(calls_of_a: Calls, calls_of_b: Calls) -> dict[str, set[int]]:
        library: Library = {
            "a": {3: calls_of_a},
            "b": {1: (("c", "~> 1.0"),), 2: calls_of_b, 3: ()},
            "c": versions,
            "d": versions,
        }
        return used(
            resolve([required("a", "3.0.0"), required("b", "< 3.0"), required("c", "~> 2.0")], Catalogue(library))
        )

    of_a = (("b", ""), ("d", "~> 2.0"))
    assert chosen(of_a, both) == chosen(of_a[::-1], both[::-1]) == chosen(of_a, both[::-1])
