"""The HTTP client: retries with jitter, a circuit breaker for each server, time limits, proxies, certificates.

Every failure is an HttpError with a remedy. Credentials stand in no message: an address is shown without user, password
and query. A redirect to another server is followed without them, one from https to http not at all.

Retries and the breaker are our own (`foundation.retry`, `foundation.circuit`): the state needs calls that run beside
each other, and clocks that tests can set.
"""

from __future__ import annotations

import logging
import random
import ssl
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import httpx2

from iacengine.foundation.circuit import Circuit
from iacengine.foundation.diagnostics import DiagnosticsError, error
from iacengine.foundation.retry import Backoff, Transient, retrying
from iacengine.foundation.version import VERSION

REDIRECTS: Final = 5
LARGEST: Final = 1 << 30  # bytes of an answer: more is no state and no module
_CHATTER: Final = ("httpx2", *(f"httpcore2.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))
_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_SECRETS: Final = frozenset({"authorization", "cookie", "proxy-authorization", "private-token", "job-token"})


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How to talk to servers. Times are in seconds; certificates and keys are PEM text.

    `connect` and `timeout` limit the making of a connection and every silence on it. `headers` go to the servers that
    are asked, not to those they redirect to. `ca_certificates` replaces the system's. `circuit_failures` requests in
    a row that failed, after all their retries, open the circuit to a server for `circuit_rest`.
    """

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    connect: float = 10.0
    timeout: float = 60.0
    backoff: Backoff = field(default_factory=Backoff)
    ca_certificates: str | None = None
    client_certificate: str | None = None
    client_key: str | None = field(default=None, repr=False)
    circuit_failures: int = 3
    circuit_rest: float = 15.0
    largest: int = LARGEST


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered; names of `headers` are in lower case. `address` is without credentials."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)
    address: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


Receive = Callable[[Answer, Iterator[bytes]], None]
"""Takes what a server sends: its answer, still without content, and the pieces as they come."""


class HttpError(DiagnosticsError):
    """A request that failed. `status` is that of the last answer (None: there was none).

    `unsure`: the server may have done what it was asked, since only its answer is missing.
    """

    def __init__(self, summary: str, detail: str, remedy: str, *, status: int | None = None, unsure: bool = False):
        super().__init__(error(summary, detail, remedy=remedy))
        self.status, self.unsure = status, unsure


for _name in _CHATTER:  # they log whole addresses and headers, which may hold credentials
    logging.getLogger(_name).addFilter(lambda record: False)


class HttpClient:
    """A client that many threads may use at once. It keeps connections until it is closed."""

    def __init__(
        self,
        settings: HttpSettings = HttpSettings(),
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Raises HttpError when the certificates or the key make no sense."""
        self._settings = settings
        self._clock, self._sleep, self._chance = clock, sleep, chance
        self._circuits: dict[str, Circuit] = {}
        self._own = self._connections(with_certificate=True)
        self._foreign: httpx2.Client | None = None
        self._closed = False

    def request(
        self,
        method: str,
        address: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | Callable[[], Mapping[str, str]] | None = None,
        accept: Collection[int] = (),
        backoff: Backoff | None = None,
        timeout: float | None = None,
        receive: Receive | None = None,
    ) -> Answer:
        """Ask, and ask again while the failure may pass: the request must bear being made twice.

        `headers` that are a function are asked for before each attempt. `receive` takes what a server sends with a
        status from 200 to 299 piece by piece, at each attempt; the answer then has no content.
        Returns an answer with a status from 200 to 299 or in `accept`; raises HttpError for anything else.
        """
        backoff = backoff or self._settings.backoff
        address, user, password = basic_from(address)
        basic = {} if user is None and password is None else {"Authorization": _basic(user, password)}

        def given() -> dict[str, str]:
            return {**basic, **(headers() if callable(headers) else headers or {})}

        origin = _origin(address)
        circuit = self._circuits.setdefault(
            origin, Circuit(self._settings.circuit_failures, self._settings.circuit_rest, self._clock)
        )
        if (wait := circuit.wait()) > 0:
            raise HttpError(
                "Server is not answering",
                f"{shown(address)}: the last {self._settings.circuit_failures} requests to {origin} failed, so that it "
                f"is not asked again for {wait:.0f} s.",
                "Check that the server is up, then run the command again.",
            )
        limits = httpx2.Timeout(timeout or self._settings.timeout, connect=self._settings.connect)
        try:
            answer = retrying(
                lambda: self._attempt(method, address, content, given(), accept, limits, receive),
                backoff,
                clock=self._clock,
                sleep=self._sleep,
                chance=self._chance,
            )
        except HttpError as failed:
            if failed.status is None or failed.status in _TRANSIENT:
                circuit.failed()
            else:
                circuit.succeeded()
            raise
        except BaseException:
            circuit.abandoned()
            raise
        circuit.succeeded()
        return answer

    def close(self) -> None:
        """Close all connections; requests that still run, or come, fail."""
        self._closed = True
        self._own.close()
        if self._foreign is not None:
            self._foreign.close()

    # --- one attempt ------------------------------------------------------------------------------------------------

    def _attempt(
        self,
        method: str,
        address: str,
        content: bytes | None,
        headers: dict[str, str],
        accept: Collection[int],
        limits: httpx2.Timeout,
        receive: Receive | None,
    ) -> Answer:
        """One attempt, with its redirects. Raises Transient around what may pass."""
        sent = {"User-Agent": f"iacengine/{VERSION}", **self._settings.headers, **self._credentials(), **headers}
        here = address
        for _ in range(REDIRECTS + 1):
            foreign = _origin(here) != _origin(address)
            if foreign:
                own = {name.lower() for name in self._settings.headers} | _SECRETS
                sent = {name: value for name, value in sent.items() if name.lower() not in own}
            answer = self._send(method, here, content, sent, limits, receive, foreign=foreign)
            target = answer.headers.get("location")
            if answer.status not in (301, 302, 303, 307, 308) or answer.status in accept or not target:
                return _judged(answer, method, accept)
            here = _followed(method, here, target, answer.status)
        raise HttpError(
            "Too many redirects",
            f"{shown(address)} redirected more than {REDIRECTS} times, at last to {shown(here)}.",
            "Check the address; it may lead to a page for people to sign in.",
        )

    def _send(
        self,
        method: str,
        address: str,
        content: bytes | None,
        headers: Mapping[str, str],
        limits: httpx2.Timeout,
        receive: Receive | None,
        *,
        foreign: bool,
    ) -> Answer:
        client = self._foreign_connections() if foreign else self._own
        try:
            with client.stream(method, address, content=content, headers=dict(headers), timeout=limits) as response:
                head = Answer(
                    response.status_code,
                    {name.lower(): value for name, value in response.headers.items()},
                    b"",
                    shown(address),
                )
                if receive is not None and head.ok:
                    receive(head, response.iter_bytes())
                    return head
                return replace(head, content=self._whole(response, address))
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            raise HttpError(
                "Invalid address", f"{shown(address)} is no address of a server.", "Write it as https://HOST/PATH."
            ) from None
        except httpx2.TransportError as problem:
            raise _unanswered(problem, address) from None
        except (RuntimeError, OSError):
            if not self._closed:
                raise
            raise HttpError(
                "Connections were closed", f"{shown(address)}: the client was closed already.", "Open it again."
            ) from None

    def _whole(self, response: httpx2.Response, address: str) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > self._settings.largest:
                raise HttpError(
                    "Answer too large",
                    f"{shown(address)} sends more than {self._settings.largest} bytes.",
                    "Check the address: this is not what was expected there.",
                )
            chunks.append(chunk)
        return b"".join(chunks)

    def _credentials(self) -> dict[str, str]:
        if self._settings.user is None and self._settings.password is None:
            return {}
        return {"Authorization": _basic(self._settings.user, self._settings.password)}

    # --- connections ------------------------------------------------------------------------------------------------

    def _foreign_connections(self) -> httpx2.Client:
        if self._foreign is None:
            self._foreign = self._connections(with_certificate=False)
        return self._foreign

    def _connections(self, *, with_certificate: bool) -> httpx2.Client:
        return httpx2.Client(
            verify=_tls(self._settings, with_certificate=with_certificate),
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=30.0),
        )


def basic_from(address: str) -> tuple[str, str | None, str | None]:
    """An address without user and password, and those."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return address, None, None  # refused when it is asked
    if "@" not in parts.netloc:
        return address, None, None
    host = parts.netloc.rpartition("@")[2]
    user, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
    return urlunsplit(parts._replace(netloc=host)), user, password


def _basic(user: str | None, password: str | None) -> str:
    pair = f"{user or ''}:{password or ''}".encode()
    return f"Basic {b64encode(pair).decode('ascii')}"


def shown(address: str) -> str:
    """An address for messages: without user, password, query and fragment."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "the address given"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _origin(address: str) -> str:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        parts, port = None, None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise HttpError(
            "Invalid address", f"{shown(address)} is no address of a server.", "Write it as https://HOST/PATH."
        )
    return f"{parts.scheme}://{parts.hostname}:{port or (443 if parts.scheme == 'https' else 80)}"


