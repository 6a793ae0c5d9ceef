"""Packages: reproducible bytes, the digest of a tree, and what goes into them."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import socket
import tarfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iacengine.modules.archive import inspect, remove_tree, unpacked
from iacengine.modules.limits import LIMITS
from iacengine.modules.manifest import MANIFEST_NAME, decode_manifest, encode_manifest
from iacengine.modules.member_path import Names, check_path
from iacengine.modules.model import Dependency, Manifest, ModuleAddress
from iacengine.modules.package import (
    ModulePackage,
    TreeFile,
    digest_of,
    pack,
    package_digest,
    tree_digest,
    verify_tree,
)
from iacengine.modules.package_error import PackageError, PackageFault

MANIFEST = Manifest(ModuleAddress("", "acme", "network", "aws"), "1.4.0")
FULL = replace(
    MANIFEST,
    description="Netze, große",
    tags=("vpc", "dns"),
    dependencies=(Dependency("acme/subnet/aws", "~> 1.2"), Dependency("git::https://example.org/x.git")),
    source_revision="3f2c",
)


def packed(folder: Path, manifest: Manifest = MANIFEST) -> tuple[ModulePackage, io.BytesIO]:
    output = io.BytesIO()
    made = pack(str(folder), manifest, output)
    output.seek(0)
    return made, output


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "module"
    (folder / "modules" / "subnet").mkdir(parents=True)
    (folder / "main.iac.yaml").write_text("locals: {a: 1}\n")
    (folder / "modules" / "subnet" / "main.iac.yaml").write_text("locals: {b: 2}\n")
    (folder / "größe.txt").write_text("")
    script = folder / "run.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    return folder


def test_the_same_tree_gives_the_same_bytes_whatever_its_times_modes_and_order(module: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "modules" / "subnet").mkdir(parents=True)
    for name in ("run.sh", "größe.txt", "modules/subnet/main.iac.yaml", "main.iac.yaml"):
        (other / name).write_bytes((module / name).read_bytes())
        (other / name).chmod(0o700 if name == "run.sh" else 0o640)
        os.utime(other / name, (1, 1))
    first, bytes_ = packed(module)
    second, again = packed(other)
    assert first == second
    assert bytes_.getvalue() == again.getvalue()


def test_a_package_is_what_other_programs_read(module: Path) -> None:
    made, output = packed(module)
    data = output.getvalue()
    assert made.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert package_digest(output) == (made.digest, made.size)
    assert gzip.decompress(data)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == [file.path for file in made.files]
        assert {member.mtime for member in members} == {member.uid for member in members} == {0}
        assert {member.name: member.mode for member in members}["run.sh"] == 0o755
        subnet = archive.extractfile("modules/subnet/main.iac.yaml")
        assert subnet is not None
        assert subnet.read() == b"locals: {b: 2}\n"


def test_the_tree_digest_is_of_the_lines_that_are_documented(module: Path) -> None:
    lines = []
    for name in sorted(("main.iac.yaml", "modules/subnet/main.iac.yaml", "größe.txt", "run.sh"), key=str.encode):
        data = (module / name).read_bytes()
        mode = "0755" if name == "run.sh" else "0644"
        lines.append(f"{mode} {len(data)} {hashlib.sha256(data).hexdigest()} {name}\n")
    assert tree_digest(str(module)) == f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"


@pytest.mark.parametrize("change", ["content", "mode", "name", "more", "less"])
def test_every_change_of_a_tree_changes_its_digest(module: Path, change: str) -> None:
    before = tree_digest(str(module))
    match change:
        case "content":
            (module / "main.iac.yaml").write_text("locals: {a: 2}\n")
        case "mode":
            (module / "run.sh").chmod(0o644)
        case "name":
            (module / "run.sh").rename(module / "go.sh")
        case "more":
            (module / "modules" / "x").write_text("")
        case _:
            (module / "größe.txt").unlink()
    with pytest.raises(PackageError) as refused:
        verify_tree(str(module), before)
    assert refused.value.fault is PackageFault.WRONG_TREE


def test_a_tree_that_is_unpacked_has_the_digest_of_the_one_that_was_packed(module: Path, tmp_path: Path) -> None:
    made, output = packed(module, FULL)
    target = tmp_path / "kept"
    with unpacked(output, str(tmp_path), expected=made.digest) as tree:
        assert tree.manifest == FULL
        assert (tree.tree_digest, tree.digest, tree.files) == (made.tree_digest, made.digest, made.files)
        assert not target.exists()
        assert tree.keep_as(str(target))
    verify_tree(str(target), made.tree_digest)
    assert (target / "run.sh").stat().st_mode & 0o777 == 0o555
    assert (target / "main.iac.yaml").stat().st_mode & 0o777 == 0o444
    assert {path.stat().st_mode & 0o777 for path in (target, target / "modules")} == {0o555}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "module"]
    remove_tree(str(target))
    assert not target.exists()


def test_of_two_who_unpack_the_same_one_is_first_and_the_other_finds_it(module: Path, tmp_path: Path) -> None:
    made, output = packed(module)
    target = str(tmp_path / "kept")
    with unpacked(output, str(tmp_path)) as one:
        output.seek(0)
        with unpacked(output, str(tmp_path)) as two:
            assert two.keep_as(target)
        assert not one.keep_as(target)
    verify_tree(target, made.tree_digest)
    remove_tree(target)


def test_looking_into_a_package_writes_nothing_and_gives_the_files_that_are_wanted(module: Path) -> None:
    made, output = packed(module, FULL)
    found, contents = inspect(output, wanted=lambda file: file.path.endswith(".yaml"), expected=made.digest)
    assert found == made
    assert set(contents) == {"main.iac.yaml", "modules/subnet/main.iac.yaml", MANIFEST_NAME}
    assert contents["main.iac.yaml"] == b"locals: {a: 1}\n"


def test_state_version_control_and_caches_stay_out_of_packages(module: Path) -> None:
    before = packed(module)[0]
    for name in (".git/config", ".iac/x", ".terraform/y", "modules/.git/config", "modules/__pycache__/z.pyc"):
        (module / name).parent.mkdir(parents=True, exist_ok=True)
        (module / name).write_text("x")
    for name in ("iac.state.json", "iac.state.json.journal", "terraform.tfstate.backup", MANIFEST_NAME):
        (module / name).write_text("{}")
    assert packed(module)[0] == before


def test_a_link_inside_the_module_is_packed_as_what_it_leads_to(module: Path) -> None:
    (module / "copy.yaml").symlink_to("main.iac.yaml")
    _, output = packed(module)
    _, contents = inspect(output, wanted=lambda file: file.path == "copy.yaml")
    assert contents["copy.yaml"] == b"locals: {a: 1}\n"
    with pytest.raises(PackageError) as refused:
        tree_digest(str(module))
    assert refused.value.fault is PackageFault.LINK


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "modules", "nowhere", ".git/config", "iac.state.json"])
def test_a_link_that_leads_out_or_to_no_file_is_not_packed(module: Path, target: str) -> None:
    (module.parent / "secret").write_text("hunter2")
    (module / ".git").mkdir()
    (module / ".git" / "config").write_text("x")
    (module / "iac.state.json").write_text("{}")
    (module / "link").symlink_to(target)
    with pytest.raises(PackageError) as refused:
        packed(module)
    assert refused.value.fault is PackageFault.LINK


def test_what_is_no_file_is_neither_packed_nor_counted(module: Path) -> None:
    os.mkfifo(module / "pipe")
    for look in (lambda: packed(module), lambda: tree_digest(str(module))):
        with pytest.raises(PackageError) as refused:
            look()
        assert refused.value.fault is PackageFault.SPECIAL_FILE
    (module / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        folder = os.open(module, os.O_RDONLY)
        try:
            listening.bind(f"/proc/self/fd/{folder}/socket")
        finally:
            os.close(folder)
        with pytest.raises(PackageError) as refused:
            packed(module)
    assert refused.value.fault is PackageFault.SPECIAL_FILE


def test_names_that_collide_on_some_systems_are_not_packed(module: Path) -> None:
    (module / "Main.iac.yaml").write_text("")
    if len(list(module.iterdir())) == 4:
        pytest.skip("this file system heeds no case")
    with pytest.raises(PackageError) as refused:
        packed(module)
    assert refused.value.fault is PackageFault.CASE_COLLISION


def test_a_module_without_files_is_not_packed(tmp_path: Path) -> None:
    with pytest.raises(PackageError) as refused:
        packed(tmp_path)
    assert refused.value.fault is PackageFault.NOTHING_TO_PACK


@pytest.mark.parametrize(
    ("limits", "fault"),
    [
        ({"files": 4}, PackageFault.TOO_MANY_FILES),  # the manifest is one, too
        ({"file_bytes": 14}, PackageFault.FILE_TOO_LARGE),
        ({"total_bytes": 30}, PackageFault.CONTENTS_TOO_LARGE),
        ({"package_bytes": 100}, PackageFault.PACKAGE_TOO_LARGE),
    ],
)
def test_a_module_above_the_limits_is_not_packed(module: Path, limits: dict[str, int], fault: PackageFault) -> None:
    with pytest.raises(PackageError) as refused:
        pack(str(module), MANIFEST, io.BytesIO(), replace(LIMITS, **limits))
    assert refused.value.fault is fault


def test_manifests_are_read_as_they_were_written() -> None:
    assert decode_manifest(encode_manifest(FULL)) == FULL
    assert decode_manifest(encode_manifest(MANIFEST)) == MANIFEST


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 2, "address": "a/b/c", "version": "1.0.0"}',
        '{"format": true, "address": "a/b/c", "version": "1.0.0"}',
        '{"format": 1, "address": "a/b", "version": "1.0.0"}',
        '{"format": 1, "address": "a/../c", "version": "1.0.0"}',
        '{"format": 1, "address": "a/b/c", "version": "01.0.0"}',
        '{"format": 1, "address": "a/b/c", "version": "1.0.0\\n"}',
        '{"format": 1, "address": "a/b/c", "version": "1.0.0", "version": "2.0.0"}',
        '{"format": 1, "address": "a/b/c", "version": "1.0.0", "run": "x"}',
        '{"format": 1, "address": "a/b/c", "version": "1.0.0", "tags": [1]}',
        '{"format": 1, "address": "a/b/c", "version": "1.0.0", "dependencies": [{}]}',
        '{"format": NaN, "address": "a/b/c", "version": "1.0.0"}',
        "[" * 100_000,
        '{"format": ' + "1" * 10_000 + "}",
    ],
)
def test_a_manifest_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(PackageError) as refused:
        decode_manifest(text.encode())
    assert refused.value.fault is PackageFault.BAD_MANIFEST


NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join),
    st.tuples(st.binary(max_size=2000), st.booleans()),
    max_size=8,
)


def allowed_together(names: Iterable[str]) -> list[str]:
    """Those that can stand beside each other, the earlier first."""
    chosen: list[str] = []
    for name in names:
        taken = Names()
        try:
            for one in (*chosen, name, MANIFEST_NAME):
                check_path(one, LIMITS)
                taken.add(one)
        except PackageError:
            continue
        chosen.append(name)
    return chosen


@settings(max_examples=40)
@given(TREES)
def test_whatever_may_be_packed_comes_out_as_it_went_in(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, tuple[bytes, bool]]
) -> None:
    tree = {name: tree[name] for name in allowed_together(tree)} | {"main.iac.yaml": (b"", False)}
    folder = tmp_path_factory.mktemp("tree")
    for name, (data, executable) in tree.items():
        place = folder / "in" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        place.chmod(0o755 if executable else 0o644)
    made, output = packed(folder / "in")
    left_out = set(tree) - {file.path for file in made.files}
    assert all(set(name.split("/")) & {".git", ".iac", ".hg", ".svn", ".DS_Store"} for name in left_out)
    _, contents = inspect(output, wanted=lambda file: True)
    assert {name: contents[name] for name in tree if name not in left_out} == {
        name: data for name, (data, _) in tree.items() if name not in left_out
    }
    with unpacked(output, str(folder)) as unpacked_tree:
        assert tree_digest(unpacked_tree.folder) == made.tree_digest


@given(st.permutations([TreeFile("a", 1, "0" * 64), TreeFile("a/b", 1, "1" * 64), TreeFile("a-b", 1, "2" * 64, True)]))
def test_the_digest_of_a_tree_does_not_depend_on_the_order_of_its_files(files: list[TreeFile]) -> None:
    assert digest_of(files) == digest_of(sorted(files, key=lambda file: file.path))
