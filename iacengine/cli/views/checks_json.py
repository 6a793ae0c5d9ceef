"""The results of conditions, as `checks` of plan and state JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from iacengine.addresses import parse_target
from iacengine.state.model import CheckResult

_WORST_FIRST = ("error", "fail", "unknown", "pass")
_WORD: Final = {"check": "check", "output_value": "output", "var": "var"}


def checks_json(results: Iterable[CheckResult]) -> list[dict[str, Any]]:
    """One entry for each checked block, with its instances in order of address."""
    blocks: dict[tuple[str, str], list[CheckResult]] = {}
    for result in results:
        blocks.setdefault((result.config_address, result.kind), []).append(result)
    entries = []
    for (address, kind), instances in sorted(blocks.items()):
        status = next((text for text in _WORST_FIRST if any(one.status == text for one in instances)), "unknown")
        entry: dict[str, Any] = {"address": _block_address(kind, address), "status": status}
        entry["instances"] = [_instance(one) for one in sorted(instances, key=lambda one: one.address)]
        entries.append(entry)
    return entries


def _block_address(kind: str, address: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": kind, "to_display": address}
    if kind == "resource":
        target = parse_target(address)
        assert target.resource is not None
        entry.update(mode=target.resource.mode.value, type=target.resource.type, name=target.resource.name)
        module = str(target.module)
    else:
        module, entry["name"] = _module_and_name(kind, address)
    return entry | ({"module": module} if module else {})


def _instance(result: CheckResult) -> dict[str, Any]:
    address: dict[str, Any] = {"to_display": result.address}
    if result.kind == "resource":
        target = parse_target(result.address)
        module = str(target.module)
        if target.key is not None:
            address["instance_key"] = target.key
    else:
        module, _ = _module_and_name(result.kind, result.address)
    if module:
        address["module"] = module
    entry: dict[str, Any] = {"address": address, "status": result.status}
    if result.problems:
        entry["problems"] = [{"message": problem} for problem in result.problems]
    return entry


def _module_and_name(kind: str, address: str) -> tuple[str, str]:
    """`module.m["a"].check.c` → `module.m["a"]`, `c`."""
    word = _WORD.get(kind, kind)
    before, _, name = address.rpartition(f"{word}.")
    return before.removesuffix("."), name
