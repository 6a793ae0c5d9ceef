"""The values of the language, as plain Python values wherever one can say it.

| language | Python |
| --- | --- |
| string | `str`, normalised to NFC where it enters |
| number | `int`; `Fraction` (a 512-bit binary float that is not whole); `float` only for infinities and `-0.0` |
| bool | `bool` |
| null | `None`, a null of no known type; `Null(type)`, a null of a known type. Ask with `is_null` |
| tuple, object | `tuple`, `dict` (of `str`; never changed once it is a value) |
| list, set, map | `ListValue`, `SetValue`, `MapValue`, which know their element type |
| unknown | `Unknown(type, refinement)`: planned but not yet known |
| sensitive, ephemeral | `Marked(value, marks)` around a value at any depth |

Python's `==` conflates `True`, `1` and `1.0`: compare values with `same`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, TypeAlias

from iacengine.lang.types import (
    BOOL,
    DYNAMIC,
    NUMBER,
    STRING,
    ListType,
    MapType,
    ObjectType,
    SetType,
    TupleType,
    Type,
)

SENSITIVE: Final = "sensitive"
EPHEMERAL: Final = "ephemeral"

PRECISION: Final = 512  # bits of mantissa, as in Terraform


@dataclass(frozen=True, slots=True)
class Refinement:
    """What is known of an unknown value. Lengths count elements of a collection; bounds are inclusive."""

    not_null: bool = False
    prefix: str = ""
    length_min: int = 0
    length_max: int | None = None


NO_REFINEMENT: Final = Refinement()


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that will be known only after apply."""

    type: Type = DYNAMIC
    refinement: Refinement = NO_REFINEMENT


@dataclass(frozen=True, slots=True)
class Null:
    """A null whose type is known."""

    type: Type


@dataclass(frozen=True, slots=True)
class Marked:
    """A value that carries marks (`SENSITIVE`, `EPHEMERAL`). Never nested directly in another `Marked`; use `mark`."""

    value: Value
    marks: frozenset[str]

    def __repr__(self) -> str:
        return "Marked((sensitive))" if SENSITIVE in self.marks else f"Marked({self.value!r})"


class ListValue:
    """A list: `items`, all of type `element_type`."""

    __slots__ = ("element_type", "items")

    def __init__(self, element_type: Type, items: Iterable[Value]) -> None:
        self.element_type = element_type
        self.items: tuple[Value, ...] = tuple(items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ListValue) and same(self, other)

    def __hash__(self) -> int:
        return hash(("list", len(self.items)))

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Value]:
        return iter(self.items)

    def __repr__(self) -> str:
        return f"ListValue({self.element_type!r}, {list(self.items)!r})"


class SetValue:
    """A set: `items` of type `element_type`, without twins, in canonical order (primitives sorted)."""

    __slots__ = ("element_type", "items")

    def __init__(self, element_type: Type, items: Iterable[Value]) -> None:
        self.element_type = element_type
        self.items: tuple[Value, ...] = tuple(items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SetValue) and same(self, other)

    def __hash__(self) -> int:
        return hash(("set", len(self.items)))

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Value]:
        return iter(self.items)

    def __repr__(self) -> str:
        return f"SetValue({self.element_type!r}, {list(self.items)!r})"


class MapValue:
    """A map from strings to values, all of type `element_type`. `items` is never changed; walks go in key order."""

    __slots__ = ("element_type", "items")

    def __init__(self, element_type: Type, items: Mapping[str, Value]) -> None:
        self.element_type = element_type
        self.items: dict[str, Value] = {key: items[key] for key in sorted(items)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MapValue) and same(self, other)

    def __hash__(self) -> int:
        return hash(("map", tuple(self.items)))

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[str]:
        return iter(self.items)

    def __repr__(self) -> str:
        return f"MapValue({self.element_type!r}, {self.items!r})"


Number = int | Fraction | float
# Dispatch goes by class identity, several times faster than isinstance and deaf to `bool` being an `int`; type checkers
# do not narrow by it, so the alias says what a signature means, not what is checked.
Value: TypeAlias = Any

UNKNOWN: Final = Unknown()


# --- asking ---------------------------------------------------------------------------------------------------------


def is_null(value: Value) -> bool:
    """True for a null, also under marks."""
    if value is None:
        return True
    if value.__class__ is Marked:
        value = value.value
    return value is None or value.__class__ is Null


def is_unknown(value: Value) -> bool:
    """True when the value itself is unknown, also under marks; what it contains is not looked at."""
    if value.__class__ is Marked:
        value = value.value
    return value.__class__ is Unknown