def _followed(method: str, here: str, target: str, status: int) -> str:
    """Where a redirect leads. Raises HttpError where following it would be wrong."""
    there = urljoin(here, target)
    if urlsplit(here).scheme == "https" and urlsplit(there).scheme != "https":
        raise HttpError(
            "Unsafe redirect",
            f"{shown(here)} redirects to {shown(there)}, which is not encrypted; it was not followed.",
            "Check the address, and tell whoever runs the server.",
        )
    if status in (301, 302, 303) and method not in ("GET", "HEAD", "OPTIONS"):
        raise HttpError(
            "Redirected while writing",
            f"{shown(here)} answered {method} with status {status}, a redirect to {shown(there)} that would lose what "
            "is to be written.",
            "Use the address it redirects to.",
            status=status,
        )
    return there


def _judged(answer: Answer, method: str, accept: Collection[int]) -> Answer:
    if answer.ok or answer.status in accept:
        return answer
    failed = _refused(answer, method)
    if answer.status in _TRANSIENT:
        raise Transient(failed, _asked_pause(answer.headers.get("retry-after")))
    raise failed


def _refused(answer: Answer, method: str) -> HttpError:
    status = answer.status
    what = f"{answer.address} answered {method} with status {status}."
    if status == 401:
        return HttpError("Credentials refused", what, "Check user and password, or the token.", status=status)
    if status == 403:
        return HttpError("Permission denied", what, "Ask for permission, or use other credentials.", status=status)
    if status == 407:
        return HttpError("Proxy refused", what, "Put user and password into HTTPS_PROXY.", status=status)
    if status in (404, 410):
        return HttpError("Not found on the server", what, "Check the address.", status=status)
    if status == 413:
        return HttpError("Too large for the server", what, "Raise the server's limit for a request.", status=status)
    if status == 429:
        return HttpError("Server asks for fewer requests", what, "Wait a while and try again.", status=status)
    if status >= 500:
        remedy = "Look at the server's log; if it passes, run the command again."
        return HttpError("Server failed", what, remedy, status=status, unsure=True)
    return HttpError("Server refused the request", what, "Check the address and the server's log.", status=status)


