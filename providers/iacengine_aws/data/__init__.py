"""The data sources, one module each, loaded when one is first used."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from iacengine_aws.data.source import DataSource

DATA_SOURCES: dict[str, str] = {
    "aws_caller_identity": "caller_identity",
    "aws_iam_policy_document": "iam_policy_document",
    "aws_region": "region",
}


@cache
def data_source(type_: str) -> DataSource:
    """A data source. Raises KeyError when there is none of the name."""
    source: DataSource = import_module(f"iacengine_aws.data.{DATA_SOURCES[type_]}").SOURCE
    return source
