"""Functions of strings. Positions and lengths count grapheme clusters; case mappings are Unicode's simple ones."""

from __future__ import annotations

from collections.abc import Sequence

from iacengine.lang.functions.arguments import number, text, whole
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.signature import Function, FunctionError, Parameter
from iacengine.lang.text import graphemes, nfc
from iacengine.lang.types import BOOL, STRING, ListType
from iacengine.lang.values import ListValue, Unknown, Value, is_null, is_wholly_known

# Unicode's White_Space; str.strip() would take four more control characters
_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)

_STRINGS = ListType(STRING)
_MOST_SPACES = 1_000_000  # a mistyped number must not fill the memory


def _chomp(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    return arguments[0].rstrip("\r\n")


def _endswith(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    return arguments[0].endswith(arguments[1])


def _startswith(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    subject, prefix = arguments
    if subject.__class__ is Unknown:
        known = subject.refinement.prefix
        if known.startswith(prefix):
            return True
        if known and len(known.encode()) >= len(prefix.encode()):
            return False
        return Unknown(BOOL)
    return subject.startswith(prefix)


def _strcontains(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    return arguments[1] in arguments[0]


def _indent(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    spaces = whole(arguments[0])
    if spaces < 0:
        raise FunctionError("the number of spaces must not be negative")
    if spaces > _MOST_SPACES:
        raise FunctionError(f"the number of spaces must not be greater than {_MOST_SPACES}")
    return arguments[1].replace("\n", "\n" + " " * spaces)


def _join(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    separator, *lists = arguments
    if not lists:
        raise FunctionError("at least one list is required")
    if not all(map(is_wholly_known, lists)):
        return Unknown(STRING)
    items: list[str] = []
    for position, given in enumerate(lists, 1):
        for index, item in enumerate(given):
            if item.__class__ is not str:  # only a null can be: the argument was converted to a list of string
                where = f"element {index} of list {position}" if len(lists) > 1 else f"element {index}"
                raise FunctionError(f"{where} is null; cannot concatenate null values", position)
            items.append(item)
    return nfc(separator.join(items))


def _lower(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    subject = arguments[0]
    if subject.isascii():
        return subject.lower()
    # character by character: no rule for final sigma
    return nfc("".join("i" if character == "\u0130" else character.lower() for character in subject))


def _upper(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    subject = arguments[0]
    if subject.isascii():
        return subject.upper()
    return nfc("".join(map(_upper_character, subject)))


def _upper_character(character: str) -> str:
    upper = character.upper()
    if len(upper) == 1:
        return upper
    title = character.title()  # for letters with iota subscript the simple upper case is the title case
    return title if len(title) == 1 else character


def _title(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    pieces: list[str] = []
    after_separator = True
    for character in arguments[0]:
        if after_separator:
            title = character.title()
            pieces.append(title if len(title) == 1 else character)
        else:
            pieces.append(character)
        after_separator = _is_separator(character)
    return nfc("".join(pieces))


def _is_separator(character: str) -> bool:
    if character.isascii():
        return not (character.isalnum() or character == "_")
    return character in _SPACE


def _split(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    separator, subject = arguments
    return ListValue(STRING, subject.split(separator) if separator else subject)


def _strrev(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    subject = arguments[0]
    return nfc("".join(reversed(graphemes(subject))))


def _substr(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    subject, offset, length = arguments[0], whole(arguments[1]), whole(arguments[2])
    if offset >= 0 and length == 0:
        return ""
    characters = graphemes(subject)
    start = max(offset + len(characters), 0) if offset < 0 else offset
    # a length of zero after a negative offset takes the rest, as a negative length does: so it is in Terraform
    end = len(characters) if length <= 0 else start + length
    return "".join(characters[start:end])


def _sort(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    given = arguments[0]
    if given.__class__ is Unknown:
        return Unknown(_STRINGS, given.refinement)
    if not is_wholly_known(given):
        return ListValue(STRING, [Unknown(STRING)] * len(given))  # any may come first, but none goes
    for index, item in enumerate(given):
        if is_null(item):
            raise FunctionError(f"given list element {index} is null; a null string cannot be sorted")
    return ListValue(STRING, sorted(given))


def _trim(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    return arguments[0].strip(arguments[1]) if arguments[1] else arguments[0]


def _trimprefix(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    return arguments[0].removeprefix(arguments[1])


def _trimsuffix(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    return arguments[0].removesuffix(arguments[1])


def _trimspace(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    return arguments[0].strip(_SPACE)


_STR = text("str")
_DYNAMIC_STR = text("str", allow_dynamic=True)

FUNCTIONS = (
    Function("chomp", (_STR,), None, STRING, _chomp),
    Function("endswith", (_STR, text("suffix")), None, BOOL, _endswith),
    Function("indent", (number("spaces"), _STR), None, STRING, _indent),
    Function("join", (text("separator"),), Parameter("lists", _STRINGS), STRING, _join),
    Function("lower", (_DYNAMIC_STR,), None, STRING, _lower),
    Function("sort", (Parameter("list", _STRINGS, allow_unknown=True),), None, _STRINGS, _sort),
    Function("split", (text("separator"), _STR), None, _STRINGS, _split),
    Function("startswith", (text("str", allow_unknown=True), text("prefix")), None, BOOL, _startswith),
    Function("strcontains", (_STR, text("substr")), None, BOOL, _strcontains),
    Function("strrev", (_DYNAMIC_STR,), None, STRING, _strrev),
    Function(
        "substr",
        (_DYNAMIC_STR, number("offset", allow_dynamic=True), number("length", allow_dynamic=True)),
        None,
        STRING,
        _substr,
    ),
    Function("title", (_STR,), None, STRING, _title),
    Function("trim", (_STR, text("cutset")), None, STRING, _trim),
    Function("trimprefix", (_STR, text("prefix")), None, STRING, _trimprefix),
    Function("trimspace", (_STR,), None, STRING, _trimspace),
    Function("trimsuffix", (_STR, text("suffix")), None, STRING, _trimsuffix),
    Function("upper", (_DYNAMIC_STR,), None, STRING, _upper),
)
