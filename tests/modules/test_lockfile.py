"""The lock file: what is written is read back, in one order, and whatever is wrong in it has a place."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.modules.lockfile import (
    Lock,
    LockedProvider,
    describe_changes,
    lock_text,
    parse_lock,
    read_lock,
    require_same,
    sorted_lock,
    write_lock,
)
from iacengine.modules.model import Dependency, LockedModule

DIGEST = "sha256:" + "a1" * 32
NETWORK = LockedModule(
    "registry.example.org/acme/network/aws",
    "1.4.0",
    DIGEST,
    ("ed25519:abc",),
    "2026-01-02T03:04:05Z",
    "",
    (Dependency("acme/subnet/aws", "~> 1.2"),),
)
GIT = LockedModule("git::https://example.org/m.git?ref=v2", "", DIGEST, (), "2026-01-02T03:04:05Z", "3f2c" * 10)
AWS = LockedProvider("registry.terraform.io/hashicorp/aws", "0.1.0", DIGEST)

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30)
modules = st.builds(
    LockedModule,
    source=texts,
    version=texts,
    digest=st.sampled_from([DIGEST, "sha256:" + "0" * 64]),
    signers=st.lists(texts, max_size=3).map(tuple),
    time=texts,
    reference=st.just(""),
    dependencies=st.lists(st.builds(Dependency, texts, st.just("") | texts), max_size=3).map(tuple),
)
locks = st.builds(
    lambda modules, providers: sorted_lock(modules, providers, "iac.lock.yaml"),
    st.lists(modules, max_size=5),
    st.lists(
        st.builds(LockedProvider, texts, texts, st.just(DIGEST)), max_size=3, unique_by=lambda provider: provider.source
    ),
)


@given(locks)
def test_what_is_written_is_read_back(lock: Lock) -> None:
    assert parse_lock(lock_text(lock)) == lock


@given(st.permutations([NETWORK, GIT, replace(NETWORK, version="1.3.0"), replace(GIT, source="a")]))
def test_the_same_lock_is_the_same_bytes(order: list[LockedModule]) -> None:
    text = lock_text(sorted_lock(order, (), "iac.lock.yaml"))
    assert text == lock_text(sorted_lock(sorted(order, key=str), (), "iac.lock.yaml"))


def test_the_file_reads_as_in_its_description() -> None:
    assert lock_text(sorted_lock([NETWORK, GIT], [AWS], "iac.lock.yaml")).decode().splitlines()[2:] == [
        "",
        "version: 1",
        "",
        "modules:",
        "  - source: git::https://example.org/m.git?ref=v2",
        "    reference: 3f2c3f2c3f2c3f2c3f2c3f2c3f2c3f2c3f2c3f2c",
        f"    digest: {DIGEST}",
        '    time: "2026-01-02T03:04:05Z"',
        "  - source: registry.example.org/acme/network/aws",
        "    version: 1.4.0",
        f"    digest: {DIGEST}",
        "    signers:",
        "      - ed25519:abc",
        '    time: "2026-01-02T03:04:05Z"',
        "    dependencies:",
        "      - source: acme/subnet/aws",
        "        constraint: ~> 1.2",
        "",
        "providers:",
        "  registry.terraform.io/hashicorp/aws:",
        "    version: 0.1.0",
        f"    digest: {DIGEST}",
    ]


def test_a_lock_that_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    lock = sorted_lock([NETWORK], [], str(tmp_path / "iac.lock.yaml"))
    assert write_lock(lock)
    assert not write_lock(lock)
    assert read_lock(str(tmp_path)) == lock
    assert (tmp_path / "iac.lock.yaml").stat().st_mode & 0o777 == 0o644


def test_without_a_file_nothing_is_locked(tmp_path: Path) -> None:
    assert read_lock(str(tmp_path)).is_empty
    assert parse_lock(b"").is_empty


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (f"version: 1\nmodules:\n  - source: a\n    digets: {DIGEST}\n", 4, 'Did you mean "digest"?'),
        ("version: 1\nmodules:\n  - source: a\n    digest: sha256:AB\n", 4, "64 hexadecimal digits"),
        ("version: 2\n", 1, "Upgrade iacengine"),
        ("modules: []\n", 1, "has to be 1"),
        ("version: 1\nmodules: {}\n", 2, "list"),
        (f"version: 1\nmodules:\n  - source: a\n    version: 1.0\n    digest: {DIGEST}\n", 4, "a text"),
        ("version: 1\nproviders:\n  aws:\n    version: 1.0.0\n", 3, '"digest" is missing'),
        (f"version: 1\nmodules:\n{f'  - source: a{chr(10)}    digest: {DIGEST}{chr(10)}' * 2}", 5, "locked twice"),
        ("version: 1\nextra: 1\n", 2, "not known"),
        ("- 1\n", 1, "object"),
    ],
)
def test_what_is_wrong_has_a_place(text: str, line: int, told: str) -> None:
    with pytest.raises(DiagnosticsError) as raised:
        parse_lock(text.encode())
    found = raised.value.diagnostics[0]
    assert found.range is not None
    assert found.range.start.line == line
    assert told in f"{found.detail} {found.remedy}"


def test_conflict_markers_are_told_as_such() -> None:
    with pytest.raises(DiagnosticsError, match="conflict markers") as raised:
        parse_lock(b"version: 1\n<<<<<<< HEAD\nmodules: []\n=======\n>>>>>>> x\n")
    assert "iac.lock.yaml:2" in raised.value.diagnostics[0].detail


@given(st.binary(max_size=200))
def test_bytes_that_are_no_lock_are_a_mistake_and_no_crash(text: bytes) -> None:
    with contextlib.suppress(DiagnosticsError):
        assert isinstance(parse_lock(text), Lock)


def test_a_frozen_lock_tells_what_would_change() -> None:
    old = sorted_lock([NETWORK, GIT], [AWS], "iac.lock.yaml")
    newer = replace(NETWORK, version="1.5.0")
    new = sorted_lock([newer, replace(GIT, digest="sha256:" + "0" * 64)], [replace(AWS, version="0.2.0")], old.path)
    assert describe_changes(old, new) == [
        "~ git::https://example.org/m.git?ref=v2 3f2c3f2c3f2c",
        "- registry.example.org/acme/network/aws 1.4.0",
        "+ registry.example.org/acme/network/aws 1.5.0",
        "~ provider registry.terraform.io/hashicorp/aws",
    ]
    with pytest.raises(DiagnosticsError, match="would have to change"):
        require_same(old, new)


def test_a_later_time_is_no_change() -> None:
    old = sorted_lock([NETWORK], [], "iac.lock.yaml")
    require_same(old, sorted_lock([replace(NETWORK, time="2027-01-01T00:00:00Z")], [], "iac.lock.yaml"))
