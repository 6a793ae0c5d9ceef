"""Whether a package may be used: signatures, judged by the trust policy.

For each signature, in this order: is the key known, is the signature its own, is the statement about this very module,
version, package and tree, is the key neither revoked nor expired, and may it sign in this namespace? Nothing of a
payload is read before its signature was verified, but the key itself where one is met first. A module is accepted when
as many different signers remain as its namespace asks for; else the error says what was wrong with the others, the
gravest first.

A namespace that a rule is about needs its signatures whatever `unsigned` says: a registry cannot take them away. Time
in a statement is what the signer says, so that no signature of a revoked or expired key is saved by being old.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from iacengine.foundation.diagnostics import DiagnosticsError, error
from iacengine.modules.bundle import BundleError
from iacengine.modules.dsse import Envelope, EnvelopeSignature, decode_envelope
from iacengine.modules.model import ModuleAddress
from iacengine.modules.public_key import KEY_ID, PublicKey, parse_public_key
from iacengine.modules.statement import PAYLOAD_TYPE, Statement, decode_statement, time_text
from iacengine.modules.trust import (
    FirstUse,
    NamespaceRule,
    Pattern,
    Revocation,
    SigstoreIdentity,
    TrustedKey,
    TrustPolicy,
    Unsigned,
)

MOST_ENVELOPES: Final = 64
_SKEW = timedelta(days=1)
"""So far clocks may differ before a statement counts as one from the future."""


class VerificationFault(StrEnum):
    """Why a module is refused; the gravest first, which is the one that is told when there are several."""

    BAD_SIGNATURE = "bad_signature"
    WRONG_PACKAGE = "wrong_package"
    WRONG_TREE = "wrong_tree"
    WRONG_VERSION = "wrong_version"
    WRONG_MODULE = "wrong_module"
    REVOKED_KEY = "revoked_key"
    EXPIRED_KEY = "expired_key"
    CHANGED_KEY = "changed_key"
    KEY_NOT_FOR_NAMESPACE = "key_not_for_namespace"
    FROM_THE_FUTURE = "from_the_future"
    MALFORMED_STATEMENT = "malformed_statement"
    MALFORMED_ENVELOPE = "malformed_envelope"
    UNTRUSTED_KEY = "untrusted_key"
    FIRST_USE = "first_use"
    TOO_FEW_SIGNATURES = "too_few_signatures"
    UNSIGNED = "unsigned"

    __hash__ = str.__hash__


_GRAVITY = {fault: place for place, fault in enumerate(VerificationFault)}


class VerificationError(DiagnosticsError):
    """A module that is refused. `keys`: those met first, when it is that (FIRST_USE), for somebody to be asked."""

    def __init__(
        self,
        fault: VerificationFault,
        summary: str,
        detail: str,
        *,
        remedy: str | None = None,
        keys: tuple[PublicKey, ...] = (),
    ) -> None:
        super().__init__(error(summary, detail, remedy=remedy, code=fault.value))
        self.fault = fault
        self.keys = keys

    @property
    def code(self) -> str:
        return self.fault.value


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be verified. `address.host` is the registry that serves it; `package_digest` "" when the package is
    not at hand any more, only its tree."""

    address: ModuleAddress
    version: str
    tree_digest: str
    package_digest: str = ""

    def __str__(self) -> str:
        return f"{self.address} {self.version}"