def children(value: Value) -> Iterable[Value]:
    """The values directly inside a collection, tuple or object (none for anything else, nor under a mark)."""
    kind = value.__class__
    if kind is dict:
        return value.values()
    if kind is tuple:
        return value
    if kind is ListValue or kind is SetValue:
        return value.items
    if kind is MapValue:
        return value.items.values()
    return ()


def any_inside(value: Value, test: Callable[[Value], bool]) -> bool:
    """True when `test` holds for the value or for anything inside it, marks opened."""
    todo = [value]
    while todo:
        current = todo.pop()
        if test(current):
            return True
        kind = current.__class__
        if kind is str or kind is int or kind is bool or current is None:
            continue  # the most of them
        if kind is Marked:
            todo.append(current.value)
        else:
            todo.extend(children(current))
    return False


def is_wholly_known(value: Value) -> bool:
    """True when nothing in the value is unknown."""
    kind = value.__class__
    if kind is str or kind is int or kind is bool or value is None:
        return True
    return not any_inside(value, lambda inner: inner.__class__ is Unknown)


def has_mark(value: Value, name: str) -> bool:
    """True when the value, or anything inside it, carries the mark."""
    kind = value.__class__
    if kind is str or kind is int or kind is bool or value is None:
        return False
    return any_inside(value, lambda inner: inner.__class__ is Marked and name in inner.marks)


def type_of(value: Value) -> Type:
    """The exact type of a value; marks are looked through."""
    kind = value.__class__
    if kind is str:
        return STRING
    if kind is bool:
        return BOOL
    if kind is int or kind is Fraction or kind is float:
        return NUMBER
    if value is None:
        return DYNAMIC
    if kind is dict:
        return ObjectType({name: type_of(child) for name, child in value.items()})
    if kind is tuple:
        return TupleType(type_of(child) for child in value)
    if kind is ListValue:
        return ListType(value.element_type)
    if kind is SetValue:
        return SetType(value.element_type)
    if kind is MapValue:
        return MapType(value.element_type)
    if kind is Unknown or kind is Null:
        return value.type
    if kind is Marked:
        return type_of(value.value)
    raise TypeError(f"not a value of the language: {kind.__name__}")


# --- marks ----------------------------------------------------------------------------------------------------------


def mark(value: Value, marks: Iterable[str]) -> Value:
    """The value with the marks added; the value itself when there are none."""
    marks = frozenset(marks)
    if not marks:
        return value
    if value.__class__ is Marked:
        return Marked(value.value, value.marks | marks)
    return Marked(value, marks)


def sensitive(value: Value) -> Value:
    """The value marked sensitive."""
    return mark(value, (SENSITIVE,))


def unmark(value: Value) -> tuple[Value, frozenset[str]]:
    """The value without its own marks, and the marks; marks further inside stay."""
    if value.__class__ is Marked:
        return value.value, value.marks
    return value, frozenset()


def unmark_deep(value: Value) -> tuple[Value, frozenset[str]]:
    """The value without any mark at any depth, and all marks that were found."""
    kind = value.__class__
    if kind is str or kind is int or kind is bool or value is None:
        return value, frozenset()
    found: set[str] = set()
    plain = _strip(value, found)
    return plain, frozenset(found)


def _strip(value: Value, found: set[str]) -> Value:
    kind = value.__class__
    if kind is Marked:
        found |= value.marks
        return _strip(value.value, found)
    return map_children(value, lambda child: _strip(child, found))


def map_children(value: Value, change: Callable[[Value], Value]) -> Value:
    """The value with `change` applied to each direct child; the same object when nothing changed."""
    kind = value.__class__
    if kind is dict:
        return _map_entries(value, change)
    if kind is tuple:
        items = tuple(change(child) for child in value)
        return value if all(a is b for a, b in zip(items, value, strict=True)) else items
    if kind is ListValue:
        items = tuple(change(child) for child in value.items)
        same_items = all(a is b for a, b in zip(items, value.items, strict=True))
        return value if same_items else ListValue(value.element_type, items)
    if kind is SetValue:
        items = tuple(change(child) for child in value.items)
        same_items = all(a is b for a, b in zip(items, value.items, strict=True))
        return value if same_items else SetValue(value.element_type, items)
    if kind is MapValue:
        entries = _map_entries(value.items, change)
        return value if entries is value.items else MapValue(value.element_type, entries)
    return value


def _map_entries(entries: Mapping[str, Value], change: Callable[[Value], Value]) -> Mapping[str, Value]:
    changed: dict[str, Value] | None = None
    for key, child in entries.items():
        new = change(child)
        if new is not child:
            if changed is None:
                changed = dict(entries)
            changed[key] = new
    return entries if changed is None else changed


# --- comparing ------------------------------------------------------------------------------------------------------


