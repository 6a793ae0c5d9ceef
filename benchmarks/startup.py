"""What the start of each verb costs: `python benchmarks/startup.py [--runs N] [--json FILE] [--modules VERB]`.

Two measures of one stack of three resources: processor time of whole processes, medians, byte code compiled; and
the modules each verb imports, by package, with the smallest time that `-X importtime` showed for them in some runs
(which is more than they take unobserved, so compare shares rather than sums).
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import click
import networkx

import iacengine

IAC = ["-m", "iacengine.cli.main"]
STACK = {"resource": {"terraform_data": {name: {"input": name} for name in "abc"}}}
COMMANDS: dict[str, list[str]] = {
    "python -c pass": ["-c", "pass"],
    "python -c import click": ["-c", "import click"],
    "python -c import networkx": ["-c", "import networkx"],
    "version": [*IAC, "version"],
    "--help": [*IAC, "--help"],
    "plan --help": [*IAC, "plan", "--help"],
    "validate": [*IAC, "validate"],
    "plan": [*IAC, "plan"],
    "apply": [*IAC, "apply", "--auto-approve"],
    "plan again": [*IAC, "plan"],
    "output": [*IAC, "output", "--json"],
    "state list": [*IAC, "state", "list"],
}
PACKAGES_SHOWN = 8


def processor_time(arguments: list[str], folder: str) -> float:
    """Processor seconds of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def import_times(arguments: list[str], folder: str, runs: int) -> dict[str, int]:
    """Each imported module with the microseconds of its own code, the smallest of all runs."""
    best: dict[str, int] = {}
    for _ in range(runs):
        command = [sys.executable, "-X", "importtime", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        for line in done.stderr.splitlines():
            if not line.startswith("import time:") or "imported package" in line:
                continue
            own, _, name = line.removeprefix("import time:").split("|")
            best[name.strip()] = min(best.get(name.strip(), sys.maxsize), int(own))
    return best


def by_package(times: dict[str, int]) -> Counter[str]:
    packages: Counter[str] = Counter()
    for name, time in times.items():
        parts = name.split(".")
        packages[".".join(parts[:2]) if parts[0] == "iacengine" else parts[0]] += time
    return packages


def main() -> None:
    parser = argparse.ArgumentParser(description="What the start of each verb costs.")
    parser.add_argument("--runs", type=int, default=15, help="processes of each command (15)")
    parser.add_argument("--json", type=Path, help="also write the results here")
    parser.add_argument("--modules", choices=[*COMMANDS], help="instead list the modules of one command")
    options = parser.parse_args()
    for package in (iacengine, click, networkx):
        compileall.compile_dir(os.path.dirname(str(package.__file__)), quiet=1)  # noqa: PTH120 - text in, text out
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "main.tf.json").write_text(json.dumps(STACK))
        if options.modules:
            times = import_times(COMMANDS[options.modules], folder, options.runs)
            for name, time in sorted(times.items(), key=lambda item: -item[1]):
                print(f"{time:8} {name}")
            return
        results = {}
        print(f"Byte code compiled; medians of {options.runs} processes.\n")
        print("| command | CPU | modules | heaviest packages (ms of imports) |")
        print("| --- | ---: | ---: | --- |")
        for name, arguments in COMMANDS.items():
            cpu = statistics.median(processor_time(arguments, folder) for _ in range(options.runs))
            times = import_times(arguments, folder, max(1, options.runs // 3))
            packages = by_package(times)
            heaviest = ", ".join(
                f"{package} {time / 1000:.0f}" for package, time in packages.most_common(PACKAGES_SHOWN)
            )
            print(f"| `{name}` | {cpu * 1000:.0f} ms | {len(times)} | {heaviest} |", flush=True)
            results[name] = {"cpu": cpu, "modules": len(times), "packages": dict(packages)}
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
