"""The passphrase of a key: from the environment, or typed in."""

from __future__ import annotations

import os
import sys

from iacengine.foundation.diagnostics import failure
from iacengine.modules.keys import PASSPHRASE_VARIABLE
from iacengine.modules.signing_key import SHORTEST_PASSPHRASE


def ask_passphrase(name: str) -> str:
    """The passphrase of a key that is there. Raises DiagnosticsError when nobody can be asked."""
    return os.environ.get(PASSPHRASE_VARIABLE) or _typed(f'Passphrase of the key "{name}": ')


def new_passphrase(name: str) -> str:
    """The passphrase for a new key, asked twice. Raises DiagnosticsError."""
    given = os.environ.get(PASSPHRASE_VARIABLE)
    chosen = given or _typed(f'Passphrase for the key "{name}": ')
    if len(chosen) < SHORTEST_PASSPHRASE:
        raise failure(
            "Passphrase too short",
            f"A passphrase has at least {SHORTEST_PASSPHRASE} characters.",
            remedy="Take a few random words.",
        )
    if not given and _typed("The same again: ") != chosen:
        raise failure("The passphrases differ", "What you typed the second time is not what you typed first.")
    return chosen


def _typed(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise failure(
            "Passphrase needed",
            "Nobody can be asked, because standard input is no terminal.",
            remedy=f"Set {PASSPHRASE_VARIABLE} to the passphrase.",
        )
    import getpass  # lazy: only who is asked needs it

    return getpass.getpass(prompt)
