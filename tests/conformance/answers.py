"""What an engine prints for programs, step by step: recorded from a real Terraform, and compared with ours.

A case is `{"id", "steps"}`; its steps share one state. A step writes files and runs one operation:

| key | meaning |
| --- | --- |
| `config`, `modules`, `files`, `vars` | as in the scenarios: the root module, called modules, other files, variables |
| `run` | `plan` (the default: plan, show the plan, apply it), `apply`, `destroy`, `refresh`, or `validate` alone |
| `flags` | options of the operation |
| `tfstate` | a state in Terraform's format to begin with |
| `answers` | what Terraform printed: one entry for each of `DOCUMENTS` that the step has |

`python tests/conformance/answers.py FILE…` records the answers of the `terraform` on the path again. What is chance
or time (ids, lineages, times) is replaced by tokens, in both engines' answers alike.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

DOCUMENTS = ("validate", "plan_lines", "plan", "lines", "state", "output")
"""In the order they are printed in. `plan_lines` are the UI lines of planning, `lines` those of applying."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SECONDS = re.compile(r"after \d+s")
_BACKEND_FLAGS = ("-input=false",)


class Engine(Protocol):
    """Something that runs commands in a folder: `(exit code, standard output)`."""

    is_terraform: bool

    def __call__(self, folder: Path, *arguments: str) -> tuple[int, str]: ...


