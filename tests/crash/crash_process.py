"""The warm process of the tests, whose commands can be killed at any instant they pass (see instants.py)."""

from __future__ import annotations

import contextlib
import importlib
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import instants  # noqa: E402 - beside this file
import warm_process  # noqa: E402 - in the folder above

_become = warm_process.become


def _become_armed(folder: str, environment: dict[str, str], out: str, err: str) -> None:
    _become(folder, environment, out, err)
    instants.arm(environment)


if __name__ == "__main__":
    for name in (
        "iacengine.apply.settlement",
        "iacengine.cli.commands.lock",
        "iacengine.cli.commands.recover",
        "iacengine.cli.recovery",
        "iacengine.state.backends.http",
        "iacengine.state.backends.http_protocol",
        "iacengine.state.backends.postgres",
        "iacengine.state.backends.s3",
        "botocore.session",
        "boto3",
        "httpx2",
        "psycopg",
        "sqlalchemy.dialects.postgresql.psycopg",
        "cryptography.hazmat.primitives.ciphers.aead",
    ):
        with contextlib.suppress(ImportError):  # an extra that is not installed
            importlib.import_module(name)
    warm_process.become = _become_armed
    warm_process.main()
