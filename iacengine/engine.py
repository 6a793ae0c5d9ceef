"""Wiring only: from a path to a configuration, its backend and providers; from those to plans and applies.

This is what the command line and the Python API call. Every function raises DiagnosticsError for what a user can mend.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from iacengine.addresses import Mode, ModulePath, parse_resource_instance, parse_target
from iacengine.config.cache import ParseCache
from iacengine.config.loader import load
from iacengine.config.model import Configuration, Module, ProviderName, Variable
from iacengine.config.provider_names import resolve_provider
from iacengine.config.source import locate
from iacengine.config.validate import validate as check_configuration
from iacengine.config.variables import RootVariables, VariableOption, collect_variables, missing_variable
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Findings, failure, warning
from iacengine.foundation.files import DiskFiles
from iacengine.lang.errors import ExpressionError
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.render import with_rendering
from iacengine.lang.types import type_from_json
from iacengine.lang.values import Value, sensitive
from iacengine.plan.events import Listener, Warned, ignore
from iacengine.plan.model import Plan, PlanMode
from iacengine.provider.discovery import find_plugin, source_address
from iacengine.provider.instances import Providers
from iacengine.provider.protocol import ConfigureContext, ProviderPlugin
from iacengine.schema import Schema
from iacengine.schema.values import decode_type
from iacengine.state.backends.base import Backend, StateLock
from iacengine.state.backends.catalog import open_backend
from iacengine.state.backends.local import LocalBackend
from iacengine.state.backends.placement import Placement
from iacengine.state.backends.settings import BackendSettings
from iacengine.state.encryption.backend import SealedBackend
from iacengine.state.encryption.settings import EncryptionSettings, encryption_settings
from iacengine.state.lock import lock_claim
from iacengine.state.model import OutputState, State
from iacengine.state.moved import StateMovedError
from iacengine.state.replay import replay
from iacengine.state.statefile import decode_state
from iacengine.state.tfstate import from_tfstate

if TYPE_CHECKING:
    from iacengine.apply.outcome import Outcome
    from iacengine.apply.record import RunRecorder
    from iacengine.apply.settlement import Ground
    from iacengine.graph.build import ConfigGraph
    from iacengine.state.encryption.keyring import Keyring

DEFAULT_PARALLELISM = 32
DEFAULT_ON_FAILURE = "rollback"
STATE_NAME = "iac.state.json"


@dataclass(frozen=True, slots=True)
class VariableSources:
    """Where the root module's variables come from beside the automatic files and the environment.

    From the weakest to the strongest: `files` and `assignments` (`NAME=VALUE`), each in order; `options`, which mixes
    both as a command line does; `values`, given by a program.
    """

    assignments: Sequence[str] = ()
    files: Sequence[str] = ()
    options: Sequence[VariableOption] = ()
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """How to plan. `targets`, `excludes`, `replace` are addresses as written; `lock_timeout` is in seconds."""

    mode: PlanMode = PlanMode.NORMAL
    targets: Sequence[str] = ()
    excludes: Sequence[str] = ()
    replace: Sequence[str] = ()
    refresh: bool = True
    parallelism: int = DEFAULT_PARALLELISM
    on_failure: str | None = None
    allow_deferral: bool = False
    lock: bool = True
    lock_timeout: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """One stack: its configuration, where its state is, what it was loaded from, and the warnings of loading it."""

    configuration: Configuration
    backend: Backend
    path: str = "."
    warnings: tuple[Diagnostic, ...] = ()
    placement: Placement | None = None


# --- opening ---------------------------------------------------------------------------------------------------------


def open_stack(path: str = ".", *, state_path: str | None = None) -> Engine:
    """Load a stack (a directory or one file) and find its state."""
    findings = Findings()
    directory = path if os.path.isdir(path) else os.path.dirname(path)  # noqa: PTH112, PTH120 - text in, text out
    cache = ParseCache(os.path.join(directory, ".iac", "cache"))  # noqa: PTH118
    configuration = load(path, cache=cache, findings=findings)
    return engine_of(configuration, path, state_path=state_path, warnings=findings.all)


def engine_of(
    configuration: Configuration,
    path: str = ".",
    *,
    state_path: str | None = None,
    warnings: tuple[Diagnostic, ...] = (),
) -> Engine:
    """The engine of a configuration that is loaded already: one made by a program, or held by a plan."""
    encryption = encryption_of(configuration)
    if state_path is not None:
        return Engine(configuration, SealedBackend(LocalBackend(state_path), encryption), path, warnings)
    settings = backend_settings(configuration, path)
    default = os.path.basename(default_state_path(configuration.directory, path))  # noqa: PTH119 - text in, text out
    placement = Placement(settings, default, open_backend)
    return Engine(configuration, SealedBackend(open_backend(settings), encryption), path, warnings, placement)


def backend_settings(configuration: Configuration, path: str) -> BackendSettings:
    """What the stack's backend block says; without one, a file beside the stack."""
    directory = configuration.directory or "."
    default = os.path.basename(default_state_path(configuration.directory, path))  # noqa: PTH119 - text in, text out
    block = configuration.root.settings.backend
    if block is None:
        return BackendSettings("local", {"path": default}, directory)

    def place(found: Diagnostic, name: str | None) -> Diagnostic:
        return found.at(*locate(block.origin.at(name) if name is not None else block.origin))

    values = dict(block.body)
    if block.type == "local":
        values.setdefault("path", default)
    return BackendSettings(block.type, values, directory, place=place)


