"""`yamldecode` and `yamlencode`, as Terraform's YAML library (go-cty-yaml 1.1) has them: YAML 1.1, safe types only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from iacengine.lang.convert import convert
from iacengine.lang.functions.arguments import go_quote, text
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.signature import Function, FunctionError, Parameter
from iacengine.lang.functions.yaml_emitter import emit
from iacengine.lang.text import nfc, parse_number
from iacengine.lang.types import DYNAMIC, STRING, friendly_name
from iacengine.lang.values import Unknown, Value, is_wholly_known, type_of

_TAG = "tag:yaml.org,2002:"
_STR, _BOOL, _INT, _FLOAT = _TAG + "str", _TAG + "bool", _TAG + "int", _TAG + "float"
_NULL, _TIMESTAMP, _BINARY = _TAG + "null", _TAG + "timestamp", _TAG + "binary"
_SCALAR_TAGS = frozenset(("", _STR, _BOOL, _INT, _FLOAT, _NULL, _TIMESTAMP, _BINARY))

_WORDS: dict[str, Value] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
for _word, _meaning in (("y", True), ("yes", True), ("true", True), ("on", True)):
    _WORDS |= dict.fromkeys((_word, _word.capitalize(), _word.upper()), _meaning)
for _word, _meaning in (("n", False), ("no", False), ("false", False), ("off", False)):
    _WORDS |= dict.fromkeys((_word, _word.capitalize(), _word.upper()), _meaning)
for _sign in ("", "+", "-"):
    _WORDS |= dict.fromkeys((f"{_sign}.inf", f"{_sign}.Inf", f"{_sign}.INF"), float(f"{_sign}inf"))

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_MERGE = object()


def _yamldecode(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    import yaml  # lazy: few stacks decode YAML in an expression

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Decoder(yaml.parse(arguments[0], Loader=loader)).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"on line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
        raise FunctionError(where + str(getattr(error, "problem", None) or "invalid YAML")) from None
    except RecursionError:
        raise FunctionError("the YAML document is nested too deeply") from None


class _Decoder:
    """Builds a value from parser events, so that tags, anchors and merge keys mean what they mean in Terraform."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, Value] = {}
        self._pending: set[str] = set()

    def document(self) -> Value:
        next(self._events)  # the start of the stream
        start = next(self._events)
        if _name(start) != "DocumentStartEvent":
            raise _problem(start, "missing start of document")
        if start.version not in (None, (1, 1)):
            raise _problem(start, "found incompatible YAML document: only YAML 1.1 is supported")
        value = self._node(next(self._events))
        next(self._events)  # the end of the document
        after = next(self._events)
        if _name(after) == "DocumentStartEvent":
            raise _problem(after, "only a single document is allowed")
        return value

    def _node(self, event: Any) -> Value:
        kind = _name(event)
        if kind == "AliasEvent":
            return self._alias(event)
        anchor = event.anchor
        if anchor is not None:
            self._pending.add(anchor)
        if kind == "ScalarEvent":
            value = self._scalar(event)
        elif kind == "MappingStartEvent":
            value = self._mapping(event)
        else:
            value = self._sequence(event)
        if anchor is not None:
            self._pending.discard(anchor)
            self._anchors[anchor] = value
        return value

    def _alias(self, event: Any) -> Value:
        name = event.anchor
        if name in self._pending:
            raise _problem(event, f"cannot refer to anchor {go_quote(name)} from inside its own definition")
        if name not in self._anchors:
            raise _problem(event, f"reference to undefined anchor {go_quote(name)}")
        return self._anchors[name]

    def _scalar(self, event: Any) -> Value:
        value = _resolve(event)
        if value is _MERGE:
            return "<<"
        if not event.tag and not event.implicit[0]:
            return convert(value, STRING)  # quoted or a block: a string, whatever it looks like
        return value

    def _sequence(self, event: Any) -> Value:
        if event.tag not in (None, _TAG + "seq"):
            raise _problem(event, f"can't interpret sequence as {event.tag}")
        items: list[Value] = []
        while _name(inner := next(self._events)) != "SequenceEndEvent":
            items.append(self._node(inner))
        return tuple(items)

    def _mapping(self, event: Any) -> Value:
        if event.tag not in (None, _TAG + "map"):
            raise _problem(event, f"can't interpret mapping as {event.tag}")
        entries: dict[str, Value] = {}
        while _name(key_event := next(self._events)) != "MappingEndEvent":
            if _name(key_event) != "ScalarEvent":
                raise _problem(key_event, "only strings are allowed as mapping keys")
            key = _resolve(key_event)
            if key is _MERGE:
                merged = self._node(next(self._events))
                if merged.__class__ is not dict:
                    raise _problem(key_event, f"cannot merge {friendly_name(type_of(merged))} into mapping")
                entries.update(merged)
                continue
            if key is None:
                raise _problem(key_event, "mapping key cannot be null")
            entries[convert(key, STRING)] = self._node(next(self._events))
        return {key: entries[key] for key in sorted(entries)}


