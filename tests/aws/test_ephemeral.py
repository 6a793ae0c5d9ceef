"""Ephemeral resources: values from AWS that are kept nowhere."""

from __future__ import annotations

import boto3
import pytest

from iacengine.provider.checks import check_read
from iacengine.schema.values import conform


@pytest.fixture
def open_(configure):
    """open_(type, body): the answer of an open, which fits the schema when there is no error."""
    provider, found = configure()
    assert not found

    def open_one(type_, **body):
        block = provider.schema().ephemeral_resources[type_].block
        answer = provider.open_ephemeral(type_, conform(body, block))
        if not answer.diagnostics:
            assert not check_read(block, answer.result)
        return answer

    return open_one


def test_a_parameter_is_decrypted(open_):
    boto3.client("ssm").put_parameter(Name="/app/password", Value="hunter2", Type="SecureString", Overwrite=True)
    arn = boto3.client("ssm").get_parameter(Name="/app/password")["Parameter"]["ARN"]
    opened = open_("aws_ssm_parameter", arn=arn).result
    assert (opened["value"], opened["type"], opened["name"]) == ("hunter2", "SecureString", "/app/password")


def test_a_secret_has_its_newest_version(open_):
    made = boto3.client("secretsmanager").create_secret(Name="one", SecretString="first")
    boto3.client("secretsmanager").put_secret_value(SecretId="one", SecretString="second")
    assert open_("aws_secretsmanager_secret_version", secret_id="one").result["secret_string"] == "second"
    older = open_("aws_secretsmanager_secret_version", secret_id=made["ARN"], version_id=made["VersionId"]).result
    assert older["secret_string"] == "first"


def test_a_password_is_as_long_as_asked_and_another_each_time(open_):
    first, second = (
        open_("aws_secretsmanager_random_password", password_length=40, exclude_punctuation=True).result
        for _ in range(2)
    )
    assert len(first["random_password"]) == 40
    assert first["random_password"].isalnum()
    assert first["random_password"] != second["random_password"]


def test_what_is_not_there_is_an_error_that_names_it(open_):
    (problem,) = open_("aws_ssm_parameter", arn="/not/there").diagnostics
    assert problem.is_error
    assert "opening aws_ssm_parameter" in problem.summary + problem.detail