def require_unmoved(engine: Engine) -> None:
    """Raise DiagnosticsError when the state was moved, or its backend block was changed and it was not moved along."""
    if engine.placement is not None:
        engine.placement.require_unmoved(_inner(engine.backend))


def _inner(backend: Backend) -> Backend:
    return backend.inner if isinstance(backend, SealedBackend) else backend


def remarks(backend: Backend) -> tuple[Diagnostic, ...]:
    """Warnings about what the place of the state cannot do, as far as its backend has some."""
    told: Callable[[], tuple[Diagnostic, ...]] | None = getattr(_inner(backend), "remarks", None)
    return told() if told is not None else ()


def encryption_of(configuration: Configuration) -> EncryptionSettings:
    """How the stack is encrypted, as its file and the environment say. Raises DiagnosticsError."""
    block = configuration.root.settings.encryption
    if block is None:
        return encryption_settings()
    try:
        return encryption_settings(
            ((block.key.kind, block.key.value),) if block.key is not None else (),
            tuple((key.kind, key.value) for key in block.previous),
            full=block.full,
            asked=True,
            directory=configuration.directory or ".",
        )
    except DiagnosticsError as found:
        place = locate(block.origin)
        raise DiagnosticsError(*(one.at(*place) for one in found.diagnostics)) from None


def default_state_path(directory: str, path: str) -> str:
    """`iac.state.json` in the stack's folder; `NAME.state.json` for a stack that is the file `NAME.iac.yaml`."""
    name = STATE_NAME
    if os.path.isfile(path):  # noqa: PTH113 - text in, text out
        base = Path(path).name
        for suffix in (".iac.yaml", ".iac.yml", ".iac.json", ".tf.json", ".yaml", ".yml", ".json"):
            if base.endswith(suffix):
                name = f"{base.removesuffix(suffix)}.state.json"
                break
    return os.path.join(directory, name) if directory not in ("", ".") else name  # noqa: PTH118


def validate(engine: Engine) -> tuple[Diagnostic, ...]:
    """Check the configuration against the schemas of its providers. Raises with every error found; gives warnings."""
    providers = _providers(engine, DEFAULT_PARALLELISM)
    try:
        return (*engine.warnings, *_validated(engine, providers))
    finally:
        providers.close()


