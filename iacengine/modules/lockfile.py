"""`iac.lock.yaml`: what a stack is made of, pinned by digest, and kept in version control beside it.

    version: 1

    modules:
      - source: registry.example.org/acme/network/aws
        version: 1.4.0
        digest: sha256:…
        signers:
          - ed25519:…
        time: "2026-01-02T03:04:05Z"
        dependencies:
          - source: acme/subnet/aws
            constraint: ~> 1.2
      - source: git::https://example.org/modules.git?ref=v2
        reference: 3f2c…
        digest: sha256:…
        time: …

    providers:
      registry.terraform.io/hashicorp/aws:
        version: 0.1.0
        digest: sha256:…

One entry for each version of a module, however often it is called and whoever calls it. `digest` is that of the files
(`iacengine.modules.package`), and every load verifies it. `reference` is the commit of a git source. `dependencies` are
the calls of modules from elsewhere, as written in the module. `signers` are the keys whose signatures were accepted.

Entries are sorted and every value has its own line, so that a difference reads as what changed. The same lock is the
same bytes. What is not known is refused: it may be something that a newer version would have to verify.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from iacengine.config.directory import stack_name
from iacengine.config.model import KeyPath, Origin
from iacengine.config.source import mistake, parse, source_file
from iacengine.config.yaml_document import Block, yaml_document
from iacengine.foundation.atomic import read_regular_file, write_atomically
from iacengine.foundation.diagnostics import Findings, failure, near_match
from iacengine.foundation.disk import disk_failure
from iacengine.modules.install_error import InstallError, InstallFault
from iacengine.modules.model import Dependency, LockedModule

LOCK_NAME: Final = "iac.lock.yaml"
FORMAT: Final = 1
_COMMENT: Final = (
    "What this stack is made of. Written by `iac init`; keep it in version control, and do not edit it.\n"
    "`iac module update` takes newer versions."
)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_CONFLICT: Final = re.compile(rb"^(<<<<<<< |=======$|>>>>>>> )", re.MULTILINE)
_LARGEST: Final = 64 << 20  # bytes


@dataclass(frozen=True, slots=True)
class LockedProvider:
    """An installed provider: its version, and the digest of its files."""

    source: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Lock:
    """All that is locked; modules sorted by source and version, providers by source."""

    modules: tuple[LockedModule, ...] = ()
    providers: tuple[LockedProvider, ...] = ()
    path: str = field(default=LOCK_NAME, compare=False)

    @property
    def is_empty(self) -> bool:
        return not self.modules and not self.providers


def lock_path(stack: str) -> str:
    """Where the lock of a stack is: `iac.lock.yaml` in its directory, `NAME.lock.yaml` beside the file of its name."""
    if name := stack_name(stack):
        return os.path.join(os.path.dirname(stack), f"{name}.lock.yaml")  # noqa: PTH118, PTH120 - text
    return os.path.join(stack, LOCK_NAME) if stack not in ("", ".") else LOCK_NAME  # noqa: PTH118 - text


def sorted_lock(modules: Iterable[LockedModule], providers: Iterable[LockedProvider], path: str) -> Lock:
    """A lock of these, each once, in order."""
    found = {(one.source, one.version, one.reference): one for one in modules}
    return Lock(
        tuple(found[key] for key in sorted(found)), tuple(sorted(set(providers), key=lambda one: one.source)), path
    )


def read_lock(stack: str) -> Lock:
    """The lock of the stack at a path; an empty one when there is none.

    Raises DiagnosticsError with the place of everything that is wrong in it.
    """
    path = lock_path(stack)
    try:
        text = read_regular_file(path)
    except OSError as problem:
        raise disk_failure(problem, "read the lock file", path) from None
    return Lock(path=path) if text is None else parse_lock(text, path)


def parse_lock(text: bytes, path: str = LOCK_NAME) -> Lock:
    """The lock that the text is. Raises DiagnosticsError."""
    if len(text) > _LARGEST:
        raise failure("Lock file too large", f"{path} has {len(text)} bytes.", remedy="Remove it, and run `iac init`.")
    if (conflict := _CONFLICT.search(text)) is not None:
        line = text[: conflict.start()].count(b"\n") + 1
        raise failure(
            "Conflict in the lock file",
            f"{path}:{line}: there are conflict markers in it, as a merge leaves them.",
            remedy="Take either side (`git checkout --ours iac.lock.yaml`), then run `iac init`, which adds the rest.",
        )
    file = source_file(path, text)
    findings = Findings()
    lock = _Reader(Origin(file), findings).lock(parse(file))
    findings.raise_errors()
    return lock


def write_lock(lock: Lock) -> bool:
    """Write the lock, unless the file holds it already; whether it was written. Raises DiagnosticsError."""
    text = lock_text(lock)
    try:
        if read_regular_file(lock.path) == text:
            return False
        write_atomically(lock.path, text)
        os.chmod(lock.path, 0o644)  # noqa: PTH101 - it holds no secrets, and others check it out
    except OSError as problem:
        raise disk_failure(problem, "write the lock file", lock.path, "The old one is as it was.") from None
    return True


def lock_text(lock: Lock) -> bytes:
    """The file's bytes."""
    document: dict[str, Any] = {"//": _COMMENT, "version": FORMAT}
    if lock.modules:
        document["modules"] = [_module(one) for one in lock.modules]
    if lock.providers:
        document["providers"] = {one.source: {"version": one.version, "digest": one.digest} for one in lock.providers}
    return yaml_document(Block(document, is_spaced=True)).encode()


