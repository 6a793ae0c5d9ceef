"""The ephemeral resources, one module each, loaded when one is first used. Nothing of them has to be closed."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from iacengine_aws.data.source import DataSource

EPHEMERAL_RESOURCES: dict[str, str] = {
    "aws_secretsmanager_random_password": "secretsmanager_random_password",
    "aws_secretsmanager_secret_version": "secretsmanager_secret_version",
    "aws_ssm_parameter": "ssm_parameter",
}


@cache
def ephemeral_resource(type_: str) -> DataSource:
    """An ephemeral resource: opening it is reading. Raises KeyError when there is none of the name."""
    source: DataSource = import_module(f"iacengine_aws.ephemeral.{EPHEMERAL_RESOURCES[type_]}").SOURCE
    return source
