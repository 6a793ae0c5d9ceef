"""What a function is: its parameters, its result and its implementation, as data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.types import Type
from iacengine.lang.values import Value


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument a function takes, and which special values its implementation deals with itself.

    Where `allow_null` is false a null is an error. Where `allow_unknown` is false an unknown argument makes the result
    unknown without a call. Where `allow_dynamic` is false an argument whose type is not known makes the result a
    value of unknown type. Where `allow_marked` is false marks are taken off, at every depth, and put on the result.
    """

    name: str
    type: Type
    allow_null: bool = False
    allow_unknown: bool = False
    allow_marked: bool = False
    description: str = ""
    allow_dynamic: bool = False


Implementation: TypeAlias = Callable[[Sequence[Value], FunctionContext], Value]
ResultType: TypeAlias = Callable[[Sequence[Value], FunctionContext], Type]


@dataclass(frozen=True, slots=True)
class Function:
    """A built-in function.

    `returns` is the type of the result, or computes it from arguments of which some are unknown (and raises
    `FunctionError` where no value of them could be accepted); it is asked only when the implementation is not called.
    `not_null` says that the result is never null, which refines an unknown one.
    """

    name: str
    parameters: tuple[Parameter, ...]
    variadic: Parameter | None
    returns: Type | ResultType
    implementation: Implementation
    description: str = ""
    not_null: bool = True

    def parameter(self, index: int) -> Parameter:
        """The parameter that takes the argument at `index`. Raises IndexError when none does."""
        if index < len(self.parameters):
            return self.parameters[index]
        if self.variadic is None:
            raise IndexError(f"{self.name} takes {len(self.parameters)} arguments")
        return self.variadic


class FunctionError(Exception):
    """A call that cannot be answered. `argument` is the index of the argument to blame, where one is to blame."""

    def __init__(self, message: str, argument: int | None = None, summary: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.argument = argument
        self._summary = summary

    @property
    def summary(self) -> str:
        if self._summary is not None:
            return self._summary
        return "Error in function call" if self.argument is None else "Invalid function argument"

    def detail(self, function: Function) -> str:
        """The sentence for the user: which function, or which of its parameters, and what was expected of it."""
        if self._summary is not None:
            return self.message
        if self.argument is None:
            return f'Call to function "{function.name}" failed: {self.message}.'
        try:
            name = function.parameter(self.argument).name
        except IndexError:
            return f'Call to function "{function.name}" failed: {self.message}.'
        return f'Invalid value for "{name}" parameter: {self.message}.'