def _validated(engine: Engine, providers: Providers) -> tuple[Diagnostic, ...]:
    """The warnings of a valid configuration. Raises with every error.

    What is wrong with the structure of a line makes evaluating it fail too: such a line is told of once.
    """
    findings = Findings()
    try:
        findings.extend(_check(engine, providers))
    except DiagnosticsError as problem:
        findings.extend(problem.diagnostics)
    try:
        _build_graph(engine.configuration)
    except DiagnosticsError as problem:
        findings.extend(problem.diagnostics)
        raise DiagnosticsError(*findings.all) from None
    except ExpressionError:
        if not findings.errors:
            raise
        raise DiagnosticsError(*findings.all) from None  # it was told by the check
    from iacengine.plan.validation import validate_by_evaluation  # lazy: only this verb needs it

    told = {(found.range.path, found.range.start.line) for found in findings.errors if found.range is not None}
    functions = _functions("", planning=True)
    for found in validate_by_evaluation(engine.configuration, providers, functions, source_address):
        where = (found.range.path, found.range.start.line) if found.range is not None else None
        if not told or (where is not None and where not in told):
            findings.add(found)
    findings.raise_errors()
    return findings.all


def dependency_graph(engine: Engine) -> ConfigGraph:
    """What refers to what in the stack."""
    return _build_graph(engine.configuration)


def missing_variables(engine: Engine, variables: VariableSources) -> tuple[Variable, ...]:
    """The variables that need a value and have none."""
    return _collect(engine, variables, Findings()).missing


