"""`iac login`: the token of a registry is asked for, tried, and kept."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from iacengine.registry.routes import accounts


@pytest.fixture
def login(tmp_path, certificates):
    """login(HOST, …, token=TEXT): how it ended, with the token on standard input."""
    environment = {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PATH": "/usr/bin:/bin",
        "NO_COLOR": "1",
        "IAC_CA_BUNDLE": str(certificates.authority),
    }

    def run(*arguments, token="", code=0, **more):
        done = subprocess.run(
            [sys.executable, "-c", "from iacengine.cli.main import main; main()", "login", *arguments],
            input=token,
            capture_output=True,
            text=True,
            check=False,
            env=environment | more,
        )
        assert done.returncode == code, done
        assert "Traceback" not in done.stderr
        if token:
            assert token not in done.stdout + done.stderr
        return done

    run.file = tmp_path / "config" / "iacengine" / "credentials.json"
    return run


def host_of(registry):
    return registry.url.partition("://")[2]


def test_a_token_that_is_good_is_kept_for_the_user_alone_and_forgotten_again(login, registry):
    token = registry.token("read", user="ann")
    host = host_of(registry)
    done = login(host, "--json", token=token)
    told = json.loads(done.stdout)
    assert (told["host"], told["user"], told["scopes"]) == (host, "ann", ["read"])
    assert token in login.file.read_text()
    assert login.file.stat().st_mode & 0o077 == 0
    assert login.file.parent.stat().st_mode & 0o022 == 0
    out = login(host, "--logout").stdout
    assert "is forgotten" in out
    assert token not in login.file.read_text()
    assert "There is no token" in login(host, "--logout").stdout


def test_a_token_that_is_not_good_is_not_kept(login, registry):
    token = registry.token("read", days=-1)
    assert "does not take this token" in login(host_of(registry), token=token, code=1).stderr
    assert not login.file.exists()
    assert "No token" in login(host_of(registry), token="two words", code=1).stderr
    assert "Registry without encryption" in login("http://registry.example.org", token="hunter2", code=1).stderr


def test_a_registry_that_is_not_trusted_or_not_one_gets_nothing(login, registry):
    token = registry.token("read")
    refused = login(host_of(registry), token=token, code=1, IAC_CA_BUNDLE="")
    assert "certificate" in refused.stderr
    assert not login.file.exists()


def test_a_registry_on_this_machine_needs_no_encryption(login, new_registry):
    registry = new_registry()
    token = registry.token("admin", user="root")
    told = json.loads(login(registry.url, "--json", token=token, IAC_CA_BUNDLE="").stdout)
    assert (told["host"], told["user"]) == (host_of(registry), "root")


def test_what_is_no_registry_of_ours_is_said_to_be_so(login, new_registry, monkeypatch):
    registry = new_registry()
    monkeypatch.setattr(accounts, "Whoami", lambda *_: {"hello": "world"})
    refused = login(registry.url, token=registry.token("read"), code=1, IAC_CA_BUNDLE="")
    assert "No registry of iacengine there" in refused.stderr
    assert "kept in" in login("registry.example.org", "--no-check", token="for-others", IAC_CA_BUNDLE="").stdout
