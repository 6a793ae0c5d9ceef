"""What the expressions of a module may refer to, and what is wrong with a reference to anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from iacengine.addresses import Mode, Resource, module_path_text
from iacengine.config.model import Module, Repetition, ResourceBlock
from iacengine.config.schema_path import SchemaPathError, check_steps
from iacengine.foundation.diagnostics import near_match
from iacengine.lang.references import Index, Reference, Step, Subject
from iacengine.schema import Schema

Schemas = Callable[[Mode, str, Module], Schema | None]
"""The schema of a resource type as a module knows it; None when nobody can tell (then nothing is checked)."""


def no_schemas(mode: Mode, type_: str, module: Module) -> Schema | None:
    """Nothing is known of any resource type."""
    del mode, type_, module
    return None


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a reference, wherever it stands."""

    summary: str
    detail: str
    remedy: str | None = None


_MODES = {"resource": Mode.MANAGED, "data": Mode.DATA, "ephemeral": Mode.EPHEMERAL}
_NOUNS = {Mode.MANAGED: "resource", Mode.DATA: "data source", Mode.EPHEMERAL: "ephemeral resource"}
_KEYS = {Mode.MANAGED: "resource", Mode.DATA: "data", Mode.EPHEMERAL: "ephemeral"}
_WORKSPACE = ("workspace", "applying")
_MISTAKEN = {
    "variable": "var",
    "variables": "var",
    "vars": "var",
    "input": "var",
    "locals": "local",
    "modules": "module",
    "datasource": "data",
}
_MANY = 400


def close_name(word: str, known: Iterable[str]) -> str | None:
    """The name that was probably meant. Among very many names only those of a like beginning or end are compared."""
    names = list(known)
    if len(names) > _MANY:
        names = [name for name in names if name[:3] == word[:3] or name[-3:] == word[-3:]][:_MANY]
    return near_match(word, names)


