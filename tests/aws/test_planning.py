"""Plans of AWS objects: what is known beforehand, and what is no change."""

import json

import pytest

from iacengine.lang.types import STRING
from iacengine.lang.values import MapValue, Unknown, is_unknown, to_python
from iacengine.schema.unknowns import alike

POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": ["sqs:*"], "Resource": "*"}
    ],
}


def test_what_only_aws_knows_is_unknown_when_an_object_is_new(cloud):
    planned = cloud.planned("aws_vpc", {"cidr_block": "10.0.0.0/16"}).planned
    for name in ("id", "arn", "owner_id", "main_route_table_id", "enable_dns_hostnames"):
        assert is_unknown(planned[name]), name
    assert planned["id"].refinement.not_null
    assert planned["enable_dns_support"] is True
    assert planned["instance_tenancy"] == "default"


def test_tags_all_is_known_beforehand_from_default_tags_and_own(driver):
    cloud = driver(default_tags=({"tags": {"team": "core", "Name": "default"}},))
    planned = cloud.planned("aws_sqs_queue", {"name": "q", "tags": {"Name": "own", "x": "y"}}).planned
    assert to_python(planned["tags_all"]) == {"Name": "own", "team": "core", "x": "y"}
    planned = cloud.planned("aws_sqs_queue", {"name": "q", "tags": {"x": Unknown(STRING)}}).planned
    assert is_unknown(planned["tags_all"])


def test_default_tags_are_put_on_objects_and_not_shown_as_their_own(driver, client):
    cloud = driver(default_tags=({"tags": {"team": "core"}},))
    made = cloud.make("aws_sqs_queue", {"name": cloud.unique()})
    assert made.state["tags"] is None
    assert to_python(made.state["tags_all"]) == {"team": "core"}
    found = client("sqs").list_queue_tags(QueueUrl=made.state["url"])["Tags"]
    assert found == {"team": "core", "iacengine:token": made.token}


def test_a_change_of_default_tags_updates_in_place(driver, client):
    made = driver(default_tags=({"tags": {"a": "1", "b": "2"}},)).make("aws_sns_topic", {"name": "tagged-topic"})
    later = driver(default_tags=({"tags": {"b": "3"}},))
    changed = later.update(made, {"name": "tagged-topic"})
    assert to_python(changed.state["tags_all"]) == {"b": "3"}
    tags = client("sns").list_tags_for_resource(ResourceArn=made.state["arn"])["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"b": "3", "iacengine:token": made.token}


def test_ignored_tags_are_neither_shown_nor_removed(driver, client):
    cloud = driver(ignore_tags=({"keys": ("owner",), "key_prefixes": ("scan/",)},))
    body = {"cidr_block": "10.9.0.0/16", "tags": {"a": "b"}}
    made = cloud.make("aws_vpc", body)
    theirs = [{"Key": "owner", "Value": "ops"}, {"Key": "scan/last", "Value": "today"}]
    client("ec2").create_tags(Resources=[made.state["id"]], Tags=theirs)
    assert alike(cloud.look(made), made.state)
    cloud.update(made, {**body, "tags": {"a": "c"}})
    [vpc] = client("ec2").describe_vpcs(VpcIds=[made.state["id"]])["Vpcs"]
    assert {tag["Key"] for tag in vpc["Tags"]} == {"a", "owner", "scan/last", "iacengine:token"}


@pytest.mark.parametrize(
    "rewritten",
    [
        json.dumps(POLICY, indent=4),
        json.dumps(dict(reversed(POLICY.items()))),
        json.dumps({**POLICY, "Statement": {**POLICY["Statement"][0], "Action": "sqs:*", "Resource": ["*"]}}),
    ],
)
def test_a_policy_that_means_the_same_is_no_change(cloud, rewritten):
    name = cloud.unique()
    made = cloud.make("aws_sqs_queue", {"name": name, "policy": json.dumps(POLICY)})
    planned = cloud.planned("aws_sqs_queue", {"name": name, "policy": rewritten}, made).planned
    assert alike(planned, made.state)
    assert alike(cloud.look(made), made.state)


def test_a_policy_that_means_something_else_is_a_change(cloud):
    name = cloud.unique()
    made = cloud.make("aws_sqs_queue", {"name": name, "policy": json.dumps(POLICY)})
    other = json.dumps(POLICY).replace("Allow", "Deny")
    planned = cloud.planned("aws_sqs_queue", {"name": name, "policy": other}, made)
    assert planned.planned["policy"] == other
    assert planned.requires_replace == ()


def test_a_name_left_to_us_is_made_of_the_prefix_and_kept(cloud):
    made = cloud.make("aws_sns_topic", {"name_prefix": "orders-", "fifo_topic": True})
    assert made.state["name"].startswith("orders-")
    assert made.state["name"].endswith(".fifo")
    assert alike(cloud.planned("aws_sns_topic", made.body, made).planned, made.state)


def test_the_same_token_makes_the_same_name_up(cloud, driver):
    first = cloud.make("aws_s3_bucket", {"bucket_prefix": "again-"}, "one-token")
    cloud.remove(first)
    again = driver().make("aws_s3_bucket", {"bucket_prefix": "again-"}, "one-token")
    assert again.state["bucket"] == first.state["bucket"]


def test_an_attribute_that_terraform_stored_as_empty_is_no_change(cloud):
    """Terraform's provider stores "" where this one stores null."""
    made = cloud.make("aws_sqs_queue", {"name": cloud.unique()})
    stored = {**made.state, "kms_master_key_id": "", "tags": MapValue(STRING, {})}
    made = type(made)(made.type, stored, made.private, made.token, made.body)
    assert alike(cloud.planned("aws_sqs_queue", made.body, made).planned, stored)
    assert alike(cloud.look(made), stored)


def test_new_content_of_an_object_changes_its_etag(cloud, client):
    bucket = cloud.make("aws_s3_bucket", {"bucket": cloud.unique(), "force_destroy": True}).state["id"]
    body = {"bucket": bucket, "key": "a", "content": "one"}
    made = cloud.make("aws_s3_object", body)
    assert made.state["etag"] == "f97c5d29941bfb1b2fdab0874906ab82"
    planned = cloud.planned("aws_s3_object", {**body, "content": "two"}, made).planned
    assert is_unknown(planned["etag"])
    assert is_unknown(cloud.planned("aws_s3_object", {**body, "tags": {"a": "b"}}, made).planned["etag"]) is False
    made = cloud.update(made, {**body, "content": "two"})
    assert client("s3").get_object(Bucket=bucket, Key="a")["Body"].read() == b"two"


def test_turning_a_stream_on_gives_it_an_arn(cloud):
    body = {
        "name": cloud.unique(),
        "billing_mode": "PAY_PER_REQUEST",
        "hash_key": "pk",
        "attribute": ({"name": "pk", "type": "S"},),
    }
    made = cloud.make("aws_dynamodb_table", body)
    assert made.state["stream_arn"] == ""
    made = cloud.update(made, {**body, "stream_enabled": True, "stream_view_type": "KEYS_ONLY"})
    assert made.state["stream_arn"].startswith(made.state["arn"] + "/stream/")
    cloud._assert_settled(cloud.provider, made)
