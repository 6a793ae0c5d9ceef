"""State on an HTTP server: with the whole of our protocol where the server speaks it, else with Terraform's.

`OPTIONS ADDRESS` tells which: an answer with the header `Iac-State-Protocol: 1` is of a server that keeps journal,
versions, runs and leases too (`iacengine.state.backends.http_protocol`). Anything else is taken for a server of
Terraform's `http` backend, such as GitLab (`iacengine.state.backends.http_terraform`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Final

from iacengine.foundation.diagnostics import Diagnostic
from iacengine.foundation.http import HttpClient, HttpSettings, basic_from, shown
from iacengine.foundation.retry import Backoff
from iacengine.state.backends.base import VERSIONS_KEPT, Backend, LockInfo, StateLock, StateVersion
from iacengine.state.backends.http_place import HttpPlace
from iacengine.state.backends.http_protocol import PROTOCOL, IacHttp
from iacengine.state.backends.http_terraform import TerraformHttp
from iacengine.state.backends.settings import BackendSettings
from iacengine.state.journal_entries import JournalEntry
from iacengine.state.lease import LEASE_SECONDS
from iacengine.state.model import State
from iacengine.state.run_record import RunRecord

_TEXTS: Final = (
    "address",
    "update_method",
    "lock_address",
    "lock_method",
    "unlock_address",
    "unlock_method",
    "username",
    "password",
    "client_ca_certificate_pem",
    "client_certificate_pem",
    "client_private_key_pem",
)
_NUMBERS: Final = ("retry_max", "retry_wait_min", "retry_wait_max")
_KNOWN: Final = (*_TEXTS, *_NUMBERS, "skip_cert_verification", "versions", "lease")


def open_backend(settings: BackendSettings) -> HttpBackend:
    """The backend of an `http` block. Its settings, and the variables that stand in for them, are Terraform's."""
    settings.refuse_others(_KNOWN)
    numbers = {name: settings.text(name, _variable(name)) for name in _NUMBERS if name not in settings.values}
    settings = settings.with_values(**{name: text for name, text in numbers.items() if text is not None})
    address, user, password = basic_from(settings.required("address", _variable("address")))
    texts = {name: settings.text(name, _variable(name)) for name in _TEXTS}
    _require_verification(settings)
    for name in ("lock_address", "unlock_address"):
        _require_http(settings, name, texts[name])
    _require_http(settings, "address", address)
    if (texts["client_certificate_pem"] is None) != (texts["client_private_key_pem"] is None):
        raise settings.wrong(
            None, "A client's certificate and its key belong together.", "Give both client_..._pem settings, or none."
        )
    backoff = Backoff()
    wait_min = settings.number("retry_wait_min", backoff.first)
    wait_max = settings.number("retry_wait_max", max(backoff.longest, wait_min))
    if wait_max < wait_min:
        raise settings.wrong("retry_wait_max", "retry_wait_max is less than retry_wait_min.", "Make it at least that.")
    retries = int(settings.number("retry_max", backoff.retries))
    patience = max(backoff.patience, 2 * wait_max)
    lease = settings.number("lease", LEASE_SECONDS, least=0.1)
    client = HttpSettings(
        user=texts["username"] if texts["username"] is not None else user,
        password=texts["password"] if texts["password"] is not None else password,
        backoff=Backoff(retries, wait_min, wait_max, patience),
        ca_certificates=texts["client_ca_certificate_pem"],
        client_certificate=texts["client_certificate_pem"],
        client_key=texts["client_private_key_pem"],
        circuit_rest=lease / 12,  # a server that comes back is found in time to renew the lease
    )
    versions = int(settings.number("versions", VERSIONS_KEPT))
    return HttpBackend(
        lambda: HttpPlace(
            address=address,
            client=HttpClient(client),
            update_method=(texts["update_method"] or "POST").upper(),
            lock_address=texts["lock_address"],
            lock_method=(texts["lock_method"] or "LOCK").upper(),
            unlock_address=texts["unlock_address"] or texts["lock_address"],
            unlock_method=(texts["unlock_method"] or "UNLOCK").upper(),
            versions=versions,
            lease=lease,
            folder=os.path.join(settings.directory, ".iac"),  # noqa: PTH118 - text in, text out
        ),
        address,
    )


def _variable(name: str) -> str:
    return f"TF_HTTP_{name.upper()}"


def _require_http(settings: BackendSettings, name: str, address: str | None) -> None:
    if address is not None and not address.startswith(("https://", "http://")):
        raise settings.wrong(name, f'The setting "{name}" is no address of a server.', "Write it as https://HOST/PATH.")


def _require_verification(settings: BackendSettings) -> None:
    name = "skip_cert_verification"
    if settings.boolean(name) or settings.environment.get(_variable(name), "").lower() in ("1", "true"):
        raise settings.wrong(
            name if name in settings.values else None,
            "Certificates are always verified: anybody in between could read and change the state otherwise.",
            "Give the certificate of the authority that signed the server's as client_ca_certificate_pem, and leave "
            f"{name} out.",
        )


class HttpBackend:
    """The backend of an `http` block. Which protocol the server speaks is asked when it is first used."""

    def __init__(self, place: Callable[[], HttpPlace], address: str) -> None:
        self._make, self._address = place, address
        self._mutex = threading.Lock()
        self._place: HttpPlace | None = None
        self._found: IacHttp | TerraformHttp | None = None

    def describe(self) -> str:
        return shown(self._address)

    def remarks(self) -> tuple[Diagnostic, ...]:
        """Warnings about what this place cannot do."""
        return self._chosen().remarks()

    def _asked(self) -> HttpPlace:
        if self._place is None:
            self._place = self._make()
        return self._place

    def _chosen(self) -> IacHttp | TerraformHttp:
        with self._mutex:
            if self._found is None:
                place = self._asked()
                answer = place.client.request("OPTIONS", place.address, accept=_NO_OPTIONS)
                speaks = answer.headers.get("iac-state-protocol", "")
                self._found = IacHttp(place) if PROTOCOL in speaks.replace(" ", "").split(",") else TerraformHttp(place)
            return self._found

    @property
    def _backend(self) -> Backend:
        return self._chosen()

    def read(self) -> State | None:
        return self._backend.read()

    def write(self, state: State, expected_serial: int | None, lock: StateLock) -> None:
        self._backend.write(state, expected_serial, lock)

    def versions(self) -> Sequence[StateVersion]:
        return self._backend.versions()

    def read_version(self, serial: int) -> State:
        return self._backend.read_version(serial)

    def read_journal(self) -> Sequence[JournalEntry]:
        return self._backend.read_journal()

    def append(self, entries: Sequence[JournalEntry], lock: StateLock) -> None:
        self._backend.append(entries, lock)

    def clear_journal(self, lock: StateLock) -> None:
        self._backend.clear_journal(lock)

    def lock(self, info: LockInfo, timeout: float) -> StateLock:
        return self._backend.lock(info, timeout)

    def lock_holder(self) -> LockInfo | None:
        return self._backend.lock_holder()

    def break_lock(self, lock_id: str) -> None:
        self._backend.break_lock(lock_id)

    def record_run(self, record: RunRecord) -> None:
        self._backend.record_run(record)

    def runs(self, limit: int | None = None) -> Sequence[RunRecord]:
        return self._backend.runs(limit)

    def close(self) -> None:
        if self._place is not None:
            self._place.client.close()
            self._place, self._found = None, None


_NO_OPTIONS: Final = (400, 404, 405, 406, 410, 415, 422, 501)
"""What servers answer that do not know OPTIONS; 401 and 403 are errors, and so is what may pass."""
