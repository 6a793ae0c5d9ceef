"""Static checks: what can be told to be wrong without evaluating anything, over the whole module tree.

One pass over every module. Schemas, where they are known, tell attributes and types.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from iacengine.addresses import Mode
from iacengine.config.body_check import BodyCheck
from iacengine.config.call_check import check_call, check_provider
from iacengine.config.declared import Declared, Schemas, close_name, no_schemas
from iacengine.config.model import (
    Check,
    Condition,
    Configuration,
    KeyPath,
    Module,
    ModuleCall,
    Origin,
    Output,
    Raw,
    Repetition,
    ResourceBlock,
    Variable,
)
from iacengine.config.reference_check import PLAIN, ReferenceCheck, Surroundings
from iacengine.config.repetition_check import count_problem, for_each_problem
from iacengine.config.source import locate, mistake
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Findings, warning
from iacengine.foundation.garbage import collection_paused
from iacengine.lang.references import Index, Reference, Subject
from iacengine.schema import Block, Schema

__all__ = ["Schemas", "validate"]

_REPEATED = ("resource", "data", "ephemeral", "module")
_KINDS = {Mode.MANAGED: "resource", Mode.DATA: "data", Mode.EPHEMERAL: "ephemeral"}


def validate(configuration: Configuration, schemas: Schemas = no_schemas) -> tuple[Diagnostic, ...]:
    """Everything that is wrong, and warnings. A module that is called often is checked once; every call is."""
    findings = Findings()
    seen: set[str] = set()
    with collection_paused():
        for module in configuration.root.walk():
            if module.directory not in seen:
                seen.add(module.directory)
                _ModuleCheck(module, schemas, findings, configuration.modules.values()).run()
            for name, child in module.children.items():
                check_call(module.calls[name], module, child, findings)
    return findings.all


def _asked(schemas: Schemas, module: Module, findings: Findings) -> Schemas:
    """The schemas of a module's blocks, each asked for once. What cannot be had is told at its first block."""
    found: dict[tuple[Mode, str], Schema | None] = {}
    told: set[Diagnostic] = set()
    checks = (check.data for check in module.checks.values() if check.data is not None)
    for block in (*module.resources.values(), *checks):
        key = (block.address.mode, block.address.type)
        if key in found:
            continue
        try:
            found[key] = schemas(*key, module)
        except DiagnosticsError as failure:
            found[key] = None
            new = [diagnostic for diagnostic in failure.diagnostics if diagnostic not in told]
            told.update(new)
            findings.extend(diagnostic.at(*locate(block.origin)) for diagnostic in new)
    return lambda mode, type_, _: found.get((mode, type_))


