"""The provisioners of a run: which belong to a step, and running one of them."""

from __future__ import annotations

from dataclasses import replace

from iacengine.apply.operations import Task
from iacengine.apply.provisioning.model import Provisioning, Say, evaluate_provisioner
from iacengine.apply.provisioning.stopping import Stopping
from iacengine.apply.working import AppliedValues
from iacengine.config.model import Provisioner, ResourceBlock
from iacengine.config.source import locate
from iacengine.evaluation.scope import AnyScope
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, error
from iacengine.lang.values import Value
from iacengine.plan.prior import open_stored
from iacengine.state.journal_entries import Operation
from iacengine.state.model import ResourceObject


def block_of(values: AppliedValues, task: Task) -> ResourceBlock | None:
    """The block of an object that has provisioners; None when it has none, or there is no block any more."""
    module = values.plan.configuration.modules.get(task.address.module.path)
    block = module.resources.get(task.address.resource) if module is not None else None
    return block if block is not None and block.provisioners else None


def provisioners_of(block: ResourceBlock, task: Task) -> tuple[Provisioner, ...]:
    """Those that run with a step: after a create, or before the delete of an object that is no leftover."""
    match task.operation:
        case Operation.CREATE:
            return tuple(each for each in block.provisioners if not each.on_destroy)
        case Operation.DELETE if not task.deposed:
            return tuple(each for each in block.provisioners if each.on_destroy)
        case _:
            return ()


def prepare_provisioner(
    values: AppliedValues, task: Task, index: int, stored: ResourceObject | None
) -> Provisioning | None:
    """The provisioner at a place among those of a step, ready to run; None when there is none. `stored`: the object.

    A tainted object is deleted without: nobody knows how far its provisioning came. Raises DiagnosticsError.
    """
    block = block_of(values, task)
    if block is None or stored is None or (task.operation is Operation.DELETE and stored.tainted):
        return None
    found = provisioners_of(block, task)
    if index >= len(found):
        return None
    if task.operation is Operation.CREATE:
        scope = values.scope(task.address, block)
        itself = values.object(task.address)
    else:
        scope = _scope_of_leaving(values, task, block)
        itself = open_stored(stored, task.schema, task.provider).marked
    return evaluate_provisioner(task, index, block, found[index], scope.with_names({("self",): itself}))


def _scope_of_leaving(values: AppliedValues, task: Task, block: ResourceBlock) -> AnyScope:
    """count.index or each.key of an instance, whether or not the block still has it."""
    scope = values.working.scope(task.address.module)
    key = task.address.key
    if key is None:
        return scope
    name = ("count", "index") if isinstance(key, int) else ("each", "key")
    known: dict[tuple[str, ...], Value] = {name: key}
    return scope.with_names(known)


def run_provisioner(job: Provisioning, say: Say, stopping: Stopping) -> tuple[Diagnostic, ...]:
    """Run a provisioner to its end, in any thread; what went wrong."""
    try:
        _run(job, say if job.secret is None else _hidden(job.secret, say), stopping)
    except DiagnosticsError as found:
        return placed(job, found)
    except Exception as problem:
        kind = job.provisioner.type
        detail = "" if job.secret is not None else f": {problem}"
        return placed(job, DiagnosticsError(error(f"{kind} provisioner error", f"{type(problem).__name__}{detail}.")))
    return ()


def _hidden(secret: str, say: Say) -> Say:
    return lambda line: say(f"(output suppressed due to {secret} value in config)")


def _run(job: Provisioning, say: Say, stopping: Stopping) -> None:
    if job.provisioner.type == "local-exec":
        from iacengine.apply.provisioning import local_exec  # lazy: few stacks run commands

        local_exec.run(job.config, say, stopping, secret=job.secret is not None)
        return
    from iacengine.apply.provisioning import remote  # lazy: as above

    remote.run(job, say, stopping)


def placed(job: Provisioning, found: DiagnosticsError) -> tuple[Diagnostic, ...]:
    """What went wrong with a provisioner, told where it stands."""
    where = locate(job.provisioner.origin)
    return tuple(replace(each.at(*where), address=str(job.task.address)) for each in found.diagnostics)


def interrupted(task: Task) -> Diagnostic:
    """The provisioners of a new object do not run any more."""
    return error(
        "Provisioners did not run",
        f"{task.address} was made, but the run was interrupted before its provisioners.",
        remedy="It is tainted: the next apply replaces it.",
        address=str(task.address),
    )
