"""The contract of providers, for every type of AWS."""

import json
from ipaddress import ip_network

import pytest

from iacengine.provider.protocol import ConfigureContext
from iacengine.schema.values import conform
from iacengine.testing.provider_contract import ProviderContract, Sample
from iacengine_aws import PROVIDER


def _policy(action, **more):
    """A policy as the API gives it back, so that an import finds the same text."""
    statement = {"Effect": "Allow", "Action": action, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))


ASSUME = _policy("sts:AssumeRole", Principal={"Service": "ec2.amazonaws.com"})
READ = _policy("s3:Get*", Resource="*")
WRITE = _policy("s3:Put*", Resource="*")


class _Aws(ProviderContract):
    def make_provider(self):
        provider = PROVIDER.create()
        config = conform({"default_tags": ({"tags": {"team": "core"}},)}, provider.schema().provider.block)
        assert provider.configure(config, ConfigureContext(parallelism=8)) == ()
        return provider

    def vpc(self, provider):
        return self.create(provider, "aws_vpc", {"cidr_block": "10.0.0.0/16"}).state["id"]


class TestWhatTokensFind(_Aws):
    def samples(self, provider):
        vpc = self.vpc(provider)
        blocks = ip_network("10.0.0.0/16").subnets(new_prefix=28)
        return [
            Sample(
                "aws_vpc",
                lambda name: {"cidr_block": "10.1.0.0/16", "tags": {"Name": name}},
                lambda name: {"cidr_block": "10.1.0.0/16", "tags": {"Name": "x"}, "enable_dns_hostnames": True},
                lambda name: {"cidr_block": "10.2.0.0/16", "tags": {"Name": name}},
            ),
            Sample(
                "aws_subnet",
                lambda name: {"vpc_id": vpc, "cidr_block": str(next(blocks))},
            ),
            Sample(
                "aws_security_group",
                lambda name: {"name": name, "vpc_id": vpc, "ingress": ({**RULE, "from_port": 80},)},
                lambda name: {"name": name, "vpc_id": vpc, "ingress": ({**RULE, "from_port": 90},), "egress": (RULE,)},
                lambda name: {"name": name, "vpc_id": vpc, "description": "other"},
            ),
            Sample(
                "aws_s3_bucket",
                lambda name: {"bucket": name, "tags": {"a": "b"}},
                lambda name: {"bucket": name, "tags": {"a": "c"}, "force_destroy": True},
                lambda name: {"bucket": f"{name}-other"},
            ),
            Sample(
                "aws_sqs_queue",
                lambda name: {"name": name, "delay_seconds": 3},
                lambda name: {"name": name, "visibility_timeout_seconds": 50, "tags": {"a": "b"}},
                lambda name: {"name": f"{name}.fifo", "fifo_queue": True},
            ),
            Sample(
                "aws_sns_topic",
                lambda name: {"name": name, "display_name": "one"},
                lambda name: {"name": name, "display_name": "two", "tags": {"a": "b"}},
                lambda name: {"name": f"{name}-other"},
            ),
            Sample(
                "aws_iam_role",
                lambda name: {"name": name, "assume_role_policy": ASSUME},
                lambda name: {"name": name, "assume_role_policy": ASSUME, "description": "new", "tags": {"a": "b"}},
                lambda name: {"name": name, "assume_role_policy": ASSUME, "path": "/other/"},
            ),
            Sample(
                "aws_dynamodb_table",
                lambda name: {**TABLE, "name": name},
                lambda name: {**TABLE, "name": name, "ttl": ({"attribute_name": "gone", "enabled": True},)},
                lambda name: {
                    **TABLE,
                    "name": name,
                    "hash_key": "other",
                    "attribute": ({"name": "other", "type": "N"},),
                },
            ),
        ]


RULE = {"from_port": 0, "to_port": 65535, "protocol": "tcp", "cidr_blocks": ("10.0.0.0/8",)}
TABLE = {"billing_mode": "PAY_PER_REQUEST", "hash_key": "pk", "attribute": ({"name": "pk", "type": "S"},)}


class TestWhatTokensDoNotFind(_Aws):
    """Types whose create calls do the same when made again."""

    finds = False

    def samples(self, provider):
        topic = self.create(provider, "aws_sns_topic", {"name": self.unique()}).state["arn"]
        role = self.create(provider, "aws_iam_role", {"name": self.unique(), "assume_role_policy": ASSUME}).state["id"]
        return [
            Sample(
                "aws_sns_topic_subscription",
                lambda name: {"topic_arn": topic, "protocol": "sqs", "endpoint": _queue(name)},
                lambda name: {
                    "topic_arn": topic,
                    "protocol": "sqs",
                    "endpoint": _queue(name),
                    "raw_message_delivery": True,
                    "filter_policy": '{"kind": ["x"]}',
                },
                lambda name: {"topic_arn": topic, "protocol": "sqs", "endpoint": _queue("other")},
            ),
            Sample(
                "aws_iam_role_policy",
                lambda name: {"role": role, "name": name, "policy": WRITE},
                lambda name: {"role": role, "name": name, "policy": READ},
                lambda name: {"role": role, "name": f"{name}-other", "policy": WRITE},
            ),
        ]


class TestObjectsThatAreImportedByMoreThanTheirId(_Aws):
    finds = False
    imports = False

    def samples(self, provider):
        bucket = self.create(provider, "aws_s3_bucket", {"bucket": self.unique()}).state["id"]
        return [
            Sample(
                "aws_s3_object",
                lambda key: {"bucket": bucket, "key": f"folder/{key}"},
                lambda key: {"bucket": bucket, "key": f"folder/{key}", "content": "something", "tags": {"a": "b"}},
                lambda key: {"bucket": bucket, "key": f"{key}-other"},
            ),
        ]


def _queue(name):
    return f"arn:aws:sqs:eu-west-1:123456789012:{name}"


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_versioning_is_a_state_of_a_bucket_that_only_one_object_can_hold(cloud, client, status):
    bucket = cloud.make("aws_s3_bucket", {"bucket": cloud.unique()}).state["id"]
    body = {"bucket": bucket, "versioning_configuration": ({"status": status},)}
    made = cloud.make("aws_s3_bucket_versioning", body)
    assert client("s3").get_bucket_versioning(Bucket=bucket)["Status"] == status
    cloud._assert_settled(cloud.provider, made)
    other = "Suspended" if status == "Enabled" else "Enabled"
    made = cloud.update(made, {"bucket": bucket, "versioning_configuration": ({"status": other},)})
    assert client("s3").get_bucket_versioning(Bucket=bucket)["Status"] == other
    cloud.remove(made)
    assert client("s3").get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"
