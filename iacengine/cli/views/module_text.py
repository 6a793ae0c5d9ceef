"""Modules for people: what is locked, found, published; trees, reasons, and what a registry says of a module.

What a registry says was written by strangers: control characters of theirs are not shown.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from iacengine.cli.views.table_text import table_text
from iacengine.modules.conflict import chain_text
from iacengine.modules.inquiry import Branch, Outdated
from iacengine.modules.model import LockedModule
from iacengine.modules.package import ModulePackage
from iacengine.modules.resolution import Chain
from iacengine.modules.wire import Contents, ModuleDetail, ModuleVersions, SearchAnswer, SearchHit, VersionDetail

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SHOWN_VERSIONS = 10
_INDENT = "  "


def plain(text: str) -> str:
    """A text of somebody else, without what would move the cursor or reorder what is read."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)


def one_line(text: str) -> str:
    return plain(" ".join(text.split()))


def size_text(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1_000_000 else f"{size / 1000:.1f} kB"


def signers_text(signers: Sequence[str]) -> str:
    return f"signed by {', '.join(signers)}" if signers else "not signed"


def locked_text(module: LockedModule) -> str:
    """`registry.example.org/acme/network/aws 1.4.0 (signed by ed25519:…)`."""
    parts = [module.source, module.version or module.reference[:12]]
    return f"{' '.join(part for part in parts if part)} ({signers_text(module.signers)})"


# --- the stack's own --------------------------------------------------------------------------------------------------


def tree_text(branches: Sequence[Branch], root: str) -> str:
    """The tree of calls, as `tree` draws folders."""
    lines = [root]

    def add(branches: Sequence[Branch], indent: str) -> None:
        for number, branch in enumerate(branches, 1):
            is_last = number == len(branches)
            required, selected = branch.call.requirement, branch.call.selected
            place = required.place
            wanted = str(required.constraint).strip()
            notes = [
                f'wanted "{required.constraint.text.strip()}"' if wanted else "",
                "as above" if branch.is_repeated else "",
                str(place) if place is not None and not indent else "",
            ]
            told = ", ".join(note for note in notes if note)
            lines.append(f"{indent}{'└── ' if is_last else '├── '}{selected}{f' ({told})' if told else ''}")
            add(branch.below, indent + ("    " if is_last else "│   "))

    add(branches, "")
    return "".join(f"{line}\n" for line in lines)


def reasons_text(chains: Sequence[Chain]) -> str:
    """For each version of a package the chains of calls that lead to it."""
    lines: list[str] = []
    selected = dict.fromkeys(chain[-1].selected for chain in chains)
    for one in selected:
        lines.append(f"{one} is used, because")
        lines += [f"- {chain_text(chain)}" for chain in chains if chain[-1].selected == one]
    return "".join(f"{line}\n" for line in lines)


def outdated_text(found: Sequence[Outdated]) -> str:
    rows = [
        (
            one.source,
            one.version,
            one.wanted or "none",
            one.latest or "none",
            ", ".join(one.constraints) or "any",
            "" if one.yanked is None else f"yanked: {one_line(one.yanked)}" if one.yanked else "yanked",
        )
        for one in found
    ]
    return table_text(("module", "locked", "allowed", "newest", "constraint", ""), rows)


# --- what registries say ----------------------------------------------------------------------------------------------


def search_text(answer: SearchAnswer, query: str) -> str:
    if not answer.hits:
        return f'No module is found for "{query}".\n'
    lines: list[str] = []
    if answer.instead_of:
        lines += [f"Nothing has {', '.join(map(plain, answer.instead_of))}; similar words were looked for.", ""]
    for hit in answer.hits:
        lines += _hit(hit)
    shown = answer.offset + len(answer.hits)
    lines.append(f"{answer.offset + 1} to {shown} of {answer.total}")
    if shown < answer.total:
        lines[-1] += f"; --offset {shown} shows more"
    return "".join(f"{line}\n" for line in lines)


def _hit(hit: SearchHit) -> list[str]:
    told = [f"{hit.downloads:,} downloads", f"published {plain(hit.published[:10])}"]
    told += [f"tags: {', '.join(map(plain, hit.tags))}"] if hit.tags else []
    told += ["deprecated"] if hit.deprecated else []
    lines = [f"{plain(hit.address)} {plain(hit.version) or '(all versions are yanked)'}"]
    if hit.description:
        lines += textwrap.wrap(one_line(hit.description), 98, initial_indent=_INDENT, subsequent_indent=_INDENT)
    return [*lines, f"{_INDENT}{', '.join(told)}", ""]


def module_text(
    host: str, module: ModuleDetail, versions: ModuleVersions, detail: VersionDetail | None, *, readme: bool
) -> str:
    """A module as its registry describes it."""
    lines = [f"{host}/{plain(module.address)} {plain(detail.entry.version) if detail is not None else ''}".rstrip()]
    description = detail.description if detail is not None else module.description
    lines += textwrap.wrap(one_line(description), 100) if description else []
    if module.deprecation is not None:
        why = f": {one_line(module.deprecation.reason)}" if module.deprecation.reason else ""
        instead = f"; use {plain(module.deprecation.successor)}" if module.deprecation.successor else ""
        lines.append(f"Deprecated{why}{instead}")
    lines.append("")
    if detail is not None:
        lines += _version(detail)
    lines += _versions(versions)
    if detail is not None:
        lines += _usage(host, module, detail)
        lines += _contents(detail.contents)
        if readme and detail.contents.readme:
            lines += ["", *plain(detail.contents.readme).splitlines()]
    return "".join(f"{line}\n" for line in lines)


def _version(detail: VersionDetail) -> list[str]:
    entry = detail.entry
    lines = [
        f"Published   {plain(entry.published[:10])} by {plain(detail.publisher)}",
        f"Package     {plain(entry.package_digest)} ({size_text(entry.size)})",
        f"Files       {plain(entry.tree_digest)}",
        f"Signatures  {', '.join(map(plain, entry.signers)) or 'none'}",
    ]
    if detail.source_revision:
        lines.append(f"Revision    {plain(detail.source_revision)}")
    if entry.yanked:
        lines.append(f"Yanked      {one_line(entry.yank_reason) or 'no reason is given'}")
    if entry.dependencies:
        lines.append("Calls")
        lines += [f"  {plain(one.source)} {plain(one.constraint)}".rstrip() for one in entry.dependencies]
    return lines


def _versions(versions: ModuleVersions) -> list[str]:
    told = [f"{plain(one.version)}{' (yanked)' if one.yanked else ''}" for one in versions.versions]
    more = f" and {len(told) - _SHOWN_VERSIONS} older" if len(told) > _SHOWN_VERSIONS else ""
    return [f"Versions    {', '.join(told[:_SHOWN_VERSIONS]) or 'none'}{more}"]


def _usage(host: str, module: ModuleDetail, detail: VersionDetail) -> list[str]:
    name = plain(module.address).split("/")[1].replace("-", "_")
    lines = ["", "module:", f"  {name}:", f"    source: {host}/{plain(module.address)}"]
    lines.append(f"    version: {usage_constraint(plain(detail.entry.version))}")
    lines += [f"    {plain(one.name)}: …" for one in detail.contents.inputs if one.default is None]
    return lines


def usage_constraint(version: str) -> str:
    """What a call would write to get this version and compatible ones."""
    parts = version.split(".")
    is_plain = len(parts) == 3 and all(part.isdigit() for part in parts)
    return f"~> {parts[0]}.{parts[1]}" if is_plain else version


def _contents(contents: Contents) -> list[str]:
    if not contents.readable:
        return ["", "Its files are of Terraform's native syntax: inputs and outputs are not known here."]
    lines: list[str] = []
    inputs = [
        (
            plain(one.name),
            one_line(one.type),
            "required" if one.default is None else f"default {one_line(one.default)}"[:40],
            one_line(one.description),
        )
        for one in contents.inputs
    ]
    lines += _table("Inputs", inputs)
    lines += _table("Outputs", [(plain(one.name), one_line(one.description)) for one in contents.outputs])
    lines += _table("Resources", [(plain(one.address),) for one in contents.resources])
    lines += _table(
        "Providers", [(plain(one.name), plain(one.source), one_line(one.constraint)) for one in contents.providers]
    )
    return lines


def _table(title: str, rows: Sequence[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    body = table_text(("",) * len(rows[0]), rows).splitlines()[1:]
    return ["", title, *(f"{_INDENT}{line}" for line in body)]


# --- publishing -------------------------------------------------------------------------------------------------------


def package_text(package: ModulePackage) -> str:
    """What is in a package that is not published yet."""
    manifest = package.manifest
    lines = [f"{manifest.address} {manifest.version}: {len(package.files)} files, {size_text(package.size)}"]
    lines += [f"  {file.path}{' (executable)' if file.executable else ''}" for file in package.files]
    lines += [f"Package {package.digest}", f"Files   {package.tree_digest}"]
    if manifest.source_revision:
        lines.append(f"Revision {manifest.source_revision}")
    return "".join(f"{line}\n" for line in lines)


def lines_of(texts: Iterable[str], indent: str = _INDENT) -> str:
    return "".join(f"{indent}{text}\n" for text in texts)
