"""SSH: connecting until the machine is there, running commands, sending files.

Files are sent through `cat` in the shell of the other side: it needs neither scp nor an SFTP server there.
"""

from __future__ import annotations

import io
import logging
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import IO, Any, Final

from iacengine.apply.provisioning.model import Say
from iacengine.apply.provisioning.ssh_settings import Login, SshSettings
from iacengine.apply.provisioning.stopping import Stopping
from iacengine.foundation.diagnostics import DiagnosticsError, failure

try:
    import paramiko
except ImportError:
    paramiko = None

_LOOK: Final = 0.2
"""Seconds between two looks whether the run is to stop."""

_ATTEMPT: Final = 15.0
"""Seconds that one attempt to connect may take."""

_CHUNK: Final = 65_536
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 10.0


class Machine:
    """A machine that somebody is logged in to."""

    def __init__(self, client: Any, stopping: Stopping) -> None:
        self._client = client
        self._stopping = stopping

    def run(self, command: str, feed: Any = None, send: IO[bytes] | None = None) -> int:
        """Run a command to its end: `feed` gets its output, `send` is its input. The exit status.

        Raises DiagnosticsError when the connection is lost, or the run is to stop.
        """
        transport = self._client.get_transport()
        if transport is None or not transport.is_active():
            raise _lost()
        channel = transport.open_session()
        try:
            channel.set_combine_stderr(True)
            channel.settimeout(_LOOK)
            channel.exec_command(command)
            if send is not None:
                self._send(channel, send)
            channel.shutdown_write()
            while True:
                if self._stopping.asked:
                    raise failure("Provisioner stopped", "The run was interrupted, so its connection was closed.")
                try:
                    chunk = channel.recv(_CHUNK)
                except TimeoutError:
                    continue
                if not chunk:
                    break
                if feed is not None:
                    feed(chunk)
            while not channel.exit_status_ready():
                if not transport.is_active() or channel.closed:
                    break
                if self._stopping.wait(_LOOK / 10):
                    raise failure("Provisioner stopped", "The run was interrupted, so its connection was closed.")
            if not channel.exit_status_ready() or (status := channel.recv_exit_status()) < 0:
                raise _lost()
            return int(status)
        finally:
            channel.close()

    def _send(self, channel: Any, stream: IO[bytes]) -> None:
        while chunk := stream.read(_CHUNK):
            left = memoryview(chunk)
            while left:
                if self._stopping.asked:
                    raise failure("Provisioner stopped", "The run was interrupted, so its connection was closed.")
                try:
                    left = left[channel.send(left) :]
                except TimeoutError:
                    continue

    def put(self, stream: IO[bytes], path: str, mode: int) -> None:
        """Write a file. Raises DiagnosticsError when it cannot be written."""
        said: list[bytes] = []
        place = shlex.quote(path)
        # Emptied first: it may be there, with another mode, and what is sent may be secret.
        status = self.run(f"umask 077; : > {place} && chmod {mode:o} {place} && cat > {place}", said.append, stream)
        if status:
            raise _not_written(path, said)

    def make_directory(self, path: str) -> None:
        said: list[bytes] = []
        if self.run(f"mkdir -p {shlex.quote(path)}", said.append):
            raise _not_written(path, said)


@contextmanager
def connected(settings: SshSettings, say: Say, stopping: Stopping) -> Iterator[Machine]:
    """Log in, trying until the timeout is over, for a new machine takes a while to answer. Raises DiagnosticsError."""
    if paramiko is None:
        raise failure(
            "SSH is not installed",
            "Provisioners on other machines need the package paramiko, which is not installed.",
            remedy="Install it with `pip install 'iacengine[ssh]'`.",
        )
    logger = logging.getLogger("paramiko")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())  # it would print tracebacks of every failed attempt
    _introduce(settings, say)
    clients: list[Any] = []
    try:
        yield Machine(_connect(settings, say, stopping, clients), stopping)
    finally:
        _close(clients)


def _introduce(settings: SshSettings, say: Say) -> None:
    say("Connecting to remote host via SSH...")
    for login, title in ((settings.target, "Host"), (settings.bastion, "Bastion Host")):
        if login is not None:
            say(f"  {title}: {login.host}")
            say(f"  User: {login.user}")
            say(f"  Password: {str(bool(login.password)).lower()}")
            say(f"  Private key: {str(bool(login.private_key)).lower()}")
            say(f"  Checking Host Key: {str(bool(login.host_key)).lower()}")
    say(f"  SSH Agent: {str(settings.agent).lower()}")


