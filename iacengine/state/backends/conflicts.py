"""What every backend refuses alike: a state that cannot follow the one that is there, entries that belong to no run."""

from __future__ import annotations

from collections.abc import Sequence

from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.state.journal_entries import JournalEntry, Opened
from iacengine.state.model import State


def require_successor(
    where: str,
    present: tuple[str, int] | None,
    state: State,
    expected_serial: int | None,
    put_away: str = "move the state away",
) -> None:
    """Raise DiagnosticsError unless `state` may follow the one that is there now.

    `present`: the lineage and serial of that one, None when there is none. The lineage must stay and the serial grow,
    or replay could not tell runs apart. `put_away` says how to begin anew.
    """
    if present is None:
        if expected_serial is not None:
            raise conflict(where, f"serial {expected_serial} was expected, but there is no state any more")
        return
    lineage, serial = present
    if expected_serial is None:
        raise conflict(where, f"no state was expected, but there is one with serial {serial}")
    if serial != expected_serial:
        raise conflict(where, f"serial {expected_serial} was expected, but it has serial {serial}")
    if lineage != state.lineage:
        raise failure(
            "State of another lineage",
            f"{where} has lineage {lineage}; the state to be written has lineage {state.lineage}.",
            remedy="They belong to different stacks: check where the state is kept. To start anew on purpose, "
            f"{put_away} first.",
        )
    if state.serial <= serial:
        raise failure(
            "Serial that does not grow",
            f"{where} has serial {serial}; a state with serial {state.serial} cannot follow it.",
            remedy=f"Give the state a serial above {serial}.",
        )


def conflict(where: str, what: str) -> DiagnosticsError:
    """What to raise when the state is not the one that was expected."""
    return failure(
        "State changed meanwhile",
        f"{where}: {what}. Somebody else has written it; it is left as it is.",
        remedy="Run the command again, so that it starts from the state as it is now.",
    )


def require_bound(where: str, entries: Sequence[JournalEntry], fencing_token: int, opened: bool) -> None:
    """Raise DiagnosticsError when entries (one at least) belong to no run of the holder with this fencing token.

    Its first entry must be an `Opened` (`opened`: there was one already), and every `Opened` must name its token.
    """
    for entry in entries:
        if isinstance(entry, Opened) and entry.fencing_token != fencing_token:
            raise failure(
                "Journal entry of another holder",
                f"{where}: a run with fencing token {entry.fencing_token} cannot be opened under the lock "
                f"with fencing token {fencing_token}.",
                remedy="This is a defect of iacengine; please report it.",
            )
    if not opened and not isinstance(entries[0], Opened):
        raise failure(
            "Journal entry without a run",
            f"{where}: the first entry of a holder must open a run.",
            remedy="This is a defect of iacengine; please report it.",
        )
