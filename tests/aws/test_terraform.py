"""One configuration, run by Terraform with its AWS provider and by iac, makes the same things and the same states."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from iacengine.testing.services import aws

MIRROR = Path(os.environ.get("IAC_TEST_TERRAFORM_MIRROR", "/opt/tf-plugins"))
PLUGIN = MIRROR / "registry.terraform.io" / "hashicorp" / "aws"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("terraform") is None, reason="needs terraform on PATH"),
    pytest.mark.skipif(not PLUGIN.is_dir(), reason="needs a mirror with the AWS provider"),
]

RULE = {
    "description": "",
    "cidr_blocks": [],
    "ipv6_cidr_blocks": [],
    "prefix_list_ids": [],
    "security_groups": [],
    "self": False,
}


def rule(**more):
    """A rule with every member: Terraform's JSON syntax takes no less."""
    return {**RULE, **more}


CONFIGURATION = {
    "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws"}}},
    "provider": {
        "aws": {
            "region": "eu-west-1",
            "s3_use_path_style": True,
            "default_tags": {"tags": {"team": "core", "Name": "default"}},
        }
    },
    "data": {
        "aws_iam_policy_document": {
            "trust": {
                "statement": {
                    "actions": ["sts:AssumeRole"],
                    "principals": {"type": "Service", "identifiers": ["lambda.amazonaws.com", "ec2.amazonaws.com"]},
                }
            }
        },
        "aws_caller_identity": {"who": {}},
        "aws_region": {"where": {}},
    },
    "resource": {
        "aws_vpc": {
            "plain": {"cidr_block": "10.0.0.0/16"},
            "full": {
                "cidr_block": "10.1.0.0/16",
                "enable_dns_hostnames": True,
                "enable_dns_support": True,
                "instance_tenancy": "dedicated",
                "tags": {"Name": "full", "x": "y"},
            },
        },
        "aws_subnet": {
            "full": {
                "vpc_id": "${aws_vpc.full.id}",
                "cidr_block": "10.1.1.0/24",
                "availability_zone": "eu-west-1b",
                "map_public_ip_on_launch": True,
                "tags": {"Name": "subnet"},
            }
        },
        "aws_security_group": {
            "plain": {"vpc_id": "${aws_vpc.full.id}"},
            "full": {
                "name": "full",
                "description": "with rules",
                "vpc_id": "${aws_vpc.full.id}",
                "ingress": [
                    rule(from_port=443, to_port=443, protocol="tcp", cidr_blocks=["10.0.0.0/8"], description="tls"),
                    rule(
                        from_port=80,
                        to_port=80,
                        protocol="tcp",
                        self=True,
                        security_groups=["${aws_security_group.plain.id}"],
                    ),
                ],
                "egress": [rule(from_port=0, to_port=0, protocol="-1", cidr_blocks=["0.0.0.0/0"])],
            },
        },
        "aws_s3_bucket": {"full": {"bucket": "compared-with-terraform", "force_destroy": True, "tags": {"a": "b"}}},
        "aws_s3_bucket_versioning": {
            "full": {"bucket": "${aws_s3_bucket.full.id}", "versioning_configuration": {"status": "Enabled"}}
        },
        "aws_s3_object": {
            "plain": {"bucket": "${aws_s3_bucket_versioning.full.bucket}", "key": "plain", "content": "hello"},
            "full": {
                "bucket": "${aws_s3_bucket_versioning.full.bucket}",
                "key": "folder/full.json",
                "content_base64": "${base64encode(jsonencode({}))}",
                "content_type": "application/json",
                "cache_control": "max-age=1",
                "metadata": {"a": "b"},
                "tags": {"a": "b"},
            },
        },
        "aws_sqs_queue": {
            "plain": {"name": "plain"},
            "full": {
                "name": "full.fifo",
                "fifo_queue": True,
                "content_based_deduplication": True,
                "visibility_timeout_seconds": 45,
                "tags": {"a": "b"},
            },
        },
        "aws_sns_topic": {"plain": {"name": "plain"}, "full": {"name": "full", "display_name": "Full"}},
        "aws_sns_topic_subscription": {
            "full": {
                "topic_arn": "${aws_sns_topic.full.arn}",
                "protocol": "sqs",
                "endpoint": "${aws_sqs_queue.plain.arn}",
                "raw_message_delivery": True,
                "filter_policy": '${jsonencode({ kind = ["x"] })}',
            }
        },
        "aws_iam_role": {
            "plain": {"name": "plain", "assume_role_policy": "${data.aws_iam_policy_document.trust.json}"},
            "full": {
                "name": "full",
                "assume_role_policy": "${data.aws_iam_policy_document.trust.json}",
                "description": "with everything",
                "path": "/x/",
                "max_session_duration": 7200,
            },
        },
        "aws_iam_role_policy": {
            "full": {
                "name": "full",
                "role": "${aws_iam_role.full.id}",
                "policy": '${jsonencode({ Version = "2012-10-17", Statement = '
                '[{ Effect = "Allow", Action = "sqs:*", Resource = "*" }] })}',
            }
        },
        "aws_dynamodb_table": {
            "plain": {
                "name": "plain",
                "billing_mode": "PAY_PER_REQUEST",
                "hash_key": "pk",
                "attribute": {"name": "pk", "type": "S"},
            },
            "full": {
                "name": "full",
                "read_capacity": 2,
                "write_capacity": 3,
                "hash_key": "pk",
                "range_key": "sk",
                "attribute": [{"name": name, "type": "S"} for name in ("pk", "sk", "other")],
                "global_secondary_index": {
                    "name": "global",
                    "hash_key": "other",
                    "projection_type": "INCLUDE",
                    "non_key_attributes": ["more"],
                    "read_capacity": 1,
                    "write_capacity": 1,
                },
                "local_secondary_index": {"name": "local", "range_key": "other", "projection_type": "ALL"},
                "ttl": {"attribute_name": "gone", "enabled": True},
                "point_in_time_recovery": {"enabled": True},
                "stream_enabled": True,
                "stream_view_type": "NEW_IMAGE",
                "tags": {"a": "b"},
            },
        },
    },
}

