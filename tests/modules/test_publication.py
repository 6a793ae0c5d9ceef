"""What is published: a folder as its author describes it, and the envelope over it."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.modules import signing_key
from iacengine.modules.dsse import decode_envelope
from iacengine.modules.model import Dependency
from iacengine.modules.publication import (
    ModuleDescription,
    pack_module,
    read_description,
    sign_module,
    source_revision,
)
from iacengine.modules.scaffold import scaffold_files
from iacengine.modules.source import parse_address
from iacengine.modules.statement import decode_statement

ADDRESS = parse_address("acme/net/mock")
SAID = ModuleDescription(ADDRESS, "1.0.0")
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "module"
    folder.mkdir()
    return folder


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_what_a_module_calls_is_found_in_its_files(folder: Path) -> None:
    write(
        folder,
        {
            "main.iac.yaml": "module: {a: {source: acme/a/mock, version: ~> 1.0}, in: {source: ./inner}}\n",
            "inner/main.iac.yaml": "module: {b: {source: acme/b/mock//x, version: '>= 2.0'}}\n",
            "modules/part/main.iac.yaml": "module: {c: {source: git::https://example.org/c.git?ref=v1}}\n",
            "examples/one/main.iac.yaml": "module: {net: {source: ../.., version: 9}}\n",
        },
    )
    assert pack_module(str(folder), SAID).package.manifest.dependencies == (
        Dependency("acme/a/mock", "~> 1.0"),
        Dependency("acme/b/mock//x", ">= 2.0"),
        Dependency("git::https://example.org/c.git?ref=v1", ""),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("module: {m: {source: ../other}}\n", "leads out of its package"),
        ("module: {m: {source: /srv/other}}\n", r"leads out of its package|others do not have"),
        ("variable: {a: {typ: string}}\n", "typ"),
        ("output: [\n", "main.iac.yaml"),
    ],
)
def test_what_nobody_else_could_use_is_not_packed(folder: Path, text: str, told: str) -> None:
    write(folder, {"main.iac.yaml": text})
    with pytest.raises(DiagnosticsError, match=told):
        pack_module(str(folder), SAID)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (ModuleDescription(None, "1.0.0"), "no address"),
        (ModuleDescription(ADDRESS), "no version"),
        (ModuleDescription(ADDRESS, "1.0"), "version"),
    ],
)
def test_a_package_needs_a_name_and_a_number(folder: Path, said: ModuleDescription, told: str) -> None:
    write(folder, {"main.iac.yaml": "locals: {a: 1}\n"})
    with pytest.raises(DiagnosticsError, match=told) as refused:
        pack_module(str(folder), said)
    assert refused.value.diagnostics[0].remedy


def test_a_module_in_terraforms_native_syntax_is_packed_as_it_is(folder: Path) -> None:
    write(folder, {"main.tf": 'variable "a" {}\n', "README.md": "x"})
    assert [file.path for file in pack_module(str(folder), SAID).package.files] == [
        "README.md",
        "iacengine-module.json",
        "main.tf",
    ]


def test_what_is_signed_is_what_was_packed(folder: Path) -> None:
    write(folder, {"main.iac.yaml": "locals: {a: 1}\n"})
    key = signing_key.generate()
    package = pack_module(str(folder), SAID, "abc").package
    envelope = decode_envelope(sign_module(package, [key], NOW))
    said = decode_statement(envelope.payload)
    assert (said.address, said.version, said.package_digest) == (ADDRESS, "1.0.0", package.digest)
    assert (said.tree_digest, said.time, said.source_revision) == (package.tree_digest, NOW, "abc")
    assert key.public.verifies(envelope.message, envelope.signatures[0].signature)


def test_the_description_is_read_from_its_file(folder: Path) -> None:
    assert read_description(str(folder)) == ModuleDescription()
    text = "address: acme/net/mock\nversion: 1.0.0\ndescription: A network\ntags: [net, small]\n"
    write(folder, {"iac.module.yaml": text})
    assert read_description(str(folder)) == ModuleDescription(ADDRESS, "1.0.0", "A network", ("net", "small"))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("adress: acme/net/mock\n", "iac.module.yaml:1:1"),
        ("version: 1.0\n", "iac.module.yaml:1:10"),
        ("version: 1.0.0\naddress: acme/net\n", "iac.module.yaml:2:10"),
        ("tags: net\n", "iac.module.yaml:1:7"),
        ("tags: ['a b']\n", "iac.module.yaml:1:1"),
        ("- a\n", "iac.module.yaml:1:1"),
    ],
)
def test_mistakes_in_the_description_have_a_place(folder: Path, text: str, place: str) -> None:
    write(folder, {"iac.module.yaml": text})
    with pytest.raises(DiagnosticsError) as refused:
        read_description(str(folder))
    assert [str(one.range).rpartition("/")[2] for one in refused.value.diagnostics] == [place]


def test_the_revision_is_that_of_git_and_says_when_files_were_changed(folder: Path) -> None:
    write(folder, {"main.iac.yaml": "locals: {a: 1}\n"})
    assert source_revision(str(folder)) == ""

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message=one")
    commit = git("rev-parse", "HEAD")
    assert source_revision(str(folder)) == commit
    write(folder, {"more.iac.yaml": "locals: {b: 1}\n"})
    assert source_revision(str(folder)) == f"{commit}-changed"


def test_a_module_that_is_begun_can_be_packed(folder: Path) -> None:
    write(folder, dict(scaffold_files(parse_address("acme/web-server/aws"))))
    said = read_description(str(folder))
    assert (str(said.address), said.version) == ("acme/web-server/aws", "0.1.0")
    assert pack_module(str(folder), said).package.manifest.dependencies == ()
