"""What the journal costs: `python benchmarks/journal.py [--quick] [--json FILE]`.

An apply of 1,000 new mock resources, in layers that refer to each other, with its state and journal in four places:

| place | target |
| --- | --- |
| a tmpfs (`/dev/shm`), where a sync costs nothing | what the others are compared with |
| a file on disk (`--disk`, or where temporary files are) | at most 1.25 times as long |
| PostgreSQL, with fsync, on this machine | at most 2 times as long |
| S3 (moto's, on this machine) | requests linear in the operations, at most 3 an operation |

The stack folder, and with it the cloud, is in the same place each time. The places take turns, so that a machine that
is busy for a while slows down all of them. Byte code is compiled first. Times are medians of processes from start to
end; the ratio of each round is taken too, and its median told, which a change of the machine's load between rounds
leaves alone. Of PostgreSQL and S3 only what the client costs counts as its processor time. moto's S3 answers some 400
requests a second, so that its times say nothing about S3: what counts is their number.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from engine import IAC, Cost, compile_byte_code, measure, say, write_stack

from iacengine.testing.services import aws
from iacengine.testing.services.postgres import find_programs, postgres_server
from iacengine.testing.services.s3 import Request, S3Proxy

LAYERS = 10
MEMORY = Path("/dev/shm")
TARGETS = {"disk": 1.25, "postgres": 2.0}
REQUESTS = 3.0  # an operation

Backend = Callable[[], dict[str, Any]]
"""A new, empty place: the backend block that names it."""


# --- stacks ---------------------------------------------------------------------------------------------------------


def layered(count: int, latency: float, backend: dict[str, Any]) -> dict[str, Any]:
    """`count` objects of the mock cloud in layers, each of which refers to two of the layer before."""
    width = max(1, count // LAYERS)
    objects = {}
    for number in range(count):
        attributes: dict[str, Any] = {"layer": number // width}
        if number >= width:
            above = (number // width - 1) * width
            attributes["parent"] = f"${{mock_object.r{above + number % width}.id}}"
            attributes["label"] = f"below-${{mock_object.r{above + (number * 7 + 3) % width}.id}}"
        objects[f"r{number}"] = {"name": f"node-{number}", "attributes": attributes}
    return {
        "terraform": {"backend": backend},
        "provider": {"mock": {"latency": latency}},
        "resource": {"mock_object": objects},
    }


def apply(folder: Path, content: dict[str, Any], parallelism: int) -> Cost:
    """One apply of the stack to an empty cloud."""
    shutil.rmtree(folder, ignore_errors=True)
    write_stack(folder.parent, folder.name, content)
    return measure([*IAC, "apply", "--auto-approve", "--parallelism", str(parallelism)], folder)


# --- places ---------------------------------------------------------------------------------------------------------


@contextmanager
def local(parent: Path) -> Iterator[Backend]:
    folder = Path(tempfile.mkdtemp(prefix="iac-journal-", dir=parent))
    try:
        yield lambda: {"local": {"path": str(folder / uuid4().hex / "state.json")}}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres() -> Iterator[Backend]:
    with postgres_server(durable=True) as server:
        yield lambda: {"postgres": {"conn_str": server.url(), "stack": uuid4().hex}}


@contextmanager
def s3(work: Path) -> Iterator[tuple[Backend, list[Request]]]:
    """The place, and the requests that came in."""
    folder = work / "moto"
    sandbox, _ = aws.start(folder, aws.free_port())
    proxy = S3Proxy(sandbox.port)
    try:
        proxy.pass_on(Request("PUT", "/states", {}, b""))
        block = {
            "bucket": "states",
            "region": aws.REGION,
            "endpoints": {"s3": proxy.url},
            "access_key": "sandbox",
            "secret_key": "sandbox",
            "use_path_style": True,
        }
        yield lambda: {"s3": {**block, "key": f"{uuid4().hex}/state.json"}}, proxy.requests
    finally:
        proxy.close()
        aws.stop(folder)


# --- the benchmark --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """Applies in one place: medians, and the medians of each round's ratios to the apply on tmpfs."""

    place: str
    cost: Cost
    wall_ratio: float
    cpu_ratio: float
    least_ratio: float
    """Of the fastest applies of all rounds, the likeliest to have had the machine for themselves."""


@dataclass(frozen=True, slots=True)
class Count:
    """Requests of one apply on S3."""

    resources: int
    parallelism: int
    requests: int

    @property
    def each(self) -> float:
        return self.requests / self.resources


