"""The data source aws_caller_identity: who the credentials belong to."""

from __future__ import annotations

from iacengine.lang.values import Value
from iacengine_aws.client import Session
from iacengine_aws.data.source import DataSource
from iacengine_aws.spec import computed, optional_computed


def _read(session: Session, config: Value) -> Value:
    identity = session.identity()
    return {
        "account_id": identity["Account"],
        "arn": identity["Arn"],
        "id": identity["Account"],
        "user_id": identity["UserId"],
    }


SOURCE = DataSource(
    {"account_id": computed(), "arn": computed(), "id": optional_computed(), "user_id": computed()}, _read
)
