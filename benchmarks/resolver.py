"""How long it takes to choose versions: `python benchmarks/resolver.py`.

Processor time, so that a busy machine changes little. Every tree is made anew from a seed; its catalogue answers from
memory, so that what is measured is the resolver.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from iacengine.modules.model import ModuleAddress
from iacengine.modules.requirement import Package, Requirement, Selected, VersionInfo, requirement
from iacengine.modules.resolver import resolve
from iacengine.modules.version import Version, version_or_none

SEED = 20


class Memory:
    """A catalogue that knows everything; `asked` counts the versions whose dependencies were wanted."""

    def __init__(self) -> None:
        self.known: dict[Package, dict[Version, tuple[Requirement, ...]]] = {}
        self.asked = 0

    def add(self, name: str, version: Version, *dependencies: tuple[str, str]) -> None:
        required = tuple(requirement(f"acme/{name}/aws", constraint) for name, constraint in dependencies)
        self.known.setdefault(ModuleAddress("", "acme", name, "aws"), {})[version] = required

    def versions(self, address: ModuleAddress) -> Sequence[VersionInfo]:
        return [VersionInfo(version) for version in self.known.get(address, {})]

    def dependencies(self, selected: Selected) -> Sequence[Requirement]:
        self.asked += 1
        assert selected.version is not None
        return self.known[selected.package][selected.version]

    def announce(self, addresses: Sequence[ModuleAddress], selections: Sequence[Selected]) -> None:
        pass


def layered(modules: int, versions: int, fan_out: int, constraint: Callable[[random.Random], str]) -> Memory:
    """Modules in ten layers, each calling some of the layer below."""
    chance = random.Random(SEED)
    memory = Memory()
    layer = modules // 10
    for index in range(modules):
        below = range((index // layer + 1) * layer, min((index // layer + 2) * layer, modules))
        called = chance.sample(below, min(fan_out, len(below)))
        for number in range(versions):
            version = Version(1 + number // 10, number % 10, 0)
            memory.add(f"m{index}", version, *((f"m{other}", constraint(chance)) for other in called))
    return memory


def conflicting(packages: int) -> Memory:
    """Every package is wanted by two callers, in all of their versions, in versions that exclude each other."""
    memory = Memory()
    for index in range(packages):
        for number in range(50):
            memory.add(f"a{index}", Version(1, number, 0), (f"shared{index}", "~> 1.0"))
            memory.add(f"b{index}", Version(1, number, 0), (f"shared{index}", "~> 2.0"))
            memory.add(f"shared{index}", Version(1 + number // 25, number % 25, 0))
    return memory


def stubborn(depth: int) -> Memory:
    """A chain of callers, each in fifty versions, that lead to a conflict whichever is taken."""
    memory = Memory()
    for level in range(depth):
        for number in range(50):
            below = (f"c{level + 1}", f">= 1.{number % 7}") if level + 1 < depth else ("end", f">= 2.{number % 5}")
            memory.add(f"c{level}", Version(1, number, 0), below)
    for number in range(50):
        memory.add("end", Version(1 + number // 25, number % 25, 0))
    return memory


def measure(title: str, memory: Memory, roots: Sequence[Requirement]) -> None:
    best, packages, versions = float("inf"), 0, 0
    for _ in range(3):
        memory.asked = 0
        start = time.process_time()
        resolution = resolve(roots, memory)
        best = min(best, time.process_time() - start)
        packages = len({selected.package for selected in resolution.modules})
        versions = len(resolution.modules)
    print(
        f"{title:58} {best * 1000:8.0f} ms  {packages:5} packages {versions:5} versions  {memory.asked:6} looked into"
    )


def main() -> None:
    texts = [f"{number % 50}.{number % 7}.{number}{'-rc.1' if number % 10 == 0 else ''}" for number in range(15_000)]
    start = time.process_time()
    for text in texts:
        version_or_none(text)
    print(f"15,000 versions parsed: {(time.process_time() - start) * 1000:.0f} ms")

    def called(count: int, prefix: str = "m", constraint: str = "") -> list[Requirement]:
        return [requirement(f"acme/{prefix}{index}/aws", constraint) for index in range(count)]

    loose = layered(300, 50, 4, lambda chance: f">= 1.{chance.randrange(10)}")
    measure("300 modules x 50 versions, minimums", loose, called(30))
    measure("300 modules x 50 versions, all called by the stack", loose, called(300))
    mixed = layered(300, 50, 4, lambda chance: f"~> {chance.choice('345')}.{chance.randrange(3)}")
    measure("300 modules x 50 versions, ~> of three majors", mixed, called(30))
    exact = layered(300, 50, 4, lambda chance: f"{chance.randrange(1, 6)}.{chance.randrange(10)}.0")
    measure("300 modules x 50 versions, exact", exact, called(30))
    measure("3,000 modules x 10 versions, minimums", layered(3_000, 10, 4, lambda chance: ">= 1.0"), called(300))
    for packages in (1, 10, 100):
        wanted = [*called(packages, "a"), *called(packages, "b")]
        measure(f"{packages} packages that need two versions", conflicting(packages), wanted)
    for depth in (3, 10, 50):
        wanted = [requirement("acme/end/aws", "~> 1.0"), requirement("acme/c0/aws")]
        measure(f"a conflict below {depth} levels of 50 versions each", stubborn(depth), wanted)


if __name__ == "__main__":
    main()