def _connect(settings: SshSettings, say: Say, stopping: Stopping, clients: list[Any]) -> Any:
    """The client of the target. `clients` are those to close in the end: the target's, and the bastion's."""
    deadline = time.monotonic() + settings.timeout
    pause = _FIRST_PAUSE
    while True:
        try:
            sock = None
            if settings.bastion is not None:
                bastion = _log_in(settings.bastion, settings.agent, None, deadline, clients, say)
                address = (settings.target.host, settings.target.port)
                sock = bastion.get_transport().open_channel("direct-tcpip", address, ("127.0.0.1", 0), timeout=_ATTEMPT)
            client = _log_in(settings.target, settings.agent, sock, deadline, clients, say)
        except paramiko.BadHostKeyException as problem:
            raise _wrong_key(problem) from None
        except (OSError, EOFError, paramiko.SSHException) as problem:
            _close(clients)
            if time.monotonic() + pause > deadline:
                raise _unreachable(settings, problem) from None
            if stopping.wait(pause):
                raise failure("Provisioner stopped", "The run was interrupted while connecting.") from None
            pause = min(pause * 2, _LONGEST_PAUSE)
            continue
        say("Connected!")
        return client


def _log_in(login: Login, agent: bool, sock: Any, deadline: float, clients: list[Any], say: Say) -> Any:
    client = paramiko.SSHClient()
    clients.append(client)
    name = login.host if login.port == 22 else f"[{login.host}]:{login.port}"
    if login.host_key:
        key = _public_key(login.host_key)
        client.get_host_keys().add(name, key.get_name(), key)
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
    else:
        client.load_system_host_keys()  # what is known there must be so; a new machine is in no such file
        client.set_missing_host_key_policy(_Accepting(say))
    seconds = max(1.0, min(_ATTEMPT, deadline - time.monotonic()))
    client.connect(
        login.host,
        login.port,
        login.user,
        password=login.password,
        pkey=_private_key(login) if login.private_key else None,
        sock=sock,
        allow_agent=agent,
        look_for_keys=False,
        timeout=seconds,
        banner_timeout=seconds,
        auth_timeout=seconds,
        channel_timeout=seconds,
    )
    client.get_transport().set_keepalive(15)
    return client


class _Accepting:
    """Takes a key that nobody knows, and says so."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        self._say(f"  Host key of {hostname}, not verified: {key.get_name()} {key.fingerprint}")


def _close(clients: list[Any]) -> None:
    while clients:
        clients.pop().close()


def _private_key(login: Login) -> Any:
    text = login.private_key or ""
    key = None
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            key = kind.from_private_key(io.StringIO(text if text.endswith("\n") else text + "\n"))
            break
        except paramiko.PasswordRequiredException:
            raise failure(
                "Private key with a passphrase",
                f"The private key for {login.place} is encrypted.",
                remedy="Load it into an SSH agent and leave private_key out.",
            ) from None
        except (paramiko.SSHException, ValueError, IndexError):
            continue
    if key is None:
        raise failure(
            "Invalid private key",
            f"The private key for {login.place} is no key in OpenSSH or PEM format.",
            remedy='Give its content, as in private_key: "${file("~/.ssh/id_ed25519")}".',
        )
    if login.certificate:
        key.load_certificate(login.certificate)
    return key


def _public_key(text: str) -> Any:
    """A key as in `ssh-ed25519 AAAA…`, after the names of hosts or not."""
    words = text.split()
    for kind, encoded in pairwise(words):
        if kind.startswith(("ssh-", "ecdsa-")):
            entry = paramiko.hostkeys.HostKeyEntry.from_line(f"host {kind} {encoded}")
            if entry is not None and entry.key is not None:
                return entry.key
    raise failure(
        "Invalid host key",
        "The host key of the connection is no public key.",
        remedy="Write it as in known_hosts: ssh-ed25519 AAAA…",
    )


def _wrong_key(problem: Any) -> DiagnosticsError:
    return failure(
        "Wrong host key",
        f"{problem.hostname} shows the key {problem.key.get_name()} {problem.key.fingerprint}, which is not the one "
        "that was expected: it may be another machine.",
        remedy="Correct host_key, or the entry in known_hosts, when the machine was made anew.",
    )


def _unreachable(settings: SshSettings, problem: Exception) -> DiagnosticsError:
    denied = isinstance(problem, paramiko.AuthenticationException)
    reason = str(problem) or type(problem).__name__
    return failure(
        "SSH login refused" if denied else "SSH connection failed",
        f"No connection to {settings.target.place}"
        + (f" by way of {settings.bastion.place}" if settings.bastion else "")
        + f" within {settings.timeout:g} seconds. The last attempt: {reason}.",
        remedy="Look at user, password, private_key and agent." if denied else "Look at host and port; or set timeout.",
    )


def _lost() -> DiagnosticsError:
    return failure("SSH connection lost", "The connection ended before the command did, so its end is unknown.")


def _not_written(path: str, said: list[bytes]) -> DiagnosticsError:
    return failure("Upload failed", f"{path} cannot be written: {b''.join(said).decode(errors='replace').strip()}")
