"""aws_dynamodb_table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iacengine.foundation.diagnostics import Diagnostic, error
from iacengine.lang.types import STRING
from iacengine.lang.values import Unknown, Value, is_null, is_wholly_known, same
from iacengine_aws.client import Session
from iacengine_aws.members import dig
from iacengine_aws.operations import await_ready
from iacengine_aws.spec import (
    BOOL,
    NUMBER,
    TEXT_SET,
    TEXTS,
    Create,
    Delete,
    Find,
    Get,
    Hooks,
    Nested,
    Nesting,
    Plain,
    ResourceSpec,
    Retry,
    TagApi,
    Wait,
    computed,
    optional,
    optional_computed,
    required,
    timeouts,
    unsupported,
)

_GONE = ("ResourceNotFoundException", "TableNotFoundException", "ResourceNotFound")
_BUSY = (
    Retry("LimitExceededException", "simultaneously"),
    Retry("LimitExceededException", "concurrent"),
    Retry("ResourceInUseException", "being"),
)
_PROVISIONED = "PROVISIONED"
_RECOVERY_DAYS = 35  # what DynamoDB keeps when nobody says how long

# --- parameters -----------------------------------------------------------------------------------------------------


def _key_schema(hash_key: str | None, range_key: str | None) -> list[Plain]:
    keys = [("HASH", hash_key), ("RANGE", range_key)]
    return [{"AttributeName": name, "KeyType": kind} for kind, name in keys if name]


def _throughput(read: int | None, write: int | None) -> Plain:
    return {"ReadCapacityUnits": read or 1, "WriteCapacityUnits": write or 1}


def _projection(index: Plain) -> Plain:
    projection: Plain = {"ProjectionType": index["projection_type"]}
    if index.get("non_key_attributes"):
        projection["NonKeyAttributes"] = list(index["non_key_attributes"])
    return projection


def _global_index(index: Plain, table: Plain) -> Plain:
    params: Plain = {
        "IndexName": index["name"],
        "KeySchema": _key_schema(index["hash_key"], index.get("range_key")),
        "Projection": _projection(index),
    }
    if table["billing_mode"] == _PROVISIONED:
        params["ProvisionedThroughput"] = _throughput(index.get("read_capacity"), index.get("write_capacity"))
    return params


def _definitions(table: Plain) -> list[Plain]:
    return [{"AttributeName": entry["name"], "AttributeType": entry["type"]} for entry in table["attribute"]]


def _stream(table: Plain) -> Plain:
    if not table.get("stream_enabled"):
        return {"StreamEnabled": False}
    return {"StreamEnabled": True, "StreamViewType": table["stream_view_type"]}


def _encryption(table: Plain) -> Plain:
    block = (table.get("server_side_encryption") or [{"enabled": False}])[0]
    params: Plain = {"Enabled": block["enabled"]}
    if block["enabled"] and block.get("kms_key_arn"):
        params |= {"SSEType": "KMS", "KMSMasterKeyId": block["kms_key_arn"]}
    return params


def _prepare(session: Session, planned: Plain, params: Plain) -> Plain:
    params["AttributeDefinitions"] = _definitions(planned)
    params["KeySchema"] = _key_schema(planned["hash_key"], planned.get("range_key"))
    if planned["billing_mode"] == _PROVISIONED:
        params["ProvisionedThroughput"] = _throughput(planned.get("read_capacity"), planned.get("write_capacity"))
    if planned["global_secondary_index"]:
        params["GlobalSecondaryIndexes"] = [
            _global_index(index, planned) for index in planned["global_secondary_index"]
        ]
    if planned["local_secondary_index"]:
        params["LocalSecondaryIndexes"] = [
            {
                "IndexName": index["name"],
                "KeySchema": _key_schema(planned["hash_key"], index["range_key"]),
                "Projection": _projection(index),
            }
            for index in planned["local_secondary_index"]
        ]
    if planned.get("stream_enabled"):
        params["StreamSpecification"] = _stream(planned)
    if planned["server_side_encryption"]:
        params["SSESpecification"] = _encryption(planned)
    return params


# --- further calls --------------------------------------------------------------------------------------------------


def _set_expiry(session: Session, table: str, block: Plain | None, before: Plain | None) -> None:
    wanted = bool(block and block.get("enabled"))
    if wanted == bool(before and before.get("enabled")):
        return
    name = (block or {}).get("attribute_name") or (before or {}).get("attribute_name")
    if name:
        specification = {"Enabled": wanted, "AttributeName": name}
        session.call("dynamodb", "update_time_to_live", {"TableName": table, "TimeToLiveSpecification": specification})


def _set_recovery(session: Session, table: str, block: Plain | None, before: Plain | None) -> None:
    wanted = bool(block and block["enabled"])
    days = (block or {}).get("recovery_period_in_days")
    if wanted == bool(before and before["enabled"]) and days == (before or {}).get("recovery_period_in_days"):
        return
    specification: Plain = {"PointInTimeRecoveryEnabled": wanted}
    if wanted and days:
        specification["RecoveryPeriodInDays"] = days
    params = {"TableName": table, "PointInTimeRecoverySpecification": specification}
    session.call("dynamodb", "update_continuous_backups", params)


def _first(table: Plain, name: str) -> Plain | None:
    blocks = table.get(name) or []
    return blocks[0] if blocks else None


def _created(session: Session, made: Plain) -> None:
    _set_expiry(session, made["id"], _first(made, "ttl"), None)
    _set_recovery(session, made["id"], _first(made, "point_in_time_recovery"), None)


def _updated(session: Session, prior: Plain, wanted: Plain) -> None:
    """One change to a table at a time: DynamoDB takes the next when the table is active again."""
    for change in _changes(prior, wanted):
        session.call("dynamodb", "update_table", {"TableName": wanted["id"], **change})
        await_ready(session, SPEC, wanted)
    _set_expiry(session, wanted["id"], _first(wanted, "ttl"), _first(prior, "ttl"))
    recovery = "point_in_time_recovery"
    _set_recovery(session, wanted["id"], _first(wanted, recovery), _first(prior, recovery))


def _changes(prior: Plain, wanted: Plain) -> list[Plain]:
    """The parameters of the update calls, in order."""
    before = {index["name"]: index for index in prior["global_secondary_index"]}
    after = {index["name"]: index for index in wanted["global_secondary_index"]}
    remade = {name for name in before.keys() & after.keys() if _shape(before[name]) != _shape(after[name])}
    gone = sorted((before.keys() - after.keys()) | remade)
    changes: list[Plain] = [{"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": name}}]} for name in gone]
    main: Plain = {}
    provisioned = wanted["billing_mode"] == _PROVISIONED
    capacity = ("read_capacity", "write_capacity")
    if prior["billing_mode"] != wanted["billing_mode"]:
        main["BillingMode"] = wanted["billing_mode"]
    if provisioned and (main or any(prior.get(name) != wanted.get(name) for name in capacity)):
        main["ProvisionedThroughput"] = _throughput(*(wanted.get(name) for name in capacity))
    if provisioned:
        resized = [
            name
            for name in sorted(before.keys() & after.keys() - remade)
            if main.get("BillingMode") or any(before[name].get(one) != after[name].get(one) for one in capacity)
        ]
        if resized:
            main["GlobalSecondaryIndexUpdates"] = [
                {
                    "Update": {
                        "IndexName": name,
                        "ProvisionedThroughput": _throughput(*(after[name].get(one) for one in capacity)),
                    }
                }
                for name in resized
            ]
    if main:
        changes.append(main)
    for name in sorted((after.keys() - before.keys()) | remade):
        create = {"Create": _global_index(after[name], wanted)}
        changes.append({"AttributeDefinitions": _definitions(wanted), "GlobalSecondaryIndexUpdates": [create]})
    if bool(prior.get("stream_enabled")) != bool(wanted.get("stream_enabled")):
        changes.append({"StreamSpecification": _stream(wanted)})
    elif wanted.get("stream_enabled") and prior.get("stream_view_type") != wanted.get("stream_view_type"):
        changes += [{"StreamSpecification": {"StreamEnabled": False}}, {"StreamSpecification": _stream(wanted)}]
    if _encryption(prior) != _encryption(wanted):
        changes.append({"SSESpecification": _encryption(wanted)})
    if (prior.get("table_class") or "STANDARD") != (wanted.get("table_class") or "STANDARD"):
        changes.append({"TableClass": wanted.get("table_class") or "STANDARD"})
    if bool(prior.get("deletion_protection_enabled")) != bool(wanted.get("deletion_protection_enabled")):
        changes.append({"DeletionProtectionEnabled": bool(wanted.get("deletion_protection_enabled"))})
    return changes


def _shape(index: Plain) -> Any:
    """What cannot be changed of a global index."""
    return (
        index["hash_key"],
        index.get("range_key") or "",
        index["projection_type"],
        sorted(index.get("non_key_attributes") or ()),
    )


# --- attributes -----------------------------------------------------------------------------------------------------


def _observe(session: Session, attributes: Plain, observation: Plain) -> Plain:
    table = observation["Table"]
    capacity = table.get("ProvisionedThroughput") or {}
    mode = dig(table, "BillingModeSummary.BillingMode")
    if mode is None:
        mode = _PROVISIONED if capacity.get("ReadCapacityUnits") else "PAY_PER_REQUEST"
    keys = _keys(table)
    attributes |= {
        "billing_mode": mode,
        "hash_key": keys.get("HASH", ""),
        "range_key": keys.get("RANGE") or attributes["range_key"] or None,
        "stream_view_type": dig(table, "StreamSpecification.StreamViewType") or attributes["stream_view_type"] or "",
        "attribute": [
            {"name": entry["AttributeName"], "type": entry["AttributeType"]}
            for entry in table.get("AttributeDefinitions", ())
        ],
    }
    for name, member in (("global_secondary_index", "Global"), ("local_secondary_index", "Local")):
        before = {index["name"]: index for index in attributes.get(name) or ()}
        attributes[name] = [
            _index(found, before.get(found["IndexName"], {}), is_global=member == "Global")
            for found in table.get(f"{member}SecondaryIndexes") or ()
        ]
    _observe_options(attributes, observation)
    return attributes


def _keys(described: Plain) -> dict[str, str]:
    return {key["KeyType"]: key["AttributeName"] for key in described.get("KeySchema", ())}


def _index(found: Plain, before: Plain, *, is_global: bool) -> Plain:
    """An index, with what was left out in the configuration still left out."""
    keys = _keys(found)
    others = sorted(dig(found, "Projection.NonKeyAttributes") or ())
    if before.get("non_key_attributes") is not None and sorted(before["non_key_attributes"]) == others:
        others = before["non_key_attributes"]
    index: Plain = {
        "name": found["IndexName"],
        "projection_type": dig(found, "Projection.ProjectionType"),
        "range_key": keys.get("RANGE") or before.get("range_key"),
        "non_key_attributes": others or before.get("non_key_attributes"),
    }
    if is_global:
        capacity = found.get("ProvisionedThroughput") or {}
        index |= {
            "hash_key": keys["HASH"],
            "read_capacity": capacity.get("ReadCapacityUnits", 0),
            "write_capacity": capacity.get("WriteCapacityUnits", 0),
            "on_demand_throughput": [],
        }
    return index


def _observe_options(attributes: Plain, observation: Plain) -> None:
    """The blocks that are there when they are set, or when what they stand for is on."""
    expiry = observation.get("Expiry") or {}
    on = expiry.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
    before = _first(attributes, "ttl")
    if on or before is not None:
        name = expiry.get("AttributeName") or (before or {}).get("attribute_name")
        attributes["ttl"] = [{"attribute_name": name, "enabled": on}] if name else []
    recovery = dig(observation, "Recovery.PointInTimeRecoveryDescription") or {}
    on = recovery.get("PointInTimeRecoveryStatus") == "ENABLED"
    before = _first(attributes, "point_in_time_recovery")
    said = before is not None and before.get("recovery_period_in_days") != 0  # Terraform's way to say: not configured
    if on or said:
        days = recovery.get("RecoveryPeriodInDays") or (before or {}).get("recovery_period_in_days") or _RECOVERY_DAYS
        attributes["point_in_time_recovery"] = [{"enabled": on, "recovery_period_in_days": days}]
    else:
        attributes["point_in_time_recovery"] = []
    encryption = dig(observation, "Table.SSEDescription") or {}
    on = encryption.get("Status") in ("ENABLED", "ENABLING", "UPDATING")
    if on or _first(attributes, "server_side_encryption") is not None:
        key = encryption.get("KMSMasterKeyArn") or ""
        attributes["server_side_encryption"] = [{"enabled": on, "kms_key_arn": key}]


# --- planning -------------------------------------------------------------------------------------------------------


def _plan(prior: Mapping[str, Value] | None, config: Mapping[str, Value], planned: Plain) -> Plain:
    """A stream that is turned on or off has another ARN and label."""
    if prior is None:
        return planned
    enabled = planned.get("stream_enabled")
    if _on(prior.get("stream_enabled")) != _on(enabled) or not same(
        prior.get("stream_view_type"), planned.get("stream_view_type")
    ):
        planned["stream_arn"] = planned["stream_label"] = Unknown(STRING)
        if is_null(config.get("stream_view_type")):
            planned["stream_view_type"] = Unknown(STRING)
    if not same(prior.get("billing_mode"), planned.get("billing_mode")):
        for name in ("read_capacity", "write_capacity"):
            if is_null(config.get(name)):
                planned[name] = Unknown(NUMBER)
    return planned


def _on(value: Value) -> bool:
    return value is True


def _validate(config: Mapping[str, Value]) -> tuple[Diagnostic, ...]:
    findings: list[Diagnostic] = []
    if config.get("stream_enabled") is True and is_null(config.get("stream_view_type")):
        findings.append(
            error(
                "Missing attribute",
                "aws_dynamodb_table with stream_enabled needs stream_view_type.",
                remedy="Set stream_view_type to KEYS_ONLY, NEW_IMAGE, OLD_IMAGE or NEW_AND_OLD_IMAGES.",
            )
        )
    mode = config.get("billing_mode")
    if is_null(mode) or mode == _PROVISIONED:
        missing = [name for name in ("read_capacity", "write_capacity") if is_null(config.get(name))]
        if missing:
            findings.append(
                error(
                    "Missing attribute",
                    f"aws_dynamodb_table with billing_mode PROVISIONED needs {' and '.join(missing)}.",
                    remedy="Set them, or set billing_mode: PAY_PER_REQUEST.",
                )
            )
    names = ("attribute", "global_secondary_index", "local_secondary_index", "hash_key", "range_key")
    if all(is_wholly_known(config.get(name)) for name in names):
        findings += _check_keys(config)
    return tuple(findings)


def _check_keys(config: Mapping[str, Value]) -> list[Diagnostic]:
    """Every key must be defined as an attribute, and every attribute be a key somewhere."""
    defined = {block["name"] for block in config["attribute"]}
    used: set[Any] = {config.get("hash_key"), config.get("range_key")}
    for name in ("global_secondary_index", "local_secondary_index"):
        for index in config[name]:
            used |= {index.get("hash_key"), index.get("range_key")}
    used = {name for name in used if not is_null(name) and name != ""}
    findings = []
    if used - defined:
        findings.append(
            error(
                "Missing attribute definition",
                f"Keys of aws_dynamodb_table are not defined as attributes: {', '.join(sorted(used - defined))}.",
                remedy="Add an attribute block with the name and the type (S, N or B) for each.",
            )
        )
    if defined - used:
        findings.append(
            error(
                "Unused attribute definition",
                f"Attributes of aws_dynamodb_table are keys of nothing: {', '.join(sorted(defined - used))}.",
                remedy="Remove them: only the keys of the table and its indexes are defined; other attributes need no "
                "definition.",
            )
        )
    return findings


# --- the spec -------------------------------------------------------------------------------------------------------

_PROJECTIONS = ("ALL", "INCLUDE", "KEYS_ONLY")
_DEMAND = Nested(
    Nesting.LIST,
    {"max_read_request_units": optional_computed(NUMBER), "max_write_request_units": optional_computed(NUMBER)},
    max_items=1,
    supported=False,
)


def _one(**fields: Any) -> Nested:
    return Nested(Nesting.LIST, fields, max_items=1)


SPEC = ResourceSpec(
    type="aws_dynamodb_table",
    service="dynamodb",
    version=1,
    fields={
        "arn": computed(read="Table.TableArn"),
        "billing_mode": optional(default=_PROVISIONED, create="BillingMode", choices=(_PROVISIONED, "PAY_PER_REQUEST")),
        "deletion_protection_enabled": optional(
            BOOL, create="DeletionProtectionEnabled", read="Table.DeletionProtectionEnabled"
        ),
        "hash_key": optional_computed(force_new=True),
        "name": required(force_new=True, create="TableName", read="Table.TableName"),
        "range_key": optional(force_new=True),
        "read_capacity": optional_computed(NUMBER, read="Table.ProvisionedThroughput.ReadCapacityUnits"),
        "restore_date_time": unsupported(),
        "restore_source_name": unsupported(),
        "restore_source_table_arn": unsupported(),
        "restore_to_latest_time": unsupported(BOOL),
        "stream_arn": computed(read="Table.LatestStreamArn"),
        "stream_enabled": optional(BOOL, read="Table.StreamSpecification.StreamEnabled"),
        "stream_label": computed(read="Table.LatestStreamLabel"),
        "stream_view_type": optional_computed(
            choices=("", "KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES")
        ),
        "table_class": optional(
            create="TableClass",
            read="Table.TableClassSummary.TableClass",
            implied="STANDARD",
            choices=("STANDARD", "STANDARD_INFREQUENT_ACCESS"),
        ),
        "write_capacity": optional_computed(NUMBER, read="Table.ProvisionedThroughput.WriteCapacityUnits"),
    },
    blocks={
        "attribute": Nested(Nesting.SET, {"name": required(), "type": required(choices=("S", "N", "B"))}),
        "global_secondary_index": Nested(
            Nesting.SET,
            {
                "hash_key": required(),
                "name": required(),
                "non_key_attributes": optional(TEXT_SET),
                "projection_type": required(choices=_PROJECTIONS),
                "range_key": optional(),
                "read_capacity": optional_computed(NUMBER),
                "write_capacity": optional_computed(NUMBER),
            },
            {"on_demand_throughput": _DEMAND},
        ),
        "import_table": Nested(
            Nesting.LIST,
            {"input_compression_type": optional(), "input_format": required()},
            {
                "input_format_options": Nested(
                    Nesting.LIST,
                    {},
                    {"csv": _one(delimiter=optional(), header_list=optional(TEXT_SET))},
                    max_items=1,
                ),
                "s3_bucket_source": Nested(
                    Nesting.LIST,
                    {"bucket": required(), "bucket_owner": optional(), "key_prefix": optional()},
                    min_items=1,
                    max_items=1,
                ),
            },
            max_items=1,
            supported=False,
        ),
        "local_secondary_index": Nested(
            Nesting.SET,
            {
                "name": required(),
                "non_key_attributes": optional(TEXTS),
                "projection_type": required(choices=_PROJECTIONS),
                "range_key": required(),
            },
            force_new=True,
        ),
        "on_demand_throughput": _DEMAND,
        "point_in_time_recovery": _one(enabled=required(BOOL), recovery_period_in_days=optional_computed(NUMBER)),
        "replica": Nested(
            Nesting.SET,
            {
                "arn": computed(),
                "kms_key_arn": optional_computed(),
                "point_in_time_recovery": optional(BOOL),
                "propagate_tags": optional(BOOL),
                "region_name": required(),
                "stream_arn": computed(),
                "stream_label": computed(),
            },
            supported=False,
        ),
        "server_side_encryption": _one(enabled=required(BOOL), kms_key_arn=optional_computed()),
        "timeouts": timeouts("create", "delete", "update"),
        "ttl": _one(attribute_name=optional(), enabled=optional(BOOL, default=False)),
    },
    create=Create("create_table", "TableDescription.TableName", retries=_BUSY, patience=600),
    read=(
        Get("describe_table", {"TableName": "$id"}, into="Table", take="Table", missing=_GONE),
        Get(
            "describe_time_to_live",
            {"TableName": "$id"},
            into="Expiry",
            take="TimeToLiveDescription",
            missing=_GONE,
        ),
        Get(
            "describe_continuous_backups",
            {"TableName": "$id"},
            into="Recovery",
            take="ContinuousBackupsDescription",
            missing=_GONE,
            absent=("UnknownOperationException",),
        ),
        Get(
            "list_tags_of_resource",
            {"ResourceArn": "@needed"},
            into="Tags",
            take="Tags",
            missing=_GONE,
            needs="Table.TableArn",
        ),
    ),
    delete=Delete("delete_table", {"TableName": "$id"}, missing=_GONE, retries=_BUSY, patience=600, wait=True),
    wait=Wait("Table.TableStatus", done=("ACTIVE",)),
    tags=TagApi(
        read="Tags",
        create="Tags",
        add=("tag_resource", {"ResourceArn": "$arn", "Tags": "@tags"}),
        remove=("untag_resource", {"ResourceArn": "$arn", "TagKeys": "@keys"}),
    ),
    find=Find("list_tables", "TableNames"),
    find_notes="by the tag iacengine:token, which is set by the create call itself; looks at every table",
    hooks=Hooks(validate=_validate, plan=_plan, prepare=_prepare, created=_created, updated=_updated, observe=_observe),
)
