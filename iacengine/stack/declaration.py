"""Declaring a stack in Python: one method for each kind of block, each of which writes one block of the document."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.stack.call_site import call_site, mistake_here
from iacengine.stack.document import Document, encoded
from iacengine.stack.reference import Reference

LEFT_OUT: Any = object()
PathText = str | os.PathLike[str]


class Declaration:
    """The blocks of a stack. `document` is None for a stack that was loaded, which cannot be added to.

    What a method returns stands for the object, in arguments of other blocks.
    """

    def __init__(self, name: str, document: Document | None, *, state_is_named: bool) -> None:
        self._name = name
        self._document = document
        self._backend_is_named = state_is_named

    def settings(self, **arguments: object) -> None:
        """The `stack` block: `required_version`, `required_providers`, `backend`, `on_failure`, `encryption`."""
        self._backend_is_named = self._backend_is_named or "backend" in arguments
        self._declare(("stack",), arguments, literal=True)

    def variable(
        self,
        name: str,
        type: str | None = None,  # noqa: A002 - as in stack files
        *,
        default: object = LEFT_OUT,
        description: str | None = None,
        sensitive: bool = False,
        ephemeral: bool = False,
        nullable: bool = True,
        validation: object = None,
    ) -> Reference:
        """Declare an input. `type` as in stack files: `string`, `list(string)`, `object({…})`.

        `validation`: a mapping, or several, with `condition` (an `expr`) and `error_message`.
        """
        arguments: dict[str, object] = {}
        if default is not LEFT_OUT:
            encoded(default, "default", literal=True)  # a default is data: references cannot stand in it
            arguments["default"] = default
        if type is not None:
            arguments["type"] = type
        if description is not None:
            arguments["description"] = description
        flags = {"sensitive": (sensitive, False), "ephemeral": (ephemeral, False), "nullable": (nullable, True)}
        arguments |= {flag: value for flag, (value, usual) in flags.items() if value is not usual}
        if validation is not None:
            arguments["validation"] = validation
        self._declare(("variable", name), arguments, data=("default",))
        return Reference(f"var.{name}")

    def local(self, name: str, value: object) -> Reference:
        """Declare a local value."""
        self._declare(("locals",), {name: value}, names_are_data=True)
        return Reference(f"local.{name}")

    def provider(self, name: str, /, **arguments: object) -> Reference:
        """Configure a provider. With an `alias`, pass what is returned as `provider=` of a resource."""
        self._declare(("provider", name), arguments)
        alias = arguments.get("alias")
        return Reference(name if alias is None else f"{name}.{alias}")

    def resource(self, kind: str, name: str, /, **arguments: object) -> Reference:
        """Declare a resource. Arguments are those of its type, nested blocks (mappings, or lists of them), and
        `count`, `for_each`, `depends_on`, `provider`, `lifecycle`."""
        self._declare(("resource", kind, name), arguments)
        return Reference(f"{kind}.{name}")

    def data(self, kind: str, name: str, /, **arguments: object) -> Reference:
        """Declare a data source: something that is looked up."""
        self._declare(("data", kind, name), arguments)
        return Reference(f"data.{kind}.{name}")

    def module(self, name: str, source: PathText, /, **arguments: object) -> Reference:
        """Call a module; `source` is a path such as `./modules/network`, from the stack's directory."""
        self._declare(("module", name), {"source": source, **arguments})
        return Reference(f"module.{name}")

    def output(
        self,
        name: str,
        value: object,
        *,
        description: str | None = None,
        sensitive: bool = False,
        depends_on: Sequence[Reference | str] = (),
    ) -> None:
        """Declare an output."""
        arguments: dict[str, object] = {"value": value}
        if description is not None:
            arguments["description"] = description
        if sensitive:
            arguments["sensitive"] = True
        if depends_on:
            arguments["depends_on"] = list(depends_on)
        self._declare(("output", name), arguments)

    def moved(self, from_: Reference | str, to: Reference | str) -> None:
        """Say that an object has a new address."""
        self._declare(("moved",), {"from": from_, "to": to})

    def removed(self, from_: str, *, destroy: bool = True) -> None:
        """Say that a block is gone; with `destroy=False` the real object stays and is forgotten."""
        self._declare(("removed",), {"from": from_, "lifecycle": {"destroy": destroy}})

    def import_(self, to: Reference | str, *, id: object) -> None:  # noqa: A002 - as in stack files
        """Take over an object that exists already."""
        self._declare(("import",), {"to": to, "id": id})

    def check(self, name: str, /, **arguments: object) -> None:
        """Declare a check: `assert_={"condition": expr(…), "error_message": …}`."""
        self._declare(("check", name), arguments)

    def to_json(self) -> str:
        """The declared stack as the text of a stack file (`NAME.iac.json`), which `iac` reads."""
        if self._document is None:
            raise self._loaded("written")
        return self._document.text(() if self._backend_is_named else self._default_backend())

    def _declare(
        self,
        labels: Sequence[str],
        arguments: Mapping[str, object],
        *,
        literal: bool = False,
        data: Sequence[str] = (),
        names_are_data: bool = False,
    ) -> None:
        if self._document is None:
            raise self._loaded("added to")
        self._document.add(call_site(), labels, arguments, literal=literal, data=data, names_are_data=names_are_data)

    def _loaded(self, what: str) -> DiagnosticsError:
        return mistake_here(
            f"A loaded stack cannot be {what}",
            f"{self} is what its files say.",
            remedy="Declare a stack of your own with Stack(name), and call the directory as a module.",
        )

    def _default_backend(self) -> tuple[str, ...]:
        """Two programs in one directory keep their states apart."""
        settings = {"stack": {"backend": {"local": {"path": f"{self._name}.state.json"}}}}
        return (json.dumps(settings, separators=(",", ":")),)
