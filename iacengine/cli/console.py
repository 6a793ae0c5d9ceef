"""The interactive console: what names mean in it, and how a value is shown."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from iacengine.addresses import InstanceKey, ModuleInstance, Resource
from iacengine.cli.failures import print_diagnostics
from iacengine.cli.schemas import installed_schemas
from iacengine.cli.terminal import Terminal
from iacengine.cli.views.state_json import object_value
from iacengine.cli.views.value_text import value_lines
from iacengine.config.model import Configuration
from iacengine.evaluation.scope import SINGLE, Expansion, Scope, WorkingValues
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Position, Severity, Snippet, SourceRange
from iacengine.foundation.files import DiskFiles
from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_expression
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.references import Subject
from iacengine.lang.remedies import remedy_of
from iacengine.lang.render import with_rendering
from iacengine.lang.values import ListValue, MapValue, SetValue, Unknown, Value, is_null
from iacengine.state.model import State

_HISTORY_LENGTH = 1000


class _ConsoleScope:
    """A scope in which `type()` may be called."""

    __slots__ = ("_scope", "functions")
    console = True

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.functions = scope.functions

    def lookup(self, subject: Subject) -> Value:
        return self._scope.lookup(subject)


class Console:
    """Answers expressions in one scope."""

    def __init__(self, scope: Scope, terminal: Terminal) -> None:
        self._scope = _ConsoleScope(scope)
        self._terminal = terminal

    def answer(self, text: str) -> bool:
        """Print the value of an expression, or what is wrong with it; whether it has one."""
        try:
            value = parse_expression(text.strip()).evaluate(self._scope)
        except ExpressionError as failed:
            self._terminal.flush()
            print_diagnostics([_diagnostic(failed, text.strip())], self._terminal)
            return False
        except DiagnosticsError as failed:
            self._terminal.flush()
            print_diagnostics(failed.diagnostics, self._terminal)
            return False
        is_type = text.lstrip().startswith("type(") and value.__class__ is str
        self._terminal.line(value if is_type else console_text(value))
        self._terminal.flush()
        return True


def console_text(value: Value) -> str:
    """A value with the function that makes its type, where the text alone would mean another."""
    kind = value.__class__
    if is_null(value) and kind is not Unknown:
        return "null"
    text = "\n".join(value_lines(value, ""))
    wrapper = {ListValue: "tolist", SetValue: "toset", MapValue: "tomap"}.get(kind)
    return f"{wrapper}({text})" if wrapper else text


def console_scope(configuration: Configuration, variables: Mapping[str, Value], state: State | None) -> Scope:
    """The root module's scope: objects are as the state has them, unknown where it has none."""
    functions = with_rendering(FunctionContext(DiskFiles(), module_path=configuration.directory or "."))
    working = WorkingValues(configuration, variables, functions)
    schemas = installed_schemas()
    keys: dict[tuple[ModuleInstance, Resource], list[InstanceKey]] = {}
    calls: dict[tuple[ModuleInstance, str], dict[InstanceKey, None]] = {}
    for (address, deposed), obj in (state.objects if state is not None else {}).items():
        resource = address.resource
        value = None if deposed else object_value(obj, schemas(obj.provider, resource.mode, resource.type))
        if value is None or address.module.path not in configuration.modules:
            continue
        working.set_object(address, value)
        keys.setdefault((address.module, resource), []).append(address.key)
        for depth, (name, key) in enumerate(address.module.steps):
            calls.setdefault((ModuleInstance(address.module.steps[:depth]), name), {})[key] = None
    for (module, resource), found in keys.items():
        working.expand_resource(module, resource, _expansion(found))
    for (parent, name), instances in calls.items():
        working.expand_call(parent, name, _expansion(list(instances)))
    for name, call in configuration.root.calls.items():
        if (ModuleInstance(), name) not in calls and call.repetition.is_single:
            working.expand_call(ModuleInstance(), name, SINGLE)
    return working.scope(ModuleInstance())


def _expansion(keys: list[InstanceKey]) -> Expansion:
    kind = "single" if None in keys else "count" if all(isinstance(key, int) for key in keys) else "for_each"
    return Expansion(kind, dict.fromkeys(sorted(keys, key=lambda key: (isinstance(key, str), key or 0))))


def _diagnostic(failed: ExpressionError, text: str) -> Diagnostic:
    start, end = failed.span or (0, len(text))
    line = text.count("\n", 0, start)
    begin = text.rfind("\n", 0, start) + 1
    first = Position(line + 1, start - begin + 1, start)
    last = Position(line + 1, max(end, start + 1) - begin + 1, max(end, start + 1))
    return Diagnostic(
        Severity.ERROR,
        failed.summary,
        failed.detail,
        remedy_of(failed),
        SourceRange("console", first, last),
        Snippet(text.split("\n")[line], values=failed.values),
    )


# --- typing ---------------------------------------------------------------------------------------------------------


def is_open(text: str) -> bool:
    """True when brackets or a string of the text are not closed yet, or it ends in an operator."""
    depth, quoted, position = 0, False, 0
    while position < len(text):
        character = text[position]
        if quoted and character == "\\":
            position += 1
        elif character == '"':
            quoted = not quoted
        elif not quoted:
            depth += (character in "([{") - (character in ")]}")
        position += 1
    return depth > 0


@contextmanager
def history() -> Iterator[None]:
    """Line editing with the expressions of earlier sessions, kept where only this user can read them."""
    try:
        import readline  # lazy: not on every platform, and only for a terminal
    except ImportError:
        yield
        return
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "iacengine"
    path = folder / "console_history"
    with suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(_HISTORY_LENGTH)
    try:
        yield
    finally:
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600, exist_ok=True)
            readline.write_history_file(path)