# --- planning and applying -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One hold of the state: its lock (None: not locked) and the providers of the run, from plan to apply.

    `applies`: real things may be changed under it, so that a failed run is undone before anything is planned.
    `recorder` keeps the record of the run; there is one when there is a lock.
    """

    lock: StateLock | None
    providers: Providers
    applies: bool = False
    recorder: RunRecorder | None = None


@contextmanager
def session(
    engine: Engine,
    command: str,
    *,
    parallelism: int = DEFAULT_PARALLELISM,
    lock: bool = True,
    lock_timeout: float = 0.0,
    applies: bool = True,
    run: str = "",
    warn: Callable[[Diagnostic], None] = lambda _: None,
) -> Iterator[Session]:
    """Take the lock, and release it and the providers in the end. Raises LockHeldError when somebody else has it.

    A session that `applies` is recorded from start to end, another one only when it has something to settle. `run` is
    the id of the record ("": one is made up); `warn` is told when the record cannot be written.
    """
    require_unmoved(engine)
    held = engine.backend.lock(lock_claim(command), lock_timeout) if lock else None
    try:
        if held is not None and engine.placement is not None:
            engine.placement.remember(_inner(engine.backend))
        providers = _providers(engine, parallelism)
        try:
            if held is None:
                yield Session(None, providers, applies)
                return
            from iacengine.apply.record import RunRecorder, recording  # lazy: verbs that only read need none of it

            with recording(RunRecorder(engine.backend, held.info, command, warn, run=run)) as recorder:
                if applies:
                    recorder.start()
                yield Session(held, providers, applies, recorder)
        finally:
            providers.close()
    finally:
        if held is not None:
            held.release()


def plan(
    engine: Engine,
    options: PlanOptions,
    variables: VariableSources,
    listener: Listener = ignore,
    *,
    held: Session | None = None,
) -> Plan:
    """Plan, after settling what an interrupted run left; under the lock that is held, or one of its own."""
    if held is not None:
        return _plan(engine, options, variables, listener, held)
    with session(
        engine,
        "iac plan",
        parallelism=options.parallelism,
        lock=options.lock,
        lock_timeout=options.lock_timeout,
        applies=False,
    ) as own:
        return _plan(engine, options, variables, listener, own)


def _plan(engine: Engine, options: PlanOptions, variables: VariableSources, listener: Listener, held: Session) -> Plan:
    from iacengine.plan.options import PlanRequestOptions  # lazy: verbs that only read state plan nothing
    from iacengine.plan.planner import make_plan

    findings = Findings()
    findings.extend(engine.warnings)
    findings.extend(remarks(engine.backend))
    findings.extend(_check(engine, held.providers))
    collected = _root_variables(engine, variables, findings)
    values = collected.values
    request = PlanRequestOptions(
        mode=options.mode,
        targets=tuple(map(parse_target, options.targets)),
        excludes=tuple(map(parse_target, options.excludes)),
        replace=tuple(map(parse_target, options.replace)),
        refresh=options.refresh,
        on_failure=_on_failure(engine, options),
        timestamp=_timestamp(),
        parallelism=options.parallelism,
        allow_deferral=options.allow_deferral,
    )
    stored = _settled_state(engine, values, held, listener, options.parallelism, undo=held.applies)
    made = make_plan(
        engine.configuration,
        stored,
        stored.lineage if stored is not None else _new_lineage(),
        held.providers,
        values,
        _functions(request.timestamp, planning=True),
        source_address,
        request,
        listener,
    )
    declared = engine.configuration.root.variables
    if held.recorder is not None:
        held.recorder.planned(made)
    return replace(
        made,
        diagnostics=tuple(dict.fromkeys((*findings.all, *made.diagnostics))),
        ephemeral_variables=tuple(sorted(name for name in collected.given if declared[name].ephemeral)),
    )


def apply(
    engine: Engine,
    plan: Plan,
    *,
    parallelism: int = DEFAULT_PARALLELISM,
    lock_timeout: float = 0.0,
    listener: Listener = ignore,
    command: str = "iac apply",
    held: Session | None = None,
    run: str = "",
    warn: Callable[[Diagnostic], None] = lambda _: None,
) -> Outcome:
    """Apply a plan, under the lock that is held, or one of its own (then `run` and `warn` are as in `session`).

    Raises when the plan is stale; failures of steps are in the outcome.
    """
    if held is not None and held.lock is not None:
        return _apply(engine, plan, parallelism, listener, command, held)
    with session(engine, command, parallelism=parallelism, lock_timeout=lock_timeout, run=run, warn=warn) as own:
        return _apply(engine, plan, parallelism, listener, command, own)


def _apply(
    engine: Engine,
    plan: Plan,
    parallelism: int,
    listener: Listener,
    command: str,
    held: Session,
) -> Outcome:
    from iacengine.apply.run import apply_plan, refuse_stale  # lazy: planning needs none of it
    from iacengine.plan.digest import plan_digest

    lock, recorder, providers = held.lock, held.recorder, held.providers
    assert lock is not None, "what applies is locked"
    assert recorder is not None, "what is locked is recorded"
    if engine.backend.read_journal():
        refuse_stale(plan, _settled_state(engine, plan.variables, held, listener, parallelism))
    recorder.begins(plan, plan_digest(plan))
    listener = recorder.listening(listener)
    functions = _functions(plan.timestamp)
    outcome: Outcome | None = None
    while True:
        wave = apply_plan(
            plan,
            engine.backend,
            lock,
            providers,
            functions,
            source_address,
            parallelism,
            listener,
            command=command,
            run=recorder.id,
        )
        outcome = wave if outcome is None else outcome.followed_by(wave)
        if not wave.ok or not plan.deferred:
            break
        plan = _next_wave(plan, wave.state, providers, parallelism, listener)
    if not outcome.ok:
        outcome = _undone(engine, plan, outcome, lock, listener, parallelism)
    recorder.ended(outcome)
    return outcome


def _undone(
    engine: Engine, plan: Plan, outcome: Outcome, lock: StateLock, listener: Listener, parallelism: int
) -> Outcome:
    """The outcome of a run that failed, after what it had done is undone where that is what is wanted."""
    pending = outcome.state.pending_rollback
    if outcome.unsettled or pending is None or pending.paused:
        return outcome
    from iacengine.apply.settlement import roll_back  # lazy: only after a run that failed

    try:
        return outcome.rolled_back(roll_back(_ground(engine, plan.variables, lock, listener, parallelism)))
    except DiagnosticsError as found:
        return replace(outcome, diagnostics=(*outcome.diagnostics, *found.diagnostics))


def _next_wave(plan: Plan, state: State, providers: Providers, parallelism: int, listener: Listener) -> Plan:
    """What a plan deferred, planned with what is known after it was applied. Raises when that is still nothing."""
    from iacengine.plan.options import PlanRequestOptions  # lazy: few plans defer anything
    from iacengine.plan.planner import make_plan

    request = PlanRequestOptions(
        targets=tuple(map(parse_target, plan.targets)),
        excludes=tuple(map(parse_target, plan.excludes)),
        refresh=False,
        on_failure=plan.on_failure,
        timestamp=plan.timestamp,
        parallelism=parallelism,
        allow_deferral=True,
    )
    made = make_plan(
        plan.configuration,
        state,
        state.lineage,
        providers,
        plan.variables,
        _functions(plan.timestamp, planning=True),
        source_address,
        request,
        listener,
    )
    if made.deferred == plan.deferred and not made.steps:
        raise failure(
            "Deferred blocks cannot be planned",
            f"After everything else was applied, it is still not known what instances these have: "
            f"{', '.join(made.deferred)}.",
            remedy="Use keys that are known from the configuration.",
        )
    counts = made.counts()
    detail = f"{counts.add} to add, {counts.change} to change, {counts.remove} to destroy."
    listener(Warned(warning("Planned what had been deferred", detail)))
    return made


def save_plan(plan: Plan, path: str, stack_path: str = ".") -> None:
    """Write a plan file (mode 0600), encrypted where the stack has a key. `stack_path`: what the stack was opened
    with."""
    from iacengine.plan.planfile import save_plan as write  # lazy: most plans are not saved

    write(plan, path, stack_path, _keyring(encryption_of(plan.configuration)))


def load_plan(path: str) -> Plan:
    """Read a plan file. Raises when it is none, is damaged, was made by an incompatible version, or cannot be opened
    with the keys of the environment and of the stack that it is a plan of."""
    from iacengine.plan.planfile import load_plan as read  # lazy: as above

    return read(path, _plan_keyring, lambda configuration: encryption_of(configuration).key is not None)


def _plan_keyring(stack_path: str) -> Keyring | None:
    """The keys to open a plan of the stack at `stack_path` with.

    What a plan file says is not trusted before it is opened, so that only a stack in or below the working directory
    may name keys (and a command to run for one); elsewhere the environment alone does.
    """
    here = os.path.realpath(".")
    there = os.path.realpath(stack_path)
    if os.path.exists(there) and os.path.commonpath((here, there)) == here:  # noqa: PTH110
        with suppress(DiagnosticsError):  # what is wrong with the stack now does not matter to the plan
            return _keyring(encryption_of(load(stack_path)))
    return _keyring(encryption_settings())


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

    complete = given_again(plan, os.environ, _variable_options(variables), variables.values)
    return judged(complete, _functions(plan.timestamp))


# --- state -----------------------------------------------------------------------------------------------------------


def read_state(engine: Engine) -> State | None:
    """The state as it is now, the journal of an interrupted run replayed (in memory)."""
    require_unmoved(engine)
    return replay(engine.backend.read(), engine.backend.read_journal()).state


def evaluate_outputs(state: State) -> dict[str, Value]:
    """The root outputs of a state as values, sensitive ones marked."""
    values: dict[str, Value] = {}
    for name, output in state.outputs.items():
        value = decode_type(output.value, type_from_json(output.type))
        values[name] = sensitive(value) if output.sensitive else value
    return values


def _settled_state(
    engine: Engine,
    variables: Mapping[str, Value],
    held: Session,
    listener: Listener,
    parallelism: int = DEFAULT_PARALLELISM,
    *,
    undo: bool = False,
) -> State | None:
    """The stored state, after what an interrupted run left is settled and written; without a lock only in memory."""
    lock, recorder = held.lock, held.recorder
    if lock is None or recorder is None:
        return read_state(engine)
    stored = engine.backend.read()
    recorder.stands_on(stored.serial if stored is not None else None)
    interrupted = bool(engine.backend.read_journal())
    if not interrupted and (stored is None or stored.pending_rollback is None):
        return stored
    from iacengine.apply.settlement import settled_state  # lazy: only after a run that did not end well

    if interrupted or undo:
        recorder.start()
    ground = _ground(engine, variables, lock, recorder.listening(listener), parallelism)
    settled = settled_state(ground, undo=undo)
    pending = settled is not None and settled.pending_rollback is not None
    recorder.recovered(settled.serial if settled is not None else None, pending=pending)
    return settled


def _ground(
    engine: Engine, variables: Mapping[str, Value], lock: StateLock, listener: Listener, parallelism: int
) -> Ground:
    from iacengine.apply.settlement import Ground  # lazy, as above

    return Ground(
        engine.configuration,
        engine.backend,
        lock,
        variables,
        lambda: _providers(engine, parallelism),
        _functions,
        source_address,
        parallelism,
        _timestamp(),
        listener,
    )


def recover(
    engine: Engine,
    variables: VariableSources,
    held: Session,
    listener: Listener = ignore,
    *,
    action: str = "undo",
    skip: Sequence[str] = (),
    parallelism: int = DEFAULT_PARALLELISM,
) -> State | None:
    """Settle what an earlier run left. Raises DiagnosticsError.

    `action`: `undo` what is to be undone unless that has failed before, `retry` that too, or `keep` what is there.
    `skip`: addresses that stay as they are.
    """
    assert held.lock is not None, "recovery needs the lock"
    values = root_variables(engine, variables, Findings())
    stored = _settled_state(engine, values, held, listener, parallelism, undo=action == "undo" and not skip)
    pending = stored.pending_rollback if stored is not None else None
    if stored is None or pending is None or (action == "undo" and not skip):
        return stored
    skipped = tuple(dict.fromkeys((*pending.skipped, *map(parse_resource_instance, skip))))
    left = None if action == "keep" else replace(pending, skipped=skipped, paused=False)
    stored = replace(stored, serial=stored.serial + 1, pending_rollback=left)
    engine.backend.write(stored, stored.serial - 1, held.lock)
    if held.recorder is not None:
        held.recorder.did("", "keep" if left is None else "retry")
        held.recorder.recovered(stored.serial, pending=left is not None)
    if left is None:
        return stored
    return _settled_state(engine, values, held, listener, parallelism, undo=True)


def plan_rollback(
    engine: Engine,
    serial: int,
    options: PlanOptions,
    variables: VariableSources,
    held: Session,
    listener: Listener = ignore,
) -> Plan:
    """The plan that leads back to the version of the state with this serial. Raises when it is not kept."""
    from iacengine.apply.settlement import plan_return  # lazy: only this verb needs it

    assert held.lock is not None, "the way back is planned under the lock"
    values = root_variables(engine, variables, Findings())
    stored = _settled_state(engine, values, held, listener, options.parallelism, undo=True)
    if stored is None:
        raise failure(
            "No state", f"{engine.backend.describe()}: there is no state, so there is no version to return to."
        )
    ground = _ground(engine, values, held.lock, listener, options.parallelism)
    made = plan_return(ground, stored, serial, on_failure=_on_failure(engine, options), refresh=options.refresh)
    if held.recorder is not None:
        held.recorder.planned(made)
    return made


# --- parts -----------------------------------------------------------------------------------------------------------


def root_variables(engine: Engine, sources: VariableSources, findings: Findings) -> dict[str, Value]:
    """The values of the root module's variables. Raises with everything that is missing or does not fit."""
    return dict(_root_variables(engine, sources, findings).values)