# What this provider leaves empty, and says so: blocks that have become resources of their own or that are off.
LEFT_EMPTY = {
    "aws_s3_bucket": {"grant", "versioning"},
    "aws_dynamodb_table": {"point_in_time_recovery", "ttl", "table_class"},
}


@pytest.fixture
def servers(tmp_path):
    """Two empty servers, so that both can make things of the same names."""
    running = [aws.start(tmp_path / name, aws.free_port())[0] for name in ("theirs", "ours")]
    yield running
    for name in ("theirs", "ours"):
        aws.stop(tmp_path / name)


def run(folder, server, *command, expect=0):
    environment = {**os.environ, **aws.variables(server), "CHECKPOINT_DISABLE": "1", "NO_COLOR": "1"}
    environment["TF_CLI_CONFIG_FILE"] = str(folder.parent / "terraformrc")
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


IAC = (sys.executable, "-c", "from iacengine.cli.main import main; main()")


def values(shown):
    return {
        one["address"]: (one["type"], one["values"]) for one in json.loads(shown)["values"]["root_module"]["resources"]
    }


def comparable(value):
    """The value without what differs between any two runs, and without the difference of null and empty."""
    if isinstance(value, dict):
        return {key: comparable(child) for key, child in value.items()}
    if isinstance(value, list):
        children = sorted((comparable(child) for child in value), key=lambda child: json.dumps(child, sort_keys=True))
        return children or None
    if value in ("", None, 0, False):
        return None
    if isinstance(value, str):
        value = re.sub(r"\b(vpc|subnet|sg|rtb|acl)-[0-9a-f]{17}", r"\1", value)
        value = re.sub(r"terraform-[0-9a-f]{26}|iac-[0-9a-f]{26}|^terraform-$|^iac-$", "made up", value)
        value = re.sub(r"127\.0\.0\.1:\d+", "host", value)
        value = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|20\d\d-\d\d-\d\dT[\d:.]+Z?|AROA\w+", "made up", value)
        if value.startswith("{"):
            return json.dumps(json.loads(value), sort_keys=True)
    return value


def test_both_make_the_same_and_terraforms_state_is_taken_over_without_a_change(tmp_path, servers):
    theirs_at, ours_at = servers
    (tmp_path / "terraformrc").write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{MIRROR}"\n  }}\n}}\n'
    )
    folders = {}
    for name in ("terraform", "iac", "taken-over"):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        (folders[name] / "main.tf.json").write_text(json.dumps(CONFIGURATION))

    run(folders["terraform"], theirs_at, "terraform", "init", "-no-color")
    run(folders["terraform"], theirs_at, "terraform", "apply", "-no-color", "-auto-approve")
    theirs = values(run(folders["terraform"], theirs_at, "terraform", "show", "-json"))
    run(folders["iac"], ours_at, *IAC, "apply", "--auto-approve")
    ours = values(run(folders["iac"], ours_at, *IAC, "show", "--json"))

    assert sorted(ours) == sorted(theirs)
    different = [
        f"{address}.{name}: {comparable(attributes.get(name))} and {comparable(ours[address][1].get(name))}"
        for address, (type_, attributes) in sorted(theirs.items())
        for name in sorted(attributes.keys() | ours[address][1].keys())
        if name not in LEFT_EMPTY.get(type_, ())
        and (comparable(attributes.get(name)) or None) != (comparable(ours[address][1].get(name)) or None)
    ]
    assert different == []

    state = folders["terraform"] / "terraform.tfstate"
    run(folders["taken-over"], theirs_at, *IAC, "state", "push", str(state))
    run(folders["taken-over"], theirs_at, *IAC, "plan", "--detailed-exitcode")
