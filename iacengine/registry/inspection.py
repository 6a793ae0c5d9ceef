"""What is in a package that somebody wants to publish, told by a process of its own.

A package is made by whoever has a token, and is unpacked and parsed here; so that is done in a child process with
limits on memory, time, and files, which writes nothing and is ended when it takes too long. `inspect_package` starts
it; `python -m iacengine.registry.inspection PACKAGE` is it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import structlog

from iacengine.modules.wire import Contents, InputEntry, OutputEntry, ProviderEntry, ResourceEntry, from_data
from iacengine.registry.refusal import Refusal

SECONDS: Final = 30.0
"""How long looking into a package may take."""

_MEMORY = 2 << 30  # bytes of address space
_LARGEST_README = 512 << 10
_LARGEST_CONFIGURATION = 8 << 20  # bytes of all stack files together
_MOST_ENTRIES = 5000
_LONGEST_TEXT = 4096
_READMES = ("readme.md", "readme.markdown", "readme.rst", "readme.txt", "readme")

log = structlog.get_logger("iacengine.registry")


@dataclass(frozen=True, slots=True)
class Dependence:
    """A call of a module from elsewhere: source and constraint as written; `label` and `host` of a registry's."""

    source: str
    constraint: str = ""
    host: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a package is. `address` and `version` are those that its manifest says."""

    address: str
    version: str
    package_digest: str
    tree_digest: str
    size: int
    description: str
    tags: tuple[str, ...]
    source_revision: str
    contents: Contents
    dependencies: tuple[Dependence, ...]


def inspect_package(package: Path, seconds: float = SECONDS) -> Inspected:
    """Look into a package. Raises Refusal when it is none, or not a sound one."""
    command = [sys.executable, "-I", "-m", "iacengine.registry.inspection", str(package)]
    try:
        done = subprocess.run(  # noqa: S603 - program and arguments are ours
            command, capture_output=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL, cwd="/"
        )
    except subprocess.TimeoutExpired:
        raise _not_looked_into(f"It takes longer than {seconds:g} s.") from None
    try:
        told = orjson.loads(done.stdout)
    except orjson.JSONDecodeError:
        # What it raised, without its message, in which something of the package may stand.
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        log.warning("not inspected", exit=done.returncode, raised=last.partition(":")[0][:100])
        raise _not_looked_into("It takes more memory or time than is granted, or cannot be understood.") from None
    return judged(told)


def judged(told: Any) -> Inspected:
    """What the child found (`look_into`). Raises Refusal when that was nothing good."""
    if "inspected" in told:
        return from_data(Inspected, told["inspected"])
    raise Refusal(422, told["code"], told["title"], told["detail"], told["remedy"])


def _not_looked_into(detail: str) -> Refusal:
    return Refusal(
        422, "not_inspected", "The package cannot be looked into", detail, "Make it smaller and simpler, or split it."
    )


# --- in the child -----------------------------------------------------------------------------------------------------


def main(arguments: list[str]) -> None:
    """Print what the package holds, or what is wrong with it, as JSON."""
    _limit()
    sys.stdout.buffer.write(orjson.dumps(look_into(Path(arguments[0]))))


def look_into(package: Path) -> dict[str, Any]:
    """What the package holds, or what is wrong with it, as data."""
    from iacengine.foundation.diagnostics import DiagnosticsError  # lazy: the parent asks for none of it
    from iacengine.modules.package_error import PackageError

    try:
        told: dict[str, Any] = {"inspected": _inspected(package)}
    except PackageError as refused:
        told = _problem(refused, refused.code)
    except DiagnosticsError as refused:
        told = _problem(refused, "module_invalid")
    found: dict[str, Any] = _clean(told)
    return found


def _limit() -> None:
    import resource  # lazy: for the child alone

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (int(SECONDS), int(SECONDS)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _problem(refused: Any, code: str) -> dict[str, Any]:
    errors = [one for one in refused.diagnostics if one.severity.value == "error"] or list(refused.diagnostics)
    first = errors[0]
    lines = []
    for one in errors[:10]:
        place = "" if one.range is None else f"{one.range}: "
        lines.append(f"{place}{one.summary}: {one.detail}" if one is not first or place else one.detail)
    return {
        "code": code,
        "title": first.summary,
        "detail": " ".join(lines)[:_LONGEST_TEXT],
        "remedy": first.remedy or "",
    }


def _clean(value: Any) -> Any:
    """Texts as PostgreSQL and JSON can hold them."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode() if not value.isprintable() else value
    if isinstance(value, dict):
        return {_clean(key): _clean(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    if is_dataclass(value):
        return {one.name: _clean(getattr(value, one.name)) for one in fields(value)}
    return value


def _inspected(package: Path) -> dict[str, Any]:
    from iacengine.config.directory import SUFFIXES  # lazy: for the child alone
    from iacengine.modules.archive import inspect

    def wanted(file: Any) -> bool:
        name = file.path.rpartition("/")[2].lower()
        return name.endswith(SUFFIXES) or (file.path.lower() in _READMES and file.size <= _LARGEST_README)

    with package.open("rb") as source:
        found, texts = inspect(source, wanted=wanted)
    manifest = found.manifest
    names = [file.path for file in found.files]
    stack_files = {path: text for path, text in texts.items() if path.lower().endswith(SUFFIXES)}
    if sum(map(len, stack_files.values())) > _LARGEST_CONFIGURATION:
        from iacengine.foundation.diagnostics import failure  # lazy, as above

        raise failure(
            "Too large a configuration",
            f"The stack files have more than {_LARGEST_CONFIGURATION} bytes together.",
            remedy="Split the module.",
        )
    inside = _contents(stack_files, names)
    readme = next((path for name in _READMES for path in texts if path.lower() == name), None)
    inside["readme"] = "" if readme is None else texts[readme].decode("utf-8", "replace")
    return {
        "address": str(manifest.address),
        "version": manifest.version,
        "package_digest": found.digest,
        "tree_digest": found.tree_digest,
        "size": found.size,
        "description": manifest.description,
        "tags": list(manifest.tags),
        "source_revision": manifest.source_revision,
        "contents": inside,
        "dependencies": list(_dependencies(manifest.dependencies)),
    }


def _dependencies(given: Iterable[Any]) -> Iterator[dict[str, str]]:
    from iacengine.foundation.diagnostics import DiagnosticsError  # lazy: for the child alone
    from iacengine.modules.source import parse_source

    for one in given:
        entry = {"source": one.source, "constraint": one.constraint}
        try:
            address = parse_source(one.source).address
        except DiagnosticsError:
            address = None  # whoever installs it is told
        if address is not None:
            entry["host"] = address.host
            entry["label"] = f"{address.namespace}/{address.name}/{address.system}"
        yield entry


def _contents(stack_files: dict[str, bytes], names: list[str]) -> dict[str, Any]:
    folders = {path.rpartition("/")[0] for path in names if path.endswith((*_suffixes(), ".tf"))}
    submodules = sorted(folder for folder in folders if folder.startswith("modules/") and folder.count("/") == 1)
    found: dict[str, Any] = {"submodules": submodules, "files": len(names), "readable": False}
    at_root = [path for path in stack_files if "/" not in path]
    if not at_root or any(path.endswith(".tf") and "/" not in path for path in names):
        return found  # in Terraform's native syntax, wholly or in part
    from iacengine.config.directory import SnapshotFiles  # lazy: for the child alone
    from iacengine.config.loader import load

    elsewhere = _Elsewhere(stack_files)  # first: the snapshot is a copy
    with_local_modules = load(".", files=SnapshotFiles(stack_files), resolve_source=elsewhere)
    root = with_local_modules.root
    resources: list[ResourceEntry] = []
    providers: dict[str, ProviderEntry] = {}
    for module in root.walk():
        prefix = "".join(f"module.{name}." for name in module.path)
        resources += [
            ResourceEntry(prefix + str(address), address.type, address.mode.value)
            for address in sorted(module.resources, key=str)
        ]
        for name, needed in sorted(module.settings.required_providers.items()):
            providers.setdefault(name, ProviderEntry(name, needed.source, needed.version or ""))
    found["readable"] = True
    found["inputs"] = [_input(one) for _, one in sorted(root.variables.items())][:_MOST_ENTRIES]
    found["outputs"] = [
        OutputEntry(name, one.description[:_LONGEST_TEXT], one.sensitive) for name, one in sorted(root.outputs.items())
    ][:_MOST_ENTRIES]
    found["resources"] = resources[:_MOST_ENTRIES]
    found["providers"] = [one for _, one in sorted(providers.items())][:_MOST_ENTRIES]
    return found


def _suffixes() -> tuple[str, ...]:
    from iacengine.config.directory import SUFFIXES  # lazy: for the child alone

    return tuple(SUFFIXES)


def _input(variable: Any) -> InputEntry:
    from iacengine.lang.constraint_text import constraint_text  # lazy: for the child alone

    default = None
    if variable.has_default:
        default = "(sensitive)" if variable.sensitive else _json(variable.default)
    constraint = variable.constraint
    return InputEntry(
        variable.name,
        "any" if constraint is None else constraint_text(constraint)[:_LONGEST_TEXT],
        variable.description[:_LONGEST_TEXT],
        default,
        variable.sensitive,
    )


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()[:_LONGEST_TEXT]
    except TypeError:
        return "…"


class _Elsewhere:
    """Stands for every module from elsewhere: an empty one, since what is called is not part of this package."""

    def __init__(self, files: dict[str, bytes]) -> None:
        files[f"{_NOWHERE}/empty.iac.yaml"] = b"locals: {}\n"

    def __call__(self, call: Any, path: Any) -> str:
        return _NOWHERE


_NOWHERE = "\x00elsewhere"

if __name__ == "__main__":
    main(sys.argv[1:])
