"""remote-exec and file, against a real sshd on this machine."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("paramiko", reason="the extra ssh is not installed")


@dataclass(frozen=True, slots=True)
class Sshd:
    port: int
    folder: Path
    private_key: str
    host_key: str

    def connection(self, **more: Any) -> dict[str, Any]:
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": getpass.getuser(),
            "private_key": self.private_key,
            "host_key": self.host_key,
            "agent": False,
            "timeout": "10s",
            **more,
        }


def _key(path: Path) -> str:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path.with_suffix(".pub").read_text().strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server for the user who runs the tests. Skips where none can be started."""
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no sshd is installed (Debian: openssh-server)")
    folder = tmp_path_factory.mktemp("sshd")
    host_key, user_key = _key(folder / "host"), _key(folder / "user")
    (folder / "authorized").write_text(user_key + "\n")
    port = _free_port()
    (folder / "config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        "StrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nPidFile none\n"
        "AllowTcpForwarding yes\nMaxStartups 100\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it leaves its privileges, made at boot elsewhere
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [program, "-D", "-e", "-f", str(folder / "config")], stderr=log, stdin=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 10
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"sshd cannot be started here: {(folder / 'log').read_text()[-300:]}")
            time.sleep(0.01)
        yield Sshd(port, folder, (folder / "user").read_text(), host_key)
    finally:
        process.terminate()
        process.wait()
        log.close()


def data(connection: dict[str, Any], *provisioners: Any) -> dict[str, Any]:
    resource = {"terraform_data": {"a": {"connection": connection, "provisioner": list(provisioners)}}}
    return {"stack": {"on_failure": "pause"}, "resource": resource}


def remote(*lines: str, **more: Any) -> dict[str, Any]:
    return {"remote-exec": {"inline": list(lines), **more}}


def test_inline_lines_run_as_one_script_and_it_is_removed(stack: Any, sshd: Sshd) -> None:
    there = stack.folder / "there"
    there.mkdir()
    connection = sshd.connection(script_path=f"{there}/script")
    config = data(connection, remote(f"cd {there}", "x=1", "echo $x ${self.input} > out", "echo said"))
    config["resource"]["terraform_data"]["a"]["input"] = "self"
    stack.write(config)
    out = stack.apply().out
    assert "terraform_data.a (remote-exec): Connected!" in out
    assert "terraform_data.a (remote-exec): said" in out
    assert (there / "out").read_text() == "1 self\n"
    assert not (there / "script").exists()


def test_script_files_run_in_order_and_the_first_failure_ends_it(stack: Any, sshd: Sshd) -> None:
    (stack.folder / "a.sh").write_text("#!/bin/sh\necho from a\n")
    (stack.folder / "b.sh").write_text("#!/bin/sh\necho from b\nexit 7\n")
    (stack.folder / "c.sh").write_text("#!/bin/sh\necho from c\n")
    stack.write(data(sshd.connection(), {"remote-exec": {"scripts": ["a.sh", "b.sh", "c.sh"]}}))
    done = stack.apply(code=1)
    assert "from a" in done.out
    assert "from b" in done.out
    assert "from c" not in done.out
    assert "exit status 7" in done.err


def test_files_content_and_directories_are_sent(stack: Any, sshd: Sshd) -> None:
    there = stack.folder / "there"
    there.mkdir()
    source = stack.folder / "source"
    (source / "deep").mkdir(parents=True)
    (source / "tool").write_bytes(bytes(range(256)) * 1000)
    (source / "tool").chmod(0o755)
    (source / "deep" / "it's odd").write_text("x")
    stack.write(
        data(
            sshd.connection(),
            {"file": {"content": "secret é\n", "destination": f"{there}/content"}},
            {"file": {"source": "source/tool", "destination": f"{there}/"}},
            {"file": {"source": "source", "destination": str(there)}},
            {"file": {"source": "source/", "destination": f"{there}/flat"}},
        )
    )
    stack.apply()
    assert (there / "content").read_text() == "secret é\n"
    assert (there / "tool").read_bytes() == (source / "tool").read_bytes()
    assert (there / "tool").stat().st_mode & 0o777 == 0o755
    assert (there / "source" / "deep" / "it's odd").read_text() == "x"
    assert (there / "flat" / "deep" / "it's odd").read_text() == "x"


