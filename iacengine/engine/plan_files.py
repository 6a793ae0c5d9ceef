"""Saved plans."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from iacengine.config.cache import ParseCache
from iacengine.config.model import Configuration
from iacengine.engine.model import VariableSources
from iacengine.engine.modules import AS_LOCKED, load_with_modules, verify_held_modules
from iacengine.engine.opening import encryption_of, stack_directory
from iacengine.engine.surroundings import function_context
from iacengine.engine.variables import variable_options
from iacengine.foundation.diagnostics import DiagnosticsError, Findings
from iacengine.plan.model import Plan
from iacengine.state.encryption.settings import EncryptionSettings, encryption_settings

if TYPE_CHECKING:
    from iacengine.state.encryption.keyring import Keyring


def save_plan(plan: Plan, path: str, stack_path: str = ".") -> None:
    """Write a plan file (mode 0600), encrypted where the stack has a key. `stack_path`: what the stack was opened
    with."""
    from iacengine.plan.planfile import save_plan as write  # lazy: most plans are not saved

    write(plan, path, stack_path, _keyring(encryption_of(plan.configuration)))


def load_plan(path: str) -> Plan:
    """Read a plan file. Raises when it is none, is damaged, was made by an incompatible version, or cannot be opened
    with the keys of the environment and of the stack that it is a plan of."""
    from iacengine.plan.planfile import load_plan as read  # lazy: as above

    plan = read(path, _plan_keyring, lambda configuration: encryption_of(configuration).key is not None)
    verify_held_modules(plan.configuration)
    return plan


def _plan_keyring(stack_path: str) -> Keyring | None:
    """The keys to open a plan of the stack at `stack_path` with.

    What a plan file says is not trusted before it is opened, so that only a stack in or below the working directory
    may name keys (and a command to run for one); elsewhere the environment alone does.
    """
    here = os.path.realpath(".")
    there = os.path.realpath(stack_path)
    if os.path.exists(there) and os.path.commonpath((here, there)) == here:  # noqa: PTH110
        with suppress(DiagnosticsError):  # what is wrong with the stack now does not matter to the plan
            return _keyring(encryption_of(_loaded(stack_path)))
    return _keyring(encryption_settings())


def _loaded(stack_path: str) -> Configuration:
    directory = stack_directory(stack_path)
    cache = ParseCache(os.path.join(directory, ".iac", "cache"))  # noqa: PTH118 - text in, text out
    return load_with_modules(stack_path, directory, cache, Findings(), AS_LOCKED)


def _keyring(settings: EncryptionSettings) -> Keyring | None:
    if not settings.all_keys:
        return None
    from iacengine.state.encryption.keyring import shared_keyring  # lazy: most stacks encrypt nothing

    return shared_keyring(settings)


def with_variables(plan: Plan, variables: VariableSources) -> Plan:
    """A plan that was loaded, with the values of its ephemeral variables, which it does not hold itself.

    Raises DiagnosticsError when one that was given while planning is missing or not valid, and when another variable
    is given that differs from the plan's.
    """
    from iacengine.plan.saved_variables import judged  # lazy: most plans are not saved
    from iacengine.plan.saved_variables import with_variables as given_again

    complete = given_again(plan, os.environ, variable_options(variables), variables.values)
    return judged(complete, function_context(plan.timestamp))
