"""The data source aws_iam_policy_document, which makes the same bytes as Terraform's provider."""

import json
from pathlib import Path

import pytest

from iacengine.lang.values import to_python
from iacengine.schema.values import conform

# Recorded from Terraform 1.11.4 with its AWS provider 5.100.0.
CASES = json.loads(Path(__file__).with_name("policy_documents.json").read_bytes())


def read(cloud, body):
    schema = cloud.provider.schema().data_sources["aws_iam_policy_document"]
    answer = cloud.provider.read_data("aws_iam_policy_document", conform(_values(body), schema.block))
    assert answer.diagnostics == (), answer.diagnostics
    return to_python(answer.state)


def _values(data):
    if isinstance(data, dict):
        return {key: _values(child) for key, child in data.items()}
    return tuple(map(_values, data)) if isinstance(data, list) else data


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_bytes_are_those_of_terraform(cloud, case):
    found = read(cloud, case["body"])
    assert found["json"] == case["json"]
    assert found["minified_json"] == case["minified_json"]
    assert found["id"] == case["id"]
