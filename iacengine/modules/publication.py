"""Making what a registry publishes: a package of a folder, and the envelope that keys sign it with.

`iac.module.yaml` in the folder says what does not follow from the files:

    address: acme/network/aws
    version: 1.4.0
    description: A network with subnets
    tags: [network]
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from iacengine.config.model import KeyPath, Origin
from iacengine.config.source import locate, mistake, parse, source_file
from iacengine.foundation.atomic import read_regular_file
from iacengine.foundation.diagnostics import DiagnosticsError, Findings, failure, near_match
from iacengine.foundation.disk import disk_failure
from iacengine.modules.calls import PackageCall, calls_of
from iacengine.modules.dsse import encode_envelope, sign
from iacengine.modules.model import Manifest, ModuleAddress
from iacengine.modules.package import ModulePackage, pack
from iacengine.modules.signing_key import SigningKey
from iacengine.modules.source import parse_address, parse_source
from iacengine.modules.statement import PAYLOAD_TYPE, Statement, encode_statement
from iacengine.modules.version import parse_version

DESCRIPTION_NAME: Final = "iac.module.yaml"
_FIELDS: Final = ("address", "version", "description", "tags")
_TAG: Final = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z_-]{0,62}[0-9A-Za-z])?")
_GIT_TIME: Final = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class ModuleDescription:
    """What the author says of a module. None, or "": it is not said."""

    address: ModuleAddress | None = None
    version: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PackedModule:
    """A package with its bytes."""

    package: ModulePackage
    data: bytes


def read_description(folder: str) -> ModuleDescription:
    """What `iac.module.yaml` says; nothing when there is none. Raises DiagnosticsError with the place of mistakes."""
    path = os.path.join(folder, DESCRIPTION_NAME) if folder not in ("", ".") else DESCRIPTION_NAME  # noqa: PTH118
    try:
        text = read_regular_file(path)
    except OSError as problem:
        raise disk_failure(problem, "read what the module says of itself", path) from None
    if text is None:
        return ModuleDescription()
    file = source_file(path, text)
    origin, findings = Origin(file), Findings()

    def wrong(at: KeyPath, detail: str, remedy: str | None = None, *, key: bool = False) -> None:
        findings.add(mistake(origin, "Invalid description of a module", detail, path=at, key=key, remedy=remedy))

    data: Any = parse(file)
    if not isinstance(data, dict):
        wrong((), f"An object with {', '.join(_FIELDS)} was expected.")
        data = {}
    for name in data:
        if name not in _FIELDS and name != "//":
            near = near_match(name, _FIELDS)
            wrong((name,), f'"{name}" is not known.', f'Did you mean "{near}"?' if near else None, key=True)
    found: dict[str, str] = {}
    for name in _FIELDS[:3]:
        value = data.get(name, "")
        if not isinstance(value, str):
            wrong((name,), f'"{name}" has to be a text.', "Put it in quotes.")
        else:
            found[name] = value
    tags = data.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) and _TAG.fullmatch(tag) for tag in tags):
        wrong(("tags",), "A list of tags was expected: letters, digits, dashes and underscores.")
        tags = []
    address = None
    if found.get("address"):
        try:
            address = parse_address(found["address"])
        except DiagnosticsError as problem:
            findings.extend(one.at(*locate(origin, ("address",))) for one in problem.diagnostics)
    findings.raise_errors()
    return ModuleDescription(address, found.get("version", ""), found.get("description", ""), tuple(tags))


def pack_module(folder: str, said: ModuleDescription, revision: str = "") -> PackedModule:
    """The package of a folder. Raises DiagnosticsError for what cannot be published: mistakes in its files, calls that
    lead out of it, no address, no version."""
    if said.address is None or not said.version:
        missing = "address" if said.address is None else "version"
        example = "NAMESPACE/NAME/SYSTEM" if said.address is None else "1.0.0"
        raise failure(
            f"The module has no {missing}",
            f"{os.path.join(folder, DESCRIPTION_NAME)} does not say it.",  # noqa: PTH118 - text
            remedy=f"Write `{missing}: {example}` there, or use --{missing}.",
        )
    version = str(parse_version(said.version))
    calls = calls_of(folder, strict=True)
    for call in calls:
        if parse_source(call.source).location.startswith("/"):
            raise DiagnosticsError(_leads_elsewhere(call).diagnostics[0].at(call.place.range))
    manifest = Manifest(
        replace(said.address, host=""),  # the same package may stand in several registries
        version,
        said.description,
        said.tags,
        tuple(call.dependency for call in calls),
        revision,
    )
    output = io.BytesIO()
    package = pack(folder, manifest, output)
    return PackedModule(package, output.getvalue())


def _leads_elsewhere(call: PackageCall) -> DiagnosticsError:
    return failure(
        "A path that others do not have",
        f'The module calls "{call.source}", which is a folder of this machine.',
        remedy="Put it into the package and call it by a path that begins with ./, or publish it as well.",
    )


def sign_module(package: ModulePackage, signers: Sequence[SigningKey], now: datetime) -> bytes:
    """An envelope over what the package is, with a signature of each signer."""
    return encode_envelope(sign(PAYLOAD_TYPE, statement_of(package, now, signers), signers))


def statement_of(package: ModulePackage, now: datetime, signers: Sequence[SigningKey] = ()) -> bytes:
    """What there is to sign: that the package is this version of the module."""
    manifest = package.manifest
    statement = Statement(
        manifest.address,
        manifest.version,
        package.digest,
        package.tree_digest,
        now,
        manifest.source_revision,
        tuple(signer.public.text for signer in signers),
    )
    return encode_statement(statement)


def source_revision(folder: str, environment: Mapping[str, str] = os.environ) -> str:
    """The commit of git that the folder is at, with `-changed` when its files are not those of the commit; "" outside
    of git."""
    program = shutil.which("git", path=environment.get("PATH"))
    if program is None:
        return ""

    def ask(*arguments: str) -> str | None:
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and the arguments are ours
                [program, "-C", folder or ".", *arguments], capture_output=True, timeout=_GIT_TIME, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None

    commit = ask("rev-parse", "--verify", "--quiet", "HEAD")
    if not commit:
        return ""
    return f"{commit}-changed" if ask("status", "--porcelain", "--", ".") else commit
