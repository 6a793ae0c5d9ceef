"""A stack as a Python object: `Stack.load(path)`, or declared block by block.

    stack = Stack("network")
    vpc = stack.resource("aws_vpc", "main", cidr_block="10.0.0.0/16")
    stack.output("vpc_id", vpc.id)
    stack.apply()

A declared stack goes the way of every other: its blocks are written as a stack file, in memory, and decoded from that.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, error
from iacengine.foundation.files import DiskFiles
from iacengine.stack.call_site import call_site, mistake_here, told
from iacengine.stack.document import Document, DocumentFiles, encoded
from iacengine.stack.reference import Reference, bare_text
from iacengine.stack.secret import Secret

if TYPE_CHECKING:
    from iacengine.apply.outcome import Outcome
    from iacengine.engine import Engine
    from iacengine.plan.events import Event
    from iacengine.plan.model import Plan, PlanMode
    from iacengine.state.model import State

_LEFT_OUT: Any = object()
PathText = str | os.PathLike[str]


class ApplyError(DiagnosticsError):
    """An apply that did not complete. `outcome` says what was done, what failed and what was left out."""

    def __init__(self, outcome: Outcome) -> None:
        stopped = error(
            "The apply was interrupted",
            "What had begun was finished, and nothing else was started.",
            remedy="Apply again to go on from here.",
        )
        super().__init__(*(outcome.diagnostics or (stopped,)))
        self.outcome = outcome


class Stack:
    """One stack. Every method raises DiagnosticsError for what a user can mend.

    `directory` is what relative paths (of modules, files, the state) start from. `variables` are values for the
    stack's variables, as plain data. `state` names the state file; by default `NAME.state.json` in the directory.
    """

    def __init__(
        self,
        name: str = "stack",
        *,
        directory: PathText = ".",
        variables: Mapping[str, object] | None = None,
        state: PathText | None = None,
    ) -> None:
        if not name or "/" in name or name.startswith("."):
            raise mistake_here("Invalid name of a stack", f"{name!r} cannot be part of the name of a file.")
        self._name = name
        self._directory = posixpath.normpath(os.fspath(directory))
        self._state = None if state is None else os.fspath(state)
        self._variables = _plain(variables)
        self._files: tuple[str, ...] = ()
        self._document: Document | None = Document(
            posixpath.normpath(posixpath.join(self._directory, f"{name}.iac.json"))
        )
        self._has_backend = False
        self._opened: tuple[int, Engine] | None = None

    @classmethod
    def load(
        cls,
        path: PathText = ".",
        *,
        variables: Mapping[str, object] | None = None,
        variable_files: Sequence[PathText] = (),
        state: PathText | None = None,
    ) -> Stack:
        """The stack of a directory, or of one stack file. Values in `variables` are stronger than all others."""
        from iacengine import engine  # lazy: a program that only declares a stack should not wait for it

        stack = cls.__new__(cls)
        text = os.fspath(path)
        stack._directory = text
        stack._name = text
        stack._state = None if state is None else os.fspath(state)
        stack._variables = _plain(variables)
        stack._files = tuple([os.fspath(file) for file in variable_files])
        stack._document = None
        stack._has_backend = False
        stack._opened = (0, engine.open_stack(text, state_path=stack._state))
        return stack

    def __repr__(self) -> str:
        return f"Stack({self._name!r})" if self._document is not None else f"Stack.load({self._name!r})"

    # --- declaring --------------------------------------------------------------------------------------------------

    def settings(self, **arguments: object) -> None:
        """The `stack` block: `required_version`, `required_providers`, `backend`, `on_failure`, `encryption`."""
        self._has_backend = self._has_backend or "backend" in arguments
        self._declare(("stack",), arguments, literal=True)

    def variable(
        self,
        name: str,
        type: str | None = None,  # noqa: A002 - as in stack files
        *,
        default: object = _LEFT_OUT,
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
        if default is not _LEFT_OUT:
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
        return self._document.text(() if self._has_backend or self._state is not None else self._default_backend())

    # --- using ------------------------------------------------------------------------------------------------------

    def validate(self) -> tuple[Diagnostic, ...]:
        """Check the stack against the schemas of its providers; its warnings."""
        from iacengine import engine  # lazy, as above

        with self._telling():
            return tuple(map(self._relocated, engine.validate(self._engine())))

    def plan(
        self,
        *,
        mode: PlanMode | str = "normal",
        targets: Sequence[str | Reference] = (),
        excludes: Sequence[str | Reference] = (),
        replace: Sequence[str | Reference] = (),
        refresh: bool = True,
        parallelism: int | None = None,
        on_failure: str | None = None,
        lock_timeout: float = 0.0,
        progress: Callable[[Event], None] | None = None,
    ) -> Plan:
        """What would be done. `mode`: normal, destroy or refresh-only; addresses as text; `lock_timeout` in seconds."""
        from iacengine import engine  # lazy, as above

        with self._telling():
            options = engine.PlanOptions(
                mode=_mode(mode),
                targets=_addresses("targets", targets),
                excludes=_addresses("excludes", excludes),
                replace=_addresses("replace", replace),
                refresh=refresh,
                parallelism=parallelism or engine.DEFAULT_PARALLELISM,
                on_failure=_on_failure(on_failure),
                lock_timeout=lock_timeout,
            )
            sources = engine.VariableSources(files=self._files, values=self._variables)
            plan = engine.plan(self._engine(), options, sources, self._listener(progress))
            return self._told_of_plan(plan)

    def apply(
        self,
        plan: Plan | None = None,
        *,
        progress: Callable[[Event], None] | None = None,
        on_failure: str | None = None,
        parallelism: int | None = None,
        lock_timeout: float = 0.0,
        check: bool = True,
    ) -> Outcome:
        """Apply a plan, or make one and apply it. Raises ApplyError when it does not complete, unless `check` is False.

        `progress` is called with every event, from one thread at a time.
        """
        from iacengine import engine  # lazy, as above

        if plan is not None and on_failure is not None:
            raise mistake_here(
                "on_failure belongs to the plan",
                "The plan was made already, and says what happens when a step fails.",
                remedy="Give on_failure to plan(), or leave the plan out.",
                argument="on_failure",
            )
        if plan is None:
            plan = self.plan(
                progress=progress, on_failure=on_failure, parallelism=parallelism, lock_timeout=lock_timeout
            )
        return self._carry_out(plan, progress, parallelism or engine.DEFAULT_PARALLELISM, lock_timeout, check)

    def destroy(
        self,
        *,
        targets: Sequence[str | Reference] = (),
        progress: Callable[[Event], None] | None = None,
        on_failure: str | None = None,
        parallelism: int | None = None,
        lock_timeout: float = 0.0,
        check: bool = True,
    ) -> Outcome:
        """Destroy what the stack made."""
        plan = self.plan(
            mode="destroy",
            targets=targets,
            progress=progress,
            on_failure=on_failure,
            parallelism=parallelism,
            lock_timeout=lock_timeout,
        )
        return self.apply(plan, progress=progress, parallelism=parallelism, lock_timeout=lock_timeout, check=check)

    def refresh(self, *, progress: Callable[[Event], None] | None = None, lock_timeout: float = 0.0) -> Outcome:
        """Take up in the state what has changed outside. No real object is changed."""
        plan = self.plan(mode="refresh-only", progress=progress, lock_timeout=lock_timeout)
        return self.apply(plan, progress=progress, lock_timeout=lock_timeout)

    @property
    def state(self) -> State | None:
        """The state as last written; None before the first apply."""
        from iacengine import engine  # lazy, as above

        with self._telling():
            return engine.read_state(self._engine())

    @property
    def outputs(self) -> dict[str, Any]:
        """The outputs as of the last apply, as plain Python values; a sensitive one is a `Secret`."""
        from iacengine import engine  # lazy, as above
        from iacengine.lang.values import SENSITIVE, has_mark, to_python

        state = self.state
        if state is None:
            return {}
        values = engine.evaluate_outputs(state)
        return {
            name: Secret(to_python(value)) if has_mark(value, SENSITIVE) else to_python(value)
            for name, value in values.items()
        }

    # --- parts ------------------------------------------------------------------------------------------------------

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
            f"{self!r} is what its files say.",
            remedy="Declare a stack of your own with Stack(name), and call the directory as a module.",
        )

    def _engine(self) -> Engine:
        """What is planned and applied: opened again when something was declared since."""
        from iacengine import engine  # lazy, as above
        from iacengine.config.loader import load

        if self._document is None:
            assert self._opened is not None, "a loaded stack is open"
            return self._opened[1]
        if self._opened is None or self._opened[0] != len(self._document):
            document = self._document
            files = DocumentFiles(document.path, self.to_json().encode(), DiskFiles())
            configuration = load(document.path, files=files)
            self._opened = (len(document), engine.engine_of(configuration, document.path, state_path=self._state))
        return self._opened[1]

    def _default_backend(self) -> tuple[str, ...]:
        """Two programs in one directory keep their states apart."""
        return (f'{{"stack":{{"backend":{{"local":{{"path":"{self._name}.state.json"}}}}}}}}',)

    def _carry_out(
        self,
        plan: Plan,
        progress: Callable[[Event], None] | None,
        parallelism: int,
        lock_timeout: float,
        check: bool,
    ) -> Outcome:
        from iacengine import engine  # lazy, as above
        from iacengine.apply.outcome import Outcome

        with self._telling():
            if not plan.applyable:
                return Outcome(plan.prior_state, plan.counts())
            outcome = engine.apply(
                self._engine(),
                plan,
                parallelism=parallelism,
                lock_timeout=lock_timeout,
                listener=self._listener(progress),
                command="Stack.apply",
            )
        if outcome.diagnostics and self._document is not None:
            outcome = replace(outcome, diagnostics=tuple(map(self._relocated, outcome.diagnostics)))
        if check and not outcome.ok:
            raise told(ApplyError(outcome))
        return outcome

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Errors inside name the places of the program."""
        try:
            yield
        except DiagnosticsError as failure:
            if self._document is None:
                told(failure)
            else:
                self._document.relocate(failure)
            raise

    def _relocated(self, diagnostic: Diagnostic) -> Diagnostic:
        return diagnostic if self._document is None else self._document.relocated(diagnostic)

    def _told_of_plan(self, plan: Plan) -> Plan:
        if self._document is None or not plan.diagnostics:
            return plan
        return replace(plan, diagnostics=tuple(map(self._relocated, plan.diagnostics)))

    def _listener(self, progress: Callable[[Event], None] | None) -> Callable[[Event], None]:
        from iacengine.plan.events import StepFailed, Warned, ignore  # lazy, as above

        if progress is None:
            return ignore
        if self._document is None:
            return progress
        listener = progress

        def listen(event: Event) -> None:
            if isinstance(event, StepFailed):
                event = replace(event, diagnostics=tuple(map(self._relocated, event.diagnostics)))
            elif isinstance(event, Warned):
                event = replace(event, diagnostic=self._relocated(event.diagnostic))
            listener(event)

        return listen


def _plain(variables: Mapping[str, object] | None) -> dict[str, object]:
    return {name: encoded(value, "variables", literal=True) for name, value in (variables or {}).items()}


def _mode(mode: PlanMode | str) -> PlanMode:
    from iacengine.plan.model import PlanMode  # lazy, as above

    try:
        return PlanMode(mode)
    except ValueError:
        known = ", ".join(known.value for known in PlanMode)
        raise mistake_here("No such mode", f"{mode!r} is none of {known}.", argument="mode") from None


def _on_failure(value: str | None) -> str | None:
    if value is None or value in ("pause", "continue"):
        return value
    raise mistake_here("No such on_failure", f"{value!r} is none of pause and continue.", argument="on_failure")


def _addresses(argument: str, addresses: Sequence[str | Reference]) -> tuple[str, ...]:
    if isinstance(addresses, str):
        raise mistake_here(
            "A list of addresses is expected",
            f"{argument} is the string {addresses!r}.",
            remedy=f"Write {argument}=[{addresses!r}].",
            argument=argument,
        )
    return tuple([bare_text(str(address)) for address in addresses])
