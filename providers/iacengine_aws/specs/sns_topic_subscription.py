"""aws_sns_topic_subscription."""

from __future__ import annotations

from typing import Any

from iacengine.foundation.diagnostics import DiagnosticsError, error
from iacengine.lang.types import Type
from iacengine_aws.client import Session
from iacengine_aws.spec import (
    BOOL,
    NUMBER,
    STRING,
    Create,
    Delete,
    Field,
    Get,
    Hooks,
    Plain,
    ResourceSpec,
    Retry,
    Update,
    computed,
    optional,
    required,
)

_GONE = ("NotFound", "NotFoundException")
_PENDING = "pending confirmation"


def _attribute(member: str, type_: Type = STRING, **more: Any) -> Field:
    """An attribute of the subscription, which the API holds as text."""
    settings: dict[str, Any] = {
        "optional": True,
        "create": f"Attributes.{member}",
        "read": f"Attributes.{member}",
        "text": True,
        "omit_default": True,
    }
    return Field(type_, **(settings | more))


def _prepare(session: Session, planned: Plain, params: Plain) -> Plain:
    params["ReturnSubscriptionArn"] = True
    return params


def _observe(session: Session, attributes: Plain, observation: Plain) -> Plain:
    found = observation["Attributes"]
    attributes["pending_confirmation"] = found.get("PendingConfirmation", "false") == "true"
    return attributes


def _deleting(session: Session, prior: Plain) -> None:
    if prior["id"] == _PENDING:
        raise DiagnosticsError(
            error(
                "A subscription that was never confirmed cannot be deleted",
                "AWS removes it by itself after two days.",
                remedy="Forget it (iac state rm), or confirm it first.",
            )
        )


FIELDS: dict[str, Field] = {
    "arn": computed(read="Attributes.SubscriptionArn"),
    "confirmation_timeout_in_minutes": optional(NUMBER, default=1),
    "confirmation_was_authenticated": computed(BOOL, read="Attributes.ConfirmationWasAuthenticated"),
    "delivery_policy": _attribute("DeliveryPolicy", json="json"),
    "endpoint": required(force_new=True, create="Endpoint", read="Attributes.Endpoint"),
    "endpoint_auto_confirms": optional(BOOL, default=False),
    "filter_policy": _attribute("FilterPolicy", json="json"),
    "filter_policy_scope": _attribute(
        "FilterPolicyScope",
        computed=True,
        choices=("MessageAttributes", "MessageBody"),
        computed_from=("filter_policy",),
    ),
    "owner_id": computed(read="Attributes.Owner"),
    "pending_confirmation": computed(BOOL),
    "protocol": required(
        force_new=True,
        create="Protocol",
        read="Attributes.Protocol",
        choices=("application", "email", "email-json", "firehose", "http", "https", "lambda", "sms", "sqs"),
    ),
    "raw_message_delivery": _attribute("RawMessageDelivery", BOOL, default=False),
    "redrive_policy": _attribute("RedrivePolicy", json="json"),
    "replay_policy": _attribute("ReplayPolicy", json="json"),
    "subscription_role_arn": _attribute("SubscriptionRoleArn"),
    "topic_arn": required(force_new=True, create="TopicArn", read="Attributes.TopicArn"),
}

SPEC = ResourceSpec(
    type="aws_sns_topic_subscription",
    service="sns",
    fields=FIELDS,
    create=Create("subscribe", "SubscriptionArn", retries=(Retry("NotFound"),), patience=20),
    read=(
        Get(
            "get_subscription_attributes",
            {"SubscriptionArn": "$id"},
            into="Attributes",
            take="Attributes",
            missing=_GONE,
        ),
    ),
    updates=(
        Update(
            "set_subscription_attributes",
            tuple(name for name, field in FIELDS.items() if (field.create or "").startswith("Attributes.")),
            {"SubscriptionArn": "$id", "AttributeName": "@name", "AttributeValue": "@value"},
            each=True,
        ),
    ),
    delete=Delete("unsubscribe", {"SubscriptionArn": "$id"}, missing=_GONE),
    find_notes="not at all: subscribing the same endpoint again answers the same subscription",
    hooks=Hooks(prepare=_prepare, observe=_observe, deleting=_deleting),
)
