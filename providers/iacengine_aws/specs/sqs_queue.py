"""aws_sqs_queue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from iacengine.foundation.diagnostics import Diagnostic, error
from iacengine.lang.types import Type
from iacengine.lang.values import Value, is_unknown
from iacengine_aws.client import Session
from iacengine_aws.spec import (
    BOOL,
    NUMBER,
    STRING,
    Create,
    Delete,
    Field,
    Find,
    Get,
    Hooks,
    Name,
    Plain,
    ResourceSpec,
    Retry,
    TagApi,
    Update,
    computed,
    optional_computed,
    timeouts,
)

_GONE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NonExistentQueue")
_KMS_REUSE = 300  # seconds; what SQS uses, and does not tell for queues without a key


def _attribute(member: str, type_: Type = STRING, **more: Any) -> Field:
    """An attribute of the queue, which the API holds as text."""
    settings: dict[str, Any] = {
        "optional": True,
        "create": f"Attributes.{member}",
        "read": f"Attributes.{member}",
        "text": True,
        "omit_default": not more.get("default"),  # what is false or 0 there is so anyway, or refused
    }
    return Field(type_, **(settings | more))


def _observe(session: Session, attributes: Plain, observation: Plain) -> Plain:
    attributes["name"] = attributes["id"].rsplit("/", 1)[-1]
    attributes["url"] = attributes["id"]
    attributes["kms_data_key_reuse_period_seconds"] = attributes["kms_data_key_reuse_period_seconds"] or _KMS_REUSE
    return attributes


def _validate(config: Mapping[str, Value]) -> tuple[Diagnostic, ...]:
    findings = []
    name, fifo = config.get("name"), config.get("fifo_queue")
    if isinstance(name, str) and not is_unknown(fifo):
        pattern = r"[0-9A-Za-z_-]{1,75}\.fifo" if fifo else r"[0-9A-Za-z_-]{1,80}"
        if not re.fullmatch(pattern, name):
            if fifo and not name.endswith(".fifo"):
                remedy = f'Write "{name}.fifo": the name of a FIFO queue ends so.'
            elif name.endswith(".fifo"):
                remedy = "Set fifo_queue: true, or take .fifo off the name."
            else:
                remedy = "Use up to 80 letters, digits, hyphens and underscores."
            findings.append(error("Invalid queue name", f'"{name}" cannot be the name of this queue.', remedy=remedy))
    if config.get("content_based_deduplication") is True and not fifo:
        findings.append(
            error(
                "Conflicting attributes",
                "content_based_deduplication is for FIFO queues, and this is none.",
                remedy="Set fifo_queue: true, or remove content_based_deduplication.",
            )
        )
    return tuple(findings)


def _parse_id(id_: str) -> Plain:
    if not re.fullmatch(r"https?://.+/\d{12}/[^/]+", id_):
        raise ValueError("the URL of the queue, as in https://sqs.eu-west-1.amazonaws.com/123456789012/name")
    return {}


FIELDS: dict[str, Field] = {
    "arn": computed(read="Attributes.QueueArn"),
    "content_based_deduplication": _attribute("ContentBasedDeduplication", BOOL, default=False),
    "deduplication_scope": _attribute("DeduplicationScope", computed=True, choices=("messageGroup", "queue")),
    "delay_seconds": _attribute("DelaySeconds", NUMBER, default=0, bounds=(0, 900)),
    "fifo_queue": _attribute("FifoQueue", BOOL, default=False, force_new=True),
    "fifo_throughput_limit": _attribute(
        "FifoThroughputLimit", computed=True, choices=("perQueue", "perMessageGroupId")
    ),
    "kms_data_key_reuse_period_seconds": _attribute(
        "KmsDataKeyReusePeriodSeconds", NUMBER, computed=True, bounds=(60, 86_400)
    ),
    "kms_master_key_id": _attribute("KmsMasterKeyId"),
    "max_message_size": _attribute("MaximumMessageSize", NUMBER, default=262_144, bounds=(1024, 1_048_576)),
    "message_retention_seconds": _attribute("MessageRetentionPeriod", NUMBER, default=345_600, bounds=(60, 1_209_600)),
    "name": optional_computed(force_new=True, create="QueueName"),
    "name_prefix": optional_computed(force_new=True),
    "policy": _attribute("Policy", computed=True, json="policy"),
    "receive_wait_time_seconds": _attribute("ReceiveMessageWaitTimeSeconds", NUMBER, default=0, bounds=(0, 20)),
    "redrive_allow_policy": _attribute("RedriveAllowPolicy", computed=True, json="json"),
    "redrive_policy": _attribute("RedrivePolicy", computed=True, json="json"),
    "sqs_managed_sse_enabled": _attribute("SqsManagedSseEnabled", BOOL, computed=True),
    "url": computed(),
    "visibility_timeout_seconds": _attribute("VisibilityTimeout", NUMBER, default=30, bounds=(0, 43_200)),
}
_CHANGEABLE = tuple(
    name for name, field in FIELDS.items() if (field.create or "").startswith("Attributes.") and not field.force_new
)

SPEC = ResourceSpec(
    type="aws_sqs_queue",
    service="sqs",
    fields=FIELDS,
    blocks={"timeouts": timeouts("create", "delete", "update")},
    conflicts=(("name", "name_prefix"), ("kms_master_key_id", "sqs_managed_sse_enabled")),
    name=Name(limit=80, suffix=("fifo_queue", ".fifo")),
    create=Create(
        "create_queue", "QueueUrl", retries=(Retry("AWS.SimpleQueueService.QueueDeletedRecently"),), patience=90
    ),
    read=(
        Get(
            "get_queue_attributes",
            {"QueueUrl": "$id", "AttributeNames": ["All"]},
            into="Attributes",
            take="Attributes",
            missing=_GONE,
        ),
        Get("list_queue_tags", {"QueueUrl": "$id"}, into="Tags", take="Tags", missing=_GONE),
    ),
    updates=(
        Update(
            "set_queue_attributes",
            _CHANGEABLE,
            {"QueueUrl": "$id", "Attributes": "@changed"},
            along=("policy",),  # moto forgets a policy that is not sent again
        ),
    ),
    delete=Delete("delete_queue", {"QueueUrl": "$id"}, missing=_GONE),
    tags=TagApi(
        read="Tags",
        create="tags",
        form="map",
        add=("tag_queue", {"QueueUrl": "$id", "Tags": "@tags"}),
        remove=("untag_queue", {"QueueUrl": "$id", "TagKeys": "@keys"}),
    ),
    find=Find(
        "list_queues",
        "QueueUrls",
        tags=Get("list_queue_tags", {"QueueUrl": "$id"}, into="tags", take="Tags", missing=_GONE),
    ),
    find_notes="by the tag iacengine:token, which is set by the create call itself; looks at every queue",
    hooks=Hooks(validate=_validate, observe=_observe, parse_id=_parse_id),
)