class Declared:
    """The names of one module. `extra` are data sources that only one check block sees."""

    def __init__(self, module: Module, schemas: Schemas, modules: Iterable[Module] = ()) -> None:
        self.module = module
        self._modules = modules
        self._schemas = schemas
        self.where = f"The module {module.directory}" if module.path else "The root module"

    def problem(self, reference: Reference, extra: ResourceBlock | None = None) -> Problem | None:
        """What is wrong with a reference, or None. `each`, `count` and `self` depend on the block: not looked at."""
        subject = reference.subject
        kind = subject[0]
        if kind in _MODES:
            return self._resource(reference, _MODES[kind], extra)
        if kind == "var":
            return self._named(subject[1], self.module.variables, "input variable", "variable", "var")
        if kind == "local":
            return self._named(subject[1], self.module.locals, "local value", "locals", "local")
        if kind == "module":
            return self._module(reference)
        if kind == "terraform" and subject[1] not in _WORKSPACE:
            return Problem(
                'Invalid "terraform" attribute',
                f'The "terraform" object has no attribute "{subject[1]}".',
                "Did you mean terraform.workspace?" if subject[1] == "env" else "It has workspace and applying.",
            )
        return None

    def _named(self, name: str, known: Iterable[str], noun: str, key: str, prefix: str) -> Problem | None:
        if name in known:
            return None
        near = close_name(name, known)
        elsewhere = {"var": self.module.locals, "local": self.module.variables}.get(prefix, {})
        remedy = f"Did you mean {prefix}.{near}?" if near else None
        if name in elsewhere:
            other = "local" if prefix == "var" else "var"
            remedy = f"Did you mean {other}.{name}?"
        if remedy is None:
            remedy = (
                self._elsewhere(key if key == "locals" else "variables", name) or f"Declare it under {key}: {name}."
            )
        return Problem(f"Reference to undeclared {noun}", f'{self.where} declares no {noun} "{name}".', remedy)

    def _elsewhere(self, kind: str, key: object) -> str | None:
        """A remedy when another module declares the name: modules see nothing of each other but what is passed."""
        holder = next(
            (other for other in self._modules if other is not self.module and key in getattr(other, kind)), None
        )
        if holder is None or holder.directory == self.module.directory:
            return None
        where = module_path_text(holder.path) or "The root module"
        if holder.path[:-1] == self.module.path and holder.path:
            return f"{where} declares it: make it an output there, and write {where}.OUTPUT here."
        return f"{where} declares it: pass it on to this module, through a variable."

    # --- resources --------------------------------------------------------------------------------------------------

    def _resource(self, reference: Reference, mode: Mode, extra: ResourceBlock | None) -> Problem | None:
        _, type_, name = reference.subject
        address = Resource(mode, type_, name)
        block = self.module.resources.get(address)
        if block is None and extra is not None and extra.address == address:
            block = extra
        if block is None:
            return self._undeclared(address)
        return self._steps(reference, block)

    def _undeclared(self, address: Resource) -> Problem:
        resources = self.module.resources
        remedy = None
        prefix = _MISTAKEN.get(address.type)
        if prefix is not None and address.mode is Mode.MANAGED:
            remedy = f"Did you mean {prefix}.{address.name}?"
        if remedy is None:
            for mode in Mode:
                if mode is not address.mode and Resource(mode, address.type, address.name) in resources:
                    remedy = f"Did you mean {Resource(mode, address.type, address.name)}?"
        if remedy is None:
            same_type = [key.name for key in resources if key.mode is address.mode and key.type == address.type]
            near = close_name(address.name, same_type)
            if near is not None:
                remedy = f"Did you mean {Resource(address.mode, address.type, near)}?"
        if remedy is None:
            types = {key.type for key in resources if key.mode is address.mode and key.name == address.name}
            near = close_name(address.type, types)
            if near is not None:
                remedy = f"Did you mean {Resource(address.mode, near, address.name)}?"
        if remedy is None:
            remedy = self._elsewhere("resources", address)
        noun = _NOUNS[address.mode]
        return Problem(
            f"Reference to undeclared {noun}",
            f"{self.where} declares no {noun} {address}.",
            remedy
            or f"Declare it under {address.mode.value.replace('managed', 'resource')}: {address.type}: {address.name}.",
        )

    def _steps(self, reference: Reference, block: ResourceBlock) -> Problem | None:
        """Whether the keys and attributes after a resource's name can be there."""
        steps = reference.remaining
        problem, inner = _instance_steps(steps, block.repetition, str(block.address), "resource")
        if problem is not None or not inner:
            return problem
        schema = self._schemas(block.address.mode, block.address.type, self.module)
        if schema is None:
            return None
        try:
            check_steps(schema.block, inner, str(block.address))
        except SchemaPathError as error:
            return Problem(error.summary, error.detail, error.remedy)
        return None

    def own_problem(self, reference: Reference, own: Subject) -> Problem | None:
        """What is wrong with a reference to `self` in the block of a resource."""
        _, type_, _ = own
        mode = _MODES[own[0]]
        schema = self._schemas(mode, type_, self.module)
        if schema is None or not reference.remaining or isinstance(reference.remaining[0], Index):
            return None
        try:
            check_steps(schema.block, reference.remaining, "self")
        except SchemaPathError as error:
            return Problem(error.summary, error.detail, error.remedy)
        return None

    # --- modules ----------------------------------------------------------------------------------------------------

    def _module(self, reference: Reference) -> Problem | None:
        name = reference.subject[1]
        call = self.module.calls.get(name)
        if call is None:
            near = close_name(name, self.module.calls)
            return Problem(
                "Reference to undeclared module",
                f'{self.where} has no module call "{name}".',
                f"Did you mean module.{near}?" if near else f"Declare it under module: {name}.",
            )
        problem, inner = _instance_steps(reference.remaining, call.repetition, f"module.{name}", "module")
        child = self.module.children.get(name)
        if problem is not None or not inner or child is None or not isinstance(inner[0], str):
            return problem
        if inner[0] in child.outputs or reference.tried:
            return None
        near = close_name(inner[0], child.outputs)
        return Problem(
            "Unsupported attribute",
            f'The module "{name}" has no output "{inner[0]}"; its outputs are those declared in {child.directory}.',
            f"Did you mean module.{name}.{near}?" if near else f"Declare it there under output: {inner[0]}.",
        )


def _instance_steps(
    steps: tuple[Step, ...], repetition: Repetition, address: str, noun: str
) -> tuple[Problem | None, tuple[Step, ...]]:
    """The steps inside one instance; a problem when a key is missing or too many."""
    if not steps:
        return None, ()
    keyed = isinstance(steps[0], Index)
    if repetition.is_single:
        if not keyed:
            return None, steps
        key = steps[0].key if isinstance(steps[0], Index) else ""
        shown = f'["{key}"]' if isinstance(key, str) else f"[{key}]"
        if noun == "module" and isinstance(key, str):
            return None, (key, *steps[1:])
        if isinstance(key, str):
            return None, (key, *steps[1:])  # an attribute in brackets
        return (
            Problem(
                f"Unexpected {noun} instance key",
                f"{address} has neither count nor for_each, so there is only one of it.",
                f"Remove {shown}.",
            ),
            (),
        )
    if keyed:
        return None, steps[1:]
    kind = "count" if repetition.has_count else "for_each"
    example = f"{address}[0]" if repetition.has_count else f'{address}["KEY"]'
    if noun == "resource" or repetition.has_count or not _may_be_key(steps[0]):
        return (
            Problem(
                f"Missing {noun} instance key",
                f"{address} has {kind} set, so that there may be several of it; {steps[0]} belongs to one of them.",
                f"Write {example}.{steps[0]} for one, or {_all_of(address, repetition, steps[0])} for all.",
            ),
            (),
        )
    return None, ()


def _may_be_key(step: Step) -> bool:
    """A module with for_each is an object by key, and an object's key can be written as an attribute."""
    return isinstance(step, str)


def _all_of(address: str, repetition: Repetition, step: Step) -> str:
    if repetition.has_count:
        return f"{address}[*].{step}"
    return f"{{for key, one in {address} : key => one.{step}}}"
