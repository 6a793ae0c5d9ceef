"""Functions of files and paths. They read through the context's `Files`; paths are Unix paths.

Relative paths are relative to the working directory: expressions say `${path.module}/…` where they mean the module's.
"""

from __future__ import annotations

from collections.abc import Sequence

from iacengine.lang.functions import base64_text
from iacengine.lang.functions.arguments import go_quote, redacted, text
from iacengine.lang.functions.context import Files, FunctionContext
from iacengine.lang.functions.globs import PatternSyntaxError, clean, glob, join, relative
from iacengine.lang.functions.signature import Function, FunctionError, Parameter
from iacengine.lang.sets import make_set
from iacengine.lang.text import nfc
from iacengine.lang.types import BOOL, DYNAMIC, STRING, SetType
from iacengine.lang.values import MapValue, Value, mark, unmark

_NO_MARKS: frozenset[str] = frozenset()
_ABSENT = (
    "this function works only with files that are distributed as part of the configuration source code, so if this "
    "file will be created by a resource in this configuration you must instead obtain this result from an attribute "
    "of that resource"
)


def expanded(path: str, files: Files) -> str:
    """The clean path, `~` replaced by the home directory. Raises FunctionError when there is none."""
    try:
        return clean(files.expand_home(path))
    except (OSError, ValueError) as error:
        raise FunctionError(f"failed to expand ~: {error}", 0) from None


def read_file(path: str, files: Files, marks: frozenset[str] = _NO_MARKS) -> bytes:
    """The contents of a file. Raises FunctionError, blaming the first argument."""
    shown = redacted(go_quote(path), marks)
    try:
        return files.read(expanded(path, files))
    except FileNotFoundError:
        raise FunctionError(f"no file exists at {shown}; {_ABSENT}", 0) from None
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise FunctionError(f"failed to read file {shown}: {reason}", 0) from None
    except ValueError:  # a null character
        raise FunctionError(f"failed to read file {shown}: invalid path", 0) from None


def read_text(path: str, files: Files, marks: frozenset[str] = _NO_MARKS) -> str:
    """The text of a UTF-8 file. Raises FunctionError."""
    try:
        return nfc(read_file(path, files, marks).decode())
    except UnicodeDecodeError:
        raise FunctionError(
            f"contents of {redacted(go_quote(path), marks)} are not valid UTF-8; use the filebase64 function to obtain "
            "the Base64 encoded contents or the other file functions (e.g. filemd5, filesha256) to obtain file hashing "
            "results instead"
        ) from None


def _file(arguments: Sequence[Value], context: FunctionContext) -> Value:
    path, marks = unmark(arguments[0])
    return mark(read_text(path, context.files, marks), marks)


def _filebase64(arguments: Sequence[Value], context: FunctionContext) -> Value:
    path, marks = unmark(arguments[0])
    return mark(base64_text.encode(read_file(path, context.files, marks)), marks)


def _fileexists(arguments: Sequence[Value], context: FunctionContext) -> Value:
    given, marks = unmark(arguments[0])
    path = expanded(given, context.files)
    shown = redacted(go_quote(path), marks)
    try:
        kind = context.files.kind(path)
    except (OSError, ValueError):
        raise FunctionError(f"failed to stat {shown}") from None
    if kind is not None and kind != "file":
        purpose = "file" if kind == "directory" else "regular file"
        raise FunctionError(f"{shown} is a {kind}, not a {purpose}")
    return mark(kind == "file", marks)


def _fileset(arguments: Sequence[Value], context: FunctionContext) -> Value:
    given, path_marks = unmark(arguments[0])
    pattern, pattern_marks = unmark(arguments[1])
    marks = path_marks | pattern_marks
    path = clean(given)
    whole = join(path, pattern)
    try:
        found = glob(whole, context.files)
    except PatternSyntaxError:
        raise FunctionError(
            f"failed to glob pattern {redacted(go_quote(whole), marks)}: syntax error in pattern"
        ) from None
    names = [nfc(relative(match, path)) for match in found if context.files.kind(match) == "file"]
    return mark(make_set(STRING, names), marks)


def _basename(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    path = arguments[0]
    if not path:
        return "."
    return path.rstrip("/").rpartition("/")[2] or "/"


def _dirname(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    head, slash, _ = arguments[0].rpartition("/")
    return clean(head + slash)


def _abspath(arguments: Sequence[Value], context: FunctionContext) -> Value:
    try:
        return nfc(context.files.absolute(arguments[0]))
    except OSError as error:
        raise FunctionError(f"the working directory is gone: {error.strerror}") from None


def _pathexpand(arguments: Sequence[Value], context: FunctionContext) -> Value:
    try:
        return nfc(context.files.expand_home(arguments[0]))
    except (OSError, ValueError) as error:
        raise FunctionError(str(error)) from None


def _templatefile(arguments: Sequence[Value], context: FunctionContext) -> Value:
    if context.inside_template:
        raise FunctionError("cannot recursively call templatefile from inside another template")
    path, marks = unmark(arguments[0])
    variables = arguments[1]
    source = read_text(path, context.files, marks)
    if variables.__class__ is MapValue:
        variables = variables.items
    elif variables.__class__ is not dict:
        raise FunctionError("invalid vars value: must be a map", 1)
    for name in variables:
        if not _is_identifier(name):
            raise FunctionError(
                f"invalid template variable name {go_quote(name)}: must start with a letter, followed by zero or more "
                "letters, digits, and underscores",
                1,
            )
    result = context.render(source, variables, path)
    return mark(result, marks)


def _is_identifier(name: str) -> bool:
    return name.replace("-", "_").isidentifier() and name[0] not in "_-"


_PATH = text("path", allow_marked=True)

FUNCTIONS = (
    Function("abspath", (text("path"),), None, STRING, _abspath),
    Function("basename", (text("path"),), None, STRING, _basename),
    Function("dirname", (text("path"),), None, STRING, _dirname),
    Function("file", (_PATH,), None, STRING, _file),
    Function("filebase64", (_PATH,), None, STRING, _filebase64),
    Function("fileexists", (_PATH,), None, BOOL, _fileexists),
    Function("fileset", (_PATH, text("pattern", allow_marked=True)), None, SetType(STRING), _fileset),
    Function("pathexpand", (text("path"),), None, STRING, _pathexpand),
    Function("templatefile", (_PATH, Parameter("vars", DYNAMIC)), None, DYNAMIC, _templatefile, not_null=False),
)
