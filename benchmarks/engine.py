"""The engine beside Terraform on the same files in the same run: `python benchmarks/engine.py [--quick] [--json FILE]`.

A stack is a layered graph of `terraform_data` in Terraform's JSON syntax, two references a resource. Byte code is
compiled first. Times are medians of processes from start to end; memory is the child's `ru_maxrss`. Without a
`terraform` on PATH the engine is measured alone.

Terraform's own apply takes long (43 s for 1,000, more than nine minutes for 3,000), so it runs for the sizes of
`--terraform-apply` only; for no-op plans of other sizes its state file is written as that apply would have left it.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

LAYERS = 10
IAC = [sys.executable, "-m", "iacengine.cli.main"]
ENVIRONMENT = os.environ | {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "NO_COLOR": "1"}


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians of some runs of one command: seconds of wall and processor time, and megabytes at the peak."""

    wall: float
    cpu: float
    memory: float
    runs: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """One row of the table: `measure` is "wall" or "memory".

    `limit` is the largest ratio to Terraform that meets the target; None: no target here.
    """

    what: str
    measure: str
    ours: Cost
    theirs: Cost | None
    limit: float | None

    def ratio(self, measure: str) -> float | None:
        return getattr(self.ours, measure) / getattr(self.theirs, measure) if self.theirs else None


# --- stacks ---------------------------------------------------------------------------------------------------------


