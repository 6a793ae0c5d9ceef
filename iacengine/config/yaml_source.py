"""YAML text to data: libyaml's events, put together by rules of our own.

What differs from PyYAML's loaders: YAML 1.2 scalars (`iacengine.config.scalars`), duplicate keys refused, keys always
strings (as written), no tags but those of the core schema, one document, aliases bounded. One pass, no node tree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml
from yaml import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from iacengine.config.scalars import MAY_BE_SPECIAL, resolve
from iacengine.config.syntax_error import MAX_DEPTH, SourceSyntaxError
from iacengine.config.yaml_errors import syntax_mistake
from iacengine.foundation.diagnostics import near_match
from iacengine.foundation.garbage import collection_paused

MAX_ALIASED = 1_000_000
"""How many values aliases may add to a file before it counts as an attack."""

_ABSENT: Any = object()
_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS = {f"{_CORE}{name}" for name in ("str", "int", "float", "bool", "null")}


def make_parser(text: str) -> Any:
    """libyaml's parser where PyYAML was built with it, else PyYAML's own."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return loader(text)


def parse_yaml(text: str) -> Any:
    """The data of the only document in the text; None when there is none. Raises SourceSyntaxError."""
    with collection_paused():
        try:
            parser = make_parser(text)
            return _Builder(parser.get_event).document()
        except yaml.YAMLError as error:
            raise syntax_mistake(error, text) from None


class _Builder:
    """The state of one pass over the events."""

    def __init__(self, get_event: Callable[[], Any]) -> None:
        self._get = get_event
        self._anchors: dict[str, tuple[Any, int]] = {}  # name -> value, how many values it holds
        self._open: dict[str, None] = {}  # anchors of collections not yet finished
        self._aliased = 0

    def document(self) -> Any:
        get = self._get
        get()  # the start of the stream
        event = get()
        if event.__class__ is StreamEndEvent:
            return None
        result = self._root(get())
        get()  # the end of the document
        event = get()
        has_more = event.__class__ is DocumentStartEvent
        if has_more:
            raise SourceSyntaxError(
                "Several documents in one file",
                "A stack file holds one YAML document; a second one begins here.",
                event.start_mark.index,
                remedy="Remove the `---`, or put the second document into a file of its own: all files are merged.",
            )
        return result

    def _root(self, event: Any) -> Any:
        if event.__class__ is ScalarEvent:
            return _tagged(event) if event.tag is not None or event.implicit[0] else event.value
        return self._collection(event)

    def _collection(self, start: Any) -> Any:
        """The collection that begins with an event: one tight loop over all events up to its end."""
        get = self._get
        anchors = self._anchors
        strings: dict[str, str] = {}
        share = strings.setdefault
        count = 0
        stack: list[tuple[Any, Any, str | None, int, list[Any] | None]] = []
        container: Any = _ABSENT  # the collection being filled: a dict, a list, or _ABSENT above the root
        is_map = False
        key: Any = _ABSENT  # the key that waits for its value
        anchor: str | None = None
        merges: list[Any] | None = None  # values of `<<` in this mapping
        begun = 0
        event = start
        while True:
            count += 1
            kind = event.__class__
            if kind is ScalarEvent:
                value = event.value
                tag = event.tag
                if is_map and key is _ABSENT:
                    plain = event.implicit[0]
                    if plain and value == "<<":
                        key = None
                    else:
                        if plain and (not value or (value[0] in "nN~" and resolve(value) is None)):
                            raise _bad_key(event, "A null cannot be a key.")
                        if event.anchor is not None:
                            anchors[event.anchor] = (value, 1)
                        key = share(value, value)
                        if key in container:
                            raise SourceSyntaxError(
                                f'Duplicate key "{key}"',
                                "A mapping holds each key once; the first one is at {first}.",
                                event.start_mark.index,
                                end=event.end_mark.index,
                                remedy="Remove one of the two, or merge what stands under them.",
                                duplicate=True,
                            )
                    event = get()
                    continue
                if tag is None and event.implicit[0] and (not value or value[0] in MAY_BE_SPECIAL):
                    try:
                        value = resolve(value)
                    except ValueError as error:
                        raise _bad_value(event, str(error)) from None
                elif tag is not None:
                    value = _tagged(event)
                if value.__class__ is str:
                    value = share(value, value)
                if event.anchor is not None:
                    anchors[event.anchor] = (value, 1)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                if is_map and key is _ABSENT:
                    raise _bad_key(event, "A list or mapping cannot be a key.")
                if event.tag is not None and not event.tag.startswith(_CORE):
                    raise _unknown_tag(event)
                if len(stack) >= MAX_DEPTH:
                    raise SourceSyntaxError(
                        "Nested too deeply", f"No more than {MAX_DEPTH} levels.", event.start_mark.index
                    )
                stack.append((container, key, anchor, begun, merges))
                is_map = kind is MappingStartEvent
                container = {} if is_map else []
                key, anchor, begun, merges = _ABSENT, event.anchor, count, None
                if anchor is not None:
                    self._open[anchor] = None
                    anchors.pop(anchor, None)
                event = get()
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                value = container
                if merges is not None:
                    value = _merged(container, merges)
                if anchor is not None:
                    anchors[anchor] = (value, count - begun + 1)
                    self._open.pop(anchor, None)
                container, key, anchor, begun, merges = stack.pop()
                is_map = container.__class__ is dict
            elif kind is AliasEvent:
                value, size = self._alias(event)
                if is_map and key is _ABSENT:
                    if value.__class__ is not str:
                        raise _bad_key(event, "The alias stands for something that is no string.")
                    key = value
                    if key in container:
                        raise _bad_key(event, f'The key "{key}" is there already.')
                    event = get()
                    continue
                count += size
                self._aliased += size
                if self._aliased > MAX_ALIASED:
                    raise SourceSyntaxError(
                        "Aliases expand too far",
                        f"The aliases of this file stand for more than {MAX_ALIASED:,} values.",
                        event.start_mark.index,
                        remedy="Use a variable, a local value or for_each instead of nested aliases.",
                    )
            else:
                raise SourceSyntaxError("Invalid YAML", f"Unexpected {kind.__name__}.", event.start_mark.index)
            # A value is complete: hand it to the collection around it.
            if is_map:
                if key is None:
                    merges = [*(merges or ()), _mergeable(value, event)]
                else:
                    container[key] = value
                key = _ABSENT
            elif container is _ABSENT:
                return value
            else:
                container.append(value)
            event = get()

    def _alias(self, event: Any) -> tuple[Any, int]:
        name = event.anchor
        if name in self._anchors:
            return self._anchors[name]
        if name in self._open:
            raise SourceSyntaxError(
                f"The alias *{name} stands inside its own anchor",
                f"What &{name} names is not complete here, so it would hold itself.",
                event.start_mark.index,
                end=event.end_mark.index,
            )
        near = near_match(name, self._anchors)
        raise SourceSyntaxError(
            f"Undefined alias *{name}",
            f"No anchor &{name} stands before this place."
            + (f" Anchors so far: {', '.join(sorted(self._anchors)[:10])}." if self._anchors else ""),
            event.start_mark.index,
            end=event.end_mark.index,
            remedy=f"Did you mean *{near}?" if near else 'If the text is meant to begin with "*", quote it.',
        )


