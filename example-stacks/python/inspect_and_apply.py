"""Drive a stack that is written in files: load it, look at its plan, apply it and follow its progress.

python inspect_and_apply.py [STACK]    by default the stack in ../mock-cloud
"""

import sys
from pathlib import Path

from iacengine import Action, ApplyError, Secret, Stack
from iacengine.plan.events import Event, StepFailed, StepFinished

HERE = Path(__file__).parent
DESTRUCTIVE = {Action.DELETE, Action.REPLACE, Action.CREATE_THEN_DELETE}


def progress(event: Event) -> None:
    match event:
        case StepFinished(operation=operation, address=address):
            print(f"  {operation.value} {address}")
        case StepFailed(operation=operation, address=address):
            print(f"  {operation.value} {address} FAILED")


def main(path: str) -> int:
    stack = Stack.load(path, variables={"environment": "production"})
    plan = stack.plan(on_failure="continue")
    lost = [str(change.address) for change in plan.changes if change.action in DESTRUCTIVE]
    if lost:
        print("This plan would destroy:", ", ".join(lost))
        return 1
    counts = plan.counts()
    print(f"{counts.add} to create, {counts.change} to update")
    try:
        stack.apply(plan, progress=progress)
    except ApplyError as failure:
        print(f"failed: {', '.join(map(str, failure.outcome.failed))}\n{failure}", file=sys.stderr)
        return 1
    for name, value in sorted(stack.outputs.items()):
        shown = "(sensitive)" if isinstance(value, Secret) else value
        print(f"{name} = {shown}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1] if len(sys.argv) > 1 else str(HERE.parent / "mock-cloud")))
