"""Modules for programs: what is locked, how it hangs together, what is newer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from iacengine.modules.inquiry import Branch, Outdated
from iacengine.modules.model import LockedModule
from iacengine.modules.package import ModulePackage
from iacengine.modules.requirement import Place, Requirement
from iacengine.modules.resolution import Chain


def locked_json(module: LockedModule) -> dict[str, Any]:
    return {
        "source": module.source,
        "version": module.version or None,
        "reference": module.reference or None,
        "digest": module.digest,
        "signers": list(module.signers),
        "time": module.time or None,
    }


def branch_json(branch: Branch) -> dict[str, Any]:
    """A call with what is below it; `calls` is absent where they stand elsewhere in the tree."""
    shown: dict[str, Any] = {
        **_required(branch.call.requirement),
        "version": str(branch.call.selected.version) if branch.call.selected.version is not None else None,
        "digest": branch.locked.digest if branch.locked is not None else None,
        "signers": list(branch.locked.signers) if branch.locked is not None else [],
    }
    if branch.is_repeated:
        return {**shown, "repeated": True}
    return {**shown, "calls": [branch_json(one) for one in branch.below]}


def chain_json(chain: Chain) -> list[dict[str, Any]]:
    """From the stack down: what each requires, where, and what it got."""
    return [
        {
            **_required(call.requirement),
            "version": str(call.selected.version) if call.selected.version is not None else None,
        }
        for call in chain
    ]


def outdated_json(found: Sequence[Outdated]) -> list[dict[str, Any]]:
    return [
        {
            "source": one.source,
            "version": one.version,
            "allowed": one.wanted or None,
            "newest": one.latest or None,
            "constraints": list(one.constraints),
            "yanked": one.yanked,
        }
        for one in found
    ]


def package_json(package: ModulePackage) -> dict[str, Any]:
    manifest = package.manifest
    return {
        "address": str(manifest.address),
        "version": manifest.version,
        "package_digest": package.digest,
        "tree_digest": package.tree_digest,
        "size": package.size,
        "source_revision": manifest.source_revision or None,
        "files": [
            {"path": file.path, "size": file.size, "sha256": file.digest, "executable": file.executable}
            for file in package.files
        ],
        "dependencies": [{"source": one.source, "constraint": one.constraint} for one in manifest.dependencies],
    }


def _required(requirement: Requirement) -> dict[str, Any]:
    return {
        "source": str(requirement.package),
        "constraint": requirement.constraint.text.strip() or None,
        "place": _place(requirement.place),
    }


def _place(place: Place | None) -> dict[str, Any] | None:
    if place is None:
        return None
    return {"file": place.path, "line": place.line, "column": place.column, "call": place.call or None}
