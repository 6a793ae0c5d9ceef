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


def _warm_s3() -> None:
    """Have botocore read its models, which children then share."""
    from iacengine.state.backends.s3_client import make_client
    from iacengine.state.backends.s3_settings import S3Settings

    make_client(S3Settings("b", "k", "eu-west-1", access_key="AKIAEXAMPLE", secret_key="not-told"), "nowhere").close()


if __name__ == "__main__":
    for name in (
        "_strptime",
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
        "anyio.to_thread",
        "encodings.idna",
        "h11",
        "httpcore2",
        "truststore",
        "iacengine.apply.provisioning.course",
        "iacengine.config.json_source",
        "iacengine.lang.compile",
        "iacengine.lang.functions.numeric",
        "iacengine.lang.functions.setoperations",
        "iacengine.lang.functions.string",
        "iacengine.lang.functions.typeconv",
        "iacengine.lang.loops",
        "iacengine.lang.parser",
        "iacengine.lang.template",
        "iacengine.plan.digest",
        "iacengine.provider.patience",
    ):
        with contextlib.suppress(ImportError):  # an extra that is not installed
            importlib.import_module(name)
    with contextlib.suppress(ImportError):
        _warm_s3()
    warm_process.become = _become_armed
    warm_process.main()
