"""The quick start, from the first apply to the destroy, with the command line and seen with plain boto3."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

STACK = Path(__file__).parents[2] / "example-stacks" / "quickstart"


@pytest.fixture
def iac(tmp_path):
    """Run the command line in a copy of the stack; its standard output."""
    folder = tmp_path / "quickstart"
    shutil.copytree(STACK, folder, ignore=shutil.ignore_patterns("iac.state*", ".iac"))

    def run(*arguments, expect=0):
        command = [sys.executable, "-c", "from iacengine.cli.main import main; main()", *arguments]
        done = subprocess.run(
            command, cwd=folder, env=dict(os.environ), capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_quick_start_works_from_apply_to_destroy(iac, client):
    more = "{billing = 30, shipping = 120, mailing = 60}"
    iac("apply", "--auto-approve")
    outputs = {name: entry["value"] for name, entry in json.loads(iac("output", "--json")).items()}
    assert sorted(outputs["queues"]) == ["billing", "shipping"]
    assert outputs["subnets"] == {"eu-west-1a": "10.42.0.0/24", "eu-west-1b": "10.42.1.0/24"}

    client("sns").publish(TopicArn=outputs["topic"], Message="an order")
    for url in outputs["queues"].values():
        received = client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=1)["Messages"]
        assert [message["Body"] for message in received] == ["an order"]
    welcome = client("s3").get_object(Bucket=outputs["bucket"], Key="welcome.json")["Body"].read()
    assert json.loads(welcome) == {"message": "Hello from quickstart", "consumers": ["billing", "shipping"]}
    role = client("iam").get_role(RoleName="quickstart-worker")["Role"]
    assert {"Key": "project", "Value": "quickstart"} in role["Tags"]

    iac("plan", "--detailed-exitcode", expect=0)
    iac("plan", "--detailed-exitcode", "--var", f"consumers={more}", expect=2)
    iac("apply", "--auto-approve", "--var", f"consumers={more}")
    assert sorted(json.loads(iac("output", "--json", "queues"))) == ["billing", "mailing", "shipping"]

    iac("destroy", "--auto-approve", "--var", f"consumers={more}")
    assert client("sqs").list_queues(QueueNamePrefix="quickstart").get("QueueUrls", []) == []
    assert outputs["bucket"] not in {bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]}
    assert "quickstart-orders" not in client("dynamodb").list_tables()["TableNames"]
