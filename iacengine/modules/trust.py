"""The trust policy: which keys may sign which namespaces, and what becomes of everything else.

`iac.trust.yaml` beside the stack, and `trust.yaml` among a user's settings (`$XDG_CONFIG_HOME/iacengine/`):

    keys:
      - name: acme-release
        public: j8Yw…=                    # base64 of the 32 bytes, or PEM
        id: ed25519:…                     # may be left out; if it is there, it must be that of the key
        expires: 2028-01-01               # from then on (UTC) its signatures count no more
    namespaces:
      acme/*: {keys: [acme-release], signatures: 1}
      registry.example.org/acme/vpc/aws: {keys: [acme-release, acme-security], signatures: 2}
    unsigned: refuse                      # or allow, where no namespace asks for signatures
    first_use: refuse                     # or ask, or allow: a key that is met first where no namespace is said
    revoked:
      - ed25519:…                         # or {key: …, time: …, reason: …}
    sigstore:
      - {name: acme-ci, identity: https://github.com/acme/…, issuer: https://token.actions.githubusercontent.com,
         trusted_root: trusted_root.json}

A pattern is `[HOST/]NAMESPACE/NAME/SYSTEM`, where `*` may stand for all that follows; without a host it is about every
registry, so that a second registry cannot serve a namespace that is claimed. The pattern that names most decides.

Where there are two policies, that of the stack decides about the patterns and settings that it has, that of the user
about the rest; a key is revoked, and has expired, when either says so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, Final

from iacengine.config.model import KeyPath, Origin
from iacengine.config.source import mistake, parse, source_file
from iacengine.foundation.atomic import read_regular_file
from iacengine.foundation.diagnostics import Findings, failure, near_match
from iacengine.foundation.disk import disk_failure
from iacengine.modules.keys import KeyStore, settings_folder
from iacengine.modules.model import ModuleAddress
from iacengine.modules.public_key import KEY_ID, PublicKey, parse_public_key
from iacengine.modules.statement import parse_time, time_text

POLICY_NAME: Final = "iac.trust.yaml"
USER_POLICY_NAME: Final = "trust.yaml"
_LARGEST: Final = 4 << 20  # bytes
_LABEL = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z_-]{0,62}[0-9A-Za-z])?", re.ASCII)
_HOST = re.compile(r"(?:[0-9A-Za-z-]+\.)*[0-9A-Za-z-]+(?::\d{1,5})?", re.ASCII)
_PATTERNS = "acme/*, acme/vpc/aws, registry.example.org/acme/* or *"


class Unsigned(Enum):
    """What becomes of a registry's module without signatures."""

    REFUSE = "refuse"
    ALLOW = "allow"

    __hash__ = object.__hash__


