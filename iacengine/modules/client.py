"""The client of registries: ours (`iacengine.modules.wire`), and any that speaks Terraform's module registry protocol.

https://developer.hashicorp.com/terraform/internals/module-registry-protocol

What a host offers it says at `/.well-known/terraform.json`: `iacengine.v1` is the path of our API, `modules.v1` that of
Terraform's. A host is asked at its mirrors first, in their order, and then itself; a mirror that fails is passed over.
What was answered is kept, in memory for a minute and on disk with its ETag, so that the next run only asks whether it
is still true. The token of a server goes to that server alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Final, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import orjson

from iacengine.foundation.atomic import read_regular_file, write_atomically
from iacengine.foundation.cache import Cache, CacheMetrics
from iacengine.foundation.diagnostics import DiagnosticsError, error, failure
from iacengine.foundation.http import Answer, HttpClient, HttpError, HttpSettings
from iacengine.foundation.retry import Backoff
from iacengine.modules import wire
from iacengine.modules.cache import ModuleCache
from iacengine.modules.download import Progress, downloaded, nothing
from iacengine.modules.limits import LIMITS
from iacengine.modules.model import Dependency, ModuleAddress
from iacengine.modules.settings import RegistrySettings, token_of

T = TypeVar("T")

OWN_SERVICE: Final = "iacengine.v1"
TERRAFORM_SERVICE: Final = "modules.v1"
REMEMBERED: Final = 60.0
"""Seconds for which an answer is taken for true."""
_REMEMBERED_BYTES: Final = 64 << 20
_LARGEST_ANSWER: Final = 32 << 20
_REFUSALS: Final = (400, 401, 403, 404, 405, 409, 410, 413, 415, 422)
_SETTINGS: Final = HttpSettings(
    connect=10.0,
    timeout=30.0,
    backoff=Backoff(retries=4, first=0.2, longest=3.0, patience=30.0),
    largest=_LARGEST_ANSWER,
)


@dataclass(frozen=True, slots=True)
class Offer:
    """A version that a registry has. The digests are what it promises, "" where it promises none (Terraform's).

    `dependencies` None: the registry does not say what it depends on.
    """

    version: str
    package_digest: str = ""
    tree_digest: str = ""
    size: int = 0
    yanked: bool = False
    yank_reason: str = ""
    dependencies: tuple[Dependency, ...] | None = ()
    published: str = ""


@dataclass(frozen=True, slots=True)
class _Service:
    """A server that answers for a host: where it is, and what it speaks."""

    base: str
    own: str = ""
    terraform: str = ""


class RegistryError(DiagnosticsError):
    """A registry that refused, or did not answer. `status` as of HTTP, None without an answer; `code` is the problem's
    (`iacengine.modules.wire.Problem`), or ""."""

    def __init__(self, *diagnostics: Any, status: int | None = None, code: str = "") -> None:
        super().__init__(*diagnostics)
        self.status, self.code = status, code


class RegistryClient:
    """Asks registries; many threads may use one. Close it at the end. Every failure is a DiagnosticsError."""

    def __init__(
        self,
        settings: RegistrySettings,
        cache: ModuleCache,
        *,
        environment: Mapping[str, str] = os.environ,
        http: HttpSettings = _SETTINGS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        certificates = settings.ca_certificates or http.ca_certificates
        self._http = HttpClient(replace(http, ca_certificates=certificates), clock=clock)
        self._settings, self._cache, self._environment = settings, cache, environment
        self._answers: Cache[str, bytes] = Cache(_REMEMBERED_BYTES, REMEMBERED, size_of=len, clock=clock)
        self._services: dict[str, _Service] = {}

    def close(self) -> None:
        self._http.close()

    def metrics(self) -> CacheMetrics:
        """Of the answers in memory."""
        return self._answers.metrics()

    # --- what there is ------------------------------------------------------------------------------------------------

    def offers(self, address: ModuleAddress) -> tuple[Offer, ...]:
        """Every version of a module, yanked ones too; none when the registry has no such module."""

        def ask(service: _Service) -> tuple[Offer, ...]:
            if service.own:
                found = self._message(wire.ModuleVersions, service, wire.module_path(address) + "/versions")
                return tuple(map(_offer, found.versions))
            path = f"{service.terraform}{address.namespace}/{address.name}/{address.system}/versions"
            return _terraform_offers(self._json(path))

        try:
            return self._at(address.host, ask)
        except RegistryError as refused:
            if refused.status in (404, 410):
                return ()
            raise

    def envelopes(self, address: ModuleAddress, version: str) -> tuple[bytes, ...]:
        """The envelopes of a version's signatures, as JSON; none from a registry of Terraform's protocol."""

        def ask(service: _Service) -> tuple[bytes, ...]:
            if not service.own:
                return ()
            found = self._message(wire.Envelopes, service, wire.version_path(address, version) + "/envelopes")
            return tuple(orjson.dumps(one, option=orjson.OPT_SORT_KEYS) for one in found.envelopes)

        return self._at(address.host, ask)

    def revocations(self, host: str) -> tuple[wire.Revocation, ...]:
        """The keys that the registry itself says are revoked. Mirrors are not asked: they could be behind."""
        own = self._own(host)
        return self._message(wire.Revocations, own, f"{wire.API}/revocations").revocations if own else ()

    @contextlib.contextmanager
    def package(self, address: ModuleAddress, offer: Offer, progress: Progress = nothing) -> Iterator[BinaryIO]:
        """The package of a version from a registry of ours, open at its start; it has the promised digest."""
        with contextlib.ExitStack() as stack:

            def ask(service: _Service) -> BinaryIO:
                if not service.own:
                    raise failure("No such service", f"{service.base} does not serve packages of iacengine.")
                return stack.enter_context(
                    downloaded(
                        self._http,
                        service.base + wire.package_path(address, offer.version),
                        self._cache.place("downloads"),
                        largest=LIMITS.package_bytes,
                        digest=offer.package_digest,
                        headers=self._headers(service.base),
                        progress=progress,
                    )
                )

            yield self._at(address.host, ask)

    @contextlib.contextmanager
    def archive(self, location: str, progress: Progress = nothing, digest: str | None = None) -> Iterator[BinaryIO]:
        """The file at an https address, open at its start."""
        folder = self._cache.place("downloads")
        base = "{0.scheme}://{0.netloc}".format(urlsplit(location))
        with downloaded(
            self._http,
            location,
            folder,
            largest=LIMITS.package_bytes,
            digest=digest,
            headers=self._headers(base),
            progress=progress,
        ) as file:
            yield file

    def terraform_source(self, address: ModuleAddress, version: str) -> str | None:
        """Where a registry of Terraform's protocol says that a version is, as a source; None for one of ours."""

        def ask(service: _Service) -> str | None:
            if service.own:
                return None
            path = f"{service.terraform}{address.namespace}/{address.name}/{address.system}/{quote(version)}/download"
            answer = self._request("GET", path)
            found = answer.headers.get("x-terraform-get", "")
            if not found and answer.content:
                with contextlib.suppress(ValueError, AttributeError):
                    found = orjson.loads(answer.content).get("location", "")
            if not found:
                raise _nonsense(path, "it does not say where the module is")
            return urljoin(path, found) if found.startswith(("./", "../", "/")) else found

        return self._at(address.host, ask)

    # --- what is asked of a registry of ours by a person --------------------------------------------------------------

    def ask(self, host: str, kind: type[T], path: str) -> T:
        """A message of a registry, not from a mirror."""
        return self._message(kind, self._required(host), path, fresh=True)

    def send(self, host: str, method: str, path: str, content: bytes | None = None, type_: str = "") -> Answer:
        """Change something on a registry; its answer."""
        own = self._required(host)
        content_type = {"Content-Type": type_ or "application/json"} if content is not None else {}
        answer = self._request(method, own.base + path, content=content, headers=content_type)
        self._answers.clear()
        return answer

    def _required(self, host: str) -> _Service:
        own = self._own(host)
        if own is None:
            raise failure(
                "Not a registry of iacengine",
                f"{host} only serves Terraform's protocol.",
                remedy="Name another registry (IAC_REGISTRY).",
            )
        return own

    def _own(self, host: str) -> _Service | None:
        service = self._service(self._settings.bases(host)[-1])
        return service if service.own else None

    # --- asking -------------------------------------------------------------------------------------------------------

    def _at(self, host: str, ask: Callable[[_Service], T]) -> T:
        """What the first server says that answers for a host. The last one's failure is the one that counts."""
        bases = self._settings.bases(host)
        for base in bases[:-1]:
            with contextlib.suppress(DiagnosticsError):  # a mirror that is down, behind, or wrong
                return ask(self._service(base))
        return ask(self._service(bases[-1]))

    def _service(self, base: str) -> _Service:
        """What a server speaks."""
        known = self._services.get(base)
        if known is None:
            address = f"{base}/.well-known/terraform.json"
            found = self._json(address)
            paths = {name: found.get(name) for name in (OWN_SERVICE, TERRAFORM_SERVICE)}
            places = {name: urljoin(address, path) for name, path in paths.items() if isinstance(path, str) and path}
            terraform = places.get(TERRAFORM_SERVICE, "")
            if not places:
                raise failure(
                    "Not a registry of modules",
                    f"{address} names neither {OWN_SERVICE} nor {TERRAFORM_SERVICE}.",
                    remedy="Check the host of the module's source.",
                )
            self._require_encryption(base, (terraform, places.get(OWN_SERVICE, "")))
            if terraform and not terraform.endswith("/"):
                terraform += "/"
            known = self._services[base] = _Service(base, places.get(OWN_SERVICE, ""), terraform)
        return known

    def _require_encryption(self, base: str, places: Sequence[str]) -> None:
        for place in places:
            if place and base.startswith("https:") and not place.startswith("https:"):
                raise _nonsense(base, f"it leads to {place}, which is not encrypted")

    def _message(self, kind: type[T], service: _Service, path: str, *, fresh: bool = False) -> T:
        address = service.base + path
        try:
            return wire.decode(kind, self._get(address, fresh=fresh))
        except wire.WireError as problem:
            raise _nonsense(address, str(problem)) from None

    def _json(self, address: str) -> dict[str, Any]:
        try:
            found = orjson.loads(self._get(address))
        except orjson.JSONDecodeError as problem:
            raise _nonsense(address, str(problem)) from None
        if not isinstance(found, dict):
            raise _nonsense(address, "an object was expected")
        return found

    def _get(self, address: str, *, fresh: bool = False) -> bytes:
        """What is at an address: remembered, still true, or new."""
        if not fresh and (known := self._answers.get(address)) is not None:
            return known
        kept = self._kept(address)
        condition = {"If-None-Match": kept[0]} if kept is not None else {}
        answer = self._request("GET", address, headers=condition, accept=(304,))
        if answer.status == 304 and kept is not None:
            content = kept[1]
        else:
            content = answer.content
            self._keep(address, answer)
        self._answers.put(address, content)
        return content

    def _request(
        self,
        method: str,
        address: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        accept: Sequence[int] = (),
    ) -> Answer:
        parts = urlsplit(address)
        given = {"Accept": "application/json", **self._headers(f"{parts.scheme}://{parts.netloc}"), **(headers or {})}
        try:
            answer = self._http.request(method, address, content=content, headers=given, accept=(*_REFUSALS, *accept))
        except HttpError as failed:
            raise _silent(failed, parts.netloc) from None
        if answer.status in _REFUSALS:
            raise _refused(answer, parts.netloc)
        return answer

    def _headers(self, base: str) -> dict[str, str]:
        token = token_of(urlsplit(base).netloc, self._environment)
        return {"Authorization": f"Bearer {token}"} if token else {}

    # --- answers on disk ----------------------------------------------------------------------------------------------

    def _kept_path(self, address: str) -> str:
        token = self._headers("{0.scheme}://{0.netloc}".format(urlsplit(address))).get("Authorization", "")
        name = hashlib.sha256(f"{address}\n{token}".encode()).hexdigest()  # what one may see, another may not
        return f"{self._cache.place('answers')}/{name}"

    def _kept(self, address: str) -> tuple[str, bytes] | None:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            data = read_regular_file(self._kept_path(address))
            if data is not None:
                digest, _, rest = data.partition(b"\n")
                tag, _, content = rest.partition(b"\n")
                if hashlib.sha256(rest).hexdigest().encode() == digest:
                    return tag.decode("ascii"), content
        return None

    def _keep(self, address: str, answer: Answer) -> None:
        tag = answer.headers.get("etag", "")
        control = answer.headers.get("cache-control", "")
        if not tag or not tag.isascii() or "no-store" in control:
            return
        rest = tag.encode("ascii") + b"\n" + answer.content
        with contextlib.suppress(OSError):  # it only saves time
            write_atomically(self._kept_path(address), hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)


def _offer(entry: wire.VersionEntry) -> Offer:
    return Offer(
        entry.version,
        entry.package_digest,
        entry.tree_digest,
        entry.size,
        entry.yanked,
        entry.yank_reason,
        tuple(Dependency(one.source, one.constraint) for one in entry.dependencies),
        entry.published,
    )


def _terraform_offers(document: dict[str, Any]) -> tuple[Offer, ...]:
    modules = document.get("modules")
    first = modules[0] if isinstance(modules, list) and modules else {}
    versions = first.get("versions") if isinstance(first, dict) else None
    names = [one.get("version") for one in versions or () if isinstance(one, dict)]
    return tuple(Offer(name, dependencies=None) for name in names if isinstance(name, str))


def _nonsense(address: str, why: str) -> DiagnosticsError:
    return failure(
        "A registry's answer makes no sense",
        f"{address}: {why}.",
        remedy="Upgrade iacengine, or tell whoever runs the registry.",
    )


def _silent(failed: HttpError, host: str) -> RegistryError:
    """A registry that cannot be asked: what stays possible."""
    told = failed.diagnostics[0]
    remedy = told.remedy or ""
    if failed.status is None or failed.status >= 500:
        remedy += " What is locked and in the cache can be planned and applied without it."
    detail = f"The registry {host}: {told.detail}"
    return RegistryError(replace(told, detail=detail, remedy=remedy.strip()), status=failed.status)


def _refused(answer: Answer, host: str) -> RegistryError:
    problem = None
    if wire.PROBLEM_TYPE in answer.headers.get("content-type", ""):
        with contextlib.suppress(wire.WireError):
            problem = wire.decode(wire.Problem, answer.content)
    if problem is not None:
        detail = f"{host}: {problem.detail or problem.title}"
        remedy = problem.remedy or _remedy(answer.status, host)
        told = error(problem.title, detail, remedy=remedy, code=problem.code)
        return RegistryError(told, status=answer.status, code=problem.code)
    summary = {401: "Credentials refused", 403: "Permission denied", 404: "Not found in the registry"}
    found = failure(
        summary.get(answer.status, "The registry refused"),
        f"{answer.address} answered with status {answer.status}.",
        remedy=_remedy(answer.status, host),
    )
    return RegistryError(*found.diagnostics, status=answer.status)


def _remedy(status: int, host: str) -> str | None:
    if status in (401, 403):
        return f"Run `iac login {host}`, with a token that may do this."
    return "Check the module's address." if status == 404 else None
