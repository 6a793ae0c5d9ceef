"""The state for people: every object with its attributes, then the outputs."""

from __future__ import annotations

from iacengine.addresses import Mode
from iacengine.cli.views.output_text import outputs_text
from iacengine.cli.views.state_json import Schemas, object_value
from iacengine.cli.views.value_text import entries_of, key_name, value_lines
from iacengine.lang.values import Value, from_python, is_null, sensitive, unmark, unmark_deep
from iacengine.state.model import ResourceObject, State


def state_text(state: State | None, schemas: Schemas, *, show_sensitive: bool = False) -> str:
    """The whole state."""
    if state is None or state.is_empty:
        return "The state is empty: nothing was made yet.\n"
    objects = sorted(state.objects.values(), key=lambda obj: (obj.address.sort_key, obj.deposed))
    parts = [object_text(obj, schemas, show_sensitive=show_sensitive) for obj in objects]
    if state.outputs:
        parts.append("Outputs:\n\n" + outputs_text(state.outputs, show_sensitive=show_sensitive))
    return "\n".join(parts)


def object_text(obj: ResourceObject, schemas: Schemas, *, show_sensitive: bool = False) -> str:
    """One object: its address, what is to be known of it, and its attributes."""
    notes = []
    if obj.deposed:
        notes.append(f"deposed object {obj.deposed}")
    if obj.tainted:
        notes.append("tainted")
    if obj.protected:
        notes.append("protected")
    suffix = f" ({', '.join(notes)})" if notes else ""
    lines = [f"{obj.address}{suffix}:"]
    entries = attributes(obj, schemas, show_sensitive=show_sensitive)
    shown = {key_name(name): entries[name] for name in sorted(entries) if not is_null(entries[name])}
    longest = max(map(len, shown), default=0)
    for name, value in shown.items():
        first, *rest = value_lines(value, "    ")
        lines += [f"    {name.ljust(longest)} = {first}", *rest]
    return "\n".join(lines) + "\n"


def attributes(obj: ResourceObject, schemas: Schemas, *, show_sensitive: bool = False) -> dict[str, Value]:
    """The attributes of an object as values, sensitive ones marked unless they are to be shown."""
    resource = obj.address.resource
    value = object_value(obj, schemas(obj.provider, Mode(resource.mode), resource.type))
    if value is None:
        hidden = {path[0] for path in obj.sensitive_paths if path}
        stored = from_python(dict(obj.attributes))
        value = {name: sensitive(child) if name in hidden else child for name, child in stored.items()}
    entries = entries_of(unmark_deep(value)[0] if show_sensitive else unmark(value)[0])
    return dict(entries or {})
