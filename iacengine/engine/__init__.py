"""Wiring only: from a path to a configuration, its backend and providers; from those to plans and applies.

This is what the command line and the Python API call. Every function raises DiagnosticsError for what a user can mend.
"""

from __future__ import annotations

from iacengine.engine.applying import apply
from iacengine.engine.model import (
    DEFAULT_ON_FAILURE,
    DEFAULT_PARALLELISM,
    Engine,
    PlanOptions,
    Session,
    VariableSources,
)
from iacengine.engine.modules import InstalledStack, ModuleOptions, install, open_modules
from iacengine.engine.opening import (
    STATE_NAME,
    backend_settings,
    default_state_path,
    encryption_of,
    engine_of,
    open_stack,
    remarks,
    require_unmoved,
    stack_directory,
)
from iacengine.engine.plan_files import load_plan, save_plan, with_variables
from iacengine.engine.planning import plan
from iacengine.engine.reading import evaluate_outputs, read_state
from iacengine.engine.recovering import plan_rollback, recover
from iacengine.engine.sessions import session
from iacengine.engine.validating import dependency_graph, validate
from iacengine.engine.variables import missing_variables, root_variables

__all__ = [
    "DEFAULT_ON_FAILURE",
    "DEFAULT_PARALLELISM",
    "STATE_NAME",
    "Engine",
    "InstalledStack",
    "ModuleOptions",
    "PlanOptions",
    "Session",
    "VariableSources",
    "apply",
    "backend_settings",
    "default_state_path",
    "dependency_graph",
    "encryption_of",
    "engine_of",
    "evaluate_outputs",
    "install",
    "load_plan",
    "missing_variables",
    "open_modules",
    "open_stack",
    "plan",
    "plan_rollback",
    "read_state",
    "recover",
    "remarks",
    "require_unmoved",
    "root_variables",
    "save_plan",
    "session",
    "stack_directory",
    "validate",
    "with_variables",
]