def layered(count: int) -> dict[str, Any]:
    """A stack of `count` resources in layers, each of which refers to two of the layer before."""
    width = max(1, count // LAYERS)
    resources = {}
    for number in range(count):
        given: dict[str, Any] = {"name": f"node-{number}", "layer": number // width}
        if number >= width:
            first, second = _needed(number, width)
            given["parent"] = f"${{terraform_data.r{first}.output.name}}"
            given["label"] = f"below-${{terraform_data.r{second}.id}}"
        resources[f"r{number}"] = {"input": given}
    return {"resource": {"terraform_data": resources}}


def _needed(number: int, width: int) -> tuple[int, int]:
    above = (number // width - 1) * width
    return above + number % width, above + (number * 7 + 3) % width


def terraform_state(count: int) -> dict[str, Any]:
    """The state in which Terraform 1.11 leaves the stack, in its format version 4."""
    width = max(1, count // LAYERS)
    ids = [str(uuid.UUID(int=number)) for number in range(count)]
    resources = []
    behind: list[set[str]] = []  # Terraform stores all dependencies of an object, not just the direct ones
    for number in range(count):
        value: dict[str, Any] = {"layer": number // width, "name": f"node-{number}"}
        types: dict[str, Any] = {"layer": "number", "name": "string"}
        needed: set[str] = set()
        if number >= width:
            first, second = _needed(number, width)
            value |= {"parent": f"node-{first}", "label": f"below-{ids[second]}"}
            types |= {"parent": "string", "label": "string"}
            needed = {f"terraform_data.r{first}", f"terraform_data.r{second}"} | behind[first] | behind[second]
        behind.append(needed)
        typed = {"value": value, "type": ["object", types]}
        attributes = {"id": ids[number], "input": typed, "output": typed, "triggers_replace": None}
        instance = {
            "schema_version": 0,
            "attributes": attributes,
            "sensitive_attributes": [],
            "dependencies": sorted(needed),
        }
        resources.append(
            {
                "mode": "managed",
                "type": "terraform_data",
                "name": f"r{number}",
                "provider": 'provider["terraform.io/builtin/terraform"]',
                "instances": [instance],
            }
        )
    return {
        "version": 4,
        "terraform_version": "1.11.0",
        "serial": 1,
        "lineage": str(uuid.UUID(int=1)),
        "outputs": {},
        "resources": resources,
        "check_results": None,
    }


def write_stack(parent: Path, name: str, content: dict[str, Any]) -> Path:
    folder = parent / name
    folder.mkdir()
    (folder / "main.tf.json").write_text(json.dumps(content))
    return folder


# --- measuring ------------------------------------------------------------------------------------------------------


def measure(command: Sequence[str], folder: Path, runs: int = 1, *, before: Callable[[], None] | None = None) -> Cost:
    """Run a command `runs` times. `before` prepares each run, unmeasured."""
    return measure_in_turn([(command, folder)], runs, before=before)[0]


def measure_in_turn(
    commands: Sequence[tuple[Sequence[str], Path]], runs: int, *, before: Callable[[], None] | None = None
) -> list[Cost]:
    """Run several commands in turn, so that a machine that is busy for a while slows down all of them."""
    costs: list[list[tuple[float, float, float]]] = [[] for _ in commands]
    for _ in range(runs):
        for (command, folder), cost in zip(commands, costs, strict=True):
            if before is not None:
                before()
            cost.append(_once(command, folder))
    medians = [tuple(statistics.median(column) for column in zip(*cost, strict=True)) for cost in costs]
    return [Cost(wall, cpu, memory, runs) for wall, cpu, memory in medians]


def _once(command: Sequence[str], folder: Path) -> tuple[float, float, float]:
    with tempfile.TemporaryFile() as errors:
        start = perf_counter()
        child = subprocess.Popen(
            command, cwd=folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            errors.seek(0)
            raise SystemExit(f"{' '.join(command)} failed: {errors.read().decode(errors='replace')[-2000:]}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _terraform(binary: str, *arguments: str) -> list[str]:
    return [binary, arguments[0], "-input=false", "-no-color", *arguments[1:]]


# --- the benchmark --------------------------------------------------------------------------------------------------


class Benchmark:
    """Measures, says what it does, and collects the results."""

    def __init__(self, work: Path, terraform: str | None, runs: int) -> None:
        self.work = work
        self.terraform = terraform
        self.runs = runs
        self.comparisons: list[Comparison] = []
        self.growth: list[dict[str, Any]] = []
        self.python: Cost | None = None

    def startup(self, runs: int) -> None:
        """`version` and a plan of three, in turn with Terraform's."""
        say(f"start-up, {runs} runs")
        three = {"resource": {"terraform_data": {name: {"input": name} for name in "abc"}}}
        ours = write_stack(self.work, "three", three)
        commands = [([sys.executable, "-c", "pass"], ours), ([*IAC, "version"], ours), ([*IAC, "plan"], ours)]
        if self.terraform:
            theirs = self._terraform_stack("three-terraform", three)
            commands += [([self.terraform, "version"], theirs), (_terraform(self.terraform, "plan"), theirs)]
        costs = measure_in_turn(commands, runs)
        self.python = costs[0]
        version, plan = (costs[3], costs[4]) if self.terraform else (None, None)
        self.comparisons += [
            Comparison("version", "wall", costs[1], version, 2),
            Comparison("plan of 3", "wall", costs[2], plan, 6),
        ]

    def create(self, count: int, *, terraform_apply: bool) -> None:
        """Plan and apply of new resources."""
        say(f"plan and apply of {count:,} new resources")
        content = layered(count)
        ours = write_stack(self.work, f"new-{count}", content)
        commands = [([*IAC, "plan"], ours)]
        if self.terraform:
            theirs = self._terraform_stack(f"new-{count}-terraform", content)
            commands.append((_terraform(self.terraform, "plan"), theirs))
        costs = measure_in_turn(commands, self.runs)
        limits = (0.25, 0.04) if count == 1000 else (None, None)
        planned = costs[1] if self.terraform else None
        self.comparisons.append(Comparison(f"plan of {count:,} new", "wall", costs[0], planned, limits[0]))
        applied = self._apply(ours)
        slow = None
        if self.terraform and terraform_apply:
            say(f"terraform apply of {count:,}")
            slow = measure(_terraform(self.terraform, "apply", "-auto-approve"), theirs)
        self.comparisons.append(Comparison(f"apply of {count:,}", "wall", applied, slow, limits[1]))
        shutil.rmtree(ours)

    def repeat(self, count: int) -> None:
        """A plan that finds nothing to do, and its memory."""
        say(f"plan of {count:,} without changes")
        content = layered(count)
        ours = write_stack(self.work, f"same-{count}", content)
        self._apply(ours, runs=1)
        same = "--detailed-exitcode"  # a change would be an exit code of 2
        commands = [([*IAC, "plan", same], ours)]
        if self.terraform:
            theirs = self._terraform_stack(f"same-{count}-terraform", content)
            (theirs / "terraform.tfstate").write_text(json.dumps(terraform_state(count)))
            commands.append((_terraform(self.terraform, "plan", same), theirs))
        costs = measure_in_turn(commands, self.runs)
        found = costs[1] if self.terraform else None
        limits = (0.08, 0.3) if count == 3000 else (None, None)
        self.comparisons += [
            Comparison(f"no-op plan of {count:,}", "wall", costs[0], found, limits[0]),
            Comparison(f"peak memory at {count:,}", "memory", costs[0], found, limits[1]),
        ]
        shutil.rmtree(ours)

    def grow(self, counts: Sequence[int]) -> None:
        """What a resource costs as stacks grow."""
        for count in counts:
            say(f"growth: {count:,}")
            folder = write_stack(self.work, f"grow-{count}", layered(count))
            costs = {"plan": measure([*IAC, "plan"], folder, self.runs), "apply": self._apply(folder)}
            costs["no-op plan"] = measure([*IAC, "plan", "--detailed-exitcode"], folder, self.runs)
            self.growth.append({"resources": count} | {verb: asdict(cost) for verb, cost in costs.items()})
            shutil.rmtree(folder)

    def _apply(self, folder: Path, runs: int | None = None) -> Cost:
        def forget() -> None:
            for left in folder.iterdir():
                if left.name != "main.tf.json":
                    shutil.rmtree(left) if left.is_dir() else left.unlink()

        return measure([*IAC, "apply", "--auto-approve"], folder, runs or self.runs, before=forget)

    def _terraform_stack(self, name: str, content: dict[str, Any]) -> Path:
        folder = write_stack(self.work, name, content)
        assert self.terraform is not None
        subprocess.run(_terraform(self.terraform, "init"), cwd=folder, env=ENVIRONMENT, check=True, capture_output=True)
        return folder


# --- telling --------------------------------------------------------------------------------------------------------


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def report(benchmark: Benchmark, terraform: str | None) -> str:
    """The results in Markdown."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    beside = terraform or "no terraform on PATH: measured alone"
    lines = [f"{machine}; {beside}; byte code compiled; medians of {benchmark.runs} runs.", ""]
    lines += ["| | iac | terraform | ratio | target | ratio of CPU |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    if benchmark.python is not None:
        lines.append(f"| `python -c pass` | {benchmark.python.wall:.3f} s | | | | |")
    lines += [_row(comparison) for comparison in benchmark.comparisons]
    if benchmark.growth:
        lines += ["", "| resources | | wall | CPU | CPU a resource | against the smallest | peak |"]
        lines += ["| ---: | --- | ---: | ---: | ---: | ---: | ---: |"]
        for verb in ("plan", "apply", "no-op plan"):
            smallest = benchmark.growth[0]
            base = smallest[verb]["cpu"] / smallest["resources"]
            for row_ in benchmark.growth:
                cost, each = row_[verb], row_[verb]["cpu"] / row_["resources"]
                lines.append(
                    f"| {row_['resources']:,} | {verb} | {cost['wall']:.2f} s | {cost['cpu']:.2f} s "
                    f"| {each * 1000:.3f} ms | {each / base:.2f} | {cost['memory']:.0f} MB |"
                )
    return "\n".join(lines)


def _row(row: Comparison) -> str:
    ratio, cpu = row.ratio(row.measure), row.ratio("cpu")
    target = f"≤ {row.limit:g}" if row.limit is not None else ""
    if ratio is not None and row.limit is not None:
        target += " met" if ratio <= row.limit else " **missed**"
    theirs = _quantity(row.theirs, row.measure) if row.theirs is not None else "not run"
    shown = f"{ratio:.3f}" if ratio is not None else ""
    processor = f"{cpu:.3f}" if cpu is not None and row.measure == "wall" else ""
    return f"| {row.what} | {_quantity(row.ours, row.measure)} | {theirs} | {shown} | {target} | {processor} |"


def _quantity(cost: Cost, measure_: str) -> str:
    return f"{cost.memory:.0f} MB" if measure_ == "memory" else f"{cost.wall:.3f} s"


def compile_byte_code() -> None:
    """Compile what the engine loads, for environments that write no byte code themselves."""
    import click
    import networkx

    import iacengine

    for package in (iacengine, click, networkx):
        compileall.compile_dir(str(Path(str(package.__file__)).parent), quiet=1)


def terraform_version(binary: str) -> str:
    done = subprocess.run([binary, "version", "-json"], env=ENVIRONMENT, capture_output=True, check=True)
    return f"Terraform {json.loads(done.stdout)['terraform_version']}"


def _sizes(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def main() -> None:
    parser = argparse.ArgumentParser(description="The engine beside Terraform on the same files.")
    parser.add_argument("--quick", action="store_true", help="small sizes, one run each")
    parser.add_argument("--new", type=_sizes, default=[1000], help="sizes to plan and apply (1000)")
    parser.add_argument("--same", type=_sizes, default=[3000], help="sizes to plan without changes (3000)")
    parser.add_argument("--growth", type=_sizes, default=[1000, 3000, 10000], help="sizes of the growth table")
    parser.add_argument("--terraform-apply", type=_sizes, default=[1000], help="sizes Terraform applies too (1000)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each command (3)")
    parser.add_argument("--startup-runs", type=int, default=15, help="runs of version and of the plan of three (15)")
    parser.add_argument("--json", type=Path, help="also write the results here")
    options = parser.parse_args()
    if options.quick:
        options.new, options.same, options.growth, options.terraform_apply = [50], [100], [100, 300], [50]
        options.runs, options.startup_runs = 1, 3
    binary = shutil.which("terraform")
    version = terraform_version(binary) if binary else None
    say("compiling byte code")
    compile_byte_code()
    with tempfile.TemporaryDirectory() as work:
        benchmark = Benchmark(Path(work), binary, options.runs)
        benchmark.startup(options.startup_runs)
        for count in options.new:
            benchmark.create(count, terraform_apply=count in options.terraform_apply)
        for count in options.same:
            benchmark.repeat(count)
        benchmark.grow(options.growth)
    print(report(benchmark, version))
    if options.json:
        rows = [asdict(row) | {"ratio": row.ratio(row.measure)} for row in benchmark.comparisons]
        result = {"terraform": version, "byte_code_compiled": True, "comparisons": rows, "growth": benchmark.growth}
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