def same(a: Value, b: Value) -> bool:
    """True when both are the same value of the same type: nulls, unknowns and marks count as what they are."""
    if a is b:
        return True
    kind = a.__class__
    if kind is not b.__class__:
        return False
    if kind is str or kind is int or kind is bool or kind is Fraction:
        return bool(a == b)
    if kind is float:
        return repr(a) == repr(b)
    if kind is dict:
        return a.keys() == b.keys() and all(same(child, b[key]) for key, child in a.items())
    if kind is tuple:
        return len(a) == len(b) and all(map(same, a, b))
    if kind is ListValue or kind is SetValue:
        return len(a.items) == len(b.items) and a.element_type == b.element_type and all(map(same, a.items, b.items))
    if kind is MapValue:
        return a.element_type == b.element_type and same(a.items, b.items)
    if kind is Marked:
        return a.marks == b.marks and same(a.value, b.value)
    return bool(a == b)  # Unknown, Null


# --- in and out -----------------------------------------------------------------------------------------------------


def number(value: int | float | str) -> Number:
    """A number of the language from a Python number or decimal text (`1.5`, `-2e3`), rounded to 512 bits.

    Raises ValueError when the text is no number. A float means its shortest decimal text, so 0.1 is 0.1.
    """
    if value.__class__ is int:
        return value if -(1 << PRECISION) < value < (1 << PRECISION) else round_number(Fraction(value))
    if isinstance(value, float):
        if value != value:
            raise ValueError("not a number: nan")
        if value in (float("inf"), float("-inf")) or (value == 0 and repr(value) == "-0.0"):
            return value
        value = repr(value)
    return round_number(Fraction(value))


def round_number(value: Fraction) -> Number:
    """The nearest number with a 512-bit mantissa (ties to even): an int when it is whole."""
    numerator, denominator = value.numerator, value.denominator
    if denominator == 1 and numerator.bit_length() <= PRECISION:
        return numerator
    negative = numerator < 0
    if negative:
        numerator = -numerator
    shift = PRECISION + 2 - (numerator.bit_length() - denominator.bit_length())
    if denominator & (denominator - 1) == 0 and numerator.bit_length() <= PRECISION:
        return value
    scaled, rest = divmod(numerator << shift, denominator) if shift >= 0 else divmod(numerator, denominator << -shift)
    extra = scaled.bit_length() - PRECISION
    kept, low = scaled >> extra, scaled & ((1 << extra) - 1)
    half = 1 << (extra - 1)
    if low > half or (low == half and (rest or kept & 1)):
        kept += 1
    exponent = extra - shift
    result = Fraction(kept << exponent) if exponent >= 0 else Fraction(kept, 1 << -exponent)
    if negative:
        result = -result
    return result.numerator if result.denominator == 1 else result


def from_python(data: Any) -> Value:
    """A value from JSON-like Python data: lists and tuples become tuples, dicts objects, floats exact decimals.

    Values of the language pass through. Raises TypeError on anything else (keys that are no strings among them).
    """
    kind = data.__class__
    if kind is str:
        return data if data.isascii() else unicodedata.normalize("NFC", data)
    if data is None or kind is bool:
        return data
    if kind is int or kind is float:
        return number(data)
    if kind is list or kind is tuple:
        return tuple([from_python(child) for child in data])
    if kind is dict:
        entries: dict[str, Value] = {}
        for key, child in data.items():
            if key.__class__ is not str:
                raise TypeError(f"object keys are strings, not {key.__class__.__name__}: {key!r}")
            entries[from_python(key)] = from_python(child)
        return entries
    if kind in (ListValue, SetValue, MapValue, Unknown, Null, Marked, Fraction):
        return data
    if isinstance(data, set | frozenset):
        return tuple([from_python(child) for child in sorted(data)])
    raise TypeError(f"no value of the language can be made of {kind.__name__}")


def to_python(value: Value) -> Any:
    """Plain Python data (dict, list, str, int, float, bool, None) of a value; marks are dropped.

    A number that no float holds exactly becomes the nearest float. Raises ValueError when something is unknown.
    """
    kind = value.__class__
    if kind is str or kind is int or kind is bool or value is None or kind is float:
        return value
    if kind is dict:
        return {key: to_python(child) for key, child in value.items()}
    if kind is tuple:
        return [to_python(child) for child in value]
    if kind is ListValue or kind is SetValue:
        return [to_python(child) for child in value.items]
    if kind is MapValue:
        return {key: to_python(child) for key, child in value.items.items()}
    if kind is Fraction:
        return float(value)
    if kind is Null:
        return None
    if kind is Marked:
        return to_python(value.value)
    raise ValueError("the value is not known yet")