def _name(event: Any) -> str:
    return event.__class__.__name__


def _problem(event: Any, message: str) -> FunctionError:
    mark = event.start_mark
    return FunctionError(f"on line {mark.line + 1}, column {mark.column + 1}: {message}")


def _resolve(event: Any) -> Any:
    """The value of a scalar; `_MERGE` for a merge key."""
    tag, source = event.tag or "", event.value
    if tag not in _SCALAR_TAGS:
        raise _problem(event, f"unsupported tag {go_quote(tag)}")
    hint = source[:1]
    if tag not in (_STR, _BINARY) and (hint == "" or hint in "+-0123456789yYnNtTfFoO~."):
        if event.style in ("'", '"'):
            return nfc(source)
        if source in _WORDS:
            return _WORDS[source]
        if tag == "" and source in (".nan", ".NaN", ".NAN"):
            raise _problem(event, "floating point NaN is not supported")
        if hint == ".":
            try:
                return parse_number(source)
            except ValueError:
                pass
        elif hint in "+-0123456789":
            if tag in ("", _TIMESTAMP) and (moment := _timestamp(source)) is not None:
                return moment
            if _INTEGER.fullmatch(source):
                tag = _INT
            elif _REAL.fullmatch(source):
                tag = _FLOAT
    if tag == "":
        return _MERGE if source == "<<" else nfc(source)
    return _tagged(event, tag, source)


def _tagged(event: Any, tag: str, source: str) -> Value:
    if tag == _NULL:
        return None
    if tag == _STR:
        return nfc(source)
    if tag == _BINARY:
        from iacengine.lang.functions.base64_text import decode  # lazy: a tag that hardly anybody writes

        if decode(source).corrupt_at is None:
            return nfc(source)
    elif tag in (_INT, _FLOAT):
        number = _number(source.replace("_", ""))
        if number is not None:
            return number
    elif tag == _TIMESTAMP:
        moment = _timestamp(source)
        if moment is not None:
            return moment
    raise _problem(event, f"cannot parse {go_quote(source)} as {tag}")


def _number(source: str) -> Value:
    try:
        return parse_number(source)
    except ValueError:
        pass
    try:
        based = int(source, 0)  # 0x, 0o and 0b
    except ValueError:
        return None
    return based if -(1 << 63) <= based < 1 << 64 else None


_MOMENT = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:(?:([Tt])| )(\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,]\d+)?(Z|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)


def _timestamp(source: str) -> str | None:
    """A date or time in RFC 3339, as Terraform's functions of time want it; None when it is none."""
    match = _MOMENT.fullmatch(source)
    if match is None:
        return None
    year, month, day, letter, hour, minute, second, zone = match.groups()
    if hour is not None and (letter is None) != (zone is None):
        return None  # with a "T" a zone must follow, after a space none may
    from datetime import datetime  # lazy: only for what looks like a date

    hour, minute, second = hour or "0", minute or "0", second or "0"
    try:
        datetime(int(year) or 4, int(month), int(day), int(hour), int(minute), int(second))
    except ValueError:
        return None
    clock = f"{int(hour):02}:{int(minute):02}:{int(second):02}"
    shown_zone = "Z" if zone in (None, "+00:00", "-00:00") else zone
    return f"{year}-{int(month):02}-{int(day):02}T{clock}{shown_zone}"


def _yamlencode(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    return emit(arguments[0]) if is_wholly_known(arguments[0]) else Unknown(STRING)


FUNCTIONS = (
    Function("yamldecode", (text("src"),), None, DYNAMIC, _yamldecode, not_null=False),
    Function(
        "yamlencode",
        (Parameter("value", DYNAMIC, allow_unknown=True, allow_dynamic=True, allow_null=True),),
        None,
        STRING,
        _yamlencode,
    ),
)
