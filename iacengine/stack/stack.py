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

from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Findings, error
from iacengine.foundation.files import DiskFiles
from iacengine.stack.call_site import mistake_here, told
from iacengine.stack.declaration import Declaration, PathText
from iacengine.stack.document import Document, DocumentFiles, encoded
from iacengine.stack.reference import Reference, bare_text
from iacengine.stack.secret import Secret

if TYPE_CHECKING:
    from iacengine.apply.outcome import Outcome
    from iacengine.engine import Engine, PlanOptions, Session
    from iacengine.plan.events import Event
    from iacengine.plan.model import Plan, PlanMode
    from iacengine.state.model import State


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


class Stack(Declaration):
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
        folder = posixpath.normpath(os.fspath(directory))
        document = Document(posixpath.normpath(posixpath.join(folder, f"{name}.iac.json")))
        super().__init__(name, document, state_is_named=state is not None)
        self._state = None if state is None else os.fspath(state)
        self._variables = _plain(variables)
        self._files: tuple[str, ...] = ()
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
        Declaration.__init__(stack, text, None, state_is_named=True)
        stack._state = None if state is None else os.fspath(state)
        stack._variables = _plain(variables)
        stack._files = tuple([os.fspath(file) for file in variable_files])
        with stack._telling():
            stack._opened = (0, engine.open_stack(text, state_path=stack._state))
        return stack

    def __repr__(self) -> str:
        return f"Stack({self._name!r})" if self._document is not None else f"Stack.load({self._name!r})"

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
        allow_deferral: bool = False,
        on_failure: str | None = None,
        parallelism: int | None = None,
        lock_timeout: float = 0.0,
        progress: Callable[[Event], None] | None = None,
    ) -> Plan:
        """What would be done. `mode`: normal, destroy or refresh-only; `lock_timeout` in seconds.

        `allow_deferral`: what has `count` or `for_each` that is not known yet is planned after the rest was applied.
        """
        from iacengine import engine  # lazy, as above

        options = engine.PlanOptions(
            mode=_mode(mode),
            targets=_addresses("targets", targets),
            excludes=_addresses("excludes", excludes),
            replace=_addresses("replace", replace),
            refresh=refresh,
            parallelism=parallelism or engine.DEFAULT_PARALLELISM,
            on_failure=_on_failure(on_failure),
            allow_deferral=allow_deferral,
            lock_timeout=lock_timeout,
        )
        with self._telling():
            return self._plan(options, progress, None)

    def save_plan(self, plan: Plan, path: PathText) -> None:
        """Write a plan to a file, which `iac show` and `iac apply` take."""
        from iacengine import engine  # lazy, as above

        with self._telling():
            engine.save_plan(plan, os.fspath(path), self._engine().path)

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
        if plan is not None and on_failure is not None:
            raise mistake_here(
                "on_failure belongs to the plan",
                "The plan was made already, and says what happens when a step fails.",
                remedy="Give on_failure to plan(), or leave the plan out.",
                argument="on_failure",
            )
        return self._run("normal", plan, (), progress, on_failure, parallelism, lock_timeout, check)

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
        return self._run("destroy", None, targets, progress, on_failure, parallelism, lock_timeout, check)

    def refresh(self, *, progress: Callable[[Event], None] | None = None, lock_timeout: float = 0.0) -> Outcome:
        """Take up in the state what has changed outside. No real object is changed."""
        return self._run("refresh-only", None, (), progress, None, None, lock_timeout, True)

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
            findings = Findings()
            configuration = load(document.path, files=files, findings=findings)
            opened = engine.engine_of(configuration, document.path, state_path=self._state)
            self._opened = (len(document), replace(opened, warnings=findings.all))
        return self._opened[1]

    def _plan(self, options: PlanOptions, progress: Callable[[Event], None] | None, held: Session | None) -> Plan:
        from iacengine import engine  # lazy, as above

        sources = engine.VariableSources(files=self._files, values=self._variables)
        plan = engine.plan(self._engine(), options, sources, self._listener(progress), held=held)
        if self._document is None or not plan.diagnostics:
            return plan
        return replace(plan, diagnostics=tuple(map(self._relocated, plan.diagnostics)))

    def _run(
        self,
        mode: str,
        plan: Plan | None,
        targets: Sequence[str | Reference],
        progress: Callable[[Event], None] | None,
        on_failure: str | None,
        parallelism: int | None,
        lock_timeout: float,
        check: bool,
    ) -> Outcome:
        """Plan, unless there is a plan, and apply, under one lock."""
        from iacengine import engine  # lazy, as above
        from iacengine.apply.outcome import Outcome
        from iacengine.plan.events import Warned

        listener = self._listener(progress)
        width = parallelism or engine.DEFAULT_PARALLELISM
        options = engine.PlanOptions(
            mode=_mode(mode),
            targets=_addresses("targets", targets),
            parallelism=width,
            on_failure=_on_failure(on_failure),
        )
        command = "Stack.destroy" if mode == "destroy" else "Stack.apply"
        with (
            self._telling(),
            engine.session(
                self._engine(),
                command,
                parallelism=width,
                lock_timeout=lock_timeout,
                warn=lambda found: listener(Warned(found)),
            ) as held,
        ):
            wanted = self._plan(options, progress, held) if plan is None else plan
            if not wanted.applyable and not wanted.settles_rollback:
                return Outcome(wanted.prior_state, wanted.counts())
            outcome = engine.apply(
                self._engine(), wanted, parallelism=width, listener=listener, command=command, held=held
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
    from iacengine.config.decode_settings import ON_FAILURE  # lazy: importing this module loads nothing more

    if value is None or value in ON_FAILURE:
        return value
    kinds = ", ".join(ON_FAILURE)
    raise mistake_here("No such on_failure", f"{value!r} is none of {kinds}.", argument="on_failure")


def _addresses(argument: str, addresses: Sequence[str | Reference]) -> tuple[str, ...]:
    if isinstance(addresses, str):
        raise mistake_here(
            "A list of addresses is expected",
            f"{argument} is the string {addresses!r}.",
            remedy=f"Write {argument}=[{addresses!r}].",
            argument=argument,
        )
    return tuple([bare_text(str(address)) for address in addresses])
