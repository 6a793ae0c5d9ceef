"""Module calls: arguments against the child's variables, and the providers that are passed."""

from __future__ import annotations

from iacengine.addresses import module_path_text
from iacengine.config.body_check import is_literal
from iacengine.config.declared import close_name
from iacengine.config.model import KeyPath, Module, ModuleCall, Origin, ProviderName
from iacengine.config.source import mistake, place_text
from iacengine.config.type_example import type_remedy
from iacengine.foundation.diagnostics import Findings
from iacengine.lang.convert import ConversionError
from iacengine.lang.values import from_python


def check_call(call: ModuleCall, caller: Module, child: Module, findings: Findings) -> None:
    """A call against the module that it calls."""
    _arguments(call, child, findings)
    _providers_passed(call, caller, child, findings)
    if child.providers and (call.depends_on or not call.repetition.is_single):
        block = next(iter(child.providers.values()))
        name = "depends_on" if call.repetition.is_single else ("count" if call.repetition.has_count else "for_each")
        findings.add(
            mistake(
                call.origin,
                f'"{name}" on a module that configures providers',
                f"{module_path_text(child.path)} holds a provider block of its own, at {place_text(block.origin)}: "
                "it must be there before, and once only.",
                path=(name,),
                key=True,
                remedy='Move the provider block to the root module and pass it with "providers".',
            )
        )


def _arguments(call: ModuleCall, child: Module, findings: Findings) -> None:
    for name, value in call.arguments.items():
        variable = child.variables.get(name)
        if variable is None:
            near = close_name(name, child.variables)
            known = ", ".join(sorted(child.variables)[:12])
            findings.add(
                mistake(
                    call.origin,
                    f'Unknown argument "{name}"',
                    f"The module in {child.directory} has no variable of that name"
                    + (f"; it has {known}." if known else ", nor any other."),
                    path=(name,),
                    key=True,
                    remedy=f'Did you mean "{near}"?' if near else f"Declare it there under variable: {name}.",
                )
            )
        elif variable.constraint is not None and is_literal(value):
            if value is None:
                continue
            try:
                variable.constraint.apply(from_python(value))
            except ConversionError as error:
                findings.add(
                    mistake(
                        call.origin,
                        "Wrong type of argument",
                        f'"{name}" does not fit the type of the variable at {place_text(variable.origin)}: {error}.',
                        path=(name, *error.path),
                        remedy=None if error.path else type_remedy(variable.constraint.type),
                    )
                )
    for name, variable in child.variables.items():
        if not variable.has_default and name not in call.arguments:
            findings.add(
                mistake(
                    call.origin,
                    f'Missing argument "{name}"',
                    f"The module in {child.directory} needs it: {place_text(variable.origin)} gives no default."
                    + (f" {variable.description}" if variable.description else ""),
                    key=True,
                    remedy=f"Add {name}: …",
                )
            )


def declared_providers(module: Module) -> set[ProviderName]:
    """The configurations with an alias that a module may name."""
    found = {name for name in module.providers if name.alias}
    for requirement in module.settings.required_providers.values():
        found.update(requirement.aliases)
    return found


def check_provider(name: ProviderName, module: Module, origin: Origin, path: KeyPath, findings: Findings) -> None:
    """A configuration with an alias has to be declared; one without is there by itself."""
    if name.alias is None:
        return
    declared = declared_providers(module)
    if name in declared:
        return
    near = close_name(str(name), [str(other) for other in declared])
    where = "the module" if module.path else "the root module"
    findings.add(
        mistake(
            origin,
            f"Provider configuration {name} is not declared",
            f'There is no provider block "{name.name}" with alias "{name.alias}" in {where}'
            + (", and its caller does not have to pass one." if module.path else "."),
            path=path,
            remedy=f"Did you mean {near}?"
            if near
            else (
                f"Add {name} to configuration_aliases of {name.name} in required_providers."
                if module.path
                else f"Add provider: {{{name.name}: {{alias: {name.alias}}}}}."
            ),
        )
    )


def _providers_passed(call: ModuleCall, caller: Module, child: Module, findings: Findings) -> None:
    wanted = [alias for requirement in child.settings.required_providers.values() for alias in requirement.aliases]
    for theirs, ours in call.providers.items():
        check_provider(ours, caller, call.origin, ("providers", theirs), findings)
        if "." in theirs and theirs not in {str(alias) for alias in wanted}:
            near = close_name(theirs, [str(alias) for alias in wanted])
            findings.add(
                mistake(
                    call.origin,
                    f"The module takes no provider configuration {theirs}",
                    f"It is none of the configuration_aliases of the module in {child.directory}.",
                    path=("providers", theirs),
                    key=True,
                    remedy=f"Did you mean {near}?" if near else "Remove it, or declare it there.",
                )
            )
    for alias in wanted:
        if str(alias) not in call.providers:
            findings.add(
                mistake(
                    call.origin,
                    f"Missing provider configuration {alias}",
                    f"The module in {child.directory} has to be given one.",
                    key=True,
                    remedy=f"Add providers: {{{alias}: {alias.name}.ALIAS}}.",
                )
            )