def _root_variables(engine: Engine, sources: VariableSources, findings: Findings) -> RootVariables:
    found = _collect(engine, sources, findings)
    findings.extend(missing_variable(variable) for variable in found.missing)
    findings.raise_errors()
    return found


def _collect(engine: Engine, sources: VariableSources, findings: Findings) -> RootVariables:
    return collect_variables(
        engine.configuration.root,
        environment=os.environ,
        options=_variable_options(sources),
        given=sources.values,
        findings=findings,
    )


def _variable_options(sources: VariableSources) -> list[VariableOption]:
    options = [VariableOption(path, is_file=True) for path in sources.files]
    options += [VariableOption(text) for text in sources.assignments]
    return [*options, *sources.options]


def _check(engine: Engine, providers: Providers) -> tuple[Diagnostic, ...]:
    """Static checks, attributes and types by the providers' schemas; the warnings. Raises with every error."""
    findings = Findings()
    findings.extend(check_configuration(engine.configuration, _schemas(engine.configuration, providers)))
    findings.raise_errors()
    return findings.all


def _schemas(configuration: Configuration, providers: Providers) -> Callable[[Mode, str, Module], Schema | None]:
    """The schema of a resource type as a module knows it: by the provider its blocks name, or its prefix."""
    known: dict[tuple[ModulePath, Mode, str], Schema | None] = {}
    names: dict[ModulePath, dict[tuple[Mode, str], str]] = {}

    def schema(mode: Mode, type_: str, module: Module) -> Schema | None:
        key = (module.path, mode, type_)
        if key not in known:
            if module.path not in names:
                names[module.path] = {
                    (resource.mode, resource.type): block.provider.name
                    for resource, block in module.resources.items()
                    if block.provider is not None
                }
            name = names[module.path].get((mode, type_), type_.split("_", 1)[0])
            resolved = resolve_provider(configuration, module.path, ProviderName(name), source_address)
            source = resolved.reference.source if resolved is not None else None
            known[key] = providers.resource_schema(source, mode, type_) if source is not None else None
        return known[key]

    return schema


