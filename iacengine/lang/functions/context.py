"""What functions may ask of the world around an evaluation: files, the clock, chance, and the template engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from iacengine.lang.values import Value

if TYPE_CHECKING:
    from datetime import datetime


class Files(Protocol):
    """The file system as functions see it. Relative paths are relative to the working directory of the process.

    Every method may raise OSError.
    """

    def read(self, path: str) -> bytes:
        """The contents of a file."""
        ...

    def kind(self, path: str) -> str | None:
        """`file`, `directory`, or what else is there (`named pipe`, `socket`, `device node`); None when nothing is."""
        ...

    def entries(self, directory: str) -> Sequence[tuple[str, bool]]:
        """Name and "is a directory" (links followed) of everything in a directory, sorted by name."""
        ...

    def expand_home(self, path: str) -> str:
        """The path with a leading `~` replaced by the home directory. Raises ValueError for `~someone`."""
        ...

    def absolute(self, path: str) -> str:
        """The absolute path, lexically cleaned."""
        ...


def _now() -> datetime:
    from datetime import UTC, datetime  # lazy: wanted by two functions

    return datetime.now(UTC)


def _no_templates(_text: str, _variables: Mapping[str, Value], name: str) -> Value:
    raise RuntimeError(f"no template engine was given to render {name}")


@dataclass(frozen=True, slots=True)
class FunctionContext:
    """The surroundings of one evaluation.

    `render(text, variables, name)` evaluates a template file's text. `plan_timestamp` is None until planning begins.
    With `pure_only` a function whose answer changes from call to call (`timestamp`, `uuid`, `bcrypt`) gives an unknown
    value: planning and applying must not see different ones. `inside_template` is true while a template file is
    rendered, where `templatefile` may not be called again.
    """

    files: Files
    module_path: str = "."
    root_path: str = "."
    render: Callable[[str, Mapping[str, Value], str], Value] = _no_templates
    timestamp: Callable[[], datetime] = _now
    plan_timestamp: datetime | None = None
    random_bytes: Callable[[int], bytes] = os.urandom
    pure_only: bool = False
    inside_template: bool = False
