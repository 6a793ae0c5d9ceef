"""iacengine: an execution engine for infrastructure as code. Its public Python API.

Each name is imported on first use, so that `import iacengine` costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, which takes longer to import than all the rest

if TYPE_CHECKING:
    from iacengine.apply.outcome import Outcome
    from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError
    from iacengine.foundation.version import VERSION as __version__  # noqa: N811 - the name Python tools ask for
    from iacengine.plan.model import Action, Change, Plan, PlanMode
    from iacengine.stack.reference import Reference, count, each, expr, fn, path, self_
    from iacengine.stack.secret import Secret
    from iacengine.stack.stack import ApplyError, Stack

_HOME = {
    "Action": "iacengine.plan.model",
    "ApplyError": "iacengine.stack.stack",
    "Change": "iacengine.plan.model",
    "Diagnostic": "iacengine.foundation.diagnostics",
    "DiagnosticsError": "iacengine.foundation.diagnostics",
    "Outcome": "iacengine.apply.outcome",
    "Plan": "iacengine.plan.model",
    "PlanMode": "iacengine.plan.model",
    "Reference": "iacengine.stack.reference",
    "Secret": "iacengine.stack.secret",
    "Stack": "iacengine.stack.stack",
    "count": "iacengine.stack.reference",
    "each": "iacengine.stack.reference",
    "expr": "iacengine.stack.reference",
    "fn": "iacengine.stack.reference",
    "path": "iacengine.stack.reference",
    "self_": "iacengine.stack.reference",
}

__all__ = [
    "Action",
    "ApplyError",
    "Change",
    "Diagnostic",
    "DiagnosticsError",
    "Outcome",
    "Plan",
    "PlanMode",
    "Reference",
    "Secret",
    "Stack",
    "__version__",
    "count",
    "each",
    "expr",
    "fn",
    "path",
    "self_",
]


def __getattr__(name: str) -> object:
    from importlib import import_module  # lazy: nothing is loaded until a name is used

    if name == "__version__":
        return import_module("iacengine.foundation.version").VERSION
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