def _module(module: LockedModule) -> dict[str, Any]:
    entry: dict[str, Any] = {"source": module.source}
    for name in ("version", "reference", "digest"):
        if value := getattr(module, name):
            entry[name] = value
    if module.signers:
        entry["signers"] = list(module.signers)
    if module.time:
        entry["time"] = module.time
    if module.dependencies:
        entry["dependencies"] = [
            {"source": one.source, **({"constraint": one.constraint} if one.constraint else {})}
            for one in module.dependencies
        ]
    return entry


# --- reading ----------------------------------------------------------------------------------------------------------


class _Reader:
    """One reading: collects what is wrong, with its place."""

    def __init__(self, origin: Origin, findings: Findings) -> None:
        self._origin, self._findings = origin, findings

    def lock(self, data: Any) -> Lock:
        path = self._origin.file.path
        if data is None:
            return Lock(path=path)
        top = self._object(data, (), ("version", "modules", "providers"))
        if top.get("version") != FORMAT:
            newer = isinstance(top.get("version"), int) and top["version"] > FORMAT
            self._wrong(
                ("version",) if "version" in top else (),
                f'"version" of this file has to be {FORMAT}, which this version of iacengine reads and writes.',
                "Upgrade iacengine." if newer else "Remove the file, and run `iac init`.",
            )
            return Lock(path=path)
        modules = self._items(top.get("modules", []), ("modules",))
        read = [found for at, one in modules if (found := self._module(one, at)) is not None]
        keys: set[tuple[str, str, str]] = set()
        for (at, _), module in zip(modules, read, strict=False):
            key = (module.source, module.version, module.reference)
            if key in keys:
                self._wrong(at, f"{module.source} {module.version} is locked twice.")
            keys.add(key)
        providers: list[LockedProvider] = []
        for source, entry in self._object(top.get("providers", {}), ("providers",)).items():
            at = ("providers", source)
            fields = self._object(entry, at, ("version", "digest"))
            version, digest = self._text(fields, "version", at), self._text(fields, "digest", at)
            if version is not None and digest is not None and self._is_digest(digest, (*at, "digest")):
                providers.append(LockedProvider(source, version, digest))
        return sorted_lock(read, providers, path)

    def _module(self, data: Any, at: KeyPath) -> LockedModule | None:
        known = ("source", "version", "reference", "digest", "signers", "time", "dependencies")
        fields = self._object(data, at, known)
        source, digest = self._text(fields, "source", at), self._text(fields, "digest", at)
        version = self._text(fields, "version", at, required=False)
        reference = self._text(fields, "reference", at, required=False)
        time = self._text(fields, "time", at, required=False)
        signers = self._items(fields.get("signers", []), (*at, "signers"))
        for place, signer in signers:
            if not isinstance(signer, str):
                self._wrong(place, "A signer is the id of a key, such as ed25519:….")
        dependencies: list[Dependency] = []
        for place, entry in self._items(fields.get("dependencies", []), (*at, "dependencies")):
            inner = self._object(entry, place, ("source", "constraint"))
            called = self._text(inner, "source", place)
            if called is not None:
                dependencies.append(Dependency(called, self._text(inner, "constraint", place, required=False) or ""))
        if source is None or digest is None or not self._is_digest(digest, (*at, "digest")):
            return None
        return LockedModule(
            source,
            version or "",
            digest,
            tuple(str(signer) for _, signer in signers),
            time or "",
            reference or "",
            tuple(dependencies),
        )

    def _is_digest(self, text: str, at: KeyPath) -> bool:
        if _DIGEST.fullmatch(text):
            return True
        self._wrong(at, 'A digest is "sha256:" and 64 hexadecimal digits, in lower case.')
        return False

    def _object(self, data: Any, at: KeyPath, known: tuple[str, ...] | None = None) -> Mapping[str, Any]:
        if not isinstance(data, dict):
            self._wrong(at, "An object was expected.")
            return {}
        for name in data:
            if known is not None and name not in known:
                near = near_match(name, known)
                remedy = (
                    f'Did you mean "{near}"?' if near else "Upgrade iacengine, or remove the file and run `iac init`."
                )
                self._wrong((*at, name), f'"{name}" is not known.', remedy, key=True)
        return data

    def _items(self, data: Any, at: KeyPath) -> list[tuple[KeyPath, Any]]:
        if not isinstance(data, list):
            self._wrong(at, "A list was expected.")
            return []
        return [((*at, index), item) for index, item in enumerate(data)]

    def _text(self, fields: Mapping[str, Any], name: str, at: KeyPath, *, required: bool = True) -> str | None:
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value
        if name in fields:
            self._wrong((*at, name), f'"{name}" has to be a text that is not empty.')
        elif required:
            self._wrong(at, f'"{name}" is missing.')
        return None

    def _wrong(self, at: KeyPath, detail: str, remedy: str | None = None, *, key: bool = False) -> None:
        remedy = remedy or "Take the file from version control, or remove it and run `iac init`."
        self._findings.add(mistake(self._origin, "Damaged lock file", detail, path=at, key=key, remedy=remedy))


