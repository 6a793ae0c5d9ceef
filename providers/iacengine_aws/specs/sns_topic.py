"""aws_sns_topic."""

from __future__ import annotations

from typing import Any

from iacengine.lang.types import Type
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
)

_GONE = ("NotFound", "NotFoundException")


def _attribute(member: str, type_: Type = STRING, **more: Any) -> Field:
    """An attribute of the topic, which the API holds as text."""
    settings: dict[str, Any] = {
        "optional": True,
        "create": f"Attributes.{member}",
        "read": f"Attributes.{member}",
        "text": True,
        "omit_default": True,
    }
    return Field(type_, **(settings | more))


def _feedback(protocol: str, member: str) -> dict[str, Field]:
    """Delivery logs of one protocol. The create call does not take them."""
    return {
        f"{protocol}_failure_feedback_role_arn": _attribute(f"{member}FailureFeedbackRoleArn", create=None),
        f"{protocol}_success_feedback_role_arn": _attribute(f"{member}SuccessFeedbackRoleArn", create=None),
        f"{protocol}_success_feedback_sample_rate": _attribute(
            f"{member}SuccessFeedbackSampleRate", NUMBER, create=None, bounds=(0, 100)
        ),
    }


def _observe(session: Session, attributes: Plain, observation: Plain) -> Plain:
    attributes["name"] = attributes["id"].rsplit(":", 1)[-1]
    return attributes


def _parse_id(id_: str) -> Plain:
    if not id_.startswith("arn:") or id_.count(":") != 5:
        raise ValueError("the ARN of the topic, as in arn:aws:sns:eu-west-1:123456789012:name")
    return {}


_FEEDBACK: dict[str, Field] = {
    **_feedback("application", "Application"),
    **_feedback("firehose", "Firehose"),
    **_feedback("http", "HTTP"),
    **_feedback("lambda", "Lambda"),
    **_feedback("sqs", "SQS"),
}
FIELDS: dict[str, Field] = {
    **_FEEDBACK,
    "archive_policy": _attribute("ArchivePolicy", json="json"),
    "arn": computed(read="Attributes.TopicArn"),
    "beginning_archive_time": computed(read="Attributes.BeginningArchiveTime"),
    "content_based_deduplication": _attribute("ContentBasedDeduplication", BOOL, default=False),
    "delivery_policy": _attribute("DeliveryPolicy", json="json"),
    "display_name": _attribute("DisplayName"),
    "fifo_throughput_scope": _attribute("FifoThroughputScope", computed=True, choices=("Topic", "MessageGroup")),
    "fifo_topic": _attribute("FifoTopic", BOOL, default=False, force_new=True),
    "kms_master_key_id": _attribute("KmsMasterKeyId"),
    "name": optional_computed(force_new=True, create="Name"),
    "name_prefix": optional_computed(force_new=True),
    "owner": computed(read="Attributes.Owner"),
    "policy": _attribute("Policy", computed=True, json="policy"),
    "signature_version": _attribute("SignatureVersion", NUMBER, computed=True, bounds=(1, 2)),
    "tracing_config": _attribute("TracingConfig", computed=True, choices=("Active", "PassThrough")),
}
_TEXTUAL = tuple(
    name for name, field in FIELDS.items() if field.optional and field.read is not None and not field.force_new
)
_SET = {"TopicArn": "$id", "AttributeName": "@name", "AttributeValue": "@value"}

SPEC = ResourceSpec(
    type="aws_sns_topic",
    service="sns",
    fields=FIELDS,
    conflicts=(("name", "name_prefix"),),
    name=Name(limit=256, suffix=("fifo_topic", ".fifo")),
    create=Create("create_topic", "TopicArn", retries=(Retry("ConcurrentAccess"),)),
    read=(
        Get("get_topic_attributes", {"TopicArn": "$id"}, into="Attributes", take="Attributes", missing=_GONE),
        Get(
            "list_tags_for_resource",
            {"ResourceArn": "$id"},
            into="Tags",
            take="Tags",
            missing=("NotFound", "ResourceNotFound", "ResourceNotFoundException"),
        ),
    ),
    updates=(
        Update("set_topic_attributes", tuple(_FEEDBACK), _SET, each=True, after_create=True),
        Update("set_topic_attributes", tuple(name for name in _TEXTUAL if name not in _FEEDBACK), _SET, each=True),
    ),
    delete=Delete("delete_topic", {"TopicArn": "$id"}, missing=_GONE),
    tags=TagApi(
        read="Tags",
        create="Tags",
        add=("tag_resource", {"ResourceArn": "$id", "Tags": "@tags"}),
        remove=("untag_resource", {"ResourceArn": "$id", "TagKeys": "@keys"}),
    ),
    find=Find(
        "list_topics",
        "Topics",
        "TopicArn",
        tags=Get(
            "list_tags_for_resource",
            {"ResourceArn": "$id"},
            into="tags",
            take="Tags",
            missing=("NotFound", "ResourceNotFound", "ResourceNotFoundException"),
        ),
    ),
    find_notes="by the tag iacengine:token, which is set by the create call itself; looks at every topic",
    hooks=Hooks(observe=_observe, parse_id=_parse_id),
)
