"""How one version of a state differs from another, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from iacengine.cli.state_versions import differing_paths
from iacengine.cli.views.diff_text import IDENTIFYING, DiffWriter
from iacengine.cli.views.segments import BOLD, CREATE, DELETE, DIM, UPDATE, Segments
from iacengine.cli.views.state_json import Schemas, object_value, output_value
from iacengine.cli.views.state_text import attributes
from iacengine.cli.views.value_json import json_of
from iacengine.cli.views.value_text import SENSITIVE_TEXT, key_name
from iacengine.lang.values import SENSITIVE, Value, is_null
from iacengine.schema import Path
from iacengine.schema.marks import marked_paths
from iacengine.state.comparison import Comparison
from iacengine.state.model import OutputState, ResourceObject, State

_BODY = "      "


def diff_segments(found: Comparison, schemas: Schemas, *, width: int = 100, show_sensitive: bool = False) -> Segments:
    """The differences as styled text that ends in a newline."""
    out: Segments = []
    writer = DiffWriter(out, width)

    def entries(stored: ResourceObject) -> dict[str, Value]:
        return attributes(stored, schemas, show_sensitive=show_sensitive)

    for stored in found.removed:
        _head(out, "-", DELETE, stored, "was removed")
        writer.deleted(entries(stored), _BODY)
        out.append(("\n", ""))
    for stored in found.added:
        _head(out, "+", CREATE, stored, "was added")
        writer.created(entries(stored), _BODY)
        out.append(("\n", ""))
    for before, after in found.changed:
        _head(out, "~", UPDATE, after, "was changed" if before.key == after.key else f"was {before.address}")
        for note in _notes(before, after):
            out.append((f"{_BODY}# {note}\n", DIM))
        writer.entries(entries(before), entries(after), _BODY, identifying=IDENTIFYING)
        out.append(("\n", ""))
    if found.outputs:
        out.append(("Outputs:\n\n", BOLD))
        longest = max(len(key_name(name)) for name in found.outputs)
        for name, (was, now) in found.outputs.items():
            head = f"{key_name(name).ljust(longest)} = "
            if not show_sensitive and any(one is not None and one.sensitive for one in (was, now)):
                marker, style = ("+", CREATE) if was is None else ("-", DELETE) if now is None else ("~", UPDATE)
                out.append((f"  {marker} ", style))
                out.append((f"{head}{SENSITIVE_TEXT}\n", ""))
            else:
                writer.change(head, _output(was), _output(now), "  ", ())
        out.append(("\n", ""))
    out.append((f"{summary(found)}\n", BOLD))
    return out


def summary(found: Comparison) -> str:
    """`Objects: 1 added, 2 changed, 0 removed. Outputs: 1 changed.`"""
    if found.is_empty:
        return "No differences."
    text = f"Objects: {len(found.added)} added, {len(found.changed)} changed, {len(found.removed)} removed."
    return f"{text} Outputs: {len(found.outputs)} changed." if found.outputs else text


def _head(out: Segments, marker: str, style: str, stored: ResourceObject, what: str) -> None:
    out.append((f"  {marker} ", style))
    out.append((str(stored.address), BOLD))
    out.append((f"{f' (deposed object {stored.deposed})' if stored.deposed else ''} {what}\n", ""))


def _notes(before: ResourceObject, after: ResourceObject) -> Iterable[str]:
    for name in ("tainted", "protected"):
        if getattr(before, name) != getattr(after, name):
            yield f"{name} since" if getattr(after, name) else f"not {name} any more"
    if before.provider != after.provider:
        yield f"its provider was {before.provider}, and is {after.provider}"


def _output(stored: OutputState | None) -> Value:
    return None if stored is None else output_value(stored)


# --- for programs ---------------------------------------------------------------------------------------------------


def diff_json(
    before: State, after: State, found: Comparison, schemas: Schemas, *, show_sensitive: bool = False
) -> dict[str, Any]:
    """The document of `iac state diff --json`."""
    objects = [
        *(_object(stored, "removed", {}, stored, None, schemas, show_sensitive) for stored in found.removed),
        *(_object(stored, "added", {}, None, stored, schemas, show_sensitive) for stored in found.added),
        *(_object(now, "changed", _moved(was, now), was, now, schemas, show_sensitive) for was, now in found.changed),
    ]
    return {
        "format_version": "1.0",
        "from": before.serial,
        "to": after.serial,
        "objects": objects,
        "outputs": [_output_json(name, was, now, show_sensitive) for name, (was, now) in found.outputs.items()],
    }


def _moved(was: ResourceObject, now: ResourceObject) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if was.address != now.address:
        more["previous_address"] = str(was.address)
    for name in ("tainted", "protected"):
        if getattr(was, name) != getattr(now, name):
            more[name] = getattr(now, name)
    return more


def _object(
    named: ResourceObject,
    action: str,
    more: dict[str, Any],
    was: ResourceObject | None,
    now: ResourceObject | None,
    schemas: Schemas,
    show_sensitive: bool,
) -> dict[str, Any]:
    secret = set() if show_sensitive else {*_secret_paths(was, schemas), *_secret_paths(now, schemas)}
    old, new = (_attributes(one, schemas) for one in (was, now))
    changes = [_change(path, one, other, secret) for path, one, other in differing_paths(old, new)]
    entry: dict[str, Any] = {"address": str(named.address), "action": action, **more, "changes": changes}
    if named.deposed:
        entry["deposed"] = named.deposed
    return entry


def _attributes(stored: ResourceObject | None, schemas: Schemas) -> dict[str, Any]:
    """The attributes as `iac show --json` prints them."""
    if stored is None:
        return {}
    resource = stored.address.resource
    value = object_value(stored, schemas(stored.provider, resource.mode, resource.type))
    return dict(stored.attributes) if value is None else dict(json_of(value))


def _change(path: Path, before: Any, after: Any, secret: set[Path]) -> dict[str, Any]:
    """What is sensitive, or holds or is inside something that is, is named and not shown."""
    if any(path[: len(hidden)] == hidden or hidden[: len(path)] == path for hidden in secret):
        return {"path": list(path), "sensitive": True}
    return {"path": list(path), "before": before, "after": after}


def _secret_paths(stored: ResourceObject | None, schemas: Schemas) -> set[Path]:
    """Where the object is sensitive. (A set is, whole, when one of its elements is.)"""
    if stored is None:
        return set()
    resource = stored.address.resource
    value = object_value(stored, schemas(stored.provider, resource.mode, resource.type))
    found = set(stored.sensitive_paths)
    if value is not None and not is_null(value):
        found.update(path for path, names in marked_paths(value) if SENSITIVE in names)
    return found


def _output_json(name: str, was: OutputState | None, now: OutputState | None, show_sensitive: bool) -> dict[str, Any]:
    action = "added" if was is None else "removed" if now is None else "changed"
    if not show_sensitive and any(one is not None and one.sensitive for one in (was, now)):
        return {"name": name, "action": action, "sensitive": True}
    return {
        "name": name,
        "action": action,
        "before": was.value if was is not None else None,
        "after": now.value if now is not None else None,
    }