def compare(work: Path, places: dict[str, Backend], count: int, latency: float, rounds: int) -> list[Row]:
    """Applies in each place in turn. The first place is what the others are compared with."""
    costs: dict[str, list[Cost]] = {name: [] for name in places}
    for round_ in range(rounds + 1):
        say(f"latency {latency:g} s: round {round_} of {rounds}")
        for name, place in places.items():
            cost = apply(work / "stack", layered(count, latency, place()), 32)
            if round_:  # the first one warms up: caches, connections, tables
                costs[name].append(cost)
    base = costs[next(iter(places))]
    return [_row(name, found, base) for name, found in costs.items()]


def _row(name: str, found: Sequence[Cost], base: Sequence[Cost]) -> Row:
    def ratio(measure_: str) -> float:
        pairs = zip(found, base, strict=True)
        return statistics.median(getattr(cost, measure_) / getattr(beside, measure_) for cost, beside in pairs)

    medians = [statistics.median(getattr(cost, column) for cost in found) for column in ("wall", "cpu", "memory")]
    least = min(cost.wall for cost in found) / min(cost.wall for cost in base)
    return Row(name, Cost(*medians, len(found)), ratio("wall"), ratio("cpu"), least)


def count_requests(
    work: Path, place: Backend, requests: list[Request], counts: Sequence[int], parallelisms: Sequence[int]
) -> list[Count]:
    found = []
    for parallelism in parallelisms:
        for count in counts:
            say(f"S3: {count:,} resources, parallelism {parallelism}")
            requests.clear()
            apply(work / "stack", layered(count, 0.0, place()), parallelism)
            found.append(Count(count, parallelism, len(requests)))
    return found


# --- telling --------------------------------------------------------------------------------------------------------


def report(rows: dict[float, list[Row]], counts: Sequence[Count], count: int) -> str:
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    rounds = next(iter(rows.values()))[0].cost.runs
    lines = [f"{machine}; byte code compiled; medians of {rounds} applies of {count:,}; load {os.getloadavg()[0]:.1f}."]
    lines += [
        "",
        "| latency of the cloud | state and journal | wall | CPU | wall against tmpfs | target | fastest | CPU |",
    ]
    lines += ["| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for latency, found in rows.items():
        for row in found:
            limit = TARGETS.get(row.place)
            target = "" if limit is None else f"≤ {limit:g} {'met' if row.wall_ratio <= limit else '**missed**'}"
            lines.append(
                f"| {latency:g} s | {row.place} | {row.cost.wall:.2f} s | {row.cost.cpu:.2f} s | {row.wall_ratio:.2f} "
                f"| {target} | {row.least_ratio:.2f} | {row.cpu_ratio:.2f} |"
            )
    lines += ["", "| resources | parallelism | requests to S3 | an operation | target |"]
    lines += ["| ---: | ---: | ---: | ---: | ---: |"]
    for each in counts:
        verdict = f"≤ {REQUESTS:g} {'met' if each.each <= REQUESTS else '**missed**'}"
        lines.append(f"| {each.resources:,} | {each.parallelism} | {each.requests:,} | {each.each:.2f} | {verdict} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="What the journal costs, in each place.")
    parser.add_argument("--quick", action="store_true", help="small sizes, one round, to see that it runs")
    parser.add_argument("--count", type=int, default=1000, help="resources (1000)")
    parser.add_argument("--rounds", type=int, default=7, help="applies in each place (7)")
    parser.add_argument("--latency", type=float, nargs="*", default=[0.0, 0.02], help="of the cloud, in s (0 0.02)")
    parser.add_argument("--disk", type=Path, default=Path(tempfile.gettempdir()), help="a folder on disk")
    parser.add_argument("--json", type=Path, help="also write the results here")
    options = parser.parse_args()
    counts = [options.count // 4, options.count // 2, options.count]
    if options.quick:
        options.count, options.rounds, options.latency, counts = 50, 1, [0.0], [20, 50]
    say("compiling byte code")
    compile_byte_code()
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.disk)))
        places = {"tmpfs": stack.enter_context(local(MEMORY)), "disk": stack.enter_context(local(options.disk))}
        if find_programs() is not None:
            places["postgres"] = stack.enter_context(postgres())
        else:
            say("PostgreSQL is not installed: left out")
        rows = {each: compare(work, places, options.count, each, options.rounds) for each in options.latency}
        bucket, requests = stack.enter_context(s3(work))
        found = count_requests(work, bucket, requests, counts, (1, 32))
    print(report(rows, found, options.count))
    if options.json:
        told = {str(latency): [asdict(row) for row in each] for latency, each in rows.items()}
        options.json.write_text(
            json.dumps({"places": told, "requests": [asdict(each) for each in found]}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
