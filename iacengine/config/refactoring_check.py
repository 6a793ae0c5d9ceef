"""`moved`, `removed` and `import` blocks against what is declared, as far as no instance has to be known."""

from __future__ import annotations

import re

from iacengine.addresses import Target, module_path_text, parse_target
from iacengine.config.call_check import check_provider
from iacengine.config.declared import close_name
from iacengine.config.model import Module, Moved
from iacengine.config.source import mistake, place_text
from iacengine.foundation.diagnostics import Findings

_INDEX = re.compile(r"\[[^\]\[]*\]")


def check_refactoring(module: Module, findings: Findings) -> None:
    """All such blocks of a module."""
    _moves(module, findings)
    for removed in module.removed:
        place = _still_there(module, removed.source)
        if place is not None:
            findings.add(
                mistake(
                    removed.origin,
                    "Removed object still declared",
                    f"{removed.source} is removed here, and declared at {place}.",
                    path=("from",),
                    remedy="Remove one of the two blocks.",
                )
            )
    for block in module.imports:
        if module.path:
            findings.add(
                mistake(
                    block.origin,
                    "Import in a called module",
                    "Only the root module imports objects: a module may be called many times, an object exists once.",
                    path=("to",),
                    remedy=f"Move the block to the root module, with to: {module_path_text(module.path)}.{block.to}.",
                )
            )
            continue
        if block.provider is not None:
            check_provider(block.provider, module, block.origin, ("provider",), findings)
        target = parse_target(_INDEX.sub("", block.to))
        inner = _descend(module, target)
        if target.resource is None or (inner is not None and target.resource in inner.resources):
            continue
        same = [str(address) for address in inner.resources] if inner is not None else []
        near = close_name(str(target.resource), same)
        findings.add(
            mistake(
                block.origin,
                "Import of an undeclared resource",
                f"No resource block declares {block.to}, so there is nothing to import into.",
                path=("to",),
                remedy=f"Did you mean {near}?"
                if near
                else f"Declare it under resource: {target.resource.type}: {target.resource.name}.",
            )
        )


def _moves(module: Module, findings: Findings) -> None:
    sources: dict[str, Moved] = {}
    destinations: dict[str, Moved] = {}
    for move in module.moved:
        source, destination = str(move.source), str(move.destination)
        if source == destination:
            findings.add(
                mistake(
                    move.origin,
                    "A move to itself",
                    f"{source} moves nowhere.",
                    path=("to",),
                    remedy="Remove the block.",
                )
            )
            continue
        for key, seen, verb in ((source, sources, "from"), (destination, destinations, "to")):
            first = seen.setdefault(key, move)
            if first is not move and (str(first.source), str(first.destination)) != (source, destination):
                findings.add(
                    mistake(
                        move.origin,
                        "Ambiguous move",
                        f"{place_text(first.origin)} says that {first.source} moved to {first.destination}, and this "
                        f"block that {source} moved to {destination}.",
                        path=(verb,),
                        remedy="One object moves to one place: remove one of the two blocks.",
                    )
                )
        place = _moved_still_there(module, move.source)
        if place is not None:
            findings.add(
                mistake(
                    move.origin,
                    "Moved object still declared",
                    f"{source} has moved, by this block, but is declared at {place}.",
                    path=("from",),
                    remedy="Rename the block there, or remove this one.",
                )
            )


def _descend(module: Module, target: Target) -> Module | None:
    inner: Module | None = module
    for name, _ in target.module.steps:
        inner = inner.children.get(name) if inner is not None else None
    return inner


def _still_there(module: Module, target: Target) -> str | None:
    """Where what a target names, without keys, is declared."""
    if target.resource is None:
        holder = _descend(module, Target(target.module.parent, None, None, False))
        call = holder.calls.get(target.module.steps[-1][0]) if holder is not None else None
        return place_text(call.origin) if call is not None else None
    inner = _descend(module, target)
    block = inner.resources.get(target.resource) if inner is not None else None
    return place_text(block.origin) if block is not None else None


def _moved_still_there(module: Module, target: Target) -> str | None:
    """Only what surely has an object: a single block under its own name. Keys are looked at when they are known."""
    if target.keyed or any(key is not None for _, key in target.module.steps):
        return None
    inner = _descend(module, target)
    if target.resource is None or inner is None:
        return None
    block = inner.resources.get(target.resource)
    return place_text(block.origin) if block is not None and block.repetition.is_single else None