@dataclass(frozen=True, slots=True)
class AcceptedSigner:
    """Whose signature counts. `statement` is what was signed; `first_use`: the key was not known before."""

    id: str
    name: str
    statement: Statement
    first_use: PublicKey | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """A module that may be used. No signers: it is not signed, and the policy allows that."""

    signers: tuple[AcceptedSigner, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(signer.id for signer in self.signers)

    @property
    def first_uses(self) -> tuple[PublicKey, ...]:
        """Keys to remember (`first_use.FirstUses`)."""
        return tuple(signer.first_use for signer in self.signers if signer.first_use is not None)


SigstoreVerifier = Callable[[bytes, SigstoreIdentity], bytes]
"""The payload of a bundle that this identity signed. Raises ValueError, saying why it did not
(`sigstore.bundle_payload`)."""


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything that a signature is judged by."""

    subject: Subject
    policy: TrustPolicy
    rule: NamespaceRule | None
    is_pinned: bool  # the rule comes of a first use
    known: dict[str, TrustedKey]
    offered: dict[str, PublicKey]
    revoked: dict[str, Revocation]
    accepted: frozenset[str]
    now: datetime


def verify(
    subject: Subject,
    envelopes: Sequence[bytes],
    policy: TrustPolicy,
    *,
    now: datetime,
    revocations: Iterable[Revocation] = (),
    offered: Iterable[PublicKey] = (),
    pinned: Collection[PublicKey] = (),
    accepted: Collection[str] = (),
    bundles: Sequence[bytes] = (),
    sigstore: SigstoreVerifier | None = None,
) -> Verified:
    """Judge the signatures of a module. `envelopes` are DSSE envelopes, as they were served.

    `revocations` come on top of those of the policy, from a registry or the user's key store. `offered` are keys whose
    owner nobody vouches for; they matter where `first_use` lets them. `pinned` are the keys that were accepted for this
    namespace at first use, `accepted` the ids that somebody has agreed to just now. `bundles` are Sigstore's, verified
    by `sigstore`. Raises VerificationError.
    """
    rule, is_pinned = policy.rule_for(subject.address), False
    known = dict(policy.keys)
    if rule is None and pinned:
        ids = frozenset(key.id for key in pinned)
        rule, is_pinned = NamespaceRule(Pattern(subject.address.host, (subject.address.namespace,), True), ids), True
        known = {key.id: TrustedKey(key, key.id) for key in pinned} | known
    if not envelopes and not bundles:
        return _unsigned(subject, policy, rule)
    if len(envelopes) + len(bundles) > MOST_ENVELOPES:
        raise _fault(VerificationFault.MALFORMED_ENVELOPE, subject, f"It has more than {MOST_ENVELOPES} envelopes")
    case = _Case(
        subject,
        policy,
        rule,
        is_pinned,
        known,
        {key.id: key for key in offered},
        {one.key_id: one for one in revocations} | dict(policy.revoked),
        frozenset(accepted),
        now,
    )
    signers: dict[str, AcceptedSigner] = {}
    faults: list[VerificationError] = []
    for data in envelopes:
        try:
            envelope = decode_envelope(data)
            if envelope.payload_type != PAYLOAD_TYPE:
                raise ValueError(f"its payload is of another type than {PAYLOAD_TYPE}")
        except ValueError as problem:
            faults.append(
                _fault(VerificationFault.MALFORMED_ENVELOPE, subject, f"An envelope cannot be read: {problem}")
            )
            continue
        for signature in envelope.signatures:
            try:
                signer = _judged(case, envelope, signature)
                signers.setdefault(signer.id, signer)
            except VerificationError as fault:
                faults.append(fault)
    for data in bundles:
        try:
            signer = _judged_bundle(case, data, sigstore)
            signers.setdefault(signer.id, signer)
        except VerificationError as fault:
            faults.append(fault)
    needed = 1 if rule is None else rule.signatures
    if len(signers) >= needed:
        return Verified(tuple(signers[key_id] for key_id in sorted(signers)))
    raise _gravest(subject, policy, faults, len(signers), needed)


def _unsigned(subject: Subject, policy: TrustPolicy, rule: NamespaceRule | None) -> Verified:
    if rule is not None:
        raise _fault(
            VerificationFault.UNSIGNED,
            subject,
            f"It has no signature, and {rule.pattern} needs {_signatures(rule.signatures)}",
            remedy="Ask its publisher to sign it. A registry that takes signatures away is not to be trusted.",
        )
    if policy.unsigned is Unsigned.ALLOW:
        return Verified()
    raise _fault(
        VerificationFault.UNSIGNED,
        subject,
        "It has no signature",
        remedy=f"Ask its publisher to sign it, or write `unsigned: allow` into {policy.where}.",
    )


def _judged(case: _Case, envelope: Envelope, signature: EnvelopeSignature) -> AcceptedSigner:
    """The signer. Raises VerificationError."""
    subject, key_id = case.subject, signature.key_id
    if not KEY_ID.fullmatch(key_id):
        raise _fault(
            VerificationFault.MALFORMED_ENVELOPE, subject, "A signature names no key as ed25519:… with 32 digits"
        )
    key = case.known.get(key_id)
    public = key.public if key is not None else case.offered.get(key_id) or _brought_along(case, envelope, key_id)
    if public is None:
        _check_revoked(case, key_id, key_id)
        raise _untrusted(case, key_id)
    name = key_id if key is None or key.name == key_id else f"{key.name} ({key_id})"
    if not public.verifies(envelope.message, signature.signature):
        raise _fault(
            VerificationFault.BAD_SIGNATURE,
            subject,
            f"The signature of {name} is not over what it came with: one of the two was changed, or made by somebody "
            "else",
            remedy="Get the module again. If that does not help, whoever served it is not to be trusted.",
        )
    statement = _statement(case, envelope.payload, name)
    _check_revoked(case, key_id, name)
    if key is not None and key.expires is not None and key.expires <= case.now:
        raise _fault(
            VerificationFault.EXPIRED_KEY,
            subject,
            f"The key {name} has expired at {time_text(key.expires)}",
            remedy="Ask its publisher to sign it with a key that is good, or extend `expires` if you know better.",
        )
    if case.rule is not None and key_id in case.rule.signers:
        return AcceptedSigner(key_id, key.name if key is not None else key_id, statement)
    if case.is_pinned:
        raise _fault(
            VerificationFault.CHANGED_KEY,
            subject,
            f"It is signed by {name}, but {case.rule.pattern if case.rule else ''} was signed by "
            f"{', '.join(sorted(case.rule.signers if case.rule else ()))} when it was used first",
            remedy=f"Ask its publisher whether the key was changed. If so, write a rule into {case.policy.where}.",
        )
    if key is not None:
        raise _fault(
            VerificationFault.KEY_NOT_FOR_NAMESPACE,
            subject,
            f"The key {name} is known, but may not sign "
            + (f"{case.rule.pattern}" if case.rule is not None else f"the namespace {subject.address.namespace}"),
            remedy=f"Name the key under `namespaces` of {case.policy.where}, if it may.",
        )
    return AcceptedSigner(key_id, key_id, statement, _first_use(case, public))


def _brought_along(case: _Case, envelope: Envelope, key_id: str) -> PublicKey | None:
    """The key of an id that what was signed names itself: only for who takes keys at first use. That it fits the id
    and the signature is all that is known of it."""
    if case.policy.first_use not in (FirstUse.ASK, FirstUse.ALLOW) or not (case.rule is None or case.is_pinned):
        return None
    with suppress(ValueError):
        for text in decode_statement(envelope.payload).keys:
            public = parse_public_key(text)
            if public.id == key_id:
                return public
    return None


def _judged_bundle(case: _Case, data: bytes, verifier: SigstoreVerifier | None) -> AcceptedSigner:
    """The identity that signed a Sigstore bundle. Raises VerificationError."""
    wanted = case.rule.signers if case.rule is not None else frozenset()
    identities = [one for one in case.policy.sigstore.values() if one.id in wanted]
    whys, remedy = [], None
    for identity in identities:
        if verifier is None:
            whys.append("Sigstore bundles cannot be verified here")
            break
        try:
            payload = verifier(data, identity)
        except ValueError as problem:
            whys.append(str(problem))
            remedy = remedy or (problem.remedy if isinstance(problem, BundleError) else None)
            continue
        statement = _statement(case, payload, identity.name)
        _check_revoked(case, identity.id, identity.name)
        return AcceptedSigner(identity.id, identity.name, statement)
    if not identities:
        whys.append("no identity of Sigstore may sign it")
        remedy = f"If you trust who signed it, say so under `sigstore` and `namespaces` of {case.policy.where}."
    why = "; ".join(dict.fromkeys(whys))
    raise _fault(
        VerificationFault.UNTRUSTED_KEY, case.subject, f"A Sigstore bundle does not count: {why}", remedy=remedy
    )


def _statement(case: _Case, payload: bytes, name: str) -> Statement:
    """The statement of a verified payload, which must be about the subject. Raises VerificationError."""
    subject = case.subject
    try:
        statement = decode_statement(payload)
    except ValueError as problem:
        raise _fault(
            VerificationFault.MALFORMED_STATEMENT, subject, f"What {name} signed cannot be read: {problem}"
        ) from None
    signed, wanted = statement.address, subject.address
    same_host = not signed.host or signed.host.lower() == wanted.host.lower()
    if (signed.namespace, signed.name, signed.system) != (
        wanted.namespace,
        wanted.name,
        wanted.system,
    ) or not same_host:
        raise _served_as(VerificationFault.WRONG_MODULE, subject, f"{name} signed it as {signed}")
    if statement.version != subject.version:
        raise _served_as(VerificationFault.WRONG_VERSION, subject, f"{name} signed it as version {statement.version}")
    if subject.package_digest and statement.package_digest != subject.package_digest:
        raise _served_as(
            VerificationFault.WRONG_PACKAGE,
            subject,
            f"{name} signed the package {statement.package_digest}, not {subject.package_digest}",
        )
    if statement.tree_digest != subject.tree_digest:
        raise _served_as(
            VerificationFault.WRONG_TREE,
            subject,
            f"{name} signed the files {statement.tree_digest}, not {subject.tree_digest}",
        )
    if statement.time > case.now + _SKEW:
        raise _fault(
            VerificationFault.FROM_THE_FUTURE,
            subject,
            f"{name} says that it was signed at {time_text(statement.time)}, which is yet to come",
            remedy="Set the clock of this machine, if it is wrong.",
        )
    return statement


def _first_use(case: _Case, key: PublicKey) -> PublicKey:
    """The key of a namespace that no rule is about, if it may be taken. Raises VerificationError."""
    first_use = case.policy.first_use or FirstUse.REFUSE
    if case.rule is None and (first_use is FirstUse.ALLOW or (first_use is FirstUse.ASK and key.id in case.accepted)):
        return key
    if case.rule is None and first_use is FirstUse.ASK:
        raise _fault(
            VerificationFault.FIRST_USE,
            case.subject,
            f"Its signature by {key.id} is good, but nothing was ever accepted from that key",
            remedy=f"Compare the id with what its publisher says, then accept it: iac init --accept-key {key.id}",
            keys=(key,),
        )
    raise _untrusted(case, key.id)


def _check_revoked(case: _Case, key_id: str, name: str) -> None:
    revocation = case.revoked.get(key_id)
    if revocation is None:
        return
    when = f" at {revocation.time}" if revocation.time else ""
    why = f" ({revocation.reason})" if revocation.reason else ""
    who = f", as {revocation.source} says" if revocation.source else ""
    raise _fault(
        VerificationFault.REVOKED_KEY,
        case.subject,
        f"The key {name} was revoked{when}{why}{who}",
        remedy="Ask its publisher to sign it with a key that is good.",
    )


def _untrusted(case: _Case, key_id: str) -> VerificationError:
    rule = case.rule
    about = f", which {rule.pattern} does not name" if rule is not None else ", which no policy names"
    return _fault(
        VerificationFault.UNTRUSTED_KEY,
        case.subject,
        f"It is signed by {key_id}{about}",
        remedy=f"If you trust that key, add it under `keys` and `namespaces` of {case.policy.where}.",
    )


def _gravest(
    subject: Subject, policy: TrustPolicy, faults: list[VerificationError], found: int, needed: int
) -> VerificationError:
    """The error of all that was wrong. With some signatures that count, it is that there are too few."""
    faults.sort(key=lambda fault: _GRAVITY[fault.fault])
    told = list(dict.fromkeys(fault.diagnostics[0].detail for fault in faults))
    if found:
        others = f" {' '.join(told[:5])}" if told else ""
        return VerificationError(
            VerificationFault.TOO_FEW_SIGNATURES,
            f"Too few signatures of {subject}",
            f"{_signatures(needed)} of different keys are needed, and {found} of them can be accepted.{others}",
            remedy="Ask its publishers to sign it.",
        )
    first = faults[0]
    if len(told) == 1 and first.fault is not VerificationFault.FIRST_USE:
        return first
    diagnostic = first.diagnostics[0]
    keys = tuple({key.id: key for fault in faults for key in fault.keys}.values())
    return VerificationError(first.fault, diagnostic.summary, " ".join(told[:6]), remedy=diagnostic.remedy, keys=keys)


_SUMMARIES: Final = {
    VerificationFault.UNSIGNED: "{} is not signed",
    VerificationFault.BAD_SIGNATURE: "A signature of {} is wrong",
    VerificationFault.MALFORMED_ENVELOPE: "A signature of {} cannot be read",
    VerificationFault.MALFORMED_STATEMENT: "What was signed for {} cannot be read",
    VerificationFault.WRONG_MODULE: "{} was signed as another module",
    VerificationFault.WRONG_VERSION: "{} was signed as another version",
    VerificationFault.WRONG_PACKAGE: "{} is not the package that was signed",
    VerificationFault.WRONG_TREE: "{} does not have the files that were signed",
    VerificationFault.REVOKED_KEY: "{} is signed with a key that was revoked",
    VerificationFault.EXPIRED_KEY: "{} is signed with a key that has expired",
    VerificationFault.CHANGED_KEY: "{} is signed with another key than before",
    VerificationFault.KEY_NOT_FOR_NAMESPACE: "{} is signed with a key that is not for it",
    VerificationFault.FROM_THE_FUTURE: "{} was signed in the future",
    VerificationFault.UNTRUSTED_KEY: "{} is signed with a key that is not trusted",
    VerificationFault.FIRST_USE: "{} is signed with a key that was never met before",
    VerificationFault.TOO_FEW_SIGNATURES: "Too few signatures of {}",
}


def _fault(
    fault: VerificationFault,
    subject: Subject,
    detail: str,
    *,
    remedy: str | None = None,
    keys: tuple[PublicKey, ...] = (),
) -> VerificationError:
    if remedy is None:
        remedy = "Ask its publisher to sign it again. If others can use it, whoever serves it here has changed it."
    return VerificationError(fault, _SUMMARIES[fault].format(subject), f"{detail}.", remedy=remedy, keys=keys)


def _served_as(fault: VerificationFault, subject: Subject, detail: str) -> VerificationError:
    return _fault(
        fault, subject, detail, remedy="Whoever served it gave something else than was asked for: do not use it."
    )


def _signatures(count: int) -> str:
    return "a signature" if count == 1 else f"{count} signatures"
