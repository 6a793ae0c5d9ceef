"""The sandbox: a server in the background that outlives the command that started it."""

import json
import os
import shlex
import socket
import stat
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.testing.services import aws

pytest.importorskip("moto")


@pytest.fixture
def directory(tmp_path):
    place = tmp_path / "sandbox"
    yield place
    aws.stop(place)


@pytest.fixture
def iac(tmp_path):
    """Run the command line with a state directory of its own."""
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "NO_COLOR": "1"}

    def run(*arguments):
        command = [sys.executable, "-c", "from iacengine.cli.main import main; main()", "sandbox", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)

    yield run
    run("stop")


def test_the_sandbox_outlives_the_command_that_started_it(iac):
    started = iac("start", "--json")
    assert started.returncode == 0, started.stderr
    told = json.loads(started.stdout)
    assert told["started"]
    with urlopen(told["url"] + "/moto-api/") as response:
        assert response.status == 200
    again = json.loads(iac("start", "--json").stdout)
    assert (again["pid"], again["started"]) == (told["pid"], False)

    status = iac("status", "--json")
    assert status.returncode == 0
    assert json.loads(status.stdout)["healthy"]

    exported = dict(
        line.removeprefix("export ").split("=", 1) for line in iac("env").stdout.splitlines() if line[:7] == "export "
    )
    assert shlex.split(exported["AWS_ENDPOINT_URL"]) == [told["url"]]
    assert json.loads(iac("env", "--json").stdout)["AWS_ENDPOINT_URL"] == told["url"]

    assert json.loads(iac("stop", "--json").stdout)["stopped"]
    assert iac("status").returncode == 1
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", told["port"])) != 0


def test_env_without_a_sandbox_says_how_to_start_one(iac):
    told = iac("env")
    assert told.returncode == 1
    assert told.stdout == ""
    assert "iac sandbox start" in told.stderr


def test_the_variables_unset_what_could_lead_to_a_real_account(iac):
    assert iac("start").returncode == 0
    first = iac("env").stdout.splitlines()[0]
    assert first.split() == ["unset", "AWS_PROFILE", "AWS_SESSION_TOKEN"]


def test_the_directory_is_for_its_user_alone(directory):
    sandbox, _ = aws.start(directory, aws.free_port())
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(Path(sandbox.log).stat().st_mode) == 0o600


def test_a_record_of_a_process_that_is_gone_counts_as_none(directory):
    sandbox, _ = aws.start(directory, aws.free_port())
    record = (directory / "server.json").read_text()
    assert aws.stop(directory) == sandbox
    (directory / "server.json").write_text(record)  # as after a crash
    assert aws.status(directory) is None
    again, fresh = aws.start(directory)
    assert fresh
    assert again.pid != sandbox.pid


def test_a_record_of_another_process_with_the_same_number_is_not_killed(directory):
    directory.mkdir()
    record = {"pid": os.getpid(), "port": 1, "began": "0", "log": ""}
    (directory / "server.json").write_text(json.dumps(record))
    assert aws.status(directory) is None
    assert aws.stop(directory) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "null"])
def test_a_damaged_record_counts_as_none(directory, text):
    directory.mkdir()
    (directory / "server.json").write_text(text)
    assert aws.status(directory) is None


def test_a_taken_port_is_refused_by_name(directory):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(DiagnosticsError, match="Port taken"):
            aws.start(directory, taken.getsockname()[1])
    assert aws.status(directory) is None


def test_another_port_than_the_running_one_is_refused(directory):
    sandbox, _ = aws.start(directory, aws.free_port())
    with pytest.raises(DiagnosticsError, match="already runs on another port"):
        aws.start(directory, sandbox.port + 1)
    assert aws.start(directory, sandbox.port) == (sandbox, False)


def test_a_missing_extra_is_told_with_the_command_that_installs_it(directory, monkeypatch):
    monkeypatch.setattr(aws, "find_spec", lambda name: None)
    with pytest.raises(DiagnosticsError) as caught:
        aws.start(directory)
    assert caught.value.diagnostics[0].remedy == "pip install 'iacengine[sandbox]'"


def test_a_server_that_dies_at_once_is_told_with_its_last_words(directory, monkeypatch):
    monkeypatch.setattr(aws, "HOST", "192.0.2.1")  # TEST-NET-1: no address of this machine
    monkeypatch.setattr(aws, "_is_free", lambda port: True)
    with pytest.raises(DiagnosticsError) as caught:
        aws.start(directory, 5999)
    assert "said: " in caught.value.diagnostics[0].detail
    assert aws.status(directory) is None


def test_relative_state_homes_are_ignored_as_the_standard_says():
    assert aws.sandbox_directory({"XDG_STATE_HOME": "relative"}).is_absolute()
