"""What to do about the errors of expressions, where the place that found one does not know better."""

from __future__ import annotations

from iacengine.lang.errors import ExpressionError
from iacengine.lang.functions.signature import Function

_NULL = "Give a null another value with coalesce, or choose with a conditional."
_FOR = "Write [for item in list : item], or {for key, item in map : key => item}."
_LITERAL = "Write the value itself."
_CLOSE = "Close it with a brace }."

_USUAL = {
    "Ambiguous attribute key": 'Write (a.b) = … for what the reference has, or "a.b" = … for the name.',
    "Duplicate object attribute": "Give each attribute a name of its own.",
    "Extra characters after expression": "Remove what follows, or join the two with an operator or a comma.",
    "Extra characters in directive marker": _CLOSE,
    "Extra characters in interpolation marker": _CLOSE,
    "Function calls not allowed": _LITERAL,
    "Functions not allowed": _LITERAL,
    "Inconsistent conditional result types": "Make both results of one type, for example with tostring or tolist.",
    "Incorrect condition type": 'Compare with something, as in x == "yes", or convert with tobool.',
    "Incorrect key type": "A key is a string: take a part of the value, or convert it with tostring.",
    "Invalid 'for' condition": "What follows if must be true or false: compare with something, as in item != null.",
    "Invalid 'for' directive": "Write %{ for item in list }…%{ endfor }.",
    "Invalid 'for' expression": _FOR,
    "Invalid attribute name": 'Write a name, or a key in brackets: ["a key"].',
    "Invalid character": "Remove it; or put it in double quotes when it belongs to a text.",
    "Invalid default value for optional attribute": "Give a default of the type of the attribute.",
    "Invalid escape sequence": r"Write \\ for a backslash.",
    "Invalid expanding argument value": "Write ... only after a list, a set or a tuple, as in max([1, 2]...).",
    "Invalid expression": "Write a literal, a reference or a call here.",
    "Invalid index": "Use a key that is there, or give another value with try(…, DEFAULT).",
    "Invalid legacy index syntax": "Write each index in brackets: [0][1].",
    "Invalid multi-line string": r"Write \n for a line break.",
    "Invalid number literal": "Write digits, such as 15, 1.5 or 1e3.",
    "Invalid object key": "Leave what has no key out with a condition: if item.key != null.",
    "Invalid object key expression": "A key is a string: take a part of the value, or convert it with tostring.",
    "Invalid operand": "Convert it with tonumber or tobool, or compare with something first.",
    "Invalid template directive": "Write %{ if … } or %{ for … in … }; and %%{ for these two characters themselves.",
    "Iteration over non-iterable value": "Go over a list, a set, a map or an object; [x] is a list of one.",
    "Missing argument separator": "Put a comma between arguments, and a closing parenthesis after the last.",
    "Missing attribute separator": "Put a comma between attributes, and a closing brace after the last.",
    "Missing attribute value": "Write name = value.",
    "Missing close bracket on index": 'Add the bracket "]".',
    "Missing close bracket on splat index": "Write [*].",
    "Missing closing parenthesis": "Close the call right after the dots: f(list...).",
    "Missing expression": "Write a literal, a reference or a call here.",
    "Missing false expression in conditional": "Write CONDITION ? VALUE : OTHER.",
    "Missing function name": "Write provider::NAME::FUNCTION(…).",
    "Missing item separator": "Put a comma between items, and a closing bracket after the last.",
    "Missing open parenthesis": "Write provider::NAME::FUNCTION(…).",
    "Null condition": "Say what null means with coalesce(…, false).",
    "Null value as key": _NULL,
    "Operation failed": "Guard it with a conditional, as in b == 0 ? 0 : a / b.",
    "Splat of null value": "Give a null another value first: coalesce(…, []).",
    "Unbalanced parentheses": "Add the closing parenthesis.",
    "Unclosed template interpolation sequence": "Add the brace }; or write $${ for these two characters themselves.",
    "Unsupported attribute": "Use it as it is, or another attribute.",
    "Unterminated function call": "Add the closing parenthesis.",
    "Unterminated template string": 'Add the closing quote (").',
    "Variables not allowed": _LITERAL,
}

_TIME = 'A time is written as in "2024-01-31T12:00:00Z", a duration as in "1h30m".'
_FILE = 'Look for a misspelt path; "${path.module}/…" begins at the folder of the module.'
_PREFIX = 'A prefix is written as in "10.0.0.0/16"; longer ones have room for fewer numbers.'
_TEMPLATE = "The second argument holds each name that the template uses, as in {name = var.name}."

_OF_FUNCTIONS = {
    "base64decode": "Does the text come from base64encode? Its alphabet is A to Z, a to z, 0 to 9, + and /.",
    "cidrhost": _PREFIX,
    "cidrnetmask": _PREFIX,
    "cidrsubnet": _PREFIX,
    "cidrsubnets": _PREFIX,
    "coalesce": "Give a last argument that is never null.",
    "csvdecode": "The first line names the columns; each other line has as many.",
    "element": "Test first: length(x) > 0 ? element(x, 0) : DEFAULT.",
    "file": _FILE,
    "format": "Verbs are %s for texts, %d for whole numbers, %f for other numbers, %t for bools, %v for anything.",
    "formatdate": "Verbs are YYYY, MM, DD, hh, mm, ss, Z and others; text stands in quotes: \"YYYY-MM-DD'T'hh:mm\".",
    "formatlist": "Verbs are those of format; all lists have the same length.",
    "index": "Test first: contains(list, x) ? index(list, x) : DEFAULT.",
    "jsondecode": "Does the text come from jsonencode? What may be none is read with try(jsondecode(…), DEFAULT).",
    "lookup": "Give a default as the third argument: lookup(map, key, DEFAULT).",
    "one": "Take one of several with x[0], or with element.",
    "parseint": "What may be no number is read with try(parseint(…), DEFAULT).",
    "regex": "For a text that may not match write try(regex(…), DEFAULT); regexall gives all matches, also none.",
    "sum": "Give numbers; concat([0], x) has one for an empty list.",
    "templatefile": _TEMPLATE,
    "templatestring": _TEMPLATE,
    "timeadd": _TIME,
    "timecmp": _TIME,
    "tobool": 'Only true, false, "true" and "false" are bools: compare with something, as in x == "yes".',
    "tonumber": "What may be no number is read with try(tonumber(…), DEFAULT).",
    "yamldecode": "Does the text come from yamlencode? What may be none is read with try(yamldecode(…), DEFAULT).",
    "zipmap": "Give as many values as keys.",
}


def remedy_of(error: ExpressionError) -> str | None:
    """What the reader of an error can do."""
    return error.remedy or _USUAL.get(error.summary)


def remedy_of_call(function: Function, message: str) -> str:
    """What to do when a function refuses its arguments: what helps with that function, or how it is called."""
    if message == "argument must not be null":
        return _NULL
    known = _OF_FUNCTIONS.get(function.name) or (_FILE if function.name.startswith("file") else None)
    return known or usage(function)


def usage(function: Function) -> str:
    """How a function is called."""
    names = [parameter.name for parameter in function.parameters]
    if function.variadic is not None:
        names.append(f"{function.variadic.name}...")
    return f"Write {function.name}({', '.join(names)})."
