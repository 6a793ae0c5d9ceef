"""JSON text to data: orjson where it loses nothing, an exact reader where it would.

orjson keeps the last of two equal keys silently and reads numbers as doubles. Both are noticed at the cost of one scan:
the text has as many `"…":` as the data has keys when no key is there twice, and a number that a double may not hold has
many digits or a large exponent.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from iacengine.config.scalars import exact_number
from iacengine.config.syntax_error import MAX_DEPTH, SourceSyntaxError
from iacengine.foundation.garbage import collection_paused

_MANY_DIGITS = re.compile(rb"[0-9.]{16}|[0-9][eE][+-]?[0-9]{2}")
_SHAPE = bytes.maketrans(b"0123456789.E-", b"ddddddddddde+")
_SUSPECTS = (b"d" * 16, b"dedd", b"de+dd")
_NUMBER_OR_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"|(-?[0-9][0-9.eE+-]*)')
_COLON = re.compile(rb'"\s*:')
_ESCAPED_COLON = re.compile(rb'\\"\s*:')
_BACKSLASH_END = re.compile(rb'\\\\"')


def parse_json_text(text: bytes) -> Any:
    """The data of a JSON text (UTF-8 without a byte order mark). Raises SourceSyntaxError."""
    with collection_paused():
        try:
            data = orjson.loads(text)
        except orjson.JSONDecodeError:
            return _exactly(text)
        if _may_lose_digits(text) or _key_texts(text) != _keys(data):
            return _exactly(text)
        return data


def _may_lose_digits(text: bytes) -> bool:
    shape = text.translate(_SHAPE)  # searched for fixed texts, which is ten times as fast as an expression
    if not any(suspect in shape for suspect in _SUSPECTS):
        return False
    for match in _NUMBER_OR_STRING.finditer(text):
        number = match[1]
        if number is not None and _MANY_DIGITS.search(number):
            return True
    return False


def _key_texts(text: bytes) -> int:
    """How many keys the text has; never too few, and too many only for texts with odd strings."""
    found = len(_COLON.findall(text))
    if _BACKSLASH_END.search(text) is None:
        found -= len(_ESCAPED_COLON.findall(text))
    return found


def _keys(data: Any) -> int:
    count = 0
    todo: list[Any] = [data]
    depth = 0
    while todo:
        depth += 1
        if depth > MAX_DEPTH:
            return -1
        inner: list[Any] = []
        for value in todo:
            if value.__class__ is dict:
                count += len(value)
                inner.extend([child for child in value.values() if child.__class__ is dict or child.__class__ is list])
            elif value.__class__ is list:
                inner.extend([child for child in value if child.__class__ is dict or child.__class__ is list])
        todo = inner
    return count


class _DuplicateKeyError(Exception):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class _NumberError(Exception):
    pass


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return result


def _number(text: str) -> Any:
    try:
        return exact_number(text)
    except ValueError:
        raise _NumberError(text) from None


def _no_constant(text: str) -> Any:
    raise _NumberError(text)


def _exactly(text: bytes) -> Any:
    """The data, every digit kept and every key looked at; or a mistake at its place."""
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        start = len(text[: error.start].decode())
        raise SourceSyntaxError("Not UTF-8", "The file holds bytes that are not UTF-8 text.", start) from None
    try:
        data = json.loads(
            decoded, object_pairs_hook=_pairs, parse_int=_number, parse_float=_number, parse_constant=_no_constant
        )
    except json.JSONDecodeError as error:
        raise _syntax_error(error, decoded) from None
    except _DuplicateKeyError as error:
        raise _duplicate(error.key, decoded) from None
    except _NumberError as error:
        start = max(decoded.find(str(error)), 0)
        raise SourceSyntaxError(
            "Invalid number", f"{str(error)[:40]} is no number the language has.", start, end=start + len(str(error))
        ) from None
    except RecursionError:
        raise SourceSyntaxError("Nested too deeply", f"No more than {MAX_DEPTH} levels.", 0) from None
    if _keys(data) < 0:
        raise SourceSyntaxError("Nested too deeply", f"No more than {MAX_DEPTH} levels.", 0)
    _refuse_surrogates(decoded)
    return data


_SURROGATE = re.compile(r"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|[c-fC-F][0-9a-fA-F]{2})")
_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\[^u]")


def _refuse_surrogates(text: str) -> None:
    """A lone half of a surrogate pair is no character, and could not be written again."""
    if "\\u" not in text:
        return
    match = _SURROGATE.search(_PAIR.sub(lambda pair: " " * len(pair[0]), text))
    if match:
        raise SourceSyntaxError(
            "Invalid escape", f"{match[0]} is half of a surrogate pair.", match.start(), end=match.end()
        )


def _syntax_error(error: json.JSONDecodeError, text: str) -> SourceSyntaxError:
    offset = min(error.pos, len(text))
    here = text[offset : offset + 2]
    before = text[:offset].rstrip()
    remedy = None
    summary, detail = "Invalid JSON", f"{error.msg[:1].upper()}{error.msg[1:]}."
    if before.endswith(",") and here[:1] in ("}", "]"):
        detail = "A comma stands after the last element."
        remedy = "Remove the comma."
    elif here[:1] == "#" or here in ("//", "/*"):
        detail = "JSON has no comments."
        remedy = 'Use a "//" property as a comment, or write the file as YAML.'
    elif here[:1] == "'":
        detail = "JSON texts are in double quotes."
        remedy = 'Replace the single quotes by ".'
    elif "control character" in error.msg:
        detail = "A text holds a line break or a tab as it is."
        remedy = "Write \\n or \\t."
    elif "delimiter" in error.msg and "','" in error.msg:
        detail = "A comma is missing, or the text before has no end."
        remedy = "Put a comma between two elements."
        offset = max(len(before) - 1, 0)
    elif "Unterminated" in error.msg:
        detail, remedy = "The text that begins here has no end.", "Add the closing quote."
    elif "Invalid \\escape" in error.msg:
        detail = 'JSON knows the escapes \\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX.'
        remedy = "Double the backslash."
    elif error.msg == "Extra data":
        detail = "The JSON value ended before this place."
    elif offset >= len(text):
        detail = "The file ends in the middle of a value."
        offset = max(len(before) - 1, 0)
    return SourceSyntaxError(summary, detail, offset, remedy=remedy)


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_AFTER_KEY = re.compile(r"\s*:")


def _duplicate(key: str, text: str) -> SourceSyntaxError:
    """Where the key stands a second time in one object."""
    stack: list[dict[str, int] | None] = []
    for match in _TOKEN.finditer(text):
        text_of = match[0]
        if text_of == "{":
            stack.append({})
        elif text_of == "[":
            stack.append(None)
        elif text_of in "}]":
            if stack:
                stack.pop()
        elif stack and stack[-1] is not None and _AFTER_KEY.match(text, match.end()):
            name = json.loads(text_of)
            if name == key and name in stack[-1]:
                return SourceSyntaxError(
                    f'Duplicate key "{key}"',
                    "An object holds each key once; the first one is at {first}.",
                    match.start(),
                    end=match.end(),
                    remedy="Remove one of the two, or merge what stands under them.",
                    duplicate=True,
                    first=stack[-1][name],
                )
            stack[-1].setdefault(name, match.start())
    return SourceSyntaxError(f'Duplicate key "{key}"', "An object holds each key once.", 0)
