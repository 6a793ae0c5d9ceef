"""The command line as a process: what needs no stack."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from iacengine.cli import exits, failures, main
from iacengine.cli.group import Root
from iacengine.cli.terminal import Terminal
from iacengine.cli.verbs import VERBS
from iacengine.foundation.version import VERSION
from iacengine.state.lock import LockHeldError

Iac = Callable[..., subprocess.CompletedProcess[str]]

HEAVY = ("networkx", "yaml", "rich", "boto3", "botocore", "pydantic", "sqlalchemy", "grpc", "asyncio", "orjson")


@pytest.mark.parametrize("arguments", [["version"], ["--help"], ["--version"], ["plan", "--help"], ["plna"]])
def test_what_does_no_work_imports_nothing_heavy(arguments: list[str]) -> None:
    found = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "iacengine.cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    modules = {line.rpartition("|")[2].strip().partition(".")[0] for line in found.stderr.splitlines() if "|" in line}
    assert "click" in modules
    assert not modules & set(HEAVY)


def test_the_version_is_that_of_the_package(iac: Iac) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION
    assert iac("version").stdout == f"iacengine {VERSION}\n"
    assert iac("-version").stdout == f"iacengine {VERSION}\n"


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_of_the_table_explains_itself(iac: Iac, verb: str) -> None:
    done = iac(verb, "-help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: iac {verb} ")


def test_every_command_has_a_verb_in_the_table() -> None:
    folder = Path(main.__file__).parent / "commands"
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(VERBS)


def test_without_a_verb_the_help_is_shown(iac: Iac) -> None:
    done = iac()
    assert done.returncode == 1
    assert "Main commands:" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message", "remedy"),
    [
        (["plna"], 'There is no command "plna".', "Did you mean `plan`?"),
        (["xyzzy"], 'There is no command "xyzzy".', "`iac --help` lists what there is."),
        (["plan", "-autoapprove"], 'no option "--autoapprove"', "`iac plan --help` lists"),
        (["apply", "-autoapprove"], 'no option "--autoapprove"', "Did you mean `--auto-approve`?"),
        (["state", "lst"], 'There is no command "lst".', "Did you mean `list`?"),
        (["version", "extra"], "unexpected extra argument", "`iac version --help`"),
        (["plan", "-var", "novalue"], "--var 'novalue' is no assignment", "`iac plan --help`"),
        (["plan", "-parallelism=0"], "0 is not in the range", "`iac plan --help`"),
        (["-chdir=/does/not/exist", "plan"], "Cannot work in the directory", "`iac --help`"),
        (["completion", "tcsh"], "'tcsh' is not one of", "`iac completion --help`"),
        (["output", "-raw"], "--raw needs the name", "`iac output --help`"),
    ],
)
def test_a_mistyped_command_line_is_told_with_a_remedy(
    iac: Iac, arguments: list[str], message: str, remedy: str
) -> None:
    done = iac(*arguments)
    assert done.returncode == exits.ERROR
    assert done.stdout == ""
    assert message in " ".join(done.stderr.split())
    assert remedy in done.stderr
    assert "Traceback" not in done.stderr


def test_values_of_variables_are_not_in_messages(iac: Iac) -> None:
    assert "hunter2" not in iac("plan", "-var", "=hunter2").stderr
    assert "hunter2" not in iac("plan", "-var", "pw=hunter2").stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(iac: Iac, shell: str) -> None:
    assert "_IAC_COMPLETE" in iac("completion", shell).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_scripts_are_valid(iac: Iac, shell: str) -> None:
    from shutil import which

    if which(shell) is None:
        pytest.skip(f"no {shell} on PATH")
    script = iac("completion", shell).stdout
    subprocess.run([shell, "-n"], input=script, text=True, check=True)


def test_verbs_are_completed(iac: Iac) -> None:
    env = {"_IAC_COMPLETE": "bash_complete", "COMP_WORDS": "iac pl", "COMP_CWORD": "1"}
    code = "import sys; sys.argv[0] = 'iac'; from iacengine.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | env, capture_output=True, text=True, check=False
    )
    assert done.stdout == "plain,plan\n"


def test_no_colour_is_printed_into_a_pipe(iac: Iac, tmp_path: Path) -> None:
    (tmp_path / "a.tf.json").write_text('{"output": {"o": {"value": 1}}}')
    for env in ({"NO_COLOR": ""}, {"NO_COLOR": "1"}):
        done = iac("plan", "-no-color", env=env)
        assert "\x1b" not in done.stdout + done.stderr


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.tf.json").write_text(
        '{"resource": {"terraform_data": {"a": {"count": 2000, "input": "' + "x" * 200 + '"}}}}'
    )
    command = f"{sys.executable} -m iacengine.cli.main plan | head -n 1"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("iacengine will do this:")
    assert done.stderr == ""


def _run_broken(monkeypatch: pytest.MonkeyPatch, failure: BaseException) -> int:
    @click.command("broken")
    def broken() -> None:
        raise failure

    monkeypatch.setattr(Root, "get_command", lambda *_: broken)
    return main.run(["broken"])


def test_a_defect_is_one_paragraph_and_a_private_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("IAC_DEBUG", raising=False)
    assert _run_broken(monkeypatch, ValueError("secret hunter2")) == exits.ERROR
    shown = capsys.readouterr().err
    assert "This is a defect of iacengine" in shown
    assert "Traceback" not in shown
    assert "hunter2" not in shown
    (log,) = tmp_path.glob("iac-defect-*.log")
    assert log.name in "".join(shown.split())
    assert log.stat().st_mode & 0o777 == 0o600
    written = log.read_text()
    assert written.endswith("in broken\n    raise failure\nbuiltins.ValueError\n")
    assert "hunter2" not in written


def test_the_log_of_a_defect_tells_what_led_to_it_and_quotes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("IAC_DEBUG", raising=False)
    together = ExceptionGroup("hunter2", [KeyError("hunter2"), RuntimeError("hunter2")])
    together.__cause__ = OSError(5, "hunter2")
    _run_broken(monkeypatch, together)
    (log,) = tmp_path.glob("iac-defect-*.log")
    written = log.read_text()
    kinds = [line.removeprefix("builtins.") for line in written.splitlines() if line.startswith("builtins.")]
    assert kinds == ["OSError", "ExceptionGroup", "KeyError", "RuntimeError"]
    assert "hunter2" not in written


def test_a_defect_shows_its_traceback_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("IAC_DEBUG", "1")
    _run_broken(monkeypatch, ValueError("why"))
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run_broken(monkeypatch, KeyboardInterrupt()) == exits.INTERRUPTED
    assert capsys.readouterr().err == "\nInterrupted.\n"


def test_a_held_lock_has_its_own_exit_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run_broken(monkeypatch, LockHeldError("here", None)) == exits.LOCKED
    assert "The state is locked" in capsys.readouterr().err


def test_the_log_of_a_defect_holds_the_verb_but_no_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    failures.report(ValueError("x"), ["plan", "--var", "pw=hunter2"], Terminal())
    (log,) = tmp_path.glob("iac-defect-*.log")
    assert log.read_text().startswith("iac plan\n")
    assert "hunter2" not in log.read_text()


def test_a_stream_that_is_no_file_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from iacengine.cli.terminal import find_terminal

    stream: Any = SimpleNamespace()
    monkeypatch.setattr(sys, "stdout", stream)
    assert not find_terminal().live
