"""The ephemeral resource aws_ssm_parameter: a parameter's value, decrypted."""

from __future__ import annotations

from iacengine.lang.values import Value
from iacengine_aws.client import Session
from iacengine_aws.data.source import DataSource
from iacengine_aws.spec import BOOL, NUMBER, computed, optional_computed, required


def _open(session: Session, config: Value) -> Value:
    decrypt = config["with_decryption"] is not False
    found = session.call("ssm", "get_parameter", {"Name": config["arn"], "WithDecryption": decrypt})["Parameter"]
    return {
        "arn": config["arn"],
        "name": found["Name"],
        "type": found["Type"],
        "value": found["Value"],
        "version": found["Version"],
        "with_decryption": decrypt,
    }


SOURCE = DataSource(
    {
        "arn": required(),
        "name": computed(),
        "type": computed(),
        "value": computed(sensitive=True),
        "version": computed(NUMBER),
        "with_decryption": optional_computed(BOOL),
    },
    _open,
)