def test_another_host_key_is_refused_at_once(stack: Any, sshd: Sshd) -> None:
    other = _key(stack.folder / "other")
    stack.write(data(sshd.connection(host_key=other, timeout="60s"), remote("true")))
    done = stack.apply(code=1)
    assert "Wrong host key" in done.err


def test_a_host_that_known_hosts_knows_otherwise_is_refused(stack: Any, sshd: Sshd) -> None:
    home = stack.folder / "home"
    (home / ".ssh").mkdir(parents=True)
    other = " ".join(_key(stack.folder / "other").split()[:2])
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {other}\n")
    connection = sshd.connection()
    del connection["host_key"]
    stack.write(data(connection, remote("true")))
    done = stack.iac("apply", "--auto-approve", env={"HOME": str(home)}, code=1)
    assert "Wrong host key" in done.err


def test_an_unknown_host_key_is_taken_and_told(stack: Any, sshd: Sshd) -> None:
    connection = sshd.connection()
    del connection["host_key"]
    stack.write(data(connection, remote("true")))
    assert "not verified: ssh-ed25519 SHA256:" in stack.apply().out


def test_a_wrong_key_is_told_as_a_refused_login(stack: Any, sshd: Sshd) -> None:
    _key(stack.folder / "other")
    connection = sshd.connection(private_key=(stack.folder / "other").read_text(), timeout="1s")
    stack.write(data(connection, remote("true")))
    assert "SSH login refused" in stack.apply(code=1).err


def test_it_is_tried_until_the_machine_answers(stack: Any, sshd: Sshd) -> None:
    """Nothing listens at first: a forwarder starts when the first attempt was made."""
    port = _free_port()
    stack.write(data(sshd.connection(host="127.0.0.1", port=port, timeout="60s"), remote("echo reached")))
    running = stack.start("apply", "--auto-approve")
    while "Connecting" not in running.printed():
        time.sleep(0.005)
    proxy = (
        "import socket, sys, threading\n"
        "server = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "near, _ = server.accept()\n"
        "far = socket.create_connection(('127.0.0.1', int(sys.argv[2])))\n"
        "def pump(a, b):\n"
        "    while data := a.recv(65536): b.sendall(data)\n"
        "    b.shutdown(1)\n"
        "threading.Thread(target=pump, args=(near, far)).start()\n"
        "pump(far, near)\n"
    )
    forwarder = subprocess.Popen([sys.executable, "-c", proxy, str(port), str(sshd.port)])
    try:
        done = running.wait()
    finally:
        forwarder.kill()
        forwarder.wait()
    assert done.code == 0, done
    assert "reached" in done.out


def test_a_bastion_is_gone_through(stack: Any, sshd: Sshd) -> None:
    more = {"bastion_host": "127.0.0.1", "bastion_port": sshd.port, "bastion_host_key": sshd.host_key}
    stack.write(data(sshd.connection(**more), remote("echo by way of $SSH_CONNECTION")))
    assert "by way of 127.0.0.1" in stack.apply().out


def test_nothing_that_listens_is_told_after_the_timeout(stack: Any, sshd: Sshd) -> None:
    stack.write(data(sshd.connection(port=_free_port(), timeout="1s"), remote("true")))
    err = stack.apply(code=1).err
    assert "SSH connection failed" in err
    assert "within 1 seconds" in err


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"type": "winrm"}, "WinRM are not supported"),
        ({"timeout": "soon"}, '"soon" is no time'),
        ({"private_key": "nonsense"}, "Invalid private key"),
        ({"host_key": "nonsense"}, "Invalid host key"),
        ({"host": ""}, "no host"),
        ({"proxy_host": "p"}, "Proxies are not supported"),
    ],
)
def test_what_is_not_understood_is_told(stack: Any, sshd: Sshd, more: dict[str, Any], told: str) -> None:
    stack.write(data(sshd.connection(**more), remote("true")))
    assert told in " ".join(stack.apply(code=1).err.split())


def test_an_interrupt_closes_the_connection(stack: Any, sshd: Sshd) -> None:
    flag = stack.folder / "begun"
    stack.write(data(sshd.connection(), remote(f"touch {flag}", "exec sleep 30")))
    running = stack.start("apply", "--auto-approve")
    while not flag.exists():
        time.sleep(0.005)
    running.kill(signal.SIGINT)
    done = running.wait()
    assert done.code == 130, done
    assert "(tainted)" in stack.iac("show").out
