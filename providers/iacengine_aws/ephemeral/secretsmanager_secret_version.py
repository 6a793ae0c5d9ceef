"""The ephemeral resource aws_secretsmanager_secret_version: the value of a secret."""

from __future__ import annotations

import base64

from iacengine.lang.types import SetType
from iacengine.lang.values import SetValue, Value
from iacengine_aws.client import Session
from iacengine_aws.data.source import DataSource
from iacengine_aws.spec import STRING, computed, optional_computed, required


def _open(session: Session, config: Value) -> Value:
    wanted = {"VersionId": config["version_id"], "VersionStage": config["version_stage"]}
    params = {"SecretId": config["secret_id"], **{name: value for name, value in wanted.items() if value is not None}}
    found = session.call("secretsmanager", "get_secret_value", params)
    binary = found.get("SecretBinary")
    return {
        "arn": found["ARN"],
        "created_date": found["CreatedDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "secret_binary": None if binary is None else base64.b64encode(binary).decode(),
        "secret_id": config["secret_id"],
        "secret_string": found.get("SecretString"),
        "version_id": found["VersionId"],
        "version_stage": config["version_stage"],
        "version_stages": SetValue(STRING, sorted(found.get("VersionStages", ()))),
    }


SOURCE = DataSource(
    {
        "arn": computed(),
        "created_date": computed(),
        "secret_binary": computed(sensitive=True),
        "secret_id": required(),
        "secret_string": computed(sensitive=True),
        "version_id": optional_computed(),
        "version_stage": optional_computed(),
        "version_stages": computed(SetType(STRING)),
    },
    _open,
)