def _build_graph(configuration: Configuration) -> ConfigGraph:
    from iacengine.graph.build import build_graph  # lazy: networkx is not needed to read state

    return build_graph(configuration)


def _providers(engine: Engine, parallelism: int) -> Providers:
    context = ConfigureContext(engine.configuration.directory or ".", parallelism)
    return Providers(_find_plugin, context)


def _find_plugin(source: str) -> ProviderPlugin:
    plugin = find_plugin(source)
    if plugin.name == "terraform":
        from iacengine.provider.builtin.terraform import terraform_plugin  # lazy: most stacks name other providers

        return terraform_plugin(_read_outputs)
    return plugin


def _read_outputs(path: str) -> Mapping[str, OutputState] | None:
    """The root outputs of a state file, this engine's or Terraform's."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise failure("State file cannot be read", f"{path}: {problem.strerror}.") from None
    if b'"iacengine-state"' in data[:400]:
        state = decode_state(data, path)
        if state.moved_to:
            raise StateMovedError(path, state.moved_to)
        if state.encryption is not None:
            from iacengine.state.encryption.keyring import shared_keyring  # lazy: most states are not encrypted
            from iacengine.state.encryption.states import open_state

            state = open_state(state, shared_keyring(encryption_settings()), path)
        return state.outputs
    return from_tfstate(data, path).outputs


def _functions(timestamp: str, *, planning: bool = False) -> FunctionContext:
    """The surroundings of evaluation. While planning, what changes from call to call (`uuid()`) is not known yet."""
    moment = datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) if timestamp else None
    return with_rendering(FunctionContext(DiskFiles(), plan_timestamp=moment, pure_only=planning))


def _timestamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _on_failure(engine: Engine, options: PlanOptions) -> str:
    return options.on_failure or engine.configuration.root.settings.on_failure or DEFAULT_ON_FAILURE


def _new_lineage() -> str:
    from uuid import uuid4  # lazy: only for the first plan of a stack

    return str(uuid4())
