"""checkov (https://www.checkov.io), a scanner of Terraform's plans, reads ours and finds what is unsafe in them."""

import json
import os
import subprocess

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STACK = """
stack: {required_providers: {aws: {source: hashicorp/aws}}}
provider:
  aws:  # nothing is asked of AWS: there is nothing yet to be looked up
    region: eu-west-1
    access_key: none
    secret_key: none
    skip_credentials_validation: true
    skip_requesting_account_id: true
    skip_metadata_api_check: true
resource:
  aws_s3_bucket:
    logs: {bucket: logs-of-a-test}
  aws_security_group:
    open:
      for_each: {ssh: 22, web: 443}
      name: open-${each.key}
      description: Open to all
      ingress:
        - {protocol: tcp, from_port: "${each.value}", to_port: "${each.value}", cidr_blocks: [0.0.0.0/0]}
  aws_dynamodb_table:
    careless: {name: a, billing_mode: PAY_PER_REQUEST, hash_key: id, attribute: {name: id, type: S}}
    careful:
      name: b
      billing_mode: PAY_PER_REQUEST
      hash_key: id
      attribute: {name: id, type: S}
      point_in_time_recovery: {enabled: true}
module:
  queues: {source: ./queues, for_each: {orders: true, returns: false}, is_encrypted: "${each.value}"}
"""
QUEUES = """
variable: {is_encrypted: {type: bool}}
resource:
  aws_sqs_queue:
    this: {name: q, sqs_managed_sse_enabled: "${var.is_encrypted}"}
"""
SSH_OPEN_TO_ALL = "CKV_AWS_24"
NO_RECOVERY = "CKV_AWS_28"
NO_VERSIONS = "CKV_AWS_21"
NO_ENCRYPTION_OF_QUEUE = "CKV_AWS_27"


@pytest.fixture
def scan(environment_of, stack):
    """`scan()`: plan the stack and have checkov look at the plan; the results as `(check, address)`."""
    binary = environment_of("checkov>=3.2")

    def run():
        stack.iac("plan", "--out", "saved.plan")
        plan = stack.folder / "plan.json"
        plan.write_text(stack.iac("show", "--json", "saved.plan").out)
        environment = {"PATH": os.environ["PATH"], "HOME": str(stack.folder), "LOG_LEVEL": "ERROR"}
        command = [binary / "checkov", "-f", plan, "--framework", "terraform_plan", "-o", "json", "--skip-download"]
        done = subprocess.run(
            command, cwd=stack.folder, env=environment, capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode in (0, 1), done.stdout + done.stderr
        return json.loads(done.stdout)

    return run


def found(report, kind):
    return {(one["check_id"], one["resource"]) for one in report["results"][kind]}


def test_what_is_unsafe_in_a_plan_is_found_by_its_address(scan, stack):
    stack.write(STACK)
    stack.write(QUEUES, "queues/main.iac.yaml")
    report = scan()
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["resource_count"] == 7
    failed, passed = found(report, "failed_checks"), found(report, "passed_checks")
    assert (SSH_OPEN_TO_ALL, 'aws_security_group.open["ssh"]') in failed
    assert (SSH_OPEN_TO_ALL, 'aws_security_group.open["web"]') in passed
    assert (NO_RECOVERY, "aws_dynamodb_table.careless") in failed
    assert (NO_RECOVERY, "aws_dynamodb_table.careful") in passed
    assert (NO_VERSIONS, "aws_s3_bucket.logs") in failed
    assert (NO_ENCRYPTION_OF_QUEUE, 'module.queues["returns"].aws_sqs_queue.this') in failed
    assert (NO_ENCRYPTION_OF_QUEUE, 'module.queues["orders"].aws_sqs_queue.this') in passed
