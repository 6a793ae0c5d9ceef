"""The keyring of a stack: finds the master key of what is sealed, and remembers the data keys it had unwrapped.

Unwrapping costs half a second with a passphrase and a call with KMS, so a command does it once: what it writes is
sealed with the data key of what it has read.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from iacengine.foundation.crypto import ForgedError, Sealer, hkdf
from iacengine.foundation.diagnostics import DiagnosticsError, error
from iacengine.state.encryption.header import Header, KeyMissingError, damaged, identity, key_name, require_header
from iacengine.state.encryption.masters import MasterKey, kind_of, master_key
from iacengine.state.encryption.settings import (
    PASSPHRASE_VARIABLE,
    EncryptionSettings,
    KeySettings,
    PassphraseSettings,
)


class DataKey:
    """A data key that is there, with the header it can be had back from. Each purpose has a key of its own."""

    __slots__ = ("_key", "_sealers", "header", "lineage")

    def __init__(self, header: Header, key: bytes, lineage: str) -> None:
        self.header, self.lineage, self._key = header, lineage, key
        self._sealers: dict[str, Sealer] = {}

    def sealer(self, purpose: str) -> Sealer:
        found = self._sealers.get(purpose)
        if found is None:
            found = self._sealers[purpose] = Sealer(hkdf(self._key, f"iacengine {purpose}".encode()))
        return found

    def header_for(self, mode: str) -> Header:
        return {**self.header, "mode": mode}


class Keyring:
    """The keys that a stack's settings name. Used from several threads."""

    def __init__(self, settings: EncryptionSettings) -> None:
        self.settings = settings
        self._masters: dict[KeySettings, MasterKey] = {}
        self._opened: dict[tuple[str, bytes], DataKey] = {}
        self._writing: dict[str, DataKey] = {}
        self._mutex = threading.Lock()

    @property
    def seals(self) -> bool:
        """Whether what is written is to be sealed."""
        return self.settings.key is not None

    @property
    def mode(self) -> str:
        return "full" if self.settings.full else "values"

    def data_key(self, lineage: str) -> DataKey:
        """The data key to seal with. Raises DiagnosticsError when the master key is not to be had."""
        with self._mutex:
            found = self._writing.get(lineage)
            if found is None:
                assert self.settings.key is not None, "asked to seal without a key"
                header, key = self._master(self.settings.key).wrap(lineage)
                found = self._writing[lineage] = DataKey(header, key, lineage)
                self._opened[(lineage, identity(header))] = found
            return found

    def renew(self, lineage: str) -> DataKey:
        """A new data key, which everything is sealed with from now on. Raises DiagnosticsError."""
        with self._mutex:
            self._writing.pop(lineage, None)
        return self.data_key(lineage)

    def open(self, header: Mapping[str, Any], lineage: str, where: str) -> DataKey:
        """The data key of a header that stands in `where`.

        Raises DiagnosticsError when it needs a key that is not there, or is not the right one.
        """
        require_header(header, where)
        place = (lineage, identity(header))
        with self._mutex:
            found = self._opened.get(place)
            if found is None:
                found = self._unwrap({name: header[name] for name in header if name != "mode"}, lineage, where)
                self._opened[place] = found
            return found

    def _unwrap(self, header: Header, lineage: str, where: str) -> DataKey:
        fitting = [one for one in self.settings.all_keys if kind_of(one) == header["kind"]]
        if not fitting:
            raise _no_key(header, where)
        tried: list[str] = []
        for settings in fitting:
            master = self._master(settings)
            try:
                key = master.unwrap(header, lineage)
            except DiagnosticsError:
                if settings is fitting[-1]:
                    raise
                continue
            except (KeyError, TypeError, ValueError, ForgedError):
                raise damaged(where, "The data key") from None
            if key is not None:
                found = DataKey(header, key, lineage)
                if settings == self.settings.key:
                    self._writing.setdefault(lineage, found)
                return found
            tried.append(master.describe())
        raise _wrong_key(header, where, tried)

    def _master(self, settings: KeySettings) -> MasterKey:
        found = self._masters.get(settings)
        if found is None:
            found = self._masters[settings] = master_key(settings, self.settings.environment)
        return found


_shared: dict[tuple[EncryptionSettings, tuple[str | None, ...]], Keyring] = {}


def shared_keyring(settings: EncryptionSettings) -> Keyring:
    """The keyring of these settings, the same for all of a process that have the same passphrases: a saved plan and
    the state it is applied to are opened at the cost of one."""
    variables = [one.variable for one in settings.all_keys if isinstance(one, PassphraseSettings)]
    place = (settings, tuple(settings.environment.get(name) for name in variables))
    return _shared.setdefault(place, Keyring(settings))


_REMEDIES = {
    "passphrase": f"Set {PASSPHRASE_VARIABLE} to the passphrase.",
    "key_file": "Name the file in the stack file: stack: {encryption: {key_file: …}}.",
    "kms": "Name the key in the stack file: stack: {encryption: {kms: {key_id: …}}}.",
    "command": "Name the command in the stack file: stack: {encryption: {command: […]}}.",
}


def _no_key(header: Header, where: str) -> DiagnosticsError:
    return _missing(
        "Encrypted, and the key is missing",
        f"{where} is encrypted with {key_name(header)}, and no such key is configured. It is left as it is.",
        remedy=_REMEDIES[header["kind"]],
    )


def _missing(summary: str, detail: str, *, remedy: str) -> KeyMissingError:
    return KeyMissingError(error(summary, detail, remedy=remedy))


def _wrong_key(header: Header, where: str, tried: list[str]) -> DiagnosticsError:
    return _missing(
        "Encrypted with another key",
        f"{where} is encrypted with {key_name(header)}, which {' and '.join(tried)} "
        f"{'is' if len(tried) == 1 else 'are'} not; or its header was changed. It is left as it is.",
        remedy="Use the key that it was written with. To change keys, name the old one under `previous` in the "
        "encryption block (or in IAC_ENCRYPTION_PREVIOUS_PASSPHRASE) and run `iac state rotate-key`.",
    )
