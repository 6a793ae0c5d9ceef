"""What a `connection` block says about SSH, with Terraform's defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from iacengine.foundation.diagnostics import DiagnosticsError, failure

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_PROXIES: Final = ("proxy_scheme", "proxy_host", "proxy_port", "proxy_user_name", "proxy_user_password")
DEFAULT_TIMEOUT: Final = 300.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Login:
    """One machine to log in to. `host_key`: the public key it must show, as in a known_hosts file."""

    host: str
    port: int
    user: str
    password: str | None
    private_key: str | None
    certificate: str | None
    host_key: str | None

    @property
    def place(self) -> str:
        return f"{self.user}@{self.host}" + (f" port {self.port}" if self.port != 22 else "")


@dataclass(frozen=True, slots=True)
class SshSettings:
    """`timeout`: seconds to keep trying to connect. `agent`: whether a running SSH agent is asked for keys."""

    target: Login
    bastion: Login | None
    timeout: float
    agent: bool
    script_path: str | None


def ssh_settings(connection: Mapping[str, Any]) -> SshSettings:
    """The settings of an evaluated connection. Raises DiagnosticsError for what is not supported."""
    kind = connection.get("type") or "ssh"
    if kind != "ssh":
        known = "Connections by WinRM are not supported." if kind == "winrm" else f'There is no type "{kind}".'
        raise _invalid(f"{known} Provisioners connect by SSH, which Windows offers too.", "Write type: ssh.")
    if connection.get("target_platform") not in (None, "unix"):
        raise _invalid("Only machines with a POSIX shell can be provisioned (target_platform: unix).")
    if any(connection.get(name) for name in _PROXIES):
        raise _invalid("Proxies are not supported.", "Use a bastion (bastion_host), or ssh with local-exec.")
    target = Login(
        connection["host"],
        _port(connection, "port"),
        connection.get("user") or "root",
        connection.get("password"),
        connection.get("private_key"),
        connection.get("certificate"),
        connection.get("host_key"),
    )
    bastion = None
    if connection.get("bastion_host"):
        own_key = connection.get("bastion_private_key")
        bastion = Login(
            connection["bastion_host"],
            _port(connection, "bastion_port"),
            connection.get("bastion_user") or target.user,
            connection.get("bastion_password") or target.password,
            own_key or target.private_key,
            connection.get("bastion_certificate") or (target.certificate if not own_key else None),
            connection.get("bastion_host_key"),
        )
    agent = connection.get("agent")
    return SshSettings(
        target,
        bastion,
        _seconds(connection.get("timeout")),
        agent if agent is not None else True,
        connection.get("script_path"),
    )


def _port(connection: Mapping[str, Any], name: str) -> int:
    value = connection.get(name)
    if not value:
        return 22
    if not 0 < value < 65_536 or int(value) != value:
        raise _invalid(f'"{name}" is a number from 1 to 65535.')
    return int(value)


def _seconds(text: str | None) -> float:
    if not text:
        return DEFAULT_TIMEOUT
    if _DURATION.sub("", text) != "":
        raise _invalid(f'"{text}" is no time.', "Write a timeout such as 30s, 5m or 1h30m.")
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))


def _invalid(detail: str, remedy: str | None = None) -> DiagnosticsError:
    return failure("Invalid connection", detail, remedy=remedy)
