"""Every reference of a module's expressions, checked where it stands.

A text is looked at once per module, however often it occurs; where it stands is found only for what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

from iacengine.config.declared import Declared, Problem
from iacengine.config.model import KeyPath, Origin, Raw, ResourceBlock
from iacengine.config.source import explain, mistake
from iacengine.foundation.diagnostics import Findings
from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_template
from iacengine.lang.references import Reference, Subject

_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a block adds to the names of its module.

    `own`: what the block itself is, which it cannot refer to. `bound`: iterators of dynamic blocks around. `data`: the
    data source of a check block.
    """

    each: bool = False
    count: bool = False
    self_: bool = False
    own: Subject | None = None
    bound: frozenset[str] = _NOTHING
    data: ResourceBlock | None = None


PLAIN = Surroundings()

_Use = tuple[Reference, Problem | None]


class ReferenceCheck:
    """The checker of one module."""

    def __init__(self, declared: Declared, findings: Findings) -> None:
        self.declared = declared
        self.findings = findings
        self._uses: dict[str, tuple[_Use, ...] | ExpressionError] = {}

    def raw(self, value: Raw, around: Surroundings, origin: Origin, path: KeyPath = ()) -> None:
        """Check all expressions inside a raw value that stands at a path below an origin."""
        kind = value.__class__
        if kind is str:
            if "${" in value or "%{" in value:
                self._text(value, around, origin, path)
        elif kind is dict:
            for key, child in value.items():
                if "${" in key or "%{" in key:
                    self._text(key, around, origin, (*path, key), is_key=True)
                if child.__class__ is str:
                    if "${" in child or "%{" in child:
                        self._text(child, around, origin, (*path, key))
                elif child.__class__ is dict or child.__class__ is list:
                    self.raw(child, around, origin, (*path, key))
        elif kind is list:
            for index, child in enumerate(value):
                self.raw(child, around, origin, (*path, index))

    def reference(self, reference: Reference, around: Surroundings, origin: Origin, path: KeyPath) -> None:
        """Check one reference that was decoded already."""
        problem = self._problem(reference, self.declared.problem(reference, around.data), around)
        if problem is not None:
            self._note(problem, origin, path, None)

    def references(self, value: Raw) -> list[Reference]:
        """All references inside a raw value; none for what cannot be read."""
        found: list[Reference] = []
        todo = [value]
        while todo:
            item = todo.pop()
            if item.__class__ is str:
                if "${" in item or "%{" in item:
                    uses = self._looked_up(item)
                    if not isinstance(uses, ExpressionError):
                        found.extend(reference for reference, _ in uses)
            elif item.__class__ is dict:
                todo.extend(item)
                todo.extend(item.values())
            elif item.__class__ is list:
                todo.extend(item)
        return found

    def is_unreadable(self, text: str) -> bool:
        """True when the text is no expression; that was noted where it was checked."""
        return isinstance(self._looked_up(text), ExpressionError)

    def _looked_up(self, text: str) -> tuple[_Use, ...] | ExpressionError:
        uses = self._uses.get(text)
        if uses is None:
            try:
                problem = self.declared.problem
                uses = tuple([(reference, problem(reference)) for reference in parse_template(text).references])
            except ExpressionError as error:
                uses = error
            self._uses[text] = uses
        return uses

    def _text(self, text: str, around: Surroundings, origin: Origin, path: KeyPath, *, is_key: bool = False) -> None:
        uses = self._looked_up(text)
        if isinstance(uses, ExpressionError):
            if not any(name in text for name in around.bound):  # an iterator alone looks like half a reference
                for error in uses.all:
                    self.findings.add(explain(error, origin, path=path))
            return
        for reference, known in uses:
            problem = known
            if problem is not None and around.data is not None:
                problem = self.declared.problem(reference, around.data)
            problem = self._problem(reference, problem, around)
            if problem is not None:
                self._note(problem, origin, path, None if is_key else reference.span, is_key=is_key)

    def _problem(self, reference: Reference, problem: Problem | None, around: Surroundings) -> Problem | None:
        subject = reference.subject
        kind = subject[0]
        if kind == "resource" and subject[1] in around.bound:
            return None
        if subject == around.own:
            return _itself(subject)
        if problem is not None:
            return problem
        if kind == "each" and not around.each:
            return Problem(
                'Reference to "each" without for_each',
                "each.key and each.value have a meaning only in a resource, data or module block that has for_each.",
                "Add for_each to the block, or use something else here.",
            )
        if kind == "count" and not around.count:
            return Problem(
                'Reference to "count" without count',
                "count.index has a meaning only in a resource, data or module block that has count.",
                "With for_each, each.key tells instances apart." if around.each else "Add count to the block.",
            )
        if kind == "self" and around.self_:
            return self.declared.own_problem(reference, around.own) if around.own is not None else None
        if kind == "self":
            return Problem(
                'Invalid "self" reference',
                "self is the object of a resource, and has a meaning only in its postconditions and provisioners.",
                "Write the address of the object, such as aws_vpc.main.",
            )
        return None

    def _note(
        self, problem: Problem, origin: Origin, path: KeyPath, span: tuple[int, int] | None, *, is_key: bool = False
    ) -> None:
        self.findings.add(
            mistake(origin, problem.summary, problem.detail, path=path, span=span, remedy=problem.remedy, key=is_key)
        )


def _itself(subject: Subject) -> Problem:
    if subject[0] == "local":
        return Problem(
            "Self-referencing local value",
            f"local.{subject[1]} cannot use its own result.",
            "Give one of the two another name.",
        )
    address = ".".join(subject[1:] if subject[0] == "resource" else subject)
    return Problem(
        "Self-referential block",
        f"The configuration of {address} refers to {address} itself, which is not there before it.",
        "In a postcondition, self is the object that was made.",
    )