def _asked_pause(text: str | None) -> float | None:
    """Seconds that a Retry-After asks for (RFC 9110, 10.2.3)."""
    if not text:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def _unanswered(problem: httpx2.TransportError, address: str) -> Exception:
    """No answer came: Transient around an HttpError, or an HttpError that no retry can mend."""
    where, reason = shown(address), " ".join(str(problem).split())
    certificate = problem.__context__
    while certificate is not None and not isinstance(certificate, ssl.SSLCertVerificationError):
        certificate = certificate.__context__ or certificate.__cause__
    if certificate is not None or "CERTIFICATE_VERIFY_FAILED" in reason:
        told = getattr(certificate, "verify_message", "") or "it is not trusted"
        return HttpError(
            "Certificate not trusted",
            f"{where}: the server's certificate was refused: {told}.",
            "Give the certificate of the authority that signed it as the client's CA certificate.",
        )
    if isinstance(problem, httpx2.ProxyError):
        return Transient(HttpError("Proxy failed", f"{where}: {reason}.", "Check HTTPS_PROXY and NO_PROXY."))
    if isinstance(problem, (httpx2.ConnectError, httpx2.ConnectTimeout)):
        why = reason or "no connection could be made in time"
        remedy = "Check the address, the network, and that the server is up."
        return Transient(HttpError("Server cannot be reached", f"{where}: {why}.", remedy))
    if isinstance(problem, httpx2.TimeoutException):
        why, unsure = "the server was silent for too long", True
    else:
        why, unsure = f"the connection broke before the answer was complete{f' ({reason})' if reason else ''}", True
    remedy = "Look at the server's log; if it passes, run the command again."
    return Transient(HttpError("No answer from the server", f"{where}: {why}.", remedy, unsure=unsure))


def _tls(settings: HttpSettings, *, with_certificate: bool) -> ssl.SSLContext:
    try:
        if settings.ca_certificates is not None:
            context = ssl.create_default_context(cadata=settings.ca_certificates)
        else:
            context = httpx2.create_ssl_context()  # the system's authorities, SSL_CERT_FILE
        if with_certificate and settings.client_certificate is not None:
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # ssl reads keys from files only; mode 0600
                file.write(f"{settings.client_certificate}\n{settings.client_key or ''}\n")
                file.flush()
                context.load_cert_chain(file.name)
    except (ssl.SSLError, ValueError):
        raise HttpError(
            "Invalid certificate or key",
            "The certificates and the key for connections make no sense.",
            "Give them as PEM text: -----BEGIN CERTIFICATE----- and so on, the key without a passphrase.",
        ) from None
    return context


def with_backoff(settings: HttpSettings, **changes: float) -> HttpSettings:
    """The settings with another patience, as `retries=2, first=1.0`."""
    return replace(settings, backoff=replace(settings.backoff, **changes))  # type: ignore[arg-type]