def _mergeable(value: Any, event: Any) -> Any:
    sources = value if value.__class__ is list else [value]
    if all(source.__class__ is dict for source in sources):
        return sources
    raise SourceSyntaxError(
        "Invalid merge key",
        "The value of `<<` must be a mapping or a list of mappings, most often an alias such as *defaults.",
        event.start_mark.index,
        end=event.end_mark.index,
    )


def _merged(own: dict[str, Any], merges: list[Any]) -> dict[str, Any]:
    """Keys written out win over merged ones, and earlier merged mappings over later ones."""
    result: dict[str, Any] = {}
    for sources in merges:
        for source in sources:
            for key, value in source.items():
                result.setdefault(key, value)
    result.update(own)
    return result


def _tagged(event: Any) -> Any:
    """The value of a scalar with a tag of the core schema."""
    tag, text = event.tag, event.value
    if tag is None:
        try:
            return resolve(text)
        except ValueError as error:
            raise _bad_value(event, str(error)) from None
    if tag not in _SCALAR_TAGS and tag != "!":
        raise _unknown_tag(event)
    if tag == "!" or tag.endswith(":str"):
        return text
    wanted = tag.removeprefix(_CORE)
    try:
        value = resolve(text)
    except ValueError as error:
        raise _bad_value(event, str(error)) from None
    name = {"bool": "bool", "NoneType": "null", "str": "str"}.get(type(value).__name__, "number")
    if name == wanted or (name == "number" and wanted in ("int", "float")):
        return value
    raise _bad_value(event, f'"{text}" is no {wanted}.')


def _bad_value(event: Any, why: str) -> SourceSyntaxError:
    return SourceSyntaxError(
        "Invalid value",
        why,
        event.start_mark.index,
        end=event.end_mark.index,
        remedy="Put it in quotes if it is meant as text.",
    )


def _bad_key(event: Any, why: str) -> SourceSyntaxError:
    return SourceSyntaxError(
        "Invalid key",
        f"{why} The keys of a stack file are strings.",
        event.start_mark.index,
        end=event.end_mark.index,
        remedy="Quote the key. A value that begins with `{`, such as {{ name }}, has to be quoted as well.",
    )


def _unknown_tag(event: Any) -> SourceSyntaxError:
    tag = event.tag.replace(_CORE, "!!")
    return SourceSyntaxError(
        f"Unknown YAML tag {tag}",
        "Stack files know only the tags !!str, !!int, !!float, !!bool, !!null, !!seq and !!map.",
        event.start_mark.index,
        end=event.start_mark.index + len(tag),
        remedy="Remove the tag. What other tools do with tags is done with expressions here: ${…}.",
    )