def require_same(old: Lock, new: Lock) -> None:
    """Raise DiagnosticsError, naming what differs, unless both lock the same: for `--frozen`."""
    changes = describe_changes(old, new)
    if changes:
        told = "; ".join(changes[:10]) + (f"; and {len(changes) - 10} more" if len(changes) > 10 else "")
        raise InstallError(
            InstallFault.LOCK_FROZEN,
            "The lock file would have to change",
            f"{old.path} is frozen, but it does not lock what the stack asks for: {told}.",
            remedy=f"Run `iac init` without --frozen, look at the change, and commit {LOCK_NAME}.",
        )


def describe_changes(old: Lock, new: Lock) -> list[str]:
    """What differs, a short text for each: `+` is new, `-` goes, `~` has other contents. Times do not count."""
    before = {(one.source, one.version, one.reference): one for one in old.modules}
    after = {(one.source, one.version, one.reference): one for one in new.modules}
    told: list[str] = []
    for key in sorted(before.keys() | after.keys()):
        name = " ".join(part for part in (key[0], key[1] or key[2][:12]) if part)
        was, will = before.get(key), after.get(key)
        if was is None:
            told.append(f"+ {name}")
        elif will is None:
            told.append(f"- {name}")
        elif (was.digest, was.signers, was.dependencies) != (will.digest, will.signers, will.dependencies):
            told.append(f"~ {name}")
    providers_before = {one.source: one for one in old.providers}
    providers_after = {one.source: one for one in new.providers}
    for source in sorted(providers_before.keys() | providers_after.keys()):
        if providers_before.get(source) != providers_after.get(source):
            sign = "+" if source not in providers_before else "-" if source not in providers_after else "~"
            told.append(f"{sign} provider {source}")
    return told
