"""Trust policies: what they say, which rule decides, and what becomes of signatures by them."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.modules import signing_key
from iacengine.modules.dsse import encode_envelope, sign
from iacengine.modules.model import ModuleAddress
from iacengine.modules.source import parse_address
from iacengine.modules.statement import PAYLOAD_TYPE, Statement, encode_statement
from iacengine.modules.trust import FirstUse, TrustPolicy, Unsigned, combined, parse_pattern, parse_policy, read_policy
from iacengine.modules.verification import Subject, VerificationError, verify

README = Path(__file__).parents[2] / "README.md"
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
TREE, PACKAGE = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
VAULT = parse_address("r.example.org/acme/vault/mock")
SUBJECT = Subject(VAULT, "1.0.0", TREE, PACKAGE)
KEYS = [signing_key.generate() for _ in range(3)]


def policy(text: str) -> TrustPolicy:
    """`K0`, `K1`, `K2` stand for the keys."""
    entries = {f"K{number}": f"{{name: k{number}, public: {key.public.text}}}" for number, key in enumerate(KEYS)}
    # In one go: a key may have K1 in its text.
    return parse_policy(re.sub("K[0-2]", lambda found: entries[found[0]], text).encode())


def envelope(*keys: Any, time: datetime = NOW, bring: bool = False) -> bytes:
    brought = tuple(key.public.text for key in keys) if bring else ()
    statement = Statement(replace(VAULT, host=""), "1.0.0", PACKAGE, TREE, time, keys=brought)
    return encode_envelope(sign(PAYLOAD_TYPE, encode_statement(statement), keys))


def judged(said: TrustPolicy, *envelopes: bytes, **more: Any) -> tuple[str, ...] | str:
    """The ids of the signers that count, or the code of the refusal."""
    try:
        return verify(SUBJECT, envelopes, said, now=more.pop("now", NOW), **more).ids
    except VerificationError as refused:
        return refused.code


# --- policies ---------------------------------------------------------------------------------------------------------


def test_the_policy_of_the_readme_is_one() -> None:
    (text,) = (
        found for found in re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL) if "first_use" in found
    )
    found = parse_policy(text.encode())
    assert [str(pattern) for pattern in found.rules] == ["acme/*"]
    assert (found.unsigned, found.first_use) == (Unsigned.REFUSE, FirstUse.REFUSE)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("keys: [{public: abc}]", 1, "no public key"),
        ("keys:\n  - {name: a}", 2, '"public" is missing'),
        ("keys:\n  - K0\n  - K0", 3, "there already"),
        ("keys: [K0]\nnamespaces:\n  acme/*: {keys: [k1]}", 3, "name or id of a key"),
        ("keys: [K0]\nnamespaces:\n  acme/*: {keys: [k0], signatures: 2}", 3, "from 1 to 1"),
        ("keys: [K0]\nnamespaces:\n  acme/*: {keys: []}", 3, "names no key"),
        ("keys: [K0]\nnamespaces:\n  acme/*/x: {keys: [k0]}", 3, "pattern"),
        ("unsigned: yes", 1, "refuse, allow"),
        ("first_use: alow", 1, "refuse, ask, allow"),
        ("revoked: [nobody]", 1, "id of a key"),
        ("revocked: []", 1, 'no "revocked"'),
        ("keys: [{public: abc, expires: 2026-02-30}]", 1, "no day of the calendar"),
    ],
)
def test_what_is_wrong_in_a_policy_has_a_place(text: str, line: int, told: str) -> None:
    with pytest.raises(DiagnosticsError, match="Invalid trust policy") as refused:
        policy(text)
    found = [one for one in refused.value.diagnostics if told in one.detail]
    assert found, refused.value
    assert found[0].range is not None
    assert found[0].range.start.line == line


def test_a_key_under_the_id_of_another_is_refused() -> None:
    text = f"keys: [{{public: {KEYS[0].public.text}, id: '{KEYS[1].id}'}}]"
    with pytest.raises(DiagnosticsError, match="The id of this public key"):
        policy(text)


def test_keys_that_anybody_can_sign_for_are_refused() -> None:
    with pytest.raises(DiagnosticsError, match="weak"):
        policy("keys: [{public: AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}]")


@given(st.binary(max_size=300))
def test_bytes_that_are_no_policy_are_a_mistake_and_no_crash(text: bytes) -> None:
    with contextlib.suppress(DiagnosticsError):
        parse_policy(text)


def test_the_pattern_that_names_most_decides() -> None:
    said = policy(
        "keys: [K0, K1, K2]\n"
        "namespaces:\n"
        "  '*': {keys: [k0]}\n"
        "  acme/*: {keys: [k1]}\n"
        "  acme/vault/mock: {keys: [k2]}\n"
        "  r.example.org/acme/vault/mock: {keys: [k0, k1]}\n"
    )

    def decides(text: str) -> str:
        rule = said.rule_for(parse_address(text))
        return "" if rule is None else str(rule.pattern)

    assert decides("r.example.org/acme/vault/mock") == "r.example.org/acme/vault/mock"
    assert decides("s.example.org/acme/vault/mock") == "acme/vault/mock"
    assert decides("s.example.org/acme/other/mock") == "acme/*"
    assert decides("s.example.org/other/other/mock") == "*"


@pytest.mark.parametrize("text", ["", "acme", "acme/vault", "a/b/c/d", "acme/**", "*/acme", "acme/*/mock", "-/x/y"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|host"):
        parse_pattern(text)


def test_a_stack_decides_before_its_user_but_trusts_no_more_than_either() -> None:
    stack = policy("keys: [K0]\nnamespaces: {acme/*: {keys: [k0]}}\nunsigned: allow\n")
    user = policy(
        f"keys: [K1, {{name: mine, public: {KEYS[0].public.text}, expires: 2026-01-01}}]\n"
        "namespaces: {acme/*: {keys: [k1]}, other/*: {keys: [k1]}}\nunsigned: refuse\nfirst_use: ask\n"
    )
    both = combined(stack, user)
    assert both.rule_for(VAULT) == stack.rule_for(VAULT)
    assert both.rule_for(replace(VAULT, namespace="other")) is not None
    assert (both.unsigned, both.first_use) == (Unsigned.ALLOW, FirstUse.ASK)
    assert judged(both, envelope(KEYS[0])) == "expired_key"


def test_what_a_user_revokes_is_revoked_for_every_stack(tmp_path: Path) -> None:
    settings = tmp_path / "config" / "iacengine"
    settings.mkdir(parents=True)
    (settings / "trust.yaml").write_text(f"revoked: ['{KEYS[0].id}']\n")
    (tmp_path / "iac.trust.yaml").write_text(
        f"keys: [{{name: k, public: {KEYS[0].public.text}}}]\nnamespaces: {{acme/*: {{keys: [k]}}}}\n"
    )
    said = read_policy(str(tmp_path), {"XDG_CONFIG_HOME": str(tmp_path / "config")})
    assert judged(said, envelope(KEYS[0])) == "revoked_key"


# --- judging ----------------------------------------------------------------------------------------------------------

ONE = "keys: [K0]\nnamespaces: {acme/*: {keys: [k0]}}\n"
TWO_OF_THREE = "keys: [K0, K1, K2]\nnamespaces: {acme/*: {keys: [k0, k1, k2], signatures: 2}}\n"


def test_without_a_policy_nothing_is_trusted() -> None:
    assert judged(TrustPolicy()) == "unsigned"
    assert judged(TrustPolicy(), envelope(KEYS[0])) == "untrusted_key"


def test_a_named_key_counts() -> None:
    assert judged(policy(ONE), envelope(KEYS[0])) == (KEYS[0].id,)


def test_signatures_of_strangers_beside_a_good_one_do_no_harm() -> None:
    assert judged(policy(ONE), envelope(KEYS[1]), b"{}", envelope(KEYS[0], KEYS[2])) == (KEYS[0].id,)


def test_as_many_different_keys_are_needed_as_the_rule_says() -> None:
    said = policy(TWO_OF_THREE)
    assert judged(said, envelope(KEYS[0])) == "too_few_signatures"
    assert judged(said, envelope(KEYS[0]), envelope(KEYS[0], time=NOW - timedelta(days=1))) == "too_few_signatures"
    both = tuple(sorted((KEYS[0].id, KEYS[2].id)))
    assert judged(said, envelope(KEYS[0]), envelope(KEYS[2])) == both
    assert judged(said, envelope(KEYS[0], KEYS[2])) == both


def test_a_key_counts_until_the_moment_it_expires() -> None:
    said = policy(ONE.replace("K0", f"{{name: k0, public: {KEYS[0].public.text}, expires: '2026-11-01T12:00:00Z'}}"))
    assert judged(said, envelope(KEYS[0]), now=NOW - timedelta(seconds=1)) == (KEYS[0].id,)
    assert judged(said, envelope(KEYS[0]), now=NOW) == "expired_key"


def test_a_revoked_key_counts_for_nothing_it_ever_signed() -> None:
    said = policy(ONE + "revoked: [{key: k0, time: '2026-10-31T00:00:00Z', reason: stolen}]\n")
    assert judged(said, envelope(KEYS[0], time=NOW - timedelta(days=400))) == "revoked_key"


def test_an_old_key_is_rotated_by_naming_both_for_a_while() -> None:
    said = policy("keys: [K0, K1]\nnamespaces: {acme/*: {keys: [k0, k1]}}\n")
    assert judged(said, envelope(KEYS[0])) == (KEYS[0].id,)
    assert judged(said, envelope(KEYS[1])) == (KEYS[1].id,)


def test_unsigned_modules_are_allowed_only_where_no_rule_is() -> None:
    said = policy(ONE + "unsigned: allow\n")
    assert judged(said) == "unsigned"
    free = replace(SUBJECT, address=ModuleAddress("r.example.org", "free", "x", "mock"))
    assert verify(free, (), said, now=NOW).ids == ()


def test_the_gravest_fault_is_told() -> None:
    broken = envelope(KEYS[0]).replace(b'"keyid":"' + KEYS[0].id.encode(), b'"keyid":"' + KEYS[1].id.encode())
    said = policy("keys: [K0, K1]\nnamespaces: {acme/*: {keys: [k0, k1]}}\n")
    assert judged(said, envelope(KEYS[2]), broken) == "bad_signature"


def test_more_envelopes_than_anybody_needs_are_not_looked_at() -> None:
    assert judged(policy(ONE), *[envelope(KEYS[1])] * 70) == "malformed_envelope"


# --- first use --------------------------------------------------------------------------------------------------------


def test_a_key_that_is_met_first_counts_only_where_that_is_asked_for() -> None:
    signed = envelope(KEYS[0], bring=True)
    assert judged(policy("first_use: refuse"), signed) == "untrusted_key"
    assert judged(policy("first_use: ask"), signed) == "first_use"
    assert judged(policy("first_use: ask"), signed, accepted=[KEYS[0].id]) == (KEYS[0].id,)
    assert judged(policy("first_use: allow"), signed) == (KEYS[0].id,)


def test_a_namespace_with_a_rule_has_no_first_use() -> None:
    signed = envelope(KEYS[1], bring=True)
    assert judged(policy(ONE + "first_use: allow\n"), signed, accepted=[KEYS[1].id]) == "untrusted_key"


def test_a_namespace_whose_key_was_met_takes_no_other() -> None:
    said = policy("first_use: allow")
    pinned = [KEYS[0].public]
    assert judged(said, envelope(KEYS[0], bring=True), pinned=pinned) == (KEYS[0].id,)
    assert judged(said, envelope(KEYS[1], bring=True), pinned=pinned) == "changed_key"
    assert judged(said, envelope(KEYS[1]), pinned=pinned, offered=[KEYS[1].public]) == "changed_key"
    assert judged(said, pinned=pinned) == "unsigned"


def test_a_key_that_is_brought_along_has_to_fit_its_id_and_its_signature() -> None:
    good = envelope(KEYS[0], bring=True)
    other = envelope(KEYS[1], bring=True)
    swapped = good.replace(KEYS[0].id.encode(), KEYS[1].id.encode())
    assert judged(policy("first_use: allow"), swapped) == "untrusted_key"
    assert (
        judged(policy("first_use: allow"), other.replace(KEYS[1].id.encode(), KEYS[0].id.encode())) == "untrusted_key"
    )