class Terraform:
    """The `terraform` on the path, with no configuration of its own."""

    is_terraform = True

    def __call__(self, folder: Path, *arguments: str) -> tuple[int, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
        env = clean | {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
        done = subprocess.run(
            ["terraform", *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode, done.stdout


def answers(engine: Engine, steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What an engine prints for each step of a case."""
    known: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before: dict[str, str] = {}
        for number, step in enumerate(steps):
            tree = files_of(step)
            for path in before.keys() - tree.keys():
                (folder / path).unlink()
            for path, text in tree.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text, encoding="utf-8")
            before = tree
            if "tfstate" in step:
                _begin_with(engine, folder, step["tfstate"])
            printed = _run(engine, folder, step)
            _learn_ids(printed.get("state", ""), known, number)
            yield {kind: _normal(kind, text, known) for kind, text in printed.items()}


def files_of(step: dict[str, Any]) -> dict[str, str]:
    """The files of a step by path."""
    tree = {"main.tf.json": json.dumps(step["config"], indent=1)}
    for folder, config in step.get("modules", {}).items():
        tree[f"{folder}/main.tf.json"] = json.dumps(config, indent=1)
    for path, text in step.get("files", {}).items():
        tree[path] = text if isinstance(text, str) else json.dumps(text)
    if step.get("vars"):
        tree["terraform.tfvars.json"] = json.dumps(step["vars"])
    return tree


def _begin_with(engine: Engine, folder: Path, state: dict[str, Any]) -> None:
    path = folder / "terraform.tfstate"
    path.write_text(json.dumps(state), encoding="utf-8")
    if not engine.is_terraform:
        code, out = engine(folder, "state", "push", "terraform.tfstate")
        assert code == 0, out
        path.unlink()


def _run(engine: Engine, folder: Path, step: dict[str, Any]) -> dict[str, str]:
    flags = step.get("flags", [])
    run = step.get("run", "plan")
    printed = {}
    if engine.is_terraform:
        engine(folder, "init", "-input=false")
    if run == "validate":
        return {"validate": engine(folder, "validate", "-json")[1]}
    pause = [] if engine.is_terraform else ["--on-failure=pause"]
    if run == "plan":
        code, printed["plan_lines"] = engine(folder, "plan", "-json", "-input=false", "-out=p", *pause, *flags)
        if code == 0:
            printed["plan"] = engine(folder, "show", "-json", "p")[1]
            printed["lines"] = engine(folder, "apply", "-json", "-input=false", "p")[1]
        (folder / "p").unlink(missing_ok=True)
    elif run == "refresh":
        printed["lines"] = engine(folder, "refresh", "-json", "-input=false", *flags)[1]
    else:
        printed["lines"] = engine(folder, run, "-json", "-input=false", "-auto-approve", *pause, *flags)[1]
    printed["state"] = engine(folder, "show", "-json")[1]
    printed["output"] = engine(folder, "output", "-json")[1]
    return printed


# --- taking chance and time out -------------------------------------------------------------------------------------


def _learn_ids(state: str, known: dict[str, str], number: int) -> None:
    """Name every new id after the object that has it, so that equal names mean the same object."""

    def walk(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield from module.get("resources", [])
        for child in module.get("child_modules", []):
            yield from walk(child)

    for resource in walk(json.loads(state or "{}").get("values", {}).get("root_module", {})):
        id_ = str(resource.get("values", {}).get("id"))
        if _UUID.fullmatch(id_):
            known.setdefault(id_, f"<id of {resource['address']} since step {number}>".replace('"', "'"))


def _normal(kind: str, text: str, known: dict[str, str]) -> Any:
    text = _UUID.sub(lambda found: known.get(found.group(), "<id>"), text)
    if kind.endswith("lines"):
        return [_line(_load(line)) for line in text.splitlines() if line.startswith("{")]
    return _plain(_load(text)) if text.strip() else None


def _load(text: str) -> Any:
    return json.loads(text, parse_int=str, parse_float=str)


def _line(line: dict[str, Any]) -> dict[str, Any]:
    line.pop("@timestamp", None)
    if "elapsed_seconds" in line.get("hook", {}):
        line["hook"]["elapsed_seconds"] = "0"
        line["@message"] = _SECONDS.sub("after 0s", line["@message"])
    if line["type"] == "version":
        line = {name: line[name] for name in ("@level", "@module", "terraform", "type", "ui")}
    if line["type"] == "diagnostic":
        line["@message"] = ""
    return _plain(line)


def _plain(value: Any) -> Any:
    """Without what is chance (keys of deposed objects, times) and what is our own (texts of diagnostics, and more)."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {name: _plain(item) for name, item in value.items() if name not in ("timestamp", "remedy", "iacengine")}
    for name in ("deposed", "deposed_key"):
        if isinstance(kept.get(name), str):
            kept[name] = "<deposed>"
    if "severity" in kept and "summary" in kept:
        kept["summary"] = kept["detail"] = ""
    if "relevant_attributes" in kept:  # in any order, and some twice
        once = {json.dumps(entry, sort_keys=True): entry for entry in kept["relevant_attributes"]}
        kept["relevant_attributes"] = [once[text] for text in sorted(once)]
    return kept


# --- comparing ------------------------------------------------------------------------------------------------------


def differences(theirs: Any, ours: Any, path: str = "") -> Iterator[str]:
    """The paths at which two answers differ: `plan.resource_changes[a.b].change.before`, with both values."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for name in [*theirs, *(name for name in ours if name not in theirs)]:
            inner = f"{path}.{name}" if path else name
            if name not in ours:
                yield f"{inner}: missing, is {_short(theirs[name])}"
            elif name not in theirs:
                yield f"{inner}: too much, is {_short(ours[name])}"
            else:
                yield from differences(theirs[name], ours[name], inner)
    elif isinstance(theirs, list) and isinstance(ours, list):
        yield from _list_differences(theirs, ours, path)
    elif theirs != ours:
        yield f"{path}: {_short(theirs)} but {_short(ours)}"


def _list_differences(theirs: list[Any], ours: list[Any], path: str) -> Iterator[str]:
    keys = [_keys(theirs), _keys(ours)]
    if None in keys or path.endswith("references"):
        if len(theirs) != len(ours) or not all(isinstance(item, dict | list) for item in [*theirs, *ours]):
            if theirs != ours:
                yield f"{path}: {_short(theirs)} but {_short(ours)}"
            return
        for number, pair in enumerate(zip(theirs, ours, strict=True)):
            yield from differences(*pair, f"{path}[{number}]")
        return
    left, right = (dict(zip(keys_, items, strict=True)) for keys_, items in zip(keys, (theirs, ours), strict=True))
    yield from differences(left, right, path)
    common = [key for key in keys[0] if key in right]
    if common != [key for key in keys[1] if key in left] and not path.endswith(("lines", "child_modules")):
        yield f"{path}: order {_short(keys[0])} but {_short(keys[1])}"


def _keys(items: list[Any]) -> list[str] | None:
    """What tells the items of a list from each other, when they have it."""
    found: dict[str, int] = {}
    keys = []
    for item in items:
        if not isinstance(item, dict):
            return None
        text = _key(item)
        if text is None:
            return None
        found[text] = found.get(text, 0) + 1
        keys.append(f"[{text}]" if found[text] == 1 else f"[{text}#{found[text]}]")
    return keys


def _key(item: dict[str, Any]) -> str | None:
    if "@level" in item:
        hook = item.get("hook") or item.get("change") or {}
        address = hook.get("resource", {}).get("addr", "")
        if item["type"] == "diagnostic":
            place = item["diagnostic"].get("range", {"start": {"line": "-"}})["start"]["line"]
            address = f"{item['diagnostic']['severity']} in line {place}"
        elif item["type"] == "planned_change":
            address += f" {hook['action']}"  # as below
        elif item["type"].startswith("refresh"):
            address += f" {hook.get('id_value')}"  # a deposed object has the address of the current one
        return f"{item['type']} {address}".strip()
    address = item.get("address")
    if isinstance(address, dict):
        address = address["to_display"]
    if isinstance(address, str) and "severity" not in item:
        return f"{address} deposed" if "deposed" in item or "deposed_key" in item else address
    if "resource" in item and "attribute" in item:
        return f"{item['resource']} {json.dumps(item['attribute'])}"
    return None


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else text[:300] + "…"


# --- recording ------------------------------------------------------------------------------------------------------


def dump(cases: list[dict[str, Any]]) -> str:
    """One case a line."""
    lines = (json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases)
    return "[\n" + ",\n".join(lines) + "\n]\n"


def record(path: Path, report: Callable[[str], object]) -> None:
    cases = json.loads(path.read_text(encoding="utf-8"))
    for case in cases:
        report(case["id"])
        for step, found in zip(case["steps"], answers(Terraform(), case["steps"]), strict=True):
            step["answers"] = found
    path.write_text(dump(cases), encoding="utf-8")


if __name__ == "__main__":
    for file in sys.argv[1:]:
        record(Path(file), print)
