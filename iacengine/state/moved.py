"""What is told of a state that was moved to another backend."""

from __future__ import annotations

from iacengine.foundation.diagnostics import DiagnosticsError, error, failure

COMMAND = "iac state migrate"
"""What the lock and the journal say while a state is being moved."""


class StateMovedError(DiagnosticsError):
    """The state was moved: what is left here is a sign that says where to, in `moved_to`."""

    def __init__(self, where: str, moved_to: str) -> None:
        self.moved_to = moved_to
        super().__init__(
            error(
                "The state was moved",
                f"{where} held the state once; it was moved to {moved_to}. Nothing is planned or written here, since "
                "that would start from nothing.",
                remedy="Put the backend block of that place into the stack file. Or move the state back here with "
                "`iac state migrate`; --from names that place where it is not known in this folder.",
            )
        )


def migration_cut_off(time: str) -> DiagnosticsError:
    """What to raise where a state was being moved to (since `time`), and is not whole yet."""
    return failure(
        "A migration was cut off",
        f"The state was being moved here on {time}, and that did not come to its end. What is here is not whole; the "
        "place it comes from still has all of it.",
        remedy="Run `iac state migrate` again: it goes on where it stopped.",
    )
