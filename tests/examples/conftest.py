"""The consoles of a README: its commands, and what they are said to print."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
_VARYING = (
    (re.compile(r"\b(net|srv|db|obj)-[0-9a-f]{16}\b"), r"\1-ID"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b"), "IP"),
    (re.compile(r"after \d+s"), "after TIME"),
)
ELLIPSIS = "…"


@dataclass(frozen=True)
class Command:
    """A command of a README and the lines below it. `exact`: the README shows every line."""

    text: str
    lines: tuple[str, ...]

    @property
    def exact(self):
        return ELLIPSIS not in self.lines


def commands_of(readme):
    """The commands of all consoles, in order."""
    found = []
    for block in _CONSOLE.findall(readme.read_text()):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return [Command(text, tuple(lines)) for text, lines in found]


def steady(text):
    """The text without what differs from run to run."""
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    return text.rstrip()


def runner(folder):
    """A function that runs a command line in a folder, with this environment's `iac` and `python`."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("IAC_", "TF_VAR_"))},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
        "COLUMNS": "120",
    }

    def run(command):
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout

    return run


@pytest.fixture
def run_here(tmp_path):
    """Run a command line in an empty folder."""
    return runner(tmp_path)


@pytest.fixture
def example(tmp_path):
    """A copy of an example stack: its folder, and a function that runs a command line in it."""

    def copy(name):
        shutil.copytree(
            ROOT / "example-stacks",
            tmp_path / "example-stacks",
            ignore=shutil.ignore_patterns(".iac", "*.state.json*", "terraform.tfstate*", ".terraform", "__pycache__"),
        )
        folder = tmp_path / "example-stacks" / name
        return folder, runner(folder)

    return copy


@pytest.fixture
def check_readme():
    """Run every command of a README's consoles, and compare what it prints."""

    def check(readme, run, *, but=()):
        commands = [command for command in commands_of(readme) if not any(part in command.text for part in but)]
        assert commands
        for command in commands:
            _, printed = run(command.text)
            actual = [steady(line) for line in printed.splitlines()]
            expected = [steady(line) for line in command.lines if line != ELLIPSIS]
            # Steps run side by side, so that their lines come in any order.
            missing = [line for line in expected if line not in actual]
            assert not missing, f"$ {command.text}\n{printed}\nmissing: {missing}"
            if command.exact and command.lines:
                assert sorted(filter(None, actual)) == sorted(filter(None, expected)), f"$ {command.text}\n{printed}"

    return check
