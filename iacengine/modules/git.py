"""Modules in git repositories, got with the `git` program: one commit, no history, nothing of it executed.

The repository is fetched into a bare one of our own and never checked out: `git archive` gives its files as a tar,
which is unpacked with all the care that archives of strangers get (`iacengine.modules.archive`). So no hook, filter,
submodule or attribute of it has a part in what happens. Which repositories may be reached, with which credentials, is a
matter of the user's own configuration of git and ssh; neither may ask anything.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.foundation.disk import disk_failure
from iacengine.modules.archive import Form, UnpackedTree, remove_tree, unpacked
from iacengine.modules.source import without_secrets

TIMEOUT: Final = 600.0
"""Seconds for one command of git."""

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ABBREVIATED: Final = re.compile(r"[0-9a-f]{4,64}")
_KEPT: Final = ("GIT_SSH", "GIT_SSL", "GIT_CONFIG", "GIT_ASKPASS", "GIT_PROXY")
_PROTOCOLS: Final = ("https", "http", "ssh", "git", "file")
_SETTINGS: Final = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "protocol.allow=never",
    *(f"protocol.{name}.allow=always" for name in _PROTOCOLS),
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
    "tar.tar.gz.command=gzip -cn",
)
# The strongest of all attributes: what is in the repository counts for nothing, so that a commit has one tree.
_ATTRIBUTES: Final = "* -export-ignore -export-subst -text -eol -ident -filter -working-tree-encoding\n"


@dataclass(frozen=True, slots=True)
class GitTree:
    """The files of a commit, unpacked into a temporary folder."""

    commit: str
    unpacked: UnpackedTree

    @property
    def tree_digest(self) -> str:
        return self.unpacked.tree_digest

    def keep_as(self, target: str) -> bool:
        return self.unpacked.keep_as(target)


@contextlib.contextmanager
def commit_of(
    location: str, reference: str, beside: str, *, commit: str = "", environment: Mapping[str, str] = os.environ
) -> Iterator[GitTree]:
    """The files of a repository at a ref ("": its default branch), unpacked in a new folder inside `beside`.

    With a `commit`, that one is got, whatever the ref names by now. Raises DiagnosticsError, PackageError.
    """
    program = shutil.which("git", path=environment.get("PATH"))
    if program is None:
        raise failure(
            "git is not installed",
            f"{without_secrets(location)} is a git repository.",
            remedy="Install git, or use a module from a registry.",
        )
    try:
        folder = tempfile.mkdtemp(prefix=".fetching-", dir=beside)
    except OSError as problem:
        raise disk_failure(problem, "fetch a module", beside) from None
    try:
        git = _Git(program, folder, location, environment)
        git.run("init", "--bare", "--quiet", "--template=", folder)
        Path(folder, "info").mkdir(exist_ok=True)
        Path(folder, "info", "attributes").write_text(_ATTRIBUTES, encoding="ascii")
        found = _fetched(git, reference, commit)
        package = Path(folder, "tree.tar.gz")
        git.run("archive", "--format=tar.gz", f"--output={package}", found)
        with package.open("rb") as file, unpacked(file, beside, form=Form.TAR) as tree:
            yield GitTree(found, tree)
    except OSError as problem:
        raise disk_failure(problem, "fetch a module", folder) from None
    finally:
        remove_tree(folder)


def _fetched(git: _Git, reference: str, commit: str) -> str:
    """Fetch what is wanted; its commit."""
    wanted = commit or reference or "HEAD"
    if _ABBREVIATED.fullmatch(wanted) and not _COMMIT.fullmatch(wanted):
        with contextlib.suppress(_GitError):
            return _shallow(git, wanted)  # a branch or tag that looks like a commit
        return _whole(git, wanted)
    try:
        found = _shallow(git, wanted)
    except _GitError:
        if not _COMMIT.fullmatch(wanted):
            raise
        return _whole(git, wanted)  # a server that gives only what a ref names
    if commit and found != commit:
        raise failure(
            "Git gave another commit",
            f"{git.shown} gave {found} when it was asked for {commit}.",
            remedy="Do not use this repository before you know why.",
        )
    return found


def _shallow(git: _Git, wanted: str) -> str:
    git.run("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", git.location, wanted)
    return git.run("rev-parse", "--verify", "FETCH_HEAD^{commit}").strip()


def _whole(git: _Git, wanted: str) -> str:
    """Everything, to look for a commit in it."""
    git.run(
        "fetch", "--quiet", "--no-recurse-submodules", "--", git.location,
        "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*",
    )  # fmt: skip
    try:
        return git.run("rev-parse", "--verify", "--end-of-options", f"{wanted}^{{commit}}").strip()
    except _GitError:
        raise failure(
            "No such commit",
            f"No branch or tag of {git.shown} has the commit {wanted} in its history.",
            remedy="Check the ref. A branch that was rewritten leaves its old commits behind: run `iac module update`.",
        ) from None


class _GitError(DiagnosticsError):
    """git ended with an error."""


@dataclass(frozen=True, slots=True)
class _Git:
    """The program, in a repository of ours, about one of others."""

    program: str
    folder: str
    location: str
    environment: Mapping[str, str]

    @property
    def shown(self) -> str:
        return without_secrets(self.location)

    def run(self, *arguments: str) -> str:
        """What it prints. Raises DiagnosticsError when it fails, or takes too long."""
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        process = subprocess.Popen(  # noqa: S603 - no shell; refs and addresses cannot be options
            [self.program, *settings, "-C", self.folder, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_clean(self.environment),
            start_new_session=True,  # ends with its children: ssh, git-remote-https
        )
        try:
            out, err = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            raise failure(
                "git takes too long",
                f"{self.shown}: git {arguments[0]} did not end within {TIMEOUT:.0f} s.",
                remedy="Check the network and the repository.",
            ) from None
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode:
            raise _told(self.shown, arguments[0], err.decode("utf-8", "replace"))
        return out.decode("utf-8", "replace")


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for git: the user's, without what a hook that we run in has set, and nobody is asked anything."""
    kept = {
        name: value
        for name, value in environment.items()
        if not name.startswith("GIT_")
        or name.startswith(("GIT_SSH", "GIT_SSL", "GIT_CONFIG", "GIT_ASKPASS", "GIT_PROXY"))
    }
    kept |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", "GIT_LFS_SKIP_SMUDGE": "1"}
    if "GIT_SSH" not in kept:
        kept.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
    if bundle := environment.get("IAC_CA_BUNDLE"):
        kept.setdefault("GIT_SSL_CAINFO", bundle)
    return kept


def _told(shown: str, command: str, said: str) -> _GitError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    reasons = [re.sub(r"^(fatal|error|ERROR): ", "", line) for line in lines if re.match(r"fatal|error|ERROR", line)]
    reason = without_secrets("; ".join((reasons or lines[-1:] or ["it did not say why"])[:2]))[:400]
    if "couldn't find remote ref" in said:
        remedy = "Check the ref: a tag, a branch or a commit of the repository."
    elif re.search(r"Authentication failed|could not read Username|Permission denied|publickey", said):
        remedy = "Give git the credentials: a credential helper for https, a key in the agent for ssh."
    elif "not found" in said or "does not appear to be a git repository" in said:
        remedy = "Check the address, and whether you may read the repository."
    else:
        remedy = f"Try it by hand: git ls-remote {shown}"
    found = failure("Cannot get a module from git", f"{shown}: git {command} failed: {reason}.", remedy=remedy)
    return _GitError(*found.diagnostics)
