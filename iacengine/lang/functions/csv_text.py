"""`csvdecode`: RFC 4180, read as Go's `encoding/csv` reads it. Empty lines are skipped; quotes are taken seriously."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from iacengine.lang.functions.arguments import go_quote, text
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.signature import Function, FunctionError
from iacengine.lang.text import nfc
from iacengine.lang.types import DYNAMIC, STRING, ObjectType
from iacengine.lang.values import ListValue, Value


def _csvdecode(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    records = _records(arguments[0])
    _, headers = next(records, (1, None))
    if headers is None:
        raise FunctionError("missing header line")
    names = [nfc(header) for header in headers]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise FunctionError(f"duplicate column name {go_quote(name)}")
        seen.add(name)
    order = sorted(range(len(names)), key=names.__getitem__)
    rows: list[Value] = []
    for line, fields in records:
        if len(fields) != len(names):
            raise _error(line, f"wrong number of fields: {len(names)} expected, but {len(fields)} found")
        rows.append({names[column]: nfc(fields[column]) for column in order})
    return ListValue(ObjectType(dict.fromkeys(names, STRING)), rows)


def _error(line: int, problem: str) -> FunctionError:
    return FunctionError(f"CSV parse error on line {line}: {problem}")


def _records(source: str) -> Iterator[tuple[int, list[str]]]:
    """The line each record begins on, and its fields."""
    lines = source.replace("\r\n", "\n").removesuffix("\r").split("\n")
    last = len(lines) - 1
    index = 0
    while index <= last:
        if lines[index]:
            start = index + 1
            fields, index = _record(lines, index)
            yield start, fields
        index += 1


def _record(lines: list[str], index: int) -> tuple[list[str], int]:
    """The fields of the record that begins at a line, and the index of the line it ends on."""
    fields: list[str] = []
    rest = lines[index]
    while True:
        if not rest.startswith('"'):
            field, comma, rest = rest.partition(",")
            if '"' in field:
                raise _error(index + 1, 'bare " in non-quoted-field')
            fields.append(field)
            if not comma:
                return fields, index
            continue
        pieces: list[str] = []
        rest = rest[1:]
        while True:
            piece, quote, after = rest.partition('"')
            pieces.append(piece)
            if not quote:  # the field goes on in the next line
                index += 1
                if index >= len(lines) or (index == len(lines) - 1 and not lines[index]):
                    raise _error(index, 'extraneous or missing " in quoted-field')
                pieces.append("\n")
                rest = lines[index]
            elif after.startswith('"'):
                pieces.append('"')
                rest = after[1:]
            elif after.startswith(","):
                rest = after[1:]
                break
            elif not after:
                fields.append("".join(pieces))
                return fields, index
            else:
                raise _error(index + 1, 'extraneous or missing " in quoted-field')
        fields.append("".join(pieces))


FUNCTIONS = (Function("csvdecode", (text("str"),), None, DYNAMIC, _csvdecode),)
