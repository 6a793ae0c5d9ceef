"""Programs of others that read what we print, each in an environment of its own: their dependencies are not ours."""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_INSTALL_SECONDS = 240


@pytest.fixture(scope="session")
def environment_of(request):
    """`environment_of("checkov>=3")`: the bin directory of a virtual environment that has it; made once, and kept.

    The test is skipped, and says why, where the package cannot be installed.
    """

    def find(requirement):
        name = f"{requirement}-{sys.version_info.major}.{sys.version_info.minor}"
        folder = Path(request.config.cache.mkdir("consumers")) / "".join(c if c.isalnum() else "-" for c in name)
        folder.mkdir(exist_ok=True)
        ready = folder / "ready"
        with (folder / "lock").open("w") as lock:  # several workers may come at once
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not ready.exists() or not (folder / "venv" / "bin" / "python").exists():
                _install(folder / "venv", requirement)
                ready.touch()
        return folder / "venv" / "bin"

    return find


def _install(venv, requirement):
    python = str(venv / "bin" / "python")
    _run([sys.executable, "-m", "venv", "--clear", str(venv)], requirement)
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is not None and _done([uv, "pip", "install", "--quiet", "--python", python, requirement]) is None:
        return
    _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement], requirement)


def _run(command, requirement):
    problem = _done(command)
    if problem is not None:
        pytest.skip(f"{requirement} cannot be installed: {problem}")


def _done(command):
    """What went wrong, or None."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it took more than {_INSTALL_SECONDS} s"
    return None if done.returncode == 0 else (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or ["?"]
