"""How to use a module: what to write into a stack file, and into Terraform's JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from iacengine.modules.source import SourceError, parse_address
from iacengine.modules.version import parse_version
from iacengine.modules.wire import VersionDetail

_PLAIN_KEY = re.compile(r"[A-Za-z_][0-9A-Za-z_-]*")
_NO_KEYS = frozenset(("null", "true", "false", "~"))  # words that YAML 1.2's core schema takes for something else
_META = frozenset(("source", "version", "providers", "count", "for_each", "depends_on"))


@dataclass(frozen=True, slots=True)
class Usage:
    """A call of the module, in both forms; `source` is what it names."""

    source: str
    yaml: str
    json: str


def usage_of(detail: VersionDetail, host: str) -> Usage:
    """A call of this version, or one that is compatible, with all that it requires. `host` is the registry's name, or
    "" when that is not known."""
    source = _source(host, detail.address)
    constraint = _constraint(detail.entry.version)
    name = detail.address.split("/")[1]
    name = name if _PLAIN_KEY.fullmatch(name) else f"module_{name}"
    required = [one.name for one in detail.contents.inputs if one.default is None and one.name not in _META]
    lines = ["module:", f"  {_key(name)}:", f"    source: {source}", f'    version: "{constraint}"']
    lines += [f"    {_key(one)}: ${{var.{one}}}" for one in required]
    call = {"source": source, "version": constraint, **{one: f"${{var.{one}}}" for one in required}}
    text = json.dumps({"module": {name: call}}, indent=2, ensure_ascii=False)
    return Usage(source, "\n".join(lines) + "\n", text + "\n")


def _source(host: str, label: str) -> str:
    try:
        return str(parse_address(f"{host}/{label}")) if host else label
    except SourceError:
        return label  # such a host cannot stand in a source


def _constraint(version: str) -> str:
    """What allows newer versions that promise to be compatible; of a pre-release no other."""
    parsed = parse_version(version)
    if parsed.prerelease:
        return version.partition("+")[0]
    if parsed.major == 0:
        return f"~> 0.{parsed.minor}.{parsed.patch}"
    return f"~> {parsed.major}.{parsed.minor}"


def _key(name: str) -> str:
    plain = _PLAIN_KEY.fullmatch(name) and name.lower() not in _NO_KEYS
    return name if plain else json.dumps(name, ensure_ascii=False)
