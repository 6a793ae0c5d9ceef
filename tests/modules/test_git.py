"""Modules from git: what is at a ref, pinned by its commit, with nothing of the repository executed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.modules.git import commit_of
from iacengine.modules.package_error import PackageError, PackageFault


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the tag v1, whose branch main has gone on since."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, {"main.iac.yaml": "output: {at: {value: 1}}\n", "sub/main.iac.yaml": "locals: {a: 1}\n"})
    git(folder, "tag", "v1")
    commit(folder, {"main.iac.yaml": "output: {at: {value: 2}}\n"})
    return folder


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    folder = tmp_path / "beside"
    folder.mkdir()
    return folder


def git(folder: Path, *arguments: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=True).stdout.strip()


def commit(folder: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=x")
    return git(folder, "rev-parse", "HEAD")


def read(repository: Path, reference: str, beside: Path, **pinned: str) -> tuple[str, dict[str, str]]:
    with commit_of(f"file://{repository}", reference, str(beside), **pinned) as tree:
        found = {file.path: Path(tree.unpacked.folder, file.path).read_text() for file in tree.unpacked.files}
    assert not list(beside.iterdir()), "nothing is left behind"
    return tree.commit, found


def test_a_tag_is_the_files_of_its_commit(repository: Path, beside: Path) -> None:
    found, files = read(repository, "v1", beside)
    assert found == git(repository, "rev-parse", "v1")
    assert files == {"main.iac.yaml": "output: {at: {value: 1}}\n", "sub/main.iac.yaml": "locals: {a: 1}\n"}


def test_without_a_ref_the_default_branch_is_taken(repository: Path, beside: Path) -> None:
    assert read(repository, "", beside)[1]["main.iac.yaml"] == "output: {at: {value: 2}}\n"


def test_a_pinned_commit_is_got_though_the_ref_has_moved_on(repository: Path, beside: Path) -> None:
    first = git(repository, "rev-parse", "v1")
    assert read(repository, "main", beside, commit=first)[0] == first


@pytest.mark.parametrize("length", [7, 40])
def test_a_commit_may_be_named_in_short(repository: Path, beside: Path, length: int) -> None:
    first = git(repository, "rev-parse", "v1")
    assert read(repository, first[:length], beside)[0] == first


def test_a_ref_that_is_not_there_is_told(repository: Path, beside: Path) -> None:
    with pytest.raises(DiagnosticsError, match="couldn't find remote ref v9") as raised:
        read(repository, "v9", beside)
    assert "Check the ref" in (raised.value.diagnostics[0].remedy or "")


def test_a_commit_that_is_gone_is_told(repository: Path, beside: Path) -> None:
    with pytest.raises(DiagnosticsError, match="No such commit"):
        read(repository, "main", beside, commit="0" * 40)


def test_a_repository_that_is_not_there_is_told(tmp_path: Path, beside: Path) -> None:
    with pytest.raises(DiagnosticsError, match="Cannot get a module from git"):
        read(tmp_path / "absent", "", beside)
    assert not list(beside.iterdir())


def test_no_filter_hook_or_attribute_of_the_repository_has_a_part(repository: Path, beside: Path) -> None:
    commit(
        repository,
        {
            ".gitattributes": "*.iac.yaml filter=evil export-subst ident\nhidden.txt export-ignore\n",
            "hidden.txt": "there",
            "id.iac.yaml": "# $Format:%H$ $Id$\n",
        },
    )
    files = read(repository, "main", beside)[1]
    assert files["hidden.txt"] == "there"
    assert files["id.iac.yaml"] == "# $Format:%H$ $Id$\n"


def test_a_link_in_a_repository_is_refused(repository: Path, beside: Path) -> None:
    (repository / "passwords").symlink_to("/etc/passwd")
    commit(repository, {})
    with pytest.raises(PackageError) as raised:
        read(repository, "main", beside)
    assert raised.value.fault is PackageFault.LINK


def test_submodules_are_not_fetched(repository: Path, beside: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    commit(other, {"secret.txt": "x"})
    git(repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", f"file://{other}", "inner")
    commit(repository, {})
    assert not [path for path in read(repository, "main", beside)[1] if path.startswith("inner")]


def test_the_surrounding_repository_of_a_hook_is_not_taken_for_it(
    repository: Path, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    assert read(repository, "v1", beside)[1]


def test_a_program_disguised_as_a_protocol_is_not_run(tmp_path: Path, beside: Path) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(DiagnosticsError), commit_of(f"ext::touch {mark}", "", str(beside)):
        pass
    assert not mark.exists()


def test_without_git_it_says_so(repository: Path, beside: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(DiagnosticsError, match="git is not installed"),
        commit_of(f"file://{repository}", "", str(beside), environment={"PATH": str(tmp_path)}),
    ):
        pass
