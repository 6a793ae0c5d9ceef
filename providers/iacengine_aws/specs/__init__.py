"""The resource types, one module each, loaded when a type is first used.

To add a type: write `specs/<name>.py` with a `SPEC`, and name it here.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from iacengine_aws.spec import ResourceSpec

SPECS: dict[str, str] = {
    "aws_dynamodb_table": "dynamodb_table",
    "aws_iam_role": "iam_role",
    "aws_iam_role_policy": "iam_role_policy",
    "aws_s3_bucket": "s3_bucket",
    "aws_s3_bucket_versioning": "s3_bucket_versioning",
    "aws_s3_object": "s3_object",
    "aws_security_group": "security_group",
    "aws_sns_topic": "sns_topic",
    "aws_sns_topic_subscription": "sns_topic_subscription",
    "aws_sqs_queue": "sqs_queue",
    "aws_subnet": "subnet",
    "aws_vpc": "vpc",
}


@cache
def spec_of(type_: str) -> ResourceSpec:
    """The spec of a resource type. Raises KeyError when there is none."""
    spec: ResourceSpec = import_module(f"iacengine_aws.specs.{SPECS[type_]}").SPEC
    return spec