class FirstUse(Enum):
    """What becomes of a key that is met first, in a namespace that no rule is about."""

    REFUSE = "refuse"
    ASK = "ask"
    ALLOW = "allow"

    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key of the policy. It may sign only what a namespace names it for. `name` is for people; its id, if it has
    none."""

    public: PublicKey
    name: str
    expires: datetime | None = None

    @property
    def id(self) -> str:
        return self.public.id


@dataclass(frozen=True, slots=True)
class SigstoreIdentity:
    """A signer whose key is a certificate of Sigstore's: who, by whose word, and the file of trusted roots."""

    name: str
    identity: str
    issuer: str
    trusted_root: str

    @property
    def id(self) -> str:
        return f"sigstore:{self.name}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Which modules a rule is about. `host` "" is every registry; `parts` has what is named of namespace, name and
    system; `is_open` when a `*` follows."""

    host: str
    parts: tuple[str, ...]
    is_open: bool

    def matches(self, address: ModuleAddress) -> bool:
        named = (address.namespace, address.name, address.system)
        return (not self.host or self.host == address.host.lower()) and named[: len(self.parts)] == self.parts

    @property
    def rank(self) -> tuple[int, bool]:
        """How much it names: the greatest that matches decides."""
        return len(self.parts), bool(self.host)

    def __str__(self) -> str:
        parts = [self.host] if self.host else []
        return "/".join((*parts, *self.parts, *(("*",) if self.is_open else ())))


@dataclass(frozen=True, slots=True)
class NamespaceRule:
    """`signatures` different signers of these ids are needed."""

    pattern: Pattern
    signers: frozenset[str]
    signatures: int = 1


@dataclass(frozen=True, slots=True)
class Revocation:
    """A key whose signatures count no more, whenever they were made. `source`: who says so, for messages."""

    key_id: str
    time: str = ""
    reason: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """What is trusted. The empty one trusts nothing. None: the policy does not say."""

    keys: Mapping[str, TrustedKey] = field(default_factory=dict)
    rules: Mapping[Pattern, NamespaceRule] = field(default_factory=dict)
    unsigned: Unsigned | None = None
    first_use: FirstUse | None = None
    revoked: Mapping[str, Revocation] = field(default_factory=dict)
    sigstore: Mapping[str, SigstoreIdentity] = field(default_factory=dict)
    paths: tuple[str, ...] = ()

    def rule_for(self, address: ModuleAddress) -> NamespaceRule | None:
        """The rule that decides about a module, or None. `address.host` is the registry that serves it."""
        found = [rule for rule in self.rules.values() if rule.pattern.matches(address)]
        return max(found, key=lambda rule: rule.pattern.rank, default=None)

    @property
    def where(self) -> str:
        """The files of the policy, for messages."""
        return " and ".join(self.paths) if self.paths else f"{POLICY_NAME} beside the stack"


def combined(first: TrustPolicy, second: TrustPolicy) -> TrustPolicy:
    """Both policies; where they differ the first decides, but about what is trusted less either does."""
    keys = dict(second.keys)
    for key_id, key in first.keys.items():
        other = keys.get(key_id)
        ends = [one.expires for one in (key, other) if one is not None and one.expires is not None]
        keys[key_id] = TrustedKey(key.public, key.name, min(ends, default=None))
    return TrustPolicy(
        keys=keys,
        rules={**second.rules, **first.rules},
        unsigned=first.unsigned or second.unsigned,
        first_use=first.first_use or second.first_use,
        revoked={**second.revoked, **first.revoked},
        sigstore={**second.sigstore, **first.sigstore},
        paths=first.paths + second.paths,
    )


def read_policy(directory: str, environment: Mapping[str, str]) -> TrustPolicy:
    """The policy of a stack's directory together with the user's; an empty one when there is neither. What the user
    has revoked with `iac keys revoke` is revoked.

    Raises DiagnosticsError with the place of everything that is wrong in them.
    """
    beside = os.path.join(directory, POLICY_NAME) if directory not in ("", ".") else POLICY_NAME  # noqa: PTH118
    own = str(settings_folder(environment) / USER_POLICY_NAME)
    return combined(combined(_read(beside), _read(own)), _revoked_in(KeyStore.of_user(environment)))


def _revoked_in(store: KeyStore) -> TrustPolicy:
    revoked = {
        key.id: Revocation(key.id, time_text(key.revoked), key.reason, "your key store")
        for key in store.all()
        if key.revoked is not None
    }
    return TrustPolicy(revoked=revoked)


def _read(path: str) -> TrustPolicy:
    try:
        text = read_regular_file(path)
    except NotADirectoryError:
        return TrustPolicy()
    except OSError as problem:
        raise disk_failure(problem, "read the trust policy", path) from None
    return TrustPolicy() if text is None else parse_policy(text, path)


def parse_policy(text: bytes, path: str = POLICY_NAME) -> TrustPolicy:
    """The policy that the text is. Raises DiagnosticsError with the place of every mistake."""
    if len(text) > _LARGEST:
        raise failure("Trust policy too large", f"{path} has {len(text):,} bytes; {_LARGEST:,} are allowed.")
    file = source_file(path, text)
    findings = Findings()
    policy = _Reader(Origin(file), findings).policy(parse(file))
    findings.raise_errors()
    return policy


def parse_pattern(text: str) -> Pattern:
    """A pattern of modules. Raises ValueError, saying what was expected."""
    parts = text.split("/")
    host = ""
    if "." in parts[0] or ":" in parts[0] or parts[0] == "localhost":
        host = parts.pop(0).lower()
        if not _HOST.fullmatch(host):
            raise ValueError(f'"{host}" is no host')
    is_open = bool(parts) and parts[-1] == "*"
    named = parts[:-1] if is_open else parts
    if len(named) > 3 or (len(named) == 3) == is_open or not all(_LABEL.fullmatch(part) for part in named):
        raise ValueError(f"a pattern of modules was expected, such as {_PATTERNS}")
    return Pattern(host, tuple(named), is_open)


class _Reader:
    """One reading of a file: collects what is wrong, with its place."""

    def __init__(self, origin: Origin, findings: Findings) -> None:
        self._origin, self._findings = origin, findings
        self._path = origin.file.path

    def policy(self, data: Any) -> TrustPolicy:
        known = ("keys", "namespaces", "unsigned", "first_use", "revoked", "sigstore")
        top = self._object({} if data is None else data, (), known)
        keys: dict[str, TrustedKey] = {}
        names: dict[str, str] = {}  # what a namespace may call a signer -> its id
        for at, entry in self._items(top.get("keys", []), ("keys",)):
            key = self._key(entry, at)
            if key is None:
                continue
            if key.id in keys:
                self._wrong(at, f"This key is there already, as {keys[key.id].name}.", "Remove one of the two.")
            elif key.name in names:
                self._wrong((*at, "name"), f'There is a key "{key.name}" already.', "Give each key a name of its own.")
            else:
                keys[key.id] = key
                names[key.id] = names[key.name] = key.id
        identities: dict[str, SigstoreIdentity] = {}
        for at, entry in self._items(top.get("sigstore", []), ("sigstore",)):
            identity = self._identity(entry, at)
            if identity is None:
                continue
            if identity.name in names:
                self._wrong((*at, "name"), f'There is a "{identity.name}" already.', "Give each a name of its own.")
            else:
                identities[identity.id] = identity
                names[identity.id] = names[identity.name] = identity.id
        rules: dict[Pattern, NamespaceRule] = {}
        for text, entry in self._object(top.get("namespaces", {}), ("namespaces",), None).items():
            rule = self._rule(text, entry, names)
            if rule is not None and rules.setdefault(rule.pattern, rule) is not rule:
                self._wrong(("namespaces", text), f"{rule.pattern} is there twice.", "Merge the two.", key=True)
        return TrustPolicy(
            keys,
            rules,
            self._choice(top, "unsigned", Unsigned),
            self._choice(top, "first_use", FirstUse),
            self._revoked(top.get("revoked", []), names),
            identities,
            (self._path,),
        )

    def _key(self, data: Any, at: KeyPath) -> TrustedKey | None:
        entry = self._object(data, at, ("id", "public", "name", "expires"))
        text = self._text(entry, "public", at, "Add public: …, as `iac keys export` prints it.")
        expires = self._moment(entry, "expires", at)
        key_id = self._text(entry, "id", at) if "id" in entry else None
        name = self._text(entry, "name", at) if "name" in entry else None
        if text is None:
            return None
        try:
            public = parse_public_key(text)
        except ValueError as problem:
            self._wrong((*at, "public"), f"This is no public key: {problem}.", "`iac keys export` prints public keys.")
            return None
        if key_id is not None and key_id != public.id:
            self._wrong(
                (*at, "id"), f"The id of this public key is {public.id}.", "Find out which of the two is meant."
            )
            return None
        return TrustedKey(public, name or public.id, expires)

    def _identity(self, data: Any, at: KeyPath) -> SigstoreIdentity | None:
        entry = self._object(data, at, ("name", "identity", "issuer", "trusted_root"))
        texts = [self._text(entry, name, at) for name in ("name", "identity", "issuer", "trusted_root")]
        if None in texts:
            return None
        name, identity, issuer, root = (str(text) for text in texts)
        folder = os.path.dirname(self._path)  # noqa: PTH120 - text in, text out
        return SigstoreIdentity(name, identity, issuer, os.path.join(folder, root))  # noqa: PTH118

    def _rule(self, text: str, data: Any, names: Mapping[str, str]) -> NamespaceRule | None:
        at: KeyPath = ("namespaces", text)
        try:
            pattern = parse_pattern(text)
        except ValueError as problem:
            self._wrong(at, f"{problem}.", None, key=True)
            return None
        entry = self._object(data, at, ("keys", "signatures"))
        signers: list[str] = []
        for place, name in self._items(entry.get("keys", []), (*at, "keys")):
            found = names.get(name) if isinstance(name, str) else None
            if found is None:
                near = near_match(str(name), names)
                self._wrong(
                    place,
                    "The name or id of a key of this file was expected.",
                    f'Did you mean "{near}"?' if near else "Add the key under `keys`.",
                )
            elif found in signers:
                self._wrong(place, "This key is named twice; it counts once.", "Remove one of the two.")
            else:
                signers.append(found)
        if not entry.get("keys") and isinstance(data, dict):
            self._wrong(at, "It names no key, so that nothing could be accepted.", "Add keys: [NAME].", key=True)
            return None
        needed = entry.get("signatures", 1)
        if needed.__class__ is not int or not 1 <= needed <= max(len(signers), 1):
            self._wrong(
                (*at, "signatures"),
                f"A number from 1 to {max(len(signers), 1)} was expected: so many different keys are named.",
                None,
            )
            return None
        return NamespaceRule(pattern, frozenset(signers), needed)

    def _revoked(self, data: Any, names: Mapping[str, str]) -> dict[str, Revocation]:
        found: dict[str, Revocation] = {}
        for at, item in self._items(data, ("revoked",)):
            entry = {"key": item} if isinstance(item, str) else self._object(item, at, ("key", "time", "reason"))
            text = entry.get("key")
            key_id = names.get(text, text) if isinstance(text, str) else None
            if key_id is None or not (KEY_ID.fullmatch(key_id) or key_id in names.values()):
                self._wrong(at, "The id of a key was expected, or the name of one of this file.", None)
                continue
            self._moment(entry, "time", at)
            time, reason = entry.get("time", ""), entry.get("reason", "")
            found[key_id] = Revocation(key_id, str(time), str(reason), self._path)
        return found

    def _choice(self, top: Mapping[str, Any], name: str, kind: type[Any]) -> Any:
        if name not in top:
            return None
        words = [str(member.value) for member in kind]
        if top[name] in words:
            return kind(top[name])
        near = near_match(str(top[name]), words)
        self._wrong((name,), f"One of {', '.join(words)} was expected.", f'Did you mean "{near}"?' if near else None)
        return None

    def _moment(self, entry: Mapping[str, Any], name: str, at: KeyPath) -> datetime | None:
        if name not in entry:
            return None
        try:
            return moment(entry[name])
        except ValueError as problem:
            self._wrong((*at, name), f"{problem}.", "Write a day, such as 2028-01-01, or a time in RFC 3339.")
            return None

    def _object(self, data: Any, at: KeyPath, known: tuple[str, ...] | None) -> Mapping[str, Any]:
        if not isinstance(data, dict):
            self._wrong(at, "An object was expected.", None)
            return {}
        entries = {name: value for name, value in data.items() if name != "//"}
        for name in entries:
            if known is not None and name not in known:
                near = near_match(name, known)
                expected = f'There is no "{name}" here; there are {", ".join(known)}.'
                self._wrong((*at, name), expected, f'Did you mean "{near}"?' if near else None, key=True)
        return entries

    def _items(self, data: Any, at: KeyPath) -> list[tuple[KeyPath, Any]]:
        if not isinstance(data, list):
            self._wrong(at, "A list was expected.", None)
            return []
        return [((*at, index), item) for index, item in enumerate(data)]

    def _text(self, entry: Mapping[str, Any], name: str, at: KeyPath, remedy: str | None = None) -> str | None:
        value = entry.get(name)
        if isinstance(value, str) and value:
            return value
        if name in entry:
            self._wrong((*at, name), f'"{name}" has to be a text that is not empty.', None)
        else:
            self._wrong(at, f'"{name}" is missing.', remedy or f"Add {name}: …", key=True)
        return None

    def _wrong(self, at: KeyPath, detail: str, remedy: str | None, *, key: bool = False) -> None:
        self._findings.add(
            mistake(
                self._origin, "Invalid trust policy", detail[0].upper() + detail[1:], path=at, key=key, remedy=remedy
            )
        )


def moment(text: Any) -> datetime:
    """A day (its beginning, in UTC) or a time of RFC 3339. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("a day or a time was expected")
    try:
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        raise ValueError(f"{text!r} is no day of the calendar") from None
    return parse_time(text)
