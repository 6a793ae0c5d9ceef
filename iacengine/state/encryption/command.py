"""A master key that a program knows: a password manager, a vault, a token.

The program is run without a shell and gets one JSON object on its standard input, `{"purpose": "iacengine state
encryption", "lineage": "…"}`, which it may ignore. It prints the key: 32 bytes as they are, in base64 or hexadecimal,
or as JSON, `{"key": "base64"}`. It must print the same key for the same lineage each time.
"""

from __future__ import annotations

import json
import subprocess

from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.state.encryption.masters import RawKey, parse_key
from iacengine.state.encryption.settings import CommandSettings

_MOST_TOLD = 300  # characters of what the program says of its failure


class KeyCommand(RawKey):
    """A key that a program prints."""

    kind = "command"

    def __init__(self, settings: CommandSettings) -> None:
        super().__init__()
        self._settings = settings

    def describe(self) -> str:
        return f"the key of the command {self._settings.argv[0]}"

    def read(self, lineage: str) -> bytes:
        asked = json.dumps({"purpose": "iacengine state encryption", "lineage": lineage})
        try:
            done = subprocess.run(  # noqa: S603 - the user's own program, without a shell
                self._settings.argv,
                input=asked.encode(),
                capture_output=True,
                timeout=self._settings.seconds,
                cwd=self._settings.directory or ".",
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise self._wrong(f"did not end within {self._settings.seconds:g} seconds") from None
        except OSError as problem:
            raise self._wrong(f"cannot be run: {problem.strerror or problem}") from None
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip()[-_MOST_TOLD:]
            raise self._wrong(f"ended with {done.returncode}{f', and said: {said}' if said else ''}")
        key = _key_of(done.stdout)
        if key is None:
            raise self._wrong('printed no key: 32 bytes, in base64 or hexadecimal, or as JSON {"key": "base64"}')
        return key

    def _wrong(self, what: str) -> DiagnosticsError:
        return failure(
            "The command that has the key failed",
            f"The command {self._settings.argv[0]} of the encryption block {what.rstrip('.')}.",
            remedy="Run it by hand, in the stack's folder, to see what is wrong.",
        )


def _key_of(printed: bytes) -> bytes | None:
    if printed.lstrip()[:1] == b"{":
        try:
            found = json.loads(printed)["key"]
        except (ValueError, KeyError, TypeError):
            return parse_key(printed)
        return parse_key(found.encode()) if isinstance(found, str) else None
    return parse_key(printed)