class _ModuleCheck:
    """The check of one module's own blocks."""

    def __init__(self, module: Module, schemas: Schemas, findings: Findings, modules: Iterable[Module]) -> None:
        self._module = module
        self._schemas = _asked(schemas, module, findings)
        self._findings = findings
        self._references = ReferenceCheck(Declared(module, self._schemas, modules), findings)

    def run(self) -> None:
        module, raw = self._module, self._references.raw
        for variable in module.variables.values():
            self._variable(variable)
        for local in module.locals.values():
            raw(local.value, Surroundings(own=("local", local.name)), local.origin)
        for block in module.resources.values():
            self._resource(block)
        for call in module.calls.values():
            self._call(call)
        for provider in module.providers.values():
            raw(provider.body, PLAIN, provider.origin)
        for output in module.outputs.values():
            self._output(output)
        for check in module.checks.values():
            self._check(check)
        for imported in module.imports:
            raw(imported.for_each, PLAIN, imported.origin, ("for_each",))
            raw(imported.id, Surroundings(each=imported.has_for_each), imported.origin, ("id",))
        if module.moved or module.removed or module.imports:
            from iacengine.config.refactoring_check import check_refactoring  # lazy: most modules have no such blocks

            check_refactoring(module, self._findings)

    # --- values -----------------------------------------------------------------------------------------------------

    def _variable(self, variable: Variable) -> None:
        for condition in variable.validations:
            references = self._condition(condition, PLAIN, "validation")
            if references and ("var", variable.name) not in {reference.subject for reference in references}:
                self._wrong(
                    condition.origin,
                    "A validation of something else",
                    f"The condition does not look at var.{variable.name}, whose validation it is.",
                    ("condition",),
                    remedy=f"Refer to var.{variable.name}, or make it a check block.",
                )

    def _output(self, output: Output) -> None:
        self._references.raw(output.value, PLAIN, output.origin, ("value",))
        self._depends_on(output.depends_on, PLAIN, output.origin)
        for condition in output.preconditions:
            self._condition(condition, PLAIN, "precondition")
        if output.ephemeral and not self._module.path:
            self._wrong(
                output.origin,
                "Ephemeral output of the root module",
                "Outputs of the root module are kept, which an ephemeral value must not be.",
                ("ephemeral",),
                key=True,
                remedy="Remove it, or set sensitive: true.",
            )

    def _condition(self, condition: Condition, around: Surroundings, kind: str) -> list[Reference]:
        self._references.raw(condition.condition, around, condition.origin, ("condition",))
        self._references.raw(condition.error_message, around, condition.origin, ("error_message",))
        references = self._references.references(condition.condition)
        text = condition.condition
        unreadable = text.__class__ is str and self._references.is_unreadable(text)
        if not references and not unreadable:
            self._wrong(
                condition.origin,
                f"A {kind} of nothing",
                "The condition refers to nothing, so that it cannot check anything.",
                ("condition",),
                remedy="Refer to what must hold, inside ${ }."
                if text.__class__ is str and "${" not in text
                else "Refer to the object or variable whose value must hold.",
            )
        return references

    # --- resources --------------------------------------------------------------------------------------------------

    def _resource(self, block: ResourceBlock, check: ResourceBlock | None = None) -> None:
        address, origin = block.address, block.origin
        key = "resource" if address.mode is Mode.MANAGED else address.mode.value
        own: Subject = (key, address.type, address.name)
        inside = _inside(block.repetition, own)
        raw = self._references.raw
        if "dynamic" in block.body:
            self._with_dynamic(block.body, inside, origin, ())
        else:
            raw(block.body, inside, origin)
        if not block.repetition.is_single:
            self._repetition(block.repetition, own, origin)
        if block.depends_on:
            self._depends_on(block.depends_on, PLAIN if check is None else Surroundings(data=check), origin)
        if block.provider is not None:
            check_provider(block.provider, self._module, origin, ("provider",), self._findings)
        lifecycle = block.lifecycle
        for condition in lifecycle.preconditions:
            self._condition(condition, inside, "precondition")
        for condition in lifecycle.postconditions:
            after = Surroundings(each=inside.each, count=inside.count, self_=True, own=own)
            self._condition(condition, after, "postcondition")
        for index, trigger in enumerate(lifecycle.replace_triggered_by):
            self._trigger(trigger, inside, origin, ("lifecycle", "replace_triggered_by", index))
        if block.provisioners or block.connection is not None:
            from iacengine.config.provisioner_check import check_provisioners  # lazy: few resources have them

            check_provisioners(block, inside, self._references, self._findings)
        schema = self._schemas(address.mode, address.type, self._module)
        if schema is not None:
            BodyCheck(origin, f"{_KINDS[address.mode]} {address.type}.{address.name}", self._findings).block(
                block.body, schema.block
            )
            if lifecycle.ignore_changes:
                self._ignored(block, lifecycle.ignore_changes, schema.block)

    def _repetition(self, repetition: Repetition, own: Subject | None, origin: Origin) -> None:
        name = "count" if repetition.has_count else "for_each"
        value = repetition.count if repetition.has_count else repetition.for_each
        self._references.raw(value, Surroundings(own=own), origin, (name,))
        problem = count_problem(value) if repetition.has_count else for_each_problem(value)
        if problem is not None:
            self._wrong(origin, f"Invalid {name}", problem.detail, (name,), remedy=problem.remedy)

    def _with_dynamic(self, body: Raw, around: Surroundings, origin: Origin, path: KeyPath) -> None:
        """References inside dynamic blocks: each has an iterator, named as the block unless it says otherwise."""
        for name, value in body.items():
            if name != "dynamic":
                self._references.raw(value, around, origin, (*path, name))
                continue
            for group, where in _each(value, (*path, name)):
                for label, inner in group.items():
                    for block, place in _each(inner, (*where, label)):
                        self._dynamic_block(label, block, around, origin, place)

    def _dynamic_block(self, label: str, block: Raw, around: Surroundings, origin: Origin, path: KeyPath) -> None:
        iterator = block.get("iterator", label)
        bound = around.bound | {iterator if iterator.__class__ is str else label}
        inner = Surroundings(around.each, around.count, around.self_, around.own, bound)
        self._references.raw(block.get("for_each"), around, origin, (*path, "for_each"))
        self._references.raw(block.get("labels"), inner, origin, (*path, "labels"))
        for content, place in _each(block.get("content"), (*path, "content")):
            self._with_dynamic(content, inner, origin, place)

    def _trigger(self, trigger: Raw, around: Surroundings, origin: Origin, path: KeyPath) -> None:
        plain = Surroundings(each=around.each, count=around.count)
        # The text of the file may lack the ${ } that decoding put around it, so no span is given.
        targets = 0
        for reference in self._references.references(trigger):
            self._references.reference(reference, plain, origin, path)
            kind = reference.subject[0]
            if kind == "resource":
                targets += 1
            elif kind not in ("each", "count"):
                self._wrong(
                    origin,
                    "Invalid replace_triggered_by",
                    f"{'.'.join(reference.subject)} is no resource; only resources of this module, and attributes of "
                    "them, can trigger a replacement.",
                    path,
                    remedy="Put the value into a terraform_data resource, and refer to that.",
                )
                return
        if targets != 1:
            self._wrong(
                origin,
                "Invalid replace_triggered_by",
                "Each element refers to one resource.",
                path,
                remedy="Write a reference such as aws_vpc.main or aws_vpc.main.tags.",
            )

    def _ignored(self, block: ResourceBlock, paths: Iterable[KeyPath], schema_block: Block) -> None:
        for index, path in enumerate(paths):
            name = str(path[0])
            attribute = schema_block.attributes.get(name)
            where = ("lifecycle", "ignore_changes", index)
            if attribute is not None and not (attribute.optional or attribute.required):
                self._findings.add(
                    warning(
                        "Nothing to ignore",
                        f'"{name}" is set by the provider alone, so that no change of it is ever planned.',
                        remedy="Remove it from ignore_changes.",
                    ).at(*locate(block.origin, where))
                )
            elif attribute is None and name not in schema_block.blocks:
                near = close_name(name, (*schema_block.attributes, *schema_block.blocks))
                self._wrong(
                    block.origin,
                    "Unsupported attribute",
                    f'{block.address} has no attribute or block "{name}" to ignore.',
                    where,
                    remedy=f'Did you mean "{near}"?' if near else None,
                )

    # --- the rest ---------------------------------------------------------------------------------------------------

    def _call(self, call: ModuleCall) -> None:
        self._references.raw(call.arguments, _inside(call.repetition, None), call.origin)
        if not call.repetition.is_single:
            self._repetition(call.repetition, None, call.origin)
        self._depends_on(call.depends_on, PLAIN, call.origin)

    def _check(self, check: Check) -> None:
        if check.data is not None:
            self._resource(check.data, check.data)
        around = Surroundings(data=check.data)
        for condition in check.assertions:
            self._condition(condition, around, "assert")

    def _depends_on(self, references: tuple[Reference, ...], around: Surroundings, origin: Origin) -> None:
        for index, reference in enumerate(references):
            path = ("depends_on", index)
            whole = Reference(reference.subject, (), reference.span)
            self._references.reference(whole, around, origin, path)
            left = reference.remaining
            if (
                left
                and isinstance(left[0], Index)
                and reference.subject[0] in ("resource", "data", "ephemeral", "module")
            ):
                left = left[1:]
            if left:
                self._wrong(
                    origin,
                    "Invalid depends_on",
                    "A dependency is on a whole object, not on an attribute of it.",
                    path,
                    remedy=f"Write {_text(reference.subject)}.",
                )

    def _wrong(
        self,
        origin: Origin,
        summary: str,
        detail: str,
        path: KeyPath,
        *,
        key: bool = False,
        remedy: str | None = None,
    ) -> None:
        self._findings.add(mistake(origin, summary, detail, path=path, key=key, remedy=remedy))


def _inside(repetition: Repetition, own: Subject | None) -> Surroundings:
    return Surroundings(each=repetition.has_for_each, count=repetition.has_count, own=own)


def _each(value: Raw, path: KeyPath) -> Iterator[tuple[Raw, KeyPath]]:
    """The objects behind a block: one, or each of a list."""
    if value.__class__ is dict:
        yield value, path
    elif value.__class__ is list:
        for index, child in enumerate(value):
            if child.__class__ is dict:
                yield child, (*path, index)


def _text(subject: Subject) -> str:
    return ".".join(subject[1:] if subject[0] == "resource" else subject)
