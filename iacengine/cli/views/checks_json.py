"""The results of conditions, as `checks` of plan and state JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from iacengine.addresses import ModuleInstance, parse_target
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.model import CheckResult

_WORST_FIRST = ("error", "fail", "unknown", "pass")


def checks_json(results: Iterable[CheckResult]) -> list[dict[str, Any]]:
    """One entry for each checked block, with its instances in order of address."""
    blocks: dict[tuple[str, str], list[CheckResult]] = {}
    for result in results:
        blocks.setdefault((result.kind, result.config_address), []).append(result)
    entries = []
    for (kind, address), instances in sorted(blocks.items(), key=lambda entry: (entry[0][1], entry[0][0])):
        status = next((text for text in _WORST_FIRST if any(one.status == text for one in instances)), "unknown")
        entries.append(
            {
                "address": _block_address(kind, address),
                "status": status,
                "instances": [_instance(one) for one in sorted(instances, key=lambda one: one.address)],
            }
        )
    return entries


def _instance(result: CheckResult) -> dict[str, Any]:
    entry: dict[str, Any] = {"address": {"to_display": result.address}, "status": result.status}
    if result.kind == "resource":
        entry["address"].update(_keys(result.address))
    if result.problems:
        entry["problems"] = [{"message": problem} for problem in result.problems]
    return entry


def _keys(address: str) -> dict[str, Any]:
    try:
        target = parse_target(address)
    except DiagnosticsError:
        return {}
    keys: dict[str, Any] = {"instance_key": target.key} if target.key is not None else {}
    if target.module.steps:
        keys["module"] = str(target.module)
    return keys


def _block_address(kind: str, address: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": kind}
    if kind == "resource":
        try:
            target = parse_target(address)
        except DiagnosticsError:
            return {**entry, "to_display": address}
        assert target.resource is not None
        entry.update(mode=target.resource.mode.value, type=target.resource.type, name=target.resource.name)
        if target.module != ModuleInstance():
            entry["module"] = str(target.module)
    else:
        module, _, name = address.rpartition(".")
        entry["name"] = name
        module = module.removesuffix(".output").removesuffix(".check").removesuffix(".var")
        if module.startswith("module."):
            entry["module"] = module
    return {**entry, "to_display": address}
