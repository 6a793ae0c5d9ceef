"""Why a module is not installed or loaded, beside what is wrong with packages and signatures: one code for each."""

from __future__ import annotations

from enum import StrEnum

from iacengine.foundation.diagnostics import DiagnosticsError, error


class InstallFault(StrEnum):
    """What stands between a call and its module."""

    LOCKED_DIFFERS = "locked_differs"
    """What is served, or cached, is not what the lock file pins."""
    PROMISED_DIFFERS = "promised_differs"
    """A registry serves something else than it promised."""
    OTHER_SIGNERS = "other_signers"
    VERSION_GONE = "version_gone"
    VERSION_FORGOTTEN = "version_forgotten"
    """A registry offers only older versions than it did."""
    TWO_REGISTRIES = "two_registries"
    """One address without a host, and two registries that may be meant."""
    NO_REGISTRY = "no_registry"
    LEADS_OUT = "leads_out"
    """A module calls what is outside its package."""
    NO_FOLDER = "no_folder"
    LOCK_FROZEN = "lock_frozen"
    LOCK_DAMAGED = "lock_damaged"

    __hash__ = str.__hash__


class InstallError(DiagnosticsError):
    """A module that is not installed, or not loaded."""

    def __init__(self, fault: InstallFault, summary: str, detail: str = "", *, remedy: str | None = None) -> None:
        super().__init__(error(summary, detail, remedy=remedy, code=fault.value))
        self.fault = fault

    @property
    def code(self) -> str:
        return self.fault.value
